//! `Flow`: one connection as it was before it was redirected. Made by intake, read by everyone.
//!
//! Who made the connection is in [`crate::subject`]; what passes over it in [`crate::facts`].

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{ResourceName, SessionId};

/// The agent's own address, as its socket was bound before the redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientAddr(pub SocketAddr);

/// Where the agent wanted to go. IPv4-mapped addresses are held as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OriginalDst(pub SocketAddr);

/// One intercepted connection.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Names the session's recording.
    pub session: SessionId,
    /// The agent's end.
    pub client: ClientAddr,
    /// The server's end, as the agent asked for it.
    pub destination: OriginalDst,
    /// The resource of the configuration that covers `destination`; none means that everything
    /// on this flow is refused.
    pub resource: Option<ResourceName>,
    /// The names of the resource's hosts that have the address; none where the resource covers it
    /// by its address.
    pub hosts: Vec<String>,
    /// Why no resource covers it, where that is another reason than that none does.
    pub unclear: Option<String>,
}
