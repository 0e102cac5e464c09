//! Statements that are no queries: each is a unit of the verb that `verbs` gives it, and some have
//! statements inside, names in unusual places, or effects on what later statements mean.

use pg_query::protobuf::{self, DiscardMode, DropBehavior, GrantTargetType, node::Node};
use pg_query::protobuf::{ObjectType, VariableSetKind};

use super::clauses::fields;
use super::queries::statement;
use super::unit::Effect;
use super::verbs;
use super::walk::{Access, Walk, Walker, constant, string};

/// Makes a unit of a command.
pub(super) fn command(node: &Node, walker: &mut Walker) {
    walker.unit(verbs::unit(node), |walker| {
        walker.access = Access::Write;
        fields(node, walker);
        beyond_fields(node, walker);
    });
}

/// What a command touches besides the names in it, and what it changes for later ones.
fn beyond_fields(node: &Node, walker: &mut Walker) {
    match node {
        Node::TruncateStmt(truncate) if cascades(truncate.behavior) => walker.lose_tables(),
        Node::VacuumStmt(vacuum) if vacuum.rels.is_empty() => walker.lose_tables(),
        Node::ClusterStmt(cluster) if cluster.relation.is_none() => walker.lose_tables(),
        Node::ReindexStmt(reindex) if reindex.relation.is_none() => walker.lose_tables(),
        Node::CreatePublicationStmt(publication) if publication.for_all_tables => {
            walker.lose_tables();
        }
        Node::AlterPublicationStmt(publication) if publication.for_all_tables => {
            walker.lose_tables();
        }
        // What the view's query reads is known to the server alone.
        Node::RefreshMatViewStmt(_) => walker.note(|unit| unit.reads.lose()),
        // These work on whatever there is.
        Node::AlterTableMoveAllStmt(_) | Node::ReassignOwnedStmt(_) | Node::DropOwnedStmt(_) => {
            walker.lose_tables();
        }
        // These run code that is not in the statement's tree, or let others write.
        Node::DoStmt(_) => {
            walker.lose();
            walker.unsettled(None);
        }
        Node::CreateExtensionStmt(_)
        | Node::AlterExtensionStmt(_)
        | Node::ImportForeignSchemaStmt(_)
        | Node::CreateSubscriptionStmt(_)
        | Node::AlterSubscriptionStmt(_)
        | Node::LoadStmt(_) => walker.lose(),
        // Their functions are among other words, or written as types are.
        Node::DefineStmt(_) | Node::CreateFdwStmt(_) | Node::AlterFdwStmt(_) => {
            walker.note(|unit| unit.functions.lose());
        }
        Node::AlterOperatorStmt(_) | Node::AlterTypeStmt(_) => {
            walker.note(|unit| unit.functions.lose());
        }
        Node::CreateTrigStmt(trigger) => walker.function(&trigger.funcname),
        Node::CreateEventTrigStmt(trigger) => walker.function(&trigger.funcname),
        Node::CreateAmStmt(method) => walker.function(&method.handler_name),
        Node::CreateConversionStmt(conversion) => walker.function(&conversion.func_name),
        Node::CreatePlangStmt(_) => walker.note(|unit| unit.functions.lose()),
        Node::LockStmt(lock) if lock.mode == ACCESS_SHARE => {
            walker.note(|unit| unit.reads = std::mem::take(&mut unit.writes));
        }
        _ => session_effects(node, walker),
    }
}

/// The weakest lock, which a `SELECT` takes as well.
const ACCESS_SHARE: i32 = 1;

