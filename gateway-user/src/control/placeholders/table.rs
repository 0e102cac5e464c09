//! `Placeholders`: which were issued, for whom and until when. Relays ask it what a client has shown.
//!
//! Kept are verifiers, in `<state>/daemon/placeholders.json`: whoever reads the file can use none of the
//! placeholders. Fails closed: a list that cannot be read ends the daemon's start. Who may issue one,
//! and what else happens then, is in [`super`].
//!
//! All have one salt. They are random and long, so nobody gains by computing for many at once; and a
//! client that is asked for any learns nothing of whether there is one, or whose.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use gateway_core::ids::{PlaceholderId, ResourceName, WorkloadName};
use gateway_core::protocols::placeholder::{Presented, Proved};
use gateway_core::protocols::scram::Verifier;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::kept::{self, KeptError, Sort};
use crate::kernel::CgroupId;
use crate::live::Info;
use crate::observe::enforcement::Operator;

/// The file.
const SORT: Sort = Sort {
    layout: 1,
    says: "which placeholders were issued",
    remedy: "remove the file, and issue them anew",
};
/// So many prove something at a time: each is tried for what a client shows.
pub const MOST: usize = 1000;
/// Those that ended are known so much longer, so that operators are told what a client has shown.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// Why the list could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file could not be read or replaced.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// There is nothing to make a placeholder of.
    #[error("the system gives no random bytes")]
    Random,
}

/// A placeholder, as operators see it: never what is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Names it.
    pub id: PlaceholderId,
    /// Who may show it.
    pub workload: WorkloadName,
    /// Where.
    pub resource: ResourceName,
    /// As whom a client has to present itself; none if that does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Through which attached cgroup; none if that does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup: Option<CgroupId>,
    /// Since when.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who issued it.
    pub by: Operator,
    /// Since when it proves nothing any more, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
}

/// Why a placeholder proves nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", content = "at", rename_all = "snake_case")]
pub enum Ended {
    /// Its time was over.
    Expired(Timestamp),
    /// An operator took it back.
    Revoked(Timestamp),
}

impl Ended {
    /// In a sentence of which the placeholder is the subject.
    pub fn told(self) -> &'static str {
        match self {
            Self::Expired(_) => "has expired",
            Self::Revoked(_) => "was revoked",
        }
    }

    fn at(self) -> Timestamp {
        match self {
            Self::Expired(at) | Self::Revoked(at) => at,
        }
    }
}

impl Lease {
    /// What its sessions are told when it ends.
    pub fn farewell(&self) -> String {
        let ended = self.ended.map_or("has ended", Ended::told);
        format!("the placeholder of this session {ended}")
    }

    /// As it is at `now`.
    fn at(mut self, now: Timestamp) -> Self {
        if self.ended.is_none() && self.until <= now {
            self.ended = Some(Ended::Expired(self.until));
        }
        self
    }

    /// Why it proves nothing for this session, presented as `user`.
    fn objection(&self, session: &Info, user: &str) -> Option<String> {
        let id = &self.id;
        if self.workload != session.workload {
            let whose = &self.workload;
            return Some(format!(
                "it showed placeholder {id}, which was issued to workload `{whose}`"
            ));
        }
        if session.resource.as_ref() != Some(&self.resource) {
            let what = &self.resource;
            return Some(format!(
                "it showed placeholder {id}, which is for resource `{what}`"
            ));
        }
        if self.cgroup.is_some_and(|cgroup| cgroup != session.cgroup) {
            return Some(format!(
                "it showed placeholder {id}, which is for another cgroup of the workload"
            ));
        }
        if self.user.as_deref().is_some_and(|bound| bound != user) {
            return Some(format!(
                "it showed placeholder {id}, which is for another user"
            ));
        }
        let ended = self.ended?.told();
        Some(format!("it showed placeholder {id}, which {ended}"))
    }
}

/// The placeholders. Clones share one list.
#[derive(Clone, Debug)]
pub struct Placeholders(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: kept::Kept,
    salt: [u8; 16],
    list: RwLock<List>,
}

type List = BTreeMap<PlaceholderId, Kept>;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    lease: Lease,
    verifier: Verifier,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    salt: [u8; 16],
    placeholders: Vec<Kept>,
}

impl Placeholders {
    /// Reads the list that an earlier daemon left at `file`; without one it begins an empty one.
    pub fn load(file: PathBuf) -> Result<Self, TableError> {
        let file = kept::Kept::new(file, &SORT);
        let stored: Option<Stored> = file.read()?;
        let is_new = stored.is_none();
        let (salt, kept) = match stored {
            Some(stored) => (stored.salt, stored.placeholders),
            None => (random()?, Vec::new()),
        };
        let list = kept.into_iter().map(|one| (one.lease.id.clone(), one));
        let list = list.collect();
        let inner = Inner {
            file,
            salt,
            list: RwLock::default(),
        };
        if is_new {
            // Kept at once: a salt that changes would tell that there is no placeholder.
            inner.store(&list)?;
        }
        Ok(Self(Arc::new(Inner {
            list: RwLock::new(list),
            ..inner
        })))
    }

