//! The program `gateway`: both the daemon and the command line that talks to it.
//!
//! This file only lists the parts. Where to go next: `cli` for the commands, `app` for how the
//! daemon is put together.

// The one exception is `kernel`, which says so where it is declared.
#![deny(unsafe_code)]

pub mod config;
pub mod observe;
pub mod recording;
pub mod tls;

fn main() {}
