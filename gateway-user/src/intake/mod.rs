//! From an accepted socket to a running session: who is it, where did it want to go, what is
//! spoken there.
//!
//! Every question that stays without an answer refuses the connection, with a line in the
//! enforcement log that says which: no record of the kernel, no workload, no protocol, no
//! recording. Where the protocol is known, the agent is told in its own words. Look-ups of names,
//! which need no connection, are in `lookups`; what workloads that an operator stopped are told is in
//! `freeze`.

mod freeze;
mod lookups;

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_common::held::Reach;
use gateway_common::origin::Origin;
use gateway_core::descriptor::{Protocol, Shape};
use gateway_core::event::SessionEnd;
use gateway_core::flow::{ClientAddr, Flow, OriginalDst};
use gateway_core::ids::SessionId;
use gateway_core::mask::MaskKey;
use gateway_core::protocols::opaque::TCP;
use gateway_core::protocols::registry::Registry;
use gateway_core::protocols::{ClientTls, CodecOptions, Framed};
use gateway_core::session::Session;
use gateway_core::subject::Subject;
use jiff::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::admission::{Admission, Full, Place};
use crate::config::{Config, Resource};
use crate::control::attachments::Attachments;
use crate::control::frozen::{Freeze, Frozen};
use crate::dialer::Ahead;
use crate::identity;
use crate::kernel::{CgroupId, Kernel, loopback};
use crate::live::{Guard, Info, Live};
use crate::observe::enforcement::{Connection, EnforcementLog, What};
use crate::recording::journal::Journal;
use crate::relay::dns::Dns;
use crate::relay::evidence::{self, Evidence};
use crate::relay::opaque::{self, Opaque};
use crate::relay::{Relay, Route, Surroundings, Way};

/// Takes accepted sockets.
#[derive(Debug)]
pub struct Intake {
    /// Has the records of redirected connections.
    pub kernel: Arc<Kernel>,
    /// Knows whose cgroups are whose.
    pub attachments: Arc<Attachments>,
    /// Knows who is frozen.
    pub frozen: Frozen,
    /// Lists the sessions that are open.
    pub live: Live,
    /// Where refusals are told.
    pub log: EnforcementLog,
    /// The protocols.
    pub protocols: Registry,
    /// What relays share.
    pub around: Surroundings,
    /// Answers look-ups of names.
    pub dns: Arc<Dns>,
    /// How many sessions each workload has.
    pub admission: Admission,
    /// How many refused connections may be told why at a time.
    pub farewells: Semaphore,
}

/// Refused connections that are told why at a time, when a workload has too many sessions.
pub const FAREWELLS: usize = 64;
/// A refused client has so long to take the last words.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why a connection was refused before its session began.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(
        "the kernel has no record of this connection: it was not redirected, or began with a SYN cookie"
    )]
    NoRecord,
    #[error("the kernel's record cannot be read: {0}")]
    Record(#[from] crate::kernel::KernelError),
    #[error("its socket cannot be kept on the loopback device: {0}")]
    Socket(std::io::Error),
    #[error("cgroup {0} belongs to no workload")]
    NoWorkload(u64),
    #[error("no resource covers {0}, and its port tells no protocol to refuse in")]
    NoProtocol(SocketAddr),
    #[error("{0}")]
    Unclear(String),
    #[error("it cannot be recorded: {0}")]
    Unrecorded(String),
    #[error("the workload has {} sessions open already", .0.limit)]
    Full(Full),
    #[error("{}", .0.why())]
    Frozen(Freeze),
}

