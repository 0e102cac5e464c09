//! Rows as values: each field is masked.
//!
//! `record_out` and `record_send` in `src/backend/utils/adt/rowtypes.c` write them.

use bytes::{BufMut as _, BytesMut};

use super::{Not, Parts, take_i32, take_u32, utf8};
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
    let mut rest = utf8(value)?.strip_prefix('(').ok_or(Not::Malformed)?;
    out.put_u8(b'(');
    for at in 0.. {
        let Some(ty) = types.at(at, !rest.starts_with(')') || at == 0) else {
            break;
        };
        if at > 0 {
            rest = rest.strip_prefix(',').ok_or(Not::Malformed)?;
            out.put_u8(b',');
        }
        let (found, after) = next_field(rest)?;
        rest = after;
        if let Some(found) = found
            && let Some(masked) = parts.part(found.as_bytes(), ty, depth)?
        {
            quote(&masked, out);
        }
    }
    out.put_u8(b')');
    if rest == ")" {
        Ok(())
    } else {
        Err(Not::Malformed)
    }
}

/// The field that `rest` begins with, and what is behind it. Nothing is NULL.
fn next_field(rest: &str) -> Result<(Option<String>, &str), Not> {
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', ')']).ok_or(Not::Malformed)?;
        let (plain, after) = rest.split_at_checked(end).ok_or(Not::Malformed)?;
        let odd = |c: char| matches!(c, '(' | '"' | '\\') || is_space(c);
        if plain.contains(odd) {
            return Err(Not::Malformed);
        }
        return Ok(((!plain.is_empty()).then(|| plain.to_owned()), after));
    };
    let mut field = String::new();
    let mut chars = quoted.chars();
    loop {
        match chars.next().ok_or(Not::Malformed)? {
            '"' => match chars.as_str().strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    chars = after.chars();
                }
                None => return Ok((Some(field), chars.as_str())),
            },
            '\\' => field.push(chars.next().ok_or(Not::Malformed)?),
            c => field.push(c),
        }
    }
}

fn quote(field: &[u8], out: &mut BytesMut) {
    let odd = |byte: &u8| {
        matches!(byte, b'"' | b'\\' | b'(' | b')' | b',') || is_space(char::from(*byte))
    };
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

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
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
