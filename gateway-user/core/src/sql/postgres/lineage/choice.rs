//! Expressions that choose: `CASE`, `coalesce` and the like, `AND` and `OR`.

use pg_query::protobuf::{self, node::Node};

use super::joint;
use super::kinds::UNKNOWN;
use super::routines::operator;
use super::scope::Scope;
use super::tracer::Tracer;
use super::value::Value;

impl Tracer<'_> {
    /// `AND`, `OR` and `NOT`. `x OR NULL` is NULL where `x` is not true.
    pub(super) fn logic(&self, expression: &protobuf::BoolExpr, scope: &Scope) -> Value {
        let value = self.values(&expression.args, scope);
        if expression.args.len() > 1 {
            self.probe(&value);
        }
        joint::truth(&value)
    }

    /// One of these, or what is made of all of them.
    pub(super) fn one_of(&self, nodes: &[protobuf::Node], scope: &Scope) -> Value {
        let values: Vec<Value> = nodes.iter().map(|node| self.value(node, scope)).collect();
        Value {
            ty: self.join_types(&values),
            ..Value::mixed(&values)
        }
    }

    /// What decides which of several results is returned is asked, for any of them may be NULL or fail.
    pub(super) fn case(&self, case: &protobuf::CaseExpr, scope: &Scope) -> Value {
        let mut asked = vec![self.maybe(case.arg.as_deref(), scope)];
        let mut nodes: Vec<&protobuf::Node> = case.defresult.as_deref().into_iter().collect();
        for when in &case.args {
            let Some(Node::CaseWhen(when)) = &when.node else {
                return self.lost();
            };
            asked.push(self.maybe(when.expr.as_deref(), scope));
            nodes.extend(when.result.as_deref());
        }
        let mut results: Vec<Value> = nodes.iter().map(|node| self.value(node, scope)).collect();
        if case.defresult.is_none() {
            results.insert(0, Value::of(UNKNOWN));
        }
        asked.iter().for_each(|value| self.probe(value));
        let asked = match case.arg.is_some() {
            true => self.apply(&operator(self, &["="]), &asked),
            false => Value::mixed(&asked),
        };
        let result = Value::mixed(&results);
        Value {
            ty: self.join_types(&results),
            ..Value::mixed([&asked, &result])
        }
    }
}
