//! An ask that waits until people decide.
//!
//! While it does, nothing more of the client's is read: what comes is kept, up to a bound, so that
//! its leaving is noticed. What the server says goes on. The ask ends in one of four ways: people
//! answer, the client cancels it or leaves, a new policy decides, or the session ends.

use jiff::Timestamp;

use super::Session;
use super::meter;
use super::outbox::Action;
use super::record::named;
use crate::event::{Answered, Ruling};
use crate::facts::Stage;
use crate::held::{Answer, HeldAction, HoldNote, Shown, Touches, Withdrawal};
use crate::ids::{ActionDigest, AskId, MaskName, RuleName};
use crate::mask::MaskSet;
use crate::policy::budget::Counts;
use crate::policy::decision::{Decision, Verdict};
use crate::policy::hold::{Bound, Hold};
use crate::protocols::{Ask, Then};
use crate::refusal::Refusal;

/// A decision, with what people are shown where it is theirs.
pub(super) type Ruled = (Decision, Option<Box<HeldAction>>);

/// The ask, and what it needs to go on.
#[derive(Debug)]
pub(super) struct Held {
    id: AskId,
    ask: Ask,
    /// Its whole frame.
    frame: Box<[u8]>,
    bound: Bound,
    /// Every rule that holds it.
    rules: Vec<RuleName>,
}

impl Session {
    /// Whether an ask waits until people decide.
    pub fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Tells the client that it waits, where there is a way to.
    pub fn handle_waiting(&mut self, note: &HoldNote) {
        if self.held.is_some() {
            self.notice = self.codec.waiting(&note.text);
            self.speak();
        }
    }

    /// Takes what people decided. One that comes too late or is for something else changes nothing
    /// for the better: only the action that waits can pass by it.
    pub fn handle_answer(&mut self, answer: &Answer, now: Timestamp) {
        self.now = now;
        let Some(held) = self.held.take() else {
            return;
        };
        let Held {
            id,
            ask,
            frame,
            bound,
            rules: _,
        } = held;
        // A budget may have been used up in the meantime.
        let resolved = bound.resolve(answer);
        let resolved = resolved.and_then(|permit| {
            let spent = self.meter.approved(&ask.facts, now);
            spent.map(|()| permit)
        });
        self.note(Answered::by_people(id, answer, resolved.as_ref().err()));
        match resolved {
            Ok(permit) => {
                self.codec.agreed();
                self.pass_on(id, ask, &frame, permit);
            }
            Err(refusal) => self.turn_down(id, &ask, &frame, &refusal),
        }
        self.go_on();
    }

    /// The client cancels what waits.
    pub fn handle_cancel(&mut self, now: Timestamp) {
        self.now = now;
        if let Some(id) = self.take_back(Withdrawal::Cancelled) {
            self.codec.cancelled(id);
            self.go_on();
        }
    }

    /// Ends the wait because nobody needs an answer any more.
    pub(super) fn withdraw(&mut self, why: Withdrawal) {
        if let Some(id) = self.take_back(why) {
            let refusal = Refusal {
                rule: None,
                reason: why.reason().to_owned(),
            };
            self.codec.refused(id, &refusal);
        }
    }

    /// Whether what waits would wait for the same people by the policy now.
    pub(super) fn waits_as_before(&self) -> bool {
        let Some(held) = &self.held else {
            return true;
        };
        let (facts, rules) = (&held.ask.facts, &held.rules);
        let decision = self.ruled(facts, Counts::Nothing);
        matches!(decision.verdict, Verdict::Hold(hold) if hold.rules().eq(rules))
    }

