//! What stands in `FROM`: relations, subqueries, functions and joins.

use std::sync::Arc;

use pg_query::protobuf::{self, JoinType, node::Node};

use super::catalog::{Function, TypeKind};
use super::expression::{concatenated, name_of};
use super::filled::Write;
use super::scope::{Item, Scope, merged};
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};
use super::{joint, kinds};
use crate::sql::postgres::walk::{Place, strings};

/// Pseudo-types that rows are of too.
const ROWS: [&str; 5] = [
    "anycompatible",
    "anycompatiblenonarray",
    "anyelement",
    "anynonarray",
    "record",
];

impl Tracer<'_> {
    /// What a `FROM` brings into sight.
    pub(super) fn from(&self, nodes: &[protobuf::Node], outer: &Scope) -> Vec<Item> {
        let mut items = Vec::new();
        for node in nodes {
            let more = self.item(node, outer, &items);
            items.extend(more);
        }
        items
    }

    /// What one item brings into sight; `left` is what is before it, for `LATERAL`.
    pub(super) fn item(&self, node: &protobuf::Node, outer: &Scope, left: &[Item]) -> Vec<Item> {
        let items = self.deeper(|| self.any_item(node, outer, left));
        items.unwrap_or_else(|| vec![Item::new(None, self.lost_rows())])
    }

    fn any_item(&self, node: &protobuf::Node, outer: &Scope, left: &[Item]) -> Vec<Item> {
        match &node.node {
            Some(Node::RangeVar(relation)) => vec![self.table(relation, outer)],
            Some(Node::RangeSubselect(subquery)) => {
                let Some(query) = subquery.subquery.as_deref() else {
                    return vec![Item::new(None, self.lost_rows())];
                };
                let fields = if subquery.lateral {
                    self.rows(query, &self.lateral(outer, left))
                } else {
                    self.rows(query, outer)
                };
                self.note_renamed(query, &fields, subquery.alias.as_ref());
                vec![self.aliased(fields.settled(), subquery.alias.as_ref(), None)]
            }
            Some(Node::RangeFunction(function)) => {
                let scope = self.lateral(outer, left);
                vec![self.functions(function, &scope)]
            }
            Some(Node::RangeTableFunc(table)) => {
                let fields = Fields::of(self.xml_table(table, &self.lateral(outer, left)));
                vec![self.aliased(fields, table.alias.as_ref(), Some("xmltable"))]
            }
            Some(Node::JsonTable(table)) => {
                let fields = Fields::of(self.json_table(table, &self.lateral(outer, left)));
                vec![self.aliased(fields, table.alias.as_ref(), Some("json_table"))]
            }
            Some(Node::RangeTableSample(sample)) => {
                let Some(relation) = sample.relation.as_deref() else {
                    return vec![Item::new(None, self.lost_rows())];
                };
                let items = self.item(relation, outer, left);
                // What is before it is not in sight.
                self.probe(&self.values(&sample.args, outer));
                self.probe_maybe(sample.repeatable.as_deref(), outer);
                items
            }
            Some(Node::JoinExpr(join)) => self.joined(join, outer, left),
            _ => vec![Item::new(None, self.lost_rows())],
        }
    }

    fn lateral<'s>(&self, outer: &'s Scope<'s>, left: &[Item]) -> Scope<'s> {
        self.steps(left.len());
        Scope::within(outer, left.to_vec())
    }

    fn table(&self, relation: &protobuf::RangeVar, scope: &Scope) -> Item {
        self.pass(Place::Relation(relation.location));
        let cte = relation
            .schemaname
            .is_empty()
            .then(|| scope.cte(self, &relation.relname));
        let fields = match cte.flatten() {
            Some(fields) => fields,
            None => return self.of_catalog(relation),
        };
        self.aliased(fields, relation.alias.as_ref(), Some(&relation.relname))
    }

    /// A relation of the catalog, which goes by its own columns' names if no others are written.
    fn of_catalog(&self, relation: &protobuf::RangeVar) -> Item {
        let fields = self.columns(&relation.schemaname, &relation.relname);
        let alias = relation.alias.as_ref();
        if alias.is_some_and(|alias| !alias.colnames.is_empty()) {
            return self.aliased(fields, alias, None);
        }
        let name = alias.map_or(&relation.relname, |alias| &alias.aliasname);
        let found = self.relation(&relation.schemaname, &relation.relname);
        let table = match &*found.relations {
            [only] if !found.open => Some(only.oid),
            _ => None,
        };
        self.note_relation(name, table);
        Item::new(Some(name), fields)
    }

    /// The item of what a statement writes, which triggers may do more with.
    pub(super) fn written(&self, relation: &protobuf::RangeVar, write: Write) -> Item {
        let found = self.relation(&relation.schemaname, &relation.relname);
        if found.open && !self.here.has_table(&relation.relname) {
            // It may have defaults and triggers.
            self.lose();
        }
        for relation in found.relations {
            self.fires(relation, write);
        }
        self.pass(Place::Relation(relation.location));
        self.of_catalog(relation)
    }

    /// The columns of the relations that a name may mean.
    fn columns(&self, schema: &str, name: &str) -> Fields {
        let found = self.relation(schema, name);
        let known = found
            .relations
            .iter()
            .map(|relation| self.columns_of(relation));
        let fields = known.reduce(|one, other| merged(&one, &other));
        match fields {
            Some(fields) if !found.open => fields,
            // What is not in the catalog may have a column of any name.
            _ => self.lost_relation(),
        }
    }

    fn aliased(
        &self,
        fields: Fields,
        alias: Option<&protobuf::Alias>,
        otherwise: Option<&str>,
    ) -> Item {
        let names = alias.map(|alias| strings(&alias.colnames));
        let fields = match names {
            Some(Some(names)) => {
                let names: Vec<Arc<str>> = names.into_iter().map(Into::into).collect();
                fields.renamed(&names)
            }
            Some(None) => self.lost_rows(),
            None => fields,
        };
        let name = alias.map(|alias| &*alias.aliasname).or(otherwise);
        self.note_fields(name, &fields);
        if let Some(name) = name {
            self.note_relation(name, None);
        }
        Item::new(name, fields)
    }

    /// Where columns are counted that a `*` stands for, a name may be for another one than it seems.
    fn note_renamed(
        &self,
        query: &protobuf::Node,
        fields: &Fields,
        alias: Option<&protobuf::Alias>,
    ) {
        let names = alias.and_then(|alias| strings(&alias.colnames));
        if let Some(names) = names.filter(|_| has_star(query)) {
            let names: Vec<Arc<str>> = names.into_iter().map(Into::into).collect();
            self.note_any(&names, fields);
        }
    }

    fn functions(&self, range: &protobuf::RangeFunction, scope: &Scope) -> Item {
        let alias = range.alias.as_ref();
        let only = alias.filter(|_| range.functions.len() == 1);
        let mut parts = Vec::new();
        let mut name = None;
        for function in &range.functions {
            let Some(Node::List(list)) = &function.node else {
                return Item::new(None, self.lost_rows());
            };
            let (Some(node), definitions) = (list.items.first(), list.items.get(1)) else {
                return Item::new(None, self.lost_rows());
            };
            let value = self.value(node, scope);
            self.probe(&value);
            let definitions = match definitions.and_then(|list| list.node.as_ref()) {
                Some(Node::List(list)) => &list.items,
                _ => &range.coldeflist,
            };
            name = name.or_else(|| name_of(node));
            let called = only.map(|alias| &*alias.aliasname);
            let unnested = match &**definitions {
                [] => self.unnested(node, &value, called, scope),
                _ => None,
            };
            parts.push(
                unnested.unwrap_or_else(|| {
                    self.function_columns(node, definitions, &value, only, scope)
                }),
            );
        }
        if range.ordinality {
            parts.push(Fields::of(vec![Field::new("ordinality", Value::clean())]));
        }
        self.aliased(concatenated(parts.iter()), alias, name)
    }

    /// The columns of what a function in `FROM` returns, each of which is as the function's value.
    fn function_columns(
        &self,
        node: &protobuf::Node,
        definitions: &[protobuf::Node],
        value: &Value,
        alias: Option<&protobuf::Alias>,
        scope: &Scope,
    ) -> Fields {
        let list = |names: &[&str]| {
            let named = |name: &&str| Field::new(name, Value::mixed([value]));
            Fields::of(names.iter().map(named).collect())
        };
        if !definitions.is_empty() {
            let columns = definitions.iter().map(|definition| match &definition.node {
                Some(Node::ColumnDef(column)) => {
                    let value = self.made_as(column.type_name.as_ref(), Value::mixed([value]));
                    Some(Field::new(&column.colname, value))
                }
                _ => None,
            });
            return columns
                .collect::<Option<Vec<_>>>()
                .map_or_else(|| self.lost_rows(), Fields::of);
        }
        let Some(Node::FuncCall(function)) = &node.node else {
            return Fields::unknown();
        };
        let Some(names) = strings(&function.funcname) else {
            return self.lost_rows();
        };
        let name = names.last().copied().unwrap_or_default();
        if let ([_], [arg]) = (&*names, &*function.args)
            && self.may_have(arg, name, scope)
        {
            // Where no function of this name takes it, the server takes its field of this name.
            return Fields::unknown();
        }
        let mut shapes = self
            .catalog()
            .functions_named(name)
            .iter()
            .map(|function| self.shape(function));
        let first = shapes.next().flatten();
        let first = first.filter(|first| shapes.all(|shape| shape.as_ref() == Some(first)));
        match first {
            Some(columns) if columns.is_empty() => {
                list(&[alias.map_or(name, |alias| alias.aliasname.as_str())])
            }
            Some(columns) => list(&columns),
            None => Fields::unknown(),
        }
    }

    /// The names of the columns that a function returns, none for one value; nothing if it is not known.
    fn shape<'f>(&'f self, function: &'f Function) -> Option<Vec<&'f str>> {
        // One output is a value.
        if function.columns.len() > 1 {
            return Some(function.columns.iter().map(|name| &**name).collect());
        }
        let mut ty = self.catalog().ty(function.returns)?;
        for _ in 0..8 {
            match ty.kind {
                TypeKind::Composite(relation) => {
                    let relation = self.catalog().relation(relation)?;
                    return Some(
                        relation
                            .columns
                            .iter()
                            .map(|column| &*column.name)
                            .collect(),
                    );
                }
                TypeKind::Domain(base, _) => ty = self.catalog().ty(base)?,
                // Any of these may be a row, whose columns it returns then.
                TypeKind::Other if ROWS.contains(&&*ty.name) => return None,
                _ if function.columns.is_empty() => return Some(Vec::new()),
                _ => return function.columns.first().map(|name| vec![&**name]),
            }
        }
        None
    }

    fn joined(&self, join: &protobuf::JoinExpr, outer: &Scope, left: &[Item]) -> Vec<Item> {
        let (Some(one), Some(other)) = (join.larg.as_deref(), join.rarg.as_deref()) else {
            return vec![Item::new(None, self.lost_rows())];
        };
        let mut items = self.item(one, outer, left);
        self.steps(left.len() + items.len());
        let before: Vec<Item> = left.iter().chain(&items).cloned().collect();
        let right = self.item(other, outer, &before);
        let bare = |items: &[Item]| {
            let bare = items.iter().filter(|item| item.bare);
            concatenated(bare.map(|item| &item.fields))
        };
        let (one, other) = (bare(&items), bare(&right));
        self.steps(one.list.len() + other.list.len());
        items.extend(right);
        if let Some(on) = join.quals.as_deref() {
            // What is before the join is in sight of `LATERAL` alone, not of this.
            let scope = Scope::within(outer, std::mem::take(&mut items));
            self.probe(&self.value(on, &scope));
            items = scope.items;
        }
        let common = self.common(join, &one, &other);
        let fields = match &common {
            Some(common) => {
                let named = |field: &&Field| !common.iter().any(|known| known.name == field.name);
                let rest = |fields: &Fields| Fields {
                    list: fields.list.iter().filter(named).cloned().collect(),
                    open: fields.open,
                };
                let common: Vec<Field> = common.clone();
                let first = Fields {
                    list: common.into(),
                    open: false,
                };
                concatenated([&first, &rest(&one), &rest(&other)].into_iter())
            }
            None => Fields::unknown(),
        };
        for item in &mut items {
            item.bare = false;
        }
        match &join.alias {
            // Its alias hides what is in it.
            Some(alias) => return vec![self.aliased(fields, Some(alias), None)],
            None => items.push(Item::new(None, fields)),
        }
        if let Some(alias) = &join.join_using_alias {
            let common = common.map_or_else(Fields::unknown, |common| Fields {
                list: common.into(),
                open: false,
            });
            let mut item = self.aliased(common, Some(alias), None);
            item.bare = false;
            items.push(item);
        }
        items
    }

    /// The columns that both sides of a join have in common, by `USING` or `NATURAL`.
    fn common(
        &self,
        join: &protobuf::JoinExpr,
        one: &Fields,
        other: &Fields,
    ) -> Option<Vec<Field>> {
        let unknown = || {
            self.lose();
            None
        };
        let names: Vec<&str> = if join.is_natural {
            if one.open || other.open {
                return unknown();
            }
            let mut names = Vec::new();
            for field in one.list.iter() {
                let Some(name) = field.name.as_deref() else {
                    return unknown();
                };
                self.steps(other.list.len());
                if other.named(name).is_some() {
                    names.push(name);
                }
            }
            if other.list.iter().any(|field| field.name.is_none()) {
                return unknown();
            }
            names
        } else {
            match strings(&join.using_clause) {
                Some(names) => names,
                None => return unknown(),
            }
        };
        let mut common = Vec::new();
        for name in names {
            let (Some(here), Some(there)) = (one.named(name), other.named(name)) else {
                return unknown();
            };
            self.read(&here);
            self.read(&there);
            self.probe(&self.doubted(None, name, Value::clean()));
            self.probe(&here.value);
            self.probe(&there.value);
            let ty = kinds::common(here.value.ty, there.value.ty);
            let value = match JoinType::try_from(join.jointype) {
                // Of different types it is neither as it is.
                _ if !joint::same(here.value.ty, there.value.ty) => here.value.either(&there.value),
                Ok(JoinType::JoinInner | JoinType::JoinLeft) => here.value,
                Ok(JoinType::JoinRight) => there.value,
                _ => here.value.either(&there.value),
            };
            common.push(Field::new(name, Value { ty, ..value }));
        }
        Some(common)
    }
}

