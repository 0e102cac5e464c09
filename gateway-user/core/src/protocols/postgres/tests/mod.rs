//! Conversations: what a client and a server say, and what has to come out on both sides.
//!
//! `talk` is the language they are written in; `budgets`, `simple`, `extended`, `holds`, `interleavings` with `deeds`, `login`, `proving`, `startup`, `names`, `masks` and `settings`, `limits`, `moment` and `laws`
//! hold them by topic.

mod budgets;
mod deeds;
mod extended;
mod holds;
mod interleavings;
mod laws;
mod limits;
mod login;
mod masks;
mod moment;
mod names;
mod path;
mod proving;
mod settings;
mod simple;
mod startup;
mod talk;
