//! `EXPLAIN`: what a plan shows, and what it tells of how large values are.

use pg_query::protobuf::{self, SetOperation, node::Node};

use super::named::{Named, is_none, told, walked};
use crate::sql::postgres::lineage::catalog::{FIRST_OWN, Relation, RelationKind, Volatility};
use crate::sql::postgres::lineage::filled::Write;
use crate::sql::postgres::lineage::routines::{call, named_in, union};
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{Code, Columns, Masks, Output, Outputs, Statement};
use crate::sql::postgres::queries;
use crate::sql::postgres::statements::analyzes;

/// A plan has none of the values that a query returns, unless a function was called to make it. One that was
/// run says how much memory its parts took and, asked to (`SERIALIZE`), how much would be sent: then
/// `split_part(email, 'a', 1)`, often enough, tells whether there is an `a`. So what is read asks. And it says how
/// much was logged (`WAL`), which is less the more letters of an old value are in the new one.
pub(super) fn explained(explain: &protobuf::ExplainStmt, tracer: &Tracer) -> Statement {
    let Some(query) = &explain.query else {
        return Statement::unknown();
    };
    let statement = tracer.statement(query);
    let calls = Named::in_statement(tracer, query).code;
    let is_shown = !is_none(&calls) || may_fold(query, tracer);
    let is_run = explain.options.iter().any(analyzes);
    let is_sent = explain.options.iter().any(measures);
    let takes_nothing = !is_sent && passes_columns_on(query) && returns_columns(&statement);
    // A function may write too, and what it does with what it is given is not told.
    let may_write = !matches!(query.node, Some(Node::SelectStmt(_)))
        || statement.writes != Columns::default()
        || statement.code > Code::Servers;
    let measured = match is_run && !takes_nothing {
        true if may_write && statement.touches => Masks::Unknown,
        true => read(&statement, tracer),
        false => Masks::default(),
    };
    Statement {
        outputs: match is_shown {
            true => Outputs::Columns([Output::Full].into()),
            false => Outputs::Clean,
        },
        copy: None,
        makes: None,
        probed: union(statement.probed, measured),
        ..statement
    }
}

/// Whether a view that is named, or one behind it, calls a function that reads something masked and that the server
/// calls when it plans.
fn may_fold(query: &protobuf::Node, tracer: &Tracer) -> bool {
    let Some((units, _)) = walked(tracer, |walker| queries::statement(query, walker)) else {
        return true;
    };
    let is_folded = |name: &str| {
        let mut named = tracer.catalog().functions_named(name).iter();
        named.any(|it| it.oid >= FIRST_OWN && it.volatility == Volatility::Immutable)
            && !is_none(&told(call(tracer, &[name])))
    };
    let calls_some = |view: &Relation| {
        let words = view
            .definition
            .as_deref()
            .and_then(|text| named_in(tracer, text));
        words.is_none_or(|(words, _)| words.iter().any(|word| is_folded(word)))
    };
    let folds = |relation: &Relation| {
        let behind = tracer.affected(relation, Write::Insert);
        behind.is_none_or(|behind| {
            let mut views = behind
                .into_iter()
                .filter(|it| it.kind == RelationKind::View);
            views.any(|view| !view.is_built_in() && calls_some(view))
        })
    };
    // That these are looked at here is not what the statement does.
    let (folds, _) = tracer.aside(|| {
        units.iter().any(|unit| {
            let Some(tables) = unit.tables.known() else {
                return true;
            };
            let mut named = tables
                .iter()
                .flat_map(|it| tracer.catalog().relations_named(&it.name));
            named.any(folds)
        })
    });
    folds
}

/// Whether it says how much would be sent, or was logged: pages are logged whole and may be compressed.
fn measures(option: &protobuf::Node) -> bool {
    match &option.node {
        Some(Node::DefElem(option)) => matches!(&*option.defname, "serialize" | "wal"),
        _ => true,
    }
}

