//! `Sight`: one event that an operator may want to see, told through the ring buffer `SIGHTS`.
//!
//! Refusals and uninspected passes are told, not what the daemon gets to see anyway. The programs
//! limit how often: a destination is told once in a while and a cgroup has so many a second;
//! `coverage` counts all.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A process as the kernel names it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Id of its cgroup, the leaf.
    pub cgroup: u64,
    /// Thread group id ("pid") in the initial PID namespace; 0 where it is not known.
    pub tgid: u32,
    /// User id in the initial user namespace.
    pub uid: u32,
    /// The thread's name, ended by zero bytes. The process may choose it: a label, no evidence.
    pub comm: [u8; 16],
}

/// One event.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Id of the attached cgroup.
    pub attached: u64,
    /// `CLOCK_BOOTTIME`, in nanoseconds.
    pub boot_ns: u64,
    /// Where it should have gone; IPv4 as `::ffff:a.b.c.d`, zeros where there is no destination.
    pub destination: [u8; 16],
    /// Port of `destination`, host order; for `bind` the port asked for.
    pub destination_port: u16,
    /// `AF_INET` or `AF_INET6`.
    pub family: u16,
    /// IP protocol number; 262 is MPTCP.
    pub protocol: u16,
    /// Explicit padding.
    pub pad: u16,
    /// What happened, the number of a [`Kind`](crate::coverage::Kind).
    pub kind: u32,
    /// Explicit padding.
    pub pad2: u32,
    /// Who did it; for dropped packets, who made the socket.
    pub process: Process,
}

impl Sight {
    /// Where it should have gone; IPv4-mapped addresses as IPv4.
    pub fn destination_addr(&self) -> SocketAddr {
        let ip = IpAddr::V6(Ipv6Addr::from(self.destination)).to_canonical();
        SocketAddr::new(ip, self.destination_port)
    }

    /// The kind by its number; none if a newer program made it.
    pub fn kind(&self) -> Option<crate::coverage::Kind> {
        let number = usize::try_from(self.kind).ok()?;
        crate::coverage::Kind::ALL.get(number).copied()
    }
}

impl Process {
    /// `comm` up to its first zero byte; not necessarily UTF-8.
    pub fn comm_bytes(&self) -> &[u8] {
        self.comm.split(|byte| *byte == 0).next().unwrap_or(&[])
    }
}

const _: () = assert!(size_of::<Process>() == 32);
const _: () = assert!(size_of::<Sight>() == 80);

// SAFETY: integers and byte arrays without padding (the size is asserted above), so any bytes are
// a valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Sight {}
