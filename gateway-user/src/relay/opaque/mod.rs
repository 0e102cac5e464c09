//! One stream that passes uninspected because a rule says so: decided, recorded, joined to its
//! server, and taken apart when the rule is gone.
//!
//! No TLS is ended and nothing is read: who, where to, by which rule and how much is all that is
//! recorded. `pair` is the two sockets, `direction` moves the bytes one way, `pipe` is what splice(2)
//! moves them through, `hold` waits until people decide. The decisions are in
//! `gateway_core::session::opaque`.

mod direction;
mod hold;
mod pair;
mod pipe;

use std::sync::Arc;

use gateway_core::descriptor::Shape;
use gateway_core::event::SessionEnd;
use gateway_core::flow::Flow;
use gateway_core::policy::decision::Permit;
use gateway_core::session::opaque::{Gate, Stream};
use gateway_core::subject::{Identity, Subject};
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub use self::pair::reset;
use self::pair::{Ending, Pair};
pub use self::pipe::Pipes;
use super::dial::{self, Way};
use super::evidence::{Evidence, EvidenceError};
use super::{Surroundings, leg};
use crate::config::Config;
use crate::live::Guard;

/// One stream that passes uninspected.
#[derive(Debug)]
pub struct Opaque<'a> {
    stream: Stream,
    client: TcpStream,
    rest: Rest<'a>,
}

/// What it needs besides its sockets.
#[derive(Debug)]
struct Rest<'a> {
    way: Way,
    subject: Subject,
    flow: Flow,
    evidence: Evidence,
    guard: Guard,
    around: &'a Surroundings,
    /// Whether people were ever asked about it.
    was_held: bool,
}

/// Why a stream did not begin or go on.
enum Stopped {
    /// Policy refused it, or people did.
    Refused,
    /// It ended while it waited for people.
    Ended(SessionEnd),
    /// It could not be recorded.
    Unrecorded(EvidenceError),
}

impl From<EvidenceError> for Stopped {
    fn from(error: EvidenceError) -> Self {
        Self::Unrecorded(error)
    }
}

impl Stopped {
    fn end(self) -> SessionEnd {
        match self {
            Self::Refused => SessionEnd::Refused,
            Self::Ended(how) => how,
            Self::Unrecorded(error) => SessionEnd::RecordingFailed {
                detail: error.to_string(),
            },
        }
    }
}

impl<'a> Opaque<'a> {
    /// Takes over a client.
    pub fn new(
        subject: &Subject,
        flow: &Flow,
        client: TcpStream,
        way: Way,
        evidence: Evidence,
        guard: Guard,
        around: &'a Surroundings,
    ) -> Self {
        Self {
            stream: Stream::new(subject, flow, env!("CARGO_PKG_VERSION")),
            client,
            rest: Rest {
                way,
                subject: subject.clone(),
                flow: flow.clone(),
                evidence,
                guard,
                around,
                was_held: false,
            },
        }
    }

    /// Runs it to its end.
    pub async fn run(self) -> SessionEnd {
        let Self {
            mut stream,
            client,
            mut rest,
        } = self;
        let mut config = rest.around.config.clone();
        let permit = rest.permit(&mut stream, &mut config, Some(&client)).await;
        let (how, traffic) = match permit {
            Ok(permit) => rest.join(&mut stream, client, permit, &mut config).await,
            Err(stopped) => {
                reset(client);
                (stopped.end(), (0, 0))
            }
        };
        let (bytes_out, bytes_in) = traffic;
        stream.end(how.clone(), bytes_in, bytes_out);
        rest.close(&mut stream).await;
        how
    }
}

