//! Code that a statement brings along or runs: `CREATE FUNCTION`, `DO`, `CALL`.

use pg_query::protobuf::{self, node::Node};

use super::named::{Named, is_none, told};
use super::opaque;
use crate::sql::postgres::lineage::routines::{self, Call, Rows, returned, union};
use crate::sql::postgres::lineage::samples::{command_measures, text_measures};
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{Code, Columns, Masks, Outputs, Statement};
use crate::sql::postgres::walk::{string, strings};

/// `CREATE FUNCTION`, `CREATE PROCEDURE`.
pub(super) fn create(create: &protobuf::CreateFunctionStmt, tracer: &Tracer) -> Statement {
    let name = strings(&create.funcname);
    let name = name.as_deref().and_then(|name| name.last().copied());
    let around = Named::in_parts(tracer, &create.parameters);
    let (body, measures) = match &create.sql_body {
        Some(body) => inside(body, tracer),
        None => match written(&create.options) {
            Some(text) => (
                told(routines::text(tracer, text, name, rows(create))),
                text_measures(text),
            ),
            None => return opaque(),
        },
    };
    let made = kept(union(around.all(), body));
    match measures || around.measures || create.options.iter().any(option_measures) {
        true => asking(made),
        false => made,
    }
}

/// Whether an option of a function is a setting for the time that it runs, and tells of values.
fn option_measures(option: &protobuf::Node) -> bool {
    let Some(Node::DefElem(option)) = &option.node else {
        return true;
    };
    let set = option.arg.as_ref().and_then(|arg| arg.node.as_ref());
    &*option.defname == "set" && set.is_none_or(command_measures)
}

/// A statement that sets what tells of values, or may.
fn asking(statement: Statement) -> Statement {
    Statement {
        probed: Masks::Unknown,
        ..statement
    }
}

/// Which rows the body of a function may read.
fn rows(create: &protobuf::CreateFunctionStmt) -> Rows {
    let returns = create.return_type.as_ref();
    let names = returns.and_then(|it| strings(&it.names));
    match names.as_deref() {
        Some(["trigger"] | ["pg_catalog", "trigger"]) => Rows::OfTrigger,
        _ => Rows::Known,
    }
}

/// `DO`.
pub(super) fn block(block: &protobuf::DoStmt, tracer: &Tracer) -> Statement {
    let Some(text) = written(&block.args) else {
        return opaque();
    };
    let call = routines::text(tracer, text, None, Rows::Known);
    let done = ran(call, Statement::default());
    match text_measures(text) {
        true => asking(done),
        false => done,
    }
}

/// `CALL`.
pub(super) fn call(call: &protobuf::CallStmt, tracer: &Tracer) -> Statement {
    let Some(call) = &call.funccall else {
        return opaque();
    };
    let Some(name) = strings(&call.funcname) else {
        return opaque();
    };
    let arguments = tracer.arguments(&call.args);
    let given = Statement {
        copied: union(arguments.copied.clone(), returned(&arguments.outputs)),
        outputs: Outputs::Clean,
        ..arguments
    };
    ran(routines::call(tracer, &name), given)
}

/// What a body tells, and whether it sets what tells of values. `BEGIN ATOMIC … END` is a list in a list of
/// statements, `RETURN …` a node.
fn inside(node: &protobuf::Node, tracer: &Tracer) -> (Masks, bool) {
    match &node.node {
        Some(Node::List(list)) => {
            let parts = list.items.iter().map(|item| inside(item, tracer));
            parts.fold((Masks::default(), false), |whole, part| {
                (union(whole.0, part.0), whole.1 || part.1)
            })
        }
        _ => {
            let named = Named::in_parts(tracer, node);
            (named.all(), named.measures)
        }
    }
}

/// The text of a body in a language that can be looked into.
fn written(options: &[protobuf::Node]) -> Option<&str> {
    let (mut text, mut language) = (None, "plpgsql");
    for option in options {
        let Some(Node::DefElem(option)) = &option.node else {
            return None;
        };
        let arg = option.arg.as_deref()?;
        match &*option.defname {
            // A second string would be the name of a symbol in a library.
            "as" => {
                text = match &arg.node {
                    Some(Node::List(list)) => match &*list.items {
                        [body] => string(body),
                        _ => return None,
                    },
                    _ => string(arg),
                }
            }
            "language" => language = string(arg)?,
            _ => {}
        }
    }
    matches!(language, "sql" | "plpgsql").then_some(text?)
}

/// Code that is made, and tells of these columns.
pub(super) fn kept(copied: Masks) -> Statement {
    Statement {
        touches: !is_none(&copied),
        copied,
        ..Statement::default()
    }
}

/// Code that is run.
fn ran(call: Call, given: Statement) -> Statement {
    let masks = told(call);
    Statement {
        outputs: match is_none(&masks) {
            true => given.outputs.clone(),
            false => Outputs::Unknown,
        },
        touches: given.touches || !is_none(&masks),
        copied: union(given.copied.clone(), masks),
        reads: Columns::Unknown,
        writes: Columns::Unknown,
        code: given.code.max(Code::Own),
        ..given
    }
}
