//! Types, operators, aggregates, casts and the like: what it means that one is made or changed.
//!
//! They are made of functions. What an operator or an aggregate does is followed where it is used
//! (`routines`), so that making one is as bad as its functions are by now. Where nobody follows what is
//! called later (types, casts, classes of operators) only functions of the server itself are taken, that
//! do nothing but compute a value. What is changed must be nothing that masked columns are made of.

use pg_query::protobuf::{self, ObjectType, node::Node};

use super::named::{Named, told};
use super::{Statement, code, is_one_of, opaque};
use crate::sql::postgres::lineage::Masks;
use crate::sql::postgres::lineage::catalog::{FIRST_OWN, Language, Type, TypeKind};
use crate::sql::postgres::lineage::routines::{Call, call, in_path, union};
use crate::sql::postgres::lineage::samples::SET_CONFIG;
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::walk::{string, strings};

/// What in a definition names a function that is followed where the thing is used.
const FOLLOWED: [&str; 11] = [
    "combinefunc",
    "deserialfunc",
    "finalfunc",
    "function",
    "mfinalfunc",
    "minvfunc",
    "msfunc",
    "procedure",
    "serialfunc",
    "sfunc",
    "sfunc1",
];

/// What in a definition names a function that nobody follows.
const CALLED: [&str; 19] = [
    "analyze",
    "canonical",
    "end",
    "gettoken",
    "headline",
    "init",
    "input",
    "join",
    "lexize",
    "lextypes",
    "output",
    "receive",
    "restrict",
    "send",
    "start",
    "subscript",
    "subtype_diff",
    "typmod_in",
    "typmod_out",
];

/// Deepest nesting of types in types.
const MAX_TYPES: u32 = 8;

/// What a statement does that makes or changes something made of functions; none if it does not.
pub(super) fn made(command: &Node, node: &protobuf::Node, tracer: &Tracer) -> Option<Statement> {
    Some(match command {
        Node::DefineStmt(define) => definition(&define.definition, tracer),
        Node::CreateRangeStmt(range) => definition(&range.params, tracer),
        Node::CreateCastStmt(cast) => match &cast.func {
            Some(function) => of_the_servers([&function.objname[..]], tracer),
            None => Statement::default(),
        },
        Node::CreateConversionStmt(it) => of_the_servers([&it.func_name[..]], tracer),
        Node::CreateOpClassStmt(class) => items(&class.items, tracer),
        Node::AlterOpFamilyStmt(family) if family.is_drop => Statement::default(),
        Node::AlterOpFamilyStmt(family) => items(&family.items, tracer),
        Node::CreateEventTrigStmt(trigger) => function(&trigger.funcname, tracer),
        Node::AlterFunctionStmt(alter) => match &alter.func {
            Some(it) if is_written(&it.objname, tracer) => function(&it.objname, tracer),
            _ => opaque(),
        },
        Node::AlterDomainStmt(domain) => match is_apart(&domain.type_name, tracer) {
            true => Named::in_statement(tracer, node).changed(),
            false => opaque(),
        },
        Node::RenameStmt(rename) => moved(rename.rename_type, rename.object.as_deref(), tracer)?,
        Node::AlterObjectSchemaStmt(alter) => {
            moved(alter.object_type, alter.object.as_deref(), tracer)?
        }
        Node::CreateFdwStmt(wrapper) => without(&wrapper.func_options),
        Node::AlterFdwStmt(wrapper) => without(&wrapper.func_options),
        Node::CreatePublicationStmt(_) | Node::AlterPublicationStmt(_) => {
            Named::in_statement(tracer, node).changed()
        }
        Node::CreateOpFamilyStmt(_)
        | Node::AlterEventTrigStmt(_)
        | Node::AlterTsdictionaryStmt(_)
        | Node::AlterTsconfigurationStmt(_)
        | Node::AlterCollationStmt(_) => Statement::default(),
        _ => return None,
    })
}

/// `CREATE AGGREGATE`, `OPERATOR`, `TYPE`, `COLLATION` or one of text search.
fn definition(options: &[protobuf::Node], tracer: &Tracer) -> Statement {
    let mut masks = Masks::default();
    for option in options {
        let Some(Node::DefElem(option)) = &option.node else {
            return opaque();
        };
        let word = &*option.defname;
        let (is_followed, is_called) = (FOLLOWED.contains(&word), CALLED.contains(&word));
        if !is_followed && !is_called {
            continue;
        }
        let Some(name) = option.arg.as_deref().and_then(name) else {
            return opaque();
        };
        // Nobody would see what it sets.
        let sets = name.last() == Some(&SET_CONFIG);
        if sets || is_called && !is_harmless(&name, tracer) {
            return opaque();
        }
        masks = union(masks, told(call(tracer, &name)));
    }
    code::kept(masks)
}

/// The name of a function, as it stands in a definition: like a type, a list, or a word.
fn name(node: &protobuf::Node) -> Option<Vec<&str>> {
    match node.node.as_ref()? {
        Node::TypeName(name) => strings(&name.names),
        Node::List(list) => strings(&list.items),
        Node::String(_) => string(node).map(|word| vec![word]),
        _ => None,
    }
}

