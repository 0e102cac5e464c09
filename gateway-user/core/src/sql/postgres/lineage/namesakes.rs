//! `Namesakes`: a second look at names, which knows nothing of levels.
//!
//! What a name means is found by `scope`, as the server finds it. Where that is mistaken, something masked
//! would be taken for something else. So the names that a statement gives to what is made of masked columns
//! are noted here, wherever it does, and what is called by one of them counts as made of these, whatever else
//! it was found to be. A name behind that of a relation is spared where it is a table of the catalog and
//! nothing else in the statement goes by that name.
//!
//! As a name may be used before it is noted, a statement is traced again until nothing is noted any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pg_query::protobuf::{self, node::Node};

use super::kinds::alone;
use super::tracer::Tracer;
use super::value::{Effects, Field, Fields, Value};
use crate::sql::postgres::walk::{Place, Walk as _, Walker};
use crate::sql::postgres::{SearchPath, Session};

/// How often a statement is traced at most.
const MAX_ROUNDS: usize = 4;

/// What one statement calls what.
#[derive(Debug, Default)]
pub(super) struct Namesakes {
    /// Names of what is made of masked columns.
    names: BTreeMap<Arc<str>, Value>,
    /// Names of relations: the table of the catalog that each is, or none if it is something else as well.
    relations: BTreeMap<Arc<str>, Option<u32>>,
    /// Whether something was noted that was not known in this round.
    grown: bool,
    /// What the tracing has come by.
    seen: BTreeSet<Place>,
}

impl Namesakes {
    fn note(&mut self, name: &Arc<str>, value: &Value) {
        if !value.tainted() {
            return;
        }
        let value = Value {
            fields: None,
            ..value.clone()
        };
        let noted = match self.names.get(name) {
            Some(known) => whichever(known, &value),
            None => value,
        };
        let same = |known: &Value| known.same(&noted) && known.ty == noted.ty;
        self.grown |= !self.names.get(name).is_some_and(same);
        self.names.insert(Arc::clone(name), noted);
    }
}

impl Tracer<'_> {
    /// Traces a statement until its names are known.
    pub(super) fn settled(
        &self,
        node: &protobuf::Node,
        trace: impl Fn() -> Fields,
    ) -> (Fields, Effects) {
        let outer = self.namesakes.take();
        let mut traced = None;
        for _ in 0..MAX_ROUNDS {
            self.namesakes.borrow_mut().grown = false;
            let made = self.aside(&trace);
            if !self.namesakes.borrow().grown {
                traced = Some(made);
                break;
            }
        }
        let is_whole = self.overlooks_nothing(node);
        self.namesakes.replace(outer);
        traced
            .filter(|_| is_whole)
            .unwrap_or_else(|| self.aside(|| self.lost_rows()))
    }

    /// Whether the tracing has come by everything that reads something.
    fn overlooks_nothing(&self, node: &protobuf::Node) -> bool {
        let session = Session {
            search_path: SearchPath::Unknown,
            ..Session::default()
        };
        let mut walker = Walker::new(&session, 1);
        walker.watch();
        walker.top(|walker| node.walk(walker));
        let there = walker.take_seen().unwrap_or_default().places;
        self.steps(there.len());
        !walker.overflows() && there.is_subset(&self.namesakes.borrow().seen)
    }

    /// The tracing comes by this.
    pub(super) fn pass(&self, place: Place) {
        self.namesakes.borrow_mut().seen.insert(place);
    }

    /// The tracing comes by this relation.
    pub(super) fn pass_relation(&self, node: &protobuf::Node) {
        if let Some(Node::RangeVar(relation)) = &node.node {
            self.pass(Place::Relation(relation.location));
        }
    }

    /// A table of the catalog goes by this name, or something else does.
    pub(super) fn note_relation(&self, name: &str, table: Option<u32>) {
        let mut namesakes = self.namesakes.borrow_mut();
        let known = namesakes.relations.entry(name.into()).or_insert(table);
        if *known != table && known.is_some() {
            *known = None;
            namesakes.grown = true;
        }
    }

    /// These names are given to something.
    pub(super) fn note_fields(&self, relation: Option<&str>, fields: &Fields) {
        self.steps(fields.list.len());
        let mut namesakes = self.namesakes.borrow_mut();
        for field in fields.list.iter() {
            if let Some(name) = &field.name {
                namesakes.note(name, &field.value);
            }
        }
        if let (Some(name), false) = (relation, fields.open) {
            namesakes.note(&name.into(), &Value::made_of(fields.masks()));
        }
    }

    /// These names may be given to any of these.
    pub(super) fn note_any(&self, names: &[Arc<str>], fields: &Fields) {
        let mut namesakes = self.namesakes.borrow_mut();
        let values = fields.list.iter().map(|field| field.value.clone());
        let value = values.reduce(|one, other| whichever(&one, &other));
        let value = value
            .filter(|_| !fields.open)
            .unwrap_or_else(Value::unknown);
        names.iter().for_each(|name| namesakes.note(name, &value));
    }

    /// What is called so, behind the name of this relation if one is written.
    pub(super) fn doubted(&self, relation: Option<&str>, name: &str, value: Value) -> Value {
        let namesakes = self.namesakes.borrow();
        let Some(other) = namesakes.names.get(name) else {
            return value;
        };
        let is_sure = relation
            .and_then(|name| namesakes.relations.get(name))
            .is_some_and(Option::is_some);
        if is_sure {
            return value;
        }
        let fields = value.fields.clone();
        let bare = Value {
            fields: None,
            ..value
        };
        Value {
            fields,
            ..whichever(&bare, other)
        }
    }

    /// The same of all of these, but for what is a table's.
    pub(super) fn doubted_fields(&self, fields: Fields) -> Fields {
        if self.namesakes.borrow().names.is_empty() {
            return fields;
        }
        let doubted = |field: &Field| match &field.name {
            Some(name) if field.source.is_none() => Field {
                value: self.doubted(None, name, field.value.clone()),
                ..field.clone()
            },
            _ => field.clone(),
        };
        Fields {
            list: fields.list.iter().map(doubted).collect(),
            open: fields.open,
        }
    }
}

/// One or the other, as it is: of a type only if both are.
fn whichever(one: &Value, other: &Value) -> Value {
    let ty = alone(one.ty);
    Value {
        ty: if ty == alone(other.ty) { ty } else { 0 },
        ..one.either(other)
    }
}
