//! `Counter`: the events that the programs count, each a slot of the per-CPU array `STATS`.
//!
//! They survive a restart of the daemon, since the map is pinned.

/// A slot of `STATS`. New ones are added at the end.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Connections sent to the daemon.
    Redirected = 0,
    /// Refused: nothing that carries the daemon's mark listens.
    NoListener = 1,
    /// Refused: the attachment or the socket's record is not complete.
    NotReady = 2,
    /// Refused: port 0, multicast or broadcast.
    Destination = 3,
    /// Refused: the destination is the daemon's own listener.
    Loop = 4,
    /// Refused: a stream socket that is not TCP.
    Protocol = 5,
    /// Passed: the daemon's own connections.
    OwnProcess = 6,
    /// Records handed over to an accepted socket.
    Delivered = 7,
    /// Accepted sockets without a record; the daemon refuses them.
    Missed = 8,
}

/// How many slots there are.
pub const COUNTERS: usize = 9;
