//! `Walker`: goes through a parse tree and notes what each statement touches.
//!
//! What a node's children are is told by `Walk`: for most nodes by the tables in `clauses` and
//! `commands`, for those that mean something by hand in `queries`, `relations` and `statements`.
//!
//! INVARIANT: no part of a tree is passed over in silence. Nodes are matched without a wildcard,
//! their fields without `..`, so that a grammar with more of either does not compile; nodes that
//! the raw grammar never makes lose the unit's facts.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use pg_query::protobuf;

use super::bodies::Within;
use super::calls;
use super::unit::{Analysis, Effect, Unit};
use super::{SearchPath, Session};

/// Deepest nesting of nodes that is followed. The grammar's library gives up before; this is the
/// walker's own guard of its stack, which `stack` has made large enough.
const MAX_DEPTH: u32 = 10_000;

/// Most units of one text. A dump of this many statements in one message is not read.
const MAX_UNITS: usize = 10_000;

/// Most names that units take over from the ones inside them, over a whole text. Where statements
/// nest, each name is taken over once for each level.
const MAX_TAKEN_OVER: usize = 20_000;

/// Most common table expressions in sight of one place. Each unqualified name is compared to them.
const MAX_CTES: usize = 256;

/// Names of the columns of one result, which all references to it are looked for in.
pub(super) type Columns = Arc<BTreeSet<String>>;

/// What is done to a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// A node that can be walked.
pub(super) trait Walk {
    fn walk(&self, walker: &mut Walker);
}

impl<T: Walk> Walk for Vec<T> {
    fn walk(&self, walker: &mut Walker) {
        for item in self {
            item.walk(walker);
        }
    }
}

impl<T: Walk> Walk for Option<T> {
    fn walk(&self, walker: &mut Walker) {
        if let Some(item) = self {
            item.walk(walker);
        }
    }
}

impl<T: Walk> Walk for Box<T> {
    fn walk(&self, walker: &mut Walker) {
        T::walk(self, walker);
    }
}

/// Where something stands in the text that reads something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Column(i32),
    Relation(i32),
    Call(i32),
}

/// What statements name beside relations and functions, without schemas.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Operators.
    pub(super) operators: BTreeSet<String>,
    /// Types.
    pub(super) types: BTreeSet<String>,
    /// Numbers of parameters.
    pub(super) parameters: BTreeSet<i32>,
    /// What is behind a dot: a column, or where there is none a function of the row before it.
    pub(super) fields: BTreeSet<String>,
    /// Columns, relations and calls of the text itself.
    pub(super) places: BTreeSet<Place>,
}

/// The state of a walk over all statements of one text.
#[derive(Debug)]
pub(super) struct Walker {
    /// Where unqualified names are looked for, at this place in the text.
    pub(super) search_path: SearchPath,
    /// What a relation that is met is taken to be used for.
    pub(super) access: Access,
    /// Names of common table expressions in sight, the innermost last.
    ctes: Vec<String>,
    units: Vec<Unit>,
    effects: Vec<(usize, Effect<Range<usize>>)>,
    current: usize,
    folded: bool,
    depth: u32,
    taken_over: usize,
    overflowed: bool,
    /// What else is named, where somebody asks for it.
    seen: Option<Seen>,
    /// Where the statements stand that are walked.
    pub(super) within: Within,
    /// How deep texts are in texts.
    pub(super) nested: u8,
    /// Whether where names are looked for may have changed.
    pub(super) moved: bool,
    /// What functions in `FROM` are called in sight of this place, and their columns as far as they are named.
    pub(super) results: Vec<(String, Columns)>,
    /// How deep all nodes are, added up.
    reach: usize,
}

impl Walker {
    pub(super) fn new(session: &Session, statements: usize) -> Self {
        Self {
            search_path: session.search_path.clone(),
            access: Access::Read,
            ctes: Vec::new(),
            units: Vec::with_capacity(statements),
            effects: Vec::new(),
            current: 0,
            folded: false,
            depth: 0,
            taken_over: 0,
            overflowed: false,
            seen: None,
            within: Within::Text,
            nested: 0,
            moved: false,
            results: Vec::new(),
            reach: 0,
        }
    }

    /// Also notes what [`Seen`] has.
    pub(super) fn watch(&mut self) {
        self.seen = Some(Seen::default());
    }

    /// What was seen since [`Walker::watch`].
    pub(super) fn take_seen(&mut self) -> Option<Seen> {
        self.seen.take()
    }

    /// Notes the name that is last in a list of strings in one of the sets of [`Seen`].
    pub(super) fn see(
        &mut self,
        names: &[protobuf::Node],
        set: impl FnOnce(&mut Seen) -> &mut BTreeSet<String>,
    ) {
        if let (Some(seen), Some(name)) = (&mut self.seen, names.last().and_then(string)) {
            set(seen).insert(name.to_owned());
        }
    }

