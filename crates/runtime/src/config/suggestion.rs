//! Turning "unknown field" into the line to write.

use toml::{Table, Value};

/// For serde's "unknown field `x`, expected one of `a`, `b`": the closest known key with its default
/// value, as a line of TOML. `None` when the message is about something else.
pub(super) fn line_to_write(message: &str, defaults: &Table) -> Option<String> {
    let after = message.split_once("unknown field `")?.1;
    let (unknown, rest) = after.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2);
    let closest = known.min_by_key(|candidate| distance(unknown, candidate))?;
    Some(match find(defaults, closest) {
        Some(Value::Table(_)) => format!("[{closest}]"),
        Some(value) => format!("{closest} = {value}"),
        None => format!("{closest} = …"),
    })
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    table.get(key).or_else(|| table.values().filter_map(Value::as_table).find_map(|inner| find(inner, key)))
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
