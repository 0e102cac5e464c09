//! Looks for something in one value as PostgreSQL writes it: `screen`.
//!
//! `kind` says what a type is; `parts` is for arrays and rows, which are gone through element by element, and
//! for values of types that are not known: these are read by the shape they have. What is found is replaced
//! where it is, and the value keeps its type and format. Numbers and addresses of hosts are looked at as
//! they are written, and masked as a whole. Nothing is appended, and for the common types nothing
//! allocated, where nothing is found.

mod kind;
mod parts;

use std::borrow::Cow;
use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::{BufMut as _, BytesMut};

use self::kind::Type;
use super::class::Scalar;
use super::number::{self, Numeric};
use super::scalar::{self, JSONB_VERSION};
use super::{Format, MAX_DEPTH, Masking, Not, utf8};
use crate::mask::json::every::{self, Change, Piece};
use crate::mask::json::scalar::change;
use crate::mask::json::scan::{self, Fault, New};
use crate::mask::screen::{Around, Found, Screening};
use crate::mask::{Kind, MaskKey, Otherwise, keyed, text};
use crate::sql::postgres::lineage::catalog::Catalog;

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screened {
    /// Nothing was found in it; nothing is appended.
    Same,
    /// What takes its place is appended.
    Written,
    /// It becomes NULL; nothing is appended.
    Null,
    /// Something was found that its type cannot be without, and the mask refuses then; nothing is appended.
    Refused,
}

/// Looks at a value of type `ty`, which is not NULL; 0 is a type that is not known.
pub fn screen(
    value: &[u8],
    ty: u32,
    format: Format,
    screening: &mut Screening<'_>,
    out: &mut BytesMut,
) -> Screened {
    let start = out.len();
    let mut screener = Screener {
        screening,
        format,
        changed: false,
        refused: false,
    };
    let done = screener.value(value, ty, MAX_DEPTH, out);
    match done {
        Ok(true) => return Screened::Written,
        Ok(false) => Screened::Same,
        Err(Stop::Null) => Screened::Null,
        Err(Stop::Refused) => Screened::Refused,
    }
    .truncated(out, start)
}

impl Screened {
    fn truncated(self, out: &mut BytesMut, start: usize) -> Self {
        out.truncate(start);
        self
    }
}

/// Nothing takes the place of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Null,
    Refused,
}

impl From<Otherwise> for Stop {
    fn from(otherwise: Otherwise) -> Self {
        match otherwise {
            Otherwise::Null => Self::Null,
            Otherwise::Refuse => Self::Refused,
        }
    }
}

/// Says whether something else was appended; of what stays nothing is.
type Looked = Result<bool, Stop>;

struct Screener<'a, 's> {
    screening: &'a mut Screening<'s>,
    format: Format,
    /// A part of what is gone through now becomes something else.
    changed: bool,
    /// A part of it is refused.
    refused: bool,
}

impl Screener<'_, '_> {
    fn value(&mut self, value: &[u8], ty: u32, depth: usize, out: &mut BytesMut) -> Looked {
        match (kind::of(ty), self.format) {
            (Type::Plain, _) => Ok(false),
            (Type::Text, _) => self.text(value, "text", Around::Nothing, out),
            (Type::Xml, _) => self.text(value, "xml", Around::Xml, out),
            (Type::Json, _) | (Type::Jsonb, Format::Text) => self.json(value, out),
            (Type::Jsonb, Format::Binary) => match value.split_first() {
                Some((&JSONB_VERSION, json)) => {
                    out.put_u8(JSONB_VERSION);
                    self.json(json, out)
                }
                _ => self.blob(value),
            },
            (Type::Integer(scalar), _) => self.integer(scalar, value, out),
            (Type::Numeric, _) => self.numeric(value, out),
            (Type::Host(scalar), _) => self.host(scalar, value, out),
            (Type::Bytea, _) => self.bytea(value, out),
            (Type::Array(element), _) => self.array(value, element, depth, out),
            (Type::Unknown, Format::Text) => self.shaped(value, depth, out),
            (Type::Unknown, Format::Binary) => self.packed(value, depth, out),
        }
    }

