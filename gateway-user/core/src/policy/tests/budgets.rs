//! Which budgets are for whom, and what they make of decisions.

use super::*;
use crate::budget::Amounts;
use crate::budget::book::Book;
use crate::policy::budget::{self, BudgetSpec, Counts};

#[derive(Deserialize)]
struct Budgets {
    budget: Vec<Spanned<BudgetSpec>>,
}

fn with(budgets: &str) -> Engine {
    let file: Budgets = toml::from_str(budgets).unwrap();
    let (budgets, wrong) = budget::compile(&inventory(), &file.budget);
    assert_eq!(wrong, []);
    let rules = r#"
        [[rule]]
        name = "all"
        action = "allow"
        [[rule]]
        name = "no-secrets"
        action = "deny"
        match = { table = "secrets" }
        [[rule]]
        name = "deletes"
        action = "approve"
        match = { verb = "delete" }
        approvers = ["owners"]
    "#;
    engine(rules).with_budgets(budgets)
}

/// What becomes of a statement by somebody somewhere, without the time of room.
fn asks(engine: &Engine, book: &Book, workload: &str, resource: &str, sql: &str) -> String {
    let units = Arc::clone(&Script::read(sql.as_bytes(), &Session::default()).units);
    let facts = Facts {
        stage: Stage::Action(units),
        connection: connection(),
    };
    let (subject, flow) = (subject(workload), flow(Some(resource)));
    let decision = engine.decide(&subject, &flow, &facts, NOW);
    let accounts = engine.accounts(&subject, &flow);
    let decision = accounts.judge(decision, &facts, Counts::Statement, NOW, book);
    told(&decision).replace("; room again at 01:01:00 UTC", "")
}

const USED_UP: &str = "deny budget few: budget \"few\" is used up: 1 statement in 1 hour";

#[test]
fn each_workload_has_a_count_of_its_own() {
    let engine = with("[[budget]]\nname = \"few\"\nwindow = \"1h\"\nstatements = 1");
    let book = Book::default();
    let ask = |workload, resource| asks(&engine, &book, workload, resource, "SELECT 1");
    assert_eq!(ask("planner", "orders-db"), "allow all");
    assert_eq!(ask("planner", "orders-db"), USED_UP);
    assert_eq!(ask("planner", "users-db"), USED_UP);
    assert_eq!(ask("writer", "orders-db"), "allow all");
}

#[test]
fn or_all_of_them_at_a_resource_share_one() {
    let engine =
        with("[[budget]]\nname = \"few\"\nper = \"resource\"\nwindow = \"1h\"\nstatements = 1");
    let book = Book::default();
    let ask = |workload, resource| asks(&engine, &book, workload, resource, "SELECT 1");
    assert_eq!(ask("planner", "orders-db"), "allow all");
    assert_eq!(ask("writer", "orders-db"), USED_UP);
    assert_eq!(ask("writer", "users-db"), "allow all");
}

#[test]
fn others_are_not_counted() {
    let engine = with(
        "[[budget]]\nname = \"few\"\ngroup = \"agents\"\nper = \"group\"\nresource = \"orders-db\"\nwindow = \"1h\"\nstatements = 1",
    );
    let book = Book::default();
    let ask = |workload, resource| asks(&engine, &book, workload, resource, "SELECT 1");
    for _ in 0..2 {
        assert_eq!(ask("writer", "orders-db"), "allow all");
        assert_eq!(ask("planner", "users-db"), "allow all");
    }
    assert_eq!(ask("planner", "orders-db"), "allow all");
    assert_eq!(ask("planner", "orders-db"), USED_UP);
}

