//! `Kind` and `Coverage`: what became of the agents' traffic, counted for each attached cgroup.
//!
//! The map `COVERAGE` has an entry for each attached cgroup, made when it is attached; the
//! programs only add. `sight` tells single events of the same kinds.

/// What happened to a connection, a socket or a packet. New ones are added at the end.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Passed: a connection that was sent to the daemon.
    Redirected = 0,
    /// Passed uninspected: a connection to a server that a process of the same attached cgroup
    /// runs on the loopback address.
    OwnServer = 1,
    /// Passed: a socket's question that was sent to the daemon's resolver.
    Resolver = 2,
    /// Passed uninspected: a datagram to a destination that the daemon allowed.
    AllowedDatagram = 3,
    /// Refused: a datagram to anywhere else.
    Datagram = 4,
    /// Refused: likewise, to port 443, which is QUIC.
    Quic = 5,
    /// Refused: an ICMP socket for `ping`.
    Ping = 6,
    /// Refused: a raw socket.
    Raw = 7,
    /// Refused: an SCTP socket.
    Sctp = 8,
    /// Refused: an MPTCP socket; programs fall back to TCP.
    Mptcp = 9,
    /// Refused: a UDP-Lite socket.
    UdpLite = 10,
    /// Refused: an IP socket of another kind, its connection, or an option that makes a TCP socket drop
    /// what comes back.
    OtherSocket = 11,
    /// Refused: `bind` to the daemon's port.
    Bind = 12,
    /// Refused: port 0, multicast or broadcast.
    Destination = 13,
    /// Refused: the destination is the daemon itself, or the daemon was the one who asked.
    Loop = 14,
    /// Refused: nothing that carries the daemon's mark listens.
    NoListener = 15,
    /// Refused: the daemon listens but its heart has stopped.
    Hung = 16,
    /// Refused: the attachment or the socket's record is not complete.
    NotReady = 17,
    /// Refused: the socket was made before the cgroup was attached, or outside it.
    Before = 18,
    /// Refused: the socket is bound to a network device that the daemon is not reached by.
    Device = 19,
    /// Dropped: a packet that would have left for elsewhere without the programs' consent.
    Outside = 20,
    /// Dropped: a packet with IPv4 options, an IPv6 extension header, or of another protocol.
    Header = 21,
    /// Dropped: the answer to somebody elsewhere who connected to an agent.
    Inbound = 22,
    /// Dropped: a packet to a local service that is not of the same attached cgroup.
    LocalService = 23,
    /// Refused: joining a multicast group, which sends packets that no program sees.
    Multicast = 24,
    /// Refused: a socket of a family that no other program sees.
    Family = 25,
}

impl Kind {
    /// All, in the order of their numbers.
    pub const ALL: [Self; 26] = [
        Self::Redirected,
        Self::OwnServer,
        Self::Resolver,
        Self::AllowedDatagram,
        Self::Datagram,
        Self::Quic,
        Self::Ping,
        Self::Raw,
        Self::Sctp,
        Self::Mptcp,
        Self::UdpLite,
        Self::OtherSocket,
        Self::Bind,
        Self::Destination,
        Self::Loop,
        Self::NoListener,
        Self::Hung,
        Self::NotReady,
        Self::Before,
        Self::Device,
        Self::Outside,
        Self::Header,
        Self::Inbound,
        Self::LocalService,
        Self::Multicast,
        Self::Family,
    ];

    /// Name for people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redirected => "redirected",
            Self::OwnServer => "own_server",
            Self::Resolver => "resolver",
            Self::AllowedDatagram => "allowed_datagram",
            Self::Datagram => "refused_datagram",
            Self::Quic => "refused_quic",
            Self::Ping => "refused_ping",
            Self::Raw => "refused_raw",
            Self::Sctp => "refused_sctp",
            Self::Mptcp => "refused_mptcp",
            Self::UdpLite => "refused_udplite",
            Self::OtherSocket => "refused_socket",
            Self::Bind => "refused_bind",
            Self::Destination => "refused_destination",
            Self::Loop => "refused_loop",
            Self::NoListener => "refused_no_listener",
            Self::Hung => "refused_hung",
            Self::NotReady => "refused_not_ready",
            Self::Before => "refused_before",
            Self::Device => "refused_device",
            Self::Outside => "dropped_outside",
            Self::Header => "dropped_header",
            Self::Inbound => "dropped_inbound",
            Self::LocalService => "dropped_local_service",
            Self::Multicast => "refused_multicast",
            Self::Family => "refused_family",
        }
    }

    /// Whether it passed; everything else was refused or dropped.
    pub fn is_passed(self) -> bool {
        matches!(
            self,
            Self::Redirected | Self::OwnServer | Self::Resolver | Self::AllowedDatagram
        )
    }
}

/// How many kinds a map entry has room for: a power of two, by which the programs prove their
/// index.
pub const ROOM: usize = 32;

/// The value of one attached cgroup in `COVERAGE`, which is kept for each processor.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// How often each kind happened since the cgroup was attached, by the kind's number.
    pub counts: [u64; ROOM],
    /// The second, since boot, that `sights` counts in.
    pub second: u64,
    /// Sights told in that second; past a limit the rest is only counted.
    pub sights: u64,
}

impl Coverage {
    /// Nothing happened yet.
    pub const NONE: Self = Self {
        counts: [0; ROOM],
        second: 0,
        sights: 0,
    };
}

const _: () = assert!(size_of::<Coverage>() == 272);
const _: () = assert!(Kind::ALL.len() <= ROOM && ROOM.is_power_of_two());

// SAFETY: integers without padding (the size is asserted above), so any bytes are a valid value
// and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Coverage {}
