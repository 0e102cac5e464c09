//! `Journal`: the recording of one session while it is being written.
//!
//! Runs on the data path for each statement, so lines are gathered in memory by `append` and go
//! out by one `write(2)` in `flush`, before what they tell of leaves the gateway. Whoever owns the
//! journal ends the session when a `flush` fails: no evidence, no access. What a line says is
//! `gateway_core::event`; reading back is in `reader`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gateway_core::event::Event;
use gateway_core::ids::SessionId;
use jiff::Timestamp;
use thiserror::Error;

use super::{NO_LINE_BEFORE, hash_of, timestamp};

/// What a buffer may keep when nothing is in it: enough for some ordinary lines.
const IDLE_CAPACITY: usize = 4 * 1024;

/// Why a recording cannot be written. Each of these ends the session.
#[derive(Debug, Error)]
pub enum RecordingError {
    /// The session's name would lead out of the directory.
    #[error("{0:?} cannot name a recording: use a session id")]
    Name(String),
    /// The directory could not be made.
    #[error(
        "cannot create the recording directory {}: {source}; make it or set recording.directory",
        path.display()
    )]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file could not be made, for example because it exists.
    #[error("cannot create the recording {}: {source}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A line could not be put into words.
    #[error("cannot serialise line {seq} of the recording: {source}")]
    Serialise {
        /// The line's number.
        seq: u64,
        /// What serde said.
        source: serde_json::Error,
    },
    /// The file could not be written or brought to disk.
    #[error("cannot write the recording {}: {source}; see to the space on its disk", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Something failed before, and the file is never continued after that.
    #[error("the recording {} failed before and is not continued", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
    },
}

/// Where a recording stands: what is needed to show later that it was not cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of lines so far.
    pub lines: u64,
    /// SHA-256 of the last line without its newline, in lower-case hexadecimal; zeros for none.
    pub hash: String,
}

/// The recording of one session while it is being written.
///
/// INVARIANT: the file holds whole lines that follow each other, but for the last one after a
/// failed write, which nothing follows. Checked by the tests here and by `verify`.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    seq: u64,
    prev: [u8; 64],
    state: State,
}

#[derive(Debug)]
enum State {
    Good,
    /// A line could not be serialised; the next flush tells.
    Unserialisable(u64, serde_json::Error),
    /// A failure has been told.
    Failed,
}

impl Journal {
    /// Creates `<directory>/<session>.jsonl` with mode 0600, and the directory with 0700 where it
    /// is missing.
    pub fn create(directory: &Path, session: &SessionId) -> Result<Self, RecordingError> {
        let name = session.as_str();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(RecordingError::Name(name.to_owned()));
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|source| RecordingError::Directory {
                path: directory.to_owned(),
                source,
            })?;
        let path = directory.join(format!("{name}.jsonl"));
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|source| RecordingError::Create {
                path: path.clone(),
                source,
            })?;
        // Held until the file is closed, however that comes about: so others see that it is live.
        file.lock().map_err(|source| RecordingError::Create {
            path: path.clone(),
            source,
        })?;
        Ok(Self::over(file, path))
    }

    /// A journal whose disk is full.
    #[cfg(test)]
    pub(super) fn full(path: &Path) -> Self {
        let file = OpenOptions::new().write(true).open("/dev/full");
        Self::over(file.expect("Linux has /dev/full"), path.to_owned())
    }

    fn over(file: File, path: PathBuf) -> Self {
        let mut prev = [b'0'; 64];
        prev.copy_from_slice(NO_LINE_BEFORE.as_bytes());
        Self {
            file,
            path,
            buffer: Vec::new(),
            seq: 0,
            prev,
            state: State::Good,
        }
    }

    /// Adds one line to what the next [`flush`](Self::flush) writes.
    ///
    /// Never fails by itself: what goes wrong is told by that flush, which the caller awaits
    /// anyway before it lets anything out.
    pub fn append(&mut self, event: &Event, at: Timestamp) {
        if !matches!(self.state, State::Good) {
            return;
        }
        let seq = self.seq + 1;
        let start = self.buffer.len();
        match self.write_line(seq, event, at) {
            Ok(()) => {
                self.prev = hash_of(self.buffer.get(start..).unwrap_or_default());
                self.buffer.push(b'\n');
                self.seq = seq;
            }
            Err(error) => {
                self.buffer.truncate(start);
                self.state = State::Unserialisable(seq, error);
            }
        }
    }

    /// Writes what was appended, by one `write(2)`. After an error the session must end.
    pub fn flush(&mut self) -> Result<(), RecordingError> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Failed => Err(RecordingError::Failed {
                path: self.path.clone(),
            }),
            State::Unserialisable(seq, source) => {
                // The lines before it are evidence.
                self.write_out()?;
                Err(RecordingError::Serialise { seq, source })
            }
            State::Good => {
                self.write_out()?;
                self.state = State::Good;
                Ok(())
            }
        }
    }

    /// Gives memory back while the session is idle.
    pub fn shrink(&mut self) {
        self.buffer.shrink_to(IDLE_CAPACITY.min(self.buffer.len()));
    }

    /// How far the recording has come, with what is appended and not yet flushed.
    pub fn head(&self) -> Head {
        Head {
            lines: self.seq,
            hash: String::from_utf8_lossy(&self.prev).into_owned(),
        }
    }

    /// Writes the rest and brings the file to disk. Blocks for as long as the disk takes.
    pub fn close(mut self) -> Result<Head, RecordingError> {
        self.flush()?;
        self.file
            .sync_data()
            .map_err(|source| RecordingError::Write {
                path: self.path.clone(),
                source,
            })?;
        Ok(self.head())
    }

    fn write_line(
        &mut self,
        seq: u64,
        event: &Event,
        at: Timestamp,
    ) -> Result<(), serde_json::Error> {
        let buffer = &mut self.buffer;
        write!(buffer, "{{\"seq\":{seq},\"time\":\"").map_err(serde_json::Error::io)?;
        timestamp::write(buffer, at);
        buffer.extend_from_slice(b"\",\"prev\":\"");
        buffer.extend_from_slice(&self.prev);
        buffer.push(b'"');
        let joint = buffer.len();
        serde_json::to_writer(&mut *buffer, event)?;
        // The event is an object of its own; its opening brace becomes the comma after ours.
        match buffer.get_mut(joint) {
            Some(brace) if *brace == b'{' => *brace = b',',
            _ => {
                return Err(serde::ser::Error::custom("an event is not an object"));
            }
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<(), RecordingError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = loop {
            match self.file.write(&self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(written) if written < self.buffer.len() => {
                    // The disk is full. What has been written may end within a line; nothing
                    // follows it, so that `verify` sees a cut recording and not a wrong one.
                    break Err(io::Error::from(io::ErrorKind::StorageFull));
                }
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.buffer.clear();
        result.map_err(|source| RecordingError::Write {
            path: self.path.clone(),
            source,
        })
    }
}
