//! Statements that wait for people: what is told, what moves, and how each wait ends.

use std::sync::Arc;

use super::talk::{NOW, Talk, client, engine, server};
use crate::event::{Answered, Event, Ruling};
use crate::held::{Answer, HeldAction, HoldNote, Outcome, ParameterValue, Withdrawal};
use crate::ids::{ActionDigest, RequestId};
use crate::policy::engine::Engine;
use crate::protocols::Side;
use crate::session::outbox::Action;

const RULES: &str = r#"
[[rule]]
name = "reads"
action = "allow"
match = { kind = ["read", "transaction", "session"] }
[[rule]]
name = "deletes-wait"
action = "approve"
match = { verb = "delete" }
approvers = ["people"]
"#;

fn waiting() -> Arc<Engine> {
    engine(RULES)
}

/// What waits now.
fn held(talk: &mut Talk) -> HeldAction {
    let place = talk
        .actions
        .iter()
        .position(|action| matches!(action, Action::Hold(_)))
        .expect("something waits");
    match talk.actions.remove(place) {
        Action::Hold(held) => *held,
        _ => unreachable!("it was found as one"),
    }
}

fn withdrawals(talk: &Talk) -> Vec<Withdrawal> {
    let actions = talk.actions.iter();
    let whys = actions.filter_map(|action| match action {
        Action::Withdraw(why) => Some(*why),
        _ => None,
    });
    whys.collect()
}

fn approval(of: ActionDigest) -> Answer {
    Answer {
        action: of,
        request: Some(RequestId::new("r")),
        outcome: Outcome::Approved {
            by: vec!["alice".to_owned()],
            grant: None,
        },
    }
}

fn refusal(of: ActionDigest) -> Answer {
    Answer {
        action: of,
        request: Some(RequestId::new("r")),
        outcome: Outcome::Refused {
            by: Some("bob".to_owned()),
            reason: "not on a Friday".to_owned(),
        },
    }
}

fn answered(talk: &Talk) -> Vec<&Answered> {
    let events = talk.events.iter();
    let answers = events.filter_map(|event| match event {
        Event::Answered(answered) => Some(answered),
        _ => None,
    });
    answers.collect()
}

#[test]
fn a_query_waits_and_passes_once_it_is_approved() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("DELETE FROM orders WHERE id = 7"));
    let action = held(&mut talk);
    assert_eq!(action.text, "DELETE FROM orders WHERE id = 7");
    assert_eq!(action.request, "Query");
    assert_eq!(action.demands.len(), 1);
    assert_eq!(action.action, action.digest());
    talk.session.handle_waiting(&HoldNote {
        request: RequestId::new("r"),
        text: "waiting".to_owned(),
    });
    assert_eq!((talk.sent(), talk.heard()), (String::new(), "N".to_owned()));
    talk.session.handle_answer(&approval(action.action), NOW);
    talk.client(&[]);
    assert_eq!(talk.sent(), "Q");
    talk.server(&[server::complete("DELETE 1"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "C Z/I");
    let [answer] = answered(&talk)[..] else {
        panic!("it is answered once");
    };
    assert_eq!(
        (answer.ruling, answer.by.as_slice()),
        (Ruling::Allow, ["alice".to_owned()].as_slice())
    );
}

#[test]
fn what_comes_after_it_waits_too_and_in_order() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("SELECT 1"));
    talk.client(&client::query("DELETE FROM orders"));
    talk.client(&client::query("SELECT 2"));
    assert_eq!(talk.sent(), "Q");
    // What had been sent goes on.
    talk.server(&[server::complete("SELECT 1"), server::ready(b'I')].concat());
    assert_eq!(talk.heard(), "C Z/I");
    assert!(
        talk.session.wants_read(Side::Client),
        "its leaving has to be noticed"
    );
    let action = held(&mut talk).action;
    talk.session.handle_answer(&refusal(action), NOW);
    talk.client(&[]);
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("Q".to_owned(), "E/42501 Z/I".to_owned())
    );
    assert_eq!(answered(&talk)[0].by, ["bob"]);
}

