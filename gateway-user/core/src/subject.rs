//! `Subject`: who acts, as the kernel saw it when the connection was made. Made by identity, read
//! by policy and written into the recording.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{GroupName, IssuerName, WorkloadName};

/// The process that called `connect(2)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Thread group id in the initial PID namespace.
    pub pid: u32,
    /// Real user id in the initial user namespace, at the time of `connect`.
    pub uid: u32,
    /// Real group id, likewise.
    pub gid: u32,
    /// The process's own name for itself: a label, never evidence.
    pub comm: String,
    /// The executable, where `/proc` could still tell and the process was still the same one.
    pub exe: Option<String>,
    /// The command line, likewise; cut to 4 KiB.
    pub command_line: Option<Vec<String>>,
    /// Start time in clock ticks after boot, which with `pid` names the process uniquely.
    pub start_ticks: Option<u64>,
}

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The workload whose cgroup the socket was created in.
    pub workload: WorkloadName,
    /// The groups that the workload belongs to.
    pub groups: Arc<[GroupName]>,
    /// Path of the process's cgroup below the cgroup v2 mount.
    pub cgroup: String,
    /// The process.
    pub process: Process,
    /// Who the workload is by a token that was verified; none where there is none that is good now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Arc<Identity>>,
}

/// Who a workload is by a token: what of it policy may look at, never the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Who says so.
    pub issuer: IssuerName,
    /// Whom the issuer means: `sub`. Of no token it is empty; where it is, it is not known.
    pub subject: String,
    /// The account of the host that the issuer says it is the same human as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The claims that the configuration takes from the issuer's tokens, by their names there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub claims: BTreeMap<String, Claim>,
}

/// Whom a token means, whatever else it says: the same one with the next token too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Who says so.
    pub issuer: IssuerName,
    /// Whom the issuer means: `sub`.
    pub subject: String,
}

impl Identity {
    /// Whom it is about.
    pub fn known(&self) -> Known {
        Known {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
        }
    }
}

/// `planner by corp`.
impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.subject, self.issuer)
    }
}

/// `planner by corp (team = data, groups = [dba, ops])`.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.subject, self.issuer)?;
        for (place, (name, claim)) in self.claims.iter().enumerate() {
            let before = if place == 0 { " (" } else { ", " };
            match claim {
                Claim::Text(text) => write!(f, "{before}{name} = {text}")?,
                Claim::Texts(texts) => write!(f, "{before}{name} = [{}]", texts.join(", "))?,
            }
        }
        f.write_str(if self.claims.is_empty() { "" } else { ")" })
    }
}

/// The value of a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Claim {
    /// A text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
}
