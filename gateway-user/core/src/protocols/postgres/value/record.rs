//! Rows as values: each field is masked.
//!
//! `record_out` and `record_send` in `src/backend/utils/adt/rowtypes.c` write them.

use bytes::{BufMut as _, BytesMut};

use super::{Not, Parts, is_space, next_byte, readable, split_at_any, take_i32, take_u32};
use crate::sql::postgres::lineage::catalog::Column;

/// What the fields of a row are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Types<'a> {
    /// Of these columns.
    Columns(&'a [Column]),
    /// As many as there are, of types that are not known where the row does not say them.
    Any,
}

impl Types<'_> {
    /// The type of a field, if there is one at this place; `goes_on` says whether the row has more.
    fn at(self, at: usize, goes_on: bool) -> Option<u32> {
        match self {
            Self::Columns(columns) => columns.get(at).map(|column| column.ty),
            Self::Any => goes_on.then_some(0),
        }
    }
}

/// Masks `(1,"b c",)`.
pub(super) fn text(
    parts: &mut impl Parts,
    value: &[u8],
    types: Types<'_>,
    depth: usize,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let text = readable(value, parts)?;
    let mut rest = text.strip_prefix(b"(").ok_or(Not::Malformed)?;
    out.put_u8(b'(');
    for at in 0.. {
        let Some(ty) = types.at(at, !rest.starts_with(b")") || at == 0) else {
            break;
        };
        if at > 0 {
            rest = rest.strip_prefix(b",").ok_or(Not::Malformed)?;
            out.put_u8(b',');
        }
        let (found, after) = next_field(rest)?;
        rest = after;
        if let Some(found) = found
            && let Some(masked) = parts.part(&found, ty, depth)?
        {
            quote(&masked, out);
        }
    }
    out.put_u8(b')');
    if rest == b")" {
        Ok(())
    } else {
        Err(Not::Malformed)
    }
}

/// The field that `rest` begins with, and what is behind it. Nothing is NULL.
fn next_field(rest: &[u8]) -> Result<(Option<Vec<u8>>, &[u8]), Not> {
    let Some(mut rest) = rest.strip_prefix(b"\"") else {
        let (plain, after) = split_at_any(rest, [b',', b')'])?;
        let odd = |byte: &u8| matches!(byte, b'(' | b'"' | b'\\') || is_space(*byte);
        if plain.iter().any(odd) {
            return Err(Not::Malformed);
        }
        return Ok(((!plain.is_empty()).then(|| plain.to_vec()), after));
    };
    let mut field = Vec::new();
    loop {
        let mut byte;
        (byte, rest) = next_byte(rest)?;
        match (byte, rest.strip_prefix(b"\"")) {
            (b'"', None) => return Ok((Some(field), rest)),
            (b'"', Some(after)) => rest = after,
            (b'\\', _) => (byte, rest) = next_byte(rest)?,
            _ => {}
        }
        field.push(byte);
    }
}

fn quote(field: &[u8], out: &mut BytesMut) {
    let odd = |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || is_space(*byte);
    if !field.is_empty() && !field.iter().any(odd) {
        out.extend_from_slice(field);
        return;
    }
    out.put_u8(b'"');
    for byte in field {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(*byte);
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// Masks the number of fields, and each with its type and length.
pub(super) fn binary(
    parts: &mut impl Parts,
    mut value: &[u8],
    types: Types<'_>,
    depth: usize,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let rest = &mut value;
    let count = take_i32(rest)?;
    let fields = usize::try_from(count).map_err(|_| Not::Malformed)?;
    if matches!(types, Types::Columns(columns) if columns.len() != fields) {
        return Err(Not::Malformed);
    }
    out.put_i32(count);
    for at in 0..fields {
        let ty = take_u32(rest)?;
        if matches!(types, Types::Columns(_)) && types.at(at, true) != Some(ty) {
            return Err(Not::Malformed);
        }
        out.put_u32(ty);
        parts.binary_part(rest, ty, depth, out)?;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Not::Malformed)
    }
}
