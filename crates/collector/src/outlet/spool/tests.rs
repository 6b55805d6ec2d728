//! The spool against crashes, damage and a model of itself.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use sentinel_model::{Timestamp, Topic};

use super::*;

const ROOM: u64 = 1 << 30;

fn entry(number: u64, bytes: usize) -> Entry {
    let mut value = number.to_le_bytes().to_vec();
    value.resize(bytes.max(8), 0xa5);
    let timestamp = Timestamp::from_millis(number as i64);
    Entry {
        n_samples: 10,
        ..Entry::record(Topic::Metrics, Bytes::from_static(b"key"), value.into(), timestamp)
    }
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder.into(), ROOM).expect("the spool opens")
}

#[test]
fn leaves_the_rest_of_the_disk_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    filled(folder.path(), 1, 1);
    let mut spool = Spool::open(DataDir::new(folder.path(), u64::MAX), ROOM).expect("the spool opens");
    let refused = spool.append(&[entry(1, 50)]).expect_err("no disk has that much room");
    assert!(matches!(refused, SpoolError::DiskFull(_)), "{refused}");
    assert_eq!(drain(&mut spool), [0], "what is there goes out");
}

/// A folder with entries 0..n in segments of `per_segment` entries.
fn filled(folder: &Path, n: u64, per_segment: u64) {
    for first in (0..n).step_by(per_segment as usize) {
        let entries: Vec<Entry> =
            (first..n.min(first + per_segment)).map(|number| entry(number, 50)).collect();
        // Each process begins a segment of its own.
        open(folder).append(&entries).expect("room");
    }
}

fn drain(spool: &mut Spool) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let entries = spool.peek(1_000).expect("readable");
        if entries.is_empty() {
            return numbers;
        }
        numbers.extend(entries.iter().map(|entry| entry.outgoing.record.timestamp.as_millis() as u64));
        spool.advance(entries.len()).expect("removable");
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("a folder")
        .map(|file| file.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "spool"))
        .collect();
    files.sort();
    files
}

#[test]
fn gives_back_in_order_what_was_put_in_and_then_is_empty() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = open(folder.path());
    for number in 0..100 {
        spool.append(&[entry(number, 100)]).expect("room");
    }
    assert!(spool.bytes() > 100 * 100);
    assert_eq!(drain(&mut spool), (0..100).collect::<Vec<_>>());
    assert!(spool.is_empty() && spool.bytes() == 0 && files(folder.path()).is_empty());
    assert_eq!(spool.take_losses(), Losses::default());
}

#[test]
fn goes_on_after_a_crash_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 30, 10);
    let mut spool = open(folder.path());
    let first = spool.peek(1).expect("readable");
    spool.advance(first.len()).expect("noted");
    drop(spool);
    let mut spool = open(folder.path());
    spool.append(&[entry(30, 50)]).expect("room");
    drop(spool);
    assert_eq!(drain(&mut open(folder.path())), (1..31).collect::<Vec<_>>());
    let mut empty = open(folder.path());
    empty.append(&[entry(31, 50)]).expect("room");
    assert_eq!(drain(&mut empty), [31], "what was delivered does not come back");
}

#[test]
fn refuses_what_exceeds_its_bound_and_takes_it_after_dropping_the_oldest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spool = Spool::open(folder.path().into(), 3_000).expect("the spool opens");
    let mut number = 0;
    while spool.append(&[entry(number, 200)]).is_ok() {
        spool.seal();
        number += 1;
    }
    assert!(matches!(spool.append(&[entry(number, 200)]), Err(SpoolError::Full { .. })));
    assert!(spool.bytes() <= 3_000 && number > 5);
    spool.drop_oldest().expect("dropped");
    assert_eq!(spool.take_losses(), Losses { entries: 1, samples: 10, quarantined: 0 });
    spool.append(&[entry(number, 200)]).expect("room again");
    assert_eq!(drain(&mut spool), (1..=number).collect::<Vec<_>>());
    assert_eq!(spool.take_losses(), Losses::default());
}

#[test]
fn a_tail_torn_anywhere_costs_only_the_entries_it_held() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 6, 3);
    let last = files(folder.path()).pop().expect("a file");
    let whole = fs::read(&last).expect("readable");
    let entry_bytes = (whole.len() as u64 - HEADER_BYTES) / 3;
    for length in 0..whole.len() as u64 {
        fs::write(&last, &whole[..length as usize]).expect("writable");
        filled_copy_reads(folder.path(), 3 + length.saturating_sub(HEADER_BYTES) / entry_bytes);
        fs::write(&last, &whole).expect("writable");
    }
}

