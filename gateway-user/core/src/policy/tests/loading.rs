//! What is said of a policy that is loaded.

use super::*;

/// What loading says, as `level "text": message (help)`.
pub(super) fn said(rules: &str) -> Vec<String> {
    let diagnostics = match load(rules) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    };
    diagnostics
        .iter()
        .map(|it| {
            let level = if it.level == Level::Error {
                "error"
            } else {
                "warning"
            };
            let help = it
                .help
                .as_deref()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            format!("{level} {}: {}{help}", &rules[it.span.clone()], it.message)
        })
        .collect()
}

#[test]
fn loading() {
    let rule = |rest: &str| {
        said(&format!(
            "[[rule]]\nname = \"r\"\naction = \"allow\"\n{rest}"
        ))
    };
    let none: [&str; 0] = [];
    assert_eq!(rule("match = { verb = 'select' }"), none);
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!([
            rule("match = { vreb = 'select' }"),
            rule("match = { 'sql.tabel' = 'x' }"),
            rule("match = { sql.tabel = 'x' }"),
            rule("match = { http.method = 'GET' }"),
            rule("match = { verb = 'selct' }"),
            rule("match = { verb = 'SELECT' }"),
            rule("match = { verb = ['select', 'delet'] }"),
            rule("match = { verb = true }"),
            rule("match = { where = 'yes' }"),
            rule("match = { table = 3 }"),
            rule("match = { table = '.x' }"),
            rule("match = { table = { regex = '(' } }"),
            rule("match = { table = { glob = 'x' } }"),
            rule("match = { statements = -1 }"),
            rule("match = { statements = { min = 3, max = 1 } }"),
            rule("match = { verb = { not = 'a', regex = 'b' } }"),
            rule("match = 'select'"),
            rule("resource = 'order-db'"),
            rule("resource = []"),
            rule("workload = ['plan*', 'zzz']"),
            rule("group = 'agent'"),
            rule("[[rule]]\nname = \"r\"\naction = \"deny\""),
        ].map(|lines| lines.join("\n")).join("\n"));
    });
}

#[test]
fn rules_that_never_take_effect() {
    let allow = |more: &str| format!("[[rule]]\nname = \"a\"\naction = \"allow\"\n{more}\n");
    let deny = |more: &str| format!("[[rule]]\nname = \"d\"\naction = \"deny\"\n{more}\n");
    let check = |rules: [&str; 2], expected: Option<&str>| {
        let rules = [allow(rules[0]), deny(rules[1])].concat();
        let expected = expected.map(|why| {
            format!("warning \"a\": rule `a` never takes effect (rule `d` denies {why})")
        });
        assert_eq!(said(&rules), Vec::from_iter(expected), "{rules}");
    };
    let everything = Some("everything, whatever is allowed");
    let the_same = Some("all that it allows");
    check(["", ""], everything);
    check(["match = { verb = 'select' }", ""], everything);
    check(["workload = 'planner'", ""], everything);
    check(["", "workload = 'planner'"], None);
    check(["workload = 'planner'", "workload = '*'"], everything);
    check(["", "resource = 'users-db'"], None);
    check(
        ["resource = 'users-db'", "resource = 'users-db'"],
        everything,
    );
    check(["", "group = 'agents'"], None);
    check(["", "mode = 'observe'"], None);
    let read = "match = { verb = ['select'], table = 'public.*' }";
    check([read, read], the_same);
    check([read, "match = { table = ['public.*'] }"], the_same);
    check([read, "match = { table = 'hr.*' }"], None);
    check(["match = { table = 'public.*' }", read], None);
    // Of a statement without tables the one holds and the other does not.
    let others = "match = { table = { not = 'public.*' } }";
    check([others, others], None);
}

#[test]
fn rules_of_the_wrong_shape_are_not_read() {
    let bad = |rules: &str| {
        toml::from_str::<File>(rules)
            .err()
            .unwrap()
            .message()
            .to_owned()
    };
    assert!(bad("[[rule]]\nname = 'a'\naction = 'alow'").contains("unknown variant `alow`"));
    assert!(
        bad("[[rule]]\nname = 'a'\naction = 'allow'\nverb = 'x'").contains("unknown field `verb`")
    );
    assert!(
        bad("[[rule]]\nname = 'a'\naction = 'allow'\nresource = [1]").contains("list of strings")
    );
}
