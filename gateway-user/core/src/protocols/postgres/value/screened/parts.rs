//! Arrays, rows, and values of types that are not known.

use std::ops::Range;

use bytes::BytesMut;

use super::super::class::Scalar;
use super::super::number::{self, Numeric};
use super::super::{Format, Not, Parts, array, record};
use super::{Around, Looked, Screener, Stop, is_control};

/// Integers of 13 to 16 digits. Those of more may be floating point, of which one in ten would look like a card.
const CARDS: Range<i64> = 1_000_000_000_000..10_000_000_000_000_000;

/// The number of no type: what it is of is not known.
const UNKNOWN: u32 = 0;

impl Screener<'_, '_> {
    pub(super) fn array(
        &mut self,
        value: &[u8],
        element: u32,
        depth: usize,
        out: &mut BytesMut,
    ) -> Looked {
        let read = |it: &mut Self, out: &mut BytesMut| match it.format {
            Format::Text => array::text(it, value, element, depth, out),
            Format::Binary => array::binary(it, value, element, depth, out),
        };
        match (self.through(depth, out, read), self.format) {
            (Some(looked), _) => looked,
            (None, Format::Text) => self.text(value, "array", Around::Shape, out),
            (None, Format::Binary) => self.blob(value),
        }
    }

    /// Goes through parts; none if the value is not written as it was read.
    fn through(
        &mut self,
        depth: usize,
        out: &mut BytesMut,
        read: impl FnOnce(&mut Self, &mut BytesMut) -> Result<(), Not>,
    ) -> Option<Looked> {
        depth.checked_sub(1)?;
        let start = out.len();
        let before = std::mem::take(&mut self.changed);
        let done = read(self, out);
        let changed = std::mem::replace(&mut self.changed, before);
        if done.is_ok() && changed {
            return Some(Ok(true));
        }
        out.truncate(start);
        match done {
            Ok(()) => Some(Ok(false)),
            Err(_) if self.refused => Some(Err(Stop::Refused)),
            Err(_) => None,
        }
    }

    /// A value in text format that may be an array, a row or JSON.
    pub(super) fn shaped(&mut self, value: &[u8], depth: usize, out: &mut BytesMut) -> Looked {
        // Escapes of arrays and rows only put something before a character; those of JSON hide it.
        if !value.contains(&b'\\') && !self.screening.screen.may_find(value) {
            return Ok(false);
        }
        if looks_like_json(value) {
            return self.json(value, out);
        }
        if let Some(digits) = value.strip_prefix(b"\\x")
            && digits.iter().all(u8::is_ascii_hexdigit)
        {
            return self.bytea(value, out);
        }
        if value.iter().all(u8::is_ascii_digit) {
            // What may be a number stays one.
            let text = str::from_utf8(value).unwrap_or_default();
            return self.whole(text, "unknown", Scalar::Numeric, value, out);
        }
        let read = match value.first() {
            Some(b'{' | b'[') => self.through(depth, out, |it, out| {
                array::text(it, value, UNKNOWN, depth, out)
            }),
            Some(b'(') => self.through(depth, out, |it, out| {
                record::text(it, value, record::Types::Any, depth, out)
            }),
            _ => None,
        };
        let around = match value.first() {
            Some(b'<') => Around::Xml,
            Some(byte) if byte.is_ascii_alphanumeric() || *byte >= 0x80 => Around::Nothing,
            Some(b'+' | b' ' | b'-' | b'.') => Around::Nothing,
            _ => Around::Shape,
        };
        match read {
            Some(looked) => looked,
            None => self.text(value, "unknown", around, out),
        }
    }

    /// A value in binary format: arrays and rows say of which types their parts are.
    pub(super) fn packed(&mut self, value: &[u8], depth: usize, out: &mut BytesMut) -> Looked {
        let element = value.get(8..12).and_then(|it| it.try_into().ok());
        if let Some(element) = element.map(u32::from_be_bytes) {
            let looked = self.through(depth, out, |it, out| {
                array::binary(it, value, element, depth, out)
            });
            if let Some(looked) = looked {
                return looked;
            }
        }
        if value.len() >= 4 {
            let looked = self.through(depth, out, |it, out| {
                record::binary(it, value, record::Types::Any, depth, out)
            });
            if let Some(looked) = looked {
                return looked;
            }
        }
        let is_text = str::from_utf8(value).is_ok() && !value.iter().any(|byte| is_control(*byte));
        match is_text {
            true => self.shaped(value, depth, out),
            false => self.number_or_blob(value),
        }
    }

    /// What may be an `int8` with the digits of a card, or a `numeric`: `COPY` does not tell. It may as well be
    /// something else, so nothing is written in its place.
    fn number_or_blob(&mut self, value: &[u8]) -> Looked {
        let number = match (<[u8; 8]>::try_from(value), value.len()) {
            (Ok(bytes), _) => Some(i64::from_be_bytes(bytes))
                .filter(|number| CARDS.contains(number))
                .map(|number| number.to_string()),
            (Err(_), ..8) => None,
            (Err(_), _) => match number::read_numeric(value, Format::Binary) {
                Ok(Numeric::Finite(decimal)) => Some(decimal.to_string()),
                _ => None,
            },
        };
        let minds = |text: &String| self.screening.screen.minds_number(text.len());
        let Some(number) = number.filter(minds) else {
            return self.blob(value);
        };
        match self.screening.whole(&number, "unknown") {
            None => self.blob(value),
            Some((_, otherwise)) => Err(otherwise.into()),
        }
    }
}

/// An object, or an array that is no array of the server's.
fn looks_like_json(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    match value.split_first() {
        Some((b'{', rest)) => {
            let rest = rest.trim_ascii_start();
            let name = str::from_utf8(rest).ok();
            let behind = name.and_then(|text| {
                let end = crate::mask::json::scan::end_of_string(text)?;
                text.get(end..)
            });
            behind.is_some_and(|behind| behind.trim_ascii_start().starts_with(':'))
        }
        Some((b'[', _)) => value.ends_with(b"]"),
        Some((b'"', _)) => value.len() > 1 && value.ends_with(b"\""),
        _ => false,
    }
}

impl Parts for Screener<'_, '_> {
    fn part(&mut self, value: &[u8], ty: u32, depth: usize) -> Result<Option<BytesMut>, Not> {
        let mut part = BytesMut::new();
        match self.value(value, ty, depth - 1, &mut part) {
            Ok(true) => {
                self.changed = true;
                Ok(Some(part))
            }
            Ok(false) => Ok(Some(BytesMut::from(value))),
            Err(stop) => self.stopped(stop),
        }
    }
}

impl Screener<'_, '_> {
    fn stopped(&mut self, stop: Stop) -> Result<Option<BytesMut>, Not> {
        match stop {
            Stop::Null => {
                self.changed = true;
                Ok(None)
            }
            Stop::Refused => {
                self.refused = true;
                Err(Not::Unfit)
            }
        }
    }
}
