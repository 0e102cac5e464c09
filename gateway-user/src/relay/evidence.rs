//! Where a session's events go: each into its recording, what operators watch for into the
//! enforcement log too.
//!
//! Fails closed: an event that cannot be written ends the session, see the relay.

use gateway_core::event::{self, Event, Ruling, SessionEnd, Value};
use gateway_core::flow::Flow;
use gateway_core::subject::Subject;
use jiff::Timestamp;

use crate::observe::enforcement::detected::Detection;
use crate::observe::enforcement::{Connection, Denial, EnforcementLog, What};
use crate::recording::journal::{Journal, RecordingError};

/// Writes down what one session does.
#[derive(Debug)]
pub struct Evidence {
    journal: Journal,
    log: EnforcementLog,
    connection: Connection,
    started: Timestamp,
    opened: bool,
    waiting: Waiting,
    end: Option<event::End>,
}

/// What has been taken and not been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// Nothing.
    Nothing,
    /// Only what may wait for something else to be written with.
    ForCompany,
    /// Something that has to be written before any bytes are sent.
    Urgent,
}

/// Why something could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The recording failed.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The enforcement log failed.
    #[error("cannot write the enforcement log: {0}")]
    Log(#[from] std::io::Error),
}

/// How an enforcement log names a connection.
pub fn connection(subject: &Subject, flow: &Flow) -> Connection {
    Connection {
        session: Some(flow.session.clone()),
        workload: Some(subject.workload.clone()),
        pid: Some(subject.process.pid),
        uid: Some(subject.process.uid),
        comm: Some(subject.process.comm.clone()),
        issuer: subject.identity.as_ref().map(|it| it.issuer.clone()),
        identity: subject.identity.as_ref().map(|it| it.subject.clone()),
        destination: Some(flow.destination.0),
        resource: flow.resource.clone(),
    }
}

impl Evidence {
    /// Writes to `journal`, and to `log` what belongs there.
    pub fn new(journal: Journal, log: EnforcementLog, connection: Connection) -> Self {
        Self {
            journal,
            log,
            connection,
            started: Timestamp::now(),
            opened: false,
            waiting: Waiting::Nothing,
            end: None,
        }
    }

    /// Takes events. They are written by the next [`Evidence::flush`].
    pub fn take(&mut self, events: &mut Vec<Event>) -> Result<(), EvidenceError> {
        for event in events.drain(..) {
            self.journal.append(&event, Timestamp::now());
            match &event {
                Event::Ask(ask) => self.note(ask)?,
                Event::Answered(answered) => self.note_answer(answered)?,
                Event::Limited(limited) => self.log.note(What::LimitReached {
                    connection: self.connection.clone(),
                    limited: limited.clone(),
                })?,
                Event::Outcome(outcome) if !outcome.detected.is_empty() => {
                    self.log.note(What::Detected(Detection {
                        connection: self.connection.clone(),
                        ask: outcome.ask,
                        detected: outcome.detected.clone(),
                    }))?;
                }
                Event::End(end) => {
                    self.note_unproven(&end.how)?;
                    self.end = Some(end.clone());
                }
                _ => {}
            }
            self.waiting = match event {
                // What the server did with an ask that is written already, or told, can wait a
                // little: for the next ask, with which it goes out in one write, or for a timer.
                Event::Outcome(_) | Event::Found(_) => self.waiting.max(Waiting::ForCompany),
                _ => Waiting::Urgent,
            };
        }
        Ok(())
    }

    /// Tells that the session is open to be asked, whatever comes of what it asks first.
    pub fn open(&mut self) -> Result<(), EvidenceError> {
        self.opened = true;
        let connection = self.connection.clone();
        Ok(self.log.note(What::ConnectionOpened(connection))?)
    }

    /// Keeps the session's end for the enforcement log when the recording has failed.
    pub fn take_end(&mut self, events: &mut Vec<Event>) {
        for event in events.drain(..) {
            if let Event::End(end) = event {
                self.end = Some(end);
            }
        }
    }

    /// What would be written now.
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Writes what was taken.
    pub fn flush(&mut self) -> Result<(), EvidenceError> {
        self.waiting = Waiting::Nothing;
        Ok(self.journal.flush()?)
    }

