//! A session's side of approvals: the ticket of what waits, and what passed by a grant and is not over.

use std::collections::{BTreeMap, HashMap};

use gateway_core::approvals::moment::Moment;
use gateway_core::event::{Event, Ruling, Value};
use gateway_core::held::{Answer, HeldAction, HoldNote, Outcome, Withdrawal};
use gateway_core::ids::{AskId, GrantId, RequestId, SessionId};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::cancel::Waiter;
use super::look::{Looking, Wish};
use crate::approvals::Approvals;
use crate::approvals::ticket::{Ticket, Word};

/// A session's side of approvals.
#[derive(Debug)]
pub(super) struct Wait {
    approvals: Approvals,
    ticket: Option<Held>,
    waiter: Waiter,
    /// What was let go of will wait anew: its client can cancel it in between, too.
    between: Option<oneshot::Receiver<()>>,
    /// What is to be looked at while it waits.
    wish: Option<Box<Wish>>,
    looking: Option<Looking>,
    pub(super) running: Running,
}

/// What waits.
#[derive(Debug)]
pub(super) struct Held {
    ask: AskId,
    /// How many of its units write.
    writes: usize,
    ticket: Ticket,
    cancelled: oneshot::Receiver<()>,
}

/// What is said to what waits.
#[derive(Debug)]
pub(super) enum Said {
    /// By people, or about them.
    Word(Word),
    /// By its own client, which does not want it any more.
    Cancelled,
}

/// What comes after something was let go of that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It waits again, for others or by another policy.
    Anew,
    /// It was decided, or nobody wants it any more.
    Over,
}

/// Whether the client cancelled what waited, and was told that this is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    Yes,
    No,
}

/// What passed by a grant and is not over.
#[derive(Debug, Default)]
pub(super) struct Running {
    /// With how many of its statements' parts write: only what stands outermost is counted by the server.
    asks: HashMap<AskId, (GrantId, usize)>,
    over: Vec<(AskId, GrantId, Option<u64>)>,
    /// None as long as nothing ever waited.
    session: Option<SessionId>,
}

impl Wait {
    /// Nothing waits.
    pub(super) fn new(approvals: &Approvals) -> Self {
        Self {
            approvals: approvals.clone(),
            ticket: None,
            waiter: Waiter::default(),
            between: None,
            wish: None,
            looking: None,
            running: Running::default(),
        }
    }

    /// From now on this waits.
    pub(super) fn begin(&mut self, action: HeldAction, wish: Option<Box<Wish>>) {
        self.wish = wish;
        self.running.session = Some(action.session.clone());
        self.ticket = Some(Held {
            ask: action.ask,
            writes: action.units.iter().filter(|unit| writes(unit)).count(),
            ticket: self.approvals.hold(action),
            cancelled: self.between.take().unwrap_or_else(|| self.waiter.arm()),
        });
    }

    /// Where the client can cancel what waits.
    pub(super) fn waiter(&self) -> Waiter {
        self.waiter.clone()
    }

    /// People are asked; now it is known by what.
    pub(super) fn look(&mut self, request: &RequestId) {
        let wish = self.wish.take();
        self.looking = wish.map(|wish| wish.look(&self.approvals, request));
    }

    /// It waits no longer, unless it is about to wait anew.
    pub(super) fn withdraw(&mut self, why: Withdrawal, then: Then) -> Cancelled {
        (self.wish, self.looking) = (None, None);
        let Some(mut held) = self.ticket.take() else {
            return Cancelled::No;
        };
        held.ticket.withdraw(why);
        match then {
            Then::Anew => {
                self.between = Some(held.cancelled);
                Cancelled::No
            }
            Then::Over => was_cancelled(&mut held.cancelled),
        }
    }

    /// What is said next to what waits; never, where nothing does. Cancel safe.
    pub(super) async fn next(held: &mut Option<Held>) -> Said {
        let Some(held) = held else {
            return std::future::pending().await;
        };
        tokio::select! {
            biased;
            Ok(()) = &mut held.cancelled => Said::Cancelled,
            word = held.ticket.next() => Said::Word(word),
        }
    }

    /// Both parts, for who needs them at once.
    pub(super) fn parts(&mut self) -> (&mut Option<Held>, &mut Running) {
        (&mut self.ticket, &mut self.running)
    }

    /// The answer has come. Says whether it still counts: a client that cancelled at the same moment
    /// was told that this is done.
    pub(super) fn answered(&mut self, answer: &Answer) -> bool {
        (self.wish, self.looking) = (None, None);
        let Some(mut held) = self.ticket.take() else {
            return true;
        };
        if let Outcome::Approved {
            grant: Some(grant), ..
        } = &answer.outcome
        {
            let entry = (grant.clone(), held.writes);
            self.running.asks.insert(held.ask, entry);
        }
        was_cancelled(&mut held.cancelled) == Cancelled::No
    }

