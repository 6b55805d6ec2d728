//! The rules of OpenMetrics about families: what belongs together stands together, declared once and
//! first, with the names, labels and values that its type asks for.

use std::borrow::Cow;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use ahash::{AHashSet, RandomState};

use super::ParseError;
use super::error::quote;
use super::family::FamilyType;
use super::histogram::{Histogram, Part};
use super::rules;

/// A sample line as the rules see it.
pub(super) struct Observed<'a> {
    pub name: Cow<'a, str>,
    pub pairs: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub value: f64,
    pub nanos: Option<i128>,
    pub has_exemplar: bool,
}

/// A broken rule.
#[derive(Debug)]
pub(super) struct Violation {
    reason: &'static str,
    message: String,
    /// It was noticed on the line after the family's last one.
    is_before: bool,
}

#[derive(Default)]
pub(super) struct Checks<'a> {
    /// Names that families took, with their suffixes.
    taken: AHashSet<String>,
    family: Option<Family<'a>>,
    hasher: RandomState,
}

struct Family<'a> {
    name: Cow<'a, str>,
    declared: Option<FamilyType>,
    unit: Option<&'a str>,
    has_help: bool,
    has_samples: bool,
    /// Label sets (without `le`, `quantile` and the like) that were seen.
    groups: AHashSet<u64>,
    group: Option<Group>,
    histogram: Histogram,
}

/// The label set of the lines in hand.
#[derive(Clone, Copy, PartialEq)]
struct Group {
    hash: u64,
    nanos: Option<i128>,
}

impl Violation {
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), is_before: false }
    }

    pub fn locate(self, line: usize) -> ParseError {
        ParseError::new(line - usize::from(self.is_before && line > 1), self.reason, self.message)
    }

    fn before(self) -> Self {
        Self { is_before: true, ..self }
    }
}

// === impl Checks ===

impl<'a> Checks<'a> {
    pub fn declare_type(&mut self, name: Cow<'a, str>, declared: FamilyType) -> Result<(), Violation> {
        let family = self.declare(name)?;
        match family.declared.replace(declared) {
            None => Ok(()),
            Some(_) => Err(repeated("TYPE", &family.name)),
        }
    }

    pub fn declare_unit(&mut self, name: Cow<'a, str>, unit: &'a str) -> Result<(), Violation> {
        let family = self.declare(name)?;
        match family.unit.replace(unit) {
            None => Ok(()),
            Some(_) => Err(repeated("UNIT", &family.name)),
        }
    }

    pub fn declare_help(&mut self, name: Cow<'a, str>) -> Result<(), Violation> {
        let family = self.declare(name)?;
        if std::mem::replace(&mut family.has_help, true) {
            return Err(repeated("HELP", &family.name));
        }
        Ok(())
    }

    pub fn sample(&mut self, mut sample: Observed<'a>) -> Result<(), Violation> {
        check_label_names(&mut sample.pairs)?;
        let belongs = self.family.as_ref().is_some_and(|family| family.suffix(&sample.name).is_some());
        if !belongs {
            if let Some(family) = &self.family {
                family.check_bare_name(&sample.name)?;
            }
            self.finish().map_err(Violation::before)?;
            self.family =
                Some(Family { declared: Some(FamilyType::Unknown), ..Family::new(sample.name.clone()) });
        }
        match &mut self.family {
            Some(family) => family.sample(&sample, &self.hasher),
            None => Ok(()),
        }
    }

    /// Call at the end of the body.
    pub fn finish(&mut self) -> Result<(), Violation> {
        let Some(family) = self.family.take() else { return Ok(()) };
        family.finish()?;
        let suffixes = family.declared.unwrap_or(FamilyType::Unknown).suffixes();
        let names = suffixes.iter().copied().filter(|suffix| !suffix.is_empty()).chain([""]);
        for suffix in names {
            if !self.taken.insert(format!("{}{suffix}", family.name)) {
                let name = quote(&format!("{}{suffix}", family.name));
                let message =
                    format!("the name {name} is taken by an earlier metric; keep its lines together");
                return Err(Violation::new("clash", message));
            }
        }
        Ok(())
    }

    /// The family that a metadata line speaks of.
    fn declare(&mut self, name: Cow<'a, str>) -> Result<&mut Family<'a>, Violation> {
        let is_current = self.family.as_ref().is_some_and(|family| family.name == name);
        if !is_current {
            self.finish().map_err(Violation::before)?;
        }
        let family = self.family.get_or_insert_with(|| Family::new(name));
        if family.has_samples {
            let message =
                format!("metadata of {} after its samples; write it before them", quote(&family.name));
            return Err(Violation::new("metadata", message));
        }
        Ok(family)
    }
}

fn repeated(keyword: &str, name: &str) -> Violation {
    Violation::new("metadata", format!("a second # {keyword} for {}; write one", quote(name)))
}

/// Sorts the pairs by name and finds reserved and repeated names.
fn check_label_names(pairs: &mut [(Cow<'_, str>, Cow<'_, str>)]) -> Result<(), Violation> {
    pairs.sort_unstable();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| name.is_empty() || name.starts_with("__")) {
        return Err(Violation::new(
            "labels",
            format!("the label name {} is reserved; rename it", quote(name)),
        ));
    }
    match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(Violation::new(
            "labels",
            format!("the label {} is given twice; write it once", quote(&pair[0].0)),
        )),
        None => Ok(()),
    }
}

