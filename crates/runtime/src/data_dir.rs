//! A folder that data are kept in, and room on its disk that stays free.

use std::path::{Path, PathBuf};

/// A folder on a disk that is not to be filled up. Stores stop writing a little before the disk is full,
/// because most of them cannot go on by themselves after a write that failed half-way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    path: PathBuf,
    min_free: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk of {} has {} MiB left and the last {} MiB are not used (min_free_disk); free some room, \
     writing goes on by itself",
    path.display(),
    free >> 20,
    min_free >> 20
)]
pub struct DiskFull {
    pub path: PathBuf,
    /// Bytes.
    pub free: u64,
    pub min_free: u64,
}

impl DataDir {
    /// `min_free` in bytes; 0 uses the disk up to its end.
    pub fn new(path: impl Into<PathBuf>, min_free: u64) -> Self {
        Self { path: path.into(), min_free }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder in this one, on the same terms.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self { path: self.path.join(name), min_free: self.min_free }
    }

    /// Whether more may be written. A disk that does not tell counts as one with room: writing shows it.
    ///
    /// # Errors
    /// How much is left, and what to do.
    pub fn room(&self) -> Result<(), DiskFull> {
        if self.min_free == 0 {
            return Ok(());
        }
        self.free().map_or(Ok(()), |free| self.judge(free))
    }

    /// Bytes left on its disk, if that tells.
    pub fn free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn judge(&self, free: u64) -> Result<(), DiskFull> {
        if free >= self.min_free {
            return Ok(());
        }
        Err(DiskFull { path: self.path.clone(), free, min_free: self.min_free })
    }
}

/// A folder that may fill its disk.
impl From<&Path> for DataDir {
    fn from(path: &Path) -> Self {
        Self::new(path, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_stay_free_is_not_written_to() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(DataDir::from(folder.path()).room(), Ok(()));
        assert_eq!(DataDir::new(folder.path(), 1).room(), Ok(()));
        let full = DataDir::new(folder.path(), u64::MAX).join("bus").room();
        // The folder in it is not there yet, so its disk is unknown.
        assert_eq!(full, Ok(()));
        let full = DataDir::new(folder.path(), u64::MAX).room().expect_err("no disk has that much");
        assert!(full.free > 0);
    }

    #[test]
    fn says_how_much_is_left() {
        let full = DataDir::new("/data", 256 << 20).judge(100 << 20).expect_err("too little");
        let message = full.to_string();
        assert!(message.contains("/data has 100 MiB left and the last 256 MiB"), "{message}");
    }
}
