//! Each text of a label once.

use std::sync::Arc;

use ahash::HashMap;

/// Number of a text.
pub(crate) type Symbol = u32;

#[derive(Debug, Default)]
pub(crate) struct Symbols {
    numbers: HashMap<Arc<str>, Symbol>,
    texts: Vec<Text>,
    free: Vec<Symbol>,
}

#[derive(Debug)]
struct Text {
    text: Arc<str>,
    n_uses: u32,
}

impl Symbols {
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied()
    }

    /// Text of a symbol that is in use.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol as usize).map_or("", |entry| &entry.text)
    }

    /// One more use of this text.
    pub(crate) fn add(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.find(text) {
            self.texts[symbol as usize].n_uses += 1;
            return symbol;
        }
        let text: Arc<str> = text.into();
        let entry = Text { text: Arc::clone(&text), n_uses: 1 };
        let symbol = if let Some(symbol) = self.free.pop() {
            self.texts[symbol as usize] = entry;
            symbol
        } else {
            self.texts.push(entry);
            self.texts.len() as Symbol - 1
        };
        self.numbers.insert(text, symbol);
        symbol
    }

    /// One use less; the last one frees the text.
    pub(crate) fn remove(&mut self, symbol: Symbol) {
        let entry = &mut self.texts[symbol as usize];
        entry.n_uses -= 1;
        if entry.n_uses == 0 {
            let text = std::mem::replace(&mut entry.text, Arc::from(""));
            self.numbers.remove(&text);
            self.free.push(symbol);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_a_text_as_long_as_it_is_used() {
        let mut symbols = Symbols::default();
        let web = symbols.add("web");
        assert_eq!(symbols.add("web"), web);
        assert_eq!(symbols.text(web), "web");
        symbols.remove(web);
        assert_eq!(symbols.find("web"), Some(web));
        symbols.remove(web);
        assert_eq!(symbols.find("web"), None);
        assert_eq!(symbols.add("db"), web, "the number is free again");
        assert_eq!(symbols.text(web), "db");
    }
}
