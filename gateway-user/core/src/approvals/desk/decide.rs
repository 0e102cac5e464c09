//! What commands change, those apart by which people vote.

use super::{Desk, tally, weight};
use crate::approvals::change::Change;
use crate::approvals::command::Command;
use crate::approvals::grant::{Covers, Ending, Grant, Use};
use crate::approvals::moment::Moment;
use crate::approvals::objection::Objection;
use crate::approvals::person::{Person, Seat};
use crate::approvals::request::{Request, State};
use crate::held::{Demand, HeldAction, Withdrawal};
use crate::ids::{AskId, GrantId, RequestId, SessionId};
use crate::preview::Preview;

impl Desk {
    /// What a command changes.
    ///
    /// # Errors
    /// Why it changes nothing.
    pub fn decide(&self, command: Command, now: Moment) -> Result<Vec<Change>, Objection> {
        match command {
            Command::Open { request, action } => self.open_request(request, *action, now),
            Command::Approve {
                ballot,
                scope,
                grant,
            } => self.approve(ballot, scope, grant, now),
            Command::Refuse(ballot) => self.refuse(ballot, now),
            Command::Preview { request, preview } => Ok(self.preview(request, preview, now)),
            Command::Withdraw { request, why } => Ok(self.withdraw(&request, why, now)),
            Command::Finished {
                grant,
                session,
                ask,
                rows,
            } => Ok(self.finish(&grant, session, ask, rows, now)),
            Command::SessionEnded(session) => Ok(self.end_session(&session, now)),
            Command::Revoke { grant, by } => self.revoke(&grant, &by, now),
            Command::Started => Ok(self.start(now)),
            Command::Resumed => Ok(self.withdraw_all(Withdrawal::Unrecorded, now)),
        }
    }

    fn open_request(
        &self,
        id: RequestId,
        action: HeldAction,
        now: Moment,
    ) -> Result<Vec<Change>, Objection> {
        if action.digest() != action.action {
            return Err(Objection::Misnamed);
        }
        if self.request(&id).is_some() {
            return Err(Objection::Taken(id));
        }
        if let Some(grant) = self.covering(&action, now) {
            return Ok(vec![used(grant, &action, None, now)]);
        }
        let shortest = action.demands.iter().map(|it| it.timeout).min();
        let Some(timeout) = shortest.filter(|_| action.demands.iter().all(is_askable)) else {
            return Err(Objection::NobodyAsked);
        };
        self.check_room(&action, now)?;
        Ok(vec![Change::Opened {
            request: Box::new(Request {
                id,
                action,
                opened: now,
                deadline: now.after(timeout),
                preview: None,
                votes: Vec::new(),
                state: State::Open,
                closed: None,
            }),
        }])
    }

    /// A preview is for those who decide: once, and only while it waits.
    fn preview(&self, request: RequestId, preview: Preview, at: Moment) -> Vec<Change> {
        let waits = self.open.get(&request);
        match waits.filter(|it| it.preview.is_none()) {
            Some(_) => vec![Change::Previewed {
                request,
                at,
                preview,
            }],
            None => Vec::new(),
        }
    }

    /// The grant by which an action may pass: one that lasts before one that is used up by it.
    pub(super) fn covering(&self, action: &HeldAction, now: Moment) -> Option<&Grant> {
        let covering = self.grants.values().filter(|it| it.lets_pass(action, now));
        let found = covering.min_by_key(|it| matches!(it.covers, Covers::Action { .. }));
        found.map(AsRef::as_ref)
    }

    fn check_room(&self, action: &HeldAction, now: Moment) -> Result<(), Objection> {
        let workload = &action.subject.workload;
        let (open, bytes) = tally(self.open.values(), Some(workload));
        let bytes = bytes + weight(action);
        if open >= self.limits.open_of_workload || bytes > self.limits.bytes_of_workload {
            return Err(Objection::TooManyOfWorkload {
                workload: workload.to_string(),
                open,
            });
        }
        if self.pace.of(workload, now) >= self.limits.opened_a_minute {
            return Err(Objection::TooFast {
                workload: workload.to_string(),
                most: self.limits.opened_a_minute,
            });
        }
        if self.open.len() >= self.limits.open {
            return Err(Objection::TooMany(self.open.len()));
        }
        let (_, bytes) = tally(self.open.values(), None);
        if bytes + weight(action) > self.limits.bytes {
            return Err(Objection::TooMuch(bytes >> 20));
        }
        Ok(())
    }

