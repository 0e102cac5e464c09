//! The program `gateway`: both the daemon and the command line that talks to it.
//!
//! This file only lists the parts, chooses the allocator and hands over to [`cli`]. Where to go
//! next: `cli` for the commands, `app` for how the daemon is put together.

// The one exception is `kernel`, which says so itself.
#![deny(unsafe_code)]
#![expect(
    unreachable_pub,
    reason = "nothing of a program is reachable; here `pub` marks what other parts may use"
)]

mod admission;
mod app;
mod approvals;
mod budgets;
mod cli;
mod config;
mod confine;
mod control;
mod dialer;
mod identity;
mod intake;
mod kept;
mod kernel;
mod launch;
mod live;
mod names;
mod notify;
mod observe;
mod recording;
mod relay;
mod tls;
mod web;

use std::process::ExitCode;

/// Sessions allocate and free many small buffers on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
