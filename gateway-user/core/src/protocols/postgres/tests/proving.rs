//! A client has to show a placeholder: what it is asked for, what it may say, and ways around.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::talk::{NOW, Talk, client, options, server, working};
use crate::conformance::proofs::{PLACEHOLDER, proved};
use crate::conformance::{
    Said, chunking_changes_nothing, evidence_is_complete, flow, nothing_passes_without_permit, run,
    subject,
};
use crate::event::{Event, SessionEnd};
use crate::protocols::login::Login;
use crate::protocols::placeholder::Asking;
use crate::protocols::postgres::Postgres;
use crate::protocols::postgres::scram::{self, Begun, Binding, Proven};
use crate::protocols::{ClientTls, CodecOptions, Side, TlsInfo};
use crate::secret::Secret;
use crate::session::Session;
use crate::session::outbox::Action;

fn asking(asking: Asking) -> CodecOptions {
    let login = Login::new("shop".to_owned(), "real".to_owned(), None);
    CodecOptions {
        login: Some(Arc::new(login.asking(asking))),
        ..options(ClientTls::Accept)
    }
}

fn talk(options: &CodecOptions) -> Talk {
    let (subject, flow) = (Arc::new(subject()), Arc::new(flow()));
    let postgres = Postgres::default();
    Talk {
        session: Session::new(&postgres, options, working(), subject, flow, "test"),
        actions: Vec::new(),
        events: Vec::new(),
    }
}

/// Does what a relay does with the last thing that was to be checked.
fn check(talk: &mut Talk) {
    let Some(Action::Prove(presented)) = talk.actions.pop() else {
        panic!("{:?}", talk.actions);
    };
    talk.session.handle_proof(proved(&presented), NOW);
    // What came of it.
    talk.client(b"");
}

fn start() -> Vec<u8> {
    client::startup(3 << 16, &[("user", "app")])
}

/// What the client heard, and of the last message what is behind tag, length and kind.
fn answered(talk: &mut Talk) -> Vec<u8> {
    let heard = talk.session.outbox().to_client().split();
    assert_eq!(heard.first(), Some(&b'R'), "{heard:?}");
    heard.get(9..).unwrap().to_vec()
}

fn first(binding: Binding<'_>) -> (Begun, Vec<u8>) {
    let mechanism = match binding {
        Binding::EndPoint(_) => "SCRAM-SHA-256-PLUS",
        _ => "SCRAM-SHA-256",
    };
    let (begun, first) = scram::begin("clients-nonce".to_owned(), binding);
    (begun, initial(mechanism, &first))
}

fn initial(mechanism: &str, first: &str) -> Vec<u8> {
    let length = u32::try_from(first.len()).unwrap().to_be_bytes();
    client::password(&[mechanism.as_bytes(), b"\0", &length, first.as_bytes()].concat())
}

fn prove(begun: Begun, challenge: &[u8], placeholder: &str) -> (Proven, Vec<u8>) {
    let password = Some(Secret::new(placeholder.as_bytes()));
    let knows = Login::new("c".to_owned(), "app".to_owned(), password);
    let (proven, last) = begun.prove(challenge, &knows).unwrap();
    (proven, client::password(last.as_bytes()))
}

/// Up to the proof.
fn shown(talk: &mut Talk, placeholder: &str) -> Proven {
    talk.client(&start());
    assert_eq!(answered(talk), b"SCRAM-SHA-256\0\0");
    let (begun, first) = first(Binding::None);
    talk.client(&first);
    let (proven, last) = prove(begun, &answered(talk), placeholder);
    talk.client(&last);
    proven
}

fn encrypted(talk: &mut Talk, end_point: Option<&[u8]>) {
    talk.client(&[0, 0, 0, 8, 4, 210, 22, 47]);
    let info = TlsInfo {
        version: "TLSv1_3".to_owned(),
        cipher: "x".to_owned(),
        server_name: None,
        alpn: None,
        end_point: end_point.map(<[u8]>::to_vec),
        verified: false,
    };
    talk.session.handle_tls(Side::Client, &info);
    talk.clear();
}

fn end(talk: &Talk) -> &SessionEnd {
    let last = talk.events.iter().rev().find_map(|event| match event {
        Event::End(end) => Some(&end.how),
        _ => None,
    });
    last.expect("it ended")
}

fn reached_nobody(talk: &mut Talk) {
    assert_eq!(talk.sent(), "");
    assert!(!talk.actions.contains(&Action::Dial));
}

