//! Expressions: what a value is made of.
//!
//! INVARIANT: a node that is not known here is unknown, and so is everything around it.

use pg_query::protobuf::{self, AExprKind, SubLinkType, node::Node};

use super::catalog::FIRST_OWN;
use super::collation::Collation;
use super::joint;
use super::kinds::{BOOL, NAME, is_json};
use super::routines::{Call, call, cast, in_path, operator, typed};
use super::samples::call_measures;
use super::scope::Scope;
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};
use super::{Masks, Output};
use crate::sql::postgres::catalog::runs_text;
use crate::sql::postgres::walk::{Place, string, strings};

impl Tracer<'_> {
    /// What an expression is made of.
    pub(super) fn value(&self, node: &protobuf::Node, scope: &Scope) -> Value {
        self.deeper(|| self.expression(node, scope))
            .unwrap_or_else(|| self.lost())
    }

    /// What these are made of together.
    pub(super) fn values<'n>(
        &self,
        nodes: impl IntoIterator<Item = &'n protobuf::Node>,
        scope: &Scope,
    ) -> Value {
        let values: Vec<Value> = nodes
            .into_iter()
            .map(|node| self.value(node, scope))
            .collect();
        Value::mixed(&values)
    }

    pub(super) fn maybe(&self, node: Option<&protobuf::Node>, scope: &Scope) -> Value {
        node.map_or_else(Value::clean, |node| self.value(node, scope))
    }

    fn expression(&self, node: &protobuf::Node, scope: &Scope) -> Value {
        let Some(node) = &node.node else {
            return self.lost();
        };
        match node {
            Node::ColumnRef(column) => self.reference(column, scope),
            Node::AConst(constant) => Value::of(joint::constant(constant)),
            // They may be names, which have a collation of their own.
            Node::SqlvalueFunction(function) => Value::of(joint::current(function)).unclear(),
            Node::ParamRef(_) => Value::clean().unclear(),
            Node::CurrentOfExpr(_) => Value::clean(),
            Node::GroupingFunc(grouping) => {
                // It tells which of them are grouped by, and nothing of what they hold.
                self.values(&grouping.args, scope);
                Value::clean()
            }
            Node::SetToDefault(_) => {
                self.defaulted.set(true);
                Value::clean()
            }
            Node::AExpr(expression) => self.operation(expression, scope),
            Node::BoolExpr(expression) => self.logic(expression, scope),
            Node::BooleanTest(test) => joint::truth(&self.maybe(test.arg.as_deref(), scope)),
            Node::NullTest(test) => self.null_test(test, scope),
            Node::CaseExpr(case) => self.case(case, scope),
            Node::CoalesceExpr(expression) => self.one_of(&expression.args, scope),
            Node::MinMaxExpr(expression) => {
                let args = self.one_of(&expression.args, scope);
                // Which of several arrays or rows it is shows by their sizes, and of documents by their members.
                if !self.is_single(&args) || is_json(args.ty) {
                    self.probe(&args);
                }
                self.sift(&args);
                let ty = args.ty;
                Value {
                    ty,
                    ..self.apply(&operator(self, &["<"]), &[args])
                }
            }
            Node::RowExpr(row) => self.row(self.spread(&row.args, scope)),
            Node::AArrayExpr(array) => {
                let elements = array.elements.iter().map(|node| self.value(node, scope));
                let elements: Vec<Value> = elements.collect();
                Value {
                    ty: self.join_elements(&elements),
                    ..Value::mixed(&elements)
                }
            }
            Node::List(list) => self.values(&list.items, scope),
            Node::NamedArgExpr(argument) => self.maybe(argument.arg.as_deref(), scope),
            Node::ResTarget(target) => self.maybe(target.val.as_deref(), scope),
            Node::CollateClause(clause) => {
                let value = self.maybe(clause.arg.as_deref(), scope);
                self.collation_asks(&value, clause);
                value.unclear()
            }
            Node::TypeCast(cast) => self.cast(cast, scope),
            Node::FuncCall(function) => self.function(function, scope),
            Node::SubLink(link) => self.subquery(link, scope),
            Node::AIndirection(indirection) => {
                let value = self.maybe(indirection.arg.as_deref(), scope);
                self.steps_into(value, &indirection.indirection, scope)
            }
            _ => self.json(node, scope),
        }
    }

    /// What a reference is made of; `t.*` is the row.
    fn reference(&self, column: &protobuf::ColumnRef, scope: &Scope) -> Value {
        if let Some(names) = strings(&column.fields) {
            self.pass(Place::Column(column.location));
            return scope.value(self, &names);
        }
        self.row(self.star(column, scope))
    }

    /// The columns that `*` or `t.*` stands for.
    pub(super) fn star(&self, column: &protobuf::ColumnRef, scope: &Scope) -> Fields {
        self.pass(Place::Column(column.location));
        let Some((last, qualifier)) = column.fields.split_last() else {
            return Fields::unknown();
        };
        let star = matches!(last.node, Some(Node::AStar(_)));
        let fields = match strings(qualifier).as_deref() {
            Some([]) if star => {
                let bare = scope.items.iter().filter(|item| item.bare);
                concatenated(bare.map(|item| &item.fields))
            }
            Some([schema @ .., relation]) if star => {
                let found = scope.relation(self, relation, !schema.is_empty());
                found.unwrap_or_else(Fields::unknown)
            }
            _ => Fields::unknown(),
        };
        self.steps(fields.list.len());
        self.doubted_fields(fields)
    }

    /// A row, all of which is read.
    pub(super) fn row(&self, fields: Fields) -> Value {
        self.read_all(&fields);
        Value::row(fields)
    }

    fn operation(&self, expression: &protobuf::AExpr, scope: &Scope) -> Value {
        let sides = [&expression.lexpr, &expression.rexpr];
        let sides = sides
            .into_iter()
            .flatten()
            .map(|side| self.value(side, scope));
        let sides: Vec<Value> = sides.collect();
        let names = strings(&expression.name);
        match names.as_deref() {
            Some([name]) if name.contains("BETWEEN") => {
                sides.iter().for_each(|side| self.probe(side));
                let low = self.apply(&operator(self, &[">="]), &sides);
                let high = self.apply(&operator(self, &["<="]), &sides);
                Value::mixed([&low, &high])
            }
            Some(names) => Value {
                ty: self.operator_asks(names, &sides),
                ..self.apply(&operator(self, names), &sides)
            },
            None => self.lost(),
        }
    }

    /// Whether a column is NULL is no secret: NULL stays NULL.
    fn null_test(&self, test: &protobuf::NullTest, scope: &Scope) -> Value {
        let Some(arg) = test.arg.as_deref() else {
            return self.lost();
        };
        let value = self.value(arg, scope);
        match plain(arg, &value) {
            true => Value::of(BOOL),
            false => joint::truth(&value),
        }
    }

    fn cast(&self, node: &protobuf::TypeCast, scope: &Scope) -> Value {
        let value = self.maybe(node.arg.as_deref(), scope);
        let Some(to) = &node.type_name else {
            return self.lost();
        };
        let ty = self.type_meant(to).unwrap_or(0);
        if ty != 0 && ty == value.ty && to.typmods.is_empty() {
            return value;
        }
        self.cast_asks(&value, to);
        let made = self.apply(&cast(self, to), &[value]);
        Value {
            ty,
            // Names have one of their own, and a type of somebody's may have.
            collation: match ty {
                0 | NAME | FIRST_OWN.. => Collation::Unclear,
                _ => made.collation,
            },
            ..made
        }
    }

    /// The number of a type that is written.
    fn type_meant(&self, to: &protobuf::TypeName) -> Option<u32> {
        if to.setof || to.pct_type {
            return None;
        }
        let names = strings(&to.names)?;
        let (name, schema) = names.split_last()?;
        let types = self.catalog().types_named(name);
        let meant = |schema: &str| names.len() == 1 || names.contains(&schema);
        let mut types = types.filter(|ty| schema.is_empty() || meant(&ty.schema));
        let ty = types.next().filter(|_| types.next().is_none())?;
        match to.array_bounds.is_empty() {
            true => Some(ty.oid),
            false => Some(self.array_of(ty.oid)),
        }
    }

    fn function(&self, function: &protobuf::FuncCall, scope: &Scope) -> Value {
        self.pass(Place::Call(function.location));
        let Some(names) = strings(&function.funcname) else {
            return self.lost();
        };
        let args: Vec<Value> = function
            .args
            .iter()
            .map(|arg| self.value(arg, scope))
            .collect();
        let ordered = self.sorted(&function.agg_order, scope);
        let mut aside = ordered.masks.clone();
        self.probe(&ordered);
        if let Some(filter) = &function.agg_filter {
            let filter = self.value(filter, scope);
            self.probe(&filter);
            aside.add(&filter.masks);
        }
        if let Some(over) = &function.over {
            aside.add(&self.window(over, scope));
            self.effects().arranges = true;
        }
        if function.agg_distinct {
            args.iter().for_each(|arg| self.probe(arg));
        }
        if self.counts(function, &names, &args) && aside.is_empty() {
            return Value::clean();
        }
        let returns_set = self.returns_set(&names);
        self.multiplied.set(self.multiplied.get() || returns_set);
        if returns_set || function.func_variadic {
            args.iter().for_each(|arg| self.probe(arg));
        }
        let ty = match (&*names, &*function.args) {
            // It may be the row's field of this name.
            ([name], [arg]) if self.may_have(arg, name, scope) => {
                args.iter().for_each(|arg| self.probe(arg));
                0
            }
            _ => match self.asks(&names, &function.args, &args) {
                ty if !function.func_variadic => ty,
                _ => 0,
            },
        };
        self.sifts(&names, &args);
        let does = call(self, &names).and(typed(self, &names, &function.args));
        if call_measures(&names, &function.args) {
            self.probe_masks(&Masks::Unknown);
        }
        if does == Call::Unknown && self.runs_code(&names) {
            // What it runs may ask and copy anything.
            self.probe_masks(&Masks::Unknown);
            if !in_path(self, &names).all(|schema| schema == "pg_catalog") {
                self.copy(&Masks::Unknown);
            }
        }
        let mut given = args;
        given.push(Value::made_of(aside));
        let value = match (&does, &*given) {
            // It is told nothing that it could compare.
            (Call::Reads(masks), [_]) => self.told(masks),
            _ => self.apply(&does, &given),
        };
        match ty {
            // It may be a name, too.
            0 => Value { ty, ..value }.unclear(),
            _ => Value { ty, ..value },
        }
    }

    /// Whether a function of this name runs SQL, of which nothing is known.
    fn runs_code(&self, names: &[&str]) -> bool {
        let name = names.last().copied().unwrap_or_default();
        let functions = self.catalog().functions_named(name).iter();
        let mut bodies = functions.filter(|function| function.body.is_some());
        runs_text(name) || bodies.next().is_some()
    }

    /// Whether it is `count(column)`, which tells how many are not NULL.
    fn counts(&self, function: &protobuf::FuncCall, names: &[&str], args: &[Value]) -> bool {
        let mut known = self.catalog().functions_named("count").iter();
        let named = matches!(names, ["count"] | ["pg_catalog", "count"]);
        let one = match (&*function.args, args) {
            ([node], [value]) => plain(node, value),
            _ => false,
        };
        named && one && !function.agg_distinct && known.all(|count| &*count.schema == "pg_catalog")
    }

    /// Whether what it is given decides how many rows it returns.
    fn returns_set(&self, names: &[&str]) -> bool {
        let functions = names
            .last()
            .map(|name| self.catalog().functions_named(name));
        functions.is_none_or(|functions| functions.iter().any(|function| function.returns_set))
    }

    /// What is sorted by.
    pub(super) fn sorted(&self, order: &[protobuf::Node], scope: &Scope) -> Value {
        let values: Vec<Value> = order
            .iter()
            .map(|sort| match &sort.node {
                Some(Node::SortBy(sort)) => self.sort(sort, scope),
                _ => self.lost(),
            })
            .collect();
        Value::mixed(&values)
    }

    /// What one item of an `ORDER BY` sorts by.
    pub(super) fn sort(&self, sort: &protobuf::SortBy, scope: &Scope) -> Value {
        let value = self.maybe(sort.node.as_deref(), scope);
        match strings(&sort.use_op).as_deref() {
            Some([]) => value,
            Some(names) => self.apply(&operator(self, names), &[value]),
            None => self.lost(),
        }
    }

    /// The masks of what a window goes by, which count as probed.
    pub(super) fn window(&self, window: &protobuf::WindowDef, scope: &Scope) -> Masks {
        let partition = self.values(&window.partition_clause, scope);
        let order = self.sorted(&window.order_clause, scope);
        let start = self.maybe(window.start_offset.as_deref(), scope);
        let end = self.maybe(window.end_offset.as_deref(), scope);
        let all = Value::mixed([&partition, &order, &start, &end]);
        self.probe(&all);
        let mut masks = all.masks;
        for name in [&window.name, &window.refname] {
            // `name` of a definition in `WINDOW` is its own.
            if !name.is_empty() && scope.windows.iter().any(|(known, _)| **known == **name) {
                masks.add(&scope.window(name));
            } else if name == &window.refname && !name.is_empty() {
                masks = Masks::Unknown;
            }
        }
        masks
    }

    /// The rows of a query that is a value, or several.
    pub(super) fn subrows(&self, query: &protobuf::Node, scope: &Scope) -> Fields {
        let (fields, effects) = self.aside(|| self.rows(query, scope));
        let probed = effects.probed.clone();
        self.join(effects);
        fields.settled().computed(&probed)
    }

    fn subquery(&self, link: &protobuf::SubLink, scope: &Scope) -> Value {
        let Some(query) = link.subselect.as_deref() else {
            return self.lost();
        };
        let (fields, effects) = self.aside(|| self.rows(query, scope));
        let probed = effects.probed.clone();
        self.join(effects);
        let test = self.maybe(link.testexpr.as_deref(), scope);
        match SubLinkType::try_from(link.sub_link_type) {
            Ok(SubLinkType::ExistsSublink) => Value::made_of(probed),
            Ok(SubLinkType::ExprSublink | SubLinkType::MultiexprSublink) => {
                let fields = fields.settled().computed(&probed);
                match &*fields.list {
                    [field] if !fields.open => field.value.clone(),
                    _ => Value::row(fields),
                }
            }
            Ok(SubLinkType::ArraySublink) => {
                let ty = self.join_elements(fields.list.iter().map(|field| &field.value));
                Value {
                    ty,
                    ..Value::row(fields).computed(&probed)
                }
            }
            Ok(SubLinkType::AnySublink | SubLinkType::AllSublink) => {
                let names = strings(&link.oper_name);
                self.probe(&test);
                self.probe_masks(&fields.masks());
                let does = match names.as_deref() {
                    Some([]) => operator(self, &["="]),
                    Some(names) => operator(self, names),
                    None => Call::Unknown,
                };
                let rows = Value::row(fields).computed(&probed);
                self.apply(&does, &[test, rows])
            }
            _ => self.lost(),
        }
    }

    /// What a function, operator or cast makes of what it is given.
    pub(super) fn apply(&self, does: &Call, given: &[Value]) -> Value {
        let mixed = Value::mixed(given);
        match does {
            Call::Pure => mixed,
            Call::Keeps => {
                self.copy(&mixed.masks);
                mixed
            }
            Call::Reads(masks) => {
                self.copy(&mixed.masks);
                // It may compare what it is given with what it reads.
                self.probe_masks(masks);
                mixed.computed(&self.told(masks).masks)
            }
            Call::Unknown => {
                self.copy(&mixed.masks);
                self.touch();
                Value::unknown()
            }
        }
    }

    /// What is made of columns with these masks elsewhere.
    fn told(&self, masks: &Masks) -> Value {
        self.touch();
        Value::made_of(masks.clone())
    }
}

