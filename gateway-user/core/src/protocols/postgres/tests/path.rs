//! The search path: when it is asked for, what the client sees of that, and what becomes of names.

use super::talk::{Talk, client, engine, server};
use crate::event::{Event, Value};
use crate::protocols::ClientTls;
use crate::protocols::postgres::path::{QUESTION, QUESTION_AGAIN};

/// Settings, transactions, and tables in `public`.
const RULES: &str = r#"
[[rule]]
name = "session"
action = "allow"
match = { kind = ["session", "transaction"] }
[[rule]]
name = "public"
action = "allow"
match = { table = ["public.*"] }
"#;

/// Functions of PostgreSQL's own and in `public`, on no table.
const CALLS: &str = r#"
[[rule]]
name = "calls"
action = "allow"
match = { table = [], function = ["pg_catalog.*", "public.*"] }
"#;

fn startup() -> Vec<u8> {
    client::startup(3 << 16, &[("user", "app")])
}

fn fresh() -> Talk {
    let mut talk = Talk::fresh(engine(RULES), ClientTls::Accept);
    talk.client(&startup());
    talk.sent();
    talk
}

/// Ready for statements, with this path.
fn ready(schemas: &[&str]) -> Talk {
    ready_under(RULES, schemas)
}

fn ready_under(rules: &str, schemas: &[&str]) -> Talk {
    let mut talk = Talk::fresh(engine(rules), ClientTls::Accept);
    talk.client(&startup());
    talk.server(&[server::greeting(), server::path(schemas)].concat());
    talk.clear();
    talk
}

/// What the server was found to have, in order.
fn found(talk: &Talk) -> Vec<Value> {
    let found = talk.events.iter().filter_map(|event| match event {
        Event::Found(found) => found.facts.get("sql.search_path").cloned(),
        _ => None,
    });
    found.collect()
}

fn texts(schemas: &[&str]) -> Value {
    Value::Texts(schemas.iter().map(ToString::to_string).collect())
}

/// Runs a statement that is let pass.
fn succeed(talk: &mut Talk, statement: &str, status: u8) {
    talk.client(&client::query(statement));
    assert_eq!(talk.sent(), "Q", "{statement}");
    talk.server(&[server::complete("OK"), server::ready(status)].concat());
    talk.heard();
}

#[test]
fn the_server_is_asked_behind_the_authentication_and_welcomes_once() {
    let mut talk = fresh();
    let greeting = server::greeting();
    let (ok, rest) = greeting.split_at(9);
    talk.server(ok);
    let sent = talk.session.outbox().to_server().split();
    assert_eq!(sent, QUESTION);
    assert_eq!(talk.heard(), "R");
    talk.server(rest);
    assert_eq!(talk.heard(), "S S K", "the welcome is not over yet");
    let answer = server::path(&["app", "public"]);
    let (most, last) = answer.split_at(answer.len() - 6);
    talk.server(&server::notice()).server(most);
    assert_eq!(talk.heard(), "N");
    talk.server(last);
    assert_eq!((talk.heard().as_str(), talk.sent().as_str()), ("Z/I", ""));
    assert_eq!(found(&talk), [texts(&["app", "public"])]);
    assert_eq!(talk.asked(), ["StartupMessage allow"], "it is nobody's ask");
}

#[test]
fn a_statement_that_came_before_the_welcome_is_judged_by_the_path() {
    for (schema, said) in [("public", "Z/I"), ("app", "Z/I E/42501 Z/I")] {
        let mut talk = fresh();
        talk.client(&client::query("SELECT * FROM orders"));
        talk.server(&server::greeting());
        assert_eq!(talk.heard(), "R S S K");
        assert_eq!(talk.sent(), "Q", "the question alone");
        talk.server(&server::path(&[schema]));
        assert_eq!(talk.heard(), said, "{schema}");
    }
}

#[test]
fn names_are_judged_by_all_schemas_they_may_be_in() {
    let judged = |schemas: &[&str], statement: &str| {
        let mut talk = ready(schemas);
        talk.client(&client::query(statement));
        talk.sent() == "Q"
    };
    assert!(judged(&["public"], "SELECT * FROM orders"));
    assert!(!judged(&["app"], "SELECT * FROM orders"));
    assert!(!judged(&["app", "public"], "SELECT * FROM orders"));
    assert!(!judged(&["public", "app"], "SELECT * FROM orders"));
    assert!(judged(&["public", "app"], "SELECT * FROM public.orders"));
    assert!(!judged(&[], "SELECT * FROM orders"));
}

