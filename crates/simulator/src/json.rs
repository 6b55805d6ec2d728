//! Writes JSON in the order in which it is told, because clients compare what they get byte by byte
//! and the real API server has a fixed order of fields.

use std::fmt::Write as _;

use sentinel_model::Timestamp;

use crate::dice::Uid;
use crate::time;

/// Writes one object and returns its text.
pub fn object(write: impl FnOnce(&mut Object<'_>)) -> String {
    let mut out = String::with_capacity(1024);
    write_object(&mut out, write);
    out
}

fn write_object(out: &mut String, write: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    write(&mut Object { out, is_empty: true });
    out.push('}');
}

/// An object being written.
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut String,
    is_empty: bool,
}

/// An array being written.
#[derive(Debug)]
pub struct Array<'a> {
    out: &'a mut String,
    is_empty: bool,
}

impl Object<'_> {
    fn key(&mut self, key: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        write_text(self.out, key);
        self.out.push(':');
        self.out
    }

    pub fn text(&mut self, key: &str, value: &str) {
        write_text(self.key(key), value);
    }

    /// Left out when empty, as Go's `omitempty` does.
    pub fn text_if(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    pub fn number(&mut self, key: &str, value: i64) {
        let _ = write!(self.key(key), "{value}");
    }

    pub fn number_if(&mut self, key: &str, value: i64) {
        if value != 0 {
            self.number(key, value);
        }
    }

    pub fn flag(&mut self, key: &str, value: bool) {
        self.key(key).push_str(if value { "true" } else { "false" });
    }

    pub fn null(&mut self, key: &str) {
        self.key(key).push_str("null");
    }

    /// RFC 3339 in whole seconds, as in `metadata.creationTimestamp`.
    pub fn time(&mut self, key: &str, at: Timestamp) {
        let out = self.key(key);
        out.push('"');
        time::push_seconds(out, at);
        out.push('"');
    }

    /// RFC 3339 with microseconds, as in a Lease.
    pub fn micro_time(&mut self, key: &str, at: Timestamp) {
        let out = self.key(key);
        out.push('"');
        time::push_micros(out, at);
        out.push('"');
    }

    pub fn uid(&mut self, key: &str, uid: Uid) {
        let _ = write!(self.key(key), "\"{uid}\"");
    }

    /// JSON that is already written.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key).push_str(json);
    }

    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut Object<'_>)) {
        write_object(self.key(key), write);
    }

    /// Left out when the map is empty.
    pub fn map<K: AsRef<str>, V: AsRef<str>>(&mut self, key: &str, pairs: impl IntoIterator<Item = (K, V)>) {
        let mut pairs = pairs.into_iter().peekable();
        if pairs.peek().is_some() {
            self.object(key, |map| pairs.for_each(|(key, value)| map.text(key.as_ref(), value.as_ref())));
        }
    }

    pub fn array(&mut self, key: &str, write: impl FnOnce(&mut Array<'_>)) {
        let out = self.key(key);
        out.push('[');
        write(&mut Array { out, is_empty: true });
        out.push(']');
    }

    pub fn texts<T: AsRef<str>>(&mut self, key: &str, items: impl IntoIterator<Item = T>) {
        self.array(key, |array| items.into_iter().for_each(|item| array.text(item.as_ref())));
    }
}

impl Array<'_> {
    fn item(&mut self) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.out
    }

    pub fn text(&mut self, value: &str) {
        write_text(self.item(), value);
    }

    pub fn raw(&mut self, json: &str) {
        self.item().push_str(json);
    }

    pub fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        write_object(self.item(), write);
    }
}

/// Escapes as Go's encoder does (which also escapes `<`, `>` and `&`).
pub fn write_text(out: &mut String, text: &str) {
    out.push('"');
    // Nearly all text is plain, and goes over in one piece.
    let mut rest = text;
    while let Some(at) = rest.bytes().position(may_need_escape) {
        out.push_str(&rest[..at]);
        let letter = rest[at..].chars().next().unwrap_or_default();
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_escape(out, letter),
            letter if u32::from(letter) < 0x20 => push_escape(out, letter),
            letter => out.push(letter),
        }
        rest = &rest[at + letter.len_utf8()..];
    }
    out.push_str(rest);
    out.push('"');
}

/// True of the first byte of every letter that is escaped, and of a few others.
const fn may_need_escape(byte: u8) -> bool {
    matches!(byte, 0..0x20 | b'"' | b'\\' | b'<' | b'>' | b'&' | 0xE2)
}

fn push_escape(out: &mut String, letter: char) {
    let _ = write!(out, "\\u{:04x}", u32::from(letter));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_the_order_of_the_calls() {
        let text = object(|o| {
            o.text("kind", "Pod");
            o.object("metadata", |metadata| {
                metadata.text("name", "cart-0");
                metadata.text_if("namespace", "");
                metadata.map("labels", [("app", "cart")]);
                metadata.map("annotations", Vec::<(String, String)>::new());
            });
            o.array("items", |items| {
                items.object(|item| item.number("port", 80));
                items.text("x");
            });
            o.null("lastProbeTime");
            o.flag("ready", true);
            o.time("at", Timestamp::from_secs(1_795_251_078));
        });
        assert_eq!(
            text,
            r#"{"kind":"Pod","metadata":{"name":"cart-0","labels":{"app":"cart"}},"items":[{"port":80},"x"],"lastProbeTime":null,"ready":true,"at":"2026-11-21T08:51:18Z"}"#
        );
    }

    proptest! {
        #[test]
        fn any_text_survives(text: String) {
            let json = object(|o| o.text("text", &text));
            let back: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
            prop_assert_eq!(back["text"].as_str(), Some(text.as_str()));
        }
    }
}
