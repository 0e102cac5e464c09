//! What `COPY … TO STDOUT` writes: its rows, in text, CSV or binary, with their columns masked.
//!
//! Source: PostgreSQL documentation, `COPY`, "File Formats". The server sends each row in a message of its own,
//! and in the binary format the header with the first; whatever comes otherwise ends the session.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::super::codec::PostgresCodec;
use super::super::value::Format;
use super::super::wire::{self, Head};
use super::Masked;
use super::rows::{Cell, Hidden, TOO_LONG, put_length, put_masked};
use crate::cursor::Cursor;
use crate::protocols::{CodecError, GATHER_LIMIT, Step};
use crate::sql::postgres::lineage::{CopyFormat, CopyKind, Outputs};

/// What a file in the binary format begins with.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";

const INVALID: CodecError = CodecError::Server("copied out an invalid row");
const OTHERWISE: CodecError = CodecError::Server("copies out in another way than it was asked for");

/// What is copied out.
#[derive(Debug)]
pub(in super::super) struct Copying {
    format: CopyFormat,
    columns: Arc<[Cell]>,
    /// The header has not come yet.
    begins: bool,
}

impl PostgresCodec {
    /// `CopyOutResponse`.
    pub(in super::super) fn copies_out(&mut self, mut body: Cursor<'_>) -> Result<(), CodecError> {
        let Some(results) = self.results() else {
            return Ok(());
        };
        let statement = results.statement();
        if statement.is_some_and(|statement| matches!(statement.outputs, Outputs::Clean)) {
            return Ok(());
        }
        let Some((statement, format)) =
            statement.and_then(|statement| Some((statement, statement.copy.clone()?)))
        else {
            return Err(CodecError::Unsupported(
                "what is copied out here cannot be told, and so not be masked: use SELECT",
            ));
        };
        let binary = body.u8().ok_or(OTHERWISE)? == 1;
        let count = usize::from(body.u16().ok_or(OTHERWISE)?);
        if binary != (format.kind == CopyKind::Binary) {
            return Err(OTHERWISE);
        }
        let counted = match &statement.outputs {
            Outputs::Columns(columns) if columns.len() != count => None,
            outputs => Some(outputs),
        };
        let columns = (0..count).map(|index| Cell {
            hidden: Hidden::of(counted, index),
            ty: match format.types.len() == count {
                true => format.types.get(index).copied().unwrap_or(0),
                false => 0,
            },
            format: match binary {
                true => Format::Binary,
                false => Format::Text,
            },
        });
        let copying = Copying {
            columns: columns.collect(),
            format,
            begins: true,
        };
        results.copying = Some(copying);
        Ok(())
    }

    /// Masks the copied row at the head of `input`. `None` if it passes as it is, `Some(None)` if more input
    /// is needed.
    #[expect(
        clippy::option_option,
        reason = "not masked is not the same as not there yet"
    )]
    pub(in super::super) fn masked_copy(
        &mut self,
        head: Head,
        input: &[u8],
    ) -> Result<Option<Option<Step>>, CodecError> {
        let Some(results) = self.expected()? else {
            return Ok(None);
        };
        let masked = Arc::clone(results.traced.masked());
        let is_clean = results
            .statement()
            .is_some_and(|statement| matches!(statement.outputs, Outputs::Clean));
        let Some(copying) = &mut results.copying else {
            return match is_clean {
                true => Ok(None),
                false => Err(OTHERWISE),
            };
        };
        if head.len > GATHER_LIMIT {
            return Err(TOO_LONG);
        }
        let Some(message) = input.get(..head.len) else {
            return Ok(Some(None));
        };
        let data = message.get(wire::HEAD..).unwrap_or_default();
        let mut out = BytesMut::with_capacity(head.len + 64);
        out.put_u8(b'd');
        out.put_u32(0);
        copying.row(data, &masked, &mut out)?;
        put_length(&mut out, 1, 1);
        let is_end = data == [0xff, 0xff];
        if self.is_beyond(head, u64::from(!is_end)) {
            return Ok(Some(Some(Step::Discard(head.len))));
        }
        self.data(head);
        Ok(Some(Some(Step::Replace(head.len, out.freeze()))))
    }
}

