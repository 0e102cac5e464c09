//! What the server's own relations tell of the values in others: samples that it plans by, how much it logs, and how
//! often it did what depends on values.

use pg_query::protobuf::{self, VariableSetKind, a_const::Val, node::Node};

use super::catalog::{Column, Relation};
use crate::sql::postgres::walk::constant;

/// Relations of `pg_catalog` that hold values of columns. `pg_statistic_ext` is none of them: it only
/// says what is sampled, and `psql` looks into it for every `\d TABLE`.
const SAMPLES: [&str; 6] = [
    "pg_mcv_list_items",
    "pg_statistic",
    "pg_statistic_ext_data",
    "pg_stats",
    "pg_stats_ext",
    "pg_stats_ext_exprs",
];

/// Those that say how much was logged or copied, or in how many blocks something was looked up.
const MEASURES: [&str; 6] = [
    "pg_replication_slots",
    "pg_stat_io",
    "pg_stat_progress_copy",
    "pg_stat_replication_slots",
    "pg_stat_wal",
    "pg_stat_wal_receiver",
];

/// Columns that say how often a row was written beside the old one, which depends on whether what is indexed of it
/// is the same; what is in a column of the rows that are older than it; and which page of an index a value was
/// looked for in.
const TELL: [&str; 5] = [
    "attmissingval",
    "n_tup_hot_upd",
    "n_tup_newpage_upd",
    "page",
    "tuple",
];

/// The function that sets what its arguments say.
pub(super) const SET_CONFIG: &str = "set_config";

/// The setting by which a statement fails where values on the way take much room.
const ROOM: &str = "temp_file_limit";

/// The setting by which the server rounds before anything is masked, where it is below 0.
const DIGITS: &str = "extra_float_digits";

/// Whether setting this to that tells something of values: what is not known may be anything.
///
/// Rows that nobody sorts come in the order in which the plan reads them, so what plans are chosen by does: an index
/// is in the order of its values.
pub fn measures(setting: Option<&str>, value: Option<&str>) -> bool {
    let Some(setting) = setting.map(str::to_ascii_lowercase) else {
        return true;
    };
    let is_on = || {
        let value = value.map(str::to_ascii_lowercase);
        matches!(value.as_deref(), Some("on" | "true" | "yes" | "1"))
    };
    match &*setting {
        ROOM | "cursor_tuple_fraction" | "effective_cache_size" => true,
        DIGITS => value.is_none_or(|value| value.contains('-')),
        _ if setting.starts_with("enable_") => !is_on(),
        _ if setting.ends_with("_page_cost") => true,
        _ => setting.starts_with("cpu_") && setting.ends_with("_cost"),
    }
}

/// Whether a text may set such to anything. Says so too often.
pub(super) fn text_measures(text: &str) -> bool {
    const WORDS: [&str; 7] = [
        ROOM,
        DIGITS,
        "cursor_tuple_fraction",
        "effective_cache_size",
        "enable_",
        "_page_cost",
        "cpu_",
    ];
    let text = text.to_ascii_lowercase();
    let mut calls = text.split(SET_CONFIG).skip(1);
    WORDS.iter().any(|word| text.contains(word)) || calls.any(|rest| !names_setting(rest))
}

/// Whether arguments begin with a setting that is written there as such.
fn names_setting(arguments: &str) -> bool {
    let name = arguments
        .trim_start()
        .strip_prefix('(')
        .map(str::trim_start);
    let name = name.and_then(|rest| rest.strip_prefix('\''));
    let end = name.and_then(|rest| rest.split_once('\''));
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    end.is_some_and(|(name, rest)| {
        name.chars().all(is_letter) && rest.trim_start().starts_with(',')
    })
}

/// Whether a call of `set_config` does.
pub(super) fn call_measures(names: &[&str], args: &[protobuf::Node]) -> bool {
    let text = |place: usize| args.get(place).and_then(constant);
    names.last() == Some(&SET_CONFIG) && measures(text(0), text(1))
}

/// Whether a command does.
pub(super) fn command_measures(command: &Node) -> bool {
    let set = match command {
        Node::VariableSetStmt(set) => Some(set),
        Node::AlterRoleSetStmt(alter) => alter.setstmt.as_ref(),
        Node::AlterDatabaseSetStmt(alter) => alter.setstmt.as_ref(),
        Node::AlterSystemStmt(alter) => alter.setstmt.as_ref(),
        _ => None,
    };
    let Some(set) = set else {
        return false;
    };
    match VariableSetKind::try_from(set.kind) {
        Ok(VariableSetKind::VarSetValue) => {}
        // What it is now is not known.
        Ok(VariableSetKind::VarSetCurrent) => return measures(Some(&set.name), None),
        _ => return false,
    }
    let value = match &*set.args {
        [value] => number(value).or_else(|| constant(value).map(str::to_owned)),
        _ => None,
    };
    measures(Some(&set.name), value.as_deref())
}

fn number(value: &protobuf::Node) -> Option<String> {
    let Some(Node::AConst(value)) = &value.node else {
        return None;
    };
    match &value.val {
        Some(Val::Ival(number)) => Some(number.ival.to_string()),
        Some(Val::Fval(number)) => Some(number.fval.clone()),
        _ => None,
    }
}

/// The type of a place in the log.
const PG_LSN: u32 = 3_220;

/// Which of a relation's columns tell something of values elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    /// None.
    Nothing,
    /// Some.
    Some,
    /// All.
    All,
}

impl Telling {
    /// Whether this column does.
    pub(super) fn tells(self, column: &Column) -> bool {
        match self {
            Self::Nothing => false,
            Self::Some => tells(column),
            Self::All => true,
        }
    }
}

/// Which columns of a relation do.
pub(super) fn of(relation: &Relation) -> Telling {
    if relation.schema.starts_with("pg_toast") {
        return Telling::All;
    }
    if &*relation.schema != "pg_catalog" {
        return Telling::Nothing;
    }
    let name = &*relation.name;
    let is_whole = SAMPLES.contains(&name) || MEASURES.contains(&name);
    if is_whole || name.starts_with("pg_statio_") {
        return Telling::All;
    }
    match relation.columns.iter().any(tells) {
        true => Telling::Some,
        false => Telling::Nothing,
    }
}

fn tells(column: &Column) -> bool {
    column.ty == PG_LSN || TELL.contains(&&*column.name)
}
