//! JSON and XML in expressions and in `FROM`: whatever they are given, a value is computed from it.

use pg_query::protobuf::{self, JsonExprOp, JsonFormatType, XmlExprOp, node::Node};

use super::Output;
use super::kinds::{XML, is_json, is_text, is_whole};
use super::routines::{cast, is_made};
use super::scope::Scope;
use super::tracer::Tracer;
use super::value::{Field, Value};

type Part<'n> = Option<&'n protobuf::Node>;

impl Tracer<'_> {
    /// What an expression of JSON or XML is made of; any other is unknown.
    pub(super) fn json(&self, node: &Node, scope: &Scope) -> Value {
        let all = |nodes: &[protobuf::Node]| self.values(nodes, scope);
        let one = |node: Part| self.values(node, scope);
        if called(node).is_some_and(|name| is_made(self, name)) {
            self.lose();
            return Value::unknown();
        }
        match node {
            Node::XmlExpr(xml) => {
                let named = xml.named_args.len();
                let args = xml.named_args.iter().chain(&xml.args);
                let args: Vec<Value> = args.map(|arg| self.value(arg, scope)).collect();
                let op = XmlExprOp::try_from(xml.op);
                let is_element = op == Ok(XmlExprOp::IsXmlelement);
                let makes = is_element || op == Ok(XmlExprOp::IsXmlforest);
                for (place, arg) in args.iter().enumerate() {
                    // Others fail for some texts, and these for dates that are infinite. In an attribute some letters
                    // are written so that what they are in is no text any more.
                    let ty = self.base(arg.ty);
                    let is_written = is_text(ty) || ty == XML;
                    let is_attribute = is_element && place < named;
                    if !makes || !(is_whole(ty) || is_written && !is_attribute) {
                        self.probe(arg);
                    }
                }
                Value {
                    ty: if makes { XML } else { 0 },
                    ..Value::mixed(&args)
                }
            }
            Node::XmlSerialize(xml) => {
                let value = self.asked(one(xml.expr.as_deref()));
                self.made_as(xml.type_name.as_ref(), value)
            }
            Node::JsonValueExpr(value) => self.json_value(Some(value), scope),
            Node::JsonArgument(argument) => self.json_value(argument.val.as_deref(), scope),
            Node::JsonKeyValue(pair) => self.pair(Some(pair), scope),
            Node::JsonIsPredicate(test) => {
                let value = self.maybe(test.expr.as_deref(), scope);
                // What is nested too deeply fails, and is no document if it begins otherwise.
                let is_made = matches!(value.output, Output::Full);
                self.sift(&value);
                if !(is_json(value.ty) || (is_text(value.ty) && !is_made)) {
                    self.probe(&value);
                }
                Value::mixed([&value])
            }
            Node::JsonParseExpr(parse) => self.asked(self.json_value(parse.expr.as_deref(), scope)),
            Node::JsonScalarExpr(scalar) => {
                Value::mixed([&self.shown(self.maybe(scalar.expr.as_deref(), scope))])
            }
            Node::JsonSerializeExpr(serialize) => {
                let value = self.json_value(serialize.expr.as_deref(), scope);
                if !is_json(value.ty) {
                    self.probe(&value);
                }
                self.written_as(serialize.output.as_ref(), value)
            }
            Node::JsonObjectConstructor(object) => {
                self.written_as(object.output.as_ref(), all(&object.exprs))
            }
            Node::JsonArrayConstructor(array) => {
                self.written_as(array.output.as_ref(), all(&array.exprs))
            }
            Node::JsonArrayQueryConstructor(array) => match array.query.as_deref() {
                Some(query) => {
                    let (fields, effects) = self.aside(|| self.rows(query, scope));
                    let probed = effects.probed.clone();
                    self.join(effects);
                    let value = self.shown(Value::row(fields)).computed(&probed);
                    if is_read(array.format.as_ref()) {
                        self.probe(&value);
                    }
                    self.written_as(array.output.as_ref(), value)
                }
                None => self.lost(),
            },
            Node::JsonObjectAgg(object) => {
                let value = self.pair(object.arg.as_deref(), scope);
                self.json_aggregate(object.constructor.as_deref(), value, scope)
            }
            Node::JsonArrayAgg(array) => {
                let value = self.json_value(array.arg.as_deref(), scope);
                self.json_aggregate(array.constructor.as_deref(), value, scope)
            }
            Node::JsonFuncExpr(function) => {
                let behaviors = [&function.on_empty, &function.on_error];
                let mut parts = vec![
                    self.json_value(function.context_item.as_deref(), scope),
                    one(function.pathspec.as_deref()),
                    all(&function.passing),
                ];
                parts.extend(behaviors.map(|behavior| self.behavior(behavior.as_deref(), scope)));
                let value = self.asked(Value::mixed(&parts));
                self.written_as(function.output.as_ref(), value)
            }
            Node::MergeSupportFunc(_) => Value::clean(),
            Node::JsonBehavior(behavior) => self.behavior(Some(behavior), scope),
            _ => self.lost(),
        }
    }

    /// One that may fail or be NULL by what it is made of.
    fn asked(&self, value: Value) -> Value {
        self.probe(&value);
        value
    }

    /// One that becomes a part of a document.
    fn shown(&self, value: Value) -> Value {
        if !self.is_shown(&value, true) {
            self.probe(&value);
        }
        value
    }

    /// One that is written as a type: it may not fit.
    fn written_as(&self, output: Option<&protobuf::JsonOutput>, value: Value) -> Value {
        match output {
            Some(output) => self.made_as(output.type_name.as_ref(), self.asked(value)),
            None => Value::mixed([&value]),
        }
    }

    /// One that is made a value of a type, in another way than by a cast: what that type checks counts as much.
    pub(super) fn made_as(&self, to: Option<&protobuf::TypeName>, value: Value) -> Value {
        match to {
            Some(to) => self.apply(&cast(self, to), &[value]).unclear(),
            None => value,
        }
    }

    fn json_value(&self, value: Option<&protobuf::JsonValueExpr>, scope: &Scope) -> Value {
        let Some(value) = value else {
            return self.lost();
        };
        let raw = self.shown(self.maybe(value.raw_expr.as_deref(), scope));
        let formatted = self.maybe(value.formatted_expr.as_deref(), scope);
        if is_read(value.format.as_ref()) {
            self.probe(&raw);
        }
        Value {
            ty: raw.ty,
            ..Value::mixed([&raw, &formatted])
        }
    }

    fn pair(&self, pair: Option<&protobuf::JsonKeyValue>, scope: &Scope) -> Value {
        let Some(pair) = pair else {
            return self.lost();
        };
        // Keys are never NULL.
        let key = self.asked(self.values(pair.key.as_deref(), scope));
        Value::mixed([&key, &self.json_value(pair.value.as_deref(), scope)])
    }

    fn behavior(&self, behavior: Option<&protobuf::JsonBehavior>, scope: &Scope) -> Value {
        self.values(
            behavior.and_then(|behavior| behavior.expr.as_deref()),
            scope,
        )
    }

    fn json_aggregate(
        &self,
        aggregate: Option<&protobuf::JsonAggConstructor>,
        value: Value,
        scope: &Scope,
    ) -> Value {
        let Some(aggregate) = aggregate else {
            return self.lost();
        };
        let filter = self.values(aggregate.agg_filter.as_deref(), scope);
        self.probe(&filter);
        let order = self.sorted(&aggregate.agg_order, scope);
        self.probe(&order);
        let over = aggregate.over.as_deref();
        let over = over
            .map(|over| self.window(over, scope))
            .unwrap_or_default();
        let value = self.written_as(aggregate.output.as_ref(), value);
        Value::mixed([&value, &filter, &order]).computed(&over)
    }

    /// `XMLTABLE`.
    pub(super) fn xml_table(&self, table: &protobuf::RangeTableFunc, scope: &Scope) -> Vec<Field> {
        let mut parts = vec![
            self.values(table.docexpr.as_deref(), scope),
            self.values(table.rowexpr.as_deref(), scope),
            self.values(&table.namespaces, scope),
        ];
        let mut names = Vec::new();
        for column in &table.columns {
            let Some(Node::RangeTableFuncCol(column)) = &column.node else {
                parts.push(self.lost());
                continue;
            };
            parts.push(self.values(column.colexpr.as_deref(), scope));
            parts.push(self.values(column.coldefexpr.as_deref(), scope));
            names.push((column.colname.as_str(), column.type_name.as_ref()));
        }
        self.table_of(&parts, &names)
    }

    /// `JSON_TABLE`.
    pub(super) fn json_table(&self, table: &protobuf::JsonTable, scope: &Scope) -> Vec<Field> {
        let mut parts = vec![
            self.json_value(table.context_item.as_deref(), scope),
            self.values(&table.passing, scope),
            self.behavior(table.on_error.as_deref(), scope),
        ];
        let mut names = Vec::new();
        let mut columns: Vec<&protobuf::Node> = table.columns.iter().rev().collect();
        while let Some(column) = columns.pop() {
            let Some(Node::JsonTableColumn(column)) = &column.node else {
                parts.push(self.lost());
                continue;
            };
            let behaviors = [&column.on_empty, &column.on_error];
            parts.extend(behaviors.map(|behavior| self.behavior(behavior.as_deref(), scope)));
            columns.extend(column.columns.iter().rev());
            // One that has columns has no name of its own.
            if column.columns.is_empty() {
                names.push((column.name.as_str(), column.type_name.as_ref()));
            }
        }
        self.table_of(&parts, &names)
    }

    /// What it is given decides which rows there are, too.
    fn table_of(
        &self,
        parts: &[Value],
        names: &[(&str, Option<&protobuf::TypeName>)],
    ) -> Vec<Field> {
        let value = Value::mixed(parts);
        self.probe(&value);
        names
            .iter()
            .map(|(name, ty)| Field::new(name, self.made_as(*ty, value.clone())))
            .collect()
    }
}

