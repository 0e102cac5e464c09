//! Limits of single statements: one that reaches a limit is ended, and the next one works.

use std::sync::Arc;
use std::time::Duration;

use super::talk::{NOW, Talk, client, engine, server};
use crate::event::Event;
use crate::limit::{Clock, Limited, Phase};
use crate::policy::engine::Engine;
use crate::session::outbox::Action;

fn with(limit: &str) -> Arc<Engine> {
    engine(&format!(
        r#"
        [[rule]]
        name = "work"
        action = "allow"
        [[limit]]
        name = "small"
        {limit}
        "#
    ))
}

fn reads(limit: &str) -> Arc<Engine> {
    with(&format!("match = {{ kind = 'read' }}\n{limit}"))
}

fn rows(count: usize) -> Vec<u8> {
    (0..count).flat_map(|_| server::row(b"12345678")).collect()
}

/// What the server says to a query that it runs to its end.
fn result(count: usize) -> Vec<u8> {
    let end = [server::complete("SELECT 1"), server::ready(b'I')].concat();
    [server::description(), rows(count), end].concat()
}

fn limited(talk: &Talk) -> Vec<&Limited> {
    let events = talk.events.iter();
    let limited = events.filter_map(|event| match event {
        Event::Limited(limited) => Some(limited),
        _ => None,
    });
    limited.collect()
}

/// How often the server was asked to cancel what it runs.
fn aborts(talk: &Talk) -> usize {
    let aborts = talk.actions.iter().filter(|it| **it == Action::Abort);
    aborts.count()
}

fn next_works(talk: &mut Talk) {
    talk.clear();
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
    talk.server(&result(1));
    assert_eq!(talk.heard(), "T D C Z/I");
}

