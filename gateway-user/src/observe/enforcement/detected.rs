//! What detectors have found in what came back.

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
