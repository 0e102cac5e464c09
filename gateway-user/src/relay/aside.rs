//! `aside`: goes on with a session where others on the same thread need not wait for it.
//!
//! Whatever lets a session go on may let it judge a text of the client's that was held back: bytes of either
//! side, people's word, a new policy. PostgreSQL's grammar may then be at work for a while, so the thread
//! gives the rest of its work away first.

use gateway_core::session::Session;

/// A text that is longer than this, in bytes, may take long to judge.
const LONG: usize = 16 << 10;

/// Does `work`, which may give the session `more` bytes from the client.
pub(super) fn aside<T>(
    session: &mut Session,
    more: usize,
    work: impl FnOnce(&mut Session) -> T,
) -> T {
    match session.may_take_long(more, LONG) {
        true => tokio::task::block_in_place(|| work(session)),
        false => work(session),
    }
}
