//! Answers that are still good. Small on purpose: it spares the servers an agent's repetitions.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gateway_core::protocols::dns::wire::{Message, flag};

/// So many answers are kept; with more, those with the least time left go.
const ANSWERS: usize = 2048;
/// An answer longer than this, in bytes, is not kept.
const LONGEST: usize = 4096;
/// An answer is kept no longer than this, whatever it says.
const OLDEST: Duration = Duration::from_secs(3600);

/// Answers by what a server was told.
#[derive(Debug, Default)]
pub(super) struct Cache(HashMap<Vec<u8>, Kept>);

#[derive(Debug)]
struct Kept {
    message: Message,
    since: Instant,
    until: Instant,
}

impl Cache {
    /// The answer to what `key` asks, with the time left that its records have.
    pub(super) fn find(&self, key: &[u8], now: Instant) -> Option<Message> {
        let kept = self.0.get(key).filter(|kept| kept.until > now)?;
        let mut message = kept.message.clone();
        let age = now.saturating_duration_since(kept.since).as_secs();
        message.age(u32::try_from(age).unwrap_or(u32::MAX));
        Some(message)
    }

    /// Keeps an answer for as long as it says.
    pub(super) fn keep(&mut self, key: Vec<u8>, message: &Message, now: Instant) {
        const NAME_ERROR: u16 = 3;
        let is_whole = message.flags & flag::TRUNCATED == 0;
        let is_answer = matches!(message.code, 0 | NAME_ERROR);
        let life = message.life().filter(|life| *life > 0);
        let (true, true, Some(life)) = (is_whole, is_answer, life) else {
            return;
        };
        if message.write(usize::MAX).len() > LONGEST {
            return;
        }
        if self.0.len() >= ANSWERS {
            self.0.retain(|_, kept| kept.until > now);
        }
        if self.0.len() >= ANSWERS {
            let first = self.0.iter().min_by_key(|(_, kept)| kept.until);
            if let Some(key) = first.map(|(key, _)| key.clone()) {
                self.0.remove(&key);
            }
        }
        let kept = Kept {
            message: message.clone(),
            since: now,
            until: now + Duration::from_secs(life.into()).min(OLDEST),
        };
        self.0.insert(key, kept);
    }

    /// Forgets everything: the servers are others now.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use gateway_core::protocols::dns::name::Name;
    use gateway_core::protocols::dns::record::{A, Record};

    use super::*;

    fn answer(code: u16, flags: u16, ttl: Option<u32>) -> Message {
        let record = |ttl| Record {
            owner: Name::host("db.internal").unwrap(),
            kind: A,
            class: 1,
            ttl,
            data: vec![10, 0, 0, 5],
        };
        let mut message = Message::read(&[0; 12]).unwrap();
        (message.code, message.flags) = (code, flags);
        message.answers = ttl.map(record).into_iter().collect();
        message
    }

    #[test]
    fn answers_are_kept_for_their_time() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.keep(vec![1], &answer(0, 0, Some(60)), now);
        let after = |seconds| cache.find(&[1], now + Duration::from_secs(seconds));
        assert_eq!(after(10).unwrap().life(), Some(50));
        assert_eq!(after(60), None);
        assert_eq!(cache.find(&[2], now), None);
    }

    #[test]
    fn what_is_no_answer_is_not_kept() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.keep(vec![1], &answer(2, 0, Some(60)), now);
        cache.keep(vec![2], &answer(0, flag::TRUNCATED, Some(60)), now);
        cache.keep(vec![3], &answer(0, 0, Some(0)), now);
        cache.keep(vec![4], &answer(0, 0, None), now);
        assert!(cache.0.is_empty());
        for n in 0..ANSWERS * 2 {
            cache.keep(n.to_be_bytes().to_vec(), &answer(0, 0, Some(60)), now);
        }
        assert_eq!(cache.0.len(), ANSWERS);
    }
}
