//! `COPY`: what it writes, and how.

use pg_query::ParserOptions;
use pg_query::protobuf::{self, node::Node};

use super::named::{Named, is_none};
use crate::sql::postgres::bounds::readable;
use crate::sql::postgres::lineage::routines::{returned, union};
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{Columns, CopyFormat, CopyKind, Masks, Outputs, Statement};
use crate::sql::postgres::stack::safely;
use crate::sql::postgres::walk::{constant, string};
use crate::sql::postgres::{ESCAPING, Encoding, Session, Strings};

/// How each statement of a text copies out to the client, if it does: none where that cannot be told. What
/// is in the tables, and which there are, makes no difference.
pub fn formats(text: &[u8], session: &Session) -> Box<[Option<CopyFormat>]> {
    let mentions = |text: &[u8]| {
        let mut words = text.windows(4);
        words.any(|word| word.eq_ignore_ascii_case(b"copy"))
    };
    // Rows are taken apart as bytes of UTF-8.
    let certain = session.encoding == Encoding::Utf8 && mentions(text);
    let Some(text) = readable(text, session).filter(|_| certain) else {
        return Box::default();
    };
    let options = match session.strings {
        Strings::Standard => ParserOptions::DEFAULT,
        Strings::Escaping => ESCAPING,
        // Only a backslash makes a difference.
        Strings::Uncertain if text.contains('\\') => return Box::default(),
        Strings::Uncertain => ParserOptions::DEFAULT,
    };
    let read = safely(text, move |text| {
        let parsed = pg_query::parse(text, options | ParserOptions::DISABLE_ESCAPE_STRING_WARNING);
        let statements = parsed.ok()?.protobuf.stmts;
        let format = |raw: &protobuf::RawStmt| match raw.stmt.as_ref()?.node.as_ref()? {
            Node::CopyStmt(copy) if !copy.is_from => format(&copy.options)
                .filter(|options| options.is_readable)
                .map(|options| options.format),
            _ => None,
        };
        Some(statements.iter().map(format).collect())
    });
    read.unwrap_or_default()
}

/// What a `COPY` does.
pub(super) fn copy(copy: &protobuf::CopyStmt, node: &protobuf::Node, tracer: &Tracer) -> Statement {
    if copy.is_from {
        return from(copy, node, tracer);
    }
    let mut statement = match (&copy.query, &copy.relation) {
        (Some(query), _) => tracer.statement(query),
        (None, Some(relation)) => tracer.query(&select(relation, &copy.attlist)),
        (None, None) => return Statement::unknown(),
    };
    let format = format(&copy.options);
    if !copy.filename.is_empty() || copy.is_program {
        // A program may do anything, and whatever is in a file of the server may be told later.
        statement.copied = Masks::Unknown;
        statement.outputs = Outputs::Clean;
        return statement;
    }
    let Some(options) = format else {
        // What leaves in a form that is not understood cannot be masked.
        statement.copied = union(statement.copied, returned(&statement.outputs));
        statement.outputs = Outputs::Unknown;
        return statement;
    };
    let is_clean = matches!(statement.outputs, Outputs::Clean);
    if !options.is_readable || !options.tells_null && !is_clean {
        statement.copied = union(statement.copied, returned(&statement.outputs));
        statement.outputs = Outputs::Unknown;
    }
    let types = match (&copy.query, &copy.relation) {
        (None, Some(relation)) => types(relation, &copy.attlist, tracer),
        _ => None,
    };
    let columns = match &statement.outputs {
        Outputs::Columns(columns) => columns.len(),
        Outputs::Clean | Outputs::Unknown => 0,
    };
    statement.copy = Some(CopyFormat {
        types: types.unwrap_or_else(|| vec![0; columns].into()),
        ..options.format
    });
    statement
}

