//! Samples of one series in little memory: most series repeat a value for long, and times lie close together.

use crate::aggregate::Sample;

/// Sorted by time, each time once.
///
/// One allocation of words: the form, then
/// - `ALIKE`: time of the first sample (2 words), the value of all (2), and a time each;
/// - `ANY`: time of the first sample (2), and time and value each (3);
/// - `WIDE`, for samples that lie more than 49 days apart: time and value each (4).
///
/// Times of the first two forms are milliseconds after the first sample's.
#[derive(Debug, Default)]
pub(super) struct Samples {
    words: Vec<u32>,
}

const ALIKE: u32 = 0;
const ANY: u32 = 1;
const WIDE: u32 = 2;

/// Words before the first sample, and words of a sample, by form.
const LAYOUTS: [(usize, usize); 3] = [(5, 1), (3, 3), (1, 4)];

/// Samples that room is made for at a time. Doubling would leave nearly half of the room empty, for each of
/// very many series.
const ROOM: usize = 2;

/// Samples that a search looks at one by one.
const NEWEST: usize = 4;

impl Samples {
    #[inline]
    pub(super) fn len(&self) -> usize {
        // Divisors that are known here cost a fraction of a division.
        let n_words = self.words.len();
        match self.words.first() {
            None => 0,
            Some(&ALIKE) => n_words - 5,
            Some(&ANY) => (n_words - 3) / 3,
            Some(_) => (n_words - 1) / 4,
        }
    }

    /// # Panics
    /// Beyond the last sample.
    #[inline]
    pub(super) fn get(&self, index: usize) -> Sample {
        let (head, stride) = self.layout();
        let at = head + index * stride;
        let (first_ms, word) = (self.long(1), self.words[at]);
        match self.words[0] {
            ALIKE => Sample { at_ms: first_ms.wrapping_add(i64::from(word)), value: self.value(3) },
            ANY => Sample { at_ms: first_ms.wrapping_add(i64::from(word)), value: self.value(at + 1) },
            _ => Sample { at_ms: self.long(at), value: self.value(at + 2) },
        }
    }