/// Whether it is a query for columns of one table, as they are and as they come: no part of its plan keeps
/// values, nor computes any.
fn passes_columns_on(query: &protobuf::Node) -> bool {
    let Some(Node::SelectStmt(select)) = &query.node else {
        return false;
    };
    let is_column = |target: &protobuf::Node| match &target.node {
        Some(Node::ResTarget(target)) => matches!(
            target.val.as_ref().and_then(|value| value.node.as_ref()),
            Some(Node::ColumnRef(_))
        ),
        _ => false,
    };
    let is_table = match &*select.from_clause {
        [from] => matches!(from.node, Some(Node::RangeVar(_))),
        _ => false,
    };
    is_table
        && select.op == i32::from(SetOperation::SetopNone)
        && select.target_list.iter().all(is_column)
        && select.with_clause.is_none()
        && select.sort_clause.is_empty()
        && select.group_clause.is_empty()
        && select.distinct_clause.is_empty()
        && select.window_clause.is_empty()
        && select.having_clause.is_none()
        && [
            &select.where_clause,
            &select.limit_count,
            &select.limit_offset,
        ]
        .into_iter()
        .flatten()
        .all(|it| has_no_query(it))
}

/// Whether a part of a query has none within that would keep values of its own.
fn has_no_query(node: &protobuf::Node) -> bool {
    let all = |nodes: &[protobuf::Node]| nodes.iter().all(has_no_query);
    let each = |node: &Option<Box<protobuf::Node>>| node.as_deref().is_none_or(has_no_query);
    match &node.node {
        None => true,
        Some(node) => match node {
            Node::ColumnRef(_) | Node::AConst(_) | Node::ParamRef(_) => true,
            Node::AExpr(it) => each(&it.lexpr) && each(&it.rexpr),
            Node::BoolExpr(it) => all(&it.args),
            Node::NullTest(it) => each(&it.arg),
            Node::BooleanTest(it) => each(&it.arg),
            Node::TypeCast(it) => each(&it.arg),
            Node::List(it) => all(&it.items),
            Node::AArrayExpr(it) => all(&it.elements),
            Node::FuncCall(it) => {
                let is_plain = it.agg_order.is_empty() && it.agg_filter.is_none();
                is_plain && it.over.is_none() && all(&it.args)
            }
            Node::SqlvalueFunction(_) => true,
            _ => false,
        },
    }
}

/// Whether nothing that it returns is computed, behind a view either.
fn returns_columns(statement: &Statement) -> bool {
    match &statement.outputs {
        Outputs::Clean => true,
        Outputs::Columns(columns) => !columns.iter().any(|it| matches!(it, Output::Full)),
        Outputs::Unknown => false,
    }
}

/// The masks of the columns that a statement reads.
fn read(statement: &Statement, tracer: &Tracer) -> Masks {
    let names = match &statement.reads {
        // What was prepared is not known here.
        _ if statement.runs.is_some() => return Masks::Unknown,
        _ if !statement.touches => return Masks::default(),
        Columns::Unknown => return Masks::Unknown,
        Columns::Known(names) => names,
    };
    let is_of = |relation: &Relation, name: &str| {
        let column = name
            .strip_prefix(&*relation.schema)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_prefix(&*relation.name));
        column.is_some_and(|rest| rest.starts_with('.'))
    };
    let relations = tracer.catalog().relations();
    let relations = relations.filter(|relation| names.iter().any(|name| is_of(relation, name)));
    // That its columns are looked at here is not what the statement does.
    let (masks, _) = tracer.aside(|| {
        let mut masks = Masks::default();
        for field in relations.flat_map(|it| tracer.columns_of(it).list.to_vec()) {
            let source = field.source;
            if source.is_some_and(|source| names.iter().any(|name| **name == *source)) {
                masks = union(masks, field.value.masks);
            }
        }
        masks
    });
    masks
}
