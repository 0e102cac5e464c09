//! How numbers are written: integers, `numeric` and floating point.

use std::fmt::Write as _;

use bytes::{BufMut as _, BytesMut};

use super::class::Scalar;
use super::{Format, Not, exactly, take, utf8};
use crate::mask::number::Decimal;

/// Signs of a binary `numeric`.
const POSITIVE: u16 = 0;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const MINUS_INFINITY: u16 = 0xf000;
/// `NUMERIC_DSCALE_MASK`: no more digits are behind the point.
const MAX_SCALE: u16 = 0x3fff;

/// The least and the greatest integer of a type; nothing if it is none.
pub(super) fn range(scalar: Scalar) -> Option<(i64, i64)> {
    match scalar {
        Scalar::Int2 => Some((i16::MIN.into(), i16::MAX.into())),
        Scalar::Int4 => Some((i32::MIN.into(), i32::MAX.into())),
        Scalar::Int8 => Some((i64::MIN, i64::MAX)),
        Scalar::Oid => Some((0, u32::MAX.into())),
        _ => None,
    }
}

/// Reads an integer.
pub(super) fn read_integer(value: &[u8], scalar: Scalar, format: Format) -> Result<i64, Not> {
    let (least, most) = range(scalar).ok_or(Not::Unfit)?;
    match (format, scalar) {
        (Format::Text, _) => utf8(value)?
            .parse()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or(Not::Malformed),
        (Format::Binary, Scalar::Int2) => Ok(i16::from_be_bytes(exactly(value)?).into()),
        (Format::Binary, Scalar::Int4) => Ok(i32::from_be_bytes(exactly(value)?).into()),
        (Format::Binary, Scalar::Oid) => Ok(u32::from_be_bytes(exactly(value)?).into()),
        (Format::Binary, _) => Ok(i64::from_be_bytes(exactly(value)?)),
    }
}

/// Appends an integer, which is in the range of the type.
pub(super) fn write_integer(
    number: i64,
    scalar: Scalar,
    format: Format,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let far = |_| Not::Malformed;
    match (format, scalar) {
        (Format::Text, _) => write_text(&number.to_string(), out),
        (Format::Binary, Scalar::Int2) => out.put_i16(i16::try_from(number).map_err(far)?),
        (Format::Binary, Scalar::Int4) => out.put_i32(i32::try_from(number).map_err(far)?),
        (Format::Binary, Scalar::Oid) => out.put_u32(u32::try_from(number).map_err(far)?),
        (Format::Binary, _) => out.put_i64(number),
    }
    Ok(())
}

pub(super) fn write_text(text: &str, out: &mut BytesMut) {
    out.extend_from_slice(text.as_bytes());
}

/// A `numeric`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Numeric {
    /// A number.
    Finite(Decimal),
    /// None.
    Nan,
    /// Beyond all.
    Infinity,
    /// Below all.
    MinusInfinity,
}

/// Reads a `numeric`.
pub(super) fn read_numeric(value: &[u8], format: Format) -> Result<Numeric, Not> {
    match format {
        Format::Text => match utf8(value)? {
            "NaN" => Ok(Numeric::Nan),
            "Infinity" => Ok(Numeric::Infinity),
            "-Infinity" => Ok(Numeric::MinusInfinity),
            text => Decimal::parse(text)
                .map(Numeric::Finite)
                .ok_or(Not::Malformed),
        },
        Format::Binary => read_binary(value),
    }
}

/// `numeric_send`: how many digits of base 10000, the weight of the first, sign, digits behind the point.
fn read_binary(mut rest: &[u8]) -> Result<Numeric, Not> {
    let count = usize::from(u16::from_be_bytes(take(&mut rest)?));
    let weight = i16::from_be_bytes(take(&mut rest)?);
    let sign = u16::from_be_bytes(take(&mut rest)?);
    let scale = u16::from_be_bytes(take(&mut rest)?);
    if count * 2 != rest.len() || scale > MAX_SCALE {
        return Err(Not::Malformed);
    }
    match sign {
        NAN => return Ok(Numeric::Nan),
        INFINITY => return Ok(Numeric::Infinity),
        MINUS_INFINITY => return Ok(Numeric::MinusInfinity),
        POSITIVE | NEGATIVE => {}
        _ => return Err(Not::Malformed),
    }
    let mut digits = Vec::with_capacity(count * 4);
    for _ in 0..count {
        let group = u16::from_be_bytes(take(&mut rest)?);
        for unit in [1000, 100, 10, 1] {
            digits.push(u8::try_from(group / unit % 10).unwrap_or_default());
        }
        if group > 9999 {
            return Err(Not::Malformed);
        }
    }
    let before = (i32::from(weight) + 1) * 4;
    let (whole, mut fraction) = match usize::try_from(before) {
        Ok(before) => {
            digits.resize(digits.len().max(before), 0);
            let fraction = digits.split_off(before);
            (digits, fraction)
        }
        Err(_) => {
            let zeros = usize::try_from(before.unsigned_abs()).map_err(|_| Not::Malformed)?;
            let mut fraction = vec![0; zeros];
            fraction.append(&mut digits);
            (Vec::new(), fraction)
        }
    };
    fraction.resize(usize::from(scale), 0);
    Decimal::new(sign == NEGATIVE, &whole, &fraction)
        .map(Numeric::Finite)
        .ok_or(Not::Malformed)
}

