//! Several collectors of one target: each sample counts once, and every restart decides alike.

use std::collections::HashMap;
use std::ops::Range;

use super::*;

/// One collector of the target `t`.
struct Rival {
    source: Source,
    epoch: u64,
    /// By how much its clock is ahead.
    skew_s: i64,
    /// By how much the target stamps a sample of its own ahead of the scrape.
    ahead_s: Option<i64>,
}

impl Rival {
    fn new(name: &str, epoch: u64) -> Self {
        // Key frames all the time, so that a replay begins no earlier than it must.
        let source = Source { key_interval: 1, ..Source::of_target(name, "t") };
        Self { source, epoch, skew_s: 0, ahead_s: None }
    }

    /// Begins anew, with a key frame.
    fn restart(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.source.sequence = 0;
    }

    /// The target's gauge and counter as they are at `at_s` of true time.
    fn scrape(&mut self, at_s: i64) -> MetricBatch {
        let stamped = at_s + self.skew_s;
        let value = at_s as f64;
        let mut samples = vec![(0, stamped, value), (2, stamped, value * 10.0)];
        samples.extend(self.ahead_s.map(|ahead_s| (1, stamped + ahead_s, value)));
        let mut frame = self.source.frame(stamped, &samples);
        frame.epoch = self.epoch;
        frame
    }

    fn progress(&self, at_s: i64, kind: FrameKind) -> MetricBatch {
        let mut frame = Source::new(&self.source.key.collector).frame(at_s + self.skew_s, &[]);
        frame.stream.target = "".into();
        (frame.frame, frame.defined) = (kind, Vec::new());
        frame
    }
}

/// Which frames a decoder lets through that begins with the first: none without the one it builds on, none of an
/// earlier epoch.
fn readable(frames: &[MetricBatch]) -> Vec<bool> {
    let mut read: HashMap<StreamKey, (u64, u64)> = HashMap::new();
    let is_readable = |frame: &MetricBatch| {
        let id = (frame.epoch, frame.sequence);
        let is_key = frame.frame == FrameKind::Key;
        let is_next = match read.get(&frame.stream) {
            _ if !frame.frame.has_samples() => return true,
            None => is_key,
            Some((epoch, sequence)) => id == (*epoch, sequence + 1) || (is_key && id > (*epoch, *sequence)),
        };
        if is_next {
            read.insert(frame.stream.clone(), id);
        }
        is_next
    };
    frames.iter().map(is_readable).collect()
}

/// Applies frames, with a fresh decoder.
fn run_decoded(windows: &mut Windows, frames: &[MetricBatch], span: Range<u64>, into: &mut Results) {
    let frames = &frames[span.start as usize..span.end as usize];
    for ((offset, frame), is_readable) in (span.start..).zip(frames).zip(readable(frames)) {
        if is_readable {
            let outcome = windows.apply(offset, frame, &Rules::default());
            collect(windows, outcome.closed, into);
        } else {
            windows.skip(offset);
        }
    }
}

fn all(frames: &[MetricBatch]) -> Results {
    let mut results = Results::new();
    run_decoded(&mut windows(), frames, 0..frames.len() as u64, &mut results);
    results
}

fn n_superseded(frames: &[MetricBatch]) -> usize {
    let mut windows = windows();
    let frames = (0..).zip(frames);
    frames.filter(|(offset, frame)| windows.apply(*offset, frame, &Rules::default()).is_superseded).count()
}

/// What the counter has grown by.
fn growth(results: &Results) -> f64 {
    let of_counter = results.iter().filter(|((window, series), _)| {
        window.resolution == Resolution::OneMinute && series.contains("i=\"2\"")
    });
    let increase = |aggregate: &Aggregate| match aggregate {
        Aggregate::Single(_) => 0.0,
        Aggregate::Summary(summary) => summary.increase.unwrap_or_default(),
    };
    of_counter.map(|(_, aggregate)| increase(aggregate)).sum()
}

