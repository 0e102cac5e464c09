//! That the rules which are found are those that may be about an action, all of them and in order.

use super::*;
use crate::policy::compile::Rule;
use crate::policy::model::Effect;
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
        let action = if n % 7 == 3 { "deny" } else { "allow" };
        let who = ["", "workload = 'planner'", "workload = 'w*'"][n % 3];
        let table = ["a", "b", "*", "public.*", "t?", "pg_catalog.*"][n / 4 % 6];
        format!(
            "[[rule]]\nname = 'r{n}'\naction = '{action}'\n{who}\n\
             match = {{ verb = {verb}, table = '{table}', statements = {} }}\n",
            1 + n % 2
        )
    };
    (0..150).map(rule).collect()
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
                    (Effect::Allow, &table.allows),
                ] {
                    let is_about = |rule: &&Rule| {
                        let names = rule.workloads.as_deref();
                        rule.values & verb != 0
                            && names.is_none_or(|names| names.contains(&workload))
                    };
                    let expected = rules.iter().filter(is_about).map(|rule| &rule.name);
                    let found = table.about(effect, verb, &workload).map(|rule| &rule.name);
                    let found: Vec<_> = found.collect();
                    assert_eq!(found, expected.collect::<Vec<_>>());
                    seen = found.len().max(seen);
                }
            }
        }
    }
    assert!(seen > 64, "{seen}");
}
