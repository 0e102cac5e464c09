//! What may happen, to whom, and under which policies.

use std::sync::Arc;

use proptest::prelude::*;

use crate::approvals::person::{Person, Seat};
use crate::held::ApproverSet;
use crate::ids::{PolicyDigest, ResourceName, WorkloadName};
use crate::policy::engine::{Engine, Inventory, Resource};
use crate::policy::model::{Mode, RuleSpec};
use crate::protocols::postgres::PROTOCOL;

/// What agents run: the first two are alike to policy.
pub(super) const TEXTS: [&str; 3] = [
    "DELETE FROM orders WHERE id = 1",
    "DELETE FROM orders WHERE id = 2",
    "DELETE FROM users",
];
pub(super) const SESSIONS: usize = 3;
pub(super) const POLICIES: usize = 3;

/// What may happen.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    /// An agent sends a statement.
    Ask(usize, usize),
    /// The server has finished what runs.
    Complete(usize),
    Leave(usize),
    Cancel(usize),
    /// The latest open request but so many.
    Approve(usize, usize, Reach),
    Refuse(usize, usize),
    /// An approval of what is not what waits.
    Mistake(usize, usize),
    Revoke(usize),
    Wait(u64),
    Reload(usize),
    /// The daemon dies and starts again; perhaps what it did last is lost.
    Crash(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reach {
    Once,
    Session,
    Workload,
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let session = || 0..SESSIONS;
    let reach = prop_oneof![
        Just(Reach::Once),
        Just(Reach::Session),
        Just(Reach::Workload)
    ];
    prop_oneof![
        8 => (session(), 0..TEXTS.len()).prop_map(|(session, text)| Deed::Ask(session, text)),
        3 => session().prop_map(Deed::Complete),
        1 => session().prop_map(Deed::Leave),
        1 => session().prop_map(Deed::Cancel),
        8 => (0..3_usize, 0..PEOPLE.len(), reach).prop_map(|(at, who, reach)| Deed::Approve(at, who, reach)),
        1 => (0..3_usize, 0..PEOPLE.len()).prop_map(|(at, who)| Deed::Refuse(at, who)),
        1 => (0..3_usize, 0..2_usize).prop_map(|(at, who)| Deed::Mistake(at, who)),
        2 => (0..4_usize).prop_map(Deed::Revoke),
        2 => (1..90_u64).prop_map(Deed::Wait),
        2 => (0..POLICIES).prop_map(Deed::Reload),
        1 => any::<bool>().prop_map(Deed::Crash),
    ]
}

/// The last is the agent's own account.
pub(super) const PEOPLE: [&str; 4] = ["alice", "bob", "mallory", "agent"];

pub(super) fn person(who: usize) -> Person {
    Person {
        name: PEOPLE[who].to_owned(),
        // As which the agent of conformance runs acts.
        uid: if PEOPLE[who] == "agent" { 1000 } else { 2000 },
        groups: Vec::new(),
        seat: Seat::Host,
    }
}

/// Whether their yes counts, by the rules below.
pub(super) fn may_approve(who: usize) -> bool {
    matches!(PEOPLE[who], "alice" | "bob")
}

/// Two policies with the same rules, and one that denies.
pub(super) fn engine(number: usize) -> Arc<Engine> {
    #[derive(serde::Deserialize)]
    struct Rules {
        rule: Vec<toml::Spanned<RuleSpec>>,
    }
    let action = match number {
        2 => "action = 'deny'",
        _ => "action = 'approve'\napprovers = ['owners']\ntimeout = '60s'",
    };
    let rules = format!(
        "[[rule]]\nname = 'all'\naction = 'allow'\n[[rule]]\nname = 'waits'\nmatch = {{ verb = 'delete' }}\n{action}"
    );
    let rules: Rules = toml::from_str(&rules).unwrap();
    let inventory = Inventory {
        resources: vec![Resource {
            name: ResourceName::new("db"),
            protocol: &PROTOCOL,
            mode: Mode::Enforce,
        }],
        workloads: vec![WorkloadName::new("agent")],
        approvers: vec![ApproverSet {
            name: "owners".to_owned(),
            users: ["alice", "bob", "agent"].map(str::to_owned).into(),
            groups: Vec::new(),
            quorum: 1,
            notify: Vec::new(),
        }],
        ..Inventory::default()
    };
    let digest = PolicyDigest::new(format!("p{number}"));
    Arc::new(
        Engine::compile(&inventory, &rules.rule, &[], digest)
            .unwrap()
            .0,
    )
}
