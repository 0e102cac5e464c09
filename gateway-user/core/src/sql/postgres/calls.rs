//! What calling a function may do beside computing a value, by its name.
//!
//! PostgreSQL's own functions are known: most compute a value or tell one, and are no more than a part of
//! the statement; [`EFFECTS`] has the others. What any other function does is in the database and not in the
//! text, so its call counts as code that is run: a unit of its own, which rules have to allow.
//!
//! A name without a schema that PostgreSQL has counts as PostgreSQL's. One of that name in a schema of the
//! path could come before it, for other arguments; making it is a statement of its own.

use std::collections::HashSet;
use std::sync::LazyLock;

use pg_query::protobuf;

use super::texts;
use super::unit::{Setting, Unit};
use super::walk::{Columns, Walker, string, strings};
use crate::facts::{Name, Schema};

/// Functions and types of PostgreSQL 13 to 18 that only compute or tell values.
const BUILTIN: &str = include_str!("builtin.txt");

/// Functions of `information_schema`.
const INFORMATION: [&str; 11] = [
    "_pg_char_max_length",
    "_pg_char_octet_length",
    "_pg_datetime_precision",
    "_pg_expandarray",
    "_pg_index_position",
    "_pg_interval_type",
    "_pg_numeric_precision",
    "_pg_numeric_precision_radix",
    "_pg_numeric_scale",
    "_pg_truetypid",
    "_pg_truetypmod",
];

/// Fields of rows that PostgreSQL's own functions make, such as `(json_each(x)).key`. Behind a dot they are
/// taken for fields, not for functions.
const FIELDS: [&str; 40] = [
    "alias",
    "barelabel",
    "cache_size",
    "catcode",
    "catdesc",
    "classid",
    "cycle_option",
    "data_type",
    "description",
    "detail",
    "dictionaries",
    "dictionary",
    "grantee",
    "grantor",
    "hint",
    "identity",
    "increment",
    "is_grantable",
    "isleaf",
    "key",
    "level",
    "lexeme",
    "lexemes",
    "maximum_value",
    "message",
    "minimum_value",
    "n",
    "ndoc",
    "nentry",
    "objid",
    "objsubid",
    "option_name",
    "option_value",
    "ordinality",
    "parentrelid",
    "positions",
    "privilege_type",
    "relid",
    "value",
    "x",
];

