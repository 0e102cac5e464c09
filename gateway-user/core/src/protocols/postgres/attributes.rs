//! The facts that PostgreSQL can tell, documented, and the slots they have in a fact set.
//!
//! The reference in `docs/policy.md` follows this list. How a statement's text becomes these facts
//! is in `crate::sql::postgres` and `super::script`; the connection's facts come from the start-up
//! message, which the codec reads.

use super::script::RISKS;
use crate::facts::{Attribute, Scope, Type, Usual};
use crate::sql::postgres::{KINDS, OBJECTS, SIDE_EFFECTS as SIDE_EFFECT_KINDS, VERBS};

/// Slot of `sql.database`.
pub const DATABASE: usize = 0;
/// Slot of `sql.user`.
pub const USER: usize = 1;
/// Slot of `sql.application_name`.
pub const APPLICATION_NAME: usize = 2;
/// Slot of `sql.parsed`.
pub const PARSED: usize = 3;
/// Slot of `sql.verb`.
pub const VERB: usize = 4;
/// Slot of `sql.kind`.
pub const KIND: usize = 5;
/// Slot of `sql.object`.
pub const OBJECT: usize = 6;
/// Slot of `sql.table`.
pub const TABLE: usize = 7;
/// Slot of `sql.read`.
pub const READ: usize = 8;
/// Slot of `sql.write`.
pub const WRITE: usize = 9;
/// Slot of `sql.function`.
pub const FUNCTION: usize = 10;
/// Slot of `sql.where`.
pub const WHERE: usize = 11;
/// Slot of `sql.limit`.
pub const LIMIT: usize = 12;
/// Slot of `sql.prepared`.
pub const PREPARED: usize = 13;
/// Slot of `sql.cursor`.
pub const CURSOR: usize = 14;
/// Slot of `sql.setting`.
pub const SETTING: usize = 15;
/// Slot of `sql.program`.
pub const PROGRAM: usize = 16;
/// Slot of `sql.file`.
pub const FILE: usize = 17;
/// Slot of `sql.channel`.
pub const CHANNEL: usize = 18;
/// Slot of `sql.statements`.
pub const STATEMENTS: usize = 19;
/// Slot of `sql.masked_in_predicate`.
pub const MASKED_IN_PREDICATE: usize = 20;
/// Slot of `sql.masked_copied`.
pub const MASKED_COPIED: usize = 21;
/// Slot of `sql.masked_redefined`.
pub const MASKED_REDEFINED: usize = 22;
/// Slot of `sql.column_read`.
pub const COLUMN_READ: usize = 23;
/// Slot of `sql.column_write`.
pub const COLUMN_WRITE: usize = 24;
/// Slot of `sql.limit_rows`.
pub const LIMIT_ROWS: usize = 25;
/// Slot of `sql.side_effects`.
pub const SIDE_EFFECTS: usize = 26;
/// Slot of `sql.risk`.
pub const RISK: usize = 27;
/// Slot of `sql.dynamic`.
pub const DYNAMIC: usize = 28;
/// Slot of `sql.language`.
pub const LANGUAGE: usize = 29;
/// Slot of `sql.transaction`.
pub const TRANSACTION: usize = 30;
/// Slot of `session.rows`.
pub const SESSION_ROWS: usize = 31;
/// Slot of `session.rows_affected`.
pub const SESSION_ROWS_AFFECTED: usize = 32;
/// Slot of `session.bytes`.
pub const SESSION_BYTES: usize = 33;

const fn connection(name: &'static str, doc: &'static str) -> Attribute {
    Attribute {
        name,
        ty: Type::Text,
        scope: Scope::Connection,
        values: &[],
        usual: Usual::Absent,
        doc,
    }
}

const fn action(name: &'static str, ty: Type, doc: &'static str) -> Attribute {
    Attribute {
        name,
        ty,
        scope: Scope::Action,
        values: &[],
        usual: Usual::Absent,
        doc,
    }
}

const fn closed(
    name: &'static str,
    values: &'static [&'static str],
    doc: &'static str,
) -> Attribute {
    Attribute {
        name,
        ty: Type::Text,
        scope: Scope::Action,
        values,
        usual: Usual::Absent,
        doc,
    }
}

/// Told by following columns through the statement, which is done where masks apply.
const fn traced(name: &'static str, usual: Usual, doc: &'static str) -> Attribute {
    Attribute {
        name,
        ty: Type::Texts,
        scope: Scope::Action,
        values: &[],
        usual,
        doc,
    }
}

/// Told by counting, which is done where rules look at it.
const fn moment(name: &'static str, doc: &'static str) -> Attribute {
    Attribute {
        name,
        ty: Type::Number,
        scope: Scope::Moment,
        values: &[],
        usual: Usual::Unknown,
        doc,
    }
}

/// What a transaction can be.
const TRANSACTIONS: &[&str] = &["idle", "open", "failed"];

