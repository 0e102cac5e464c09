//! `Identities`: by which token each attached cgroup is known, as long as that is good.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use gateway_core::subject::Identity;
use jiff::Timestamp;

use super::token::Verified;

/// What is known of one attached cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who it is.
    pub identity: Arc<Identity>,
    /// Until when that may be believed.
    pub until: Timestamp,
}

impl From<Verified> for Standing {
    fn from(verified: Verified) -> Self {
        Self {
            identity: Arc::new(verified.identity),
            until: verified.until,
        }
    }
}

/// Who is known, by the numbers of attached cgroups. Clones share one table. Nothing of it is kept over
/// the daemon's end: the next one reads the tokens again.
#[derive(Clone, Debug, Default)]
pub struct Identities(Arc<RwLock<BTreeMap<u64, Standing>>>);

impl Identities {
    /// Who acts in a cgroup. A token that has expired says nothing any more, whoever has noticed.
    pub fn of(&self, cgroup: u64, now: Timestamp) -> Option<Arc<Identity>> {
        self.standing(cgroup, now).map(|it| it.identity)
    }

    /// The same, with the time until when.
    pub fn standing(&self, cgroup: u64, now: Timestamp) -> Option<Standing> {
        let standing = self.read().get(&cgroup).cloned();
        standing.filter(|standing| now < standing.until)
    }

    /// From now on a cgroup is known so; by nothing, with none. Tells what was known before.
    pub fn set(&self, cgroup: u64, standing: Option<Standing>) -> Option<Standing> {
        match standing {
            Some(standing) => self.write().insert(cgroup, standing),
            None => self.write().remove(&cgroup),
        }
    }

    /// Forgets all but these.
    pub fn retain(&self, is_attached: impl Fn(u64) -> bool) {
        self.write().retain(|cgroup, _| is_attached(*cgroup));
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<u64, Standing>> {
        // Single insertions and removals: a poisoned map is still a good one.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<u64, Standing>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
