//! Parts of values: fields of rows, elements of arrays, and functions that are written like fields.

use pg_query::protobuf::{self, node::Node};

use super::routines::call;
use super::scope::{Scope, select};
use super::tracer::Tracer;
use super::value::Value;

impl Tracer<'_> {
    /// What is behind a value in brackets and after dots.
    pub(super) fn steps_into(
        &self,
        value: Value,
        steps: &[protobuf::Node],
        scope: &Scope,
    ) -> Value {
        let mut value = value;
        let slices =
            |step: &protobuf::Node| matches!(&step.node, Some(Node::AIndices(it)) if it.is_slice);
        // A number is a slice too beside one.
        let is_sliced = steps.len() > 1 && steps.iter().any(slices);
        for step in steps {
            value = match &step.node {
                Some(Node::String(name)) => self.field(&value, &name.sval),
                Some(Node::AIndices(indices)) => {
                    let lower = self.maybe(indices.lidx.as_deref(), scope);
                    let upper = self.maybe(indices.uidx.as_deref(), scope);
                    self.probe(&lower);
                    self.probe(&upper);
                    let ty = match is_sliced {
                        true => 0,
                        false => self.element(value.ty, indices),
                    };
                    Value {
                        ty,
                        ..Value::mixed([&value, &lower, &upper])
                    }
                }
                // All of it: the row that it is.
                Some(Node::AStar(_)) => value,
                _ => self.lost(),
            };
        }
        value
    }

    fn field(&self, value: &Value, name: &str) -> Value {
        match &value.fields {
            Some(fields) => {
                let field = self.doubted(None, name, select(self, fields, name));
                // A row is not more than what it is made of, but may be computed as a whole.
                if value.tainted() {
                    field
                } else {
                    Value::mixed([value, &field])
                }
            }
            None if self.catalog().functions_named(name).is_empty() => Value::mixed([value]),
            None => self.of_row(name, value.clone()),
        }
    }

    /// `row.name`, which is `name(row)`.
    pub(super) fn of_row(&self, name: &str, row: Value) -> Value {
        let row = [row];
        self.asks(&[name], &[], &row);
        self.apply(&call(self, &[name]), &row)
    }
}