#[test]
fn functions_are_judged_by_all_schemas_they_may_be_in() {
    let judged = |schemas: &[&str], statement: &str| {
        let mut talk = ready_under(CALLS, schemas);
        talk.client(&client::query(statement));
        talk.sent() == "Q"
    };
    assert!(judged(&["public"], "SELECT lower('A')"));
    assert!(judged(&[], "SELECT lower('A')"));
    assert!(!judged(&["app", "public"], "SELECT lower('A')"));
    assert!(judged(&["app"], "SELECT pg_catalog.lower('A')"));
    assert!(!judged(&["public"], "SELECT app.lower('A')"));
}

#[test]
fn a_server_that_does_not_tell_leaves_the_path_unknown() {
    let many: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let two_columns = [b"D\0\0\0\x0c\0\x02".as_slice(), &[0; 6]].concat();
    for answer in [
        server::error("42601"),
        [server::description(), server::error("57014")].concat(),
        [server::description(), server::row(b"\xff")].concat(),
        [server::description(), server::row(&[b'a'; 1 << 16])].concat(),
        [
            server::description(),
            two_columns,
            server::complete("SELECT"),
        ]
        .concat(),
        server::path(&many)
            .strip_suffix(server::ready(b'I').as_slice())
            .unwrap()
            .to_vec(),
    ] {
        let mut talk = fresh();
        talk.server(&[server::greeting(), answer, server::ready(b'I')].concat());
        assert_eq!(talk.heard(), "R S S K Z/I");
        assert_eq!(found(&talk), [Value::Unknown(())]);
        talk.sent();
        talk.client(&client::query("SELECT * FROM orders"));
        assert_eq!(talk.heard(), "E/42501 Z/I");
        talk.client(&client::query("SELECT * FROM public.orders"));
        assert_eq!(talk.sent(), "Q");
    }
}

#[test]
fn the_end_of_the_session_is_told_to_the_client() {
    let mut talk = fresh();
    talk.server(&[server::greeting(), server::fatal("57P01")].concat());
    assert_eq!(talk.heard(), "R S S K E/57P01");
    // Before its welcome too.
    let mut talk = fresh();
    talk.server(&server::greeting()[..9]);
    talk.server(&server::fatal("3D000"));
    assert_eq!(talk.heard(), "R E/3D000");
}

#[test]
fn a_path_that_may_have_changed_is_asked_for_before_the_next_statement() {
    for change in [
        "SET search_path = app",
        "RESET search_path",
        "SET ROLE app",
        "RESET ALL",
        "DISCARD ALL",
    ] {
        let mut talk = ready(&["public"]);
        succeed(&mut talk, change, b'I');
        talk.client(&client::query("SELECT * FROM orders"));
        let sent = talk.session.outbox().to_server().split();
        assert_eq!(sent, QUESTION_AGAIN, "{change}");
        talk.server(&server::path(&["app"]));
        assert_eq!(
            (talk.sent().as_str(), talk.heard().as_str()),
            ("", "E/42501 Z/I")
        );
        talk.client(&client::query("RESET search_path"));
        talk.server(&[server::complete("OK"), server::ready(b'I')].concat());
        talk.clear();
        talk.client(&client::query("SELECT * FROM orders"))
            .server(&server::path(&["public"]));
        assert_eq!((talk.sent().as_str(), talk.heard().as_str()), ("Q Q", ""));
        assert_eq!(found(&talk).len(), 3);
    }
}