#[test]
fn the_answer_to_something_else_refuses() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("DELETE FROM orders"));
    let action = held(&mut talk);
    let other = HeldAction {
        text: "DELETE FROM order".to_owned(),
        ..action.clone()
    };
    assert_ne!(other.digest(), action.digest());
    talk.session.handle_answer(&approval(other.digest()), NOW);
    talk.client(&[]);
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/42501 Z/I".to_owned())
    );
    // The right one comes too late.
    talk.session.handle_answer(&approval(action.action), NOW);
    talk.client(&[]);
    assert_eq!(talk.sent(), "");
}

#[test]
fn a_prepared_statement_waits_when_it_is_bound() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::parse("", "DELETE FROM orders WHERE id = $1"));
    assert_eq!(talk.sent(), "P");
    // One parameter in text, one null, one in binary.
    let bind = b"\0\0\0\x03\0\0\0\0\0\x01\0\x03\0\0\0\x017\xff\xff\xff\xff\0\0\0\x04\0\0\0\x2a\0\0";
    let length = u32::try_from(bind.len() + 4).unwrap();
    talk.client(&[b"B", length.to_be_bytes().as_slice(), bind].concat());
    talk.client(&client::execute(""));
    talk.client(&client::sync());
    assert_eq!(talk.sent(), "");
    let action = held(&mut talk);
    assert_eq!(
        (action.request.as_str(), action.text.as_str()),
        ("Bind", "DELETE FROM orders WHERE id = $1")
    );
    let values: Vec<_> = action.parameters.iter().map(|it| &it.value).collect();
    assert_eq!(
        values,
        [
            &ParameterValue::Text("7".to_owned()),
            &ParameterValue::Null,
            &ParameterValue::Bytes("0000002a".to_owned())
        ]
    );
    talk.session.handle_answer(&approval(action.action), NOW);
    talk.client(&[]);
    assert_eq!(talk.sent(), "B E S");
    assert_eq!(talk.asked(), ["StartupMessage allow", "Parse allow"]);
}

#[test]
fn what_is_in_another_encoding_is_shown_as_bytes() {
    let mut talk = Talk::ready(waiting());
    talk.server(&server::status("client_encoding", "LATIN1"));
    talk.client(&client::parse("", "DELETE FROM orders WHERE id = $1"));
    // These two bytes are an e with an accent in UTF-8, and two other letters here.
    talk.client(b"B\0\0\0\x12\0\0\0\0\0\x01\0\0\0\x02\xc3\xa9\0\0");
    let action = held(&mut talk);
    let values: Vec<_> = action.parameters.iter().map(|it| &it.value).collect();
    assert_eq!(values, [&ParameterValue::Encoded("c3a9".to_owned())]);
    let mut talk = Talk::ready(waiting());
    talk.server(&server::status("client_encoding", "LATIN1"));
    talk.client(&client::query("DELETE FROM orders WHERE name = 'é'"));
    assert!(!talk.session.is_held());
    assert_eq!(talk.heard(), "S E/42501 Z/I");
}

#[test]
fn binary_values_are_read_by_the_types_that_the_server_described() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::parse("s", "DELETE FROM orders WHERE id = $1"));
    talk.client(&client::describe("s"));
    talk.client(&client::sync());
    talk.server(&server::parsed());
    talk.server(b"t\0\0\0\x0a\0\x01\0\0\0\x17");
    talk.server(b"n\0\0\0\x04");
    talk.server(&server::ready(b'I'));
    talk.client(b"B\0\0\0\x17\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x2a\0\0");
    let action = held(&mut talk);
    let [parameter] = action.parameters.as_slice() else {
        panic!("there is one: {:?}", action.parameters);
    };
    assert_eq!(parameter.declared.as_deref(), Some("int4"));
    assert_eq!(parameter.reads.as_deref(), Some("42"));
    assert_eq!(
        parameter.value,
        ParameterValue::Bytes("0000002a".to_owned())
    );
}

