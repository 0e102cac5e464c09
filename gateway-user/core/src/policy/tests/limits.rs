//! Which limits are for whom and what, and what is wrong with some.

use super::claims::identity;
use super::*;
use crate::policy::limit::{self, LimitSpec};

#[derive(Deserialize)]
struct Limits {
    limit: Vec<Spanned<LimitSpec>>,
}

fn compiled(limits: &str) -> (Vec<limit::Limit>, Vec<String>) {
    let file: Limits = toml::from_str(limits).unwrap();
    let (limits, wrong) = limit::compile(&inventory(), &file.limit);
    (limits, wrong.into_iter().map(|it| it.message).collect())
}

/// The limits that are for what somebody does somewhere.
fn about(limits: &str, workload: &str, resource: &str, sql: &str) -> Vec<String> {
    about_known(limits, &subject(workload), resource, sql)
}

fn about_known(limits: &str, subject: &Subject, resource: &str, sql: &str) -> Vec<String> {
    let (limits, wrong) = compiled(limits);
    assert_eq!(wrong, [""; 0]);
    let engine = engine("[[rule]]\nname = \"all\"\naction = \"allow\"").with_limits(limits);
    let units = Arc::clone(&Script::read(sql.as_bytes(), &Session::default()).units);
    let facts = Facts {
        stage: Stage::Action(units),
        connection: connection(),
    };
    let limits = engine.limits(subject, &flow(Some(resource)));
    let about = limits.about(&facts);
    about
        .map(|(limit, _)| format!("{}: {}", limit.name, limit.told().join(", ")))
        .collect()
}

#[test]
fn limits_are_for_those_they_name() {
    let limits = "
        [[limit]]
        name = 'all'
        time = '90s'
        [[limit]]
        name = 'reads'
        workload = 'planner'
        resource = 'orders-db'
        match = { kind = 'read' }
        rows = 1000
        bytes = '5MB'
    ";
    let all = ["all: 90 seconds"];
    let both = ["all: 90 seconds", "reads: 1,000 rows, 5 MB"];
    let about = |workload, resource, sql| about(limits, workload, resource, sql);
    assert_eq!(about("planner", "orders-db", "SELECT 1"), both);
    assert_eq!(about("planner", "orders-db", "BEGIN; SELECT 1"), both);
    assert_eq!(about("planner", "orders-db", "UPDATE a SET b = 1"), all);
    assert_eq!(about("planner", "users-db", "SELECT 1"), all);
    assert_eq!(about("writer", "orders-db", "SELECT 1"), all);
    // What cannot be read may read.
    assert_eq!(about("planner", "orders-db", "not sql"), both);
}

#[test]
fn limits_are_for_those_who_may_have_the_claims() {
    let limits = "
        [[limit]]
        name = 'others'
        issuer = 'corp'
        claims = { team = ['ops', 'web'] }
        rows = 10
    ";
    let limited = ["others: 10 rows"];
    let about = |known: &str| {
        let subject = Subject {
            identity: identity(known),
            ..subject("planner")
        };
        about_known(limits, &subject, "orders-db", "SELECT 1")
    };
    assert_eq!(about("corp sub=planner team=ops"), limited);
    assert_eq!(about("corp sub=planner team=data"), [""; 0]);
    // Who is not known to be somebody else may be one of them.
    for known in ["", "corp sub=planner", "cluster sub=planner team=data"] {
        assert_eq!(about(known), limited, "{known}");
    }
}

#[test]
fn wrong_limits_do_not_load() {
    let check = |limit: &str, expected: &str| {
        let (_, wrong) = compiled(&format!("[[limit]]\nname = 'a'\n{limit}"));
        assert!(wrong.iter().any(|it| it == expected), "{wrong:?}");
    };
    check("", "a limit of nothing limits nothing");
    check("time = 'soon'", "`soon` is no span of time");
    check("time = '0s'", "nothing runs in no time");
    check("time = '2d'", "a statement may be given a day at most");
    check("bytes = 'many'", "`many` is no number of bytes");
    check(
        "rows = 1\nresource = 'nowhere'",
        "there is no resource like `nowhere`",
    );
    check(
        "rows = 1\nworkload = 'nobody'",
        "there is no workload like `nobody`",
    );
    check(
        "rows = 1\nclaims = { team = 'data' }",
        "claims are of an issuer, and this does not say of which",
    );
    check(
        "rows = 1\nissuer = 'corp'\nclaims = { taem = 'data' }",
        "no claim `taem` is taken of corp",
    );
    check(
        "rows = 1\nmatch = { vreb = 'select' }",
        "`vreb` is no fact of postgres",
    );
    check(
        "rows = 1\nmatch = { statements = true }",
        "`sql.statements` cannot be held against this",
    );
    check(
        "rows = 1\n[[limit]]\nname = 'a'\nrows = 1",
        "there is another limit called `a`",
    );
    assert!(toml::from_str::<Limits>("[[limit]]\nname = 'a'\nrow = 1").is_err());
}
