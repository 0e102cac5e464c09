//! Approvals over the control socket: who asks, what they may see, what they decide.
//!
//! `api` is the language, `eyes` what each may see of values, `routes` unpacks requests, `watch` tells what happens as it does. Who the
//! caller is comes from the kernel and the host's user database alone ([`Operations::person`]);
//! whether their word counts is the desk's to say. Operators see everything and decide nothing by
//! being that; others see what is put to them.

pub mod api;
mod eyes;
pub mod failure;
pub mod routes;
mod watch;

use std::sync::Arc;

use gateway_core::approvals::command::Ballot;
use gateway_core::approvals::objection::Objection;
use gateway_core::approvals::person::{Person, Seat};
use gateway_core::approvals::request::{Request, State};
use gateway_core::approvals::veil;
use gateway_core::held::Demand;
use gateway_core::ids::{GrantId, RequestId};

use self::api::{Approval, ApproveRequest, Brief, DenyRequest, Ended, Grant, Vote, is_asked, time};
use self::eyes::Eyes;
use self::failure::ApprovalError;
use super::operations::Operations;
use super::peer::Peer;
use crate::approvals::{Approvals, Failure, Seen};
use crate::identity;

/// So many that are over are listed, and looked at where a part of an id is that of many.
const OVER: u32 = 1000;
/// So many requests are named where several were meant.
const NAMED: usize = 5;

/// Which requests or grants are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// Those that wait or may still be let pass; grants in force.
    #[default]
    Open,
    /// Those that are over as well, the latest last.
    All,
}

impl Which {
    /// As it is asked for.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::All => "all",
        }
    }
}

impl Operations {
    /// Who is at the other end, by the kernel and the host's user database.
    ///
    /// Never by what the process says of itself: groups that it merely runs with are not looked at.
    pub fn person(&self, peer: Peer) -> Result<Person, ApprovalError> {
        let seat = match (self.is_agent(peer), peer.is_permitted()) {
            (true, _) => Seat::Attached,
            (false, true) => Seat::Operator,
            (false, false) => Seat::Host,
        };
        peer.person(seat)
            .ok_or(ApprovalError::NoAccount { uid: peer.uid })
    }

    /// What a person sees.
    pub(super) fn eyes(&self, person: &Person) -> Eyes {
        Eyes::new(Arc::clone(&self.parts().settings), person.clone())
    }

    fn approvals(&self) -> &Approvals {
        &self.parts().approvals
    }

