//! `Grant`: what people let pass beforehand.
//!
//! INVARIANT: a grant covers an action only if nothing more is demanded of it than what the grant was
//! given for: the same rules with the same approvers. So it holds over a change of policy that changes
//! nothing of this, and no longer over one that does. Nor does it cover what another identity asks
//! than the one that asked when it was given, though it be of the same workload: whoever agreed saw who
//! asks. Checked by the tests beside.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::likeness::{Likeness, covers};
use super::moment::Moment;
use super::person::Voter;
use crate::held::{Demand, HeldAction};
use crate::ids::{ActionDigest, AskId, GrantId, RequestId, SessionId, WorkloadName};
use crate::subject::{Known, Subject};

/// What people let pass beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The request by which it was made.
    pub request: RequestId,
    /// Those who made it.
    pub by: Vec<Voter>,
    /// When.
    pub made: Moment,
    /// When it ends.
    pub expires: Moment,
    /// Whose actions it lets pass.
    pub workload: WorkloadName,
    /// As whom the workload has to be known by its token; none where it was not known, and must not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Known>,
    /// What it lets pass.
    pub covers: Covers,
    /// What it was given for.
    pub demands: Vec<Demand>,
    /// How many actions it lets pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
    /// At how many changed rows it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// How many it let pass.
    #[serde(default)]
    pub uses: u64,
    /// How many rows these changed, as far as the server told.
    #[serde(default)]
    pub rows: u64,
    /// What passed by it and runs.
    #[serde(default)]
    pub running: BTreeSet<(SessionId, AskId)>,
}

/// What a grant lets pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Covers {
    /// Exactly this action, once.
    Action {
        /// The action.
        action: ActionDigest,
    },
    /// What one session does that is like what people saw.
    Session {
        /// The session.
        session: SessionId,
        /// How.
        likeness: Likeness,
    },
    /// What the workload does that is like it.
    Workload {
        /// How.
        likeness: Likeness,
    },
}

/// One action that passed by a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The session.
    pub session: SessionId,
    /// The ask in its recording.
    pub ask: AskId,
    /// The action.
    pub action: ActionDigest,
    /// When.
    pub at: Moment,
    /// The request, if it waited for the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}

/// Why a grant ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Ending {
    /// Its time was up.
    Expired,
    /// Somebody took it back.
    Revoked {
        /// Who.
        by: Voter,
    },
    /// All that it let pass has passed.
    Spent,
    /// The session that it was for ended.
    SessionEnded,
    /// How many rows an action changed was not told, so nobody knows how many are left.
    RowsUnknown,
}

impl Grant {
    /// Whether this action may pass by it now.
    pub fn lets_pass(&self, action: &HeldAction, now: Moment) -> bool {
        // Whoever agreed to it would let their own pass.
        let own = self.by.iter().any(|it| it.is_behind(&action.subject));
        now < self.expires
            && !own
            && !self.is_spent()
            && (self.max_rows.is_none() || self.running.is_empty())
            && self.workload == action.subject.workload
            && self.identity == known(&action.subject)
            && self.covers.covers(action)
            && action.demands.iter().all(|demand| self.answers(demand))
    }

    /// Whether nothing more passes by it, however long it lasts.
    pub fn is_spent(&self) -> bool {
        self.max_uses.is_some_and(|most| self.uses >= most)
            || self.max_rows.is_some_and(|most| self.rows >= most)
    }

    /// Whether it was given for this demand too.
    fn answers(&self, demand: &Demand) -> bool {
        self.demands.iter().any(|given| {
            given.rule == demand.rule
                && given.approvers == demand.approvers
                && given.in_order == demand.in_order
        })
    }
}

/// As whom somebody is known, for a grant.
pub(super) fn known(subject: &Subject) -> Option<Known> {
    subject.identity.as_ref().map(|it| it.known())
}

impl Covers {
    fn covers(&self, action: &HeldAction) -> bool {
        match self {
            Self::Action { action: exactly } => *exactly == action.action,
            Self::Session { session, likeness } => {
                *session == action.session && covers(likeness, action)
            }
            Self::Workload { likeness } => covers(likeness, action),
        }
    }
}

impl Ending {
    /// Whether what passed by the grant and still runs has to end with it.
    pub fn ends_what_runs(&self) -> bool {
        match self {
            Self::Expired | Self::Revoked { .. } => true,
            Self::Spent | Self::SessionEnded | Self::RowsUnknown => false,
        }
    }

    /// Why sessions end by it: one sentence, lower case, without a full stop.
    pub fn sentence(&self) -> String {
        match self {
            Self::Expired => "the time that the approval was given for is over".to_owned(),
            Self::Revoked { by } => format!("{} took the approval back", by.name),
            Self::Spent => "all that was approved has passed".to_owned(),
            Self::SessionEnded => "the session that the approval was for ended".to_owned(),
            Self::RowsUnknown => {
                "the server did not tell how many rows were changed, and the approval counts them"
                    .to_owned()
            }
        }
    }
}
