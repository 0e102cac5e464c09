//! Which verb and kind a command is, what sort of object it works on, and the names that are facts
//! of their own.

use pg_query::protobuf::{self, ObjectType, TransactionStmtKind, VariableSetKind, node::Node};

use super::unit::{Setting, Unit};

/// Every verb.
pub const VERBS: &[&str] = &[
    "alter",
    "analyze",
    "begin",
    "call",
    "checkpoint",
    "close",
    "cluster",
    "comment",
    "commit",
    "commit_prepared",
    "copy_from",
    "copy_to",
    "create",
    "deallocate",
    "declare",
    "delete",
    "discard",
    "do",
    "drop",
    "empty",
    "execute",
    "explain",
    "fetch",
    "grant",
    "import",
    "insert",
    "listen",
    "load",
    "lock",
    "merge",
    "move",
    "notify",
    "prepare",
    "prepare_transaction",
    "reassign",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "rollback_prepared",
    "rollback_to",
    "savepoint",
    "security_label",
    "select",
    "set",
    "show",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
];

/// Every kind.
pub const KINDS: &[&str] = &[
    "admin",
    "code",
    "dcl",
    "ddl",
    "read",
    "session",
    "transaction",
    "write",
];

/// Every sort of object.
pub const OBJECTS: &[&str] = &[
    "access_method",
    "aggregate",
    "attribute",
    "cast",
    "collation",
    "column",
    "constraint",
    "conversion",
    "database",
    "default_privileges",
    "domain",
    "event_trigger",
    "extension",
    "foreign_data_wrapper",
    "foreign_server",
    "foreign_table",
    "function",
    "index",
    "language",
    "large_object",
    "materialized_view",
    "operator",
    "operator_class",
    "operator_family",
    "owned",
    "parameter",
    "policy",
    "procedure",
    "publication",
    "role",
    "rule",
    "schema",
    "sequence",
    "statistics",
    "subscription",
    "system",
    "table",
    "tablespace",
    "text_search",
    "transform",
    "trigger",
    "type",
    "user_mapping",
    "view",
];

/// The unit that a command starts as.
pub(super) fn unit(node: &Node) -> Unit {
    match node {
        Node::CopyStmt(copy) => Unit {
            filtered: copy.is_from.then_some(copy.where_clause.is_some()),
            program: Some(copy.is_program),
            file: Some(!copy.is_program && !copy.filename.is_empty()),
            ..copied(copy)
        },
        Node::ExplainStmt(_) => Unit::new("explain", "read"),
        Node::CallStmt(_) => Unit::on("call", "code", "procedure"),
        Node::DoStmt(_) => Unit::new("do", "code"),
        Node::LoadStmt(_) => Unit::new("load", "code"),
        Node::TruncateStmt(_) => Unit::new("truncate", "write"),
        Node::RefreshMatViewStmt(_) => Unit::on("refresh", "write", "materialized_view"),
        Node::VacuumStmt(vacuum) if vacuum.is_vacuumcmd => Unit::new("vacuum", "admin"),
        Node::VacuumStmt(_) => Unit::new("analyze", "admin"),
        Node::ClusterStmt(_) => Unit::new("cluster", "admin"),
        Node::ReindexStmt(_) => Unit::new("reindex", "admin"),
        Node::CheckPointStmt(_) => Unit::new("checkpoint", "admin"),
        Node::AlterSystemStmt(alter) => {
            with_setting(Unit::on("alter", "admin", "system"), alter.setstmt.as_ref())
        }
        _ => session(node)
            .or_else(|| rights(node))
            .unwrap_or_else(|| definition(node)),
    }
}

/// `COPY`, by where the data goes or comes from.
fn copied(copy: &protobuf::CopyStmt) -> Unit {
    let (verb, kind) = match copy.is_from {
        true => ("copy_from", "write"),
        false => ("copy_to", "read"),
    };
    let kind = match (copy.is_program, copy.filename.is_empty()) {
        (true, _) => "code",
        (false, false) => "admin",
        (false, true) => kind,
    };
    Unit::new(verb, kind)
}

