//! A wall clock that can be set, for a role that is started under libfaketime.

use std::path::{Path, PathBuf};

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

pub struct FakeClock {
    file: PathBuf,
}

impl FakeClock {
    pub fn new(folder: &Path) -> Self {
        let clock = Self { file: folder.join("clock") };
        clock.set("+0");
        clock
    }

    pub fn is_there(&self) -> bool {
        Path::new(LIBRARY).exists()
    }

    /// `offset` is in seconds, such as `+300`.
    pub fn set(&self, offset: &str) {
        std::fs::write(&self.file, offset).expect("write the offset");
    }

    /// The environment of a role that lives by this clock.
    pub fn environment(&self) -> Vec<(String, String)> {
        if !self.is_there() {
            return Vec::new();
        }
        let file = self.file.display().to_string();
        let pairs = [
            ("LD_PRELOAD", LIBRARY),
            ("FAKETIME_TIMESTAMP_FILE", &file),
            ("FAKETIME_CACHE_DURATION", "1"),
            // Time-outs go by the steady clock, which nobody sets.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}
