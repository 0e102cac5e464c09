//! Rows of results: which of their columns are masked, and the rows with these masked.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::super::codec::PostgresCodec;
use super::super::value::{self, Done, Format, How};
use super::super::wire::{self, Head};
use super::copied::Copying;
use super::{Masked, Traced};
use crate::cursor::Cursor;
use crate::mask::Mask;
use crate::protocols::{CodecError, GATHER_LIMIT, Step};
use crate::sql::postgres::lineage::{Output, Outputs, Statement};

/// So many bytes of masked rows are made at a time.
const BATCH: usize = 64 << 10;

/// What is known of the results of a message that runs.
#[derive(Debug)]
pub(in super::super) struct Results {
    pub(super) traced: Traced,
    /// Which of its statements returns something now.
    at: usize,
    /// The columns of the rows that come now, once they are described.
    columns: Option<Arc<[Cell]>>,
    /// What is copied out now.
    pub(super) copying: Option<Copying>,
}

/// One column of what comes.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) hidden: Hidden,
    pub(super) ty: u32,
    pub(super) format: Format,
}

/// How a column is masked.
#[derive(Debug)]
pub(super) enum Hidden {
    /// It is not.
    No,
    /// By this mask.
    By(Arc<Mask>),
    /// Fully.
    Whole,
}

impl Hidden {
    /// How a column is masked whose origin is known, or is not.
    pub(super) fn of(outputs: Option<&Outputs>, index: usize) -> Self {
        match outputs {
            Some(Outputs::Clean) => Self::No,
            Some(Outputs::Columns(columns)) => match columns.get(index) {
                Some(Output::Clean) => Self::No,
                Some(Output::Copy(mask)) => Self::By(Arc::clone(mask)),
                Some(Output::Full) | None => Self::Whole,
            },
            Some(Outputs::Unknown) | None => Self::Whole,
        }
    }

    /// With what the server says of the column: that it is one of a table is true, whatever was read
    /// in the statement.
    fn with_origin(self, masked: &Masked, relation: u32, column: i16) -> Self {
        match (masked.origin(relation, column), self) {
            (Some(Some(mask)), _) => Self::By(mask),
            (Some(None), Self::Whole) => Self::No,
            (_, hidden) => hidden,
        }
    }
}

impl Cell {
    /// Appends the value masked; says whether it is NULL now.
    pub(super) fn mask(
        &self,
        value: &[u8],
        masked: &Masked,
        out: &mut BytesMut,
    ) -> Result<bool, CodecError> {
        let how = match &self.hidden {
            Hidden::No => {
                out.put_slice(value);
                return Ok(false);
            }
            Hidden::By(mask) => How::Mask(mask),
            Hidden::Whole => How::Full,
        };
        let start = out.len();
        match value::mask(
            value,
            self.ty,
            self.format,
            how,
            masked.catalog(),
            masked.key(),
            out,
        ) {
            Done::Written => Ok(false),
            Done::Null => {
                out.truncate(start);
                Ok(true)
            }
            Done::Refused => Err(CodecError::Unsupported(
                "a value cannot be masked in the way that its mask demands: leave its column out",
            )),
        }
    }
}

impl Results {
    pub(in super::super) fn new(traced: Traced) -> Self {
        Self {
            traced,
            at: 0,
            columns: None,
            copying: None,
        }
    }

    pub(in super::super) fn traced(&self) -> &Traced {
        &self.traced
    }

    /// The statement that returns something now; none if nothing is known of it.
    pub(super) fn statement(&self) -> Option<&Statement> {
        self.traced.statement(self.at)
    }

    /// What the server says may tell values.
    pub(super) fn touches(&self) -> bool {
        self.statement().is_none_or(|statement| statement.touches)
    }

    /// The statement has come to its end.
    pub(in super::super) fn next(&mut self) {
        self.at += 1;
        self.columns = None;
        self.copying = None;
    }

