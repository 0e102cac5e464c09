//! `Edition`: whether a catalog that was read some time ago may still be what the server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a database is known to have changed. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<AtomicU64>);

impl Changes {
    /// What is read of the database from now on.
    pub fn edition(&self) -> Edition {
        Edition {
            changes: self.clone(),
            count: self.0.load(Ordering::Acquire),
        }
    }
}

/// The state of a database in which a catalog was read. It is taken before the reading begins, so that a
/// change that happens meanwhile makes it old as well.
#[derive(Clone, Debug, Default)]
pub struct Edition {
    changes: Changes,
    count: u64,
}

impl Edition {
    /// Whether no change is known of since.
    pub fn is_current(&self) -> bool {
        self.changes.0.load(Ordering::Acquire) == self.count
    }

    /// How often the database is known to have changed by now.
    pub fn now(&self) -> u64 {
        self.changes.0.load(Ordering::Acquire)
    }

    /// Whether what was read has all changes up to this count.
    pub fn reaches(&self, count: u64) -> bool {
        self.count >= count
    }

    /// How many changes are known of since.
    pub fn behind(&self) -> u64 {
        self.now().wrapping_sub(self.count)
    }

    /// The database has changed: this and all others of it are old from now on.
    pub fn outdate(&self) {
        self.changes.0.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes all others of this database old and returns the one that follows; none if this is old already.
    pub fn supersede(&self) -> Option<Self> {
        let next = self.count.wrapping_add(1);
        let swapped =
            self.changes
                .0
                .compare_exchange(self.count, next, Ordering::AcqRel, Ordering::Acquire);
        swapped.ok().map(|_| Self {
            changes: self.changes.clone(),
            count: next,
        })
    }

    /// Whether both are of the same state of the same database.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.changes.0, &other.changes.0) && self.count == other.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_makes_all_old_that_were_begun_before() {
        let changes = Changes::default();
        let (first, second) = (changes.edition(), changes.edition());
        assert!(first.is_current() && second.is_current() && first.is_same(&second));
        first.outdate();
        assert!(!first.is_current() && !second.is_current());
        let third = changes.edition();
        assert!(third.is_current() && !third.is_same(&first));
        assert!(first.supersede().is_none(), "it was old");
        let fourth = third.supersede().unwrap();
        assert!(fourth.is_current() && !third.is_current());
        assert!(!Edition::default().is_same(&Edition::default()));
    }
}