/// By what name a server that does not know such an expression calls a function.
fn called(node: &Node) -> Option<&'static str> {
    Some(match node {
        Node::JsonParseExpr(_) => "json",
        Node::JsonScalarExpr(_) => "json_scalar",
        Node::JsonSerializeExpr(_) => "json_serialize",
        Node::JsonObjectConstructor(_) => "json_object",
        Node::JsonArrayConstructor(_) | Node::JsonArrayQueryConstructor(_) => "json_array",
        Node::JsonObjectAgg(_) => "json_objectagg",
        Node::JsonArrayAgg(_) => "json_arrayagg",
        Node::JsonFuncExpr(function) => match JsonExprOp::try_from(function.op) {
            Ok(JsonExprOp::JsonExistsOp) => "json_exists",
            Ok(JsonExprOp::JsonQueryOp) => "json_query",
            _ => "json_value",
        },
        Node::MergeSupportFunc(_) => "merge_action",
        _ => return None,
    })
}

/// Whether a text is read as a document, which it may not be.
fn is_read(format: Option<&protobuf::JsonFormat>) -> bool {
    let format = format.and_then(|format| JsonFormatType::try_from(format.format_type).ok());
    matches!(
        format,
        Some(JsonFormatType::JsFormatJson | JsonFormatType::JsFormatJsonb)
    )
}
