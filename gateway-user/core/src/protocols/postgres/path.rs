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
use super::failing::server_error;
use super::pipeline::Pending;
use super::wire::{self, Head};
use crate::cursor::Cursor;
use crate::event::{Found, Value};
use crate::protocols::{CodecError, Report, Step};
use crate::sql::postgres::{Encoding, SearchPath};

/// The question, as a `Query`: one row with an array of the schemas that are looked in, in order. The
/// function is the server's own, and no operator, literal or setting has a say in what it means. A row
/// for each schema would be easier to read, and takes a server that has just started this session
/// a quarter of a millisecond more.
pub(super) const QUESTION: &[u8] = b"Q\0\0\0\x2dSELECT pg_catalog.current_schemas(false)\0";

/// The question once the client may have set the path. Where `pg_temp` comes first and the session has
/// no temporary schema yet, the server would make one to answer the plain question, and the client would
/// see it: so the answer is NULL then, which leaves the path unknown.
pub(super) const QUESTION_AGAIN: &[u8] = b"Q\0\0\0\xe7SELECT CASE WHEN \
    pg_catalog.texticregexeq(pg_catalog.current_setting('search_path'), '^[ \"]*pg_temp') \
    AND pg_catalog.oideq(pg_catalog.pg_my_temp_schema(), 0::pg_catalog.oid) \
    THEN NULL ELSE pg_catalog.current_schemas(false) END\0";

/// A longer path is not followed.
const MOST_SCHEMAS: usize = 64;
/// A row with that many names (of at most 63 characters of 4 bytes, each of which may have to be
/// escaped) is shorter than this.
const LONGEST_ROW: usize = 64 << 10;
/// So much of an error is read.
const LONGEST_ERROR: usize = 64 << 10;

/// What the server has answered so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    schemas: Option<Vec<Box<str>>>,
    /// It was an error, or nothing that the question asked for.
    failed: bool,
    /// It was NULL.
    null: bool,
}

impl Answer {
    fn add(&mut self, row: Option<Vec<Box<str>>>) {
        // One row is the whole answer.
        let is_first = self.schemas.is_none();
        match row {
            Some(schemas) if is_first => self.schemas = Some(schemas),
            _ => self.failed = true,
        }
    }

