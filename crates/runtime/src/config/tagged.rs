//! Sections that choose an adapter by `kind`, which may be left out.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize as _, Deserializer};
use toml::{Table, Value};

/// Reads a section into an enum tagged by `kind`; a section without `kind` is of kind `default`, so
/// that one key can be set alone, from a flag or the environment as well.
///
/// # Errors
/// Those of `T`, and anything that is not a table.
pub fn tagged<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
    default: &str,
) -> Result<T, D::Error> {
    let mut table = Table::deserialize(deserializer)?;
    table.entry("kind").or_insert_with(|| Value::String(default.to_owned()));
    T::deserialize(table).map_err(|error| D::Error::custom(error.message()))
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Deserializer};

    use super::tagged;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Kinds {
        Near(Near),
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Near {
        size: u32,
    }

    #[derive(Debug, PartialEq)]
    struct Section(Kinds);

    impl<'de> Deserialize<'de> for Section {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            tagged(deserializer, "near").map(Self)
        }
    }

    #[test]
    fn takes_the_default_kind_when_none_is_given() {
        let near = |size| Section(Kinds::Near(Near { size }));
        assert_eq!(toml::from_str("size = 3"), Ok(near(3)));
        assert_eq!(toml::from_str("kind = \"near\""), Ok(near(0)));
    }

    #[test]
    fn refuses_unknown_keys_and_kinds() {
        let unknown = toml::from_str::<Section>("sise = 3").expect_err("an unknown key").to_string();
        assert!(unknown.contains("unknown field `sise`, expected `size`"), "{unknown}");
        assert!(toml::from_str::<Section>("kind = \"far\"").is_err());
    }
}
