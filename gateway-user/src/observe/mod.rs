//! What the gateway tells of itself to those who watch it: the enforcement log.
//!
//! What passed in a session is in its recording (`recording`), not here.

pub mod enforcement;
pub mod tally;
