//! `Hold`: what policy says to an action that people have to decide on, and how their answer becomes
//! a permit.
//!
//! INVARIANT: an answer gives a permit for the action that it names and for no other: a hold is bound
//! to the digest of the whole action before anyone is asked, and an answer to anything else refuses.
//! Checked by the tests below and by the property test of sessions that wait.

use std::sync::Arc;

use super::decision::Permit;
use crate::held::{Answer, Demand, HeldAction, Outcome};
use crate::ids::{ActionDigest, RuleName};
use crate::refusal::Refusal;

/// People have to decide. Made by the engine alone.
#[derive(Debug)]
pub struct Hold {
    /// Never empty.
    demands: Vec<Arc<Demand>>,
}

/// A hold of exactly one action.
#[derive(Debug)]
pub struct Bound {
    action: ActionDigest,
    rule: Option<RuleName>,
}

impl Hold {
    pub(super) fn new(demands: Vec<Arc<Demand>>) -> Self {
        debug_assert!(!demands.is_empty(), "a hold is by a rule");
        Self { demands }
    }

    /// With what others want besides.
    pub(super) fn and(mut self, more: Vec<Arc<Demand>>) -> Self {
        self.demands.extend(more);
        self
    }

    /// What each rule wants.
    pub fn demands(&self) -> Vec<Demand> {
        self.demands.iter().map(|it| Demand::clone(it)).collect()
    }

    /// Every rule that holds it.
    pub fn rules(&self) -> impl Iterator<Item = &RuleName> {
        self.demands.iter().map(|demand| &demand.rule)
    }

    /// The first rule that holds it.
    pub fn rule(&self) -> Option<&RuleName> {
        self.demands.first().map(|demand| &demand.rule)
    }

    /// Binds it to the action that people are shown.
    pub fn bind(self, action: &HeldAction) -> Bound {
        Bound {
            action: action.digest(),
            rule: self.rule().cloned(),
        }
    }

    /// Lets pass what only prepares an action: nothing runs by it, and what runs it is held.
    pub(crate) fn prepare(self) -> Permit {
        Permit::mint()
    }

    /// Refuses it without asking anyone.
    pub fn refuse(self, reason: &str) -> Refusal {
        Refusal {
            rule: self.rule().cloned(),
            reason: reason.to_owned(),
        }
    }
}

impl Bound {
    /// The action.
    pub fn action(&self) -> &ActionDigest {
        &self.action
    }

    /// The rule that holds it.
    pub fn rule(&self) -> Option<&RuleName> {
        self.rule.as_ref()
    }

    /// What an answer makes of it.
    ///
    /// # Errors
    /// The refusal: people said no, or the answer is to something else.
    pub fn resolve(self, answer: &Answer) -> Result<Permit, Refusal> {
        let reason = match &answer.outcome {
            Outcome::Approved { .. } if answer.action == self.action => return Ok(Permit::mint()),
            // Fails closed: what was approved is not what waits.
            Outcome::Approved { .. } => "the approval was for something else",
            Outcome::Refused { reason, .. } => reason,
        };
        Err(Refusal {
            rule: self.rule,
            reason: reason.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> Bound {
        Bound {
            action: ActionDigest::new("a"),
            rule: Some(RuleName::new("waits")),
        }
    }

    fn answer(action: &str, outcome: Outcome) -> Answer {
        Answer {
            action: ActionDigest::new(action),
            request: None,
            outcome,
        }
    }

    fn approved() -> Outcome {
        Outcome::Approved {
            by: vec!["alice".to_owned()],
            grant: None,
        }
    }

    #[test]
    fn an_approval_is_for_one_action() {
        assert!(bound().resolve(&answer("a", approved())).is_ok());
        let refusal = bound().resolve(&answer("b", approved())).unwrap_err();
        assert_eq!(refusal.reason, "the approval was for something else");
    }

    #[test]
    fn a_no_is_a_no() {
        let no = Outcome::Refused {
            by: Some("bob".to_owned()),
            reason: "not on a Friday".to_owned(),
        };
        let refusal = bound().resolve(&answer("a", no)).unwrap_err();
        assert_eq!(refusal.reason, "not on a Friday");
        assert_eq!(refusal.rule, Some(RuleName::new("waits")));
    }
}