/// Commands on the session and its transactions.
fn session(node: &Node) -> Option<Unit> {
    let unit = match node {
        Node::TransactionStmt(transaction) => {
            Unit::new(transaction_verb(transaction), "transaction")
        }
        Node::ConstraintsSetStmt(_) => Unit {
            setting: Setting::Name("constraints".into()),
            ..Unit::new("set", "transaction")
        },
        Node::LockStmt(_) => Unit::new("lock", "transaction"),
        Node::VariableSetStmt(set) => {
            let kind = VariableSetKind::try_from(set.kind);
            let reset = matches!(
                kind,
                Ok(VariableSetKind::VarReset | VariableSetKind::VarResetAll)
            );
            with_setting(
                Unit::new(if reset { "reset" } else { "set" }, "session"),
                Some(set),
            )
        }
        Node::VariableShowStmt(show) => Unit {
            setting: Setting::Name(show.name.to_ascii_lowercase().into()),
            ..Unit::new("show", "session")
        },
        Node::PrepareStmt(prepare) => prepared("prepare", Some(&prepare.name)),
        Node::ExecuteStmt(execute) => prepared("execute", Some(&execute.name)),
        Node::DeallocateStmt(deallocate) => prepared(
            "deallocate",
            (!deallocate.isall).then_some(&*deallocate.name),
        ),
        Node::DeclareCursorStmt(declare) => cursor("declare", &declare.portalname),
        Node::FetchStmt(fetch) if fetch.ismove => cursor("move", &fetch.portalname),
        Node::FetchStmt(fetch) => cursor("fetch", &fetch.portalname),
        Node::ClosePortalStmt(close) => cursor("close", &close.portalname),
        Node::DiscardStmt(_) => Unit::new("discard", "session"),
        Node::ListenStmt(listen) => channel("listen", &listen.conditionname),
        Node::UnlistenStmt(unlisten) => channel("unlisten", &unlisten.conditionname),
        Node::NotifyStmt(notify) => channel("notify", &notify.conditionname),
        _ => return None,
    };
    Some(unit)
}

fn prepared(verb: &'static str, name: Option<&str>) -> Unit {
    Unit {
        prepared: name.map(Into::into),
        ..Unit::new(verb, "session")
    }
}

fn cursor(verb: &'static str, name: &str) -> Unit {
    let cursor = (!name.is_empty()).then(|| name.into());
    Unit {
        cursor,
        ..Unit::new(verb, "session")
    }
}

fn channel(verb: &'static str, name: &str) -> Unit {
    let name = if name.is_empty() { "*" } else { name };
    Unit {
        channel: Some(name.into()),
        ..Unit::new(verb, "session")
    }
}

fn with_setting(unit: Unit, set: Option<&protobuf::VariableSetStmt>) -> Unit {
    let setting = match set.map(|set| set.name.to_ascii_lowercase()) {
        Some(name) if name.is_empty() => Setting::Name("all".into()),
        Some(name) => Setting::Name(name.into()),
        None => Setting::None,
    };
    Unit { setting, ..unit }
}

fn transaction_verb(transaction: &protobuf::TransactionStmt) -> &'static str {
    match TransactionStmtKind::try_from(transaction.kind) {
        Ok(TransactionStmtKind::TransStmtCommit) => "commit",
        Ok(TransactionStmtKind::TransStmtRollback) => "rollback",
        Ok(TransactionStmtKind::TransStmtSavepoint) => "savepoint",
        Ok(TransactionStmtKind::TransStmtRelease) => "release",
        Ok(TransactionStmtKind::TransStmtRollbackTo) => "rollback_to",
        Ok(TransactionStmtKind::TransStmtPrepare) => "prepare_transaction",
        Ok(TransactionStmtKind::TransStmtCommitPrepared) => "commit_prepared",
        Ok(TransactionStmtKind::TransStmtRollbackPrepared) => "rollback_prepared",
        Ok(
            TransactionStmtKind::Undefined
            | TransactionStmtKind::TransStmtBegin
            | TransactionStmtKind::TransStmtStart,
        )
        | Err(_) => "begin",
    }
}

/// Commands on roles and rights.
fn rights(node: &Node) -> Option<Unit> {
    let unit = match node {
        Node::GrantStmt(grant) => Unit {
            object: object(grant.objtype),
            ..Unit::new(if grant.is_grant { "grant" } else { "revoke" }, "dcl")
        },
        Node::GrantRoleStmt(grant) => Unit::on(
            if grant.is_grant { "grant" } else { "revoke" },
            "dcl",
            "role",
        ),
        Node::AlterDefaultPrivilegesStmt(_) => Unit::on("alter", "dcl", "default_privileges"),
        Node::CreateRoleStmt(_) => Unit::on("create", "dcl", "role"),
        Node::AlterRoleStmt(_) => Unit::on("alter", "dcl", "role"),
        Node::AlterRoleSetStmt(alter) => {
            with_setting(Unit::on("alter", "dcl", "role"), alter.setstmt.as_ref())
        }
        Node::DropRoleStmt(_) => Unit::on("drop", "dcl", "role"),
        Node::DropOwnedStmt(_) => Unit::on("drop", "dcl", "owned"),
        Node::ReassignOwnedStmt(_) => Unit::on("reassign", "dcl", "owned"),
        Node::CreatePolicyStmt(_) => Unit::on("create", "dcl", "policy"),
        Node::AlterPolicyStmt(_) => Unit::on("alter", "dcl", "policy"),
        Node::CreateUserMappingStmt(_) => Unit::on("create", "dcl", "user_mapping"),
        Node::AlterUserMappingStmt(_) => Unit::on("alter", "dcl", "user_mapping"),
        Node::DropUserMappingStmt(_) => Unit::on("drop", "dcl", "user_mapping"),
        Node::SecLabelStmt(label) => Unit {
            object: object(label.objtype),
            ..Unit::new("security_label", "dcl")
        },
        _ => return None,
    };
    Some(unit)
}

