//! Times of the samples of a frame. The samples of one container carry one time, whatever the metric,
//! so series are put into groups, and a frame tells one time per group. Series whose time differs from
//! that of their group move to another one; groups start afresh with each key frame.

use ahash::AHashMap;

use crate::DecodeError;
use crate::columns::{PositionReader, PositionWriter, Reader, put_varint, unzigzag, zigzag};
use crate::limits::MAX_GROUPS;

/// The group of a series that has none yet.
pub(crate) const NO_GROUP: u32 = u32::MAX;
const KEEPS_OFFSET: u64 = 0;
const KEEPS_TIME: u64 = 1;
/// The difference follows as a number of its own, being too large for the code.
const WIDE: u64 = 2;
const FIRST_DIFFERENCE: u64 = 3;

#[derive(Clone, Copy, Debug)]
struct Group {
    time: i64,
    /// `time` less the time of the scrape.
    offset: i64,
    /// The frame in which the walk last met it.
    met: u64,
    is_still: bool,
}

/// The groups of a stream: the same in the encoder and in every decoder.
#[derive(Debug, Default)]
pub(crate) struct TimeGroups {
    groups: Vec<Group>,
    frame: u64,
    scraped: i64,
    /// How far the scrape is from the one before.
    step: i64,
}

impl TimeGroups {
    pub(crate) fn clear(&mut self) {
        self.groups.clear();
    }

    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    fn begin(&mut self, scraped: i64) {
        self.frame += 1;
        // With a key frame there is no scrape before, for readers that start here.
        self.step = if self.groups.is_empty() { 0 } else { scraped.wrapping_sub(self.scraped) };
        self.scraped = scraped;
    }

    fn add(&mut self) -> u32 {
        let time = self.scraped.wrapping_sub(self.step);
        self.groups.push(Group { time, offset: 0, met: 0, is_still: false });
        (self.groups.len() - 1) as u32
    }

    fn set(&mut self, group: u32, time: i64, is_still: bool) {
        let offset = time.wrapping_sub(self.scraped);
        self.groups[group as usize] = Group { time, offset, met: self.frame, is_still };
    }
}

/// Writes the times of one frame.
pub(crate) struct TimeWriter<'a> {
    pub(crate) regrouped: PositionWriter,
    pub(crate) regrouped_to: Vec<u8>,
    pub(crate) times: Vec<u8>,
    groups: &'a mut TimeGroups,
    /// Where series of a group go whose time is another one.
    splits: AHashMap<(u32, i64), u32>,
}

impl<'a> TimeWriter<'a> {
    pub(crate) fn new(groups: &'a mut TimeGroups, scraped: i64) -> Self {
        groups.begin(scraped);
        let regrouped = PositionWriter::default();
        Self { regrouped, regrouped_to: Vec::new(), times: Vec::new(), groups, splits: AHashMap::new() }
    }

    /// Whether the time of the series' group stands still.
    pub(crate) fn put(&mut self, position: usize, group: &mut u32, time: i64) -> bool {
        if let Some(known) = self.groups.groups.get(*group as usize) {
            if known.met != self.groups.frame {
                return self.meet(*group, time);
            }
            if known.time == time {
                return known.is_still;
            }
        }
        self.regrouped.put(position);
        let split = self.splits.get(&(*group, time)).copied();
        let target = split.unwrap_or(self.groups.len() as u32);
        put_varint(&mut self.regrouped_to, u64::from(target));
        if split.is_none() {
            self.splits.insert((*group, time), target);
            self.groups.add();
            self.meet(target, time);
        }
        *group = target;
        self.groups.groups[target as usize].is_still
    }

    fn meet(&mut self, group: u32, time: i64) -> bool {
        let Group { time: last, offset, .. } = self.groups.groups[group as usize];
        let is_still = time == last && time.wrapping_sub(self.groups.scraped) != offset;
        if time.wrapping_sub(self.groups.scraped) == offset {
            put_varint(&mut self.times, KEEPS_OFFSET);
        } else if is_still {
            put_varint(&mut self.times, KEEPS_TIME);
        } else {
            let difference = zigzag(time.wrapping_sub(last.wrapping_add(self.groups.step)));
            if let Some(code) = difference.checked_add(FIRST_DIFFERENCE) {
                put_varint(&mut self.times, code);
            } else {
                put_varint(&mut self.times, WIDE);
                put_varint(&mut self.times, difference);
            }
        }
        self.groups.set(group, time, is_still);
        is_still
    }
}

/// Reads the times of one frame.
pub(crate) struct TimeReader<'a> {
    regrouped: PositionReader<'a>,
    regrouped_to: Reader<'a>,
    times: Reader<'a>,
    groups: &'a mut TimeGroups,
}

impl<'a> TimeReader<'a> {
    pub(crate) fn new(
        groups: &'a mut TimeGroups,
        scraped: i64,
        [regrouped, regrouped_to, times]: [&'a [u8]; 3],
    ) -> Result<Self, DecodeError> {
        groups.begin(scraped);
        let regrouped = PositionReader::new(regrouped)?;
        Ok(Self { regrouped, regrouped_to: Reader::new(regrouped_to), times: Reader::new(times), groups })
    }

    /// The sample's time, and whether the time of the series' group stands still.
    #[inline]
    pub(crate) fn take(&mut self, position: usize, group: &mut u32) -> Result<(i64, bool), DecodeError> {
        if self.regrouped.holds(position)? {
            self.regroup(group)?;
        }
        let frame = self.groups.frame;
        match self.groups.groups.get(*group as usize) {
            Some(known) if known.met == frame => Ok((known.time, known.is_still)),
            Some(_) => self.meet(*group),
            None => Err(DecodeError::Corrupt { detail: "a sample without a time" }),
        }
    }

    pub(crate) fn finish(&self) -> Result<(), DecodeError> {
        self.regrouped.finish()?;
        self.regrouped_to.finish()?;
        self.times.finish()
    }

    #[cold]
    fn regroup(&mut self, group: &mut u32) -> Result<(), DecodeError> {
        let target = self.regrouped_to.varint()?;
        let n_groups = self.groups.len() as u64;
        if target > n_groups {
            return Err(DecodeError::Corrupt { detail: "a time group that does not exist" });
        }
        if n_groups >= MAX_GROUPS as u64 {
            let (found, limit) = (n_groups, MAX_GROUPS as u64);
            return Err(DecodeError::TooLarge { what: "time groups", found, limit });
        }
        *group = if target == n_groups { self.groups.add() } else { target as u32 };
        Ok(())
    }

    fn meet(&mut self, group: u32) -> Result<(i64, bool), DecodeError> {
        let Group { time: last, offset, .. } = self.groups.groups[group as usize];
        let code = self.times.varint()?;
        let (time, is_still) = match code {
            KEEPS_OFFSET => (self.groups.scraped.wrapping_add(offset), false),
            KEEPS_TIME => (last, true),
            _ => {
                let difference = if code == WIDE { self.times.varint()? } else { code - FIRST_DIFFERENCE };
                (last.wrapping_add(self.groups.step).wrapping_add(unzigzag(difference)), false)
            }
        };
        self.groups.set(group, time, is_still);
        Ok((time, is_still))
    }
}

#[cfg(test)]
mod tests;
