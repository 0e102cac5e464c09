//! `Kept`: a file of JSON that a daemon leaves to the next one. It is there as a whole or not at all, also
//! when the host loses its power, and names the version of its layout.
//!
//! What is in it, and what follows where it cannot be read, is the matter of whoever keeps it. Without a file
//! nothing was kept; one that is there and cannot be read is an error, never an empty one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// What sort of file it is.
#[derive(Debug)]
pub struct Sort {
    /// Version of its layout.
    pub layout: u32,
    /// What it holds, such as `which workloads are frozen`.
    pub says: &'static str,
    /// What an operator can do about one that cannot be read.
    pub remedy: &'static str,
}

/// Why it could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file could not be read.
    #[error("cannot read {}, which says {}", path.display(), sort.says)]
    Read {
        /// The file.
        path: PathBuf,
        /// What it is.
        sort: &'static Sort,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what any version writes.
    #[error("{} does not say {}: {}", path.display(), sort.says, sort.remedy)]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        sort: &'static Sort,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file was written by another version.
    #[error("{} has layout {found}, this version knows {}: {}", path.display(), sort.layout, sort.remedy)]
    Layout {
        /// The file.
        path: PathBuf,
        /// What it should be.
        sort: &'static Sort,
        /// The layout it names.
        found: u32,
    },
    /// The file could not be replaced.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A file that is kept.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    sort: &'static Sort,
}

#[derive(Deserialize)]
struct Layout {
    layout: u32,
}

#[derive(Serialize)]
struct Whole<'a, T> {
    layout: u32,
    #[serde(flatten)]
    content: &'a T,
}

impl Kept {
    /// The one at `path`, whether or not it is there yet.
    pub fn new(path: PathBuf, sort: &'static Sort) -> Self {
        Self { path, sort }
    }

    /// What was kept; none if nothing was.
    ///
    /// # Errors
    /// It is there and cannot be read, or is not what this version writes.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, KeptError> {
        let (path, sort) = (self.path.clone(), self.sort);
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeptError::Read { path, sort, source }),
        };
        // First, since another one has another form.
        match serde_json::from_slice(&text) {
            Ok(Layout { layout }) if layout == sort.layout => {}
            Ok(Layout { layout: found }) => return Err(KeptError::Layout { path, sort, found }),
            Err(source) => return Err(KeptError::Malformed { path, sort, source }),
        }
        let content = serde_json::from_slice(&text);
        content.map_err(|source| KeptError::Malformed { path, sort, source })
    }

    /// Keeps this in place of what was kept before.
    ///
    /// # Errors
    /// It could not be written, and what was kept before still is.
    pub fn replace<T: Serialize>(&self, content: &T) -> Result<(), KeptError> {
        let whole = Whole {
            layout: self.sort.layout,
            content,
        };
        let text = serde_json::to_vec(&whole).map_err(io::Error::from);
        let written = text.and_then(|mut text| {
            text.push(b'\n');
            write_whole(&self.path, &text, 0o600)
        });
        written.map_err(|source| KeptError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// Writes a file that is there as a whole or not at all, also after a crash, in place of one that was
/// there before.
///
/// # Errors
/// It could not be written; the one before is still there.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_added_extension("new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SORT: Sort = Sort {
        layout: 3,
        says: "who is who",
        remedy: "remove the file",
    };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Content {
        names: Vec<String>,
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.json");
        let kept = Kept::new(path.clone(), &SORT);
        assert_eq!(kept.read::<Content>().unwrap(), None);
        for names in [vec!["a".to_owned()], Vec::new()] {
            let content = Content { names };
            kept.replace(&content).unwrap();
            assert_eq!(kept.read().unwrap(), Some(content));
        }
        let files = fs::read_dir(folder.path()).unwrap();
        assert_eq!(files.count(), 1, "the draft is left behind");
    }

    #[test]
    fn a_draft_of_a_daemon_that_died_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::new(folder.path().join("names.json"), &SORT);
        fs::write(folder.path().join("names.json.new"), "{\"lay").unwrap();
        assert_eq!(kept.read::<Content>().unwrap(), None);
        let content = Content { names: Vec::new() };
        kept.replace(&content).unwrap();
        assert_eq!(kept.read().unwrap(), Some(content));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_not_taken_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("names.json");
        let kept = Kept::new(path.clone(), &SORT);
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = kept.read::<Content>().unwrap_err().to_string();
            error.replace(&path.display().to_string(), "FILE")
        };
        for text in ["", "[]", "{}", "{\"layout\":3}"] {
            let expected = "FILE does not say who is who: remove the file";
            assert_eq!(told(text), expected, "{text}");
        }
        assert_eq!(
            told("{\"layout\":4,\"name\":7}"),
            "FILE has layout 4, this version knows 3: remove the file"
        );
        let unreadable = Kept::new(folder.path().to_owned(), &SORT);
        let error = unreadable.read::<Content>().unwrap_err();
        assert!(matches!(error, KeptError::Read { .. }), "{error}");
    }

    #[test]
    fn what_cannot_be_kept_leaves_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let gone = Kept::new(folder.path().join("gone/names.json"), &SORT);
        let error = gone.replace(&Content { names: Vec::new() }).unwrap_err();
        assert!(matches!(error, KeptError::Write { .. }), "{error}");
    }
}