/// Functions of PostgreSQL that do something, sorted, and the kind of what they do.
const EFFECTS: &[(&str, &str)] = &[
    ("brin_desummarize_range", "admin"),
    ("brin_summarize_new_values", "admin"),
    ("brin_summarize_range", "admin"),
    ("gin_clean_pending_list", "admin"),
    ("lo_creat", "write"),
    ("lo_create", "write"),
    ("lo_export", "admin"),
    ("lo_from_bytea", "write"),
    ("lo_import", "write"),
    ("lo_put", "write"),
    ("lo_truncate", "write"),
    ("lo_truncate64", "write"),
    ("lo_unlink", "write"),
    ("lowrite", "write"),
    ("nextval", "write"),
    ("pg_advisory_lock", "session"),
    ("pg_advisory_lock_shared", "session"),
    ("pg_advisory_unlock", "session"),
    ("pg_advisory_unlock_all", "session"),
    ("pg_advisory_unlock_shared", "session"),
    ("pg_advisory_xact_lock", "session"),
    ("pg_advisory_xact_lock_shared", "session"),
    ("pg_backup_start", "admin"),
    ("pg_backup_stop", "admin"),
    ("pg_cancel_backend", "admin"),
    ("pg_clear_attribute_stats", "write"),
    ("pg_clear_relation_stats", "write"),
    ("pg_copy_logical_replication_slot", "admin"),
    ("pg_copy_physical_replication_slot", "admin"),
    ("pg_create_logical_replication_slot", "admin"),
    ("pg_create_physical_replication_slot", "admin"),
    ("pg_create_restore_point", "admin"),
    ("pg_drop_replication_slot", "admin"),
    ("pg_export_snapshot", "session"),
    ("pg_extension_config_dump", "admin"),
    ("pg_import_system_collations", "admin"),
    ("pg_log_backend_memory_contexts", "admin"),
    ("pg_log_standby_snapshot", "admin"),
    ("pg_logical_emit_message", "admin"),
    ("pg_logical_slot_get_binary_changes", "admin"),
    ("pg_logical_slot_get_changes", "admin"),
    ("pg_logical_slot_peek_binary_changes", "admin"),
    ("pg_logical_slot_peek_changes", "admin"),
    ("pg_ls_archive_statusdir", "admin"),
    ("pg_ls_dir", "admin"),
    ("pg_ls_logdir", "admin"),
    ("pg_ls_logicalmapdir", "admin"),
    ("pg_ls_logicalsnapdir", "admin"),
    ("pg_ls_replslotdir", "admin"),
    ("pg_ls_summariesdir", "admin"),
    ("pg_ls_tmpdir", "admin"),
    ("pg_ls_waldir", "admin"),
    ("pg_nextoid", "admin"),
    ("pg_notify", "session"),
    ("pg_promote", "admin"),
    ("pg_read_binary_file", "admin"),
    ("pg_read_file", "admin"),
    ("pg_read_file_old", "admin"),
    ("pg_reload_conf", "admin"),
    ("pg_replication_origin_advance", "admin"),
    ("pg_replication_origin_create", "admin"),
    ("pg_replication_origin_drop", "admin"),
    ("pg_replication_origin_session_reset", "admin"),
    ("pg_replication_origin_session_setup", "admin"),
    ("pg_replication_origin_xact_reset", "admin"),
    ("pg_replication_origin_xact_setup", "admin"),
    ("pg_replication_slot_advance", "admin"),
    ("pg_restore_attribute_stats", "write"),
    ("pg_restore_relation_stats", "write"),
    ("pg_rotate_logfile", "admin"),
    ("pg_rotate_logfile_old", "admin"),
    ("pg_start_backup", "admin"),
    ("pg_stat_file", "admin"),
    ("pg_stat_reset", "admin"),
    ("pg_stat_reset_backend_stats", "admin"),
    ("pg_stat_reset_replication_slot", "admin"),
    ("pg_stat_reset_shared", "admin"),
    ("pg_stat_reset_single_function_counters", "admin"),
    ("pg_stat_reset_single_table_counters", "admin"),
    ("pg_stat_reset_slru", "admin"),
    ("pg_stat_reset_subscription_stats", "admin"),
    ("pg_stop_backup", "admin"),
    ("pg_stop_making_pinned_objects", "admin"),
    ("pg_switch_wal", "admin"),
    ("pg_sync_replication_slots", "admin"),
    ("pg_terminate_backend", "admin"),
    ("pg_try_advisory_lock", "session"),
    ("pg_try_advisory_lock_shared", "session"),
    ("pg_try_advisory_xact_lock", "session"),
    ("pg_try_advisory_xact_lock_shared", "session"),
    ("pg_wal_replay_pause", "admin"),
    ("pg_wal_replay_resume", "admin"),
    ("set_config", "session"),
    ("setseed", "session"),
    ("setval", "write"),
];

static HARMLESS: LazyLock<HashSet<&str>> = LazyLock::new(|| BUILTIN.split_whitespace().collect());

/// The kind of what a call does beside computing a value; none where it is no more than that.
fn kind(schema: Option<&str>, name: &str) -> Option<&'static str> {
    match schema {
        None | Some("pg_catalog") if HARMLESS.contains(name) => None,
        None | Some("pg_catalog") => EFFECTS
            .binary_search_by_key(&name, |(name, _)| name)
            .ok()
            .and_then(|place| EFFECTS.get(place))
            .map_or(Some("code"), |(_, kind)| Some(kind)),
        Some("information_schema") if INFORMATION.contains(&name) => None,
        Some(_) => Some("code"),
    }
}

