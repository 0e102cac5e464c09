//! The connects that are held, from the first word of them to the end of their socket's use here.
//!
//! An entry is made when a connect is heard of and goes when intake takes its socket, or at a
//! deadline. What is heard of the same connect meanwhile changes nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_common::origin::Origin;
use tokio::net::TcpStream;

use super::shares::Shares;
use crate::admission::Place;
use crate::kernel::Unreachable;

/// So many connects are known at a time, shared by the agents. More are held until there is room: their SYNs come again.
const MOST: usize = 8192;
/// A socket to the server waits so long for its agent, which may have given up.
const KEEP: Duration = Duration::from_secs(10);
/// What was decided is remembered so long, for SYNs that were on their way already.
const REMEMBER: Duration = Duration::from_secs(5);

/// Names one `connect` of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    cookie: u64,
    boot_ns: u64,
}

impl From<&Origin> for Key {
    fn from(origin: &Origin) -> Self {
        Self {
            cookie: origin.cookie,
            boot_ns: origin.boot_ns,
        }
    }
}

/// What to do about a connect that was heard of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hear {
    /// It is new: dial, and tell the table what came of it.
    Dial,
    /// Nothing: it is being dialed, or dealt with.
    Wait,
    /// Nothing is in its way, say so again.
    LetGo,
    /// Its server is not reached, say so again.
    Tell(Unreachable),
}

/// A server that was reached for a connect.
#[derive(Debug)]
pub struct Reached {
    /// The socket to it.
    pub server: TcpStream,
    /// Of the session that is to come.
    pub place: Place,
}

#[derive(Debug)]
enum State {
    Dialing,
    /// It may go; with the server, where one was needed.
    Open(Option<Reached>),
    Unreached(Unreachable),
    /// Nothing more is to be said of it.
    Done,
}

#[derive(Debug)]
struct Waiting {
    state: State,
    origin: Origin,
    /// None while it is dialed, which has a deadline of its own.
    until: Option<Instant>,
}

/// The connects that are held.
#[derive(Debug)]
pub(super) struct Table(Mutex<Entries>);

#[derive(Debug)]
struct Entries {
    known: HashMap<Key, Waiting>,
    places: Shares,
}

impl Default for Table {
    fn default() -> Self {
        Self(Mutex::new(Entries {
            known: HashMap::new(),
            places: Shares::new(MOST),
        }))
    }
}

impl Table {
    /// Takes note of a connect.
    pub(super) fn hear(&self, origin: &Origin) -> Hear {
        let mut entries = self.lock();
        let Entries { known, places } = &mut *entries;
        match known.entry(Key::from(origin)) {
            Entry::Occupied(entry) => match &entry.get().state {
                State::Dialing | State::Done => Hear::Wait,
                State::Open(_) => Hear::LetGo,
                State::Unreached(why) => Hear::Tell(*why),
            },
            Entry::Vacant(entry) if places.take(origin.attached) => {
                entry.insert(Waiting {
                    state: State::Dialing,
                    origin: *origin,
                    until: None,
                });
                Hear::Dial
            }
            Entry::Vacant(_) => Hear::Wait,
        }
    }

    /// Lets it go, and keeps the socket to the server for intake.
    pub(super) fn open(&self, origin: &Origin, reached: Option<Reached>) {
        self.set(origin, State::Open(reached), KEEP);
    }

    /// Remembers what the agent was told.
    pub(super) fn unreached(&self, origin: &Origin, why: Unreachable) {
        self.set(origin, State::Unreached(why), REMEMBER);
    }

    /// Remembers that nothing can be said.
    pub(super) fn done(&self, origin: &Origin) {
        self.set(origin, State::Done, REMEMBER);
    }

    /// Forgets it, so that the next SYN begins anew.
    pub(super) fn forget(&self, origin: &Origin) {
        let mut entries = self.lock();
        if entries.known.remove(&Key::from(origin)).is_some() {
            entries.places.give_back(origin.attached);
        }
    }

    /// The server of a connection that was accepted; none if there is none.
    pub(super) fn take(&self, origin: &Origin) -> Option<Reached> {
        let mut entries = self.lock();
        let waiting = entries.known.get_mut(&Key::from(origin))?;
        waiting.until = Some(Instant::now() + REMEMBER);
        match std::mem::replace(&mut waiting.state, State::Done) {
            State::Open(reached) => reached,
            _ => None,
        }
    }

