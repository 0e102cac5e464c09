//! Real servers, the real program and the things around them, for tests, demo and bench.
//!
//! Everything here starts processes, gives them a private folder and private ports, and takes them
//! away again: on drop, on panic, and (by the [`guardian`]) when the test process itself is killed.
//! What is tested is not here but in `e2e/`; which Debian packages are needed is known to
//! `cargo xtask setup`.

pub mod certificates;
pub mod cgroup;
pub mod containers;
pub mod dnsmasq;
pub mod gateway;
pub mod guardian;
pub mod namespace;
pub mod pgbouncer;
pub mod policy_file;
pub mod postgres;
pub mod process;
pub mod programs;
pub mod provider;
pub mod recordings;
pub mod sandbox;
pub mod systemd;
pub mod terminal;
pub mod tmux;
pub mod wait;
pub mod webhook;
