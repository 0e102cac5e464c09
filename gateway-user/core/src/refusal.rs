//! `Refusal`: a "no" before a codec has put it into its protocol's words.

use serde::{Deserialize, Serialize};

use crate::ids::RuleName;

/// Why an action was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The rule that said so; none when nothing allowed it.
    pub rule: Option<RuleName>,
    /// One sentence for the agent, lower case, without a full stop.
    pub reason: String,
}
