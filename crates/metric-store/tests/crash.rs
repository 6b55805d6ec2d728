//! Kills a writing process with SIGKILL again and again, and looks at what it left: every acknowledged
//! window is there bit by bit, and of the write that was under way all or nothing.
//!
//! `SENTINEL_CRASH_ROUNDS` sets how often (20), `SENTINEL_CRASH_SEED` repeats a run's choices.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use sentinel_metric_store::{RangeQuery, TimeRange};
use sentinel_model::{Aggregate, Field, Labels, Resolution, Selector, Timestamp};
use sentinel_runtime::config::variable;
use sentinel_testkit::Victim;

#[path = "crash/victim.rs"]
mod victim;

/// Rounds on one folder; a new one is begun then, because each round reads all that is kept.
const ROUNDS_A_FOLDER: u64 = 12;
/// One round in this many kills the process while it starts.
const EARLY_KILL: u32 = 5;

const FIELDS: [Field; 9] = [
    Field::Last,
    Field::Min,
    Field::Max,
    Field::Sum,
    Field::Count,
    Field::Avg,
    Field::Stddev,
    Field::Increase,
    Field::P90,
];

/// What a store should hold.
type Model = BTreeMap<(Resolution, Labels, Timestamp), Aggregate>;

/// Bits of each field of each window.
type Bits = BTreeMap<(Resolution, Labels, Timestamp), BTreeMap<usize, u64>>;

#[test]
fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let number = |name: &str| variable(name).map(|text| text.parse::<u64>().expect("a number"));
    let n_rounds = number("SENTINEL_CRASH_ROUNDS").unwrap_or(20);
    let seed = number("SENTINEL_CRASH_SEED").unwrap_or_else(|| rand::rng().random());
    eprintln!("{n_rounds} rounds, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut folder = tempfile::tempdir().expect("a temporary folder");
    let mut model = Model::new();
    let (mut next, mut n_acknowledged) = (0, 0);
    for round in 0..n_rounds {
        if round > 0 && round % ROUNDS_A_FOLDER == 0 {
            folder = tempfile::tempdir().expect("a temporary folder");
            model.clear();
        }
        let n_acks = if random.random_ratio(1, EARLY_KILL) { 0 } else { random.random_range(1..200) };
        let end = run_victim(folder.path(), next, n_acks);
        (next..end).for_each(|number| apply(&mut model, number));
        verify(folder.path(), &mut model, end);
        n_acknowledged += end - next;
        next = end + 1;
    }
    eprintln!("{n_acknowledged} writes acknowledged before the kills");
    assert!(n_acknowledged > 0);
}

/// Not a test by itself: what the other one starts as a process of its own.
#[test]
fn victim() {
    if let Some(folder) = variable("SENTINEL_CRASH_FOLDER") {
        let first = variable("SENTINEL_CRASH_FIRST").and_then(|first| first.parse().ok()).expect("a number");
        victim::run(Path::new(&folder), first);
    }
}

/// Lets the victim write from `first` on until it has acknowledged `n_acks` writes, kills it, and
/// returns the number of the first write that it had not acknowledged by then.
fn run_victim(folder: &Path, first: u64, n_acks: u64) -> u64 {
    let folder = folder.to_str().expect("a folder of plain letters");
    let variables = [("SENTINEL_CRASH_FOLDER", folder), ("SENTINEL_CRASH_FIRST", &first.to_string())];
    Victim::start(&variables).kill_after(first, n_acks)
}

fn apply(model: &mut Model, number: u64) {
    for window in victim::write(number) {
        for row in window.rows {
            model.insert((window.window.resolution, row.series.labels, window.window.start), row.aggregate);
        }
    }
}

/// The store holds what the model says, with or without the write that was under way.
fn verify(folder: &Path, model: &mut Model, under_way: u64) {
    let found = read(folder);
    let mut with_it = model.clone();
    apply(&mut with_it, under_way);
    // Windows of 10 s that are older than this may be gone.
    let newest = with_it.keys().map(|(_, _, start)| *start).max().unwrap_or_default();
    let retention = i64::try_from(victim::RETENTION.as_millis()).expect("a short time");
    let cutoff = newest.saturating_sub_millis(retention);
    let is_equal = |model: &Model| {
        let is_kept = |(resolution, _, start): &(Resolution, Labels, Timestamp)| {
            *resolution != Resolution::TenSeconds || *start >= cutoff
        };
        let bits = |aggregate: &Aggregate| {
            let value = |(at, field): (usize, &Field)| Some((at, aggregate.field(*field)?.to_bits()));
            FIELDS.iter().enumerate().filter_map(value).collect::<BTreeMap<_, _>>()
        };
        let expected = model.iter().filter(|(key, _)| is_kept(key)).map(|(key, value)| (key, bits(value)));
        let found = found.iter().filter(|(key, _)| is_kept(key)).map(|(key, bits)| (key, bits.clone()));
        expected.eq(found)
    };
    if is_equal(model) {
        return;
    }
    assert!(is_equal(&with_it), "the store is neither as before nor as after write {under_way}");
    *model = with_it;
}

/// Everything that the store in a folder holds.
fn read(folder: &Path) -> Bits {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = victim::store(folder, false);
        let mut found = Bits::new();
        for resolution in [Resolution::TenSeconds, Resolution::OneMinute] {
            for (at, field) in FIELDS.into_iter().enumerate() {
                let query = RangeQuery {
                    selector: Selector::default(),
                    range: TimeRange { start: Timestamp::MIN, end: Timestamp::MAX },
                    resolution,
                    field,
                    max_series: usize::MAX,
                    max_points: usize::MAX,
                };
                for one in store.reader.range(&query).await.expect("an answer") {
                    for (start, value) in one.points {
                        let window = (resolution, one.series.labels.clone(), start);
                        found.entry(window).or_default().insert(at, value.to_bits());
                    }
                }
            }
        }
        found
    })
}
