//! Whose votes count, and for what.

use std::sync::Arc;

use super::*;
use crate::approvals::change::Notice;
use crate::approvals::request::State;
use crate::held::{Parameter, ParameterValue, Withdrawal};
use crate::ids::IssuerName;
use crate::preview::Preview;
use crate::subject::{Claim, Identity};

#[test]
fn one_who_is_asked_lets_it_pass_once() {
    let mut office = Office::new();
    let (request, opened) = office.open(action());
    assert!(answers(&opened).is_empty());
    let effects = office.approve(&request, person("alice"), Scope::Once);
    let effects = effects.unwrap();
    let [answer] = answers(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(answer.action, action().action);
    let approved = Outcome::Approved {
        by: vec!["alice".to_owned()],
        grant: None,
    };
    assert_eq!(answer.outcome, approved);
    // It is gone, and the next one waits again.
    let again = office.approve(&request, person("bob"), Scope::Once);
    assert_eq!(again.unwrap_err(), Objection::NoRequest(request));
    assert!(answers(&office.open(action()).1).is_empty());
}

#[test]
fn a_no_ends_it() {
    let mut office = Office::new();
    let (request, _) = office.open(action());
    let effects = office.refuse(&request, person("bob")).unwrap();
    assert_eq!(refusal(&effects), "bob refused it");
    assert!(office.refuse(&request, person("alice")).is_err());
}

#[test]
fn nobody_in_time_is_a_no() {
    let mut office = Office::new();
    let mut action = action();
    action.demands.push(Demand {
        timeout: Duration::from_secs(60),
        ..demand("hasty", vec![owners()])
    });
    office.open(action);
    assert_eq!(office.desk.due(), Some(Moment(1_060_000)));
    assert!(answers(&office.wait(59)).is_empty());
    assert_eq!(refusal(&office.wait(1)), "nobody decided in time");
}

/// Each vote is refused, with this sentence, and changes nothing.
#[test]
fn votes_that_do_not_count() {
    let seated = |name, seat| Person {
        seat,
        ..person(name)
    };
    let named = Person {
        uid: AGENT,
        ..person("alice")
    };
    let cases = [
        (
            person("carol"),
            "carol is not asked: it is up to data-owners",
        ),
        (person("root"), "root is not asked: it is up to data-owners"),
        (
            seated("root", Seat::Operator),
            "root is not asked: it is up to data-owners",
        ),
        (
            seated("alice", Seat::Attached),
            "this process belongs to an attached cgroup: agents do not decide on requests",
        ),
        (
            named,
            "alice is the account that asked, and nobody decides on their own request",
        ),
    ];
    for (by, sentence) in cases {
        let mut office = Office::new();
        let (request, _) = office.open(action());
        let yes = office.approve(&request, by.clone(), Scope::Once);
        assert_eq!(yes.unwrap_err().to_string(), sentence);
        let no = office.refuse(&request, by);
        assert_eq!(no.unwrap_err().to_string(), sentence);
        assert_eq!(office.changes.len(), 1);
    }
}

/// The planner, known by a token as an agent of this account.
fn known_as(account: &str) -> HeldAction {
    like(|it| {
        it.subject.identity = Some(Arc::new(Identity {
            issuer: IssuerName::new("corp"),
            subject: "planner".to_owned(),
            account: Some(account.to_owned()),
            claims: BTreeMap::from([("team".to_owned(), Claim::Text("data".to_owned()))]),
        }));
    })
}

#[test]
fn nobody_decides_for_an_agent_of_their_own() {
    let mut office = Office::new();
    let (request, _) = office.open(known_as("alice"));
    let own = office.approve(&request, person("alice"), Scope::Once);
    let expected = Objection::Own {
        name: "alice".to_owned(),
    };
    assert_eq!(own.unwrap_err(), expected);
    assert!(office.approve(&request, person("bob"), Scope::Once).is_ok());
}

#[test]
fn an_action_is_of_whom_it_is_known_to_be() {
    let known = known_as("alice");
    assert_ne!(known.action, action().action);
    assert_ne!(known.action, known_as("bob").action);
    let mut other = known.clone();
    let identity = other.subject.identity.as_mut().unwrap();
    Arc::make_mut(identity)
        .claims
        .insert("team".to_owned(), Claim::Texts(vec!["data".to_owned()]));
    seal(&mut other);
    assert_ne!(other.action, known.action);
}

#[test]
fn a_vote_is_for_what_was_looked_at() {
    let mut office = Office::new();
    let (request, _) = office.open(action());
    let mut ballot = office.ballot(&request, person("alice"));
    ballot.action = like(|it| it.text.push(' ')).action;
    let grant = GrantId::new("g");
    let scope = Scope::Once;
    let told = office.tell(Command::Approve {
        ballot,
        scope,
        grant,
    });
    assert_eq!(told.unwrap_err(), Objection::OtherAction(request));
}

#[test]
fn a_preview_comes_once_and_changes_nothing_else() {
    let mut office = Office::new();
    let (request, _) = office.open(action());
    let preview = |rows| Command::Preview {
        request: request.clone(),
        preview: Preview {
            estimate_rows: Some(rows),
            ..Preview::default()
        },
    };
    let effects = office.tell(preview(7)).unwrap();
    let [Effect::Notice(Notice::Previewed(told))] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(told.preview.as_ref().unwrap().estimate_rows, Some(7));
    assert!(office.tell(preview(8)).unwrap().is_empty());
    let before = office.desk.request(&request).unwrap();
    assert_eq!(before.preview, told.preview);
    let effects = office.approve(&request, person("alice"), Scope::Once);
    assert!(passes(&effects.unwrap()));
    assert!(office.tell(preview(9)).unwrap().is_empty());
}

#[test]
fn an_action_is_what_its_digest_names() {
    let mut office = Office::new();
    let mut action = action();
    action.text = "DROP TABLE orders".to_owned();
    let told = office.tell(Command::Open {
        request: RequestId::new("r"),
        action: Box::new(action),
    });
    assert_eq!(told.unwrap_err(), Objection::Misnamed);
}

#[test]
fn one_person_is_not_two() {
    let two = |action: &mut HeldAction| {
        let dba = set("dba", &[], &["dba"], 1);
        let security = set("security", &[], &["security"], 1);
        action.demands = vec![demand("both", vec![dba, security])];
    };
    let mut office = Office::new();
    let (request, _) = office.open(like(two));
    // Bob is in both.
    assert!(!passes(
        &office
            .approve(&request, person("bob"), Scope::Once)
            .unwrap()
    ));
    let again = office.approve(&request, person("bob"), Scope::Once);
    let sentence = "bob has agreed already, and others must agree as well";
    assert_eq!(again.unwrap_err().to_string(), sentence);
    // Another account of the same number or the same name is Bob all the same.
    for same in [
        Person {
            name: "robert".to_owned(),
            ..person("bob")
        },
        Person {
            uid: 5,
            ..person("bob")
        },
    ] {
        assert!(office.approve(&request, same, Scope::Once).is_err());
    }
    // Whichever of the sets the other one is in.
    assert!(passes(
        &office
            .approve(&request, person("alice"), Scope::Once)
            .unwrap()
    ));
    let mut office = Office::new();
    let (request, _) = office.open(like(two));
    office
        .approve(&request, person("bob"), Scope::Once)
        .unwrap();
    assert!(passes(
        &office
            .approve(&request, person("carol"), Scope::Once)
            .unwrap()
    ));
}

#[test]
fn each_demand_is_met() {
    let mut office = Office::new();
    let security = set("security", &[], &["security"], 2);
    let action = like(|it| it.demands.push(demand("other", vec![security])));
    let (request, _) = office.open(action);
    // Bob counts for both demands.
    for (name, last) in [("bob", false), ("carol", true)] {
        let effects = office.approve(&request, person(name), Scope::Once);
        assert_eq!(passes(&effects.unwrap()), last, "{name}");
    }
}

#[test]
fn one_after_the_other() {
    let mut office = Office::new();
    let security = set("security", &[], &["security"], 1);
    let action = like(|it| {
        it.demands = vec![Demand {
            in_order: true,
            ..demand("ordered", vec![owners(), security])
        }];
    });
    let (request, _) = office.open(action);
    let early = office.approve(&request, person("carol"), Scope::Once);
    let sentence = "it is not the turn of carol yet: data-owners must agree first";
    assert_eq!(early.unwrap_err().to_string(), sentence);
    office
        .approve(&request, person("bob"), Scope::Once)
        .unwrap();
    let twice = office.approve(&request, person("bob"), Scope::Once);
    assert!(matches!(twice, Err(Objection::VotedBefore { .. })));
    let over = office.approve(&request, person("alice"), Scope::Once);
    assert!(matches!(over, Err(Objection::VotedBefore { .. })));
    let effects = office.approve(&request, person("carol"), Scope::Once);
    assert!(passes(&effects.unwrap()));
}

#[test]
fn a_no_waits_for_no_turn() {
    let mut office = Office::new();
    let security = set("security", &["carol"], &[], 1);
    let action = like(|it| {
        it.demands = vec![Demand {
            in_order: true,
            ..demand("ordered", vec![owners(), security])
        }];
    });
    let (request, _) = office.open(action);
    let effects = office.refuse(&request, person("carol")).unwrap();
    assert_eq!(refusal(&effects), "carol refused it");
}

#[test]
fn nobody_to_ask_is_a_no_at_once() {
    for demands in [
        vec![],
        vec![demand("r", vec![])],
        vec![demand("r", vec![set("none", &[], &[], 1)])],
    ] {
        let mut office = Office::new();
        let told = office.tell(Command::Open {
            request: RequestId::new("r"),
            action: Box::new(like(|it| it.demands = demands)),
        });
        assert_eq!(told.unwrap_err(), Objection::NobodyAsked);
    }
}

#[test]
fn whoever_waits_no_longer_is_not_answered() {
    for why in [
        Withdrawal::ClientGone,
        Withdrawal::Cancelled,
        Withdrawal::PolicyChanged,
    ] {
        let mut office = Office::new();
        let (request, _) = office.open(action());
        let withdraw = Command::Withdraw {
            request: request.clone(),
            why,
        };
        assert!(answers(&office.tell(withdraw.clone()).unwrap()).is_empty());
        assert_eq!(office.tell(withdraw).unwrap(), []);
        let late = office.desk.request(&request);
        assert_eq!(late.is_some(), why != Withdrawal::PolicyChanged);
    }
}

#[test]
fn a_session_that_ends_takes_its_requests_with_it() {
    let mut office = Office::new();
    let (gone, _) = office.open(action());
    let (stays, _) = office.open(like(|it| it.session = SessionId::new("s2")));
    let ended = Command::SessionEnded(SessionId::new("s1"));
    office.tell(ended).unwrap();
    let state = |id| office.desk.request(id).unwrap().state.clone();
    let why = Withdrawal::SessionEnded;
    assert_eq!(state(&gone), State::Withdrawn { why });
    assert_eq!(state(&stays), State::Open);
}

#[test]
fn so_many_wait_and_no_more() {
    let mut office = Office::new();
    for _ in 0..64 {
        office.open(action());
    }
    let open = |action| Command::Open {
        request: RequestId::new("more"),
        action: Box::new(action),
    };
    let more = office.tell(open(action())).unwrap_err().to_string();
    let sentence = "64 requests of workload planner wait already, and no more may";
    assert_eq!(more, sentence);
    // Others have their own.
    let other = like(|it| it.subject.workload = WorkloadName::new("writer"));
    assert!(office.tell(open(other)).is_ok());
    // Large ones count for what they are.
    let mut office = Office::new();
    let large = like(|it| it.text = "x".repeat(1 << 20));
    for _ in 0..3 {
        office.open(large.clone());
    }
    assert!(office.tell(open(large)).is_err());
}

/// Who opens and leaves has no more written down and told than so much.
#[test]
fn so_many_are_opened_in_a_minute_and_no_more() {
    let mut office = Office::new();
    let open = |office: &mut Office, number: u32, action: HeldAction| {
        let request = RequestId::new(format!("r{number}"));
        let action = Box::new(action);
        office.tell(Command::Open {
            request: request.clone(),
            action,
        })?;
        let why = Withdrawal::ClientGone;
        office.tell(Command::Withdraw { request, why })
    };
    for number in 0..120 {
        open(&mut office, number, action()).unwrap();
        if number == 59 {
            office.wait(30);
        }
    }
    let more = open(&mut office, 120, action()).unwrap_err().to_string();
    let sentence = "workload planner asks for more approvals than 120 in a minute";
    assert_eq!(more, sentence);
    // Others have their own.
    let other = like(|it| it.subject.workload = WorkloadName::new("writer"));
    open(&mut office, 121, other).unwrap();
    // What was refused does not count, and what is a minute old neither.
    office.wait(29);
    assert!(open(&mut office, 122, action()).is_err());
    office.wait(1);
    for number in 200..260 {
        open(&mut office, number, action()).unwrap();
    }
    assert!(open(&mut office, 260, action()).is_err());
    // What a grant lets pass asks nobody.
    office.wait(60);
    let (request, _) = office.open(action());
    let scope = Scope::Workload(lasting(3600));
    office.approve(&request, person("alice"), scope).unwrap();
    for _ in 0..200 {
        let (_, effects) = office.open(action());
        assert!(passes(&effects));
    }
}

/// A parameter takes room also where there is nothing in it.
#[test]
fn parameters_count_for_what_they_are() {
    let parameter = Parameter {
        declared: Some("x".repeat(1000)),
        reads: Some("x".repeat(1000)),
        value: ParameterValue::Null,
    };
    let large = like(|it| it.parameters = vec![parameter; 3000]);
    let mut office = Office::new();
    office.open(large.clone());
    let more = office.tell(Command::Open {
        request: RequestId::new("more"),
        action: Box::new(large),
    });
    assert!(
        matches!(more, Err(Objection::TooManyOfWorkload { .. })),
        "{more:?}"
    );
}

#[test]
fn changes_are_read_back_as_they_were() {
    let mut office = Office::new();
    let scope = Scope::Workload(lasting(60));
    let (request, _) = office.open(action());
    office.approve(&request, person("alice"), scope).unwrap();
    let (request, _) = office.open(like(|it| it.text.push(' ')));
    assert!(office.refuse(&request, person("bob")).is_err());
    let (request, _) = office.open(like(|it| it.request = "Bind".to_owned()));
    office.refuse(&request, person("bob")).unwrap();
    office.open(like(|it| it.session = SessionId::new("s9")));
    office.tell(Command::Started).unwrap();
    office.wait(86_400);
    for change in office.changes {
        let written = serde_json::to_string(&change).unwrap();
        let read: Change = serde_json::from_str(&written).expect(&written);
        assert_eq!(read, change, "{written}");
    }
}
