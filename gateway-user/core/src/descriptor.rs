//! `Protocol`: everything static about a protocol.
//!
//! Names for configuration and recordings, ports, facts for rules, how TLS begins: all derive from
//! here, so that adding a protocol is telling it once. What its frames mean is in
//! [`crate::protocols`].

use std::fmt;

use crate::facts::Attribute;

/// Everything static that the rest of the program needs to know of a protocol.
#[derive(Clone, Copy)]
pub struct Protocol {
    /// Name in configuration, recordings and log.
    pub name: &'static str,
    /// How what is spoken is carried and dealt with.
    pub shape: Shape,
    /// Its usual ports: what is spoken to a destination that no resource covers, so that the
    /// refusal can be told in the client's own language.
    pub ports: &'static [u16],
    /// The facts it can tell, in the order of the slots of its fact sets.
    pub attributes: &'static [Attribute],
    /// How a TLS session begins inside the protocol on the way to a server, where it has a way.
    pub upstream_tls: Option<TlsRequest>,
    /// The ALPN protocol name (RFC 7301), where it has one.
    pub alpn: Option<&'static [u8]>,
    /// Whether a frame of this first byte may go to the server by the small door, without a
    /// permit: it continues, ends or acknowledges, and asks for nothing.
    pub housekeeping: fn(u8) -> bool,
    /// Whole frames that the gateway may send to the server by itself, byte for byte: questions
    /// which judging depends on, whose answers the client does not see. Only a codec's own words go
    /// by that door; what a client says never does.
    pub questions: &'static [&'static [u8]],
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How a protocol is carried, and what becomes of what is said in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Frames over TCP: each is read and judged.
    Framed,
    /// Messages that are answered here, each judged: what is sent on is the gateway's own.
    Terminated,
    /// Bytes over TCP that nobody looks into: the connection is judged, when it begins and
    /// whenever policy changes.
    Stream,
    /// Datagrams that nobody looks into: their destination is judged, by the kernel.
    Datagrams,
}

/// How a client asks a server for TLS in the protocol's own words.
#[derive(Clone, Copy, Debug)]
pub struct TlsRequest {
    /// What the client sends.
    pub request: &'static [u8],
    /// The one byte by which the server agrees.
    pub accepted: u8,
    /// The one byte by which it declines and goes on in plain text.
    pub declined: u8,
}
