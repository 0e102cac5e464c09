//! Masks one value as PostgreSQL writes it, in text or binary format: `mask`.
//!
//! `class` says what a type is, `scalar` what each kind of mask makes of it, with `full` for what nothing
//! is left of, `number` and `date` for how those are read and written; `array` and `record` go through
//! what values are made of, `shorter` leaves of these what tells that, and `screened` looks for something in them. What is masked is a value of the same type in the same format again.
//! A value that is not as its type is written becomes NULL: nothing passes by being odd.

mod array;
mod class;
mod date;
mod full;
mod number;
mod record;
mod scalar;
pub mod screened;
pub mod shorter;

use bytes::{BufMut as _, BytesMut};

use self::class::Class;
use crate::mask::{Kind, Mask, MaskKey, Otherwise};
use crate::sql::postgres::lineage::catalog::Catalog;

/// Types in types, such as arrays of composites, are followed so far.
const MAX_DEPTH: usize = 32;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As text.
    Text,
    /// As the type's send function writes it.
    Binary,
}

/// How a value is masked.
#[derive(Clone, Copy, Debug)]
pub enum How<'a> {
    /// By this mask: it is the very value of a column.
    Mask(&'a Mask),
    /// So that nothing is left of it: it is made of one. NULL where the type has no such value.
    Full,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// What takes its place is appended.
    Written,
    /// It becomes NULL; nothing is appended.
    Null,
    /// Its type cannot be masked so, and the mask refuses then; nothing is appended.
    Refused,
}

/// Appends to `out` what takes the place of a value of type `ty`. The value is not NULL, which stays NULL.
pub fn mask(
    value: &[u8],
    ty: u32,
    format: Format,
    how: How<'_>,
    catalog: &Catalog,
    key: &MaskKey,
    out: &mut BytesMut,
) -> Done {
    let masking = match how {
        How::Mask(mask) => Masking {
            kind: &mask.kind,
            paths: (!mask.json.is_empty()).then_some(mask),
            otherwise: mask.otherwise,
            format,
            catalog,
            key,
        },
        How::Full => Masking {
            kind: &Kind::Full,
            paths: None,
            otherwise: Otherwise::Null,
            format,
            catalog,
            key,
        },
    };
    // With paths a JSON value stays, with NULL in it.
    if *masking.kind == Kind::Null && masking.paths.is_none() {
        return Done::Null;
    }
    let start = out.len();
    let not = match masking.value(value, ty, MAX_DEPTH, out) {
        Ok(()) => return Done::Written,
        Err(not) => not,
    };
    out.truncate(start);
    match (not, masking.otherwise) {
        (Not::Unfit, Otherwise::Refuse) => Done::Refused,
        (Not::Unfit, Otherwise::Null) | (Not::Malformed, _) => Done::Null,
    }
}

/// Whether all values of a type become the same where nothing is left of them.
pub fn is_constant(ty: u32, catalog: &Catalog) -> bool {
    match class::of(ty, catalog) {
        Some(Class::Scalar(scalar)) => full::is_constant(scalar),
        Some(Class::Array(_) | Class::Composite(_)) => false,
        None => true,
    }
}

/// Why a value has no other in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Not {
    /// It is not as values of its type are written.
    Malformed,
    /// The kind of mask is not for its type.
    Unfit,
}

/// What becomes of the parts of a value.
trait Parts {
    /// Whether they become the same whatever they are, so that it matters only where each of them ends.
    fn are_constant(&self) -> bool {
        false
    }

    /// One, in the format of the value; nothing is NULL.
    fn part(&mut self, value: &[u8], ty: u32, depth: usize) -> Result<Option<BytesMut>, Not>;

    /// One in binary format, with its length before it, taken off `rest`; says whether NULL was written.
    fn binary_part(
        &mut self,
        rest: &mut &[u8],
        ty: u32,
        depth: usize,
        out: &mut BytesMut,
    ) -> Result<bool, Not> {
        let len = take_i32(rest)?;
        if len == -1 {
            out.put_i32(-1);
            return Ok(true);
        }
        let len = usize::try_from(len).map_err(|_| Not::Malformed)?;
        let (value, after) = rest.split_at_checked(len).ok_or(Not::Malformed)?;
        *rest = after;
        match self.part(value, ty, depth)? {
            Some(part) => {
                out.put_i32(i32::try_from(part.len()).map_err(|_| Not::Malformed)?);
                out.extend_from_slice(&part);
                Ok(false)
            }
            None => {
                out.put_i32(-1);
                Ok(true)
            }
        }
    }
}

