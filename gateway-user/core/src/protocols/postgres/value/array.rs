//! Arrays: each element is masked, their number and dimensions stay.
//!
//! `array_out` and `array_send` in `src/backend/utils/adt/arrayfuncs.c` write them. Only `box` has another
//! delimiter than a comma, and is not understood.

use bytes::{BufMut as _, BytesMut};

use super::{Not, Parts, is_space, next_byte, readable, split_at_any, take_i32, take_u32};

/// `MAXDIM`
const MAX_DIMENSIONS: usize = 6;

/// Masks `[0:1]={1,"b c",NULL}`.
pub(super) fn text(
    parts: &mut impl Parts,
    value: &[u8],
    element: u32,
    depth: usize,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let mut rest = readable(value, parts)?;
    if rest.starts_with(b"[") {
        let (bounds, after) = split_at_any(rest, [b'='; 2])?;
        let known = |byte: &u8| byte.is_ascii_digit() || b"[]:-".contains(byte);
        if !bounds.iter().all(known) {
            return Err(Not::Malformed);
        }
        out.extend_from_slice(bounds);
        (_, rest) = next_byte(after)?;
        out.put_u8(b'=');
    }
    let mut open = 0_usize;
    loop {
        // Here an array or an element begins.
        if let Some(after) = rest.strip_prefix(b"{") {
            open += 1;
            if open > MAX_DIMENSIONS {
                return Err(Not::Malformed);
            }
            out.put_u8(b'{');
            rest = after;
            if !rest.starts_with(b"}") {
                continue;
            }
        } else if open == 0 {
            return Err(Not::Malformed);
        } else {
            let (found, after) = next_element(rest)?;
            rest = after;
            let masked = match found {
                Some(found) => parts.part(&found, element, depth)?,
                None => None,
            };
            match masked {
                Some(masked) => quote(&masked, out),
                None => out.extend_from_slice(b"NULL"),
            }
        }
        // Here it ends.
        while let Some(after) = rest.strip_prefix(b"}") {
            open = open.checked_sub(1).ok_or(Not::Malformed)?;
            out.put_u8(b'}');
            rest = after;
        }
        if open == 0 {
            return if rest.is_empty() {
                Ok(())
            } else {
                Err(Not::Malformed)
            };
        }
        rest = rest.strip_prefix(b",").ok_or(Not::Malformed)?;
        out.put_u8(b',');
    }
}

/// The element that `rest` begins with, and what is behind it. Nothing is NULL.
fn next_element(rest: &[u8]) -> Result<(Option<Vec<u8>>, &[u8]), Not> {
    let Some(mut rest) = rest.strip_prefix(b"\"") else {
        let (plain, after) = split_at_any(rest, [b',', b'}'])?;
        let odd = |byte: &u8| matches!(byte, b'{' | b'"' | b'\\') || is_space(*byte);
        if plain.is_empty() || plain.iter().any(odd) {
            return Err(Not::Malformed);
        }
        let is_null = plain.eq_ignore_ascii_case(b"NULL");
        return Ok(((!is_null).then(|| plain.to_vec()), after));
    };
    let mut element = Vec::new();
    loop {
        let mut byte;
        (byte, rest) = next_byte(rest)?;
        match byte {
            b'"' => return Ok((Some(element), rest)),
            b'\\' => (byte, rest) = next_byte(rest)?,
            _ => {}
        }
        element.push(byte);
    }
}

fn quote(element: &[u8], out: &mut BytesMut) {
    let odd = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',') || is_space(*byte);
    let quotes =
        element.is_empty() || element.eq_ignore_ascii_case(b"NULL") || element.iter().any(odd);
    if !quotes {
        out.extend_from_slice(element);
        return;
    }
    out.put_u8(b'"');
    for byte in element {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(*byte);
    }
    out.put_u8(b'"');
}

/// Masks dimensions, whether there are NULLs, the type, then length and first index of each dimension, and
/// the elements, each with its length.
pub(super) fn binary(
    parts: &mut impl Parts,
    mut value: &[u8],
    element: u32,
    depth: usize,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let rest = &mut value;
    let dimensions = usize::try_from(take_i32(rest)?).map_err(|_| Not::Malformed)?;
    let flags = take_u32(rest)?;
    if dimensions > MAX_DIMENSIONS || flags > 1 || take_u32(rest)? != element {
        return Err(Not::Malformed);
    }
    let mut bounds = BytesMut::new();
    let mut count = usize::from(dimensions > 0);
    for _ in 0..dimensions {
        let len = take_i32(rest)?;
        let size = usize::try_from(len).map_err(|_| Not::Malformed)?;
        count = count.checked_mul(size).ok_or(Not::Malformed)?;
        bounds.put_i32(len);
        bounds.put_i32(take_i32(rest)?);
    }
    let mut has_null = false;
    let mut elements = BytesMut::new();
    for _ in 0..count {
        has_null |= parts.binary_part(rest, element, depth, &mut elements)?;
    }
    if !rest.is_empty() {
        return Err(Not::Malformed);
    }
    out.put_i32(i32::try_from(dimensions).map_err(|_| Not::Malformed)?);
    out.put_u32(u32::from(has_null));
    out.put_u32(element);
    out.extend_from_slice(&bounds);
    out.extend_from_slice(&elements);
    Ok(())
}
