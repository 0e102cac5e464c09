//! Rows of results: which of their columns are masked, and the rows with these masked, and with what is found
//! in any.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::super::codec::PostgresCodec;
use super::super::value::Format;
use super::super::wire::{self, Head};
use super::cell::{By, Cell, Hidden, Put};
use super::copied::Copying;
use super::screened::Copies;
use super::{Masked, Traced};
use crate::cursor::Cursor;
use crate::mask::screen::Screen;
use crate::protocols::{CodecError, GATHER_LIMIT, Step};
use crate::sql::postgres::lineage::{CopyFormat, Outputs, Statement};

/// So many bytes of masked rows are made at a time.
const BATCH: usize = 64 << 10;

/// What is known of the results of a message that runs.
#[derive(Debug)]
pub(in super::super) struct Results {
    /// Where its columns come from; none where no columns are masked.
    pub(super) traced: Option<Traced>,
    /// What is looked for in all of them.
    pub(super) screen: Option<Arc<Screen>>,
    /// How its statements copy out, where something is looked for.
    copies: Copies,
    /// Which of its statements returns something now.
    at: usize,
    /// The columns of the rows that come now, once they are described.
    columns: Option<Arc<[Cell]>>,
    /// What is copied out now.
    pub(super) copying: Option<Copying>,
}

impl Results {
    /// Of what does this; none where nothing is to be done with what it returns.
    pub(in super::super) fn new(
        traced: Option<Traced>,
        screen: Option<Arc<Screen>>,
        copies: Copies,
    ) -> Option<Box<Self>> {
        let any = traced.is_some() || screen.is_some();
        any.then(|| {
            Box::new(Self {
                traced,
                screen,
                copies,
                at: 0,
                columns: None,
                copying: None,
            })
        })
    }

    pub(in super::super) fn traced(&self) -> Option<&Traced> {
        self.traced.as_ref()
    }

    /// What its columns are masked by, where some are.
    pub(super) fn masked(&self) -> Option<Arc<Masked>> {
        self.traced.as_ref().map(|it| Arc::clone(&it.masked))
    }

    /// The statement that returns something now; none if nothing is known of it.
    pub(super) fn statement(&self) -> Option<&Statement> {
        self.traced.as_ref()?.statement(self.at)
    }

    /// What is known of where its columns come from; none if nothing is. Where none is masked they are all
    /// clean.
    pub(super) fn outputs(&self) -> Option<&Outputs> {
        match &self.traced {
            None => Some(&Outputs::Clean),
            Some(traced) => traced
                .statement(self.at)
                .map(|statement| &statement.outputs),
        }
    }

    /// How the statement copies out that does so now.
    pub(super) fn copy(&self) -> Option<&CopyFormat> {
        let traced = self
            .statement()
            .and_then(|statement| statement.copy.as_ref());
        traced.or_else(|| self.copies.get(self.at)?.as_ref())
    }

    /// Whether some statement returns something that is masked, or may.
    pub(in super::super) fn hides_something(&self) -> bool {
        let traced = self.traced.as_ref();
        traced.is_some_and(|it| !it.returns_nothing_masked())
    }

    /// What the server says may tell values.
    pub(super) fn touches(&self) -> bool {
        self.traced.is_some() && self.statement().is_none_or(|statement| statement.touches)
    }

    /// The statement has come to its end.
    pub(in super::super) fn next(&mut self) {
        self.at += 1;
        self.columns = None;
        self.copying = None;
    }