    /// Gives memory back while nothing happens.
    pub fn shrink(&mut self) {
        self.journal.shrink();
    }

    /// Brings the recording to disk and logs how the session ended. Blocks as long as the disk does.
    pub fn close(self) -> Result<(), EvidenceError> {
        let closed = self.journal.close();
        let head = closed.as_ref().ok().cloned();
        let Some(end) = self.end else {
            return Ok(closed.map(drop)?);
        };
        let lasted = Timestamp::now().duration_since(self.started);
        self.log.note(What::SessionEnded {
            connection: self.connection,
            how: end.how,
            duration_ms: u64::try_from(lasted.as_millis()).unwrap_or(0),
            allowed: end.allowed,
            denied: end.denied,
            bytes_in: end.bytes_in,
            bytes_out: end.bytes_out,
            lines: head.as_ref().map(|head| head.lines),
            head: head.map(|head| head.hash),
        })?;
        Ok(closed.map(drop)?)
    }

    fn note(&mut self, ask: &event::Ask) -> Result<(), EvidenceError> {
        if ask.ruling == Ruling::Allow && !self.opened {
            self.opened = true;
            let connection = self.connection.clone();
            self.log.note(if ask.uninspected {
                let rule = ask.rule.clone();
                What::PassedUninspected { connection, rule }
            } else {
                What::ConnectionOpened(connection)
            })?;
        }
        if ask.ruling == Ruling::Hold {
            let reason = "it waits for an approval".to_owned();
            let denial = self.denial(ask, ask.rule.clone(), reason);
            self.log.note(What::AskHeld(denial))?;
        } else if ask.ruling == Ruling::Deny {
            let reason = ask.reason.clone().unwrap_or_default();
            if self.opened {
                self.log
                    .note(What::AskDenied(self.denial(ask, ask.rule.clone(), reason)))?;
            } else {
                let (connection, rule) = (self.connection.clone(), ask.rule.clone());
                self.log.note(What::ConnectionRefused {
                    frozen: false,
                    connection,
                    rule,
                    reason,
                })?;
            }
        } else if let Some(refusal) = &ask.observed {
            let denial = self.denial(ask, refusal.rule.clone(), refusal.reason.clone());
            self.log.note(What::AskObserved(denial))?;
        }
        Ok(())
    }

    /// A client that did not show its placeholder was asked before anything was decided.
    fn note_unproven(&mut self, how: &SessionEnd) -> Result<(), EvidenceError> {
        if let SessionEnd::NotProven { reason } = how {
            self.log.note(What::ConnectionRefused {
                frozen: false,
                connection: self.connection.clone(),
                rule: None,
                reason: reason.clone(),
            })?;
        }
        Ok(())
    }

    fn note_answer(&mut self, answered: &event::Answered) -> Result<(), EvidenceError> {
        let connection = self.connection.clone();
        self.log.note(What::AskAnswered {
            connection: connection.clone(),
            answered: answered.clone(),
        })?;
        if answered.ruling == Ruling::Allow && !self.opened {
            // Only of what passes uninspected the whole session waits.
            self.opened = true;
            let rule = answered.rule.clone();
            self.log
                .note(What::PassedUninspected { connection, rule })?;
        }
        Ok(())
    }

    fn denial(
        &self,
        ask: &event::Ask,
        rule: Option<gateway_core::ids::RuleName>,
        reason: String,
    ) -> Denial {
        let (mut verbs, mut tables) = (Vec::new(), Vec::new());
        for unit in &ask.units {
            for (name, value) in unit {
                match (name.rsplit('.').next(), value) {
                    (Some("verb" | "type"), Value::Text(verb)) => verbs.push(verb.clone()),
                    (Some("table"), Value::Texts(names)) => tables.extend(names.iter().cloned()),
                    (Some("name"), Value::Text(name)) => tables.push(name.clone()),
                    _ => {}
                }
            }
        }
        // Each unit of a statement names them; once is enough for those who watch.
        let mut seen = std::collections::BTreeSet::new();
        tables.retain(|name| seen.insert(name.clone()));
        Denial {
            connection: self.connection.clone(),
            ask: ask.ask,
            rule,
            reason,
            verbs,
            tables,
        }
    }
}
