//! Which cancel key stands for which server session.
//!
//! A client that wants a statement cancelled opens a second connection and shows the key it was
//! given on the first. The gateway gives out keys of its own, so a key that is not here is no key;
//! and it works only for the workload that it was given to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use gateway_common::held::Reach;
use gateway_core::descriptor::Protocol;
use gateway_core::ids::WorkloadName;
use gateway_core::protocols::CancelKey;

use tokio::sync::oneshot;

use super::dial::{self, DialError, Way};
use super::leg::Read;
use super::{Relay, closing};
use crate::dialer::{Ahead, Dialer};
use crate::tls::upstream::Upstream;

/// Where a cancel request goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whose session it is.
    pub workload: WorkloadName,
    /// The server, and from where it is reached.
    pub reach: Reach,
    /// How it is reached.
    pub upstream: Arc<Upstream>,
    /// The name that the session's server was asked for and verified as, where that was by name.
    pub name: Option<String>,
    /// The key that it knows.
    pub real: CancelKey,
    /// Where the session hears of it, while what it wants to run waits for people.
    pub waiter: Waiter,
}

/// Where a session can be told that its client cancels what waits. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Waiter(Arc<Mutex<Option<oneshot::Sender<()>>>>);

impl Waiter {
    /// Something waits from now on, as long as the receiver is there.
    pub(super) fn arm(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.lock() = Some(sender);
        receiver
    }

    /// Cancels what waits; false if nothing does, so that the server may be running it.
    pub(super) fn cancel(&self) -> bool {
        let sender = self.lock().take();
        sender.is_some_and(|sender| sender.send(()).is_ok())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<oneshot::Sender<()>>> {
        // It is replaced as a whole, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

impl Issued {
    /// What the key stands for.
    pub fn target(&self) -> Option<Target> {
        self.keys.lock().get(&self.key).cloned()
    }
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

impl Relay<'_> {
    /// From now on the client has a key of the gateway's.
    pub(super) fn issue(&mut self, issued: CancelKey, real: CancelKey) {
        let Some(upstream) = self.route.upstream.clone() else {
            return;
        };
        let workload = self.guard.info().workload.clone();
        let target = Target {
            workload,
            reach: self.route.way.reach,
            upstream,
            name: self.server_name().map(str::to_owned),
            real,
            waiter: self.wait.waiter(),
        };
        self.issued = Some(self.around.cancel_keys.issue(issued, target));
    }

    /// Passes a cancel request on. Like the server, it never tells whether the key was right.
    pub(super) async fn cancel(&mut self, key: &CancelKey) {
        let workload = &self.guard.info().workload;
        let Some(target) = self.around.cancel_keys.find(key, workload) else {
            tracing::warn!(session = %self.guard.info().session, "a cancel key is not one of this workload's");
            return;
        };
        if target.waiter.cancel() {
            return;
        }
        let _told = closing::abort(self.framed, &self.around.dialer, &target).await;
    }
}

/// Sends a cancel request on a connection of its own.
pub(super) async fn send(
    dialer: &Dialer,
    protocol: &Protocol,
    target: &Target,
    request: Bytes,
) -> Result<(), DialError> {
    let name = target.name.as_deref();
    let mut way = Way {
        reach: target.reach,
        ahead: Ahead::default(),
    };
    let dialed = dial::dial(dialer, &mut way, protocol, &target.upstream, name).await;
    let (mut leg, _) = dialed?;
    let mut request = BytesMut::from(&*request);
    let sent = std::future::poll_fn(|cx| leg.poll_write(cx, &mut request)).await;
    sent.map_err(DialError::Connect)?;
    // The server closes once it has acted on it, and so does the gateway then: a client that waits
    // knows that it was. What else comes, TLS session tickets say, means nothing.
    loop {
        let read = std::future::poll_fn(|cx| leg.poll_read(cx, |_| ())).await;
        if let Read::Eof = read.map_err(DialError::Connect)? {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Waiter;

    #[test]
    fn only_what_waits_is_cancelled() {
        let waiter = Waiter::default();
        assert!(!waiter.cancel(), "nothing waits");
        let mut receiver = waiter.arm();
        assert!(waiter.cancel());
        assert_eq!(receiver.try_recv(), Ok(()));
        assert!(!waiter.cancel(), "it was cancelled already");
        drop(waiter.arm());
        assert!(!waiter.cancel(), "it does not wait any more");
    }
}
