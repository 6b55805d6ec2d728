//! Model ⇄ wire, one file per topic.

mod dead_letters;
mod events;
mod logs;
mod objects;
mod settings;

use std::sync::Arc;

use ahash::AHashMap;
use sentinel_model::Timestamp;

use crate::WireError;

fn timestamp(unix_ms: Option<i64>) -> Option<Timestamp> {
    unix_ms.map(Timestamp::from_millis)
}

fn unix_ms(timestamp: Option<Timestamp>) -> Option<i64> {
    timestamp.map(Timestamp::as_millis)
}

fn key(parts: [&str; 3]) -> bytes::Bytes {
    parts.join("/").into()
}

/// Numbers texts in order of first use.
#[derive(Default)]
struct Symbols<'a> {
    numbers: AHashMap<&'a str, u32>,
    texts: Vec<String>,
}

impl<'a> Symbols<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text.to_owned());
            (self.texts.len() - 1) as u32
        })
    }
}

fn symbol(symbols: &[Arc<str>], number: u32) -> Result<Arc<str>, WireError> {
    let detail = "a symbol that it does not define";
    symbols.get(number as usize).cloned().ok_or(WireError::Corrupt { detail })
}
