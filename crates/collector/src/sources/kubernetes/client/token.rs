//! A bearer token in a file that somebody else keeps fresh, such as a pod's own: read anew every minute.
//! The client library sends the file's last line end along, which no server takes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::location::ConnectError;

/// Kubelets replace a pod's token when a fifth of its life is left, which is ten minutes or more.
const FRESH: Duration = Duration::from_secs(60);

pub(super) struct FileToken {
    path: PathBuf,
    last: Mutex<(Instant, HeaderValue)>,
}

impl FileToken {
    /// # Errors
    /// The file cannot be read or holds no token.
    pub(super) fn open(path: PathBuf) -> Result<Self, ConnectError> {
        let header = read(&path)?;
        Ok(Self { path, last: Mutex::new((Instant::now(), header)) })
    }

    /// For `Authorization`; the last one while the file cannot be read.
    pub(super) fn header(&self) -> HeaderValue {
        let mut last = self.last.lock();
        if last.0.elapsed() >= FRESH {
            let header = read(&self.path).unwrap_or_else(|_| last.1.clone());
            *last = (Instant::now(), header);
        }
        last.1.clone()
    }
}

fn read(path: &Path) -> Result<HeaderValue, ConnectError> {
    let read = |source| ConnectError::Read { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(read)?;
    let token = text.trim();
    let header = HeaderValue::from_str(&format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
    let mut header = header.ok_or_else(|| ConnectError::NoToken { path: path.to_owned() })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takes_the_token_without_its_line_end_and_a_new_one_within_a_minute() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        std::fs::write(&path, "old\n").expect("a file");
        let token = FileToken::open(path.clone()).expect("a token");
        assert!(token.header() == "Bearer old" && token.header().is_sensitive());
        std::fs::write(&path, "new\r\n").expect("a file");
        assert_eq!(token.header(), "Bearer old");
        tokio::time::advance(FRESH).await;
        assert_eq!(token.header(), "Bearer new");
        std::fs::remove_file(&path).expect("a file");
        tokio::time::advance(FRESH).await;
        assert_eq!(token.header(), "Bearer new", "the last one is better than none");
    }

    #[test]
    fn refuses_a_file_without_a_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        assert!(matches!(FileToken::open(path.clone()).err(), Some(ConnectError::Read { .. })));
        for text in ["", "\n", "a\nb"] {
            std::fs::write(&path, text).expect("a file");
            assert!(matches!(FileToken::open(path.clone()).err(), Some(ConnectError::NoToken { .. })));
        }
    }
}
