//! What each kind of mask makes of a value that is in one piece.
//!
//! The same value gives the same hash and pseudonym in both formats: both are made of its canonical text.

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};

use super::class::Scalar;
use super::date::{self, Date, Zone};
use super::number::{self, Numeric};
use super::{Format, Masking, Not, exactly, full, utf8};
use crate::mask::bucket::{self, Civil};
use crate::mask::json::scalar::rewrite;
use crate::mask::json::scan::Fault;
use crate::mask::keyed::{self, Stream};
use crate::mask::number::pseudonym_integer;
use crate::mask::{Bucket, Kind, Mask, Partial, text};

/// Bits of hashes that a `float4` and a `float8` write without an exponent.
const FLOAT4_BITS: u32 = 19;
const FLOAT8_BITS: u32 = 49;
/// Bits of the hash of a `numeric`, which fits other integers then.
const NUMERIC_BITS: u32 = 63;
/// `jsonb_send` writes its version before the text.
pub(super) const JSONB_VERSION: u8 = 1;

/// Appends what takes the place of a value.
pub(super) fn mask(
    masking: Masking<'_>,
    scalar: Scalar,
    value: &[u8],
    out: &mut BytesMut,
) -> Result<(), Not> {
    if let (Some(mask), Scalar::Json | Scalar::Jsonb) = (masking.paths, scalar) {
        return at_paths(masking, mask, scalar, value, out);
    }
    match masking.kind {
        Kind::Full => full::write(scalar, value, masking.format, out),
        Kind::Null => Err(Not::Malformed),
        Kind::Partial(kind) => partial(scalar, value, *kind, out),
        Kind::Hash => hash(masking, scalar, value, out),
        Kind::Pseudonym => pseudonym(masking, scalar, value, out),
        Kind::Bucket(Bucket::Width(width)) => floor(masking, scalar, value, *width, out),
        Kind::Bucket(bucket) => floor_date(masking, scalar, value, *bucket, out),
    }
}

/// The text that counts; nothing if it is no plain text.
fn plain(scalar: Scalar, value: &[u8]) -> Result<&str, Not> {
    match scalar {
        Scalar::Text | Scalar::Citext => utf8(value),
        // The server fills it up with blanks.
        Scalar::Bpchar => Ok(utf8(value)?.trim_end_matches(' ')),
        _ => Err(Not::Unfit),
    }
}

/// The same for texts that are equal to the server.
fn canonical(scalar: Scalar, value: &[u8]) -> Result<Cow<'_, str>, Not> {
    let plain = plain(scalar, value)?;
    if scalar == Scalar::Citext {
        return Ok(plain.to_lowercase().into());
    }
    Ok(plain.into())
}

fn partial(scalar: Scalar, value: &[u8], kind: Partial, out: &mut BytesMut) -> Result<(), Not> {
    number::write_text(&text::partial(plain(scalar, value)?, kind), out);
    Ok(())
}

/// What is before and what is behind the version of a JSON value.
fn json_text<'v>(
    masking: Masking<'_>,
    scalar: Scalar,
    value: &'v [u8],
    out: &mut BytesMut,
) -> Result<&'v str, Not> {
    if (scalar, masking.format) != (Scalar::Jsonb, Format::Binary) {
        return utf8(value);
    }
    out.put_u8(JSONB_VERSION);
    match value.split_first() {
        Some((&JSONB_VERSION, json)) => utf8(json),
        _ => Err(Not::Malformed),
    }
}

fn at_paths(
    masking: Masking<'_>,
    mask: &Mask,
    scalar: Scalar,
    value: &[u8],
    out: &mut BytesMut,
) -> Result<(), Not> {
    let json = json_text(masking, scalar, value, out)?;
    let made = rewrite(json, mask, masking.key).map_err(|fault| match fault {
        Fault::Malformed => Not::Malformed,
        Fault::Refused => Not::Unfit,
    })?;
    number::write_text(&made, out);
    Ok(())
}

