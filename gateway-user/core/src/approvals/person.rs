//! `Person`: who votes, as the operating system tells it to the daemon. Never what somebody says of
//! themselves.

use serde::{Deserialize, Serialize};

use crate::held::{ApproverSet, Demand};
use crate::subject::Subject;

/// From where a person speaks to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// From a cgroup that is attached: it is an agent, or was started by one.
    Attached,
    /// From anywhere else on the host.
    Host,
    /// Likewise, and they may operate the daemon. That makes nobody an approver.
    Operator,
}

/// Who votes or revokes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account's name.
    pub name: String,
    /// The account.
    pub uid: u32,
    /// The names of all groups that the account is in.
    pub groups: Vec<String>,
    /// From where they speak.
    pub seat: Seat,
}

/// Who voted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// The account's name at that time.
    pub name: String,
    /// The account.
    pub uid: u32,
}

impl Person {
    /// What is kept of them.
    pub fn voter(&self) -> Voter {
        Voter {
            name: self.name.clone(),
            uid: self.uid,
        }
    }

    /// Whether they are one of those people.
    pub fn is_in(&self, set: &ApproverSet) -> bool {
        set.users.contains(&self.name) || set.groups.iter().any(|it| self.groups.contains(it))
    }

    /// Whether what this subject asks for is their own.
    pub fn is(&self, subject: &Subject) -> bool {
        self.voter().is_behind(subject)
    }

    /// The places, in the demand, of the sets that they are in.
    pub fn places(&self, demand: &Demand) -> Vec<usize> {
        let sets = demand.approvers.iter().enumerate();
        sets.filter(|(_, set)| self.is_in(set))
            .map(|(place, _)| place)
            .collect()
    }
}

impl Voter {
    /// Whether an action is their own: their account asks for it, or it is said to be theirs by whoever
    /// issued the token.
    pub fn is_behind(&self, subject: &Subject) -> bool {
        let identity = subject.identity.as_deref();
        let account = identity.and_then(|it| it.account.as_deref());
        self.uid == subject.process.uid || account == Some(self.name.as_str())
    }

    /// Whether both may be one human: accounts of one number or of one name are.
    pub fn is(&self, other: &Self) -> bool {
        self.uid == other.uid || self.name == other.name
    }
}
