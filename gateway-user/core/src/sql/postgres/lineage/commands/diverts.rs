//! `diverts`: whether names may mean something else after a statement to what calls or writes.
//!
//! What is made under a name that was free diverts nothing, as long as nothing is called and nothing masked is put
//! in where it is written: its name may hide that of another. Everything that is not listed diverts.

use pg_query::protobuf::{self, AlterTableType, ConstrType, ObjectType, node::Node};

use super::is;
use crate::sql::postgres::lineage::Code;
use crate::sql::postgres::lineage::apart::Fresh;
use crate::sql::postgres::lineage::catalog::{Relation, RelationKind};
use crate::sql::postgres::lineage::tracer::{Tracer, is_query};
use crate::sql::postgres::queries::into;
use crate::sql::postgres::walk::strings;

/// Whether a statement does, that runs such code.
pub(in super::super) fn diverts(node: &protobuf::Node, code: Code, tracer: &Tracer) -> bool {
    let Some(command) = &node.node else {
        return true;
    };
    let calls = code != Code::Servers;
    match command {
        Node::ExplainStmt(explain) => match explain.query.as_deref() {
            Some(query) => diverts(query, code, tracer),
            None => true,
        },
        Node::ViewStmt(view) if view.replace => true,
        // Its name may hide another.
        _ if is_query(node) || makes(command) => fresh(node, code, tracer).is_some_and(|fresh| {
            let mut named = tracer.catalog().relations_named(&fresh.name);
            !fresh.is_plain && (named.next().is_some() || tracer.here.has_table(&fresh.name))
        }),
        Node::AlterTableStmt(alter) => {
            let is_table = is(alter.objtype, ObjectType::ObjectTable);
            calls || !is_table || !alter.cmds.iter().all(|it| is_plain_change(it, tracer))
        }
        Node::RenameStmt(rename) => !is(rename.rename_type, ObjectType::ObjectTabconstraint),
        Node::CreateSchemaStmt(create) => !create.schema_elts.is_empty(),
        Node::CreateDomainStmt(_) => calls,
        Node::TransactionStmt(transaction) => {
            // What was prepared was judged long ago, maybe by other masks.
            use protobuf::TransactionStmtKind::{
                TransStmtCommitPrepared, TransStmtRollbackPrepared,
            };
            [TransStmtCommitPrepared, TransStmtRollbackPrepared]
                .iter()
                .any(|kind| transaction.kind == i32::from(*kind))
        }
        Node::IndexStmt(_)
        | Node::CreateSeqStmt(_)
        | Node::AlterSeqStmt(_)
        | Node::CreateEnumStmt(_)
        | Node::CompositeTypeStmt(_)
        | Node::CreateStatsStmt(_)
        | Node::DropStmt(_)
        | Node::CopyStmt(_)
        | Node::TruncateStmt(_)
        | Node::PrepareStmt(_)
        | Node::DeclareCursorStmt(_)
        | Node::ExecuteStmt(_)
        | Node::FetchStmt(_)
        | Node::VariableSetStmt(_)
        | Node::VariableShowStmt(_)
        | Node::ConstraintsSetStmt(_)
        | Node::ListenStmt(_)
        | Node::UnlistenStmt(_)
        | Node::NotifyStmt(_)
        | Node::DiscardStmt(_)
        | Node::DeallocateStmt(_)
        | Node::ClosePortalStmt(_)
        | Node::CheckPointStmt(_)
        | Node::CommentStmt(_)
        | Node::VacuumStmt(_)
        | Node::LockStmt(_)
        | Node::ClusterStmt(_)
        | Node::ReindexStmt(_)
        | Node::RefreshMatViewStmt(_)
        | Node::GrantStmt(_)
        | Node::GrantRoleStmt(_) => false,
        _ => true,
    }
}

fn makes(command: &Node) -> bool {
    matches!(
        command,
        Node::CreateStmt(_) | Node::CreateTableAsStmt(_) | Node::ViewStmt(_)
    )
}

/// The relation that a statement makes, that runs such code.
pub(in super::super) fn fresh(node: &protobuf::Node, code: Code, tracer: &Tracer) -> Option<Fresh> {
    let (relation, is_plain) = match node.node.as_ref()? {
        Node::CreateStmt(create) => (
            create.relation.as_ref(),
            code == Code::Servers && is_plain(create, tracer),
        ),
        Node::CreateTableAsStmt(create) => {
            let is_table = is(create.objtype, ObjectType::ObjectTable);
            let into = create.into.as_ref().and_then(|into| into.rel.as_ref());
            (into, is_table && !some_type_fills(tracer))
        }
        Node::SelectStmt(select) => (into(select)?.rel.as_ref(), !some_type_fills(tracer)),
        Node::ViewStmt(view) => (view.view.as_ref(), false),
        _ => return None,
    };
    let name = relation?.relname.as_str().into();
    Some(Fresh { name, is_plain })
}