    /// Notes a place, unless it is in a text within the text.
    pub(super) fn see_place(&mut self, place: Place) {
        if let (Some(seen), 0, Within::Text) = (&mut self.seen, self.nested, &self.within) {
            seen.places.insert(place);
        }
    }

    /// Notes a parameter.
    pub(super) fn see_parameter(&mut self, number: i32) {
        if let Some(seen) = &mut self.seen {
            seen.parameters.insert(number);
        }
    }

    /// The result, unless the text was too deep or too long.
    pub(super) fn finish(self, statements: u64) -> Option<Analysis> {
        let Self {
            units,
            effects,
            overflowed,
            ..
        } = self;
        (!overflowed && !units.is_empty()).then_some(Analysis {
            units,
            effects,
            statements,
        })
    }

    /// Opens `unit` and notes in it what `inside` meets. The unit around it takes over what it
    /// touches.
    ///
    /// Under [`Walker::fold`] no unit is made and the one around gets everything.
    pub(super) fn unit(&mut self, unit: Unit, inside: impl FnOnce(&mut Self)) {
        if self.folded || self.units.len() >= MAX_UNITS {
            self.overflowed |= !self.folded;
            return inside(self);
        }
        let index = self.units.len();
        let outer = std::mem::replace(&mut self.current, index);
        let access = self.access;
        self.units.push(unit);
        inside(self);
        self.access = access;
        self.current = outer;
        if outer != index
            && let Some((before, from)) = self.units.split_at_mut_checked(index)
            && let (Some(outer), Some(inner)) = (before.get_mut(outer), from.first())
        {
            self.taken_over += inner.names();
            if self.taken_over > MAX_TAKEN_OVER {
                self.overflowed = true;
            } else {
                outer.take_over(inner);
            }
        }
        self.units_of_calls(index);
    }

    /// A unit for each kind of what the calls in a unit do.
    fn units_of_calls(&mut self, index: usize) {
        let made = self.units.get_mut(index).map(calls::units);
        self.units.extend(made.unwrap_or_default());
        self.overflowed |= self.units.len() > MAX_UNITS;
    }

    /// The units that `inside` makes.
    pub(super) fn made(&mut self, inside: impl FnOnce(&mut Self)) -> Range<usize> {
        let start = self.units.len();
        inside(self);
        start..self.units.len()
    }

    /// Makes a statement at the top of the text, with nothing around it.
    pub(super) fn top(&mut self, inside: impl FnOnce(&mut Self)) {
        self.current = self.units.len();
        self.access = Access::Read;
        self.ctes.clear();
        inside(self);
    }

    /// Notes everything that `inside` meets in the current unit alone: nothing of it is run.
    pub(super) fn fold(&mut self, inside: impl FnOnce(&mut Self)) {
        let folded = std::mem::replace(&mut self.folded, true);
        inside(self);
        self.folded = folded;
    }

    /// Whether the text is not read after all.
    pub(super) fn overflows(&self) -> bool {
        self.overflowed
    }

    /// Whether nothing of what is met is run.
    pub(super) fn is_folded(&self) -> bool {
        self.folded
    }

    /// Changes what relations are used for within `inside`.
    pub(super) fn with_access(&mut self, access: Access, inside: impl FnOnce(&mut Self)) {
        let outer = std::mem::replace(&mut self.access, access);
        inside(self);
        self.access = outer;
    }

    /// One level deeper, unless that is too deep.
    pub(super) fn descend(&mut self, inside: impl FnOnce(&mut Self)) {
        if self.depth >= MAX_DEPTH {
            self.overflowed = true;
            return;
        }
        self.depth += 1;
        self.reach = self
            .reach
            .saturating_add(usize::try_from(self.depth).unwrap_or(usize::MAX));
        inside(self);
        self.depth -= 1;
    }

    /// How deep all nodes are that were walked, added up: what it takes to go from each to the top.
    pub(super) fn reach(&self) -> usize {
        self.reach
    }

    /// Brings a common table expression into sight.
    pub(super) fn show_cte(&mut self, name: &str) {
        if self.ctes.len() < MAX_CTES {
            self.ctes.push(name.to_owned());
        } else {
            self.overflowed = true;
        }
    }

    /// Whether an unqualified name is that of a common table expression.
    pub(super) fn sees_cte(&self, name: &str) -> bool {
        self.ctes.iter().any(|cte| cte == name)
    }

