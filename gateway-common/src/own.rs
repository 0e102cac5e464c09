//! `Own`: whose a socket is. On every socket that was made in an attached cgroup, and on what it
//! accepts; the daemon puts it on those that were there before.

use crate::sight::Process;

/// The note on an agent's socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    /// Id of the attached cgroup, with nested ones the innermost.
    pub attached: u64,
    /// Who made the socket, or was the first to use it.
    pub process: Process,
}

const _: () = assert!(size_of::<Own>() == 40);

// SAFETY: integers and byte arrays without padding (the size is asserted above), so any bytes are
// a valid value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Own {}