#[test]
fn two_that_scrape_one_target_come_to_the_windows_of_one() {
    let scrapes = |rivals: &mut [Rival]| -> Vec<MetricBatch> {
        let round = |i: i64| rivals.iter_mut().map(move |rival| rival.scrape(10 * i)).collect::<Vec<_>>();
        (0..60).flat_map(round).collect()
    };
    let shuffled = |mut frames: Vec<MetricBatch>| {
        // The larger epoch comes first, then in turns.
        frames.chunks_exact_mut(2).step_by(2).for_each(|pair| pair.swap(0, 1));
        frames
    };
    let alone = all(&scrapes(&mut [Rival::new("b", 2)]));
    let frames = shuffled(scrapes(&mut [Rival::new("a", 1), Rival::new("b", 2)]));
    assert_eq!((all(&frames), n_superseded(&frames)), (alone.clone(), 60));
    let frames = shuffled(scrapes(&mut [Rival::new("a", 2), Rival::new("b", 2)]));
    assert_eq!((all(&frames), n_superseded(&frames)), (alone, 60), "a tie is decided too");
}

#[test]
fn a_target_goes_to_who_began_last_and_comes_back_when_that_one_is_silent() {
    let (mut old, mut new) = (Rival::new("a", 1), Rival::new("b", 2));
    let mut windows = windows();
    let mut offset = 0;
    let mut is_superseded = |frame: &MetricBatch| {
        offset += 1;
        windows.apply(offset, frame, &Rules::default()).is_superseded
    };
    assert!(!is_superseded(&old.scrape(0)) && !is_superseded(&old.scrape(10)));
    assert!(!is_superseded(&new.scrape(15)));
    assert!(is_superseded(&old.scrape(20)), "the new one was scraped 5 s before");
    assert!(!is_superseded(&old.scrape(14)), "late, out of a spool, but from before it was taken over");
    assert!(is_superseded(&old.scrape(45)));
    assert!(!is_superseded(&old.scrape(46)), "the new one has been silent for more than 30 s");
    assert!(!is_superseded(&new.scrape(47)) && is_superseded(&old.scrape(48)));
    old.restart(3);
    assert!(!is_superseded(&old.scrape(50)) && is_superseded(&new.scrape(51)));
}

#[test]
fn a_clock_that_is_behind_does_not_turn_back_a_counter() {
    let (mut old, mut new) = (Rival::new("a", 1), Rival::new("b", 2));
    new.skew_s = -12;
    let mut frames: Vec<MetricBatch> = (0..12).map(|i| old.scrape(10 * i)).collect();
    frames.extend((12..30).map(|i| new.scrape(10 * i)));
    // The last minute that is closed ends at 240 s, which is 252 s by the clock of the first.
    let growth = growth(&all(&frames));
    assert!((2_300.0..=2_520.0).contains(&growth), "{growth}");
}

#[test]
fn a_farewell_frees_windows_and_replays_of_who_has_left() {
    let (mut leaving, mut staying) = (Rival::new("a", 1), Rival::new("b", 2));
    let mut windows = windows();
    let mut offset = 0;
    let mut apply = |windows: &mut Windows, frame: &MetricBatch| {
        offset += 1;
        windows.apply(offset, frame, &Rules::default());
        windows.frontier()
    };
    apply(&mut windows, &leaving.scrape(0));
    apply(&mut windows, &staying.scrape(5));
    assert_eq!(apply(&mut windows, &staying.scrape(55)), Some(Timestamp::from_secs(-30)), "it is waited for");
    let farewell = leaving.progress(20, FrameKind::Farewell);
    assert_eq!(apply(&mut windows, &farewell), Some(Timestamp::from_secs(20)));
    for i in 6..120 {
        apply(&mut windows, &staying.scrape(10 * i));
    }
    let (offset, _) = windows.checkpoint().expect("something was applied");
    assert!(offset > 50, "the one that left needs nothing any more: {offset}");
    assert_eq!(windows.streams.len(), 1);
}

