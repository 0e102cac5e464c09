//! Masks: whom they are for, what is refused because of them, and what is said of those that are wrong.

use super::loading::said;
use super::*;
use crate::ids::MaskName;
use crate::mask::{Bucket, Kind, Partial};
use crate::protocols::postgres::script::with_masks;
use crate::sql::postgres::lineage::{Masks, Statement};

const EMAILS: &str = r#"
    [[rule]]
    name = "reads"
    action = "allow"
    workload = "planner"
    match = { verb = "select" }
    [[mask]]
    name = "emails"
    column = "*.*.email"
    kind = "partial"
    keep = "email"
    reason = "personal data"
"#;

fn known(names: &[&str]) -> Masks {
    Masks::Known(names.iter().copied().map(MaskName::new).collect())
}

fn check(rules: &str, workload: &str, (probed, copied): (Masks, Masks), expected: &str) {
    let statement = Statement {
        probed,
        copied,
        ..Statement::default()
    };
    check_statement(rules, workload, &statement, expected);
}

fn check_statement(rules: &str, workload: &str, statement: &Statement, expected: &str) {
    let script = Script::read(b"SELECT 1", &Session::default());
    let units = with_masks(&script.units, &[statement]);
    let decision = decide(&engine(rules), workload, "orders-db", Stage::Action(units));
    assert_eq!(told(&decision), expected);
}

#[test]
fn what_gets_round_a_mask_is_refused() {
    let none = || known(&[]);
    let copied = "deny mask emails: it would put values that mask emails hides elsewhere than into a result: personal data";
    let probed = "deny mask emails in predicates: it compares or sorts by values that mask emails hides: personal data";
    check(EMAILS, "planner", (none(), none()), "allow reads");
    let others = (known(&["phones"]), known(&["phones"]));
    check(EMAILS, "planner", others, "allow reads");
    check(EMAILS, "planner", (none(), known(&["emails"])), copied);
    check(EMAILS, "planner", (known(&["emails"]), none()), probed);
    check(EMAILS, "planner", (none(), Masks::Unknown), copied);
    check(EMAILS, "planner", (Masks::Unknown, none()), probed);
}

#[test]
fn who_is_excepted_is_not_refused_whatever_is_unknown() {
    let rules = format!("{EMAILS}\nexcept_group = ['agents']");
    let unknown = (Masks::Unknown, Masks::Unknown);
    check(&rules, "planner", unknown, "allow reads");
    let engine = engine(&rules);
    let of = |workload| engine.masks(&subject(workload), &flow(Some("orders-db")));
    assert!(of("planner").masks().is_empty());
    assert_eq!(of("writer").masks().len(), 1);
}

#[test]
fn predicates_may_pass_or_wait() {
    let may = |word: &str| format!("{EMAILS}\nmasked_in_predicate = '{word}'");
    let probed = || (known(&["emails"]), known(&[]));
    check(&may("allow"), "planner", probed(), "allow reads");
    let wait = format!("{}\napprovers = ['owners']", may("approve"));
    check(&wait, "planner", probed(), "hold mask emails in predicates");
    // People agree to what is allowed, and a mask allows nothing.
    let denied = "deny no rule allows select";
    check(&wait, "writer", probed(), denied);
    let engine = engine(&wait);
    let start = decide(&engine, "writer", "orders-db", Stage::Connect);
    assert!(matches!(start.verdict, Verdict::Deny(_)));
}

#[test]
fn definitions_stay_what_they_are_unless_it_is_said() {
    let statement = Statement {
        redefined: known(&["emails"]),
        ..Statement::default()
    };
    let check = |more: &str, expected: &str| {
        check_statement(
            &format!("{EMAILS}\n{more}"),
            "planner",
            &statement,
            expected,
        );
    };
    let denied = "deny mask emails redefined: it may change what names in the database mean, and mask emails could not be kept then: personal data";
    check("", denied);
    check("masked_in_predicate = 'allow'", denied);
    check("masked_redefined = 'deny'", denied);
    check("masked_redefined = 'allow'", "allow reads");
    let waits = "masked_redefined = 'approve'\napprovers = ['owners']";
    check(waits, "hold mask emails redefined");
    check(
        &format!("{waits}\nmasked_in_predicate = 'allow'"),
        "hold mask emails redefined",
    );
}

