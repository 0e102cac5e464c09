//! What the names of prepared statements and portals stand for on the server, as it confirmed them.
//!
//! What is still under way is in `pipeline`; both are asked together by [`Names::resolve`].
//!
//! INVARIANT: nothing is known of a name that is not ASCII. The server brings names from the client's encoding into
//! its own, where several may become one, and cuts them then: which are one is not told here. A test shows it.

use std::collections::HashMap;

use super::pipeline::Lookup;
use super::wire::server_name;

/// So many names of one sort may be in use in a session. One more is not remembered, and what is
/// not remembered is judged as unknown.
const LIMIT: usize = 16_384;
/// What the names of one sort stand for may take so much memory in a session, in bytes. What is
/// above is not remembered either.
const BYTES: usize = 64 << 20;

/// Names of one sort.
#[derive(Debug)]
pub(super) struct Names<T> {
    known: HashMap<Box<[u8]>, (T, usize)>,
    bytes: usize,
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
            bytes: 0,
        }
    }
}

impl<T: Clone> Names<T> {
    /// The server has confirmed that `name` is `meaning` from now on, which takes so many bytes.
    pub(super) fn confirm(&mut self, name: &[u8], meaning: T, bytes: usize) {
        let name = server_name(name);
        self.forget(name);
        if name.is_ascii() && self.known.len() < LIMIT && self.bytes + bytes <= BYTES {
            self.known.insert(name.into(), (meaning, bytes));
            self.bytes += bytes;
        }
    }

    /// The name is free again.
    pub(super) fn forget(&mut self, name: &[u8]) {
        if let Some((_, bytes)) = self.known.remove(server_name(name)) {
            self.bytes -= bytes;
        }
    }

    /// All names are free again.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.bytes = 0;
    }

    /// What `name` is by what the server has confirmed so far.
    pub(super) fn known(&self, name: &[u8]) -> Option<T> {
        let (meaning, _) = self.known.get(server_name(name))?;
        Some(meaning.clone())
    }

    /// What `name` will be for a message sent now, given what is under way.
    pub(super) fn resolve(&self, name: &[u8], under_way: Lookup<T>) -> Resolved<T> {
        match under_way {
            _ if !name.is_ascii() => Resolved::Unknown,
            Lookup::Pending(meaning) => Resolved::Known(meaning),
            Lookup::Undecided => Resolved::Undecided,
            Lookup::Settled => self.known(name).map_or(Resolved::Unknown, Resolved::Known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BYTES, LIMIT, Names, Resolved};
    use crate::protocols::postgres::pipeline::Lookup;

    #[test]
    fn names_are_one_where_the_server_takes_them_for_one() {
        let mut names = Names::default();
        names.confirm(&[b'a'; 64], 1, 1);
        names.confirm(&[b'a'; 70], 2, 1);
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
    fn nothing_is_known_of_names_that_may_be_one_to_the_server() {
        let mut names = Names::default();
        names.confirm("é".as_bytes(), 1, 1);
        assert_eq!(names.known("é".as_bytes()), None);
        for name in ["é".as_bytes(), b"\xe9", b"a\x81\xca"] {
            let resolved = names.resolve(name, Lookup::Pending(1));
            assert_eq!(resolved, Resolved::Unknown);
        }
    }

    #[test]
    fn a_session_cannot_fill_the_memory_with_names() {
        let mut names = Names::default();
        for n in 0..LIMIT + 10 {
            names.confirm(n.to_string().as_bytes(), n, 1);
        }
        assert_eq!(
            names.resolve(LIMIT.to_string().as_bytes(), Lookup::Settled),
            Resolved::Unknown
        );
        assert_eq!(names.resolve(b"1", Lookup::Settled), Resolved::Known(1));
    }

    #[test]
    fn nor_with_what_they_stand_for() {
        let mut names = Names::default();
        for n in 0..10 {
            names.confirm(n.to_string().as_bytes(), n, BYTES / 4);
        }
        assert_eq!(names.known(b"3"), Some(3));
        assert_eq!(names.known(b"4"), None);
        // Another meaning takes the place of the one before, also where it is not remembered.
        names.confirm(b"3", 30, BYTES / 4);
        assert_eq!(names.known(b"3"), Some(30));
        names.confirm(b"3", 300, BYTES);
        assert_eq!(names.known(b"3"), None);
        names.forget(b"2");
        names.confirm(b"4", 4, BYTES / 4);
        assert_eq!(names.known(b"4"), Some(4));
        names.clear();
        names.confirm(b"5", 5, BYTES);
        assert_eq!(names.known(b"5"), Some(5));
    }
}
