//! Remembers what statements were found to be, so that a text is parsed once.
//!
//! Shared by all sessions. Two generations: when the young one is full it becomes the old one, and
//! what is asked for again moves back; so nothing is swept and memory stays bounded. The key is the
//! whole text, or its shape if it has one: two texts are only taken for one where they mean the
//! same, see `shape`. And a text means what it means under one search path.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::script::Script;
use super::shape::{NUMBER, shape};
use crate::sql::postgres::{Encoding, SearchPath, Session, Strings};

const SHARDS: usize = 16;
/// One generation of one shard holds at most so many bytes: 32 MiB over all.
const GENERATION_BYTES: usize = 512 << 10;
/// A longer text is parsed each time: it is a bulk load and will not come again.
const LONGEST: usize = 16 << 10;

/// A script that takes more is made anew each time, for the same reason.
const LARGEST: usize = 64 << 10;

type Generation = HashMap<SearchPath, HashMap<Box<[u8]>, Arc<Script>>>;

#[derive(Debug, Default)]
struct Shard {
    young: Generation,
    old: Generation,
    young_bytes: usize,
}

impl Shard {
    fn find(&mut self, path: &SearchPath, text: &[u8]) -> Option<Arc<Script>> {
        if let Some(script) = self.young.get(path).and_then(|texts| texts.get(text)) {
            return Some(Arc::clone(script));
        }
        let (text, script) = self.old.get_mut(path)?.remove_entry(text)?;
        self.insert(path, text, Arc::clone(&script));
        Some(script)
    }

    fn insert(&mut self, path: &SearchPath, text: Box<[u8]>, script: Arc<Script>) {
        // A text that names much makes a script of many times its length.
        let bytes = text.len() + script.bytes() + path.bytes();
        if bytes > LARGEST {
            return;
        }
        self.young_bytes += bytes;
        if self.young_bytes > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = bytes;
        }
        let texts = self.young.entry(path.clone()).or_default();
        texts.insert(text, script);
    }
}

/// The cache.
#[derive(Debug, Default)]
pub struct ScriptCache {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl ScriptCache {
    /// What `text` asks for in a session of this kind. Needs the stack that [`Script::read`] needs.
    pub fn script(&self, text: &[u8], session: &Session) -> Arc<Script> {
        if !usual(text, session) {
            return Script::read(text, session);
        }
        let shape = shape(text);
        let key = shape.as_deref().unwrap_or(text);
        let Some(shard) = self.shard(key) else {
            return Script::read(text, session);
        };
        // A poisoned lock leaves a map that is still whole: entries are only put in and taken out.
        if let Some(script) = shard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .find(&session.search_path, key)
        {
            return script;
        }
        // Parsed outside the lock: another session may do the same at the same time, and both
        // come to the same result.
        let script = Script::read(text, session);
        shard.lock().unwrap_or_else(PoisonError::into_inner).insert(
            &session.search_path,
            key.into(),
            Arc::clone(&script),
        );
        script
    }

    /// Whether a text is too long to be remembered.
    pub(super) fn is_long(text: &[u8]) -> bool {
        text.len() > LONGEST
    }

    fn shard(&self, key: &[u8]) -> Option<&Mutex<Shard>> {
        let hash = usize::try_from(self.hasher.hash_one(key) & 0xff).ok()?;
        self.shards.get(hash % SHARDS)
    }
}

/// Whether `text` is remembered: not when it is long, nor for the rare sessions whose texts are
/// not read the usual way, nor one with a byte that only shapes have.
fn usual(text: &[u8], session: &Session) -> bool {
    !ScriptCache::is_long(text)
        && (session.strings, session.encoding) == (Strings::Standard, Encoding::Utf8)
        && memchr::memchr(NUMBER, text).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_one_meaning_are_read_once() {
        let cache = ScriptCache::default();
        let script = |text: &str| cache.script(text.as_bytes(), &Session::default());
        let one = script("SELECT a FROM b WHERE c = 1");
        assert!(Arc::ptr_eq(&one, &script("SELECT a FROM b WHERE c = 22")));
        assert!(!Arc::ptr_eq(&one, &script("SELECT a FROM b WHERE d = 1")));
        assert_eq!(
            script("SELECT a FROM b WHERE c = \0").units,
            Script::unread().units
        );
        let elsewhere = Session {
            search_path: SearchPath::of(["elsewhere"]),
            ..Session::default()
        };
        let other = cache.script(b"SELECT a FROM b WHERE c = 1", &elsewhere);
        assert_ne!(one, other);
        assert!(Arc::ptr_eq(&one, &script("SELECT a FROM b WHERE c = 3")));
        let on = script("EXPLAIN (ANALYZE 1) DELETE FROM a");
        assert_ne!(on, script("EXPLAIN (ANALYZE 0) DELETE FROM a"));
    }
}
