//! Budgets: what is used up is refused, in the middle of a result too, and what ends a transaction passes.

use std::sync::Arc;

use super::talk::{Talk, client, engine, server};
use crate::budget::book::Book;
use crate::event::{Event, SessionEnd};
use crate::policy::engine::Engine;

fn with(budget: &str) -> Arc<Engine> {
    engine(&format!(
        r#"
        [[rule]]
        name = "work"
        action = "allow"
        [[budget]]
        name = "few"
        window = "1h"
        {budget}
        "#
    ))
}

fn select(talk: &mut Talk, rows: usize) -> String {
    talk.client(&client::query("SELECT 1"));
    if talk.sent() != "Q" {
        return talk.heard();
    }
    let rows: Vec<u8> = (0..rows).flat_map(|_| server::row(b"12345678")).collect();
    let end = [server::complete("SELECT 1"), server::ready(b'I')].concat();
    talk.server(&[rows, end].concat());
    talk.heard()
}

fn end(talk: &Talk) -> Option<&SessionEnd> {
    talk.events.iter().find_map(|event| match event {
        Event::End(end) => Some(&end.how),
        _ => None,
    })
}

#[test]
fn statements_beyond_the_limit_are_refused_and_the_session_goes_on() {
    let mut talk = Talk::ready(with("statements = 2"));
    assert_eq!(select(&mut talk, 1), "D C Z/I");
    assert_eq!(select(&mut talk, 1), "D C Z/I");
    assert_eq!(select(&mut talk, 1), "E/42501 Z/I");
    assert_eq!(select(&mut talk, 1), "E/42501 Z/I");
    let Some(Event::Ask(ask)) = talk.events.last() else {
        panic!("{:?}", talk.events.last());
    };
    assert_eq!(ask.rule.as_ref().unwrap().as_str(), "budget few");
    assert_eq!(
        ask.reason.as_deref().unwrap(),
        "budget \"few\" is used up: 2 statements in 1 hour; room again at 01:01:00 UTC"
    );
    assert_eq!(end(&talk), None);
}

#[test]
fn a_result_is_stopped_at_the_limit() {
    let mut talk = Talk::ready(with("rows = 5"));
    assert_eq!(select(&mut talk, 3), "D D D C Z/I");
    assert_eq!(select(&mut talk, 3), "D D E/42501");
    assert!(matches!(
        end(&talk),
        Some(SessionEnd::BudgetUsedUp { rule: Some(rule), .. }) if rule.as_str() == "budget few"
    ));
}

#[test]
fn a_result_that_is_just_the_limit_is_whole() {
    let mut talk = Talk::ready(with("rows = 3"));
    assert_eq!(select(&mut talk, 3), "D D D C Z/I");
    assert_eq!(select(&mut talk, 3), "E/42501 Z/I");
}

#[test]
fn bytes_are_counted_before_they_pass() {
    // A row has 14 bytes here.
    let mut talk = Talk::ready(with("bytes_out = \"30B\""));
    assert_eq!(select(&mut talk, 3), "D D E/42501");
}

#[test]
fn one_that_approves_lets_a_result_end() {
    let budget = "rows = 2\naction = \"approve\"\napprovers = [\"people\"]";
    let mut talk = Talk::ready(with(budget));
    assert_eq!(select(&mut talk, 3), "D D D C Z/I");
    talk.client(&client::query("SELECT 1"));
    assert!(talk.session.is_held());
}

#[test]
fn what_is_written_counts_when_it_is_told_and_transactions_end() {
    let mut talk = Talk::ready(with("writes = 5"));
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.client(&client::query("UPDATE t SET a = 1"))
        .server(&[server::complete("UPDATE 7"), server::ready(b'T')].concat());
    talk.clear();
    talk.client(&client::query("UPDATE t SET a = 1"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/T".to_owned())
    );
    talk.client(&client::query("COMMIT"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn what_is_copied_to_the_agent_is_rows_and_not_writes() {
    let mut talk = Talk::ready(with("writes = 5"));
    talk.client(&client::query("COPY t TO STDOUT"));
    let out = [server::copy_out(), server::copied(b"1")].concat();
    let ended = [server::complete("COPY 9"), server::ready(b'I')].concat();
    talk.server(&[out, ended].concat());
    talk.clear();
    assert_eq!(select(&mut talk, 1), "D C Z/I");
}

#[test]
fn sessions_share_a_book() {
    let (engine, book) = (with("statements = 1"), Arc::new(Book::default()));
    let mut one = Talk::ready(Arc::clone(&engine)).counting_in(&book);
    let mut other = Talk::ready(engine).counting_in(&book);
    assert_eq!(select(&mut one, 1), "D C Z/I");
    assert_eq!(select(&mut other, 1), "E/42501 Z/I");
}

#[test]
fn a_session_s_own_count_ends_with_it() {
    let (engine, book) = (with("per = \"session\"\nstatements = 1"), Arc::default());
    for _ in 0..2 {
        let mut talk = Talk::ready(Arc::clone(&engine)).counting_in(&book);
        assert_eq!(select(&mut talk, 1), "D C Z/I");
        assert_eq!(select(&mut talk, 1), "E/42501 Z/I");
        talk.client(&client::terminate());
        talk.session.handle_eof(crate::protocols::Side::Client);
        talk.session.handle_eof(crate::protocols::Side::Server);
    }
}
