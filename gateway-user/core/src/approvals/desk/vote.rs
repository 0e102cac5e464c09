//! Votes: whose count, for what, and what they decide.
//!
//! INVARIANT: a request is approved only by votes for the digest of its own action, of people who were
//! asked, none of whom is the one who asked or an agent, as many as each demand needs. Checked by the
//! model in `tests`.

use std::sync::Arc;

use super::Desk;
use super::decide::{closed, used};
use crate::approvals::change::Change;
use crate::approvals::command::Ballot;
use crate::approvals::grant::{Covers, Grant, known};
use crate::approvals::likeness::Likeness;
use crate::approvals::moment::Moment;
use crate::approvals::objection::Objection;
use crate::approvals::person::{Person, Seat};
use crate::approvals::quorum::Progress;
use crate::approvals::request::{Count, Request, Says, State, Vote};
use crate::approvals::scope::Scope;
use crate::held::Demand;
use crate::ids::GrantId;

impl Desk {
    pub(super) fn approve(
        &self,
        ballot: Ballot,
        scope: Scope,
        grant: GrantId,
        now: Moment,
    ) -> Result<Vec<Change>, Objection> {
        let request = self.check_ballot(&ballot, now)?;
        self.check_scope(request, &scope)?;
        let counts = counts(request, &ballot.by)?;
        let vote = Vote {
            by: ballot.by.voter(),
            at: now,
            comment: ballot.comment,
            says: Says::Approve { scope, counts },
        };
        let mut after = Request::clone(request);
        after.votes.push(vote.clone());
        let mut changes = vec![Change::Voted {
            request: request.id.clone(),
            vote,
        }];
        if after.progress().iter().all(Progress::is_met) {
            changes.extend(self.decided(&after, grant, now)?);
        }
        Ok(changes)
    }

    pub(super) fn refuse(&self, ballot: Ballot, now: Moment) -> Result<Vec<Change>, Objection> {
        let request = self.check_ballot(&ballot, now)?;
        let state = State::Refused {
            by: ballot.by.name.clone(),
            comment: ballot.comment.clone(),
        };
        let vote = Vote {
            by: ballot.by.voter(),
            at: now,
            comment: ballot.comment,
            says: Says::Refuse,
        };
        let closed = closed(request, state, now);
        let request = request.id.clone();
        Ok(vec![Change::Voted { request, vote }, closed])
    }

    /// Finds what the vote is on, and whether this person may vote on it at all.
    fn check_ballot(&self, ballot: &Ballot, now: Moment) -> Result<&Arc<Request>, Objection> {
        let Ballot {
            request,
            action,
            by,
            comment,
        } = ballot;
        let found = self.request(request);
        let found = found.ok_or_else(|| Objection::NoRequest(request.clone()))?;
        let until = match found.closed {
            None => found.deadline,
            Some(closed) => closed.after(self.limits.late),
        };
        if now >= until {
            return Err(Objection::Expired(request.clone()));
        }
        if *action != found.action.action {
            return Err(Objection::OtherAction(request.clone()));
        }
        if by.seat == Seat::Attached {
            return Err(Objection::Attached);
        }
        if by.is(&found.action.subject) {
            let name = by.name.clone();
            return Err(Objection::Own { name });
        }
        let demands = &found.action.demands;
        if demands.iter().all(|demand| by.places(demand).is_empty()) {
            return Err(not_asked(by, demands));
        }
        let (bytes, most) = (comment.as_ref().map_or(0, String::len), self.limits.comment);
        if bytes > most {
            return Err(Objection::LongComment { bytes, most });
        }
        Ok(found)
    }

    /// Whether so much can be let pass.
    fn check_scope(&self, request: &Request, scope: &Scope) -> Result<(), Objection> {
        let Some(terms) = scope.terms() else {
            return Ok(());
        };
        let most = self.limits.longest;
        match terms.lasting {
            None if matches!(scope, Scope::Workload(_)) => return Err(Objection::NoDuration),
            Some(lasting) if lasting.is_zero() => return Err(Objection::Nothing("its duration")),
            Some(lasting) if lasting > most => return Err(Objection::TooLong { most }),
            _ => {}
        }
        if terms.max_uses == Some(0) {
            return Err(Objection::Nothing("how many actions it is for"));
        }
        if terms.max_rows == Some(0) {
            return Err(Objection::Nothing("how many rows it is for"));
        }
        let likeness = Likeness::of(&request.action, terms.closeness);
        likeness.map_err(|uncertain| Objection::NothingLikeIt {
            fact: uncertain.fact,
        })?;
        Ok(())
    }

