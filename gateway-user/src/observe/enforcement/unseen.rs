//! What the log tells of what never comes to the daemon: the kernel programs did it by themselves.

use std::net::SocketAddr;

use gateway_core::ids::{ResourceName, RuleName, WorkloadName};
use gateway_core::refusal::Refusal;
use serde::{Deserialize, Serialize};

/// Datagrams that a rule lets pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagrams {
    /// Who may send them.
    pub workload: WorkloadName,
    /// The attached cgroup's id.
    pub cgroup: u64,
    /// Where they go.
    pub resource: ResourceName,
    /// The rule that allows it; none where a resource in observe mode lets them pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// The networks and ports.
    pub addresses: Vec<String>,
    /// The refusal that enforcing would have given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed: Option<Refusal>,
}

/// What the kernel programs did by themselves. They tell of the same thing once a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelEvent {
    /// Whose; none where the attached cgroup is nobody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadName>,
    /// The attached cgroup's id.
    pub cgroup: u64,
    /// What happened, such as `refused_quic`; docs/coverage.md lists them.
    pub kind: String,
    /// Where it should have gone, where there is such a thing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<SocketAddr>,
    /// The process; for dropped packets the one that made the socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Its user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its own name for itself: a label, never evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// The resource, of datagrams that a rule lets pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceName>,
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// How often within a second.
    pub times: u64,
}
