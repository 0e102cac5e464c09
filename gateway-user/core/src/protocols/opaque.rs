//! What is not looked into: byte streams (`protocol = "tcp"`) and datagrams (`protocol = "udp"`).
//!
//! There is nothing to read here, so all that a rule can look at is where they go. A stream is
//! decided when it begins and whenever policy changes (`session::opaque`); datagrams are decided for
//! the whole of a resource's network before the first of them, since the kernel asks nobody.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::descriptor::{Protocol, Shape};
use crate::facts::{Attribute, Fact, FactSet, Facts, Scope, Stage, Type, Usual};

/// Byte streams over TCP.
pub static TCP: Protocol = Protocol {
    name: "tcp",
    shape: Shape::Stream,
    ports: &[],
    attributes: ATTRIBUTES,
    upstream_tls: None,
    alpn: None,
    housekeeping: nothing,
    questions: &[],
};

/// Datagrams over UDP.
pub static UDP: Protocol = Protocol {
    name: "udp",
    shape: Shape::Datagrams,
    ..TCP
};

/// What is known of either.
pub static ATTRIBUTES: &[Attribute] = &[
    Attribute {
        name: "net.address",
        ty: Type::Text,
        scope: Scope::Connection,
        values: &[],
        usual: Usual::Absent,
        doc: "the destination's address, such as `10.0.0.5` or `fd00::1`; of datagrams to a network \
              it is unknown",
    },
    Attribute {
        name: "net.port",
        ty: Type::Number,
        scope: Scope::Connection,
        values: &[],
        usual: Usual::Absent,
        doc: "the destination's port",
    },
];

const ADDRESS: usize = 0;
const PORT: usize = 1;

fn nothing(_first: u8) -> bool {
    false
}

/// The facts of a stream, or of datagrams, to one destination.
pub fn to_destination(destination: SocketAddr) -> Facts {
    let address = Fact::Text(destination.ip().to_canonical().to_string().into());
    facts(address, destination.port())
}

/// The facts of datagrams to some destination in a network: which address is not known, and what is
/// not known counts against the one who asks.
pub fn to_network(port: u16) -> Facts {
    facts(Fact::Unknown, port)
}

fn facts(address: Fact, port: u16) -> Facts {
    let mut connection = FactSet::new(ATTRIBUTES);
    connection.set(ADDRESS, address);
    connection.set(PORT, Fact::Number(port.into()));
    Facts {
        stage: Stage::Connect,
        connection: Arc::new(connection),
    }
}