    /// The requests that `person` may see, oldest first.
    pub async fn list_approvals(
        &self,
        which: Which,
        person: &Person,
    ) -> Result<Vec<Brief>, ApprovalError> {
        let mut all: Vec<Brief> = Vec::new();
        if which == Which::All {
            let eyes = self.eyes(person);
            let brief =
                move |it: Request| may_see(&it, &eyes.person).then(|| Brief::of(&it, &eyes));
            all = self.approvals().closed(OVER, brief).await?;
        }
        let eyes = self.eyes(person);
        let open = self.approvals().open().await?;
        let seen = open.iter().filter(|it| may_see(it, person));
        for brief in seen.map(|request| Brief::of(request, &eyes)) {
            if !all.iter().any(|it| it.id == brief.id) {
                all.push(brief);
            }
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// One request, whole, by the beginning or end of its id.
    pub async fn show_approval(
        &self,
        part: &str,
        person: &Person,
    ) -> Result<Approval, ApprovalError> {
        let no = || ApprovalError::NoRequest {
            part: part.to_owned(),
        };
        let id = match self.approvals().show(RequestId::new(part)).await? {
            Some(seen) if may_see(&seen.request, person) => {
                return Ok(approval(&seen, &self.eyes(person)).await);
            }
            Some(_) => return Err(no()),
            None => self.meant_request(part, person).await?,
        };
        let seen = self.approvals().show(id).await?.ok_or_else(no)?;
        Ok(approval(&seen, &self.eyes(person)).await)
    }

    async fn meant_request(&self, part: &str, person: &Person) -> Result<RequestId, ApprovalError> {
        let person = person.clone();
        let is_theirs = move |demands: &[Demand]| concerns(demands, &person);
        // An end that is empty is that of all, and means none.
        let ids = match part {
            "" => Default::default(),
            part => {
                let named = self.approvals().named(part.to_owned(), OVER, is_theirs);
                named.await?
            }
        };
        meant(part, ids.into_iter(), |id| id.as_str())
    }

    /// Says yes.
    pub async fn approve(
        &self,
        id: &str,
        request: ApproveRequest,
        by: Person,
    ) -> Result<Approval, ApprovalError> {
        let scope = request.scope().map_err(ApprovalError::Malformed)?;
        let ballot = Ballot {
            request: RequestId::new(id),
            action: request.digest,
            by: by.clone(),
            comment: request.comment,
        };
        match self.approvals().approve(ballot, scope).await {
            Ok(_) => self.show_approval(id, &by).await,
            Err(failure) => Err(self.why_not(failure, &by).await),
        }
    }

    /// Says no.
    pub async fn deny(
        &self,
        id: &str,
        request: DenyRequest,
        by: Person,
    ) -> Result<Approval, ApprovalError> {
        let ballot = Ballot {
            request: RequestId::new(id),
            action: request.digest,
            by: by.clone(),
            comment: request.comment,
        };
        match self.approvals().refuse(ballot).await {
            Ok(_) => self.show_approval(id, &by).await,
            Err(failure) => Err(self.why_not(failure, &by).await),
        }
    }

    /// What is over has left the desk; who may see it is told what became of it.
    async fn why_not(&self, failure: Failure, person: &Person) -> ApprovalError {
        let Failure::Objection(Objection::NoRequest(id)) = &failure else {
            return failure.into();
        };
        match self.approvals().show(id.clone()).await {
            Ok(Some(seen)) if may_see(&seen.request, person) => ApprovalError::Over {
                id: id.to_string(),
                state: word(&seen.request.state),
            },
            _ => failure.into(),
        }
    }

    /// The grants that `person` may see, oldest first.
    pub async fn list_grants(
        &self,
        which: Which,
        person: &Person,
    ) -> Result<Vec<Grant>, ApprovalError> {
        let eyes = self.eyes(person);
        let mut all = Vec::new();
        if which == Which::All {
            let ended = self.approvals().ended(OVER).await?;
            let seen = ended
                .iter()
                .filter(|it| concerns(&it.grant.demands, person));
            all.extend(seen.map(|past| {
                let ended = past.ended.as_ref().map(|(at, ending)| Ended {
                    at: Some(time(*at)),
                    ending: ending.clone(),
                });
                Grant::of(&past.grant, ended, &eyes)
            }));
        }
        let grants = self.approvals().grants().await?;
        let seen = grants.iter().filter(|it| concerns(&it.demands, person));
        all.extend(seen.map(|grant| Grant::of(grant, None, &eyes)));
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Takes a grant back, by the beginning or end of its id.
    pub async fn revoke(&self, part: &str, by: Person) -> Result<Grant, ApprovalError> {
        let grants = self.list_grants(Which::Open, &by).await?;
        let ids = grants.into_iter().map(|it| it.id);
        let id: GrantId = meant(part, ids, |id| id.as_str()).map_err(|error| match error {
            ApprovalError::NoRequest { part } => ApprovalError::NoGrant { part },
            error => error,
        })?;
        let grant = self.approvals().revoke(id, by.clone()).await?;
        let ending = gateway_core::approvals::grant::Ending::Revoked { by: by.voter() };
        let ended = Ended { at: None, ending };
        Ok(Grant::of(&grant, Some(ended), &self.eyes(&by)))
    }
}

/// The one id that begins, or ends, like this.
fn meant<T: Clone>(
    part: &str,
    ids: impl Iterator<Item = T>,
    text: impl Fn(&T) -> &str,
) -> Result<T, ApprovalError> {
    let is_meant =
        |id: &T| !part.is_empty() && (text(id).starts_with(part) || text(id).ends_with(part));
    let found: Vec<T> = ids.filter(is_meant).collect();
    match found.as_slice() {
        [] => Err(ApprovalError::NoRequest {
            part: part.to_owned(),
        }),
        [only] => Ok(only.clone()),
        several => Err(ApprovalError::Several {
            part: part.to_owned(),
            count: several.len(),
            some: several
                .iter()
                .take(NAMED)
                .map(|id| text(id).to_owned())
                .collect(),
        }),
    }
}

/// The name of what became of a request.
fn word(state: &State) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    let word = value.get("state").and_then(|word| word.as_str());
    word.unwrap_or_default().replace('_', " ")
}

fn may_see(request: &Request, person: &Person) -> bool {
    concerns(&request.action.demands, person)
}

/// Whether these demands are put to this person, or they are an operator, who sees everything.
fn concerns(demands: &[Demand], person: &Person) -> bool {
    let is_named = demands
        .iter()
        .any(|demand| !person.places(demand).is_empty());
    person.seat == Seat::Operator || is_named
}

async fn approval(seen: &Seen, eyes: &Eyes) -> Approval {
    let request = &*eyes.request(&seen.request);
    let is_veiled = !request.action.hidden_by.is_empty();
    let process = &request.action.subject.process;
    let host = nix::unistd::gethostname().unwrap_or_default();
    Approval {
        id: request.id.clone(),
        opened: time(request.opened),
        deadline: time(request.deadline),
        closed: request.closed.map(time),
        state: request.state.clone(),
        yours: is_asked(request, &seen.progress, &eyes.person),
        host: host.to_string_lossy().into_owned(),
        parents: identity::parents(process)
            .await
            .into_iter()
            .map(|mut parent| {
                if is_veiled {
                    veil::words(&mut parent.command_line);
                }
                api::Parent {
                    pid: parent.pid,
                    comm: parent.comm,
                    command_line: parent.command_line,
                }
            })
            .collect(),
        action: request.action.clone(),
        preview: request.preview.clone(),
        progress: seen.progress.clone(),
        votes: request.votes.iter().map(Vote::of).collect(),
        earlier: seen.earlier.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_meant_by_either_end() {
        let ids = ["01a-one", "01a-two", "01b-two"];
        let find = |part: &str| meant(part, ids.into_iter(), |id| id);
        assert_eq!(find("01b").unwrap(), "01b-two");
        assert_eq!(find("one").unwrap(), "01a-one");
        assert!(matches!(
            find("two"),
            Err(ApprovalError::Several { count: 2, .. })
        ));
        assert!(matches!(find(""), Err(ApprovalError::NoRequest { .. })));
        assert!(matches!(find("1a"), Err(ApprovalError::NoRequest { .. })));
    }
}
