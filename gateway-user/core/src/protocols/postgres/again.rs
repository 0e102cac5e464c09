//! `Again`: what was found out about a text that stays, so that a few bytes which refer to it do not have it
//! read anew each time.
//!
//! What all sessions share (`cache`, and the memory of `lineage`) remembers no long texts. A prepared
//! statement keeps what was last found out about its own, and a session what it found out about the one
//! that waits to be judged. Each holds for one way of reading alone, and is replaced where that changes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cache::ScriptCache;
use super::masking::Copies;
use super::script::Script;
use crate::sql::postgres::Session;
use crate::sql::postgres::lineage::{Masked, Trace};

/// What is known of one text.
#[derive(Debug, Default)]
pub(super) struct Again(Mutex<Found>);

/// Each with what it depends on beside the text.
#[derive(Debug, Default)]
struct Found {
    script: Option<(Session, Arc<Script>)>,
    trace: Option<(Session, Arc<Masked>, Arc<Trace>)>,
    copies: Option<(Session, Copies)>,
}

impl Again {
    /// It was read as this.
    pub(super) fn of(session: &Session, script: &Arc<Script>) -> Self {
        Self(Mutex::new(Found {
            script: Some((session.clone(), Arc::clone(script))),
            ..Found::default()
        }))
    }

    // A poisoned lock leaves what is still whole: each is put in at once.
    fn found(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the text asks for.
    pub(super) fn script(
        &self,
        session: &Session,
        read: impl FnOnce() -> Arc<Script>,
    ) -> Arc<Script> {
        let mut found = self.found();
        match &found.script {
            Some((known, script)) if known == session => Arc::clone(script),
            _ => {
                let script = read();
                found.script = Some((session.clone(), Arc::clone(&script)));
                script
            }
        }
    }

    /// What it does with masked columns.
    pub(super) fn trace(
        &self,
        session: &Session,
        masked: &Arc<Masked>,
        trace: impl FnOnce() -> Arc<Trace>,
    ) -> Arc<Trace> {
        let mut found = self.found();
        match &found.trace {
            Some((known, by, trace)) if known == session && Arc::ptr_eq(by, masked) => {
                Arc::clone(trace)
            }
            _ => {
                let trace = trace();
                found.trace = Some((session.clone(), Arc::clone(masked), Arc::clone(&trace)));
                trace
            }
        }
    }

    /// How its statements copy out.
    pub(super) fn copies(&self, session: &Session, read: impl FnOnce() -> Copies) -> Copies {
        let mut found = self.found();
        match &found.copies {
            Some((known, copies)) if known == session => Arc::clone(copies),
            _ => {
                let copies = read();
                found.copies = Some((session.clone(), Arc::clone(&copies)));
                copies
            }
        }
    }
}

/// The long text that a session has read last.
#[derive(Debug)]
pub(super) struct Latest {
    text: Box<[u8]>,
    again: Again,
}

impl Latest {
    /// What `text` asks for, by `latest` if it is that one, which it then becomes.
    pub(super) fn script(
        latest: &mut Option<Self>,
        text: &[u8],
        session: &Session,
        scripts: &ScriptCache,
    ) -> Arc<Script> {
        if !ScriptCache::is_long(text) {
            return scripts.script(text, session);
        }
        let known = latest.as_ref().filter(|latest| *latest.text == *text);
        if let Some(known) = known {
            return known
                .again
                .script(session, || scripts.script(text, session));
        }
        let script = scripts.script(text, session);
        *latest = Some(Self {
            text: text.into(),
            again: Again::of(session, &script),
        });
        script
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::postgres::{SearchPath, Strings};

    fn again() -> Arc<Script> {
        panic!("it is read again")
    }

    #[test]
    fn texts_are_read_once_for_each_way_of_reading() {
        let (here, kept) = (Session::default(), Again::default());
        let script = kept.script(&here, Script::unread);
        assert!(Arc::ptr_eq(&script, &kept.script(&here, again)));
        let elsewhere = Session {
            search_path: SearchPath::of(["elsewhere"]),
            ..Session::default()
        };
        let escaping = Session {
            strings: Strings::Escaping,
            ..Session::default()
        };
        for other in [elsewhere, escaping, here] {
            let new = kept.script(&other, Script::unread);
            assert!(!Arc::ptr_eq(&script, &new));
            assert!(Arc::ptr_eq(&new, &kept.script(&other, again)));
        }
    }

    #[test]
    fn the_long_text_that_waits_is_read_once() {
        let (scripts, session) = (ScriptCache::default(), Session::default());
        let mut latest = None;
        let mut read =
            |text: &str| Latest::script(&mut latest, text.as_bytes(), &session, &scripts);
        let long = format!("SELECT '{}'", "x".repeat(20_000));
        let script = read(&long);
        assert!(Arc::ptr_eq(&script, &read(&long)));
        // Another of the same length is another.
        let other = long.replace("SELECT", "DELETE");
        assert_ne!(script, read(&other));
        assert_eq!(read("SELECT 1").units.len(), 1);
        assert!(latest.is_some_and(|latest| *latest.text == *other.as_bytes()));
    }
}
