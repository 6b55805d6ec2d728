//! Kubernetes quantities: `250m`, `128Mi`, `1e3`, `0.5`.

use sentinel_model::Resources;
use serde_json::Value;

use super::json::at;

/// Value in base units (cores, bytes, pieces); `None` for what is not a finite quantity.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-'))).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    let number: f64 = digits.parse().ok()?;
    let value = match suffix {
        "" => number,
        // Dividing by a power of ten rounds once; multiplying by its inverse would round twice.
        "n" => number / 1e9,
        "u" => number / 1e6,
        "m" => number / 1e3,
        "k" => number * 1e3,
        "M" => number * 1e6,
        "G" => number * 1e9,
        "T" => number * 1e12,
        "P" => number * 1e15,
        "E" => number * 1e18,
        "Ki" => number * 1024.0,
        "Mi" => number * 1024.0_f64.powi(2),
        "Gi" => number * 1024.0_f64.powi(3),
        "Ti" => number * 1024.0_f64.powi(4),
        "Pi" => number * 1024.0_f64.powi(5),
        "Ei" => number * 1024.0_f64.powi(6),
        // `1e3`: only here can a number reach past the suffix.
        exponent if exponent.starts_with(['e', 'E']) => text.parse().ok()?,
        _ => return None,
    };
    value.is_finite().then_some(value)
}

/// A quantity given as text or (in hand-written manifests) as a number.
pub(super) fn from_json(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => parse(text),
        Value::Number(number) => number.as_f64(),
        _ => None,
    }
}

/// Bytes and other whole things: a fraction counts as one more, as Kubernetes rounds.
pub(super) fn whole(value: &Value) -> Option<f64> {
    from_json(value).map(f64::ceil)
}

/// A list such as `resources.limits` or `status.allocatable`.
pub(super) fn resources(list: Option<&Value>) -> Resources {
    let Some(list) = list else { return Resources::default() };
    Resources {
        cpu_cores: at(list, "cpu").and_then(from_json),
        memory_bytes: at(list, "memory").and_then(whole),
        ephemeral_storage_bytes: at(list, "ephemeral-storage").and_then(whole),
        pods: at(list, "pods").and_then(whole),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_every_form_that_kubernetes_writes() {
        let cases = [
            ("100m", 0.1),
            ("40m", 0.04),
            ("2", 2.0),
            ("0.5", 0.5),
            ("-1", -1.0),
            ("128Mi", 134_217_728.0),
            ("1.5Gi", 1_610_612_736.0),
            ("16098852Ki", 16_485_224_448.0),
            ("5M", 5_000_000.0),
            ("1e3", 1000.0),
            ("12E", 12e18),
            ("1E2", 100.0),
            ("129e-1", 12.9),
            ("250000n", 0.000_25),
            ("3u", 0.000_003),
            ("1k", 1000.0),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_quantity() {
        for text in ["", "m", "1x", "1KiB", "nan", "inf", "1e999", "--1", "1.2.3", "１"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn reads_a_list_of_resources_and_rounds_bytes_up() {
        let list = json!({"cpu": "250m", "memory": "100m", "ephemeral-storage": 1024, "pods": "110"});
        let expected = Resources {
            cpu_cores: Some(0.25),
            memory_bytes: Some(1.0),
            ephemeral_storage_bytes: Some(1024.0),
            pods: Some(110.0),
        };
        assert_eq!(resources(Some(&list)), expected);
        assert_eq!(resources(Some(&json!("cpu"))), Resources::default());
        assert_eq!(resources(None), Resources::default());
    }

    proptest! {
        #[test]
        fn never_panics_and_never_answers_infinity(text in "\\PC{0,12}") {
            prop_assert!(parse(&text).is_none_or(f64::is_finite));
        }

        #[test]
        fn gives_back_whole_numbers_of_each_suffix(n in 0_u32..1_000_000) {
            prop_assert_eq!(parse(&format!("{n}m")), Some(f64::from(n) / 1000.0));
            prop_assert_eq!(parse(&format!("{n}Ki")), Some(f64::from(n) * 1024.0));
        }
    }
}
