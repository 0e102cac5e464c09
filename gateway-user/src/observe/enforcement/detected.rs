//! What detectors have found in what came back, and detectors that did not answer.

use std::collections::BTreeMap;

use gateway_core::ids::AskId;
use serde::{Deserialize, Serialize};

use super::Connection;

/// They have found something in the results of one ask, and it was masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detection {
    /// On which connection.
    #[serde(flatten)]
    pub connection: Connection,
    /// The ask in the session's recording.
    pub ask: AskId,
    /// How often each has found something.
    pub detected: BTreeMap<String, u64>,
}

/// A detector outside the gateway did not answer as it should: what it was asked about was masked whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// Its name.
    pub detector: String,
    /// Why, the last time.
    pub reason: String,
    /// How often since it was told last.
    pub times: u64,
}
