//! Statements that are no queries: each is a unit of the verb that `verbs` gives it, and some have
//! statements inside, or effects on what later statements mean. Names of objects in unusual places
//! are in `definitions`.

use pg_query::protobuf::{self, DiscardMode, VariableSetKind, node::Node};

use super::bodies;
use super::clauses::fields;
use super::definitions::cascades;
use super::queries::statement;
use super::relations::DECIDE_PATH;
use super::unit::{Effect, Unit};
use super::verbs;
use super::walk::{Access, Walk, Walker, constant, string};

/// Makes a unit of a command.
pub(super) fn command(node: &Node, walker: &mut Walker) {
    let unit = verbs::unit(node);
    let moves = moves_path(&unit);
    walker.unit(unit, |walker| {
        walker.access = Access::Write;
        fields(node, walker);
        beyond_fields(node, walker);
        if moves {
            walker.effect(Effect::SearchPathChanged);
        }
    });
}

/// Whether the command may change which schemas there are, what the role is called or which schemas
/// it may use: the same path may then come to others.
fn moves_path(unit: &Unit) -> bool {
    matches!(unit.object, Some("schema" | "role" | "owned" | "extension"))
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
        Node::DoStmt(block) => bodies::block(&block.args, walker),
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
            walker.effect(Effect::ReadingReset);
            walker.effect(Effect::SearchPathChanged);
        }
        Node::VariableSetStmt(set) => set_effects(set, walker),
        _ => {}
    }
}

fn set_effects(set: &protobuf::VariableSetStmt, walker: &mut Walker) {
    let all = VariableSetKind::try_from(set.kind) == Ok(VariableSetKind::VarResetAll);
    let is = |setting: &str| all || set.name.eq_ignore_ascii_case(setting);
    if DECIDE_PATH.into_iter().any(is) {
        walker.effect(Effect::SearchPathChanged);
    }
    match is("standard_conforming_strings") || is("client_encoding") {
        true if all => walker.effect(Effect::ReadingReset),
        true => walker.effect(Effect::ReadingChanged),
        false => {}
    }
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
pub(super) fn analyzes(option: &protobuf::Node) -> bool {
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
        walker.effect(Effect::SearchPathChanged);
        schema_elts
            .iter()
            .for_each(|element| statement(element, walker));
    }
}
