//! What people see of a statement that waits for them: its whole text, and the values that are put
//! into it.
//!
//! Source: PostgreSQL documentation, "Message Formats" (`Query`, `Bind`); the binary forms of values
//! are those of the server's `typreceive` functions.

use super::client::refers_to_names;
use super::pipeline::Prepared;
use super::script::Script;
use super::wire;
use crate::cursor::Cursor;
use crate::held::{Parameter, ParameterValue, Shown, hexadecimal};

/// A simple query. Nothing for one that runs what another statement has defined: its own text does
/// not tell.
pub(super) fn query(script: &Script, frame: &[u8]) -> Option<Shown> {
    let text = body(frame).cstr()?;
    whole(script, text, Vec::new())
}

/// A prepared statement with the values of a `Bind`.
pub(super) fn bound(prepared: &Prepared, frame: &[u8]) -> Option<Shown> {
    let text = prepared.text.as_deref()?;
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
        parameter(body, format, declared)
    })?;
    whole(&prepared.script, text, parameters)
}

fn whole(script: &Script, text: &[u8], parameters: Vec<Parameter>) -> Option<Shown> {
    if refers_to_names(script) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?.to_owned();
    Some(Shown { text, parameters })
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

fn parameter(body: &mut Cursor<'_>, format: u16, declared: u32) -> Option<Parameter> {
    let length = body.u32()?;
    let bytes = match length {
        u32::MAX => None,
        length => Some(body.bytes(usize::try_from(length).ok()?)?),
    };
    let text = |bytes| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let value = match (bytes, format) {
        (None, _) => ParameterValue::Null,
        (Some(bytes), 0) => match text(bytes) {
            Some(text) => ParameterValue::Text(text),
            None => ParameterValue::Bytes(hexadecimal(bytes)),
        },
        (Some(bytes), _) => ParameterValue::Bytes(hexadecimal(bytes)),
    };
    Some(Parameter {
        declared: name(declared),
        reads: bytes
            .filter(|_| format != 0)
            .and_then(|bytes| read(declared, bytes)),
        value,
    })
}

/// The name of a type, by its number in `pg_type`.
fn name(oid: u32) -> Option<String> {
    Some(match oid {
        0 => return None,
        16 => "bool".to_owned(),
        17 => "bytea".to_owned(),
        20 => "int8".to_owned(),
        21 => "int2".to_owned(),
        23 => "int4".to_owned(),
        25 => "text".to_owned(),
        114 => "json".to_owned(),
        700 => "float4".to_owned(),
        701 => "float8".to_owned(),
        1042 => "bpchar".to_owned(),
        1043 => "varchar".to_owned(),
        1082 => "date".to_owned(),
        1114 => "timestamp".to_owned(),
        1184 => "timestamptz".to_owned(),
        1700 => "numeric".to_owned(),
        2950 => "uuid".to_owned(),
        3802 => "jsonb".to_owned(),
        oid => format!("type {oid}"),
    })
}

/// What a binary value of a common type says.
fn read(oid: u32, bytes: &[u8]) -> Option<String> {
    Some(match oid {
        16 => (*bytes.first()? != 0).to_string(),
        20 => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        21 => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        23 => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        25 | 114 | 1042 | 1043 => std::str::from_utf8(bytes).ok()?.to_owned(),
        700 => f32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        701 => f64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        3802 => std::str::from_utf8(bytes.strip_prefix(&[1])?)
            .ok()?
            .to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_read() {
        let check = |oid, bytes: &[u8], expected: Option<&str>| {
            assert_eq!(read(oid, bytes).as_deref(), expected, "type {oid}");
        };
        check(23, &[0, 0, 0, 42], Some("42"));
        check(20, &[0xff; 8], Some("-1"));
        check(16, &[1], Some("true"));
        check(25, b"a", Some("a"));
        check(3802, b"\x01{}", Some("{}"));
        check(23, &[0], None);
        check(25, &[0xff], None);
        check(1700, &[0; 8], None);
    }
}
