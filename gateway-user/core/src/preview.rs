//! `Preview`: how much a held action would touch, as far as the server could tell beforehand.
//!
//! Plain data for those who decide. It is asked for beside the request and never decides anything.

use serde::{Deserialize, Serialize};

/// How much an action would touch. Everything may be missing; then `note` says why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The rows that the server's planner expects it to return or change: an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate_rows: Option<u64>,
    /// The rows that it would have changed when they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_rows: Option<u64>,
    /// What is missing, and why: lower case, without a full stop. Parts of it may be the server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Preview {
    /// Nothing is known, for this reason.
    pub fn unavailable(reason: impl std::fmt::Display) -> Self {
        Self {
            note: Some(format!("not available: {reason}")),
            ..Self::default()
        }
    }
}
