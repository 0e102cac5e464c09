//! `Ledger`: the decisions of one session, counted and put into events.
//!
//! Every session keeps one: those with a codec ([`super::Session`]), streams that nobody looks into
//! ([`super::opaque`]), and those that a library or the gateway itself ends. Of the latter it is all
//! that is here: their adapter sends and receives, and asks by [`Ledger::ask`], so that they are
//! decided and recorded like all others.
//!
//! WISH: that what such an adapter sends on was allowed. The
//! [`Permit`](crate::policy::decision::Permit) that it takes where it sends is by its own discipline.

use jiff::Timestamp;

use super::record::{self, Asked};
use crate::descriptor::Protocol;
use crate::event::{Answered, End, Event, Open, Ruling, SessionEnd};
use crate::facts::Facts;
use crate::flow::Flow;
use crate::ids::{ActionDigest, AskId, PolicyDigest};
use crate::policy::decision::{Decision, Verdict};
use crate::policy::engine::Engine;
use crate::subject::Subject;

/// The decisions of one session.
#[derive(Debug)]
pub struct Ledger {
    protocol: &'static Protocol,
    asks: u32,
    allowed: u64,
    denied: u64,
    told_policy: Option<PolicyDigest>,
}

/// Something that was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// What policy looks at.
    pub facts: Facts,
    /// The protocol's own word for it.
    pub word: &'static str,
    /// What was asked for, as people read it.
    pub text: Option<String>,
}

impl Ledger {
    /// Begins a session; gives its first event too. `gateway` is the program's version.
    pub fn open(
        protocol: &'static Protocol,
        subject: &Subject,
        flow: &Flow,
        gateway: &str,
    ) -> (Self, Event) {
        let open = Event::Open(Open {
            session: flow.session.clone(),
            subject: subject.clone(),
            client: flow.client,
            destination: flow.destination,
            resource: flow.resource.clone(),
            hosts: flow.hosts.clone(),
            protocol: protocol.name.to_owned(),
            gateway: gateway.to_owned(),
        });
        let ledger = Self {
            protocol,
            asks: 0,
            allowed: 0,
            denied: 0,
            told_policy: None,
        };
        (ledger, open)
    }

    /// Asks policy, lets `judge` refuse what policy allows or put a refusal into better words, and
    /// gives what came of it with the event to record before anything is done.
    pub fn ask(
        &mut self,
        subject: &Subject,
        flow: &Flow,
        engine: &Engine,
        request: &Request,
        now: Timestamp,
        judge: impl FnOnce(Decision) -> Decision,
    ) -> (AskId, Decision, Event) {
        let mut decision = judge(engine.decide(subject, flow, &request.facts, now));
        if let Verdict::Hold(hold) = decision.verdict {
            // Whoever asks this way cannot wait, and policy knows. Fails closed all the same.
            decision.verdict = Verdict::Deny(hold.refuse("it cannot wait for an approval"));
        }
        let asked = Asked {
            facts: &request.facts,
            request: request.word,
            text: request.text.as_deref().map(str::as_bytes),
            of: None,
        };
        let (id, event) = self.decided(asked, &decision, engine.digest(), None);
        (id, decision, event)
    }

    /// Counts a decision by `policy`, which is named when it is new, and gives its event. `action` is
    /// what people decide on, when they have to.
    pub(super) fn decided(
        &mut self,
        asked: Asked<'_>,
        decision: &Decision,
        policy: &PolicyDigest,
        action: Option<ActionDigest>,
    ) -> (AskId, Event) {
        let id = self.next();
        self.asks = id.0;
        self.count(match decision.verdict {
            Verdict::Allow(_) => Ruling::Allow,
            Verdict::Hold(_) => Ruling::Hold,
            Verdict::Deny(_) => Ruling::Deny,
        });
        let policy = self.new_policy(policy);
        let event = record::ask(id, asked, decision, self.protocol, policy, action);
        (id, Event::Ask(event))
    }

    /// Counts what became of an ask that was held, and gives its event.
    pub(super) fn answered(&mut self, answered: Answered) -> Event {
        self.count(answered.ruling);
        Event::Answered(answered)
    }

    fn count(&mut self, ruling: Ruling) {
        let count = match ruling {
            Ruling::Allow => &mut self.allowed,
            Ruling::Deny => &mut self.denied,
            // It counts when it is answered.
            Ruling::Hold => return,
        };
        *count = count.saturating_add(1);
    }

    /// The policy's name, if it was not told before.
    pub(super) fn new_policy(&mut self, policy: &PolicyDigest) -> Option<PolicyDigest> {
        let is_new = self.told_policy.as_ref() != Some(policy);
        let policy = is_new.then(|| policy.clone());
        if policy.is_some() {
            self.told_policy.clone_from(&policy);
        }
        policy
    }

    /// The number of the next ask.
    pub(super) fn next(&self) -> AskId {
        AskId(self.asks.saturating_add(1))
    }

    /// Whether anything has been asked.
    pub(super) fn has_asked(&self) -> bool {
        self.asks > 0
    }

    /// How many asks were allowed and denied so far.
    pub fn asked(&self) -> (u64, u64) {
        (self.allowed, self.denied)
    }

    /// The session's last event. `traffic` is bytes from and to the client.
    pub fn end(&self, how: SessionEnd, traffic: (u64, u64)) -> Event {
        Event::End(End {
            how,
            allowed: self.allowed,
            denied: self.denied,
            bytes_in: traffic.0,
            bytes_out: traffic.1,
        })
    }
}
