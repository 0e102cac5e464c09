//! What one process looks up at one server, as one recorded session: it begins with the first query
//! and ends when there was none for a while, or with the process.
//!
//! A query is answered only after it and what came of it are in the recording.

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::event::{Event, Outcome, SessionEnd};
use gateway_core::flow::Flow;
use gateway_core::ids::AskId;
use gateway_core::policy::decision::{Decision, Verdict};
use gateway_core::policy::engine::Engine;
use gateway_core::protocols::dns::PROTOCOL;
use gateway_core::session::identity::identified;
use gateway_core::session::ledger::{Ledger, Request};
use gateway_core::subject::Subject;
use jiff::Timestamp;
use tokio::sync::{OnceCell, Semaphore};

use crate::admission::Place;
use crate::identity::{self, known::Identities};
use crate::live::Guard;
use crate::relay::evidence::Evidence;

/// A session ends when nothing was asked for so long.
const IDLE: Duration = Duration::from_secs(30);
/// How often it is looked whether the process is still there: one that asks and ends, as most do, is
/// not to count among the workload's sessions for long.
const LOOK: Duration = Duration::from_secs(1);
/// So many connections a process may have at one server; each holds a descriptor of the daemon's.
const CONNECTIONS: usize = 8;

/// Who asks whom: what makes queries one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asker {
    /// The attached cgroup.
    pub attached: u64,
    /// The process.
    pub pid: u32,
    /// The server that is asked.
    pub destination: SocketAddr,
}

/// One session.
#[derive(Debug)]
pub struct Session {
    /// Who acts, as it was known when the session began.
    pub subject: Arc<Subject>,
    identities: Identities,
    flow: Arc<Flow>,
    /// A turn for each connection.
    pub(super) connections: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    open: Option<Open>,
    /// Queries that wait for their answer.
    waiting: usize,
    used: Instant,
    /// Bytes from and to the client.
    traffic: (u64, u64),
}

#[derive(Debug)]
struct Open {
    /// Who acts, as it is known now.
    subject: Arc<Subject>,
    ledger: Ledger,
    evidence: Evidence,
    guard: Arc<Guard>,
    _place: Place,
}

/// The session takes nothing more: it has ended, or its recording has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// The sessions that are open. Clones share one table.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<Table>>);

type Table = HashMap<Asker, Arc<OnceCell<Arc<Session>>>>;

impl Sessions {
    /// The session of `asker`, begun by `begin` where there is none. Of several queries that come
    /// at once, one begins it.
    pub async fn of<E>(
        &self,
        asker: Asker,
        begin: impl Future<Output = Result<Session, E>>,
    ) -> Result<Arc<Session>, E> {
        let cell = Arc::clone(self.table().entry(asker).or_default());
        let begun = cell
            .get_or_try_init(|| async {
                let session = Arc::new(begin.await?);
                let (sessions, opened) = (self.clone(), Arc::clone(&session));
                tokio::spawn(async move { sessions.watch(asker, &opened).await });
                Ok(session)
            })
            .await;
        if begun.is_err() {
            // Nothing began, so nothing would ever take it out again.
            self.table()
                .retain(|other, cell| *other != asker || cell.initialized());
        }
        begun.cloned()
    }

    /// The open session of `asker`.
    pub fn find(&self, asker: &Asker) -> Option<Arc<Session>> {
        self.table().get(asker)?.get().cloned()
    }

    /// Takes a session out whose process is another by now; it ends as one that was left.
    pub fn leave(&self, asker: &Asker) {
        self.table().remove(asker);
    }

