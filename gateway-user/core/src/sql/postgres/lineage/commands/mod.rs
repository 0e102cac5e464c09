//! Statements that are no queries: `command`.
//!
//! `copy` is `COPY`, `explain` `EXPLAIN`; `code` what brings code along (functions, `DO`, `CALL`); `made` what is
//! made of functions (types, operators and the like); `keyed` which indexes and foreign keys tell nothing; `diverts` says whether what is called or written by names may be something else, `redefined` whether masks may not hold any more afterwards; `named` says what masked columns the relations show that
//! a command names. Three things can be wrong with a command: that it keeps
//! what a query returns, that it changes the definition of something that shows masked columns (later
//! statements would be traced by what it was), and that it makes something which nobody can look into. Then
//! its masks are `copied`, and so are those of everything that is not listed here.

mod code;
pub(super) mod copy;
mod diverts;
mod explain;
mod keyed;
mod made;
mod named;
mod redefined;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use pg_query::protobuf::{self, AlterTableType, DropBehavior, ObjectType, node::Node};

pub(super) use self::diverts::{diverts, fresh};
pub(super) use self::named::names_apart;
use self::named::{Named, is_none};
pub(super) use self::redefined::redefined;
use super::Named as Name;
use super::filled::Write;
use super::routines::{returned, shown, union};
use super::samples::command_measures;
use super::tracer::Tracer;
use super::value::Fields;
use super::{Code, Made, Masks, Outputs, Statement};

/// What a statement does that is no `SELECT`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`.
pub(super) fn command(node: &protobuf::Node, tracer: &Tracer) -> Statement {
    let Some(command) = &node.node else {
        return Statement::unknown();
    };
    if command_measures(command) {
        return Statement {
            probed: Masks::Unknown,
            ..Named::in_statement(tracer, node).touched()
        };
    }
    match command {
        Node::CopyStmt(copy) => copy::copy(copy, node, tracer),
        Node::CreateFunctionStmt(create) => code::create(create, tracer),
        Node::DoStmt(block) => code::block(block, tracer),
        Node::CallStmt(call) => code::call(call, tracer),
        Node::CreateTableAsStmt(create) => keeps(create.query.as_deref(), tracer),
        Node::ViewStmt(view) => keeps(view.query.as_deref(), tracer),
        Node::TruncateStmt(truncate) => emptied(truncate, node, tracer),
        Node::PrepareStmt(_)
        | Node::DeclareCursorStmt(_)
        | Node::ExecuteStmt(_)
        | Node::FetchStmt(_)
        | Node::ExplainStmt(_) => held(command, tracer),
        // These work on the session and its transaction, with constants alone.
        Node::VariableSetStmt(_)
        | Node::VariableShowStmt(_)
        | Node::TransactionStmt(_)
        | Node::ConstraintsSetStmt(_)
        | Node::ListenStmt(_)
        | Node::UnlistenStmt(_)
        | Node::NotifyStmt(_)
        | Node::DiscardStmt(_)
        | Node::DeallocateStmt(_)
        | Node::ClosePortalStmt(_)
        | Node::CheckPointStmt(_) => Statement::default(),
        Node::ClusterStmt(_) => sorted(node, tracer),
        _ if tells_names(command) => Statement::default(),
        _ if leaves_meanings(command) => Named::in_statement(tracer, node).touched(),
        _ => changes(command, node, tracer),
    }
}

/// Statements that are held under a name, run by that, or shown.
fn held(command: &Node, tracer: &Tracer) -> Statement {
    match command {
        Node::PrepareStmt(prepare) => {
            let name = Name::Prepared(prepare.name.as_str().into());
            makes(name, prepare.query.as_deref(), tracer)
        }
        Node::DeclareCursorStmt(declare) => {
            let name = Name::Cursor(declare.portalname.as_str().into());
            makes(name, declare.query.as_deref(), tracer)
        }
        Node::ExecuteStmt(execute) => {
            // What was told of the statement was told without knowing what it is given.
            let given = tracer.arguments(&execute.params);
            Statement {
                copied: union(given.copied, returned(&given.outputs)),
                outputs: Outputs::Unknown,
                runs: Some(Name::Prepared(execute.name.as_str().into())),
                ..given
            }
        }
        Node::FetchStmt(fetch) => Statement {
            outputs: match fetch.ismove {
                true => Outputs::Clean,
                false => Outputs::Unknown,
            },
            runs: Some(Name::Cursor(fetch.portalname.as_str().into())),
            ..Statement::default()
        },
        Node::ExplainStmt(explain) => explain::explained(explain, tracer),
        _ => Statement::unknown(),
    }
}

