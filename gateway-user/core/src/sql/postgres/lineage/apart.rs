//! Statements that have nothing to do with anything masked, by the names in them alone.
//!
//! While a transaction is open the catalog has nothing of what is made in it: `Here` are the relations that
//! were. Nothing masked is in them, for what would have put it there was refused. So a statement over these
//! and over others that show nothing masked, in whatever schema, returns nothing masked, and nothing of it
//! has to be traced column by column.

use std::collections::BTreeSet;

use pg_query::protobuf::{self, node::Node};

use super::commands::names_apart;
use super::tracer::{Tracer, is_query};
use super::{Columns, Made, Named, Statement};

/// Most relations that are remembered; names beyond are not known, as before.
const MAX_MADE: usize = 1_000;

/// Relations that were made in the transaction that is open.
#[derive(Clone, Debug, Default)]
pub struct Here {
    tables: BTreeSet<Box<str>>,
    views: BTreeSet<Box<str>>,
}

impl Here {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.views.is_empty()
    }

    /// A table was made, of whatever schema.
    pub fn table(&mut self, name: &str) {
        if self.tables.len() < MAX_MADE {
            self.tables.insert(name.into());
        }
    }

    /// A view was made. What is written to it goes elsewhere.
    pub fn view(&mut self, name: &str) {
        if self.views.len() < MAX_MADE {
            self.views.insert(name.into());
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.has_table(name) || self.views.contains(name)
    }

    pub(super) fn has_table(&self, name: &str) -> bool {
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
                let name = Named::Cursor(declare.portalname.as_str().into());
                let statement = std::sync::Arc::new(Statement::default());
                Some(Made { name, statement })
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
        Some(Statement {
            makes,
            reads: Columns::Unknown,
            writes: Columns::Unknown,
            ..Statement::default()
        })
    }
}