/// `SELECT columns FROM ONLY relation`.
fn select(relation: &protobuf::RangeVar, columns: &[protobuf::Node]) -> protobuf::Node {
    let wrap = |node| protobuf::Node { node: Some(node) };
    let fields = match columns {
        [] => vec![vec![wrap(Node::AStar(protobuf::AStar {}))]],
        columns => columns.iter().map(|name| vec![name.clone()]).collect(),
    };
    let target = |fields| {
        let column = Node::ColumnRef(protobuf::ColumnRef {
            fields,
            ..Default::default()
        });
        wrap(Node::ResTarget(Box::new(protobuf::ResTarget {
            val: Some(Box::new(wrap(column))),
            ..Default::default()
        })))
    };
    let only = protobuf::RangeVar {
        inh: false,
        alias: None,
        ..relation.clone()
    };
    wrap(Node::SelectStmt(Box::new(protobuf::SelectStmt {
        target_list: fields.into_iter().map(target).collect(),
        from_clause: vec![wrap(Node::RangeVar(only))],
        limit_option: protobuf::LimitOption::Default.into(),
        op: protobuf::SetOperation::SetopNone.into(),
        ..Default::default()
    })))
}

/// The types of the columns of a relation, in the order in which they are named.
fn types(
    relation: &protobuf::RangeVar,
    columns: &[protobuf::Node],
    tracer: &Tracer,
) -> Option<Box<[u32]>> {
    let found = tracer.relation(&relation.schemaname, &relation.relname);
    let [relation] = &*found.relations else {
        return None;
    };
    if columns.is_empty() {
        return Some(relation.columns.iter().map(|column| column.ty).collect());
    }
    let ty = |node: &protobuf::Node| {
        let name = string(node)?;
        let mut columns = relation.columns.iter();
        Some(columns.find(|column| *column.name == *name)?.ty)
    };
    columns.iter().map(ty).collect()
}

fn from(copy: &protobuf::CopyStmt, node: &protobuf::Node, tracer: &Tracer) -> Statement {
    let named = Named::in_statement(tracer, node);
    let filled = filled(copy, tracer);
    // A file or a program of the server may hold anything.
    let of_client = copy.filename.is_empty() && !copy.is_program;
    Statement {
        touches: !of_client || !is_none(&named.all()) || filled.touches,
        copied: match of_client {
            true => union(named.code, filled.copied),
            false => Masks::Unknown,
        },
        writes: written(copy, tracer).map_or(Columns::Unknown, Columns::Known),
        code: filled.code,
        ..Statement::default()
    }
}

/// What is written beside what is copied: an `INSERT` of these columns does the same.
fn filled(copy: &protobuf::CopyStmt, tracer: &Tracer) -> Statement {
    let wrap = |node| protobuf::Node { node: Some(node) };
    let column = |name: &str| {
        wrap(Node::ResTarget(Box::new(protobuf::ResTarget {
            name: name.to_owned(),
            ..Default::default()
        })))
    };
    let is_default = |option: &protobuf::Node| match &option.node {
        Some(Node::DefElem(option)) => option.defname == "default",
        _ => true,
    };
    let cols = match (&copy.relation, &*copy.attlist) {
        // A mark in the data stands for the default.
        _ if copy.options.iter().any(is_default) => Vec::new(),
        (Some(relation), []) => {
            let found = tracer.relation(&relation.schemaname, &relation.relname);
            let columns = found.relations.iter().flat_map(|it| it.columns.iter());
            columns.map(|it| column(&it.name)).collect()
        }
        (_, columns) => columns.iter().filter_map(string).map(column).collect(),
    };
    tracer.query(&wrap(Node::InsertStmt(Box::new(protobuf::InsertStmt {
        relation: copy.relation.clone(),
        cols,
        ..Default::default()
    }))))
}