fn session_effects(node: &Node, walker: &mut Walker) {
    match node {
        Node::ExecuteStmt(execute) => {
            walker.run(Effect::Execute {
                name: execute.name.as_str().into(),
            });
        }
        Node::FetchStmt(fetch) => {
            walker.run(Effect::Fetch {
                cursor: fetch.portalname.as_str().into(),
            });
        }
        Node::DeallocateStmt(deallocate) => {
            let name = (!deallocate.isall).then(|| deallocate.name.as_str().into());
            walker.effect(Effect::Deallocate { name });
        }
        Node::ClosePortalStmt(close) => {
            let all = close.portalname.is_empty();
            let cursor = (!all).then(|| close.portalname.as_str().into());
            walker.effect(Effect::CloseCursor { cursor });
        }
        Node::DiscardStmt(discard) if discard.target == i32::from(DiscardMode::DiscardAll) => {
            walker.effect(Effect::DiscardAll);
            walker.effect(Effect::ReadingChanged);
            walker.effect(Effect::SearchPathReset);
        }
        Node::VariableSetStmt(set) => set_effects(set, walker),
        _ => {}
    }
}

fn set_effects(set: &protobuf::VariableSetStmt, walker: &mut Walker) {
    let kind = VariableSetKind::try_from(set.kind);
    let all = kind == Ok(VariableSetKind::VarResetAll);
    let path = set.name.eq_ignore_ascii_case("search_path");
    let resets = matches!(
        kind,
        Ok(VariableSetKind::VarReset | VariableSetKind::VarSetDefault)
    );
    if all || path && resets && !set.is_local {
        walker.effect(Effect::SearchPathReset);
    } else if path && kind == Ok(VariableSetKind::VarSetValue) && !set.is_local && is_public(set) {
        walker.effect(Effect::SearchPathPublic);
    }
    if path && !(walker.alone && (resets || is_public(set)) && !set.is_local) {
        walker.effect(Effect::SearchPathChanged);
    }
    if all
        || set.name.eq_ignore_ascii_case("standard_conforming_strings")
        || set.name.eq_ignore_ascii_case("client_encoding")
    {
        walker.effect(Effect::ReadingChanged);
    }
}

/// Whether a search path is the one that a server has out of the box, or `public` alone.
fn is_public(set: &protobuf::VariableSetStmt) -> bool {
    let path: Option<Vec<&str>> = set.args.iter().map(constant).collect();
    matches!(path.as_deref(), Some(["public"] | ["$user", "public"]))
}

fn cascades(behavior: i32) -> bool {
    behavior != i32::from(DropBehavior::DropRestrict)
}

impl Walk for protobuf::ExplainStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self { query, options } = self;
        let Some(query) = query else {
            return walker.lose();
        };
        walker.access = Access::Read;
        if options.iter().any(analyzes) {
            statement(query, walker);
        } else {
            walker.fold(|walker| statement(query, walker));
        }
    }
}

/// Whether an option of `EXPLAIN` is `ANALYZE`, and not surely off.
fn analyzes(option: &protobuf::Node) -> bool {
    let Some(Node::DefElem(option)) = &option.node else {
        return true;
    };
    if option.defname != "analyze" {
        return false;
    }
    let off = |text: &str| matches!(text.to_ascii_lowercase().as_str(), "false" | "off");
    match option.arg.as_deref() {
        None => true,
        Some(arg) => match &arg.node {
            Some(Node::Integer(number)) => number.ival != 0,
            Some(Node::Boolean(flag)) => flag.boolval,
            _ => !string(arg).or_else(|| constant(arg)).is_some_and(off),
        },
    }
}

impl Walk for protobuf::PrepareStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            name,
            argtypes,
            query,
        } = self;
        argtypes.walk(walker);
        let Some(query) = query else {
            return walker.lose();
        };
        let units = walker.made(|walker| statement(query, walker));
        walker.effect(Effect::Prepare {
            name: name.as_str().into(),
            units,
        });
    }
}

impl Walk for protobuf::DeclareCursorStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            portalname,
            options: _,
            query,
        } = self;
        let Some(query) = query else {
            return walker.lose();
        };
        let units = walker.made(|walker| statement(query, walker));
        walker.effect(Effect::Declare {
            cursor: portalname.as_str().into(),
            units,
        });
    }
}

