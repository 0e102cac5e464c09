//! `redefined`: whether a statement may change what names mean, so that masks no longer hold.
//!
//! Masks are kept by what the catalog said when a statement was judged. Who may change what a name stands
//! for, a function does or a path leads to has more ways to have a masked value shown under another name
//! than can be judged one by one: in another session between the judging and the running, by what a trigger
//! calls at the end of a transaction, by what a view was made of before. So each statement counts that is
//! not listed here as one that leaves all names what they are: most do nothing with definitions, and some
//! make only what is new, plain, and called nothing that is there.

use pg_query::protobuf::{self, DropBehavior, ObjectType, node::Node};

use super::named::{all_apart, walked};
use super::{is_one_of, made};
use crate::sql::postgres::SearchPath;
use crate::sql::postgres::lineage::Masks;
use crate::sql::postgres::lineage::catalog::{FIRST_OWN, RelationKind, TypeKind};
use crate::sql::postgres::lineage::routines::{creates, shown};
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::queries::{self, into};
use crate::sql::postgres::walk::string;

/// Types that stand for a number and a sequence.
const SERIAL: [&str; 6] = [
    "bigserial",
    "serial",
    "serial2",
    "serial4",
    "serial8",
    "smallserial",
];

/// A function of the server that defaults call, and that counts something.
const OF_DEFAULTS: &str = "nextval";

/// All masks of the session if a statement may change what names mean, else none.
pub(in super::super) fn redefined(node: &protobuf::Node, tracer: &Tracer) -> Masks {
    if leaves_names(node, tracer) {
        return Masks::default();
    }
    let masks = tracer.masked.masks().masks().iter();
    Masks::Known(masks.map(|mask| mask.name.clone()).collect())
}

fn leaves_names(node: &protobuf::Node, tracer: &Tracer) -> bool {
    let Some(command) = &node.node else {
        return false;
    };
    match command {
        Node::SelectStmt(select) => {
            into(select).is_none_or(|into| hides_nothing(into.rel.as_ref(), false, tracer))
                && leaves_names_in(select.with_clause.as_ref(), tracer)
        }
        Node::InsertStmt(insert) => {
            is_no_catalog(insert.relation.as_ref(), tracer)
                && leaves_names_in(insert.with_clause.as_ref(), tracer)
        }
        Node::UpdateStmt(update) => {
            is_no_catalog(update.relation.as_ref(), tracer)
                && leaves_names_in(update.with_clause.as_ref(), tracer)
        }
        Node::DeleteStmt(delete) => {
            is_no_catalog(delete.relation.as_ref(), tracer)
                && leaves_names_in(delete.with_clause.as_ref(), tracer)
        }
        Node::MergeStmt(merge) => {
            is_no_catalog(merge.relation.as_ref(), tracer)
                && leaves_names_in(merge.with_clause.as_ref(), tracer)
        }
        Node::CopyStmt(copy) if copy.is_from => is_no_catalog(copy.relation.as_ref(), tracer),
        Node::ExplainStmt(explain) => {
            let query = explain.query.as_deref();
            query.is_some_and(|query| leaves_names(query, tracer))
        }
        Node::CreateTableAsStmt(create) => {
            let name = create.into.as_ref().and_then(|into| into.rel.as_ref());
            // What is only run now stays what it was judged to be.
            let is_table = is_one_of(create.objtype, &[ObjectType::ObjectTable]);
            hides_nothing(name, create.if_not_exists, tracer)
                && (is_table || calls_the_servers(node, tracer))
        }
        Node::ViewStmt(view) => {
            !view.replace
                && calls_the_servers(node, tracer)
                && view.view.as_ref().is_some_and(|name| {
                    hides_nothing(Some(name), false, tracer)
                        && all_apart(tracer, node, &name.relname)
                })
        }
        Node::CreateStmt(create) => is_plain(create, tracer) && calls_the_servers(node, tracer),
        Node::CreateSeqStmt(create) => {
            hides_nothing(create.sequence.as_ref(), create.if_not_exists, tracer)
        }
        Node::IndexStmt(index) => {
            let name = &*index.idxname;
            let is_new = name.is_empty() || is_new(name, tracer);
            (is_new || index.if_not_exists) && calls_the_servers(node, tracer)
        }
        Node::CreateSchemaStmt(create) => create.schema_elts.is_empty(),
        Node::DropStmt(drop) => reveals_nothing(drop, tracer),
        Node::GrantStmt(grant) => is_one_of(
            grant.objtype,
            &[
                ObjectType::ObjectTable,
                ObjectType::ObjectColumn,
                ObjectType::ObjectSequence,
                ObjectType::ObjectDatabase,
                ObjectType::ObjectLargeobject,
                ObjectType::ObjectTablespace,
            ],
        ),
        Node::DoStmt(block) => !makes_something(block),
        _ => has_no_definitions(command),
    }
}

