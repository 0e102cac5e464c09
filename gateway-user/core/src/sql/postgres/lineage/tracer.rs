//! `Tracer`: what the tracing of one text has at hand, and how much it may still do.
//!
//! INVARIANT: whatever is not found, not known or too much makes the result unknown; nothing here
//! answers "clean" because it gave up.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use pg_query::protobuf;

use super::catalog::{Catalog, Relation};
use super::{Masked, Statement, Trace};
use crate::mask::Mask;
use crate::sql::postgres::SearchPath;

/// Most nodes that are visited for one text.
const MAX_STEPS: u32 = 200_000;

/// The tracing of one text.
#[derive(Debug)]
pub(super) struct Tracer<'a> {
    /// What is masked.
    pub(super) masked: &'a Masked,
    /// Where unqualified names are looked for.
    pub(super) path: &'a SearchPath,
    steps: Cell<u32>,
    missing: Cell<bool>,
    /// Texts of the catalog's whose traces are needed and not there yet.
    needed: RefCell<Vec<(Box<str>, SearchPath)>>,
}

/// Relations that a name may mean.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// These; more than one where the search path is not known.
    pub(super) relations: Vec<&'a Relation>,
    /// Whether it may mean something that the catalog does not have.
    pub(super) open: bool,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(masked: &'a Masked, path: &'a SearchPath) -> Self {
        Self {
            masked,
            path,
            steps: Cell::new(MAX_STEPS),
            missing: Cell::new(false),
            needed: RefCell::default(),
        }
    }

    /// The catalog.
    pub(super) fn catalog(&self) -> &'a Catalog {
        &self.masked.catalog
    }

    /// One step more; false if there were too many, and then the result must be unknown.
    pub(super) fn step(&self) -> bool {
        let left = self.steps.get().checked_sub(1);
        self.steps.set(left.unwrap_or(0));
        left.is_some()
    }

    /// Notes that something is named which the catalog does not have.
    pub(super) fn missing(&self) {
        self.missing.set(true);
    }

    /// What a statement that is run does: a query or a command.
    pub(super) fn statement(&self, node: &protobuf::Node) -> Statement {
        super::commands::command(node, self)
    }

    /// What a query does that is run: a `SELECT`, `VALUES`, `TABLE`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`.
    pub(super) fn query(&self, _node: &protobuf::Node) -> Statement {
        Statement::unknown()
    }

    /// What a `SELECT` of these expressions does, with no table: arguments of `EXECUTE` or `CALL`.
    pub(super) fn arguments(&self, _nodes: &[protobuf::Node]) -> Statement {
        Statement::unknown()
    }

    /// The relations that a name may mean; an empty schema means none is written. Notes what is
    /// missing.
    pub(super) fn relation(&self, _schema: &str, _name: &str) -> Found<'a> {
        Found {
            relations: Vec::new(),
            open: true,
        }
    }

    /// The mask of a column of a relation, by its place in `Relation::columns`: its own or one of its
    /// family's.
    pub(super) fn mask(&self, _relation: &Relation, _place: usize) -> Option<Arc<Mask>> {
        None
    }

    /// What a text of the catalog's does, such as the body of a function, with this search path.
    /// None if it is not known, or not yet: then the result here counts as unknown, and everything is
    /// traced once more when it is.
    pub(super) fn text(&self, text: &str, path: &SearchPath) -> Option<Arc<Trace>> {
        let mut needed = self.needed.borrow_mut();
        needed.push((text.into(), path.clone()));
        None
    }
}
