//! The token that the workload is known by has run out, or says something else now.

use std::sync::Arc;

use jiff::Timestamp;

use super::Session;
use crate::event::{Event, Identified};
use crate::subject::{Identity, Subject};

impl Session {
    /// Takes who the workload is from now on; none where no token says so any more. All that is asked
    /// from here on is decided by it, and so is what waits: people agreed to what somebody else asked.
    pub fn handle_identity(&mut self, identity: Option<Arc<Identity>>, now: Timestamp) {
        if self.subject.identity == identity || self.closed {
            return;
        }
        self.now = now;
        self.outbox.record(identified(&identity));
        self.subject = Arc::new(Subject {
            identity,
            ..self.subject.as_ref().clone()
        });
        let accounts = self.engine.accounts(&self.subject, &self.flow);
        self.meter.change(accounts, now);
        self.limits = self.engine.limits(&self.subject, &self.flow);
        if self.dialed {
            self.choose_masks();
        }
        self.decide_again();
    }
}

/// That a workload is known by something else from here on.
pub fn identified(identity: &Option<Arc<Identity>>) -> Event {
    Event::Identity(Identified {
        identity: identity.clone(),
    })
}
