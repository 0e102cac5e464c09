//! What the session has done by the moment at which a message is decided, for rules that look at it.
//!
//! It is told only where some rule does. A message waits then until the server has answered whatever could
//! change it, so that what is told is true when it is decided. What a message itself does is not in it:
//! rows are those from before, and where a text of several statements begins or ends transactions, in
//! which state each of them runs is not known.

use std::sync::Arc;

use super::attributes as slot;
use super::codec::PostgresCodec;
use super::script::Script;
use crate::facts::{Fact, FactSet};

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Moment {
    /// Whether it is told.
    wanted: bool,
    seen: Seen,
    since: Since,
}

/// What is told of it, but for what a text of several statements makes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    rows: u64,
    affected: u64,
    bytes: u64,
    transaction: Option<&'static str>,
}

/// What has become of the transaction since the server last told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Since {
    /// Nothing.
    #[default]
    Same,
    /// It was opened.
    Open,
    /// It was ended, or that cannot be told.
    Unknown,
}

impl PostgresCodec {
    /// Whether it is to be told from now on.
    pub(super) fn want_moment(&mut self, wanted: bool) {
        self.moment.wanted = wanted;
        if !wanted {
            let connection = Arc::make_mut(&mut self.connection);
            for slot in [
                slot::TRANSACTION,
                slot::SESSION_ROWS,
                slot::SESSION_ROWS_AFFECTED,
                slot::SESSION_BYTES,
            ] {
                connection.set(slot, Fact::Unknown);
            }
        }
    }

    /// What comes back.
    pub(super) fn count_moment(&mut self, rows: u64, bytes: u64) {
        let seen = &mut self.moment.seen;
        seen.rows = seen.rows.saturating_add(rows);
        seen.bytes = seen.bytes.saturating_add(bytes);
    }

    /// What was changed.
    pub(super) fn count_affected(&mut self, rows: u64) {
        let seen = &mut self.moment.seen;
        seen.affected = seen.affected.saturating_add(rows);
    }

    /// A portal has come to its end, within a batch.
    pub(super) fn transaction_moves(&mut self, script: &Script) {
        for unit in script.units.iter() {
            let now = match (unit.fact(slot::KIND), unit.fact(slot::VERB)) {
                (Fact::Text(kind), Fact::Text(verb)) if &**kind == "transaction" => match &**verb {
                    "begin" => Since::Open,
                    "savepoint" | "release" | "rollback_to" | "lock" | "set" => continue,
                    // Both may begin another one at once.
                    _ => Since::Unknown,
                },
                (Fact::Text(_), Fact::Text(_)) => continue,
                _ => Since::Unknown,
            };
            self.moment.since = now;
        }
    }

    /// The server has told the state of the transaction.
    pub(super) fn transaction_told(&mut self) {
        self.moment.since = Since::Same;
    }

    /// Whether a message has to wait until the server has answered what could change it.
    pub(super) fn waits_for_moment(&self, tag: u8) -> bool {
        let decided = matches!(tag, b'Q' | b'P' | b'B' | b'E' | b'F');
        self.moment.wanted && decided && self.pipeline.moves()
    }

    /// What is known now; none where it is not told.
    pub(super) fn seen(&self) -> Option<Seen> {
        let transaction = match (self.moment.since, self.status) {
            (Since::Same, b'I') => Some("idle"),
            (Since::Same, b'T') | (Since::Open, _) => Some("open"),
            (Since::Same, b'E') => Some("failed"),
            _ => None,
        };
        self.moment.wanted.then(|| Seen {
            transaction,
            ..self.moment.seen.clone()
        })
    }

    /// Whether the session has done something since that was seen, which rules look at.
    pub(super) fn has_moved(&self, before: Option<&Seen>) -> bool {
        self.moment.wanted && self.seen().as_ref() != before
    }

    /// Tells it of a message with these units.
    pub(super) fn tell_moment(&mut self, units: &[FactSet]) {
        let Some(seen) = self.seen() else {
            return;
        };
        let transaction = seen.transaction.filter(|_| !moves_on_its_way(units));
        let connection = Arc::make_mut(&mut self.connection);
        for (slot, number) in [
            (slot::SESSION_ROWS, seen.rows),
            (slot::SESSION_ROWS_AFFECTED, seen.affected),
            (slot::SESSION_BYTES, seen.bytes),
        ] {
            connection.set(slot, Fact::Number(number));
        }
        let same = match (connection.fact(slot::TRANSACTION), transaction) {
            (Fact::Text(told), Some(now)) => **told == *now,
            _ => false,
        };
        if !same {
            let fact = transaction.map_or(Fact::Unknown, |now| Fact::Text(now.into()));
            connection.set(slot::TRANSACTION, fact);
        }
    }
}

/// Whether statements of one text may run in other transactions than its first.
fn moves_on_its_way(units: &[FactSet]) -> bool {
    let alone = units
        .iter()
        .all(|unit| *unit.fact(slot::STATEMENTS) == Fact::Number(1));
    let moves = |unit: &FactSet| match unit.fact(slot::KIND) {
        Fact::Text(kind) => &**kind == "transaction",
        _ => true,
    };
    !alone && units.iter().any(moves)
}
