//! Fields of the statements that are no queries and need no care: the ones that hold other nodes in
//! braces, the others in brackets.
//!
//! What verb they are is in `verbs`; the ones that do need care are in `statements`.

use pg_query::protobuf;

use super::walk::{Walk, Walker, children};

children! {
    AlterTableStmt { relation, cmds } [objtype, missing_ok]
    ReplicaIdentityStmt {} [identity_type, name]
    AlterCollationStmt { collname }
    AlterDomainStmt { type_name, def } [subtype, name, behavior, missing_ok]
    GrantRoleStmt { granted_roles, grantee_roles, opt } [is_grant, grantor, behavior]
    AlterDefaultPrivilegesStmt { options, action }
    VariableSetStmt { args } [kind, name, jumble_args, is_local, location]
    VariableShowStmt {} [name]
    CreateTableSpaceStmt { options } [tablespacename, owner, location]
    DropTableSpaceStmt {} [tablespacename, missing_ok]
    AlterTableSpaceOptionsStmt { options } [tablespacename, is_reset]
    AlterTableMoveAllStmt { roles } [orig_tablespacename, objtype, new_tablespacename, nowait]
    CreateExtensionStmt { options } [extname, if_not_exists]
    AlterExtensionStmt { options } [extname]
    CreateFdwStmt { func_options, options } [fdwname]
    AlterFdwStmt { func_options, options } [fdwname]
    CreateForeignServerStmt { options } [servername, servertype, version, fdwname, if_not_exists]
    AlterForeignServerStmt { options } [servername, version, has_version]
    CreateForeignTableStmt { base_stmt, options } [servername]
    CreateUserMappingStmt { options } [user, servername, if_not_exists]
    AlterUserMappingStmt { options } [user, servername]
    DropUserMappingStmt {} [user, servername, missing_ok]
    ImportForeignSchemaStmt { table_list, options } [server_name, remote_schema, local_schema,
        list_type]
    CreatePolicyStmt { table, roles, qual, with_check } [policy_name, cmd_name, permissive]
    AlterPolicyStmt { table, roles, qual, with_check } [policy_name]
    CreateAmStmt { handler_name } [amname, amtype]
    CreateTrigStmt { relation, funcname, args, columns, when_clause, transition_rels, constrrel
        } [replace, isconstraint, trigname, row, timing, events, deferrable, initdeferred]
    CreateEventTrigStmt { whenclause, funcname } [trigname, eventname]
    AlterEventTrigStmt {} [trigname, tgenabled]
    CreatePLangStmt { plhandler, plinline, plvalidator } [replace, plname, pltrusted]
    CreateRoleStmt { options } [stmt_type, role]
    AlterRoleStmt { options } [role, action]
    AlterRoleSetStmt { setstmt } [role, database]
    DropRoleStmt { roles } [missing_ok]
    CreateSeqStmt { sequence, options } [owner_id, for_identity, if_not_exists]
    AlterSeqStmt { sequence, options } [for_identity, missing_ok]
    DefineStmt { defnames, args, definition } [kind, oldstyle, if_not_exists, replace]
    CreateDomainStmt { domainname, type_name, coll_clause, constraints }
    CreateOpClassStmt { opclassname, opfamilyname, datatype, items } [amname, is_default]
    CreateOpFamilyStmt { opfamilyname } [amname]
    AlterOpFamilyStmt { opfamilyname, items } [amname, is_drop]
    TruncateStmt { relations } [restart_seqs, behavior]
    ClosePortalStmt {} [portalname]
    FetchStmt {} [direction, how_many, portalname, ismove]
    IndexStmt { relation, index_params, index_including_params, options, where_clause,
        exclude_op_names } [idxname, access_method, table_space, idxcomment, index_oid, old_number,
        old_create_subid, old_first_relfilelocator_subid, unique, nulls_not_distinct, primary,
        isconstraint, iswithoutoverlaps, deferrable, initdeferred, transformed, concurrent,
        if_not_exists, reset_default_tblspc]
    CreateStatsStmt { defnames, stat_types, exprs, relations } [stxcomment, transformed,
        if_not_exists]
    AlterStatsStmt { defnames, stxstattarget } [missing_ok]
    AlterFunctionStmt { func, actions } [objtype]
    DoStmt { args }
    CallStmt { funccall, outargs } [funcexpr]
    AlterOperatorStmt { opername, options }
    AlterTypeStmt { type_name, options }
    NotifyStmt {} [conditionname, payload, payload_location]
    ListenStmt {} [conditionname]
    UnlistenStmt {} [conditionname]
    TransactionStmt { options } [kind, savepoint_name, gid, chain, location]
    CompositeTypeStmt { typevar, coldeflist }
    CreateEnumStmt { type_name, vals }
    CreateRangeStmt { type_name, params }
    AlterEnumStmt { type_name } [old_val, new_val, new_val_neighbor, new_val_is_after,
        skip_if_new_val_exists]
    LoadStmt {} [filename]
    CreatedbStmt { options } [dbname]
    AlterDatabaseStmt { options } [dbname]
    AlterDatabaseRefreshCollStmt {} [dbname]
    AlterDatabaseSetStmt { setstmt } [dbname]
    DropdbStmt { options } [dbname, missing_ok]
    AlterSystemStmt { setstmt }
    ClusterStmt { relation, params } [indexname]
    VacuumStmt { options, rels } [is_vacuumcmd]
    RefreshMatViewStmt { relation } [concurrent, skip_data]
    CheckPointStmt {}
    DiscardStmt {} [target]
    LockStmt { relations } [mode, nowait]
    ConstraintsSetStmt {} [constraints, deferred]
    ReindexStmt { relation, params } [kind, name]
    CreateConversionStmt { conversion_name, func_name } [for_encoding_name, to_encoding_name, def]
    CreateCastStmt { sourcetype, targettype, func } [context, inout]
    CreateTransformStmt { type_name, fromsql, tosql } [replace, lang]
    ExecuteStmt { params } [name]
    DeallocateStmt {} [name, isall, location]
    DropOwnedStmt { roles } [behavior]
    ReassignOwnedStmt { roles } [newrole]
    AlterTsDictionaryStmt { dictname, options }
    AlterTsConfigurationStmt { cfgname, tokentype, dicts } [kind, r#override, replace, missing_ok]
    CreatePublicationStmt { options, pubobjects } [pubname, for_all_tables]
    AlterPublicationStmt { options, pubobjects } [pubname, for_all_tables, action]
    CreateSubscriptionStmt { publication, options } [subname, conninfo, conninfo_location]
    AlterSubscriptionStmt { publication, options } [kind, subname, conninfo, conninfo_location]
    DropSubscriptionStmt {} [subname, missing_ok, behavior]
}
