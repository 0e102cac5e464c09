//! One column of what comes: how its values are masked, and what is looked for in them.

use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};

use super::super::value::screened::{Screened, screen};
use super::super::value::{self, Done, Format, How};
use super::Masked;
use crate::mask::screen::{Memory, Screen, Screening};
use crate::mask::{Mask, MaskKey};
use crate::protocols::CodecError;
use crate::sql::postgres::lineage::{Output, Outputs};

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
    pub(super) fn with_origin(self, masked: &Masked, relation: u32, column: i16) -> Self {
        match (masked.origin(relation, column), self) {
            (Some(Some(mask)), _) => Self::By(mask),
            (Some(None), Self::Whole) => Self::No,
            (_, hidden) => hidden,
        }
    }
}

/// By what values are masked.
#[derive(Debug)]
pub(super) struct By<'a> {
    /// The catalog, where columns are masked.
    pub(super) masked: Option<&'a Masked>,
    /// What is looked for in all values.
    pub(super) screen: Option<&'a Screen>,
    /// What hashes and pseudonyms are made with, where nothing else says.
    pub(super) key: Option<&'a MaskKey>,
    pub(super) memory: &'a mut Memory,
    /// Room for values.
    pub(super) scratch: &'a mut [BytesMut; 2],
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It stays as it is; nothing is appended.
    Same,
    /// What takes its place is appended.
    Written,
    /// It is NULL now; nothing is appended.
    Null,
}

const REFUSED: CodecError = CodecError::Unsupported(
    "a value cannot be masked in the way that its mask demands: leave its column out",
);

impl Cell {
    /// Whether a value of it may have to become another.
    pub(super) fn is_looked_at(&self, by: &By<'_>) -> bool {
        !matches!(self.hidden, Hidden::No) || by.screen.is_some()
    }

    /// Appends the value masked, if it is.
    pub(super) fn mask(
        &self,
        value: &[u8],
        by: &mut By<'_>,
        out: &mut BytesMut,
    ) -> Result<Put, CodecError> {
        let all = by.screen;
        let (how, goes_on) = match &self.hidden {
            Hidden::No => return self.screened(value, all, by, out),
            Hidden::By(mask) if mask.within.is_some() => (None, true),
            Hidden::By(mask) => (Some(How::Mask(mask)), !mask.json.is_empty()),
            Hidden::Whole => (Some(How::Full), false),
        };
        // What of it stays is looked at like anything else.
        let looks_again = all.filter(|_| goes_on);
        let mut first = std::mem::take(&mut by.scratch[0]);
        first.clear();
        let done = match (how, &self.hidden) {
            (Some(how), _) => by.value(self, value, how, &mut first),
            (None, Hidden::By(mask)) => {
                let within = mask.within.as_ref().map(|within| &*within.screen);
                self.screened(value, within, by, &mut first)
            }
            (None, _) => Err(REFUSED),
        };
        let done = match (done, looks_again) {
            (Ok(Put::Same), Some(_)) => self.screened(value, all, by, out),
            (Ok(Put::Written), Some(_)) => match self.screened(&first, all, by, out) {
                Ok(Put::Same) => {
                    out.put_slice(&first);
                    Ok(Put::Written)
                }
                other => other,
            },
            (Ok(Put::Written), None) => {
                out.put_slice(&first);
                Ok(Put::Written)
            }
            (other, _) => other,
        };
        by.scratch[0] = first;
        done
    }

    /// Looks for something in a value.
    fn screened(
        &self,
        value: &[u8],
        what: Option<&Screen>,
        by: &mut By<'_>,
        out: &mut BytesMut,
    ) -> Result<Put, CodecError> {
        let Some(what) = what else {
            return Ok(Put::Same);
        };
        let mut screening = Screening {
            screen: what,
            key: by.masked.map(Masked::key).or(by.key),
            memory: by.memory,
        };
        match screen(value, self.ty, self.format, &mut screening, out) {
            Screened::Same => Ok(Put::Same),
            Screened::Written => Ok(Put::Written),
            Screened::Null => Ok(Put::Null),
            Screened::Refused => Err(REFUSED),
        }
    }
}

impl By<'_> {
    /// Masks a value by where it comes from.
    fn value(
        &self,
        cell: &Cell,
        value: &[u8],
        how: How<'_>,
        out: &mut BytesMut,
    ) -> Result<Put, CodecError> {
        // Nothing is hidden by where it comes from without that being known.
        let masked = self.masked.ok_or(REFUSED)?;
        let (catalog, key) = (masked.catalog(), masked.key());
        match value::mask(value, cell.ty, cell.format, how, catalog, key, out) {
            Done::Written => Ok(Put::Written),
            Done::Null => Ok(Put::Null),
            Done::Refused => Err(REFUSED),
        }
    }
}