impl Copying {
    fn row(&mut self, data: &[u8], masked: &Masked, out: &mut BytesMut) -> Result<(), CodecError> {
        let is_first = std::mem::take(&mut self.begins);
        if self.format.kind == CopyKind::Binary {
            return self.binary(data, is_first, masked, out);
        }
        if is_first && self.format.header {
            out.put_slice(data);
            return Ok(());
        }
        let row = data.strip_suffix(b"\n").ok_or(INVALID)?;
        match self.format.kind {
            CopyKind::Text => self.text(row, masked, out)?,
            CopyKind::Csv => self.csv(row, masked, out)?,
            CopyKind::Binary => {}
        }
        out.put_u8(b'\n');
        Ok(())
    }

    /// A row of tab-separated values: a delimiter within one is escaped.
    fn text(&self, row: &[u8], masked: &Masked, out: &mut BytesMut) -> Result<(), CodecError> {
        let mut rest = Some(row);
        for (index, cell) in self.columns.iter().enumerate() {
            let here = rest.ok_or(INVALID)?;
            let end = end_of_text(here, self.format.delimiter);
            let (field, after) = here.split_at(end);
            rest = after.split_first().map(|(_delimiter, after)| after);
            if index > 0 {
                out.put_u8(self.format.delimiter);
            }
            if matches!(cell.hidden, Hidden::No) || *field == *self.format.null {
                out.put_slice(field);
                continue;
            }
            let value = unescaped(field).ok_or(INVALID)?;
            let mut hidden = BytesMut::new();
            match cell.mask(&value, masked, &mut hidden)? {
                true => out.put_slice(&self.format.null),
                false => escaped(&hidden, self.format.delimiter, out),
            }
        }
        // A row of no columns is an empty line.
        match rest {
            None => Ok(()),
            Some([]) if self.columns.is_empty() => Ok(()),
            Some(_) => Err(INVALID),
        }
    }

    /// A row of comma-separated values: a delimiter within one is in quotes.
    fn csv(&self, row: &[u8], masked: &Masked, out: &mut BytesMut) -> Result<(), CodecError> {
        let format = &self.format;
        let mut rest = Some(row);
        for (index, cell) in self.columns.iter().enumerate() {
            let here = rest.ok_or(INVALID)?;
            let (end, value) = csv_field(here, format).ok_or(INVALID)?;
            let (field, after) = here.split_at_checked(end).ok_or(INVALID)?;
            rest = match after.split_first() {
                None => None,
                Some((delimiter, after)) if *delimiter == format.delimiter => Some(after),
                Some(_) => return Err(INVALID),
            };
            if index > 0 {
                out.put_u8(format.delimiter);
            }
            // A quoted value is never NULL.
            if matches!(cell.hidden, Hidden::No) || *field == *format.null {
                out.put_slice(field);
                continue;
            }
            let mut hidden = BytesMut::new();
            if cell.mask(&value, masked, &mut hidden)? {
                out.put_slice(&format.null);
                continue;
            }
            out.put_u8(format.quote);
            for byte in hidden {
                if byte == format.quote || byte == format.escape {
                    out.put_u8(format.escape);
                }
                out.put_u8(byte);
            }
            out.put_u8(format.quote);
        }
        match rest {
            None => Ok(()),
            Some([]) if self.columns.is_empty() => Ok(()),
            Some(_) => Err(INVALID),
        }
    }

    fn binary(
        &self,
        data: &[u8],
        is_first: bool,
        masked: &Masked,
        out: &mut BytesMut,
    ) -> Result<(), CodecError> {
        let mut cursor = Cursor::new(data);
        if is_first {
            let signature = cursor.bytes(SIGNATURE.len()).ok_or(INVALID)?;
            let (flags, extension) = (cursor.u32(), cursor.u32());
            // With anything else, rows would be written in another way.
            if signature != SIGNATURE || flags != Some(0) || extension != Some(0) {
                return Err(INVALID);
            }
            out.put_slice(SIGNATURE);
            out.put_u64(0);
        }
        while !cursor.rest().is_empty() {
            let count = cursor.u16().ok_or(INVALID)?;
            if count == u16::MAX {
                out.put_u16(count);
                continue;
            }
            if usize::from(count) != self.columns.len() {
                return Err(INVALID);
            }
            out.put_u16(count);
            for cell in &*self.columns {
                let length = cursor.u32().ok_or(INVALID)?;
                if length == u32::MAX {
                    out.put_u32(length);
                    continue;
                }
                let length = usize::try_from(length).map_err(|_| INVALID)?;
                put_masked(cell, cursor.bytes(length).ok_or(INVALID)?, masked, out)?;
            }
        }
        Ok(())
    }
}