#[test]
fn a_refused_bind_skips_to_sync() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::parse("", "DELETE FROM orders"));
    talk.client(&client::bind("", ""));
    talk.client(&client::execute(""));
    talk.client(&client::sync());
    talk.sent();
    let action = held(&mut talk).action;
    talk.session.handle_answer(&refusal(action), NOW);
    talk.client(&[]);
    assert_eq!(talk.sent(), "H S");
    talk.server(&server::parsed());
    talk.server(&server::ready(b'I'));
    assert_eq!(talk.heard(), "1 E/42501 Z/I");
}

#[test]
fn a_client_may_cancel_what_waits() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("DELETE FROM orders"));
    talk.session.handle_cancel(NOW);
    talk.client(&[]);
    assert_eq!(
        (talk.sent(), talk.heard()),
        (String::new(), "E/57014 Z/I".to_owned())
    );
    assert_eq!(withdrawals(&talk), [Withdrawal::Cancelled]);
    assert_eq!(answered(&talk)[0].ruling, Ruling::Deny);
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn who_leaves_withdraws() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("DELETE FROM orders"));
    let action = held(&mut talk).action;
    talk.session.handle_eof(Side::Client);
    talk.client(&[]);
    assert_eq!(withdrawals(&talk), [Withdrawal::ClientGone]);
    talk.session.handle_answer(&approval(action), NOW);
    talk.client(&[]);
    assert_eq!(talk.sent(), "");
}

#[test]
fn a_new_policy_decides_on_what_waits() {
    let told = |rules: &str| {
        let mut talk = Talk::ready(waiting());
        talk.client(&client::query("DELETE FROM orders"));
        held(&mut talk);
        talk.session.handle_policy(engine(rules), NOW);
        talk.client(&[]);
        assert_eq!(withdrawals(&talk), [Withdrawal::PolicyChanged]);
        let held = talk.session.is_held();
        (talk.sent(), talk.heard(), held, answered(&talk)[0].ruling)
    };
    let none = String::new;
    let allowing = RULES
        .replace("approve\"", "allow\"")
        .replace("approvers = [\"people\"]", "");
    assert_eq!(
        told(&allowing),
        ("Q".to_owned(), none(), false, Ruling::Allow)
    );
    let denying = allowing.replace("\"allow\"\nmatch = { verb", "\"deny\"\nmatch = { verb");
    assert_eq!(
        told(&denying),
        (none(), "E/42501 Z/I".to_owned(), false, Ruling::Deny)
    );
    let same = format!("{RULES}\n");
    assert_eq!(told(&same), (none(), none(), true, Ruling::Hold));
}

/// The clocks of the tests begin at midnight.
#[test]
fn when_the_time_of_a_rule_begins_or_ends_only_what_it_concerns_is_decided_again() {
    let told = |during: &str, more: &str| {
        let rules = RULES.replace(
            "match = { verb = \"delete\" }",
            &format!("match = {{ verb = \"delete\" }}\n{during}"),
        );
        let timed = engine(&format!("{rules}{more}"));
        let mut talk = Talk::ready(Arc::clone(&timed));
        talk.client(&client::query("DELETE FROM orders"));
        let action = held(&mut talk).action;
        let later = "1970-01-01T01:00:00Z".parse().unwrap();
        talk.session.handle_policy(timed, later);
        talk.client(&[]);
        let withdrawn = withdrawals(&talk);
        talk.session.handle_answer(&approval(action), later);
        talk.client(&[]);
        (withdrawn, talk.sent(), talk.heard())
    };
    let passes = (Vec::new(), "Q".to_owned(), String::new());
    assert_eq!(told("", ""), passes);
    let longer = "during = { to = \"02:00\", zone = \"UTC\" }";
    assert_eq!(told(longer, ""), passes);
    let refused = (
        vec![Withdrawal::PolicyChanged],
        String::new(),
        "E/42501 Z/I".to_owned(),
    );
    let over = "during = { to = \"01:00\", zone = \"UTC\" }";
    assert_eq!(told(over, ""), refused);
    let deny = "[[rule]]\nname = \"no\"\naction = \"deny\"\nmatch = { verb = \"delete\" }\n\
                during = { from = \"00:30\", zone = \"UTC\" }\n";
    assert_eq!(told("", deny), refused);
}

