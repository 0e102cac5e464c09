//! What holds for any rules and any facts.

use proptest::prelude::*;

use super::bars::bars;
use super::*;

fn any_rule() -> impl Strategy<Value = String> {
    let pattern = prop::sample::select(vec![
        "",
        "verb = 'select'",
        "verb = { not = 'select' }",
        "table = 'a'",
        "table = 'public.*'",
        "table = { not = 's.*' }",
        "where = true",
        "where = false",
        "function = 'f'",
        "table = []",
        "parsed = false",
        "kind = 'write'",
        "user = 'agent'",
        "statements = { min = 2 }",
    ]);
    let when = prop::sample::select(vec![
        "",
        "",
        "has(sql.where) && sql.where",
        "!(sql.verb in [\"select\", \"begin\"])",
        "sql.table.all(t, t.startsWith(\"public.\"))",
        "sql.table.exists(t, t == \"s.a\") ? sql.where : size(sql.function) == 0",
        "\"public.a\" in sql.write || sql.user != \"agent\"",
        "sql.statements < 2 != (sql.kind == \"read\")",
        "sql.user == \"agent\" && subject.groups.exists(g, g.matches(\"^ag\"))",
    ]);
    let patterns = prop::collection::hash_set(pattern, 0..3);
    let action = prop::sample::select(vec!["allow", "allow", "approve", "deny"]);
    let who = prop::sample::select(vec![
        "",
        "",
        "issuer = 'corp'",
        "issuer = 'corp'\nclaims = { team = 'data' }",
    ]);
    let rule = (action, patterns, prop::bool::ANY, when, who);
    rule.prop_map(|(action, patterns, observe, when, who)| {
        let mut keys = std::collections::HashSet::new();
        let patterns: Vec<_> = patterns
            .into_iter()
            .filter(|it| !it.is_empty() && keys.insert(it.split(' ').next()))
            .collect();
        let by = match action {
            "approve" => "approvers = ['owners']\n",
            _ => "",
        };
        let mode = if observe { "observe" } else { "enforce" };
        format!(
            "action = '{action}'\n{who}\n{by}mode = '{mode}'\nmatch = {{ {} }}\n{}",
            patterns.join(", "),
            if when.is_empty() {
                String::new()
            } else {
                format!("when = '{when}'\n")
            }
        )
    })
}

fn file(rules: &[String]) -> String {
    let numbered = rules.iter().enumerate();
    numbered
        .map(|(n, rule)| format!("[[rule]]\nname = 'r{n}'\n{rule}"))
        .collect()
}

/// What is decided, the better for who asks the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Luck {
    Denied,
    Held,
    Allowed,
}

fn luck(rules: &[String], stage: &Stage) -> Luck {
    let decision = decide(&engine(&file(rules)), "planner", "orders-db", stage.clone());
    match decision.verdict {
        Verdict::Deny(_) => Luck::Denied,
        Verdict::Hold(_) => Luck::Held,
        Verdict::Allow(_) => Luck::Allowed,
    }
}

/// The same rule with another action.
fn acting(rule: &str, action: &str) -> String {
    let rest = rule
        .lines()
        .filter(|line| !line.starts_with("action") && !line.starts_with("approvers"));
    let by = match action {
        "approve" => "approvers = ['owners']\n",
        _ => "",
    };
    let rest: Vec<_> = rest.collect();
    format!("action = '{action}'\n{by}{}\n", rest.join("\n"))
}

const TEXTS: &[&str] = &[
    "SELECT 1",
    "SELECT f() FROM a",
    "TABLE s.a",
    "DELETE FROM a WHERE b",
    "DELETE FROM s.a",
    "SELECT 1; TABLE b",
    "DO 'x'",
    "SELEC",
    "DROP TABLE a CASCADE",
    "EXECUTE p",
    "BEGIN",
];

const WHO: &[&str] = &["", "", "group = 'agents'\n", "workload = 'writer'\n"];

proptest! {
    #[test]
    fn more_deny_rules_never_allow_more(
        rules in prop::collection::vec(any_rule(), 0..6),
        another in any_rule(),
        text in prop::sample::select(TEXTS),
    ) {
        let units = Arc::clone(&Script::read(text.as_bytes(), &Session::default()).units);
        for stage in [Stage::Action(units), Stage::Connect] {
            let before = luck(&rules, &stage);
            let with = |rule| luck(&[rules.clone(), vec![rule]].concat(), &stage);
            prop_assert!(with(acting(&another, "deny")) <= before);
            let mut backwards = rules.clone();
            backwards.reverse();
            prop_assert_eq!(before, luck(&backwards, &stage));
        }
    }

    #[test]
    fn more_rules_that_hold_never_let_pass_without_people(
        rules in prop::collection::vec(any_rule(), 0..6),
        another in any_rule(),
        text in prop::sample::select(TEXTS),
    ) {
        // One in observe mode holds nothing, and lets pass what it matches.
        let another = acting(&another, "approve").replace("observe", "enforce");
        let units = Arc::clone(&Script::read(text.as_bytes(), &Session::default()).units);
        let stage = Stage::Action(units);
        let after = luck(&[rules.clone(), vec![another]].concat(), &stage);
        prop_assert!(after <= luck(&rules, &stage).max(Luck::Held));
    }

    #[test]
    fn knowing_less_never_allows_more(
        rules in prop::collection::vec(any_rule(), 0..6),
        text in prop::sample::select(TEXTS),
        slot in 3..ATTRIBUTES.len(),
    ) {
        let units = Script::read(text.as_bytes(), &Session::default()).units.to_vec();
        let mut less = units.clone();
        less.iter_mut().for_each(|unit| unit.set(slot, Fact::Unknown));
        // A rule for what could not be read may allow it.
        prop_assume!(!rules.iter().any(|rule| rule.contains("parsed")));
        let before = luck(&rules, &Stage::Action(units.into()));
        prop_assert!(luck(&rules, &Stage::Action(less.into())) <= before);
    }

    #[test]
    fn what_is_barred_is_refused(
        rules in prop::collection::vec(any_rule(), 0..4),
        restricted in prop::collection::vec(prop::sample::select(WHO), 4),
        workload in prop::sample::select(vec!["planner", "writer"]),
        resource in prop::sample::select(vec!["orders-db", "trial-db", "elsewhere"]),
    ) {
        let rules: Vec<_> = rules
            .iter()
            .zip(restricted)
            .map(|(rule, who)| format!("{who}{rule}"))
            .collect();
        let engine = engine(&file(&rules));
        let barred = bars(&engine, workload, resource).is_some();
        let decision = decide(&engine, workload, resource, Stage::Connect);
        prop_assert!(!barred || matches!(decision.verdict, Verdict::Deny(_)));
    }
}
