//! That the rules which are found are those that may be about an action, all of them and in order.

use proptest::prelude::*;

use super::*;
use crate::policy::case::Reading;
use crate::policy::index::Sought;
use crate::policy::model::Effect;
use crate::policy::table::Rule;
use crate::sql::postgres::VERBS;

/// More rules than fit into a word of bits.
pub(super) fn many() -> String {
    let rule = |n: usize| {
        let verb = [
            "'select'",
            "'insert'",
            "['update', 'delete']",
            "{ not = 'drop' }",
        ][n % 4];
        let action = match n % 14 {
            3 => "action = 'deny'",
            10 => "action = 'approve'\napprovers = ['owners']",
            _ => "action = 'allow'",
        };
        let who = ["", "workload = 'planner'", "workload = 'w*'"][n % 3];
        let table = ["a", "b", "*", "public.*", "t?", "pg_catalog.*"][n / 4 % 6];
        format!(
            "[[rule]]\nname = 'r{n}'\n{action}\n{who}\n\
             match = {{ verb = {verb}, table = '{table}', statements = {} }}\n",
            1 + n % 2
        )
    };
    (0..150).map(rule).collect()
}

/// What rules write out, in all ways that are told apart: few values, so that they meet.
fn any_rule() -> impl Strategy<Value = String> {
    let name = || {
        prop::sample::select(vec![
            "'a'",
            "'b'",
            "'c'",
            "'public.a'",
            "'s.a'",
            "'public.b'",
            "'a*'",
            "'*'",
            "'s.*'",
            "{ regex = 'public.(a|b)' }",
        ])
    };
    let names = || {
        let several = prop::collection::vec(name(), 0..3).prop_map(|it| it.join(", "));
        let list = several.prop_map(|it| format!("[{it}]"));
        let not = name().prop_map(|it| format!("{{ not = {it} }}"));
        prop_oneof![6 => name().prop_map(str::to_owned), 4 => list, 1 => not]
    };
    let verb = prop::sample::select(vec![
        "",
        "verb = 'select', ",
        "verb = ['delete', 'select'], ",
        "verb = { not = 'drop' }, ",
    ]);
    let over = prop::sample::select(vec!["table", "table", "function", "write", "setting"]);
    let who = prop::sample::select(vec!["", "workload = 'planner'\n", "group = 'agents'\n"]);
    let action = prop::sample::select(vec![
        "allow",
        "allow",
        "approve'\napprovers = ['owners']\nreason = '",
        "deny",
    ]);
    let rule = (action, who, verb, over, names(), prop::bool::ANY);
    rule.prop_map(|(action, who, verb, over, names, observe)| {
        let mode = if observe { "observe" } else { "enforce" };
        let names = if over == "setting" {
            "['search_path', 'role']"
        } else {
            &names
        };
        format!("action = '{action}'\n{who}mode = '{mode}'\nmatch = {{ {verb}{over} = {names} }}\n")
    })
}

const TEXTS: &[&str] = &[
    "SELECT 1",
    "SELECT FROM a",
    "SELECT a(), b() FROM s.a, b",
    "SELECT FROM a, c, public.b",
    "DELETE FROM a",
    "DELETE FROM s.b WHERE EXISTS (TABLE a)",
    "SET search_path = x",
    "DROP TABLE a CASCADE",
    "SELEC",
    "DO 'x'",
];

