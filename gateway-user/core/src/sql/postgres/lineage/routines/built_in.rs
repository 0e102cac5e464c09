//! What functions of the server itself and of its extensions do, where their volatility alone does not
//! tell it.

use super::Call;
use crate::sql::postgres::catalog::runs_text;
use crate::sql::postgres::lineage::catalog::{FIRST_OWN, Function, Language, Volatility};

/// Volatile, but they keep, tell and change nothing.
const HARMLESS: [&str; 22] = [
    "clock_timestamp",
    "current_query",
    "currval",
    "gen_random_uuid",
    "lastval",
    "pg_column_size",
    "pg_database_size",
    "pg_indexes_size",
    "pg_is_in_recovery",
    "pg_jit_available",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_relation_size",
    "pg_table_size",
    "pg_total_relation_size",
    "pg_xact_status",
    "random",
    "random_normal",
    "timeofday",
    "txid_status",
    "uuidv4",
    "uuidv7",
];

/// They tell values of tables that are named or sampled elsewhere, or read files of the server. Or they tell how
/// much was logged, which is less the more letters of an old value are in the new one that is written in its
/// place, or in how many blocks something was looked up, or how often a row was written beside the old one,
/// which depends on whether an indexed value is another now; or how much was copied, and which page of an index a
/// value was looked for in, and how much room values take that do not fit into memory.
const TELL: [&str; 46] = [
    "lo_import",
    "pg_available_wal_summaries",
    "pg_backup_stop",
    "pg_control_checkpoint",
    "pg_control_recovery",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot",
    "pg_get_replication_slots",
    "pg_get_wal_block_info",
    "pg_get_wal_record_info",
    "pg_get_wal_records_info",
    "pg_get_wal_stats",
    "pg_get_wal_summarizer_state",
    "pg_lock_status",
    "pg_ls_archive_statusdir",
    "pg_ls_summariesdir",
    "pg_ls_waldir",
    "pg_ls_tmpdir",
    "pg_mcv_list_items",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_read_file_old",
    "pg_replication_slot_advance",
    "pg_show_replication_origin_status",
    "pg_stat_get_backend_io",
    "pg_stat_get_backend_wal",
    "pg_stat_get_blocks_fetched",
    "pg_stat_get_blocks_hit",
    "pg_stat_get_io",
    "pg_stat_get_progress_info",
    "pg_stat_get_replication_slot",
    "pg_stat_get_subscription",
    "pg_stat_get_tuples_hot_updated",
    "pg_stat_get_tuples_newpage_updated",
    "pg_stat_get_wal",
    "pg_stat_get_wal_receiver",
    "pg_stat_get_wal_senders",
    "pg_stat_get_xact_blocks_fetched",
    "pg_stat_get_xact_blocks_hit",
    "pg_stat_get_xact_tuples_hot_updated",
    "pg_stat_get_xact_tuples_newpage_updated",
    "pg_stat_statements",
    "pg_tablespace_size",
    "pg_wal_summary_contents",
];

/// The type of a place in the log.
const PG_LSN: u32 = 3_220;

/// Of extensions; not immutable, but they do nothing beside computing their value.
const OF_EXTENSIONS: [&str; 24] = [
    "gen_random_bytes",
    "gen_random_uuid",
    "gen_salt",
    "hstore_to_json",
    "hstore_to_json_loose",
    "hstore_to_jsonb",
    "hstore_to_jsonb_loose",
    "normal_rand",
    "pgp_pub_encrypt",
    "pgp_pub_encrypt_bytea",
    "pgp_sym_encrypt",
    "pgp_sym_encrypt_bytea",
    "show_limit",
    "similarity_op",
    "strict_word_similarity_commutator_op",
    "strict_word_similarity_dist_commutator_op",
    "strict_word_similarity_op",
    "unaccent",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "word_similarity_commutator_op",
    "word_similarity_dist_commutator_op",
    "word_similarity_op",
];

/// Of extensions; triggers that change nothing but the row.
const TRIGGERS: [&str; 6] = [
    "autoinc",
    "insert_username",
    "lo_manage",
    "moddatetime",
    "triggered_change_notification",
    "ts_insert_blocker",
];

/// A trigger that drops a row which is the same as before.
const COMPARING: &str = "suppress_redundant_updates_trigger";

/// Whether a function without a body that can be looked into does no more than changing the row for which it is
/// called, as a trigger.
pub(super) fn changes_rows(function: &Function) -> bool {
    match function.language {
        Language::Internal => function.oid < FIRST_OWN && &*function.name != COMPARING,
        Language::C => TRIGGERS.contains(&&*function.name),
        Language::Sql | Language::Plpgsql | Language::Other => false,
    }
}

/// Whether it keeps what is in a file of the server where it can be read later.
pub(super) fn keeps_files(function: &Function) -> bool {
    &*function.name == "lo_import"
}

/// What a function does that has no body to look into; none if it has one that says more.
pub(super) fn known(function: &Function) -> Option<Call> {
    let own = matches!(&*function.schema, "pg_catalog" | "information_schema");
    let by_server = own
        && match function.language {
            // No other than a superuser makes one there, of what the server has.
            Language::Internal => !function.is_aggregate || function.oid < FIRST_OWN,
            Language::Sql => function.oid < FIRST_OWN,
            Language::C | Language::Plpgsql | Language::Other => false,
        };
    let name = &*function.name;
    let is_place = function.returns == PG_LSN && function.volatility != Volatility::Immutable;
    if runs_text(name) || TELL.contains(&name) || by_server && is_place {
        return Some(match function.language {
            Language::Sql | Language::Plpgsql if !by_server => return None,
            _ => Call::Unknown,
        });
    }
    if by_server {
        let harmless = function.volatility != Volatility::Volatile || HARMLESS.contains(&name);
        return Some(if harmless { Call::Pure } else { Call::Keeps });
    }
    match function.language {
        // What its parts do counts.
        _ if function.is_aggregate && !function.parts.is_empty() => None,
        // By an operator too: the type that it fills may check anything.
        Language::C if name == "populate_record" => Some(Call::Keeps),
        Language::C => {
            let harmless =
                function.volatility == Volatility::Immutable || OF_EXTENSIONS.contains(&name);
            Some(if harmless { Call::Pure } else { Call::Unknown })
        }
        Language::Sql | Language::Plpgsql => None,
        Language::Internal | Language::Other => Some(Call::Unknown),
    }
}
