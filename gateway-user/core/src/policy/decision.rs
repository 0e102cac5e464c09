//! `Decision`: what policy says to one action, and the permit that opens the way to the server.

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
    /// Mints a permit. Called where a decision or a granted hold is made, nowhere else.
    pub(in crate::policy) fn mint() -> Self {
        Self { _minted: () }
    }

    /// Uses it up. There is nothing in it: that it is gone is the point.
    pub(crate) fn spend(self) {}
}

/// Pass or not.
#[derive(Debug)]
pub enum Verdict {
    /// The action may go to the server, once.
    Allow(Permit),
    /// It may not.
    Deny(Refusal),
}

/// What policy says to one action.
#[derive(Debug)]
pub struct Decision {
    /// Pass or not.
    pub verdict: Verdict,
    /// The rule that decided; none where nothing matched.
    pub rule: Option<RuleName>,
    /// In observe mode: the refusal that enforcing would have given.
    pub observed: Option<Refusal>,
}
