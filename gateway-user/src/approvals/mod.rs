//! Approvals: actions wait here until people decide, and everything about that is written down first.
//!
//! What becomes of an action is the core's business (`gateway_core::approvals`). Here its desk has a place:
//! a `clerk` on a thread of its own carries commands out one by one, writes the changes into the `store`
//! before anyone is told, and looks at the `clock`; a `tally` counts. A session that waits holds a `ticket`.
//!
//! Fails closed: what cannot be written down does not happen. Who waits is refused then, nobody's vote
//! counts, and [`Approvals::problem`] says why until it can be written again.

mod clerk;
mod clock;
mod outbox;
mod store;
mod tally;
pub mod ticket;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use gateway_core::approvals::change::Notice;
use gateway_core::approvals::command::{Ballot, Command};
use gateway_core::approvals::desk::Limits;
use gateway_core::approvals::grant::Grant;
use gateway_core::approvals::objection::Objection;
use gateway_core::approvals::person::Person;
use gateway_core::approvals::quorum::Progress;
use gateway_core::approvals::request::Request;
use gateway_core::approvals::scope::Scope;
use gateway_core::held::{Demand, HeldAction};
use gateway_core::ids::{AskId, GrantId, RequestId, SessionId};
use gateway_core::preview::Preview;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use uuid::Uuid;

use self::clerk::{Clerk, Errand, Look};
pub use self::store::{Earlier, PastGrant, Store, StoreError};
use self::tally::Tally;
use self::ticket::Ticket;

/// What may wait for the clerk. Whoever comes then waits for a place.
const ERRANDS: usize = 256;
/// Notices kept for who is slow to watch; those that fall behind are told so.
const NOTICES: usize = 1024;

/// The folder of what is kept, in the daemon's state directory. It has to be the daemon's own: SQLite
/// puts files beside its file.
pub fn folder(state: &Path) -> PathBuf {
    state.join("approvals")
}

/// Ends a session, for this reason.
pub type EndSession = Box<dyn Fn(&SessionId, &str) + Send>;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may not be.
    #[error(transparent)]
    Objection(#[from] Objection),
    /// It could not be written down.
    #[error("{0}")]
    Store(String),
    /// The clerk is gone, and the daemon ends.
    #[error("approvals have ended")]
    Ended,
}

/// A request, with what helps to decide on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The request.
    pub request: Arc<Request>,
    /// How far each demand is met.
    pub progress: Vec<Progress>,
    /// How often the same sort of action was asked for before.
    pub earlier: Earlier,
}

/// The approvals of this daemon; a handle.
#[derive(Clone, Debug)]
pub struct Approvals {
    errands: mpsc::Sender<Errand>,
    notices: broadcast::Sender<Notice>,
    wake: Arc<Notify>,
    problem: Arc<Mutex<Option<String>>>,
    tally: Arc<Tally>,
}

impl Approvals {
    /// Opens what was written down in `folder`, withdraws what an earlier daemon left open, and starts
    /// the clerk. `end` is called for sessions whose grant ends; it may not block.
    ///
    /// # Errors
    /// The store cannot be opened.
    pub fn start(folder: &Path, limits: Limits, end: EndSession) -> Result<Self, StoreError> {
        let (errands, desk) = mpsc::channel(ERRANDS);
        let approvals = Self {
            errands,
            notices: broadcast::Sender::new(NOTICES),
            wake: Arc::default(),
            problem: Arc::default(),
            tally: Arc::default(),
        };
        let told = clerk::Told {
            notices: approvals.notices.clone(),
            wake: Arc::clone(&approvals.wake),
            problem: Arc::clone(&approvals.problem),
            tally: Arc::clone(&approvals.tally),
            end,
        };
        let clerk = Clerk::open(folder, limits, told)?;
        clerk.work(desk).map_err(|source| StoreError::Create {
            path: folder.to_owned(),
            source,
        })?;
        Ok(approvals)
    }

    /// Has an action wait. It does from the first time that the ticket is waited for, and no longer than
    /// there is the ticket.
    pub fn hold(&self, action: HeldAction) -> Ticket {
        let request = RequestId::new(new_id());
        Ticket::new(
            self.errands.clone(),
            Arc::clone(&self.wake),
            request,
            action,
        )
    }

    /// Says yes. Returns what the request has become.
    ///
    /// # Errors
    /// The vote does not count.
    pub async fn approve(&self, ballot: Ballot, scope: Scope) -> Result<Arc<Request>, Failure> {
        self.vote(Command::Approve {
            ballot,
            scope,
            grant: GrantId::new(new_id()),
        })
        .await
    }

    /// Says no. Returns what the request has become.
    ///
    /// # Errors
    /// The vote does not count.
    pub async fn refuse(&self, ballot: Ballot) -> Result<Arc<Request>, Failure> {
        self.vote(Command::Refuse(ballot)).await
    }

    /// Takes a grant back. Returns it as it was; what passed by it and runs is ended.
    ///
    /// # Errors
    /// There is none, or this person may not.
    pub async fn revoke(&self, grant: GrantId, by: Person) -> Result<Arc<Grant>, Failure> {
        let notices = self.tell(Command::Revoke { grant, by }).await?;
        let ended = notices.into_iter().find_map(|notice| match notice {
            Notice::Ended(grant, _) => Some(grant),
            _ => None,
        });
        ended.ok_or(Failure::Ended)
    }

    /// The server told how much a request would touch. Whoever decides sees it, as long as it waits.
    ///
    /// # Errors
    /// It could not be written down.
    pub async fn previewed(&self, request: RequestId, preview: Preview) -> Result<(), Failure> {
        let command = Command::Preview { request, preview };
        self.tell(command).await.map(drop)
    }