    /// Reads `RowDescription`.
    fn describe(&mut self, mut body: Cursor<'_>) -> Option<()> {
        let masked = Arc::clone(&self.traced.masked);
        let outputs = self.statement().map(|statement| &statement.outputs);
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
            columns.push(Cell {
                hidden: Hidden::of(counted, index).with_origin(&masked, relation, column),
                ty,
                format,
            });
        }
        self.columns = Some(columns.into());
        Some(())
    }

    /// The columns of a row, if any of them is masked.
    fn hidden(&self) -> Result<Option<&Arc<[Cell]>>, CodecError> {
        match &self.columns {
            Some(columns) => {
                let any = columns
                    .iter()
                    .any(|cell| !matches!(cell.hidden, Hidden::No));
                Ok(any.then_some(columns))
            }
            None => match self.statement().map(|statement| &statement.outputs) {
                Some(Outputs::Clean) => Ok(None),
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
        let masked = Arc::clone(&results.traced.masked);
        if head.len > GATHER_LIMIT {
            return Err(TOO_LONG);
        }
        if input.len() < head.len {
            return Ok(Some(None));
        }
        let (mut taken, mut out) = (0, BytesMut::with_capacity(input.len().min(BATCH) + 256));
        let mut next = Some(head);
        while let Some(head) = next {
            let Some(row) = input.get(taken..taken + head.len) else {
                break;
            };
            if self.is_beyond(head, 1) {
                match taken {
                    0 => return Ok(Some(Some(Step::Discard(head.len)))),
                    _ => break,
                }
            }
            mask_row(row, &columns, &masked, &mut out)?;
            self.data(head);
            taken += head.len;
            let rest = input.get(taken..).unwrap_or_default();
            next = wire::server_head(rest)?
                .filter(|head| head.tag == b'D' && head.len <= GATHER_LIMIT && out.len() < BATCH);
        }
        Ok(Some(Some(Step::Replace(taken, out.freeze()))))
    }
}

pub(super) const TOO_LONG: CodecError = CodecError::Unsupported(
    "a row of more than 1 MiB cannot be masked: ask for fewer or smaller columns",
);
const INVALID: CodecError = CodecError::Server("sent an invalid row");

/// Appends a `DataRow` with its columns masked. What is not masked is copied in runs.
fn mask_row(
    row: &[u8],
    columns: &[Cell],
    masked: &Masked,
    out: &mut BytesMut,
) -> Result<(), CodecError> {
    let start = out.len();
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
        if matches!(cell.hidden, Hidden::No) {
            continue;
        }
        let unmasked = run.len() - before.rest().len();
        out.put_slice(run.get(..unmasked).unwrap_or_default());
        run = cursor.rest();
        put_masked(cell, value, masked, out)?;
    }
    if !cursor.rest().is_empty() {
        return Err(INVALID);
    }
    out.put_slice(run);
    put_length(out, start + 1, start + 1);
    Ok(())
}

/// Appends a value as a column of a row has it: its length, then its bytes.
pub(super) fn put_masked(
    cell: &Cell,
    value: &[u8],
    masked: &Masked,
    out: &mut BytesMut,
) -> Result<(), CodecError> {
    let at = out.len();
    out.put_u32(u32::MAX);
    if !cell.mask(value, masked, out)? {
        put_length(out, at, at + 4);
    }
    Ok(())
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
    use crate::secret::Secret;
    use crate::sql::postgres::lineage::catalog::Catalog;
    use crate::sql::postgres::lineage::edition::Edition;

    /// The number of the type `text`.
    const TEXT: u32 = 25;

    pub(in super::super) fn masked() -> Masked {
        let (catalog, masks) = (Arc::new(Catalog::default()), Arc::new(MaskSet::default()));
        Masked::new(catalog, masks, Secret::new([7; 32]), Edition::default())
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
        mask_row(&row(values), &columns, &masked(), &mut out).unwrap();
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
            mask_row(row, &columns, &masked(), &mut out).is_err()
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