proptest! {
    #[test]
    fn only_rules_that_cannot_hold_are_left_out(
        rules in prop::collection::vec(any_rule(), 0..80),
        text in prop::sample::select(TEXTS),
        path in prop::sample::select(vec![
            SearchPath::Unknown,
            SearchPath::default(),
            SearchPath::of(["s", "public"]),
        ]),
        workload in prop::sample::select(vec!["planner", "writer", "stranger"]),
    ) {
        let numbered = rules.iter().enumerate();
        let file = numbered.map(|(n, rule)| format!("[[rule]]\nname = 'r{n}'\n{rule}"));
        let Ok((engine, _)) = load(&file.collect::<String>()) else {
            return Err(TestCaseError::fail("the rules do not load"));
        };
        let session = Session { search_path: path, ..Session::default() };
        let units = Script::read(text.as_bytes(), &session).resolve(|_| None);
        let subject = subject(workload);
        let resource = ResourceName::new("orders-db");
        let facts = Facts { stage: Stage::Action(Arc::clone(&units)), connection: connection() };
        let actor = Actor::new(&subject.workload, &subject.groups);
        let case = engine.case(&actor, &resource, &facts, NOW);
        let case = case.unwrap();
        let table = case.table();
        for unit in units.iter().map(Some).chain([None]) {
            let sought = case.sought(unit);
            for (effect, all) in [
                (Effect::Deny, &table.denies),
                (Effect::Approve, &table.approves),
                (Effect::Allow, &table.allows),
            ] {
                let found: Vec<&Rule> = table.about(effect, &sought).collect();
                let mut places = found.iter().map(|rule| all.iter().position(|it| std::ptr::eq(it, *rule)));
                prop_assert!(places.by_ref().is_sorted());
                for rule in all {
                    let holds = case.covers(rule)
                        && match effect {
                            Effect::Approve => case.asks(rule, unit),
                            _ => case.obstacle(rule, Reading::of(effect), unit).is_none(),
                        };
                    let is_found = found.iter().any(|it| std::ptr::eq(*it, rule));
                    prop_assert!(is_found || !holds, "{} is left out of {text}", rule.name);
                }
            }
        }
    }
}

/// That an index is worth something: of rules for one table each, few are looked at.
#[test]
fn rules_are_found_by_table() {
    let rule = |n: usize| {
        let action = if n.is_multiple_of(2) { "allow" } else { "deny" };
        format!(
            "[[rule]]\nname = 'r{n}'\naction = '{action}'\nmatch = {{ table = 'public.t{n}' }}\n"
        )
    };
    let globs = "[[rule]]\nname = 'all'\naction = 'allow'\nmatch = { table = 't*' }\n\
                 [[rule]]\nname = 'team'\naction = 'allow'\nmatch = { table = ['team.*', 't7'] }\n";
    let rules: String = (0..200).map(rule).collect();
    let engine = engine(&format!("{rules}{globs}"));
    let looked_at = |sql: &str| {
        let units = Script::read(sql.as_bytes(), &Session::default()).resolve(|_| None);
        let subject = subject("planner");
        let resource = ResourceName::new("orders-db");
        let facts = Facts {
            stage: Stage::Action(Arc::clone(&units)),
            connection: connection(),
        };
        let actor = Actor::new(&subject.workload, &subject.groups);
        let case = engine.case(&actor, &resource, &facts, NOW);
        let case = case.unwrap();
        let sought = case.sought(units.first());
        let of = |effect| case.table().about(effect, &sought);
        let all = of(Effect::Deny).chain(of(Effect::Allow));
        all.map(|rule| rule.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(looked_at("TABLE t7"), ["r7", "all", "team"]);
    assert_eq!(looked_at("TABLE team.x"), ["all", "team"]);
    assert_eq!(looked_at("TABLE t8"), ["r8", "all"]);
    assert_eq!(looked_at("SELECT FROM t7, t9, t8"), ["r7", "r9", "all"]);
    assert_eq!(looked_at("SELECT 1"), ["all"]);
    assert_eq!(looked_at("DO 'x'").len(), 202);
}

#[test]
fn rules_are_found_by_verb_and_workload() {
    let engine = engine(&many());
    let mut seen = 0;
    for table in engine.tables() {
        let verbs = (0..VERBS.len()).map(|place| 1 << place);
        for verb in verbs.chain([u128::MAX]) {
            for workload in ["planner", "writer", "stranger"].map(WorkloadName::new) {
                for (effect, rules) in [
                    (Effect::Deny, &table.denies),
                    (Effect::Approve, &table.approves),
                    (Effect::Allow, &table.allows),
                ] {
                    let is_about = |rule: &&Rule| {
                        let names = rule.who.workloads.as_deref();
                        rule.values & verb != 0
                            && names.is_none_or(|names| names.contains(&workload))
                    };
                    let expected = rules.iter().filter(is_about).map(|rule| &rule.name);
                    let sought = Sought {
                        verb,
                        workload: &workload,
                        groups: &[GroupName::new("agents")],
                        unit: None,
                    };
                    let found = table.about(effect, &sought).map(|rule| &rule.name);
                    let found: Vec<_> = found.collect();
                    assert_eq!(found, expected.collect::<Vec<_>>());
                    seen = found.len().max(seen);
                }
            }
        }
    }
    assert!(seen > 64, "{seen}");
}
