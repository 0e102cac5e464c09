//! Rows that are longer than what is held of one, masked value by value as they come.
//!
//! INVARIANT: whether such a row passes is decided by how long it is once it is masked, as with any row (`rows`),
//! and never by how long masked values were: what is made of these may be as long as whoever asks likes. A
//! conversation in `tests/masks.rs` shows it.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::super::codec::PostgresCodec;
use super::super::value::is_constant;
use super::super::value::shorter::Shorter;
use super::super::wire::{self, Head};
use super::cell::{By, Cell, Hidden};
use super::copied::put_field;
use super::fields::{csv_field, end_of_text, is_null, quoted_value, unescaped};
use super::rows::{INVALID, TOO_LONG, put_length, put_masked, put_rest};
use crate::protocols::{CodecError, GATHER_LIMIT, Step};
use crate::sql::postgres::lineage::{CopyFormat, CopyKind};

/// A row of which the beginning has come.
#[derive(Debug)]
pub(in super::super) struct Long {
    tag: u8,
    /// What has come of it, masked.
    out: BytesMut,
    columns: Arc<[Cell]>,
    written: Written,
    /// What is kept of a value that goes by, and how many bytes of it have not come yet.
    shorter: Option<(Shorter, usize)>,
    /// Which of its columns comes next.
    at: usize,
    /// So many bytes have not come yet.
    left: usize,
}

/// How values are written in a row.
#[derive(Debug)]
pub(super) enum Written {
    /// Each with its length before it.
    Values,
    /// As `COPY` has it in text or CSV; and in what of a value that goes by the row is.
    Fields(CopyFormat, Option<Within>),
}

/// Where in a value the row is that goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Quotes,
    NoQuotes,
}

/// How far a row has come.
#[derive(Clone, Copy, Debug)]
struct Went {
    /// So many bytes.
    bytes: usize,
    /// Whether a value is over.
    is_over: bool,
}

impl PostgresCodec {
    /// Begins with a row that is too long to be held. `None` if more input is needed.
    pub(super) fn begin_long_row(
        &mut self,
        head: Head,
        input: &[u8],
        columns: Arc<[Cell]>,
    ) -> Result<Option<Step>, CodecError> {
        const BEGIN: usize = wire::HEAD + 2;
        let Some(begin) = input.first_chunk::<BEGIN>() else {
            return Ok(None);
        };
        let count = begin.last_chunk().map(|count| u16::from_be_bytes(*count));
        if count.map(usize::from) != Some(columns.len()) {
            return Err(INVALID);
        }
        Ok(Some(self.begin_long(head, begin, columns, Written::Values)))
    }

    /// Begins with a row; `begin` is what comes before its values.
    pub(super) fn begin_long(
        &mut self,
        head: Head,
        begin: &[u8],
        columns: Arc<[Cell]>,
        written: Written,
    ) -> Step {
        self.looking.long = Some(Box::new(Long {
            tag: head.tag,
            out: BytesMut::from(begin),
            columns,
            written,
            shorter: None,
            at: 0,
            left: head.len.saturating_sub(begin.len()),
        }));
        Step::Discard(begin.len())
    }

    /// Goes on with a row that is too long to be held. `None` if none is under way, `Some(None)` if more input
    /// is needed.
    #[expect(
        clippy::option_option,
        reason = "none under way is not the same as not there yet"
    )]
    pub(in super::super) fn goes_on_long(
        &mut self,
        input: &[u8],
    ) -> Result<Option<Option<Step>>, CodecError> {
        let Some(mut long) = self.looking.long.take() else {
            return Ok(None);
        };
        if self.is_stopped() {
            return Ok(Some(Some(Step::Discard(long.left))));
        }
        match self.next_long(&mut long, input) {
            Ok(None) => {
                self.looking.long = Some(long);
                Ok(Some(None))
            }
            Ok(Some(went)) => {
                long.left -= went.bytes;
                long.at += usize::from(went.is_over);
                if long.at < long.columns.len() {
                    self.looking.long = Some(long);
                    return Ok(Some(Some(Step::Discard(went.bytes))));
                }
                self.end_long(*long, went.bytes)
                    .map(|step| Some(Some(step)))
            }
            Err(CodecError::Unsupported(why)) => {
                let rest = Head {
                    tag: long.tag,
                    len: long.left,
                };
                self.stop_unmasked(rest, why).map(|step| Some(Some(step)))
            }
            Err(error) => Err(error),
        }
    }

    /// Masks the next value. `None` if more input is needed.
    fn next_long(&mut self, long: &mut Long, input: &[u8]) -> Result<Option<Went>, CodecError> {
        let results = self.expected()?.ok_or(INVALID)?;
        let (masked, screen) = (results.masked(), results.screen.clone());
        let mut by = By {
            masked: masked.as_deref(),
            ..Self::by(&mut self.looking, screen.as_deref())
        };
        let went = match long.written {
            Written::Values => long.value(input, &mut by)?,
            Written::Fields(..) => long.field(input, &mut by)?,
        };
        // What has to be asked for is held until the answer comes.
        if long.out.len() > GATHER_LIMIT || self.looking.must_ask() {
            return Err(TOO_LONG);
        }
        Ok(went)
    }

    /// All of it has come, with the last so many bytes.
    fn end_long(&mut self, mut long: Long, taken: usize) -> Result<Step, CodecError> {
        if long.left != 0 {
            return Err(INVALID);
        }
        if matches!(long.written, Written::Fields(..)) {
            long.out.put_u8(b'\n');
        }
        self.looking.memory.forget();
        put_length(&mut long.out, 1, 1);
        let head = Head {
            tag: long.tag,
            len: long.out.len(),
        };
        if self.is_beyond(head, 1) {
            return Ok(Step::Discard(taken));
        }
        self.note_found();
        self.data(head);
        Ok(Step::Replace(taken, long.out.freeze()))
    }
}

