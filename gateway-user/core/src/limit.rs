//! `Ceiling`: how much one statement may bring and how long it may take, by all limits that are for it.
//!
//! Which limits there are is `policy`'s; counting, and what becomes of a statement that reaches one, is
//! the codec's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{AskId, RuleName};
use crate::refusal::Refusal;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Rows that are returned.
    Rows,
    /// Bytes of rows, and of copied data either way.
    Bytes,
    /// How long it runs.
    Time,
}

impl Kind {
    /// As the configuration names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::Time => "time",
        }
    }
}

/// One number of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// The limit, as decisions name it.
    pub rule: RuleName,
    /// What is limited.
    pub kind: Kind,
    /// So many there may be; of time, seconds.
    pub most: u64,
    /// What the agent is told.
    pub reason: String,
    /// Whether it only watches.
    pub observed: bool,
}

impl Bar {
    /// As what it ends a statement.
    pub fn refusal(&self) -> Refusal {
        Refusal {
            rule: Some(self.rule.clone()),
            reason: self.reason.clone(),
        }
    }
}

/// Most bars of a ceiling: which of them were told of is one number.
const MOST_BARS: usize = 64;

/// All bars that are for one statement; the lowest of each kind first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ceiling(Box<[Bar]>);

impl Ceiling {
    /// Of these bars. Beyond 64 those that only watch are left out first, and then the highest.
    pub fn new(mut bars: Vec<Bar>) -> Self {
        if bars.len() > MOST_BARS {
            bars.sort_by_key(|bar| (bar.observed, bar.most));
            bars.truncate(MOST_BARS);
        }
        bars.sort_by_key(|bar| bar.most);
        Self(bars.into())
    }

    /// Whether time is limited.
    pub fn is_timed(&self) -> bool {
        self.0.iter().any(|bar| bar.kind == Kind::Time)
    }
}

/// What a statement has brought. Clones share it: a portal that is run in parts is one statement.
#[derive(Clone, Debug)]
pub struct Counted {
    ceiling: Arc<Ceiling>,
    used: Arc<Used>,
}

#[derive(Debug, Default)]
struct Used {
    rows: AtomicU64,
    bytes: AtomicU64,
    /// One bit for each bar that only watches and was told of.
    told: AtomicU64,
}

impl Counted {
    /// It has brought nothing yet.
    pub fn new(ceiling: Arc<Ceiling>) -> Self {
        Self {
            ceiling,
            used: Arc::default(),
        }
    }

    /// Whether time is limited.
    pub fn is_timed(&self) -> bool {
        self.ceiling.is_timed()
    }

    /// Adds what it is about to bring.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.used.rows.fetch_add(rows, Ordering::Relaxed);
        self.used.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The next bar that it is above after it has run for `ran`. One that only watches is told of once.
    pub fn reached(&self, ran: Option<Duration>) -> Option<&Bar> {
        let told = self.used.told.load(Ordering::Relaxed);
        let (bit, bar) = self.left(told).find(|(_, bar)| match bar.kind {
            Kind::Rows => self.used.rows.load(Ordering::Relaxed) > bar.most,
            Kind::Bytes => self.used.bytes.load(Ordering::Relaxed) > bar.most,
            Kind::Time => ran.is_some_and(|ran| ran.as_secs() >= bar.most),
        })?;
        if bar.observed {
            self.used.told.fetch_or(bit, Ordering::Relaxed);
        }
        Some(bar)
    }

    /// How long it may run before [`Counted::reached`] is to be asked again.
    pub fn time(&self) -> Option<Duration> {
        let told = self.used.told.load(Ordering::Relaxed);
        let mut left = self.left(told).filter(|(_, bar)| bar.kind == Kind::Time);
        left.next().map(|(_, bar)| Duration::from_secs(bar.most))
    }

    fn left(&self, told: u64) -> impl Iterator<Item = (u64, &Bar)> {
        let bits = (0_u32..).map(|place| 1_u64.checked_shl(place).unwrap_or(0));
        let all = bits.zip(&self.ceiling.0);
        all.filter(move |(bit, _)| told & bit == 0)
    }
}

/// What an ask began reached a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    /// The ask.
    pub ask: AskId,
    /// The limit, as decisions name it.
    pub rule: RuleName,
    /// What was limited.
    pub kind: Kind,
    /// To how many rows, bytes or seconds.
    pub most: u64,
    /// What the agent is told.
    pub reason: String,
    /// Whether the limit only watches, so that it goes on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub observed: bool,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A statement whose time is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Names what runs: with another number, another thing has begun.
    pub of: u64,
    /// What it is about.
    pub phase: Phase,
    /// So long from the beginning of the phase.
    pub after: Duration,
}

/// What a clock is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The statement runs, since it is its turn.
    Running,
    /// Its time is over, and the server was asked whether it is done.
    Asking,
    /// It was told to stop.
    Stopping,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(kind: Kind, most: u64, observed: bool) -> Bar {
        Bar {
            rule: RuleName::new(format!("limit {most}")),
            kind,
            most,
            reason: String::new(),
            observed,
        }
    }

    #[test]
    fn the_lowest_bar_comes_first() {
        let bars = vec![bar(Kind::Rows, 9, false), bar(Kind::Rows, 3, false)];
        let counted = Counted::new(Arc::new(Ceiling::new(bars)));
        counted.add(3, 0);
        assert_eq!(counted.reached(None), None);
        counted.clone().add(1, 0);
        assert_eq!(counted.reached(None).unwrap().most, 3);
        assert_eq!(counted.reached(None).unwrap().most, 3);
        assert_eq!(counted.time(), None);
    }

    #[test]
    fn one_that_watches_is_told_of_once() {
        let bars = vec![
            bar(Kind::Time, 1, true),
            bar(Kind::Time, 2, false),
            bar(Kind::Bytes, 5, true),
        ];
        let counted = Counted::new(Arc::new(Ceiling::new(bars)));
        assert_eq!(counted.time(), Some(Duration::from_secs(1)));
        let second = Some(Duration::from_secs(1));
        assert!(counted.reached(second).unwrap().observed);
        assert_eq!(counted.reached(second), None);
        assert_eq!(counted.time(), Some(Duration::from_secs(2)));
        counted.add(0, 6);
        assert_eq!(counted.reached(None).unwrap().kind, Kind::Bytes);
        assert_eq!(counted.reached(None), None);
    }

    #[test]
    fn more_bars_than_there_is_room_for() {
        let bars = (0..100).map(|most| bar(Kind::Rows, most, most < 50));
        let counted = Counted::new(Arc::new(Ceiling::new(bars.collect())));
        counted.add(51, 0);
        let reached: Vec<_> = std::iter::from_fn(|| counted.reached(None))
            .take(100)
            .map(|bar| (bar.most, bar.observed))
            .collect();
        assert!(reached.contains(&(50, false)));
    }
}
