//! `SELECT`, `INSERT`, `UPDATE`, `DELETE`, `MERGE` and the common table expressions before them.
//!
//! A `SELECT` inside another statement belongs to that statement's unit, unless it stands where the
//! server runs it as a query of its own: see [`statement`]. The others always are units.

use std::collections::BTreeSet;
use std::sync::Arc;

use pg_query::protobuf::{self, LimitOption, SetOperation, a_const::Val, node::Node};

use super::unit::{Most, Unit};
use super::walk::{Access, Walk, Walker, string};

/// A statement, or the query that another statement runs: a unit of its own in either case.
pub(super) fn statement(node: &protobuf::Node, walker: &mut Walker) {
    match &node.node {
        Some(Node::SelectStmt(select)) => {
            walker.descend(|walker| query(select, walker));
        }
        _ => node.walk(walker),
    }
}

/// A `SELECT` that is a unit of its own; `SELECT … INTO` makes a table.
fn query(select: &protobuf::SelectStmt, walker: &mut Walker) {
    let unit = Unit {
        filtered: filtered(select),
        limited: Some(select.limit_count.as_deref().is_some_and(limits)),
        most: most(select),
        ..Unit::new("select", "read")
    };
    match into(select) {
        Some(clause) => {
            walker.unit(Unit::on("create", "ddl", "table"), |walker| {
                walker.with_access(Access::Write, |walker| clause.walk(walker));
                walker.unit(unit, |walker| select.walk(walker));
            });
        }
        None => {
            walker.unit(unit, |walker| select.walk(walker));
        }
    }
}

/// The `INTO` of a query, which the grammar keeps in the first arm of a `UNION`.
pub(super) fn into(select: &protobuf::SelectStmt) -> Option<&protobuf::IntoClause> {
    let mut arm = select;
    loop {
        match (&arm.into_clause, &arm.larg) {
            (Some(clause), _) => return Some(clause),
            (None, Some(left)) => arm = left,
            (None, None) => return None,
        }
    }
}

/// Whether every arm that reads from something has a `WHERE`; none if no arm reads.
fn filtered(select: &protobuf::SelectStmt) -> Option<bool> {
    let mut all = None;
    let mut arms = vec![select];
    while let Some(arm) = arms.pop() {
        if let (Some(left), Some(right)) = (&arm.larg, &arm.rarg) {
            arms.extend([&**left, &**right]);
        } else if !arm.from_clause.is_empty() {
            all = Some(all.unwrap_or(true) && arm.where_clause.is_some());
        }
    }
    all
}

/// Whether a `LIMIT` limits: `LIMIT ALL` and `LIMIT NULL` do not.
fn limits(count: &protobuf::Node) -> bool {
    !matches!(&count.node, Some(Node::AConst(constant)) if constant.isnull)
}

/// How many rows there are at most, where that is written as a number. `WITH TIES` may give more.
fn most(select: &protobuf::SelectStmt) -> Most {
    let Some(count) = select.limit_count.as_deref().filter(|it| limits(it)) else {
        return Most::Any;
    };
    let ties = select.limit_option != i32::from(LimitOption::Count);
    let number = match &count.node {
        Some(Node::AConst(constant)) if !ties => match &constant.val {
            Some(Val::Ival(number)) => u64::try_from(number.ival).ok(),
            // A number that is too great for 32 bits is a text here.
            Some(Val::Fval(number)) => number.fval.parse().ok(),
            _ => None,
        },
        _ => None,
    };
    number.map_or(Most::Unknown, Most::Rows)
}

