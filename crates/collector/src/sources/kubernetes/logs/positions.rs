//! The positions of all containers, kept in a file so that the next run continues where this one ended,
//! however it ended: each change is appended, and the file is written anew when it has grown.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;

use super::position::Position;

/// Written anew when it holds this many outdated lines.
const MAX_OUTDATED: usize = 20_000;

#[derive(Serialize, Deserialize)]
struct Row {
    /// `namespace/pod/uid/container`.
    key: String,
    /// None: forget it.
    position: Option<Position>,
}

/// Shared by all readers.
pub(crate) struct Positions {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    known: BTreeMap<String, Position>,
    n_rows: usize,
}

impl Positions {
    /// Reads what is there. A last line that a crash cut off is dropped.
    pub(crate) async fn open(path: &Path) -> io::Result<Self> {
        let text = match tokio::fs::read_to_string(path).await {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut known = BTreeMap::new();
        for row in text.lines().filter_map(|line| serde_json::from_str::<Row>(line).ok()) {
            match row.position {
                Some(position) => known.insert(row.key, position),
                None => known.remove(&row.key),
            };
        }
        let file = rewrite(path, &known).await?;
        let inner = Inner { file, n_rows: known.len(), known };
        Ok(Self { path: path.to_owned(), inner: Mutex::new(inner) })
    }

    pub(crate) async fn get(&self, key: &str) -> Option<Position> {
        self.inner.lock().await.known.get(key).cloned()
    }

    /// Survives a crash of this process once it returns.
    pub(crate) async fn set(&self, key: &str, position: &Position) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        inner.known.insert(key.to_owned(), position.clone());
        self.append(&mut inner, Row { key: key.to_owned(), position: Some(position.clone()) }).await
    }

    /// Drops the positions of containers that are gone for good.
    pub(crate) async fn retain(&self, is_there: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut inner = self.inner.lock().await;
        let gone: Vec<String> = inner.known.keys().filter(|key| !is_there(key)).cloned().collect();
        for key in gone {
            inner.known.remove(&key);
            self.append(&mut inner, Row { key, position: None }).await?;
        }
        Ok(())
    }

    async fn append(&self, inner: &mut Inner, row: Row) -> io::Result<()> {
        let mut line = serde_json::to_string(&row).map_err(io::Error::other)?;
        line.push('\n');
        inner.file.write_all(line.as_bytes()).await?;
        inner.file.flush().await?;
        inner.n_rows += 1;
        if inner.n_rows > inner.known.len() + MAX_OUTDATED {
            inner.file = rewrite(&self.path, &inner.known).await?;
            inner.n_rows = inner.known.len();
        }
        Ok(())
    }
}

/// Replaces the file in one step and opens it for appending.
async fn rewrite(path: &Path, known: &BTreeMap<String, Position>) -> io::Result<File> {
    let mut text = String::new();
    for (key, position) in known {
        let row = Row { key: key.clone(), position: Some(position.clone()) };
        text.push_str(&serde_json::to_string(&row).map_err(io::Error::other)?);
        text.push('\n');
    }
    let fresh = path.with_extension("new");
    tokio::fs::write(&fresh, text).await?;
    tokio::fs::rename(&fresh, path).await?;
    OpenOptions::new().append(true).open(path).await
}

#[cfg(test)]
mod tests {
    use super::super::position::line_id;
    use super::*;

    fn position(text: &str) -> Position {
        let mut position = Position::begin(2);
        position.take(line_id(7, text));
        position
    }

    #[tokio::test]
    async fn finds_positions_again_after_a_crash_in_the_middle_of_a_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("positions");
        let positions = Positions::open(&path).await.expect("a new file");
        positions.set("a", &position("one")).await.expect("written");
        positions.set("a", &position("two")).await.expect("written");
        positions.set("b", &position("x")).await.expect("written");
        drop(positions);
        let mut text = std::fs::read_to_string(&path).expect("a file");
        text.push_str("{\"key\": \"c\", \"posit");
        std::fs::write(&path, text).expect("written");
        let positions = Positions::open(&path).await.expect("an old file");
        assert_eq!(positions.get("a").await, Some(position("two")));
        assert_eq!(positions.get("b").await, Some(position("x")));
        assert_eq!(positions.get("c").await, None);
        assert_eq!(std::fs::read_to_string(&path).expect("a file").lines().count(), 2);
    }

    #[tokio::test]
    async fn forgets_containers_that_are_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("positions");
        let positions = Positions::open(&path).await.expect("a new file");
        for key in ["a", "b"] {
            positions.set(key, &position(key)).await.expect("written");
        }
        positions.retain(|key| key == "b").await.expect("written");
        drop(positions);
        let positions = Positions::open(&path).await.expect("an old file");
        assert_eq!((positions.get("a").await, positions.get("b").await), (None, Some(position("b"))));
    }
}
