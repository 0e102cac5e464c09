//! The kernel ABI: what the eBPF programs and the daemon say to each other.
//!
//! Here live the records both sides read byte by byte, so all of it is `repr(C)` with asserted
//! sizes, integers and byte arrays only. What only the programs keep for themselves lives in
//! `gateway-ebpf`. Changing anything here changes the layout of pinned maps: raise [`LAYOUT`].
#![no_std]

pub mod counter;
pub mod coverage;
pub mod datagram;
pub mod held;
pub mod mark;
pub mod origin;
pub mod own;
pub mod settings;
pub mod sight;
pub mod source;

/// How old the daemon's last heartbeat may be before agents are refused. It beats eight times in
/// this while, from the threads that serve, so that only one that serves nobody misses it.
pub const HEARTBEAT_LIMIT_NS: u64 = 2_000_000_000;

/// Names the folder below the private bpffs that holds the pinned maps.
///
/// A map that is already pinned is opened without a look at its definition, so another layout
/// has to live under another name.
pub const LAYOUT: &str = "v3";
