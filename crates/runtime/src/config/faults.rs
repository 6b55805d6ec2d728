//! Which keys of a table a configuration refuses: each is tried by itself, because the first error of the
//! whole hides the others and, below an adapter chosen by `kind`, does not know its own key.

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// Where in a table something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// One key that is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fault {
    pub path: Vec<Step>,
    /// As it was given.
    pub value: Value,
    pub message: String,
}

/// Everything that `C` refuses in `table`; empty when it is usable.
pub(super) fn faults<C: DeserializeOwned>(table: &Table) -> Vec<Fault> {
    let mut found = Vec::new();
    if refusal::<C>(table.clone()).is_some() {
        look::<C>(&mut Vec::new(), &Value::Table(table.clone()), None, &mut found);
    }
    found
}

/// Why `C` cannot be read from this.
pub(super) fn refusal<C: DeserializeOwned>(table: Table) -> Option<String> {
    C::deserialize(table).err().map(|error| error.message().to_owned())
}

/// A table that holds only this, where it belongs.
pub(super) fn alone(path: &[Step], value: Value) -> Table {
    let wrap = |inner, step: &Step| match step {
        Step::Key(key) => Value::Table(Table::from_iter([(key.clone(), inner)])),
        Step::Index(_) => Value::Array(vec![inner]),
    };
    match path.iter().rev().fold(value, wrap) {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

/// `kind` is the neighbour that says what may stand here.
fn look<C: DeserializeOwned>(
    path: &mut Vec<Step>,
    value: &Value,
    kind: Option<&Value>,
    found: &mut Vec<Fault>,
) {
    let mut whole = alone(path, value.clone());
    if let (Some(kind), Some((_, section))) = (kind, path.split_last()) {
        add(&mut whole, section, kind);
    }
    let Some(message) = refusal::<C>(whole) else { return };
    let n_before = found.len();
    let is_unknown =
        matches!(path.last(), Some(Step::Key(key)) if message.contains(&format!("unknown field `{key}`")));
    match value {
        // Nothing in it can be right.
        _ if is_unknown => {}
        Value::Table(table) => {
            let kind = table.get("kind").filter(|kind| {
                let section = Table::from_iter([("kind".to_owned(), (*kind).clone())]);
                refusal::<C>(alone(path, Value::Table(section))).is_none()
            });
            for (key, inner) in table {
                path.push(Step::Key(key.clone()));
                look::<C>(path, inner, kind, found);
                path.pop();
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (index, item) in items.iter().enumerate() {
                path.push(Step::Index(index));
                look_into_item::<C>(path, item, found);
                path.pop();
            }
        }
        _ => {}
    }
    if found.len() == n_before {
        found.push(Fault { path: path.clone(), value: value.clone(), message });
    }
}

fn add(table: &mut Table, section: &[Step], kind: &Value) {
    let mut inner = table;
    for step in section {
        let Step::Key(key) = step else { return };
        let Some(Value::Table(next)) = inner.get_mut(key) else { return };
        inner = next;
    }
    inner.insert("kind".to_owned(), kind.clone());
}

/// Items have keys that must be there, so that none of them can be tried alone: they are left out one by
/// one instead.
fn look_into_item<C: DeserializeOwned>(path: &[Step], item: &Value, found: &mut Vec<Fault>) {
    let mut left = item.clone();
    let n_before = found.len();
    while let Some(message) = refusal::<C>(alone(path, left.clone())) {
        let Some((key, value)) = culprit::<C>(path, &left, &message) else {
            // What is missing may just have been left out.
            if found.len() == n_before {
                found.push(Fault { path: path.to_owned(), value: item.clone(), message });
            }
            return;
        };
        if let Value::Table(table) = &mut left {
            table.remove(&key);
        }
        let path = path.iter().cloned().chain([Step::Key(key)]).collect();
        found.push(Fault { path, value, message });
    }
}

/// The key without which the item is fine, or wrong in another way.
fn culprit<C: DeserializeOwned>(path: &[Step], item: &Value, message: &str) -> Option<(String, Value)> {
    let table = item.as_table()?;
    table.iter().find_map(|(key, value)| {
        let mut without = table.clone();
        without.remove(key);
        let is_other = refusal::<C>(alone(path, Value::Table(without))).as_deref() != Some(message);
        is_other.then(|| (key.clone(), value.clone()))
    })
}

// === Places ===

/// `collector.scrape[0].url`.
pub(super) fn dotted(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => text.push_str(&format!(".{key}")),
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// The line of a file where this stands, from 1.
pub(super) fn line_of(text: &str, path: &[Step]) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut at = None;
    let mut table = Some(root.get_ref());
    let mut array = None;
    for step in path {
        let value = match step {
            Step::Key(key) => {
                let (key, value) = table?.iter().find(|(name, _)| name.get_ref() == key)?;
                at = Some(key.span().start);
                value
            }
            Step::Index(index) => {
                let value: &toml::Spanned<DeValue<'_>> = <[_]>::get(array?, *index)?;
                at = Some(value.span().start);
                value
            }
        };
        table = value.get_ref().as_table();
        array = value.get_ref().as_array().map(|array| &**array);
    }
    Some(1 + text.get(..at?)?.matches('\n').count())
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Whole {
        name: String,
        count: u8,
        items: Vec<Item>,
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        url: String,
        #[serde(default)]
        size: u8,
    }

    fn found(text: &str) -> Vec<(String, Option<usize>)> {
        let table: Table = toml::from_str(text).expect("TOML");
        let faults = faults::<Whole>(&table);
        faults.iter().map(|fault| (dotted(&fault.path), line_of(text, &fault.path))).collect()
    }

    fn at(key: &str, line: usize) -> (String, Option<usize>) {
        (key.to_owned(), Some(line))
    }

    #[test]
    fn finds_every_key_that_is_refused_and_its_line() {
        assert_eq!(found("name = \"a\"\ncount = 1\n"), []);
        assert_eq!(
            found("count = 300\nname = 1\ncolour = 2\n"),
            [at("colour", 3), at("count", 1), at("name", 2)]
        );
    }

    #[test]
    fn looks_into_items() {
        let text = "[[items]]\nurl = \"a\"\n[[items]]\nurl = 1\nsize = \"x\"\n[[items]]\nsize = 3\n";
        assert_eq!(found(text), [at("items[1].size", 5), at("items[1].url", 4), at("items[2]", 6)]);
    }
}
