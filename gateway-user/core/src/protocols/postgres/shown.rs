//! What people see of a statement that waits for them: its whole text, and the values that are put
//! into it. What is not in an encoding that is known is shown as bytes, or not at all. What is copied in comes later and is not shown, so such a statement is not either.
//!
//! Source: PostgreSQL documentation, "Message Formats" (`Query`, `Bind`); the binary forms of values
//! are those of the server's `typreceive` functions.

use super::attributes as slot;
use super::pipeline::Prepared;
use super::resolve::refers_to_names;
use super::script::Script;
use super::wire;
use crate::cursor::Cursor;
use crate::facts::{Fact, FactSet};
use crate::held::{Parameter, ParameterValue, Shown, Touches, hexadecimal};
use crate::sql::postgres::Encoding;

/// A simple query. Nothing for one that runs what another statement has defined: its own text does
/// not tell.
pub(super) fn query(script: &Script, frame: &[u8], encoding: Encoding) -> Option<Shown> {
    let text = as_text(body(frame).cstr()?, encoding)?;
    whole(script, text, Vec::new())
}

/// A prepared statement with the values of a `Bind`. The server has its text in the encoding of the
/// `Parse`, and reads the values in that of now.
pub(super) fn bound(prepared: &Prepared, frame: &[u8], encoding: Encoding) -> Option<Shown> {
    let text = as_text(prepared.text.as_deref()?, prepared.session.encoding)?;
    let mut body = body(frame);
    let (_portal, _name) = (body.cstr()?, body.cstr()?);
    let formats: Vec<u16> = list(&mut body, Cursor::u16)?;
    let mut place = 0;
    let parameters = list(&mut body, |body| {
        // One format stands for all, and none for text.
        let format = match *formats.as_slice() {
            [] => 0,
            [all] => all,
            _ => *formats.get(place)?,
        };
        let declared = prepared.types.get(place).copied().unwrap_or(0);
        place += 1;
        parameter(body, format, declared, encoding)
    })?;
    whole(&prepared.script, text, parameters)
}

fn whole(script: &Script, text: &str, parameters: Vec<Parameter>) -> Option<Shown> {
    let copies_in = |unit: &FactSet| matches!(unit.fact(slot::VERB), Fact::Text(verb) if **verb == *"copy_from");
    if refers_to_names(script) || script.units.iter().any(copies_in) {
        return None;
    }
    let text = text.to_owned();
    Some(Shown {
        text,
        parameters,
        touches: Touches::Perhaps,
    })
}

/// Bytes as the text that the server takes them for, where that is known.
fn as_text(bytes: &[u8], encoding: Encoding) -> Option<&str> {
    let certain = encoding == Encoding::Utf8 || bytes.is_ascii();
    std::str::from_utf8(bytes).ok().filter(|_| certain)
}

fn body(frame: &[u8]) -> Cursor<'_> {
    Cursor::new(frame.get(wire::HEAD..).unwrap_or_default())
}

/// What is behind a count.
fn list<'a, T>(
    body: &mut Cursor<'a>,
    mut one: impl FnMut(&mut Cursor<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = body.u16()?;
    (0..count).map(|_| one(body)).collect()
}

fn parameter(
    body: &mut Cursor<'_>,
    format: u16,
    declared: u32,
    encoding: Encoding,
) -> Option<Parameter> {
    let length = body.u32()?;
    let bytes = match length {
        u32::MAX => None,
        length => Some(body.bytes(usize::try_from(length).ok()?)?),
    };
    let value = match (bytes, format) {
        (None, _) => ParameterValue::Null,
        (Some(bytes), 0) => match as_text(bytes, encoding) {
            Some(text) => ParameterValue::Text(text.to_owned()),
            None => ParameterValue::Encoded(hexadecimal(bytes)),
        },
        (Some(bytes), _) => ParameterValue::Bytes(hexadecimal(bytes)),
    };
    Some(Parameter {
        declared: name(declared),
        reads: bytes
            .filter(|_| format != 0)
            .and_then(|bytes| read(declared, bytes, encoding)),
        value,
    })
}

/// Common types, by their numbers in `pg_type`, which are the same everywhere.
const TYPES: [(u32, &str); 17] = [
    (16, "bool"),
    (17, "bytea"),
    (20, "int8"),
    (21, "int2"),
    (23, "int4"),
    (25, "text"),
    (114, "json"),
    (700, "float4"),
    (701, "float8"),
    (1042, "bpchar"),
    (1043, "varchar"),
    (1082, "date"),
    (1114, "timestamp"),
    (1184, "timestamptz"),
    (1700, "numeric"),
    (2950, "uuid"),
    (3802, "jsonb"),
];
/// What others are called: this and the number.
const OTHER: &str = "type ";

/// What the type of a parameter is called, by its number.
fn name(oid: u32) -> Option<String> {
    let known = TYPES.iter().find(|(number, _)| *number == oid);
    match (oid, known) {
        (0, _) => None,
        (_, Some((_, name))) => Some((*name).to_owned()),
        (oid, None) => Some(format!("{OTHER}{oid}")),
    }
}

/// The number of the type of a parameter, by what it is called.
pub fn type_number(name: &str) -> Option<u32> {
    let known = TYPES.iter().find(|(_, known)| *known == name);
    match known {
        Some((number, _)) => Some(*number),
        None => name.strip_prefix(OTHER)?.parse().ok(),
    }
}

/// What a binary value of a common type says.
fn read(oid: u32, bytes: &[u8], encoding: Encoding) -> Option<String> {
    Some(match oid {
        16 => (*bytes.first()? != 0).to_string(),
        20 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        21 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        23 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        25 | 114 | 1042 | 1043 => as_text(bytes, encoding)?.to_owned(),
        700 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        701 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        3802 => as_text(bytes.strip_prefix(&[1])?, encoding)?.to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_what_they_are_called() {
        for oid in [16, 25, 3802, 1, 99_999] {
            assert_eq!(type_number(&name(oid).unwrap()), Some(oid));
        }
        assert_eq!(type_number("nothing"), None);
    }

    #[test]
    fn values_that_are_read() {
        let check = |oid, bytes: &[u8], expected: Option<&str>| {
            let read = read(oid, bytes, Encoding::Utf8);
            assert_eq!(read.as_deref(), expected, "type {oid}");
        };
        check(23, &[0, 0, 0, 42], Some("42"));
        check(20, &[0xff; 8], Some("-1"));
        check(16, &[1], Some("true"));
        check(25, b"a", Some("a"));
        check(3802, b"\x01{}", Some("{}"));
        check(23, &[0], None);
        check(25, &[0xff], None);
        check(1700, &[0; 8], None);
        check(25, "é".as_bytes(), Some("é"));
        let other = read(25, "é".as_bytes(), Encoding::Uncertain);
        assert_eq!(other, None, "in another encoding these are two letters");
    }
}
