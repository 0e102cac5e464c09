//! Nodes of expressions and clauses, with the fields that hold other nodes; and the list of all
//! nodes there are.
//!
//! Nothing here means anything: a node that does is walked by hand elsewhere. Statements that are
//! no queries have their fields in `commands`.

use pg_query::protobuf::{self, node::Node};

use super::statements::command;
use super::walk::{Walk, Walker, children};

macro_rules! nodes {
    (plain: $($plain:ident),*; command: $($command:ident),*; lost: $($lost:ident),*;) => {
        impl Walk for protobuf::Node {
            fn walk(&self, walker: &mut Walker) {
                let Some(node) = &self.node else { return };
                walker.descend(|walker| match node {
                    $(Node::$plain(inner) => inner.walk(walker),)*
                    $(Node::$command(_))|* => command(node, walker),
                    $(Node::$lost(_))|* => walker.lose(),
                });
            }
        }

        /// Walks the fields of a command.
        pub(super) fn fields(command: &Node, walker: &mut Walker) {
            match command {
                $(Node::$command(inner) => inner.walk(walker),)*
                _ => walker.lose(),
            }
        }
    };
}

nodes! {
    // Walked wherever they are.
    plain:
        Alias, RangeVar, IntoClause, GroupingFunc, MergeSupportFunc, NamedArgExpr,
        BoolExpr, SubLink, CaseExpr, CaseWhen, RowExpr, CoalesceExpr, MinMaxExpr,
        SqlvalueFunction, XmlExpr, JsonFormat, JsonReturning, JsonValueExpr,
        JsonIsPredicate, JsonBehavior, NullTest, BooleanTest, SetToDefault,
        CurrentOfExpr, JoinExpr, TypeName, ColumnRef, ParamRef, AExpr, TypeCast,
        CollateClause, RoleSpec, FuncCall, AStar, AIndices, AIndirection, AArrayExpr,
        ResTarget, MultiAssignRef, SortBy, WindowDef, RangeSubselect, RangeFunction,
        RangeTableFunc, RangeTableFuncCol, RangeTableSample, ColumnDef, TableLikeClause,
        IndexElem, DefElem, LockingClause, XmlSerialize, PartitionElem, PartitionSpec,
        PartitionBoundSpec, PartitionRangeDatum, PartitionCmd, GroupingSet, WithClause,
        InferClause, OnConflictClause, CtesearchClause, CtecycleClause, CommonTableExpr,
        MergeWhenClause, ReturningOption, ReturningClause, TriggerTransition,
        JsonOutput, JsonArgument, JsonFuncExpr, JsonTablePathSpec, JsonTable,
        JsonTableColumn, JsonKeyValue, JsonParseExpr, JsonScalarExpr, JsonSerializeExpr,
        JsonObjectConstructor, JsonArrayConstructor, JsonArrayQueryConstructor,
        JsonAggConstructor, JsonObjectAgg, JsonArrayAgg, InsertStmt, DeleteStmt,
        UpdateStmt, MergeStmt, SelectStmt, ReturnStmt, AlterTableCmd, AtalterConstraint,
        ObjectWithArgs, AccessPriv, Constraint, CreateOpClassItem, StatsElem,
        FunctionParameter, VacuumRelation, PublicationTable, PublicationObjSpec,
        Integer, Float, Boolean, String, BitString, List, AConst;
    // Statements that are no queries: each is a unit.
    command:
        CreateSchemaStmt, AlterTableStmt, ReplicaIdentityStmt, AlterCollationStmt,
        AlterDomainStmt, GrantStmt, GrantRoleStmt, AlterDefaultPrivilegesStmt, CopyStmt,
        VariableSetStmt, VariableShowStmt, CreateStmt, CreateTableSpaceStmt,
        DropTableSpaceStmt, AlterTableSpaceOptionsStmt, AlterTableMoveAllStmt,
        CreateExtensionStmt, AlterExtensionStmt, AlterExtensionContentsStmt,
        CreateFdwStmt, AlterFdwStmt, CreateForeignServerStmt, AlterForeignServerStmt,
        CreateForeignTableStmt, CreateUserMappingStmt, AlterUserMappingStmt,
        DropUserMappingStmt, ImportForeignSchemaStmt, CreatePolicyStmt, AlterPolicyStmt,
        CreateAmStmt, CreateTrigStmt, CreateEventTrigStmt, AlterEventTrigStmt,
        CreatePlangStmt, CreateRoleStmt, AlterRoleStmt, AlterRoleSetStmt, DropRoleStmt,
        CreateSeqStmt, AlterSeqStmt, DefineStmt, CreateDomainStmt, CreateOpClassStmt,
        CreateOpFamilyStmt, AlterOpFamilyStmt, DropStmt, TruncateStmt, CommentStmt,
        SecLabelStmt, DeclareCursorStmt, ClosePortalStmt, FetchStmt, IndexStmt,
        CreateStatsStmt, AlterStatsStmt, CreateFunctionStmt, AlterFunctionStmt, DoStmt,
        CallStmt, RenameStmt, AlterObjectDependsStmt, AlterObjectSchemaStmt,
        AlterOwnerStmt, AlterOperatorStmt, AlterTypeStmt, RuleStmt, NotifyStmt,
        ListenStmt, UnlistenStmt, TransactionStmt, CompositeTypeStmt, CreateEnumStmt,
        CreateRangeStmt, AlterEnumStmt, ViewStmt, LoadStmt, CreatedbStmt,
        AlterDatabaseStmt, AlterDatabaseRefreshCollStmt, AlterDatabaseSetStmt,
        DropdbStmt, AlterSystemStmt, ClusterStmt, VacuumStmt, ExplainStmt,
        CreateTableAsStmt, RefreshMatViewStmt, CheckPointStmt, DiscardStmt, LockStmt,
        ConstraintsSetStmt, ReindexStmt, CreateConversionStmt, CreateCastStmt,
        CreateTransformStmt, PrepareStmt, ExecuteStmt, DeallocateStmt, DropOwnedStmt,
        ReassignOwnedStmt, AlterTsdictionaryStmt, AlterTsconfigurationStmt,
        CreatePublicationStmt, AlterPublicationStmt, CreateSubscriptionStmt,
        AlterSubscriptionStmt, DropSubscriptionStmt;
    // Made by the server's planner, never by its grammar.
    lost:
        Var, Aggref, WindowFunc, WindowFuncRunCondition, SubscriptingRef, FuncExpr,
        OpExpr, DistinctExpr, NullIfExpr, ScalarArrayOpExpr, SubPlan,
        AlternativeSubPlan, FieldSelect, FieldStore, RelabelType, CoerceViaIo,
        ArrayCoerceExpr, ConvertRowtypeExpr, CollateExpr, CaseTestExpr, ArrayExpr,
        RowCompareExpr, JsonConstructorExpr, JsonExpr, JsonTablePath, JsonTablePathScan,
        JsonTableSiblingJoin, CoerceToDomain, CoerceToDomainValue, NextValueExpr,
        InferenceElem, ReturningExpr, TargetEntry, RangeTblRef, FromExpr,
        OnConflictExpr, Query, RangeTblEntry, RtepermissionInfo, RangeTblFunction,
        TableSampleClause, WithCheckOption, SortGroupClause, WindowClause,
        RowMarkClause, SetOperationStmt, InlineCodeBlock, CallContext, MergeAction,
        TableFunc, Param, RawStmt, PlassignStmt, IntList, OidList;
}