/// The facts, in the order of their slots.
pub const ATTRIBUTES: &[Attribute] = &[
    connection("sql.database", "database that the client asked for"),
    connection("sql.user", "role that the client asked for"),
    connection(
        "sql.application_name",
        "what the client calls itself at the start: a label, never evidence",
    ),
    action(
        "sql.parsed",
        Type::Flag,
        "whether the statement could be read; an allow rule that does not say `parsed = false` never matches one that could not",
    ),
    closed(
        "sql.verb",
        VERBS,
        "what the statement does, such as `select` or `drop`",
    ),
    closed(
        "sql.kind",
        KINDS,
        "what sort of thing that is, such as `read` or `ddl`",
    ),
    closed(
        "sql.object",
        OBJECTS,
        "what `create`, `alter`, `drop`, `grant`, `call` and the like work on, such as `table` or `role`",
    ),
    action(
        "sql.table",
        Type::Names,
        "every table, view, index or sequence named, read or written",
    ),
    action("sql.read", Type::Names, "the ones that are read"),
    action(
        "sql.write",
        Type::Names,
        "the ones that are written, changed, created or dropped",
    ),
    action(
        "sql.function",
        Type::Names,
        "every function and procedure called by name",
    ),
    action(
        "sql.where",
        Type::Flag,
        "whether `select`, `update`, `delete` or `copy_from` has a `WHERE`; absent for others",
    ),
    action(
        "sql.limit",
        Type::Flag,
        "whether `select` has a `LIMIT` or `FETCH FIRST`; absent for others",
    ),
    action(
        "sql.prepared",
        Type::Text,
        "name of the prepared statement, of the protocol's or of `PREPARE`, `EXECUTE`, `DEALLOCATE`",
    ),
    action(
        "sql.cursor",
        Type::Text,
        "name of the cursor of `declare`, `fetch`, `move`, `close`",
    ),
    action(
        "sql.setting",
        Type::Text,
        "name of the setting of `set`, `show`, `reset`",
    ),
    action(
        "sql.program",
        Type::Flag,
        "whether `copy_from` or `copy_to` runs a program on the server; absent for others",
    ),
    action(
        "sql.file",
        Type::Flag,
        "whether `copy_from` or `copy_to` works on a file of the server; absent for others",
    ),
    action(
        "sql.channel",
        Type::Text,
        "channel of `listen`, `unlisten`, `notify`",
    ),
    action(
        "sql.statements",
        Type::Number,
        "how many statements came in the same message",
    ),
    traced(
        "sql.masked_in_predicate",
        Usual::Empty,
        "masks of columns that the message compares, sorts or groups by, or that otherwise decide which rows there are",
    ),
    traced(
        "sql.masked_copied",
        Usual::Empty,
        "masks of columns whose values the message would put elsewhere than into its result",
    ),
    traced(
        "sql.masked_redefined",
        Usual::Empty,
        "masks that may not hold any more once the message has run, because it changes what names in the database mean",
    ),
    traced(
        "sql.column_read",
        Usual::Unknown,
        "columns that the message reads, as `schema.table.column`; unknown unless masks apply to the session",
    ),
    traced(
        "sql.column_write",
        Usual::Unknown,
        "columns that it writes, likewise",
    ),
    action(
        "sql.limit_rows",
        Type::Number,
        "how many rows that `LIMIT` or `FETCH FIRST` lets it return; unknown unless it is written as a number and without `WITH TIES`; absent where there is none",
    ),
    Attribute {
        ty: Type::Texts,
        ..closed(
            "sql.side_effects",
            SIDE_EFFECT_KINDS,
            "what the functions that it names, and `COPY` with files and programs, do beside returning and changing rows",
        )
    },
    closed(
        "sql.risk",
        RISKS,
        "how much harm it can do, by its other facts ([how](#risk))",
    ),
    action(
        "sql.dynamic",
        Type::Text,
        "of a unit that stands for SQL which is not known, what runs it: `execute`, `body` or the name of a function; absent for others",
    ),
    action(
        "sql.language",
        Type::Text,
        "language of the body that `do` or `create` brings along",
    ),
    Attribute {
        scope: Scope::Moment,
        usual: Usual::Unknown,
        ..closed(
            "sql.transaction",
            TRANSACTIONS,
            "whether a transaction is open, or has failed and is still to be rolled back",
        )
    },
    moment(
        "session.rows",
        "rows that were returned in the session so far",
    ),
    moment(
        "session.rows_affected",
        "rows that the server says were changed in it so far",
    ),
    moment(
        "session.bytes",
        "bytes of rows and copied data that went to the agent in it so far",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_in_order() {
        let slots = [
            (DATABASE, "database"),
            (USER, "user"),
            (APPLICATION_NAME, "application_name"),
            (PARSED, "parsed"),
            (VERB, "verb"),
            (KIND, "kind"),
            (OBJECT, "object"),
            (TABLE, "table"),
            (READ, "read"),
            (WRITE, "write"),
            (FUNCTION, "function"),
            (WHERE, "where"),
            (LIMIT, "limit"),
            (PREPARED, "prepared"),
            (CURSOR, "cursor"),
            (SETTING, "setting"),
            (PROGRAM, "program"),
            (FILE, "file"),
            (CHANNEL, "channel"),
            (STATEMENTS, "statements"),
            (MASKED_IN_PREDICATE, "masked_in_predicate"),
            (MASKED_COPIED, "masked_copied"),
            (MASKED_REDEFINED, "masked_redefined"),
            (COLUMN_READ, "column_read"),
            (COLUMN_WRITE, "column_write"),
            (LIMIT_ROWS, "limit_rows"),
            (SIDE_EFFECTS, "side_effects"),
            (RISK, "risk"),
            (DYNAMIC, "dynamic"),
            (LANGUAGE, "language"),
            (TRANSACTION, "transaction"),
        ];
        let of_session = [
            (SESSION_ROWS, "rows"),
            (SESSION_ROWS_AFFECTED, "rows_affected"),
            (SESSION_BYTES, "bytes"),
        ];
        assert_eq!(slots.len() + of_session.len(), ATTRIBUTES.len());
        for (slot, name) in slots {
            assert_eq!(ATTRIBUTES[slot].name, format!("sql.{name}"));
        }
        for (slot, name) in of_session {
            assert_eq!(ATTRIBUTES[slot].name, format!("session.{name}"));
        }
    }
}