#[test]
fn a_result_that_is_cancelled_ends_with_the_limits_words() {
    let mut talk = Talk::ready(reads("rows = 3\nreason = 'ask for an extract'"));
    talk.client(&client::query("SELECT 1"));
    talk.server(&[server::description(), rows(5)].concat());
    assert_eq!(talk.heard(), "T D D D");
    assert_eq!(aborts(&talk), 1);
    talk.session.handle_aborted(Ok(()), NOW);
    talk.server(&[rows(2), server::error("57014"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/53400 Z/I");
    let [limited] = limited(&talk)[..] else {
        panic!("{:?}", talk.events);
    };
    assert_eq!(limited.rule.as_str(), "limit small");
    assert_eq!(
        limited.reason,
        "limit \"small\" is reached: 3 rows; ask for an extract"
    );
    let outcomes = talk.outcomes();
    let outcome = outcomes.last().unwrap();
    assert_eq!((outcome.ask, outcome.rows), (limited.ask, 3));
    assert_eq!(outcome.error.as_ref().unwrap().code, "57014");
    next_works(&mut talk);
}

#[test]
fn a_result_that_is_just_the_limit_is_whole() {
    let mut talk = Talk::ready(reads("rows = 3"));
    talk.client(&client::query("SELECT 1")).server(&result(3));
    assert_eq!(talk.heard(), "T D D D C Z/I");
    assert_eq!(aborts(&talk), 0);
    next_works(&mut talk);
}

#[test]
fn a_server_that_was_faster_is_heard_in_the_limits_words_too() {
    let mut talk = Talk::ready(reads("rows = 1"));
    talk.client(&client::query("SELECT 1")).server(&result(3));
    assert_eq!(talk.heard(), "T D E/53400 Z/I");
    // What comes next is not sent before the cancel request was dealt with, or that could hit it.
    talk.clear();
    talk.client(&client::query("SELECT 2"));
    assert_eq!(talk.sent(), "");
    talk.session.handle_aborted(Ok(()), NOW);
    assert_eq!(talk.sent(), "Q");
    talk.server(&result(1));
    assert_eq!(talk.heard(), "T D C Z/I");
}

#[test]
fn a_server_that_cannot_be_asked_ends_the_session() {
    let mut talk = Talk::ready(reads("rows = 1"));
    talk.client(&client::query("SELECT 1"));
    talk.server(&rows(2));
    talk.session.handle_aborted(Err("it gave no key"), NOW);
    assert_eq!(talk.heard(), "D E/42501");
    assert!(
        talk.session
            .outbox()
            .events()
            .iter()
            .any(|event| matches!(event, Event::End(end) if end.how.name() == "limit_reached"))
    );
}

#[test]
fn others_are_not_limited() {
    let mut talk = Talk::ready(reads("rows = 1\nworkload = 'agent'"));
    talk.client(&client::query("INSERT INTO a VALUES (1) RETURNING b"));
    talk.server(&result(5));
    assert_eq!(talk.heard(), "T D D D D D C Z/I");
    // What cannot be read may be one.
    let mut talk = Talk::ready(with(
        "rows = 1\nmatch = { kind = 'read' }\n[[rule]]\nname = 'unread'\naction = 'allow'\nmatch = { parsed = false }",
    ));
    talk.client(&client::query("not sql")).server(&result(2));
    assert_eq!(talk.heard(), "T D E/53400 Z/I");
}

#[test]
fn the_strictest_of_all_holds() {
    let mut talk = Talk::ready(with(
        "rows = 9\n[[limit]]\nname = 'strict'\nrows = 2\n[[limit]]\nname = 'other'\nrows = 5",
    ));
    talk.client(&client::query("SELECT 1")).server(&rows(4));
    assert_eq!(talk.heard(), "D D");
    assert_eq!(limited(&talk)[0].rule.as_str(), "limit strict");
}

#[test]
fn one_that_watches_is_told_and_nothing_ends() {
    let mut talk = Talk::ready(with("rows = 1\nmode = 'observe'"));
    talk.client(&client::query("SELECT 1")).server(&result(4));
    assert_eq!(talk.heard(), "T D D D D C Z/I");
    assert_eq!(aborts(&talk), 0);
    let observed: Vec<bool> = limited(&talk).iter().map(|it| it.observed).collect();
    assert_eq!(observed, [true]);
}

#[test]
fn bytes_are_those_of_rows_and_copies() {
    // A row has 14 bytes here.
    let mut talk = Talk::ready(with("bytes = '30B'"));
    talk.client(&client::query("SELECT 1")).server(&result(3));
    assert_eq!(talk.heard(), "T D D E/53400 Z/I");
    let mut talk = Talk::ready(with("bytes = '30B'"));
    talk.client(&client::query("COPY a TO STDOUT"));
    talk.server(
        &[
            server::copy_out(),
            server::copied(&[1; 20]),
            server::copied(&[1; 20]),
        ]
        .concat(),
    );
    assert_eq!(talk.heard(), "H d");
}

#[test]
fn the_end_of_a_binary_copy_is_no_row() {
    let mut talk = Talk::ready(with("rows = 2"));
    talk.client(&client::query("COPY a TO STDOUT (FORMAT binary)"));
    let end = server::copied(&[0xff, 0xff]);
    talk.server(
        &[
            server::copy_out(),
            server::copied(b"1"),
            server::copied(b"2"),
        ]
        .concat(),
    );
    for byte in end {
        talk.server(&[byte]);
    }
    assert_eq!(talk.heard(), "H d d d");
    assert_eq!(aborts(&talk), 0);
}

#[test]
fn what_is_copied_in_is_failed() {
    let mut talk = Talk::ready(with("bytes = '30B'"));
    talk.client(&client::query("COPY a FROM STDIN"))
        .server(&server::copy_in());
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("Q".to_owned(), "G".to_owned())
    );
    talk.client(&client::copy_data(&[1; 20]));
    assert_eq!(talk.sent(), "d");
    talk.client(&[client::copy_data(&[1; 20]), client::copy_data(&[1; 20])].concat());
    assert_eq!(talk.sent(), "f");
    talk.client(&client::copy_done());
    assert_eq!((talk.sent(), aborts(&talk)), (String::new(), 0));
    talk.server(&[server::error("57014"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/53400 Z/I");
    next_works(&mut talk);
}

#[test]
fn an_execute_is_ended_and_the_batch_skipped() {
    let mut talk = Talk::ready(reads("rows = 1"));
    let batch = [
        client::parse("", "SELECT 1"),
        client::bind("", ""),
        client::execute(""),
        client::sync(),
    ];
    talk.client(&batch.concat());
    assert_eq!(talk.sent(), "P B E S");
    let begun = [server::parsed(), server::bound(), rows(3)];
    talk.server(&begun.concat());
    assert_eq!(talk.heard(), "1 2 D");
    talk.session.handle_aborted(Ok(()), NOW);
    talk.server(&[server::error("57014"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/53400 Z/I");
    next_works(&mut talk);
}

#[test]
fn what_was_done_in_a_batch_that_goes_on_is_rolled_back() {
    let mut talk = Talk::ready(reads("rows = 1"));
    let batch = [
        client::parse("", "SELECT 1"),
        client::bind("", ""),
        client::execute(""),
        client::flush(),
    ];
    talk.client(&batch.concat());
    talk.clear();
    let done = [
        server::parsed(),
        server::bound(),
        rows(3),
        server::complete("SELECT 3"),
    ];
    talk.server(&done.concat());
    assert_eq!(
        (talk.heard(), talk.sent()),
        ("1 2 D".to_owned(), String::new())
    );
    talk.session.handle_aborted(Ok(()), NOW);
    // The server is made to fail itself.
    assert_eq!(talk.sent(), "E");
    talk.client(&[client::bind("", ""), client::execute("")].concat());
    assert_eq!(talk.sent(), "");
    talk.server(&server::error("34000"));
    assert_eq!(talk.heard(), "E/53400");
    talk.client(&client::sync());
    assert_eq!(talk.sent(), "S");
    talk.server(&server::ready(b'I'));
    assert_eq!(talk.heard(), "Z/I");
    next_works(&mut talk);
}

#[test]
fn nothing_that_could_be_cancelled_goes_behind_one_that_is_limited() {
    let mut talk = Talk::ready(reads("rows = 9"));
    let batch = |name: &str| {
        [
            client::parse(name, "SELECT 1"),
            client::bind("", name),
            client::execute(""),
        ]
        .concat()
    };
    talk.client(&[batch("a"), batch("b"), client::sync()].concat());
    // The server is asked for its answer.
    assert_eq!(talk.sent(), "P B E H");
    talk.server(
        &[
            server::parsed(),
            server::bound(),
            server::complete("SELECT 0"),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "P B E S");
    // Without limits nothing waits.
    let mut talk = Talk::ready(with("rows = 9\nmatch = { verb = 'delete' }"));
    talk.client(&[batch("a"), batch("b"), client::sync()].concat());
    assert_eq!(talk.sent(), "P B E P B E S");
}

#[test]
fn a_portal_that_runs_in_parts_is_one_statement() {
    let mut talk = Talk::ready(reads("rows = 3"));
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.client(&[client::parse("", "SELECT 1"), client::bind("p", "")].concat());
    let suspended: &[u8] = b"s\0\0\0\x04";
    talk.client(&[client::execute("p"), client::flush()].concat());
    talk.server(&[&server::parsed()[..], &server::bound(), &rows(2), suspended].concat());
    talk.clear();
    talk.client(&[client::execute("p"), client::flush()].concat());
    talk.server(&[&rows(2)[..], suspended].concat());
    assert_eq!(talk.heard(), "D E/53400");
    talk.session.handle_aborted(Ok(()), NOW);
    talk.clear();
    talk.client(&client::sync()).server(&server::ready(b'T'));
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("S".to_owned(), "Z/T".to_owned())
    );
}

fn overrun(talk: &mut Talk) -> Clock {
    let clock = talk.session.clock().unwrap();
    talk.session.handle_overrun(&clock, NOW);
    talk.server(&[]);
    clock
}

#[test]
fn time_is_over() {
    let mut talk = Talk::ready(with("time = '5s'"));
    assert_eq!(talk.session.clock(), None);
    talk.client(&client::query("SELECT 1"));
    let clock = overrun(&mut talk);
    assert_eq!(clock.after, Duration::from_secs(5));
    assert_eq!((aborts(&talk), talk.sent()), (1, "Q".to_owned()));
    talk.session.handle_aborted(Ok(()), NOW);
    assert_eq!(talk.session.clock().unwrap().phase, Phase::Stopping);
    talk.server(&[rows(2), server::error("57014"), server::ready(b'E')].concat());
    assert_eq!(talk.heard(), "E/57014 Z/E");
    assert_eq!(
        limited(&talk)[0].reason,
        "limit \"small\" is reached: 5 seconds"
    );
    // The clock of what is over says nothing of what comes next.
    talk.client(&client::query("SELECT 2"));
    talk.session.handle_overrun(&clock, NOW);
    talk.server(&[]);
    assert_eq!(aborts(&talk), 1);
}

#[test]
fn what_does_not_stop_ends_the_session() {
    let mut talk = Talk::ready(with("time = '5s'"));
    talk.client(&client::query("SELECT 1"));
    overrun(&mut talk);
    talk.session.handle_aborted(Ok(()), NOW);
    overrun(&mut talk);
    assert_eq!(talk.heard(), "E/42501");
    assert!(matches!(talk.actions.last(), Some(Action::Close(end)) if end.is_switched_off()));
}

#[test]
fn a_server_that_was_not_asked_for_its_answer_may_be_done() {
    let mut talk = Talk::ready(with("time = '5s'"));
    let batch = [
        client::parse("", "SELECT 1"),
        client::bind("", ""),
        client::execute(""),
    ];
    talk.client(&batch.concat());
    assert_eq!(talk.sent(), "P B E");
    overrun(&mut talk);
    assert_eq!((talk.sent(), aborts(&talk)), ("H".to_owned(), 0));
    assert_eq!(talk.session.clock().unwrap().phase, Phase::Asking);
    talk.server(
        &[
            server::parsed(),
            server::bound(),
            server::complete("SELECT 0"),
        ]
        .concat(),
    );
    assert_eq!(talk.session.clock(), None);
    // One that does not answer runs it.
    talk.client(&batch.concat());
    overrun(&mut talk);
    overrun(&mut talk);
    assert_eq!(aborts(&talk), 1);
}

#[test]
fn time_of_what_waits_for_data_ends_the_copy() {
    let mut talk = Talk::ready(with("time = '5s'"));
    talk.client(&client::query("COPY a FROM STDIN"))
        .server(&server::copy_in());
    talk.clear();
    // In the middle of a message of the client's.
    let data = client::copy_data(&[1; 20]);
    talk.client(&data[..10]);
    overrun(&mut talk);
    assert_eq!((talk.sent(), aborts(&talk)), ("d".to_owned(), 0));
    talk.client(&data[10..]);
    assert_eq!(talk.session.outbox().to_server()[15..20], *b"f\0\0\0\x26");
    talk.clear();
    talk.server(&[server::error("57014"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/57014 Z/I");
    next_works(&mut talk);
}

#[test]
fn a_copy_that_begins_when_it_is_too_late_is_failed() {
    let mut talk = Talk::ready(with("time = '5s'"));
    talk.client(&client::query("COPY a FROM STDIN"));
    overrun(&mut talk);
    talk.session.handle_aborted(Ok(()), NOW);
    talk.clear();
    talk.server(&server::copy_in());
    assert_eq!((talk.sent(), talk.heard()), ("f".to_owned(), String::new()));
    talk.server(&[server::error("57014"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/57014 Z/I");
    next_works(&mut talk);
}

#[test]
fn a_function_call_has_limits_too() {
    let mut talk = Talk::ready(with("time = '5s'"));
    talk.client(&client::call(715));
    overrun(&mut talk);
    talk.session.handle_aborted(Ok(()), NOW);
    talk.server(&[server::error("57014"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/57014 Z/I");
    next_works(&mut talk);
}
