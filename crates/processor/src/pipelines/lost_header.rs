//! What a minute lacks, in a header of its message: `all`, or numbers of the stream's series as `0-17,20`.

use std::fmt::Write as _;

use bytes::Bytes;
use sentinel_bus::Record;
use sentinel_model::SeriesRef;

use crate::windows::Lost;

const NAME: &str = "lost";
const EVERYTHING: &str = "all";

/// Runs of numbers in a header. A minute that would tell of more tells that everything is lost: its message has a
/// limit, and that nothing looks whole which is not matters more than which series are.
const MAX_RUNS: usize = 4_096;

/// `None` if nothing is lost. Numbers ascend.
pub(crate) fn header(lost: &Lost) -> Option<(String, Bytes)> {
    let text = match lost {
        Lost::Nothing => return None,
        Lost::Everything => EVERYTHING.to_owned(),
        Lost::Series(numbers) if numbers.is_empty() => return None,
        Lost::Series(numbers) => runs(numbers),
    };
    Some((NAME.to_owned(), text.into()))
}

/// A header that another version wrote counts as everything.
pub(crate) fn of(record: &Record) -> Lost {
    let Some((_, text)) = record.headers.iter().find(|(name, _)| name == NAME) else { return Lost::Nothing };
    match std::str::from_utf8(text) {
        Ok(text) if text != EVERYTHING => numbers(text).map_or(Lost::Everything, Lost::Series),
        _ => Lost::Everything,
    }
}

fn runs(numbers: &[SeriesRef]) -> String {
    let runs = numbers.chunk_by(|one, next| next.0 == one.0 + 1);
    let mut text = String::new();
    for (i, run) in runs.enumerate() {
        if i == MAX_RUNS {
            return EVERYTHING.to_owned();
        }
        let comma = if i == 0 { "" } else { "," };
        let (first, last) = (run[0].0, run[run.len() - 1].0);
        let written = if first == last {
            write!(text, "{comma}{first}")
        } else {
            write!(text, "{comma}{first}-{last}")
        };
        written.expect("a string takes everything");
    }
    text
}

fn numbers(text: &str) -> Option<Vec<SeriesRef>> {
    let mut numbers = Vec::new();
    for run in text.split(',') {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        // Else a few bytes that nobody wrote would ask for gigabytes.
        let is_ascending = numbers.last().is_none_or(|before: &SeriesRef| before.0 < first) && first <= last;
        if !is_ascending || last as usize >= sentinel_proto::MAX_SERIES {
            return None;
        }
        numbers.extend((first..=last).map(SeriesRef));
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    fn carried(headers: Vec<(String, Bytes)>) -> Lost {
        of(&Record { headers, ..record(Bytes::new(), "1m") })
    }

    fn of_series(numbers: impl IntoIterator<Item = u32>) -> Lost {
        Lost::Series(numbers.into_iter().map(SeriesRef).collect())
    }

    #[test]
    fn comes_back_from_the_header() {
        let some = [0, 1, 2, 7, 9, 10, 1_000_000];
        for lost in [Lost::Nothing, Lost::Everything, of_series(some), of_series(0..100_000)] {
            assert_eq!(carried(header(&lost).into_iter().collect()), lost);
        }
        assert_eq!(header(&of_series(some)), Some(("lost".into(), "0-2,7,9-10,1000000".into())));
    }

    #[test]
    fn has_a_bound_beyond_which_everything_is_lost() {
        let scattered = of_series((0..500_000).map(|i| 2 * i));
        assert_eq!(carried(header(&scattered).into_iter().collect()), Lost::Everything);
    }

    #[test]
    fn what_cannot_be_read_is_everything() {
        for text in ["", "x", "3-", "5-4", "0-9,0-9", "0-4294967295"] {
            assert_eq!(carried(vec![("lost".into(), text.into())]), Lost::Everything, "{text:?}");
        }
    }
}
