//! Parts of all processes: of this one by what they say, of the others by their metrics.

use std::collections::BTreeMap;

use sentinel_model::{Selector, Timestamp};
use sentinel_runtime::{ComponentState, Health, STATE_METRIC};

use crate::dto::pipeline::{ComponentDto, ComponentStateDto};
use crate::live::Live;

/// A process that is so far behind the newest of its cluster is gone: those who wait for it tell of that.
const GONE_MS: i64 = 2 * 60 * 1_000;

/// What a part of another process has said.
struct Said {
    cluster: String,
    process: String,
    name: String,
    at: Timestamp,
    state: ComponentStateDto,
    reason: String,
}

impl Said {
    fn part(&self) -> (&str, &str, &str) {
        (&self.process, &self.cluster, &self.name)
    }
}

/// This process's first.
pub fn read(health: &Health, others: Option<&Live>) -> Vec<ComponentDto> {
    let report = health.report();
    let here = report.components.iter().map(|(name, state)| ComponentDto {
        process: None,
        name: name.clone(),
        state: dto(state),
        reason: state.reason().to_owned(),
    });
    here.chain(others.into_iter().flat_map(|live| newest(said(live, health.process())))).collect()
}

fn said(live: &Live, own: &str) -> Vec<Said> {
    let mut said = Vec::new();
    live.each(&Selector::metric(STATE_METRIC), |labels, windows, _| {
        let label = |name| labels.get(name).unwrap_or_default();
        let (Some(window), Some(state)) = (windows.last(), parse(label("state"))) else { return };
        if label("process") != own {
            said.push(Said {
                cluster: label("cluster").to_owned(),
                process: label("instance").to_owned(),
                name: label("component").to_owned(),
                at: window.start,
                state,
                reason: label("reason").to_owned(),
            });
        }
    });
    said
}

/// A state that ended stays in the overlay for some minutes: what counts is the newest of a part, and of two in the
/// same window the worse.
fn newest(mut said: Vec<Said>) -> Vec<ComponentDto> {
    let mut clocks: BTreeMap<String, Timestamp> = BTreeMap::new();
    for one in &said {
        let clock = clocks.entry(one.cluster.clone()).or_insert(one.at);
        *clock = (*clock).max(one.at);
    }
    said.retain(|one| clocks[&one.cluster].millis_since(one.at) <= GONE_MS);
    said.sort_by(|a, b| a.part().cmp(&b.part()).then((b.at, b.state).cmp(&(a.at, a.state))));
    said.dedup_by(|next, first| next.part() == first.part());
    let component = |one: Said| ComponentDto {
        process: Some(one.process),
        name: one.name,
        state: one.state,
        reason: one.reason,
    };
    said.into_iter().map(component).collect()
}

const fn dto(state: &ComponentState) -> ComponentStateDto {
    match state {
        ComponentState::Ready => ComponentStateDto::Ready,
        ComponentState::Starting => ComponentStateDto::Starting,
        ComponentState::Degraded(_) => ComponentStateDto::Degraded,
        ComponentState::Failed(_) => ComponentStateDto::Failed,
    }
}

fn parse(state: &str) -> Option<ComponentStateDto> {
    use ComponentStateDto::{Degraded, Failed, Ready, Starting};
    [Ready, Starting, Degraded, Failed].into_iter().find(|known| known.as_str() == state)
}
