//! The sessions that are open now: who, to where, since when, how much; and the way to end them.
//!
//! Intake registers a session here and holds the guard for as long as the session lives; the
//! relay counts through it and watches [`Guard::cancelled`]. `gateway status` lists what is here.
//! What a session did is in its recording; nothing here outlives the connection.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gateway_core::event::SessionEnd;
use gateway_core::flow::{ClientAddr, OriginalDst};
use gateway_core::ids::{PlaceholderId, ResourceName, SessionId, WorkloadName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::kernel::CgroupId;

/// What is known of a session from its first moment on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Names the session and its recording.
    pub session: SessionId,
    /// Who acts.
    pub workload: WorkloadName,
    /// The process that connected.
    pub pid: u32,
    /// Its name for itself: a label, never evidence.
    pub comm: String,
    /// The attached cgroup whose hooks redirected it.
    pub cgroup: CgroupId,
    /// The agent's own address.
    pub client: ClientAddr,
    /// Where it wanted to go.
    pub destination: OriginalDst,
    /// The resource that covers the destination, when one does.
    pub resource: Option<ResourceName>,
    /// Name of the protocol that is spoken, or of the one as which it passes uninspected.
    #[serde(default)]
    pub protocol: String,
    /// When it was accepted.
    pub started: Timestamp,
}

/// What a session has done so far. Written by the relay, read by `gateway status`; the numbers
/// are independent of each other, so relaxed order is enough.
#[derive(Debug, Default)]
pub struct Counters {
    /// Asks that were let pass.
    pub allowed: AtomicU64,
    /// Asks that were refused.
    pub denied: AtomicU64,
    /// Bytes from the agent to the server.
    pub bytes_in: AtomicU64,
    /// Bytes from the server to the agent.
    pub bytes_out: AtomicU64,
}

impl Counters {
    /// Brings all of them up to date.
    pub fn set(&self, asked: (u64, u64), traffic: (u64, u64)) {
        let ((allowed, denied), (bytes_out, bytes_in)) = (asked, traffic);
        self.allowed.store(allowed, Ordering::Relaxed);
        self.denied.store(denied, Ordering::Relaxed);
        self.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.bytes_out.store(bytes_out, Ordering::Relaxed);
    }
}

/// One session as it stands now.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// What was known from the start.
    #[serde(flatten)]
    pub info: Info,
    /// The placeholder that its client has shown, where it was asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<PlaceholderId>,
    /// Asks that were let pass.
    pub allowed: u64,
    /// Asks that were refused.
    pub denied: u64,
    /// Bytes from the agent to the server.
    pub bytes_in: u64,
    /// Bytes from the server to the agent.
    pub bytes_out: u64,
}

/// The sessions that are open now. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Live {
    table: Arc<Table>,
}

#[derive(Debug, Default)]
struct Table {
    sessions: Mutex<BTreeMap<SessionId, Arc<Entry>>>,
    /// Sessions since the daemon started, the open ones included.
    total: AtomicU64,
    /// The daemon stops.
    closed: AtomicBool,
    /// Woken whenever a session leaves.
    left: Notify,
}

#[derive(Debug)]
struct Entry {
    info: Info,
    /// The placeholder that its client has shown.
    lease: OnceLock<PlaceholderId>,
    counters: Counters,
    /// How it is to end, once that was asked for; the first who asks is heard.
    ended: OnceLock<SessionEnd>,
    end: Notify,
}

/// A session's place in the table; the session is listed until this is dropped.
#[derive(Debug)]
pub struct Guard {
    entry: Arc<Entry>,
    table: Arc<Table>,
}

impl Live {
    /// Lists a session from now on.
    pub fn register(&self, info: Info) -> Guard {
        let entry = Arc::new(Entry {
            info,
            lease: OnceLock::new(),
            counters: Counters::default(),
            ended: OnceLock::new(),
            end: Notify::new(),
        });
        self.table.total.fetch_add(1, Ordering::Relaxed);
        self.table
            .lock()
            .insert(entry.info.session.clone(), Arc::clone(&entry));
        // Looked at after the entry can be found: either this sees the end or `close` the entry.
        if self.table.closed.load(Ordering::SeqCst) {
            entry.ask_to_end(&SessionEnd::Stopped);
        }
        Guard {
            entry,
            table: Arc::clone(&self.table),
        }
    }

    /// How many open sessions came through `cgroup`.
    pub fn count_cgroup(&self, cgroup: CgroupId) -> usize {
        self.table
            .lock()
            .values()
            .filter(|entry| entry.info.cgroup == cgroup)
            .count()
    }

    /// Asks every session that came through `cgroup` to end; returns how many those are.
    pub fn end_cgroup(&self, cgroup: CgroupId) -> usize {
        self.end_where(&SessionEnd::Stopped, |entry| entry.info.cgroup == cgroup)
    }

    /// Asks every session of `workload` to end; returns how many those are.
    pub fn end_workload(&self, workload: &WorkloadName, how: &SessionEnd) -> usize {
        self.end_where(how, |entry| entry.info.workload == *workload)
    }

    /// Asks every session to end whose client has shown this placeholder; returns how many those are.
    pub fn end_leased(&self, placeholder: &PlaceholderId, how: &SessionEnd) -> usize {
        self.end_where(how, |entry| entry.lease.get() == Some(placeholder))
    }

    /// Asks one session to end; false if it has by itself.
    pub fn end_session(&self, session: &SessionId, how: &SessionEnd) -> bool {
        self.end_where(how, |entry| entry.info.session == *session) > 0
    }

