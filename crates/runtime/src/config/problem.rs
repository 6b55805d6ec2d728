//! A setting that cannot work, and the line to write in its place.

use std::fmt;

/// What is wrong with one setting. Sections give a list of them, so that all are told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted, such as `api.listen`.
    pub key: String,
    /// Of the file, from 1.
    pub line: Option<usize>,
    pub fact: String,
    /// A line of TOML for the key's section.
    pub write: Option<String>,
}

impl Problem {
    pub fn new(key: impl Into<String>, fact: impl Into<String>, write: impl Into<String>) -> Self {
        Self { key: key.into(), line: None, fact: fact.into(), write: Some(write.into()) }
    }

    /// Adds itself when the setting cannot work.
    pub fn when(self, is_wrong: bool, problems: &mut Vec<Self>) {
        if is_wrong {
            problems.push(self);
        }
    }
}

impl Problem {
    /// Where and what.
    pub fn place_and_fact(&self) -> String {
        let Self { key, line, fact, .. } = self;
        let line = line.map(|line| format!("line {line}: ")).unwrap_or_default();
        if key.is_empty() { format!("{line}{fact}") } else { format!("{line}{key}: {fact}") }
    }
}

/// One line.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place_and_fact())?;
        self.write.as_ref().map_or(Ok(()), |line| write!(f, "; write: {line}"))
    }
}

/// One below the other.
pub(super) fn listed(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("\n  {}", problem.place_and_fact()));
        if let Some(line) = &problem.write {
            text.push_str(&format!("\n    write: {line}"));
        }
    }
    text
}
