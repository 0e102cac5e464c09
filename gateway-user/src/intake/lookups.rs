//! From a query to the session that it belongs to: by datagram, or on a connection to port 53.
//!
//! Fails closed: a query that has no owner, no place or no recording is not answered.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_common::origin::Origin;
use gateway_core::flow::{ClientAddr, Flow, OriginalDst};
use gateway_core::ids::SessionId;
use gateway_core::policy::model::Mode;
use gateway_core::protocols::dns::PROTOCOL;
use gateway_core::protocols::dns::query::Transport;
use gateway_core::subject::Subject;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;

use super::{Intake, Refused};
use crate::config::Config;
use crate::identity;
use crate::kernel::NetnsId;
use crate::recording::journal::Journal;
use crate::relay::dns::session::{Asker, Session};
use crate::relay::evidence::{self, Evidence};

/// A question is never longer, in bytes; of a longer one the rest is cut off, and it cannot be read.
const LONGEST: usize = 4096;
/// So many questions are answered at a time. What comes beyond that is not answered: clients ask
/// again.
const AT_A_TIME: usize = 1024;
/// Wait after a failed read: what it failed for may end.
const RETRY: Duration = Duration::from_millis(50);

impl Intake {
    /// Answers the questions that come to `resolver`, until it is dropped. Cancel safe: what is
    /// being answered goes on.
    pub fn answer(
        self: &Arc<Self>,
        resolver: UdpSocket,
    ) -> io::Result<impl Future<Output = ()> + use<>> {
        let netns = NetnsId::of_socket(&resolver)?;
        let (intake, resolver) = (Arc::clone(self), Arc::new(resolver));
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        Ok(async move {
            let mut buffer = vec![0; LONGEST];
            loop {
                let (length, from) = match resolver.recv_from(&mut buffer).await {
                    Ok(received) => received,
                    Err(error) => {
                        tracing::warn!(%error, "cannot read a question");
                        tokio::time::sleep(RETRY).await;
                        continue;
                    }
                };
                let Ok(turn) = Arc::clone(&turns).try_acquire_owned() else {
                    continue;
                };
                // At once: the next question of the same socket brings another record.
                let Some(origin) = intake.asked_by(netns, from) else {
                    continue;
                };
                let query = buffer.get(..length).unwrap_or_default().to_vec();
                let (intake, resolver) = (Arc::clone(&intake), Arc::clone(&resolver));
                tokio::spawn(async move {
                    if let Some(answer) = intake.look_up(&origin, &query).await {
                        // Who has gone meanwhile needs no answer.
                        let sent = resolver.send_to(&answer, from).await;
                        tracing::trace!(?sent, "answered");
                    }
                    drop(turn);
                });
            }
        })
    }

    /// Fails closed: a question that the kernel knows nothing of has no owner.
    fn asked_by(&self, netns: NetnsId, from: SocketAddr) -> Option<Origin> {
        match self.kernel.datagram_origin(netns, from) {
            Ok(Some(origin)) => Some(origin),
            Ok(None) => {
                tracing::debug!("a question came that no agent asked");
                None
            }
            Err(error) => {
                self.refuse(None, &Refused::Record(error));
                None
            }
        }
    }

    /// The answer to one datagram, if it gets one.
    async fn look_up(&self, origin: &Origin, query: &[u8]) -> Option<Vec<u8>> {
        if let Some(freeze) = self.freeze_of(origin) {
            return self.answer_frozen(origin, freeze, query);
        }
        let config = Arc::clone(&self.around.config.borrow());
        let session = self.session(origin, &config, async {
            Ok::<_, Refused>(Arc::new(self.subject(origin, &config).await?))
        });
        match session.await {
            Ok(session) => {
                let mode = mode(&config, origin);
                self.dns.answer(&session, mode, query, Transport::Udp).await
            }
            Err(refused) => {
                self.turn_down(origin, &refused);
                None
            }
        }
    }

    /// Serves a connection on which names are looked up.
    pub(super) async fn look_ups(
        &self,
        stream: TcpStream,
        origin: &Origin,
        subject: Arc<Subject>,
    ) -> Result<(), Refused> {
        if let Some(freeze) = self.freeze_of(origin) {
            return Err(Refused::Frozen(freeze));
        }
        let config = Arc::clone(&self.around.config.borrow());
        let known = async { Ok::<_, Infallible>(subject) };
        match self.session(origin, &config, known).await {
            Ok(session) => {
                let mode = mode(&config, origin);
                self.dns.serve(&session, mode, stream).await;
            }
            Err(refused) => self.turn_down(origin, &refused),
        }
        Ok(())
    }

    /// The session of who asks, begun where there is none.
    async fn session<E>(
        &self,
        origin: &Origin,
        config: &Config,
        subject: impl Future<Output = Result<Arc<Subject>, E>>,
    ) -> Result<Arc<Session>, Refused>
    where
        Refused: From<E>,
    {
        let asker = Asker {
            attached: origin.attached,
            pid: origin.tgid,
            destination: origin.destination_addr(),
        };
        if let Some(session) = self.dns.sessions.find(&asker)
            && !is_still(config, &session.subject)
        {
            self.dns.sessions.leave(&asker);
        }
        let begin = async { self.begin(origin, config, subject.await?).await };
        self.dns.sessions.of(asker, begin).await
    }

    async fn begin(
        &self,
        origin: &Origin,
        config: &Config,
        subject: Arc<Subject>,
    ) -> Result<Session, Refused> {
        let destination = origin.destination_addr();
        let resource = config.server_of_names(destination);
        let flow = Arc::new(Flow {
            session: SessionId::new(uuid::Uuid::now_v7().to_string()),
            client: ClientAddr(origin.source_addr()),
            destination: OriginalDst(destination),
            resource: resource.map(|resource| resource.name.clone()),
            hosts: Vec::new(),
            unclear: None,
        });
        let limit = config.workload(&subject.workload);
        let limit = limit.map_or(0, |workload| workload.max_sessions);
        let admitted = self
            .admission
            .admit(&subject.workload, limit, Instant::now());
        let place = admitted.map_err(Refused::Full)?;
        let unrecorded = |error: &dyn std::error::Error| Refused::Unrecorded(error.to_string());
        let journal = Journal::create(&config.recording.directory, &flow.session);
        let journal = journal.map_err(|error| unrecorded(&error))?;
        let connection = evidence::connection(&subject, &flow);
        let evidence = Evidence::new(journal, self.log.clone(), connection);
        let guard = self.register(origin, &PROTOCOL, &subject, &flow);
        let identities = self.around.identities.clone();
        let session = Session::begin(subject, flow, evidence, guard, place, identities);
        session.map_err(|error| unrecorded(&error))
    }

    /// A query that is not answered. Of a workload's many, one a second is told.
    pub(super) fn turn_down(&self, origin: &Origin, refused: &Refused) {
        if let Refused::Full(full) = refused
            && full.tell.is_none()
        {
            return;
        }
        self.refuse(Some(origin), refused);
    }
}

/// Whether the process is the same one, and acts as the same workload of the same groups.
fn is_still(config: &Config, subject: &Subject) -> bool {
    let workload = config.workload(&subject.workload);
    let is_same = workload.is_some_and(|workload| workload.groups == subject.groups);
    is_same && identity::is_still(&subject.process)
}

/// Whether the server that was asked is only observed.
fn mode(config: &Config, origin: &Origin) -> Mode {
    let server = config.server_of_names(origin.destination_addr());
    server.map_or(Mode::Enforce, |server| server.mode)
}

impl From<Infallible> for Refused {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
