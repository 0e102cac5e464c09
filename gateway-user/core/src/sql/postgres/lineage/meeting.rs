//! What is put meets what is there: unique columns tell whether a value is there already.

use std::sync::Arc;

use pg_query::protobuf::{self, AExprKind, BoolExprType, node::Node};

use super::catalog::{Column, Relation, RelationKind, Volatility};
use super::filled::Write;
use super::scope::{Item, Scope};
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};
use crate::sql::postgres::walk::{string, strings};

/// What an `INSERT` puts where.
pub(super) struct Put {
    /// The columns, none where it is not known which, and the values.
    pub(super) columns: Vec<(Option<Arc<str>>, Value)>,
    /// Whether it is rows that are written down.
    pub(super) is_listed: bool,
}

impl Tracer<'_> {
    /// `ON CONFLICT`.
    pub(super) fn conflict(
        &self,
        relation: &protobuf::RangeVar,
        conflict: &protobuf::OnConflictClause,
        target: &mut Item,
        before: &Fields,
        put: &Put,
        scope: &Scope,
    ) {
        // What was to be put there, or what the column is by default.
        let excluded = before.list.iter().map(|field| {
            let mut given = put.columns.iter().filter(|(name, _)| *name == field.name);
            let value = given.next().map_or_else(
                || field.value.clone(),
                |(_, given)| Value {
                    // It has been brought to the column's.
                    ty: field.value.ty,
                    collation: field.value.collation,
                    ..match given.tainted() {
                        true => given.either(&field.value),
                        false => given.clone(),
                    }
                },
            );
            Field {
                name: field.name.clone(),
                value,
                source: None,
            }
        });
        let excluded = Fields {
            list: excluded.collect(),
            open: before.open,
        };
        let mut item = target.clone();
        item.fields = before.clone();
        let mut excluded = Item::new(Some("excluded"), excluded);
        excluded.bare = false;
        let level = Scope::within(scope, vec![item, excluded]);
        if let Some(infer) = &conflict.infer {
            self.probe_maybe(infer.where_clause.as_deref(), &level);
            for element in &infer.index_elems {
                let Some(Node::IndexElem(element)) = &element.node else {
                    self.lose();
                    continue;
                };
                if !element.name.is_empty() {
                    self.probe(&level.value(self, &[&element.name]));
                }
                self.probe_maybe(element.expr.as_deref(), &level);
            }
        }
        self.probe_maybe(conflict.where_clause.as_deref(), &level);
        // Of a constraint that is named it is not known which columns it is of.
        let named = |infer: &protobuf::InferClause| !infer.conname.is_empty();
        if conflict.infer.as_ref().is_none_or(|it| named(it)) {
            let listed: Vec<_> = put.columns.iter().map(|(name, _)| name.clone()).collect();
            self.meets(relation, &listed, before);
        }
        self.defaulted.set(false);
        self.set(
            relation,
            &conflict.target_list,
            &mut target.fields,
            before,
            &level,
            &|value| put.is_listed && is_excluded(value) || self.is_written(value),
        );
        if self.defaulted.get() {
            self.fill(relation, &[], &mut target.fields, before);
        }
    }

    /// Whether it is one value for all rows, which is written down or made of such.
    pub(super) fn is_written(&self, node: Option<&protobuf::Node>) -> bool {
        let Some(node) = node.and_then(|node| node.node.as_ref()) else {
            return false;
        };
        match node {
            Node::AConst(_) | Node::ParamRef(_) | Node::SetToDefault(_) => true,
            Node::TypeCast(cast) => self.is_written(cast.arg.as_deref()),
            Node::FuncCall(call) => {
                let name = call.funcname.last().and_then(string).unwrap_or_default();
                let functions = self.catalog().functions_named(name);
                let mut computing = functions.iter().map(|it| {
                    it.volatility == Volatility::Immutable && !it.returns_set && !it.is_aggregate
                });
                !functions.is_empty()
                    && computing.all(|it| it)
                    && call.args.iter().all(|arg| self.is_written(Some(arg)))
            }
            _ => false,
        }
    }

    /// Whether at most one row is changed: one column is said of which no two rows have the same.
    pub(super) fn is_one_row(&self, update: &protobuf::UpdateStmt) -> bool {
        let (Some(relation), Some(condition)) = (&update.relation, &update.where_clause) else {
            return false;
        };
        let found = self.relation(&relation.schemaname, &relation.relname);
        let alias = relation
            .alias
            .as_ref()
            .map(|alias| alias.aliasname.as_str());
        let target = alias.unwrap_or(&relation.relname);
        // Those that inherit may have more rows of one value.
        let tables = found.relations.iter();
        let tables: Option<Vec<_>> = tables.map(|it| self.affected(it, Write::Update)).collect();
        let Some(tables) = tables.filter(|it| !found.open && !it.is_empty()) else {
            return false;
        };
        let is_sole = |name: &str| {
            let mut heirs = tables.iter().flat_map(|family| {
                let top = family.first().map(|it| it.oid);
                family
                    .iter()
                    .filter(move |it| Some(it.oid) == top || !it.parents.is_empty())
            });
            heirs.all(|table| {
                let column = table.columns.iter().find(|column| *column.name == *name);
                column.is_some_and(|column| {
                    let mut keys = table.keys.iter().filter(|key| key.is_sole);
                    keys.any(|key| *key.columns == [column.number])
                })
            })
        };
        let is_key = |node: &protobuf::Node| match &node.node {
            Some(Node::ColumnRef(column)) => match strings(&column.fields).as_deref() {
                Some([name]) => update.from_clause.is_empty() && is_sole(name),
                Some([qualifier, name]) => *qualifier == target && is_sole(name),
                _ => false,
            },
            _ => false,
        };
        self.catalog().operators_named("=").is_empty() && self.says(condition, &is_key)
    }

    /// Whether a condition says that a key is one value.
    fn says(&self, condition: &protobuf::Node, is_key: &dyn Fn(&protobuf::Node) -> bool) -> bool {
        match &condition.node {
            Some(Node::BoolExpr(it)) if it.boolop == i32::from(BoolExprType::AndExpr) => {
                it.args.iter().any(|arg| self.says(arg, is_key))
            }
            Some(Node::AExpr(it)) if it.kind == i32::from(AExprKind::AexprOp) => {
                let is_equal = strings(&it.name).is_some_and(|name| name == ["="]);
                let (one, other) = (it.lexpr.as_deref(), it.rexpr.as_deref());
                is_equal
                    && (one.is_some_and(is_key) && self.is_written(other)
                        || other.is_some_and(is_key) && self.is_written(one))
            }
            _ => false,
        }
    }

    /// Rows that are changed come under other keys, or into other partitions: what is there of them besides meets
    /// what else is there, for all rows at once.
    pub(super) fn moves(&self, relation: &protobuf::RangeVar, targets: &[protobuf::Node]) {
        let found = self.relation(&relation.schemaname, &relation.relname);
        for top in found.relations {
            let Some(tables) = self.affected(top, Write::Update) else {
                return self.lose();
            };
            let is_set = |column: &Column| {
                targets.iter().any(|target| match &target.node {
                    Some(Node::ResTarget(target)) => *target.name == *column.name,
                    _ => true,
                })
            };
            // Columns behind a view have other names, and those that follow a foreign key.
            let is_known = |table: &Relation| {
                let follows = table.references.iter().any(|key| key.updates);
                let is_part = !table.parents.is_empty() && !follows;
                top.kind != RelationKind::View && (table.oid == top.oid || is_part)
            };
            let changes = |table: &Relation, number: i16| {
                let mut columns = table.columns.iter();
                number == 0
                    || !is_known(table)
                    || columns.any(|column| column.number == number && is_set(column))
            };
            let is_parted = |table: &Relation| table.parted.iter().any(|it| changes(table, *it));
            let moves = tables.iter().any(|table| is_parted(table));
            for table in tables {
                let fields = self.columns_of(table);
                let keys = table.keys.iter();
                let moved = keys.filter(|key| {
                    let is_shared = !key.is_sole;
                    moves || is_shared && key.columns.iter().any(|it| changes(table, *it))
                });
                for key in moved {
                    let columns = table.columns.iter().zip(fields.list.iter());
                    let met = columns.filter(|(column, _)| {
                        let is_in = key.columns.iter().any(|it| [0, column.number].contains(it));
                        is_in && (moves || !is_known(table) || !is_set(column))
                    });
                    met.for_each(|(_, field)| self.probe(&field.value));
                }
            }
        }
    }

    /// What is put meets all that is there: whether it does is told for any number of guesses at once.
    pub(super) fn meets(
        &self,
        relation: &protobuf::RangeVar,
        put: &[Option<Arc<str>>],
        before: &Fields,
    ) {
        let found = self.relation(&relation.schemaname, &relation.relname);
        if found.relations.is_empty() && self.here.has_table(&relation.relname) {
            // What it holds was put there by the same transaction.
            return;
        }
        // Partitions may have keys of their own.
        let tables = found.relations.iter();
        let tables: Option<Vec<_>> = tables.map(|it| self.affected(it, Write::Insert)).collect();
        let may_meet = |name: &str| {
            let mut columns = tables.iter().flatten().flatten().flat_map(|it| {
                let view = it.kind == RelationKind::View;
                let named = it.columns.iter().filter(|column| *column.name == *name);
                named.map(move |column| view || column.is_unique)
            });
            found.open || tables.is_none() || columns.any(|unique| unique)
        };
        for name in put {
            match name.as_deref() {
                Some(name) if !may_meet(name) => {}
                Some(name) => before
                    .named(name)
                    .iter()
                    .for_each(|it| self.probe(&it.value)),
                None => self.probe_masks(&before.masks()),
            }
        }
    }
}

/// Whether it is a column of the row that was to be put.
fn is_excluded(node: Option<&protobuf::Node>) -> bool {
    match node.and_then(|node| node.node.as_ref()) {
        Some(Node::ColumnRef(column)) => {
            strings(&column.fields).is_some_and(|names| matches!(&*names, ["excluded", _]))
        }
        _ => false,
    }
}
