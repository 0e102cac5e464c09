//! Where what a statement returns comes from, traced to columns of tables: `trace`.
//!
//! `catalog` is what the server's own catalog says of relations, types and functions, `edition` whether
//! it still may; `memory` what was traced before, `tracer` what the tracing of one text has at hand. `query`
//! and `write` are the statements that are traced, with `filled` for what they write without saying so and `meeting` for what it meets,
//! `from`, with `unnested`, what stands in their `FROM`, `expression`, `choice`, `parts` and `json` their expressions, with `telling`
//! and `forms` for what these ask of values, `kinds`, `joint` and `collation` for what becomes of their types, `apart` for what needs no tracing;
//! `samples` is what the server keeps of values elsewhere,
//! `scope` what names mean in them, with `namesakes` for a second look, `identifiers` whether they are the same to the server, and `value` what is known of one value.
//! `sifting` says where lengths show; `commands` are the statements that are no queries, and `routines` says what functions do with their
//! arguments. What cannot be traced is `Unknown`, never clean.

pub mod apart;
pub mod catalog;
mod choice;
mod collation;
mod commands;
pub mod edition;
mod expression;
mod filled;
mod forms;
mod from;
mod identifiers;
mod joint;
mod json;
mod kinds;
mod meeting;
mod memory;
mod namesakes;
mod parts;
mod query;
mod routines;
mod samples;
mod scope;
mod sifting;
mod telling;
mod tracer;
mod unnested;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{SearchPath, Session};
use crate::ids::MaskName;
use crate::mask::{Mask, MaskKey, MaskSet};

pub use self::commands::copy::formats as copy_formats;
pub use self::forms::names as functions_that_tell_nothing;
pub use self::samples::measures;

use self::apart::{Fresh, Here};
use self::catalog::{Catalog, Column, Filling, RelationKind};
use self::edition::Edition;
use self::memory::Memory;

/// A database's catalog, and which of its columns are masked in a session.
#[derive(Debug)]
pub struct Masked {
    catalog: Arc<Catalog>,
    masks: Arc<MaskSet>,
    key: MaskKey,
    edition: Edition,
    /// How many of the changes since were made by statements that were judged by this.
    own: AtomicU64,
    /// How many of these divert nothing.
    plain: AtomicU64,
    memory: Memory,
}

/// What one text does with masked columns.
#[derive(Clone, Debug)]
pub struct Trace {
    /// One for each statement of the text, in order.
    pub statements: Box<[Statement]>,
    /// It names relations, types or functions that the catalog does not have: it may be older than they are.
    pub missing: bool,
    /// The text, where it makes what has a name, and there is one way to read it.
    pub text: Option<Box<str>>,
}

/// What one statement does with masked columns.
#[derive(Clone, Debug, Default)]
pub struct Statement {
    /// What it returns.
    pub outputs: Outputs,
    /// Whether it touches a relation with a masked column in any way, or may: then what the server says of
    /// it in errors and notices may tell values.
    pub touches: bool,
    /// Masks of columns that it compares, sorts, groups or limits by, or that otherwise decide which rows
    /// there are.
    pub probed: Masks,
    /// Masks of columns whose values it would put elsewhere than into what it returns: other columns,
    /// settings, files, functions that keep them; and changes of the definition of what is masked.
    pub copied: Masks,
    /// Masks that may not hold any more once it has run, because names may mean something else then.
    pub redefined: Masks,
    /// Columns that it reads, as `schema.table.column`.
    pub reads: Columns,
    /// Columns that it writes.
    pub writes: Columns,
    /// The name under which it makes a statement or cursor that is run later.
    pub makes: Option<Made>,
    /// The name under which that was made which it runs: what is told of that is true of this one.
    pub runs: Option<Named>,
    /// What `COPY … TO STDOUT` writes, if it is one.
    pub copy: Option<CopyFormat>,
    /// What code runs along with it.
    pub code: Code,
    /// Whether names that were there may mean something else after it to what calls or writes.
    pub diverts: bool,
    /// The relation that it makes.
    pub fresh: Option<Fresh>,
}