impl Intake {
    /// Serves one accepted socket on a task of its own. Its record is taken at once, before others can
    /// push it out.
    pub fn accept(self: &Arc<Self>, stream: TcpStream) {
        let origin = match self.origin(&stream) {
            Ok(origin) => origin,
            Err(refused) => return self.refuse(None, &refused),
        };
        let intake = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(refused) = intake.open(stream, &origin).await {
                intake.refuse(Some(&origin), &refused);
            }
        });
    }

    /// Fails closed: a connection that the kernel knows nothing of has no owner.
    fn origin(&self, stream: &TcpStream) -> Result<Origin, Refused> {
        let origin = self.kernel.origin(stream.as_fd())?;
        // Before anything is sent on it.
        loopback::stay(stream.as_fd()).map_err(Refused::Socket)?;
        origin.ok_or(Refused::NoRecord)
    }

    async fn open(&self, stream: TcpStream, origin: &Origin) -> Result<(), Refused> {
        // Taken first, so that it ends with whatever ends this.
        let (ahead, place) = self.around.dialer.take(origin).unzip();
        let mut ahead = ahead.unwrap_or_default();
        let config = Arc::clone(&self.around.config.borrow());
        let subject = ahead.alongside(self.subject(origin, &config)).await;
        let subject = Arc::new(subject?);
        let destination = origin.destination_addr();
        let now = Instant::now();
        let names = &self.around.names;
        let claim = names.resource_for(&config, destination, &subject.workload, now);
        let (resource, hosts, unclear) = match claim {
            Ok(Some(claim)) => (Some(claim.resource), claim.hosts, None),
            Ok(None) => (None, Vec::new(), None),
            Err(unclear) => (None, Vec::new(), Some(unclear)),
        };
        let spoken = unclear.as_ref().map(|unclear| unclear.protocol);
        let spoken = resource.map(|resource| resource.protocol).or(spoken);
        if resource.is_some_and(|resource| resource.protocol.shape == Shape::Terminated) {
            // In boxes, here and below: a session needs no room for what becomes of others.
            return Box::pin(self.look_ups(stream, origin, subject)).await;
        }
        let flow = flow(origin, resource, hosts, unclear.map(|unclear| unclear.why));
        let flow = Arc::new(flow);
        let freeze = self.frozen.find(&subject.workload);
        let is_stream = resource.is_some_and(|resource| resource.protocol.shape == Shape::Stream);
        if let (Some(freeze), true) = (&freeze, is_stream) {
            self.cut_frozen(stream, &subject, &flow, freeze);
            return Ok(());
        }
        let place = match place.filter(|place| *place.workload() == subject.workload) {
            Some(place) => Ok(place),
            None => self.admit(&config, &subject),
        };
        if is_stream {
            match place {
                Ok(_place) => {
                    let passing = self.pass(stream, ahead, origin, &config, &subject, &flow);
                    Box::pin(passing).await;
                }
                Err(full) => {
                    self.note_full(&subject, &flow, full);
                    opaque::reset(stream);
                }
            }
            return Ok(());
        }
        let framed = match spoken {
            Some(protocol) => self.protocols.named(protocol.name),
            None => self.protocols.usual_on(destination.port()),
        };
        let framed = framed.ok_or_else(|| match &flow.unclear {
            Some(unclear) => Refused::Unclear(unclear.clone()),
            None => Refused::NoProtocol(destination),
        })?;
        let version = env!("CARGO_PKG_VERSION");
        let session = Session::new(
            framed,
            &options(resource, self.around.placeholders.salt()),
            Arc::clone(&config.engine),
            Arc::clone(&subject),
            Arc::clone(&flow),
            version,
        )
        .counting_in(Arc::clone(&self.around.budgets))
        .masking_with(self.mask_key(&config, &subject, &flow));
        if let Some(freeze) = freeze {
            let turning = self.turn_frozen(stream, session, &subject, &flow, &freeze);
            Box::pin(turning).await;
            return Ok(());
        }
        let _place = match place {
            Ok(place) => place,
            Err(full) => {
                Box::pin(self.turn_away(stream, session, &subject, &flow, full)).await;
                return Ok(());
            }
        };
        match Journal::create(&config.recording.directory, &flow.session) {
            Ok(journal) => {
                let connection = evidence::connection(&subject, &flow);
                let evidence = Evidence::new(journal, self.log.clone(), connection);
                let route = Route {
                    way: Way {
                        reach: Reach::from(origin),
                        ahead,
                    },
                    hosts: flow.hosts.clone(),
                    upstream: resource.map(|resource| Arc::clone(&resource.upstream)),
                };
                self.relay(
                    stream, origin, framed, session, evidence, route, &subject, &flow,
                )
                .await;
            }
            Err(error) => {
                let why = error.to_string();
                Box::pin(self.unrecorded(stream, session, &subject, &flow, &why)).await;
            }
        }
        Ok(())
    }

    /// A workload without an entry was refused before; a limit of 0 refuses as well.
    fn admit(&self, config: &Config, subject: &Subject) -> Result<Place, Full> {
        let limit = config.workload(&subject.workload);
        let limit = limit.map_or(0, |workload| workload.max_sessions);
        self.admission
            .admit(&subject.workload, limit, Instant::now())
    }

    async fn subject(&self, origin: &Origin, config: &Config) -> Result<Subject, Refused> {
        let attachment = self.attachments.find(CgroupId(origin.attached));
        // A workload that has left the configuration is as unknown as one that was never there.
        let found = attachment.and_then(|attachment| {
            let workload = config.workload(&attachment.workload)?;
            Some(identity::Workload {
                name: workload.name.clone(),
                groups: Arc::clone(&workload.groups),
                identity: self.around.identities.of(origin.attached, Timestamp::now()),
                cgroup: attachment.path.to_string_lossy().into_owned(),
            })
        });
        let workload = found.ok_or(Refused::NoWorkload(origin.attached))?;
        let kernel = Arc::clone(&self.kernel);
        let executable = move |pid| kernel.executable(pid).ok().flatten();
        Ok(identity::subject(origin, workload, executable).await)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "everything a session is made of comes together here"
    )]
    async fn relay(
        &self,
        stream: TcpStream,
        origin: &Origin,
        framed: &dyn Framed,
        session: Session,
        evidence: Evidence,
        route: Route,
        subject: &Subject,
        flow: &Flow,
    ) {
        let guard = self.register(origin, framed.protocol(), subject, flow);
        let relay = Relay::new(
            framed,
            session,
            stream,
            evidence,
            guard,
            route,
            &self.around,
        );
        // In a box of its own, or the task would be too large to be moved about before it starts.
        let end = Box::pin(relay.run()).await;
        tell(flow, &end);
    }

    /// Serves a stream that nobody looks into. Fails closed: what cannot be recorded does not begin,
    /// and since there are no words for it the client sees a reset.
    async fn pass(
        &self,
        stream: TcpStream,
        ahead: Ahead,
        origin: &Origin,
        config: &Config,
        subject: &Subject,
        flow: &Flow,
    ) {
        let connection = evidence::connection(subject, flow);
        match Journal::create(&config.recording.directory, &flow.session) {
            Ok(journal) => {
                let guard = self.register(origin, &TCP, subject, flow);
                let evidence = Evidence::new(journal, self.log.clone(), connection);
                let way = Way {
                    reach: Reach::from(origin),
                    ahead,
                };
                let passing =
                    Opaque::new(subject, flow, stream, way, evidence, guard, &self.around);
                tell(flow, &passing.run().await);
            }
            Err(error) => {
                tracing::error!(%error, "a session was refused because it cannot be recorded");
                opaque::reset(stream);
                self.note_refused(connection, error.to_string());
            }
        }
    }

    fn register(
        &self,
        origin: &Origin,
        protocol: &Protocol,
        subject: &Subject,
        flow: &Flow,
    ) -> Guard {
        let guard = self.live.register(Info {
            session: flow.session.clone(),
            workload: subject.workload.clone(),
            pid: subject.process.pid,
            comm: subject.process.comm.clone(),
            cgroup: CgroupId(origin.attached),
            client: flow.client,
            destination: flow.destination,
            resource: flow.resource.clone(),
            protocol: protocol.name.to_owned(),
            started: Timestamp::now(),
        });
        // Looked at after the session can be found: either this sees the freeze or the freeze the session.
        if let Some(freeze) = self.frozen.find(&subject.workload) {
            self.live.end_session(&flow.session, &freeze.end());
        }
        guard
    }

    /// Fails closed: what cannot be recorded does not begin. The agent is told so.
    async fn unrecorded(
        &self,
        mut stream: TcpStream,
        mut session: Session,
        subject: &Subject,
        flow: &Flow,
        error: &str,
    ) {
        tracing::error!(error, "a session was refused because it cannot be recorded");
        session.handle_unrecorded(error);
        self.note_refused(evidence::connection(subject, flow), error.to_owned());
        let told = stream.write_all(session.outbox().to_client()).await;
        tracing::trace!(?told, "refused for want of a recording");
    }

    /// The workload has as many sessions as it may; the agent is told so.
    async fn turn_away(
        &self,
        stream: TcpStream,
        mut session: Session,
        subject: &Subject,
        flow: &Flow,
        full: Full,
    ) {
        self.note_full(subject, flow, full);
        session.handle_too_many(full.limit);
        self.bid_farewell(stream, session).await;
    }

    /// Tells a client whose session has ended before it began.
    async fn bid_farewell(&self, mut stream: TcpStream, mut session: Session) {
        // Beyond so many at a time they are closed without a word, for the same reason.
        let Ok(_turn) = self.farewells.try_acquire() else {
            return;
        };
        let last_words = session.outbox().to_client();
        let told = tokio::time::timeout(FAREWELL, async {
            stream.write_all(last_words).await?;
            stream.shutdown().await?;
            // What the client has sent already is read, or the reset would take the words away.
            let mut rest = [0; 4096];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<_, std::io::Error>(())
        });
        let told = told.await;
        tracing::trace!(?told, "told a client that was turned away");
    }

    fn refuse(&self, origin: Option<&Origin>, refused: &Refused) {
        let connection = match origin {
            Some(origin) => {
                let workload = self.attachments.workload_of(CgroupId(origin.attached));
                Connection::of_origin(origin, workload, None)
            }
            None => Connection::default(),
        };
        tracing::warn!(%refused, "connection refused");
        match refused {
            Refused::Frozen(freeze) => self.note_frozen(connection, freeze),
            refused => self.note_refused(connection, refused.to_string()),
        }
    }

    fn note_full(&self, subject: &Subject, flow: &Flow, full: Full) {
        let Some(untold) = full.tell else { return };
        let mut reason = format!("the workload has {} sessions open already", full.limit);
        if untold > 0 {
            reason = format!("{reason}; {untold} more were refused for this since the last line");
        }
        self.note_refused(evidence::connection(subject, flow), reason);
    }

    /// What hashes and pseudonyms of what is found in values are made with, where something is looked for.
    /// Fails closed: without a key nothing is left of what is found.
    fn mask_key(&self, config: &Config, subject: &Subject, flow: &Flow) -> Option<MaskKey> {
        let masks = config.engine.masks(subject, flow);
        masks.screen()?;
        let key = self.around.catalogs.key(config.mask_key.as_ref());
        key.inspect_err(|error| tracing::error!(error, "nothing is left of what is found"))
            .ok()
    }

    fn note_refused(&self, connection: Connection, reason: String) {
        self.note(What::ConnectionRefused {
            connection,
            rule: None,
            frozen: false,
            reason,
        });
    }

    fn note(&self, what: What) {
        // It is refused whether or not the log takes it; the daemon's own log has it too.
        if let Err(error) = self.log.note(what) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }
}

