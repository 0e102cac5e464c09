//! The laws of every protocol, on conversations that are made up.

use proptest::prelude::*;

use super::talk::{client, engine, nothing, options, server, working};
use crate::conformance::budgets::{no_session_brings_more, what_is_left_changes_nothing};
use crate::conformance::limits::{
    no_statement_brings_more, nothing_moves_before_the_server_has_stopped,
};
use crate::conformance::{
    Said, an_approval_is_for_one_action, chunking_changes_nothing, evidence_is_complete,
    nothing_moves_while_people_are_silent, nothing_passes_without_permit,
    questions_are_the_gateways_own, run, what_people_agree_to_passes,
};
use crate::protocols::postgres::Postgres;
use crate::protocols::postgres::path::{QUESTION, QUESTION_AGAIN};
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
        Just(QUESTION.to_vec()),
        Just(QUESTION_AGAIN.to_vec()),
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
        Just(server::status("search_path", "x")),
        Just(server::notice()),
        Just(server::fatal("57P01")),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<Said>> {
    let sayings = prop_oneof![
        10 => said_by_client().prop_map(|bytes| vec![(Side::Client, bytes)]),
        9 => said_by_server().prop_map(|bytes| vec![(Side::Server, bytes)]),
        1 => prop_oneof![Just("public"), Just("x")].prop_map(path),
    ];
    prop::collection::vec(sayings, 0..24).prop_map(|said| {
        let start = [
            (Side::Client, client::startup(3 << 16, &[("user", "app")])),
            (Side::Server, server::welcome()),
        ];
        start
            .into_iter()
            .chain(said.into_iter().flatten())
            .collect()
    })
}

/// The answer to the gateway's question, one message after the other: between them a client that
/// waits for one may go on. Without the description, whose head alone would let it go on.
fn path(schema: &'static str) -> Vec<Said> {
    let messages = [
        server::row(schema.as_bytes()),
        server::complete("SELECT 1"),
        server::ready(b'I'),
    ];
    messages.map(|bytes| (Side::Server, bytes)).into()
}

/// The client speaks before the server has welcomed it and told its path.
fn opening() -> impl Strategy<Value = Vec<Said>> {
    let early = prop::collection::vec(said_by_client(), 0..6);
    (conversation(), early, 0usize..200).prop_map(|(mut said, early, at)| {
        let (_, welcome) = said.remove(1);
        let (begun, rest) = welcome.split_at(at.min(welcome.len()));
        let early = early.into_iter().map(|bytes| (Side::Client, bytes));
        let opening = std::iter::once((Side::Server, begun.to_vec()))
            .chain(early)
            .chain([(Side::Server, rest.to_vec())]);
        said.splice(1..1, opening);
        said
    })
}

/// A conversation in which much comes back.
fn flowing() -> impl Strategy<Value = Vec<Said>> {
    let asked = prop::sample::select(STATEMENTS.as_slice());
    let batch = (asked.clone(), any::<bool>(), any::<bool>()).prop_map(|(text, syncs, twice)| {
        let mut batch = [
            client::parse("", text),
            client::bind("", ""),
            client::execute(""),
        ]
        .concat();
        batch.extend(twice.then(|| client::execute("")).into_iter().flatten());
        batch.extend(syncs.then(client::sync).into_iter().flatten());
        batch
    });
    let by_client = prop_oneof![
        3 => asked.prop_map(client::query),
        3 => batch,
        1 => said_by_client(),
        1 => Just(client::sync()),
    ];
    let by_server = prop_oneof![
        6 => Just(server::row(b"value")),
        2 => Just(server::parsed()),
        2 => Just(server::bound()),
        2 => Just(server::complete("SELECT 3")),
        2 => Just(server::ready(b'I')),
        1 => Just(server::error("57014")),
        1 => Just(server::copy_out()),
        2 => Just(server::copied(b"1")),
        1 => said_by_server(),
    ];
    let sayings = prop_oneof![
        1 => by_client.prop_map(|bytes| (Side::Client, bytes)),
        3 => by_server.prop_map(|bytes| (Side::Server, bytes)),
    ];
    prop::collection::vec(sayings, 0..32).prop_map(|said| {
        let start = [
            (Side::Client, client::startup(3 << 16, &[("user", "app")])),
            (Side::Server, server::welcome()),
        ];
        start.into_iter().chain(said).collect()
    })
}

/// An engine that allows everything, one row of it for each statement.
fn limiting() -> std::sync::Arc<crate::policy::engine::Engine> {
    engine("[[rule]]\nname = 'all'\naction = 'allow'\n[[limit]]\nname = 'one'\nrows = 1")
}

/// An engine that allows everything, as long as the budget lasts.
fn budgeting(budget: &str) -> std::sync::Arc<crate::policy::engine::Engine> {
    engine(&format!(
        "[[rule]]\nname = 'all'\naction = 'allow'\n[[budget]]\nname = 'few'\nwindow = '1h'\n{budget}"
    ))
}

