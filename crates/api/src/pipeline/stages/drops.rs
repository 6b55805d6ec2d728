//! Samples that the collector did not pass on, by reason: what a source sends amiss is told apart from what
//! the pipeline could not hold.

use sentinel_model::Selector;

use crate::live::{Live, rate_of_last_minute};

/// Samples of one reason.
#[derive(Debug, PartialEq)]
pub struct Dropped {
    reason: String,
    total: f64,
    per_s: f64,
}

/// Properties of the source, whoever reads it.
const REFUSED: [(&str, &str); 2] = [
    ("duplicate_in_scrape", "has the same series twice in one scrape"),
    ("future_timestamp", "gives times in the future"),
];

pub fn read(live: &Live) -> Vec<Dropped> {
    let mut dropped: Vec<Dropped> = Vec::new();
    live.each(&Selector::metric("sentinel_collector_dropped_samples_total"), |labels, windows, _| {
        let Some(newest) = windows.last() else { return };
        let reason = labels.get("reason").unwrap_or_default();
        let (total, per_s) = (newest.aggregate.last(), rate_of_last_minute(windows).unwrap_or_default());
        match dropped.iter_mut().find(|known| known.reason == reason) {
            Some(known) => {
                known.total += total;
                known.per_s += per_s;
            }
            None => dropped.push(Dropped { reason: reason.to_owned(), total, per_s }),
        }
    });
    dropped
}

/// Samples refused because of what their source sends, or all the others.
pub fn total(dropped: &[Dropped], of_sources: bool) -> u64 {
    let chosen = dropped.iter().filter(|dropped| dropped.is_of_source() == of_sources);
    chosen.map(|dropped| dropped.total as u64).sum()
}

pub fn note(dropped: &[Dropped]) -> Option<String> {
    let told = |dropped: &Dropped| {
        let (_, what) = REFUSED.iter().find(|(reason, _)| *reason == dropped.reason)?;
        (dropped.per_s > 0.0).then(|| format!("a source {what}"))
    };
    let notes: Vec<String> = dropped.iter().filter_map(told).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}

/// What is being lost right now, most first.
pub fn trouble(dropped: &[Dropped]) -> Option<String> {
    let moving = dropped.iter().filter(|dropped| !dropped.is_of_source() && dropped.per_s > 0.0);
    let worst = moving.max_by(|a, b| a.per_s.total_cmp(&b.per_s))?;
    Some(format!("samples are being dropped: {}", cause(&worst.reason)))
}

impl Dropped {
    fn is_of_source(&self) -> bool {
        REFUSED.iter().any(|(reason, _)| *reason == self.reason)
    }
}

/// The reasons of the collector in words; an unknown one stands as it is.
fn cause(reason: &str) -> String {
    match reason {
        "series_limit" => "a target has more series than it may have".to_owned(),
        "frame_limit" => "a scrape is larger than one message may be".to_owned(),
        "spool_full" => "the bus does not take them fast enough, and the spool is full".to_owned(),
        "spool_damaged" => "the spool on disk is damaged".to_owned(),
        "refused" => "the bus refuses messages".to_owned(),
        "" => "no reason is known".to_owned(),
        other => format!("the reason is {other}"),
    }
}
