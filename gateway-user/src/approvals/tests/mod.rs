//! Approvals as sessions and people meet them: `waiting` with a clerk, `keeping` what is written down, `killed` with
//! a process that is killed at any moment.

mod keeping;
mod killed;
mod waiting;

use std::collections::BTreeMap;
use std::time::Duration;

use gateway_core::approvals::command::Ballot;
use gateway_core::approvals::person::{Person, Seat};
use gateway_core::approvals::scope::{Scope, Terms};
use gateway_core::event::Value;
use gateway_core::held::{ApproverSet, Demand, HeldAction};
use gateway_core::ids::{
    ActionDigest, AskId, PolicyDigest, RequestId, ResourceName, RuleName, SessionId, WorkloadName,
};
use gateway_core::subject::{Process, Subject};

/// `DELETE FROM public.orders WHERE id = …`, which Alice or Bob have to let pass within so long.
pub(crate) fn action(session: &str, ask: u32, text: &str, timeout: Duration) -> HeldAction {
    let facts = |facts: &[(&str, Value)]| -> BTreeMap<_, _> {
        let facts = facts.iter();
        facts
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect()
    };
    let mut action = HeldAction {
        action: ActionDigest::new(""),
        session: SessionId::new(session),
        ask: AskId(ask),
        subject: Subject {
            workload: WorkloadName::new("planner"),
            groups: [].into(),
            cgroup: "/agents".to_owned(),
            process: Process {
                pid: 100,
                uid: 2000,
                gid: 2000,
                comm: "psql".to_owned(),
                exe: None,
                command_line: Some(vec!["psql".to_owned()]),
                start_ticks: Some(7),
            },
            identity: None,
        },
        resource: ResourceName::new("orders-db"),
        protocol: "postgres".to_owned(),
        request: "Query".to_owned(),
        text: text.to_owned(),
        parameters: Vec::new(),
        connection: facts(&[("sql.user", Value::Text("app".to_owned()))]),
        units: vec![facts(&[
            ("sql.verb", Value::Text("delete".to_owned())),
            ("sql.table", Value::Texts(vec!["public.orders".to_owned()])),
            ("sql.where", Value::Flag(true)),
            ("sql.statements", Value::Number(1)),
        ])],
        clear_of: Vec::new(),
        hidden_by: Vec::new(),
        policy: PolicyDigest::new("p1"),
        demands: vec![Demand {
            rule: RuleName::new("deletes-wait"),
            reason: Some("deletes are looked at".to_owned()),
            approvers: vec![ApproverSet {
                name: "data-owners".to_owned(),
                users: vec!["alice".to_owned(), "bob".to_owned()],
                groups: Vec::new(),
                quorum: 1,
                notify: Vec::new(),
            }],
            in_order: false,
            timeout,
        }],
    };
    action.action = action.digest();
    action
}

fn person(name: &str) -> Person {
    Person {
        name: name.to_owned(),
        uid: if name == "alice" { 1001 } else { 1002 },
        groups: Vec::new(),
        seat: Seat::Host,
    }
}

fn ballot(request: &RequestId, action: &HeldAction, name: &str) -> Ballot {
    Ballot {
        request: request.clone(),
        action: action.action.clone(),
        by: person(name),
        comment: None,
    }
}

fn for_workload(seconds: u64) -> Scope {
    Scope::Workload(Terms {
        lasting: Some(Duration::from_secs(seconds)),
        ..Terms::default()
    })
}