/// The functions of a class or family of operators. Its operators are followed where they are used.
fn items(items: &[protobuf::Node], tracer: &Tracer) -> Statement {
    const FUNCTION: i32 = 2;
    let mut functions = Vec::new();
    for item in items {
        match &item.node {
            Some(Node::CreateOpClassItem(item)) if item.itemtype == FUNCTION => match &item.name {
                Some(name) => functions.push(&name.objname[..]),
                None => return opaque(),
            },
            Some(Node::CreateOpClassItem(_)) => {}
            _ => return opaque(),
        }
    }
    of_the_servers(functions, tracer)
}

/// Something that is made of these functions alone, which nobody follows later.
fn of_the_servers<'n>(
    functions: impl IntoIterator<Item = &'n [protobuf::Node]>,
    tracer: &Tracer,
) -> Statement {
    let mut functions = functions.into_iter();
    let all = functions.all(|it| strings(it).is_some_and(|name| is_harmless(&name, tracer)));
    match all {
        true => Statement::default(),
        false => opaque(),
    }
}

/// Whether whatever function of this name is meant is the server's own and only computes a value.
pub(super) fn is_harmless(name: &[&str], tracer: &Tracer) -> bool {
    let last = name.last().copied().unwrap_or_default();
    let mut functions = tracer.catalog().functions_named(last).iter();
    let own = functions.all(|function| function.oid < FIRST_OWN);
    own && in_path(tracer, name).next().is_some() && call(tracer, name) == Call::Pure
}

/// Something that goes on being the function of this name.
fn function(name: &[protobuf::Node], tracer: &Tracer) -> Statement {
    match strings(name) {
        Some(name) => code::kept(told(call(tracer, &name))),
        None => opaque(),
    }
}

/// Whether all functions of this name are somebody's own and have a text, or are made of others: how those
/// without behave is what they say themselves, and those of the server are known by their names.
fn is_written(name: &[protobuf::Node], tracer: &Tracer) -> bool {
    let name = strings(name).and_then(|name| name.last().copied());
    let functions = name.map(|name| tracer.catalog().functions_named(name));
    functions.is_some_and(|functions| {
        functions.iter().all(|it| {
            let has_text = matches!(it.language, Language::Sql | Language::Plpgsql);
            it.oid >= FIRST_OWN && (has_text || it.is_aggregate)
        })
    })
}

/// Something that is no relation gets another name or comes into another schema; none if that is not told here.
fn moved(of: i32, object: Option<&protobuf::Node>, tracer: &Tracer) -> Option<Statement> {
    const ROUTINES: [ObjectType; 4] = [
        ObjectType::ObjectFunction,
        ObjectType::ObjectProcedure,
        ObjectType::ObjectRoutine,
        ObjectType::ObjectAggregate,
    ];
    const NAMED_ALONE: [ObjectType; 14] = [
        ObjectType::ObjectCollation,
        ObjectType::ObjectConversion,
        ObjectType::ObjectEventTrigger,
        ObjectType::ObjectFdw,
        ObjectType::ObjectForeignServer,
        ObjectType::ObjectLanguage,
        ObjectType::ObjectOpclass,
        ObjectType::ObjectOpfamily,
        ObjectType::ObjectPublication,
        ObjectType::ObjectStatisticExt,
        ObjectType::ObjectTsconfiguration,
        ObjectType::ObjectTsdictionary,
        ObjectType::ObjectTsparser,
        ObjectType::ObjectTstemplate,
    ];
    if is_one_of(of, &NAMED_ALONE) {
        return Some(Statement::default());
    }
    if !is_one_of(of, &ROUTINES) {
        return None;
    }
    match object.and_then(|object| object.node.as_ref()) {
        Some(Node::ObjectWithArgs(named)) if is_written(&named.objname, tracer) => {
            Some(function(&named.objname, tracer))
        }
        _ => None,
    }
}

/// Something that brings no functions of its own.
fn without(functions: &[protobuf::Node]) -> Statement {
    match functions.is_empty() {
        true => Statement::default(),
        false => opaque(),
    }
}

/// Whether no masked column is of a type of this name, or has one within.
fn is_apart(name: &[protobuf::Node], tracer: &Tracer) -> bool {
    let Some(name) = strings(name).and_then(|name| name.last().copied()) else {
        return false;
    };
    let mut relations = tracer.catalog().relations();
    relations.all(|relation| {
        let masks = tracer.masked.masks_of(relation);
        let mut columns = relation.columns.iter().zip(masks.iter());
        columns.all(|(column, mask)| {
            let ty = tracer.catalog().ty(column.ty);
            mask.is_none() || ty.is_some_and(|ty| !has_within(tracer, ty, name, 0))
        })
    })
}

fn has_within(tracer: &Tracer, ty: &Type, name: &str, depth: u32) -> bool {
    let inner = |ty: u32| match tracer.catalog().ty(ty) {
        Some(ty) if depth < MAX_TYPES && tracer.step() => has_within(tracer, ty, name, depth + 1),
        _ => true,
    };
    *ty.name == *name
        || match ty.kind {
            TypeKind::Base | TypeKind::Enum => false,
            TypeKind::Other => ty.oid >= FIRST_OWN,
            TypeKind::Array(of) | TypeKind::Domain(of, _) => inner(of),
            TypeKind::Composite(relation) => match tracer.catalog().relation(relation) {
                Some(relation) => relation.columns.iter().any(|column| inner(column.ty)),
                None => true,
            },
        }
}
