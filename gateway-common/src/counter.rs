//! `Counter`: events of the daemon's side, each a slot of the per-CPU array `STATS`.
//!
//! What happens to agents is counted for each attached cgroup, in `coverage`. Both survive a
//! restart of the daemon, since the maps are pinned.

/// A slot of `STATS`. New ones are added at the end.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Records handed over to an accepted socket.
    Delivered = 0,
    /// Accepted sockets without a record; the daemon refuses them.
    Missed = 1,
    /// Sights that found the ring buffer full.
    SightsLost = 2,
}

/// How many slots there are.
pub const COUNTERS: usize = 3;
