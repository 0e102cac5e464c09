//! Values whose length tells with what they were compared, where that shows.
//!
//! A result that is masked shows nothing of its length. But a sort or a hash that needs more memory than it has
//! puts rows aside, and those that are alike come in another order then. So where rows are put in an order, or
//! matched, what is longer by one guess than by another asks, whether it is returned or not. How long values are
//! that are not compared shows in the same way, and is left out.

use pg_query::protobuf::{self, SetOperation, node::Node};

use super::Output;
use super::forms::SIFTING;
use super::tracer::Tracer;
use super::value::Value;

impl Tracer<'_> {
    /// This value is sifted, if it is made of anything masked.
    pub(super) fn sift(&self, value: &Value) {
        self.effects().sifted.add(&value.masks);
    }

    /// What a function of this name returns may be.
    pub(super) fn sifts(&self, names: &[&str], args: &[Value]) {
        let name = names.last().copied().unwrap_or_default();
        let compares = match name {
            // Among the values of a column there is none that was chosen.
            "max" | "min" => args.iter().any(|it| matches!(it.output, Output::Full)),
            "btrim" | "ltrim" | "rtrim" => args.len() > 1,
            _ => true,
        };
        if compares && SIFTING.contains(&name) {
            self.sift(&Value::mixed(args));
        }
    }

    /// At the end of a query: what is sifted in it or in those within asks if it brings rows into an order.
    pub(super) fn arranged(&self, select: &protobuf::SelectStmt) {
        let is_sorted = !select.sort_clause.is_empty()
            || !select.group_clause.is_empty()
            || !select.distinct_clause.is_empty()
            || !select.window_clause.is_empty();
        let is_set = select.larg.is_some()
            && !(select.all && select.op == i32::from(SetOperation::SetopUnion));
        let arranges = std::mem::take(&mut self.effects().arranges);
        if arranges || is_sorted || is_set {
            self.sifted_asks();
        }
    }

    /// What is sifted in what has been joined asks.
    pub(super) fn matched(&self, from: &[protobuf::Node]) {
        let is_joined = |node: &protobuf::Node| matches!(node.node, Some(Node::JoinExpr(_)));
        if from.len() > 1 || from.iter().any(is_joined) {
            self.sifted_asks();
        }
    }

    /// The same of anything.
    pub(super) fn sifted_asks(&self) {
        let sifted = self.effects().sifted.clone();
        self.probe_masks(&sifted);
    }
}
