//! `Unit`: what is known of one thing that the server will run or may run; and `Effect`: what it
//! changes for later statements.
//!
//! The walker fills them in; a protocol's script puts them into its slots.

use crate::facts::Name;

/// Most names that one list of one unit may hold; a list that would be longer is unknown. Legal
/// SQL stays far below, and it bounds what nested statements of a hostile text can multiply.
const MAX_NAMES: usize = 512;

/// What was read in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Analysis {
    /// Outer statements come before the ones inside them. Never empty.
    pub units: Vec<Unit>,
    /// Changes, each with the index of the unit that makes it, in the order in which they happen.
    pub effects: Vec<(usize, Effect<std::ops::Range<usize>>)>,
    /// How many statements the text has, not counting the ones inside others.
    pub statements: u64,
}

/// One thing that the server will run or may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Whether it could be read; if not, nothing else here means anything.
    pub parsed: bool,
    /// One of [`super::VERBS`].
    pub verb: &'static str,
    /// One of [`super::KINDS`].
    pub kind: &'static str,
    /// One of [`super::OBJECTS`].
    pub object: Option<&'static str>,
    /// Relations it touches, in whatever way.
    pub tables: Names,
    /// Relations it reads.
    pub reads: Names,
    /// Relations it writes, changes, makes or drops.
    pub writes: Names,
    /// Functions it names.
    pub functions: Names,
    /// Whether it has a `WHERE`, if it could.
    pub filtered: Option<bool>,
    /// Whether it has a `LIMIT`, if it could.
    pub limited: Option<bool>,
    /// Most rows that it returns by that `LIMIT`.
    pub most: Most,
    /// Name of a prepared statement.
    pub prepared: Option<Box<str>>,
    /// Name of a cursor.
    pub cursor: Option<Box<str>>,
    /// Name of a setting.
    pub setting: Setting,
    /// Whether it runs a program on the server, if it could.
    pub program: Option<bool>,
    /// Whether it works on a file of the server, if it could.
    pub file: Option<bool>,
    /// Language of the body that it brings along.
    pub language: Option<Box<str>>,
    /// Of a unit that stands for SQL which is not known: what runs it. Nothing else here means anything.
    pub dynamic: Option<Box<str>>,
    /// Name of a channel.
    pub channel: Option<Box<str>>,
    /// Functions that it calls which do more than compute a value; a unit of each kind follows it.
    pub(super) calls: Calls,
    /// What it runs under a name given earlier: [`Effect::Execute`] and [`Effect::Fetch`] only.
    /// Its lists of names lack what those touch.
    pub runs: Vec<Effect<std::ops::Range<usize>>>,
}

impl Unit {
    pub(super) fn new(verb: &'static str, kind: &'static str) -> Self {
        Self {
            parsed: true,
            verb,
            kind,
            object: None,
            tables: Names::default(),
            reads: Names::default(),
            writes: Names::default(),
            functions: Names::default(),
            filtered: None,
            limited: None,
            most: Most::Any,
            prepared: None,
            cursor: None,
            setting: Setting::None,
            program: None,
            file: None,
            language: None,
            dynamic: None,
            channel: None,
            calls: Calls::default(),
            runs: Vec::new(),
        }
    }

    pub(super) fn on(verb: &'static str, kind: &'static str, object: &'static str) -> Self {
        Self {
            object: Some(object),
            ..Self::new(verb, kind)
        }
    }

    /// A unit that could not be read.
    pub(super) fn unread() -> Self {
        Self {
            parsed: false,
            ..Self::new("", "")
        }
    }

    /// Nothing can be said of what it touches.
    pub(super) fn lose(&mut self) {
        self.lose_tables();
        self.functions.lose();
    }

    /// Nothing can be said of the relations it touches.
    pub(super) fn lose_tables(&mut self) {
        self.tables.lose();
        self.reads.lose();
        self.writes.lose();
    }

    /// How many names its lists hold, and how many it runs.
    pub(super) fn names(&self) -> usize {
        [&self.tables, &self.reads, &self.writes, &self.functions]
            .map(|list| list.names.len())
            .iter()
            .sum::<usize>()
            + self.runs.len()
    }

    /// Takes over what a unit inside this one touches.
    pub(super) fn take_over(&mut self, inner: &Unit) {
        self.tables.extend(&inner.tables);
        self.reads.extend(&inner.reads);
        self.writes.extend(&inner.writes);
        self.functions.extend(&inner.functions);
        self.runs.extend(inner.runs.iter().cloned());
    }

    pub(super) fn set(&mut self, name: Option<&str>) {
        let name = name.map(str::to_ascii_lowercase);
        self.setting = match (&self.setting, name) {
            (Setting::None, Some(name)) => Setting::Name(name.into()),
            (Setting::Name(known), Some(name)) if **known == *name => return,
            _ => Setting::Unknown,
        };
    }
}

