//! A sorted set of name-value pairs: the identity of a series.

mod pool;

pub use pool::LabelPool;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::SeriesId;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

/// Names and values sorted by name, each name once, no empty values (an empty value means "absent",
/// as in Prometheus). Cloning is a reference count. How they are held (see [`LabelPool`]) shows nowhere.
#[derive(Clone)]
pub struct Labels(Arc<Packed>);

struct Packed {
    text: Box<str>,
    /// End of name 0, end of value 0, end of name 1, … in `text`.
    ends: Box<[u32]>,
    /// Pairs that are held in common with other labels. They have no name in common with the ones above,
    /// and nothing in common themselves.
    common: Option<Labels>,
    /// Once somebody asked: whoever does, does it for every window. As bytes, which take a third less than a number.
    id: OnceLock<[u8; 16]>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    #[error("label {name:?} is given twice")]
    Duplicate { name: String },
    #[error("the labels hold {bytes} bytes of text, more than 4 GiB")]
    TooLong { bytes: usize },
}

impl Labels {
    pub fn empty() -> Self {
        Self::packed("".into(), Box::new([]), None, None)
    }

    /// Sorts the pairs and drops those with an empty value.
    ///
    /// # Errors
    /// A name given twice (with a value each time).
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelsError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs: Vec<(N, V)> =
            pairs.into_iter().filter(|(_, value)| !value.as_ref().is_empty()).collect();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        if let Some(pair) = pairs.windows(2).find(|pair| pair[0].0.as_ref() == pair[1].0.as_ref()) {
            return Err(LabelsError::Duplicate { name: pair[0].0.as_ref().to_owned() });
        }
        let bytes = pairs.iter().map(|(name, value)| name.as_ref().len() + value.as_ref().len()).sum();
        if u32::try_from(bytes).is_err() {
            return Err(LabelsError::TooLong { bytes });
        }
        let mut text = String::with_capacity(bytes);
        let mut ends = Vec::with_capacity(pairs.len() * 2);
        for (name, value) in &pairs {
            for part in [name.as_ref(), value.as_ref()] {
                text.push_str(part);
                ends.push(text.len() as u32);
            }
        }
        Ok(Self::packed(text.into(), ends.into(), None, None))
    }

    /// With their identity, if it is known.
    fn packed(text: Box<str>, ends: Box<[u32]>, common: Option<Self>, id: Option<SeriesId>) -> Self {
        let id = id.map_or_else(OnceLock::new, |id| OnceLock::from(id.as_u128().to_le_bytes()));
        Self(Arc::new(Packed { text, ends, common, id }))
    }

    /// Number of labels, the metric's name included.
    pub fn len(&self) -> usize {
        self.0.n_own() + self.common().map_or(0, Packed::n_own)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pairs in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + '_ {
        Pairs { own: OwnPairs::new(&self.0), common: self.common().map(OwnPairs::new) }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).or_else(|| self.common()?.get(name))
    }

    /// Value of `__name__`, or `""`.
    pub fn metric_name(&self) -> &str {
        self.get(METRIC_NAME).unwrap_or_default()
    }

    /// A copy with `extra` added; an extra replaces a label of the same name, and an extra with an
    /// empty value removes it.
    #[must_use]
    pub fn with<N, V>(&self, extra: &[(N, V)]) -> Self
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let last_of_its_name =
            |i: usize, name: &str| extra[i + 1..].iter().all(|(other, _)| other.as_ref() != name);
        let kept = self.iter().filter(|(name, _)| extra.iter().all(|(other, _)| other.as_ref() != *name));
        let added = extra
            .iter()
            .enumerate()
            .filter(|(i, (name, _))| last_of_its_name(*i, name.as_ref()))
            .map(|(_, (name, value))| (name.as_ref(), value.as_ref()));
        Self::from_pairs(kept.chain(added)).expect("names were made unique above")
    }

    /// A copy without the named labels.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        Self::from_pairs(self.iter().filter(|(name, _)| !names.contains(name)))
            .expect("a subset stays unique")
    }

    /// A 128-bit identity of these labels, equal on every machine and in every version (xxh3-128 of
    /// the sorted pairs, each part preceded by its length as four little-endian bytes).
    pub fn id(&self) -> SeriesId {
        let bytes = self.0.id.get_or_init(|| self.hashed().to_le_bytes());
        SeriesId::from_u128(u128::from_le_bytes(*bytes))
    }

    fn hashed(&self) -> u128 {
        // One long hash is several times as fast as many short ones.
        let mut bytes = Vec::with_capacity(self.heap_bytes());
        for (name, value) in self.iter() {
            for part in [name, value] {
                bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        xxhash_rust::xxh3::xxh3_128(&bytes)
    }

    /// Bytes of memory that these labels hold, without the handle itself. What is held in common counts as
    /// if it were not.
    pub fn heap_bytes(&self) -> usize {
        let text_and_ends = |packed: &Packed| packed.text.len() + size_of_val(&*packed.ends);
        size_of::<Packed>() + 16 + text_and_ends(&self.0) + self.common().map_or(0, text_and_ends)
    }

    fn common(&self) -> Option<&Packed> {
        self.0.common.as_ref().map(|common| &*common.0)
    }
}

impl Packed {
    /// Number of pairs, those in common left out.
    fn n_own(&self) -> usize {
        self.ends.len() / 2
    }

    fn pair(&self, index: usize) -> Option<(&str, &str)> {
        let value_end = *self.ends.get(2 * index + 1)? as usize;
        let name_end = self.ends[2 * index] as usize;
        let start = if index == 0 { 0 } else { self.ends[2 * index - 1] as usize };
        Some((&self.text[start..name_end], &self.text[name_end..value_end]))
    }

    fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.n_own());
        while low < high {
            let middle = low.midpoint(high);
            let (candidate, value) = self.pair(middle)?;
            match candidate.cmp(name) {
                std::cmp::Ordering::Equal => return Some(value),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// Own pairs and those in common, merged by name.
struct Pairs<'a> {
    own: OwnPairs<'a>,
    common: Option<OwnPairs<'a>>,
}

/// The pairs of one allocation.
struct OwnPairs<'a> {
    /// The pair that is next.
    next: Option<(&'a str, &'a str)>,
    text: &'a str,
    ends: std::slice::Iter<'a, u32>,
    start: usize,
}

impl<'a> OwnPairs<'a> {
    fn new(packed: &'a Packed) -> Self {
        let mut pairs = Self { next: None, text: &packed.text, ends: packed.ends.iter(), start: 0 };
        pairs.step();
        pairs
    }

    /// Gives the next pair and goes on to the one after it.
    #[inline]
    fn step(&mut self) -> Option<(&'a str, &'a str)> {
        let given = self.next.take();
        if let (Some(name_end), Some(value_end)) = (self.ends.next(), self.ends.next()) {
            let (name_end, value_end) = (*name_end as usize, *value_end as usize);
            self.next = Some((&self.text[self.start..name_end], &self.text[name_end..value_end]));
            self.start = value_end;
        }
        given
    }

    fn n_left(&self) -> usize {
        self.ends.len() / 2 + usize::from(self.next.is_some())
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Some(common) = &mut self.common else { return self.own.step() };
        match (self.own.next, common.next) {
            (Some(own), Some(other)) if own.0 < other.0 => self.own.step(),
            (_, Some(_)) => common.step(),
            (_, None) => self.own.step(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n_left = self.own.n_left() + self.common.as_ref().map_or(0, OwnPairs::n_left);
        (n_left, Some(n_left))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        if Arc::ptr_eq(&self.0, &other.0) {
            return true;
        }
        let (one, another) = (&self.0, &other.0);
        let has_same_common = match (&one.common, &another.common) {
            (None, None) => true,
            (Some(one), Some(another)) => Arc::ptr_eq(&one.0, &another.0),
            _ => false,
        };
        if has_same_common {
            return one.text == another.text && one.ends == another.ends;
        }
        self.iter().eq(other.iter())
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (name, value) in self.iter() {
            name.hash(state);
            value.hash(state);
        }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.iter().cmp(other.iter())
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self::empty()
    }
}

/// Writes `name{a="b",c="d"}`, escaped as in the text exposition.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric_name())?;
        let mut separator = '{';
        for (name, value) in self.iter().filter(|(name, _)| *name != METRIC_NAME) {
            write!(f, "{separator}{name}=\"")?;
            for c in value.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    c => write!(f, "{c}")?,
                }
            }
            f.write_str("\"")?;
            separator = ',';
        }
        if separator == ',' { f.write_str("}") } else { Ok(()) }
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).expect("unique names")
    }

    #[test]
    fn sorts_names_and_drops_empty_values() {
        let labels = labels(&[("pod", "web-1"), (METRIC_NAME, "up"), ("node", "")]);
        assert_eq!(labels.iter().collect::<Vec<_>>(), [(METRIC_NAME, "up"), ("pod", "web-1")]);
        assert_eq!(labels.metric_name(), "up");
        assert_eq!(labels.get("node"), None);
    }

    #[test]
    fn refuses_a_name_given_twice() {
        let twice = Labels::from_pairs([("a", "1"), ("a", "2")]);
        assert_eq!(twice, Err(LabelsError::Duplicate { name: "a".into() }));
    }

    #[test]
    fn replaces_and_removes_labels_in_a_copy() {
        let copy = labels(&[("a", "1"), ("b", "2")]).with(&[("a", ""), ("c", "3"), ("c", "4")]);
        assert_eq!(copy, labels(&[("b", "2"), ("c", "4")]));
        assert_eq!(copy.without(&["b"]), labels(&[("c", "4")]));
    }

    #[test]
    fn tells_apart_pairs_that_concatenate_alike() {
        assert_ne!(labels(&[("ab", "c")]).id(), labels(&[("a", "bc")]).id());
        assert_ne!(labels(&[("ab", "c")]), labels(&[("a", "bc")]));
    }

    #[test]
    fn an_identity_is_the_same_on_every_machine_and_in_every_version() {
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        for part in ["__name__", "up", "pod", "web-1"] {
            hasher.update(&(part.len() as u32).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let id = labels(&[("pod", "web-1"), (METRIC_NAME, "up")]).id();
        assert_eq!(id.as_u128(), hasher.digest128());
    }

    #[test]
    fn prints_as_an_exposition_line_does() {
        assert_eq!(labels(&[(METRIC_NAME, "m"), ("l", "a\"b\n")]).to_string(), r#"m{l="a\"b\n"}"#);
        assert_eq!(labels(&[(METRIC_NAME, "m")]).to_string(), "m");
    }

    proptest! {
        #[test]
        fn gives_back_every_pair(pairs in prop::collection::btree_map("[a-z]{1,8}", "\\PC{1,12}", 0..12)) {
            let labels = Labels::from_pairs(&pairs).expect("a map has unique names");
            prop_assert_eq!(labels.len(), pairs.len());
            for (name, value) in &pairs {
                prop_assert_eq!(labels.get(name), Some(value.as_str()));
            }
            prop_assert_eq!(labels.get("A"), None);
        }
    }
}