    #[inline]
    pub(super) fn last(&self) -> Option<Sample> {
        self.len().checked_sub(1).map(|last| self.get(last))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Sample> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Index of the first sample at or after `at_ms`.
    #[inline]
    pub(super) fn first_at(&self, at_ms: i64) -> usize {
        let (mut low, mut high) = (0, self.len());
        // What is asked for is nearly always among the newest.
        for index in (0..high).rev().take(NEWEST) {
            if self.get(index).at_ms < at_ms {
                return index + 1;
            }
            high = index;
        }
        while low < high {
            let middle = low.midpoint(high);
            if self.get(middle).at_ms < at_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Puts a sample before the one at `index`, which is later; the one ahead of it is earlier.
    pub(super) fn insert(&mut self, index: usize, sample: Sample) {
        if index == self.len() && self.push(sample) {
            return;
        }
        let mut all: Vec<Sample> = self.iter().collect();
        all.insert(index, sample);
        *self = Self::of(&all);
    }

    /// Drops the first `n` samples.
    pub(super) fn drop_first(&mut self, n: usize) {
        if n == 0 {
            return;
        }
        if n >= self.len() {
            *self = Self::default();
            return;
        }
        let (head, stride) = self.layout();
        self.words.drain(head..head + n * stride);
        let is_alike = |one: f64, other: f64| one.to_bits() == other.to_bits();
        let became_alike =
            self.words[0] == ANY && self.iter().all(|sample| is_alike(sample.value, self.get(0).value));
        if became_alike {
            *self = Self::of(&self.iter().collect::<Vec<_>>());
        }
        self.words.shrink_to(2 * self.words.len() + ROOM * stride);
    }

    /// Appends in the form at hand, if it can.
    fn push(&mut self, sample: Sample) -> bool {
        if self.words.is_empty() {
            return false;
        }
        let after = u32::try_from(sample.at_ms.wrapping_sub(self.long(1)));
        let is_alike = || sample.value.to_bits() == self.value(3).to_bits();
        let bits = halves(sample.value.to_bits());
        match (self.words[0], after) {
            (ALIKE, Ok(after)) if is_alike() => self.extend(&[after]),
            (ANY, Ok(after)) => self.extend(&[after, bits[0], bits[1]]),
            _ => return false,
        }
        true
    }

    fn of(samples: &[Sample]) -> Self {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Self::default() };
        let span = last.at_ms.checked_sub(first.at_ms).and_then(|span| u32::try_from(span).ok());
        let is_alike = samples.iter().all(|sample| sample.value.to_bits() == first.value.to_bits());
        let form = match span {
            None => WIDE,
            Some(_) if is_alike => ALIKE,
            Some(_) => ANY,
        };
        let (head, stride) = LAYOUTS[form as usize];
        let mut words = Vec::with_capacity(head + stride * (samples.len() + ROOM));
        words.push(form);
        if form != WIDE {
            words.extend(halves(first.at_ms as u64));
        }
        if form == ALIKE {
            words.extend(halves(first.value.to_bits()));
        }
        for sample in samples {
            if form == WIDE {
                words.extend(halves(sample.at_ms as u64));
            } else {
                words.push((sample.at_ms - first.at_ms) as u32);
            }
            if form != ALIKE {
                words.extend(halves(sample.value.to_bits()));
            }
        }
        Self { words }
    }

    fn extend(&mut self, words: &[u32]) {
        if self.words.len() + words.len() > self.words.capacity() {
            self.words.reserve_exact(ROOM * words.len());
        }
        self.words.extend_from_slice(words);
    }

    #[inline]
    fn layout(&self) -> (usize, usize) {
        LAYOUTS[self.words.first().map_or(0, |form| *form as usize)]
    }

    #[inline]
    fn long(&self, at: usize) -> i64 {
        (u64::from(self.words[at]) | u64::from(self.words[at + 1]) << 32) as i64
    }

    #[inline]
    fn value(&self, at: usize) -> f64 {
        f64::from_bits(self.long(at) as u64)
    }
}

const fn halves(long: u64) -> [u32; 2] {
    [long as u32, (long >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> impl Strategy<Value = Sample> {
        let at_ms = prop_oneof![8 => 0i64..100_000, 1 => any::<i64>()];
        let value = prop_oneof![Just(1.5), Just(f64::NAN), Just(-0.0), any::<f64>()];
        (at_ms, value).prop_map(|(at_ms, value)| Sample { at_ms, value })
    }

    fn bits(samples: impl IntoIterator<Item = Sample>) -> Vec<(i64, u64)> {
        samples.into_iter().map(|sample| (sample.at_ms, sample.value.to_bits())).collect()
    }

    #[test]
    fn series_that_stand_still_cost_a_word_a_sample() {
        let mut samples = Samples::default();
        for i in 0..11 {
            samples.insert(i, Sample { at_ms: 1_795_255_200_000 + 10_000 * i as i64, value: 7.0 });
        }
        assert!(samples.words.capacity() * 4 <= 80, "{}", samples.words.capacity() * 4);
    }

    proptest! {
        /// Whatever the form, it is a sorted list.
        #[test]
        fn holds_what_a_list_would_hold(
            steps in prop::collection::vec((sample(), prop::option::weighted(0.2, 0usize..4)), 0..60),
        ) {
            let (mut samples, mut list) = (Samples::default(), Vec::<Sample>::new());
            for (sample, dropped) in steps {
                let index = list.partition_point(|known| known.at_ms < sample.at_ms);
                prop_assert_eq!(samples.first_at(sample.at_ms), index);
                if list.get(index).is_none_or(|known| known.at_ms != sample.at_ms) {
                    list.insert(index, sample);
                    samples.insert(index, sample);
                }
                let dropped = dropped.unwrap_or(0).min(list.len());
                list.drain(..dropped);
                samples.drop_first(dropped);
                prop_assert_eq!(samples.len(), list.len());
                prop_assert_eq!(bits(samples.iter()), bits(list.iter().copied()));
                prop_assert_eq!(bits(samples.last()), bits(list.last().copied()));
            }
        }
    }
}