/// Commands that define, change and drop objects.
fn definition(node: &Node) -> Unit {
    let ddl = |verb, of| Unit {
        object: object(of),
        ..Unit::new(verb, "ddl")
    };
    match node {
        Node::AlterTableStmt(alter) => ddl("alter", alter.objtype),
        Node::AlterFunctionStmt(alter) => ddl("alter", alter.objtype),
        Node::RenameStmt(rename) => ddl("alter", rename.rename_type),
        Node::AlterObjectSchemaStmt(alter) => ddl("alter", alter.object_type),
        Node::AlterObjectDependsStmt(alter) => ddl("alter", alter.object_type),
        Node::AlterOwnerStmt(alter) => ddl("alter", alter.object_type),
        Node::AlterTableMoveAllStmt(alter) => ddl("alter", alter.objtype),
        Node::DropStmt(drop) => ddl("drop", drop.remove_type),
        Node::CommentStmt(comment) => ddl("comment", comment.objtype),
        Node::DefineStmt(define) => ddl("create", define.kind),
        Node::CreateTableAsStmt(create) => ddl("create", create.objtype),
        Node::CreateFunctionStmt(create) if create.is_procedure => {
            Unit::on("create", "ddl", "procedure")
        }
        Node::AlterDatabaseSetStmt(alter) => {
            with_setting(Unit::on("alter", "ddl", "database"), alter.setstmt.as_ref())
        }
        Node::ImportForeignSchemaStmt(_) => Unit::on("import", "ddl", "schema"),
        _ => match fixed_definition(node) {
            Some((verb, object)) => Unit::on(verb, "ddl", object),
            // Every command is listed; one that were not would have to be read as the worst.
            None => Unit::unread(),
        },
    }
}

/// Verb and object of definitions that always have the same.
fn fixed_definition(node: &Node) -> Option<(&'static str, &'static str)> {
    Some(match node {
        Node::CreateStmt(_) => ("create", "table"),
        Node::CreateSchemaStmt(_) => ("create", "schema"),
        Node::CreateForeignTableStmt(_) => ("create", "foreign_table"),
        Node::CreateTableSpaceStmt(_) => ("create", "tablespace"),
        Node::CreateExtensionStmt(_) => ("create", "extension"),
        Node::CreateFdwStmt(_) => ("create", "foreign_data_wrapper"),
        Node::CreateForeignServerStmt(_) => ("create", "foreign_server"),
        Node::CreateAmStmt(_) => ("create", "access_method"),
        Node::CreateTrigStmt(_) => ("create", "trigger"),
        Node::CreateEventTrigStmt(_) => ("create", "event_trigger"),
        Node::CreatePlangStmt(_) => ("create", "language"),
        Node::CreateSeqStmt(_) => ("create", "sequence"),
        Node::CreateDomainStmt(_) => ("create", "domain"),
        Node::CreateOpClassStmt(_) => ("create", "operator_class"),
        Node::CreateOpFamilyStmt(_) => ("create", "operator_family"),
        Node::IndexStmt(_) => ("create", "index"),
        Node::CreateStatsStmt(_) => ("create", "statistics"),
        Node::CreateFunctionStmt(_) => ("create", "function"),
        Node::RuleStmt(_) => ("create", "rule"),
        Node::CompositeTypeStmt(_) | Node::CreateEnumStmt(_) | Node::CreateRangeStmt(_) => {
            ("create", "type")
        }
        Node::ViewStmt(_) => ("create", "view"),
        Node::CreatedbStmt(_) => ("create", "database"),
        Node::CreateConversionStmt(_) => ("create", "conversion"),
        Node::CreateCastStmt(_) => ("create", "cast"),
        Node::CreateTransformStmt(_) => ("create", "transform"),
        Node::CreatePublicationStmt(_) => ("create", "publication"),
        Node::CreateSubscriptionStmt(_) => ("create", "subscription"),
        _ => return fixed_change(node),
    })
}