impl Walk for protobuf::CopyStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            query,
            attlist,
            is_from,
            is_program: _,
            filename: _,
            options,
            where_clause,
        } = self;
        walker.access = if *is_from {
            Access::Write
        } else {
            Access::Read
        };
        relation.walk(walker);
        query.iter().for_each(|query| statement(query, walker));
        attlist.walk(walker);
        options.walk(walker);
        where_clause.walk(walker);
    }
}

impl Walk for protobuf::CreateTableAsStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            query,
            into,
            objtype: _,
            is_select_into: _,
            if_not_exists: _,
        } = self;
        into.walk(walker);
        query.iter().for_each(|query| statement(query, walker));
    }
}

impl Walk for protobuf::ViewStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            view,
            aliases,
            query,
            replace: _,
            options,
            with_check_option: _,
        } = self;
        view.walk(walker);
        aliases.walk(walker);
        query.iter().for_each(|query| statement(query, walker));
        options.walk(walker);
    }
}

impl Walk for protobuf::RuleStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            rulename: _,
            where_clause,
            event: _,
            instead: _,
            actions,
            replace: _,
        } = self;
        relation.walk(walker);
        where_clause.walk(walker);
        actions.iter().for_each(|action| statement(action, walker));
    }
}

impl Walk for protobuf::CreateSchemaStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            schemaname: _,
            authrole: _,
            schema_elts,
            if_not_exists: _,
        } = self;
        // Within it, the new schema is the first to be looked in.
        let path = std::mem::replace(&mut walker.search_path, super::SearchPath::Changed);
        schema_elts
            .iter()
            .for_each(|element| statement(element, walker));
        walker.search_path = path;
    }
}

impl Walk for protobuf::CreateFunctionStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            is_procedure: _,
            replace: _,
            funcname,
            parameters,
            return_type,
            options,
            sql_body,
        } = self;
        walker.function(funcname);
        parameters.walk(walker);
        return_type.walk(walker);
        options.walk(walker);
        match sql_body {
            Some(body) => body_of(body, walker),
            // The body is text in whatever language.
            None => walker.lose(),
        }
    }
}

/// `BEGIN ATOMIC … END` is a list in a list of statements, `RETURN …` a node.
fn body_of(node: &protobuf::Node, walker: &mut Walker) {
    match &node.node {
        Some(Node::List(list)) => walker.descend(|walker| {
            list.items.iter().for_each(|item| body_of(item, walker));
        }),
        _ => statement(node, walker),
    }
}

impl Walk for protobuf::DropStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            objects,
            remove_type,
            behavior,
            missing_ok: _,
            concurrent: _,
        } = self;
        for object in objects {
            walker.object(*remove_type, object);
        }
        let holds_relations = [ObjectType::ObjectSchema, ObjectType::ObjectExtension]
            .map(i32::from)
            .contains(remove_type);
        if holds_relations || cascades(*behavior) {
            walker.lose_tables();
        }
    }
}

impl Walk for protobuf::RenameStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            rename_type,
            relation_type: _,
            relation,
            object,
            subname: _,
            newname,
            behavior: _,
            missing_ok: _,
        } = self;
        relation.walk(walker);
        if let Some(object) = object {
            walker.object(*rename_type, object);
        }
        // The new name of a relation is touched as well: rules about it hold from now on.
        let renames = [
            ObjectType::ObjectTable,
            ObjectType::ObjectView,
            ObjectType::ObjectMatview,
            ObjectType::ObjectIndex,
            ObjectType::ObjectSequence,
            ObjectType::ObjectForeignTable,
        ];
        if let Some(relation) = relation
            && renames.map(i32::from).contains(rename_type)
        {
            let renamed = protobuf::RangeVar {
                relname: newname.clone(),
                ..relation.clone()
            };
            renamed.walk(walker);
        }
        if [ObjectType::ObjectSchema]
            .map(i32::from)
            .contains(rename_type)
        {
            walker.lose_tables();
        }
    }
}

