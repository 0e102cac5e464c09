//! Values as `COPY` writes them in text and CSV, and back.
//!
//! Source: PostgreSQL documentation, `COPY`, "File Formats".

use bytes::{BufMut as _, BytesMut};

use crate::sql::postgres::lineage::{CopyFormat, CopyKind};

/// Whether what is written is NULL and can be nothing else. CSV has a value in quotes that is written as NULL is;
/// in the text format only `\N` is no value's.
pub(super) fn is_null(field: &[u8], format: &CopyFormat) -> bool {
    let is_sure = format.kind == CopyKind::Csv || *format.null == *b"\\N";
    is_sure && *field == *format.null
}

/// Appends a value in quotes, as CSV has it.
pub(super) fn quoted(value: &[u8], format: &CopyFormat, out: &mut BytesMut) {
    out.put_u8(format.quote);
    for byte in value {
        if *byte == format.quote || *byte == format.escape {
            out.put_u8(format.escape);
        }
        out.put_u8(*byte);
    }
    out.put_u8(format.quote);
}

/// Where a value of the text format ends.
pub(super) fn end_of_text(row: &[u8], delimiter: u8) -> usize {
    let mut at = 0;
    while let Some(byte) = row.get(at) {
        match *byte {
            byte if byte == delimiter => break,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at.min(row.len())
}

/// A value of the text format as it is.
pub(super) fn unescaped(field: &[u8]) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(field.len());
    let mut bytes = field.iter();
    while let Some(byte) = bytes.next() {
        value.push(match byte {
            b'\\' => match bytes.next()? {
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => *other,
            },
            byte => *byte,
        });
    }
    Some(value)
}

pub(super) fn escaped(value: &[u8], delimiter: u8, out: &mut BytesMut) {
    for byte in value {
        let letter = match byte {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            byte if *byte == delimiter => *byte,
            byte => {
                out.put_u8(*byte);
                continue;
            }
        };
        out.put_slice(&[b'\\', letter]);
    }
}

/// Where a value of a CSV row ends, and the value.
pub(super) fn csv_field(row: &[u8], format: &CopyFormat) -> Option<(usize, Vec<u8>)> {
    if row.first() != Some(&format.quote) {
        let end = row.iter().position(|byte| *byte == format.delimiter);
        let end = end.unwrap_or(row.len());
        return Some((end, row.get(..end)?.to_vec()));
    }
    let mut value = Vec::new();
    let (end, _) = quoted_value(row, 1, format, |byte| value.push(byte));
    Some((end?, value))
}

/// Where a value in quotes ends, its quotes with it, of which the bytes from `at` on are here; and from where on it
/// goes on where its end is not here.
pub(super) fn quoted_value(
    bytes: &[u8],
    mut at: usize,
    format: &CopyFormat,
    mut put: impl FnMut(u8),
) -> (Option<usize>, usize) {
    while let Some(byte) = bytes.get(at).copied() {
        let next = bytes.get(at + 1).copied();
        let escapes = next.filter(|next| *next == format.quote || *next == format.escape);
        match escapes {
            Some(next)
                if byte == format.escape && (byte != format.quote || next == format.quote) =>
            {
                put(next);
                at += 2;
            }
            // What comes next may tell something else.
            None if next.is_none() && byte == format.escape && byte != format.quote => break,
            _ if byte == format.quote => return (Some(at + 1), at),
            _ => {
                put(byte);
                at += 1;
            }
        }
    }
    (None, at)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn csv() -> CopyFormat {
        CopyFormat {
            kind: CopyKind::Csv,
            delimiter: b',',
            null: Box::default(),
            quote: b'"',
            escape: b'"',
            header: false,
            types: Box::default(),
        }
    }

    #[test]
    fn text_values_come_back() {
        for value in [&b"a\tb\\c\n"[..], b"", b"\x08\x0c\x0b\r", b"plain"] {
            let mut out = BytesMut::new();
            escaped(value, b'\t', &mut out);
            assert_eq!(end_of_text(&out, b'\t'), out.len());
            assert_eq!(unescaped(&out).as_deref(), Some(value));
        }
        assert_eq!(end_of_text(b"a\\\tb\tc", b'\t'), 4);
        assert_eq!(unescaped(b"a\\"), None);
    }

    #[test]
    fn csv_values_are_read_as_the_server_writes_them() {
        let read = |row: &[u8], format: &CopyFormat| csv_field(row, format);
        assert_eq!(read(b"a,b", &csv()), Some((1, b"a".to_vec())));
        assert_eq!(read(b",b", &csv()), Some((0, Vec::new())));
        assert_eq!(
            read(b"\"a,\"\"b\n\",c", &csv()),
            Some((8, b"a,\"b\n".to_vec()))
        );
        assert_eq!(read(b"\"\"", &csv()), Some((2, Vec::new())));
        assert_eq!(read(b"\"a", &csv()), None);
        let other = CopyFormat {
            quote: b'\'',
            escape: b'\\',
            ..csv()
        };
        assert_eq!(read(b"'a\\'b\\\\',c", &other), Some((8, b"a'b\\".to_vec())));
    }
}
