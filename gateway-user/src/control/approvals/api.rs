//! What goes over the control socket about approvals, for both ends: requests as people look at them,
//! their decisions, grants, and what those who watch are told.
//!
//! Fields are only ever added. The reference for people is `docs/approvals.md`, for programs
//! `docs/openapi.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_core::approvals::change::Notice;
use gateway_core::approvals::grant::{self, Covers, Ending};
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::person::{Person, Voter};
use gateway_core::approvals::quorum::Progress;
use gateway_core::approvals::request::{self, Request, Says, State};
use gateway_core::approvals::scope::{Closeness, Scope, Terms};
use gateway_core::held::{Demand, HeldAction};
use gateway_core::ids::{
    ActionDigest, GrantId, RequestId, ResourceName, RuleName, SessionId, WorkloadName,
};
use gateway_core::preview::Preview;
use gateway_core::subject::Known;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::eyes::Eyes;

/// So much of a statement is in a [`Brief`], in characters.
const BEGINNING: usize = 200;

/// A request in a line: one of `GET /v1/approvals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brief {
    /// Its id.
    pub id: RequestId,
    /// Since when.
    pub opened: Timestamp,
    /// Until when people may decide.
    pub deadline: Timestamp,
    /// Since when it is decided, or waits no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Timestamp>,
    /// What became of it.
    #[serde(flatten)]
    pub state: State,
    /// Who asks.
    pub workload: WorkloadName,
    /// The session that waits.
    pub session: SessionId,
    /// The process's name for itself: a label, never evidence.
    pub comm: String,
    /// The process.
    pub pid: u32,
    /// What is acted on.
    pub resource: ResourceName,
    /// Name of the protocol.
    pub protocol: String,
    /// The rules that hold it.
    pub rules: Vec<RuleName>,
    /// The sets of approvers that are asked now.
    pub asked: Vec<String>,
    /// Whether the caller is asked now.
    pub yours: bool,
    /// The beginning of the statement. A decision takes all of it: look at the request.
    pub beginning: String,
    /// How many bytes the whole statement has.
    pub text_bytes: usize,
}

/// A request, whole: `GET /v1/approvals/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id.
    pub id: RequestId,
    /// Since when.
    pub opened: Timestamp,
    /// Until when people may decide.
    pub deadline: Timestamp,
    /// Since when it is decided, or waits no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Timestamp>,
    /// What became of it.
    #[serde(flatten)]
    pub state: State,
    /// Whether the caller is asked now.
    pub yours: bool,
    /// The host that the agent runs on.
    pub host: String,
    /// The processes above the one that asks, nearest first, while that still runs. What they call
    /// themselves is no evidence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// The action: all of what would be done. Its `action` is the digest that a decision names.
    pub action: HeldAction,
    /// How much it would touch, as the server told beforehand. It decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// How far each demand is met.
    pub progress: Vec<Progress>,
    /// What people said, in their order.
    pub votes: Vec<Vote>,
    /// How often the same sort of action was asked for before, by what became of it.
    #[serde(default)]
    pub earlier: BTreeMap<String, u64>,
}

/// A process above the one that asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The process.
    pub pid: u32,
    /// Its name for itself.
    pub comm: String,
    /// Its command line.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command_line: Vec<String>,
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: Voter,
    /// When.
    pub at: Timestamp,
    /// Yes or no.
    pub says: Word,
    /// How much, of a yes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lets_pass: Option<Scope>,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// How far an approval goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// This action.
    #[default]
    Once,
    /// It, and what its session does that is like it.
    Session,
    /// It, and what its workload does that is like it.
    Workload,
}

/// Body of `POST /v1/approvals/{id}/approve`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApproveRequest {
    /// The digest of the action that was looked at.
    pub digest: ActionDigest,
    /// How far it goes.
    #[serde(default)]
    pub scope: Reach,
    /// For how long, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasting_s: Option<u64>,
    /// How like this action others have to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closeness: Option<Closeness>,
    /// How many actions, this one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
    /// How many rows they may change in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
    /// What the approver says to it; it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// Body of `POST /v1/approvals/{id}/deny`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenyRequest {
    /// The digest of the action that was looked at.
    pub digest: ActionDigest,
    /// Why; it is recorded, and told to the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// What people let pass beforehand: one of `GET /v1/grants`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Its id.
    pub id: GrantId,
    /// The request by which it was made.
    pub request: RequestId,
    /// Those who made it.
    pub by: Vec<Voter>,
    /// When.
    pub made: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// Whose actions it lets pass.
    pub workload: WorkloadName,
    /// As whom the workload has to be known by its token; left out where it must not be known.
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
    /// How many actions passed by it.
    pub uses: u64,
    /// How many rows these changed, as far as the server told.
    pub rows: u64,
    /// How many of them still run.
    pub running: usize,
    /// Its end, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// The end of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// Why.
    #[serde(flatten)]
    pub ending: Ending,
}