#[test]
fn a_budget_never_makes_more_of_what_the_rules_decided() {
    let deny = with("[[budget]]\nname = \"few\"\nwindow = \"1h\"\nstatements = 1");
    let approve = with(
        "[[budget]]\nname = \"few\"\nwindow = \"1h\"\nstatements = 1\naction = \"approve\"\napprovers = [\"security\"]",
    );
    let secrets = "deny no-secrets: denied by policy";
    for engine in [&deny, &approve] {
        let book = Book::default();
        let ask = |sql| asks(engine, &book, "planner", "orders-db", sql);
        assert_eq!(ask("SELECT * FROM secrets"), secrets);
        assert_eq!(ask("DELETE FROM orders"), "hold deletes");
        assert_eq!(ask("SELECT 1"), "allow all");
        assert_eq!(ask("SELECT * FROM secrets"), secrets);
        assert_eq!(ask("ROLLBACK"), "allow all");
    }
    let book = Book::default();
    let ask = |engine, sql| asks(engine, &book, "planner", "orders-db", sql);
    assert_eq!(ask(&deny, "SELECT 1"), "allow all");
    assert_eq!(ask(&deny, "DELETE FROM orders"), USED_UP);
    assert_eq!(ask(&approve, "SELECT 1"), "hold budget few");
    assert_eq!(
        ask(&approve, "DELETE FROM orders"),
        "hold deletes budget few"
    );
}

#[test]
fn where_it_is_only_observed_it_passes_and_is_told() {
    let engine = with("[[budget]]\nname = \"few\"\nwindow = \"1h\"\nstatements = 1");
    let book = Book::default();
    let ask = || asks(&engine, &book, "planner", "trial-db", "SELECT 1");
    assert_eq!(ask(), "allow all");
    let observed = USED_UP.replace("deny ", "allow all | observed ");
    assert_eq!(ask(), observed);
}

#[test]
fn room_comes_back() {
    let engine = with("[[budget]]\nname = \"few\"\nwindow = \"1h\"\nrows = 10");
    let (subject, flow) = (subject("planner"), flow(Some("orders-db")));
    let (accounts, book) = (engine.accounts(&subject, &flow), Book::default());
    let used = Amounts {
        rows: 10,
        ..Amounts::default()
    };
    accounts.spend(&used, NOW, &book);
    let facts = Facts {
        stage: Stage::Action(Arc::clone(
            &Script::read(b"SELECT 1", &Session::default()).units,
        )),
        connection: connection(),
    };
    for (seconds, expected) in [(0, false), (3600, false), (3659, false), (3660, true)] {
        let now = Timestamp::from_second(seconds).unwrap();
        let decision = engine.decide(&subject, &flow, &facts, now);
        let decision = accounts.judge(decision, &facts, Counts::Nothing, now, &book);
        let passes = matches!(decision.verdict, Verdict::Allow(_));
        assert_eq!(passes, expected, "after {seconds} s");
    }
}

#[test]
fn what_is_wrong_is_told() {
    let check = |budget: &str, expected: &str| {
        let file = format!("[[budget]]\nname = \"few\"\n{budget}");
        let file: Budgets = toml::from_str(&file).unwrap();
        let (_, wrong) = budget::compile(&inventory(), &file.budget);
        let told: Vec<_> = wrong.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(told, [expected]);
    };
    check("window = \"1h\"", "a budget without a limit limits nothing");
    check("window = \"1x\"\nrows = 1", "`1x` is no span of time");
    check("window = \"0s\"\nrows = 1", "in no time nothing is used");
    check(
        "window = \"1h\"\nrows = 0",
        "a budget of no rows is always used up",
    );
    check(
        "window = \"1h\"\nbytes_out = \"5\"",
        "`5` is no number of bytes",
    );
    check(
        "window = \"1h\"\nrows = 1\nper = \"group\"",
        "a budget for each group says for which",
    );
    check(
        "window = \"1h\"\nrows = 1\nworkload = \"plannr\"",
        "there is no workload like `plannr`",
    );
    check(
        "window = \"1h\"\nrows = 1\naction = \"approve\"",
        "a rule that approves says by whom",
    );
}
