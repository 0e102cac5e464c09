//! The extended protocol: a refusal comes out where the server's own error would have.

use super::talk::{Talk, client, server, working};

fn run(statement: &str) -> Vec<u8> {
    [
        client::parse("", statement),
        client::bind("", ""),
        client::execute(""),
    ]
    .concat()
}

#[test]
fn a_statement_is_judged_when_it_is_parsed_and_when_it_is_bound() {
    let mut talk = Talk::ready(working());
    talk.client(&[run("SELECT 1"), client::sync()].concat());
    assert_eq!(talk.sent(), "P B E S");
    assert_eq!(
        talk.asked(),
        ["StartupMessage allow", "Parse allow", "Bind allow"]
    );
    let answer = [
        server::parsed(),
        server::bound(),
        server::row(b"1"),
        server::complete("SELECT 1"),
        server::ready(b'I'),
    ];
    talk.server(&answer.concat());
    assert_eq!(talk.heard(), "1 2 D C Z/I");
    assert_eq!(talk.outcomes().last().unwrap().rows, 1);
}

#[test]
fn what_follows_a_refused_parse_is_skipped_up_to_sync() {
    let mut talk = Talk::ready(working());
    talk.client(&[run("DELETE FROM orders"), client::sync()].concat());
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("S".to_owned(), "E/42501".to_owned())
    );
    talk.server(&server::ready(b'I'));
    assert_eq!(talk.heard(), "Z/I");
    talk.client(&[run("SELECT 1"), client::sync()].concat());
    assert_eq!(talk.sent(), "P B E S");
}

#[test]
fn a_client_that_flushes_instead_of_syncing_hears_of_the_refusal() {
    let mut talk = Talk::ready(working());
    talk.client(
        &[
            client::parse("a", "DELETE FROM orders"),
            client::describe("a"),
            client::flush(),
        ]
        .concat(),
    );
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501".to_owned())
    );
    talk.client(&client::sync());
    assert_eq!(talk.sent(), "S");
}

#[test]
fn answers_that_are_owed_are_fetched_before_a_refusal() {
    let mut talk = Talk::ready(working());
    talk.client(
        &[
            client::parse("a", "SELECT 1"),
            client::parse("b", "DELETE FROM orders"),
        ]
        .concat(),
    );
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("P H".to_owned(), String::new())
    );
    talk.server(&server::parsed());
    assert_eq!(talk.heard(), "1 E/42501");
}