/// Appends a `numeric`.
pub(super) fn write_numeric(
    numeric: &Numeric,
    format: Format,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let (text, sign) = match numeric {
        Numeric::Finite(decimal) => {
            match format {
                Format::Text => write_text(&decimal.to_string(), out),
                Format::Binary => write_binary(decimal, out)?,
            }
            return Ok(());
        }
        Numeric::Nan => ("NaN", NAN),
        Numeric::Infinity => ("Infinity", INFINITY),
        Numeric::MinusInfinity => ("-Infinity", MINUS_INFINITY),
    };
    match format {
        Format::Text => write_text(text, out),
        Format::Binary => [0, 0, sign, 0]
            .into_iter()
            .for_each(|part| out.put_u16(part)),
    }
    Ok(())
}

fn write_binary(decimal: &Decimal, out: &mut BytesMut) -> Result<(), Not> {
    let scale = u16::try_from(decimal.fraction().len()).map_err(|_| Not::Malformed)?;
    let pad = (4 - decimal.whole().len() % 4) % 4;
    let mut digits = vec![0; pad];
    digits.extend_from_slice(decimal.whole());
    let mut weight = i32::try_from(digits.len() / 4).map_err(|_| Not::Malformed)? - 1;
    digits.extend_from_slice(decimal.fraction());
    let group = |digits: &[u8]| {
        let padded = digits.iter().copied().chain([0; 3]).take(4);
        padded.fold(0_u16, |group, digit| group * 10 + u16::from(digit))
    };
    let groups: Vec<u16> = digits.chunks(4).map(group).collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    weight -= i32::try_from(leading).map_err(|_| Not::Malformed)?;
    let mut groups = groups.get(leading..).unwrap_or_default();
    while let Some((0, before)) = groups.split_last() {
        groups = before;
    }
    let mut sign = if decimal.is_negative() {
        NEGATIVE
    } else {
        POSITIVE
    };
    if groups.is_empty() {
        (weight, sign) = (0, POSITIVE);
    }
    out.put_u16(u16::try_from(groups.len()).map_err(|_| Not::Malformed)?);
    out.put_i16(i16::try_from(weight).map_err(|_| Not::Malformed)?);
    out.put_u16(sign);
    out.put_u16(scale);
    groups.iter().for_each(|group| out.put_u16(*group));
    Ok(())
}

/// Reads a `float4` or `float8`.
pub(super) fn read_float(value: &[u8], scalar: Scalar, format: Format) -> Result<f64, Not> {
    match (format, scalar) {
        (Format::Text, Scalar::Float4) => {
            let number: Result<f32, _> = utf8(value)?.parse();
            number.map(f64::from).map_err(|_| Not::Malformed)
        }
        (Format::Text, _) => utf8(value)?.parse().map_err(|_| Not::Malformed),
        (Format::Binary, Scalar::Float4) => Ok(f32::from_be_bytes(exactly(value)?).into()),
        (Format::Binary, _) => Ok(f64::from_be_bytes(exactly(value)?)),
    }
}

/// Appends a `float4` or `float8`.
pub(super) fn write_float(
    number: f64,
    scalar: Scalar,
    format: Format,
    out: &mut BytesMut,
) -> Result<(), Not> {
    // By its text the number is rounded to the nearest.
    let narrow: f32 = number.to_string().parse().map_err(|_| Not::Malformed)?;
    match (format, scalar) {
        (Format::Binary, Scalar::Float4) => out.put_f32(narrow),
        (Format::Binary, _) => out.put_f64(number),
        (Format::Text, _) if number.is_nan() => write_text("NaN", out),
        (Format::Text, _) if number.is_infinite() => {
            let text = if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            };
            write_text(text, out);
        }
        (Format::Text, Scalar::Float4) => write_text(&shortest(&format!("{narrow:e}"), 6)?, out),
        (Format::Text, _) => write_text(&shortest(&format!("{number:e}"), 15)?, out),
    }
    Ok(())
}

/// Writes `1.5e3` as the server does, with an exponent only below `1e-4` and from so many digits on.
fn shortest(scientific: &str, limit: i32) -> Result<String, Not> {
    let (mantissa, exponent) = scientific.split_once('e').ok_or(Not::Malformed)?;
    let power: i32 = exponent.parse().map_err(|_| Not::Malformed)?;
    let mut text = String::new();
    if (-4..limit).contains(&power) {
        let decimal = Decimal::parse(scientific).ok_or(Not::Malformed)?;
        return Ok(decimal.canonical());
    }
    let sign = if power < 0 { '-' } else { '+' };
    // Writing to a string does not fail.
    write!(text, "{mantissa}e{sign}{:02}", power.unsigned_abs()).unwrap_or_default();
    Ok(text)
}
