//! Reaches servers for agents whose `connect` is held, before it ends: so that a server that is not
//! there is not there for the agent either, and a destination that policy bars refuses at once.
//!
//! Those that are not held, since somebody was there a moment ago, are reached while intake looks who
//! it is (`ahead`). Only TCP is made here and no byte of the agent's is sent; TLS and protocol are the
//! relay's.
//! `table` has the connects that are held, `namespaces` the network namespaces that agents are in,
//! `shares` keeps one agent from taking what others need. A connect whose server is reached counts
//! as the session that it is to become: where its workload has as many as it may, no server is.
//! A connect is held by the kernel programs as long as nothing is said: whatever fails here, and
//! whatever there is too much of, keeps it held and never lets it pass.

mod ahead;
mod namespaces;
mod shares;
mod table;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_common::held::{Held, Reach};
use gateway_common::origin::Origin;
use gateway_core::descriptor::Shape;
use gateway_core::flow::OriginalDst;
use gateway_core::ids::ResourceName;
use gateway_core::policy::actor::Actor;
use gateway_core::policy::decision::Verdict;
use gateway_core::protocols::opaque;
use gateway_core::refusal::Refusal;
use jiff::Timestamp;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};

use self::namespaces::Namespaces;
use self::shares::Turns;
use self::table::{Hear, Table};
use crate::admission::{Admission, Place};
use crate::config::Config;
use crate::control::attachments::Attachments;
use crate::control::frozen::{Freeze, Frozen};
use crate::kernel::{CgroupId, HeldConnects, Kernel, KernelError, NetnsId, Unreachable};
use crate::names::Names;
use crate::observe::enforcement::{Connection, EnforcementLog, What};

pub use self::ahead::Ahead;
pub use self::namespaces::Opened;
pub use self::table::Reached;

/// A server is given so long to answer. An agent that waits longer has it tried again each time
/// that its kernel repeats the SYN.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of the protocol.
const IPPROTO_UDP: u16 = 17;
/// So many servers are waited for at a time, shared by the agents. More connects are held until it
/// is their turn.
const AT_ONCE: usize = 1024;

/// Reaches servers.
#[derive(Debug)]
pub struct Dialer {
    kernel: Arc<Kernel>,
    attachments: Arc<Attachments>,
    frozen: Frozen,
    config: watch::Receiver<Arc<Config>>,
    names: Names,
    log: EnforcementLog,
    admission: Admission,
    /// Of the daemon's listeners.
    port: u16,
    table: Table,
    namespaces: Namespaces,
    turns: Turns,
}

/// Whose network namespace a server was reached from.
enum Stand {
    /// The agent's.
    Agents,
    /// The daemon's, which is another.
    Daemons,
}

/// What becomes of a connect, as far as policy goes.
enum Ruling {
    /// Its server is to be reached, in this place of its session.
    Dial(Place),
    /// It needs none, or is to be refused in words, which are intake's.
    LetGo,
    /// It is refused.
    Bar(Option<ResourceName>, Refusal),
    /// It is refused, and so is everything that the workload opens.
    Frozen(Freeze),
}