/// Statements that change data, the session, or what has no name in the database. `ALTER ROLE … SET` and its kin
/// are none: the session that reads the catalog has these settings as well.
fn has_no_definitions(command: &Node) -> bool {
    matches!(
        command,
        Node::CopyStmt(_)
            | Node::TruncateStmt(_)
            | Node::CallStmt(_)
            | Node::PrepareStmt(_)
            | Node::ExecuteStmt(_)
            | Node::DeallocateStmt(_)
            | Node::DeclareCursorStmt(_)
            | Node::FetchStmt(_)
            | Node::ClosePortalStmt(_)
            | Node::VariableSetStmt(_)
            | Node::VariableShowStmt(_)
            | Node::TransactionStmt(_)
            | Node::ConstraintsSetStmt(_)
            | Node::DiscardStmt(_)
            | Node::ListenStmt(_)
            | Node::UnlistenStmt(_)
            | Node::NotifyStmt(_)
            | Node::LockStmt(_)
            | Node::CheckPointStmt(_)
            | Node::CommentStmt(_)
            | Node::SecLabelStmt(_)
            | Node::VacuumStmt(_)
            | Node::ClusterStmt(_)
            | Node::ReindexStmt(_)
            | Node::RefreshMatViewStmt(_)
            | Node::AlterStatsStmt(_)
            | Node::CreatedbStmt(_)
            | Node::AlterDatabaseStmt(_)
            | Node::AlterDatabaseRefreshCollStmt(_)
            | Node::DropdbStmt(_)
            | Node::CreateTableSpaceStmt(_)
            | Node::AlterTableSpaceOptionsStmt(_)
            | Node::DropTableSpaceStmt(_)
    )
}

/// The same of the statements in a `WITH`.
fn leaves_names_in(with: Option<&protobuf::WithClause>, tracer: &Tracer) -> bool {
    let mut queries = with.into_iter().flat_map(|with| &with.ctes);
    queries.all(|query| match &query.node {
        Some(Node::CommonTableExpr(query)) => {
            let query = query.ctequery.as_deref();
            query.is_some_and(|query| leaves_names(query, tracer))
        }
        _ => false,
    })
}

/// Whether rows that are written are none of the server's catalog, which some roles may write.
fn is_no_catalog(name: Option<&protobuf::RangeVar>, tracer: &Tracer) -> bool {
    name.is_none_or(|name| {
        let mut named = tracer.catalog().relations_named(&name.relname);
        !named.any(|it| &*it.schema == "pg_catalog" && it.kind == RelationKind::Table)
    })
}

/// Whether something that is made under a name hides nothing that is there.
fn hides_nothing(name: Option<&protobuf::RangeVar>, is_optional: bool, tracer: &Tracer) -> bool {
    name.is_some_and(|name| {
        is_new(&name.relname, tracer) || (is_optional && is_there(name, tracer))
    })
}

/// Whether nothing has this name, in whatever schema.
fn is_new(name: &str, tracer: &Tracer) -> bool {
    let catalog = tracer.catalog();
    catalog.relations_named(name).next().is_none()
        && catalog.types_named(name).next().is_none()
        && catalog.functions_named(name).is_empty()
}