#[test]
fn what_a_batch_did_is_rolled_back_when_the_rest_of_it_is_refused() {
    let mut talk = Talk::ready(working());
    talk.client(
        &[
            run("UPDATE orders SET a = 1 WHERE b = 2"),
            run("DELETE FROM orders"),
            client::sync(),
        ]
        .concat(),
    );
    // The last message before `Sync` is the gateway's own: the server fails on it by itself.
    assert_eq!(talk.sent(), "P B E E S");
    let done = [
        server::parsed(),
        server::bound(),
        server::complete("UPDATE 1"),
    ]
    .concat();
    talk.server(&[done, server::error("34000"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "1 2 C E/42501 Z/I");
}

#[test]
fn in_a_transaction_of_the_clients_nothing_is_rolled_back_for_it() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.clear();
    talk.client(&[run("SELECT 1"), run("DELETE FROM orders"), client::sync()].concat());
    assert_eq!(talk.sent(), "P B E H S");
    talk.server(
        &[
            server::parsed(),
            server::bound(),
            server::complete("SELECT 1"),
            server::ready(b'T'),
        ]
        .concat(),
    );
    assert_eq!(talk.heard(), "1 2 C E/42501 Z/T");
}

#[test]
fn the_servers_own_error_comes_first_and_alone() {
    let mut talk = Talk::ready(working());
    talk.client(
        &[
            client::parse("a", "SELECT nope"),
            client::parse("b", "DELETE FROM orders"),
            client::sync(),
        ]
        .concat(),
    );
    talk.server(&[server::error("42703"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "E/42703 Z/I");
    assert_eq!(
        talk.outcomes().last().unwrap().error.as_ref().unwrap().code,
        "42703"
    );
}

#[test]
fn after_the_servers_error_the_client_is_skipped_up_to_sync() {
    let mut talk = Talk::ready(working());
    talk.client(&[client::parse("a", "SELECT nope"), client::flush()].concat());
    talk.server(&server::error("42703"));
    talk.sent();
    talk.client(
        &[
            run("DELETE FROM orders"),
            client::query("DROP TABLE orders"),
        ]
        .concat(),
    );
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42703".to_owned())
    );
    talk.client(&client::sync());
    assert_eq!(talk.sent(), "S");
}

#[test]
fn a_portal_may_be_run_in_parts() {
    let mut talk = Talk::ready(working());
    talk.client(&[run("SELECT 1"), client::flush()].concat());
    let suspended = vec![b's', 0, 0, 0, 4];
    talk.server(
        &[
            server::parsed(),
            server::bound(),
            server::row(b"1"),
            suspended,
        ]
        .concat(),
    );
    talk.client(&[client::execute(""), client::sync()].concat());
    talk.server(
        &[
            server::row(b"2"),
            server::complete("SELECT 2"),
            server::ready(b'I'),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "P B E H E S");
    assert_eq!(
        talk.outcomes()
            .iter()
            .map(|outcome| outcome.rows)
            .sum::<u64>(),
        2
    );
}

#[test]
fn copying_in_swallows_the_sync_that_was_sent_before_the_data() {
    let mut talk = Talk::ready(working());
    talk.client(&[run("COPY orders FROM STDIN"), client::sync()].concat());
    talk.server(&[server::parsed(), server::bound(), server::copy_in()].concat());
    talk.client(
        &[
            client::copy_data(b"1\n"),
            client::copy_done(),
            client::sync(),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "P B E S d c S");
    talk.server(&[server::complete("COPY 1"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "1 2 G C Z/I");
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn a_long_parameter_streams_under_the_permit_of_its_bind() {
    let mut talk = Talk::ready(working());
    talk.client(&client::parse("", "INSERT INTO t VALUES ($1)"))
        .server(&server::parsed());
    talk.sent();
    let mut bind = client::bind("", "");
    let value = vec![b'x'; 4 << 20];
    bind.splice(
        7..,
        [
            [0, 0, 0, 1].as_slice(),
            &u32::try_from(value.len()).unwrap().to_be_bytes(),
            &value,
            &[0, 0],
        ]
        .concat(),
    );
    let length = u32::try_from(bind.len() - 1).unwrap();
    bind[1..5].copy_from_slice(&length.to_be_bytes());
    let mut sent = 0;
    for piece in bind.chunks(64 << 10) {
        talk.client(piece);
        sent += talk.session.outbox().to_server().split().len();
    }
    assert_eq!(sent, bind.len());
}

#[test]
fn a_flush_or_sync_that_the_server_would_fail_on_ends_the_session() {
    for tag in [b'H', b'S'] {
        let mut talk = Talk::ready(working());
        // The server would skip the query, whose place in the queue the next answer would take.
        talk.client(&[vec![tag, 0, 0, 0, 5, 0], client::query("SELECT 1")].concat());
        assert_eq!(
            (talk.sent(), talk.heard()),
            (String::new(), "E/08P01".to_owned())
        );
    }
}

#[test]
fn no_client_can_make_the_portal_that_rolls_a_batch_back() {
    let name = "gateway refused an earlier message";
    let declare = format!("DECLARE \"{name}\" CURSOR FOR SELECT 1");
    for made in [
        [client::parse("", "SELECT 1"), client::bind(name, "")].concat(),
        client::query(&declare),
        client::parse("", &declare),
    ] {
        let mut talk = Talk::ready(working());
        talk.client(&made);
        assert_eq!(talk.heard(), "E/08P01");
    }
}