fn hash(masking: Masking<'_>, scalar: Scalar, value: &[u8], out: &mut BytesMut) -> Result<(), Not> {
    let Masking { format, key, .. } = masking;
    match scalar {
        Scalar::Text | Scalar::Bpchar | Scalar::Citext => {
            let text = canonical(scalar, value)?;
            number::write_text(&keyed::hash_text(key, text.as_bytes()), out);
        }
        Scalar::Xml => number::write_text(&keyed::hash_text(key, utf8(value)?.as_bytes()), out),
        Scalar::Json | Scalar::Jsonb => {
            let json = json_text(masking, scalar, value, out)?;
            let digits = keyed::hash_text(key, json.as_bytes());
            number::write_text(&format!("\"{digits}\""), out);
        }
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid => {
            let canonical = number::read_integer(value, scalar, format)?.to_string();
            let bits = match scalar {
                Scalar::Int2 => 15,
                Scalar::Int8 => 63,
                _ => 31,
            };
            let hash = keyed::hash_number(key, &canonical, bits);
            let hash = i64::try_from(hash).map_err(|_| Not::Malformed)?;
            number::write_integer(hash, scalar, format, out)?;
        }
        Scalar::Numeric => {
            let hash = match number::read_numeric(value, format)? {
                Numeric::Finite(decimal) => decimal.hash(key, NUMERIC_BITS),
                other => keyed::hash_number(key, &format!("{other:?}"), NUMERIC_BITS),
            };
            let text = hash.to_string();
            let hash = number::read_numeric(text.as_bytes(), Format::Text)?;
            number::write_numeric(&hash, format, out)?;
        }
        Scalar::Float4 | Scalar::Float8 => {
            let bits = if scalar == Scalar::Float4 {
                FLOAT4_BITS
            } else {
                FLOAT8_BITS
            };
            // Adding 0 makes 0 of -0, which is the same to the server.
            let canonical = format!("{:e}", number::read_float(value, scalar, format)? + 0.0);
            let hash = keyed::hash_number(key, &canonical, bits).to_string();
            let hash = hash.parse().map_err(|_| Not::Malformed)?;
            number::write_float(hash, scalar, format, out)?;
        }
        Scalar::Uuid => {
            let [high, low] = halves(keyed::hash_bytes(key, &read_uuid(value, format)?));
            write_uuid(high ^ low, format, out);
        }
        Scalar::Bytea => {
            let hash = keyed::hash_bytes(key, &read_bytea(value, format)?);
            match format {
                Format::Binary => out.extend_from_slice(&hash),
                Format::Text => number::write_text(&format!("\\x{}", keyed::hex(&hash)), out),
            }
        }
        _ => return Err(Not::Unfit),
    }
    Ok(())
}

fn pseudonym(
    masking: Masking<'_>,
    scalar: Scalar,
    value: &[u8],
    out: &mut BytesMut,
) -> Result<(), Not> {
    let Masking { format, key, .. } = masking;
    match scalar {
        Scalar::Text | Scalar::Bpchar | Scalar::Citext => {
            let text = canonical(scalar, value)?;
            number::write_text(&keyed::pseudonym(key, &text), out);
        }
        Scalar::Char => {
            let [byte] = exactly(value)?;
            if !byte.is_ascii_alphanumeric() {
                return Err(Not::Unfit);
            }
            number::write_text(&keyed::pseudonym(key, utf8(&[byte])?), out);
        }
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid => {
            let value = number::read_integer(value, scalar, format)?;
            let (_, most) = number::range(scalar).ok_or(Not::Unfit)?;
            let made = pseudonym_integer(key, value, most);
            number::write_integer(made, scalar, format, out)?;
        }
        Scalar::Numeric => match number::read_numeric(value, format)? {
            Numeric::Finite(decimal) => {
                let made = Numeric::Finite(decimal.pseudonym(key));
                number::write_numeric(&made, format, out)?;
            }
            _ => return Err(Not::Unfit),
        },
        Scalar::Uuid => {
            let made = pseudonym_uuid(masking, read_uuid(value, format)?);
            write_uuid(made, format, out);
        }
        Scalar::Date => {
            let Date::Day(day) = date::read_date(value, format)? else {
                return Err(Not::Unfit);
            };
            let day = pseudonym_day(masking, day).ok_or(Not::Malformed)?;
            write_date(Date::Day(day), format, out);
        }
        _ => return Err(Not::Unfit),
    }
    Ok(())
}

/// Another day of the same year.
fn pseudonym_day(masking: Masking<'_>, day: i32) -> Option<i32> {
    let civil = Civil::of_day(day);
    // Nothing else of the first year there is can be written.
    let first = civil.floor(Bucket::Year)?.to_day()?;
    let least = first.max(date::FIRST_DAY);
    let count = bucket::days_of_year(civil.year) - i64::from(least.checked_sub(first)?);
    let mut stream = Stream::new(masking.key, b"day\0", &day.to_be_bytes());
    let at = u64::try_from(day.checked_sub(least)?).ok()?;
    let other = stream.other_than(at, u64::try_from(count).ok()?);
    least.checked_add(i32::try_from(other).ok()?)
}

/// Each hexadecimal digit becomes another one, but for those that tell version and variant (RFC 9562).
fn pseudonym_uuid(masking: Masking<'_>, value: [u8; 16]) -> u128 {
    let mut stream = Stream::new(masking.key, b"uuid\0", &value);
    let value = u128::from_be_bytes(value);
    (0..32_u32).fold(0, |made, at| {
        let digit = (value >> (124 - 4 * at)) & 0xf;
        let other = u64::try_from(digit).map_or(0, |digit| stream.other_than(digit, 16));
        let kept = at == 12 || at == 16;
        (made << 4) | if kept { digit } else { u128::from(other) }
    })
}

