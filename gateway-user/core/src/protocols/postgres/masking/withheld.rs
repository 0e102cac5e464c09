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

/// The codes that the server itself has, of 15 to 18: a class on each line, and what is behind it. `errcodes.txt` of
/// its source has them.
const CODES: &str = include_str!("sqlstates.txt");

/// Files of the server's source that name a constraint, and what it is of, as the catalog has them.
const NAME_CONSTRAINTS: [&[u8]; 7] = [
    b"domains.c",
    b"execExprInterp.c",
    b"execIndexing.c",
    b"execMain.c",
    b"execPartition.c",
    b"nbtinsert.c",
    b"ri_triggers.c",
];

/// What takes the place of a code that is none of the server's: `raise_exception`.
const RAISED: &[u8] = b"P0001";

impl PostgresCodec {
    /// Whether a notice is one of the server's log: that there is one, and by which part of the server, tells how
    /// much room values took.
    pub(in super::super) fn is_logged(&self, fields: Cursor<'_>) -> bool {
        const SAID: [&[u8]; 3] = [b"INFO", b"NOTICE", b"WARNING"];
        let all = read(fields);
        let mut severities = all.iter().filter(|(kind, _)| *kind == b'V');
        let is_said = severities.next().is_some_and(|(_, it)| SAID.contains(it));
        !matches!(self.masking, Masking::Off) && !is_said
    }

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
    // `RAISE … USING` gives any text as a name, and five letters of one as a code.
    let is_chosen = may_tell && by_code;
    let names_constraint = find(b'F').is_some_and(|file| NAME_CONSTRAINTS.contains(&file));
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
            b's' | b't' | b'c' | b'd' | b'n' if is_chosen && !names_constraint => continue,
            b'C' if is_chosen && !is_of_server(text) => RAISED,
            _ => text,
        };
        body.push(kind);
        body.extend_from_slice(text);
        body.push(0);
    }
    body.push(0);
    Some(reply::message(tag, &body))
}

/// Whether it is a code that the server itself has.
fn is_of_server(code: &[u8]) -> bool {
    let code = str::from_utf8(code).ok();
    let Some((class, rest)) = code.and_then(|code| code.split_at_checked(2)) else {
        return false;
    };
    let mut classes = CODES.lines().filter_map(|line| line.split_once(' '));
    let codes = classes.find_map(|(known, codes)| (known == class).then_some(codes));
    codes.is_some_and(|codes| codes.split(' ').any(|known| known == rest))
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
    fn what_code_raises_names_nothing() {
        let raised = [
            (b'C', "23505"),
            (b's', "alice@x"),
            (b't', "alice@x"),
            (b'c', "alice@x"),
            (b'd', "alice@x"),
            (b'n', "alice@x"),
            (b'W', "PL/pgSQL function f() line 1 at RAISE"),
            (b'F', "pl_exec.c"),
        ];
        check(true, &raised, Some(&[(b'C', "23505"), (b'F', "pl_exec.c")]));
        // What the server finds while code runs has names of the catalog's.
        let unique = [
            (b'C', "23505"),
            (b't', "customers"),
            (b'n', "k"),
            (b'W', "SQL statement \"INSERT …\""),
            (b'F', "nbtinsert.c"),
        ];
        let kept = [
            (b'C', "23505"),
            (b't', "customers"),
            (b'n', "k"),
            (b'F', "nbtinsert.c"),
        ];
        check(true, &unique, Some(&kept));
    }

    #[test]
    fn what_code_raises_has_codes_of_the_server() {
        let raised = |code| {
            [
                (b'C', code),
                (b'W', "PL/pgSQL function f() line 1 at RAISE"),
            ]
        };
        for (may_tell, said, told) in [
            (true, "NEEDL", "P0001"),
            (true, "P0", "P0001"),
            (true, "PT404", "P0001"),
            (false, "PT404", "PT404"),
            (true, "P0001", "P0001"),
            (true, "23P01", "23P01"),
            (true, "XX002", "XX002"),
        ] {
            check(may_tell, &raised(said), Some(&[(b'C', told)]));
        }
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
