//! The attempts by the gateway, with masks on all that is secret: where predicates over masked columns are
//! refused, where they pass, where definitions may not be changed either, and by somebody who is excepted.

use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::bounded;
use gateway_tests::sandbox::Sandbox;

use super::judge::{told, wrong};

use super::table::{Mode, Outcome, Row, rows};
use super::world::{answers, server, unguarded, version, with_databases};
use crate::credentials::secret;
use crate::stage::gateway;

/// Name, columns and kind of each mask.
const MASKS: [(&str, &str, &str); 7] = [
    (
        "emails",
        r#""public.customers.email", "public.visits.email", "public.members.email", "public.tenants.email""#,
        "kind = \"partial\"\nkeep = \"email\"",
    ),
    (
        "ssn",
        r#""public.customers.ssn", "public.accounts.code", "public.accounts.large", "public.accounts.small""#,
        "kind = \"full\"",
    ),
    ("card", r#""public.customers.card""#, "kind = \"hash\""),
    (
        "born",
        r#""public.customers.born""#,
        "kind = \"bucket\"\nbucket = \"year\"",
    ),
    (
        "profile",
        r#""public.customers.profile""#,
        "kind = \"full\"\njson = [\"$.contact.email\"]",
    ),
    (
        "token",
        r#""public.customers.token""#,
        "kind = \"pseudonym\"",
    ),
    ("tags", r#""public.customers.tags""#, "kind = \"full\""),
];

/// The heading of what shows a value only where definitions may be changed.
const REDEFINED: &str = "Definitions that are changed: ";

/// A gateway with the masks for all in the group `agents` but those in `dbas`.
pub(super) fn guarded(sandbox: &Sandbox, in_predicate: &str, redefined: &str) -> Gateway {
    let more = format!("masked_in_predicate = {in_predicate:?}\nmasked_redefined = {redefined:?}");
    let kinds = MASKS.map(|(name, columns, kind)| (name, columns, format!("{kind}\n{more}")));
    masked(sandbox, &kinds)
}

/// The same, of which nothing of any value is left.
pub(super) fn opaque(sandbox: &Sandbox) -> Gateway {
    let kinds = MASKS.map(|(name, columns, _)| (name, columns, "kind = \"full\"".to_owned()));
    masked(sandbox, &kinds)
}

fn masked(sandbox: &Sandbox, masks: &[(&str, &str, String)]) -> Gateway {
    let file = secret(sandbox, "password", "unused\n");
    let addresses = format!("127.0.0.1:{}", server().port());
    let more = "upstream = { tls = \"disable\" }\ncredential = \"masks\"";
    let mut policy = PolicyFile::new()
        .piece("[[workload]]\nname = \"dba\"\ngroups = [\"agents\", \"dbas\"]")
        .piece(&format!(
            "[[credential]]\nname = \"masks\"\nuser = \"app_trust\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .shop(&addresses, more);
    for (name, columns, more) in masks {
        policy = policy.piece(&format!(
            "[[mask]]\nname = {name:?}\nresource = \"shop\"\ngroup = \"agents\"\n\
             except_group = \"dbas\"\ncolumn = [{columns}]\n{more}"
        ));
    }
    gateway(&policy.allow_all())
}

/// Tries all rows, and complains of those that end otherwise than the table says.
fn all_end_as_the_table_says(in_predicate: &str, column: usize) {
    let sandbox = Sandbox::new("masks-password").unwrap();
    let rows = rows();
    let gateway = guarded(&sandbox, in_predicate, "allow");
    let through = with_databases(&rows, in_predicate);
    let by_gateway = answers(&through, |client| gateway.agent(client).unwrap());
    let mut wrongs = Vec::new();
    for ((attempt, direct), through) in through.iter().zip(unguarded()).zip(&by_gateway) {
        // What the server does not know shows nothing, whoever refuses it.
        let outcome = if attempt.row.is_known_to(version()) {
            attempt.row.outcomes[column]
        } else {
            Outcome::Closed
        };
        if let Some(complaint) = wrong(attempt.row, outcome, direct, through) {
            wrongs.push(format!(
                "{}, {:?}: {complaint}",
                attempt.row.name, attempt.mode
            ));
        }
    }
    assert!(wrongs.is_empty(), "{}", wrongs.join("\n"));
}

#[test]
fn no_attempt_shows_a_value_where_predicates_are_refused() {
    all_end_as_the_table_says("deny", 0);
}

#[test]
fn no_attempt_shows_a_value_where_predicates_pass() {
    all_end_as_the_table_says("allow", 1);
}

/// What changes definitions is tried in a database of its own.
#[test]
fn no_attempt_shows_a_value_where_definitions_are_kept() {
    let sandbox = Sandbox::new("masks-password").unwrap();
    let mut rows = rows();
    rows.retain(|row| row.is_own && row.is_known_to(version()));
    for row in &mut rows {
        row.modes.retain(|mode| *mode == Mode::Simple);
    }
    let gateway = guarded(&sandbox, "deny", "deny");
    let attempts = with_databases(&rows, "kept");
    let answers = answers(&attempts, |client| gateway.agent(client).unwrap());
    for (attempt, answer) in attempts.iter().zip(&answers) {
        let Row { name, outcomes, .. } = attempt.row;
        let is_open = outcomes[0] == Outcome::Open && !name.starts_with(REDEFINED);
        let told = told(attempt.row, answer).filter(|_| !is_open);
        assert_eq!(told, None, "{name}: {}", answer.shown());
    }
    let refused = answers.iter().filter(|answer| answer.is_refused());
    assert!(refused.count() > 50, "{}", answers.len());
}

#[test]
fn who_is_excepted_sees_the_values() {
    let sandbox = Sandbox::new("masks-password").unwrap();
    let gateway = guarded(&sandbox, "deny", "deny");
    let mut rows = rows();
    rows.retain(|row| row.name.starts_with("Values as they are: "));
    let attempts = with_databases(&rows, "dba");
    let run = |client: &Command| bounded(&gateway.run("dba", client)).output().unwrap();
    for (attempt, answer) in attempts.iter().zip(answers(&attempts, run)) {
        let Row { name, .. } = attempt.row;
        assert!(
            told(attempt.row, &answer).is_some(),
            "{name}: {}",
            answer.shown()
        );
    }
}
