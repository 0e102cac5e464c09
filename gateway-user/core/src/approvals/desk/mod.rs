//! `Desk`: what is open and what was granted.
//!
//! Three steps, each without I/O: [`Desk::decide`] says what a command changes, or why it changes nothing;
//! [`Desk::apply`] takes a change in, once it is written down; [`Desk::follow`] says what changes by itself,
//! because time passed or because of what was changed before. `decide` and `follow` never act on what is not
//! written down: whoever loses the last step loses nothing that anybody was told.
//!
//! Commands that open, end and take back are in `decide`, votes in `vote`, what follows in `follow`. Requests
//! that are closed leave the desk, but for those that may be let pass late; who looks for older ones
//! finds them where changes are written down.

mod decide;
mod follow;
mod pace;
mod vote;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use self::pace::Pace;
use super::change::{Change, Effect, Notice};
use super::grant::{Ending, Grant, Use};
use super::moment::Moment;
use super::request::{Request, State, Vote};
use crate::held::{Answer, HeldAction, Outcome, Parameter, ParameterValue};
use crate::ids::{AskId, GrantId, RequestId, SessionId, WorkloadName};
use crate::preview::Preview;

/// What a request weighs besides what the agent chose of it, in bytes; roughly.
const FRAME: usize = 1 << 10;

/// How much the desk takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests that may wait.
    pub open: usize,
    /// Requests of one workload that may wait.
    pub open_of_workload: usize,
    /// Requests that one workload may open in a minute.
    pub opened_a_minute: usize,
    /// Bytes that those which wait may take.
    pub bytes: usize,
    /// Bytes that those of one workload may take.
    pub bytes_of_workload: usize,
    /// For how long a request that waits no longer may be let pass late, and how long such a grant lasts.
    pub late: Duration,
    /// How many requests of one workload that is kept for. Older ones are displaced.
    pub late_of_workload: usize,
    /// Grants that may be in force.
    pub grants: usize,
    /// How long a grant lasts at most.
    pub longest: Duration,
    /// Length of a comment in bytes.
    pub comment: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open: 4096,
            open_of_workload: 64,
            opened_a_minute: 120,
            bytes: 64 << 20,
            bytes_of_workload: 8 << 20,
            late: Duration::from_secs(60 * 60),
            late_of_workload: 64,
            grants: 4096,
            longest: Duration::from_secs(24 * 60 * 60),
            comment: 2 << 10,
        }
    }
}

/// What is open and what was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desk {
    limits: Limits,
    open: BTreeMap<RequestId, Arc<Request>>,
    /// Closed ones that may be let pass late.
    late: BTreeMap<RequestId, Arc<Request>>,
    grants: BTreeMap<GrantId, Arc<Grant>>,
    /// Grants by which something that waits may pass, which did not at first.
    fresh: BTreeSet<GrantId>,
    pace: Pace,
}

impl Desk {
    /// One with nothing on it.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// One with what is known of an earlier one: requests that were open or may be let pass late, and
    /// grants in force.
    pub fn restore(
        limits: Limits,
        requests: impl IntoIterator<Item = Request>,
        grants: impl IntoIterator<Item = Grant>,
    ) -> Self {
        let mut desk = Self::new(limits);
        let mut workloads = BTreeSet::new();
        for request in requests {
            workloads.insert(request.action.subject.workload.clone());
            let place = match request.state {
                State::Open => &mut desk.open,
                ref closed if closed.may_be_late() => &mut desk.late,
                _ => continue,
            };
            place.insert(request.id.clone(), Arc::new(request));
        }
        let grants = grants.into_iter();
        desk.grants = grants.map(|it| (it.id.clone(), Arc::new(it))).collect();
        for workload in workloads {
            desk.displace(&workload);
        }
        desk
    }

    /// How much it takes on.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Requests that wait, oldest first.
    pub fn open(&self) -> impl Iterator<Item = &Arc<Request>> {
        self.open.values()
    }

    /// Requests that wait no longer and may be let pass late, oldest first.
    pub fn late(&self) -> impl Iterator<Item = &Arc<Request>> {
        self.late.values()
    }

