//! `Keys`: the keys of one issuer, read when they are needed and not too often.
//!
//! A key that is not known may be new, so keys are read again for it, but at most once in a while: who
//! makes up names of keys makes no requests. When no newer ones can be had, those from before are used
//! for a time, and no longer: a key that was taken back must not be good for ever.

mod fetch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openidconnect::core::CoreJsonWebKeySet;

pub use self::fetch::KeysError;
use super::issuer::Issuer;

/// Keys that are older are read again before they are used.
const FRESH: Duration = Duration::from_secs(300);
/// No two attempts to read them are nearer to each other.
const PAUSE: Duration = Duration::from_secs(10);
/// An attempt takes so long at most.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The keys of one issuer.
#[derive(Debug)]
pub struct Keys {
    issuer: Arc<Issuer>,
    state: Mutex<State>,
    /// Whoever reads them.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    known: Option<Known>,
    /// When they were last asked for, and what came of it.
    tried: Option<Instant>,
    trouble: Option<KeysError>,
}

#[derive(Clone, Debug)]
struct Known {
    keys: Arc<CoreJsonWebKeySet>,
    since: Instant,
    /// Whether they were read for an earlier configuration.
    is_inherited: bool,
}

/// What keys are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Those that are known do, if they are not old.
    Usual,
    /// One is wanted that is not among them.
    Newer,
}

impl Keys {
    /// None is known yet.
    pub fn new(issuer: Arc<Issuer>) -> Self {
        Self {
            issuer,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// For an issuer of a new configuration, with the keys that it had in the one before. They are read
    /// again before they are used, if they can be.
    pub fn after(&self, issuer: Arc<Issuer>) -> Self {
        let known = self.state().known.clone();
        let keys = Self::new(issuer);
        keys.state().known = known.map(|known| Known {
            is_inherited: true,
            ..known
        });
        keys
    }

    /// Whose they are.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// The keys that are known, read before where that is needed and allowed.
    pub async fn get(&self, need: Need, now: Instant) -> Result<Arc<CoreJsonWebKeySet>, KeysError> {
        if self.is_wanted(need, now) {
            let turn = self.turn.lock().await;
            // Somebody else may have done it in the meantime.
            if self.is_wanted(need, now) {
                self.read(now).await;
            }
            drop(turn);
        }
        let state = self.state();
        let known = state.known.as_ref();
        match known.filter(|known| now.duration_since(known.since) < self.issuer.keep) {
            Some(known) => Ok(Arc::clone(&known.keys)),
            None => Err(state.trouble.clone().unwrap_or(KeysError::None)),
        }
    }

    /// Why its keys cannot be had, if that is so.
    pub fn trouble(&self) -> Option<KeysError> {
        self.state().trouble.clone()
    }

    fn is_wanted(&self, need: Need, now: Instant) -> bool {
        let state = self.state();
        let is_fresh =
            |known: &Known| !known.is_inherited && now.duration_since(known.since) < FRESH;
        let is_known = state.known.as_ref().is_some_and(is_fresh);
        let is_allowed = state
            .tried
            .is_none_or(|tried| now.duration_since(tried) >= PAUSE);
        is_allowed && (need == Need::Newer || !is_known)
    }

    async fn read(&self, now: Instant) {
        self.state().tried = Some(now);
        let read = tokio::time::timeout(ATTEMPT, fetch::fetch(&self.issuer)).await;
        let read = read.unwrap_or(Err(KeysError::Late(ATTEMPT.as_secs())));
        let mut state = self.state();
        match read {
            Ok(keys) => {
                state.known = Some(Known {
                    keys: Arc::new(keys),
                    since: now,
                    is_inherited: false,
                });
                state.trouble = None;
            }
            Err(error) => {
                tracing::warn!(issuer = %self.issuer.name, %error, "cannot read an issuer's keys");
                state.trouble = Some(error);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a poisoned one is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