    /// A text. One that is no UTF-8 is in another encoding, of which all have ASCII as it is.
    fn text(
        &mut self,
        value: &[u8],
        ty: &'static str,
        around: Around,
        out: &mut BytesMut,
    ) -> Looked {
        let (text, is_utf8) = match str::from_utf8(value) {
            Ok(text) => (Cow::Borrowed(text), true),
            Err(_) if !self.screening.screen.may_find(value) => return Ok(false),
            Err(_) => (Cow::Owned(bytewise(value)), false),
        };
        match self.screening.text(&text, ty, around) {
            Found::Nothing => Ok(false),
            Found::Null => Err(Stop::Null),
            Found::Text(new) if is_utf8 => {
                out.put_slice(new.as_bytes());
                Ok(true)
            }
            Found::Text(new) => {
                let byte = |c| u8::try_from(u32::from(c)).unwrap_or(b'*');
                new.chars().for_each(|c| out.put_u8(byte(c)));
                Ok(true)
            }
        }
    }

    fn json(&mut self, value: &[u8], out: &mut BytesMut) -> Looked {
        let screen = self.screening.screen;
        let Ok(json) = str::from_utf8(value) else {
            return self.text(value, "json", Around::Shape, out);
        };
        // What is escaped is not to be seen before it is read.
        if !json.contains('\\') && !screen.may_find(value) {
            return Ok(false);
        }
        let screening = &mut *self.screening;
        let made = every::replace(json, &mut |piece| json_piece(screening, piece));
        match made {
            Ok(None) => Ok(false),
            Ok(Some(made)) => {
                out.put_slice(made.as_bytes());
                Ok(true)
            }
            Err(Fault::Refused) => Err(Stop::Refused),
            Err(Fault::Malformed) => self.text(value, "json", Around::Shape, out),
        }
    }

