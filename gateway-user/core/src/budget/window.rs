//! `Window`: what was used in the last span of time, counted in steps so that it slides and its memory
//! is bounded.
//!
//! INVARIANT: what it says was used is never less than what was added within the span before now, as
//! long as the clock is not set back. It may be more: by what was added up to a sixtieth of the span
//! before that. Checked by the property test below.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Amounts, Kind};

/// Steps that a span has.
const STEPS: i64 = 60;

/// What was used in one step of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket {
    step: i64,
    #[serde(flatten)]
    used: Amounts,
}

/// What was used in the last span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// How long a step is, in milliseconds; not zero.
    step_ms: std::num::NonZeroU32,
    /// Only of steps in which something was used, oldest first: at most one more than a span has.
    buckets: VecDeque<Bucket>,
}

impl Window {
    /// Nothing was used in `span`, which is 49 days at most for each of its steps.
    pub fn new(span: Duration) -> Self {
        let step = span.as_millis().div_ceil(60);
        let step = u32::try_from(step).unwrap_or(u32::MAX);
        Self {
            step_ms: std::num::NonZeroU32::new(step).unwrap_or(std::num::NonZeroU32::MIN),
            buckets: VecDeque::new(),
        }
    }

    fn length(&self) -> i64 {
        i64::from(self.step_ms.get())
    }

    fn step(&self, now: Timestamp) -> i64 {
        now.as_millisecond().div_euclid(self.length())
    }

    /// Adds what is used now.
    pub fn add(&mut self, used: &Amounts, now: Timestamp) {
        let step = self.settle(now);
        match self.buckets.back_mut() {
            // Also where the clock was set back a little: it counts until the later time is over.
            Some(last) if last.step >= step => last.used.add(used),
            _ => self.buckets.push_back(Bucket { step, used: *used }),
        }
    }

    /// What was used in the span before now.
    pub fn used(&mut self, now: Timestamp) -> Amounts {
        self.settle(now);
        let mut sum = Amounts::default();
        for bucket in &self.buckets {
            sum.add(&bucket.used);
        }
        sum
    }

    /// Whether nothing is left of what was used.
    pub fn is_over(&mut self, now: Timestamp) -> bool {
        self.settle(now);
        self.buckets.is_empty()
    }

    /// When less than `limit` of a kind will have been used, if nothing more is; none if that is so now.
    pub fn room(&mut self, kind: Kind, limit: u64, now: Timestamp) -> Option<Timestamp> {
        let mut used = self.used(now).of(kind);
        let mut at = None;
        for bucket in &self.buckets {
            if used < limit {
                break;
            }
            used = used.saturating_sub(bucket.used.of(kind));
            let over = bucket.step.saturating_add(STEPS + 1);
            at = Some(over.saturating_mul(self.length()));
        }
        at.map(|at| Timestamp::from_millisecond(at).unwrap_or(Timestamp::MAX))
    }

    /// Forgets what is older than the span; says which step is now.
    fn settle(&mut self, now: Timestamp) -> i64 {
        let step = self.step(now);
        // The step that is not over yet and all that a span before now can reach into.
        while let Some(first) = self.buckets.front()
            && first.step < step.saturating_sub(STEPS)
        {
            self.buckets.pop_front();
        }
        let ahead = |bucket: &Bucket| bucket.step > step.saturating_add(STEPS);
        if self.buckets.back().is_some_and(ahead) {
            // The clock was set back by more than the span: it counts from now on, not for years.
            let mut all = Amounts::default();
            for bucket in self.buckets.drain(..) {
                all.add(&bucket.used);
            }
            self.buckets.push_back(Bucket { step, used: all });
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn rows(rows: u64) -> Amounts {
        Amounts {
            rows,
            ..Amounts::default()
        }
    }

    #[test]
    fn it_slides() {
        let mut window = Window::new(Duration::from_secs(60));
        window.add(&rows(3), at(500));
        window.add(&rows(4), at(30_000));
        assert_eq!(window.used(at(60_000)).rows, 7);
        assert_eq!(window.room(Kind::Rows, 7, at(60_000)), Some(at(61_000)));
        assert_eq!(window.room(Kind::Rows, 4, at(60_000)), Some(at(91_000)));
        assert_eq!(window.room(Kind::Rows, 8, at(60_000)), None);
        assert_eq!(window.used(at(61_000)).rows, 4);
        assert_eq!(window.used(at(91_000)).rows, 0);
        assert!(window.is_over(at(91_000)));
    }

    #[test]
    fn a_clock_that_is_set_back_gives_no_room_and_takes_none_for_years() {
        let mut window = Window::new(Duration::from_secs(60));
        window.add(&rows(5), at(100_000));
        assert_eq!(window.used(at(70_000)).rows, 5);
        window.add(&rows(1), at(70_000));
        assert_eq!(window.used(at(70_000)).rows, 6);
        window.add(&rows(1), at(1_000_000_000));
        assert_eq!(window.used(at(200_000)).rows, 1);
        assert_eq!(window.used(at(262_000)).rows, 0);
    }

    proptest! {
        /// Whoever asks before each action never does more than the limit and one action in any span.
        #[test]
        fn no_span_has_more_than_the_limit_and_one_action(
            span in 1_u64..10_000,
            limit in 1_u64..50,
            tries in prop::collection::vec((0_i64..3_000, 1_u64..20), 1..200),
        ) {
            let mut window = Window::new(Duration::from_millis(span));
            let span = i64::try_from(span).unwrap();
            let mut now = 1_000_000_i64;
            let mut done: Vec<(i64, u64)> = Vec::new();
            for (pause, size) in tries {
                now += pause;
                if window.used(at(now)).rows >= limit {
                    let room = window.room(Kind::Rows, limit, at(now)).unwrap();
                    prop_assert!(room > at(now));
                    prop_assert!(window.clone().used(room).rows < limit);
                    continue;
                }
                window.add(&rows(size), at(now));
                done.push((now, size));
                prop_assert!(window.buckets.len() <= 61);
                let before: u64 = done
                    .iter()
                    .filter(|(when, _)| *when > now - span)
                    .map(|(_, size)| size)
                    .sum();
                prop_assert!(before < limit + size);
            }
        }
    }
}
