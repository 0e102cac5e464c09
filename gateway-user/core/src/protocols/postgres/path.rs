//! The search path, asked of the server on the session itself: no one else knows what
//! `postgresql.conf`, `ALTER DATABASE`, `ALTER ROLE`, the start-up packet and the role's rights have
//! made of it.
//!
//! Asked right behind the authentication, so that the answer comes with the server's welcome, and
//! anew before the next statement once something may have changed it and the session is idle.
//! The client sees neither question nor answer. What a path means is in `crate::sql::postgres`.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::codec::{Phase, PostgresCodec};
use super::pipeline::Pending;
use super::server::server_error;
use super::wire::{self, Head};
use crate::cursor::Cursor;
use crate::event::{Found, Value};
use crate::protocols::{CodecError, Report, Step};
use crate::sql::postgres::{Encoding, SearchPath};

/// The question, as a `Query`: one row of text for each schema that is looked in, in order. All
/// functions are the server's own, and no operator, literal or setting has a say in what it means.
pub(super) const QUESTION: &[u8] =
    b"Q\0\0\0\x40SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))\0";

/// A longer path is not followed.
const MOST_SCHEMAS: usize = 64;
/// A row with a schema's name (at most 63 characters of 4 bytes) is shorter than this.
const LONGEST_ROW: usize = 512;
/// So much of an error is read.
const LONGEST_ERROR: usize = 64 << 10;

/// What the server has answered so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    schemas: Vec<Box<str>>,
    /// It was an error, or nothing that the question asked for.
    failed: bool,
}

impl Answer {
    fn add(&mut self, row: Option<Box<str>>) {
        match row {
            Some(schema) if self.schemas.len() < MOST_SCHEMAS => self.schemas.push(schema),
            _ => self.failed = true,
        }
    }

    fn path(self) -> SearchPath {
        if self.failed {
            return SearchPath::Unknown;
        }
        SearchPath::Known(self.schemas.into())
    }
}

impl PostgresCodec {
    /// What runs now may change the search path: until it has been asked for again, an unqualified
    /// name could be in any schema.
    pub(super) fn path_changes(&mut self) {
        self.session.search_path = SearchPath::Unknown;
        self.path_stale = true;
    }

    /// Asks the server for the search path.
    pub(super) fn ask_path(&mut self) {
        if !self.pipeline.owes_path() {
            self.path_stale = false;
            self.pipeline.push(Pending::Path(Answer::default()));
            self.inject.push_back(Bytes::from_static(QUESTION));
        }
    }

    /// Whether the path should be asked for before this message of the client is judged.
    ///
    /// Only between transactions: within one, the question would be part of it, could fail with it,
    /// and what it found could be rolled back. And not where it would cost the client its unnamed
    /// statement, which every `Query` takes the place of.
    pub(super) fn should_ask_path(&self, tag: u8, mut body: Cursor<'_>) -> bool {
        let idle = self.pipeline.is_empty() && self.status == b'I' && !self.sent_since_ready;
        let replaces_unnamed = match tag {
            b'Q' => true,
            b'P' => body.cstr().is_some_and(<[u8]>::is_empty),
            _ => false,
        };
        self.path_stale && idle && (replaces_unnamed || self.statements.known(b"").is_none())
    }

    /// Whether a message of this type is part of the server's answer. Settings, notices and
    /// notifications, and what belongs to the start of the session, are the client's.
    pub(super) fn answers_path(&mut self, tag: u8) -> bool {
        matches!(self.pipeline.head(), Some(Pending::Path(_)))
            && !matches!(tag, b'S' | b'N' | b'A' | b'K' | b'v')
    }

    /// Reads one message of the answer.
    pub(super) fn path_answer(
        &mut self,
        head: Head,
        input: &[u8],
    ) -> Result<Option<Step>, CodecError> {
        let gather = match head.tag {
            b'D' => head.len.min(LONGEST_ROW),
            b'E' => head.len.min(LONGEST_ERROR),
            b'Z' => head.len.min(wire::HEAD + 1),
            _ => 0,
        };
        let Some(message) = input.get(..gather) else {
            return Ok(None);
        };
        let mut body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
        let Some(Pending::Path(answer)) = self.pipeline.head() else {
            return Ok(None);
        };
        match head.tag {
            b'D' => answer.add(schema(body, self.session.encoding)),
            b'E' => {
                answer.failed = true;
                let error = server_error(body);
                // The session is at its end, whatever was asked.
                if matches!(error.severity.as_str(), "FATAL" | "PANIC") {
                    self.reports.push_back(Report::Server(error));
                    return Ok(Some(Step::Pass(head.len)));
                }
            }
            b'T' | b'C' => {}
            b'Z' => {
                let status = body
                    .u8()
                    .ok_or(CodecError::Server("invalid ReadyForQuery"))?;
                return Ok(Some(self.path_told(head, status)));
            }
            _ => {
                return Err(CodecError::Server(
                    "answered the question for its search path with something else",
                ));
            }
        }
        Ok(Some(Step::Discard(head.len)))
    }

    /// The server is ready again. At the start this is what the client has been waiting for: the
    /// `ReadyForQuery` before the answer was kept from it.
    fn path_told(&mut self, head: Head, status: u8) -> Step {
        if let Some(Pending::Path(answer)) = self.pipeline.pop() {
            self.session.search_path = answer.path();
        }
        // A setting that was reported meanwhile is older than the answer.
        self.path_stale = false;
        self.status = status;
        self.reports.push_back(Report::Found(self.found()));
        if matches!(self.phase, Phase::Authenticating) {
            self.phase = Phase::Ready;
            return Step::Pass(head.len);
        }
        Step::Discard(head.len)
    }

    fn found(&self) -> Found {
        let path = match &self.session.search_path {
            SearchPath::Known(schemas) => {
                Value::Texts(schemas.iter().map(ToString::to_string).collect())
            }
            SearchPath::Unknown => Value::Unknown(()),
        };
        Found {
            facts: BTreeMap::from([("sql.search_path".to_owned(), path)]),
        }
    }
}

/// The schema that a `DataRow` of the answer names, if it can be read for certain.
fn schema(mut row: Cursor<'_>, encoding: Encoding) -> Option<Box<str>> {
    let (columns, length) = (row.u16()?, row.u32()?);
    let name = row.rest();
    let whole = usize::try_from(length).ok()? == name.len();
    let certain = encoding == Encoding::Utf8 || name.is_ascii();
    if columns != 1 || !whole || !certain {
        return None;
    }
    std::str::from_utf8(name).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::QUESTION;
    use crate::protocols::postgres::reply;

    #[test]
    fn the_question_is_a_whole_query() {
        let text = QUESTION.get(5..).unwrap();
        assert_eq!(reply::message(b'Q', text), QUESTION);
    }
}
