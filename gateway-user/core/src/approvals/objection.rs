//! `Objection`: why the desk does not do what it is told. Each is a sentence for who told it.

use std::time::Duration;

use crate::ids::{GrantId, RequestId};

/// Why the desk does not do what it is told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Objection {
    /// There is no such request, or none any more that could be decided.
    #[error("there is no request {0} that could still be decided")]
    NoRequest(RequestId),
    /// It was decided before.
    #[error("request {request} was decided already: {how}")]
    Decided {
        /// The request.
        request: RequestId,
        /// What became of it.
        how: &'static str,
    },
    /// Its time is up.
    #[error("request {0} had to be decided earlier")]
    Expired(RequestId),
    /// The voter saw something else.
    #[error("request {0} is for another action than the one that was looked at: look at it again")]
    OtherAction(RequestId),
    /// The voter is not among those who are asked.
    #[error("{name} is not asked: it is up to {sets}")]
    NotAsked {
        /// The voter.
        name: String,
        /// Who is.
        sets: String,
    },
    /// Others have to agree first.
    #[error("it is not the turn of {name} yet: {set} must agree first")]
    NotTheirTurn {
        /// The voter.
        name: String,
        /// Who must.
        set: String,
    },
    /// The voter has agreed before.
    #[error("{name} has agreed already, and others must agree as well")]
    VotedBefore {
        /// The voter.
        name: String,
    },
    /// The voter is the one who asked.
    #[error("{name} is the account that asked, and nobody decides on their own request")]
    Own {
        /// The voter.
        name: String,
    },
    /// The voter is an agent.
    #[error("this process belongs to an attached cgroup: agents do not decide on requests")]
    Attached,
    /// The comment is too long.
    #[error("a comment has at most {most} bytes, and this one {bytes}")]
    LongComment {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// A grant for a workload needs an end.
    #[error("an approval for the whole workload needs a duration")]
    NoDuration,
    /// A grant would last too long.
    #[error("an approval lasts at most {} hours", most.as_secs() / 3600)]
    TooLong {
        /// How long it may.
        most: Duration,
    },
    /// A bound that lets nothing pass.
    #[error("an approval for nothing: {0} must not be zero")]
    Nothing(&'static str),
    /// Nothing is like the action.
    #[error(
        "only this action can be approved, nothing like it: its {fact} is not known for certain"
    )]
    NothingLikeIt {
        /// What is not known of it.
        fact: String,
    },
    /// There is no such grant.
    #[error("there is no grant {0} in force")]
    NoGrant(GrantId),
    /// The id is taken.
    #[error("there is a request {0} already")]
    Taken(RequestId),
    /// The id is taken.
    #[error("there is a grant {0} already")]
    GrantTaken(GrantId),
    /// An action that is not what its digest says.
    #[error("the action is not the one that its digest names")]
    Misnamed,
    /// Nobody could ever agree.
    #[error("nobody is named who could approve it")]
    NobodyAsked,
    /// Too many wait.
    #[error("{open} requests of workload {workload} wait already, and no more may")]
    TooManyOfWorkload {
        /// The workload.
        workload: String,
        /// How many wait.
        open: usize,
    },
    /// Too many were opened lately.
    #[error("workload {workload} asks for more approvals than {most} in a minute")]
    TooFast {
        /// The workload.
        workload: String,
        /// How many it may ask for.
        most: usize,
    },
    /// Too many wait.
    #[error("{0} requests wait already, and no more may")]
    TooMany(usize),
    /// They take too much memory.
    #[error("the requests that wait take {0} MiB already, and no more may")]
    TooMuch(usize),
    /// Too many grants.
    #[error("{0} grants are in force already, and no more may be")]
    TooManyGrants(usize),
}