fn written(copy: &protobuf::CopyStmt, tracer: &Tracer) -> Option<Vec<Box<str>>> {
    let relation = copy.relation.as_ref()?;
    let found = tracer.relation(&relation.schemaname, &relation.relname);
    let [relation] = &*found.relations else {
        return None;
    };
    let of = |column: &str| format!("{}.{}.{column}", relation.schema, relation.name).into();
    let mut names: Vec<Box<str>> = match &*copy.attlist {
        [] => relation.columns.iter().map(|it| of(&it.name)).collect(),
        columns => columns
            .iter()
            .map(|name| string(name).map(of))
            .collect::<Option<_>>()?,
    };
    names.sort();
    names.dedup();
    (!found.open).then_some(names)
}

/// The options of a `COPY`.
struct Options {
    format: CopyFormat,
    /// Whether what it writes can be taken apart.
    is_readable: bool,
    /// Whether NULL is written as no value is.
    tells_null: bool,
}

/// None if there is an option that is not understood.
fn format(options: &[protobuf::Node]) -> Option<Options> {
    let (mut kind, mut header, mut is_readable) = (CopyKind::Text, false, true);
    let (mut delimiter, mut null, mut quote, mut escape) = (None, None, None, None);
    for option in options {
        let Some(Node::DefElem(option)) = &option.node else {
            return None;
        };
        let arg = option.arg.as_deref();
        match &*option.defname {
            "format" => {
                kind = match text(arg)? {
                    "text" => CopyKind::Text,
                    "csv" => CopyKind::Csv,
                    "binary" => CopyKind::Binary,
                    _ => return None,
                }
            }
            "header" => header = flag(arg)?,
            "delimiter" => delimiter = Some(byte(arg)?),
            "quote" => quote = Some(byte(arg)?),
            "escape" => escape = Some(byte(arg)?),
            "null" => null = Some(text(arg)?.as_bytes()),
            "encoding" => {
                let name = text(arg)?.to_ascii_lowercase().replace(['-', '_', ' '], "");
                is_readable = matches!(&*name, "utf8" | "unicode");
            }
            // Which values are quoted does not matter to who reads them; the rest is for `COPY FROM`.
            "force_quote" | "freeze" | "force_not_null" | "force_null" | "on_error"
            | "log_verbosity" | "default" | "reject_limit" => {}
            _ => return None,
        }
    }
    let quote = quote.unwrap_or(b'"');
    let (separator, nothing): (u8, &[u8]) = match kind {
        CopyKind::Csv => (b',', b""),
        CopyKind::Text | CopyKind::Binary => (b'\t', b"\\N"),
    };
    let format = CopyFormat {
        kind,
        delimiter: delimiter.unwrap_or(separator),
        null: null.unwrap_or(nothing).into(),
        quote,
        escape: escape.unwrap_or(quote),
        header,
        types: Box::default(),
    };
    // A backslash in a value is written as two. CSV has a value in quotes that is written as NULL is.
    let tells_null = match kind {
        CopyKind::Text => *format.null == *b"\\N",
        CopyKind::Csv => format.null.is_ascii(),
        CopyKind::Binary => true,
    };
    Some(Options {
        format,
        is_readable,
        tells_null,
    })
}

fn text(arg: Option<&protobuf::Node>) -> Option<&str> {
    arg.and_then(|arg| string(arg).or_else(|| constant(arg)))
}

fn byte(arg: Option<&protobuf::Node>) -> Option<u8> {
    match text(arg)?.as_bytes() {
        [byte] => Some(*byte),
        _ => None,
    }
}

/// As the server reads it (`defGetCopyHeaderOption`).
fn flag(arg: Option<&protobuf::Node>) -> Option<bool> {
    match arg.map(|arg| arg.node.as_ref()) {
        None => Some(true),
        Some(Some(Node::Boolean(flag))) => Some(flag.boolval),
        Some(Some(Node::Integer(number))) => match number.ival {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        },
        _ => match &*text(arg)?.to_ascii_lowercase() {
            "true" | "on" | "match" => Some(true),
            "false" | "off" => Some(false),
            _ => None,
        },
    }
}