fn fixed_change(node: &Node) -> Option<(&'static str, &'static str)> {
    Some(match node {
        Node::ReplicaIdentityStmt(_) => ("alter", "table"),
        Node::AlterCollationStmt(_) => ("alter", "collation"),
        Node::AlterDomainStmt(_) => ("alter", "domain"),
        Node::AlterTableSpaceOptionsStmt(_) => ("alter", "tablespace"),
        Node::AlterExtensionStmt(_) | Node::AlterExtensionContentsStmt(_) => ("alter", "extension"),
        Node::AlterFdwStmt(_) => ("alter", "foreign_data_wrapper"),
        Node::AlterForeignServerStmt(_) => ("alter", "foreign_server"),
        Node::AlterEventTrigStmt(_) => ("alter", "event_trigger"),
        Node::AlterSeqStmt(_) => ("alter", "sequence"),
        Node::AlterOpFamilyStmt(_) => ("alter", "operator_family"),
        Node::AlterStatsStmt(_) => ("alter", "statistics"),
        Node::AlterOperatorStmt(_) => ("alter", "operator"),
        Node::AlterTypeStmt(_) | Node::AlterEnumStmt(_) => ("alter", "type"),
        Node::AlterDatabaseStmt(_) | Node::AlterDatabaseRefreshCollStmt(_) => ("alter", "database"),
        Node::AlterTsdictionaryStmt(_) | Node::AlterTsconfigurationStmt(_) => {
            ("alter", "text_search")
        }
        Node::AlterPublicationStmt(_) => ("alter", "publication"),
        Node::AlterSubscriptionStmt(_) => ("alter", "subscription"),
        Node::DropTableSpaceStmt(_) => ("drop", "tablespace"),
        Node::DropdbStmt(_) => ("drop", "database"),
        Node::DropSubscriptionStmt(_) => ("drop", "subscription"),
        _ => return None,
    })
}

/// The word for a type of object.
fn object(of: i32) -> Option<&'static str> {
    Some(match ObjectType::try_from(of).ok()? {
        ObjectType::Undefined => return None,
        ObjectType::ObjectAccessMethod => "access_method",
        ObjectType::ObjectAggregate => "aggregate",
        ObjectType::ObjectAmop | ObjectType::ObjectAmproc | ObjectType::ObjectOpfamily => {
            "operator_family"
        }
        ObjectType::ObjectAttribute => "attribute",
        ObjectType::ObjectCast => "cast",
        ObjectType::ObjectColumn | ObjectType::ObjectDefault => "column",
        ObjectType::ObjectCollation => "collation",
        ObjectType::ObjectConversion => "conversion",
        ObjectType::ObjectDatabase => "database",
        ObjectType::ObjectDefacl => "default_privileges",
        ObjectType::ObjectDomain => "domain",
        ObjectType::ObjectDomconstraint | ObjectType::ObjectTabconstraint => "constraint",
        ObjectType::ObjectEventTrigger => "event_trigger",
        ObjectType::ObjectExtension => "extension",
        ObjectType::ObjectFdw => "foreign_data_wrapper",
        ObjectType::ObjectForeignServer => "foreign_server",
        ObjectType::ObjectForeignTable => "foreign_table",
        ObjectType::ObjectFunction | ObjectType::ObjectRoutine => "function",
        ObjectType::ObjectIndex => "index",
        ObjectType::ObjectLanguage => "language",
        ObjectType::ObjectLargeobject => "large_object",
        ObjectType::ObjectMatview => "materialized_view",
        ObjectType::ObjectOpclass => "operator_class",
        ObjectType::ObjectOperator => "operator",
        ObjectType::ObjectParameterAcl => "parameter",
        ObjectType::ObjectPolicy => "policy",
        ObjectType::ObjectProcedure => "procedure",
        ObjectType::ObjectPublication
        | ObjectType::ObjectPublicationNamespace
        | ObjectType::ObjectPublicationRel => "publication",
        ObjectType::ObjectRole => "role",
        ObjectType::ObjectRule => "rule",
        ObjectType::ObjectSchema => "schema",
        ObjectType::ObjectSequence => "sequence",
        ObjectType::ObjectSubscription => "subscription",
        ObjectType::ObjectStatisticExt => "statistics",
        ObjectType::ObjectTable => "table",
        ObjectType::ObjectTablespace => "tablespace",
        ObjectType::ObjectTransform => "transform",
        ObjectType::ObjectTrigger => "trigger",
        ObjectType::ObjectTsconfiguration
        | ObjectType::ObjectTsdictionary
        | ObjectType::ObjectTsparser
        | ObjectType::ObjectTstemplate => "text_search",
        ObjectType::ObjectType => "type",
        ObjectType::ObjectUserMapping => "user_mapping",
        ObjectType::ObjectView => "view",
    })
}
