//! The language of the control socket: what goes over it as JSON, for both ends.
//!
//! Fields are only ever added. The reference for people, with examples, is `docs/control.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gateway_core::ids::{PolicyDigest, ResourceName, RuleName, WorkloadName};
use gateway_core::subject::Identity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::attachments::Purpose;
use super::frozen::Freeze;
use crate::kernel::{CgroupId, Closing};
use crate::live::Session;

/// Answer to `GET /v1/status`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Since when it runs.
    pub started: Timestamp,
    /// The port that agents' connections are redirected to.
    pub port: u16,
    /// The configuration in force.
    pub configuration: Configuration,
    /// What is attached.
    pub attachments: Vec<Attached>,
    /// Selectors by which nothing is attached.
    #[serde(default)]
    pub unmatched: Vec<Unmatched>,
    /// What does not work as it should, in sentences; empty when all is well.
    #[serde(default)]
    pub problems: Vec<String>,
    /// The workloads that an operator has stopped.
    #[serde(default)]
    pub frozen: Vec<Freeze>,
    /// What waits for people, by resource and rule.
    #[serde(default)]
    pub waiting: Vec<Waiting>,
    /// What was found damaged and put right since the daemon started; none if nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repairs: Option<Repairs>,
    /// The sessions that are open now, oldest first.
    pub connections: Vec<Session>,
    /// Sessions since the daemon started, the open ones included.
    pub sessions: u64,
    /// What the kernel programs counted since the first attachment, by name.
    pub counters: BTreeMap<String, u64>,
}

/// A selector by which nothing is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    /// For whom it would choose.
    pub workload: WorkloadName,
    /// The selector, for example `unit agent@*.service`.
    pub selector: String,
}

/// What waits for people by one rule on one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What is acted on.
    pub resource: ResourceName,
    /// The rule; a request that several hold is counted for each.
    pub rule: RuleName,
    /// How many requests.
    pub count: u64,
    /// Since when the oldest of them waits.
    pub oldest: Timestamp,
}

/// What was found damaged and put right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repairs {
    /// How many times.
    pub count: u64,
    /// When last.
    pub last: Timestamp,
    /// The cgroup it was about then; none where it was the daemon's own part.
    pub cgroup: Option<PathBuf>,
    /// What was wrong, as `connect4 was detached`.
    pub what: String,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The file.
    pub file: PathBuf,
    /// The policy's digest, as decisions record it.
    pub policy: PolicyDigest,
    /// When it was loaded.
    pub loaded: Timestamp,
    /// The names of its workloads.
    pub workloads: Vec<WorkloadName>,
    /// How many resources it has.
    pub resources: usize,
    /// How many rules it has.
    pub rules: usize,
    /// The enforcement log.
    pub log: PathBuf,
    /// Where recordings are kept.
    pub recordings: PathBuf,
}

/// Whether an attached cgroup is covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hooks {
    /// All hooks are in place.
    Ok,
    /// Some hooks are missing: connections may go around the gateway.
    Damaged,
    /// The cgroup is gone.
    Gone,
}

/// One attached cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// The cgroup's id.
    pub cgroup: CgroupId,
    /// Its directory; none when only the hooks are left of it.
    pub path: Option<PathBuf>,
    /// Who acts in it; none when nobody knows, then its connections are refused.
    pub workload: Option<WorkloadName>,
    /// Why it is attached; none when nobody knows.
    pub purpose: Option<Purpose>,
    /// What chose it, where the configuration did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Since when; none when nobody knows.
    pub since: Option<Timestamp>,
    /// What was done about its sockets that were there before the hooks.
    #[serde(default, skip_serializing_if = "Closing::is_nothing")]
    pub closing: Closing,
    /// Who it is by its token; none where it has no good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<KnownAs>,
    /// Whether it is covered.
    pub hooks: Hooks,
    /// How many sessions came through it and are open.
    pub connections: usize,
}

/// Who somebody is by a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAs {
    /// What the token says, as far as the configuration takes it.
    #[serde(flatten)]
    pub identity: Arc<Identity>,
    /// Until when that may be believed.
    pub until: Timestamp,
}

/// Body of `POST /v1/attachments`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachRequest {
    /// Who acts in the cgroup.
    pub workload: WorkloadName,
    /// The cgroup's directory, absolute or relative to the cgroup v2 mount.
    pub cgroup: PathBuf,
    /// A file with the token that it is known by, which the daemon reads now and as it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<PathBuf>,
}

/// Body of `POST /v1/attachments/chosen`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChosenRequest {
    /// The cgroup's directory, absolute or relative to the cgroup v2 mount.
    pub cgroup: PathBuf,
}

/// Answer to `DELETE /v1/attachments/{cgroup id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detached {
    /// The cgroup's id.
    pub cgroup: CgroupId,
    /// Its directory, when it was known.
    pub path: Option<PathBuf>,
    /// Who acted in it, when that was known.
    pub workload: Option<WorkloadName>,
    /// How many sessions were ended.
    pub ended: usize,
    /// The selector that chooses it: it is attached again when it is made anew, when the
    /// configuration is read again, and when the daemon starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// Body of `POST /v1/runs`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// Who acts.
    pub workload: WorkloadName,
    /// A file with the token that it is known by, which the daemon reads now and as it is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_token: Option<PathBuf>,
}

/// Answer to `POST /v1/runs`: a new, attached, empty cgroup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Names the run; it is the cgroup's id.
    pub id: CgroupId,
    /// The cgroup's directory.
    pub cgroup: PathBuf,
    /// Variables by which TLS clients in the run trust the gateway's CA.
    pub environment: BTreeMap<String, String>,
    /// The gateway's own folders and files, which are to be hidden from the command.
    pub hidden: Vec<PathBuf>,
    /// The files in them that the command reads.
    pub shown: Vec<PathBuf>,
    /// Whose process the daemon is: no agent's, since processes of one user can stop each other.
    pub daemon_uid: u32,
}

/// Answer to `DELETE /v1/runs/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnded {
    /// Processes that are still in the cgroup. While there are any it stays attached; the daemon
    /// removes it after the last one.
    pub processes: usize,
}

/// Body of `POST /v1/freezes`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeRequest {
    /// The workload to stop.
    pub workload: WorkloadName,
    /// Why, in one line; agents are told it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Answer to `POST /v1/freezes`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Froze {
    /// What is in force now.
    #[serde(flatten)]
    pub freeze: Freeze,
    /// How many open sessions are ended by it.
    pub ended: usize,
}

/// Answer to `DELETE /v1/freezes/{workload}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thawed {
    /// The workload that may act again.
    pub workload: WorkloadName,
    /// Since when it was frozen.
    pub since: Timestamp,
}

/// Answer to `DELETE /v1/sessions/{session}`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Killed {
    /// The session that is ended, as it stood.
    #[serde(flatten)]
    pub session: Session,
}

/// Answer to `POST /v1/reload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The configuration that is now in force.
    pub configuration: Configuration,
    /// Whether the policy is another one than before.
    pub changed: bool,
    /// Settings that differ but take effect only when the daemon starts, and other warnings.
    pub warnings: Vec<String>,
}

/// Answer to anything that did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What did not work and why.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}
