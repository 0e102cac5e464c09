//! Before the first statement: encryption, authentication, keys, and sessions that are refused.

use bytes::Bytes;

use super::talk::{Talk, client, engine, nothing, server, working};
use crate::event::{Event, SessionEnd, Value};
use crate::protocols::{CancelKey, ClientTls, Side, TlsInfo};
use crate::session::outbox::Action;

const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
const GSS_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 48];

fn startup() -> Vec<u8> {
    client::startup(3 << 16, &[("user", "app"), ("database", "shop")])
}

fn raw(talk: &mut Talk) -> Vec<u8> {
    talk.session.outbox().to_client().split().to_vec()
}

fn tls(alpn: Option<&[u8]>) -> TlsInfo {
    let alpn = alpn.map(<[u8]>::to_vec);
    TlsInfo {
        version: "TLSv1_3".to_owned(),
        cipher: "x".to_owned(),
        server_name: None,
        alpn,
        end_point: None,
        verified: false,
    }
}

#[test]
fn encryption_is_offered_as_the_resource_says() {
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(GSS_REQUEST);
    assert_eq!(raw(&mut talk), b"N");
    talk.client(SSL_REQUEST);
    assert_eq!(raw(&mut talk), b"S");
    assert_eq!(talk.actions, [Action::StartTls(Bytes::new())]);
    assert!(
        !talk.session.wants_read(Side::Client),
        "what comes now is the handshake's"
    );

    let mut talk = Talk::fresh(working(), ClientTls::Refuse);
    talk.client(SSL_REQUEST);
    assert_eq!(raw(&mut talk), b"N");
    talk.client(&startup());
    assert_eq!(talk.actions, [Action::Dial]);

    let mut talk = Talk::fresh(working(), ClientTls::Require);
    talk.client(&startup());
    assert_eq!(talk.heard(), "E/08P01");
    assert!(!talk.actions.contains(&Action::Dial));
}

#[test]
fn plain_text_behind_a_request_for_tls_ends_the_session() {
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&[SSL_REQUEST, &startup()].concat());
    assert!(matches!(
        talk.actions.as_slice(),
        [Action::Close(SessionEnd::ClientViolation { .. })]
    ));
}

#[test]
fn tls_may_begin_at_once_if_it_names_the_protocol() {
    let hello = [0x16, 3, 1, 0, 5];
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&hello);
    assert_eq!(
        talk.actions,
        [Action::StartTls(Bytes::copy_from_slice(&hello))]
    );
    talk.session
        .handle_tls(Side::Client, &tls(Some(b"postgresql")));
    talk.client(&startup());
    assert!(talk.actions.contains(&Action::Dial));

    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&hello);
    talk.session
        .handle_tls(Side::Client, &tls(Some(b"http/1.1")));
    talk.client(&startup());
    assert!(!talk.actions.contains(&Action::Dial));
}

#[test]
fn a_refused_session_is_told_so_and_nobody_is_called() {
    let mut talk = Talk::fresh(nothing(), ClientTls::Accept);
    talk.client(&startup());
    assert_eq!(
        (talk.heard(), talk.sent()),
        ("E/42501".to_owned(), String::new())
    );
    assert_eq!(talk.actions, [Action::Close(SessionEnd::Refused)]);
    assert!(matches!(talk.events.last(), Some(Event::End(_))));
}

#[test]
fn versions_of_protocol_3_pass_and_others_do_not() {
    for (version, passes) in [
        (3 << 16, true),
        ((3 << 16) | 2, true),
        ((3 << 16) | 9999, true),
        (2 << 16, false),
        (0, false),
    ] {
        let mut talk = Talk::fresh(working(), ClientTls::Accept);
        talk.client(&client::startup(version, &[("user", "app")]));
        assert_eq!(talk.actions.contains(&Action::Dial), passes, "{version:#x}");
    }
}

#[test]
fn channel_binding_is_not_offered_across_the_gateway() {
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&startup())
        .server(&server::sasl(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]));
    assert_eq!(raw(&mut talk), server::sasl(&["SCRAM-SHA-256"]));
    talk.client(&client::password(b"SCRAM-SHA-256\0\0\0\0\x06n,,n=,"));
    assert_eq!(talk.actions, [Action::Dial]);

    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&startup())
        .server(&server::sasl(&["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"]));
    raw(&mut talk);
    talk.client(&client::password(b"SCRAM-SHA-256\0\0\0\0\x06y,,n=,"));
    assert_eq!(
        talk.heard(),
        "E/0A000",
        "the server would take it for an attack"
    );
}

#[test]
fn statements_before_the_welcome_wait() {
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&[startup(), client::query("SELECT 1")].concat());
    assert_eq!(talk.asked(), ["StartupMessage allow"]);
    talk.server(&server::welcome());
    assert_eq!(talk.asked(), ["StartupMessage allow", "Query allow"]);
}

#[test]
fn the_client_gets_a_key_of_the_gateways_own() {
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&startup()).server(&server::welcome());
    let key = |secret: &'static [u8]| CancelKey {
        process: 42,
        secret: Bytes::from_static(secret),
    };
    let issue = Action::IssueKey {
        issued: key(&[7; 4]),
        real: key(b"real"),
    };
    assert!(talk.actions.contains(&issue));
    assert!(
        !raw(&mut talk).windows(4).any(|window| window == b"real"),
        "the server's secret stays here"
    );
}

#[test]
fn a_cancel_request_is_judged_and_goes_by_its_key() {
    let request = [
        &16u32.to_be_bytes(),
        &80_877_102u32.to_be_bytes(),
        &42u32.to_be_bytes(),
        [7; 4].as_slice(),
    ]
    .concat();
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&request);
    let key = CancelKey {
        process: 42,
        secret: Bytes::from_static(&[7; 4]),
    };
    assert_eq!(talk.actions.first(), Some(&Action::Cancel(key)));

    // It says not who asks, and is its session's all the same.
    let pinned = "[[rule]]\nname = 'pinned'\naction = 'allow'\nmatch = { user = 'app' }";
    let mut talk = Talk::fresh(engine(pinned), ClientTls::Accept);
    talk.client(&request);
    assert!(matches!(talk.actions.first(), Some(Action::Cancel(_))));

    let mut talk = Talk::fresh(nothing(), ClientTls::Accept);
    talk.client(&request);
    assert_eq!(talk.actions, [Action::Close(SessionEnd::Refused)]);
}

#[test]
fn a_server_that_cannot_be_reached_is_told_of() {
    let mut talk = Talk::fresh(working(), ClientTls::Accept);
    talk.client(&startup());
    talk.session.handle_unreachable("connection refused");
    assert_eq!(talk.heard(), "E/08006");
}

#[test]
fn a_start_packet_is_read_as_the_server_reads_it() {
    // A database without a name is the user's own, and names are cut.
    let long = "d".repeat(70);
    for (user, database, told) in [("app", "", "app"), ("app", long.as_str(), &long[..63])] {
        let mut talk = Talk::fresh(working(), ClientTls::Accept);
        talk.client(&client::startup(
            3 << 16,
            &[("user", user), ("database", database)],
        ));
        let connection = talk.events.iter().find_map(|event| match event {
            Event::Ask(ask) => ask.connection.get("sql.database").cloned(),
            _ => None,
        });
        assert_eq!(connection, Some(Value::Text(told.to_owned())));
    }
}
