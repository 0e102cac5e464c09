//! `Ledger`: the decisions and events of one session whose protocol has no codec, because a library
//! or the gateway itself ends it. Its adapter sends and receives; here is what it has to ask and
//! to write down, so that such sessions are decided and recorded like all others.
//!
//! WISH: that what an adapter sends on was allowed. The [`Permit`](crate::policy::decision::Permit)
//! that it takes where it sends is by its own discipline.

use std::sync::Arc;

use super::record::{self, Asked};
use crate::descriptor::Protocol;
use crate::event::{End, Event, Open, SessionEnd};
use crate::facts::Facts;
use crate::flow::Flow;
use crate::ids::{AskId, PolicyDigest};
use crate::policy::decision::{Decision, Verdict};
use crate::policy::engine::Engine;
use crate::subject::Subject;

/// The decisions of one session.
#[derive(Debug)]
pub struct Ledger {
    protocol: &'static Protocol,
    subject: Arc<Subject>,
    flow: Arc<Flow>,
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
        subject: Arc<Subject>,
        flow: Arc<Flow>,
        gateway: &str,
    ) -> (Self, Event) {
        let open = Event::Open(Open {
            session: flow.session.clone(),
            subject: Subject::clone(&subject),
            client: flow.client,
            destination: flow.destination,
            resource: flow.resource.clone(),
            hosts: flow.hosts.clone(),
            protocol: protocol.name.to_owned(),
            gateway: gateway.to_owned(),
        });
        let ledger = Self {
            protocol,
            subject,
            flow,
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
        engine: &Engine,
        request: &Request,
        judge: impl FnOnce(Decision) -> Decision,
    ) -> (AskId, Decision, Event) {
        self.asks = self.asks.saturating_add(1);
        let id = AskId(self.asks);
        let decision = judge(engine.decide(&self.subject, &self.flow, &request.facts));
        match decision.verdict {
            Verdict::Allow(_) => self.allowed += 1,
            Verdict::Deny(_) => self.denied += 1,
        }
        let digest = engine.digest();
        let policy = (self.told_policy.as_ref() != Some(digest)).then(|| digest.clone());
        if policy.is_some() {
            self.told_policy.clone_from(&policy);
        }
        let asked = Asked {
            facts: &request.facts,
            request: request.word,
            text: request.text.as_deref().map(str::as_bytes),
            of: None,
        };
        let event = record::ask(id, asked, &decision, self.protocol.attributes, policy);
        (id, decision, Event::Ask(event))
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