/// Whether an expression is a column and nothing else.
fn plain(node: &protobuf::Node, value: &Value) -> bool {
    let column =
        matches!(&node.node, Some(Node::ColumnRef(column)) if strings(&column.fields).is_some());
    column && value.fields.is_none() && !matches!(value.output, Output::Full)
}

/// Rows side by side.
pub(super) fn concatenated<'f>(parts: impl Iterator<Item = &'f Fields>) -> Fields {
    let mut list: Vec<Field> = Vec::new();
    let mut open = false;
    for part in parts {
        list.extend(part.list.iter().cloned());
        open |= part.open;
    }
    Fields {
        list: list.into(),
        open,
    }
}

/// By what name a column of a result goes, if that is certain.
pub(super) fn name_of(node: &protobuf::Node) -> Option<&str> {
    match node.node.as_ref()? {
        Node::ColumnRef(column) => column.fields.last().and_then(string),
        Node::FuncCall(function) => function.funcname.last().and_then(string),
        Node::AIndirection(indirection) => indirection.indirection.last().and_then(string),
        Node::CollateClause(clause) => name_of(clause.arg.as_deref()?),
        Node::TypeCast(cast) => {
            let arg = cast.arg.as_deref()?;
            match &arg.node {
                Some(Node::AConst(_) | Node::ParamRef(_)) => {
                    cast.type_name.as_ref()?.names.last().and_then(string)
                }
                Some(Node::ColumnRef(_) | Node::FuncCall(_)) => name_of(arg),
                _ => None,
            }
        }
        Node::AExpr(expression)
            if AExprKind::try_from(expression.kind) != Ok(AExprKind::AexprNullif) =>
        {
            Some("?column?")
        }
        Node::AConst(_)
        | Node::ParamRef(_)
        | Node::BoolExpr(_)
        | Node::NullTest(_)
        | Node::BooleanTest(_) => Some("?column?"),
        Node::CoalesceExpr(_) => Some("coalesce"),
        _ => None,
    }
}
