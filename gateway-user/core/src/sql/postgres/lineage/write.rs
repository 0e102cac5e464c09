//! `INSERT`, `UPDATE`, `DELETE` and `MERGE`: what goes into which column, and what comes back.

use std::sync::Arc;

use pg_query::protobuf::{self, node::Node};

use super::filled::Write;
use super::joint;
use super::meeting::Put;
use super::scope::{Item, Scope};
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};
use super::{Masks, Output};
use crate::mask::{Kind, Mask};

/// Where the relation that is written stands in what `RETURNING *` is.
#[derive(Clone, Copy)]
enum Place {
    First,
    /// `MERGE` has what it merges first.
    Last,
}

impl Tracer<'_> {
    pub(super) fn insert(&self, insert: &protobuf::InsertStmt, outer: &Scope) -> Fields {
        let Some(relation) = &insert.relation else {
            return self.lost_rows();
        };
        let scope = self.with(insert.with_clause.as_ref(), outer);
        let write = match insert.on_conflict_clause {
            Some(_) => Write::Update,
            None => Write::Insert,
        };
        let mut target = self.written(relation, write);
        self.defaulted.set(false);
        self.multiplied.set(false);
        let given = insert
            .select_stmt
            .as_deref()
            .map(|query| self.rows(query, &scope));
        let given = given.unwrap_or_else(Fields::none);
        let mut put = Vec::new();
        if insert.cols.is_empty() {
            if given.open || given.list.len() > target.fields.list.len() || target.fields.open {
                self.put_anywhere(&given.masks());
            }
            let both = target.fields.list.iter().zip(given.list.iter());
            put.extend(both.map(|(field, given)| (field.name.clone(), given.value.clone())));
        } else {
            for (place, column) in insert.cols.iter().enumerate() {
                let Some(Node::ResTarget(column)) = &column.node else {
                    return self.lost_rows();
                };
                // `DEFAULT VALUES` and fewer values than columns put nothing.
                let value = match given.list.len() {
                    0 if !given.open => Value::clean(),
                    _ => given.at(place),
                };
                let value = self.placed(&column.indirection, value, &scope);
                put.push((Some(column.name.as_str().into()), value));
            }
        }
        let before = target.fields.clone();
        for (name, value) in &put {
            self.put(&mut target.fields, &before, name.as_deref(), value);
        }
        let named: Vec<_> = match self.defaulted.get() {
            true => Vec::new(),
            false => put.iter().filter_map(|(name, _)| name.as_deref()).collect(),
        };
        self.fill(relation, &named, &mut target.fields, &before);
        let is_values = insert.select_stmt.as_deref().is_none_or(is_values);
        let is_listed = is_values && !self.multiplied.get();
        let put = Put {
            columns: put,
            is_listed,
        };
        if !is_listed {
            let listed: Vec<_> = put.columns.iter().map(|(name, _)| name.clone()).collect();
            self.meets(relation, &listed, &before);
        }
        if let Some(conflict) = &insert.on_conflict_clause {
            self.conflict(relation, conflict, &mut target, &before, &put, &scope);
        }
        self.returning(
            insert.returning_clause.as_ref(),
            target,
            Vec::new(),
            Place::First,
            &scope,
        )
    }

    /// Columns that are given nothing get what they have by default.
    pub(super) fn fill(
        &self,
        relation: &protobuf::RangeVar,
        given: &[&str],
        fields: &mut Fields,
        before: &Fields,
    ) {
        let found = self.relation(&relation.schemaname, &relation.relname);
        for relation in found.relations {
            let columns = relation.columns.iter();
            for column in columns.filter(|column| !given.contains(&&*column.name)) {
                let value = self.default(column);
                if value.tainted() {
                    self.put(fields, before, Some(&column.name), &value);
                }
            }
            // Of what stands behind a view, any column may be given nothing.
            let behind = self.affected(relation, Write::Insert).unwrap_or_default();
            for other in behind.into_iter().filter(|it| it.oid != relation.oid) {
                for column in &other.columns {
                    self.copy(&self.default(column).masks);
                }
            }
        }
    }

    pub(super) fn update(&self, update: &protobuf::UpdateStmt, outer: &Scope) -> Fields {
        let Some(relation) = &update.relation else {
            return self.lost_rows();
        };
        let with = self.with(update.with_clause.as_ref(), outer);
        let mut target = self.written(relation, Write::Update);
        let from = self.from(&update.from_clause, &with);
        if !from.is_empty() {
            self.sifted_asks();
        }
        let mut items = vec![target.clone()];
        items.extend(from.iter().cloned());
        let scope = Scope::within(&with, items);
        self.probe_maybe(update.where_clause.as_deref(), &scope);
        let before = target.fields.clone();
        self.defaulted.set(false);
        self.set(
            relation,
            &update.target_list,
            &mut target.fields,
            &before,
            &scope,
            &|value| self.is_written(value),
        );
        if !self.is_one_row(update) {
            self.moves(relation, &update.target_list);
        }
        if self.defaulted.get() {
            self.fill(relation, &[], &mut target.fields, &before);
        }
        self.returning(
            update.returning_clause.as_ref(),
            target,
            from,
            Place::First,
            &with,
        )
    }

    pub(super) fn delete(&self, delete: &protobuf::DeleteStmt, outer: &Scope) -> Fields {
        let Some(relation) = &delete.relation else {
            return self.lost_rows();
        };
        let with = self.with(delete.with_clause.as_ref(), outer);
        let target = self.written(relation, Write::Delete);
        let using = self.from(&delete.using_clause, &with);
        if !using.is_empty() {
            self.sifted_asks();
        }
        let mut items = vec![target.clone()];
        items.extend(using.iter().cloned());
        self.probe_maybe(delete.where_clause.as_deref(), &Scope::within(&with, items));
        self.write_all(&target.fields);
        self.returning(
            delete.returning_clause.as_ref(),
            target,
            using,
            Place::First,
            &with,
        )
    }

    pub(super) fn merge(&self, merge: &protobuf::MergeStmt, outer: &Scope) -> Fields {
        let (Some(relation), Some(source)) = (&merge.relation, merge.source_relation.as_deref())
        else {
            return self.lost_rows();
        };
        let with = self.with(merge.with_clause.as_ref(), outer);
        let mut target = self.written(relation, Write::Any);
        let source = self.item(source, &with, &[]);
        self.sifted_asks();
        let mut items = vec![target.clone()];
        items.extend(source.iter().cloned());
        let scope = Scope::within(&with, items);
        self.probe_maybe(merge.join_condition.as_deref(), &scope);
        let before = target.fields.clone();
        for when in &merge.merge_when_clauses {
            let Some(Node::MergeWhenClause(when)) = &when.node else {
                return self.lost_rows();
            };
            self.probe_maybe(when.condition.as_deref(), &scope);
            if when.values.is_empty() {
                self.set(
                    relation,
                    &when.target_list,
                    &mut target.fields,
                    &before,
                    &scope,
                    &|value| self.is_written(value),
                );
                self.moves(relation, &when.target_list);
            } else {
                let values = self.spread(&when.values, &scope);
                if values.open {
                    self.put_anywhere(&values.masks());
                }
                let listed = match &*when.target_list {
                    [] => before.list.iter().map(|it| it.name.clone()).collect(),
                    _ => when.target_list.iter().map(column_of).collect::<Vec<_>>(),
                };
                self.meets(relation, &listed, &before);
                self.merge_insert(when, &values, &mut target.fields, &before, &scope);
            }
        }
        self.fill(relation, &[], &mut target.fields, &before);
        self.write_all(&before);
        self.returning(
            merge.returning_clause.as_ref(),
            target,
            source,
            Place::Last,
            &with,
        )
    }

    fn merge_insert(
        &self,
        when: &protobuf::MergeWhenClause,
        values: &Fields,
        fields: &mut Fields,
        before: &Fields,
        scope: &Scope,
    ) {
        let values = values.list.iter().map(|field| field.value.clone());
        for (place, value) in values.enumerate() {
            let column = when.target_list.get(place).map(|target| &target.node);
            let (name, value) = match column {
                Some(Some(Node::ResTarget(column))) => {
                    let value = self.placed(&column.indirection, value, scope);
                    (Some(column.name.as_str()), value)
                }
                None if when.target_list.is_empty() => {
                    let field = before.list.get(place);
                    (field.and_then(|field| field.name.as_deref()), value)
                }
                _ => (None, value),
            };
            self.put(fields, before, name, &value);
        }
    }

    /// `SET`. `is_written` says which values are the same for all rows, or one for each row that was sent.
    pub(super) fn set(
        &self,
        relation: &protobuf::RangeVar,
        targets: &[protobuf::Node],
        fields: &mut Fields,
        before: &Fields,
        scope: &Scope,
        is_written: &dyn Fn(Option<&protobuf::Node>) -> bool,
    ) {
        for target in targets {
            let Some(Node::ResTarget(target)) = &target.node else {
                self.lose();
                continue;
            };
            let value = target
                .val
                .as_deref()
                .map_or_else(|| self.lost(), |value| self.assigned(value, scope));
            if !target.indirection.is_empty() {
                // Beside what is there it may be compressed, and how well shows by where the row comes to be.
                let there = before.named(&target.name);
                there.iter().for_each(|field| self.probe(&field.value));
            }
            let value = self.placed(&target.indirection, value, scope);
            let name = Some(target.name.as_str().into());
            if !is_written(target.val.as_deref()) && !is_itself(before, &target.name, &value) {
                self.meets(relation, &[name], before);
            }
            self.put(fields, before, Some(&target.name), &value);
        }
    }

    /// A value as an element of an array or a field of a row: what says which counts too.
    fn placed(&self, steps: &[protobuf::Node], value: Value, scope: &Scope) -> Value {
        if steps.is_empty() {
            return value;
        }
        let mut parts = vec![value];
        for step in steps {
            match &step.node {
                Some(Node::AIndices(indices)) => {
                    let bounds = [&indices.lidx, &indices.uidx];
                    let bounds = bounds.into_iter().filter_map(Option::as_deref);
                    parts.push(self.values(bounds, scope));
                }
                Some(Node::String(_)) => {}
                _ => parts.push(self.lost()),
            }
        }
        Value::mixed(&parts)
    }

    fn assigned(&self, node: &protobuf::Node, scope: &Scope) -> Value {
        let Some(Node::MultiAssignRef(part)) = &node.node else {
            return self.value(node, scope);
        };
        let Some(source) = part.source.as_deref() else {
            return self.lost();
        };
        let row = match &source.node {
            Some(Node::SubLink(link)) => match link.subselect.as_deref() {
                // Its columns, also where there is one alone, which may be a row by itself.
                Some(query) => self.subrows(query, scope),
                None => return self.lost(),
            },
            Some(Node::RowExpr(row)) => self.spread(&row.args, scope),
            _ => return self.lost(),
        };
        let place = usize::try_from(part.colno)
            .ok()
            .and_then(|place| place.checked_sub(1));
        place.map_or_else(|| self.lost(), |place| row.at(place))
    }

    /// Puts a value into a column, of which `before` tells how it is masked.
    fn put(&self, fields: &mut Fields, before: &Fields, name: Option<&str>, value: &Value) {
        let field = name.and_then(|name| before.named(name));
        self.effects()
            .writes
            .add(field.as_ref().and_then(|field| field.source.as_ref()));
        if !value.tainted() {
            return;
        }
        let same = match field
            .as_ref()
            .map(|field| (&field.value.output, field.value.ty))
        {
            Some((Output::Copy(mask), ty)) => {
                value.masks == Masks::Known(vec![mask.name.clone()])
                    && stays_hidden(mask, value, ty)
            }
            _ => false,
        };
        if !same {
            self.copy(&value.masks);
        } else if value.source.is_none() || field.is_some_and(|it| it.value.source != value.source)
        {
            // It may be too long, not fit a constraint, or be there already.
            self.probe(value);
        }
        // It may come back.
        let list = fields.list.iter().map(|field| Field {
            value: if field.name.as_deref() == name {
                Value {
                    ty: field.value.ty,
                    collation: field.value.collation,
                    ..field.value.either(value)
                }
            } else {
                field.value.clone()
            },
            ..field.clone()
        });
        fields.list = list.collect();
    }

    fn put_anywhere(&self, masks: &Masks) {
        self.copy(masks);
        self.effects().writes.add(None);
    }

    fn write_all(&self, fields: &Fields) {
        let mut effects = self.effects();
        for field in fields.list.iter() {
            effects.writes.add(field.source.as_ref());
        }
        if fields.open {
            effects.writes.add(None);
        }
    }

    fn returning(
        &self,
        clause: Option<&protobuf::ReturningClause>,
        target: Item,
        others: Vec<Item>,
        before: Place,
        scope: &Scope,
    ) -> Fields {
        let Some(clause) = clause else {
            return Fields::none();
        };
        let mut names = vec!["old", "new"];
        for option in &clause.options {
            match &option.node {
                Some(Node::ReturningOption(option)) => names.push(&option.value),
                _ => return self.lost_rows(),
            }
        }
        let states = names.into_iter().map(|name| Item {
            name: Some(name.into()),
            fields: target.fields.clone(),
            bare: false,
        });
        let states: Vec<Item> = states.collect();
        let mut items = others;
        match before {
            Place::First => items.insert(0, target),
            Place::Last => items.push(target),
        }
        let known = |name: &Option<Arc<str>>| items.iter().any(|item| item.name == *name);
        let states: Vec<Item> = states
            .into_iter()
            .filter(|state| !known(&state.name))
            .collect();
        items.extend(states);
        self.targets(&clause.exprs, &Scope::within(scope, items))
    }
}

/// Whether it is what the column holds already.
fn is_itself(before: &Fields, name: &str, value: &Value) -> bool {
    let source = before.named(name).and_then(|it| it.value.source);
    source.is_some() && source == value.source
}

/// The column that a target is of, if it is one.
fn column_of(target: &protobuf::Node) -> Option<Arc<str>> {
    match &target.node {
        Some(Node::ResTarget(column)) => Some(column.name.as_str().into()),
        _ => None,
    }
}

/// Whether it is rows that are written down.
fn is_values(query: &protobuf::Node) -> bool {
    matches!(&query.node, Some(Node::SelectStmt(select)) if !select.values_lists.is_empty())
}

/// Whether a mask hides what it hid when this is put into a column of it and of this type. What is made of a value
/// may show more: other letters come first, other members are where none is masked.
fn stays_hidden(mask: &Mask, value: &Value, ty: u32) -> bool {
    let is_whole = mask.json.is_empty() && mask.within.is_none();
    let hides_all = matches!(mask.kind, Kind::Full | Kind::Null) && is_whole;
    hides_all || (matches!(value.output, Output::Copy(_)) && joint::same(value.ty, ty))
}
