//! Who may have how much of what all agents share: turns to dial, places in the table, network
//! namespaces.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something that there is `most` of. Nobody gets more than is left then for others, so there is
/// always something for one who has little: one alone gets half, of two each a third, and so on.
#[derive(Debug)]
pub(super) struct Shares {
    most: usize,
    taken: usize,
    of: HashMap<u64, usize>,
}

/// Turns, each for as long as it is kept. Clones share.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Mutex<Shares>>);

/// Gives the turn back when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    attached: u64,
}

impl Shares {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: 0,
            of: HashMap::new(),
        }
    }

    /// Takes one for an attached cgroup, if it may have one more.
    pub(super) fn take(&mut self, attached: u64) -> bool {
        let own = self.of.get(&attached).copied().unwrap_or_default();
        if own >= self.most.saturating_sub(self.taken) {
            return false;
        }
        self.taken += 1;
        self.of.insert(attached, own + 1);
        true
    }

    /// Gives one back that was taken.
    pub(super) fn give_back(&mut self, attached: u64) {
        let Some(own) = self.of.get_mut(&attached) else {
            return;
        };
        *own = own.saturating_sub(1);
        self.taken = self.taken.saturating_sub(1);
        if *own == 0 {
            self.of.remove(&attached);
        }
    }
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Shares::new(most))))
    }

    pub(super) fn take(&self, attached: u64) -> Option<Turn> {
        // Made only once it is taken: the end of a turn gives it back.
        let is_taken = self.lock().take(attached);
        is_taken.then(|| Turn {
            turns: self.clone(),
            attached,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Shares> {
        // Nothing under the lock panics between the two counts.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().give_back(self.attached);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_gets_more_than_is_left_for_others() {
        let turns = Turns::new(12);
        let mut first: Vec<_> = std::iter::from_fn(|| turns.take(1)).collect();
        assert_eq!(first.len(), 6);
        let second: Vec<_> = std::iter::from_fn(|| turns.take(2)).collect();
        assert_eq!(second.len(), 3);
        assert!(turns.take(3).is_some());
        // Who has more than is left gets none until others or it itself gave some back.
        first.truncate(2);
        assert!(turns.take(1).is_some());
        drop((first, second));
        let all: Vec<_> = std::iter::from_fn(|| turns.take(4)).collect();
        assert_eq!(all.len(), 6);
    }
}