    /// Reads `RowDescription`.
    fn describe(&mut self, mut body: Cursor<'_>) -> Option<()> {
        let masked = self.masked();
        let outputs = self.outputs();
        let count = body.u16()?;
        let counted = match outputs {
            Some(Outputs::Columns(columns)) if columns.len() != usize::from(count) => None,
            outputs => outputs,
        };
        let mut columns = Vec::with_capacity(usize::from(count));
        for index in 0..usize::from(count) {
            let _name = body.cstr()?;
            let (relation, column) = (body.u32()?, body.u16()?);
            let ty = body.u32()?;
            let (_size, _modifier) = (body.u16()?, body.u32()?);
            let format = match body.u16()? {
                0 => Format::Text,
                _ => Format::Binary,
            };
            let column = i16::try_from(column).unwrap_or(0);
            let hidden = Hidden::of(counted, index);
            columns.push(Cell {
                hidden: match &masked {
                    Some(masked) => hidden.with_origin(masked, relation, column),
                    None => hidden,
                },
                ty,
                format,
            });
        }
        self.columns = Some(columns.into());
        Some(())
    }

    /// The columns of a row, if any of them is masked or looked at.
    fn hidden(&self) -> Result<Option<&Arc<[Cell]>>, CodecError> {
        match &self.columns {
            Some(columns) => {
                let any = columns
                    .iter()
                    .any(|cell| !matches!(cell.hidden, Hidden::No));
                Ok((any || self.screen.is_some()).then_some(columns))
            }
            None => match self.outputs() {
                Some(Outputs::Clean) if self.screen.is_none() => Ok(None),
                _ => Err(CodecError::Server("sent a row that it had not described")),
            },
        }
    }
}

impl PostgresCodec {
    /// `RowDescription` before the rows of a query, or in answer to the gateway's own question.
    pub(in super::super) fn rows_described(&mut self, body: Cursor<'_>) -> Result<(), CodecError> {
        match self.results() {
            Some(results) => results
                .describe(body)
                .ok_or(CodecError::Server("invalid RowDescription")),
            None => Ok(()),
        }
    }

    /// Masks the rows at the head of `input`. `None` if they pass as they are, `Some(None)` if more input
    /// is needed.
    #[expect(
        clippy::option_option,
        reason = "not masked is not the same as not there yet"
    )]
    pub(in super::super) fn masked_rows(
        &mut self,
        head: Head,
        input: &[u8],
    ) -> Result<Option<Option<Step>>, CodecError> {
        let Some(results) = self.expected()? else {
            return Ok(None);
        };
        let Some(columns) = results.hidden()?.map(Arc::clone) else {
            return Ok(None);
        };
        let (masked, screen) = (results.masked(), results.screen.clone());
        if head.len > GATHER_LIMIT {
            return self.begin_long_row(head, input, columns).map(Some);
        }
        if input.len() < head.len {
            return Ok(Some(None));
        }
        let mut out = std::mem::take(&mut self.looking.rows);
        out.clear();
        // What waited for answers is counted already.
        let counted = self.looking.until.is_some();
        let until = self.looking.until.unwrap_or(usize::MAX);
        let (mut taken, mut changed) = (0, false);
        let mut next = Some(head);
        while let Some(head) = next {
            let Some(row) = input.get(taken..taken + head.len) else {
                break;
            };
            let mut by = By {
                masked: masked.as_deref(),
                ..Self::by(&mut self.looking, screen.as_deref())
            };
            let whole = out.len();
            let made = mask_row(row, &columns, &mut by, &mut out);
            // How long values were before they were masked decides nothing.
            let masked = Head {
                len: out.len() - whole,
                ..head
            };
            match made.and_then(|other| not_too_long(masked).map(|_| other)) {
                Ok(_) if !counted && self.is_beyond(masked, 1) => {
                    if taken > 0 {
                        out.truncate(whole);
                        break;
                    }
                    self.looking.memory.forget();
                    self.looking.rows = out;
                    return Ok(Some(Some(Step::Discard(head.len))));
                }
                Ok(other) => changed |= other,
                // Those before it have been masked, and come first.
                Err(CodecError::Unsupported(_)) if taken > 0 => {
                    out.truncate(whole);
                    break;
                }
                Err(error) => return Err(error),
            }
            taken += head.len;
            let rest = input.get(taken..).unwrap_or_default();
            next = wire::server_head(rest)?.filter(|head| {
                let more = taken < until && out.len() < BATCH;
                head.tag == b'D' && head.len <= GATHER_LIMIT && more
            });
        }
        if self.looking.must_ask() {
            // What comes meanwhile is not part of the question.
            (self.looking.until, self.looking.rows) = (Some(taken), out);
            return Ok(Some(None));
        }
        self.looking.until = None;
        self.looking.memory.forget();
        self.note_found();
        self.count_rows(&out)?;
        if changed {
            return Ok(Some(Some(Step::Replace(taken, out.freeze()))));
        }
        self.looking.rows = out;
        Ok(Some(Some(Step::Pass(taken))))
    }

    /// Counts whole rows that are passed on, as they are then.
    fn count_rows(&mut self, mut rows: &[u8]) -> Result<(), CodecError> {
        while let Some(head) = wire::server_head(rows)? {
            self.data(head);
            rows = rows.get(head.len..).unwrap_or_default();
        }
        Ok(())
    }
}

