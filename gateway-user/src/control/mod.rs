//! Control: what operators ask of the daemon, over a Unix socket, and the state behind it.
//!
//! `api` is the language, `client` speaks it for the command line, `server` hears it on its
//! `routes`, `operations`,
//! `runs` and `status` do it by way of `hooks`, `attachments` knows which cgroup is which workload,
//! `identities` by which tokens they are known, `follow` attaches what the configuration chooses, `health` looks whether it still is, `datagrams`
//! tells the kernel what it lets pass by itself, `sights` operators of what it did by
//! itself, `coverage` is the inventory of both, with what is `unseen`; `budgets` tells what was used of them; `metrics` are its numbers; `approvals` puts
//! requests to people and takes their word, `freezing` is the kill switch, `frozen` whom it stopped, `placeholders` are what agents show. The reference for people is `docs/control.md`. Not here: what a command prints (`cli`), the hooks (`kernel`), the sessions
//! that are open (`live`).

pub mod api;
pub mod approvals;
pub mod attachments;
pub mod budgets;
pub mod client;
pub mod coverage;
pub mod datagrams;
pub mod follow;
mod freezing;
pub mod frozen;
pub mod health;
mod hooks;
pub mod identities;
pub mod metrics;
pub mod operations;
pub mod peer;
pub mod placeholders;
mod routes;
pub mod runs;
pub mod server;
pub mod sights;
mod status;
mod unseen;