    /// What it means that everybody who must has agreed.
    fn decided(
        &self,
        request: &Request,
        grant: GrantId,
        now: Moment,
    ) -> Result<Vec<Change>, Objection> {
        let by: Vec<_> = request.approvers().into_iter().map(|it| it.name).collect();
        let waits = request.closed.is_none();
        let Some(grant) = self.grant_for(request, grant, now)? else {
            let state = State::Approved { by, grant: None };
            return Ok(vec![closed(request, state, now)]);
        };
        let id = grant.id.clone();
        let granted = Change::Granted {
            grant: Box::new(grant.clone()),
        };
        if !waits {
            let state = State::ApprovedLate { by, grant: id };
            return Ok(vec![granted, closed(request, state, now)]);
        }
        let used = used(&grant, &request.action, Some(&request.id), now);
        let grant = Some(id);
        let state = State::Approved { by, grant };
        Ok(vec![granted, used, closed(request, state, now)])
    }

    /// What is granted beyond the action that waits, if anything. Where it waits no longer, a grant for
    /// once or for its session is one for exactly this action, once, when it is asked for again.
    fn grant_for(
        &self,
        request: &Request,
        id: GrantId,
        now: Moment,
    ) -> Result<Option<Grant>, Objection> {
        let waits = request.closed.is_none();
        let action = &request.action;
        let likeness = |closeness| {
            Likeness::of(action, closeness).map_err(|uncertain| Objection::NothingLikeIt {
                fact: uncertain.fact,
            })
        };
        let scope = request.scope();
        let covers = match scope {
            Scope::Workload(terms) => Covers::Workload {
                likeness: likeness(terms.closeness)?,
            },
            Scope::Session(terms) if waits => Covers::Session {
                session: action.session.clone(),
                likeness: likeness(terms.closeness)?,
            },
            Scope::Once if waits => return Ok(None),
            Scope::Once | Scope::Session(_) => Covers::Action {
                action: action.action.clone(),
            },
        };
        if self.grants.contains_key(&id) {
            return Err(Objection::GrantTaken(id));
        }
        if self.grants.len() >= self.limits.grants {
            return Err(Objection::TooManyGrants(self.grants.len()));
        }
        let once = matches!(covers, Covers::Action { .. });
        let terms = scope.terms().copied().unwrap_or_default();
        let lasting = match once {
            true => self.limits.late,
            false => terms.lasting.unwrap_or(self.limits.longest),
        };
        Ok(Some(Grant {
            id,
            request: request.id.clone(),
            by: request.approvers(),
            made: now,
            expires: now.after(lasting),
            workload: action.subject.workload.clone(),
            identity: known(&action.subject),
            covers,
            demands: action.demands.clone(),
            max_uses: if once { Some(1) } else { terms.max_uses },
            max_rows: if once { None } else { terms.max_rows },
            uses: 0,
            rows: 0,
            running: std::collections::BTreeSet::new(),
        }))
    }
}

/// For which demands this person's agreement counts now.
fn counts(request: &Request, by: &Person) -> Result<Vec<Count>, Objection> {
    let voter = by.voter();
    let mut counts = Vec::new();
    let mut waits_for = None;
    for (place, demand) in request.action.demands.iter().enumerate() {
        let mut sets = by.places(demand);
        if sets.is_empty() || request.has_counted(place, &voter) {
            continue;
        }
        if demand.in_order {
            let progress = request.progress();
            let turn = progress.get(place).and_then(Progress::turn);
            let asked = sets.iter().copied().find(|set| Some(*set) == turn);
            let Some(asked) = asked else {
                // One whose set has been is not asked again; one whose set is to come waits.
                let to_come = sets.iter().any(|set| turn.is_some_and(|turn| *set > turn));
                let first = turn.and_then(|turn| demand.approvers.get(turn));
                if let Some(first) = first.filter(|_| to_come) {
                    waits_for = Some(first.name.clone());
                }
                continue;
            };
            sets = vec![asked];
        }
        counts.push(Count {
            demand: place,
            sets,
        });
    }
    let name = by.name.clone();
    match (counts.is_empty(), waits_for) {
        (false, _) => Ok(counts),
        (true, Some(set)) => Err(Objection::NotTheirTurn { name, set }),
        (true, None) => Err(Objection::VotedBefore { name }),
    }
}

pub(super) fn not_asked(by: &Person, demands: &[Demand]) -> Objection {
    let mut sets: Vec<&str> = Vec::new();
    for set in demands.iter().flat_map(|it| &it.approvers) {
        if !sets.contains(&set.name.as_str()) {
            sets.push(&set.name);
        }
    }
    Objection::NotAsked {
        name: by.name.clone(),
        sets: sets.join(" and "),
    }
}
