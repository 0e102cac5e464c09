//! The framed protocols that the gateway speaks: the one list that names, ports, facts and laws
//! derive from.

use super::postgres::Postgres;
use super::{Framed, Protocol};

/// All of them, with what their sessions share. Made once by the program.
#[derive(Default)]
pub struct Registry {
    postgres: Postgres,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.all().iter().map(|framed| framed.protocol()))
            .finish()
    }
}

impl Registry {
    /// Each of them.
    pub fn all(&self) -> [&dyn Framed; 1] {
        [&self.postgres]
    }

    /// The one that is called `name`.
    pub fn named(&self, name: &str) -> Option<&dyn Framed> {
        self.all()
            .into_iter()
            .find(|framed| framed.protocol().name == name)
    }

    /// The one that is usually spoken on `port`.
    pub fn usual_on(&self, port: u16) -> Option<&dyn Framed> {
        self.all()
            .into_iter()
            .find(|framed| framed.protocol().ports.contains(&port))
    }
}

/// The descriptors, for who needs no codec, with those of protocols that have none.
pub static PROTOCOLS: [&Protocol; 4] = [
    &super::postgres::PROTOCOL,
    &super::dns::PROTOCOL,
    &super::opaque::TCP,
    &super::opaque::UDP,
];
