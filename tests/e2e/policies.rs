//! What `gateway policy` says is what happens to agents, and happened.

use std::fs;

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::said;
use serde_json::Value;

use crate::stage::{agent, agent_fails, gateway, open_gateway, psql, shop, sql};

fn rules() -> PolicyFile {
    shop("upstream = { tls = \"disable\" }")
        .rule(
            "reads",
            "allow",
            "match = { kind = [\"read\", \"session\"], table = { not = \"customers\" } }",
        )
        .rule(
            "narrow",
            "deny",
            "match = { verb = \"select\" }\nwhen = 'size(sql.table) > 1'\nreason = \"one table at a time\"",
        )
}

/// What a command prints as JSON, and its exit status.
fn json(gateway: &Gateway, arguments: &[&str]) -> (Value, Option<i32>) {
    let ran = gateway.call(arguments).unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    let value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {}", said(&ran)));
    (value, ran.status.code())
}

#[test]
fn what_is_explained_is_what_agents_see() {
    let gateway = gateway(&rules());
    for statement in [
        "SELECT count(*) FROM orders",
        "SELECT name FROM customers",
        "SELECT 1 FROM orders, totals",
        "DELETE FROM orders",
        "SELEC",
    ] {
        let who = ["policy", "explain", "--as", "agent", "--resource", "shop"];
        let asked = ["--user", "app", "--json", statement];
        let (told, status) = json(&gateway, &[&who[..], &asked[..]].concat());
        assert_eq!(status, Some(0));
        if told["ruling"] == "allow" {
            agent(&gateway, &sql(statement));
        } else {
            let seen = agent_fails(&gateway, &sql(statement));
            let reason = told["reason"].as_str().unwrap();
            assert!(
                seen.contains(&format!("gateway: {reason}")),
                "{seen}\n{told}"
            );
        }
    }
}

#[test]
fn recorded_sessions_are_judged_by_another_policy() {
    let gateway = open_gateway();
    let texts = [
        "SELECT count(*) FROM orders",
        "SELECT name FROM customers",
        "PREPARE p AS SELECT id FROM orders",
        "EXECUTE p",
        "SELECT 1; SELECT 2",
        "SET search_path = secret; TABLE keys",
        "TABLE keys",
    ];
    let arguments: Vec<&str> = texts.iter().flat_map(|text| ["-c", text]).collect();
    agent(&gateway, &psql(&arguments));
    gateway.wait_recordings(1).unwrap();

    let (same, status) = json(&gateway, &["policy", "replay", "--all", "--json"]);
    assert_eq!(status, Some(0), "{same}");
    assert_eq!(
        same["different"].as_array().map(Vec::len),
        Some(0),
        "{same}"
    );
    // What was prepared by another message is not in the text.
    assert_eq!(same["not_judged"], 1, "{same}");
    // The start, and each other text.
    assert_eq!(same["judged"], 7, "{same}");

    let stricter = gateway.path("stricter.toml");
    fs::write(&stricter, rules().render(&gateway.path(""), gateway.port())).unwrap();
    let stricter = stricter.to_str().unwrap();
    let replay = ["policy", "replay", "--all", "--json", "--policy", stricter];
    let (changed, status) = json(&gateway, &replay);
    assert_eq!(status, Some(1), "{changed}");
    let different = changed["different"].as_array().unwrap();
    let denied: Vec<_> = different.iter().map(|it| it["text"].as_str()).collect();
    let expected = ["SELECT name FROM customers"];
    assert_eq!(denied, expected.map(Some), "{changed}");
    assert!(
        different
            .iter()
            .all(|it| it["before"] == "allow" && it["now"] == "deny")
    );
}
