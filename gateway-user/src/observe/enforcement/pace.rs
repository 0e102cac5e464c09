//! `Pace`: how many lines of one workload are written about refused connections, so that an agent
//! which tries again and again does not fill the disk that all recordings share.
//!
//! What comes at once is told of in full; what goes on and on by some lines a second. The rest is
//! told of as a number, and counted in the tally all the same.

use std::collections::BTreeMap;

use gateway_core::ids::WorkloadName;

/// Lines of one workload that may come at once.
const BURST: i64 = 500;
/// Lines a second that it may have for ever.
const RATE: i64 = 10;

/// What each workload may still have.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<Option<WorkloadName>, Allowance>);

#[derive(Debug)]
struct Allowance {
    /// The second of the clock in which it was this.
    at: i64,
    lines: i64,
    untold: u64,
}

/// What is to be written about one refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A line; after one that tells how many were not told of before, unless that is 0.
    Line { untold: u64 },
    /// Nothing: it is counted for the next line.
    Nothing,
}

impl Pace {
    /// A connection of `workload` was refused in the second `at` of the clock.
    pub(super) fn turn(&mut self, workload: Option<&WorkloadName>, at: i64) -> Turn {
        let allowance = self.0.entry(workload.cloned()).or_insert(Allowance {
            at,
            lines: BURST,
            untold: 0,
        });
        // A clock that was set back gives nothing.
        let passed = at.saturating_sub(allowance.at).max(0);
        allowance.lines = allowance
            .lines
            .saturating_add(passed.saturating_mul(RATE))
            .min(BURST);
        allowance.at = at;
        if allowance.lines == 0 {
            allowance.untold = allowance.untold.saturating_add(1);
            return Turn::Nothing;
        }
        allowance.lines = allowance.lines.saturating_sub(1);
        Turn::Line {
            untold: std::mem::take(&mut allowance.untold),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_of_by_some_lines_and_a_number() {
        let mut pace = Pace::default();
        let (one, other) = (WorkloadName::new("one"), WorkloadName::new("other"));
        for _ in 0..BURST {
            assert_eq!(pace.turn(Some(&one), 7), Turn::Line { untold: 0 });
        }
        for _ in 0..900 {
            assert_eq!(pace.turn(Some(&one), 7), Turn::Nothing);
        }
        // Others are told of.
        assert_eq!(pace.turn(Some(&other), 7), Turn::Line { untold: 0 });
        assert_eq!(pace.turn(None, 7), Turn::Line { untold: 0 });
        assert_eq!(pace.turn(Some(&one), 8), Turn::Line { untold: 900 });
        for _ in 1..RATE {
            assert_eq!(pace.turn(Some(&one), 8), Turn::Line { untold: 0 });
        }
        assert_eq!(pace.turn(Some(&one), 8), Turn::Nothing);
        // The clock is set back.
        assert_eq!(pace.turn(Some(&one), 3), Turn::Nothing);
        assert_eq!(pace.turn(Some(&one), 1000), Turn::Line { untold: 2 });
    }
}
