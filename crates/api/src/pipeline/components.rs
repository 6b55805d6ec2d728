//! Parts of all processes: of this one by what they say, of the others by their metrics.

use std::collections::BTreeMap;

use sentinel_model::{Selector, Timestamp};
use sentinel_runtime::{ComponentState, HealthReport, STATE_METRIC};

use crate::dto::pipeline::{ComponentDto, ComponentStateDto};
use crate::live::Live;

/// A process that is this far behind the newest series is gone, or is told of by those who wait for it.
const GONE_MS: i64 = 2 * 60 * 1_000;

/// This process's first; `own` is the `instance` that its metrics come back under.
pub fn read(report: &HealthReport, live: &Live, own: Option<&str>) -> Vec<ComponentDto> {
    let here = report.components.iter().map(|(name, state)| ComponentDto {
        process: None,
        name: name.clone(),
        state: dto(state),
        reason: state.reason().to_owned(),
    });
    here.chain(others(live, own)).collect()
}

fn others(live: &Live, own: Option<&str>) -> Vec<ComponentDto> {
    let newest = live.newest();
    // A state that ended stays in the overlay for some minutes: what counts is the newest of a part, and of two in
    // the same window the worse.
    let mut latest: BTreeMap<(String, String), (Timestamp, ComponentStateDto, String)> = BTreeMap::new();
    live.each(&Selector::metric(STATE_METRIC), |labels, windows, _| {
        let label = |name| labels.get(name).unwrap_or_default();
        let (Some(window), Some(state)) = (windows.last(), parse(label("state"))) else { return };
        let is_gone = newest.is_some_and(|newest| newest.millis_since(window.start) > GONE_MS);
        if is_gone || own == Some(label("instance")) {
            return;
        }
        let seen = (window.start, state, label("reason").to_owned());
        let known = latest.entry((label("instance").to_owned(), label("component").to_owned()));
        known.and_modify(|known| *known = known.clone().max(seen.clone())).or_insert(seen);
    });
    let component =
        |((process, name), (_, state, reason))| ComponentDto { process: Some(process), name, state, reason };
    latest.into_iter().map(component).collect()
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
