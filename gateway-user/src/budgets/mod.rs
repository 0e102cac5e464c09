//! Keeps what was used of budgets over a restart of the daemon, in `<state>/daemon/budgets.json`.
//!
//! It is written every few seconds while something changes, and at the stop: a daemon that is killed
//! forgets what was used since it wrote last, at most [`INTERVAL`] and what a write takes. Fails closed
//! at the start: a file that cannot be read ends it. One that cannot be written is told in the
//! daemon's log and tried again; what is counted in memory holds all the same. What is counted, and
//! what it is for, is in `gateway_core::budget`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateway_core::budget::book::{Book, Kept};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kept::{self, KeptError, Sort};

/// How often it is written while something changes.
pub const INTERVAL: Duration = Duration::from_secs(2);

/// The file.
const SORT: Sort = Sort {
    layout: 1,
    says: "what was used of budgets",
    remedy: "remove the file, and all of them begin anew",
};

/// What was used, and where it is kept.
#[derive(Debug)]
pub struct Budgets {
    kept: kept::Kept,
    book: Arc<Book>,
    /// The changes that are on disk.
    written: Mutex<u64>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    used: Vec<Kept>,
}

impl Budgets {
    /// Reads what an earlier daemon left at `file`; without it nothing was used.
    ///
    /// # Errors
    /// It is there and cannot be read.
    pub fn load(file: PathBuf) -> Result<Self, KeptError> {
        let kept = kept::Kept::new(file, &SORT);
        let stored: Option<Stored> = kept.read()?;
        let used = stored.map(|it| it.used).unwrap_or_default();
        Ok(Self {
            kept,
            book: Arc::new(Book::new(used)),
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
    pub fn keep(&self, now: Timestamp) -> Result<(), KeptError> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written == self.book.changes() {
            return Ok(());
        }
        let (used, changes) = self.book.kept(now);
        self.kept.replace(&Stored { used })?;
        *written = changes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

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
