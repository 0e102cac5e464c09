//! Which facts a pattern matches.

use super::*;

#[test]
fn patterns() {
    let with = |pattern: &str| {
        engine(&format!(
            "[[rule]]\nname = \"r\"\naction = \"allow\"\nmatch = {{ {pattern} }}"
        ))
    };
    let yes = |pattern: &str, sql: &str| check(&with(pattern), sql, "allow r");
    let no = |pattern: &str, sql: &str| {
        let units = Arc::clone(&Script::read(sql.as_bytes(), &Session::default()).units);
        let decision = decide(&with(pattern), "planner", "orders-db", Stage::Action(units));
        assert!(
            matches!(decision.verdict, Verdict::Deny(_)),
            "{pattern} on {sql}"
        );
    };
    yes("table = '*.orders'", "TABLE s.orders");
    yes("table = 'ord*'", "TABLE s.orders");
    yes("table = { regex = 'public\\.(a|b)' }", "SELECT FROM a, b");
    no("table = { regex = 'public\\.(a|b)' }", "SELECT FROM a, ab");
    yes("table = { not = 'secrets' }", "SELECT FROM a, b");
    yes("table = { not = 'secrets' }", "SELECT 1");
    no("table = { not = 'secrets' }", "SELECT FROM a, secrets");
    yes("table = []", "SELECT 1");
    no("table = []", "TABLE a");
    no("table = '*'", "SELECT 1");
    yes("table = { not = [] }", "TABLE a");
    no("table = { not = [] }", "SELECT 1");
    yes("where = true", "SELECT FROM a WHERE b");
    no("where = true", "INSERT INTO a VALUES (1)");
    yes("where = { not = true }", "INSERT INTO a VALUES (1)");
    yes("object = []", "SELECT 1");
    yes("object = { not = 'role' }", "DROP TABLE a");
    no("object = { not = 'role' }", "DROP ROLE a");
    yes("setting = 'work_*'", "SET work_mem = 1");
    no(
        "setting = 'work_*'",
        "SELECT set_config('ro' || 'le', 'x', true)",
    );
    yes("statements = [1, { min = 5 }]", "SELECT 1");
    no("statements = { max = 1 }", "SELECT 1; SELECT 2");
    no("verb = 'SELECT*'", "SELECT 1");
    yes("verb = { not = ['drop', 'create'] }", "SELECT 1");
    no("verb = { not = ['drop', 'create'] }", "DROP TABLE a");
    yes(
        "sql.verb = 'select', sql.where = true",
        "SELECT FROM a WHERE b",
    );
}