    fn path(self) -> SearchPath {
        match self.schemas {
            Some(schemas) if !self.failed => SearchPath::Known(schemas.into()),
            _ => SearchPath::Unknown,
        }
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
            let question = match self.phase {
                Phase::Ready => QUESTION_AGAIN,
                _ => QUESTION,
            };
            self.inject.push_back(Bytes::from_static(question));
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
            b'D' => {
                answer.null = is_null(body);
                answer.add(schemas(body, self.session.encoding));
            }
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
            self.path_wants_temporary = answer.null;
            self.session.search_path = answer.path();
        }
        // A setting that was reported meanwhile is older than the answer.
        (self.path_stale, self.path_doubted) = (false, false);
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

/// Whether a `DataRow` is of one column, which is NULL.
fn is_null(mut row: Cursor<'_>) -> bool {
    (row.u16(), row.u32()) == (Some(1), Some(u32::MAX))
}

/// The schemas that a `DataRow` of the answer names, if they can be read for certain.
fn schemas(mut row: Cursor<'_>, encoding: Encoding) -> Option<Vec<Box<str>>> {
    let (columns, length) = (row.u16()?, row.u32()?);
    let array = row.rest();
    let whole = usize::try_from(length).ok()? == array.len();
    let certain = encoding == Encoding::Utf8 || array.is_ascii();
    if columns != 1 || !whole || !certain {
        return None;
    }
    elements(std::str::from_utf8(array).ok()?)
}

/// The elements of an array as PostgreSQL writes one (documentation, "Array Input and Output Syntax"),
/// and in no other way that it would take.
fn elements(array: &str) -> Option<Vec<Box<str>>> {
    let mut rest = array.strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    if rest.is_empty() {
        return Some(elements);
    }
    loop {
        let (element, after) = match rest.strip_prefix('"') {
            Some(quoted) => unquoted(quoted)?,
            None => plain(rest)?,
        };
        elements.push(element);
        if elements.len() > MOST_SCHEMAS {
            return None;
        }
        if after.is_empty() {
            return Some(elements);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// An element that is written as it is, and what follows it.
fn plain(text: &str) -> Option<(Box<str>, &str)> {
    let (element, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    let special = |c: char| matches!(c, '{' | '}' | '"' | '\\' | '\x0b') || c.is_ascii_whitespace();
    let is_plain = !element.is_empty() && !element.eq_ignore_ascii_case("null");
    (is_plain && !element.contains(special)).then(|| (element.into(), after))
}

/// An element whose opening quote was read, and what follows its closing one.
fn unquoted(text: &str) -> Option<(Box<str>, &str)> {
    let mut element = String::new();
    let mut characters = text.chars();
    loop {
        match characters.next()? {
            '"' => return Some((element.into(), characters.as_str())),
            '\\' => element.push(characters.next()?),
            other => element.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MOST_SCHEMAS, QUESTION, QUESTION_AGAIN, elements};
    use crate::protocols::postgres::reply;

    #[test]
    fn the_questions_are_whole_queries() {
        for question in [QUESTION, QUESTION_AGAIN] {
            let text = question.get(5..).unwrap();
            assert_eq!(reply::message(b'Q', text), question);
        }
    }

    #[track_caller]
    fn check(array: &str, expected: Option<&[&str]>) {
        let read = elements(array);
        let read: Option<Vec<&str>> = read
            .as_ref()
            .map(|names| names.iter().map(|name| &**name).collect());
        assert_eq!(read.as_deref(), expected, "{array}");
    }

    #[test]
    fn arrays_are_read_as_the_server_writes_them() {
        check("{}", Some(&[]));
        check("{public}", Some(&["public"]));
        check("{app,public}", Some(&["app", "public"]));
        check(r#"{"a b","c,d",e}"#, Some(&["a b", "c,d", "e"]));
        check(
            r#"{"a\"b","c\\d","{}","NULL",""}"#,
            Some(&["a\"b", "c\\d", "{}", "NULL", ""]),
        );
        check("{schéma}", Some(&["schéma"]));
    }

    #[test]
    fn what_the_server_would_not_write_is_not_read() {
        for array in [
            "",
            "{",
            "}",
            "public",
            "{,}",
            "{a,}",
            "{,a}",
            "{a b}",
            "{null}",
            "{NULL}",
            "{{a}}",
            "{a}{b}",
            "{a\"b}",
            "{a\\b}",
            "{\"a}",
            "{\"a\"b}",
            "{\"a\\\"}",
            "[0:0]={a}",
            "{a} ",
        ] {
            check(array, None);
        }
        let many = vec!["a"; MOST_SCHEMAS + 1].join(",");
        check(&format!("{{{many}}}"), None);
    }

    /// As `array_out` does.
    fn written(names: &[String]) -> String {
        let written = names.iter().map(|name| {
            let special =
                |c: char| matches!(c, '{' | '}' | '"' | '\\' | ',') || c.is_ascii_whitespace();
            if name.is_empty() || name.eq_ignore_ascii_case("null") || name.contains(special) {
                format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
            } else {
                name.clone()
            }
        });
        format!("{{{}}}", written.collect::<Vec<_>>().join(","))
    }

    proptest! {
        #[test]
        fn every_path_comes_back(names in prop::collection::vec(r#"[a-z"\\{},é ]{0,8}|null"#, 0..8)) {
            let read = elements(&written(&names)).unwrap();
            prop_assert_eq!(read.iter().map(|name| name.to_string()).collect::<Vec<_>>(), names);
        }
    }
}
