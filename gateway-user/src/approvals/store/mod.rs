//! `Store`: the file in which everything about approvals is written down before it takes effect.
//!
//! One SQLite file, which everyday tools can read. What is written is one transaction until it is
//! committed, and a commit returns when it is on disk: WAL, with each commit synced. `schema` has the tables, `write`
//! puts changes into them, `read` makes a desk of them again and answers those who look back.
//!
//! INVARIANT: the desk that is read back is the one that was written. Checked by the tests beside, for
//! any commands.

mod read;
mod schema;
mod write;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

pub use read::{Earlier, PastGrant};

/// The file in its folder.
const FILE: &str = "approvals.sqlite";
/// How long somebody else who looks into the file may keep us waiting.
const BUSY: Duration = Duration::from_secs(5);
/// The log beside the file is cut to so much after it was larger, in bytes.
const LOG: i64 = 16 << 20;

/// Why nothing can be written down or read back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made.
    #[error("cannot create {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite failed.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A later version of the program made the file.
    #[error("its form {0} is newer than this program")]
    Newer(i64),
    /// It is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// What is in it cannot be read.
    #[error("what is in it cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A change is to something that is not in it.
    #[error("a change is to something that is not there: {0}")]
    NotThere(&'static str),
}

/// The file in which everything about approvals is written down.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

impl Store {
    /// The file's path in this folder.
    pub fn file(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Opens the file in this folder, or makes it. Nobody else may read it.
    ///
    /// # Errors
    /// It cannot be written, or is damaged, or made by a later version.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let path = Self::file(folder);
        let create = |source| StoreError::Create {
            path: path.clone(),
            source,
        };
        // The files that SQLite puts beside get the mode of this one.
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        options.map_err(create)?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(create)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        connection.pragma_update(None, "trusted_schema", "OFF")?;
        // The confined daemon may write to no folder where SQLite would put temporary files.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "journal_size_limit", LOG)?;
        let found: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        if found != "ok" {
            return Err(StoreError::Damaged(found));
        }
        schema::migrate(&mut connection)?;
        Ok(Self { connection })
    }

    /// Where SQLite puts what is temporary.
    #[cfg(test)]
    pub(super) fn temporary(&self) -> i64 {
        let asked = self
            .connection
            .pragma_query_value(None, "temp_store", |row| row.get(0));
        asked.unwrap()
    }
}
