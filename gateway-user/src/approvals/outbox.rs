//! `Outbox`: what is to be told once it is written down.
//!
//! Errands that come together are written down in one go, and syncing a file takes far longer than what
//! is written into it. Until then nobody hears of any of them.

use gateway_core::approvals::change::Notice;
use gateway_core::held::{Answer, Outcome};
use gateway_core::ids::{ActionDigest, SessionId};
use tokio::sync::{mpsc, oneshot};

use super::Failure;
use super::clerk::Told;
use super::ticket::Word;

/// What came of a command: what those who watch were told.
pub(super) type Outcomes = Result<Vec<Notice>, Failure>;

/// What is to be told, in this order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    letters: Vec<Letter>,
}

#[derive(Debug)]
enum Letter {
    /// To a session that waits.
    Word(mpsc::Sender<Word>, Word),
    /// To whoever watches.
    Notice(Notice),
    /// A session ends, for this reason.
    End(SessionId, String),
    /// To whoever gave a command.
    Reply(oneshot::Sender<Outcomes>, Outcomes),
}

impl Outbox {
    pub(super) fn word(&mut self, to: &mpsc::Sender<Word>, word: Word) {
        self.letters.push(Letter::Word(to.clone(), word));
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        self.letters.push(Letter::Notice(notice));
    }

    pub(super) fn end(&mut self, session: SessionId, reason: String) {
        self.letters.push(Letter::End(session, reason));
    }

    pub(super) fn reply(&mut self, to: oneshot::Sender<Outcomes>, outcome: Outcomes) {
        self.letters.push(Letter::Reply(to, outcome));
    }

    /// It is written down: tells everybody.
    pub(super) fn send(&mut self, told: &Told) {
        for letter in self.letters.drain(..) {
            match letter {
                Letter::Word(to, word) => tell(&to, word),
                Letter::Notice(notice) => {
                    told.tally.note(&notice);
                    // Nobody has to watch.
                    drop(told.notices.send(notice));
                }
                Letter::End(session, reason) => (told.end)(&session, &reason),
                // Whoever asked may have gone; it is written down all the same.
                Letter::Reply(to, outcome) => drop(to.send(outcome)),
            }
        }
    }

    /// It could not be written down, and did not happen. A session that was to end does: its grant is
    /// not known to be in force.
    pub(super) fn take_back(&mut self, told: &Told, problem: &str) {
        for letter in self.letters.drain(..) {
            match letter {
                Letter::Word(to, Word::Answered(answer)) => refuse(&to, answer.action),
                // Whoever waits still is refused with all others.
                Letter::Word(_, Word::Waits { .. }) | Letter::Notice(_) => {}
                Letter::End(session, reason) => (told.end)(&session, &reason),
                Letter::Reply(to, _) => drop(to.send(Err(Failure::Store(problem.to_owned())))),
            }
        }
    }
}

/// There is room for all that is ever said; who has left need not hear it.
fn tell(to: &mpsc::Sender<Word>, word: Word) {
    drop(to.try_send(word));
}

/// Refuses what waits as long as nothing can be written down. Agents need not know where.
pub(super) fn refuse(to: &mpsc::Sender<Word>, action: ActionDigest) {
    let reason = "approvals cannot be written down".to_owned();
    tell(to, refusal(action, reason));
}

/// No, for this reason, and from nobody.
pub(super) fn refusal(action: ActionDigest, reason: String) -> Word {
    Word::Answered(Answer {
        action,
        request: None,
        outcome: Outcome::Refused { by: None, reason },
    })
}
