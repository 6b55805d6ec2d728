//! Cutting a stream of chunks into lines, with a bound on each.

use bytes::BytesMut;

/// What has arrived and is not a whole line yet.
#[derive(Debug)]
pub(in super::super) struct LineBuffer {
    rest: BytesMut,
    /// How much of `rest` is known to hold no end of line.
    searched: usize,
    limit: usize,
    is_skipping: bool,
}

/// A whole line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Line {
    Whole(BytesMut),
    /// The first `limit` bytes of a line that is longer; its rest is skipped.
    Cut(BytesMut),
}

impl LineBuffer {
    pub(in super::super) fn new(limit: usize) -> Self {
        Self { rest: BytesMut::new(), searched: 0, limit, is_skipping: false }
    }

    pub(in super::super) fn push(&mut self, chunk: &[u8]) {
        self.rest.extend_from_slice(chunk);
    }

    /// The next line, if one has arrived whole (or is too long).
    pub(in super::super) fn next(&mut self) -> Option<Line> {
        loop {
            let end = self.rest[self.searched..].iter().position(|byte| *byte == b'\n');
            match end.map(|end| end + self.searched) {
                Some(end) => {
                    let mut line = self.rest.split_to(end + 1);
                    self.searched = 0;
                    line.truncate(end);
                    if std::mem::take(&mut self.is_skipping) {
                        continue;
                    }
                    if line.len() > self.limit {
                        line.truncate(self.limit);
                        return Some(Line::Cut(line));
                    }
                    return Some(Line::Whole(line));
                }
                None if self.is_skipping => {
                    self.rest.clear();
                    self.searched = 0;
                    return None;
                }
                None if self.rest.len() > self.limit => {
                    let line = self.rest.split_to(self.limit);
                    self.rest.clear();
                    self.searched = 0;
                    self.is_skipping = true;
                    return Some(Line::Cut(line));
                }
                None => {
                    self.searched = self.rest.len();
                    return None;
                }
            }
        }
    }

    /// What is left when the stream ends without an end of line.
    pub(in super::super) fn finish(&mut self) -> Option<BytesMut> {
        self.searched = 0;
        let rest = self.rest.split();
        (!rest.is_empty() && !std::mem::take(&mut self.is_skipping)).then_some(rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(buffer: &mut LineBuffer) -> Vec<Line> {
        std::iter::from_fn(|| buffer.next()).collect()
    }

    #[test]
    fn joins_chunks_and_splits_lines() {
        let mut buffer = LineBuffer::new(100);
        buffer.push(b"on");
        assert_eq!(lines(&mut buffer), []);
        buffer.push(b"e\ntwo\n\nthr");
        let expected = ["one", "two", ""].map(|line| Line::Whole(line.as_bytes().into()));
        assert_eq!(lines(&mut buffer), expected);
        assert_eq!(buffer.finish().as_deref(), Some(b"thr".as_slice()));
        assert_eq!(buffer.finish(), None);
    }

    #[test]
    fn cuts_a_line_that_is_too_long_and_goes_on_after_it() {
        let mut buffer = LineBuffer::new(4);
        buffer.push(b"123456");
        assert_eq!(lines(&mut buffer), [Line::Cut(b"1234".as_slice().into())]);
        buffer.push(b"789");
        assert_eq!(lines(&mut buffer), []);
        buffer.push(b"0\nok\n12345\n");
        let expected = [Line::Whole(b"ok".as_slice().into()), Line::Cut(b"1234".as_slice().into())];
        assert_eq!(lines(&mut buffer), expected);
    }

    #[test]
    fn forgets_the_rest_of_a_cut_line_at_the_end() {
        let mut buffer = LineBuffer::new(2);
        buffer.push(b"12345");
        assert_eq!(lines(&mut buffer).len(), 1);
        buffer.push(b"6");
        assert_eq!(buffer.finish(), None);
    }

    proptest! {
        #[test]
        fn gives_the_same_lines_however_the_stream_is_cut(
            text in "[ab\n]{0,40}", cuts in prop::collection::vec(1_usize..7, 1..10)
        ) {
            let mut whole = LineBuffer::new(5);
            whole.push(text.as_bytes());
            let expected = lines(&mut whole);
            let mut piecewise = LineBuffer::new(5);
            let mut actual = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at(cut.min(rest.len()));
                piecewise.push(chunk);
                actual.extend(lines(&mut piecewise));
                rest = after;
            }
            prop_assert_eq!(actual, expected);
        }
    }
}
