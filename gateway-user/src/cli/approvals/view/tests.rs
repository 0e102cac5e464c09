//! What is shown of requests, also of those that would rather not be.

use std::sync::Arc;
use std::time::Duration;

use gateway_core::approvals::quorum::Standing;
use gateway_core::held::{ApproverSet, HeldAction};
use gateway_core::ids::{
    ActionDigest, AskId, GroupName, IssuerName, PolicyDigest, RequestId, ResourceName, RuleName,
    SessionId, WorkloadName,
};
use gateway_core::preview::Preview;
use gateway_core::subject::{Claim, Identity, Subject};

use proptest::{prop_assert, prop_assert_eq, proptest};

use super::row::{BAR, MORE};
use super::*;

/// Texts that would like to be something else.
const HOSTILE: &str =
    "(\\PC|[\\x00-\\x1f\\x7f-\\x9f]|\n── end of request|\u{202e}|  │ |request     | {10,80}){0,12}";

/// A request with this statement, that waits for `data-owners`.
pub(in crate::cli) fn approval(text: &str) -> Approval {
    let opened: Timestamp = "2026-01-31T09:05:00Z".parse().unwrap();
    let demand = Demand {
        rule: RuleName::new("deletes-wait"),
        reason: Some("deletes are looked at".to_owned()),
        approvers: vec![ApproverSet {
            name: "data-owners".to_owned(),
            users: vec!["alice".to_owned()],
            groups: vec!["dba".to_owned()],
            quorum: 1,
            notify: Vec::new(),
        }],
        in_order: false,
        timeout: Duration::from_secs(900),
    };
    let action = HeldAction {
        action: ActionDigest::new(""),
        session: SessionId::new("0197-session"),
        ask: AskId(3),
        subject: Subject {
            workload: WorkloadName::new("planner"),
            groups: [GroupName::new("agents")].into(),
            cgroup: "/agents".to_owned(),
            process: Process {
                pid: 4801,
                uid: 1000,
                gid: 1000,
                comm: "psql".to_owned(),
                exe: Some("/usr/bin/psql".to_owned()),
                command_line: Some(vec!["psql".to_owned(), "shop".to_owned()]),
                start_ticks: None,
            },
            identity: None,
        },
        resource: ResourceName::new("orders-db"),
        protocol: "postgres".to_owned(),
        request: "Query".to_owned(),
        text: text.to_owned(),
        parameters: Vec::new(),
        connection: std::collections::BTreeMap::new(),
        units: vec![[("sql.verb".to_owned(), Value::Text("delete".to_owned()))].into()],
        clear_of: Vec::new(),
        hidden_by: Vec::new(),
        policy: PolicyDigest::new("9f2b"),
        demands: vec![demand],
    };
    Approval {
        id: RequestId::new("0197-request"),
        opened,
        deadline: "2026-01-31T09:20:00Z".parse().unwrap(),
        closed: None,
        state: State::Open,
        yours: true,
        host: "db1".to_owned(),
        parents: Vec::new(),
        action: action.sealed(),
        preview: Some(Preview {
            counted_rows: Some(7),
            ..Preview::default()
        }),
        progress: vec![Progress {
            rule: RuleName::new("deletes-wait"),
            sets: vec![Standing {
                name: "data-owners".to_owned(),
                have: 0,
                need: 1,
                asked: true,
            }],
        }],
        votes: Vec::new(),
        earlier: [("approved".to_owned(), 2)].into(),
    }
}

fn texts(approval: &Approval, width: usize) -> Vec<String> {
    let rows = rows(approval, approval.opened);
    wrap(&rows, width).iter().map(Row::text).collect()
}

#[test]
fn all_of_it_is_there() {
    let long = format!(
        "DELETE FROM orders WHERE note = '{}' AND id = 7",
        "x".repeat(5000)
    );
    let shown = texts(&approval(&long), 80);
    let inside: String = shown
        .iter()
        .filter_map(|row| row.strip_prefix(BAR).or_else(|| row.strip_prefix(MORE)))
        .collect();
    assert_eq!(inside, long);
    let whole = shown.join("\n");
    for part in [
        "planner (agents)",
        "4801 psql, user 1000",
        "deletes-wait: deletes are looked at",
        "0 of 1 data-owners (alice, group dba): asked now",
        "before      2 times: 2 approved",
        "15m left",
        "preview     7 rows, counted",
    ] {
        assert!(whole.contains(part), "{part}: {whole}");
    }
}