/// What all parts of one value are masked by.
#[derive(Clone, Copy, Debug)]
struct Masking<'a> {
    kind: &'a Kind,
    /// The mask, if it is only for what is at paths of JSON values.
    paths: Option<&'a Mask>,
    otherwise: Otherwise,
    format: Format,
    catalog: &'a Catalog,
    key: &'a MaskKey,
}

impl Masking<'_> {
    fn value(mut self, value: &[u8], ty: u32, depth: usize, out: &mut BytesMut) -> Result<(), Not> {
        let depth = depth.checked_sub(1).ok_or(Not::Unfit)?;
        match class::of(ty, self.catalog).ok_or(Not::Unfit)? {
            Class::Scalar(scalar) => scalar::mask(self, scalar, value, out),
            Class::Array(element) => {
                // Only then is the delimiter known.
                class::of(element, self.catalog).ok_or(Not::Unfit)?;
                match self.format {
                    Format::Text => array::text(&mut self, value, element, depth, out),
                    Format::Binary => array::binary(&mut self, value, element, depth, out),
                }
            }
            Class::Composite(columns) => {
                let types = record::Types::Columns(columns);
                match self.format {
                    Format::Text => record::text(&mut self, value, types, depth, out),
                    Format::Binary => record::binary(&mut self, value, types, depth, out),
                }
            }
        }
    }
}

impl Parts for Masking<'_> {
    fn are_constant(&self) -> bool {
        *self.kind == Kind::Full && self.paths.is_none()
    }

    fn part(&mut self, value: &[u8], ty: u32, depth: usize) -> Result<Option<BytesMut>, Not> {
        let mut part = BytesMut::new();
        match self.value(value, ty, depth, &mut part) {
            Ok(()) => Ok(Some(part)),
            Err(Not::Unfit) if self.otherwise == Otherwise::Refuse => Err(Not::Unfit),
            Err(_) => Ok(None),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Not> {
    let (head, after) = rest.split_first_chunk().ok_or(Not::Malformed)?;
    *rest = after;
    Ok(*head)
}

fn take_i32(rest: &mut &[u8]) -> Result<i32, Not> {
    take(rest).map(i32::from_be_bytes)
}

fn take_u32(rest: &mut &[u8]) -> Result<u32, Not> {
    take(rest).map(u32::from_be_bytes)
}

/// All of a value of fixed length.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], Not> {
    value.try_into().map_err(|_| Not::Malformed)
}

/// A value that is taken apart, as bytes. In another encoding than UTF-8 a part of a character may look like
/// what separates parts: then more or fewer of them are found, which is seen, and they are masked for what they are
/// not.
fn readable<'v>(value: &'v [u8], parts: &impl Parts) -> Result<&'v [u8], Not> {
    match parts.are_constant() {
        true => Ok(value),
        false => utf8(value).map(str::as_bytes),
    }
}

/// What is before and what is from the first of these on.
fn split_at_any(bytes: &[u8], ends: [u8; 2]) -> Result<(&[u8], &[u8]), Not> {
    let end = bytes.iter().position(|byte| ends.contains(byte));
    bytes
        .split_at_checked(end.ok_or(Not::Malformed)?)
        .ok_or(Not::Malformed)
}

/// The first byte, and what is behind it.
fn next_byte(bytes: &[u8]) -> Result<(u8, &[u8]), Not> {
    let (first, after) = bytes.split_first().ok_or(Not::Malformed)?;
    Ok((*first, after))
}

/// `array_isspace`, and what `record_out` takes for a space.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0xb | 0xc)
}

fn utf8(value: &[u8]) -> Result<&str, Not> {
    str::from_utf8(value).map_err(|_| Not::Malformed)
}

#[cfg(test)]
mod tests;