#[test]
fn masks_are_for_whom_they_say() {
    let rules = "
        [[mask]]
        name = 'a'
        resource = 'orders-db'
        group = 'agents'
        column = 'public.*'
        kind = 'bucket'
        bucket = 100
        [[mask]]
        name = 'b'
        type = ['inet']
        kind = 'partial'
        keep = { last = 4 }
        json = ['$.a[*]']
    ";
    let engine = engine(rules);
    let names = |workload, resource| {
        let set = engine.masks(&subject(workload), &flow(resource));
        let names: Vec<_> = set.masks().iter().map(|it| it.name.to_string()).collect();
        names.join(" ")
    };
    assert_eq!(names("planner", Some("orders-db")), "a b");
    assert_eq!(names("writer", Some("orders-db")), "b");
    assert_eq!(names("planner", Some("users-db")), "b");
    assert_eq!(names("planner", None), "");
    assert_eq!(names("planner", Some("others")), "");
    let set = engine.masks(&subject("planner"), &flow(Some("orders-db")));
    let again = engine.masks(&subject("planner"), &flow(Some("orders-db")));
    assert!(std::sync::Arc::ptr_eq(&set, &again), "sessions share it");
    assert_eq!(set.masks()[0].kind, Kind::Bucket(Bucket::Width(100)));
    let keeps = Partial::Ends { first: 0, last: 4 };
    assert_eq!(set.masks()[1].kind, Kind::Partial(keeps));
    assert_eq!(set.masks()[1].json.len(), 1);
}

#[test]
fn masks_that_are_wrong_do_not_load() {
    let mask = |rest: &str| said(&format!("[[mask]]\nname = 'm'\n{rest}"));
    let full = |rest: &str| mask(&format!("column = '*.*.x'\nkind = 'full'\n{rest}"));
    let none: [&str; 0] = [];
    assert_eq!(full(""), none);
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!([
            mask("kind = 'full'"),
            mask("column = 'email'\nkind = 'full'"),
            mask("column = []\nkind = 'full'"),
            mask("type = ['integer']\nkind = 'full'"),
            mask("type = 'text'\nkind = 'ful'"),
            mask("type = 'text'\nkind = 'partial'"),
            mask("type = 'text'\nkind = 'partial'\nkeep = 'mail'"),
            mask("type = 'text'\nkind = 'partial'\nkeep = { frist = 1 }"),
            mask("type = 'text'\nkind = 'partial'\nkeep = { last = -1 }"),
            mask("type = 'text'\nkind = 'partial'\nkeep = { last = 0 }"),
            mask("type = 'text'\nkind = 'bucket'"),
            mask("type = 'text'\nkind = 'bucket'\nbucket = 0"),
            mask("type = 'text'\nkind = 'bucket'\nbucket = 'week'"),
            full("keep = 'email'"),
            full("bucket = 10"),
            full("json = []"),
            full("json = ['email']"),
            full("otherwise = 'pass'"),
            full("masked_in_predicate = 'ask'"),
            full("masked_in_predicate = 'approve'"),
            full("masked_in_predicate = 'approve'\napprovers = ['nobody']"),
            full("masked_redefined = 'ask'"),
            full("masked_redefined = 'approve'"),
            full("approvers = ['owners']"),
            full("resource = 'order-db'"),
            full("group = 'agent'"),
            full("except_group = 'dba'"),
            full("group = 'agents'\nexcept_group = 'agents'"),
            said("[[mask]]\nname = ''\ntype = 'a'\nkind = 'full'"),
            said("[[mask]]\nname = 'a*'\ntype = 'a'\nkind = 'full'"),
            said("[[mask]]\nname = 'a'\ntype = 'a'\nkind = 'full'\n[[mask]]\nname = 'a'\ntype = 'a'\nkind = 'full'"),
            said("[[rule]]\nname = 'mask a'\naction = 'deny'\n[[mask]]\nname = 'a'\ntype = 'a'\nkind = 'full'"),
        ]
        .concat()
        .join("\n"));
    });
}
