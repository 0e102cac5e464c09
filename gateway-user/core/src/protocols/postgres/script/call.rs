//! What a `FunctionCall` message runs.

use std::sync::Arc;

use super::{LISTS, risk, slot};
use crate::facts::{Fact, FactSet, Name, Schema};
use crate::protocols::postgres::attributes::ATTRIBUTES;

/// The units of a `FunctionCall` message, which names its function by OID. Only those of large
/// objects, which libpq calls this way, are known by name.
pub fn function_call(oid: u32) -> Arc<[FactSet]> {
    let name = match oid {
        715 => "lo_create",
        764 => "lo_import",
        765 => "lo_export",
        767 => "lo_import",
        952 => "lo_open",
        953 => "lo_close",
        954 => "loread",
        955 => "lowrite",
        956 => "lo_lseek",
        957 => "lo_creat",
        958 => "lo_tell",
        964 => "lo_unlink",
        1004 => "lo_truncate",
        3170 => "lo_lseek64",
        3171 => "lo_tell64",
        3172 => "lo_truncate64",
        _ => "",
    };
    let mut set = FactSet::new(ATTRIBUTES);
    set.set(slot::PARSED, Fact::Flag(true));
    set.set(slot::VERB, Fact::Text("call".into()));
    set.set(slot::KIND, Fact::Text("code".into()));
    set.set(slot::STATEMENTS, Fact::Number(1));
    if name.is_empty() {
        LISTS
            .into_iter()
            .for_each(|list| set.set(list, Fact::Unknown));
        // It may be `set_config`.
        set.set(slot::SETTING, Fact::Unknown);
    } else {
        let name = Name {
            schema: Schema::In("pg_catalog".into()),
            name: name.into(),
        };
        set.set(slot::FUNCTION, Fact::Names([name].into()));
        for list in [slot::TABLE, slot::READ, slot::WRITE] {
            set.set(list, Fact::Names([].into()));
        }
    }
    risk::assess(&mut set);
    Arc::new([set])
}
