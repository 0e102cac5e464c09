//! Which cancel key stands for which server session.
//!
//! A client that wants a statement cancelled opens a second connection and shows the key it was
//! given on the first. The gateway gives out keys of its own, so a key that is not here is no key;
//! and it works only for the workload that it was given to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::ids::WorkloadName;
use gateway_core::protocols::CancelKey;

use crate::tls::upstream::Upstream;

/// Where a cancel request goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whose session it is.
    pub workload: WorkloadName,
    /// The server.
    pub destination: SocketAddr,
    /// How it is reached.
    pub upstream: Arc<Upstream>,
    /// What the session's client asked for by SNI, by which the server is verified too.
    pub sni: Option<String>,
    /// The key that it knows.
    pub real: CancelKey,
}

/// The keys of the sessions that are open. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct CancelKeys(Arc<Mutex<HashMap<CancelKey, Target>>>);

/// Takes the key back when it is dropped.
#[derive(Debug)]
pub struct Issued {
    keys: CancelKeys,
    key: CancelKey,
}

impl CancelKeys {
    /// From now on `key` stands for `target`, until the returned value is dropped.
    pub fn issue(&self, key: CancelKey, target: Target) -> Issued {
        self.lock().insert(key.clone(), target);
        Issued {
            keys: self.clone(),
            key,
        }
    }

    /// What `key` stands for, if `workload` may use it.
    pub fn find(&self, key: &CancelKey, workload: &WorkloadName) -> Option<Target> {
        self.lock()
            .get(key)
            .filter(|target| target.workload == *workload)
            .cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CancelKey, Target>> {
        // Nothing under the lock can leave the map half changed, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Issued {
    fn drop(&mut self) {
        self.keys.lock().remove(&self.key);
    }
}
