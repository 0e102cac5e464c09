//! Statements that have nothing to do with anything masked, by the names in them alone.
//!
//! While a transaction is open the catalog has nothing of what is made in it: `Here` are the relations that
//! were. Nothing masked is in them, for what would have put it there was refused. So a statement over these
//! and over others that show nothing masked, in whatever schema, returns nothing masked, and nothing of it
//! has to be traced column by column.

use std::collections::BTreeSet;
use std::sync::Arc;

use pg_query::protobuf::{self, node::Node};

use super::commands::names_apart;
use super::tracer::{Tracer, is_query};
use super::{Columns, Made, Named, Statement};

/// Most relations that are remembered; names beyond are not known, as before.
const MAX_MADE: usize = 1_000;

/// A relation that is made.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// Its name, without a schema.
    pub name: Box<str>,
    /// Whether what is written to it is in it and does nothing else, and nothing is in it that was not given.
    pub is_plain: bool,
}

/// Relations that were made in the transaction that is open.
#[derive(Clone, Debug, Default)]
pub struct Here {
    /// Plain ones.
    tables: BTreeSet<Box<str>>,
    /// Others.
    views: BTreeSet<Box<str>>,
}

impl Here {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.views.is_empty()
    }

    /// It was made, in whatever schema.
    pub fn note(&mut self, fresh: &Fresh) {
        if self.tables.len() + self.views.len() >= MAX_MADE {
            return;
        }
        // One that is there already may not have been made again.
        if fresh.is_plain && !self.views.contains(&fresh.name) {
            self.tables.insert(fresh.name.clone());
        } else {
            self.tables.remove(&fresh.name);
            self.views.insert(fresh.name.clone());
        }
    }

    /// What is written to the tables may go elsewhere from now on.
    pub fn divert(&mut self) {
        self.views.append(&mut self.tables);
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.has_table(name) || self.views.contains(name)
    }

    /// Whether a table of this name was made, into which goes what is written to it.
    pub fn has_table(&self, name: &str) -> bool {
        self.tables.contains(name)
    }
}

impl Tracer<'_> {
    /// What a statement does that is apart from all that is masked; none if it may not be.
    pub(super) fn apart(&self, node: &protobuf::Node) -> Option<Statement> {
        if self.here.is_empty() {
            return None;
        }
        let makes = match node.node.as_ref()? {
            Node::DeclareCursorStmt(declare) if declare.query.as_deref().is_some_and(is_query) => {
                Some(Named::Cursor(declare.portalname.as_str().into()))
            }
            Node::ExplainStmt(explain) if explain.query.as_deref().is_some_and(is_query) => None,
            Node::CreateTableAsStmt(create) if create.query.as_deref().is_some_and(is_query) => {
                None
            }
            Node::CopyStmt(copy) if !copy.is_program && copy.filename.is_empty() => None,
            Node::ViewStmt(_) => None,
            _ if is_query(node) => None,
            _ => return None,
        };
        let (is_apart, effects) = self.aside(|| names_apart(self, node));
        let is_apart = is_apart && !effects.touches && effects.copied.is_empty() && self.step();
        if !is_apart {
            return None;
        }
        self.found();
        let code = effects.code;
        let made = Statement {
            code,
            ..Statement::default()
        };
        let statement = Arc::new(made);
        Some(Statement {
            makes: makes.map(|name| Made { name, statement }),
            code,
            reads: Columns::Unknown,
            writes: Columns::Unknown,
            ..Statement::default()
        })
    }
}