impl Walk for protobuf::SelectStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            distinct_clause,
            into_clause: _, // Made into a unit by `query`; elsewhere the server refuses it.
            target_list,
            from_clause,
            where_clause,
            group_clause,
            group_distinct: _,
            having_clause,
            window_clause,
            values_lists,
            sort_clause,
            limit_offset,
            limit_count,
            limit_option: _,
            locking_clause,
            with_clause,
            op: _,
            all: _,
            larg,
            rarg,
        } = self;
        walker.with_access(Access::Read, |walker| {
            with(with_clause.as_ref(), walker, |walker| {
                results(from_clause, walker);
                distinct_clause.walk(walker);
                target_list.walk(walker);
                from_clause.walk(walker);
                where_clause.walk(walker);
                group_clause.walk(walker);
                having_clause.walk(walker);
                window_clause.walk(walker);
                values_lists.walk(walker);
                sort_clause.walk(walker);
                limit_offset.walk(walker);
                limit_count.walk(walker);
                locking_clause.walk(walker);
                for arm in [larg, rarg].into_iter().flatten() {
                    walker.descend(|walker| arm.walk(walker));
                }
            });
        });
    }
}

impl Walk for protobuf::LockingClause {
    fn walk(&self, walker: &mut Walker) {
        // `FOR UPDATE` and its kin write row locks, which the server allows in no read-only
        // transaction. What follows `OF` are aliases, not relations.
        let Self {
            locked_rels: _,
            strength: _,
            wait_policy: _,
        } = self;
        walker.note_run(|unit| {
            if unit.verb == "select" {
                unit.kind = "write";
            }
        });
    }
}

/// Walks `inside` with the names of `clause` in sight, as the server has them: a name is in sight
/// of the expressions after it, and with `RECURSIVE` of all of them.
fn with(
    clause: Option<&protobuf::WithClause>,
    walker: &mut Walker,
    inside: impl FnOnce(&mut Walker),
) {
    walker.scope(|walker| {
        if let Some(protobuf::WithClause {
            ctes,
            recursive,
            location: _,
        }) = clause
        {
            if *recursive {
                ctes.iter()
                    .filter_map(name_of)
                    .for_each(|name| walker.show_cte(name));
            }
            for cte in ctes {
                cte.walk(walker);
                if !recursive {
                    name_of(cte)
                        .into_iter()
                        .for_each(|name| walker.show_cte(name));
                }
            }
        }
        inside(walker);
    });
}

/// Brings the results of the functions in a `FROM` into sight.
fn results<'a>(from: impl IntoIterator<Item = &'a protobuf::Node>, walker: &mut Walker) {
    let mut items: Vec<_> = from.into_iter().collect();
    while let Some(item) = items.pop() {
        match &item.node {
            Some(Node::JoinExpr(join)) => {
                items.extend(join.larg.iter().chain(&join.rarg).map(|arm| &**arm))
            }
            Some(Node::RangeFunction(range)) => result(range, walker),
            _ => {}
        }
    }
}

/// The result of a function in a `FROM`, by its alias or its own name, with the columns that are named.
fn result(range: &protobuf::RangeFunction, walker: &mut Walker) {
    let mut columns = BTreeSet::new();
    for column in &range.coldeflist {
        if let Some(Node::ColumnDef(column)) = &column.node {
            columns.insert(column.colname.clone());
        }
    }
    let functions = range
        .functions
        .iter()
        .filter_map(|function| match &function.node {
            Some(Node::List(list)) => match &list.items.first()?.node {
                Some(Node::FuncCall(call)) => call.funcname.last().and_then(string),
                _ => None,
            },
            _ => None,
        });
    let functions: Vec<_> = functions.map(str::to_owned).collect();
    if let Some(alias) = &range.alias {
        columns.extend(alias.colnames.iter().filter_map(string).map(str::to_owned));
        columns.extend(functions);
        return walker.show_result(alias.aliasname.clone(), columns.into());
    }
    let columns = Arc::new(columns);
    for function in functions {
        walker.show_result(function, Arc::clone(&columns));
    }
}

fn name_of(cte: &protobuf::Node) -> Option<&str> {
    match &cte.node {
        Some(Node::CommonTableExpr(cte)) => Some(&cte.ctename),
        _ => None,
    }
}

impl Walk for protobuf::WithClause {
    fn walk(&self, walker: &mut Walker) {
        // Every statement that has one goes through `with`.
        walker.lose();
    }
}

