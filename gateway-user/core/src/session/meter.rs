//! `Meter`: what the session uses of budgets, and its end when a result is more than is left of one.
//!
//! A result is counted before it is passed on: of a row that there is no room for, the client gets
//! nothing. What other sessions use at the same time is seen when the shared book is opened: as often
//! as something was read from the server, and whenever what was left is counted out.

use std::sync::Arc;

use jiff::Timestamp;

use super::Session;
use crate::budget::Amounts;
use crate::budget::book::Book;
use crate::event::SessionEnd;
use crate::facts::{Facts, Stage};
use crate::policy::budget::{Accounts, Counts, Spent};
use crate::policy::decision::Decision;
use crate::protocols::{Ask, Fatal, Then};
use crate::refusal::Refusal;

/// What an ask counts as, once it is let pass.
pub(super) fn counts(ask: &Ask) -> Counts {
    match (&ask.then, &ask.facts.stage) {
        (Then::Forward, Stage::Action(_)) => Counts::Statement,
        _ => Counts::Nothing,
    }
}

/// What one session uses.
#[derive(Debug)]
pub(super) struct Meter {
    accounts: Accounts,
    book: Arc<Book>,
    /// What is not in the book yet.
    pending: Amounts,
    /// How many rows and bytes may come before it has to be looked at.
    left: (u64, u64),
}

impl Meter {
    pub(super) fn new(accounts: Accounts) -> Self {
        Self {
            accounts,
            book: Arc::default(),
            pending: Amounts::default(),
            left: (0, 0),
        }
    }

    pub(super) fn count_in(&mut self, book: Arc<Book>) {
        self.book = book;
    }

    /// Other budgets are for the session from now on.
    pub(super) fn change(&mut self, accounts: Accounts, now: Timestamp) {
        // What came back by then is counted by the ones before.
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_nothing() {
            let _counted = self.accounts.spend(&pending, now, &self.book);
        }
        if accounts.is_empty() {
            self.accounts.forget_session(&self.book);
        }
        (self.accounts, self.left) = (accounts, (0, 0));
    }

    pub(super) fn judge(
        &self,
        decision: Decision,
        facts: &Facts,
        counts: Counts,
        now: Timestamp,
    ) -> Decision {
        self.accounts
            .judge(decision, facts, counts, now, &self.book)
    }

    /// Counts what people let pass.
    ///
    /// # Errors
    /// The refusal by a budget that was used up while it waited.
    pub(super) fn approved(&self, facts: &Facts, now: Timestamp) -> Result<(), Refusal> {
        self.accounts.approved(facts, now, &self.book)
    }

    /// Counts what came back; says by which budget it is too much.
    fn take(&mut self, more: &Amounts, now: Timestamp) -> Option<Refusal> {
        self.pending.add(more);
        let (rows, bytes_out) = self.left;
        if self.pending.rows <= rows && self.pending.bytes_out <= bytes_out {
            return None;
        }
        self.settle(now)
    }

    fn settle(&mut self, now: Timestamp) -> Option<Refusal> {
        let pending = std::mem::take(&mut self.pending);
        match self.accounts.spend(&pending, now, &self.book) {
            Spent::Within { rows, bytes_out } => {
                self.left = (rows, bytes_out);
                None
            }
            Spent::Over(refusal) => Some(refusal),
        }
    }

    /// Nothing more is counted.
    pub(super) fn end(&mut self, now: Timestamp) {
        self.change(Accounts::default(), now);
    }
}

impl Session {
    /// Counts what the step that comes next brings. Where that is too much the session ends, and the
    /// step is not taken.
    pub(super) fn within_budget(&mut self) -> bool {
        let more = self.codec.returned();
        if more.is_nothing() || self.meter.accounts.is_empty() {
            return true;
        }
        match self.meter.take(&more, self.now) {
            None => true,
            Some(refusal) => {
                self.exceeded(refusal);
                false
            }
        }
    }

    /// Brings what was counted into the book.
    pub(super) fn settle_up(&mut self) {
        if !self.meter.pending.is_nothing()
            && let Some(refusal) = self.meter.settle(self.now)
        {
            self.exceeded(refusal);
        }
    }

    /// A result is more than is left: the agent gets no more of it, and the server is to stop it.
    fn exceeded(&mut self, refusal: Refusal) {
        if self.closed {
            return;
        }
        self.outbox.to_server().clear();
        let how = SessionEnd::BudgetUsedUp {
            rule: refusal.rule.clone(),
            reason: refusal.reason.clone(),
        };
        self.end(how, Some(Fatal::Refused(&refusal)));
    }
}