/// What code runs along with a statement; each is worse than those before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// None but the server's own, which leaves the session as it is.
    #[default]
    Servers,
    /// Somebody's, of which nothing in the session is changed.
    Own,
    /// It may change settings and rights, and so how later statements are read and what names mean in them.
    Sets,
    /// It may open and close cursors as well.
    Opens,
}

/// Something that has a name in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A prepared statement.
    Prepared(Box<str>),
    /// A cursor or portal.
    Cursor(Box<str>),
}

/// A statement that is prepared or declared by another.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its name.
    pub name: Named,
    /// What it does once it is run.
    pub statement: Arc<Statement>,
}

/// A set of masks, or the knowledge that any may be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Masks {
    /// These, each once.
    Known(Vec<MaskName>),
    /// Any.
    Unknown,
}

impl Default for Masks {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

/// A set of columns as `schema.table.column`, or the knowledge that it is not complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// These, each once, sorted.
    Known(Vec<Box<str>>),
    /// Any.
    Unknown,
}

impl Default for Columns {
    fn default() -> Self {
        Self::Known(Vec::new())
    }
}

/// What a statement returns.
#[derive(Clone, Debug, Default)]
pub enum Outputs {
    /// Nothing, or nothing that depends on a masked column.
    #[default]
    Clean,
    /// These columns, in order.
    Columns(Arc<[Output]>),
    /// It cannot be told. What the server itself says of a column's origin is still true.
    Unknown,
}

/// One column of what a statement returns.
#[derive(Clone, Debug)]
pub enum Output {
    /// It depends on no masked column.
    Clean,
    /// The very value of a masked column.
    Copy(Arc<Mask>),
    /// Made of a masked column, or it cannot be told: masked fully.
    Full,
}

/// How `COPY … TO STDOUT` writes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyFormat {
    /// `text`, `csv` or `binary`.
    pub kind: CopyKind,
    /// What separates columns.
    pub delimiter: u8,
    /// What NULL is written as.
    pub null: Box<[u8]>,
    /// CSV: what quotes values.
    pub quote: u8,
    /// CSV: what escapes a quote in a quoted value.
    pub escape: u8,
    /// Whether the first row has the names of columns.
    pub header: bool,
    /// The types of the columns by number, where they are known; 0 where not.
    pub types: Box<[u32]>,
}

/// The formats of `COPY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    /// Tab-separated.
    Text,
    /// Comma-separated.
    Csv,
    /// Binary.
    Binary,
}

impl Masked {
    /// What `masks` mean in the database of this catalog. `edition` was taken before
    /// the catalog was read.
    pub fn new(catalog: Arc<Catalog>, masks: Arc<MaskSet>, key: MaskKey, edition: Edition) -> Self {
        Self {
            catalog,
            masks,
            key,
            edition,
            own: AtomicU64::new(0),
            plain: AtomicU64::new(0),
            memory: Memory::default(),
        }
    }

    /// Whether the database may still be as its catalog says.
    pub fn is_current(&self) -> bool {
        self.edition.is_current()
    }

    /// It is not, for a statement that was judged by this has changed it: this and all others of the
    /// database are old from now on, in whatever session.
    pub fn outdate(&self) {
        // In this order, so that somebody else's change never looks like one of these.
        self.edition.outdate();
        self.own.fetch_add(1, Ordering::AcqRel);
    }

