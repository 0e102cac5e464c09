//! What a value becomes of which nothing is left: one and the same for each type.

use bytes::{BufMut as _, BytesMut};

use super::class::Scalar;
use super::{Format, Not, take_i32};

/// Appends it. Only of bits the value counts, as a column of them has a length.
pub(super) fn write(
    scalar: Scalar,
    value: &[u8],
    format: Format,
    out: &mut BytesMut,
) -> Result<(), Not> {
    match (scalar, format) {
        (Scalar::Bit, _) => bits(value, format, out)?,
        (_, Format::Text) => out.extend_from_slice(text(scalar).as_bytes()),
        (_, Format::Binary) => out.extend_from_slice(binary(scalar)),
    }
    Ok(())
}

/// Whether it is the same for all values.
pub(super) fn is_constant(scalar: Scalar) -> bool {
    scalar != Scalar::Bit
}

/// As the server writes it, with ISO dates.
fn text(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Bool => "f",
        Scalar::Int2
        | Scalar::Int4
        | Scalar::Int8
        | Scalar::Oid
        | Scalar::Float4
        | Scalar::Float8
        | Scalar::Numeric => "0",
        Scalar::Money => "$0.00",
        Scalar::Text | Scalar::Bpchar | Scalar::Citext | Scalar::Xml => "****",
        Scalar::Char => "*",
        Scalar::Bytea => "\\x",
        Scalar::Json | Scalar::Jsonb => "\"****\"",
        Scalar::Uuid => "00000000-0000-0000-0000-000000000000",
        Scalar::Date => "2000-01-01",
        Scalar::Time | Scalar::Interval => "00:00:00",
        Scalar::Timetz => "00:00:00+00",
        Scalar::Timestamp => "2000-01-01 00:00:00",
        Scalar::Timestamptz => "2000-01-01 00:00:00+00",
        Scalar::Inet => "0.0.0.0",
        Scalar::Cidr => "0.0.0.0/32",
        Scalar::Macaddr => "00:00:00:00:00:00",
        Scalar::Macaddr8 => "00:00:00:00:00:00:00:00",
        Scalar::Bit | Scalar::Varbit => "",
    }
}

fn binary(scalar: Scalar) -> &'static [u8] {
    match scalar {
        Scalar::Bool => &[0],
        Scalar::Int2 => &[0; 2],
        Scalar::Int4 | Scalar::Oid | Scalar::Float4 | Scalar::Date => &[0; 4],
        // A `numeric` has four numbers before its digits, of which 0 has none.
        Scalar::Int8
        | Scalar::Float8
        | Scalar::Numeric
        | Scalar::Money
        | Scalar::Time
        | Scalar::Timestamp
        | Scalar::Timestamptz
        | Scalar::Macaddr8 => &[0; 8],
        Scalar::Macaddr => &[0; 6],
        Scalar::Timetz => &[0; 12],
        Scalar::Uuid | Scalar::Interval => &[0; 16],
        Scalar::Jsonb => b"\x01\"****\"",
        Scalar::Bytea => b"",
        // IPv4, bits of the network, whether it is a `cidr`, bytes of the address.
        Scalar::Inet => &[2, 32, 0, 4, 0, 0, 0, 0],
        Scalar::Cidr => &[2, 32, 1, 4, 0, 0, 0, 0],
        Scalar::Bit | Scalar::Varbit => &[0; 4],
        Scalar::Text
        | Scalar::Bpchar
        | Scalar::Citext
        | Scalar::Xml
        | Scalar::Char
        | Scalar::Json => text(scalar).as_bytes(),
    }
}

fn bits(value: &[u8], format: Format, out: &mut BytesMut) -> Result<(), Not> {
    match format {
        Format::Text => {
            if !value.iter().all(|byte| matches!(byte, b'0' | b'1')) {
                return Err(Not::Malformed);
            }
            out.put_bytes(b'0', value.len());
        }
        Format::Binary => {
            let mut rest = value;
            let count = take_i32(&mut rest)?;
            let bits = usize::try_from(count).map_err(|_| Not::Malformed)?;
            if bits.div_ceil(8) != rest.len() {
                return Err(Not::Malformed);
            }
            out.put_i32(count);
            out.put_bytes(0, rest.len());
        }
    }
    Ok(())
}
