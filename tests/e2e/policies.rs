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

#[test]
fn suggested_rules_allow_what_was_observed_and_no_more() {
    let gateway = gateway(&shop(
        "upstream = { tls = \"disable\" }\nmode = \"observe\"",
    ));
    let seen = [
        "SELECT count(*) FROM orders",
        "SELECT name FROM customers WHERE id = 1",
        "SELECT 1 FROM orders, customers",
        "BEGIN; SET LOCAL work_mem = '1MB'; COMMIT",
        "SET search_path = secret; TABLE keys",
        "TABLE keys",
    ];
    let arguments: Vec<&str> = seen.iter().flat_map(|text| ["-c", text]).collect();
    agent(&gateway, &psql(&arguments));
    gateway.wait_recordings(1).unwrap();
    let suggested = gateway.ask(["policy", "suggest", "--all"]).unwrap();
    assert!(
        suggested.contains("name = \"agent-shop-select\""),
        "{suggested}"
    );
    let enforced = shop("upstream = { tls = \"disable\" }").piece(&suggested);
    let file = gateway.path("suggested.toml");
    fs::write(&file, enforced.render(&gateway.path(""), gateway.port())).unwrap();
    let file = file.to_str().unwrap();
    let checked = gateway
        .call(["policy", "check", "--strict", "--config", file])
        .unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
    let replay = ["policy", "replay", "--all", "--json", "--policy", file];
    let (replayed, _) = json(&gateway, &replay);
    assert_eq!(replayed["not_judged"], 0, "{replayed}");
    let different = replayed["different"].as_array().unwrap();
    assert!(
        different.iter().all(|it| it["now"] == "allow"),
        "{replayed}\n{suggested}"
    );
    gateway.reload(&enforced).unwrap();
    agent(&gateway, &psql(&arguments));
    for unseen in [
        "SELECT sum(id) FROM orders",
        "SELECT name FROM customers FOR UPDATE",
        "SELECT * FROM totals",
        "DELETE FROM orders WHERE id = 1",
        "SET role = app",
    ] {
        let said = agent_fails(&gateway, &sql(unseen));
        assert!(said.contains("gateway: no rule allows"), "{unseen}: {said}");
    }
}
