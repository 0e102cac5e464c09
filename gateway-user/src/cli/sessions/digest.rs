//! `Digest`: a recording summed up, for lists and heads.

use std::collections::BTreeMap;

use gateway_core::event::{Event, Open, Ruling, SessionEnd, Value};
use jiff::Timestamp;
use serde::Serialize;

use super::find::Found;
use crate::recording::reader::{self, ReadError, Reader};

/// A recording summed up.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Digest {
    /// The session's id.
    pub(super) session: String,
    /// What the first line says, where there is one.
    pub(super) open: Option<Open>,
    /// When the first line was written.
    pub(super) started: Option<Timestamp>,
    /// When the last line was written.
    pub(super) last: Option<Timestamp>,
    /// Facts of the connection, such as user and database.
    pub(super) connection: BTreeMap<String, Value>,
    /// Asks that were let pass.
    pub(super) allowed: u64,
    /// Asks that were refused.
    pub(super) denied: u64,
    /// Asks that were let pass by observing only.
    pub(super) observed: u64,
    /// Rows that came back.
    pub(super) rows: u64,
    /// Rows that were changed.
    pub(super) affected: u64,
    /// How it ended, where it did.
    pub(super) end: Option<SessionEnd>,
    /// Whether it is being written right now.
    pub(super) live: bool,
}

/// Sums a recording up.
pub(super) fn of(found: &Found) -> Result<Digest, ReadError> {
    let mut digest = Digest {
        session: found.id.clone(),
        open: None,
        started: None,
        last: None,
        connection: BTreeMap::new(),
        allowed: 0,
        denied: 0,
        observed: 0,
        rows: 0,
        affected: 0,
        end: None,
        live: reader::is_live(&found.path).map_err(|source| ReadError::Io {
            path: found.path.clone(),
            source,
        })?,
    };
    for line in Reader::open(&found.path)? {
        let line = line?;
        digest.last = Some(line.time);
        digest.add(line.time, line.event);
    }
    Ok(digest)
}

impl Digest {
    fn add(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::Open(open) => {
                self.started = Some(at);
                self.open = Some(open);
            }
            Event::Ask(ask) => {
                self.count(ask.ruling);
                self.observed += u64::from(ask.observed.is_some());
                if !ask.connection.is_empty() {
                    self.connection = ask.connection;
                }
            }
            Event::Answered(answered) => self.count(answered.ruling),
            Event::Outcome(outcome) => {
                self.rows += outcome.rows;
                self.affected += outcome.affected;
            }
            Event::End(end) => self.end = Some(end.how),
            Event::Tls(_)
            | Event::Login(_)
            | Event::Limited(_)
            | Event::Found(_)
            | Event::Server(_)
            | Event::Identity(_) => {}
        }
    }

    fn count(&mut self, ruling: Ruling) {
        match ruling {
            Ruling::Allow => self.allowed += 1,
            Ruling::Deny => self.denied += 1,
            // It counts when it is answered.
            Ruling::Hold => {}
        }
    }

    /// `user@database on resource`, as far as it is known.
    pub(super) fn whereabouts(&self) -> String {
        let fact = |ending: &str| {
            let mut facts = self.connection.iter();
            facts.find_map(|(name, value)| match value {
                Value::Text(text) if name.ends_with(ending) => Some(text.as_str()),
                _ => None,
            })
        };
        let place = self.open.as_ref().map(|open| match &open.resource {
            Some(resource) => resource.to_string(),
            None => open.destination.0.to_string(),
        });
        let place = place.unwrap_or_else(|| "?".to_owned());
        match (fact(".user"), fact(".database")) {
            (Some(user), Some(database)) => format!("{user}@{database} on {place}"),
            (Some(user), None) => format!("{user} on {place}"),
            _ => place,
        }
    }

    /// How long it lasted, or has so far, in milliseconds.
    pub(super) fn duration_ms(&self, now: Timestamp) -> u64 {
        let until = if self.live { Some(now) } else { self.last };
        match (self.started, until) {
            (Some(started), Some(until)) => {
                u64::try_from(until.duration_since(started).as_millis()).unwrap_or(0)
            }
            _ => 0,
        }
    }
}
