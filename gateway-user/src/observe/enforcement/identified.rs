//! What the log tells of tokens: never what is in them but whom they mean.

use gateway_core::ids::{IssuerName, WorkloadName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Who an attached cgroup is by its token, or why that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// Who runs in it.
    pub workload: WorkloadName,
    /// Its directory.
    pub cgroup: String,
    /// Who said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerName>,
    /// Whom the issuer means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Until when that may be believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
