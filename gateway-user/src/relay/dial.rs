//! The way to the server: TCP, unless that was made before, then TLS as the resource wants it.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateway_common::held::Reach;
use gateway_core::descriptor::Protocol;
use gateway_core::protocols::TlsInfo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::leg::{self, Leg};
use crate::dialer::{Ahead, Dialer};
use crate::tls::upstream::{Mode, Upstream};

/// The server has so long to accept and to agree on TLS.
const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no connection to the server. The texts reach the agent and name no internals.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// TCP failed.
    #[error("{}", reason(.0))]
    Connect(#[source] io::Error),
    /// It took too long.
    #[error("no answer within {} seconds", DEADLINE.as_secs())]
    TimedOut,
    /// The server has no TLS, and the resource demands it.
    #[error("the server does not offer TLS, which this resource demands")]
    NoTls,
    /// The server answered a request for TLS with something else.
    #[error("the server answered the request for TLS with something else")]
    NotAnAnswer,
    /// The handshake failed, or the server's certificate does not satisfy the resource.
    #[error("TLS with the server failed: {0}")]
    Handshake(#[source] io::Error),
    /// A credential would be shown to whoever the agent has put there.
    #[error(
        "the server is in the agent's own network namespace, and who it is is not verified: the \
         gateway shows no credential there"
    )]
    Unknown,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "network is unreachable".to_owned(),
        _ => error.to_string(),
    }
}

/// How a server is reached.
#[derive(Debug)]
pub struct Way {
    /// The server, and from where it is reached.
    pub reach: Reach,
    /// What there is of the way already.
    pub ahead: Ahead,
}

impl Way {
    async fn tcp(&mut self, dialer: &Dialer) -> Result<TcpStream, DialError> {
        let taken = self.ahead.take(dialer, &self.reach).await;
        taken.map_err(DialError::Connect)
    }
}

/// A server, and how it is reached by a connection of the gateway's own.
#[derive(Debug)]
pub struct Server {
    /// Reaches it.
    pub dialer: Arc<Dialer>,
    /// From where.
    pub way: Way,
    /// What is spoken there.
    pub protocol: &'static Protocol,
    /// With how much TLS.
    pub upstream: Arc<Upstream>,
    /// The name that it is known by.
    pub name: Option<String>,
}

impl Server {
    /// Connects to it.
    pub(super) async fn dial(self) -> Result<(Leg, Option<TlsInfo>), DialError> {
        let Self {
            dialer,
            mut way,
            protocol,
            upstream,
            name,
        } = self;
        dial(&dialer, &mut way, protocol, &upstream, name.as_deref()).await
    }

    /// Whether something of the gateway's own may be shown to it.
    pub(super) fn known(&self) -> Result<(), DialError> {
        known(&self.dialer, &self.way, &self.upstream)
    }
}

/// Connects to a server. `name` is the server's, where it is known by name.
pub async fn dial(
    dialer: &Dialer,
    way: &mut Way,
    protocol: &Protocol,
    upstream: &Upstream,
    name: Option<&str>,
) -> Result<(Leg, Option<TlsInfo>), DialError> {
    if upstream.shows_credential() {
        known(dialer, way, upstream)?;
    }
    let dialed = async {
        let tcp = way.tcp(dialer).await?;
        let server = way.reach.destination_addr().ip();
        secure(tcp, server, protocol, upstream, name).await
    };
    tokio::time::timeout(DEADLINE, dialed)
        .await
        .map_err(|_| DialError::TimedOut)?
}

/// Whether something of the gateway's own may be shown to the server. Fails closed: on the loopback
/// addresses of its own network namespace, an agent can be any server that is not verified.
fn known(dialer: &Dialer, way: &Way, upstream: &Upstream) -> Result<(), DialError> {
    match upstream.verifies() || !dialer.is_agents_loopback(&way.reach) {
        true => Ok(()),
        false => Err(DialError::Unknown),
    }
}

/// Connects to a server for bytes that pass as they are.
pub(super) async fn reach(dialer: &Dialer, way: &mut Way) -> Result<TcpStream, DialError> {
    let dialed = tokio::time::timeout(DEADLINE, way.tcp(dialer)).await;
    let stream = dialed.map_err(|_| DialError::TimedOut)??;
    leg::tune_or_tell(&stream);
    Ok(stream)
}

async fn secure(
    tcp: TcpStream,
    server: IpAddr,
    protocol: &Protocol,
    upstream: &Upstream,
    name: Option<&str>,
) -> Result<(Leg, Option<TlsInfo>), DialError> {
    let mut leg = Leg::new(tcp);
    let Some(config) = upstream.config() else {
        return Ok((leg, None));
    };
    if let Some(tls) = protocol.upstream_tls {
        leg.tcp()
            .write_all(tls.request)
            .await
            .map_err(DialError::Connect)?;
        // One byte and no more: what came behind it would be plain text passed off as encrypted.
        let answer = leg.tcp().read_u8().await.map_err(DialError::Connect)?;
        if answer == tls.declined && upstream.mode() == Mode::Prefer {
            return Ok((leg, None));
        }
        if answer == tls.declined {
            return Err(DialError::NoTls);
        }
        if answer != tls.accepted {
            return Err(DialError::NotAnAnswer);
        }
    }
    let name = upstream.server_name(name, server);
    let info = leg
        .connect(config, name)
        .await
        .map_err(DialError::Handshake)?;
    let verified = upstream.verifies();
    Ok((leg, Some(TlsInfo { verified, ..info })))
}
