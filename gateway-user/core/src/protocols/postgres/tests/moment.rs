//! Rules that look at what the session has done: it is true when they decide, also in pipelines.

use std::sync::Arc;

use super::talk::{Talk, client, engine, server};
use crate::event::{Event, Value};
use crate::policy::engine::Engine;

/// Everything, but by these rules.
fn with(rules: &str) -> Arc<Engine> {
    engine(&format!(
        "[[rule]]\nname = 'all'\naction = 'allow'\n[[rule]]\nname = 'no-more'\naction = 'deny'\n{rules}"
    ))
}

fn rows(count: usize) -> Vec<u8> {
    (0..count).flat_map(|_| server::row(b"12345678")).collect()
}

fn result(count: usize, tag: &str, status: u8) -> Vec<u8> {
    [rows(count), server::complete(tag), server::ready(status)].concat()
}

fn batch(text: &str) -> Vec<u8> {
    let batch = [
        client::parse("", text),
        client::bind("", ""),
        client::execute(""),
    ];
    batch.concat()
}

/// What the last ask was recorded with.
fn moment(talk: &Talk) -> Vec<(String, Value)> {
    let asks = talk.events.iter().rev().find_map(|event| match event {
        Event::Ask(ask) => Some(ask.moment.clone()),
        _ => None,
    });
    asks.unwrap().into_iter().collect()
}

#[test]
fn rows_are_counted_and_told() {
    let mut talk = Talk::ready(with("match = { 'session.rows' = { min = 3 } }"));
    talk.client(&client::query("SELECT 1"));
    talk.server(&result(2, "SELECT 2", b'I'));
    talk.client(&client::query("UPDATE a SET b = 1 RETURNING b"));
    talk.server(&result(1, "UPDATE 5", b'I'));
    talk.clear();
    talk.client(&client::query("SELECT 1"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
    let number = |name: &str, number| (name.to_owned(), Value::Number(number));
    let expected = [
        number("session.bytes", 42),
        number("session.rows", 3),
        number("session.rows_affected", 5),
        ("sql.transaction".to_owned(), Value::Text("idle".to_owned())),
    ];
    assert_eq!(moment(&talk), expected);
}

#[test]
fn nothing_waits_and_nothing_is_told_where_no_rule_looks() {
    let mut talk = Talk::ready(with("match = { table = 'secrets' }"));
    talk.client(&[client::query("SELECT 1"), client::query("SELECT 1")].concat());
    assert_eq!(talk.sent(), "Q Q");
    assert_eq!(moment(&talk), []);
}

#[test]
fn a_message_waits_for_what_came_before() {
    let mut talk = Talk::ready(with("when = 'session.rows >= 2'"));
    talk.client(&[client::query("SELECT 1"), client::query("SELECT 1")].concat());
    assert_eq!(talk.sent(), "Q");
    talk.server(&result(2, "SELECT 2", b'I'));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "D D C Z/I E/42501 Z/I".to_owned())
    );
}

#[test]
fn a_batch_is_asked_for_its_answers() {
    let mut talk = Talk::ready(with("match = { session.rows_affected = { min = 1 } }"));
    talk.client(
        &[
            batch("UPDATE a SET b = 1"),
            batch("SELECT 1"),
            client::sync(),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "P B E H");
    talk.server(
        &[
            server::parsed(),
            server::bound(),
            server::complete("UPDATE 1"),
        ]
        .concat(),
    );
    // The update is rolled back with the batch that was refused.
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("E S".to_owned(), "1 2 C".to_owned())
    );
    talk.server(&[server::error("34000"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/42501 Z/I");
}

#[test]
fn portals_that_were_bound_before_are_asked_for_when_they_run() {
    let mut talk = Talk::ready(with("match = { session.rows = { min = 2 } }"));
    talk.client(&client::query("BEGIN"));
    talk.server(&result(0, "BEGIN", b'T'));
    talk.clear();
    let bound = [
        client::parse("", "SELECT 1"),
        client::bind("a", ""),
        client::bind("b", ""),
        client::execute("a"),
        client::execute("b"),
        client::sync(),
    ];
    talk.client(&bound.concat());
    assert_eq!(talk.sent(), "P B B E H");
    let confirmed = [server::parsed(), server::bound(), server::bound()].concat();
    talk.server(&[&confirmed[..], &rows(1), &server::complete("SELECT 1")].concat());
    // One row is not too much.
    assert_eq!(talk.sent(), "E S");
    talk.server(&result(1, "SELECT 1", b'T'));
    talk.clear();
    talk.client(&[client::execute("a"), client::sync()].concat());
    assert_eq!(talk.sent(), "S");
    talk.server(&server::ready(b'T'));
    assert_eq!(talk.heard(), "E/42501 Z/T");
    let asked = talk.asked();
    assert_eq!(asked.last().unwrap(), "Execute deny");
    assert_eq!(asked.iter().filter(|it| *it == "Execute allow").count(), 1);
}

#[test]
fn transactions_are_as_the_server_says() {
    let mut talk = Talk::ready(with(
        "match = { verb = 'delete', transaction = { not = 'open' } }",
    ));
    let refused = "E/42501 Z/I";
    let delete = client::query("DELETE FROM a");
    talk.client(&delete);
    assert_eq!(talk.heard(), refused);
    talk.client(&client::query("BEGIN"))
        .server(&result(0, "BEGIN", b'T'));
    talk.clear();
    talk.client(&delete);
    assert_eq!(talk.sent(), "Q");
    talk.server(&[server::error("22012"), server::ready(b'E')].concat());
    talk.clear();
    talk.client(&delete);
    assert_eq!(talk.heard(), "E/42501 Z/E");
    talk.client(&client::query("ROLLBACK"))
        .server(&result(0, "ROLLBACK", b'I'));
    talk.clear();
    // In which transaction a statement of several runs is not known, unless none of them moves it.
    talk.client(&client::query("BEGIN; DELETE FROM a; COMMIT"));
    assert_eq!(talk.heard(), refused);
    talk.client(&client::query("SELECT 1; SELECT 2"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn transactions_move_within_a_batch() {
    let mut talk = Talk::ready(with(
        "match = { verb = 'delete', transaction = { not = 'open' } }",
    ));
    talk.client(
        &[
            batch("BEGIN"),
            batch("DELETE FROM a"),
            batch("COMMIT"),
            batch("DELETE FROM a"),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "P B E H");
    let done = |tag| [server::parsed(), server::bound(), server::complete(tag)].concat();
    talk.server(&done("BEGIN"));
    assert_eq!(talk.sent(), "P B E H");
    talk.server(&done("DELETE 1"));
    assert_eq!(talk.sent(), "P B E H");
    talk.server(&done("COMMIT"));
    talk.clear();
    talk.client(&client::sync());
    assert_eq!(talk.asked().last().unwrap(), "Parse deny");
}

#[test]
fn a_session_may_begin_whatever_it_will_have_done() {
    let mut talk = Talk::ready(engine(
        "[[rule]]\nname = 'few'\naction = 'allow'\nmatch = { session.bytes = { max = 20 } }",
    ));
    talk.client(&client::query("SELECT 1"))
        .server(&result(2, "SELECT 2", b'I'));
    assert_eq!(talk.heard(), "D D C Z/I");
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.heard(), "E/42501 Z/I");
}