impl Walk for protobuf::CommonTableExpr {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            ctename: _,
            aliascolnames: _,
            ctematerialized: _,
            ctequery,
            search_clause,
            cycle_clause,
            location: _,
            cterecursive: _,
            cterefcount: _,
            ctecolnames: _,
            ctecoltypes: _,
            ctecoltypmods: _,
            ctecolcollations: _,
        } = self;
        ctequery.walk(walker);
        search_clause.walk(walker);
        cycle_clause.walk(walker);
    }
}

/// Notes the relation that a statement writes, which is never a common table expression, and that
/// it is read as well if rows of it come back.
fn target(
    relation: Option<&protobuf::RangeVar>,
    returning: Option<&protobuf::ReturningClause>,
    walker: &mut Walker,
) {
    match relation {
        Some(relation) => {
            walker.relation(relation, Access::Write);
            if returning.is_some() {
                walker.relation(relation, Access::Read);
            }
        }
        None => walker.lose(),
    }
}

impl Walk for protobuf::InsertStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            cols,
            select_stmt,
            on_conflict_clause,
            returning_clause,
            with_clause,
            r#override: _,
        } = self;
        walker.unit(Unit::new("insert", "write"), |walker| {
            with(with_clause.as_ref(), walker, |walker| {
                walker.access = Access::Read;
                target(relation.as_ref(), returning_clause.as_ref(), walker);
                cols.walk(walker);
                match select_stmt.as_deref() {
                    Some(node) if selects(node) => statement(node, walker),
                    other => other.into_iter().for_each(|node| node.walk(walker)),
                }
                on_conflict_clause.walk(walker);
                returning_clause.walk(walker);
            });
        });
    }
}

/// Whether what an `INSERT` takes its rows from is a query, not a list of `VALUES`.
fn selects(node: &protobuf::Node) -> bool {
    match &node.node {
        Some(Node::SelectStmt(select)) => {
            select.values_lists.is_empty()
                || select.with_clause.is_some()
                || select.op != i32::from(SetOperation::SetopNone)
        }
        _ => true,
    }
}

impl Walk for protobuf::UpdateStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            target_list,
            where_clause,
            from_clause,
            returning_clause,
            with_clause,
        } = self;
        let unit = Unit {
            filtered: Some(where_clause.is_some()),
            ..Unit::new("update", "write")
        };
        walker.unit(unit, |walker| {
            with(with_clause.as_ref(), walker, |walker| {
                walker.access = Access::Read;
                target(relation.as_ref(), returning_clause.as_ref(), walker);
                results(from_clause, walker);
                target_list.walk(walker);
                where_clause.walk(walker);
                from_clause.walk(walker);
                returning_clause.walk(walker);
            });
        });
    }
}

impl Walk for protobuf::DeleteStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            using_clause,
            where_clause,
            returning_clause,
            with_clause,
        } = self;
        let unit = Unit {
            filtered: Some(where_clause.is_some()),
            ..Unit::new("delete", "write")
        };
        walker.unit(unit, |walker| {
            with(with_clause.as_ref(), walker, |walker| {
                walker.access = Access::Read;
                target(relation.as_ref(), returning_clause.as_ref(), walker);
                results(using_clause, walker);
                using_clause.walk(walker);
                where_clause.walk(walker);
                returning_clause.walk(walker);
            });
        });
    }
}

impl Walk for protobuf::MergeStmt {
    fn walk(&self, walker: &mut Walker) {
        let Self {
            relation,
            source_relation,
            join_condition,
            merge_when_clauses,
            returning_clause,
            with_clause,
        } = self;
        walker.unit(Unit::new("merge", "write"), |walker| {
            with(with_clause.as_ref(), walker, |walker| {
                walker.access = Access::Read;
                target(relation.as_ref(), returning_clause.as_ref(), walker);
                results(source_relation.as_deref(), walker);
                source_relation.walk(walker);
                join_condition.walk(walker);
                merge_when_clauses.walk(walker);
                returning_clause.walk(walker);
            });
        });
    }
}
