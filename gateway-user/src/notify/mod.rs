//! Tells people about requests for approval, by webhooks: Slack, Teams, or a service of their own.
//!
//! [`Notifier`] takes a [`Notice`] and is done with it at once: each target has a `mailbox` of bounded
//! size, which a `courier` empties, trying again where it failed. `message` is what is said, in the
//! words of each kind of target, `target` where to. Nothing of
//! this ever decides a request, and no answer is looked at for more than whether it arrived.

mod courier;
mod mailbox;
mod message;
pub mod notice;
pub mod target;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use self::courier::Courier;
pub use self::courier::Pace;
use self::mailbox::Mailbox;
use self::notice::Notice;
use self::target::Target;

/// How often it is looked whether all has been delivered, when the end waits for that.
const DRAIN_STEP: Duration = Duration::from_millis(20);

/// A notice that did not arrive and is not tried any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The target.
    pub target: String,
    /// The request that it was about.
    pub request: String,
    /// What would have been told, such as `opened`.
    pub about: &'static str,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not arrive.
    pub reason: String,
}

/// Who is told of notices that did not arrive. It must not block for long.
pub trait Witness: Send + Sync {
    /// One did not.
    fn lost(&self, lost: &Lost);
}

/// Where notices are handed in. Clones share all of it.
#[derive(Clone)]
pub struct Notifier(Arc<Inner>);

struct Inner {
    pace: Pace,
    witness: Arc<dyn Witness>,
    posts: Mutex<Vec<Post>>,
}

/// A target with what waits for it.
#[derive(Clone, Debug)]
struct Post {
    target: Arc<Target>,
    mailbox: Arc<Mailbox>,
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let posts = self.posts();
        f.debug_tuple("Notifier").field(&*posts).finish()
    }
}

impl Notifier {
    /// Without targets yet.
    pub fn new(pace: Pace, witness: Arc<dyn Witness>) -> Self {
        Self(Arc::new(Inner {
            pace,
            witness,
            posts: Mutex::default(),
        }))
    }

    /// From now on these are the targets. What waits for one that is still there goes on waiting;
    /// what waits for one that is not is lost.
    pub fn retarget(&self, targets: &[Arc<Target>]) {
        let mut before = {
            let mut posts = self.posts();
            let before = std::mem::take(&mut *posts);
            let mailbox = |name: &str| {
                let known = before.iter().find(|post| post.target.name == name);
                known.map_or_else(Arc::default, |post| Arc::clone(&post.mailbox))
            };
            *posts = targets
                .iter()
                .map(|target| Post {
                    target: Arc::clone(target),
                    mailbox: mailbox(&target.name),
                })
                .collect();
            before
        };
        before.retain(|post| targets.iter().all(|target| target.name != post.target.name));
        for post in before {
            self.lose_all(&post, "the target is not in the configuration any more");
        }
    }
    /// Hands a notice in for each of its targets. Returns at once.
    pub fn send(&self, notice: Notice) {
        let notice = Arc::new(notice);
        for name in &notice.targets {
            let post = self
                .posts()
                .iter()
                .find(|post| post.target.name == *name)
                .cloned();
            let Some(post) = post else {
                let reason = "there is no such target in the configuration";
                self.0.witness.lost(&lost(name, &notice, 0, reason));
                continue;
            };
            for dropped in post.mailbox.put(Arc::clone(&notice)) {
                let reason = "too many others wait for this target";
                let lost = lost(name, &dropped.notice, dropped.attempts(), reason);
                self.0.witness.lost(&lost);
            }
        }
    }

    /// Delivers to the targets that there are now, for ever. Cancel safe: what was on its way when
    /// it is dropped is sent again by the next one, with the same `Gateway-Delivery`.
    pub async fn deliver(&self) {
        let mut couriers = JoinSet::new();
        for Post { target, mailbox } in self.posts().clone() {
            let witness = Arc::clone(&self.0.witness);
            let courier = Courier {
                target,
                mailbox,
                witness,
                pace: self.0.pace,
            };
            couriers.spawn(courier.run());
        }
        while let Some(ended) = couriers.join_next().await {
            // The others go on; this one's mailbox fills and is told of.
            tracing::error!(?ended, "notices to a target are not delivered any more");
        }
        std::future::pending().await
    }

    /// Waits until nothing waits any more, for `patience` at most, then gives up what is left.
    pub async fn finish(&self, patience: Duration) {
        let end = Instant::now() + patience;
        let is_done = || self.posts().iter().all(|post| post.mailbox.is_empty());
        while !is_done() && Instant::now() < end {
            tokio::time::sleep(DRAIN_STEP).await;
        }
        for post in self.posts().clone() {
            self.lose_all(&post, "the daemon stopped");
        }
    }

    /// Which targets do not get their notices, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let posts = self.posts();
        let problems = posts.iter().filter_map(|post| {
            let trouble = post.mailbox.trouble()?;
            Some(format!("notices to `{}` {trouble}", post.target.name))
        });
        problems.collect()
    }

    /// How many notices to each target were given up.
    pub fn lost(&self) -> Vec<(String, u64)> {
        let posts = self.posts();
        let lost = posts.iter();
        lost.map(|post| (post.target.name.clone(), post.mailbox.lost()))
            .collect()
    }

    fn lose_all(&self, post: &Post, reason: &str) {
        for letter in post.mailbox.take_all() {
            let lost = lost(&post.target.name, &letter.notice, letter.attempts(), reason);
            self.0.witness.lost(&lost);
        }
    }

    fn posts(&self) -> MutexGuard<'_, Vec<Post>> {
        // It is replaced in one step, so a poisoned one is still good.
        self.0.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lost(target: &str, notice: &Notice, attempts: u32, reason: &str) -> Lost {
    Lost {
        target: target.to_owned(),
        request: notice.request.clone(),
        about: notice.about.name(),
        attempts,
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
