//! `Own`: what is noted on an agent's socket. On every one that was made in an attached cgroup, and on
//! what it accepts; the daemon puts it on those that were there before.

use crate::held::Held;
use crate::sight::Process;

/// The note on an agent's socket: whose it is, and where it was sent last. One note for both, since
/// the kernel takes longer to make a second than for all else that a connect needs.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Id of the attached cgroup, with nested ones the innermost.
    pub attached: u64,
    /// Who made the socket, or was the first to use it.
    pub process: Process,
    /// Where it was sent.
    pub flow: Flow,
}

/// What the hooks know of a socket's last connection or question.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The record, as the daemon is told of one that is held. There is none while its `cookie` is 0.
    pub held: Held,
    /// 1 while the SYN may not leave.
    pub hold: u32,
    /// 1 from the redirect until the SYN comes to leave, if it does. By it the program of an outer
    /// attached cgroup, which runs second, knows a redirect from an agent that asks for the daemon's own
    /// address.
    pub in_connect: u32,
    /// 1 on a socket whose SYN went to a server of the agent's own, until the peer has shown itself to
    /// be that server.
    pub unproven: u64,
}

impl Flow {
    /// Nothing was sent yet.
    pub const NONE: Self = Self {
        held: Held::NONE,
        hold: 0,
        in_connect: 0,
        unproven: 0,
    };
}

const _: () = assert!(size_of::<Flow>() == 136 && size_of::<Own>() == 176);

// SAFETY: integers and byte arrays without padding (the size is asserted above), so any bytes are
// a valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Own {}
