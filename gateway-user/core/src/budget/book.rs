//! `Book`: what was used of every budget, by whom each has a count for. Shared by all sessions.
//!
//! What of it is kept over a restart, and when, is the business of whoever has the disk.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Amounts;
use super::window::Window;
use crate::ids::{BudgetName, GroupName, ResourceName, SessionId, WorkloadName};

/// Whose count it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "per", content = "whose", rename_all = "snake_case")]
pub enum Whose {
    /// A workload's, at all resources of the budget together.
    Workload(WorkloadName),
    /// That of everybody in a group, at all resources of the budget together.
    Group(GroupName),
    /// That of everybody at a resource.
    Resource(ResourceName),
    /// A session's.
    Session(SessionId),
}

impl Whose {
    /// The name of who or what it is.
    pub fn name(&self) -> &str {
        match self {
            Self::Workload(name) => name.as_str(),
            Self::Group(name) => name.as_str(),
            Self::Resource(name) => name.as_str(),
            Self::Session(name) => name.as_str(),
        }
    }
}

/// Names one count. A budget that gets another span of time begins anew; one that gets other limits
/// goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The budget.
    pub budget: BudgetName,
    /// Its span of time, in seconds.
    pub seconds: u64,
    /// Whose it is.
    #[serde(flatten)]
    pub whose: Whose,
}

/// A count, as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Which.
    #[serde(flatten)]
    pub account: Account,
    /// What was used.
    pub window: Window,
}

/// What was used of every budget.
#[derive(Debug, Default)]
pub struct Book(Mutex<Page>);

/// The counts, while nobody else changes them.
#[derive(Debug, Default)]
pub struct Page {
    windows: HashMap<Account, Window>,
    /// How often something was added.
    changes: u64,
}

impl Book {
    /// Begins with what was kept.
    pub fn new(kept: Vec<Kept>) -> Self {
        let windows = kept.into_iter().map(|one| (one.account, one.window));
        Self(Mutex::new(Page {
            windows: windows.collect(),
            changes: 0,
        }))
    }

    /// Keeps others from changing it. To be held for a moment only.
    pub fn open(&self) -> MutexGuard<'_, Page> {
        // Every change of a count is whole, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is to keep, and a number that is another one whenever that has changed. Forgets what
    /// is over; what sessions have counts of their own for ends with them.
    pub fn kept(&self, now: Timestamp) -> (Vec<Kept>, u64) {
        let mut page = self.open();
        page.windows.retain(|_, window| !window.is_over(now));
        let lasting = |account: &&Account| !matches!(account.whose, Whose::Session(_));
        let windows = page.windows.iter();
        let windows = windows.filter(|(account, _)| lasting(account));
        let kept = windows.map(|(account, window)| Kept {
            account: account.clone(),
            window: window.clone(),
        });
        let mut kept: Vec<Kept> = kept.collect();
        kept.sort_by(|a, b| a.account.cmp(&b.account));
        (kept, page.changes)
    }

    /// How often something was added.
    pub fn changes(&self) -> u64 {
        self.open().changes
    }
}

impl Page {
    /// Adds to a count.
    pub fn add(&mut self, account: &Account, used: &Amounts, now: Timestamp) {
        self.changes = self.changes.wrapping_add(1);
        if let Some(window) = self.windows.get_mut(account) {
            return window.add(used, now);
        }
        let mut window = Window::new(Duration::from_secs(account.seconds));
        window.add(used, now);
        self.windows.insert(account.clone(), window);
    }

    /// The count; none where nothing was used yet.
    pub fn window(&mut self, account: &Account) -> Option<&mut Window> {
        self.windows.get_mut(account)
    }

    /// What was used.
    pub fn used(&mut self, account: &Account, now: Timestamp) -> Amounts {
        let window = self.window(account);
        window.map(|window| window.used(now)).unwrap_or_default()
    }

    /// Forgets a count.
    pub fn forget(&mut self, account: &Account) {
        self.windows.remove(account);
    }

    /// The counts of a budget.
    pub fn accounts(&self, budget: &BudgetName, seconds: u64) -> Vec<Account> {
        let accounts = self.windows.keys();
        let of = |account: &&Account| account.budget == *budget && account.seconds == seconds;
        let mut accounts: Vec<Account> = accounts.filter(of).cloned().collect();
        accounts.sort_unstable();
        accounts
    }
}
