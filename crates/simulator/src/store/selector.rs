//! Label and field selectors of lists and watches.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What selectors can see of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    pub labels: Arc<BTreeMap<String, String>>,
    /// Beside `metadata.name` and `metadata.namespace`, which every kind has.
    pub fields: Vec<(&'static str, Arc<str>)>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    #[error("unable to parse requirement: {requirement:?}")]
    Label { requirement: String },
    #[error("invalid selector: {requirement:?}; can't understand {requirement:?}")]
    Field { requirement: String },
    #[error("field label not supported: {field}")]
    UnknownField { field: String },
}

/// A parsed pair of selectors; the default selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    labels: Vec<(String, Op)>,
    fields: Vec<(String, Op)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Op {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Missing,
}

/// Fields that selectors of some kind may name.
const FIELDS: [&str; 17] = [
    "metadata.name",
    "metadata.namespace",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "spec.unschedulable",
    "status.phase",
    "status.podIP",
    "status.successful",
    "status.replicas",
    "involvedObject.kind",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.uid",
    "reason",
    "type",
];

impl Requirements {
    /// Parses both query parameters; empty text selects everything.
    ///
    /// # Errors
    /// The first requirement that cannot be read, with the real API server's wording.
    pub fn parse(labels: &str, fields: &str) -> Result<Self, SelectorError> {
        let labels = split(labels).map(label_requirement).collect::<Result<_, _>>()?;
        let fields = split(fields).map(field_requirement).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn select(&self, key: &super::Key, traits: &Traits) -> bool {
        self.labels.iter().all(|(name, op)| op.accepts(traits.labels.get(name).map(String::as_str)))
            && self.fields.iter().all(|(name, op)| {
                let value = match name.as_str() {
                    "metadata.name" => &*key.name,
                    "metadata.namespace" => &*key.namespace,
                    name => traits.fields.iter().find(|(field, _)| *field == name).map_or("", |(_, v)| v),
                };
                op.accepts(Some(value))
            })
    }
}

impl Op {
    fn accepts(&self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::In(values), Some(value)) => values.iter().any(|v| v == value),
            (Self::NotIn(values), Some(value)) => values.iter().all(|v| v != value),
            (Self::NotIn(_) | Self::Missing, None) | (Self::Exists, Some(_)) => true,
            (Self::In(_) | Self::Exists, None) | (Self::Missing, Some(_)) => false,
        }
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|requirement| !requirement.is_empty())
}

fn label_requirement(text: &str) -> Result<(String, Op), SelectorError> {
    let invalid = || SelectorError::Label { requirement: text.to_owned() };
    if let Some((name, rest)) = text.split_once(char::is_whitespace) {
        let values = |list: &str| {
            let list = list.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(list.split(',').map(|value| value.trim().to_owned()).collect())
        };
        let rest = rest.trim_start();
        if let Some(list) = rest.strip_prefix("notin") {
            return Ok((name.to_owned(), Op::NotIn(values(list).ok_or_else(invalid)?)));
        }
        if let Some(list) = rest.strip_prefix("in") {
            return Ok((name.to_owned(), Op::In(values(list).ok_or_else(invalid)?)));
        }
    }
    let (name, op) = match equality(text) {
        Some(requirement) => requirement,
        None => match text.strip_prefix('!') {
            Some(name) => (name.trim(), Op::Missing),
            None => (text, Op::Exists),
        },
    };
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(invalid());
    }
    Ok((name.to_owned(), op))
}

fn field_requirement(text: &str) -> Result<(String, Op), SelectorError> {
    let (name, op) = equality(text).ok_or_else(|| SelectorError::Field { requirement: text.to_owned() })?;
    if !FIELDS.contains(&name) {
        return Err(SelectorError::UnknownField { field: name.to_owned() });
    }
    Ok((name.to_owned(), op))
}

fn equality(text: &str) -> Option<(&str, Op)> {
    if let Some((name, value)) = text.split_once("!=") {
        return Some((name.trim(), Op::NotIn(vec![value.trim().to_owned()])));
    }
    let (name, value) = text.split_once("==").or_else(|| text.split_once('='))?;
    Some((name.trim(), Op::In(vec![value.trim().to_owned()])))
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;

    fn selects(labels: &str, fields: &str) -> bool {
        let traits = Traits {
            labels: Arc::new([("app", "cart"), ("tier", "api")].map(|(k, v)| (k.into(), v.into())).into()),
            fields: vec![("spec.nodeName", Arc::from("node-1")), ("status.phase", Arc::from("Running"))],
        };
        let requirements = Requirements::parse(labels, fields).expect("valid selectors");
        requirements.select(&Key::new("shop", "cart-0"), &traits)
    }

    #[test]
    fn understands_every_form_of_label_requirement() {
        for yes in ["", "app=cart", "app==cart", "app!=x", "app", "!gone", "gone!=x", "app in (x, cart)"] {
            assert!(selects(yes, ""), "{yes}");
        }
        for no in ["app=x", "app!=cart", "!app", "gone", "app notin (cart,x)", "app=cart,tier=db"] {
            assert!(!selects(no, ""), "{no}");
        }
        assert!(selects("gone notin (a)", ""));
        assert!(selects("app in (cart),tier in (api,db)", ""));
    }

    #[test]
    fn understands_fields() {
        for yes in
            ["spec.nodeName=node-1", "metadata.name=cart-0,metadata.namespace=shop", "status.phase!=Failed"]
        {
            assert!(selects("", yes), "{yes}");
        }
        for no in ["spec.nodeName=node-2", "metadata.name!=cart-0"] {
            assert!(!selects("", no), "{no}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for labels in ["a b", "=x", "a in x", "a,(b", "!"] {
            assert!(Requirements::parse(labels, "").is_err(), "{labels}");
        }
        assert!(matches!(Requirements::parse("", "spec.color=red"), Err(SelectorError::UnknownField { .. })));
        assert!(matches!(Requirements::parse("", "status.phase"), Err(SelectorError::Field { .. })));
    }
}
