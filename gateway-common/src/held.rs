//! A connect that is held: its SYN does not leave before the daemon has reached the server.
//!
//! [`Held`] goes from the egress program to the daemon through a ring buffer, again with each SYN
//! that the agent's kernel repeats. The daemon's "go" is the connect's own time under the socket's
//! cookie. Where a server was reached a moment ago ([`Reach`]) nothing is held at all.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use crate::origin::Origin;

/// From so long after the `connect` on a held SYN is repeated every half second, in nanoseconds.
/// Before, the agent's kernel doubles the pause each time, from one tick on; without an end to that
/// a connect would find a daemon that is back only after as long again as it was away, and miss one
/// that comes and goes.
pub const STEADY_FROM_NS: u64 = 500_000_000;
/// Until so long after it. Then the pauses are doubled again, since a kernel repeats a SYN 127 times
/// at most and agents are to wait as long as without a gateway.
pub const STEADY_UNTIL_NS: u64 = 55_000_000_000;

/// One SYN that was held back; or a question that was refused because there is no resolver in its
/// network namespace yet (`Origin::protocol` tells which).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The connection, with its source address.
    pub origin: Origin,
    /// Sequence number of the SYN, host order: whoever tells the agent that its server cannot be
    /// reached has to know it.
    pub sequence: u32,
    /// Explicit padding.
    pub pad: u32,
}

impl Held {
    /// No connection.
    pub const NONE: Self = Self {
        origin: Origin::NONE,
        sequence: 0,
        pad: 0,
    };
}

/// From whom to where: an attached cgroup in a network namespace, and a destination.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Id of the attached cgroup, see [`Origin::attached`]: policy differs between them.
    pub attached: u64,
    /// Cookie of the network namespace, see [`Origin::netns`]: loopback addresses do.
    pub netns: u64,
    /// The destination; IPv4 as `::ffff:a.b.c.d`.
    pub destination: [u8; 16],
    /// Its port, host order.
    pub port: u64,
}

impl Reach {
    /// The destination; IPv4-mapped addresses as IPv4.
    pub fn destination_addr(&self) -> SocketAddr {
        let ip = IpAddr::V6(Ipv6Addr::from(self.destination)).to_canonical();
        SocketAddr::new(ip, u16::try_from(self.port).unwrap_or(0))
    }
}

impl From<&Origin> for Reach {
    fn from(origin: &Origin) -> Self {
        Self {
            attached: origin.attached,
            netns: origin.netns,
            destination: origin.destination,
            port: u64::from(origin.destination_port),
        }
    }
}

const _: () = assert!(size_of::<Held>() == 120 && size_of::<Reach>() == 40);

// SAFETY: integers, byte arrays and an `Origin`, which is the same, without padding (the sizes are
// asserted above), so any bytes are a valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Held {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Reach {}