    /// Tells of what is over since the last time.
    pub(super) fn tell(&mut self) {
        let Some(session) = &self.running.session else {
            return;
        };
        for (ask, grant, rows) in self.running.over.drain(..) {
            let (approvals, session) = (self.approvals.clone(), session.clone());
            // The session need not wait for the disk. There is one such task for each answer of people.
            tokio::spawn(async move {
                let told = approvals.finished(grant, session, ask, rows).await;
                if let Err(error) = told {
                    tracing::warn!(%error, "what passed by a grant is over, and that is not written down");
                }
            });
        }
    }

    /// The session has ended.
    pub(super) async fn end(mut self) {
        self.tell();
        let Some(session) = self.running.session.take() else {
            return;
        };
        if let Err(error) = self.approvals.session_ended(session).await {
            tracing::warn!(%error, "a session with approvals ended, and that is not written down");
        }
    }
}

impl Running {
    /// Sees what is over among these events.
    pub(super) fn note(&mut self, events: &[Event]) {
        if self.asks.is_empty() {
            return;
        }
        for event in events {
            let (ask, rows) = match event {
                Event::Outcome(outcome) => {
                    let tags = outcome.tags.len();
                    let known = |(_, writes): &(GrantId, usize)| tags == 0 || *writes <= tags;
                    let is_told = self.asks.get(&outcome.ask).is_none_or(known);
                    (outcome.ask, outcome.changed().filter(|_| is_told))
                }
                // It passed in people's books and not on the wire.
                Event::Answered(answered) if answered.ruling == Ruling::Deny => {
                    (answered.ask, Some(0))
                }
                _ => continue,
            };
            if let Some((grant, _)) = self.asks.remove(&ask) {
                self.over.push((ask, grant, rows));
            }
        }
    }

    /// Whether something is over that nobody was told of.
    pub(super) fn is_over(&self) -> bool {
        !self.over.is_empty()
    }
}

/// Whether a part of a statement changes rows.
fn writes(unit: &BTreeMap<String, Value>) -> bool {
    matches!(unit.get("sql.kind"), Some(Value::Text(kind)) if kind == "write")
}

/// From now on nobody can cancel it here; says whether somebody has.
fn was_cancelled(receiver: &mut oneshot::Receiver<()>) -> Cancelled {
    receiver.close();
    match receiver.try_recv() {
        Ok(()) => Cancelled::Yes,
        Err(_) => Cancelled::No,
    }
}

/// What a client that waits is told.
pub(super) fn note(request: RequestId, until: Moment, asked: &[String]) -> HoldNote {
    let until = i64::try_from(until.0).ok();
    let until = until.and_then(|it| Timestamp::from_millisecond(it).ok());
    let until = until.map(|it| it.strftime(" until %H:%M:%S UTC").to_string());
    HoldNote {
        text: format!(
            "waiting for an approval by {}{}: {request}",
            asked.join(" and "),
            until.unwrap_or_default(),
        ),
        request,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gateway_core::approvals::desk::Limits;

    use super::*;
    use crate::approvals::tests::action;

    #[test]
    fn rows_that_the_server_does_not_count_are_not_known() {
        let rows = |writes: usize, tags: &[&str], affected: u64| {
            let ask = AskId(1);
            let mut running = Running::default();
            running.asks.insert(ask, (GrantId::new("g"), writes));
            let mut outcome = gateway_core::event::Outcome::new(ask);
            outcome.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            outcome.affected = affected;
            running.note(&[Event::Outcome(outcome)]);
            running.over.pop().unwrap().2
        };
        assert_eq!(rows(1, &["INSERT 0 3"], 3), Some(3));
        assert_eq!(rows(2, &["DELETE 1", "DELETE 2"], 3), Some(3));
        // WITH gone AS (DELETE …) INSERT … WHERE false
        assert_eq!(rows(2, &["INSERT 0 0"], 0), None);
    }

    #[tokio::test]
    async fn who_cancels_between_two_waits_is_heard() {
        let folder = tempfile::tempdir().unwrap();
        let end = Box::new(|_: &SessionId, _: &str| {});
        let approvals = Approvals::start(folder.path(), Limits::default(), end).unwrap();
        let mut wait = Wait::new(&approvals);
        let held = || action("s1", 1, "DELETE 1", Duration::from_secs(600));
        let again = Withdrawal::PolicyChanged;
        wait.begin(held(), None);
        assert_eq!(wait.withdraw(again, Then::Anew), Cancelled::No);
        assert!(wait.waiter().cancel(), "it is about to wait anew");
        wait.begin(held(), None);
        let said = Wait::next(&mut wait.ticket).await;
        assert!(matches!(said, Said::Cancelled), "{said:?}");
        // Where another policy let it pass, the server has it.
        wait.withdraw(Withdrawal::Cancelled, Then::Over);
        wait.begin(held(), None);
        assert!(wait.waiter().cancel());
        assert_eq!(wait.withdraw(again, Then::Over), Cancelled::Yes);
        assert!(!wait.waiter().cancel(), "nothing waits any more");
    }
}
