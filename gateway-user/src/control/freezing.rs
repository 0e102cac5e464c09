//! The kill switch: stops a workload, or one session, at once; and lets a workload go on.
//!
//! Freezing fails towards frozen: what cannot be written down or kept is told to the operator, but
//! keeps nobody running. Thawing is the reverse: first the log, then the list, then the kernel.

use gateway_core::event::SessionEnd;
use gateway_core::ids::{SessionId, WorkloadName};
use jiff::Timestamp;

use super::api::{FreezeRequest, Froze, Killed, Thawed};
use super::frozen::Freeze;
use super::operations::{OperationError, Operations};
use super::peer::Peer;
use crate::live::Session;
use crate::observe::enforcement::{Switch, What};

/// A reason is never longer, in characters: agents are told it.
const LONGEST_REASON: usize = 300;
/// So many sessions are named where several were meant.
const NAMED: usize = 5;

impl Operations {
    /// The workloads that are frozen.
    pub fn freezes(&self) -> Result<Vec<Freeze>, OperationError> {
        Ok(self.parts().frozen.all())
    }

    /// Stops a workload: ends what it has open and refuses what it opens. Asking again for one that
    /// is frozen is no error, and gives it the new reason.
    pub fn freeze(&self, request: &FreezeRequest, by: Peer) -> Result<Froze, OperationError> {
        let FreezeRequest { workload, reason } = request;
        self.freezable(workload)?;
        if let Some(reason) = reason {
            check_reason(reason)?;
        }
        let freeze = Freeze {
            workload: workload.clone(),
            since: Timestamp::now(),
            by: by.into(),
            reason: reason.clone(),
        };
        let told = self.note(What::WorkloadFrozen(Switch {
            workload: workload.clone(),
            session: None,
            reason: reason.clone(),
            by: freeze.by,
        }));
        let kept = self.parts().frozen.insert(freeze.clone());
        // Whoever registers a session from here on sees that it is frozen.
        let ended = self.parts().live.end_workload(workload, &freeze.end());
        let datagrams = {
            let _change = self.changing();
            self.tell_anew(workload)
        };
        tracing::warn!(%workload, ended, "frozen");
        let incomplete = |error: OperationError| OperationError::HalfFrozen {
            workload: workload.clone(),
            error: Box::new(error),
        };
        told.map_err(incomplete)?;
        kept.map_err(|error| incomplete(error.into()))?;
        datagrams.map_err(incomplete)?;
        Ok(Froze { freeze, ended })
    }

    /// Lets a workload act again.
    pub fn thaw(&self, workload: &WorkloadName, by: Peer) -> Result<Thawed, OperationError> {
        let _change = self.changing();
        let frozen = self.parts().frozen.all();
        let Some(freeze) = frozen.iter().find(|one| one.workload == *workload) else {
            return Err(OperationError::NotFrozen {
                name: workload.clone(),
                frozen: frozen.into_iter().map(|one| one.workload).collect(),
            });
        };
        self.note(What::WorkloadThawed(Switch {
            workload: workload.clone(),
            session: None,
            reason: None,
            by: by.into(),
        }))?;
        self.parts().frozen.remove(workload)?;
        self.tell_anew(workload)?;
        tracing::warn!(%workload, "thawed");
        Ok(Thawed {
            workload: workload.clone(),
            since: freeze.since,
        })
    }

    /// Ends the one open session whose id begins, or ends, like this.
    pub fn kill(&self, part: &str, by: Peer) -> Result<Killed, OperationError> {
        let session = self.meant(part)?;
        let id = session.info.session.clone();
        self.note(What::SessionKilled(Switch {
            workload: session.info.workload.clone(),
            session: Some(id.clone()),
            reason: None,
            by: by.into(),
        }))?;
        if !self.parts().live.end_session(&id, &SessionEnd::Killed) {
            return Err(OperationError::NoSession {
                part: part.to_owned(),
            });
        }
        Ok(Killed { session })
    }

    fn meant(&self, part: &str) -> Result<Session, OperationError> {
        let is_meant = |id: &SessionId| {
            let id = id.as_str();
            !part.is_empty() && (id.starts_with(part) || id.ends_with(part))
        };
        let mut open = self.parts().live.sessions();
        open.retain(|one| is_meant(&one.info.session));
        match open.pop() {
            None => Err(OperationError::NoSession {
                part: part.to_owned(),
            }),
            Some(only) if open.is_empty() => Ok(only),
            Some(last) => {
                open.push(last);
                let count = open.len();
                let ids = open.into_iter().take(NAMED).map(|one| one.info.session);
                Err(OperationError::SeveralSessions {
                    part: part.to_owned(),
                    count,
                    some: ids.collect(),
                })
            }
        }
    }

    /// A workload that has left the configuration may still be attached, and have sessions.
    fn freezable(&self, name: &WorkloadName) -> Result<(), OperationError> {
        let attached = self.parts().attachments.all();
        let live = self.parts().live.sessions();
        if attached.iter().any(|one| one.workload == *name)
            || live.iter().any(|one| one.info.workload == *name)
        {
            return Ok(());
        }
        self.known_workload(name)
    }

    /// Tells the kernel what datagrams the workload's cgroups may send now.
    fn tell_anew(&self, workload: &WorkloadName) -> Result<(), OperationError> {
        let attached = self.parts().attachments.all().into_iter();
        attached
            .filter(|one| one.workload == *workload)
            .map(|one| self.allow_datagrams(one.cgroup, workload))
            .fold(Ok(()), Result::and)
    }
}

/// What agents are told must not drive anybody's terminal, nor break a log line.
fn check_reason(reason: &str) -> Result<(), OperationError> {
    let why = if reason.trim().is_empty() {
        "it is empty".to_owned()
    } else if reason.chars().count() > LONGEST_REASON {
        format!("it has more than {LONGEST_REASON} characters")
    } else if reason.chars().any(char::is_control) {
        "it has control characters; it has to be one line".to_owned()
    } else {
        return Ok(());
    };
    Err(OperationError::Reason { why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        check_reason("it deletes what it should not").unwrap();
        let long = "x".repeat(LONGEST_REASON + 1);
        for bad in ["", "  ", "two\nlines", "\x1b[2J", &long] {
            assert!(check_reason(bad).is_err(), "{bad:?}");
        }
    }
}