    /// A request that waits or may be let pass late.
    pub fn request(&self, id: &RequestId) -> Option<&Arc<Request>> {
        self.open.get(id).or_else(|| self.late.get(id))
    }

    /// Grants in force, oldest first.
    pub fn grants(&self) -> impl Iterator<Item = &Arc<Grant>> {
        self.grants.values()
    }

    /// A grant in force.
    pub fn grant(&self, id: &GrantId) -> Option<&Arc<Grant>> {
        self.grants.get(id)
    }

    /// Takes in what was written down. What it tells of and is not there is passed over.
    #[must_use = "somebody waits for the effects"]
    pub fn apply(&mut self, change: Change) -> Vec<Effect> {
        match change {
            Change::Opened { request } => self.opened(*request),
            Change::Voted { request, vote } => self.voted(&request, vote),
            Change::Previewed {
                request, preview, ..
            } => self.previewed(&request, preview),
            Change::Closed { request, at, state } => self.closed(&request, at, state),
            Change::Granted { grant } => self.granted(*grant),
            Change::Used { grant, used } => self.used(&grant, &used),
            Change::Finished {
                grant,
                session,
                ask,
                rows,
                ..
            } => self.finished(grant, session, ask, rows),
            Change::Ended { grant, ending, .. } => self.ended(&grant, ending),
        }
    }

    fn opened(&mut self, request: Request) -> Vec<Effect> {
        let request = Arc::new(request);
        self.pace
            .count(&request.action.subject.workload, request.opened);
        self.open.insert(request.id.clone(), Arc::clone(&request));
        vec![Effect::Notice(Notice::Opened(request))]
    }

    fn voted(&mut self, id: &RequestId, vote: Vote) -> Vec<Effect> {
        let Some(request) = self.open.get_mut(id).or_else(|| self.late.get_mut(id)) else {
            return Vec::new();
        };
        Arc::make_mut(request).votes.push(vote);
        vec![Effect::Notice(Notice::Voted(Arc::clone(request)))]
    }

    fn previewed(&mut self, id: &RequestId, preview: Preview) -> Vec<Effect> {
        let Some(request) = self.open.get_mut(id) else {
            return Vec::new();
        };
        Arc::make_mut(request).preview = Some(preview);
        vec![Effect::Notice(Notice::Previewed(Arc::clone(request)))]
    }

    fn closed(&mut self, id: &RequestId, at: Moment, state: State) -> Vec<Effect> {
        let waited = self.open.remove(id);
        let waits = waited.is_some();
        let Some(mut request) = waited.or_else(|| self.late.remove(id)) else {
            return Vec::new();
        };
        let changed = Arc::make_mut(&mut request);
        changed.state = state;
        changed.closed = Some(at);
        if request.state.may_be_late() {
            self.late.insert(id.clone(), Arc::clone(&request));
            self.displace(&request.action.subject.workload);
        }
        let mut effects = Vec::new();
        if waits && let Some(outcome) = outcome(&request) {
            effects.push(Effect::Answer {
                session: request.action.session.clone(),
                ask: request.action.ask,
                answer: Answer {
                    action: request.action.action.clone(),
                    request: Some(request.id.clone()),
                    outcome,
                },
            });
        }
        effects.push(Effect::Notice(Notice::Closed(request)));
        effects
    }

    /// Lets go of the oldest of a workload's late requests when there are too many.
    fn displace(&mut self, workload: &WorkloadName) {
        let (count, bytes) = tally(self.late.values(), Some(workload));
        if count > self.limits.late_of_workload || bytes > self.limits.bytes_of_workload {
            let mut of_workload = self.late.values();
            let oldest = of_workload.find(|it| it.action.subject.workload == *workload);
            if let Some(oldest) = oldest.map(|it| it.id.clone()) {
                self.late.remove(&oldest);
                self.displace(workload);
            }
        }
    }

    fn granted(&mut self, grant: Grant) -> Vec<Effect> {
        let grant = Arc::new(grant);
        self.grants.insert(grant.id.clone(), Arc::clone(&grant));
        self.fresh.insert(grant.id.clone());
        vec![Effect::Notice(Notice::Granted(grant))]
    }