fn flow(
    origin: &Origin,
    resource: Option<&Resource>,
    hosts: Vec<String>,
    unclear: Option<String>,
) -> Flow {
    Flow {
        session: SessionId::new(uuid::Uuid::now_v7().to_string()),
        client: ClientAddr(origin.source_addr()),
        destination: OriginalDst(origin.destination_addr()),
        resource: resource.map(|resource| resource.name.clone()),
        hosts,
        unclear,
    }
}

/// Tells the daemon's own log how a session ended.
fn tell(flow: &Flow, end: &SessionEnd) {
    if let SessionEnd::RecordingFailed { detail } = end {
        tracing::error!(session = %flow.session, detail, "a recording failed and ended its session");
    }
    tracing::info!(session = %flow.session, ?end, "session ended");
}

fn options(resource: Option<&Resource>, salt: [u8; 16]) -> CodecOptions {
    let mut entropy = [0; 32];
    // Fails closed: without randomness the key stays zero, and a cancel request finds its session
    // only where a server's own process number is guessed too. Placeholders are then not asked for.
    if aws_lc_rs::rand::fill(&mut entropy).is_err() {
        tracing::error!("no randomness for a cancel key");
    }
    CodecOptions {
        login: resource.and_then(|resource| resource.login.clone()),
        client_tls: resource.map_or(ClientTls::Accept, |resource| resource.client_tls),
        entropy,
        salt,
    }
}
