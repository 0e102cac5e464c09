//! `Hook`: the points of the kernel at which programs are attached to a cgroup, and their order.
//!
//! Making and renewing the attachments is in `link`.

use serde::{Deserialize, Serialize};

/// A point of the kernel at which a program is attached to a cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hook {
    /// `socket` for what is not IP, where the kernel can.
    Family,
    /// `socket` for IP.
    Socket,
    /// `getpeername` on IPv4 sockets.
    Peername4,
    /// `getpeername` on IPv6 sockets.
    Peername6,
    /// `getsockname` on IPv4 sockets.
    Sockname4,
    /// `getsockname` on IPv6 sockets.
    Sockname6,
    /// `recvmsg` on IPv4 datagram sockets.
    Recvmsg4,
    /// `recvmsg` on IPv6 datagram sockets.
    Recvmsg6,
    /// The pause after which a SYN is repeated.
    Repeat,
    /// `bind` on IPv4 sockets.
    Bind4,
    /// `bind` on IPv6 sockets.
    Bind6,
    /// `connect` on IPv4 sockets.
    Connect4,
    /// `connect` on IPv6 sockets.
    Connect6,
    /// `sendmsg` with an address on IPv4 datagram sockets.
    Sendmsg4,
    /// `sendmsg` with an address on IPv6 datagram sockets.
    Sendmsg6,
    /// `setsockopt` on IP sockets.
    Setsockopt,
    /// Every packet that leaves.
    Egress,
}

impl Hook {
    /// All, in the order in which they are attached. `socket` comes before others, since they want its
    /// note on a socket; what only keeps up appearances comes before what redirects; and `egress`,
    /// which drops all that the others did not see, is last, so that nothing is dropped for want
    /// of a hook that is on its way. What opens a socket meanwhile is not attached yet, and has
    /// lost its connections when this is done. Detaching goes backwards.
    pub const ALL: [Self; 17] = [
        Self::Family,
        Self::Socket,
        Self::Peername4,
        Self::Peername6,
        Self::Sockname4,
        Self::Sockname6,
        Self::Recvmsg4,
        Self::Recvmsg6,
        Self::Repeat,
        Self::Bind4,
        Self::Bind6,
        Self::Connect4,
        Self::Connect6,
        Self::Sendmsg4,
        Self::Sendmsg6,
        Self::Setsockopt,
        Self::Egress,
    ];

    /// Whether a kernel may be without it.
    pub fn is_optional(self) -> bool {
        self == Self::Family
    }

    /// Name for people and of the pin.
    pub fn name(self) -> &'static str {
        match self {
            Self::Family => "lsm_socket_create",
            Self::Socket => "sock_create",
            Self::Peername4 => "getpeername4",
            Self::Peername6 => "getpeername6",
            Self::Sockname4 => "getsockname4",
            Self::Sockname6 => "getsockname6",
            Self::Recvmsg4 => "recvmsg4",
            Self::Recvmsg6 => "recvmsg6",
            Self::Repeat => "sock_ops",
            Self::Bind4 => "bind4",
            Self::Bind6 => "bind6",
            Self::Connect4 => "connect4",
            Self::Connect6 => "connect6",
            Self::Sendmsg4 => "sendmsg4",
            Self::Sendmsg6 => "sendmsg6",
            Self::Setsockopt => "setsockopt",
            Self::Egress => "egress",
        }
    }

    /// Name of the program in the object.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Family => "gw_family",
            Self::Socket => "gw_socket",
            Self::Peername4 => "gw_peername4",
            Self::Peername6 => "gw_peername6",
            Self::Sockname4 => "gw_sockname4",
            Self::Sockname6 => "gw_sockname6",
            Self::Recvmsg4 => "gw_recvmsg4",
            Self::Recvmsg6 => "gw_recvmsg6",
            Self::Repeat => "gw_repeat",
            Self::Bind4 => "gw_bind4",
            Self::Bind6 => "gw_bind6",
            Self::Connect4 => "gw_connect4",
            Self::Connect6 => "gw_connect6",
            Self::Sendmsg4 => "gw_sendmsg4",
            Self::Sendmsg6 => "gw_sendmsg6",
            Self::Setsockopt => "gw_setsockopt",
            Self::Egress => "gw_egress",
        }
    }

    /// `enum bpf_attach_type`.
    pub(super) fn attach_type(self) -> u32 {
        match self {
            Self::Egress => 1,
            Self::Socket => 2,
            Self::Repeat => 3,
            Self::Bind4 => 8,
            Self::Bind6 => 9,
            Self::Connect4 => 10,
            Self::Connect6 => 11,
            Self::Sendmsg4 => 14,
            Self::Sendmsg6 => 15,
            Self::Recvmsg4 => 19,
            Self::Recvmsg6 => 20,
            Self::Setsockopt => 22,
            Self::Peername4 => 29,
            Self::Peername6 => 30,
            Self::Sockname4 => 31,
            Self::Sockname6 => 32,
            Self::Family => 43,
        }
    }

    /// Whether its program asks which attachment it runs for.
    pub(super) fn is_named(self) -> bool {
        match self {
            Self::Family
            | Self::Socket
            | Self::Bind4
            | Self::Bind6
            | Self::Connect4
            | Self::Connect6
            | Self::Sendmsg4
            | Self::Sendmsg6
            | Self::Setsockopt
            | Self::Egress => true,
            Self::Peername4
            | Self::Peername6
            | Self::Sockname4
            | Self::Sockname6
            | Self::Recvmsg4
            | Self::Recvmsg6
            | Self::Repeat => false,
        }
    }
}
