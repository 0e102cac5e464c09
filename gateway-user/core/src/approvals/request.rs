//! `Request`: an action that waits, or waited, until people decide; as they see it.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::person::Voter;
use super::quorum::Progress;
use super::scope::Scope;
use crate::held::{HeldAction, Withdrawal};
use crate::ids::{GrantId, RequestId};
use crate::preview::Preview;

/// An action that waits, or waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Its id.
    pub id: RequestId,
    /// The action, whole.
    pub action: HeldAction,
    /// Since when.
    pub opened: Moment,
    /// Until when people may decide.
    pub deadline: Moment,
    /// How much it would touch, as far as the server could tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// Votes, in the order that they were given.
    pub votes: Vec<Vote>,
    /// What became of it.
    pub state: State,
    /// Since when that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Moment>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// It waits.
    Open,
    /// It was let pass.
    Approved {
        /// Those who agreed.
        by: Vec<String>,
        /// The grant that covers it: their own that goes further than once, or an earlier one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grant: Option<GrantId>,
    },
    /// It was let pass when it did not wait any more: this grant lets it pass when it is asked for again.
    ApprovedLate {
        /// Those who agreed.
        by: Vec<String>,
        /// What they granted.
        grant: GrantId,
    },
    /// Somebody said no.
    Refused {
        /// Who.
        by: String,
        /// Why, in their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        comment: Option<String>,
    },
    /// Nobody decided in time.
    TimedOut,
    /// Whoever asked waits no longer.
    Withdrawn {
        /// Why not.
        why: Withdrawal,
    },
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: Voter,
    /// When.
    pub at: Moment,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Yes or no.
    #[serde(flatten)]
    pub says: Says,
}

/// Yes or no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "says", rename_all = "snake_case")]
pub enum Says {
    /// Yes.
    Approve {
        /// How much.
        #[serde(flatten)]
        scope: Scope,
        /// For which demands it counts.
        counts: Vec<Count>,
    },
    /// No.
    Refuse,
}

/// That a vote counts for a demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The demand's place among those of the action.
    pub demand: usize,
    /// The places of the sets that it may count for, which they were in when they voted; the one whose
    /// turn it was, where there is an order.
    pub sets: Vec<usize>,
}

impl Request {
    /// How far each demand is met.
    pub fn progress(&self) -> Vec<Progress> {
        let demands = self.action.demands.iter().enumerate();
        demands
            .map(|(place, demand)| Progress::of(demand, self.agreed(place)))
            .collect()
    }

    /// Those who agreed, each once.
    pub fn approvers(&self) -> Vec<Voter> {
        let mut all: Vec<Voter> = Vec::new();
        for vote in &self.votes {
            if matches!(vote.says, Says::Approve { .. }) && !all.iter().any(|it| it.is(&vote.by)) {
                all.push(vote.by.clone());
            }
        }
        all
    }

    /// How much all who agreed let pass.
    pub fn scope(&self) -> Scope {
        let scopes = self.votes.iter().filter_map(|vote| match vote.says {
            Says::Approve { scope, .. } => Some(scope),
            Says::Refuse => None,
        });
        scopes.reduce(Scope::narrowed).unwrap_or_default()
    }

    /// Whether this person's agreement counts for the demand already.
    pub(super) fn has_counted(&self, demand: usize, person: &Voter) -> bool {
        let mut votes = self.votes.iter().filter(|vote| vote.by.is(person));
        votes.any(|vote| vote.counts(demand).is_some())
    }

    fn agreed(&self, demand: usize) -> impl Iterator<Item = &[usize]> {
        let votes = self.votes.iter();
        votes.filter_map(move |vote| vote.counts(demand))
    }
}

impl Vote {
    /// The sets of the demand that it may count for; none if it does not.
    fn counts(&self, demand: usize) -> Option<&[usize]> {
        let Says::Approve { counts, .. } = &self.says else {
            return None;
        };
        let count = counts.iter().find(|count| count.demand == demand)?;
        Some(&count.sets)
    }
}

impl State {
    /// Whether people may still let it pass for when it is asked for again: whoever waited is gone,
    /// and nobody said no. Not under another policy, by which it is another action.
    pub fn may_be_late(&self) -> bool {
        match self {
            Self::TimedOut => true,
            Self::Withdrawn { why } => {
                !matches!(why, Withdrawal::PolicyChanged | Withdrawal::Overtaken)
            }
            Self::Open | Self::Approved { .. } | Self::ApprovedLate { .. } => false,
            Self::Refused { .. } => false,
        }
    }
}