/// How many rows a unit may return, by its `LIMIT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Most {
    /// Any number, or it is no query.
    Any,
    /// So many.
    Rows(u64),
    /// That is only known when the statement runs.
    Unknown,
}

/// The setting that a unit works on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// None.
    None,
    /// This one, in lower case.
    Name(Box<str>),
    /// Several, or one that is only known when the statement runs.
    Unknown,
}

/// Functions by the kind of what they do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calls(Vec<(&'static str, Names)>);

impl Calls {
    pub(super) fn add(&mut self, kind: &'static str, name: &Name) {
        match self.0.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, names)) => names.add(name),
            None => {
                let mut names = Names::default();
                names.add(name);
                self.0.push((kind, names));
            }
        }
    }
}

impl IntoIterator for Calls {
    type Item = (&'static str, Names);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A set of names, or the knowledge that it is not complete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    names: Vec<Name>,
    incomplete: bool,
}

impl Names {
    /// The names, each once, unless some are not known.
    pub fn known(&self) -> Option<&[Name]> {
        (!self.incomplete).then_some(&self.names)
    }

    /// The names as they are held.
    pub fn into_known(self) -> Option<Vec<Name>> {
        (!self.incomplete).then_some(self.names)
    }

    pub(super) fn add(&mut self, name: &Name) {
        if self.incomplete || self.names.contains(name) {
            return;
        }
        if self.names.len() == MAX_NAMES {
            return self.lose();
        }
        self.names.push(name.clone());
    }

    pub(super) fn lose(&mut self) {
        self.incomplete = true;
        self.names.clear();
    }

    fn extend(&mut self, other: &Self) {
        if other.incomplete {
            return self.lose();
        }
        for name in &other.names {
            self.add(name);
        }
    }
}

/// A change of the session's state which the reading of later statements depends on. `U` is how
/// units are referred to.
///
/// The ones that make less certain (`SearchPathChanged`, `ReadingChanged`) count from the moment
/// the text is on its way to the server: later texts may already be in the pipeline. The ones that
/// make more certain count when the server has run the text to its end without an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<U> {
    /// `PREPARE`: the name now stands for these units.
    Prepare {
        /// Name as the server holds it.
        name: Box<str>,
        /// Units of the statement inside.
        units: U,
    },
    /// `EXECUTE`: runs what the name stands for.
    Execute {
        /// Name as the server holds it.
        name: Box<str>,
    },
    /// `DEALLOCATE`: the name, or with `None` every name, stands for nothing. Also names prepared
    /// by the protocol's `Parse`.
    Deallocate {
        /// Name, or all.
        name: Option<Box<str>>,
    },
    /// `DECLARE`: a portal of this name now runs these units.
    Declare {
        /// Name as the server holds it.
        cursor: Box<str>,
        /// Units of the query inside.
        units: U,
    },
    /// `FETCH` or `MOVE`: runs the portal, which may also be one of the protocol's `Bind`.
    Fetch {
        /// Name as the server holds it.
        cursor: Box<str>,
    },
    /// `CLOSE`: the portal, or with `None` every portal, is gone.
    CloseCursor {
        /// Name, or all.
        cursor: Option<Box<str>>,
    },
    /// `DISCARD ALL`: no prepared statements, no portals.
    DiscardAll,
    /// The search path may now be another one, or come to other schemas: until the server has told
    /// it, unqualified names could be in any schema, also those of statements prepared before,
    /// which the server then reads anew.
    SearchPathChanged,
    /// `standard_conforming_strings` or `client_encoding` may now differ: until the server reports
    /// (`ParameterStatus`), texts are to be read with `Strings::Uncertain` and
    /// `Encoding::Uncertain`.
    ReadingChanged,
    /// The same, but they are what they were when the session began.
    ReadingReset,
}

impl<U> Effect<U> {
    /// The same effect with another way of referring to units.
    pub fn map<V>(self, units: impl FnOnce(U) -> V) -> Effect<V> {
        match self {
            Self::Prepare { name, units: inner } => Effect::Prepare {
                name,
                units: units(inner),
            },
            Self::Declare {
                cursor,
                units: inner,
            } => Effect::Declare {
                cursor,
                units: units(inner),
            },
            Self::Execute { name } => Effect::Execute { name },
            Self::Deallocate { name } => Effect::Deallocate { name },
            Self::Fetch { cursor } => Effect::Fetch { cursor },
            Self::CloseCursor { cursor } => Effect::CloseCursor { cursor },
            Self::DiscardAll => Effect::DiscardAll,
            Self::SearchPathChanged => Effect::SearchPathChanged,
            Self::ReadingChanged => Effect::ReadingChanged,
            Self::ReadingReset => Effect::ReadingReset,
        }
    }
}
