//! Functions that are given SQL as a text, and which of their arguments that is.
//!
//! A constant is read like any other text. What is put together when the statement runs is not known.

use pg_query::protobuf::{self, a_const, node::Node};

use super::walk::{Walker, constant};

/// Which arguments are SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sql {
    /// The first.
    First,
    /// The first, and the second if there is one.
    FirstTwo,
    /// The second of two; with three there is none.
    SecondOfTwo,
    /// The third.
    Third,
    /// The last, or the one before a last one that is true or false; run elsewhere.
    Last,
    /// Names that are put into SQL as they are.
    Made,
}

/// By name, sorted; those with a schema only count where it is written.
const TAKE: &[(&str, Option<&str>, Sql)] = &[
    ("connectby", None, Sql::Made),
    ("crosstab", None, Sql::FirstTwo),
    ("crosstab2", None, Sql::First),
    ("crosstab3", None, Sql::First),
    ("crosstab4", None, Sql::First),
    ("dblink", None, Sql::Last),
    ("dblink_exec", None, Sql::Last),
    ("dblink_open", None, Sql::Last),
    ("dblink_send_query", None, Sql::Last),
    ("pg_background_launch", None, Sql::First),
    ("query_to_xml", None, Sql::First),
    ("query_to_xml_and_xmlschema", None, Sql::First),
    ("query_to_xmlschema", None, Sql::First),
    ("schedule", Some("cron"), Sql::Last),
    ("schedule_in_database", Some("cron"), Sql::Third),
    ("ts_rewrite", None, Sql::SecondOfTwo),
    ("ts_stat", None, Sql::First),
    ("xpath_table", None, Sql::Made),
];

fn takes(schema: Option<&str>, name: &str) -> Option<Sql> {
    let place = TAKE.binary_search_by_key(&name, |(name, _, _)| name).ok()?;
    let (_, within, sql) = TAKE.get(place)?;
    (within.is_none() || *within == schema).then_some(*sql)
}

/// Whether a function of this name is one of these, whose texts are read where they are constant.
pub(super) fn known(name: &str) -> bool {
    takes(None, name).is_some()
}

/// Notes what a call of a function does with texts that it is given.
pub(super) fn given(call: &protobuf::FuncCall, names: &[&str], walker: &mut Walker) {
    let (schema, name) = match names {
        [.., schema, name] => (Some(*schema), *name),
        [name] => (None, *name),
        [] => return,
    };
    let Some(sql) = takes(schema, name) else {
        return;
    };
    let mut args = &*call.args;
    if sql == Sql::Last
        && let [before @ .., last] = args
        && is_flag(last)
    {
        args = before;
    }
    let texts: Vec<Option<&protobuf::Node>> = match sql {
        Sql::First => vec![args.first()],
        Sql::FirstTwo if args.len() > 1 => vec![args.first(), args.get(1)],
        Sql::FirstTwo => vec![args.first()],
        Sql::SecondOfTwo if args.len() == 3 => return,
        Sql::SecondOfTwo => vec![args.get(1)],
        Sql::Third => vec![args.get(2)],
        Sql::Last => vec![args.last()],
        Sql::Made => vec![None],
    };
    let elsewhere = matches!(sql, Sql::Last | Sql::Third) || name == "pg_background_launch";
    for text in texts {
        match text.filter(|_| !call.func_variadic).and_then(constant) {
            Some(text) if elsewhere => walker.elsewhere(text, name),
            Some(text) => walker.embedded(text, name),
            None => walker.dynamic(name),
        }
    }
}

fn is_flag(node: &protobuf::Node) -> bool {
    match &node.node {
        Some(Node::AConst(constant)) => matches!(constant.val, Some(a_const::Val::Boolval(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_sorted() {
        assert!(TAKE.is_sorted_by_key(|(name, _, _)| name));
    }
}