    fn used(&mut self, id: &GrantId, used: &Use) -> Vec<Effect> {
        let Some(grant) = self.grants.get_mut(id) else {
            return Vec::new();
        };
        let changed = Arc::make_mut(grant);
        changed.uses = changed.uses.saturating_add(1);
        changed.running.insert((used.session.clone(), used.ask));
        let mut effects = Vec::new();
        // What waited as a request gets its answer when that is closed.
        if used.request.is_none() {
            effects.push(Effect::Answer {
                session: used.session.clone(),
                ask: used.ask,
                answer: Answer {
                    action: used.action.clone(),
                    request: None,
                    outcome: Outcome::Approved {
                        by: grant.by.iter().map(|it| it.name.clone()).collect(),
                        grant: Some(id.clone()),
                    },
                },
            });
        }
        effects.push(Effect::Notice(Notice::Used(Arc::clone(grant))));
        effects
    }

    fn finished(
        &mut self,
        id: GrantId,
        session: SessionId,
        ask: AskId,
        rows: Option<u64>,
    ) -> Vec<Effect> {
        let Some(grant) = self.grants.get_mut(&id) else {
            return Vec::new();
        };
        let changed = Arc::make_mut(grant);
        changed.running.remove(&(session, ask));
        changed.rows = changed.rows.saturating_add(rows.unwrap_or(0));
        let notice = Notice::Used(Arc::clone(grant));
        self.fresh.insert(id);
        vec![Effect::Notice(notice)]
    }

    fn ended(&mut self, id: &GrantId, ending: Ending) -> Vec<Effect> {
        self.fresh.remove(id);
        let Some(grant) = self.grants.remove(id) else {
            return Vec::new();
        };
        let mut effects = Vec::new();
        if ending.ends_what_runs() {
            let sessions: BTreeSet<_> = grant.running.iter().map(|(session, _)| session).collect();
            effects.extend(sessions.into_iter().map(|session| Effect::EndSession {
                session: session.clone(),
                reason: ending.sentence(),
            }));
        }
        effects.push(Effect::Notice(Notice::Ended(grant, ending)));
        effects
    }
}

/// What whoever waits is told; nothing if nobody does.
fn outcome(request: &Request) -> Option<Outcome> {
    Some(match &request.state {
        State::Approved { by, grant } => Outcome::Approved {
            by: by.clone(),
            grant: grant.clone(),
        },
        State::Refused { by, comment } => Outcome::Refused {
            by: Some(by.clone()),
            reason: match comment {
                Some(comment) => format!("{by} refused it: {comment}"),
                None => format!("{by} refused it"),
            },
        },
        State::TimedOut => Outcome::Refused {
            by: None,
            reason: "nobody decided in time".to_owned(),
        },
        State::Open | State::ApprovedLate { .. } | State::Withdrawn { .. } => return None,
    })
}

/// How many of these requests are of one workload, or of any, and what they weigh.
fn tally<'a>(
    requests: impl Iterator<Item = &'a Arc<Request>>,
    workload: Option<&WorkloadName>,
) -> (usize, usize) {
    requests
        .filter(|it| workload.is_none_or(|workload| it.action.subject.workload == *workload))
        .fold((0, 0), |(count, bytes), it| {
            (count + 1, bytes + weight(&it.action))
        })
}

/// Roughly how many bytes of memory an action takes: what its agent can make large.
fn weight(action: &HeldAction) -> usize {
    let parameters = action.parameters.iter().map(|it| {
        let value = match &it.value {
            ParameterValue::Null => 0,
            ParameterValue::Text(text)
            | ParameterValue::Bytes(text)
            | ParameterValue::Hidden(text)
            | ParameterValue::Encoded(text) => text.len(),
        };
        let words = [&it.declared, &it.reads].into_iter().flatten();
        size_of::<Parameter>() + value + words.map(String::len).sum::<usize>()
    });
    let parameters: usize = parameters.sum();
    // Facts repeat what is in the text.
    let facts = action.units.len().saturating_mul(FRAME);
    FRAME + 2 * action.text.len() + parameters + facts
}