#[test]
fn what_cannot_be_shown_whole_is_refused() {
    let rules = RULES.replace(
        "verb = \"delete\"",
        "verb = [\"delete\", \"call\", \"execute\", \"prepare\"]",
    );
    let check = |bytes: Vec<u8>| {
        let mut talk = Talk::ready(engine(&rules));
        talk.client(&bytes);
        assert!(!talk.session.is_held());
        assert_eq!(talk.heard(), "E/42501 Z/I");
    };
    check(client::query("PREPARE p AS DELETE FROM orders; EXECUTE p"));
    check([b"Q\0\0\0\x18".as_slice(), b"DELETE FROM orders\xff\0"].concat());
}

#[test]
fn memory_is_bounded_while_it_waits() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("DELETE FROM orders"));
    let junk = client::query(&"SELECT 1;".repeat(1000));
    let mut taken = 0;
    while talk.session.wants_read(Side::Client) {
        talk.client(&junk);
        taken += junk.len();
        assert!(taken < 2 << 20, "it is read without end");
    }
}

#[test]
fn what_the_server_passes_over_waits_no_longer() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::parse("", "DELETE FROM ordrs"));
    talk.client(&client::bind("", ""));
    talk.client(&client::execute(""));
    talk.client(&client::sync());
    let action = held(&mut talk).action;
    assert_eq!(talk.sent(), "P");
    // There is no such table: the server fails at the `Parse`, and skips the rest up to `Sync`.
    talk.server(&server::error("42P01"));
    assert_eq!(withdrawals(&talk), [Withdrawal::Overtaken]);
    assert!(!talk.session.is_held());
    assert_eq!(
        (talk.sent(), talk.heard()),
        ("S".to_owned(), "E/42P01".to_owned())
    );
    talk.server(&server::ready(b'I'));
    assert_eq!(talk.heard(), "Z/I");
    // An answer that was under way changes nothing.
    talk.session.handle_answer(&approval(action), NOW);
    talk.client(&client::query("SELECT 1"));
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn what_is_copied_in_cannot_be_shown() {
    let rules = RULES.replace("verb = \"delete\"", "verb = \"copy_from\"");
    let mut talk = Talk::ready(engine(&rules));
    talk.client(&client::query("COPY orders FROM STDIN"));
    assert!(!talk.session.is_held());
    assert_eq!(talk.heard(), "E/42501 Z/I");
}

#[test]
fn the_same_policy_read_again_changes_nothing() {
    let mut talk = Talk::ready(waiting());
    talk.client(&client::query("DELETE FROM orders"));
    let action = held(&mut talk).action;
    talk.session.handle_policy(waiting(), NOW);
    talk.client(&[]);
    assert!(withdrawals(&talk).is_empty() && talk.session.is_held());
    talk.session.handle_answer(&approval(action), NOW);
    talk.client(&[]);
    assert_eq!(talk.sent(), "Q");
}

#[test]
fn no_session_begins_in_another_role() {
    for (name, value) in [
        ("role", "admin"),
        ("options", "-c role=admin"),
        ("Session_Authorization", "x"),
    ] {
        let mut talk = Talk::fresh(waiting(), crate::protocols::ClientTls::Refuse);
        talk.client(&client::startup(3 << 16, &[("user", "app"), (name, value)]));
        assert_eq!(
            (talk.sent(), talk.heard()),
            (String::new(), "E/0A000".to_owned())
        );
    }
}
