//! What names stand for: nothing runs under the judgement of something else.

use super::talk::{Talk, client, engine, server, working};

fn succeed(talk: &mut Talk, statement: &str) {
    talk.client(&client::query(statement))
        .server(&[server::complete("OK"), server::ready(b'I')].concat());
    talk.sent();
    talk.heard();
}

#[test]
fn a_statement_prepared_by_sql_is_judged_by_what_it_holds() {
    let mut talk = Talk::ready(working());
    succeed(&mut talk, "PREPARE a AS SELECT 1");
    talk.client(&client::query("EXECUTE a"));
    assert_eq!(talk.sent(), "Q");
    talk.client(&client::query("PREPARE b AS DELETE FROM orders"));
    assert_eq!(talk.sent(), "");
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "C Z/I E/42501 Z/I");
}

#[test]
fn executing_an_unknown_name_counts_as_touching_anything() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("EXECUTE nobody_knows"));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
    talk.client(&[client::bind("", "nobody_knows"), client::sync()].concat());
    assert_eq!(talk.heard(), "E/42501");
}

#[test]
fn a_name_that_is_being_defined_is_waited_for() {
    let mut talk = Talk::ready(working());
    talk.client(
        &[
            client::query("PREPARE a AS SELECT 1"),
            client::query("EXECUTE a"),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "Q");
    talk.server(&[server::complete("PREPARE"), server::ready(b'I')].concat());
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn a_definition_that_failed_defines_nothing() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("PREPARE a AS SELECT 1"))
        .server(&[server::error("42P05"), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&client::query("EXECUTE a"));
    assert_eq!(talk.heard(), "E/42501 Z/I");
}

#[test]
fn a_definition_of_a_taken_name_leaves_it_what_it_was() {
    let mut talk = Talk::ready(working());
    succeed(&mut talk, "PREPARE a AS SELECT 1");
    talk.client(&client::query("PREPARE a AS SELECT 2"))
        .server(&[server::error("42P05"), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&client::query("EXECUTE a"));
    assert_eq!(talk.sent(), "Q");
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    talk.clear();
    // What the name was taken from first may be anything, if something behind fails.
    talk.client(&client::query(
        "DEALLOCATE a; PREPARE a AS SELECT 2; SELECT 1/0",
    ))
    .server(&[server::error("22012"), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&client::query("EXECUTE a"));
    assert_eq!(talk.heard(), "E/42501 Z/I");
}

#[test]
fn a_redefinition_in_an_earlier_batch_is_waited_for() {
    let mut talk = Talk::ready(working());
    talk.client(&[client::parse("a", "SELECT 1"), client::sync()].concat());
    talk.server(&[server::parsed(), server::ready(b'I')].concat());
    talk.sent();
    // The second Parse fails, since the name is taken: what runs is the first one.
    let again = [
        client::parse("a", "SELECT 2"),
        client::sync(),
        client::bind("", "a"),
        client::execute(""),
        client::sync(),
    ];
    talk.client(&again.concat());
    assert_eq!(talk.sent(), "P S");
    talk.server(&[server::error("42P05"), server::ready(b'I')].concat());
    assert_eq!(talk.sent(), "B E S");
    let asks = talk.events.iter().filter_map(|event| match event {
        crate::event::Event::Ask(ask) if ask.request == "Bind" => ask.of,
        _ => None,
    });
    let asks: Vec<_> = asks.collect();
    assert_eq!(asks, [crate::ids::AskId(2)]);
}

#[test]
fn closing_a_statement_frees_its_name() {
    let mut talk = Talk::ready(working());
    talk.client(&[client::parse("a", "SELECT 1"), client::sync()].concat());
    talk.server(&[server::parsed(), server::ready(b'I')].concat());
    talk.client(&[client::close("a"), client::sync()].concat());
    talk.server(&[server::closed(), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&[client::bind("", "a"), client::sync()].concat());
    assert_eq!(talk.heard(), "E/42501");
}

#[test]
fn an_execute_that_was_prepared_means_what_the_name_means_later() {
    let mut talk = Talk::ready(working());
    succeed(&mut talk, "PREPARE a AS SELECT 1");
    talk.client(&[client::parse("run", "EXECUTE a"), client::sync()].concat());
    talk.server(&[server::parsed(), server::ready(b'I')].concat());
    talk.clear();
    succeed(&mut talk, "DEALLOCATE a");
    // Whatever `a` is by now, it is not what it was when `run` was judged.
    talk.client(&[client::bind("", "run"), client::sync()].concat());
    assert_eq!(talk.heard(), "E/42501");
}

#[test]
fn a_cursor_is_judged_by_its_query() {
    let mut talk = Talk::ready(working());
    talk.client(&client::query("DECLARE c CURSOR FOR SELECT * FROM secrets"));
    assert_eq!(talk.heard(), "E/42501 Z/I");
    talk.client(&client::query("FETCH ALL FROM c"));
    assert_eq!(talk.heard(), "E/42501 Z/I");
    succeed(
        &mut talk,
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders",
    );
    talk.client(&client::query("FETCH ALL FROM c"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn with_another_search_path_an_unqualified_name_could_be_any_table() {
    let mut talk = Talk::ready(working());
    talk.client(
        &[
            client::query("SET search_path = elsewhere"),
            client::query("SELECT * FROM orders"),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "Q Q");
    talk.server(
        &[
            server::complete("SET"),
            server::ready(b'I'),
            server::complete("SELECT 0"),
            server::ready(b'I'),
        ]
        .concat(),
    );
    talk.clear();
    talk.client(
        &[
            client::query("SET search_path = elsewhere"),
            client::query("SELECT * FROM secrets"),
        ]
        .concat(),
    );
    talk.server(&server::path(&["elsewhere"]))
        .server(&[server::complete("SET"), server::ready(b'I')].concat());
    assert_eq!(
        talk.heard(),
        "C Z/I E/42501 Z/I",
        "in any schema it may be the one that is denied"
    );
}

#[test]
fn a_statement_that_was_prepared_is_looked_at_again_under_another_search_path() {
    let mut talk = Talk::ready(super::talk::engine(
        "[[rule]]\nname = 'a'\naction = 'allow'\nmatch = { verb = ['set'] }\n\
         [[rule]]\nname = 'b'\naction = 'allow'\nmatch = { verb = ['select'], table = ['public.orders'] }",
    ));
    talk.client(&[client::parse("a", "SELECT * FROM orders"), client::sync()].concat());
    talk.server(&[server::parsed(), server::ready(b'I')].concat());
    talk.clear();
    talk.client(
        &[
            client::query("SET search_path = elsewhere"),
            client::bind("", "a"),
            client::sync(),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "Q S", "what it is by then is uncertain");
    talk.server(&[server::complete("SET"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "C Z/I E/42501");
    talk.server(&server::ready(b'I'));
    talk.clear();
    talk.client(&[client::bind("", "a"), client::sync()].concat());
    assert_eq!(talk.sent(), "Q");
    talk.server(&server::path(&["elsewhere"]));
    assert_eq!(
        (talk.sent(), talk.heard().as_str()),
        ("S".to_owned(), "E/42501")
    );
    talk.server(&server::ready(b'I'));
    succeed(&mut talk, "SET search_path = public");
    talk.client(&[client::bind("", "a"), client::sync()].concat());
    talk.server(&server::path(&["public"]));
    assert_eq!(talk.sent(), "Q B S");
}

#[test]
fn what_was_prepared_is_uncertain_under_a_path_that_was_changed_behind_it() {
    let mut talk = Talk::ready(super::talk::engine(
        "[[rule]]\nname = 'a'\naction = 'allow'\nmatch = { verb = ['set', 'prepare', 'execute'] }\n\
         [[rule]]\nname = 'b'\naction = 'allow'\nmatch = { verb = ['select'], table = ['public.orders'] }",
    ));
    // The path has moved on before the server tells that the statement is prepared.
    talk.client(
        &[
            client::query("PREPARE a AS SELECT * FROM orders"),
            client::query("SET search_path = elsewhere"),
        ]
        .concat(),
    );
    talk.server(&[server::complete("PREPARE"), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&client::query("EXECUTE a"));
    talk.server(&[server::complete("SET"), server::ready(b'I')].concat());
    assert_eq!(
        (talk.sent(), talk.heard().as_str()),
        (String::new(), "C Z/I E/42501 Z/I")
    );
    talk.client(&client::query("EXECUTE a"))
        .server(&server::path(&["elsewhere"]));
    assert_eq!(
        (talk.sent().as_str(), talk.heard().as_str()),
        ("Q", "E/42501 Z/I")
    );
}

#[test]
fn strings_are_read_as_the_server_reads_them() {
    let hidden = r"SELECT '\''; DROP TABLE orders; --'";
    let mut talk = Talk::ready(working());
    talk.client(&client::query(hidden));
    assert_eq!(talk.sent(), "Q", "with standard strings this is one string");
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    // In one go, before the server can tell that it now reads them otherwise.
    talk.client(
        &[
            client::query("SET standard_conforming_strings = off"),
            client::query(hidden),
        ]
        .concat(),
    );
    assert_eq!(talk.sent(), "Q");
    talk.heard();
    talk.server(
        &[
            server::status("standard_conforming_strings", "off"),
            server::complete("SET"),
            server::ready(b'I'),
        ]
        .concat(),
    );
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "S C Z/I E/42501 Z/I".to_owned())
    );
}

#[test]
fn a_function_may_change_how_texts_are_read() {
    // In UTF-8 all of it is one string. In SJIS the backslash belongs to a letter.
    let hidden = "SELECT E'\u{c1}\\'; DELETE FROM orders; --'";
    let calls = engine(
        r#"
        [[rule]]
        name = "all-but-deleting"
        action = "allow"
        match = { kind = ["read", "session", "transaction", "code"] }
        "#,
    );
    let mut talk = Talk::ready(calls);
    talk.client(&client::query(hidden));
    assert_eq!(talk.sent(), "Q");
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    talk.clear();
    talk.client(&[client::query("SELECT mine()"), client::query(hidden)].concat());
    assert_eq!(talk.sent(), "Q");
    talk.server(
        &[
            server::complete("SELECT 1"),
            server::status("client_encoding", "SJIS"),
            server::ready(b'I'),
        ]
        .concat(),
    );
    assert_eq!(talk.heard(), "C S Z/I E/42501 Z/I");
}

#[test]
fn a_rollback_brings_back_how_strings_were_read() {
    // One string while a backslash escapes; two statements once the setting is rolled back.
    let hidden = r"SELECT '\' ; SELECT * FROM secrets; --'";
    let mut talk = Talk::ready(working());
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.client(&client::query("SET standard_conforming_strings = off"));
    talk.server(
        &[
            server::complete("SET"),
            server::status("standard_conforming_strings", "off"),
            server::ready(b'T'),
        ]
        .concat(),
    );
    talk.clear();
    talk.client(&[client::query("ROLLBACK"), client::query(hidden)].concat());
    assert_eq!(talk.sent(), "Q");
    talk.server(
        &[
            server::complete("ROLLBACK"),
            server::status("standard_conforming_strings", "on"),
            server::ready(b'I'),
        ]
        .concat(),
    );
    assert_eq!(talk.heard(), "C S Z/I E/42501 Z/I");
    talk.client(&client::query(r"SELECT 'C:\temp'"));
    assert_eq!(talk.sent(), "Q", "all is certain again");
}

#[test]
fn a_flush_does_not_tell_that_a_rollback_changed_how_strings_are_read() {
    let hidden = r"SELECT '\' ; SELECT * FROM secrets; --'";
    let mut talk = Talk::ready(working());
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.client(&client::query("SET standard_conforming_strings = off"));
    talk.server(
        &[
            server::complete("SET"),
            server::status("standard_conforming_strings", "off"),
            server::ready(b'T'),
        ]
        .concat(),
    );
    talk.client(
        &[
            client::parse("", "ROLLBACK"),
            client::bind("", ""),
            client::execute(""),
            client::flush(),
        ]
        .concat(),
    )
    .server(
        &[
            server::parsed(),
            server::bound(),
            server::complete("ROLLBACK"),
        ]
        .concat(),
    );
    talk.clear();
    talk.client(&client::parse("", hidden));
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501".to_owned())
    );
}

#[test]
fn what_is_sent_into_a_copy_never_counts_as_run() {
    let mut talk = Talk::ready(working());
    succeed(&mut talk, "SET search_path = elsewhere");
    // While it copies in the server takes the `RESET` for a mistake and runs it not; the `Sync`
    // behind that it answers.
    talk.client(
        &[
            client::query("COPY orders FROM STDIN"),
            client::query("RESET search_path"),
            client::sync(),
        ]
        .concat(),
    );
    talk.server(&server::path(&["elsewhere"]));
    talk.server(&server::copy_in());
    talk.server(
        &[
            server::error("08P01"),
            server::ready(b'I'),
            server::ready(b'I'),
        ]
        .concat(),
    );
    let end = talk.events.iter().any(|event| {
        matches!(event, crate::event::Event::End(end)
            if matches!(end.how, crate::event::SessionEnd::ClientViolation { .. }))
    });
    assert!(end, "what was run and what not cannot be told from here on");
}

#[test]
fn a_function_called_by_number_may_change_how_names_are_read() {
    let mut talk = Talk::ready(super::talk::engine(
        "[[rule]]\nname = 'a'\naction = 'allow'\nmatch = { verb = ['call'] }\n\
         [[rule]]\nname = 'b'\naction = 'allow'\nmatch = { verb = ['select'], table = ['public.orders'] }",
    ));
    // `set_config`.
    talk.client(&[client::call(2078), client::query("SELECT * FROM orders")].concat())
        .server(&server::ready(b'I'));
    assert_eq!(talk.heard(), "Z/I E/42501 Z/I");
}

#[test]
fn a_cursor_that_takes_the_name_of_a_portal_is_no_longer_that_portal() {
    let mut talk = Talk::ready(super::talk::engine(
        "[[rule]]\nname = 'a'\naction = 'allow'\nmatch = { verb = ['begin', 'declare', 'fetch'] }\n\
         [[rule]]\nname = 'b'\naction = 'allow'\nmatch = { verb = ['select'] }",
    ));
    talk.client(&client::query("BEGIN"))
        .server(&[server::complete("BEGIN"), server::ready(b'T')].concat());
    talk.client(
        &[
            client::parse("", "SELECT 1"),
            client::bind("c", ""),
            client::sync(),
        ]
        .concat(),
    )
    .server(&[server::parsed(), server::bound(), server::ready(b'T')].concat());
    // That it could be declared tells that the portal went, by `ROLLBACK TO` for example.
    talk.client(&client::query("DECLARE c CURSOR FOR SELECT * FROM orders"))
        .server(&[server::complete("DECLARE CURSOR"), server::ready(b'T')].concat());
    talk.events.clear();
    talk.client(&client::query("FETCH c"));
    let fetched = talk.events.iter().any(|event| {
        matches!(event, crate::event::Event::Ask(ask)
            if ask.units.iter().any(|unit| unit.get("sql.table")
                == Some(&crate::event::Value::Texts(vec!["public.orders".to_owned()]))))
    });
    assert!(fetched);
}