    /// Walks `inside`, and then has the same names in sight as before.
    pub(super) fn scope(&mut self, inside: impl FnOnce(&mut Self)) {
        let outer = (self.ctes.len(), self.results.len());
        inside(self);
        self.ctes.truncate(outer.0);
        self.results.truncate(outer.1);
    }

    /// Brings the result of a function into sight.
    pub(super) fn show_result(&mut self, name: String, columns: Columns) {
        if self.results.len() < MAX_CTES {
            self.results.push((name, columns));
        } else {
            self.overflowed = true;
        }
    }

    /// Walks `inside` as a text of its own, from which nothing around it is in sight.
    pub(super) fn apart(&mut self, inside: impl FnOnce(&mut Self)) {
        let ctes = std::mem::take(&mut self.ctes);
        let results = std::mem::take(&mut self.results);
        let access = std::mem::replace(&mut self.access, Access::Read);
        inside(self);
        (self.ctes, self.results, self.access) = (ctes, results, access);
    }

    /// Changes the current unit; no effect before the first.
    pub(super) fn note(&mut self, change: impl FnOnce(&mut Unit)) {
        if let Some(unit) = self.units.get_mut(self.current) {
            change(unit);
        }
    }

    /// Changes the current unit in a way that only counts if the statement runs.
    pub(super) fn note_run(&mut self, change: impl FnOnce(&mut Unit)) {
        if !self.folded {
            self.note(change);
        }
    }

    /// The current unit touches things that cannot be told.
    pub(super) fn lose(&mut self) {
        self.note(Unit::lose);
    }

    /// The current unit touches relations that cannot be told.
    pub(super) fn lose_tables(&mut self) {
        self.note(Unit::lose_tables);
    }

    /// The current unit runs what was named earlier.
    pub(super) fn run(&mut self, run: Effect<Range<usize>>) {
        if self.within == Within::Kept {
            // What it will be is known when it is run.
            return self.lose();
        }
        self.note(|unit| unit.runs.push(run.clone()));
        self.effect(run);
    }

    /// Notes a change for later statements.
    pub(super) fn effect(&mut self, effect: Effect<Range<usize>>) {
        if self.folded || self.within == Within::Kept {
            return;
        }
        let effect = match (self.within, effect) {
            // Maybe it is run, and maybe it is not: what the name stands for is not known any more.
            (Within::Run, Effect::Prepare { name, .. }) => Effect::Deallocate { name: Some(name) },
            (Within::Run, Effect::Declare { cursor, .. }) => Effect::CloseCursor {
                cursor: Some(cursor),
            },
            (_, effect) => effect,
        };
        if effect == Effect::SearchPathChanged {
            self.search_path = SearchPath::Unknown;
            self.moved = true;
        }
        if self.effects.last().is_none_or(|(_, last)| *last != effect) {
            self.effects.push((self.current, effect));
        }
    }
}

/// Implements `Walk` for nodes that only have children: in braces the fields that hold nodes, in
/// brackets the ones that hold none.
macro_rules! children {
    ($($node:ident { $($child:ident),* } $([$($leaf:ident),*])?)*) => {$(
        impl Walk for protobuf::$node {
            fn walk(&self, walker: &mut Walker) {
                let Self { $($child,)* $($($leaf: _,)*)? } = self;
                $($child.walk(walker);)*
                let _ = walker;
            }
        }
    )*};
}
pub(super) use children;

/// Strings of a list such as a qualified name; nothing if the list holds anything else.
pub(super) fn strings(list: &[protobuf::Node]) -> Option<Vec<&str>> {
    list.iter().map(string).collect()
}

/// The string that a node is, if it is one.
pub(super) fn string(node: &protobuf::Node) -> Option<&str> {
    match &node.node {
        Some(protobuf::node::Node::String(text)) => Some(&text.sval),
        _ => None,
    }
}

/// The constant text that an expression is, with a plain cast to `text` around it or not. Other
/// casts may change it: `'roles'::char(4)` is `role`.
pub(super) fn constant(node: &protobuf::Node) -> Option<&str> {
    match &node.node {
        Some(protobuf::node::Node::AConst(constant)) => match &constant.val {
            Some(protobuf::a_const::Val::Sval(text)) => Some(&text.sval),
            _ => None,
        },
        Some(protobuf::node::Node::TypeCast(cast)) => {
            let to = cast.type_name.as_ref()?;
            let names = strings(&to.names)?;
            let plain = to.typmods.is_empty() && to.array_bounds.is_empty() && !to.setof;
            let text = matches!(names.as_slice(), ["text"] | ["pg_catalog", "text"]);
            cast.arg
                .as_ref()
                .filter(|_| plain && text)
                .and_then(|arg| constant(arg))
        }
        _ => None,
    }
}
