//! Whether the targets of scrapes answer, by their `up`.

use sentinel_model::{Labels, METRIC_NAME, Selector};

use crate::live::Live;

/// Series that are this far behind the newest ones are of targets that are not scraped any more.
const GONE_MS: i64 = 2 * 60 * 1_000;
/// Targets that are named.
const MAX_NAMED: usize = 3;

/// All of them and those that are down, by name.
fn read(live: &Live) -> (usize, Vec<String>) {
    let newest = live.newest();
    let (mut n, mut down) = (0, Vec::new());
    live.each(&Selector::metric("up"), |labels, windows, _| {
        let Some(window) = windows.last() else { return };
        if newest.is_some_and(|newest| newest.millis_since(window.start) > GONE_MS) {
            return;
        }
        n += 1;
        if window.aggregate.last() == 0.0 {
            down.push(name_of(labels));
        }
    });
    down.sort();
    (n, down)
}

/// Nothing at all is being read.
pub fn trouble(live: &Live) -> Option<String> {
    match read(live) {
        (1, down) if down.len() == 1 => Some(format!("the only target is down: {}", named(&down))),
        (n, down) if n > 0 && down.len() == n => Some(format!("all {n} targets are down: {}", named(&down))),
        _ => None,
    }
}

pub fn note(live: &Live) -> Option<String> {
    let (n, down) = read(live);
    let is_some = !down.is_empty() && down.len() < n;
    is_some.then(|| format!("{} of {n} targets down: {}", down.len(), named(&down)))
}

fn named(down: &[String]) -> String {
    let first = down[..down.len().min(MAX_NAMED)].join(", ");
    let n_more = down.len().saturating_sub(MAX_NAMED);
    if n_more > 0 { format!("{first} and {n_more} more") } else { first }
}

/// Where a target is, with whatever tells it from others there.
fn name_of(labels: &Labels) -> String {
    const PLACES: [&str; 3] = ["instance", "node", "pod"];
    let is_its = |(name, value): &(&str, &str)| !value.is_empty() && !["cluster", METRIC_NAME].contains(name);
    let mut parts: Vec<(&str, &str)> = labels.iter().filter(is_its).collect();
    parts.sort_by_key(|(name, _)| PLACES.iter().position(|place| place == name).unwrap_or(PLACES.len()));
    if parts.is_empty() {
        return "a target without labels".to_owned();
    }
    parts.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" ")
}
