//! Names and numbers that must not be confused with each other.
//!
//! Each is a thin wrapper with no behaviour; what they mean is told where they are made.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Wraps the name as it stands.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A `[[workload]]` of the configuration: who acts.
    WorkloadName
}
name! {
    /// A group that workloads belong to.
    GroupName
}
name! {
    /// An `[[issuer]]` of the configuration: whose tokens are believed.
    IssuerName
}
name! {
    /// A `[[resource]]` of the configuration: what is acted on.
    ResourceName
}
name! {
    /// A `[[rule]]` of the policy.
    RuleName
}
name! {
    /// A `[[budget]]` of the policy.
    BudgetName
}
name! {
    /// A `[[limit]]` of the policy.
    LimitName
}
name! {
    /// A `[[mask]]` of the configuration.
    MaskName
}
name! {
    /// A `[[detector]]` of the configuration.
    DetectorName
}
name! {
    /// Identifies a session and its recording; a UUID version 7, so that names sort by time.
    SessionId
}
name! {
    /// SHA-256 of the policy's source in lower-case hexadecimal.
    PolicyDigest
}

name! {
    /// Names exactly one action: what an approval is for. SHA-256 in lower-case hexadecimal.
    ActionDigest
}
name! {
    /// An action that waits, or waited, until people decide; a UUID version 7.
    RequestId
}
name! {
    /// A placeholder that was issued for a workload; never the placeholder itself.
    PlaceholderId
}
name! {
    /// What people allowed beforehand; a UUID version 7.
    GrantId
}

/// Numbers the asks of one session from 1; a result refers to its ask by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskId(pub u32);