    /// The same by a statement that diverts nothing.
    pub fn outdate_plainly(&self) {
        self.outdate();
        self.plain.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether all that has changed since was changed by statements that were judged by this. None of them
    /// has made anything masked show elsewhere, so what names nothing masked here still shows nothing.
    pub fn is_close(&self) -> bool {
        self.edition.behind() == self.own.load(Ordering::Acquire)
    }

    /// Whether none of that diverts anything either: what is called and written by what has a name here does
    /// what it did.
    pub fn is_plain(&self) -> bool {
        self.edition.behind() == self.plain.load(Ordering::Acquire)
    }

    /// What a text does, if it names nothing that is masked or that the catalog does not have, in whatever
    /// schema its names are looked for, and runs nobody's code.
    pub fn untouching(
        self: &Arc<Self>,
        text: &[u8],
        session: &Session,
        here: &Here,
    ) -> Option<Arc<Trace>> {
        let anywhere = Session {
            search_path: SearchPath::Unknown,
            ..session.clone()
        };
        let trace = self.trace_beside(text, &anywhere, here);
        let spares = !trace.missing && trace.statements.iter().all(Statement::spares);
        spares.then_some(trace)
    }

    /// In which state of the database its catalog was read.
    pub fn edition(&self) -> &Edition {
        &self.edition
    }

    /// What hashes and pseudonyms are made with.
    pub fn key(&self) -> &MaskKey {
        &self.key
    }

    /// The catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The masks.
    pub fn masks(&self) -> &Arc<MaskSet> {
        &self.masks
    }

    /// What the server says a column of a result is: none if it is no column of a table that the catalog has
    /// as such (a view's columns are none), else the mask that is for it, if one is.
    pub fn origin(&self, relation: u32, column: i16) -> Option<Option<Arc<Mask>>> {
        let relation = self.catalog.relation(relation)?;
        let table = matches!(relation.kind, RelationKind::Table | RelationKind::Foreign);
        if !table || relation.has_rules {
            return None;
        }
        let mut columns = relation.columns.iter();
        let place = columns.position(|known| known.number == column)?;
        let generated = |it: &Column| matches!(it.filling, Filling::Generated(_));
        if relation.columns.get(place).is_none_or(generated) {
            // It is made of others: what the trace says counts.
            return None;
        }
        Some(self.masks_of(relation).get(place).cloned().flatten())
    }

    /// What `text` does with masked columns. Never fails: what cannot be told is unknown. A text that
    /// the session may read in two ways counts as unread.
    ///
    /// The caller provides the stack that [`super::analyse`] needs.
    pub fn trace(self: &Arc<Self>, text: &[u8], session: &Session) -> Arc<Trace> {
        self.remembered(text, session, &Here::default())
    }

    /// The same where relations were made that the catalog cannot have yet.
    pub fn trace_beside(
        self: &Arc<Self>,
        text: &[u8],
        session: &Session,
        here: &Here,
    ) -> Arc<Trace> {
        self.remembered(text, session, here)
    }
}

impl Masks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Known(masks) if masks.is_empty())
    }

    /// These too.
    fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Known(masks), Self::Known(others)) => {
                for mask in others {
                    if !masks.contains(mask) {
                        masks.push(mask.clone());
                    }
                }
            }
            _ => *self = Self::Unknown,
        }
    }
}

impl Statement {
    /// Whether it has nothing to do with anything masked, runs nobody's code, and neither makes nor runs what has
    /// a name.
    pub fn spares(&self) -> bool {
        let none = self.probed.is_empty() && self.copied.is_empty() && !self.touches;
        let none = none && self.code == Code::Servers;
        let is_clean = matches!(self.outputs, Outputs::Clean);
        none && is_clean && self.makes.is_none() && self.runs.is_none()
    }

    /// Whether it returns what is made of masked columns, and is none of them.
    pub(crate) fn computes(&self) -> bool {
        match &self.outputs {
            Outputs::Clean => false,
            Outputs::Columns(columns) => columns.iter().any(|it| matches!(it, Output::Full)),
            Outputs::Unknown => true,
        }
    }

    /// One of which nothing can be told.
    pub(crate) fn unknown() -> Self {
        Self {
            outputs: Outputs::Unknown,
            touches: true,
            probed: Masks::Unknown,
            copied: Masks::Unknown,
            redefined: Masks::Unknown,
            reads: Columns::Unknown,
            writes: Columns::Unknown,
            code: Code::Opens,
            diverts: true,
            ..Self::default()
        }
    }
}
