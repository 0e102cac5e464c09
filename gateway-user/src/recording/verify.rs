//! Checks that a recording is as it was written: nothing changed, cut, moved or put in.
//!
//! The chain of hashes shows a change to any line but the last, which no line follows. So the
//! enforcement log notes the head of each recording when its session ends, and [`Report::head`] is
//! compared with that by whoever has the log (`cli`).

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use gateway_core::event::Event;
use serde::Serialize;
use thiserror::Error;

use super::journal::Head;
use super::{NO_LINE_BEFORE, hash_of, reader};

/// What was found in one recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether it is whole.
    pub outcome: Outcome,
    /// The last line that was good, to compare with a copy kept elsewhere.
    pub head: Head,
}

/// Whether a recording is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// From its beginning to its end.
    Complete,
    /// Good so far, without an end: still running, or the gateway was killed, or it was cut here.
    Incomplete,
    /// Not as it was written.
    Broken(Fault),
}

/// The first thing wrong in a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, from 1, at which it shows.
    pub line: u64,
    /// What is wrong.
    #[serde(flatten)]
    pub what: FaultKind,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum FaultKind {
    /// It does not read.
    #[error("not a line of a recording: {detail}")]
    Unreadable {
        /// What serde said.
        detail: String,
    },
    /// Lines are missing, doubled or out of order.
    #[error("has sequence number {found} where {due} is due: lines were removed, added or moved")]
    Sequence {
        /// The number it must have.
        due: u64,
        /// The number it has.
        found: u64,
    },
    /// The chain breaks.
    #[error("does not carry the hash of the line before it: one of the two was changed")]
    Chain,
    /// The first line is not an opening, or a later one is.
    #[error("{}", if *first { "the first line does not open a session" } else { "opens a session within a session" })]
    Opening {
        /// Whether it is the first line.
        first: bool,
    },
    /// The file is named for another session.
    #[error("opens session {session}, which is not what the file is named for")]
    Name {
        /// The session it tells of.
        session: String,
    },
    /// Something follows the end.
    #[error("comes after the end of the session")]
    AfterEnd,
    /// The file is empty, so that it does not tell of any session.
    #[error("the file is empty")]
    Empty,
}

/// Checks one recording.
pub fn verify(path: &Path) -> io::Result<Report> {
    let file = File::open(path)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy());
    verify_lines(BufReader::new(file), name.as_deref())
}

/// Checks the lines of a recording, whose session is named `name` where that is known.
pub fn verify_lines(mut input: impl BufRead, name: Option<&str>) -> io::Result<Report> {
    let mut chain = Chain::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        input.read_until(b'\n', &mut line)?;
        let Some(bytes) = line.strip_suffix(b"\n") else {
            // Nothing, or the torn line that a failed write or a kill leaves behind.
            return Ok(chain.finish(line.is_empty()));
        };
        if let Err(what) = chain.link(bytes, name) {
            let fault = Fault {
                line: chain.lines + 1,
                what,
            };
            return Ok(chain.report(Outcome::Broken(fault)));
        }
    }
}

struct Chain {
    lines: u64,
    hash: String,
    ended: bool,
}

impl Chain {
    fn new() -> Self {
        Self {
            lines: 0,
            hash: NO_LINE_BEFORE.to_owned(),
            ended: false,
        }
    }

    fn link(&mut self, bytes: &[u8], name: Option<&str>) -> Result<(), FaultKind> {
        let line = reader::parse(bytes).map_err(|error| FaultKind::Unreadable {
            detail: error.to_string(),
        })?;
        let due = self.lines + 1;
        if line.seq != due {
            return Err(FaultKind::Sequence {
                due,
                found: line.seq,
            });
        }
        if line.prev != self.hash {
            return Err(FaultKind::Chain);
        }
        if self.ended {
            return Err(FaultKind::AfterEnd);
        }
        let first = due == 1;
        match &line.event {
            Event::Open(open) if first && name.is_none_or(|name| name == open.session.as_str()) => {
            }
            Event::Open(open) if first => {
                return Err(FaultKind::Name {
                    session: open.session.as_str().to_owned(),
                });
            }
            Event::Open(_) => return Err(FaultKind::Opening { first }),
            _ if first => return Err(FaultKind::Opening { first }),
            Event::End(_) => self.ended = true,
            _ => {}
        }
        self.lines = due;
        self.hash = String::from_utf8_lossy(&hash_of(bytes)).into_owned();
        Ok(())
    }

    fn finish(self, at_line_end: bool) -> Report {
        let outcome = match (self.lines, self.ended, at_line_end) {
            (0, _, true) => Outcome::Broken(Fault {
                line: 1,
                what: FaultKind::Empty,
            }),
            (_, true, true) => Outcome::Complete,
            (_, true, false) => Outcome::Broken(Fault {
                line: self.lines + 1,
                what: FaultKind::AfterEnd,
            }),
            (_, false, _) => Outcome::Incomplete,
        };
        self.report(outcome)
    }

    fn report(self, outcome: Outcome) -> Report {
        Report {
            outcome,
            head: Head {
                lines: self.lines,
                hash: self.hash,
            },
        }
    }
}
