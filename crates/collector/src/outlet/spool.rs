//! What waits on disk while the bus is away: a bounded queue of entries in files, in order, each entry
//! durable once `append` returns. Damage costs the entries it hits and no more, and is counted.

mod segment;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sentinel_runtime::{DataDir, DiskFull};

use super::entry::Entry;
use segment::{HEADER_BYTES, frame_entry, scan};

/// Bytes that a segment grows to before the next one begins: dropping and reading work on whole ones.
const SEGMENT_BYTES: u64 = 4 << 20;

#[derive(Debug, thiserror::Error)]
pub(super) enum SpoolError {
    #[error("the spool is full: {needed} bytes more than its {capacity}")]
    Full { needed: u64, capacity: u64 },
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    #[error("{what} the spool file {path}: {source}")]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// Entries that are gone, found missing or dropped on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    pub entries: u64,
    /// Known for entries that were dropped, not for damaged ones.
    pub samples: u64,
    /// Files moved aside because of damage.
    pub quarantined: u64,
}

pub(super) struct Spool {
    folder: DataDir,
    capacity: u64,
    /// Oldest first; the last one may be open for appending.
    segments: VecDeque<Segment>,
    active: Option<File>,
    next_sequence: u64,
    /// Entries of the oldest segment, with their numbers, that were read and not yet delivered.
    head: VecDeque<(u64, Entry)>,
    /// The entry to deliver next.
    next_delivery: u64,
    losses: Losses,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    first_sequence: u64,
    bytes: u64,
    is_loaded: bool,
}

// === impl Spool ===