/// Opens a copy of the folder, appends one entry and expects `n` entries and that one.
fn filled_copy_reads(folder: &Path, n: u64) {
    let copy = tempfile::tempdir().expect("a folder");
    for file in files(folder) {
        fs::copy(&file, copy.path().join(file.file_name().expect("a name"))).expect("copied");
    }
    let mut spool = open(copy.path());
    spool.append(&[entry(99, 50)]).expect("room");
    let numbers = drain(&mut spool);
    assert_eq!(numbers, (0..n).chain([99]).collect::<Vec<_>>());
    assert_eq!(spool.take_losses().entries, 0);
}

#[test]
fn a_flipped_bit_costs_one_entry_which_is_counted_and_the_file_is_set_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 9, 3);
    let first = files(folder.path()).remove(0);
    let whole = fs::read(&first).expect("readable");
    for at in 0..whole.len() {
        let copy = tempfile::tempdir().expect("a folder");
        for file in files(folder.path()) {
            fs::copy(&file, copy.path().join(file.file_name().expect("a name"))).expect("copied");
        }
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(copy.path().join(first.file_name().expect("a name")), bytes).expect("writable");
        let mut spool = open(copy.path());
        let numbers = drain(&mut spool);
        let losses = spool.take_losses();
        assert_eq!(numbers.len() as u64 + losses.entries, 9, "byte {at}");
        assert!(losses.entries <= 1, "byte {at} cost {}", losses.entries);
        assert!(numbers.is_sorted());
        assert_eq!(losses.quarantined, 1, "byte {at}");
    }
}

#[test]
fn a_missing_segment_and_a_zeroed_page_are_counted_exactly() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 40, 10);
    let files = files(folder.path());
    fs::remove_file(&files[1]).expect("removable");
    let mut bytes = fs::read(&files[2]).expect("readable");
    let length = bytes.len();
    bytes[length / 4..length / 2].fill(0);
    fs::write(&files[2], bytes).expect("writable");
    let mut spool = open(folder.path());
    let numbers = drain(&mut spool);
    let losses = spool.take_losses();
    assert_eq!(numbers.len() as u64 + losses.entries, 40);
    assert!(losses.entries >= 12 && losses.entries <= 15, "{losses:?}");
    assert!(numbers.is_sorted());
}

#[test]
fn a_copied_segment_delivers_nothing_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    filled(folder.path(), 30, 10);
    let files = files(folder.path());
    for name in ["00000000000000000005.spool", "00000000000000000015.spool", "00000000000000000030.spool"] {
        fs::copy(&files[0], folder.path().join(name)).expect("copied");
    }
    let mut spool = open(folder.path());
    spool.append(&[entry(30, 50)]).expect("room");
    let numbers = drain(&mut spool);
    let losses = spool.take_losses();
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
    assert_eq!(numbers.len() as u64 + losses.entries, 31);
}

#[test]
fn an_entry_that_could_not_be_written_is_written_whole_later() {
    let parent = tempfile::tempdir().expect("a folder");
    let folder = parent.path().join("spool");
    let mut spool = open(&folder);
    fs::rename(&folder, parent.path().join("away")).expect("moved");
    assert!(matches!(spool.append(&[entry(0, 50)]), Err(SpoolError::Io { .. })));
    fs::rename(parent.path().join("away"), &folder).expect("moved back");
    spool.append(&[entry(0, 50), entry(1, 50)]).expect("the disk is back");
    assert_eq!(drain(&mut spool), [0, 1]);
}

#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Deliver(u8),
    Crash,
    Seal,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_a_queue_across_crashes(
        steps in prop::collection::vec(
            prop_oneof![
                (1_u8..5).prop_map(Step::Append),
                (1_u8..5).prop_map(Step::Deliver),
                Just(Step::Crash),
                Just(Step::Seal),
            ],
            1..40,
        )
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut spool = open(folder.path());
        let mut model = VecDeque::new();
        let mut next = 0;
        for step in steps {
            match step {
                Step::Append(n) => {
                    let numbers: Vec<u64> = (next..next + u64::from(n)).collect();
                    next += u64::from(n);
                    let entries: Vec<Entry> = numbers.iter().map(|number| entry(*number, 30)).collect();
                    spool.append(&entries).expect("room");
                    model.extend(numbers);
                }
                Step::Deliver(n) => {
                    let entries = spool.peek(100 * usize::from(n)).expect("readable");
                    let read: Vec<u64> =
                        entries.iter().map(|entry| entry.outgoing.record.timestamp.as_millis() as u64).collect();
                    prop_assert_eq!(read.is_empty(), model.is_empty());
                    let expected: Vec<u64> = model.drain(..read.len()).collect();
                    prop_assert_eq!(read, expected);
                    spool.advance(entries.len()).expect("removable");
                }
                Step::Crash => spool = open(folder.path()),
                Step::Seal => spool.seal(),
            }
        }
        prop_assert_eq!(drain(&mut spool), Vec::from(model));
        prop_assert_eq!(spool.take_losses(), Losses::default());
    }
}