    /// Ends the session when it is idle or is to end.
    async fn watch(&self, asker: Asker, session: &Arc<Session>) {
        let Some(guard) = session.guard() else { return };
        let how = tokio::select! {
            how = guard.cancelled() => how,
            () = session.idle() => SessionEnd::ClientClosed,
        };
        {
            let mut table = self.table();
            let is_this = |cell: &Arc<OnceCell<Arc<Session>>>| {
                cell.get().is_some_and(|other| Arc::ptr_eq(other, session))
            };
            if table.get(&asker).is_some_and(is_this) {
                table.remove(&asker);
            }
        }
        session.end(how).await;
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock can leave the table half changed, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    /// Begins a session, and records that.
    pub fn begin(
        subject: Arc<Subject>,
        flow: Arc<Flow>,
        mut evidence: Evidence,
        guard: Guard,
        place: Place,
        identities: Identities,
    ) -> Result<Self, crate::relay::evidence::EvidenceError> {
        let version = env!("CARGO_PKG_VERSION");
        let (ledger, open) = Ledger::open(&PROTOCOL, &subject, &flow, version);
        evidence.take(&mut vec![open])?;
        evidence.open()?;
        evidence.flush()?;
        let open = Open {
            subject: Arc::clone(&subject),
            ledger,
            evidence,
            guard: Arc::new(guard),
            _place: place,
        };
        Ok(Self {
            subject,
            identities,
            flow,
            connections: Semaphore::new(CONNECTIONS),
            state: Mutex::new(State {
                open: Some(open),
                waiting: 0,
                used: Instant::now(),
                traffic: (0, 0),
            }),
        })
    }

    /// Asks policy and records what it said. Fails closed: what is not recorded is not answered.
    pub(super) fn ask(
        &self,
        engine: &Engine,
        request: &Request,
        bytes: usize,
        judge: impl FnOnce(Decision) -> Decision,
    ) -> Result<(AskId, Verdict), Ended> {
        let mut state = self.state();
        let State {
            open,
            waiting,
            used,
            traffic,
        } = &mut *state;
        let open = open.as_mut().ok_or(Ended)?;
        let cgroup = open.guard.info().cgroup.0;
        let identity = self.identities.of(cgroup, Timestamp::now());
        if identity != open.subject.identity {
            open.record(identified(&identity), *traffic)?;
            open.subject = Arc::new(Subject {
                identity,
                ..open.subject.as_ref().clone()
            });
        }
        let (id, decision, event) = open.ledger.ask(
            &open.subject,
            &self.flow,
            engine,
            request,
            Timestamp::now(),
            judge,
        );
        *used = Instant::now();
        traffic.0 = traffic.0.saturating_add(count(bytes));
        if matches!(decision.verdict, Verdict::Allow(_)) {
            *waiting += 1;
        }
        open.record(event, *traffic)?;
        Ok((id, decision.verdict))
    }

    /// Records what came of an ask that was allowed.
    pub(super) fn outcome(&self, outcome: Outcome) -> Result<(), Ended> {
        let mut state = self.state();
        let State {
            open,
            waiting,
            traffic,
            ..
        } = &mut *state;
        *waiting = waiting.saturating_sub(1);
        traffic.1 = traffic.1.saturating_add(outcome.bytes_out);
        let open = open.as_mut().ok_or(Ended)?;
        open.record(Event::Outcome(outcome), *traffic)
    }

    /// Completes when an operator or the daemon's end wants it to end. Cancel safe.
    pub(super) async fn cancelled(&self) {
        if let Some(guard) = self.guard() {
            guard.cancelled().await;
        }
    }

    fn guard(&self) -> Option<Arc<Guard>> {
        self.state()
            .open
            .as_ref()
            .map(|open| Arc::clone(&open.guard))
    }

    /// Completes when nothing waits, and nothing was asked for a while or nobody is left to ask.
    async fn idle(&self) {
        let is_idle = || {
            let state = self.state();
            state.waiting == 0 && state.used.elapsed() >= IDLE
        };
        let is_left = || self.state().waiting == 0 && identity::is_gone(&self.subject.process);
        while !is_idle() && !is_left() {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn end(&self, how: SessionEnd) {
        let (open, traffic) = {
            let mut state = self.state();
            (state.open.take(), state.traffic)
        };
        let Some(mut open) = open else { return };
        let mut events = vec![open.ledger.end(how, traffic)];
        if open.evidence.take(&mut events).is_err() {
            // The recording takes nothing more; the enforcement log still tells of the end.
            open.evidence.take_end(&mut events);
        }
        let closed = tokio::task::spawn_blocking(move || open.evidence.close()).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::error!(?closed, "a recording could not be closed");
        }
        // The guard goes last: who waits for sessions to end waits for their recordings.
        drop(open.guard);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a panic may have left half done is a count; the recording is written whole or fails.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn record(&mut self, event: Event, traffic: (u64, u64)) -> Result<(), Ended> {
        let written = self.evidence.take(&mut vec![event]);
        let written = written.and_then(|()| self.evidence.flush());
        self.guard
            .counters()
            .set(self.ledger.asked(), (traffic.1, traffic.0));
        written.map_err(|error| {
            tracing::error!(%error, "a query is not answered because it cannot be recorded");
            Ended
        })
    }
}

pub(super) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
