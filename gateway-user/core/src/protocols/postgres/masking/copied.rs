//! What `COPY … TO STDOUT` writes: its rows, in text, CSV or binary, with their columns masked, and with what
//! is found in any.
//!
//! Source: PostgreSQL documentation, `COPY`, "File Formats". The server sends each row in a message of its own,
//! and in the binary format the header with the first; whatever comes otherwise ends the session.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::super::codec::PostgresCodec;
use super::super::value::Format;
use super::super::wire::{self, Head};
use super::cell::{By, Cell, Hidden, Put};
use super::encodings::Brought;
use super::fields::{csv_field, end_of_text, escaped, is_null, quoted, unescaped};
use super::long::Written;
use super::rows::{TOO_LONG, not_too_long, put_length, put_masked};
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
        let outputs = results.outputs();
        if matches!(outputs, Some(Outputs::Clean)) && results.screen.is_none() {
            return Ok(());
        }
        let Some((outputs, format)) = outputs.zip(results.copy().cloned()) else {
            return Err(CodecError::Unsupported(
                "what is copied out here cannot be told, and so not be masked: use SELECT",
            ));
        };
        let binary = body.u8().ok_or(OTHERWISE)? == 1;
        let count = usize::from(body.u16().ok_or(OTHERWISE)?);
        if binary != (format.kind == CopyKind::Binary) {
            return Err(OTHERWISE);
        }
        let brought = results.traced.as_ref().map(|it| it.brought);
        if !binary && brought == Some(Brought::Otherwise) && !matches!(outputs, Outputs::Clean) {
            return Err(CodecError::Unsupported(
                "rows are copied out here in an encoding in which they cannot be masked: use UTF8",
            ));
        }
        let counted = match outputs {
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
        let (masked, screen) = (results.masked(), results.screen.clone());
        let is_clean = matches!(results.outputs(), Some(Outputs::Clean)) && screen.is_none();
        if results.copying.is_none() {
            return match is_clean {
                true => Ok(None),
                false => Err(OTHERWISE),
            };
        }
        if head.len > GATHER_LIMIT {
            return self.begin_long_copy(head, input).map(Some);
        }
        let Some(message) = input.get(..head.len) else {
            return Ok(Some(None));
        };
        let data = message.get(wire::HEAD..).unwrap_or_default();
        let is_end = data == [0xff, 0xff];
        // What waited for answers is counted already.
        let counted = self.looking.until.take().is_some();
        let copying = self.results().and_then(|it| it.copying.take());
        let mut copying = copying.ok_or(OTHERWISE)?;
        let mut out = std::mem::take(&mut self.looking.rows);
        out.clear();
        out.put_u8(b'd');
        out.put_u32(0);
        // The header comes but once, and the row again if something has to be asked.
        let began = copying.begins;
        let mut by = By {
            masked: masked.as_deref(),
            ..Self::by(&mut self.looking, screen.as_deref())
        };
        let changed = copying.row(data, &mut by, &mut out)?;
        let asks = self.looking.must_ask();
        copying.begins = if asks { began } else { copying.begins };
        if let Some(results) = self.results() {
            results.copying = Some(copying);
        }
        // How long values were before they were masked decides nothing.
        let masked = not_too_long(Head {
            len: out.len(),
            ..head
        })?;
        if !counted && self.is_beyond(masked, u64::from(!is_end)) {
            self.looking.memory.forget();
            return Ok(Some(Some(Step::Discard(head.len))));
        }
        if asks {
            self.looking.until = Some(0);
            return Ok(Some(None));
        }
        self.looking.memory.forget();
        self.note_found();
        self.data(masked);
        if !changed {
            self.looking.rows = out;
            return Ok(Some(Some(Step::Pass(head.len))));
        }
        put_length(&mut out, 1, 1);
        Ok(Some(Some(Step::Replace(head.len, out.freeze()))))
    }
}

impl PostgresCodec {
    /// Begins with a copied row that is too long to be held. `None` if more input is needed.
    fn begin_long_copy(&mut self, head: Head, input: &[u8]) -> Result<Option<Step>, CodecError> {
        let copying = self.results().and_then(|it| it.copying.as_mut());
        let copying = copying.ok_or(OTHERWISE)?;
        let data = input.get(wire::HEAD..).unwrap_or_default();
        let Some((before, written)) = copying.begin_long(data)? else {
            return Ok(None);
        };
        let columns = Arc::clone(&copying.columns);
        let begin = input.get(..wire::HEAD + before).ok_or(INVALID)?;
        Ok(Some(self.begin_long(head, begin, columns, written)))
    }
}

