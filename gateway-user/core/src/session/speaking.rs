//! What the codec has to say itself, to either peer, to the recording and to the relay.

use std::sync::Arc;

use super::Session;
use super::outbox::Action;
use crate::event::Event;
use crate::held::Withdrawal;
use crate::protocols::Report;

impl Session {
    /// Sends what the codec has to say itself, and records what the server finished.
    pub(super) fn speak(&mut self) {
        if self.held.is_some() && self.codec.is_overtaken() {
            // There is nothing to say to the client: the server has.
            let _dealt_with = self.take_back(Withdrawal::Overtaken);
        }
        while let Some(report) = self.codec.report() {
            self.outbox.record(match report {
                Report::Outcome(outcome) => Event::Outcome(outcome),
                Report::LoggedIn(login) => Event::Login(login),
                Report::Found(found) => Event::Found(found),
                Report::Server(error) => Event::Server(error),
                Report::Limited(limited) => Event::Limited(limited),
            });
        }
        if self.closed {
            return;
        }
        if let Some(database) = self.codec.wants_masks() {
            let masks = Arc::clone(&self.masks);
            self.outbox.act(Action::FindMasked { masks, database });
        }
        if let Some(questions) = self.codec.questions() {
            self.outbox.act(Action::Ask(questions));
        }
        if self.codec.wants_abort() {
            self.outbox.act(Action::Abort);
        }
        // One of the client's frames that is on its way is sent to its end first.
        while !self.client.rest.goes_to_server()
            && let Some(bytes) = self.codec.inject()
        {
            let sent = self.outbox.own(&bytes, self.protocol);
            debug_assert!(sent, "a codec says nothing but what is declared");
        }
        // An answer of the gateway's own never goes into the middle of one of the server's.
        while self.server.rest.is_done()
            && let Some(bytes) = self.codec.answer()
        {
            self.outbox.reply(&bytes);
        }
        if self.server.rest.is_done()
            && let Some(notice) = self.notice.take()
        {
            self.outbox.reply(&notice);
        }
    }
}
