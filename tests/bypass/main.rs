//! What gets past the gateway: nothing, tried by an attacker.
//!
//! `attacker/` is a program in C that knows many ways out and makes each of them as an agent. The
//! host it runs on is a network namespace of its own; the only way out of it is a veth pair to
//! another one, the internet, where `sniffer` counts what arrives. `docs/bypass.md` is the table of
//! all attempts with how each ends: `table` reads it, so what it says is what is tested.

#[cfg(test)]
mod attacker;
#[cfg(test)]
mod busy;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod inventory;
#[cfg(test)]
mod network;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod sniffer;
#[cfg(test)]
mod states;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod table;
#[cfg(test)]
mod world;
