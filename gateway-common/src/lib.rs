//! The kernel ABI: what the eBPF programs and the daemon say to each other.
//!
//! Here live the records both sides read byte by byte, so all of it is `repr(C)` with asserted
//! sizes, integers and byte arrays only. What only the programs keep for themselves lives in
//! `gateway-ebpf`. Changing anything here changes the layout of pinned maps: raise [`LAYOUT`].
#![no_std]

pub mod coverage;
pub mod datagram;
pub mod held;
pub mod mark;
pub mod origin;
pub mod own;
pub mod settings;
pub mod sight;
pub mod source;

/// How old the daemon's last heartbeat may be while connects are served, or wait for a daemon that is
/// not there. It beats eight times in this while, from the threads that serve.
pub const HEARTBEAT_LIMIT_NS: u64 = 2_000_000_000;

/// How old it may be while the daemon still listens, before agents are refused. Between the two the
/// daemon may hang, or its threads may not have had their turn on a machine that is busy: nobody can
/// tell, so connects are held until it is known. It is as long as the service manager waits
/// (`WatchdogSec=` in `deploy/gateway.service`).
pub const HUNG_AFTER_NS: u64 = 10_000_000_000;

/// Names the folder below the private bpffs that holds the pinned maps.
///
/// A map that is already pinned is opened without a look at its definition, so another layout
/// has to live under another name.
pub const LAYOUT: &str = "v4";