/// Whether nothing is called by writing to a table that is made, and nothing masked is in it that was not given.
fn is_plain(create: &protobuf::CreateStmt, tracer: &Tracer) -> bool {
    let is_of = |node: &protobuf::Node| match &node.node {
        Some(Node::RangeVar(relation)) => is_like_plain(relation, tracer),
        _ => false,
    };
    let is_element = |node: &protobuf::Node| match &node.node {
        Some(Node::TableLikeClause(like)) => match &like.relation {
            Some(relation) => is_like_plain(relation, tracer),
            None => false,
        },
        Some(Node::ColumnDef(column)) => !fills(column, tracer),
        Some(Node::Constraint(_)) => true,
        _ => false,
    };
    create.of_typename.is_none()
        && create.inh_relations.iter().all(is_of)
        && create.table_elts.iter().all(is_element)
}

/// Whether a change of a table leaves what happens when it is written.
fn is_plain_change(change: &protobuf::Node, tracer: &Tracer) -> bool {
    let Some(Node::AlterTableCmd(change)) = &change.node else {
        return false;
    };
    let def = change.def.as_deref().and_then(|def| def.node.as_ref());
    match AlterTableType::try_from(change.subtype) {
        Ok(AlterTableType::AtAddColumn | AlterTableType::AtAlterColumnType) => match def {
            Some(Node::ColumnDef(column)) => !fills(column, tracer),
            _ => false,
        },
        // Rows that follow by a foreign key have triggers of their own.
        Ok(AlterTableType::AtAddConstraint) => match def {
            Some(Node::Constraint(it)) if it.contype == i32::from(ConstrType::ConstrForeign) => {
                let stays = |action: &str| matches!(action, "" | "a" | "r");
                stays(&it.fk_upd_action) && stays(&it.fk_del_action)
            }
            Some(Node::Constraint(_)) => true,
            _ => false,
        },
        Ok(
            AlterTableType::AtColumnDefault
            | AlterTableType::AtDropNotNull
            | AlterTableType::AtSetNotNull
            | AlterTableType::AtDropColumn
            | AlterTableType::AtDropConstraint
            | AlterTableType::AtValidateConstraint
            | AlterTableType::AtSetStatistics
            | AlterTableType::AtSetStorage
            | AlterTableType::AtSetRelOptions
            | AlterTableType::AtResetRelOptions
            | AlterTableType::AtChangeOwner
            | AlterTableType::AtReplicaIdentity,
        ) => true,
        _ => false,
    }
}

/// Whether any table of this name has triggers or defaults that do more than filling in a value.
fn is_like_plain(name: &protobuf::RangeVar, tracer: &Tracer) -> bool {
    let is_plain = |relation: &Relation| {
        let (value, effects) = tracer.aside(|| {
            let values = relation.columns.iter().map(|it| tracer.default(it));
            values.fold(false, |tainted, value| tainted | value.tainted())
        });
        relation.kind == RelationKind::Table
            && !relation.has_rules
            && relation.triggers.is_empty()
            && relation.emptied.is_empty()
            && !value
            && effects.code == Code::Servers
    };
    let mut named = tracer.catalog().relations_named(&name.relname).peekable();
    match named.peek() {
        Some(_) => named.all(is_plain),
        None => tracer.here.has_table(&name.relname),
    }
}

/// Whether a column comes with something masked that its type has by default, or with what calls anything.
pub(super) fn fills(column: &protobuf::ColumnDef, tracer: &Tracer) -> bool {
    let Some(name) = &column.type_name else {
        return true;
    };
    // Arrays have no default by their elements.
    if name.pct_type || !name.array_bounds.is_empty() {
        return name.pct_type;
    }
    let names = strings(&name.names);
    let name = names.as_deref().and_then(|names| names.last().copied());
    let types = name.map(|name| tracer.catalog().types_named(name));
    types.is_none_or(|mut types| types.any(|ty| tracer.type_fills(ty)))
}

/// Whether a column of any type does.
fn some_type_fills(tracer: &Tracer) -> bool {
    tracer
        .catalog()
        .types_that_fill()
        .any(|ty| tracer.type_fills(ty))
}