/// Whether a query lists a `*`.
pub(super) fn has_star(query: &protobuf::Node) -> bool {
    let Some(Node::SelectStmt(select)) = &query.node else {
        return true;
    };
    let mut arms: Vec<&protobuf::SelectStmt> = vec![select];
    while let Some(select) = arms.pop() {
        let lists = select.values_lists.iter();
        let rows = lists.filter_map(|list| match &list.node {
            Some(Node::List(list)) => Some(&list.items),
            _ => None,
        });
        let values = select.target_list.iter().filter_map(|it| match &it.node {
            Some(Node::ResTarget(target)) => target.val.as_deref(),
            _ => Some(it),
        });
        if values.chain(rows.flatten()).any(is_star) {
            return true;
        }
        arms.extend(
            [&select.larg, &select.rarg]
                .into_iter()
                .filter_map(Option::as_deref),
        );
    }
    false
}

/// Whether it stands for all columns of something.
pub(super) fn is_star(node: &protobuf::Node) -> bool {
    let last = match &node.node {
        Some(Node::ColumnRef(column)) => column.fields.last(),
        Some(Node::AIndirection(indirection)) => indirection.indirection.last(),
        _ => return false,
    };
    matches!(last.and_then(|it| it.node.as_ref()), Some(Node::AStar(_)))
}