    /// What clients are told to salt their placeholders with.
    pub fn salt(&self) -> [u8; 16] {
        self.0.salt
    }

    /// All that is known, the newest last, as it is at `now`.
    pub fn all(&self, now: Timestamp) -> Vec<Lease> {
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = list.values().map(|it| it.lease.clone().at(now)).collect();
        all.sort_by_key(|lease| lease.since);
        all
    }

    /// Keeps a new one. The error means that it proves nothing.
    pub fn insert(&self, lease: Lease, placeholder: &str) -> Result<(), TableError> {
        // Outside of the lock: it takes milliseconds.
        let verifier = Verifier::of(placeholder.as_bytes(), &self.0.salt);
        let mut list = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = list.clone();
        forget(&mut next, lease.since);
        next.insert(lease.id.clone(), Kept { lease, verifier });
        self.0.store(&next)?;
        *list = next;
        Ok(())
    }

    /// Has one prove nothing any more, at once. The error means that it may again after a restart.
    pub fn revoke(&self, id: &PlaceholderId, now: Timestamp) -> Result<Option<Lease>, TableError> {
        // Single changes only, so a poisoned list is still a good one.
        let mut list = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = list.get_mut(id) else {
            return Ok(None);
        };
        kept.lease.ended.get_or_insert(Ended::Revoked(now));
        let lease = kept.lease.clone();
        self.0.store(&list)?;
        Ok(Some(lease))
    }

    /// Those whose time was over since this was asked last.
    pub fn expire(&self, now: Timestamp) -> Vec<Lease> {
        let mut list = self.0.list.write().unwrap_or_else(PoisonError::into_inner);
        let over = list.values_mut().filter_map(|kept| {
            let lease = &mut kept.lease;
            let is_over = lease.ended.is_none() && lease.until <= now;
            if is_over {
                lease.ended = Some(Ended::Expired(lease.until));
            }
            is_over.then(|| lease.clone())
        });
        // Not written: their time is in the file.
        over.collect()
    }

    /// Why what a session has shown proves nothing any more, if it does not.
    pub fn over(&self, id: &PlaceholderId, now: Timestamp) -> Option<String> {
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        let lease = list.get(id).map(|kept| kept.lease.clone().at(now));
        match lease {
            Some(lease) => lease.ended.map(|_| lease.farewell()),
            None => Some("the placeholder of this session is not known any more".to_owned()),
        }
    }

    /// Which placeholder a session's client has shown. May take milliseconds.
    ///
    /// Fails closed: what is not known, not for this session or not any more proves nothing.
    pub fn check(&self, shown: &Presented, session: &Info, now: Timestamp) -> Proved {
        let ready = shown.ready(&self.0.salt);
        let list = self.0.list.read().unwrap_or_else(PoisonError::into_inner);
        let mut tried = list.values();
        let found = tried.find_map(|kept| Some((kept, ready.is_of(&kept.verifier)?)));
        let Some((kept, signature)) = found else {
            return Proved::No {
                reason: "what it showed is no placeholder that was issued".to_owned(),
            };
        };
        let lease = kept.lease.clone().at(now);
        match lease.objection(session, &shown.user) {
            Some(reason) => Proved::No { reason },
            None => Proved::Yes {
                placeholder: lease.id,
                signature,
            },
        }
    }
}

/// A new placeholder: 24 random bytes behind what tells what it is to whoever finds one.
pub fn placeholder() -> Result<String, TableError> {
    let bytes: [u8; 24] = random()?;
    Ok(format!("gwp_{}", gateway_core::held::hexadecimal(&bytes)))
}

fn random<const N: usize>() -> Result<[u8; N], TableError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TableError::Random)?;
    Ok(bytes)
}

/// Forgets those that ended long ago, and the longest ended where they are many.
fn forget(list: &mut List, now: Timestamp) {
    let over = |kept: &Kept| kept.lease.clone().at(now).ended.map(Ended::at);
    let mut ended: Vec<_> = list
        .values()
        .filter_map(|kept| Some((over(kept)?, kept.lease.id.clone())))
        .collect();
    ended.sort();
    let too_many = ended.len().saturating_sub(MOST);
    for (index, (at, id)) in ended.into_iter().enumerate() {
        let age = Duration::try_from(now.duration_since(at)).unwrap_or_default();
        if index < too_many || age > REMEMBERED {
            list.remove(&id);
        }
    }
}

impl Inner {
    fn store(&self, list: &List) -> Result<(), TableError> {
        let stored = Stored {
            salt: self.salt,
            placeholders: list.values().cloned().collect(),
        };
        Ok(self.file.replace(&stored)?)
    }
}
