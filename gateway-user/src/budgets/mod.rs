//! Keeps what was used of budgets over a restart of the daemon, in `<state>/daemon/budgets.json`.
//!
//! It is written every few seconds while something changes, and at the stop: a daemon that is killed
//! forgets what was used since it wrote last, at most [`INTERVAL`] and what a write takes. Fails closed
//! at the start: a file that cannot be read ends it. One that cannot be written is told in the
//! daemon's log and tried again; what is counted in memory holds all the same. What is counted, and
//! what it is for, is in `gateway_core::budget`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway_core::budget::book::{Book, Kept};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How often it is written while something changes.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// Version of the file's layout.
const LAYOUT: u32 = 1;

/// Why it could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum BudgetsError {
    /// The file could not be read.
    #[error("cannot read {}, which says what was used of budgets", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what this version writes.
    #[error("{} does not say what was used of budgets in layout {LAYOUT}: remove the file, and all of them begin anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Option<serde_json::Error>,
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

/// What was used, and where it is kept.
#[derive(Debug)]
pub struct Budgets {
    file: PathBuf,
    book: Arc<Book>,
    /// The changes that are on disk.
    written: Mutex<u64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    layout: u32,
    used: Vec<Kept>,
}

impl Budgets {
    /// Reads what an earlier daemon left at `file`; without it nothing was used.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn load(file: PathBuf) -> Result<Self, BudgetsError> {
        let kept = match fs::read(&file) {
            Ok(text) => {
                let malformed = |source| BudgetsError::Malformed {
                    path: file.clone(),
                    source,
                };
                let stored: Stored =
                    serde_json::from_slice(&text).map_err(|error| malformed(Some(error)))?;
                if stored.layout != LAYOUT {
                    return Err(malformed(None));
                }
                stored.used
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => return Err(BudgetsError::Read { path: file, source }),
        };
        Ok(Self {
            file,
            book: Arc::new(Book::new(kept)),
            written: Mutex::new(0),
        })
    }

    /// What was used.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Writes it, if anything was used since the last time.
    ///
    /// # Errors
    /// It could not be written; the next time it is tried again.
    pub fn keep(&self, now: Timestamp) -> Result<(), BudgetsError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written == self.book.changes() {
            return Ok(());
        }
        let (used, changes) = self.book.kept(now);
        let stored = Stored {
            layout: LAYOUT,
            used,
        };
        self.replace(&stored)
            .map_err(|source| BudgetsError::Write {
                path: self.file.clone(),
                source,
            })?;
        *written = changes;
        Ok(())
    }

    fn replace(&self, stored: &Stored) -> io::Result<()> {
        let draft = self.file.with_extension("json.new");
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        out.write_all(&serde_json::to_vec(stored)?)?;
        out.sync_all()?;
        fs::rename(&draft, &self.file)?;
        match self.file.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::budget::Amounts;
    use gateway_core::budget::book::{Account, Whose};
    use gateway_core::ids::{BudgetName, WorkloadName};

    use super::*;

    #[test]
    fn what_was_used_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budgets.json");
        let now: Timestamp = "2026-11-26T12:00:00Z".parse().unwrap();
        let account = Account {
            budget: BudgetName::new("reads"),
            seconds: 3600,
            whose: Whose::Workload(WorkloadName::new("planner")),
        };
        let used = Amounts {
            rows: 7,
            bytes_out: 70,
            statements: 1,
            writes: 2,
        };
        let budgets = Budgets::load(file.clone()).unwrap();
        budgets.book().open().add(&account, &used, now);
        budgets.keep(now).unwrap();
        let again = Budgets::load(file.clone()).unwrap();
        assert_eq!(again.book().open().used(&account, now), used);
        fs::write(&file, "{}").unwrap();
        Budgets::load(file).unwrap_err();
    }
}