    /// Drops what is over; returns the connects that nobody came for, whose "go" is to be taken
    /// back.
    pub(super) fn sweep(&self, now: Instant) -> Vec<Origin> {
        let mut left = Vec::new();
        let mut entries = self.lock();
        let Entries { known, places } = &mut *entries;
        known.retain(|_, waiting| {
            let over = waiting.until.is_some_and(|until| until <= now);
            if over {
                places.give_back(waiting.origin.attached);
            }
            if over && matches!(waiting.state, State::Open(_)) {
                left.push(waiting.origin);
            }
            !over
        });
        left
    }

    fn set(&self, origin: &Origin, state: State, keep: Duration) {
        // It is there since it was heard of: nothing takes it out while it is dialed.
        if let Some(waiting) = self.lock().known.get_mut(&Key::from(origin)) {
            waiting.state = state;
            waiting.until = Some(Instant::now() + keep);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing under the lock panics between an entry and its place.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::ids::WorkloadName;

    use super::*;
    use crate::admission::Admission;

    fn origin(cookie: u64, boot_ns: u64) -> Origin {
        Origin {
            cookie,
            boot_ns,
            netns: 1,
            cgroup: 1,
            attached: 1,
            destination: [0; 16],
            source: [0; 16],
            destination_port: 5432,
            source_port: 40000,
            family: 2,
            protocol: 6,
            tgid: 1,
            tid: 1,
            uid: 0,
            gid: 0,
            comm: [0; 16],
        }
    }

    /// A server that was reached, in the only place there is.
    async fn reached(admission: &Admission) -> Reached {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = TcpStream::connect(listener.local_addr().unwrap()).await;
        Reached {
            server: server.unwrap(),
            place: admission.place(&WorkloadName::new("one"), 1).unwrap(),
        }
    }

    #[tokio::test]
    async fn a_connect_is_dialed_once_and_taken_once() {
        let table = Table::default();
        let first = origin(7, 1);
        assert_eq!(table.hear(&first), Hear::Dial);
        assert_eq!(table.hear(&first), Hear::Wait);
        // The same socket, used again.
        assert_eq!(table.hear(&origin(7, 2)), Hear::Dial);
        table.open(&first, Some(reached(&Admission::default()).await));
        assert_eq!(table.hear(&first), Hear::LetGo);
        assert!(table.take(&first).is_some());
        assert!(table.take(&first).is_none());
        assert!(table.take(&origin(7, 2)).is_none());
        // A SYN that was heard of late is no reason to dial again.
        assert_eq!(table.hear(&first), Hear::Wait);
    }

    #[tokio::test]
    async fn nothing_stays_for_ever() {
        let table = Table::default();
        let (abandoned, refused, dialing) = (origin(1, 1), origin(2, 1), origin(3, 1));
        for one in [&abandoned, &refused, &dialing] {
            assert_eq!(table.hear(one), Hear::Dial);
        }
        let admission = Admission::default();
        table.open(&abandoned, Some(reached(&admission).await));
        table.unreached(&refused, Unreachable::Port);
        assert_eq!(table.hear(&refused), Hear::Tell(Unreachable::Port));
        assert_eq!(table.sweep(Instant::now()), []);
        let later = Instant::now() + KEEP;
        assert!(admission.place(&WorkloadName::new("one"), 1).is_none());
        assert_eq!(table.sweep(later), [abandoned]);
        assert!(admission.place(&WorkloadName::new("one"), 1).is_some());
        assert_eq!(table.hear(&refused), Hear::Dial);
        assert_eq!(table.hear(&dialing), Hear::Wait);
        table.forget(&dialing);
        assert_eq!(table.hear(&dialing), Hear::Dial);
    }

    #[test]
    fn what_is_too_many_waits_and_leaves_room_for_others() {
        let table = Table::default();
        let half = u64::try_from(MOST).unwrap() / 2;
        for cookie in 0..half {
            assert_eq!(table.hear(&origin(cookie, 1)), Hear::Dial);
        }
        let (one_more, of_another) = (
            origin(u64::MAX, 1),
            Origin {
                attached: 2,
                ..origin(u64::MAX - 1, 1)
            },
        );
        assert_eq!(table.hear(&one_more), Hear::Wait);
        assert_eq!(table.hear(&of_another), Hear::Dial);
        table.forget(&of_another);
        for cookie in 0..half {
            table.unreached(&origin(cookie, 1), Unreachable::Port);
        }
        table.sweep(Instant::now() + REMEMBER);
        assert_eq!(table.hear(&one_more), Hear::Dial);
    }
}
