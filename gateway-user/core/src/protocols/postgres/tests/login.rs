//! The gateway logs in itself: what the server is told, what the client hears, and servers that lie.

use std::sync::Arc;

use super::talk::{Talk, client, options, server, working};
use crate::conformance::{flow, subject};
use crate::event::{Event, SessionEnd, Value};
use crate::protocols::login::Login;
use crate::protocols::postgres::{Postgres, reply};
use crate::protocols::{ClientTls, CodecOptions, Side, TlsInfo};
use crate::secret::Secret;
use crate::session::Session;
use crate::session::outbox::Action;

const PASSWORD: &str = "s3cr3t";

fn talk(password: Option<&str>) -> Talk {
    let password = password.map(|it| Secret::new(it.as_bytes()));
    let login = Login::new("shop-app".to_owned(), "real".to_owned(), password);
    let options = CodecOptions {
        login: Some(Arc::new(login)),
        ..options(ClientTls::Refuse)
    };
    let (subject, flow) = (Arc::new(subject()), Arc::new(flow()));
    Talk {
        session: Session::new(
            &Postgres::default(),
            &options,
            working(),
            subject,
            flow,
            "test",
        ),
        actions: Vec::new(),
        events: Vec::new(),
    }
}

fn raw_to_server(talk: &mut Talk) -> Vec<u8> {
    talk.session.outbox().to_server().split().to_vec()
}

/// `AuthenticationRequest`s.
fn asks(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).unwrap();
    [
        b"R".as_slice(),
        &length.to_be_bytes(),
        &kind.to_be_bytes(),
        body,
    ]
    .concat()
}

fn begin(talk: &mut Talk, parameters: &[(&str, &str)]) -> Vec<u8> {
    talk.client(&client::startup(3 << 16, parameters));
    assert!(talk.actions.contains(&Action::Dial));
    raw_to_server(talk)
}

fn encrypted(talk: &mut Talk, end_point: Option<&[u8]>, verified: bool) {
    talk.session.handle_tls(
        Side::Server,
        &TlsInfo {
            version: "TLSv1_3".to_owned(),
            cipher: "x".to_owned(),
            server_name: None,
            alpn: None,
            end_point: end_point.map(<[u8]>::to_vec),
            verified,
        },
    );
}

fn end(talk: &Talk) -> &SessionEnd {
    let last = talk.events.iter().rev().find_map(|event| match event {
        Event::End(end) => Some(&end.how),
        _ => None,
    });
    last.expect("it ended")
}

#[track_caller]
fn check_lie(talk: &mut Talk, lie: &[u8], expected: &str) {
    talk.server(lie);
    let SessionEnd::ServerViolation { detail } = end(talk) else {
        panic!("{:?}", end(talk));
    };
    assert_eq!(detail, expected);
    assert_eq!(talk.heard(), "E/08006");
}

#[test]
fn the_server_hears_of_the_account_and_the_client_that_it_is_welcome() {
    let mut talk = talk(Some(PASSWORD));
    let sent = begin(
        &mut talk,
        &[
            ("user", "anyone"),
            ("application_name", "x"),
            ("options", "-c a=b"),
        ],
    );
    let expected = b"\0\0\0\x51\0\x03\0\0user\0real\0database\0anyone\0application_name\0x\0options\0-c a=b\0\0";
    assert_eq!(sent[4..], expected[4..]);
    assert_eq!(
        usize::try_from(u32::from_be_bytes([sent[0], sent[1], sent[2], sent[3]])).unwrap(),
        sent.len()
    );
    talk.server(&server::welcome());
    assert_eq!(talk.heard(), "R S S K Z/I");
    let login = talk.events.iter().find_map(|event| match event {
        Event::Login(login) => Some(login),
        _ => None,
    });
    let login = login.unwrap();
    assert_eq!(
        [&login.credential, &login.user, &login.asked, &login.method],
        ["shop-app", "real", "anyone", "none"]
    );
    let connection = talk.events.iter().find_map(|event| match event {
        Event::Ask(ask) => Some(&ask.connection),
        _ => None,
    });
    let connection = connection.unwrap();
    assert_eq!(connection["sql.user"], Value::Text("real".to_owned()));
    assert_eq!(connection["sql.database"], Value::Text("anyone".to_owned()));
}

#[test]
fn md5_and_plain_text() {
    let mut talk = talk(Some(PASSWORD));
    begin(&mut talk, &[("user", "x")]);
    talk.server(&asks(5, &[1, 2, 3, 4]));
    // echo -n s3cr3treal | md5sum; then that, as text, with the salt behind it.
    let sent = raw_to_server(&mut talk);
    assert_eq!(sent[..8], *b"p\0\0\0\x28md5");
    assert_eq!(talk.heard(), "");
    talk.server(&server::welcome());
    assert_eq!(talk.heard(), "R S S K Z/I");

    let mut talk = super::login::talk(Some(PASSWORD));
    begin(&mut talk, &[("user", "x")]);
    encrypted(&mut talk, None, true);
    talk.server(&asks(3, &[]));
    assert_eq!(raw_to_server(&mut talk), b"p\0\0\0\x0bs3cr3t\0");
    assert!(!format!("{:?}", talk.events).contains(PASSWORD));
}

