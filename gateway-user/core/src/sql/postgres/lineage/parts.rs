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
        let is_place = |step: &protobuf::Node| matches!(step.node, Some(Node::AIndices(_)));
        // Numbers that follow each other are one step: with a slice among them all are slices.
        let together = steps.chunk_by(|one, next| is_place(one) && is_place(next));
        together.fold(value, |value, steps| self.step_into(value, steps, scope))
    }

    fn step_into(&self, value: Value, steps: &[protobuf::Node], scope: &Scope) -> Value {
        let places = steps.iter().filter_map(|step| match &step.node {
            Some(Node::AIndices(place)) => Some(place),
            _ => None,
        });
        let bounds = places.clone().flat_map(|it| [&it.lidx, &it.uidx]);
        match steps.first().and_then(|step| step.node.as_ref()) {
            Some(Node::String(name)) => self.field(&value, &name.sval),
            Some(Node::AIndices(_)) => {
                let bounds = self.values(bounds.filter_map(|it| it.as_deref()), scope);
                self.probe(&bounds);
                let is_slice = places.clone().any(|place| place.is_slice);
                Value {
                    ty: self.part(value.ty, is_slice),
                    ..Value::mixed([&value, &bounds])
                }
            }
            // All of it: the row that it is.
            Some(Node::AStar(_)) => value,
            _ => self.lost(),
        }
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