    /// What passed by a grant is over and changed so many rows; none if that is not known.
    ///
    /// # Errors
    /// It could not be written down. Then it still runs, as far as the grant is concerned.
    pub async fn finished(
        &self,
        grant: GrantId,
        session: SessionId,
        ask: AskId,
        rows: Option<u64>,
    ) -> Result<(), Failure> {
        let command = Command::Finished {
            grant,
            session,
            ask,
            rows,
        };
        self.tell(command).await.map(drop)
    }

    /// A session ended, with all that it waited for or ran.
    ///
    /// # Errors
    /// It could not be written down.
    pub async fn session_ended(&self, session: SessionId) -> Result<(), Failure> {
        self.tell(Command::SessionEnded(session)).await.map(drop)
    }

    /// Requests that wait, and those that may be let pass late; each oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn open(&self) -> Result<Vec<Arc<Request>>, Failure> {
        self.look(|desk, _| Ok(desk.open().chain(desk.late()).cloned().collect()))
            .await
    }

    /// What is to be kept of requests that are closed, the latest first: of at most so many. It is called where
    /// they are read, so that one at a time is in memory.
    ///
    /// # Errors
    /// The store failed.
    pub async fn closed<T: Send + 'static>(
        &self,
        most: u32,
        keep: impl FnMut(Request) -> Option<T> + Send + 'static,
    ) -> Result<Vec<T>, Failure> {
        self.look(move |_, store| store.closed(most, keep)).await
    }

    /// Ids that begin or end like this, of requests that are put to whom is `wanted`: all that wait or may be
    /// let pass late, and those among the latest so many.
    ///
    /// # Errors
    /// The store failed.
    pub async fn named(
        &self,
        part: String,
        most: u32,
        wanted: impl Fn(&[Demand]) -> bool + Send + 'static,
    ) -> Result<BTreeSet<RequestId>, Failure> {
        self.look(move |desk, store| {
            let mut ids: BTreeSet<_> = store.named(&part, most, &wanted)?.into_iter().collect();
            let known = desk.open().chain(desk.late()).filter(|it| {
                let id = it.id.as_str();
                let is_named = id.starts_with(&part) || id.ends_with(&part);
                is_named && wanted(&it.action.demands)
            });
            ids.extend(known.map(|it| it.id.clone()));
            Ok(ids)
        })
        .await
    }

    /// A request, whenever it was, with what helps to decide on it.
    ///
    /// # Errors
    /// The store failed.
    pub async fn show(&self, id: RequestId) -> Result<Option<Seen>, Failure> {
        self.look(move |desk, store| {
            let request = match desk.request(&id) {
                Some(request) => Some(Arc::clone(request)),
                None => store.request(&id)?.map(Arc::new),
            };
            let Some(request) = request else {
                return Ok(None);
            };
            Ok(Some(Seen {
                progress: request.progress(),
                earlier: store.earlier(&request.action, &id)?,
                request,
            }))
        })
        .await
    }

    /// Grants in force, oldest first.
    ///
    /// # Errors
    /// The store failed.
    pub async fn grants(&self) -> Result<Vec<Arc<Grant>>, Failure> {
        self.look(|desk, _| Ok(desk.grants().cloned().collect()))
            .await
    }

    /// A grant, whenever it was.
    #[cfg(test)]
    async fn grant(&self, id: GrantId) -> Result<Option<PastGrant>, Failure> {
        self.look(move |_, store| store.grant(&id)).await
    }

    /// Grants that ended, the latest first: at most so many.
    ///
    /// # Errors
    /// The store failed.
    pub async fn ended(&self, most: u32) -> Result<Vec<PastGrant>, Failure> {
        self.look(move |_, store| store.ended(most)).await
    }

    /// What happens from now on.
    pub fn watch(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// How many wait, and what became of others.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Why nothing can be approved at the moment, in a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.errands.is_closed() {
            return Some("approvals have ended by a fault: restart the daemon".to_owned());
        }
        let problem = self.problem.lock();
        problem.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn vote(&self, command: Command) -> Result<Arc<Request>, Failure> {
        // The vote comes first, and what became of its request right behind, if anything did.
        let mut voted = None;
        for notice in self.tell(command).await? {
            match notice {
                Notice::Voted(request) if voted.is_none() => voted = Some(request),
                Notice::Closed(request)
                    if voted.as_ref().is_some_and(|voted| voted.id == request.id) =>
                {
                    voted = Some(request);
                }
                _ => {}
            }
        }
        voted.ok_or(Failure::Ended)
    }

    async fn tell(&self, command: Command) -> Result<Vec<Notice>, Failure> {
        let (reply, answer) = oneshot::channel();
        let errand = Errand::Tell(Box::new(command), reply);
        self.errands
            .send(errand)
            .await
            .map_err(|_| Failure::Ended)?;
        answer.await.map_err(|_| Failure::Ended)?
    }

    async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&gateway_core::approvals::desk::Desk, &Store) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, Failure> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |found| {
            let seen = found.and_then(|(desk, store)| {
                look(desk, store).map_err(|error| Failure::Store(error.to_string()))
            });
            // Whoever asked may have gone.
            drop(reply.send(seen));
        });
        let errand = Errand::Look(look);
        self.errands
            .send(errand)
            .await
            .map_err(|_| Failure::Ended)?;
        answer.await.map_err(|_| Failure::Ended)?
    }
}

/// A new id whose order is that of time.
fn new_id() -> String {
    Uuid::now_v7().to_string()
}
