//! `Actor`: who acts and where to, as far as that is known when something is decided.
//!
//! Of a session all of it is known that the kernel saw; of datagrams, which the kernel lets pass by
//! itself, and of a connection that is only being made, no more than the workload.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::flow::OriginalDst;
use crate::ids::{GroupName, WorkloadName};
use crate::subject::{Identity, Subject};

/// Who acts.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The workload.
    pub workload: &'a WorkloadName,
    /// The groups that it belongs to.
    pub groups: &'a [GroupName],
    /// Who it is by a token.
    pub identity: Option<&'a Identity>,
    /// The process's user id.
    pub uid: Option<u32>,
    /// Its group id.
    pub gid: Option<u32>,
    /// Its executable.
    pub exe: Option<&'a str>,
    /// Its cgroup.
    pub cgroup: Option<&'a str>,
    /// Where it wanted to go.
    pub destination: Option<SocketAddr>,
}

impl<'a> Actor<'a> {
    /// Some process of a workload.
    pub fn new(workload: &'a WorkloadName, groups: &'a [GroupName]) -> Self {
        Self {
            workload,
            groups,
            identity: None,
            uid: None,
            gid: None,
            exe: None,
            cgroup: None,
            destination: None,
        }
    }

    /// Who made a connection.
    pub fn of(subject: &'a Subject, destination: OriginalDst) -> Self {
        Self {
            identity: subject.identity.as_deref(),
            uid: Some(subject.process.uid),
            gid: Some(subject.process.gid),
            exe: subject.process.exe.as_deref(),
            cgroup: Some(&subject.cgroup),
            destination: Some(destination.0),
            ..Self::new(&subject.workload, &subject.groups)
        }
    }
}

/// What conditions can look at besides the facts of a protocol: name, type and a line of
/// documentation.
pub const FACTS: [(&str, &str, &str); 10] = [
    ("subject.workload", "text", "the workload"),
    ("subject.groups", "list", "the groups that it belongs to"),
    (
        "subject.uid",
        "number",
        "user id of the process that connected, in the host's user namespace",
    ),
    ("subject.gid", "number", "its group id, likewise"),
    (
        "subject.exe",
        "text",
        "path of its executable; unknown where it could not be read before the process was gone",
    ),
    (
        "subject.cgroup",
        "text",
        "path of its cgroup, below the cgroup v2 mount",
    ),
    (
        "identity.issuer",
        "text",
        "the `[[issuer]]` of the token that it is known by; this and what follows is unknown without one",
    ),
    (
        "identity.subject",
        "text",
        "whom the rule's `issuer` means by it: `sub`",
    ),
    (
        "identity.claims.NAME",
        "text or list",
        "a claim that is taken from tokens of the rule's `issuer`",
    ),
    (
        "flow.destination",
        "text",
        "where it connected to, such as `10.0.0.5:5432` or `[fd00::1]:5432`",
    ),
];

/// The table of these facts, in Markdown.
pub fn reference() -> String {
    let mut table = "| name | type | what it is |\n|---|---|---|".to_owned();
    for (name, ty, doc) in FACTS {
        // Writing to a string cannot fail.
        let _ = write!(table, "\n| `{name}` | {ty} | {doc} |");
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_it() {
        let page = include_str!("../../../../docs/policy.md");
        let table = reference();
        assert!(page.contains(&table), "docs/policy.md lacks\n{table}");
    }
}
