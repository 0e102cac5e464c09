//! What a user can notice, tried with real clients, real servers and the real kernel.
//!
//! Each file is a topic. They share one database server (`stage`), and one target so that it is
//! linked and started once. Nothing here looks into the program: it is used as its users do.

#[cfg(test)]
mod harness;
#[cfg(test)]
mod stage;