// === impl Family ===

impl<'a> Family<'a> {
    fn new(name: Cow<'a, str>) -> Self {
        Self {
            name,
            declared: None,
            unit: None,
            has_help: false,
            has_samples: false,
            groups: AHashSet::new(),
            group: None,
            histogram: Histogram::default(),
        }
    }

    /// How the sample's name continues the family's, if it may belong to it.
    fn suffix<'s>(&self, sample: &'s str) -> Option<&'s str> {
        let suffix = sample.strip_prefix(&*self.name)?;
        let suffixes = self.declared.unwrap_or(FamilyType::Unknown).suffixes();
        suffixes.contains(&suffix).then_some(suffix)
    }

    /// A sample with the family's own name where the type asks for an ending: the name is taken, and what was
    /// meant is plain.
    fn check_bare_name(&self, sample: &str) -> Result<(), Violation> {
        let Some(declared) = self.declared.filter(|_| sample == self.name) else { return Ok(()) };
        let names: Vec<String> =
            declared.suffixes().iter().map(|suffix| quote(&format!("{sample}{suffix}"))).collect();
        let (name, message) = (quote(sample), names.join(", "));
        Err(Violation::new(
            "clash",
            format!("samples of {name} must be named {message} in OpenMetrics, by its # TYPE"),
        ))
    }

    fn sample(&mut self, sample: &Observed<'_>, hasher: &RandomState) -> Result<(), Violation> {
        self.has_samples = true;
        let suffix = self.suffix(&sample.name).unwrap_or_default();
        let kind = self.declared.unwrap_or(FamilyType::Unknown);
        let own_label = rules::own_label(kind, suffix, &self.name);
        let own_value = own_label.and_then(|label| label_value(sample, label));
        rules::check_own_label(own_label, own_value)?;
        rules::check_value(kind, suffix, sample.value)?;
        if sample.has_exemplar && !rules::may_have_exemplar(kind, suffix) {
            let message = "an exemplar is allowed on _bucket and _total samples only; remove it";
            return Err(Violation::new("exemplar", message));
        }
        let hash = if kind == FamilyType::Info { 0 } else { group_hash(sample, own_label, hasher) };
        self.check_group(Group { hash, nanos: sample.nanos }, kind)?;
        if matches!(kind, FamilyType::Histogram | FamilyType::GaugeHistogram) {
            self.histogram.take(Part { suffix, le: own_value.unwrap_or_default(), value: sample.value })?;
        }
        Ok(())
    }

    /// Lines of one label set stand together, in order of time.
    fn check_group(&mut self, group: Group, kind: FamilyType) -> Result<(), Violation> {
        let Some(before) = self.group.replace(group) else {
            self.groups.insert(group.hash);
            return Ok(());
        };
        if before != group {
            std::mem::take(&mut self.histogram).finish().map_err(Violation::before)?;
        }
        if before.hash != group.hash {
            return if self.groups.insert(group.hash) {
                Ok(())
            } else {
                Err(Violation::new("grouping", "samples of one label set are apart; keep them together"))
            };
        }
        match (before.nanos, group.nanos) {
            (Some(before), Some(now)) if now < before && kind != FamilyType::Info => {
                Err(Violation::new("grouping", "timestamps of one label set go backwards; sort them"))
            }
            (Some(_), None) | (None, Some(_)) => {
                let message = "some samples of one label set have a timestamp and some have none";
                Err(Violation::new("grouping", message))
            }
            _ => Ok(()),
        }
    }

    fn finish(&self) -> Result<(), Violation> {
        self.histogram.finish()?;
        let Some(unit) = self.unit.filter(|unit| !unit.is_empty()) else { return Ok(()) };
        let is_last_part = self.name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
        if !is_last_part {
            let message = format!("the name {} must end in its unit: _{unit}", quote(&self.name));
            return Err(Violation::new("unit", message));
        }
        if matches!(self.declared, Some(FamilyType::Info | FamilyType::StateSet)) {
            return Err(Violation::new("unit", "an info or a stateset has no unit; remove # UNIT"));
        }
        Ok(())
    }
}

fn label_value<'s>(sample: &'s Observed<'_>, label: &str) -> Option<&'s str> {
    sample.pairs.iter().find(|(name, _)| name == label).map(|(_, value)| &**value)
}

fn group_hash(sample: &Observed<'_>, own_label: Option<&str>, hasher: &RandomState) -> u64 {
    let mut hash = hasher.build_hasher();
    for (name, value) in sample.pairs.iter().filter(|(name, _)| Some(&**name) != own_label) {
        name.hash(&mut hash);
        value.hash(&mut hash);
    }
    hash.finish()
}