#[test]
fn a_password_is_not_sent_where_others_could_read_it() {
    let mut talk = talk(Some(PASSWORD));
    begin(&mut talk, &[("user", "x")]);
    check_lie(
        &mut talk,
        &asks(3, &[]),
        "it asks for the password in plain text without TLS",
    );
    assert_eq!(raw_to_server(&mut talk), b"");
}

#[test]
fn a_password_in_plain_text_is_for_a_server_that_is_known() {
    let mut talk = talk(Some(PASSWORD));
    begin(&mut talk, &[("user", "x")]);
    encrypted(&mut talk, Some(b"hash"), false);
    check_lie(
        &mut talk,
        &asks(3, &[]),
        "it asks for the password in plain text, and who it is is not verified",
    );
    assert_eq!(raw_to_server(&mut talk), b"");
}

#[test]
fn what_the_server_wants_must_be_there() {
    let mut talk = talk(None);
    begin(&mut talk, &[("user", "x")]);
    check_lie(
        &mut talk,
        &asks(5, &[1, 2, 3, 4]),
        "it wants a password, and the credential has none",
    );
}

#[test]
fn scram_binds_the_channel_where_it_can() {
    let first = |end_point: Option<&[u8]>, offers: &[u8]| {
        let mut talk = talk(Some(PASSWORD));
        begin(&mut talk, &[("user", "x")]);
        if end_point.is_some() {
            encrypted(&mut talk, end_point, false);
        }
        talk.server(&asks(10, offers));
        String::from_utf8_lossy(&raw_to_server(&mut talk)).into_owned()
    };
    let (both, plain) = (
        b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0",
        b"SCRAM-SHA-256\0\0",
    );
    assert!(
        first(Some(b"hash"), both)
            .contains("SCRAM-SHA-256-PLUS\0\0\0\0\x41p=tls-server-end-point,,n=,r=")
    );
    assert!(first(Some(b"hash"), plain).contains("SCRAM-SHA-256\0\0\0\0\x2cy,,n=,r="));
    assert!(first(None, both).contains("SCRAM-SHA-256\0\0\0\0\x2cn,,n=,r="));
}

#[test]
fn a_server_has_to_prove_itself_too() {
    let begun = || {
        let mut talk = talk(Some(PASSWORD));
        begin(&mut talk, &[("user", "x")]);
        talk.server(&asks(10, b"SCRAM-SHA-256\0\0"));
        let sent = raw_to_server(&mut talk);
        let nonce = String::from_utf8_lossy(&sent)
            .rsplit_once("r=")
            .unwrap()
            .1
            .to_owned();
        (talk, format!("r={nonce}more,s=c2FsdA==,i=4096"))
    };
    let unproven = "it did not prove that it knows the password";
    let (mut talk, _) = begun();
    check_lie(&mut talk, &asks(0, &[]), unproven);
    let (mut talk, first) = begun();
    talk.server(&asks(11, first.as_bytes()));
    assert_eq!(talk.sent(), "p");
    check_lie(&mut talk, &asks(0, &[]), unproven);
    let (mut talk, first) = begun();
    talk.server(&asks(11, first.as_bytes()));
    talk.sent();
    let wrong = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
    check_lie(
        &mut talk,
        &asks(12, wrong),
        "it does not know the password itself",
    );
    let (mut talk, first) = begun();
    check_lie(
        &mut talk,
        &asks(12, first.as_bytes()),
        "a message of its authentication cannot be read",
    );
}

#[test]
fn other_kinds_are_refused() {
    for kind in [2, 7, 9, 99] {
        let mut talk = talk(Some(PASSWORD));
        begin(&mut talk, &[("user", "x")]);
        let expected = "it wants a kind of authentication that the gateway does not do itself";
        check_lie(&mut talk, &asks(kind, &[]), expected);
    }
}

#[test]
fn a_login_that_fails_tells_nothing_of_the_account() {
    let mut talk = talk(Some(PASSWORD));
    begin(&mut talk, &[("user", "x")]);
    let text = "password authentication failed for user real";
    talk.server(&reply::error("FATAL", "28P01", text, None, None));
    let told = talk.session.outbox().to_client().split();
    let told = String::from_utf8_lossy(&told);
    assert!(told.contains("28000") && !told.contains("real"), "{told}");
}

#[test]
fn a_server_that_is_full_or_starting_says_so_itself() {
    for code in ["53300", "57P03"] {
        let mut talk = talk(Some(PASSWORD));
        begin(&mut talk, &[("user", "x")]);
        talk.server(&reply::error("FATAL", code, "not now", None, None));
        assert_eq!(talk.heard(), format!("E/{code}"));
    }
}

#[test]
fn a_client_is_asked_for_nothing() {
    let mut talk = talk(Some(PASSWORD));
    begin(&mut talk, &[("user", "x")]);
    talk.client(&client::password(b"guess\0"));
    assert_eq!(talk.sent(), "");
    assert!(matches!(end(&talk), SessionEnd::ClientViolation { .. }));
}