#[test]
fn who_shows_a_placeholder_is_let_in_and_the_recording_names_it() {
    let mut talk = talk(&asking(Asking::Scram));
    let proven = shown(&mut talk, PLACEHOLDER);
    assert_eq!(talk.sent(), "");
    assert!(!talk.actions.contains(&Action::Dial));
    assert!(talk.asked().is_empty(), "nothing is decided before");
    check(&mut talk);
    assert_eq!(proven.verify(&answered(&mut talk)), Ok(()));
    assert!(talk.actions.contains(&Action::Dial));
    let sent = talk.session.outbox().to_server().split();
    assert!(sent.windows(10).any(|bytes| bytes == b"user\0real\0"));
    assert!(!sent.windows(14).any(|bytes| bytes == b"clients-nonce,"));
    talk.server(&server::welcome());
    assert_eq!(talk.heard(), "R S S K Z/I");
    let login = talk.events.iter().find_map(|event| match event {
        Event::Login(login) => login.placeholder.as_ref(),
        _ => None,
    });
    assert_eq!(
        login.map(ToString::to_string).as_deref(),
        Some("conformance")
    );
}

#[test]
fn who_shows_another_one_hears_what_postgresql_says() {
    let mut talk = talk(&asking(Asking::Scram));
    shown(&mut talk, "gwp_other");
    check(&mut talk);
    let told = talk.session.outbox().to_client().split();
    let told = String::from_utf8_lossy(&told);
    let words = "password authentication failed for user \"app\"";
    assert!(told.contains("28P01") && told.contains(words), "{told}");
    assert!(matches!(end(&talk), SessionEnd::NotProven { .. }));
    reached_nobody(&mut talk);
}

#[test]
fn a_proof_is_good_once() {
    let mut talk = talk(&asking(Asking::Scram));
    talk.client(&start());
    talk.clear();
    let (begun, first) = first(Binding::None);
    talk.client(&first);
    let (_, last) = prove(begun, &answered(&mut talk), PLACEHOLDER);
    // The same words in a session whose random bytes are others.
    let other = CodecOptions {
        entropy: [8; 32],
        ..asking(Asking::Scram)
    };
    let mut again = super::proving::talk(&other);
    again.client(&start()).client(&first).client(&last);
    let SessionEnd::ClientViolation { detail } = end(&again) else {
        panic!("{:?}", end(&again));
    };
    assert_eq!(detail, "invalid SCRAM response: nonce does not match");
    reached_nobody(&mut again);
}

#[test]
fn without_randomness_nobody_is_asked_and_nobody_let_in() {
    let nothing = CodecOptions {
        entropy: [0; 32],
        ..asking(Asking::Scram)
    };
    let mut talk = talk(&nothing);
    talk.client(&start());
    assert_eq!(talk.heard(), "E/0A000");
    reached_nobody(&mut talk);
}

#[test]
fn it_is_asked_for_as_it_is_in_tls_only() {
    let mut plain = talk(&asking(Asking::Password));
    plain.client(&start());
    assert_eq!(answered(&mut plain), b"SCRAM-SHA-256\0\0");

    let mut talk = talk(&asking(Asking::Password));
    encrypted(&mut talk, Some(b"hash"));
    talk.client(&start());
    assert_eq!(
        talk.session.outbox().to_client().split()[..],
        *b"R\0\0\0\x08\0\0\0\x03"
    );
    talk.client(&client::password(b"gwp_conformance\0"));
    check(&mut talk);
    assert_eq!(talk.heard(), "");
    assert!(talk.actions.contains(&Action::Dial));

    let mut wrong = super::proving::talk(&asking(Asking::Password));
    encrypted(&mut wrong, None);
    wrong.client(&start());
    wrong.clear();
    wrong.client(&client::password(b"guess\0"));
    check(&mut wrong);
    assert_eq!(wrong.heard(), "E/28P01");
    reached_nobody(&mut wrong);
}

#[test]
fn a_channel_is_bound_where_it_can_be() {
    let begun = |binding: Binding<'_>| {
        let mut talk = talk(&asking(Asking::Scram));
        encrypted(&mut talk, Some(b"hash"));
        talk.client(&start());
        assert_eq!(
            answered(&mut talk),
            b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"
        );
        let (begun, first) = first(binding);
        talk.client(&first);
        (talk, begun)
    };
    let (mut talk, client) = begun(Binding::EndPoint(b"hash"));
    let (proven, last) = prove(client, &answered(&mut talk), PLACEHOLDER);
    talk.client(&last);
    check(&mut talk);
    assert_eq!(proven.verify(&answered(&mut talk)), Ok(()));
    // Somebody else's certificate.
    let (mut talk, client) = begun(Binding::EndPoint(b"hush"));
    let (_, last) = prove(client, &answered(&mut talk), PLACEHOLDER);
    talk.client(&last);
    assert_eq!(talk.heard(), "E/08P01");
    reached_nobody(&mut talk);
    // Somebody took the offer out.
    let (mut talk, _) = begun(Binding::NotOffered);
    assert_eq!(talk.heard(), "E/08P01");
    reached_nobody(&mut talk);
}