/// Where a value of the text format ends.
fn end_of_text(row: &[u8], delimiter: u8) -> usize {
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
fn unescaped(field: &[u8]) -> Option<Vec<u8>> {
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

fn escaped(value: &[u8], delimiter: u8, out: &mut BytesMut) {
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
fn csv_field(row: &[u8], format: &CopyFormat) -> Option<(usize, Vec<u8>)> {
    if row.first() != Some(&format.quote) {
        let end = row.iter().position(|byte| *byte == format.delimiter);
        let end = end.unwrap_or(row.len());
        return Some((end, row.get(..end)?.to_vec()));
    }
    let (mut value, mut at) = (Vec::new(), 1);
    loop {
        let byte = *row.get(at)?;
        let next = row.get(at + 1).copied();
        let escapes = next.is_some_and(|next| next == format.quote || next == format.escape);
        if byte == format.escape && escapes && (byte != format.quote || next == Some(format.quote))
        {
            value.push(next?);
            at += 2;
        } else if byte == format.quote {
            return Some((at + 1, value));
        } else {
            value.push(byte);
            at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::tests::{cell, masked};
    use super::*;

    fn csv() -> CopyFormat {
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

    #[track_caller]
    fn check(format: CopyFormat, row: &[u8], expected: Option<&[u8]>) {
        let value = match format.kind {
            CopyKind::Binary => Format::Binary,
            CopyKind::Text | CopyKind::Csv => Format::Text,
        };
        let mut copying = Copying {
            columns: Arc::new([cell(Hidden::No, value), cell(Hidden::Whole, value)]),
            format,
            begins: true,
        };
        let mut out = BytesMut::new();
        let done = copying.row(row, &masked(), &mut out);
        assert_eq!(done.ok().map(|()| &out[..]), expected);
    }

    fn text() -> CopyFormat {
        CopyFormat {
            kind: CopyKind::Text,
            delimiter: b'\t',
            null: b"\\N"[..].into(),
            ..csv()
        }
    }

    #[test]
    fn columns_of_texts_are_masked() {
        check(text(), b"1\tada\n", Some(b"1\t****\n"));
        check(text(), b"1\\t2\ta\\tb\n", Some(b"1\\t2\t****\n"));
        check(text(), b"\\N\t\\N\n", Some(b"\\N\t\\N\n"));
        for bad in [
            &b"1\n"[..],
            b"1\t2\t3\n",
            b"1\t2",
            b"",
            b"\n",
            b"1\tada\\\n",
        ] {
            check(text(), bad, None);
        }
        check(csv(), b"1,ada\n", Some(b"1,\"****\"\n"));
        check(csv(), b"\"1,2\",\"a,\"\"b\"\n", Some(b"\"1,2\",\"****\"\n"));
        check(csv(), b"1,\n", Some(b"1,\n"));
        check(csv(), b"1,\"\"\n", Some(b"1,\"****\"\n"));
        for bad in [&b"1\n"[..], b"1,2,3\n", b"1,\"2\n", b"1,\"2\"3\n", b"1,2"] {
            check(csv(), bad, None);
        }
        let headed = CopyFormat {
            header: true,
            ..csv()
        };
        check(headed, b"id,name\n", Some(b"id,name\n"));
    }

    #[test]
    fn binary_columns_are_masked() {
        let format = CopyFormat {
            kind: CopyKind::Binary,
            ..csv()
        };
        let header = [SIGNATURE, &[0; 8]].concat();
        let row = |value: &[u8]| {
            let length = u32::try_from(value.len()).unwrap().to_be_bytes();
            [&b"\0\x02\0\0\0\x01a"[..], &length, value].concat()
        };
        let end = b"\xff\xff";
        let file = |value: &[u8]| [&header, &row(value)[..], end].concat();
        check(format.clone(), &file(b"ada"), Some(&file(b"****")));
        check(
            format.clone(),
            &[&header, &end[..]].concat(),
            Some(&[&header, &end[..]].concat()),
        );
        check(format.clone(), &row(b"ada"), None);
        check(
            format.clone(),
            &[&header, &b"\0\x01\0\0\0\x01a"[..]].concat(),
            None,
        );
        let whole = file(b"ada");
        check(format, whole.get(..whole.len() - 3).unwrap(), None);
    }
}
