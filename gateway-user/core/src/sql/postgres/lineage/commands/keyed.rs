//! Indexes and foreign keys of columns of which nothing is masked: they keep nothing and tell nothing.

use pg_query::protobuf::{self, ConstrType, node::Node};

use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::walk::strings;

/// A new table without its foreign keys to such columns.
pub(super) fn without_references(create: &protobuf::CreateStmt, tracer: &Tracer) -> protobuf::Node {
    let is_kept = |node: &protobuf::Node| match &node.node {
        Some(Node::Constraint(it)) => !refers_apart(it, tracer),
        _ => true,
    };
    let mut create = create.clone();
    create.table_elts.retain(is_kept);
    for element in &mut create.table_elts {
        if let Some(Node::ColumnDef(column)) = &mut element.node {
            column.constraints.retain(is_kept);
        }
    }
    protobuf::Node {
        node: Some(Node::CreateStmt(create)),
    }
}

fn refers_apart(constraint: &protobuf::Constraint, tracer: &Tracer) -> bool {
    let is_reference = constraint.contype == i32::from(ConstrType::ConstrForeign);
    let columns = strings(&constraint.pk_attrs);
    let other = constraint.pktable.as_ref();
    is_reference
        && other.is_some_and(|it| columns.is_some_and(|columns| is_apart(it, &columns, tracer)))
}

/// Whether an index is of such columns alone.
pub(super) fn indexes_apart(index: &protobuf::IndexStmt, tracer: &Tracer) -> bool {
    let elements = index
        .index_params
        .iter()
        .chain(&index.index_including_params);
    let column = |node: &protobuf::Node| match &node.node {
        Some(Node::IndexElem(it)) if it.expr.is_none() => Some(it.name.clone()),
        _ => None,
    };
    let columns: Option<Vec<String>> = elements.map(column).collect();
    let columns = columns.filter(|_| index.where_clause.is_none());
    let relation = index.relation.as_ref();
    relation.zip(columns).is_some_and(|(relation, columns)| {
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        !columns.is_empty() && is_apart(relation, &columns, tracer)
    })
}

/// Whether nothing of these columns is masked; where none is written, of those that a key may be of.
fn is_apart(relation: &protobuf::RangeVar, columns: &[&str], tracer: &Tracer) -> bool {
    let found = tracer.relation(&relation.schemaname, &relation.relname);
    let clear = found.relations.iter().all(|relation| {
        let fields = tracer.columns_of(relation);
        let is_clear = |name: &str| fields.named(name).is_some_and(|it| !it.value.tainted());
        let mut keys = relation.columns.iter().filter(|column| column.is_unique);
        match columns {
            [] => keys.all(|column| is_clear(&column.name)),
            _ => columns.iter().all(|name| is_clear(name)),
        }
    });
    clear && !found.open && !found.relations.is_empty()
}