impl Rest<'_> {
    /// Asks the policy now in force, and people where it says so. Not before they have answered does
    /// anything pass, also of a stream that was open already.
    async fn permit(
        &mut self,
        stream: &mut Stream,
        config: &mut watch::Receiver<Arc<Config>>,
        client: Option<&TcpStream>,
    ) -> Result<Permit, Stopped> {
        loop {
            let now = Arc::clone(&config.borrow_and_update());
            let gate = self.judge(stream, &now);
            self.record(stream)?;
            match gate {
                Gate::Open(permit) => return Ok(permit),
                Gate::Shut => return Err(Stopped::Refused),
                Gate::Waits(action) => {
                    if let Some(permit) = self.wait(stream, *action, config, client).await? {
                        return Ok(permit);
                    }
                }
            }
        }
    }

    /// Fails closed: what is not recorded does not pass.
    fn record(&mut self, stream: &mut Stream) -> Result<(), EvidenceError> {
        self.evidence.take(stream.events())?;
        self.evidence.flush()
    }

    /// Who the workload is by its token now.
    fn identity(&self) -> Option<Arc<Identity>> {
        let cgroup = self.guard.info().cgroup.0;
        self.around.identities.of(cgroup, Timestamp::now())
    }

    /// What was a stream when it began may be something else in the configuration now in force.
    fn judge(&mut self, stream: &mut Stream, config: &Config) -> Gate {
        let Some(workload) = config.workload(&self.subject.workload) else {
            let reason = format!(
                "workload {} is not in the configuration",
                self.subject.workload
            );
            stream.refuse(&config.engine, &self.flow, &reason);
            return Gate::Shut;
        };
        self.subject.groups = Arc::clone(&workload.groups);
        let identity = self.identity();
        if identity != self.subject.identity {
            stream.identified(&identity);
            self.subject.identity = identity;
        }
        let resource = match self
            .around
            .names
            .resource_of(config, &self.flow, &self.subject)
        {
            Ok(resource) => resource,
            Err(unclear) => {
                stream.refuse(&config.engine, &self.flow, &unclear.why);
                return Gate::Shut;
            }
        };
        self.flow.resource = resource.map(|resource| resource.name.clone());
        match resource {
            Some(resource) if resource.protocol.shape != Shape::Stream => {
                let (name, protocol) = (&resource.name, resource.protocol.name);
                let reason = format!("{name} is inspected now, as {protocol}: connect again");
                stream.refuse(&config.engine, &self.flow, &reason);
                Gate::Shut
            }
            _ => stream.decide(&config.engine, &self.subject, &self.flow, Timestamp::now()),
        }
    }

    /// Reaches the server and moves bytes until somebody or something ends it. Says how it ended,
    /// and how many bytes reached the client and the server.
    async fn join(
        &mut self,
        stream: &mut Stream,
        client: TcpStream,
        permit: Permit,
        config: &mut watch::Receiver<Arc<Config>>,
    ) -> (SessionEnd, (u64, u64)) {
        leg::tune_or_tell(&client);
        let server = tokio::select! {
            biased;
            how = self.guard.cancelled() => Err(how),
            dialed = dial::reach(&self.around.dialer, &mut self.way) => dialed.map_err(|error| {
                SessionEnd::ServerFailed { detail: error.to_string() }
            }),
        };
        let server = match server {
            Ok(server) => server,
            Err(end) => {
                reset(client);
                return (end, (0, 0));
            }
        };
        let mut pair = Pair::join(client, server, self.around.pipes.clone(), permit);
        let ending = self.pump(stream, &mut pair, config).await;
        let traffic = pair.traffic();
        match ending {
            Ending::Orderly(how) => {
                pair.close().await;
                (how, traffic)
            }
            Ending::Cut(how) => {
                pair.cut();
                (how, traffic)
            }
        }
    }

    async fn pump(
        &mut self,
        stream: &mut Stream,
        pair: &mut Pair,
        config: &mut watch::Receiver<Arc<Config>>,
    ) -> Ending {
        loop {
            let guard = &self.guard;
            // The bytes come last: a busy stream uses up the turn that it has.
            let changed = tokio::select! {
                biased;
                how = guard.cancelled() => return Ending::Cut(how),
                changed = config.changed() => changed,
                ending = std::future::poll_fn(|cx| {
                    let ending = pair.poll(cx);
                    guard.counters().set(stream.asked(), pair.traffic());
                    ending
                }) => return ending,
            };
            if changed.is_err() {
                return Ending::Cut(SessionEnd::Stopped);
            }
            // Not a permit to begin: the one that was used up goes on.
            if let Err(stopped) = self.permit(stream, config, None).await {
                return Ending::Cut(stopped.end());
            }
        }
    }

    /// Records the end and brings the recording to disk.
    async fn close(self, stream: &mut Stream) {
        let Self {
            mut evidence,
            flow,
            around,
            was_held,
            ..
        } = self;
        if evidence.take(stream.events()).is_err() {
            // The recording takes nothing more; the enforcement log still tells of the end.
            evidence.take_end(stream.events());
        }
        let closed = tokio::task::spawn_blocking(move || evidence.close()).await;
        if !matches!(closed, Ok(Ok(()))) {
            tracing::error!(?closed, "a recording could not be closed");
        }
        if was_held && let Err(error) = around.approvals.session_ended(flow.session).await {
            tracing::warn!(%error, "a session with approvals ended, and that is not written down");
        }
    }
}
