//! Everything that reads hostile bytes and everything that decides, without I/O.
//!
//! No sockets, files, clock, environment or async runtime: what a codec or a rule needs from the
//! world comes in as an argument, and what it wants done goes out as a value. The shell around it
//! is the `gateway-user` crate.
//!
//! INVARIANT: nothing here does I/O. Checked by `clippy.toml` beside `Cargo.toml` and by the exact
//! list of dependencies in `cargo xtask tidy`.
#![forbid(unsafe_code)]

pub mod approvals;
pub mod budget;
pub mod conformance;
pub mod cursor;
pub mod descriptor;
pub mod duration;
pub mod event;
pub mod facts;
pub mod flow;
pub mod glob;
pub mod held;
pub mod ids;
pub mod limit;
pub mod mask;
pub mod policy;
pub mod preview;
pub mod protocols;
pub mod refusal;
pub mod secret;
pub mod session;
pub mod sql;
pub mod subject;
pub mod visible;