impl Long {
    /// Masks the next value that has its length before it.
    fn value(&mut self, input: &[u8], by: &mut By<'_>) -> Result<Option<Went>, CodecError> {
        let columns = Arc::clone(&self.columns);
        let cell = columns.get(self.at).ok_or(INVALID)?;
        if let Some((shorter, left)) = &mut self.shorter {
            let here = input.get(..*left).unwrap_or(input);
            // What has more parts than can be held of becomes NULL: how many there are is no secret.
            if shorter.kept().len() <= GATHER_LIMIT {
                shorter.feed(here);
            }
            *left -= here.len();
            let is_over = *left == 0;
            if is_over {
                let kept = shorter.kept();
                let kept = if kept.len() <= GATHER_LIMIT {
                    kept
                } else {
                    &[]
                };
                put_masked(cell, kept, by, &mut self.out)?;
                self.shorter = None;
            }
            return Ok(Some(Went {
                bytes: here.len(),
                is_over,
            }));
        }
        let Some(length) = input.first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        if length == u32::MAX {
            self.out.put_u32(length);
            return Ok(Some(Went {
                bytes: 4,
                is_over: true,
            }));
        }
        let length = usize::try_from(length).map_err(|_| INVALID)?;
        let bytes = length.checked_add(4).filter(|bytes| *bytes <= self.left);
        let bytes = bytes.ok_or(INVALID)?;
        let went = Went {
            bytes,
            is_over: true,
        };
        let is_long = length > GATHER_LIMIT;
        let is_same = match (&cell.hidden, by.masked) {
            (Hidden::Whole, Some(masked)) => is_constant(cell.ty, masked.catalog()),
            _ => false,
        };
        if let (Hidden::Whole, Some(masked), true) = (&cell.hidden, by.masked, is_long)
            && let Some(shorter) = Shorter::of(cell.ty, cell.format, masked.catalog())
        {
            self.shorter = Some((shorter, length));
            return Ok(Some(Went {
                bytes: 4,
                is_over: false,
            }));
        }
        if is_long || is_same {
            put_masked(&whole(cell)?, &[], by, &mut self.out)?;
            return Ok(Some(went));
        }
        let Some(value) = input.get(4..bytes) else {
            return Ok(None);
        };
        match cell.is_looked_at(by) {
            true => put_masked(cell, value, by, &mut self.out).map(|_other| Some(went)),
            false => {
                put_rest(value, &mut self.out);
                Ok(Some(went))
            }
        }
    }

    /// Masks the next value of the text format or CSV, or goes on with one that goes by.
    fn field(&mut self, input: &[u8], by: &mut By<'_>) -> Result<Option<Went>, CodecError> {
        let Written::Fields(format, within) = &mut self.written else {
            return Err(INVALID);
        };
        let here = input.get(..self.left).unwrap_or(input);
        let is_end = here.len() == self.left;
        let row = match is_end {
            true => here.strip_suffix(b"\n").ok_or(INVALID)?,
            false => here,
        };
        let begins = within.is_none();
        let is_quoted = match within {
            None => format.kind == CopyKind::Csv && row.first() == Some(&format.quote),
            Some(within) => *within == Within::Quotes,
        };
        let (end, goes_on) = match (format.kind, is_quoted) {
            (CopyKind::Csv, true) => quoted_value(row, usize::from(begins), format, |_| {}),
            (CopyKind::Csv, false) => {
                let end = row.iter().position(|byte| *byte == format.delimiter);
                (end.or(Some(row.len())), row.len())
            }
            _ => {
                let escapes = row.iter().rev().take_while(|byte| **byte == b'\\');
                let end = end_of_text(row, format.delimiter);
                (Some(end), row.len() - escapes.count() % 2)
            }
        };
        let cell = self.columns.get(self.at).ok_or(INVALID)?;
        let delimiter = (begins && self.at > 0).then_some(format.delimiter);
        let Some(end) = end.filter(|end| is_end || *end < row.len()) else {
            if is_end {
                return Err(INVALID);
            }
            if begins && here.len() <= GATHER_LIMIT || goes_on == 0 {
                return Ok(None);
            }
            if begins {
                self.out.extend(delimiter);
                put_field(format, &whole(cell)?, &[], &[], by, &mut self.out)?;
                *within = Some(match is_quoted {
                    true => Within::Quotes,
                    false => Within::NoQuotes,
                });
            }
            return Ok(Some(Went {
                bytes: goes_on,
                is_over: false,
            }));
        };
        let bytes = match row.get(end) {
            None => self.left,
            Some(byte) if *byte == format.delimiter => end + 1,
            Some(_) => return Err(INVALID),
        };
        *within = None;
        if begins {
            let field = row.get(..end).ok_or(INVALID)?;
            self.out.extend(delimiter);
            if !cell.is_looked_at(by) || is_null(field, format) {
                self.out.put_slice(field);
            } else {
                let value = match format.kind {
                    CopyKind::Csv => csv_field(field, format).map(|(_, value)| value),
                    _ => unescaped(field),
                };
                let value = value.ok_or(INVALID)?;
                put_field(format, cell, field, &value, by, &mut self.out)?;
            }
        }
        Ok(Some(Went {
            bytes,
            is_over: true,
        }))
    }
}

/// The column of a value that is too long to be held: nothing is left of it, if it is masked at all.
fn whole(cell: &Cell) -> Result<Cell, CodecError> {
    match cell.hidden {
        Hidden::No => Err(TOO_LONG),
        Hidden::By(_) | Hidden::Whole => Ok(Cell {
            hidden: Hidden::Whole,
            ..*cell
        }),
    }
}