/// A statement that gives another one a name. It is as bad as that one, so that it is told early.
fn makes(name: Name, query: Option<&protobuf::Node>, tracer: &Tracer) -> Statement {
    let Some(query) = query else {
        return Statement::unknown();
    };
    let statement = tracer.statement(query);
    Statement {
        outputs: Outputs::Clean,
        copy: None,
        runs: None,
        makes: Some(Made {
            name,
            statement: Arc::new(statement.clone()),
        }),
        ..statement
    }
}

/// A statement that keeps what a query returns, or the query itself, under another name.
fn keeps(query: Option<&protobuf::Node>, tracer: &Tracer) -> Statement {
    let Some(query) = query else {
        return Statement::unknown();
    };
    let inner = tracer.statement(query);
    // What was prepared is not known here.
    let copied = match inner.runs {
        Some(_) => Masks::Unknown,
        None => union(inner.copied, returned(&inner.outputs)),
    };
    Statement {
        outputs: Outputs::Clean,
        touches: inner.touches || inner.runs.is_some(),
        copied,
        runs: None,
        ..inner
    }
}

/// Commands that copy nothing, leave everything that is masked what it is, and of which the server tells names
/// alone, such as of what else is dropped.
fn tells_names(command: &Node) -> bool {
    matches!(
        command,
        Node::DropStmt(_)
            | Node::DropOwnedStmt(_)
            | Node::DropSubscriptionStmt(_)
            | Node::DropUserMappingStmt(_)
            | Node::ReassignOwnedStmt(_)
            | Node::GrantStmt(_)
            | Node::GrantRoleStmt(_)
            | Node::AlterDefaultPrivilegesStmt(_)
    )
}

/// Commands that copy nothing and leave everything that is masked what it is.
fn leaves_meanings(command: &Node) -> bool {
    match command {
        Node::RenameStmt(rename) => is_one_of(
            rename.rename_type,
            &[
                ObjectType::ObjectRole,
                ObjectType::ObjectDatabase,
                ObjectType::ObjectTablespace,
                // Not `ALTER INDEX`: the server renames tables by it too.
                ObjectType::ObjectSequence,
            ],
        ),
        Node::CommentStmt(_)
        | Node::SecLabelStmt(_)
        | Node::VacuumStmt(_)
        | Node::LockStmt(_)
        | Node::ReindexStmt(_)
        | Node::RefreshMatViewStmt(_)
        | Node::AlterOwnerStmt(_)
        | Node::CreateRoleStmt(_)
        | Node::AlterRoleStmt(_)
        | Node::AlterRoleSetStmt(_)
        | Node::DropRoleStmt(_)
        | Node::CreatedbStmt(_)
        | Node::AlterDatabaseStmt(_)
        | Node::AlterDatabaseSetStmt(_)
        | Node::AlterDatabaseRefreshCollStmt(_)
        | Node::DropdbStmt(_)
        | Node::CreateTableSpaceStmt(_)
        | Node::AlterTableSpaceOptionsStmt(_)
        | Node::DropTableSpaceStmt(_)
        | Node::AlterEnumStmt(_)
        | Node::AlterStatsStmt(_) => true,
        _ => false,
    }
}

/// `CLUSTER`: rows come in the order of an index afterwards. Without a name, all tables that were sorted before.
fn sorted(node: &protobuf::Node, tracer: &Tracer) -> Statement {
    let named = Named::in_statement(tracer, node);
    let probed = match &node.node {
        Some(Node::ClusterStmt(cluster)) if cluster.relation.is_some() => named.all(),
        _ => Masks::Unknown,
    };
    Statement {
        probed,
        ..named.touched()
    }
}

/// `TRUNCATE`: what triggers do with the rows that go happens as well.
fn emptied(truncate: &protobuf::TruncateStmt, node: &protobuf::Node, tracer: &Tracer) -> Statement {
    let cascades = truncate.behavior == i32::from(DropBehavior::DropCascade);
    let write = match cascades {
        true => Write::TruncateCascade,
        false => Write::Truncate,
    };
    let ((), effects) = tracer.aside(|| {
        for relation in &truncate.relations {
            match &relation.node {
                Some(Node::RangeVar(name)) => {
                    let found = tracer.relation(&name.schemaname, &name.relname);
                    found
                        .relations
                        .iter()
                        .for_each(|it| tracer.fires(it, write));
                }
                _ => tracer.lose(),
            }
        }
    });
    let named = Named::in_statement(tracer, node).touched();
    Statement {
        touches: named.touches || effects.touches,
        ..effects.statement(&Fields::none())
    }
}