impl Spool {
    /// Opens or creates the folder. Only the last segment is read, to find its end; the others are checked
    /// when their turn comes.
    pub fn open(folder: DataDir, capacity: u64) -> Result<Self, SpoolError> {
        let path = folder.path().to_owned();
        fs::create_dir_all(&path).map_err(|source| io_error("create", &path, source))?;
        let mut spool = Self {
            folder,
            capacity,
            segments: list(&path)?,
            active: None,
            next_sequence: 0,
            head: VecDeque::new(),
            next_delivery: 0,
            losses: Losses::default(),
        };
        let delivered = read_delivered(&path);
        spool.next_delivery =
            delivered.unwrap_or_else(|| spool.segments.front().map_or(0, |s| s.first_sequence));
        spool.next_sequence = spool.next_delivery;
        if let Some(last) = spool.segments.back().copied() {
            let end = spool.cut_torn_tail(last)?;
            spool.next_sequence = spool.next_sequence.max(end);
        }
        Ok(spool)
    }

    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.head.is_empty()
    }

    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// What was lost since the last call.
    pub fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.losses)
    }

    /// Durable on return; all of the entries or, on error, none.
    ///
    /// # Errors
    /// The bound, or the disk. After an error of the disk the file in hand is left alone for good.
    pub fn append(&mut self, entries: &[Entry]) -> Result<(), SpoolError> {
        self.folder.room()?;
        let mut bytes = Vec::new();
        for (sequence, entry) in (self.next_sequence..).zip(entries) {
            frame_entry(sequence, entry, &mut bytes);
        }
        let needed = (self.bytes() + bytes.len() as u64 + HEADER_BYTES).saturating_sub(self.capacity);
        if needed > 0 {
            return Err(SpoolError::Full { needed, capacity: self.capacity });
        }
        let is_segment_full = self.segments.back().is_some_and(|segment| segment.bytes >= SEGMENT_BYTES);
        if is_segment_full {
            self.seal();
        }
        self.write(&bytes).inspect_err(|_| self.abandon())?;
        self.next_sequence += entries.len() as u64;
        Ok(())
    }

    /// The oldest entries, up to `max_bytes` but at least one, unless there is none.
    pub fn peek(&mut self, max_bytes: usize) -> Result<Vec<Entry>, SpoolError> {
        while self.head.is_empty() {
            let Some(segment) = self.segments.front().copied() else { return Ok(Vec::new()) };
            if segment.is_loaded {
                self.remove_front()?;
            } else {
                self.load_front()?;
            }
        }
        let mut size = 0;
        let is_within = |entry: &&Entry| {
            let is_first = size == 0;
            size += entry.size();
            is_first || size <= max_bytes
        };
        Ok(self.head.iter().map(|(_, entry)| entry).take_while(is_within).cloned().collect())
    }

    /// The first `n` entries that [`Self::peek`] gave are delivered.
    pub fn advance(&mut self, n: usize) -> Result<(), SpoolError> {
        if let Some((sequence, _)) = self.head.drain(..n.min(self.head.len())).next_back() {
            self.next_delivery = sequence + 1;
        }
        if self.head.is_empty() {
            self.remove_front()?;
        }
        // Lost in a crash, it costs only repeats, which readers recognise.
        write_delivered(self.folder.path(), self.next_delivery);
        Ok(())
    }

    /// Gives up the oldest segment.
    pub fn drop_oldest(&mut self) -> Result<(), SpoolError> {
        let Some(segment) = self.segments.front().copied() else { return Ok(()) };
        if !segment.is_loaded {
            self.load_front()?;
        }
        self.losses.entries += self.head.len() as u64;
        self.losses.samples += self.head.iter().map(|(_, entry)| u64::from(entry.n_samples)).sum::<u64>();
        self.head.clear();
        self.remove_front()
    }

    /// Counts the oldest segment as lost: it cannot be read.
    pub fn give_up_oldest(&mut self) {
        let end = self.front_end();
        self.losses.entries += end.saturating_sub(self.next_delivery);
        self.next_delivery = self.next_delivery.max(end);
        let Some(segment) = self.segments.pop_front() else { return };
        self.head.clear();
        self.losses.quarantined += 1;
        let path = segment_path(self.folder.path(), segment.first_sequence);
        if let Err(error) = fs::rename(&path, path.with_extension("damaged")) {
            tracing::warn!(path = %path.display(), error = &error as &dyn std::error::Error, "cannot set a spool file aside");
        }
    }

    /// No more is appended to the last segment.
    fn seal(&mut self) {
        self.active = None;
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        if self.active.is_none() {
            self.begin_segment()?;
        }
        let (Some(file), Some(segment)) = (&mut self.active, self.segments.back_mut()) else { return Ok(()) };
        let path = segment_path(self.folder.path(), segment.first_sequence);
        file.write_all(bytes).map_err(|source| io_error("write", &path, source))?;
        file.sync_data().map_err(|source| io_error("fsync", &path, source))?;
        segment.bytes += bytes.len() as u64;
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), SpoolError> {
        let path = segment_path(self.folder.path(), self.next_sequence);
        let error = |what| {
            let path = path.clone();
            move |source| io_error(what, &path, source)
        };
        let mut file =
            OpenOptions::new().append(true).create_new(true).open(&path).map_err(error("create"))?;
        file.write_all(segment::MAGIC).map_err(error("write"))?;
        sync_folder(self.folder.path()).map_err(error("fsync"))?;
        let first_sequence = self.next_sequence;
        self.segments.push_back(Segment { first_sequence, bytes: HEADER_BYTES, is_loaded: false });
        self.active = Some(file);
        Ok(())
    }

    /// After a failed write or fsync nobody knows what the file holds: it is cut to what was durable before,
    /// and never written again.
    fn abandon(&mut self) {
        let Some(_) = self.active.take() else {
            // Its creation failed; it must not be in the way of the next attempt.
            let _ = fs::remove_file(segment_path(self.folder.path(), self.next_sequence));
            return;
        };
        let Some(segment) = self.segments.back().copied() else { return };
        let path = segment_path(self.folder.path(), segment.first_sequence);
        let cut = OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(segment.bytes));
        if let Err(error) = cut {
            tracing::warn!(path = %path.display(), error = &error as &dyn std::error::Error, "cannot cut a spool file");
        }
        if segment.first_sequence == self.next_sequence {
            // Nothing durable is in it.
            self.segments.pop_back();
            let _ = fs::remove_file(path);
        }
    }

    /// Reads the oldest segment into memory; what is damaged in it is set aside and counted.
    fn load_front(&mut self) -> Result<(), SpoolError> {
        if self.segments.len() == 1 {
            self.seal();
        }
        let Some(segment) = self.segments.front().copied() else { return Ok(()) };
        let path = segment_path(self.folder.path(), segment.first_sequence);
        let bytes = fs::read(&path).map_err(|source| io_error("read", &path, source))?;
        let scan = scan(&bytes);
        let end = self.front_end();
        let mut expected = self.next_delivery;
        let mut n_missing = 0;
        for (sequence, entry) in scan.entries {
            // Not those of a copied segment, nor what was delivered before a crash.
            if (expected..end).contains(&sequence) {
                n_missing += sequence - expected;
                expected = sequence + 1;
                self.head.push_back((sequence, entry));
            }
        }
        n_missing += end.saturating_sub(expected);
        self.losses.entries += n_missing;
        if scan.is_damaged || scan.whole_bytes < bytes.len() as u64 {
            self.quarantine(&path);
        }
        if let Some(front) = self.segments.front_mut() {
            front.is_loaded = true;
        }
        Ok(())
    }

    /// The number behind the last entry that belongs to the oldest segment.
    fn front_end(&self) -> u64 {
        self.segments.get(1).map_or(self.next_sequence, |next| next.first_sequence)
    }

    fn remove_front(&mut self) -> Result<(), SpoolError> {
        self.next_delivery = self.next_delivery.max(self.front_end());
        let Some(segment) = self.segments.pop_front() else { return Ok(()) };
        if self.segments.is_empty() {
            self.seal();
        }
        let path = segment_path(self.folder.path(), segment.first_sequence);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io_error("remove", &path, source)),
            _ => Ok(()),
        }
    }

    /// Keeps a copy of a damaged file for whoever wants to look.
    fn quarantine(&mut self, path: &Path) {
        self.losses.quarantined += 1;
        let aside = path.with_extension("damaged");
        if let Err(error) = fs::copy(path, &aside) {
            tracing::warn!(path = %path.display(), error = &error as &dyn std::error::Error, "cannot set a damaged spool file aside");
        }
    }

    /// Ends the last segment behind its last whole entry; gives the number of the entry after it.
    fn cut_torn_tail(&mut self, last: Segment) -> Result<u64, SpoolError> {
        let path = segment_path(self.folder.path(), last.first_sequence);
        let bytes = fs::read(&path).map_err(|source| io_error("read", &path, source))?;
        let scan = scan(&bytes);
        let end = scan.entries.last().map_or(0, |(sequence, _)| sequence + 1);
        if end <= last.first_sequence {
            // Nothing of its own is in it: only begun, or a copy of another file.
            self.segments.pop_back();
            fs::remove_file(&path).map_err(|source| io_error("remove", &path, source))?;
            return Ok(last.first_sequence);
        }
        if scan.whole_bytes < bytes.len() as u64 {
            let file = OpenOptions::new().write(true).open(&path);
            let cut = file.and_then(|file| file.set_len(scan.whole_bytes).and_then(|()| file.sync_all()));
            cut.map_err(|source| io_error("cut", &path, source))?;
        }
        if let Some(segment) = self.segments.back_mut() {
            segment.bytes = scan.whole_bytes;
        }
        Ok(end)
    }
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> SpoolError {
    SpoolError::Io { what, path: path.to_owned(), source }
}

