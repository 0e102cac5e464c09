//! Reads a recording back, line by line, into the types it was written from.
//!
//! Believes nothing: a line that does not read is an error with its number. Whether the lines
//! belong together is asked in `verify`.

use std::fs::{File, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use gateway_core::event::Event;
use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

/// One line of a recording.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub seq: u64,
    /// When it was recorded.
    pub time: Timestamp,
    /// SHA-256 of the line before, in lower-case hexadecimal.
    pub prev: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Why a recording does not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A line is not one of a recording.
    #[error("line {line} of {} is not a line of a recording: {source}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: u64,
        /// What serde said.
        source: serde_json::Error,
    },
}

/// Whether a session is writing this recording right now: a journal holds a lock on its file.
pub fn is_live(path: &Path) -> io::Result<bool> {
    match File::open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Reads one line.
pub fn parse(line: &[u8]) -> Result<Line, serde_json::Error> {
    serde_json::from_slice(line)
}

/// The lines of a recording. A last line without a newline is still being written, or was cut, and
/// is left out.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    input: BufReader<File>,
    line: u64,
    buffer: Vec<u8>,
}

impl Reader {
    /// Opens a recording.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Io {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            input: BufReader::new(file),
            line: 0,
            buffer: Vec::new(),
        })
    }

    fn next_line(&mut self) -> Result<Option<Line>, ReadError> {
        self.buffer.clear();
        self.input
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| ReadError::Io {
                path: self.path.clone(),
                source,
            })?;
        let Some(line) = self.buffer.strip_suffix(b"\n") else {
            return Ok(None);
        };
        self.line += 1;
        parse(line).map(Some).map_err(|source| ReadError::Line {
            path: self.path.clone(),
            line: self.line,
            source,
        })
    }
}

impl Iterator for Reader {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}