    /// Nothing where it was decided in the meantime: then the answer is under way.
    fn withdraw(&self, id: &RequestId, why: Withdrawal, now: Moment) -> Vec<Change> {
        let open = self.open.get(id);
        open.map(|it| closed(it, State::Withdrawn { why }, now))
            .into_iter()
            .collect()
    }

    fn finish(
        &self,
        id: &GrantId,
        session: SessionId,
        ask: AskId,
        rows: Option<u64>,
        now: Moment,
    ) -> Vec<Change> {
        let key = (session, ask);
        let grant = self.grants.get(id).filter(|it| it.running.contains(&key));
        let Some(grant) = grant else {
            return Vec::new();
        };
        let (session, ask) = key;
        let mut changes = vec![Change::Finished {
            grant: id.clone(),
            session,
            ask,
            rows,
            at: now,
        }];
        // Fails closed: a count that is not known is not below any bound.
        if grant.max_rows.is_some() && rows.is_none() {
            changes.push(ended(grant, Ending::RowsUnknown, now));
        }
        changes
    }

    fn end_session(&self, session: &SessionId, now: Moment) -> Vec<Change> {
        let of_session = self
            .open
            .values()
            .filter(|it| it.action.session == *session);
        let why = Withdrawal::SessionEnded;
        let mut changes: Vec<_> = of_session
            .map(|it| closed(it, State::Withdrawn { why }, now))
            .collect();
        for grant in self.grants.values() {
            changes.extend(self.leave(grant, |it| it == session, now));
        }
        changes
    }

    fn withdraw_all(&self, why: Withdrawal, now: Moment) -> Vec<Change> {
        let open = self.open.values();
        open.map(|it| closed(it, State::Withdrawn { why }, now))
            .collect()
    }

    fn start(&self, now: Moment) -> Vec<Change> {
        let mut changes = self.withdraw_all(Withdrawal::DaemonGone, now);
        for grant in self.grants.values() {
            changes.extend(self.leave(grant, |_| true, now));
        }
        changes
    }

    /// What the end of sessions means for a grant.
    fn leave(
        &self,
        grant: &Grant,
        is_gone: impl Fn(&SessionId) -> bool,
        now: Moment,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        let running = grant.running.iter();
        for (session, ask) in running.filter(|(session, _)| is_gone(session)) {
            changes.push(Change::Finished {
                grant: grant.id.clone(),
                session: session.clone(),
                ask: *ask,
                rows: None,
                at: now,
            });
        }
        let is_over = matches!(&grant.covers, Covers::Session { session, .. } if is_gone(session));
        if is_over {
            changes.push(ended(grant, Ending::SessionEnded, now));
        } else if grant.max_rows.is_some() && !changes.is_empty() {
            changes.push(ended(grant, Ending::RowsUnknown, now));
        }
        changes
    }

    fn revoke(&self, id: &GrantId, by: &Person, now: Moment) -> Result<Vec<Change>, Objection> {
        let grant = self.grants.get(id);
        let grant = grant.ok_or_else(|| Objection::NoGrant(id.clone()))?;
        let mut sets = grant.demands.iter().flat_map(|it| &it.approvers);
        match by.seat {
            Seat::Attached => return Err(Objection::Attached),
            Seat::Operator => {}
            Seat::Host if sets.any(|set| by.is_in(set)) => {}
            Seat::Host => return Err(super::vote::not_asked(by, &grant.demands)),
        }
        let ending = Ending::Revoked { by: by.voter() };
        Ok(vec![ended(grant, ending, now)])
    }
}

/// Whether somebody is named for each set.
fn is_askable(demand: &Demand) -> bool {
    let mut sets = demand.approvers.iter();
    !demand.approvers.is_empty() && sets.all(|set| !(set.users.is_empty() && set.groups.is_empty()))
}

pub(super) fn used(
    grant: &Grant,
    action: &HeldAction,
    request: Option<&RequestId>,
    now: Moment,
) -> Change {
    Change::Used {
        grant: grant.id.clone(),
        used: Use {
            session: action.session.clone(),
            ask: action.ask,
            action: action.action.clone(),
            at: now,
            request: request.cloned(),
        },
    }
}

pub(super) fn closed(request: &Request, state: State, now: Moment) -> Change {
    Change::Closed {
        request: request.id.clone(),
        at: now,
        state,
    }
}

pub(super) fn ended(grant: &Grant, ending: Ending, now: Moment) -> Change {
    Change::Ended {
        grant: grant.id.clone(),
        at: now,
        ending,
    }
}