impl Dialer {
    /// Takes its parts over. Listeners that it opens in other network namespaces come out of the
    /// channel's other end.
    #[expect(
        clippy::too_many_arguments,
        reason = "everything that a connect is judged by comes together here"
    )]
    pub fn new(
        kernel: Arc<Kernel>,
        attachments: Arc<Attachments>,
        frozen: Frozen,
        config: watch::Receiver<Arc<Config>>,
        names: Names,
        log: EnforcementLog,
        admission: Admission,
        opened: mpsc::Sender<Opened>,
    ) -> io::Result<Self> {
        let port = config.borrow().daemon.port;
        let namespaces = Namespaces::new(Arc::clone(&kernel), opened)?;
        Ok(Self {
            kernel,
            attachments,
            frozen,
            config,
            names,
            log,
            admission,
            port,
            table: Table::default(),
            namespaces,
            turns: Turns::new(AT_ONCE),
        })
    }

    /// Deals with the connects that are held, for ever.
    pub async fn run(self: Arc<Self>, held: HeldConnects) -> io::Result<()> {
        let mut held = held.listen()?;
        loop {
            let mut ready = held.readable_mut().await?;
            while let Some(held) = ready.get_inner_mut().take_next() {
                self.hear(held);
            }
            ready.clear_ready();
        }
    }

    /// Connects to a server: from the agent's network namespace if it is in there, else from the
    /// daemon's.
    pub async fn connect(&self, reach: &Reach) -> io::Result<TcpStream> {
        let connected = self.attempt(reach).await;
        // Only whether the next one is held, and what `getsockname` shows, depends on these notes.
        let noted = match &connected {
            Ok((server, Stand::Agents)) => {
                let from = server.local_addr().map(|address| address.ip());
                self.kernel.reached(reach, from.ok())
            }
            Ok((_, Stand::Daemons)) => self.kernel.reached(reach, None),
            Err(_) => self.kernel.lost(reach),
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "cannot note whether a server was reached");
        }
        connected.map(|(server, _)| server)
    }

    /// The way to the server of a connection that was accepted, and the place of its session, which is
    /// open no longer than this is kept: what was made while it was held, else what is made from now on.
    /// None where no server is to be reached.
    pub fn take(self: &Arc<Self>, origin: &Origin) -> Option<(Ahead, Place)> {
        if let Some(Reached { server, place }) = self.table.take(origin) {
            return Some((Ahead::Reached(server), place));
        }
        // As for one that is held. Why not, intake finds out as well, and tells it.
        let Ruling::Dial(place) = self.judge(origin) else {
            return None;
        };
        let (dialer, reach) = (Arc::clone(self), Reach::from(origin));
        let reaching = Box::pin(async move { dialer.connect(&reach).await });
        Some((Ahead::Underway(reaching), place))
    }

    /// Forgets what is over and leaves network namespaces that nobody uses. Reads `/proc`; to be
    /// called now and then where it may block.
    pub fn sweep(&self) -> Result<(), KernelError> {
        for origin in self.table.sweep(Instant::now()) {
            self.kernel.take_back(&origin)?;
        }
        self.namespaces.sweep()
    }

    /// Serves the network namespaces that agents are in before anything comes from there: a question
    /// cannot be held, and would be refused.
    pub async fn look_ahead(&self) -> Result<(), KernelError> {
        let attached = self.attachments.all().into_iter();
        let attached: Vec<_> = attached.map(|one| (one.cgroup, one.path)).collect();
        self.namespaces.look_ahead(attached).await
    }

    fn hear(self: &Arc<Self>, held: Held) {
        if held.origin.protocol == IPPROTO_UDP {
            return self.hear_question(held.origin);
        }
        match self.table.hear(&held.origin) {
            Hear::Wait => {}
            Hear::LetGo => self.let_go(&held.origin),
            Hear::Tell(why) => self.tell(&held, why),
            Hear::Dial => {
                // Without a turn it stays held and comes again.
                let Some(turn) = self.turns.take(held.origin.attached) else {
                    return self.table.forget(&held.origin);
                };
                let dialer = Arc::clone(self);
                tokio::spawn(async move {
                    dialer.answer(&held).await;
                    drop(turn);
                });
            }
        }
    }

    /// A question that was refused for want of a resolver: there is one when it is asked again.
    fn hear_question(self: &Arc<Self>, origin: Origin) {
        let Some(turn) = self.turns.take(origin.attached) else {
            return;
        };
        let dialer = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = dialer.namespaces.serve_origin(&origin).await {
                tracing::warn!(%error, "no look-ups in a network namespace");
            }
            drop(turn);
        });
    }

    /// Finds out what becomes of a connect.
    async fn answer(&self, held: &Held) {
        let origin = &held.origin;
        if let Err(error) = self.namespaces.serve_origin(origin).await {
            // There is no way to tell the agent, whose `connect` will time out.
            self.note(origin, None, unruled(error.to_string()));
            return self.table.done(origin);
        }
        let place = match self.judge(origin) {
            Ruling::Dial(place) => place,
            Ruling::LetGo => {
                self.table.open(origin, None);
                return self.let_go(origin);
            }
            Ruling::Bar(resource, refusal) => {
                self.note(origin, resource, refusal);
                self.table.unreached(origin, Unreachable::Port);
                return self.tell(held, Unreachable::Port);
            }
            Ruling::Frozen(freeze) => {
                self.note_frozen(origin, &freeze);
                self.table.unreached(origin, Unreachable::Port);
                return self.tell(held, Unreachable::Port);
            }
        };
        let reach = Reach::from(origin);
        match tokio::time::timeout(PATIENCE, self.connect(&reach)).await {
            Ok(Ok(server)) => {
                self.table.open(origin, Some(Reached { server, place }));
                self.let_go(origin);
            }
            Ok(Err(error)) => match Unreachable::from_error(&error) {
                Some(why) => {
                    tracing::debug!(destination = %reach.destination_addr(), %error, "server not reached");
                    self.table.unreached(origin, why);
                    self.tell(held, why);
                }
                None => self.table.forget(origin),
            },
            // The agent hears nothing, as it would have from the network.
            Err(_late) => self.table.forget(origin),
        }
    }

    /// What policy says before anything is said on the connection: nobody of this workload could
    /// have a session there, or it is a stream, of which everything is known before it begins.
    fn judge(&self, origin: &Origin) -> Ruling {
        let config = Arc::clone(&self.config.borrow());
        let destination = origin.destination_addr();
        let attachment = self.attachments.find(CgroupId(origin.attached));
        let Some(workload) = attachment.and_then(|one| config.workload(&one.workload)) else {
            // As unknown as one that was never there. Intake says the same.
            let reason = format!("cgroup {} belongs to no workload", origin.attached);
            return Ruling::Bar(None, unruled(reason));
        };
        if let Some(freeze) = self.frozen.find(&workload.name) {
            return Ruling::Frozen(freeze);
        }
        let (name, groups) = (&workload.name, &workload.groups);
        let claim = self
            .names
            .resource_for(&config, destination, name, Instant::now());
        let resource = match claim {
            Ok(claim) => claim.map(|claim| claim.resource),
            // Refused as well, in words that help: an address that is several hosts' becomes one's
            // when its name is looked up.
            Err(_unclear) => return Ruling::LetGo,
        };
        let resource_name = resource.map(|one| &one.name);
        let (destination, now) = (OriginalDst(destination), Timestamp::now());
        if let Some(refusal) = config
            .engine
            .bars(name, groups, destination, resource_name, now)
        {
            return Ruling::Bar(resource_name.cloned(), refusal);
        }
        match resource.map(|one| (one.protocol.shape, &one.name)) {
            // The gateway answers itself, whoever was asked.
            Some((Shape::Terminated, _)) => return Ruling::LetGo,
            // What process it is, is known to intake.
            Some((Shape::Stream, stream)) if config.engine.looks_at_process(stream) => {
                return Ruling::LetGo;
            }
            Some((Shape::Stream, stream)) => {
                let identities = self.attachments.identities();
                let identity = identities.of(origin.attached, now);
                let actor = Actor {
                    identity: identity.as_deref(),
                    ..Actor::new(name, groups)
                };
                let facts = opaque::to_destination(destination.0);
                match config
                    .engine
                    .decide_for(&actor, stream, &facts, now)
                    .verdict
                {
                    Verdict::Allow(_) => {}
                    // It waits as a session, and the server hears nothing of it before.
                    Verdict::Hold(_) => return Ruling::LetGo,
                    Verdict::Deny(refusal) => return Ruling::Bar(Some(stream.clone()), refusal),
                }
            }
            _ => {}
        }
        // Fails closed: without a place no server is reached. Intake says so in the protocol's words.
        let place = self.admission.place(name, workload.max_sessions);
        place.map_or(Ruling::LetGo, Ruling::Dial)
    }

    /// Whether the server is on a loopback address of a network namespace that is not the daemon's.
    pub fn is_agents_loopback(&self, reach: &Reach) -> bool {
        let destination = reach.destination_addr().ip().to_canonical();
        !self.namespaces.is_own(NetnsId(reach.netns))
            && (destination.is_loopback() || destination.is_unspecified())
    }

    async fn attempt(&self, reach: &Reach) -> io::Result<(TcpStream, Stand)> {
        let (netns, destination) = (NetnsId(reach.netns), reach.destination_addr());
        if self.namespaces.is_own(netns) {
            let server = TcpStream::connect(destination).await?;
            return Ok((server, Stand::Agents));
        }
        // Fails closed: what is meant by an address of a namespace that is gone, nobody knows.
        if self.namespaces.find(netns).is_none() {
            return Err(io::Error::other("the agent's network namespace is gone"));
        }
        let kernel = Arc::clone(&self.kernel);
        let made = tokio::task::spawn_blocking(move || kernel.socket_in(netns, destination));
        match made.await?.map_err(io::Error::other)? {
            Some(socket) => {
                let socket = TcpSocket::from_std_stream(socket.into());
                Ok((socket.connect(destination).await?, Stand::Agents))
            }
            None => Ok((TcpStream::connect(destination).await?, Stand::Daemons)),
        }
    }

    fn let_go(&self, origin: &Origin) {
        if let Err(error) = self.kernel.let_go(origin) {
            // It stays held, and is let go when it is heard of again.
            tracing::warn!(%error, "cannot let a connect go");
        }
    }

    /// Tells the agent, in its network namespace.
    fn tell(&self, held: &Held, why: Unreachable) {
        let netns = NetnsId(held.origin.netns);
        let told = match self.namespaces.find(netns) {
            Some(place) => place.icmp().tell(held, self.port, why),
            None if self.namespaces.is_own(netns) => self.kernel.icmp().tell(held, self.port, why),
            // Left meanwhile: so has whoever waited.
            None => return,
        };
        if let Err(error) = told {
            // It is told again when the SYN is repeated.
            tracing::warn!(%error, "cannot tell an agent that its server is not reached");
        }
    }

    fn note(&self, origin: &Origin, resource: Option<ResourceName>, refusal: Refusal) {
        let workload = self.attachments.workload_of(CgroupId(origin.attached));
        let connection = Connection::of_origin(origin, workload, resource);
        self.write(What::ConnectionRefused {
            connection,
            rule: refusal.rule,
            frozen: false,
            reason: refusal.reason,
        });
    }

    fn note_frozen(&self, origin: &Origin, freeze: &Freeze) {
        let workload = Some(freeze.workload.clone());
        self.write(What::ConnectionRefused {
            connection: Connection::of_origin(origin, workload, None),
            rule: None,
            frozen: true,
            reason: freeze.why(),
        });
    }

    fn write(&self, what: What) {
        // It is refused whether or not the log takes it.
        if let Err(error) = self.log.note(what) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }
}

/// A refusal that is no rule's.
fn unruled(reason: String) -> Refusal {
    Refusal { rule: None, reason }
}