/// Of which everything but the first statement has to wait for people.
const ONE_FREE: &str = "statements = 1\naction = 'approve'\napprovers = ['people']";

/// An engine with one rule for all.
fn everything(action: &str) -> std::sync::Arc<crate::policy::engine::Engine> {
    let by = match action {
        "approve" => "approvers = ['people']",
        _ => "",
    };
    engine(&format!(
        "[[rule]]\nname = 'all'\naction = '{action}'\n{by}"
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn cutting_the_input_changes_nothing(said in conversation(), size in 1usize..9) {
        let options = options(ClientTls::Refuse);
        chunking_changes_nothing(&Postgres::default(), &options, &working(), &said, |_| size);
    }

    #[test]
    fn cutting_an_opening_changes_nothing(said in opening(), size in 1usize..9) {
        let options = options(ClientTls::Refuse);
        chunking_changes_nothing(&Postgres::default(), &options, &working(), &said, |_| size);
    }

    #[test]
    fn no_client_asks_the_questions_of_the_gateway(said in opening()) {
        let beginning = engine("[[rule]]\nname = 'a'\naction = 'allow'\nmatch = { verb = 'notify' }");
        questions_are_the_gateways_own(&Postgres::default(), &options(ClientTls::Refuse), &beginning, &said);
    }

    #[test]
    fn nothing_reaches_a_server_that_policy_does_not_allow(said in conversation()) {
        nothing_passes_without_permit(&Postgres::default(), &options(ClientTls::Refuse), &nothing(), &said);
    }

    #[test]
    fn nothing_moves_while_an_action_waits(said in conversation()) {
        let options = options(ClientTls::Refuse);
        nothing_moves_while_people_are_silent(&Postgres::default(), &options, &everything("approve"), &said);
    }

    #[test]
    fn an_approval_lets_pass_what_it_is_for(said in conversation()) {
        let options = options(ClientTls::Refuse);
        let (allowing, holding) = (everything("allow"), everything("approve"));
        what_people_agree_to_passes(&Postgres::default(), &options, &allowing, &holding, &said);
    }

    #[test]
    fn and_nothing_else(said in conversation()) {
        let options = options(ClientTls::Refuse);
        an_approval_is_for_one_action(&Postgres::default(), &options, &everything("approve"), &said);
    }

    #[test]
    fn limits_hold(said in flowing(), size in 1usize..9) {
        let options = options(ClientTls::Refuse);
        no_statement_brings_more(&Postgres::default(), &options, &limiting(), &said, |_| size, 1);
    }

    #[test]
    fn nothing_goes_to_a_server_that_is_asked_to_stop(said in flowing()) {
        let options = options(ClientTls::Refuse);
        nothing_moves_before_the_server_has_stopped(&Postgres::default(), &options, &limiting(), &said);
    }

    #[test]
    fn budgets_hold(said in flowing(), size in 1usize..9) {
        let options = options(ClientTls::Refuse);
        no_session_brings_more(&Postgres::default(), &options, &budgeting("rows = 2"), &said, |_| size, 2);
    }

    #[test]
    fn cutting_the_input_changes_nothing_of_what_is_used_up(said in flowing(), size in 1usize..9) {
        let options = options(ClientTls::Refuse);
        let budget = "rows = 3\nbytes_out = '40B'\nstatements = 2\nwrites = 3";
        chunking_changes_nothing(&Postgres::default(), &options, &budgeting(budget), &said, |_| size);
    }

    #[test]
    fn a_budget_that_lasts_changes_nothing(said in flowing()) {
        let options = options(ClientTls::Refuse);
        // A message counts with the length that it claims to have, at most 4 GiB.
        let lasts = budgeting("rows = 1000\nbytes_out = '1000GiB'\nstatements = 1000\nwrites = 1000");
        what_is_left_changes_nothing(&Postgres::default(), &options, &everything("allow"), &lasts, &said);
    }

    #[test]
    fn nothing_moves_while_what_is_used_up_waits(said in conversation()) {
        let options = options(ClientTls::Refuse);
        nothing_moves_while_people_are_silent(&Postgres::default(), &options, &budgeting(ONE_FREE), &said);
    }

    #[test]
    fn more_than_the_budget_passes_when_people_agree(said in conversation()) {
        let options = options(ClientTls::Refuse);
        let (allowing, holding) = (everything("allow"), budgeting(ONE_FREE));
        what_people_agree_to_passes(&Postgres::default(), &options, &allowing, &holding, &said);
    }

    #[test]
    fn and_nothing_else_than_they_agreed_to(said in conversation()) {
        let options = options(ClientTls::Refuse);
        an_approval_is_for_one_action(&Postgres::default(), &options, &budgeting(ONE_FREE), &said);
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