impl Walker {
    /// Notes that the current unit calls a function.
    pub(super) fn call(&mut self, names: &[protobuf::Node]) {
        self.function(names);
        let listed = strings(names);
        let (schema, name) = match listed.as_deref() {
            Some([name]) => (None, *name),
            Some([.., schema, name]) => (Some(*schema), *name),
            // Lost already.
            Some([]) | None => return,
        };
        let Some(kind) = kind(schema, name) else {
            return;
        };
        let name = Name {
            schema: match schema {
                None if kind != "code" => Schema::In("pg_catalog".into()),
                None => self.search_path.schema_of_function(),
                Some(schema) => Schema::In(schema.into()),
            },
            name: name.into(),
        };
        let folded = self.is_folded();
        self.note(|unit| {
            // What is explained is not run, but the planner computes what it takes for constant.
            let runs = kind == "code" || !folded;
            // It is a call by itself, or a default which others will take numbers for.
            let said = unit.verb == "call" || (&*name.name == "nextval" && unit.kind == "ddl");
            if runs && !said {
                unit.calls.add(kind, &name);
            }
        });
    }

    /// Notes that the current unit has `(x).name`: a field of `x`, or where there is none the call
    /// `name(x)`.
    pub(super) fn field(&mut self, name: &protobuf::Node) {
        let Some(text) = string(name) else { return };
        let names = std::slice::from_ref(name);
        if FIELDS.contains(&text) {
            return self.function(names);
        }
        self.call(names);
        if texts::known(text) {
            self.dynamic(text);
        }
    }

    /// Notes that the current unit has `a.b`: a column of `a`. Where that is the result of a function, and
    /// has no such column, it is the call `b(a)`.
    pub(super) fn column(&mut self, fields: &[protobuf::Node]) {
        let [relation, name] = fields else { return };
        let (Some(of), Some(column)) = (string(relation), string(name)) else {
            return;
        };
        let is_column =
            |known: &str, columns: &Columns| known == column || columns.contains(column);
        let mut results = self.results.iter().rev();
        let result = results.find(|(known, _)| known == of);
        if result.is_some_and(|(known, columns)| !is_column(known, columns)) {
            self.field(name);
        }
    }
}

/// A unit for each kind of what calls in `unit` do.
pub(super) fn units(unit: &mut Unit) -> Vec<Unit> {
    let calls = std::mem::take(&mut unit.calls).into_iter();
    let made = calls.map(|(kind, functions)| Unit {
        functions,
        setting: match kind {
            "session" => unit.setting.clone(),
            _ => Setting::None,
        },
        ..Unit::on("call", kind, "function")
    });
    made.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_in_order_and_have_nothing_in_common() {
        assert!(EFFECTS.is_sorted());
        assert!(EFFECTS.iter().all(|(name, _)| !HARMLESS.contains(name)));
        assert!(BUILTIN.split_whitespace().is_sorted());
        assert!(BUILTIN.is_ascii());
    }

    #[test]
    fn calls_are_of_a_kind() {
        for (schema, name, expected) in [
            (None, "lower", None),
            (Some("pg_catalog"), "now", None),
            (None, "uuid", None),
            (None, "nextval", Some("write")),
            (Some("pg_catalog"), "pg_read_file", Some("admin")),
            (None, "set_config", Some("session")),
            (None, "delete_all", Some("code")),
            (Some("evil"), "lower", Some("code")),
            (Some("pg_catalog"), "dblink", Some("code")),
            (Some("information_schema"), "_pg_expandarray", None),
            (Some("information_schema"), "lower", Some("code")),
        ] {
            assert_eq!(kind(schema, name), expected, "{name}");
        }
    }
}