impl Copying {
    /// Begins with a row that is too long to be held: what comes before its values, and how they are written.
    /// `None` if more input is needed.
    fn begin_long(&mut self, data: &[u8]) -> Result<Option<(usize, Written)>, CodecError> {
        let is_first = std::mem::take(&mut self.begins);
        if self.format.kind != CopyKind::Binary {
            return match is_first && self.format.header {
                true => Err(TOO_LONG),
                false => Ok(Some((0, Written::Fields(self.format.clone(), None)))),
            };
        }
        let header = if is_first { SIGNATURE.len() + 8 } else { 0 };
        let Some(begin) = data.get(..header + 2) else {
            self.begins = is_first;
            return Ok(None);
        };
        let mut cursor = Cursor::new(begin);
        let signature = cursor.bytes(header).ok_or(INVALID)?;
        let is_known = !is_first || signature == [SIGNATURE, &[0; 8]].concat();
        if !is_known || cursor.u16().map(usize::from) != Some(self.columns.len()) {
            return Err(INVALID);
        }
        Ok(Some((header + 2, Written::Values)))
    }

    /// Appends a row masked; says whether it is another now.
    fn row(
        &mut self,
        data: &[u8],
        by: &mut By<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, CodecError> {
        let is_first = std::mem::take(&mut self.begins);
        if self.format.kind == CopyKind::Binary {
            return self.binary(data, is_first, by, out);
        }
        if is_first && self.format.header {
            out.put_slice(data);
            return Ok(false);
        }
        let row = data.strip_suffix(b"\n").ok_or(INVALID)?;
        let changed = match self.format.kind {
            CopyKind::Text => self.text(row, by, out)?,
            CopyKind::Csv => self.csv(row, by, out)?,
            CopyKind::Binary => false,
        };
        out.put_u8(b'\n');
        Ok(changed)
    }

    /// A row of tab-separated values: a delimiter within one is escaped.
    fn text(&self, row: &[u8], by: &mut By<'_>, out: &mut BytesMut) -> Result<bool, CodecError> {
        let (mut rest, mut changed) = (Some(row), false);
        for (index, cell) in self.columns.iter().enumerate() {
            let here = rest.ok_or(INVALID)?;
            let end = end_of_text(here, self.format.delimiter);
            let (field, after) = here.split_at(end);
            rest = after.split_first().map(|(_delimiter, after)| after);
            if index > 0 {
                out.put_u8(self.format.delimiter);
            }
            if !cell.is_looked_at(by) || is_null(field, &self.format) {
                out.put_slice(field);
                continue;
            }
            let value = unescaped(field).ok_or(INVALID)?;
            changed |= put_field(&self.format, cell, field, &value, by, out)?;
        }
        // A row of no columns is an empty line.
        match rest {
            None => Ok(changed),
            Some([]) if self.columns.is_empty() => Ok(changed),
            Some(_) => Err(INVALID),
        }
    }

    /// A row of comma-separated values: a delimiter within one is in quotes.
    fn csv(&self, row: &[u8], by: &mut By<'_>, out: &mut BytesMut) -> Result<bool, CodecError> {
        let format = &self.format;
        let (mut rest, mut changed) = (Some(row), false);
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
            if !cell.is_looked_at(by) || is_null(field, format) {
                out.put_slice(field);
                continue;
            }
            changed |= put_field(format, cell, field, &value, by, out)?;
        }
        match rest {
            None => Ok(changed),
            Some([]) if self.columns.is_empty() => Ok(changed),
            Some(_) => Err(INVALID),
        }
    }

    fn binary(
        &self,
        data: &[u8],
        is_first: bool,
        by: &mut By<'_>,
        out: &mut BytesMut,
    ) -> Result<bool, CodecError> {
        let mut changed = false;
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
                changed |= put_masked(cell, cursor.bytes(length).ok_or(INVALID)?, by, out)?;
            }
        }
        Ok(changed)
    }
}

/// Appends a value of the text format or CSV, which is written as `field`, masked; says whether it is another
/// now.
pub(super) fn put_field(
    format: &CopyFormat,
    cell: &Cell,
    field: &[u8],
    value: &[u8],
    by: &mut By<'_>,
    out: &mut BytesMut,
) -> Result<bool, CodecError> {
    let mut hidden = std::mem::take(&mut by.scratch[1]);
    hidden.clear();
    let put = cell.mask(value, by, &mut hidden)?;
    match (put, format.kind) {
        (Put::Same, _) => out.put_slice(field),
        (Put::Null, _) => out.put_slice(&format.null),
        (Put::Written, CopyKind::Csv) => quoted(&hidden, format, out),
        (Put::Written, _) => escaped(&hidden, format.delimiter, out),
    }
    by.scratch[1] = hidden;
    Ok(put != Put::Same)
}

#[cfg(test)]
mod tests {
    use super::super::fields::tests::csv;
    use super::super::rows::tests::{cell, with};
    use super::*;

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
        let done = with(|by| copying.row(row, by, &mut out));
        assert_eq!(done.ok().map(|_| &out[..]), expected);
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