    /// Has the policy that is in force now decide on what waits.
    pub(super) fn decide_again(&mut self) {
        let Some(held) = self.held.take() else {
            return;
        };
        let Held { id, ask, frame, .. } = held;
        self.outbox.act(Action::Withdraw(Withdrawal::PolicyChanged));
        let decision = self.ruled(&ask.facts, meter::counts(&ask));
        let (decision, mut action) = self.people(decision, &ask, &frame);
        if let Some(action) = &mut action {
            action.ask = id;
        }
        let (ruling, reason) = match &decision.verdict {
            Verdict::Allow(_) => (Ruling::Allow, None),
            Verdict::Hold(_) => (Ruling::Hold, None),
            Verdict::Deny(refusal) => (Ruling::Deny, Some(refusal.reason.clone())),
        };
        let policy = self.ledger.new_policy(self.engine.digest());
        self.note(Answered {
            action: action.as_ref().map(|it| it.action.clone()),
            rule: decision.rule.clone(),
            reason,
            policy,
            ..Answered::new(id, ruling)
        });
        self.enact(id, ask, &frame, decision, action);
        self.go_on();
    }

    /// Where people have to decide: what they are shown. What only prepares passes, because what runs
    /// it waits; what cannot be shown whole is refused.
    pub(super) fn people(&self, decision: Decision, ask: &Ask, frame: &[u8]) -> Ruled {
        let Decision {
            verdict,
            rule,
            observed,
        } = decision;
        let decided = |verdict| Decision {
            verdict,
            rule,
            observed,
        };
        let hold = match verdict {
            Verdict::Hold(hold) => hold,
            verdict => return (decided(verdict), None),
        };
        // What people agreed to when it was bound they agreed to for as often as it runs.
        if matches!(ask.then, Then::Prepare | Then::Again { agreed: true }) {
            return (decided(Verdict::Allow(hold.prepare())), None);
        }
        let whole = frame.len() == ask.len && ask.then == Then::Forward;
        let shown = whole.then(|| self.codec.shown(frame)).flatten();
        match shown.and_then(|shown| self.action(ask, &hold, shown)) {
            Some(action) => (decided(Verdict::Hold(hold)), Some(Box::new(action))),
            None => {
                let reason = "it needs an approval and cannot be shown whole to those who give it";
                (decided(Verdict::Deny(hold.refuse(reason))), None)
            }
        }
    }

    fn action(&self, ask: &Ask, hold: &Hold, shown: Shown) -> Option<HeldAction> {
        let attributes = self.protocol.attributes;
        let Stage::Action(units) = &ask.facts.stage else {
            return None;
        };
        let resource = self.flow.resource.clone()?;
        Some(
            HeldAction {
                action: ActionDigest::new(""),
                session: self.flow.session.clone(),
                ask: self.ledger.next(),
                subject: self.subject.as_ref().clone(),
                resource,
                protocol: self.protocol.name.to_owned(),
                request: ask.request.to_owned(),
                text: shown.text,
                parameters: shown.parameters,
                connection: named(&ask.facts.connection, attributes),
                units: units.iter().map(|unit| named(unit, attributes)).collect(),
                policy: self.engine.digest().clone(),
                demands: hold.demands(),
                clear_of: match shown.touches {
                    Touches::Nothing => names(&self.masks),
                    Touches::Perhaps => Vec::new(),
                },
                hidden_by: Vec::new(),
            }
            .sealed(),
        )
    }

    pub(super) fn hold(
        &mut self,
        id: AskId,
        ask: Ask,
        frame: &[u8],
        hold: Hold,
        action: Box<HeldAction>,
    ) {
        self.held = Some(Held {
            id,
            ask,
            frame: frame.into(),
            rules: hold.rules().cloned().collect(),
            bound: hold.bind(&action),
        });
        self.outbox.act(Action::Hold(action));
    }

    /// Takes back what waits and records that.
    pub(super) fn take_back(&mut self, why: Withdrawal) -> Option<AskId> {
        let held = self.held.take()?;
        self.notice = None;
        self.outbox.act(Action::Withdraw(why));
        self.note(Answered::withdrawn(held.id, why));
        Some(held.id)
    }

    fn note(&mut self, answered: Answered) {
        let event = self.ledger.answered(answered);
        self.outbox.record(event);
    }

    /// Says what there is to say and reads what has come in the meantime.
    fn go_on(&mut self) {
        self.notice = None;
        self.speak();
        self.settle(crate::protocols::Side::Server);
    }
}

fn names(masks: &MaskSet) -> Vec<MaskName> {
    masks.masks().iter().map(|it| it.name.clone()).collect()
}