/// Up to twenty minutes of a target that changes hands in every way: with and without farewell, twice at a time, with
/// clocks apart, back and forth, out of spools, by restarts.
fn hand_overs(seed: &[u8], max_skew_s: i64, ahead_s: Option<i64>) -> Vec<MetricBatch> {
    let mut rivals = [Rival::new("a", 1), Rival::new("b", 0), Rival::new("c", 0)];
    for (rival, dice) in rivals.iter_mut().zip(seed) {
        rival.skew_s = i64::from(*dice) % (2 * max_skew_s + 1) - max_skew_s;
        rival.ahead_s = ahead_s;
    }
    let mut owners = vec![0_usize];
    let mut epoch = 1;
    let mut spooled: Vec<MetricBatch> = Vec::new();
    let mut frames = Vec::new();
    for (step, dice) in seed.iter().copied().enumerate() {
        let at = step as i64 * 10;
        let next = usize::from(dice / 16) % 3;
        let is_new = !owners.contains(&next);
        match dice % 16 {
            // Killed: another goes on, or not for a while.
            0 | 1 => owners.clear(),
            2..=4 => owners = vec![next],
            // The one before does not know that it has lost the target.
            5 | 6 if is_new => owners.push(next),
            7 if owners.len() == 1 => {
                frames.append(&mut spooled);
                frames.push(rivals[owners[0]].progress(at - 1, FrameKind::Farewell));
                owners.clear();
            }
            _ => {}
        }
        if is_new && owners.contains(&next) {
            epoch += 1;
            rivals[next].restart(epoch);
        }
        for owner in &owners {
            let frame = rivals[*owner].scrape(at + *owner as i64);
            // One of the collectors cannot reach the bus now and then.
            let is_spooled = *owner == 1 && (dice % 3 == 0 || !spooled.is_empty());
            if is_spooled { spooled.push(frame) } else { frames.push(frame) }
        }
        if dice % 5 == 0 {
            frames.append(&mut spooled);
        }
        // All of them punctuate, whatever they own.
        frames.extend(
            rivals.iter().filter(|_| dice % 7 != 0).map(|rival| rival.progress(at, FrameKind::Punctuation)),
        );
    }
    frames
}

const CASES: u32 = 64;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    /// The promise, for targets that change hands: wherever one owner of the partition ends and the next begins, the
    /// finals have the same bits.
    #[test]
    fn a_replay_decides_alike_whoever_claims_the_target(
        seed in prop::collection::vec(any::<u8>(), 60..140),
        commit_at in 0.0f64..1.0,
        crash_after in 0.0f64..1.0,
        look_back_s in prop::sample::select(vec![10, 60, 300]),
        ahead_s in prop::sample::select(vec![None, Some(40), Some(200)]),
    ) {
        let limits = WindowLimits { look_back_ms: look_back_s * 1_000, ..LIMITS };
        let frames = hand_overs(&seed, 8, ahead_s);
        let n_frames = frames.len() as u64;
        let mut undisturbed = Results::new();
        run_decoded(&mut Windows::new(limits, None), &frames, 0..n_frames, &mut undisturbed);

        let commit_at = (commit_at * n_frames as f64) as u64;
        let crash_at = commit_at + (crash_after * (n_frames - commit_at) as f64) as u64;
        let (mut first, mut published) = (Windows::new(limits, None), Results::new());
        run_decoded(&mut first, &frames, 0..commit_at, &mut published);
        let committed = first.checkpoint();
        run_decoded(&mut Windows::new(limits, None), &frames, 0..crash_at, &mut published);

        let resumed = committed.map(|(offset, checkpoint)| {
            (offset, Checkpoint::from_metadata(&checkpoint.to_metadata()).expect("own metadata"))
        });
        let offset = resumed.as_ref().map_or(0, |(offset, _)| *offset);
        let mut again = Results::new();
        run_decoded(&mut Windows::new(limits, resumed), &frames, offset..n_frames, &mut again);
        for (window, aggregate) in &again {
            if let Some(before) = published.get(window) {
                prop_assert_eq!(before, aggregate, "a window was published twice with different bits");
            }
        }
        published.extend(again);
        prop_assert_eq!(published, undisturbed);
    }

    /// However it changes hands, no two collectors count for the same moment, and the counter grows by no more than
    /// it did.
    #[test]
    fn a_target_is_counted_once_whoever_claims_it(seed in prop::collection::vec(any::<u8>(), 60..140)) {
        // Where clocks differ, what comes out of a spool may be from before or after: nothing tells.
        let frames = hand_overs(&seed, 0, None);
        let mut windows = windows();
        let mut accepted = HashMap::new();
        for ((offset, frame), is_readable) in (0..).zip(&frames).zip(readable(&frames)) {
            if !is_readable || !frame.frame.has_samples() {
                continue;
            }
            let outcome = windows.apply(offset, frame, &Rules::default());
            if outcome.n_accepted > 0 {
                let before = accepted.insert(frame.scraped, frame.stream.collector.clone());
                prop_assert_eq!(before, None);
            }
        }
        let (growth, most) = (growth(&all(&frames)), seed.len() as f64 * 100.0 + 20.0);
        prop_assert!(growth <= most, "{} > {}", growth, most);
    }
}
