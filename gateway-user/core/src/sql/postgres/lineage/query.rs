//! `SELECT`, `VALUES`, set operations and `WITH`.

use std::sync::Arc;

use pg_query::protobuf::{self, SetOperation, a_const::Val, node::Node};

use super::Masks;
use super::expression::{concatenated, name_of};
use super::from::{has_star, is_star};
use super::scope::{Cte, Item, Scope};
use super::tracer::Tracer;
use super::value::{Field, Fields, MAX_OUTPUTS, Value};
use crate::sql::postgres::queries::into;
use crate::sql::postgres::walk::{Place, string, strings};

/// How often a recursive query is gone through until its columns no longer change.
const MAX_ROUNDS: usize = 6;

impl Tracer<'_> {
    /// What a query returns.
    pub(super) fn rows(&self, node: &protobuf::Node, scope: &Scope) -> Fields {
        let fields = self.deeper(|| match &node.node {
            Some(Node::SelectStmt(select)) => self.select(select, scope),
            Some(Node::InsertStmt(insert)) => self.insert(insert, scope),
            Some(Node::UpdateStmt(update)) => self.update(update, scope),
            Some(Node::DeleteStmt(delete)) => self.delete(delete, scope),
            Some(Node::MergeStmt(merge)) => self.merge(merge, scope),
            _ => self.lost_rows(),
        });
        fields.unwrap_or_else(|| self.lost_rows())
    }

    fn select(&self, select: &protobuf::SelectStmt, outer: &Scope) -> Fields {
        let (fields, effects) = self.aside(|| {
            let fields = self.selected(select, outer);
            self.arranged(select);
            fields
        });
        self.join(effects);
        fields
    }

    fn selected(&self, select: &protobuf::SelectStmt, outer: &Scope) -> Fields {
        // What is locked is in FROM as well.
        for clause in &select.locking_clause {
            if let Some(Node::LockingClause(clause)) = &clause.node {
                clause
                    .locked_rels
                    .iter()
                    .for_each(|it| self.pass_relation(it));
            }
        }
        let scope = self.with(select.with_clause.as_ref(), outer);
        let fields = if select.larg.is_some() || select.rarg.is_some() {
            self.set_operation(select, &scope)
        } else if select.values_lists.is_empty() {
            self.plain(select, &scope)
        } else {
            let rows = self.lists(&select.values_lists, &scope);
            let item = Item::new(Some("*VALUES*"), rows.clone());
            self.ordered(select, &rows, &Scope::within(&scope, vec![item]));
            rows
        };
        if into(select).is_some() {
            self.copy(&fields.masks());
        }
        fields
    }

    fn set_operation(&self, select: &protobuf::SelectStmt, scope: &Scope) -> Fields {
        let (Some(left), Some(right)) = (&select.larg, &select.rarg) else {
            return self.lost_rows();
        };
        let arm = |arm| self.deeper(|| self.select(arm, scope));
        let (Some(left), Some(right)) = (arm(left), arm(right)) else {
            return self.lost_rows();
        };
        self.join_columns(&left, &right);
        let fields = left.joined(&right);
        let plain = select.op == i32::from(SetOperation::SetopUnion) && select.all;
        if !plain {
            self.probe_masks(&fields.masks());
        }
        self.ordered(select, &fields, &Scope::within(scope, Vec::new()));
        fields
    }

    /// The rows of `VALUES`.
    fn lists(&self, lists: &[protobuf::Node], scope: &Scope) -> Fields {
        let mut rows: Option<Fields> = None;
        for list in lists {
            let Some(Node::List(list)) = &list.node else {
                return self.lost_rows();
            };
            let row = self.spread(&list.items, scope);
            if row.open {
                return self.lost_rows();
            }
            let named = |(place, field): (usize, &Field)| {
                Field::new(&format!("column{}", place + 1), field.value.clone())
            };
            let row = Fields::of(row.list.iter().enumerate().map(named).collect());
            rows = Some(match rows {
                None => row,
                Some(rows) => {
                    self.join_columns(&rows, &row);
                    rows.joined(&row)
                }
            });
        }
        let rows = rows.unwrap_or_else(Fields::unknown);
        self.note_fields(None, &rows);
        rows
    }

    fn plain(&self, select: &protobuf::SelectStmt, outer: &Scope) -> Fields {
        let items = self.from(&select.from_clause, outer);
        self.matched(&select.from_clause);
        let mut scope = Scope::within(outer, items);
        for window in &select.window_clause {
            if let Some(Node::WindowDef(window)) = &window.node {
                let masks = self.window(window, &scope);
                scope.windows.push((window.name.as_str().into(), masks));
            } else {
                self.lose();
            }
        }
        self.probe_maybe(select.where_clause.as_deref(), &scope);
        self.probe_maybe(select.having_clause.as_deref(), &scope);
        let fields = self.targets(&select.target_list, &scope);
        for group in &select.group_clause {
            self.group(group, &fields, &scope);
        }
        match &*select.distinct_clause {
            [] => {}
            // Without expressions all are meant.
            [all] if all.node.is_none() => self.probe_masks(&fields.masks()),
            by => by.iter().for_each(|by| {
                let value = self.by_output(by, &fields);
                self.probe(&value.unwrap_or_else(|| self.value(by, &scope)));
            }),
        }
        self.ordered(select, &fields, &scope);
        fields
    }

    /// What is listed in a `SELECT` or `RETURNING`.
    pub(super) fn targets(&self, targets: &[protobuf::Node], scope: &Scope) -> Fields {
        let mut parts = Vec::new();
        let mut count = 0;
        for target in targets {
            let Some(Node::ResTarget(target)) = &target.node else {
                return self.lost_rows();
            };
            let fields = self.target(target, scope);
            count += fields.list.len();
            if count > MAX_OUTPUTS {
                return self.lost_rows();
            }
            parts.push(fields);
        }
        concatenated(parts.iter())
    }

    fn target(&self, target: &protobuf::ResTarget, scope: &Scope) -> Fields {
        let Some(node) = target.val.as_deref() else {
            return self.lost_rows();
        };
        if let Some(fields) = self.starred(node, scope) {
            return sourceless(&fields);
        }
        let written = (!target.name.is_empty()).then_some(target.name.as_str());
        Fields::of(vec![Field {
            name: written.or_else(|| name_of(node)).map(Into::into),
            value: self.value(node, scope),
            source: None,
        }])
    }

    /// The columns that a `*` stands for; none if it is no such.
    fn starred(&self, node: &protobuf::Node, scope: &Scope) -> Option<Fields> {
        match &node.node {
            Some(Node::ColumnRef(column)) if strings(&column.fields).is_none() => {
                let fields = self.star(column, scope);
                self.read_all(&fields);
                Some(fields)
            }
            Some(Node::AIndirection(_)) if is_star(node) => {
                let fields = self.value(node, scope).fields;
                Some(self.doubted_fields(fields.unwrap_or_else(Fields::unknown)))
            }
            _ => None,
        }
    }

    /// Values that are listed, in `VALUES` and rows, where a `*` is as many as there are columns.
    pub(super) fn spread(&self, nodes: &[protobuf::Node], scope: &Scope) -> Fields {
        let mut list = Vec::new();
        for node in nodes {
            match self.starred(node, scope) {
                Some(fields) if fields.open => return Fields::unknown(),
                Some(fields) => list.extend(fields.list.iter().map(|it| it.value.clone())),
                None => list.push(self.value(node, scope)),
            }
            if list.len() > MAX_OUTPUTS {
                return self.lost_rows();
            }
        }
        let name = |(place, value): (usize, Value)| Field::new(&format!("f{}", place + 1), value);
        Fields::of(list.into_iter().enumerate().map(name).collect())
    }

    /// What is grouped by: a column of this level comes before an output of that name, and this before one of
    /// the levels around.
    fn group(&self, node: &protobuf::Node, fields: &Fields, scope: &Scope) {
        match &node.node {
            Some(Node::GroupingSet(set)) => {
                set.content
                    .iter()
                    .for_each(|node| self.group(node, fields, scope));
            }
            Some(Node::List(list)) => {
                list.items
                    .iter()
                    .for_each(|node| self.group(node, fields, scope));
            }
            Some(Node::RowExpr(row)) => {
                row.args
                    .iter()
                    .for_each(|node| self.group(node, fields, scope));
            }
            Some(Node::ColumnRef(column)) if column.fields.len() == 1 => {
                self.pass(Place::Column(column.location));
                let name = column.fields.first().and_then(string).unwrap_or_default();
                let value = scope.own_column(self, name);
                let value = value.or_else(|| self.by_output(node, fields));
                self.probe(&value.unwrap_or_else(|| self.value(node, scope)));
            }
            _ => {
                let value = self.by_output(node, fields);
                self.probe(&value.unwrap_or_else(|| self.value(node, scope)));
            }
        }
    }

    /// The output that is meant by a number or a name.
    fn by_output(&self, node: &protobuf::Node, fields: &Fields) -> Option<Value> {
        match &node.node {
            Some(Node::AConst(constant)) => match &constant.val {
                Some(Val::Ival(number)) => {
                    let place = usize::try_from(number.ival).ok()?.checked_sub(1)?;
                    Some(fields.at(place))
                }
                _ => None,
            },
            Some(Node::ColumnRef(column)) => match strings(&column.fields).as_deref() {
                Some([name]) => {
                    let is = |field: &Field| field.name.as_deref() == Some(*name);
                    if fields.open || fields.list.iter().any(is) {
                        self.pass(Place::Column(column.location));
                        let value = fields.named(name)?.value;
                        return Some(self.doubted(None, name, value));
                    }
                    // One whose name is not known may be meant, or a column.
                    let unnamed = fields.list.iter().filter(|field| field.name.is_none());
                    unnamed.for_each(|field| self.probe(&field.value));
                    None
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// `ORDER BY`, `LIMIT` and `OFFSET`.
    fn ordered(&self, select: &protobuf::SelectStmt, fields: &Fields, scope: &Scope) {
        for sort in &select.sort_clause {
            let Some(Node::SortBy(sort)) = &sort.node else {
                self.lose();
                continue;
            };
            let output = sort
                .node
                .as_deref()
                .and_then(|by| self.by_output(by, fields));
            match output {
                Some(value) if sort.use_op.is_empty() => self.probe(&value),
                output => {
                    let value = self.sort(sort, scope);
                    self.probe(&value);
                    self.probe(&output.unwrap_or_else(Value::clean));
                }
            }
        }
        self.probe_maybe(select.limit_count.as_deref(), scope);
        self.probe_maybe(select.limit_offset.as_deref(), scope);
    }

    /// The level that a `WITH` makes.
    pub(super) fn with<'s>(
        &self,
        clause: Option<&protobuf::WithClause>,
        outer: &'s Scope<'s>,
    ) -> Scope<'s> {
        let mut scope = Scope::within(outer, Vec::new());
        let Some(clause) = clause else {
            return scope;
        };
        let ctes = clause.ctes.iter();
        let ctes: Vec<_> = ctes
            .filter_map(|cte| match &cte.node {
                Some(Node::CommonTableExpr(cte)) => Some(cte),
                _ => {
                    self.lose();
                    None
                }
            })
            .collect();
        if clause.recursive {
            // One that comes later may be used, and is not known yet.
            let later = ctes.iter().rev();
            let later = later.map(|cte| Cte::of(cte, Fields::unknown()));
            scope.ctes = later.collect();
        }
        for cte in ctes {
            let fields = self.cte(cte, &mut scope, clause.recursive);
            self.note_fields(Some(&cte.ctename), &fields);
            scope.ctes.push(Cte::of(cte, fields));
        }
        scope
    }

    fn cte(&self, cte: &protobuf::CommonTableExpr, scope: &mut Scope, recursive: bool) -> Fields {
        let Some(query) = cte.ctequery.as_deref() else {
            return self.lost_rows();
        };
        let Some(names) = strings(&cte.aliascolnames) else {
            return self.lost_rows();
        };
        let names: Vec<Arc<str>> = names.into_iter().map(Into::into).collect();
        let is_certain = names.is_empty() || !has_star(query);
        let around =
            |fields: Fields| self.search_and_cycle(cte, fields.settled().renamed(&names), scope);
        let first = match &query.node {
            Some(Node::SelectStmt(select)) if recursive => select.larg.as_deref(),
            _ => None,
        };
        let Some(first) = first else {
            let fields = self.rows(query, scope);
            if !is_certain {
                self.note_any(&names, &fields);
            }
            return around(fields);
        };
        let with = match &query.node {
            Some(Node::SelectStmt(select)) => select.with_clause.as_ref(),
            _ => None,
        };
        let inner = self.with(with, scope);
        let Some(fields) = self.deeper(|| self.select(first, &inner)) else {
            return self.lost_rows();
        };
        drop(inner);
        let mut fields = fields.settled();
        // The server wants these of all rows.
        let first = fields.clone();
        for _ in 0..MAX_ROUNDS {
            let mut level = Scope::within(scope, Vec::new());
            let known = self.search_and_cycle(cte, fields.renamed(&names), scope);
            level.ctes.push(Cte::of(cte, known));
            let next = self.rows(query, &level).typed_as(&first);
            if next.same(&fields) {
                if !is_certain {
                    self.note_any(&names, &next);
                }
                return around(next);
            }
            fields = fields.either(&next);
        }
        self.lost_rows()
    }

    fn search_and_cycle(
        &self,
        cte: &protobuf::CommonTableExpr,
        fields: Fields,
        scope: &Scope,
    ) -> Fields {
        let mut extra = Vec::new();
        let all = Value::made_of(fields.masks());
        if let Some(search) = &cte.search_clause {
            extra.push(Field::new(&search.search_seq_column, all.clone()));
        }
        if let Some(cycle) = &cte.cycle_clause {
            self.probe(&all);
            let marks = [&cycle.cycle_mark_value, &cycle.cycle_mark_default];
            let marks = self.values(marks.into_iter().filter_map(Option::as_deref), scope);
            let mark = Value::mixed([&all, &marks]);
            extra.push(Field::new(&cycle.cycle_mark_column, mark.clone()));
            extra.push(Field::new(&cycle.cycle_path_column, mark));
        }
        if extra.is_empty() {
            return fields;
        }
        let extra = Fields::of(extra);
        concatenated([&fields, &extra].into_iter())
    }

    /// What decides which rows there are.
    pub(super) fn probe_maybe(&self, node: Option<&protobuf::Node>, scope: &Scope) {
        if let Some(node) = node {
            self.probe(&self.value(node, scope));
        }
    }

    /// What decides which rows there are.
    pub(super) fn probe(&self, value: &Value) {
        self.probe_masks(&value.masks);
    }

    /// What decides which rows there are.
    pub(super) fn probe_masks(&self, masks: &Masks) {
        self.effects().probed.add(masks);
    }
}

/// The same columns, as those of a result.
fn sourceless(fields: &Fields) -> Fields {
    let list = fields.list.iter().map(|field| Field {
        source: None,
        ..field.clone()
    });
    Fields {
        list: list.collect(),
        open: fields.open,
    }
}