fn segment_path(folder: &Path, first_sequence: u64) -> PathBuf {
    folder.join(format!("{first_sequence:020}.spool"))
}

fn list(folder: &Path) -> Result<VecDeque<Segment>, SpoolError> {
    let error = |source| io_error("list", folder, source);
    let mut segments = Vec::new();
    for file in fs::read_dir(folder).map_err(error)? {
        let file = file.map_err(error)?;
        let name = file.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".spool")?.parse().ok());
        if let Some(first_sequence) = number {
            let bytes = file.metadata().map_err(error)?.len();
            segments.push(Segment { first_sequence, bytes, is_loaded: false });
        }
    }
    segments.sort_unstable_by_key(|segment| segment.first_sequence);
    Ok(segments.into())
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

const DELIVERED: &str = "delivered";

/// The number of the entry to deliver next, as last noted.
fn read_delivered(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join(DELIVERED)).ok()?;
    let (number, checksum) = text.trim().split_once(' ')?;
    (checksum == format!("{:08x}", crc32fast::hash(number.as_bytes()))).then(|| number.parse().ok())?
}

fn write_delivered(folder: &Path, number: u64) {
    let number = number.to_string();
    let text = format!("{number} {:08x}\n", crc32fast::hash(number.as_bytes()));
    let draft = folder.join("delivered.draft");
    let written = fs::write(&draft, text).and_then(|()| fs::rename(&draft, folder.join(DELIVERED)));
    if let Err(error) = written {
        tracing::debug!(error = &error as &dyn std::error::Error, "cannot note what was delivered");
    }
}