    /// Asks every session to end, those that are registered later too; returns how many there
    /// are now.
    pub fn close(&self) -> usize {
        self.table.closed.store(true, Ordering::SeqCst);
        self.end_where(&SessionEnd::Stopped, |_| true)
    }

    /// Completes when no session is left. Cancel safe: it only looks.
    pub async fn drained(&self) {
        loop {
            // Made before the look, so that a session leaving in between is not missed.
            let left = self.table.left.notified();
            if self.table.lock().is_empty() {
                return;
            }
            left.await;
        }
    }

    /// The open sessions, oldest first.
    pub fn sessions(&self) -> Vec<Session> {
        self.table
            .lock()
            .values()
            .map(|entry| entry.session())
            .collect()
    }

    /// Sessions since the daemon started, the open ones included.
    pub fn total(&self) -> u64 {
        self.table.total.load(Ordering::Relaxed)
    }

    fn end_where(&self, how: &SessionEnd, which: impl Fn(&Entry) -> bool) -> usize {
        let chosen: Vec<_> = self
            .table
            .lock()
            .values()
            .filter(|entry| which(entry))
            .cloned()
            .collect();
        for entry in &chosen {
            entry.ask_to_end(how);
        }
        chosen.len()
    }
}

impl Guard {
    /// Where the relay counts.
    pub fn counters(&self) -> &Counters {
        &self.entry.counters
    }

    /// What was registered.
    pub fn info(&self) -> &Info {
        &self.entry.info
    }

    /// The session's client has shown this placeholder.
    pub fn lease(&self, placeholder: &PlaceholderId) {
        self.entry.lease.get_or_init(|| placeholder.clone());
    }

    /// Completes when an operator or the daemon's end wants the session to end, and says how. Cancel
    /// safe: a call after the request completes at once.
    pub async fn cancelled(&self) -> SessionEnd {
        loop {
            // Made before the look, so that a request in between is not missed.
            let end = self.entry.end.notified();
            if let Some(how) = self.entry.ended.get() {
                return how.clone();
            }
            end.await;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.table.lock().remove(&self.entry.info.session);
        self.table.left.notify_waiters();
    }
}

impl Table {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Arc<Entry>>> {
        // Nothing under the lock can leave the map half changed, so a poisoned one is still good.
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn ask_to_end(&self, how: &SessionEnd) {
        self.ended.get_or_init(|| how.clone());
        self.end.notify_waiters();
    }

    fn session(&self) -> Session {
        let Counters {
            allowed,
            denied,
            bytes_in,
            bytes_out,
        } = &self.counters;
        Session {
            info: self.info.clone(),
            placeholder: self.lease.get().cloned(),
            allowed: allowed.load(Ordering::Relaxed),
            denied: denied.load(Ordering::Relaxed),
            bytes_in: bytes_in.load(Ordering::Relaxed),
            bytes_out: bytes_out.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(session: &str, cgroup: u64) -> Info {
        Info {
            session: SessionId::new(session),
            workload: WorkloadName::new("planner"),
            pid: 1,
            comm: "psql".to_owned(),
            cgroup: CgroupId(cgroup),
            client: ClientAddr("127.0.0.1:4000".parse().unwrap()),
            destination: OriginalDst("10.0.0.5:5432".parse().unwrap()),
            resource: None,
            protocol: "postgres".to_owned(),
            started: Timestamp::UNIX_EPOCH,
        }
    }

    #[tokio::test]
    async fn ending_a_cgroup_ends_its_sessions_and_no_others() {
        let live = Live::default();
        let inside = live.register(info("a", 7));
        let outside = live.register(info("b", 8));
        assert_eq!(live.end_cgroup(CgroupId(7)), 1);
        inside.cancelled().await;
        let mut pending = std::pin::pin!(outside.cancelled());
        let pending = std::future::poll_fn(|cx| std::task::Poll::Ready(pending.as_mut().poll(cx)));
        assert!(pending.await.is_pending());
    }

    #[tokio::test]
    async fn a_waiting_session_is_woken() {
        let live = Live::default();
        let guard = live.register(info("a", 7));
        let waiting = tokio::spawn(async move { guard.cancelled().await });
        tokio::task::yield_now().await;
        assert_eq!(live.close(), 1);
        waiting.await.unwrap();
        live.drained().await;
        // Whoever comes too late is ended at once.
        live.register(info("b", 7)).cancelled().await;
    }

    #[tokio::test]
    async fn one_session_is_ended_and_the_first_word_counts() {
        let live = Live::default();
        let (one, other) = (live.register(info("a", 7)), live.register(info("b", 7)));
        assert!(live.end_session(&SessionId::new("a"), &SessionEnd::Killed));
        assert!(!live.end_session(&SessionId::new("c"), &SessionEnd::Killed));
        let frozen = SessionEnd::Frozen { reason: None };
        assert_eq!(live.end_workload(&WorkloadName::new("other"), &frozen), 0);
        assert_eq!(live.end_workload(&WorkloadName::new("planner"), &frozen), 2);
        assert_eq!(one.cancelled().await, SessionEnd::Killed);
        assert_eq!(other.cancelled().await, frozen);
    }

    #[test]
    fn a_dropped_guard_leaves_the_list_but_not_the_total() {
        let live = Live::default();
        let guard = live.register(info("a", 7));
        guard.counters().allowed.fetch_add(3, Ordering::Relaxed);
        assert_eq!(live.sessions().first().unwrap().allowed, 3);
        drop(guard);
        assert!(live.sessions().is_empty());
        assert_eq!(live.total(), 1);
    }
}
