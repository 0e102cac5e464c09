//! `Pace`: so many lines of one workload a second about refused connections, so that an agent
//! which tries again and again does not fill the disk that all recordings share.
//!
//! What is not told of one by one is told of as a number, and counted in the tally all the same.

use std::collections::BTreeMap;

use gateway_core::ids::WorkloadName;

/// Lines of one workload in one second.
const LINES: u32 = 10;

/// What was told in the second that is the last one of each workload.
#[derive(Debug, Default)]
pub(super) struct Pace(BTreeMap<Option<WorkloadName>, Second>);

#[derive(Debug, Default)]
struct Second {
    at: i64,
    written: u32,
    untold: u64,
}

/// What is to be written about one refusal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// A line; after one that tells how many were not told of before, unless that is 0.
    Line { untold: u64 },
    /// Nothing, for now.
    Nothing,
}

impl Pace {
    /// A connection of `workload` was refused in the second `at` of the clock.
    pub(super) fn turn(&mut self, workload: Option<&WorkloadName>, at: i64) -> Turn {
        let second = self.0.entry(workload.cloned()).or_default();
        if second.at != at {
            (second.at, second.written) = (at, 0);
        }
        if second.written >= LINES {
            second.untold = second.untold.saturating_add(1);
            return Turn::Nothing;
        }
        second.written = second.written.saturating_add(1);
        Turn::Line {
            untold: std::mem::take(&mut second.untold),
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
        for _ in 0..LINES {
            assert_eq!(pace.turn(Some(&one), 7), Turn::Line { untold: 0 });
        }
        for _ in 0..500 {
            assert_eq!(pace.turn(Some(&one), 7), Turn::Nothing);
        }
        // Others are told of.
        assert_eq!(pace.turn(Some(&other), 7), Turn::Line { untold: 0 });
        assert_eq!(pace.turn(None, 7), Turn::Line { untold: 0 });
        assert_eq!(pace.turn(Some(&one), 8), Turn::Line { untold: 500 });
        assert_eq!(pace.turn(Some(&one), 8), Turn::Line { untold: 0 });
    }
}
