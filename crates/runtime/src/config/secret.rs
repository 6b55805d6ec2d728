//! Values that are never shown.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};

/// A password or token. It is printed and logged as `…`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

const HIDDEN: &str = "…";

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, to be sent to whom it is for.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file, less the white space around it. Files are read anew for each use, so that
    /// a secret can be replaced without a restart.
    ///
    /// # Errors
    /// A file that cannot be read as text.
    pub fn from_file(path: &Path) -> std::io::Result<Self> {
        Ok(Self(std::fs::read_to_string(path)?.trim().to_owned()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HIDDEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_to_nobody() {
        let secret = Secret::new("hunter2");
        let shown = format!("{secret:?} {}", serde_json::to_string(&secret).expect("text"));
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn is_read_from_a_file_without_its_line_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "hunter2\n").expect("written");
        assert_eq!(Secret::from_file(&path).expect("readable").expose(), "hunter2");
        assert!(Secret::from_file(&folder.path().join("none")).is_err());
    }
}
