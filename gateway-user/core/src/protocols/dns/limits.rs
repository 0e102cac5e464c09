//! What keeps look-ups from carrying data out: limits on how many, how long and how different.
//!
//! Data leaves by DNS in the names that are asked for, and comes back in the answers. No limit here
//! guesses what a name means; they bound what can be said at all. The clock comes in as an argument,
//! as time since any fixed moment.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::name::Name;

/// Names are told apart below this many labels from the right, such as `example.com`.
const PARENT_LABELS: usize = 2;
/// Different names are counted over this time.
const WINDOW: Duration = Duration::from_secs(60);
/// So many parents are counted at a time; with more, the oldest is forgotten.
const PARENTS: usize = 1024;

/// The limits of one workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Queries in a second, over longer times.
    pub per_second: u32,
    /// Queries at once.
    pub burst: u32,
    /// Different names below one parent in a minute.
    pub names_per_minute: usize,
    /// Length of a name, in bytes on the wire.
    pub name_bytes: usize,
    /// Length of an answer, in bytes.
    pub answer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_second: 50,
            burst: 200,
            names_per_minute: 100,
            name_bytes: 128,
            answer_bytes: 4096,
        }
    }
}

/// A limit that was passed. Shown to the agent and recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// Too many queries.
    #[error("more than {0} queries a second")]
    Rate(u32),
    /// A name that is too long.
    #[error("the name is longer than {0} bytes")]
    Length(usize),
    /// Too many names of one parent.
    #[error("more than {0} different names below {1} in a minute")]
    Names(usize, String),
}

/// What one workload has asked for lately. Its memory is bounded by [`PARENTS`] and the limits.
#[derive(Debug, Default)]
pub struct Meter {
    /// Queries that count at the moment, in thousandths, as a bucket that leaks.
    level: u64,
    at: Duration,
    parents: HashMap<Vec<u8>, Window>,
}

#[derive(Debug)]
struct Window {
    since: Duration,
    names: HashSet<Vec<u8>>,
}

impl Meter {
    /// Counts a query.
    ///
    /// # Errors
    /// There were too many.
    pub fn query(&mut self, limits: &Limits, now: Duration) -> Result<(), Excess> {
        let passed = now.saturating_sub(self.at).as_millis();
        let leaked = u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_mul(limits.per_second.into());
        self.at = self.at.max(now);
        self.level = self.level.saturating_sub(leaked);
        if self.level.saturating_add(1000) > u64::from(limits.burst) * 1000 {
            return Err(Excess::Rate(limits.per_second));
        }
        self.level += 1000;
        Ok(())
    }

    /// Counts a name that is about to be asked for.
    ///
    /// # Errors
    /// It is too long, or too many others like it were asked for.
    pub fn name(&mut self, limits: &Limits, name: &Name, now: Duration) -> Result<(), Excess> {
        if name.wire().len() > limits.name_bytes {
            return Err(Excess::Length(limits.name_bytes));
        }
        let parent = name.last(PARENT_LABELS);
        let key = parent.lower().wire().to_vec();
        if self.parents.len() >= PARENTS && !self.parents.contains_key(&key) {
            self.forget_oldest(now);
        }
        let window = self.parents.entry(key).or_insert_with(|| Window {
            since: now,
            names: HashSet::new(),
        });
        if now.saturating_sub(window.since) >= WINDOW {
            window.since = now;
            window.names.clear();
        }
        let name = name.lower().wire().to_vec();
        if window.names.len() >= limits.names_per_minute && !window.names.contains(&name) {
            return Err(Excess::Names(limits.names_per_minute, parent.text()));
        }
        window.names.insert(name);
        Ok(())
    }

    fn forget_oldest(&mut self, now: Duration) {
        self.parents
            .retain(|_, window| now.saturating_sub(window.since) < WINDOW);
        while self.parents.len() >= PARENTS {
            let oldest = self.parents.iter().min_by_key(|(_, window)| window.since);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                return;
            };
            self.parents.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::host(text).unwrap()
    }

    #[test]
    fn bucket_leaks() {
        let limits = Limits {
            per_second: 2,
            burst: 3,
            ..Limits::default()
        };
        let mut meter = Meter::default();
        let mut ask = |millis| meter.query(&limits, Duration::from_millis(millis)).is_ok();
        assert_eq!([ask(0), ask(0), ask(0), ask(0)], [true, true, true, false]);
        assert_eq!([ask(499), ask(500), ask(500)], [false, true, false]);
        assert_eq!([ask(1000), ask(900)], [true, false]);
    }

    #[test]
    fn different_names_below_a_parent_are_counted() {
        let limits = Limits {
            names_per_minute: 2,
            ..Limits::default()
        };
        let mut meter = Meter::default();
        let mut ask = |text, seconds| {
            let asked = meter.name(&limits, &name(text), Duration::from_secs(seconds));
            asked.map_err(|excess| excess.to_string())
        };
        assert_eq!(ask("a.t.evil.example", 0), Ok(()));
        assert_eq!(ask("b.s.evil.example", 1), Ok(()));
        let no = "more than 2 different names below evil.example in a minute";
        assert_eq!(ask("c.evil.EXAMPLE", 2), Err(no.to_owned()));
        assert_eq!(ask("A.t.evil.example", 3), Ok(()));
        assert_eq!(ask("c.good.example", 4), Ok(()));
        assert_eq!(ask("c.evil.example", 60), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let (limits, mut meter) = (Limits::default(), Meter::default());
        for n in 0..PARENTS * 2 {
            let now = Duration::from_millis(u64::try_from(n).unwrap());
            assert!(
                meter
                    .name(&limits, &name(&format!("x.p{n}.example")), now)
                    .is_ok()
            );
        }
        assert!(meter.parents.len() <= PARENTS);
        let long = name(&["a".repeat(63), "b".repeat(63), "c".repeat(63)].join("."));
        let excess = meter.name(&limits, &long, Duration::ZERO);
        assert_eq!(excess, Err(Excess::Length(128)));
    }
}
