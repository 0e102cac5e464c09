//! What masks look for in values, and what is said of those that are wrong.

use super::loading::said;
use super::*;
use crate::mask::Kind;

fn mask(rest: &str) -> Vec<String> {
    said(&format!("[[mask]]\nname = 'm'\n{rest}"))
}

#[test]
fn what_is_looked_for_everywhere_is_apart_from_columns() {
    let rules = "
        [[mask]]
        name = 'net'
        except_group = 'agents'
        detector = ['email', { name = 'badge', regex = 'B-[0-9]+', context = 'staff' }]
        [[mask]]
        name = 'more'
        detector = 'card'
        kind = 'hash'
        [[mask]]
        name = 'notes'
        column = '*.notes.body'
        detector = 'phone'
    ";
    assert!(mask("detector = 'email'").is_empty());
    let engine = engine(rules);
    let set = engine.masks(&subject("writer"), &flow(Some("orders-db")));
    assert!(set.has_columns());
    let text = "B-1 of staff, ann@example.org, 4111111111111111, +4930123456";
    let found = |set: &crate::mask::MaskSet| {
        let mut memory = crate::mask::screen::Memory::default();
        let mut screening = crate::mask::screen::Screening {
            screen: set.screen().unwrap(),
            key: None,
            memory: &mut memory,
        };
        let around = crate::mask::screen::Around::Nothing;
        let made = screening.text(text, "text", around);
        (made, memory.counts.into_keys().collect::<Vec<_>>())
    };
    let (made, names) = found(&set);
    let expected = "**** of staff, a****@*****.org, ****, +4930123456";
    assert_eq!(made, crate::mask::screen::Found::Text(expected.to_owned()));
    assert_eq!(names, ["badge", "card", "email"]);
    let set = engine.masks(&subject("planner"), &flow(Some("orders-db")));
    assert_eq!(found(&set).1, ["card"]);
    let within = set.masks().last().unwrap();
    assert_eq!(within.kind, Kind::Full);
    assert!(within.within.is_some());
}

#[test]
fn what_is_looked_for_everywhere_refuses_nothing() {
    let only = engine("[[mask]]\nname = 'm'\ndetector = 'email'");
    let set = only.masks(&subject("planner"), &flow(Some("orders-db")));
    assert!(!set.has_columns() && set.screen().is_some());
    // Its names for rules stay free.
    let rule = "[[rule]]\nname = 'mask m'\naction = 'deny'\nworkload = 'planner'";
    assert!(mask(&format!("detector = 'email'\n{rule}")).is_empty());
}

#[test]
fn detectors_that_are_wrong_do_not_load() {
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!([
            mask("detector = 'emial'"),
            mask("detector = []"),
            mask("detector = [1]"),
            mask("detector = ['card', 'card']"),
            mask("detector = [{ name = 'x' }]"),
            mask("detector = [{ regex = 'x' }]"),
            mask("detector = [{ name = 'x', regex = '(' }]"),
            mask("detector = [{ name = 'x', regex = 'x*' }]"),
            mask("detector = [{ name = 'card', regex = 'x' }]"),
            mask("detector = [{ name = 'a b', regex = 'x' }]"),
            mask("detector = [{ name = 'x', regexp = 'x' }]"),
            mask("detector = [{ name = 'x', regex = 'x', context = [] }]"),
            mask("detector = 'card'\nkind = 'bucket'\nbucket = 10"),
            mask("detector = 'card'\nkeep = 'email'"),
            mask("detector = 'card'\nkind = 'partial'"),
            mask("detector = 'card'\njson = '$.a'"),
            mask("detector = 'card'\nmasked_in_predicate = 'allow'\nreason = 'r'"),
            mask("column = '*.*.x'"),
        ]
        .concat()
        .join("\n"));
    });
}
