//! A recorded cluster: three files of JSON lines, merged by the time at which each line had arrived.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Recordings are compressed with `--long=27`.
const WINDOW_LOG: u32 = 27;

#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error(
        "{path} cannot be opened: {source}; give the folder of a recording, with scrapes.jsonl.zst, \
         watch.jsonl.zst and logs.jsonl.zst"
    )]
    Open { path: PathBuf, source: std::io::Error },
    #[error("read line {line} of {path}: {source}")]
    Read { path: PathBuf, line: u64, source: std::io::Error },
    #[error("line {line} of {path} is no line of a recording: {source}")]
    Line { path: PathBuf, line: u64, source: serde_json::Error },
}

/// `scrapes.jsonl.zst`
#[derive(Debug, Deserialize)]
pub(super) struct ScrapeLine {
    /// When the scrape began.
    pub t_ms: i64,
    pub target: String,
    pub duration_ms: f64,
    pub body: Option<String>,
    /// Instead of a body.
    pub error: Option<String>,
}

/// `watch.jsonl.zst`
#[derive(Debug, Deserialize)]
pub(super) struct WatchLine {
    pub received_ms: i64,
    pub resource: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub object: Value,
}

/// `logs.jsonl.zst`
#[derive(Debug, Deserialize)]
pub(super) struct LogLine {
    pub received_ms: i64,
    /// The kubelet's time.
    pub t: String,
    pub namespace: String,
    pub pod: String,
    pub container: String,
    pub line: String,
}

#[derive(Debug)]
pub(super) enum Record {
    Scrape(ScrapeLine),
    Watch(WatchLine),
    Log(LogLine),
}

/// Every line of a recording in order of arrival.
pub(super) struct Recording {
    scrapes: Lines<ScrapeLine>,
    watch: Lines<WatchLine>,
    logs: Lines<LogLine>,
}

/// Lines of one file, the next one read ahead.
struct Lines<T> {
    path: PathBuf,
    reader: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    n_read: u64,
    buffer: Vec<u8>,
    next: Option<T>,
    item: PhantomData<T>,
}

trait Arrival {
    fn arrived_ms(&self) -> i64;
}

impl Arrival for ScrapeLine {
    fn arrived_ms(&self) -> i64 {
        self.t_ms.saturating_add(self.duration_ms as i64)
    }
}

impl Arrival for WatchLine {
    fn arrived_ms(&self) -> i64 {
        self.received_ms
    }
}

impl Arrival for LogLine {
    fn arrived_ms(&self) -> i64 {
        self.received_ms
    }
}

impl Recording {
    /// Opens the three files of a folder.
    ///
    /// # Errors
    /// A file that is missing, or whose first line is not of a recording.
    pub fn open(folder: &Path) -> Result<Self, RecordingError> {
        Ok(Self {
            scrapes: Lines::open(folder.join("scrapes.jsonl.zst"))?,
            watch: Lines::open(folder.join("watch.jsonl.zst"))?,
            logs: Lines::open(folder.join("logs.jsonl.zst"))?,
        })
    }

    /// The line that arrived next, and when.
    ///
    /// # Errors
    /// What makes a file unreadable.
    pub fn next(&mut self) -> Result<Option<(i64, Record)>, RecordingError> {
        // Of lines that arrived together, the watch comes first: it explains the others.
        let heads = [self.watch.arrival(), self.scrapes.arrival(), self.logs.arrival()];
        let first = (0..heads.len()).filter(|i| heads[*i].is_some()).min_by_key(|i| heads[*i]);
        let Some(first) = first else { return Ok(None) };
        let record = match first {
            0 => self.watch.take()?.map(Record::Watch),
            1 => self.scrapes.take()?.map(Record::Scrape),
            _ => self.logs.take()?.map(Record::Log),
        };
        Ok(record.and_then(|record| Some((heads[first]?, record))))
    }
}

impl<T: DeserializeOwned + Arrival> Lines<T> {
    fn open(path: PathBuf) -> Result<Self, RecordingError> {
        let open = || {
            let mut decoder = zstd::Decoder::new(File::open(&path)?)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Ok(BufReader::with_capacity(1 << 16, decoder))
        };
        let reader = open().map_err(|source| RecordingError::Open { path: path.clone(), source })?;
        let mut lines = Self { path, reader, n_read: 0, buffer: Vec::new(), next: None, item: PhantomData };
        lines.take()?;
        Ok(lines)
    }

    fn arrival(&self) -> Option<i64> {
        self.next.as_ref().map(Arrival::arrived_ms)
    }

    /// The line in hand; the one after it is read.
    fn take(&mut self) -> Result<Option<T>, RecordingError> {
        self.buffer.clear();
        self.n_read += 1;
        let (path, line) = (&self.path, self.n_read);
        let length = self
            .reader
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| RecordingError::Read { path: path.clone(), line, source })?;
        let next = if length == 0 {
            None
        } else {
            let parsed = serde_json::from_slice(&self.buffer);
            Some(parsed.map_err(|source| RecordingError::Line { path: path.clone(), line, source })?)
        };
        Ok(std::mem::replace(&mut self.next, next))
    }
}
