//! The program `gateway`: both the daemon and the command line that talks to it.
//!
//! This file only lists the parts, chooses the allocator and hands over to [`cli`]. Where to go
//! next: `cli` for the commands, `app` for how the daemon is put together.

// The one exception is `kernel`, which says so where it is declared.
#![deny(unsafe_code)]

pub mod control;
pub mod live;
/// Stands here until the kernel part comes.
mod kernel {
    use serde::{Deserialize, Serialize};
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    #[serde(transparent)]
    pub struct CgroupId(pub u64);
}

fn main() {}