/// Commands that make or change something.
fn changes(command: &Node, node: &protobuf::Node, tracer: &Tracer) -> Statement {
    let (statement, effects) = tracer.aside(|| changed(command, node, tracer));
    // Nobody follows what these call once they are there.
    let is_unfollowed = matches!(
        command,
        Node::CreateStmt(_)
            | Node::AlterTableStmt(_)
            | Node::IndexStmt(_)
            | Node::CreateStatsStmt(_)
            | Node::CreatePolicyStmt(_)
            | Node::AlterPolicyStmt(_)
            | Node::CreateDomainStmt(_)
            | Node::AlterDomainStmt(_)
            | Node::CreateEventTrigStmt(_)
    );
    let unfollowed = match command {
        // Its function is.
        Node::CreateTrigStmt(create) => create.when_clause.as_deref().map(|when| {
            let (_, effects) = tracer.aside(|| Named::in_parts(tracer, when));
            effects.code
        }),
        _ => is_unfollowed.then_some(effects.code),
    };
    match unfollowed.is_some_and(|code| code >= Code::Sets) {
        true => opaque(),
        false => Statement {
            code: statement.code.max(effects.code),
            ..statement
        },
    }
}

fn changed(command: &Node, node: &protobuf::Node, tracer: &Tracer) -> Statement {
    if let Some(made) = made::made(command, node, tracer) {
        return made;
    }
    let plain = match command {
        Node::AlterTableStmt(alter) => !alter.cmds.iter().any(is_opaque),
        Node::RenameStmt(rename) if is(rename.rename_type, ObjectType::ObjectSchema) => {
            return schema_changed(&rename.subname, tracer);
        }
        Node::RenameStmt(rename) => rename.relation.is_some() && !of_type(rename.rename_type),
        Node::AlterObjectSchemaStmt(alter) => alter.relation.is_some(),
        Node::CreateStmt(_)
        | Node::CreateDomainStmt(_)
        | Node::IndexStmt(_)
        | Node::CreateTrigStmt(_)
        | Node::CreatePolicyStmt(_)
        | Node::AlterPolicyStmt(_)
        | Node::CreateStatsStmt(_)
        | Node::RuleStmt(_)
        | Node::CreateSeqStmt(_)
        | Node::AlterSeqStmt(_)
        | Node::CompositeTypeStmt(_)
        | Node::CreateEnumStmt(_)
        | Node::CreateSchemaStmt(_)
        | Node::AlterObjectDependsStmt(_) => true,
        _ => false,
    };
    match command {
        Node::CreateStmt(create) => {
            let rest = keyed::without_references(create, tracer);
            return Named::in_statement(tracer, &rest).changed();
        }
        Node::IndexStmt(index) if keyed::indexes_apart(index, tracer) => {
            return Named::in_statement(tracer, node).touched();
        }
        _ => {}
    }
    match plain && !brings_values(command, tracer) {
        true => Named::in_statement(tracer, node).changed(),
        false => opaque(),
    }
}

/// Whether a change of a table fills a column with something masked, by what its type has as a default.
fn brings_values(command: &Node, tracer: &Tracer) -> bool {
    let Node::AlterTableStmt(alter) = command else {
        return false;
    };
    alter.cmds.iter().any(|change| match &change.node {
        Some(Node::AlterTableCmd(change)) => match change.def.as_deref() {
            Some(protobuf::Node {
                node: Some(Node::ColumnDef(column)),
            }) => diverts::fills(column, tracer),
            _ => false,
        },
        _ => true,
    })
}

/// A command that makes something which nobody can look into.
fn opaque() -> Statement {
    Statement {
        probed: Masks::default(),
        ..Statement::unknown()
    }
}

/// A schema gets another name, and all that is in it.
fn schema_changed(schema: &str, tracer: &Tracer) -> Statement {
    let relations = tracer.catalog().relations();
    let within = relations.filter(|relation| *relation.schema == *schema);
    let masks = within.filter_map(|relation| shown(tracer, relation));
    let copied = masks.fold(Masks::default(), union);
    Statement {
        touches: !is_none(&copied),
        copied,
        ..Statement::default()
    }
}

/// Changes of a table that make it show what is elsewhere.
fn is_opaque(change: &protobuf::Node) -> bool {
    let Some(Node::AlterTableCmd(change)) = &change.node else {
        return true;
    };
    match AlterTableType::try_from(change.subtype) {
        Ok(AlterTableType::Undefined | AlterTableType::AtGenericOptions) | Err(_) => true,
        Ok(_) => false,
    }
}

fn of_type(of: i32) -> bool {
    is_one_of(of, &[ObjectType::ObjectType, ObjectType::ObjectAttribute])
}

fn is(of: i32, object: ObjectType) -> bool {
    of == i32::from(object)
}

fn is_one_of(of: i32, objects: &[ObjectType]) -> bool {
    objects.iter().any(|object| is(of, *object))
}
