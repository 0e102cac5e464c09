//! What waits for one target, and how it goes with it.
//!
//! It is bounded in number and in memory. When it is full the oldest goes: what happened last is
//! what people need to know, and whoever misses one finds all in `gateway approvals list`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::notice::Notice;

/// So many notices wait for one target.
pub(super) const LETTERS: usize = 256;
/// So many bytes of them; a single one may be larger.
const BYTES: usize = 32 << 20;

/// A notice on its way to one target.
#[derive(Debug)]
pub(super) struct Letter {
    /// The same for each attempt, so that who gets it twice can tell.
    pub(super) delivery: Uuid,
    pub(super) notice: Arc<Notice>,
    /// When it was handed in.
    pub(super) since: Instant,
    attempts: AtomicU32,
}

impl Letter {
    /// How often it was tried.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub(super) fn try_again(&self) -> u32 {
        self.attempts
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }
}

/// What waits for one target.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    letters: VecDeque<Arc<Letter>>,
    bytes: usize,
    trouble: Option<Trouble>,
}

/// Why a target does not get its notices at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    since: Timestamp,
    reason: String,
    lost: u64,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, reason, .. } = self;
        write!(f, "have not arrived since {since:.0}: {reason}")?;
        match self.lost {
            0 => Ok(()),
            lost => write!(f, "; {lost} given up"),
        }
    }
}

impl Mailbox {
    /// Puts a notice in; returns those that had to go for it.
    pub(super) fn put(&self, notice: Arc<Notice>) -> Vec<Arc<Letter>> {
        let letter = Letter {
            delivery: Uuid::now_v7(),
            notice,
            since: Instant::now(),
            attempts: AtomicU32::new(0),
        };
        let mut state = self.state();
        let mut dropped = Vec::new();
        let weight = letter.notice.weight();
        while state.letters.len() >= LETTERS
            || (state.bytes.saturating_add(weight) > BYTES && !state.letters.is_empty())
        {
            dropped.extend(state.pop());
        }
        if let Some(trouble) = &mut state.trouble {
            let more = u64::try_from(dropped.len()).unwrap_or(u64::MAX);
            trouble.lost = trouble.lost.saturating_add(more);
        }
        state.bytes = state.bytes.saturating_add(weight);
        state.letters.push_back(Arc::new(letter));
        drop(state);
        self.bell.notify_one();
        dropped
    }

    /// The oldest, once there is one. It stays in until it is [`Mailbox::settle`]d. Cancel safe.
    pub(super) async fn oldest(&self) -> Arc<Letter> {
        loop {
            let heard = self.bell.notified();
            if let Some(letter) = self.state().letters.front() {
                return Arc::clone(letter);
            }
            heard.await;
        }
    }

    /// Takes a letter out that needs no further attempt, unless it had to go meanwhile.
    pub(super) fn settle(&self, letter: &Letter) -> Option<Arc<Letter>> {
        let mut state = self.state();
        let is_first = state.letters.front()?.delivery == letter.delivery;
        is_first.then(|| state.pop()).flatten()
    }

    /// Takes everything out.
    pub(super) fn take_all(&self) -> Vec<Arc<Letter>> {
        let mut state = self.state();
        std::iter::from_fn(|| state.pop()).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state().letters.is_empty()
    }

    /// The target took one.
    pub(super) fn well(&self) {
        self.state().trouble = None;
    }

    /// An attempt failed; `lost` says that it was the last.
    pub(super) fn failed(&self, reason: &str, lost: u64) {
        let mut state = self.state();
        let before = state.trouble.take();
        state.trouble = Some(Trouble {
            since: before.as_ref().map_or_else(Timestamp::now, |it| it.since),
            reason: reason.to_owned(),
            lost: before.map_or(0, |it| it.lost).saturating_add(lost),
        });
    }

    /// Why notices do not arrive, if they do not.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.state().trouble.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can leave it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop(&mut self) -> Option<Arc<Letter>> {
        let letter = self.letters.pop_front()?;
        self.bytes = self.bytes.saturating_sub(letter.notice.weight());
        Some(letter)
    }
}
