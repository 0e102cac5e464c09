//! `Ticket`: what a session that waits for people holds on to.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use gateway_core::approvals::moment::Moment;
use gateway_core::held::{Answer, HeldAction, Outcome, Withdrawal};
use gateway_core::ids::{ActionDigest, RequestId};
use tokio::sync::{Notify, mpsc};

use super::clerk::{Errand, Waiter};

/// That it waits, and the answer: never more.
const WORDS: usize = 2;

/// What a session that waits is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// People are asked. It comes at most once, and not at all where the answer is known at once.
    Waits {
        /// What people know it by.
        request: RequestId,
        /// Until when they may decide.
        until: Moment,
        /// The names of the sets of approvers who are asked.
        asked: Vec<String>,
    },
    /// The answer. It is the last word.
    Answered(Answer),
}

/// What a session that waits holds on to. Without it nobody waits: whoever lets go of it withdraws.
pub struct Ticket {
    action: ActionDigest,
    /// The errand, until it has been handed over.
    sending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    words: mpsc::Receiver<Word>,
    leaving: Arc<Leaving>,
    wake: Arc<Notify>,
}

/// How whoever waited has left; the clerk looks at it once they have.
#[derive(Debug)]
pub(super) struct Leaving {
    why: Mutex<Withdrawal>,
    /// The answer was taken.
    heard: AtomicBool,
}

impl Default for Leaving {
    fn default() -> Self {
        Self {
            why: Mutex::new(Withdrawal::ClientGone),
            heard: AtomicBool::new(false),
        }
    }
}

impl Leaving {
    /// Why they wait no longer.
    pub(super) fn why(&self) -> Withdrawal {
        *self.why.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether they took the answer.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

impl Ticket {
    pub(super) fn new(
        errands: mpsc::Sender<Errand>,
        wake: Arc<Notify>,
        request: RequestId,
        action: HeldAction,
    ) -> Self {
        let (tell, words) = mpsc::channel(WORDS);
        let leaving = Arc::<Leaving>::default();
        let digest = action.action.clone();
        let waiter = Waiter::new(request, tell, Arc::clone(&leaving));
        let sending = async move {
            // If nobody takes it, the waiter is gone with it, and that is the answer.
            drop(errands.send(Errand::Hold(Box::new(action), waiter)).await);
        };
        Self {
            action: digest,
            sending: Some(Box::pin(sending)),
            words,
            leaving,
            wake,
        }
    }

    /// The next word. Cancel safe.
    pub async fn next(&mut self) -> Word {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// The next word.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Word> {
        if let Some(sending) = &mut self.sending {
            std::task::ready!(sending.as_mut().poll(cx));
            self.sending = None;
        }
        let word = std::task::ready!(self.words.poll_recv(cx));
        if matches!(word, Some(Word::Answered(_))) {
            self.leaving.heard.store(true, Ordering::Release);
        }
        // Fails closed: nobody is there to answer.
        Poll::Ready(word.unwrap_or_else(|| Word::Answered(self.refused())))
    }

    /// Waits no longer, for this reason.
    pub fn withdraw(self, why: Withdrawal) {
        let kept = &self.leaving.why;
        *kept.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    fn refused(&self) -> Answer {
        Answer {
            action: self.action.clone(),
            request: None,
            outcome: Outcome::Refused {
                by: None,
                reason: "approvals have ended".to_owned(),
            },
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // The clerk sees that nobody listens; waking it only makes that sooner.
        self.words.close();
        self.wake.notify_one();
    }
}
