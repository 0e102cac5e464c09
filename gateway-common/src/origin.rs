//! `Origin`: one redirected connection or question as the kernel saw it when it was made.
//!
//! Written by the connect hook, completed and published when its SYN leaves, and read by the daemon
//! once it has accepted the connection. It says nothing about workloads: that is the daemon's knowledge.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Everything the kernel knows about one connection that was redirected.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `SO_COOKIE` of the agent's socket; unique until the next boot.
    pub cookie: u64,
    /// `SO_NETNS_COOKIE` of the network namespace the agent's socket is in.
    pub netns: u64,
    /// Id of the cgroup of the process that called `connect`: the leaf.
    pub cgroup: u64,
    /// Id of the attached cgroup the agent's socket was created in or below; with nested
    /// attached cgroups the innermost.
    pub attached: u64,
    /// `CLOCK_BOOTTIME` at the `connect`, in nanoseconds.
    pub boot_ns: u64,
    /// Where the agent wanted to go; IPv4 as `::ffff:a.b.c.d`. The unspecified address has
    /// become the loopback address already, as the kernel itself reads it.
    pub destination: [u8; 16],
    /// The agent's own address, likewise.
    pub source: [u8; 16],
    /// Port of `destination`, host order.
    pub destination_port: u16,
    /// Port of `source`, host order.
    pub source_port: u16,
    /// `AF_INET` or `AF_INET6`: family of the agent's socket, not of the destination.
    pub family: u16,
    /// `IPPROTO_TCP`, or `IPPROTO_UDP` for a question to the resolver.
    pub protocol: u16,
    /// Thread group id ("pid") of the process, in the initial PID namespace.
    pub tgid: u32,
    /// Thread id, likewise. With io_uring it may be a kernel worker's.
    pub tid: u32,
    /// User id in the initial user namespace.
    pub uid: u32,
    /// Group id, likewise.
    pub gid: u32,
    /// The thread's name, ended by zero bytes. The process may choose it: a label, no evidence.
    pub comm: [u8; 16],
}

impl Origin {
    /// No connection; a record's cookie is never 0.
    pub const NONE: Self = Self {
        cookie: 0,
        netns: 0,
        cgroup: 0,
        attached: 0,
        boot_ns: 0,
        destination: [0; 16],
        source: [0; 16],
        destination_port: 0,
        source_port: 0,
        family: 0,
        protocol: 0,
        tgid: 0,
        tid: 0,
        uid: 0,
        gid: 0,
        comm: [0; 16],
    };

    /// Where the agent wanted to go; IPv4-mapped addresses as IPv4.
    pub fn destination_addr(&self) -> SocketAddr {
        socket_addr(self.destination, self.destination_port)
    }

    /// The agent's own address, likewise.
    pub fn source_addr(&self) -> SocketAddr {
        socket_addr(self.source, self.source_port)
    }

    /// `comm` up to its first zero byte; not necessarily UTF-8.
    pub fn comm_bytes(&self) -> &[u8] {
        self.comm.split(|byte| *byte == 0).next().unwrap_or(&[])
    }
}

fn socket_addr(ip: [u8; 16], port: u16) -> SocketAddr {
    let ip = IpAddr::V6(Ipv6Addr::from(ip)).to_canonical();
    SocketAddr::new(ip, port)
}

const _: () = assert!(size_of::<Origin>() == 112);

// SAFETY: integers and byte arrays without padding (the size is asserted above), so any bytes are
// a valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Origin {}
