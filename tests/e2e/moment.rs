//! Rules that look at what the session has done by then, with real clients and in a real pipeline.

use gateway_tests::policy_file::PolicyFile;

use crate::stage::{agent, agent_fails, gateway, never_logged, psql, python_client, server, shop};

fn with(rule: &str) -> PolicyFile {
    let rule = format!("[[rule]]\nname = \"no-more\"\naction = \"deny\"\n{rule}");
    shop("upstream = { tls = \"disable\" }")
        .piece(&rule)
        .allow_all()
}

#[test]
fn rows_so_far_and_transactions_decide() {
    let gateway = gateway(&with("match = { \"session.rows\" = { min = 50 } }"));
    let few = "SELECT generate_series(1, 49)";
    let many = "SELECT generate_series(1, 50)";
    let shown = agent(&gateway, &psql(&["-qAt", "-c", few, "-c", "SELECT 'few'"]));
    assert!(shown.contains("few"), "{shown}");
    let no = agent_fails(
        &gateway,
        &psql(&["-qAt", "-c", many, "-c", "SELECT 'too many'"]),
    );
    assert!(no.contains("Refused by rule \"no-more\"."), "{no}");
    never_logged(server(), "SELECT 'too many'");
    let asked = ["policy", "explain", "--as", "agent", "--resource", "shop"];
    let explain = |rows: &str| {
        let fact = format!("session.rows={rows}");
        let more = ["--fact", &fact, "SELECT 1"];
        gateway.ask([&asked[..], &more].concat()).unwrap()
    };
    assert!(explain("50").starts_with("DENIED by rule no-more"));
    assert!(explain("49").starts_with("allowed"), "{}", explain("49"));
}

#[test]
fn a_pipeline_is_decided_statement_by_statement() {
    let rule = "match = { kind = \"write\", transaction = { not = \"open\" } }\n\
                [[rule]]\nname = \"no-rows\"\naction = \"deny\"\nwhen = 'session.rows >= 50'";
    let gateway = gateway(&with(rule));
    let conninfo = server().conninfo("127.0.0.1", "app");
    let shown = agent(&gateway, &python_client("moment.py", &conninfo));
    assert!(shown.contains("decided"), "{shown}");
    never_logged(server(), "SELECT 'beyond'");
}
