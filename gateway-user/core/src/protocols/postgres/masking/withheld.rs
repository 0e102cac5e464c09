//! Errors, notices and notifications: what of them may tell masked values is withheld.
//!
//! Source: PostgreSQL documentation, "Error and Notice Message Fields". Messages of the classes whose texts
//! name things and no values stay as they are; where code of somebody's raised it, a class says nothing.

use bytes::Bytes;

use super::super::codec::PostgresCodec;
use super::super::pipeline::Pending;
use super::super::reply;
use super::{Masking, may_touch};
use crate::cursor::Cursor;

/// Classes of SQLSTATE whose messages tell names, and no values of rows.
const TELL_NAMES: [&[u8]; 18] = [
    b"02", b"03", b"08", b"0A", b"0L", b"0P", b"23", b"25", b"26", b"28", b"34", b"3D", b"3F",
    b"40", b"42", b"53", b"55", b"57",
];

/// Of these, the classes whose names may be values.
const NAME_THINGS: [&[u8]; 9] = [
    b"08", b"0A", b"0L", b"0P", b"28", b"34", b"3D", b"3F", b"42",
];

/// Errors of these classes that are about what a command names, never about values: without a place.
const OF_COMMANDS: [&[u8]; 5] = [b"42501", b"42P03", b"42P05", b"42P07", b"42710"];

impl PostgresCodec {
    /// An error or notice without what may tell masked values; none where it passes as it is.
    pub(in super::super) fn withheld(&mut self, tag: u8, fields: Cursor<'_>) -> Option<Bytes> {
        if matches!(self.masking, Masking::Off) {
            return None;
        }
        let may_tell = match self.pipeline.head() {
            // At the end of a transaction the server checks what was deferred.
            None | Some(Pending::Sync) => true,
            Some(Pending::Startup(_) | Pending::Path(_)) => false,
            Some(Pending::Parse(_, prepared)) => prepared.touches,
            Some(Pending::Bind(_, bound)) => may_touch(bound.traced.as_ref()),
            Some(pending) => pending.results().is_none_or(|results| results.touches()),
        };
        withheld(tag, fields, may_tell)
    }
}

fn withheld(tag: u8, fields: Cursor<'_>, may_tell: bool) -> Option<Bytes> {
    let all = read(fields);
    let find = |kind: u8| {
        all.iter()
            .find(|(it, _)| *it == kind)
            .map(|(_, text)| *text)
    };
    let class = find(b'C').and_then(|code| code.get(..2));
    // Code of somebody's raised it, such as a trigger's: that may tell anything, whatever was asked for.
    let by_code = find(b'W').is_some();
    let may_tell = may_tell || by_code;
    if !may_tell && class != Some(b"23") {
        return None;
    }
    let names_only = class.is_some_and(|class| TELL_NAMES.contains(&class));
    // A value may be taken for a name while a statement runs (`email::regclass`). What is wrong with the
    // statement itself has a place in it.
    let is_of_run = class.is_some_and(|class| NAME_THINGS.contains(&class))
        && find(b'P').is_none()
        && find(b'C').is_none_or(|code| !OF_COMMANDS.contains(&code));
    let names_only = names_only && !is_of_run;
    let mut body = Vec::new();
    for (kind, text) in all {
        let text = match kind {
            b'M' if may_tell && (by_code || !names_only) => {
                &b"gateway: the server's message is withheld, it may tell masked values"[..]
            }
            b'H' if may_tell && (by_code || !names_only || class != Some(b"42")) => continue,
            b'D' | b'W' | b'q' => continue,
            _ => text,
        };
        body.push(kind);
        body.extend_from_slice(text);
        body.push(0);
    }
    body.push(0);
    Some(reply::message(tag, &body))
}

fn read(mut fields: Cursor<'_>) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some(kind) = fields.u8().filter(|kind| *kind != 0) {
        // The last one may be cut: then nothing of it is told.
        let Some(text) = fields.cstr() else { break };
        all.push((kind, text));
    }
    all
}

/// `NotificationResponse` without its payload: who sent it and why is known to nobody.
pub(in super::super) fn notification(mut body: Cursor<'_>) -> Option<Bytes> {
    let process = body.bytes(4)?;
    let channel = body.cstr()?;
    let mut told = process.to_vec();
    told.extend_from_slice(channel);
    told.extend_from_slice(b"\0\0");
    Some(reply::message(b'A', &told))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(fields: &[(u8, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, text) in fields {
            body.push(*kind);
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        body
    }

    #[track_caller]
    fn check(may_tell: bool, said: &[(u8, &str)], told: Option<&[(u8, &str)]>) {
        let body = fields(said);
        let bytes = withheld(b'E', Cursor::new(&body), may_tell);
        let expected = told.map(|told| reply::message(b'E', &fields(told)));
        assert_eq!(bytes, expected);
    }

    const WITHHELD: &str = "gateway: the server's message is withheld, it may tell masked values";

    #[test]
    fn values_in_errors_are_withheld() {
        let cast = [
            (b'S', "ERROR"),
            (b'C', "22P02"),
            (b'M', "invalid input: \"alice@x\""),
        ];
        check(
            true,
            &cast,
            Some(&[(b'S', "ERROR"), (b'C', "22P02"), (b'M', WITHHELD)]),
        );
        check(false, &cast, None);
        let unique = [
            (b'C', "23505"),
            (b'M', "duplicate key value violates unique constraint \"k\""),
            (b'D', "Key (email)=(alice@x) already exists."),
            (b'n', "k"),
        ];
        let kept = [
            (b'C', "23505"),
            (b'M', "duplicate key value violates unique constraint \"k\""),
            (b'n', "k"),
        ];
        check(true, &unique, Some(&kept));
        check(false, &unique, Some(&kept));
        let raised = [
            (b'C', "23505"),
            (b'M', "alice@x"),
            (b'W', "PL/pgSQL function f() line 1 at RAISE"),
        ];
        check(true, &raised, Some(&[(b'C', "23505"), (b'M', WITHHELD)]));
    }

    #[test]
    fn what_names_things_is_told() {
        let unknown = [
            (b'C', "42703"),
            (b'M', "column \"emial\" does not exist"),
            (
                b'H',
                "Perhaps you meant to reference the column \"customers.email\".",
            ),
            (b'P', "8"),
        ];
        check(true, &unknown, Some(&unknown));
        let denied = [(b'C', "42501"), (b'M', "permission denied for table a")];
        check(true, &denied, Some(&denied));
    }

    #[test]
    fn values_that_are_taken_for_names_are_withheld() {
        let relation = [
            (b'C', "42P01"),
            (b'M', "relation \"alice@x\" does not exist"),
        ];
        check(true, &relation, Some(&[(b'C', "42P01"), (b'M', WITHHELD)]));
        check(false, &relation, None);
    }
}
