//! Where a reader stands in a stream of frames, and whether it may read the next one.

use crate::DecodeError;
use sentinel_model::StreamKey;

/// Identity of a frame in its stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameId {
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
    pub(crate) is_key: bool,
}

/// The last frame read of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    epoch: u64,
    last: Option<u64>,
    /// No frame was missed since the last key frame.
    is_continuous: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Duplicate,
    MissingBase { expected: Option<u64> },
}

impl Position {
    /// Whether `frame` may be read: it is new, and a key frame or the successor of the last one. A
    /// frame that was missed makes every later one unreadable, up to the next key frame.
    pub(crate) fn admit(&mut self, frame: FrameId) -> Result<(), Refusal> {
        let is_older = frame.epoch < self.epoch;
        let was_read = frame.epoch == self.epoch && self.last.is_some_and(|last| frame.sequence <= last);
        if is_older || was_read {
            return Err(Refusal::Duplicate);
        }
        if frame.is_key {
            return Ok(());
        }
        if frame.epoch > self.epoch {
            *self = Self { epoch: frame.epoch, last: None, is_continuous: false };
        }
        let expected = self.last.and_then(|last| last.checked_add(1));
        self.is_continuous &= expected == Some(frame.sequence);
        if self.is_continuous { Ok(()) } else { Err(Refusal::MissingBase { expected }) }
    }

    pub(crate) const fn read(&mut self, frame: FrameId) {
        *self = Self { epoch: frame.epoch, last: Some(frame.sequence), is_continuous: true };
    }

    /// The frame after the last one was admitted but cannot be read.
    pub(crate) const fn lose(&mut self) {
        self.is_continuous = false;
    }
}

impl Refusal {
    pub(crate) fn of(self, stream: StreamKey, frame: FrameId) -> DecodeError {
        let (stream, FrameId { epoch, sequence, .. }) = (Box::new(stream), frame);
        match self {
            Self::Duplicate => DecodeError::Duplicate { stream, epoch, sequence },
            Self::MissingBase { expected } => {
                DecodeError::MissingBase { stream, epoch, expected, found: sequence }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn frame(epoch: u64, sequence: u64, is_key: bool) -> FrameId {
        FrameId { epoch, sequence, is_key }
    }

    fn read(position: &mut Position, frame: FrameId) -> Result<(), Refusal> {
        position.admit(frame)?;
        position.read(frame);
        Ok(())
    }

    #[test]
    fn reads_a_key_frame_and_its_successors() {
        let mut position = Position::default();
        assert_eq!(read(&mut position, frame(7, 4, true)), Ok(()));
        assert_eq!(read(&mut position, frame(7, 5, false)), Ok(()));
        assert_eq!(read(&mut position, frame(7, 5, false)), Err(Refusal::Duplicate));
        assert_eq!(read(&mut position, frame(7, 4, true)), Err(Refusal::Duplicate));
        assert_eq!(read(&mut position, frame(6, 9, true)), Err(Refusal::Duplicate));
    }

    #[test]
    fn reads_nothing_after_a_lost_frame_until_the_next_key_frame() {
        let mut position = Position::default();
        let missing = |expected| Err(Refusal::MissingBase { expected });
        assert_eq!(read(&mut position, frame(7, 3, false)), missing(None));
        assert_eq!(read(&mut position, frame(7, 4, true)), Ok(()));
        assert_eq!(read(&mut position, frame(7, 6, false)), missing(Some(5)));
        assert_eq!(read(&mut position, frame(7, 7, false)), missing(Some(5)));
        assert_eq!(read(&mut position, frame(7, 5, false)), missing(Some(5)), "late is lost");
        assert_eq!(read(&mut position, frame(7, 8, true)), Ok(()));
        assert_eq!(read(&mut position, frame(7, 9, false)), Ok(()));
    }

    #[test]
    fn follows_a_later_epoch_and_no_earlier_one() {
        let mut position = Position::default();
        assert_eq!(read(&mut position, frame(7, 4, true)), Ok(()));
        assert_eq!(read(&mut position, frame(8, 1, false)), Err(Refusal::MissingBase { expected: None }));
        assert_eq!(read(&mut position, frame(7, 5, false)), Err(Refusal::Duplicate));
        assert_eq!(read(&mut position, frame(8, 2, true)), Ok(()));
    }
}