pub(super) const TOO_LONG: CodecError = CodecError::Unsupported(
    "a row of more than 1 MiB cannot be masked: ask for fewer or smaller columns",
);
pub(super) const INVALID: CodecError = CodecError::Server("sent an invalid row");

/// A row that is masked by now, if it is not too long.
pub(super) fn not_too_long(masked: Head) -> Result<Head, CodecError> {
    match masked.len > GATHER_LIMIT {
        true => Err(TOO_LONG),
        false => Ok(masked),
    }
}

/// Appends a `DataRow` with its columns masked; says whether any of them is another now. What is not masked
/// is copied in runs.
fn mask_row(
    row: &[u8],
    columns: &[Cell],
    by: &mut By<'_>,
    out: &mut BytesMut,
) -> Result<bool, CodecError> {
    let start = out.len();
    let mut changed = false;
    let mut cursor = Cursor::new(row);
    let head = cursor.bytes(wire::HEAD).ok_or(INVALID)?;
    let count = cursor.u16().ok_or(INVALID)?;
    if usize::from(count) != columns.len() {
        return Err(CodecError::Server(
            "sent a row of other columns than it had described",
        ));
    }
    out.put_slice(head);
    out.put_u16(count);
    let mut run = cursor.rest();
    for cell in columns {
        let before = cursor;
        let length = cursor.u32().ok_or(INVALID)?;
        if length == u32::MAX {
            continue;
        }
        let length = usize::try_from(length).map_err(|_| INVALID)?;
        let value = cursor.bytes(length).ok_or(INVALID)?;
        if !cell.is_looked_at(by) {
            continue;
        }
        let unmasked = run.len() - before.rest().len();
        out.put_slice(run.get(..unmasked).unwrap_or_default());
        run = cursor.rest();
        changed |= put_masked(cell, value, by, out)?;
    }
    if !cursor.rest().is_empty() {
        return Err(INVALID);
    }
    out.put_slice(run);
    put_length(out, start + 1, start + 1);
    Ok(changed)
}

/// Appends a value as a column of a row has it: its length, then its bytes; says whether it is another now.
pub(super) fn put_masked(
    cell: &Cell,
    value: &[u8],
    by: &mut By<'_>,
    out: &mut BytesMut,
) -> Result<bool, CodecError> {
    let at = out.len();
    out.put_u32(u32::MAX);
    let put = cell.mask(value, by, out)?;
    if put == Put::Same {
        out.put_slice(value);
    }
    if put != Put::Null {
        put_length(out, at, at + 4);
    }
    Ok(put != Put::Same)
}

/// Appends a value that stays, in the same way.
pub(super) fn put_rest(value: &[u8], out: &mut BytesMut) {
    let at = out.len();
    out.put_u32(0);
    out.put_slice(value);
    put_length(out, at, at + 4);
}

