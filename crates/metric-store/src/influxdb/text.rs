//! Names and values as InfluxDB can hold them: what line protocol cannot carry is written as `%HH`.

use std::borrow::Cow;

use sentinel_model::METRIC_NAME;

/// Column of the measurement in answers.
pub(crate) const MEASUREMENT: &str = "_measurement";
/// Stands for a name without characters; a `%` of a name is never alone.
const EMPTY: &str = "%";

/// How a byte is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Plain,
    /// Special to line protocol, which escapes it by a backslash.
    Special,
    /// A control character, a backslash (which some parsers take for the beginning of an escape) or `%`.
    Coded,
    /// May begin a control character of two bytes.
    Latin,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b',' | b'=' | b' ' => Class::Special,
            0..=0x1f | 0x7f | b'\\' | b'%' => Class::Coded,
            0xc2 => Class::Latin,
            _ => Class::Plain,
        };
        byte += 1;
    }
    classes
};

/// Adds a tag's value.
pub(crate) fn put_value(out: &mut Vec<u8>, text: &str) {
    put(out, text, b",= ");
}

/// Adds a tag's key. Keys that the server keeps for itself (`_field`, `time`) are written otherwise.
pub(crate) fn put_key(out: &mut Vec<u8>, name: &str) {
    match name {
        "" => out.extend_from_slice(EMPTY.as_bytes()),
        "time" => out.extend_from_slice(b"%74ime"),
        name => {
            let rest = name.strip_prefix('_');
            if rest.is_some() {
                out.extend_from_slice(b"%5F");
            }
            put(out, rest.unwrap_or(name), b",= ");
        }
    }
}

/// Adds a measurement: the name of a metric. A line that begins with `#` would be a comment.
pub(crate) fn put_measurement(out: &mut Vec<u8>, name: &str) {
    match name.as_bytes().first() {
        None => out.extend_from_slice(EMPTY.as_bytes()),
        Some(first @ (b'_' | b'#')) => {
            coded(out, *first);
            put(out, &name[1..], b", ");
        }
        Some(_) => put(out, name, b", "),
    }
}

/// What needs no second look: no byte of another class than [`Class::Plain`]. Written so that many bytes are
/// compared at a time, for nearly all texts are plain.
const fn is_plain(byte: u8) -> bool {
    (byte > b' ')
        & (byte != 0x7f)
        & (byte != b',')
        & (byte != b'=')
        & (byte != b'\\')
        & (byte != b'%')
        & (byte != 0xc2)
}

fn put(out: &mut Vec<u8>, text: &str, special: &[u8]) {
    let bytes = text.as_bytes();
    if bytes.iter().fold(true, |all, byte| all & is_plain(*byte)) {
        return out.extend_from_slice(bytes);
    }
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let class = CLASSES[usize::from(*byte)];
        let is_control = || matches!(bytes.get(at + 1), Some(0x80..=0x9f));
        match class {
            Class::Plain => continue,
            Class::Special if !special.contains(byte) => continue,
            Class::Latin if !is_control() => continue,
            _ => {}
        }
        out.extend_from_slice(&bytes[start..at]);
        start = at + 1;
        match class {
            Class::Special => out.extend_from_slice(&[b'\\', *byte]),
            Class::Latin => {
                coded(out, *byte);
                coded(out, bytes[at + 1]);
                start = at + 2;
            }
            _ => coded(out, *byte),
        }
    }
    out.extend_from_slice(&bytes[start.min(bytes.len())..]);
}

fn coded(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(&[b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// A tag's value as the server holds it, for queries.
pub(crate) fn stored_value(value: &str) -> String {
    unescaped(|out| put_value(out, value))
}

/// The column of a label in answers and queries.
pub(crate) fn column(label: &str) -> String {
    if label == METRIC_NAME { MEASUREMENT.to_owned() } else { unescaped(|out| put_key(out, label)) }
}

/// What the server holds of a label's value, by the label.
pub(crate) fn stored(label: &str, value: &str) -> String {
    if label == METRIC_NAME { unescaped(|out| put_measurement(out, value)) } else { stored_value(value) }
}

/// Backslashes are only those of escapes: others are coded.
fn unescaped(put: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    put(&mut out);
    out.retain(|byte| *byte != b'\\');
    String::from_utf8_lossy(&out).into_owned()
}

/// The label of a column.
pub(crate) fn label(column: &str) -> Cow<'_, str> {
    if column == MEASUREMENT { Cow::Borrowed(METRIC_NAME) } else { original(column) }
}

/// What was stored under this text. Text of others, which is not coded as ours is, stays as it is.
pub(crate) fn original(stored: &str) -> Cow<'_, str> {
    if stored == EMPTY {
        return Cow::Borrowed("");
    }
    if !stored.contains('%') {
        return Cow::Borrowed(stored);
    }
    let mut bytes = Vec::with_capacity(stored.len());
    let mut rest = stored.as_bytes();
    while let [first, others @ ..] = rest {
        let byte = match others {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                rest = &others[2..];
            }
            None => {
                bytes.push(*first);
                rest = others;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(stored), Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_is_plain_at_a_glance_where_its_class_says_so() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_plain(byte), CLASSES[usize::from(byte)] == Class::Plain, "{byte:#x}");
        }
    }

    fn line(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn escapes_by_the_rules_of_line_protocol() {
        assert_eq!(line(|out| put_value(out, "a,b=c d\"e")), r#"a\,b\=c\ d"e"#);
        assert_eq!(line(|out| put_measurement(out, "a,b=c d")), r"a\,b=c\ d");
        assert_eq!(line(|out| put_key(out, "a=b")), r"a\=b");
    }

    #[test]
    fn codes_what_line_protocol_cannot_carry() {
        assert_eq!(line(|out| put_value(out, "1\nadmin,x=y v=1")), r"1%0Aadmin\,x\=y\ v\=1");
        assert_eq!(line(|out| put_value(out, "C:\\")), "C:%5C");
        assert_eq!(line(|out| put_value(out, "100%\u{85}é")), "100%25%C2%85é");
        for (name, coded) in [("_field", "%5Ffield"), ("time", "%74ime"), ("", "%"), ("times", "times")] {
            assert_eq!(line(|out| put_key(out, name)), coded);
        }
        for (name, coded) in [("#x", "%23x"), ("_x", "%5Fx"), ("", "%"), ("a#_", "a#_")] {
            assert_eq!(line(|out| put_measurement(out, name)), coded);
        }
    }

    #[test]
    fn leaves_the_text_of_others_as_it_is() {
        for text in ["50%", "%zz", "a%4", "%ff", "C:\\x"] {
            assert_eq!(original(text), text);
        }
    }

    proptest! {
        #[test]
        fn gives_back_every_text(text in "(?s).{0,20}") {
            let (value, column) = (stored_value(&text), column(&text));
            prop_assert_eq!(original(&value), text.as_str());
            prop_assert_eq!(label(&column), text.as_str());
            let measurement = stored(METRIC_NAME, &text);
            prop_assert_eq!(original(&measurement), text.as_str());
        }

        #[test]
        fn never_writes_what_ends_a_line(text in "(?s).{0,20}") {
            for line in [line(|out| put_value(out, &text)), line(|out| put_key(out, &text))] {
                prop_assert!(!line.chars().any(char::is_control) && !line.ends_with('\\'));
            }
        }
    }
}