children! {
    Alias { colnames } [aliasname]
    IntoClause { rel, col_names, options } [access_method, on_commit, table_space_name,
        view_query, skip_data]
    GroupingFunc { xpr, args, refs } [agglevelsup, location]
    MergeSupportFunc { xpr } [msftype, msfcollid, location]
    NamedArgExpr { xpr, arg } [name, argnumber, location]
    BoolExpr { xpr, args } [boolop, location]
    CaseExpr { xpr, arg, args, defresult } [casetype, casecollid, location]
    CaseWhen { xpr, expr, result } [location]
    RowExpr { xpr, args, colnames } [row_typeid, row_format, location]
    CoalesceExpr { xpr, args } [coalescetype, coalescecollid, location]
    MinMaxExpr { xpr, args } [minmaxtype, minmaxcollid, inputcollid, op, location]
    SqlValueFunction { xpr } [op, r#type, typmod, location]
    XmlExpr { xpr, named_args, arg_names, args } [op, name, xmloption, indent, r#type, typmod,
        location]
    JsonFormat {} [format_type, encoding, location]
    JsonReturning { format } [typid, typmod]
    JsonValueExpr { raw_expr, formatted_expr, format }
    JsonIsPredicate { expr, format } [item_type, unique_keys, location]
    JsonBehavior { expr } [btype, coerce, location]
    NullTest { xpr, arg } [nulltesttype, argisrow, location]
    BooleanTest { xpr, arg } [booltesttype, location]
    SetToDefault { xpr } [type_id, type_mod, collation, location]
    CurrentOfExpr { xpr } [cvarno, cursor_name, cursor_param]
    JoinExpr { larg, rarg, using_clause, quals } [jointype, is_natural, join_using_alias, alias,
        rtindex]
    TypeCast { arg, type_name } [location]
    CollateClause { arg, collname } [location]
    RoleSpec {} [roletype, rolename, location]
    AStar {}
    AIndices { lidx, uidx } [is_slice]
    AArrayExpr { elements } [list_start, list_end, location]
    ResTarget { indirection, val } [name, location]
    MultiAssignRef { source } [colno, ncolumns]
    WindowDef { partition_clause, order_clause, start_offset, end_offset } [name, refname,
        frame_options, location]
    RangeSubselect { subquery } [lateral, alias]
    RangeFunction { functions, coldeflist } [lateral, ordinality, is_rowsfrom, alias]
    RangeTableFunc { docexpr, rowexpr, namespaces, columns } [lateral, alias, location]
    RangeTableFuncCol { type_name, colexpr, coldefexpr } [colname, for_ordinality, is_not_null,
        location]
    ColumnDef { type_name, raw_default, cooked_default, identity_sequence, coll_clause,
        constraints, fdwoptions } [colname, compression, inhcount, is_local, is_not_null,
        is_from_type, storage, storage_name, identity, generated, coll_oid, location]
    IndexElem { expr, collation, opclass, opclassopts } [name, indexcolname, ordering,
        nulls_ordering]
    XmlSerialize { expr, type_name } [xmloption, indent, location]
    PartitionElem { expr, collation, opclass } [name, location]
    PartitionSpec { part_params } [strategy, location]
    PartitionBoundSpec { listdatums, lowerdatums, upperdatums } [strategy, is_default, modulus,
        remainder, location]
    PartitionRangeDatum { value } [kind, location]
    PartitionCmd { name, bound } [concurrent]
    GroupingSet { content } [kind, location]
    InferClause { index_elems, where_clause } [conname, location]
    OnConflictClause { infer, target_list, where_clause } [action, location]
    CteSearchClause { search_col_list } [search_breadth_first, search_seq_column, location]
    CteCycleClause { cycle_col_list, cycle_mark_value, cycle_mark_default } [cycle_mark_column,
        cycle_path_column, location, cycle_mark_type, cycle_mark_typmod, cycle_mark_collation,
        cycle_mark_neop]
    MergeWhenClause { condition, target_list, values } [match_kind, command_type, r#override]
    ReturningOption {} [option, value, location]
    ReturningClause { options, exprs }
    TriggerTransition {} [name, is_new, is_table]
    JsonOutput { type_name, returning }
    JsonArgument { val } [name]
    JsonFuncExpr { context_item, pathspec, passing, output, on_empty, on_error } [op,
        column_name, wrapper, quotes, location]
    JsonTablePathSpec { string } [name, name_location, location]
    JsonTable { context_item, pathspec, passing, columns, on_error } [alias, lateral, location]
    JsonTableColumn { type_name, pathspec, format, columns, on_empty, on_error } [coltype, name,
        wrapper, quotes, location]
    JsonKeyValue { key, value }
    JsonParseExpr { expr, output } [unique_keys, location]
    JsonScalarExpr { expr, output } [location]
    JsonSerializeExpr { expr, output } [location]
    JsonObjectConstructor { exprs, output } [absent_on_null, unique, location]
    JsonArrayConstructor { exprs, output } [absent_on_null, location]
    JsonArrayQueryConstructor { query, output, format } [absent_on_null, location]
    JsonAggConstructor { output, agg_filter, agg_order, over } [location]
    JsonObjectAgg { constructor, arg } [absent_on_null, unique]
    JsonArrayAgg { constructor, arg } [absent_on_null]
    ReturnStmt { returnval }
    AtAlterConstraint {} [conname, alter_enforceability, is_enforced, alter_deferrability,
        deferrable, initdeferred, alter_inheritability, noinherit]
    AccessPriv { cols } [priv_name]
    CreateOpClassItem { name, order_family, class_args, storedtype } [itemtype, number]
    StatsElem { expr } [name]
    FunctionParameter { arg_type, defexpr } [name, mode, location]
    VacuumRelation { relation, va_cols } [oid]
    PublicationTable { relation, where_clause, columns }
    Integer {} [ival]
    Float {} [fval]
    Boolean {} [boolval]
    String {} [sval]
    BitString {} [bsval]
    List { items }
    AConst {} [isnull, location, val]
}
