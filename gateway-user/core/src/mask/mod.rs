//! What is masked, for whom it is, and how: `Mask` and the `MaskSet` of one session.
//!
//! Here are the words, and what the kinds of masks make of plain texts, numbers and dates (`text`,
//! `keyed`, `number`, `bucket`, `json`), and what finds things in texts (`detect`) and masks just these
//! (`screen`). Where a value
//! comes from is told by `crate::sql::postgres::lineage`, how a protocol writes values by that protocol,
//! and to whom a mask applies by policy.

pub mod bucket;
pub mod detect;
pub mod json;
pub mod keyed;
pub mod number;
pub mod screen;
pub mod text;

use std::sync::Arc;

use self::screen::{Part, Screen};
use crate::glob::Glob;
use crate::ids::MaskName;
use crate::secret::Secret;

/// How a value is changed. NULL stays NULL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing of it is left: `****` for texts, zero and the like for others.
    Full,
    /// A part of a text stays.
    Partial(Partial),
    /// A keyed hash, the same for the same value.
    Hash,
    /// Each letter and digit becomes another one, the same for the same value.
    Pseudonym,
    /// NULL.
    Null,
    /// Dates to the beginning of a time, numbers to the beginning of a range.
    Bucket(Bucket),
}

/// What of a text stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partial {
    /// So many characters at its beginning and end, and never more than half of it.
    Ends {
        /// At the beginning.
        first: usize,
        /// At the end.
        last: usize,
    },
    /// The first letter and the end of an e-mail address: `j****@*****.com`.
    Email,
}

/// How coarse a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Dates and times, to the day.
    Day,
    /// To the first of the month.
    Month,
    /// To the first of the year.
    Year,
    /// Numbers, to the next lower multiple of this, which is not 0.
    Width(u64),
}

/// What becomes of a value of a type that cannot be masked so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// NULL.
    #[default]
    Null,
    /// The statement ends with an error.
    Refuse,
}

/// Which columns a mask is for. A column is meant if a pattern of each list that is not empty matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    /// Globs over `schema.table.column`.
    pub columns: Vec<Glob>,
    /// Globs over the names of types, without schema, as the server's catalog has them (`int4`).
    pub types: Vec<Glob>,
}

/// A `[[mask]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// Its name.
    pub name: MaskName,
    /// Which columns.
    pub selector: Selector,
    /// How.
    pub kind: Kind,
    /// Of a JSON value only what is at these paths; empty, the whole.
    pub json: Vec<json::Path>,
    /// Where the type of a value does not go with the kind.
    pub otherwise: Otherwise,
    /// What is looked for in values, of which alone they are masked; none for values as a whole. Where no
    /// column is meant, it is looked for in all values.
    pub within: Option<Within>,
}

/// What is looked for in values.
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    /// This.
    pub part: Arc<Part>,
    /// The same on its own, for the mask's columns.
    pub screen: Arc<Screen>,
}

impl Within {
    /// Looks for this.
    pub fn new(part: Part) -> Self {
        let part = Arc::new(part);
        Self {
            screen: Arc::new(Screen::new(vec![Arc::clone(&part)])),
            part,
        }
    }
}

/// The masks that apply in one session, in the order in which they are written: of those that are for a
/// column the first counts.
#[derive(Clone, Debug, Default)]
pub struct MaskSet {
    masks: Vec<Arc<Mask>>,
    screen: Option<Arc<Screen>>,
}

impl PartialEq for MaskSet {
    fn eq(&self, other: &Self) -> bool {
        let mut both = self.masks.iter().zip(&other.masks);
        let same = |(one, other): (&Arc<Mask>, &Arc<Mask>)| Arc::ptr_eq(one, other) || one == other;
        self.masks.len() == other.masks.len() && both.all(same)
    }
}

impl MaskSet {
    /// These.
    pub fn new(masks: Vec<Arc<Mask>>) -> Self {
        let everywhere = masks.iter().filter(|mask| !mask.selector.says_something());
        let parts = everywhere.filter_map(|mask| Some(Arc::clone(&mask.within.as_ref()?.part)));
        let parts: Vec<_> = parts.collect();
        let screen = (!parts.is_empty()).then(|| Arc::new(Screen::new(parts)));
        Self { masks, screen }
    }

    /// Whether columns are masked, so that it has to be known which there are.
    pub fn has_columns(&self) -> bool {
        self.masks.iter().any(|mask| mask.selector.says_something())
    }

    /// What is looked for in all values, wherever they come from.
    pub fn screen(&self) -> Option<&Arc<Screen>> {
        self.screen.as_ref()
    }

    /// The masks.
    pub fn masks(&self) -> &[Arc<Mask>] {
        &self.masks
    }

    /// The mask for a column, named `schema.table.column`, of a type.
    pub fn of_column(&self, column: &str, ty: &str) -> Option<&Arc<Mask>> {
        self.masks
            .iter()
            .find(|mask| mask.selector.means(column, ty))
    }
}

impl Selector {
    /// Whether columns are meant at all; where none are, all values are.
    pub fn says_something(&self) -> bool {
        !(self.columns.is_empty() && self.types.is_empty())
    }

    fn means(&self, column: &str, ty: &str) -> bool {
        let fits = |globs: &[Glob], text: &str| {
            globs.is_empty() || globs.iter().any(|glob| glob.matches(text))
        };
        self.says_something() && fits(&self.columns, column) && fits(&self.types, ty)
    }
}

/// What hashes and pseudonyms are made with: 32 random bytes.
pub type MaskKey = Secret;
