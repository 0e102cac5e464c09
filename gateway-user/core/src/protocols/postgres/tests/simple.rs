//! Simple queries and COPY: refusals stay in step, and what the server does is recorded.

use super::talk::{Talk, client, server, working};

#[test]
fn an_allowed_query_passes_and_its_outcome_is_recorded() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
    talk.server(
        &[
            server::row(b"1"),
            server::complete("SELECT 1"),
            server::ready(b'I'),
        ]
        .concat(),
    );
    assert_eq!(talk.heard(), "D C Z/I");
    let outcome = *talk.outcomes().last().unwrap();
    assert_eq!(
        (outcome.rows, outcome.tags.as_slice()),
        (1, ["SELECT 1".to_owned()].as_slice())
    );
}

#[test]
fn a_refused_query_never_leaves_and_the_next_one_works() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("DROP TABLE orders"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn a_refusal_in_a_transaction_tells_the_true_status() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.heard();
    talk.client(&client::query("DELETE FROM orders"));
    assert_eq!(talk.heard(), "E/42501 Z/T");
}

#[test]
fn a_refusal_waits_for_the_answers_before_it() {
    let mut talk = Talk::ready(working());
    let queries = ["SELECT 1", "DROP TABLE orders", "SELECT 2"]
        .map(client::query)
        .concat();
    talk.client(&queries);
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("Q Q".to_owned(), String::new())
    );
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "C Z/I E/42501 Z/I");
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "C Z/I");
}

#[test]
fn one_forbidden_statement_refuses_the_whole_string() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("SELECT 1; DELETE FROM orders; SELECT 2"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
}

#[test]
fn an_unreadable_statement_is_refused() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("SELEC 1"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
}

#[test]
fn a_message_with_something_behind_its_statement_ends_the_session() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("SELECT 1\0DROP TABLE orders"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/08P01".to_owned())
    );
}

#[test]
fn copied_data_flows_only_while_the_server_takes_it() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("COPY orders FROM STDIN"));
    // Sent before the server agreed: it waits.
    talk.client(&client::copy_data(b"1\n"));
    assert_eq!(talk.sent(), "Q");
    talk.server(&server::copy_in());
    assert_eq!(talk.sent(), "d");
    talk.client(&[client::copy_data(b"2\n"), client::copy_done()].concat());
    assert_eq!(talk.sent(), "d c");
    talk.server(&[server::complete("COPY 2"), server::ready(b'I')].concat());
    let outcome = *talk.outcomes().last().unwrap();
    assert_eq!((outcome.bytes_in, outcome.affected), (4, 2));
    // Left over: the server would ignore it, and it does not even get there.
    talk.client(&client::copy_data(b"3\n"));
    assert_eq!(talk.sent(), "");
}

#[test]
fn a_copy_that_fails_leaves_the_session_usable() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("COPY orders FROM STDIN"))
        .server(&server::copy_in());
    talk.client(&client::copy_data(b"x\n"));
    talk.sent();
    talk.server(&[server::error("22P02"), server::ready(b'I')].concat());
    talk.client(
        &[
            client::copy_data(b"y\n"),
            client::copy_done(),
            client::query("SELECT 1"),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn a_statement_that_is_too_long_to_be_read_is_refused_and_skipped() {
    let mut talk = Talk::ready(working());
    let long = format!("SELECT '{}'", "x".repeat(3 << 20));
    for piece in client::query(&long).chunks(60_000) {
        assert!(talk.session.wants_read(crate::protocols::Side::Client));
        talk.client(piece);
    }
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn a_row_of_any_length_streams_by() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("SELECT huge"));
    let row = server::row(&vec![0; 8 << 20]);
    let mut heard = 0;
    for piece in row.chunks(64 << 10) {
        talk.server(piece);
        let waiting = talk.session.outbox().to_client().split().len();
        assert!(waiting <= piece.len());
        heard += waiting;
    }
    assert_eq!(heard, row.len());
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    assert_eq!(
        talk.outcomes().last().unwrap().bytes_out,
        u64::try_from(row.len() - 5).unwrap()
    );
}

#[test]
fn terminating_goes_to_the_server_which_may_still_answer() {
    let mut talk = Talk::ready(working());
    talk.client(&[client::query("SELECT 1"), client::terminate()].concat());
    assert_eq!(talk.sent(), "Q X");
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    assert_eq!(talk.outcomes().last().unwrap().tags, ["SELECT 1"]);
}
