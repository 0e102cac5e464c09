//! What the log tells of notices: those that did not arrive.

use serde::{Deserialize, Serialize};

/// A notice of a request for approval that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// The `[[notify]]` target.
    pub target: String,
    /// The request.
    pub request: String,
    /// What would have been told, such as `opened`.
    pub about: String,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it did not arrive.
    pub reason: String,
}
