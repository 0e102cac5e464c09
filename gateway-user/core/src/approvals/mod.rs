//! Approvals: what becomes of an action that people have to decide on.
//!
//! [`desk::Desk`] knows what is open and what was granted. It is told [`command::Command`]s with the time, says by
//! [`change::Change`]s what has to be written down before anything else happens, takes these in, and
//! says by [`change::Effect`]s who has to be told. A [`request::Request`] is what people see and vote on
//! (`person` votes, `quorum` counts, `objection` says why a vote does not), a [`grant::Grant`] what they
//! allowed beforehand within the bounds of a `scope`, for actions that are like another (`likeness`).
//!
//! No clock, no randomness, no file: ids and time come in, and who keeps the changes is the shell's
//! business. So is who the people are, as the operating system tells it.

pub mod change;
pub mod command;
pub mod desk;
pub mod grant;
pub mod likeness;
pub mod moment;
pub mod objection;
pub mod person;
pub mod quorum;
pub mod request;
pub mod scope;
pub mod veil;

#[cfg(test)]
mod tests;
