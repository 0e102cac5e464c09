//! `Watch`: the clock of what runs. It goes by the time that passes and not by the time of day, which
//! somebody may set.

use std::pin::Pin;
use std::task::Context;

use gateway_core::limit::{Clock, Phase};
use gateway_core::protocols::Framed;
use gateway_core::session::Session;
use jiff::Timestamp;
use tokio::time::{Instant, Sleep};

use super::Relay;
use super::cancel::Issued;
use super::closing;

/// What is watched, and since when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    runs: Option<Runs>,
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Runs {
    of: u64,
    began: Instant,
    phase: Phase,
    phase_began: Instant,
}

impl Watch {
    /// Lets the session deal with what takes too long; says whether something did.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, session: &mut Session) -> bool {
        let Some(clock) = session.clock() else {
            if self.runs.is_some() {
                *self = Self::default();
            }
            return false;
        };
        let until = self.until(&clock);
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if sleep.deadline() != until {
                    sleep.as_mut().reset(until);
                }
                sleep
            }
            none => none.insert(Box::pin(tokio::time::sleep_until(until))),
        };
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        self.sleep = None;
        session.handle_overrun(&clock, Timestamp::now());
        true
    }

    fn until(&mut self, clock: &Clock) -> Instant {
        let known = self.runs.take().filter(|runs| runs.of == clock.of);
        let now = Instant::now();
        let mut runs = known.unwrap_or(Runs {
            of: clock.of,
            began: now,
            phase: clock.phase,
            phase_began: now,
        });
        if runs.phase != clock.phase {
            (runs.phase, runs.phase_began) = (clock.phase, now);
        }
        let from = match clock.phase {
            Phase::Running => runs.began,
            Phase::Asking | Phase::Stopping => runs.phase_began,
        };
        self.runs = Some(runs);
        from + clock.after
    }
}

impl Relay<'_> {
    /// Has the session's own server cancel what it runs. Nothing else moves meanwhile: what the client
    /// sends next must not be what is cancelled.
    pub(super) async fn abort(&mut self) {
        let target = self.issued.as_ref().and_then(Issued::target);
        let asked = match target {
            Some(target) => {
                let framed: &dyn Framed = self.framed;
                match closing::abort(framed, &self.around.dialer, &target).await {
                    true => Ok(()),
                    false => Err("the request could not be delivered"),
                }
            }
            None => Err("it gave no key for that"),
        };
        self.session.handle_aborted(asked, Timestamp::now());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn clock(of: u64, phase: Phase, seconds: u64) -> Clock {
        Clock {
            of,
            phase,
            after: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_time_of_each_begins_with_it() {
        let mut watch = Watch::default();
        let first = watch.until(&clock(1, Phase::Running, 5));
        assert_eq!(watch.until(&clock(1, Phase::Running, 5)), first);
        let five = Duration::from_secs(5);
        assert_eq!(watch.until(&clock(1, Phase::Running, 10)), first + five);
        let asked = watch.until(&clock(1, Phase::Asking, 1));
        assert_eq!(watch.until(&clock(1, Phase::Asking, 1)), asked);
        // What goes on began when it began.
        assert_eq!(watch.until(&clock(1, Phase::Running, 5)), first);
        let other = watch.until(&clock(2, Phase::Running, 5));
        assert!(other >= first);
        assert_eq!(watch.runs.as_ref().map(|runs| runs.of), Some(2));
    }
}
