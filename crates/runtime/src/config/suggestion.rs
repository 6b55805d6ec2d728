//! The line to write in place of one that is refused.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::faults::{Fault, Step, alone, refusal};

/// What values may be taken from besides what was written.
pub(super) struct Known<'a> {
    pub defaults: Table,
    /// Dotted keys and values, for keys whose default nobody would write.
    pub examples: &'a [(&'a str, &'a str)],
}

/// What was written with the slip mended where that is plain, else the default, else an example.
pub(super) fn line_to_write<C: DeserializeOwned>(fault: &Fault, known: &Known<'_>) -> Option<String> {
    let Fault { path, value, message } = fault;
    if let Some((unknown, names)) = named(message, "unknown field `") {
        let (_, parent) = path.split_last()?;
        let closest = closest(unknown, names)?;
        let mended: Vec<Step> = parent.iter().cloned().chain([Step::Key(closest.to_owned())]).collect();
        if !value.is_table() && refusal::<C>(alone(&mended, value.clone())).is_none() {
            return Some(format!("{closest} = {value}"));
        }
        return Some(known.line(&mended).unwrap_or_else(|| format!("{closest} = …")));
    }
    if let Some((missing, _)) = named(message, "missing field `") {
        let whole: Vec<Step> = path.iter().cloned().chain([Step::Key(missing.to_owned())]).collect();
        return Some(known.line(&whole).unwrap_or_else(|| format!("{missing} = …")));
    }
    let Some(Step::Key(key)) = path.last() else { return known.line(path) };
    let usable = mended(value, message, known.is_duration(path))
        .into_iter()
        .find(|mended| refusal::<C>(alone(path, mended.clone())).is_none());
    match usable {
        Some(value) => Some(format!("{key} = {value}")),
        None => known.line(path),
    }
}

/// Values that were probably meant.
fn mended(value: &Value, message: &str, is_duration: bool) -> Vec<Value> {
    let mut mended = Vec::new();
    if let Some((unknown, variants)) = named(message, "unknown variant `") {
        let near = |variant: &&str| distance(unknown, variant) <= 2;
        mended.extend(closest(unknown, variants).filter(near).map(Value::from));
    }
    match value {
        Value::String(text) => {
            mended.push(super::scalar(text));
            mended.push(Value::String(format!("{text}s")));
            mended.push(Value::Array(vec![value.clone()]));
        }
        // A number without its unit.
        Value::Integer(number) if is_duration => mended.push(Value::String(format!("{number}s"))),
        _ => {}
    }
    mended
}

fn keys(path: &[Step]) -> Vec<&str> {
    let mut keys = Vec::with_capacity(path.len());
    for step in path {
        if let Step::Key(key) = step {
            keys.push(key.as_str());
        }
    }
    keys
}

impl Known<'_> {
    fn is_duration(&self, path: &[Step]) -> bool {
        let default = self.default(&keys(path)).and_then(Value::as_str);
        default.is_some_and(|text| super::duration::parse(text).is_some())
    }

    fn line(&self, path: &[Step]) -> Option<String> {
        let keys = keys(path);
        let key = keys.last()?;
        let dotted = keys.join(".");
        let default = self.default(&keys).filter(|value| !is_empty(value));
        let example = || self.examples.iter().find(|(key, _)| *key == dotted);
        match (default, example()) {
            (Some(Value::Table(_)), _) => Some(format!("[{dotted}]")),
            (Some(value), _) => Some(format!("{key} = {value}")),
            (None, Some((_, value))) => Some(format!("{key} = {value}")),
            (None, None) => None,
        }
    }

    fn default(&self, keys: &[&str]) -> Option<&Value> {
        let (last, sections) = keys.split_last()?;
        let mut table = &self.defaults;
        for section in sections {
            table = table.get(*section)?.as_table()?;
        }
        table.get(*last)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// For serde's "unknown field `x`, expected one of `a`, `b`": `x`, and the text with the others.
fn named<'m>(message: &'m str, beginning: &str) -> Option<(&'m str, &'m str)> {
    message.split_once(beginning)?.1.split_once('`')
}

fn closest<'m>(unknown: &str, names: &'m str) -> Option<&'m str> {
    let names = names.split('`').skip(1).step_by(2);
    names.min_by_key(|candidate| distance(unknown, candidate))
}

/// Levenshtein distance by characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
    }
}
