//! What was used of budgets, for operators.

use gateway_core::budget::book::{Account, Whose};
use gateway_core::budget::{Amounts, Limits};
use gateway_core::ids::BudgetName;
use gateway_core::policy::budget::{Action, Budget, Per};
use gateway_core::policy::model::Mode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::operations::{OperationError, Operations};

/// A budget, with the counts of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetUse {
    /// Its name.
    pub budget: BudgetName,
    /// Who has a count of their own.
    pub per: Per,
    /// What becomes of what is asked for when it is used up.
    pub action: Action,
    /// Whether it takes effect.
    pub mode: Mode,
    /// Its span of time, in seconds.
    pub window_seconds: u64,
    /// How much there may be in it.
    pub limits: Limits,
    /// Those who used something of it in the span before now, by name.
    pub used: Vec<Used>,
}

/// What was used by one of those that have a count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    /// The workload, the group, the resource or the session, as the budget says.
    pub whose: String,
    /// How much.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// Where a limit is reached: when there will be room again, if nothing more is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Timestamp>,
}

impl Operations {
    /// All budgets, in the order of the file.
    pub fn budgets(&self) -> Result<Vec<BudgetUse>, OperationError> {
        let engine = self.parts().settings.engine();
        let now = Timestamp::now();
        let budgets = engine.budgets().iter();
        Ok(budgets.map(|budget| self.budget(budget, now)).collect())
    }

    fn budget(&self, budget: &Budget, now: Timestamp) -> BudgetUse {
        let mut page = self.parts().budgets.open();
        let accounts = page.accounts(&budget.name, budget.window.as_secs());
        let accounts = accounts.into_iter().filter(|it| is_per(it, budget.per));
        let used = accounts.map(|account| Used {
            amounts: page.used(&account, now),
            room: budget.room(&mut page, &account, now),
            whose: account.whose.name().to_owned(),
        });
        BudgetUse {
            budget: budget.name.clone(),
            per: budget.per,
            action: budget.action,
            mode: budget.mode,
            window_seconds: budget.window.as_secs(),
            limits: budget.limits,
            used: used.filter(|used| !used.amounts.is_nothing()).collect(),
        }
    }
}

/// Counts by another division are left from before the file was changed.
fn is_per(account: &Account, per: Per) -> bool {
    matches!(
        (&account.whose, per),
        (Whose::Workload(_), Per::Workload)
            | (Whose::Group(_), Per::Group)
            | (Whose::Resource(_), Per::Resource)
            | (Whose::Session(_), Per::Session)
    )
}