/// A line of `GET /v1/approvals/watch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// A request waits already; first of all, one line for each.
    Waiting {
        /// It.
        approval: Brief,
    },
    /// All that waits has been told; from here on it is what happens.
    Ready,
    /// A request was opened.
    Opened {
        /// It.
        approval: Brief,
    },
    /// The server told how much a request would touch.
    Previewed {
        /// Which one.
        approval: Brief,
    },
    /// Somebody voted; it may be the turn of others now.
    Voted {
        /// On what.
        approval: Brief,
    },
    /// A request was decided, or waits no longer.
    Closed {
        /// Which one.
        approval: Brief,
    },
    /// A grant was made.
    Granted {
        /// It.
        grant: Grant,
    },
    /// An action passed by a grant, or is over.
    Used {
        /// Which one.
        grant: Grant,
    },
    /// A grant ended.
    Ended {
        /// Which one.
        grant: Grant,
    },
    /// Lines were lost, because they were not read in time: ask for the lists again.
    Missed {
        /// How many.
        count: u64,
    },
}

/// As the API tells times.
pub(in crate::control) fn time(at: Moment) -> Timestamp {
    let milliseconds = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}

impl Brief {
    /// As somebody sees it.
    pub(super) fn of(request: &Request, eyes: &Eyes) -> Self {
        let request = &*eyes.request(request);
        let Request { action, .. } = request;
        let progress = request.progress();
        let sets = progress.iter().flat_map(|it| &it.sets);
        let mut asked: Vec<_> = sets.filter(|it| it.asked).map(|it| &it.name).collect();
        asked.sort();
        asked.dedup();
        Self {
            id: request.id.clone(),
            opened: time(request.opened),
            deadline: time(request.deadline),
            closed: request.closed.map(time),
            state: request.state.clone(),
            workload: action.subject.workload.clone(),
            session: action.session.clone(),
            comm: action.subject.process.comm.clone(),
            pid: action.subject.process.pid,
            resource: action.resource.clone(),
            protocol: action.protocol.clone(),
            rules: action.demands.iter().map(|it| it.rule.clone()).collect(),
            asked: asked.into_iter().cloned().collect(),
            yours: is_asked(request, &progress, &eyes.person),
            beginning: action.text.chars().take(BEGINNING).collect(),
            text_bytes: action.text.len(),
        }
    }
}

impl Vote {
    pub(super) fn of(vote: &request::Vote) -> Self {
        let (says, lets_pass) = match vote.says {
            Says::Approve { scope, .. } => (Word::Approve, Some(scope)),
            Says::Refuse => (Word::Deny, None),
        };
        Self {
            by: vote.by.clone(),
            at: time(vote.at),
            says,
            lets_pass,
            comment: vote.comment.clone(),
        }
    }
}

impl Grant {
    /// As somebody sees it.
    pub(super) fn of(grant: &grant::Grant, ended: Option<Ended>, eyes: &Eyes) -> Self {
        let grant = &*eyes.grant(grant);
        Self {
            id: grant.id.clone(),
            request: grant.request.clone(),
            by: grant.by.clone(),
            made: time(grant.made),
            expires: time(grant.expires),
            workload: grant.workload.clone(),
            identity: grant.identity.clone(),
            covers: grant.covers.clone(),
            demands: grant.demands.clone(),
            max_uses: grant.max_uses,
            max_rows: grant.max_rows,
            uses: grant.uses,
            rows: grant.rows,
            running: grant.running.len(),
            ended,
        }
    }
}

impl Line {
    /// What somebody is told of a notice.
    pub(super) fn of(notice: &Notice, eyes: &Eyes) -> Self {
        let brief = |request: &Request| Brief::of(request, eyes);
        match notice {
            Notice::Opened(request) => Self::Opened {
                approval: brief(request),
            },
            Notice::Previewed(request) => Self::Previewed {
                approval: brief(request),
            },
            Notice::Voted(request) => Self::Voted {
                approval: brief(request),
            },
            Notice::Closed(request) => Self::Closed {
                approval: brief(request),
            },
            Notice::Granted(grant) => Self::Granted {
                grant: Grant::of(grant, None, eyes),
            },
            Notice::Used(grant) => Self::Used {
                grant: Grant::of(grant, None, eyes),
            },
            Notice::Ended(grant, ending) => Self::Ended {
                grant: Grant::of(
                    grant,
                    Some(Ended {
                        at: None,
                        ending: ending.clone(),
                    }),
                    eyes,
                ),
            },
        }
    }
}

impl ApproveRequest {
    /// How much it lets pass; an error says what does not go together.
    pub fn scope(&self) -> Result<Scope, &'static str> {
        let terms = Terms {
            lasting: self.lasting_s.map(Duration::from_secs),
            closeness: self.closeness.unwrap_or_default(),
            max_uses: self.max_uses,
            max_rows: self.max_rows,
        };
        match self.scope {
            Reach::Session => Ok(Scope::Session(terms)),
            Reach::Workload => Ok(Scope::Workload(terms)),
            Reach::Once if terms == Terms::default() && self.closeness.is_none() => Ok(Scope::Once),
            Reach::Once => Err("what is approved once has no bounds: give a scope as well"),
        }
    }
}

/// Whether this person could say something to it now that would count. The desk has the last word.
pub(super) fn is_asked(request: &Request, progress: &[Progress], person: &Person) -> bool {
    let waits = request.state == State::Open || request.state.may_be_late();
    let is_own = request.action.subject.process.uid == person.uid;
    let voter = person.voter();
    let has_voted = request.votes.iter().any(|vote| vote.by.is(&voter));
    let demands = request.action.demands.iter().zip(progress);
    let mut asked = demands.flat_map(|(demand, progress)| {
        let places = person.places(demand).into_iter();
        places.map(|place| progress.sets.get(place).is_some_and(|set| set.asked))
    });
    waits && !is_own && !has_voted && asked.any(|asked| asked)
}