#[test]
fn a_temporary_schema_that_would_come_first_is_waited_for() {
    let mut talk = ready(&["public"]);
    succeed(&mut talk, "SET search_path = pg_temp, public", b'I');
    let unknown = [
        server::description(),
        server::null(),
        server::complete("SELECT 1"),
        server::ready(b'I'),
    ];
    talk.client(&client::query("SELECT * FROM orders"))
        .server(&unknown.concat());
    assert_eq!(
        (talk.sent().as_str(), talk.heard().as_str()),
        ("Q", "E/42501 Z/I")
    );
    assert_eq!(found(&talk).last(), Some(&Value::Unknown(())));
    // Nothing else than what defines something makes it worth another question.
    succeed(&mut talk, "SELECT * FROM public.orders", b'I');
    succeed(&mut talk, "CREATE TEMP TABLE public.t ()", b'I');
    talk.client(&client::query("SELECT * FROM orders"))
        .server(&server::path(&["pg_temp_3", "public"]));
    assert_eq!(talk.sent(), "Q", "asked anew");
    let path = texts(&["pg_temp_3", "public"]);
    assert_eq!(found(&talk).last(), Some(&path));
    talk.heard();
    succeed(&mut talk, "CREATE TABLE public.u ()", b'I');
    talk.client(&client::query("SELECT * FROM public.orders"));
    assert_eq!(found(&talk).len(), 3, "it is known");
}

#[test]
fn nothing_is_asked_within_a_transaction() {
    let mut talk = ready(&["public"]);
    succeed(&mut talk, "BEGIN", b'T');
    succeed(&mut talk, "SET LOCAL search_path = app", b'T');
    talk.client(&client::query("SELECT * FROM orders"));
    assert_eq!(
        (talk.sent().as_str(), talk.heard().as_str()),
        ("", "E/42501 Z/T")
    );
    succeed(&mut talk, "COMMIT", b'I');
    talk.client(&client::query("SELECT * FROM orders"))
        .server(&server::path(&["public"]));
    assert_eq!(talk.sent(), "Q Q");
}

#[test]
fn nothing_is_asked_in_the_middle_of_a_batch() {
    let mut talk = ready(&["public"]);
    let set = [
        client::parse("", "SET search_path = app"),
        client::bind("", ""),
        client::execute(""),
        client::flush(),
    ];
    talk.client(&set.concat());
    assert_eq!(talk.sent(), "P B E H");
    talk.server(&[server::parsed(), server::bound(), server::complete("SET")].concat());
    talk.client(&client::parse("", "SELECT * FROM orders"));
    assert_eq!(talk.heard(), "1 2 C");
    // It is refused, and the batch rolled back by an `Execute` of the gateway's own.
    assert_eq!(talk.asked().last().unwrap(), "Parse deny");
    assert_eq!(talk.sent(), "E");
}

#[test]
fn the_unnamed_statement_outlives_the_question() {
    let mut talk = ready(&["public"]);
    let prepare = [
        client::parse("set", "SET search_path = app"),
        client::parse("", "SELECT * FROM public.orders"),
        client::bind("", "set"),
        client::execute(""),
        client::sync(),
    ];
    talk.client(&prepare.concat());
    let done = [server::parsed(), server::parsed(), server::bound()].concat();
    talk.server(&[done, server::complete("SET"), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&[client::bind("", ""), client::sync()].concat());
    assert_eq!(talk.sent(), "B S", "a query would have taken its place");
    talk.server(&[server::bound(), server::ready(b'I')].concat());
    talk.client(&client::parse("", "SELECT 1"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn a_server_that_reports_its_path_is_asked_what_it_comes_to() {
    let mut talk = ready(&["public"]);
    // The function of an operator has changed it, which no text tells.
    talk.client(&client::query("SELECT a <+> b FROM orders"))
        .server(
            &[
                server::complete("SELECT 1"),
                server::status("search_path", "app"),
                server::ready(b'I'),
            ]
            .concat(),
        );
    talk.clear();
    talk.client(&client::query("SELECT * FROM orders"))
        .server(&server::path(&["app"]));
    assert_eq!(
        (talk.sent().as_str(), talk.heard().as_str()),
        ("Q", "E/42501 Z/I")
    );
}

#[test]
fn the_question_is_the_gateways_alone() {
    let mut talk = ready(&["public"]);
    for question in [QUESTION, QUESTION_AGAIN] {
        talk.client(question);
        assert_eq!(
            (talk.sent().as_str(), talk.heard().as_str()),
            ("", "E/42501 Z/I"),
            "from a client it is a statement like any other"
        );
    }
    // Nor is a server believed that answers what was not asked.
    talk.client(&client::query("SELECT * FROM app.orders"));
    talk.server(&server::path(&["app"])[..20]);
    assert_eq!(found(&talk).len(), 1);
}