/// Whether there is a relation where it would be made, so that it is not (`IF NOT EXISTS`).
fn is_there(name: &protobuf::RangeVar, tracer: &Tracer) -> bool {
    let schema = match (&*name.schemaname, tracer.path) {
        ("", SearchPath::Known(path)) => path.first().map(|schema| &**schema),
        ("", SearchPath::Unknown) => None,
        (schema, _) => Some(schema),
    };
    let is_kept = name.relpersistence != "t" && schema.is_some_and(|it| !it.starts_with("pg_temp"));
    let mut named = tracer.catalog().relations_named(&name.relname);
    is_kept && named.any(|relation| Some(&*relation.schema) == schema)
}

/// Whether a table hides nothing, and is of columns of its own.
fn is_plain(create: &protobuf::CreateStmt, tracer: &Tracer) -> bool {
    let is_own =
        |it: &protobuf::Node| matches!(it.node, Some(Node::ColumnDef(_) | Node::Constraint(_)));
    hides_nothing(create.relation.as_ref(), create.if_not_exists, tracer)
        && create.inh_relations.is_empty()
        && create.partbound.is_none()
        && create.of_typename.is_none()
        && create.table_elts.iter().all(is_own)
}

/// Whether all that a statement names is the server's own and does nothing but compute a value: what defaults,
/// constraints, indexes and types call later is not seen again.
fn calls_the_servers(node: &protobuf::Node, tracer: &Tracer) -> bool {
    let catalog = tracer.catalog();
    let Some((units, seen)) = walked(tracer, |walker| queries::statement(node, walker)) else {
        return false;
    };
    let is_harmless = |name: &str| name == OF_DEFAULTS || made::is_harmless(&[name], tracer);
    let of_units = units.iter().all(|unit| match unit.functions.known() {
        Some(functions) => functions.iter().all(|it| is_harmless(&it.name)),
        None => false,
    });
    let is_column = |name: &String| catalog.functions_named(name).is_empty();
    let mut operators = seen.operators.iter();
    let mut types = seen.types.iter();
    of_units
        && operators.all(|it| catalog.operators_named(it).is_empty())
        && seen.fields.iter().all(is_column)
        && types.all(|it| does_nothing(it, tracer))
}

/// Whether values of the types of this name call nothing that anybody has made.
fn does_nothing(ty: &str, tracer: &Tracer) -> bool {
    let mut types = tracer.catalog().types_named(ty).peekable();
    match types.peek() {
        None => SERIAL.contains(&ty),
        Some(_) => types.all(|ty| match ty.kind {
            TypeKind::Enum => true,
            TypeKind::Domain(..) | TypeKind::Composite(_) => false,
            TypeKind::Base | TypeKind::Array(_) | TypeKind::Other => ty.oid < FIRST_OWN,
        }),
    }
}

/// Whether what is dropped shows nothing masked and is the only thing of its name, and nothing goes with it.
fn reveals_nothing(drop: &protobuf::DropStmt, tracer: &Tracer) -> bool {
    const RELATIONS: [ObjectType; 5] = [
        ObjectType::ObjectTable,
        ObjectType::ObjectView,
        ObjectType::ObjectMatview,
        ObjectType::ObjectIndex,
        ObjectType::ObjectSequence,
    ];
    let is_single = |object: &protobuf::Node| {
        let Some(Node::List(list)) = &object.node else {
            return false;
        };
        let Some(name) = list.items.last().and_then(string) else {
            return false;
        };
        let mut named = tracer.catalog().relations_named(name);
        let shows_nothing = named.next().is_none_or(|it| shown(tracer, it).is_none());
        shows_nothing && named.next().is_none()
    };
    is_one_of(drop.remove_type, &RELATIONS)
        && drop.behavior != i32::from(DropBehavior::DropCascade)
        && drop.objects.iter().all(is_single)
}

/// Whether a block may make or change something that has a name.
fn makes_something(block: &protobuf::DoStmt) -> bool {
    let texts = block.args.iter().map(|option| match &option.node {
        Some(Node::DefElem(option)) if option.defname == "as" => {
            option.arg.as_deref().and_then(string)
        }
        Some(Node::DefElem(_)) => Some(""),
        _ => None,
    });
    texts.into_iter().any(|text| text.is_none_or(creates))
}
