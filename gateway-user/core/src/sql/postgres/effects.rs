//! Side effects: what functions that a statement names do beside computing a value.
//!
//! A list of names, of the functions of PostgreSQL 15 to 18 and of what is often installed beside it.
//! What a function does that people have written is in no list; `lineage` looks into bodies, where masks
//! need it.

use crate::facts::{Name, Schema};

/// Every sort of side effect.
pub const SIDE_EFFECTS: &[&str] = &[
    "file_read",
    "file_write",
    "large_object",
    "lock",
    "network",
    "notify",
    "program",
    "replication",
    "sequence",
    "server",
    "setting",
    "signal",
    "sleep",
    "sql",
    "statistics",
];

/// Where the functions of an entry are.
#[derive(Clone, Copy)]
enum Home {
    /// In `pg_catalog`.
    Server,
    /// Wherever an extension was put.
    Anywhere,
    /// In a schema of this name.
    In(&'static str),
}

use Home::{Anywhere, In, Server};

/// Names, or beginnings of names with a `*`, and what they do.
const FUNCTIONS: &[(Home, &str, &[&str])] = &[
    // Files of the server.
    (
        Server,
        "file_read",
        &[
            "be_lo_import",
            "lo_import",
            "pg_hba_file_rules",
            "pg_ident_file_mappings",
            "pg_ls_*",
            "pg_read_binary_file*",
            "pg_read_file*",
            "pg_show_all_file_settings",
            "pg_stat_file*",
        ],
    ),
    (
        Anywhere,
        "file_read",
        &[
            "get_raw_page",
            "pg_file_length",
            "pg_file_read",
            "pg_get_wal_*",
            "pg_logdir_ls",
            "table_import_from_s3",
        ],
    ),
    (Server, "file_write", &["be_lo_export", "lo_export"]),
    (
        Anywhere,
        "file_write",
        &[
            "pg_file_rename",
            "pg_file_sync",
            "pg_file_unlink",
            "pg_file_write",
            "query_export_to_s3",
        ],
    ),
    (
        Server,
        "large_object",
        &[
            "be_lo_import",
            "lo_creat*",
            "lo_from_bytea",
            "lo_import",
            "lo_open",
            "lo_put",
            "lo_truncate*",
            "lo_unlink",
            "lowrite",
        ],
    ),
    (Anywhere, "large_object", &["lo_manage"]),
    (Server, "lock", &["pg_advisory_*", "pg_try_advisory_*"]),
    (
        Anywhere,
        "network",
        &[
            "dblink*",
            "http",
            "http_*",
            "postgres_fdw_disconnect*",
            "query_export_to_s3",
            "table_import_from_s3",
        ],
    ),
    (Server, "network", &["pg_sync_replication_slots"]),
    (Server, "notify", &["pg_notify"]),
    (
        Server,
        "replication",
        &[
            "pg_copy_logical_replication_slot",
            "pg_copy_physical_replication_slot",
            "pg_create_logical_replication_slot",
            "pg_create_physical_replication_slot",
            "pg_drop_replication_slot",
            "pg_logical_emit_message",
            "pg_logical_slot_*",
            "pg_replication_origin_*",
            "pg_replication_slot_advance",
            "pg_sync_replication_slots",
        ],
    ),
    (Server, "sequence", &["nextval", "setval"]),
    (
        Server,
        "server",
        &[
            "binary_upgrade_*",
            "pg_backup_*",
            "pg_create_restore_point",
            "pg_import_system_collations",
            "pg_promote",
            "pg_reload_conf",
            "pg_rotate_logfile*",
            "pg_start_backup",
            "pg_stop_backup",
            "pg_switch_wal",
            "pg_switch_xlog",
            "pg_wal_replay_pause",
            "pg_wal_replay_resume",
        ],
    ),
    (Anywhere, "server", &["heap_force_*"]),
    (In("aws_lambda"), "network", &["invoke"]),
    (In("cron"), "sql", &["alter_job", "schedule*"]),
    (Server, "setting", &["set_config"]),
    (
        Server,
        "signal",
        &[
            "pg_cancel_backend",
            "pg_log_backend_memory_contexts",
            "pg_terminate_backend",
        ],
    ),
    (Server, "sleep", &["pg_sleep*"]),
    (
        Server,
        "statistics",
        &[
            "pg_clear_attribute_stats",
            "pg_clear_relation_stats",
            "pg_restore_attribute_stats",
            "pg_restore_relation_stats",
            "pg_stat_force_next_flush",
            "pg_stat_reset*",
        ],
    ),
    (Anywhere, "statistics", &["pg_stat_statements_reset"]),
];

/// What functions of these names do, or may do where it is open which one is meant; sorted.
pub fn side_effects(functions: &[Name]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for name in functions {
        for (home, effect, names) in FUNCTIONS {
            let there = match home {
                Server => may_be_in(&name.schema, "pg_catalog"),
                In(schema) => may_be_in(&name.schema, schema),
                Anywhere => true,
            };
            if there && names.iter().any(|it| is(it, &name.name)) {
                found.push(*effect);
            }
        }
        if super::catalog::runs_text(&name.name) {
            found.push("sql");
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn may_be_in(schema: &Schema, home: &str) -> bool {
    match schema {
        Schema::In(schema) => **schema == *home,
        Schema::OneOf(schemas) => schemas.iter().any(|it| **it == *home),
        Schema::Any => true,
    }
}

fn is(entry: &str, name: &str) -> bool {
    match entry.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, expected: &[&str]) {
        assert_eq!(side_effects(&[Name::read(written)]), expected, "{written}");
    }

    #[test]
    fn functions_have_side_effects() {
        check("pg_catalog.pg_read_file", &["file_read"]);
        check("pg_sleep_for", &["sleep"]);
        check("lo_import", &["file_read", "large_object"]);
        check("ext.dblink_exec", &["network", "sql"]);
        check("pg_catalog.query_to_xml", &["sql"]);
        check("pg_try_advisory_xact_lock", &["lock"]);
        check("lower", &[]);
        check("cron.schedule", &["sql"]);
        check("app.schedule", &[]);
        // One of that name that people have made is not the server's.
        check("app.pg_sleep", &[]);
        let either = Name {
            schema: Schema::OneOf(["pg_catalog".into(), "app".into()].into()),
            name: "set_config".into(),
        };
        assert_eq!(side_effects(&[either]), ["setting"]);
    }

    #[test]
    fn the_list_is_of_what_is_documented() {
        assert!(SIDE_EFFECTS.is_sorted());
        for (_, effect, names) in FUNCTIONS {
            assert!(SIDE_EFFECTS.contains(effect), "{effect}");
            assert!(names.is_sorted(), "{effect}");
        }
    }
}