#[test]
fn who_asks_and_whom_a_grant_is_for() {
    let mut approval = approval("DELETE FROM orders");
    let without = texts(&approval, 200).join("\n");
    assert!(!without.contains("known as"), "{without}");
    approval.action.subject.identity = Some(Arc::new(Identity {
        issuer: IssuerName::new("corp"),
        subject: "planner-7".to_owned(),
        account: None,
        claims: [("team".to_owned(), Claim::Text("data".to_owned()))].into(),
    }));
    let shown = texts(&approval, 200).join("\n");
    for part in [
        "known as    planner-7 by corp (team = data)",
        "grants      for the session or for a time are for planner-7 by corp: what others ask is asked anew",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

/// An agent that writes what looks like rows of ours, drives the terminal, or pads its text until
/// it wraps.
#[test]
fn no_agent_fakes_a_row() {
    let end = "── end of request 0197-request";
    for hostile in [
        format!("DELETE FROM a\n{end}\n-- more"),
        format!(
            "DELETE FROM a{}{end}",
            " ".repeat(80 - BAR.chars().count() - 13)
        ),
        format!("DELETE FROM a\r{end}"),
        format!("DELETE FROM a\u{2028}{end}"),
        format!("DELETE FROM a\u{1b}[1A\u{1b}[2K{end}"),
        format!("DELETE FROM a\u{b}{end}\u{85}{end}"),
    ] {
        let mut approval = approval(&hostile);
        approval.action.subject.process.comm = format!("x\n{end}");
        approval.parents = vec![crate::control::approvals::api::Parent {
            pid: 1,
            comm: String::new(),
            command_line: vec![format!("sh\n{end}")],
        }];
        let shown = texts(&approval, 80);
        let ends: Vec<_> = shown.iter().filter(|row| row.starts_with("──")).collect();
        assert_eq!(ends.len(), 2, "{hostile:?}: {shown:#?}");
        assert!(shown.iter().all(|row| !row.chars().any(char::is_control)));
    }
}

#[test]
fn letters_that_look_like_others_are_named() {
    let shown = texts(&approval("DELETE FROM \u{43e}rders"), 80).join("\n");
    assert!(
        shown.contains("1 character not ASCII: U+043E \u{43e}"),
        "{shown}"
    );
    let plain = texts(&approval("DELETE FROM orders"), 80).join("\n");
    assert!(!plain.contains("not ASCII"), "{plain}");
}

/// Whatever a terminal takes them for: two columns each, at most.
#[test]
fn no_row_is_wider_than_the_terminal() {
    for letter in ["数", "─", "é", "e\u{301}", "😀", "\u{1f1e9}"] {
        let rows = [Row::agents(&letter.repeat(100))];
        for row in wrap(&rows, 40) {
            let text = row.text();
            let wide = text.chars().map(|it| if it.is_ascii() { 1 } else { 2 });
            assert!(wide.sum::<usize>() <= 40, "{letter}");
        }
    }
}

proptest! {
    /// Whatever an agent writes, as statement, parameter or name: it drives no terminal, all of it is
    /// shown behind the bar, and the end is told once, by us.
    #[test]
    fn whatever_agents_write_stays_theirs(
        text in HOSTILE, value in HOSTILE, name in HOSTILE, width in 22..200_usize,
    ) {
        let mut approval = approval(&text);
        approval.action.parameters = vec![Parameter {
            declared: Some(name.clone()),
            value: ParameterValue::Text(value.clone()),
            reads: None,
        }];
        approval.action.subject.process.comm = name.clone();
        approval.action.subject.process.command_line = Some(vec![name.clone()]);
        let rows = wrap(&rows(&approval, approval.opened), width);
        let shown: Vec<_> = rows.iter().map(Row::text).collect();
        for row in &shown {
            prop_assert!(!row.chars().any(gateway_core::visible::is_hidden), "{row:?}");
            let wide = row.chars().map(|it| if it.is_ascii() { 1 } else { 2 });
            prop_assert!(wide.sum::<usize>() <= width, "{row:?}");
        }
        let ends = shown.iter().filter(|row| row.starts_with("── end"));
        prop_assert_eq!(ends.count(), 1, "{:#?}", shown);
        let inside = shown.iter().filter_map(|row| {
            let new = row.strip_prefix(BAR).map(|row| format!("\n{row}"));
            new.or_else(|| row.strip_prefix(MORE).map(str::to_owned))
        });
        let expected = format!("\n{}\n{}", block(&text, 0), block(&value, 0));
        prop_assert_eq!(inside.collect::<String>(), expected);
    }
}
