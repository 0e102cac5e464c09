//! Domain names: as they are on the wire, and as rules and recordings write them.
//!
//! Source: RFC 1035 section 3.1 and 4.1.4, RFC 4343 for what case means, RFC 4343 section 2.1 for
//! bytes that are no plain characters.

use std::fmt::Write as _;

use super::Malformed;
use crate::cursor::Cursor;

/// A name is at most so long, in bytes on the wire, the root's empty label included.
pub const MAX_NAME: usize = 255;
/// A label is at most so long, in bytes.
pub const MAX_LABEL: usize = 63;
/// The two high bits of a length byte that make it a pointer to an earlier place.
const POINTER: u8 = 0xc0;

/// A domain name without compression, in the case in which it came. Names are equal whatever the
/// case of their letters.
#[derive(Clone, Debug)]
pub struct Name(Box<[u8]>);

impl Name {
    /// The root, which has no label.
    pub fn root() -> Self {
        Self([0].into())
    }

    /// Reads the name at byte `at` of `message`; gives it with the place behind it.
    ///
    /// A pointer may only lead to a place before all that was read of the name so far, so that this
    /// ends.
    pub(super) fn read(message: &[u8], at: usize) -> Result<(Self, usize), Malformed> {
        let mut wire = Vec::new();
        let (mut from, mut end) = (at, None);
        let mut cursor = Cursor::new(message.get(at..).ok_or(Malformed)?);
        loop {
            let length = cursor.u8().ok_or(Malformed)?;
            if length & POINTER == POINTER {
                let low = cursor.u8().ok_or(Malformed)?;
                let to = usize::from(u16::from_be_bytes([length & !POINTER, low]));
                end = end.or(Some(message.len() - cursor.rest().len()));
                if to >= from {
                    return Err(Malformed);
                }
                from = to;
                cursor = Cursor::new(message.get(to..).ok_or(Malformed)?);
                continue;
            }
            let label = cursor.bytes(usize::from(length)).ok_or(Malformed)?;
            if label.len() > MAX_LABEL || wire.len() + 1 + label.len() > MAX_NAME {
                return Err(Malformed);
            }
            wire.push(length);
            wire.extend_from_slice(label);
            if label.is_empty() {
                let end = end.unwrap_or(message.len() - cursor.rest().len());
                return Ok((Self(wire.into()), end));
            }
        }
    }

    /// The name of a host or zone as people write it: letters, digits, `-` and `_`, with or
    /// without the last dot. `None` if it is none.
    pub fn host(text: &str) -> Option<Self> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            if label.is_empty() || label.len() > MAX_LABEL || !label.bytes().all(plain) {
                return None;
            }
            wire.push(u8::try_from(label.len()).ok()?);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        (wire.len() <= MAX_NAME).then(|| Self(wire.into()))
    }

    /// Its bytes on the wire, without compression.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// Its labels, from the left, without the root's.
    pub fn labels(&self) -> impl Iterator<Item = &[u8]> {
        let mut cursor = Cursor::new(&self.0);
        std::iter::from_fn(move || {
            let length = cursor.u8().filter(|length| *length > 0)?;
            cursor.bytes(usize::from(length))
        })
    }

    /// As rules and recordings write it: in lower case, without the last dot, `.` for the root. A
    /// dot or a backslash within a label has a backslash before it, a byte that is no visible
    /// character is `\` with three digits.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        for label in self.labels() {
            if !text.is_empty() {
                text.push('.');
            }
            for byte in label {
                match byte {
                    b'.' | b'\\' => text.extend(['\\', char::from(*byte)]),
                    0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
                    // Writing to a string does not fail.
                    _ => write!(text, "\\{byte:03}").unwrap_or_default(),
                }
            }
        }
        if text.is_empty() {
            text.push('.');
        }
        text
    }

    /// In lower case.
    #[must_use]
    pub fn lower(&self) -> Self {
        // Length bytes are below any letter.
        Self(self.0.to_ascii_lowercase().into())
    }

    /// The name of its last `labels` labels.
    #[must_use]
    pub fn last(&self, labels: usize) -> Self {
        let count = self.labels().count();
        let skipped = self.labels().take(count.saturating_sub(labels));
        let from: usize = skipped.map(|label| label.len() + 1).sum();
        Self(self.0.get(from..).unwrap_or(&[0]).into())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Name {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8], at: usize) -> Option<(String, usize)> {
        let (name, end) = Name::read(message, at).ok()?;
        Some((name.text(), end))
    }

    #[test]
    fn names_are_read_with_and_without_pointers() {
        let message = b"\x02DB\x08internal\0\x03www\xc0\x00";
        assert_eq!(read(message, 0), Some(("db.internal".to_owned(), 13)));
        assert_eq!(read(message, 13), Some(("www.db.internal".to_owned(), 19)));
        assert_eq!(read(b"\0", 0), Some((".".to_owned(), 1)));
    }

    #[test]
    fn pointers_lead_backwards_only() {
        for message in [
            b"\xc0\x00".as_slice(),
            b"\x01a\xc0\x00",
            b"\xc0\x02\xc0\x00",
            b"\x01a\xc0\x09",
            b"\x41",
            b"\x01",
            b"",
        ] {
            assert_eq!(read(message, 0), None, "{message:?}");
        }
    }

    #[test]
    fn names_have_an_end() {
        let label = [[1, b'a']; 127].concat();
        assert!(read(&[label.as_slice(), &[0]].concat(), 0).is_some());
        let label = [[1, b'a']; 128].concat();
        assert!(read(&[label.as_slice(), &[0]].concat(), 0).is_none());
    }

    #[test]
    fn bytes_that_pose_as_dots_are_told_apart() {
        let message = b"\x03a.b\x02\\\x00\x01\xe9\0";
        assert_eq!(read(message, 0).unwrap().0, "a\\.b.\\\\\\000.\\233");
    }

    #[test]
    fn hosts_are_what_people_write() {
        assert_eq!(Name::host("DB.internal.").unwrap().text(), "db.internal");
        assert_eq!(Name::host("_pg.db-1.x").unwrap().text(), "_pg.db-1.x");
        for text in ["", ".", "a..b", "a b", "é", &"a".repeat(64)] {
            assert!(Name::host(text).is_none(), "{text}");
        }
        let last = Name::host("a.b.c").unwrap();
        assert_eq!(last.last(2).text(), "b.c");
        assert_eq!(last.last(9).text(), "a.b.c");
    }
}