/// To the next lower multiple.
fn floor(
    masking: Masking<'_>,
    scalar: Scalar,
    value: &[u8],
    width: u64,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let format = masking.format;
    match scalar {
        Scalar::Int2 | Scalar::Int4 | Scalar::Int8 | Scalar::Oid => {
            let value = number::read_integer(value, scalar, format)?;
            let (least, _) = number::range(scalar).ok_or(Not::Unfit)?;
            let made = bucket::floor_number(value, width, least);
            number::write_integer(made, scalar, format, out)
        }
        Scalar::Numeric => {
            let made = match number::read_numeric(value, format)? {
                Numeric::Finite(decimal) => Numeric::Finite(decimal.floor(width)),
                other => other,
            };
            number::write_numeric(&made, format, out)
        }
        Scalar::Float4 | Scalar::Float8 => {
            let value = number::read_float(value, scalar, format)?;
            number::write_float(bucket::floor_float(value, width), scalar, format, out)
        }
        _ => Err(Not::Unfit),
    }
}

/// To the first of a day, month or year; in UTC where there is a zone.
fn floor_date(
    masking: Masking<'_>,
    scalar: Scalar,
    value: &[u8],
    bucket: Bucket,
    out: &mut BytesMut,
) -> Result<(), Not> {
    let format = masking.format;
    let zone = match scalar {
        Scalar::Date => {
            let made = floor_day(date::read_date(value, format)?, bucket)?;
            write_date(made, format, out);
            return Ok(());
        }
        Scalar::Timestamp => Zone::None,
        Scalar::Timestamptz => Zone::Some,
        _ => return Err(Not::Unfit),
    };
    let made = floor_day(date::read_time(value, zone, format)?, bucket)?;
    match format {
        Format::Binary => out.put_i64(date::time_number(made)?),
        Format::Text => number::write_text(&date::time_text(made, zone), out),
    }
    Ok(())
}

fn floor_day(date: Date, bucket: Bucket) -> Result<Date, Not> {
    let Date::Day(day) = date else {
        return Ok(date);
    };
    let floor = Civil::of_day(day).floor(bucket).ok_or(Not::Unfit)?;
    let day = floor.to_day().ok_or(Not::Malformed)?;
    Ok(Date::Day(day.max(date::FIRST_DAY)))
}

fn write_date(date: Date, format: Format, out: &mut BytesMut) {
    match format {
        Format::Binary => out.put_i32(date::date_number(date)),
        Format::Text => number::write_text(&date::date_text(date), out),
    }
}

fn halves(hash: [u8; 32]) -> [u128; 2] {
    let (halves, _) = hash.as_chunks();
    let mut numbers = halves.iter().map(|half| u128::from_be_bytes(*half));
    [0; 2].map(|zero: u128| numbers.next().unwrap_or(zero))
}

fn read_uuid(value: &[u8], format: Format) -> Result<[u8; 16], Not> {
    if format == Format::Binary {
        return exactly(value);
    }
    let digits: String = utf8(value)?.chars().filter(|c| *c != '-').collect();
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(&digits, 16).ok().filter(|_| plain);
    Ok(number.ok_or(Not::Malformed)?.to_be_bytes())
}

fn write_uuid(uuid: u128, format: Format, out: &mut BytesMut) {
    match format {
        Format::Binary => out.put_u128(uuid),
        Format::Text => {
            for (at, c) in format!("{uuid:032x}").char_indices() {
                if matches!(at, 8 | 12 | 16 | 20) {
                    out.put_u8(b'-');
                }
                let mut buffer = [0; 4];
                number::write_text(c.encode_utf8(&mut buffer), out);
            }
        }
    }
}

/// In text both ways in which `bytea_output` has it.
pub(super) fn read_bytea(value: &[u8], format: Format) -> Result<Vec<u8>, Not> {
    if format == Format::Binary {
        return Ok(value.to_vec());
    }
    if let Some(digits) = value.strip_prefix(b"\\x") {
        let (pairs, []) = digits.as_chunks() else {
            return Err(Not::Malformed);
        };
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high, 16)? * 16 + digit(*low, 16)?);
        return pairs
            .iter()
            .map(byte)
            .collect::<Option<_>>()
            .ok_or(Not::Malformed);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        let byte;
        (byte, rest) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [a @ b'0'..=b'3', b, c, after @ ..]) => {
                let octal = |byte: &u8| digit(*byte, 8).ok_or(Not::Malformed);
                (octal(a)? * 64 + octal(b)? * 8 + octal(c)?, after)
            }
            (b'\\', _) => return Err(Not::Malformed),
            (plain, after) => (*plain, after),
        };
        bytes.push(byte);
    }
    Ok(bytes)
}

fn digit(byte: u8, radix: u32) -> Option<u8> {
    u8::try_from(char::from(byte).to_digit(radix)?).ok()
}
