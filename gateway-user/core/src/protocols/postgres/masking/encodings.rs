//! Encodings of the client: which values can be brought into one, and whether what comes in it can be taken apart.
//!
//! The server fails where a value has a character that the client's encoding lacks. And in some, letters have
//! bytes of ASCII in them: what looks like a delimiter of `COPY` may be half a letter.

use super::super::codec::PostgresCodec;
use super::super::pipeline::Bound;
use super::super::script::{self, Reading};
use super::{Traced, slot};
use crate::facts::{Fact, FactSet};

/// What becomes of texts on the way to the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Brought {
    /// They come as they are, or in an encoding that has all characters.
    #[default]
    Whole,
    /// They come in an encoding in which a byte of ASCII is always itself, and which clients have out of the box.
    Western,
    /// They come in another, or it is not known in which.
    Otherwise,
}

impl Brought {
    /// By the setting `client_encoding`.
    pub(in super::super) fn by(encoding: &[u8]) -> Self {
        match encoding {
            b"UTF8" | b"SQL_ASCII" => Self::Whole,
            b"LATIN1" | b"WIN1252" => Self::Western,
            _ => Self::Otherwise,
        }
    }
}

impl PostgresCodec {
    /// How what these units return may be brought to the client.
    pub(super) fn brought(&self, units: &[FactSet]) -> Brought {
        // It comes back where a change of it is taken back, by what is under way or what stands before.
        let is_one = |unit: &FactSet| *unit.fact(slot::STATEMENTS) == Fact::Number(1);
        let with_others = !units.iter().all(is_one);
        let within = script::unsettled(units).reading;
        let changes = match with_others && script::may_run_code(units) {
            true => Reading::Changes,
            false => self.reading_changes.max(within),
        };
        // What it was when the session began is among what it was before.
        let may_come_back = with_others || self.sent_since_ready || changes == Reading::Returns;
        match may_come_back {
            _ if changes == Reading::Changes => Brought::Otherwise,
            true => self.brought_now.max(self.brought_before),
            false => self.brought_now,
        }
    }

    /// Whether a portal is to be asked for again: what it returns may be brought otherwise by now.
    pub(in super::super) fn is_narrowed(&self, bound: &Bound) -> bool {
        let Some(traced) = &bound.traced else {
            return false;
        };
        match self.brought(&bound.prepared.units) {
            Brought::Whole => false,
            Brought::Western => traced.computes(),
            Brought::Otherwise => !Traced::returns_nothing_masked(traced),
        }
    }
}