    fn integer(&mut self, scalar: Scalar, value: &[u8], out: &mut BytesMut) -> Looked {
        let Ok(number) = number::read_integer(value, scalar, self.format) else {
            return self.blob(value);
        };
        let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) + 1;
        let digits = usize::try_from(digits).unwrap_or(usize::MAX);
        if !self.screening.screen.minds_number(digits) {
            return Ok(false);
        }
        let mut buffer = [0; 20];
        let mut rest = buffer.as_mut_slice();
        // 20 bytes hold every integer of 64 bits.
        write!(rest, "{number}").unwrap_or_default();
        let len = 20 - rest.len();
        let text = buffer.get(..len).unwrap_or_default();
        self.whole(
            utf8(text).unwrap_or_default(),
            "integer",
            scalar,
            value,
            out,
        )
    }

    fn numeric(&mut self, value: &[u8], out: &mut BytesMut) -> Looked {
        // Of the binary format four numbers come first, then four digits in two bytes each.
        let digits = match self.format {
            Format::Text => value.len(),
            Format::Binary => value.len().saturating_sub(8) * 2,
        };
        if !self.screening.screen.minds_number(digits) {
            return Ok(false);
        }
        match (self.format, number::read_numeric(value, self.format)) {
            (Format::Text, Ok(_)) => {
                let text = utf8(value).unwrap_or_default();
                self.whole(text, "numeric", Scalar::Numeric, value, out)
            }
            (Format::Binary, Ok(Numeric::Finite(decimal))) => {
                let text = decimal.to_string();
                self.whole(&text, "numeric", Scalar::Numeric, value, out)
            }
            (Format::Binary, Ok(_)) => Ok(false),
            (_, Err(_)) => self.blob(value),
        }
    }

    /// `inet` and `cidr`.
    fn host(&mut self, scalar: Scalar, value: &[u8], out: &mut BytesMut) -> Looked {
        if self.format == Format::Text {
            let text = utf8(value).unwrap_or_default();
            return self.whole(text, "inet", scalar, value, out);
        }
        // Family, bits of the network, whether it is a `cidr`, bytes of the address.
        let address = value.get(4..).unwrap_or_default();
        let text = match (<[u8; 4]>::try_from(address), <[u8; 16]>::try_from(address)) {
            (Ok(v4), _) => Ipv4Addr::from(v4).to_string(),
            (_, Ok(v6)) => Ipv6Addr::from(v6).to_string(),
            _ => return self.blob(value),
        };
        self.whole(&text, "inet", scalar, value, out)
    }

    /// Bytes that are a text are looked at as one; others are not looked at.
    fn bytea(&mut self, value: &[u8], out: &mut BytesMut) -> Looked {
        if self.format == Format::Binary {
            return match value.iter().any(|byte| is_control(*byte)) {
                true => Ok(false),
                false => self.bytes(value, out),
            };
        }
        let is_binary = match value.strip_prefix(b"\\x") {
            Some(digits) => digits.as_chunks().0.iter().any(|[high, low]| {
                matches!(high, b'0' | b'1') && !matches!([high, low], [b'0', b'9' | b'a' | b'd'])
            }),
            None => false,
        };
        if is_binary {
            return Ok(false);
        }
        let bytes = scalar::read_bytea(value, Format::Text).map_err(|_| Stop::Null)?;
        let mut made = BytesMut::new();
        if bytes.iter().any(|byte| is_control(*byte)) || !self.bytes(&bytes, &mut made)? {
            return Ok(false);
        }
        number::write_text(&format!("\\x{}", keyed::hex(&made)), out);
        Ok(true)
    }

    fn bytes(&mut self, value: &[u8], out: &mut BytesMut) -> Looked {
        match str::from_utf8(value) {
            Ok(_) => self.text(value, "bytea", Around::Nothing, out),
            Err(_) => Ok(false),
        }
    }

    /// A value that is not as its type is written, or of a type that is no text: what is found in it cannot
    /// be replaced.
    fn blob(&mut self, value: &[u8]) -> Looked {
        if !self.screening.screen.may_find(value) {
            return Ok(false);
        }
        match self.screening.whole(&bytewise(value), "unknown") {
            None => Ok(false),
            Some((_, otherwise)) => Err(otherwise.into()),
        }
    }

    /// A value that is masked whole if it is what is looked for.
    fn whole(
        &mut self,
        text: &str,
        ty: &'static str,
        scalar: Scalar,
        value: &[u8],
        out: &mut BytesMut,
    ) -> Looked {
        let Some((kind, otherwise)) = self.screening.whole(text, ty) else {
            return Ok(false);
        };
        if kind == Kind::Null {
            return Err(Stop::Null);
        }
        let no_key = MaskKey::new([]);
        let masking = Masking {
            kind: &kind,
            paths: None,
            otherwise,
            format: self.format,
            catalog: &Catalog::default(),
            key: self.screening.key.unwrap_or(&no_key),
        };
        let start = out.len();
        match scalar::mask(masking, scalar, value, out) {
            Ok(()) => Ok(true),
            Err(not) => {
                out.truncate(start);
                Err(match not {
                    Not::Unfit => otherwise.into(),
                    Not::Malformed => Stop::Null,
                })
            }
        }
    }
}

fn json_piece(screening: &mut Screening<'_>, piece: Piece<'_>) -> Change {
    match piece {
        Piece::Number(number) => {
            if !screening.screen.minds_number(number.len()) {
                return Change::Keep;
            }
            let Some((kind, otherwise)) = screening.whole(number, "json") else {
                return Change::Keep;
            };
            let no_key = MaskKey::new([]);
            let key = screening.key.unwrap_or(&no_key);
            match (change(scan::Scalar::Number(number), &kind, key), otherwise) {
                (Some(new), _) => Change::New(new),
                (None, Otherwise::Null) => Change::New(New::Null),
                (None, Otherwise::Refuse) => Change::Refuse,
            }
        }
        Piece::Text(piece) => match screening.text(piece, "json", Around::Nothing) {
            Found::Nothing => Change::Keep,
            Found::Text(new) => Change::New(New::Text(new)),
            Found::Null => Change::New(New::Null),
        },
        Piece::Name(piece) => match screening.text(piece, "json", Around::Nothing) {
            Found::Nothing => Change::Keep,
            Found::Text(new) => Change::New(New::Text(new)),
            Found::Null => Change::New(New::Text(text::FULL.to_owned())),
        },
    }
}

/// Bytes as characters of their own.
fn bytewise(value: &[u8]) -> String {
    value.iter().copied().map(char::from).collect()
}

/// Whether a text that people write does not have it.
fn is_control(byte: u8) -> bool {
    byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests;