#[test]
fn what_comes_out_of_turn_ends_the_session() {
    let good = || first(Binding::None).1;
    let long = "x".repeat(5000);
    let long = initial("SCRAM-SHA-256", &format!("n,,n=,r={long}"));
    for wrong in [
        client::query("SELECT 1"),
        client::password(b"gwp_conformance\0"),
        client::password(b""),
        client::password(b"SCRAM-SHA-256\0\xff\xff\xff\xff"),
        client::password(b"SCRAM-SHA-256\0\0\0\0\x09n,,n=,r="),
        initial("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=a"),
        initial("PLAIN", "x"),
        long,
        [good(), client::query("SELECT 1")].concat(),
        [good(), good()].concat(),
        [good(), client::password(b"c=biws,r=clients-nonce,p=AAAA")].concat(),
    ] {
        let mut talk = talk(&asking(Asking::Scram));
        talk.client(&start());
        talk.clear();
        talk.client(&wrong);
        assert!(
            matches!(end(&talk), SessionEnd::ClientViolation { .. }),
            "{:?}",
            String::from_utf8_lossy(&wrong)
        );
        assert!(talk.heard().ends_with("E/08P01"));
        reached_nobody(&mut talk);
    }
}

#[test]
fn who_leaves_instead_is_gone() {
    let mut talk = talk(&asking(Asking::Scram));
    talk.client(&start()).client(&client::terminate());
    talk.session.handle_eof(Side::Client);
    talk.client(b"");
    assert_eq!(end(&talk), &SessionEnd::ClientClosed);
    reached_nobody(&mut talk);
    // Also while it is checked, and then what comes of it means nothing.
    let mut talk = super::proving::talk(&asking(Asking::Scram));
    shown(&mut talk, PLACEHOLDER);
    let presented = talk.actions.pop();
    talk.session.handle_eof(Side::Client);
    talk.actions.extend(presented);
    check(&mut talk);
    assert_eq!(end(&talk), &SessionEnd::ClientClosed);
    reached_nobody(&mut talk);
}

#[test]
fn a_server_that_nobody_called_is_not_heard() {
    let mut talk = talk(&asking(Asking::Scram));
    talk.client(&start()).server(&server::welcome());
    assert!(matches!(end(&talk), SessionEnd::ServerViolation { .. }));
}

#[test]
fn a_placeholder_that_ends_ends_its_session() {
    let mut talk = talk(&asking(Asking::Scram));
    shown(&mut talk, PLACEHOLDER);
    check(&mut talk);
    talk.server(&server::welcome());
    talk.clear();
    let reason = "the placeholder of this session was revoked".to_owned();
    talk.session
        .handle_stop(&SessionEnd::PlaceholderEnded { reason });
    assert_eq!(talk.heard(), "E/57P01");
}

/// What the client says in a whole conversation: its random bytes and the gateway's are always the same.
fn sayings(placeholder: &str) -> [Vec<u8>; 3] {
    let mut talk = talk(&asking(Asking::Scram));
    talk.client(&start());
    talk.clear();
    let (begun, first) = first(Binding::None);
    talk.client(&first);
    let (_, last) = prove(begun, &answered(&mut talk), placeholder);
    [start(), first, last]
}

/// Worked out once: a proof takes long on purpose.
static SAYINGS: LazyLock<[[Vec<u8>; 3]; 2]> =
    LazyLock::new(|| [sayings(PLACEHOLDER), sayings("gwp_other")]);

fn conversation() -> impl Strategy<Value = Vec<Said>> {
    let change = prop_oneof![
        3 => Just(None),
        1 => (0usize..3, 0usize..120, any::<u8>()).prop_map(Some),
    ];
    let placeholder = prop_oneof![2 => Just(0), 1 => Just(1usize)];
    let more = prop_oneof![
        Just(client::query("SELECT 1")),
        Just(client::password(b"again\0")),
        Just(client::terminate()),
        prop::collection::vec(any::<u8>(), 0..40),
    ];
    let more = prop::collection::vec(more, 0..3);
    (placeholder, change, more).prop_map(|(placeholder, change, more)| {
        let mut said = SAYINGS[placeholder].clone();
        if let Some((which, at, byte)) = change
            && let Some(place) = said[which].get_mut(at)
        {
            *place = byte;
        }
        let said = said.into_iter().chain(more);
        let mut said: Vec<Said> = said.map(|bytes| (Side::Client, bytes)).collect();
        said.insert(3, (Side::Server, server::welcome()));
        said
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn cutting_what_is_shown_changes_nothing(said in conversation(), size in 1usize..9) {
        chunking_changes_nothing(&Postgres::default(), &asking(Asking::Scram), &working(), &said, |_| size);
    }

    #[test]
    fn what_is_shown_needs_a_permit_too(said in conversation()) {
        let options = asking(Asking::Scram);
        nothing_passes_without_permit(&Postgres::default(), &options, &super::talk::nothing(), &said);
        let trace = run(&Postgres::default(), &options, &working(), &said, |rest| rest);
        evidence_is_complete(&trace);
        let proves = trace.actions.iter().any(|action| matches!(action, Action::Prove(_)));
        prop_assert!(proves || trace.to_server.is_empty());
    }
}
