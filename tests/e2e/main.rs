//! What a user can notice, tried with real clients, real servers and the real kernel.
//!
//! Each file is a topic. They share one database server (`stage`), and one target so that it is
//! linked and started once. Nothing here looks into the program: it is used as its users do.

#[cfg(test)]
mod addresses;
#[cfg(test)]
mod approving;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod ceilings;
#[cfg(test)]
mod closed;
#[cfg(test)]
mod confined;
#[cfg(test)]
mod connects;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod control;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod deciding;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod detectors;
#[cfg(test)]
mod drivers;
#[cfg(test)]
mod earlier;
#[cfg(test)]
mod endings;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod found_path;
#[cfg(test)]
mod freeze;
#[cfg(test)]
mod granted;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod launch;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod masks;
#[cfg(test)]
mod moment;
#[cfg(test)]
mod names;
#[cfg(test)]
mod namespaces;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod opaque;
#[cfg(test)]
mod placeholders;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod previews;
#[cfg(test)]
mod psql;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod search_path;
#[cfg(test)]
mod selectors;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod uninstall;
#[cfg(test)]
mod units;
#[cfg(test)]
mod veiled;
#[cfg(test)]
mod workloads;
