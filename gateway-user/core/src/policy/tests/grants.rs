//! What comes with a resource: its host's name may be looked up by who may use it; and what an
//! allow rule stands for that leaves a fact open.

use super::{File, NOW, flow, subject};
use crate::ids::{PolicyDigest, ResourceName, WorkloadName};
use crate::policy::decision::Verdict;
use crate::policy::diagnostic::Diagnostic;
use crate::policy::engine::{Engine, Grant, Inventory, Ordinary, Resource};
use crate::policy::model::Mode;
use crate::protocols::{dns, postgres};

/// Whether `workload` may look up `name`, and by which rule.
fn check(rules: &str, workload: &str, name: &str, kind: u8, expected: (bool, Option<&str>)) {
    let resource = |name: &str, protocol| Resource {
        name: ResourceName::new(name),
        protocol,
        mode: Mode::Enforce,
    };
    let inventory = Inventory {
        resources: vec![
            resource("orders-db", &postgres::PROTOCOL),
            resource("dns", &dns::PROTOCOL),
        ],
        workloads: ["planner", "writer"].map(WorkloadName::new).into(),
        unwritten: vec![ResourceName::new("dns")],
        grants: vec![Grant {
            of: ResourceName::new("orders-db"),
            on: ResourceName::new("dns"),
            fact: "dns.name",
            values: vec!["db.internal".to_owned()],
        }],
        ordinary: vec![Ordinary {
            on: ResourceName::new("dns"),
            fact: "dns.type",
            values: vec!["a".to_owned(), "aaaa".to_owned()],
        }],
        ..Inventory::default()
    };
    let file: File = toml::from_str(rules).unwrap();
    let compiled = Engine::compile(&inventory, &file.rule, &[], PolicyDigest::new("digest"));
    let (engine, warnings) = compiled.unwrap();
    let is_right = |it: &Diagnostic| it.message.ends_with("never takes effect");
    assert!(warnings.iter().all(is_right), "{warnings:?}");
    let question = dns::wire::Question {
        name: dns::name::Name::host(name).unwrap(),
        kind: kind.into(),
        class: 1,
    };
    let facts = dns::query::facts_of(&question);
    let decision = engine.decide(&subject(workload), &flow(Some("dns")), &facts, NOW);
    let is_allowed = matches!(decision.verdict, Verdict::Allow(_));
    let rule = decision.rule.as_ref().map(|rule| rule.as_str());
    assert_eq!(
        (is_allowed, rule),
        expected,
        "{workload} {name} {kind}\n{rules}"
    );
}

const READ: &str = "[[rule]]\nname = \"read\"\naction = \"allow\"\nworkload = \"planner\"\n\
    resource = \"orders-db\"\nmatch = { verb = \"select\" }\n";
const A: u8 = 1;
const TXT: u8 = 16;

#[test]
fn who_may_use_a_resource_may_look_up_its_host() {
    let yes = (true, Some("hosts of orders-db"));
    check(READ, "planner", "DB.internal", A, yes);
    check(READ, "writer", "db.internal", A, (false, None));
    check(READ, "planner", "other.internal", A, (false, None));
    check(READ, "planner", "db.internal", TXT, (false, None));
    check("", "planner", "db.internal", A, (false, None));
}

#[test]
fn deny_rules_beat_what_comes_with_a_resource() {
    let no = |more: &str| format!("{READ}[[rule]]\nname = \"no\"\naction = \"deny\"\n{more}\n");
    let names = no("match = { name = \"*.internal\" }");
    check(&names, "planner", "db.internal", A, (false, Some("no")));
    let off = no("resource = \"orders-db\"");
    check(&off, "planner", "db.internal", A, (false, None));
    let some = no("resource = \"orders-db\"\nmatch = { verb = \"delete\" }");
    let yes = (true, Some("hosts of orders-db"));
    check(&some, "planner", "db.internal", A, yes);
}

#[test]
fn rules_that_name_no_type_stand_for_the_ordinary_ones() {
    let rule = |matching: &str| {
        format!("[[rule]]\nname = \"names\"\naction = \"allow\"\nmatch = {matching}\n")
    };
    let yes = (true, Some("names"));
    let names = rule("{ name = \"*.example\" }");
    check(&names, "planner", "www.example", A, yes);
    check(&names, "planner", "www.example", TXT, (false, None));
    let txt = rule("{ name = \"*.example\", type = [\"txt\", \"a\"] }");
    check(&txt, "planner", "www.example", TXT, yes);
    check(&txt, "planner", "example", A, (false, None));
}

#[test]
fn a_rule_for_everything_is_not_for_what_nobody_wrote_down() {
    let rule = |more: &str| format!("[[rule]]\nname = \"all\"\naction = \"allow\"\n{more}\n");
    check(&rule(""), "writer", "www.example", A, (false, None));
    let yes = (true, Some("all"));
    check(&rule("resource = \"dns\""), "writer", "www.example", A, yes);
    check(&rule("resource = \"*\""), "writer", "www.example", A, yes);
    check(
        &rule("match = { name = \"*\" }"),
        "writer",
        "www.example",
        A,
        yes,
    );
    let no = format!("{READ}[[rule]]\nname = \"no\"\naction = \"deny\"\n");
    check(&no, "planner", "db.internal", A, (false, Some("no")));
}