/// Writes at `at` how many bytes there are from `from` on.
pub(super) fn put_length(out: &mut BytesMut, at: usize, from: usize) {
    let length = u32::try_from(out.len().saturating_sub(from)).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::mask::MaskSet;
    use crate::mask::screen::Memory;
    use crate::secret::Secret;
    use crate::sql::postgres::lineage::catalog::Catalog;
    use crate::sql::postgres::lineage::edition::Edition;

    /// The number of the type `text`.
    const TEXT: u32 = 25;

    fn masked() -> Masked {
        let (catalog, masks) = (Arc::new(Catalog::default()), Arc::new(MaskSet::default()));
        Masked::new(catalog, masks, Secret::new([7; 32]), Edition::default())
    }

    /// Runs with what columns are masked by.
    pub(in super::super) fn with<T>(run: impl FnOnce(&mut By<'_>) -> T) -> T {
        let masked = masked();
        let (mut memory, mut scratch) = (Memory::default(), Default::default());
        run(&mut By {
            masked: Some(&masked),
            screen: None,
            key: None,
            memory: &mut memory,
            scratch: &mut scratch,
        })
    }

    pub(in super::super) fn cell(hidden: Hidden, format: Format) -> Cell {
        Cell {
            hidden,
            ty: TEXT,
            format,
        }
    }

    fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = BytesMut::new();
        body.put_u8(b'D');
        body.put_u32(0);
        body.put_u16(u16::try_from(values.len()).unwrap());
        for value in values {
            match value {
                Some(value) => {
                    body.put_u32(u32::try_from(value.len()).unwrap());
                    body.put_slice(value);
                }
                None => body.put_u32(u32::MAX),
            }
        }
        put_length(&mut body, 1, 1);
        body.to_vec()
    }

    #[track_caller]
    fn check(hidden: &[bool], values: &[Option<&[u8]>], expected: &[Option<&[u8]>]) {
        let columns: Vec<Cell> = hidden
            .iter()
            .map(|hidden| match hidden {
                true => cell(Hidden::Whole, Format::Text),
                false => cell(Hidden::No, Format::Text),
            })
            .collect();
        let mut out = BytesMut::from(&b"before"[..]);
        let changed = with(|by| mask_row(&row(values), &columns, by, &mut out)).unwrap();
        assert_eq!(changed, values != expected);
        assert_eq!(out.strip_prefix(b"before"), Some(&row(expected)[..]));
    }

    #[test]
    fn what_is_hidden_is_masked_and_all_else_stays() {
        let (a, b, c): (&[u8], &[u8], &[u8]) = (b"ada", b"grace", b"jean");
        let stars: &[u8] = b"****";
        check(
            &[false, true, false],
            &[Some(a), Some(b), Some(c)],
            &[Some(a), Some(stars), Some(c)],
        );
        check(
            &[true, true],
            &[Some(a), Some(b)],
            &[Some(stars), Some(stars)],
        );
        check(
            &[true, false, true],
            &[None, Some(b), Some(c)],
            &[None, Some(b), Some(stars)],
        );
        check(&[false, false], &[Some(a), None], &[Some(a), None]);
        check(&[], &[], &[]);
    }

    #[test]
    fn a_row_that_is_not_as_described_does_not_pass() {
        let columns = [
            cell(Hidden::Whole, Format::Text),
            cell(Hidden::No, Format::Text),
        ];
        let refused = |row: &[u8]| {
            let mut out = BytesMut::new();
            with(|by| mask_row(row, &columns, by, &mut out)).is_err()
        };
        assert!(!refused(&row(&[Some(b"a"), Some(b"b")])));
        assert!(refused(&row(&[Some(b"a")])));
        assert!(refused(&row(&[Some(b"a"), Some(b"b"), Some(b"c")])));
        let whole = row(&[Some(b"a"), Some(b"b")]);
        for cut in 0..whole.len() {
            assert!(refused(whole.get(..cut).unwrap()), "{cut}");
        }
        assert!(refused(&[&whole[..], b"more"].concat()));
    }
}
