//! What the names of prepared statements and portals stand for on the server, as it confirmed them.
//!
//! What is still under way is in `pipeline`; both are asked together by [`Names::resolve`].

use std::collections::HashMap;

use super::pipeline::Lookup;
use super::wire::server_name;

/// So many names of one sort may be in use in a session. One more is not remembered, and what is
/// not remembered is judged as unknown.
const LIMIT: usize = 16_384;

/// Names of one sort.
#[derive(Debug)]
pub(super) struct Names<T> {
    known: HashMap<Box<[u8]>, T>,
}

/// What a name stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Resolved<T> {
    /// This.
    Known(T),
    /// Nothing that passed the gateway.
    Unknown,
    /// Answers of the server are missing that it depends on.
    Undecided,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
        }
    }
}

impl<T: Clone> Names<T> {
    /// The server has confirmed that `name` is `meaning` from now on.
    pub(super) fn confirm(&mut self, name: &[u8], meaning: T) {
        let name = server_name(name);
        if self.known.len() < LIMIT || self.known.contains_key(name) {
            self.known.insert(name.into(), meaning);
        }
    }

    /// The name is free again.
    pub(super) fn forget(&mut self, name: &[u8]) {
        self.known.remove(server_name(name));
    }

    /// All names are free again.
    pub(super) fn clear(&mut self) {
        self.known.clear();
    }

    /// What `name` is by what the server has confirmed so far.
    pub(super) fn known(&self, name: &[u8]) -> Option<T> {
        self.known.get(server_name(name)).cloned()
    }

    /// What `name` will be for a message sent now, given what is under way.
    pub(super) fn resolve(&self, name: &[u8], under_way: Lookup<T>) -> Resolved<T> {
        match under_way {
            Lookup::Pending(meaning) => Resolved::Known(meaning),
            Lookup::Undecided => Resolved::Undecided,
            Lookup::Settled => self.known(name).map_or(Resolved::Unknown, Resolved::Known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, Names, Resolved};
    use crate::protocols::postgres::pipeline::Lookup;

    #[test]
    fn names_are_one_where_the_server_takes_them_for_one() {
        let mut names = Names::default();
        names.confirm(&[b'a'; 64], 1);
        names.confirm(&[b'a'; 70], 2);
        assert_eq!(
            names.resolve(&[b'a'; 63], Lookup::Settled),
            Resolved::Known(2)
        );
        assert_eq!(
            names.resolve(&[b'a'; 62], Lookup::Settled),
            Resolved::Unknown
        );
    }

    #[test]
    fn a_session_cannot_fill_the_memory_with_names() {
        let mut names = Names::default();
        for n in 0..LIMIT + 10 {
            names.confirm(n.to_string().as_bytes(), n);
        }
        assert_eq!(
            names.resolve(LIMIT.to_string().as_bytes(), Lookup::Settled),
            Resolved::Unknown
        );
        assert_eq!(names.resolve(b"1", Lookup::Settled), Resolved::Known(1));
    }
}