impl Walk for protobuf::AlterObjectDependsStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            object_type,
            relation,
            object,
            extname: _,
            remove: _,
        } = self;
        relation.walk(walker);
        // With a relation, the object is the name of a trigger and the like alone.
        if let (None, Some(object)) = (relation, object) {
            walker.object(*object_type, object);
        }
    }
}

impl Walk for protobuf::AlterObjectSchemaStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            object_type,
            relation,
            object,
            newschema,
            missing_ok: _,
        } = self;
        relation.walk(walker);
        if let Some(object) = object {
            walker.object(*object_type, object);
        }
        if let Some(relation) = relation {
            let moved = protobuf::RangeVar {
                schemaname: newschema.clone(),
                ..relation.clone()
            };
            moved.walk(walker);
        }
        if *object_type == i32::from(ObjectType::ObjectExtension) {
            walker.lose_tables();
        }
    }
}

impl Walk for protobuf::AlterOwnerStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            object_type,
            relation,
            object,
            newowner: _,
        } = self;
        relation.walk(walker);
        if let Some(object) = object {
            walker.object(*object_type, object);
        }
    }
}

impl Walk for protobuf::CommentStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            objtype,
            object,
            comment: _,
        } = self;
        object
            .iter()
            .for_each(|object| walker.object(*objtype, object));
    }
}

impl Walk for protobuf::SecLabelStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            objtype,
            object,
            provider: _,
            label: _,
        } = self;
        object
            .iter()
            .for_each(|object| walker.object(*objtype, object));
    }
}

impl Walk for protobuf::AlterExtensionContentsStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            extname: _,
            action: _,
            objtype,
            object,
        } = self;
        object
            .iter()
            .for_each(|object| walker.object(*objtype, object));
    }
}

impl Walk for protobuf::GrantStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            is_grant: _,
            targtype,
            objtype,
            objects,
            privileges,
            grantees,
            grant_option: _,
            grantor: _,
            behavior: _,
        } = self;
        if GrantTargetType::try_from(*targtype) == Ok(GrantTargetType::AclTargetObject) {
            objects
                .iter()
                .for_each(|object| walker.object_granted(*objtype, object));
        } else {
            walker.lose();
        }
        privileges.walk(walker);
        grantees.walk(walker);
    }
}

impl Walker {
    /// `GRANT` holds relations as such, and other objects as `DROP` does.
    fn object_granted(&mut self, of: i32, object: &protobuf::Node) {
        match &object.node {
            Some(Node::RangeVar(_) | Node::ObjectWithArgs(_)) => object.walk(self),
            _ => self.object(of, object),
        }
    }
}

impl Walk for protobuf::CreateStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            table_elts,
            inh_relations,
            partbound,
            partspec,
            of_typename,
            constraints,
            nnconstraints,
            options,
            oncommit: _,
            tablespacename: _,
            access_method: _,
            if_not_exists: _,
        } = self;
        relation.walk(walker);
        table_elts.walk(walker);
        inh_relations.walk(walker);
        partbound.walk(walker);
        partspec.walk(walker);
        of_typename.walk(walker);
        constraints.walk(walker);
        nnconstraints.walk(walker);
        options.walk(walker);
    }
}

impl Walk for protobuf::Constraint {
    fn walk(&self, walker: &mut Walker) {
        // Only these fields hold more than columns of the table itself.
        self.raw_expr.walk(walker);
        self.exclusions.walk(walker);
        self.options.walk(walker);
        self.where_clause.walk(walker);
        walker.with_access(Access::Read, |walker| self.pktable.walk(walker));
    }
}

impl Walk for protobuf::AlterTableCmd {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            subtype: _,
            name: _,
            num: _,
            newowner: _,
            def,
            behavior,
            missing_ok: _,
            recurse: _,
        } = self;
        def.walk(walker);
        if *behavior == i32::from(DropBehavior::DropCascade) {
            walker.lose_tables();
        }
    }
}
