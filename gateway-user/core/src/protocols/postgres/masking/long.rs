//! Rows that are longer than what is held of one, masked value by value as they come.
//!
//! INVARIANT: whether such a row passes is decided by how long it is once it is masked, as with any row (`rows`),
//! and never by how long masked values were: what is made of these may be as long as whoever asks likes. A
//! conversation in `tests/masks.rs` shows it.

use std::sync::Arc;

use bytes::BytesMut;

use super::super::codec::PostgresCodec;
use super::super::value::is_constant;
use super::super::wire::{self, Head};
use super::cell::{By, Cell, Hidden};
use super::rows::{INVALID, TOO_LONG, put_length, put_masked, put_rest};
use crate::protocols::{CodecError, GATHER_LIMIT, Step};

/// A row of which the beginning has come.
#[derive(Debug)]
pub(in super::super) struct Long {
    /// What has come of it, masked.
    out: BytesMut,
    columns: Arc<[Cell]>,
    /// Which of its columns comes next.
    at: usize,
    /// So many bytes have not come yet.
    left: usize,
}

impl PostgresCodec {
    /// Begins with a row that is too long to be held. `None` if more input is needed.
    pub(super) fn begin_long(
        &mut self,
        head: Head,
        input: &[u8],
        columns: Arc<[Cell]>,
    ) -> Result<Option<Step>, CodecError> {
        const BEGIN: usize = wire::HEAD + 2;
        let Some(begin) = input.first_chunk::<BEGIN>() else {
            return Ok(None);
        };
        if begin
            .last_chunk()
            .map(|count| u16::from_be_bytes(*count).into())
            != Some(columns.len())
        {
            return Err(INVALID);
        }
        self.looking.long = Some(Box::new(Long {
            out: BytesMut::from(&begin[..]),
            columns,
            at: 0,
            left: head.len.saturating_sub(BEGIN),
        }));
        Ok(Some(Step::Discard(BEGIN)))
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
            Ok(Some(taken)) => {
                long.left -= taken;
                long.at += 1;
                if long.at < long.columns.len() {
                    self.looking.long = Some(long);
                    return Ok(Some(Some(Step::Discard(taken))));
                }
                self.end_long(*long, taken).map(|step| Some(Some(step)))
            }
            Err(CodecError::Unsupported(why)) => {
                let rest = Head {
                    tag: b'D',
                    len: long.left,
                };
                self.stop_unmasked(rest, why).map(|step| Some(Some(step)))
            }
            Err(error) => Err(error),
        }
    }

    /// Masks the next value; says how many bytes it had, with its length. `None` if more input is needed.
    fn next_long(&mut self, long: &mut Long, input: &[u8]) -> Result<Option<usize>, CodecError> {
        let results = self.expected()?.ok_or(INVALID)?;
        let (masked, screen) = (results.masked(), results.screen.clone());
        let cell = long.columns.get(long.at).ok_or(INVALID)?;
        let Some(length) = input.first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        if length == u32::MAX {
            long.out.extend_from_slice(&length.to_be_bytes());
            return Ok(Some(4));
        }
        let length = usize::try_from(length).map_err(|_| INVALID)?;
        let taken = length.checked_add(4).filter(|taken| *taken <= long.left);
        let taken = taken.ok_or(INVALID)?;
        let mut by = By {
            masked: masked.as_deref(),
            ..Self::by(&mut self.looking, screen.as_deref())
        };
        let is_same = match (&cell.hidden, &masked) {
            (Hidden::No, _) if length > GATHER_LIMIT => return Err(TOO_LONG),
            (Hidden::No, _) => false,
            (Hidden::Whole, Some(masked)) => is_constant(cell.ty, masked.catalog()),
            _ => false,
        };
        // Nothing is left of a value that is too long to be held.
        let value = match is_same || length > GATHER_LIMIT {
            true => &[][..],
            false => match input.get(4..taken) {
                Some(value) => value,
                None => return Ok(None),
            },
        };
        match &cell.hidden {
            Hidden::No if by.screen.is_none() => put_rest(value, &mut long.out),
            Hidden::By(_) if length > GATHER_LIMIT => {
                let cell = Cell {
                    hidden: Hidden::Whole,
                    ..*cell
                };
                put_masked(&cell, value, &mut by, &mut long.out)?;
            }
            _ => {
                put_masked(cell, value, &mut by, &mut long.out)?;
            }
        }
        // What has to be asked for is held until the answer comes.
        if long.out.len() > GATHER_LIMIT || self.looking.must_ask() {
            return Err(TOO_LONG);
        }
        Ok(Some(taken))
    }

    /// All of it has come, with the last so many bytes.
    fn end_long(&mut self, mut long: Long, taken: usize) -> Result<Step, CodecError> {
        if long.left != 0 {
            return Err(INVALID);
        }
        self.looking.memory.forget();
        put_length(&mut long.out, 1, 1);
        let head = Head {
            tag: b'D',
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
