//! The laws of every protocol, on conversations that are made up.

use proptest::prelude::*;

use super::talk::{client, nothing, options, server, working};
use crate::conformance::{
    Said, chunking_changes_nothing, evidence_is_complete, nothing_passes_without_permit, run,
};
use crate::protocols::postgres::Postgres;
use crate::protocols::{ClientTls, Side};

const STATEMENTS: [&str; 12] = [
    "SELECT 1",
    "SELECT * FROM secrets",
    "DELETE FROM orders",
    "BEGIN; UPDATE orders SET a = 1; COMMIT",
    "PREPARE a AS SELECT 1",
    "EXECUTE a",
    "DEALLOCATE ALL",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH c",
    "SET search_path = x",
    "COPY orders FROM STDIN",
    "not sql",
];

fn said_by_client() -> impl Strategy<Value = Vec<u8>> {
    let (name, statement) = (
        prop_oneof![Just(""), Just("a"), Just("c")],
        prop::sample::select(STATEMENTS.as_slice()),
    );
    prop_oneof![
        statement.clone().prop_map(client::query),
        (name.clone(), statement).prop_map(|(name, text)| client::parse(name, text)),
        (name.clone(), name.clone()).prop_map(|(portal, name)| client::bind(portal, name)),
        name.clone().prop_map(client::execute),
        name.clone().prop_map(client::describe),
        name.prop_map(client::close),
        Just(client::sync()),
        Just(client::flush()),
        Just(client::copy_data(b"1\n")),
        Just(client::copy_done()),
        Just(client::terminate()),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn said_by_server() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(server::parsed()),
        Just(server::bound()),
        Just(server::closed()),
        Just(server::row(b"value")),
        Just(server::complete("UPDATE 3")),
        Just(server::ready(b'I')),
        Just(server::ready(b'T')),
        Just(server::error("42703")),
        Just(server::copy_in()),
        Just(server::status("client_encoding", "SJIS")),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<Said>> {
    let saying = prop_oneof![
        said_by_client().prop_map(|bytes| (Side::Client, bytes)),
        said_by_server().prop_map(|bytes| (Side::Server, bytes)),
    ];
    prop::collection::vec(saying, 0..24).prop_map(|mut said| {
        said.insert(
            0,
            (Side::Client, client::startup(3 << 16, &[("user", "app")])),
        );
        said.insert(1, (Side::Server, server::welcome()));
        said
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn cutting_the_input_changes_nothing(said in conversation(), size in 1usize..9) {
        let options = options(ClientTls::Refuse);
        chunking_changes_nothing(&Postgres::default(), &options, &working(), &said, |_| size);
    }

    #[test]
    fn nothing_reaches_a_server_that_policy_does_not_allow(said in conversation()) {
        nothing_passes_without_permit(&Postgres::default(), &options(ClientTls::Refuse), &nothing(), &said);
    }

    #[test]
    fn what_happened_is_recorded_whole(said in conversation()) {
        let options = options(ClientTls::Accept);
        let trace = run(&Postgres::default(), &options, &working(), &said, |rest| rest);
        evidence_is_complete(&trace);
        // The server's answers are the client's only as long as the session is in step, but what
        // policy denies is never sent, whatever a server says.
        prop_assert!(!trace.to_server.windows(18).any(|bytes| bytes == b"DELETE FROM orders"));
    }
}
