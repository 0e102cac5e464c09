//! `Clock`: the time as approvals know it, which never goes back.
//!
//! Deadlines and the ends of grants are written down and outlast the daemon, so they are times of the
//! calendar; and nobody gets an older one back by setting it.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gateway_core::approvals::moment::Moment;

/// The time that is told.
#[derive(Debug)]
pub(super) struct Clock {
    told: Moment,
    at: Instant,
}

impl Clock {
    /// Starts with the calendar's time.
    pub(super) fn new() -> Self {
        Self {
            told: calendar(),
            at: Instant::now(),
        }
    }

    /// The calendar's time; where that was set back, the one told last and what has passed since.
    pub(super) fn now(&mut self) -> Moment {
        let now = Instant::now();
        let passed = self.told.after(now.duration_since(self.at));
        *self = Self {
            told: calendar().max(passed),
            at: now,
        };
        self.told
    }
}

fn calendar() -> Moment {
    // Before 1970 it is 1970.
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment(0).after(since.unwrap_or_default())
}
