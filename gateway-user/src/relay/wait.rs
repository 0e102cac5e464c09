//! A session's side of approvals: the ticket of what waits, and what passed by a grant and is not over.

use std::collections::HashMap;

use gateway_core::approvals::moment::Moment;
use gateway_core::event::Event;
use gateway_core::held::{Answer, HeldAction, HoldNote, Outcome, Withdrawal};
use gateway_core::ids::{AskId, GrantId, RequestId, SessionId};
use jiff::Timestamp;

use super::look::{Looking, Wish};
use crate::approvals::Approvals;
use crate::approvals::ticket::{Ticket, Word};

/// A session's side of approvals.
#[derive(Debug)]
pub(super) struct Wait {
    approvals: Approvals,
    ticket: Option<(AskId, Ticket)>,
    /// What is to be looked at while it waits.
    wish: Option<Box<Wish>>,
    looking: Option<Looking>,
    pub(super) running: Running,
}

/// What passed by a grant and is not over.
#[derive(Debug, Default)]
pub(super) struct Running {
    asks: HashMap<AskId, GrantId>,
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
            wish: None,
            looking: None,
            running: Running::default(),
        }
    }

    /// From now on this waits.
    pub(super) fn begin(&mut self, action: HeldAction, wish: Option<Box<Wish>>) {
        self.wish = wish;
        self.running.session = Some(action.session.clone());
        self.ticket = Some((action.ask, self.approvals.hold(action)));
    }

    /// People are asked; now it is known by what.
    pub(super) fn look(&mut self, request: &RequestId) {
        let wish = self.wish.take();
        self.looking = wish.map(|wish| wish.look(&self.approvals, request));
    }

    /// It waits no longer.
    pub(super) fn withdraw(&mut self, why: Withdrawal) {
        (self.wish, self.looking) = (None, None);
        if let Some((_, ticket)) = self.ticket.take() {
            ticket.withdraw(why);
        }
    }

    /// What is said next to what waits; never, where nothing does. Cancel safe.
    pub(super) async fn next(ticket: &mut Option<(AskId, Ticket)>) -> Word {
        match ticket {
            Some((_, ticket)) => ticket.next().await,
            None => std::future::pending().await,
        }
    }

    /// Both parts, for who needs them at once.
    pub(super) fn parts(&mut self) -> (&mut Option<(AskId, Ticket)>, &mut Running) {
        (&mut self.ticket, &mut self.running)
    }

    /// The answer has come.
    pub(super) fn answered(&mut self, answer: &Answer) {
        (self.wish, self.looking) = (None, None);
        let ticket = self.ticket.take();
        if let Some((ask, _)) = ticket
            && let Outcome::Approved {
                grant: Some(grant), ..
            } = &answer.outcome
        {
            self.running.asks.insert(ask, grant.clone());
        }
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
            if let Event::Outcome(outcome) = event
                && let Some(grant) = self.asks.remove(&outcome.ask)
            {
                self.over.push((outcome.ask, grant, outcome.changed()));
            }
        }
    }

    /// Whether something is over that nobody was told of.
    pub(super) fn is_over(&self) -> bool {
        !self.over.is_empty()
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
