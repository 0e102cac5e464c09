//! What waits for one target, and how it goes with it.
//!
//! It is bounded in number and in memory. When it is full, first what nobody has to act on goes: that a
//! request is over, and that one was opened which is over. Then the oldest of the workload that has most
//! in it, so that no agent pushes out what people are told of others. What goes is counted and told.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::notice::{About, Notice};

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

    fn request(&self) -> &str {
        &self.notice.request
    }

    fn workload(&self) -> &str {
        &self.notice.matter.workload
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
    lost: u64,
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
            dropped.extend(state.least());
        }
        let more = u64::try_from(dropped.len()).unwrap_or(u64::MAX);
        if more > 0 {
            state.trouble("too many wait", more);
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
        let is_it = |other: &Arc<Letter>| other.delivery == letter.delivery;
        let place = state.letters.iter().position(is_it)?;
        state.take(place)
    }

    /// Takes everything out.
    pub(super) fn take_all(&self) -> Vec<Arc<Letter>> {
        let mut state = self.state();
        let all: Vec<_> = std::iter::from_fn(|| state.take(0)).collect();
        let more = u64::try_from(all.len()).unwrap_or(u64::MAX);
        state.lost = state.lost.saturating_add(more);
        all
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
        self.state().trouble(reason, lost);
    }

    /// How many were given up.
    pub(super) fn lost(&self) -> u64 {
        self.state().lost
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
    fn trouble(&mut self, reason: &str, lost: u64) {
        let before = self.trouble.take();
        self.trouble = Some(Trouble {
            since: before.as_ref().map_or_else(Timestamp::now, |it| it.since),
            reason: reason.to_owned(),
            lost: before.map_or(0, |it| it.lost).saturating_add(lost),
        });
        self.lost = self.lost.saturating_add(lost);
    }

    /// Takes out the one that is missed least.
    fn least(&mut self) -> Option<Arc<Letter>> {
        let opened = |letter: &Letter| letter.notice.about == About::Opened;
        let over: HashSet<&str> = self
            .letters
            .iter()
            .filter(|it| !opened(it))
            .map(|it| it.request())
            .collect();
        let mut moot = self.letters.iter();
        let place = moot.position(|it| opened(it) && over.contains(it.request()));
        let place = place.or_else(|| self.letters.iter().position(|it| !opened(it)));
        let place = place.or_else(|| {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            for letter in &self.letters {
                *counts.entry(letter.workload()).or_default() += 1;
            }
            let most = counts.values().copied().max()?;
            let mut all = self.letters.iter();
            all.position(|it| counts.get(it.workload()) == Some(&most))
        });
        self.take(place?)
    }

    fn take(&mut self, place: usize) -> Option<Arc<Letter>> {
        let letter = self.letters.remove(place)?;
        self.bytes = self.bytes.saturating_sub(letter.notice.weight());
        Some(letter)
    }
}
