//! `Mark`: what the daemon puts on its listeners and resolver sockets, and the programs look for.
//!
//! The mark dies with the socket, so a dead daemon has none, and whoever binds its port meanwhile
//! has none either. It cannot be set without the pinned map, which only root reaches.

/// The daemon's mark on a listening socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Thread group id of the daemon in the initial PID namespace, whose own connections are
    /// refused rather than sent to itself; 0 where the daemon cannot know it (it runs in another PID namespace).
    /// While a listener lives its process does, so the id cannot have passed to somebody else.
    pub tgid: u32,
    /// Explicit padding.
    pub pad: u32,
}

const _: () = assert!(size_of::<Mark>() == 8);

// SAFETY: two integers without padding (the size is asserted above), so any bytes are a valid
// value and all bytes are initialised.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Mark {}
