//! `Decision`: what policy says to one action, and the permit that opens the way to the server.

use super::hold::Hold;
use crate::ids::RuleName;
use crate::refusal::Refusal;

/// Proof that policy let one action pass.
///
/// INVARIANT: only `policy` mints one, because the field is private to it, and the session's
/// outbox takes it by value. So nothing reaches a server that was not decided.
#[derive(Debug)]
pub struct Permit {
    _minted: (),
}

impl Permit {
    /// Mints a permit. Called where a decision is made or a hold ends, nowhere else.
    pub(in crate::policy) fn mint() -> Self {
        Self { _minted: () }
    }

    /// Uses it up. There is nothing in it: that it is gone is the point.
    pub(crate) fn spend(self) {}
}

/// Pass, wait or not.
#[derive(Debug)]
pub enum Verdict {
    /// The action may go to the server, once.
    Allow(Permit),
    /// People have to decide.
    Hold(Hold),
    /// It may not.
    Deny(Refusal),
}

/// What policy says to one action.
#[derive(Debug)]
pub struct Decision {
    /// Pass, wait or not.
    pub verdict: Verdict,
    /// The rule that decided; none where nothing matched.
    pub rule: Option<RuleName>,
    /// In observe mode: what enforcing would have refused or held, and why.
    pub observed: Option<Refusal>,
}
