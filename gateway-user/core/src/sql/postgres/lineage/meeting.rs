//! What is put meets what is there: unique columns tell whether a value is there already.

use std::sync::Arc;

use pg_query::protobuf::{self, node::Node};

use super::catalog::RelationKind;
use super::filled::Write;
use super::scope::{Item, Scope};
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};

impl Tracer<'_> {
    /// `ON CONFLICT`.
    pub(super) fn conflict(
        &self,
        relation: &protobuf::RangeVar,
        conflict: &protobuf::OnConflictClause,
        target: &mut Item,
        before: &Fields,
        put: &[(Option<Arc<str>>, Value)],
        scope: &Scope,
    ) {
        // What was to be put there, or what the column is by default.
        let excluded = before.list.iter().map(|field| {
            let mut given = put.iter().filter(|(name, _)| *name == field.name);
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
            let listed: Vec<_> = put.iter().map(|(name, _)| name.clone()).collect();
            self.meets(relation, &listed, before);
        }
        self.defaulted.set(false);
        self.set(
            relation,
            &conflict.target_list,
            &mut target.fields,
            before,
            &level,
        );
        if self.defaulted.get() {
            self.fill(relation, &[], &mut target.fields, before);
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
