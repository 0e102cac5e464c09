//! What people let pass beforehand, and until when.

use std::sync::Arc;

use super::*;
use crate::approvals::grant::Covers;
use crate::approvals::scope::Closeness;
use crate::held::Withdrawal;
use crate::ids::IssuerName;
use crate::subject::{Claim, Identity};

/// An office in which Alice has let [`action`] pass, and more.
fn granted(scope: Scope) -> Office {
    let mut office = Office::new();
    let (request, _) = office.open(action());
    let effects = office.approve(&request, person("alice"), scope).unwrap();
    assert!(passes(&effects));
    office
}

fn finished(office: &Office, session: &str, rows: Option<u64>) -> Command {
    Command::Finished {
        grant: office.grant(),
        session: SessionId::new(session),
        ask: AskId(7),
        rows,
    }
}

fn other_row(session: &str) -> HeldAction {
    like(|it| {
        it.session = SessionId::new(session);
        it.text = "DELETE FROM orders WHERE id = 2".to_owned();
    })
}

#[test]
fn for_a_session() {
    let mut office = granted(Scope::Session(Terms::default()));
    assert!(passes(&office.open(other_row("s1")).1));
    assert!(!passes(&office.open(other_row("s2")).1));
    let ended = Command::SessionEnded(SessionId::new("s1"));
    assert!(ends(&office.tell(ended).unwrap()).is_empty());
    assert_eq!(office.desk.grants().count(), 0);
}

#[test]
fn for_a_workload_and_a_time() {
    let mut office = granted(Scope::Workload(lasting(60)));
    assert!(passes(&office.open(other_row("s2")).1));
    let writer = like(|it| it.subject.workload = WorkloadName::new("writer"));
    assert!(!passes(&office.open(writer).1));
    // What passed by it ends with it.
    assert!(ends(&office.wait(59)).is_empty());
    assert_eq!(ends(&office.wait(1)), ["s1", "s2"]);
    assert!(!passes(&office.open(other_row("s2")).1));
}

/// [`other_row`], asked for by a workload that is known as this subject, on a team.
fn known_as(session: &str, subject: Option<&str>, team: &str) -> HeldAction {
    let identity = subject.map(|subject| Identity {
        issuer: IssuerName::new("corp"),
        subject: subject.to_owned(),
        account: None,
        claims: [("team".to_owned(), Claim::Text(team.to_owned()))].into(),
    });
    let mut action = other_row(session);
    action.subject.identity = identity.map(Arc::new);
    seal(&mut action);
    action
}

#[test]
fn for_whom_the_workload_was_known_as() {
    for (asked, others) in [
        (Some("ann"), [Some("ben"), None]),
        (None, [Some("ann"), Some("ben")]),
    ] {
        for scope in [
            Scope::Workload(lasting(60)),
            Scope::Session(Terms::default()),
        ] {
            let mut office = Office::new();
            let (request, _) = office.open(known_as("s1", asked, "data"));
            let effects = office.approve(&request, person("alice"), scope);
            assert!(passes(&effects.unwrap()));
            for other in others {
                let (_, effects) = office.open(known_as("s1", other, "data"));
                assert!(!passes(&effects), "{asked:?} {other:?}");
            }
            // The next token may say more or less of the same one.
            assert!(passes(&office.open(known_as("s1", asked, "ops")).1));
        }
    }
}

#[test]
fn the_same_name_of_another_issuer_is_somebody_else() {
    let mut office = Office::new();
    let (request, _) = office.open(known_as("s1", Some("ann"), "data"));
    let scope = Scope::Workload(lasting(60));
    office.approve(&request, person("alice"), scope).unwrap();
    let mut other = known_as("s1", Some("ann"), "data");
    let identity = Identity {
        issuer: IssuerName::new("cluster"),
        ..Identity::clone(other.subject.identity.as_ref().unwrap())
    };
    other.subject.identity = Some(Arc::new(identity));
    seal(&mut other);
    assert!(!passes(&office.open(other).1));
}

#[test]
fn what_is_over_is_not_ended() {
    let mut office = granted(Scope::Workload(lasting(60)));
    office.open(other_row("s2"));
    let over = finished(&office, "s1", Some(1));
    office.tell(over).unwrap();
    let gone = Command::SessionEnded(SessionId::new("s2"));
    office.tell(gone).unwrap();
    assert!(ends(&office.wait(60)).is_empty());
}

#[test]
fn what_waits_passes_by_a_new_grant() {
    let mut office = Office::new();
    let (first, _) = office.open(action());
    office.open(other_row("s2"));
    office.open(like(|it| it.request = "Bind".to_owned()));
    let scope = Scope::Workload(lasting(60));
    let effects = office.approve(&first, person("alice"), scope).unwrap();
    assert_eq!(answers(&effects).len(), 2);
    assert_eq!(office.desk.open().count(), 1);
}

#[test]
fn so_often_and_no_more() {
    let most = Terms {
        max_uses: Some(2),
        ..lasting(60)
    };
    let mut office = granted(Scope::Workload(most));
    assert!(passes(&office.open(other_row("s2")).1));
    assert!(!passes(&office.open(other_row("s3")).1));
    // It runs on, and can be taken back.
    let revoke = Command::Revoke {
        grant: office.grant(),
        by: person("bob"),
    };
    assert_eq!(ends(&office.tell(revoke).unwrap()), ["s1", "s2"]);
}

#[test]
fn so_many_rows_and_no_more() {
    let most = Terms {
        max_rows: Some(10),
        ..lasting(60)
    };
    let mut office = granted(Scope::Workload(most));
    // Nobody knows yet how many the first one changes. The second waits for that, and passes then.
    assert!(!passes(&office.open(other_row("s2")).1));
    let told = finished(&office, "s1", Some(9));
    assert!(passes(&office.tell(told).unwrap()));
    let told = finished(&office, "s2", Some(1));
    office.tell(told).unwrap();
    assert_eq!(office.desk.grants().count(), 0);
    assert!(!passes(&office.open(other_row("s3")).1));
    // Not told is not few.
    for how in [
        |office: &Office| finished(office, "s1", None),
        |_: &Office| Command::SessionEnded(SessionId::new("s1")),
        |_: &Office| Command::Started,
    ] {
        let mut office = granted(Scope::Workload(most));
        let told = how(&office);
        office.tell(told).unwrap();
        assert_eq!(office.desk.grants().count(), 0);
    }
}

#[test]
fn taken_back_by_those_who_are_asked_and_operators() {
    let operator = Person {
        seat: Seat::Operator,
        ..person("root")
    };
    let inside = Person {
        seat: Seat::Attached,
        ..person("bob")
    };
    for (by, may) in [
        (person("bob"), true),
        (operator, true),
        (person("root"), false),
        (person("carol"), false),
        (inside, false),
    ] {
        let mut office = granted(Scope::Workload(lasting(60)));
        let grant = office.grant();
        let revoked = office.tell(Command::Revoke {
            grant: grant.clone(),
            by: by.clone(),
        });
        assert_eq!(revoked.is_ok(), may, "{by:?}");
        if let Ok(effects) = revoked {
            assert_eq!(ends(&effects), ["s1"]);
            assert!(!passes(&office.open(other_row("s2")).1));
            let again = office.tell(Command::Revoke {
                grant: grant.clone(),
                by,
            });
            assert_eq!(again.unwrap_err(), Objection::NoGrant(grant));
        }
    }
}

#[test]
fn the_least_of_what_was_said() {
    let mut office = Office::new();
    let two = like(|it| it.demands = vec![demand("two", vec![set("dba", &[], &["dba"], 2)])]);
    let (request, _) = office.open(two.clone());
    let hour = Scope::Workload(lasting(3600));
    let text = Scope::Session(Terms {
        closeness: Closeness::Text,
        ..lasting(60)
    });
    office.approve(&request, person("alice"), hour).unwrap();
    office.approve(&request, person("bob"), text).unwrap();
    let grant = office.desk.grants().next().unwrap();
    assert_eq!(grant.expires, office.now.after(Duration::from_secs(60)));
    assert!(matches!(&grant.covers, Covers::Session { likeness, .. } if likeness.text.is_some()));
    // Once is the least.
    let mut office = Office::new();
    let (request, _) = office.open(two);
    office
        .approve(&request, person("alice"), Scope::Once)
        .unwrap();
    let effects = office.approve(&request, person("bob"), hour).unwrap();
    assert!(passes(&effects));
    assert_eq!(office.desk.grants().count(), 0);
}

#[test]
fn a_grant_answers_the_demands_that_it_was_given_for() {
    let mut office = granted(Scope::Workload(lasting(60)));
    // Another policy, by which the same people are asked for the same reason.
    let reloaded = like(|it| it.policy = PolicyDigest::new("p2"));
    assert!(passes(&office.open(reloaded).1));
    let others = [
        demand("deletes-wait", vec![set("data-owners", &["alice"], &[], 1)]),
        demand("other-rule", vec![owners()]),
        Demand {
            in_order: true,
            ..demand("deletes-wait", vec![owners()])
        },
    ];
    for other in others {
        let both = vec![demand("deletes-wait", vec![owners()]), other.clone()];
        for demands in [vec![other], both] {
            let action = like(|it| it.demands = demands);
            assert!(!passes(&office.open(action).1));
        }
    }
}

#[test]
fn nobody_grants_to_themselves() {
    let mut office = granted(Scope::Workload(lasting(60)));
    let own = like(|it| it.subject.process.uid = 1001);
    assert!(!passes(&office.open(own).1));
}

#[test]
fn let_pass_after_all() {
    for (why, scope) in [
        (Some(Withdrawal::ClientGone), Scope::Once),
        (None, Scope::Once),
        (
            Some(Withdrawal::Cancelled),
            Scope::Session(Terms::default()),
        ),
    ] {
        let mut office = Office::new();
        let (request, _) = office.open(action());
        match why {
            Some(why) => drop(office.tell(Command::Withdraw {
                request: request.clone(),
                why,
            })),
            None => drop(office.wait(600)),
        }
        let late = office.approve(&request, person("alice"), scope).unwrap();
        assert!(answers(&late).is_empty(), "nobody waits");
        // Exactly this, by any session of the workload, once.
        assert!(!passes(&office.open(other_row("s2")).1));
        let changed = like(|it| it.policy = PolicyDigest::new("p2"));
        assert!(!passes(&office.open(changed).1));
        let again = like(|it| it.session = SessionId::new("s2"));
        assert!(passes(&office.open(again.clone()).1));
        assert!(!passes(&office.open(again).1));
        // And it is decided.
        let twice = office.approve(&request, person("bob"), Scope::Once);
        assert!(twice.is_err());
    }
}

#[test]
fn late_is_not_for_ever() {
    let mut office = Office::new();
    let (request, _) = office.open(action());
    office.wait(600);
    office.wait(3600);
    assert!(
        office
            .approve(&request, person("alice"), Scope::Once)
            .is_err()
    );
    let (request, _) = office.open(action());
    office.wait(600);
    office
        .approve(&request, person("alice"), Scope::Once)
        .unwrap();
    office.wait(3600);
    assert!(!passes(&office.open(action()).1));
    // A no to what waits no longer keeps it from being let pass.
    let mut office = Office::new();
    let (request, _) = office.open(action());
    office.wait(600);
    office.refuse(&request, person("bob")).unwrap();
    let late = office.approve(&request, person("alice"), Scope::Once);
    assert!(late.is_err());
}

#[test]
fn the_late_of_one_workload_displace_only_its_own() {
    let mut office = Office::new();
    let writer = like(|it| it.subject.workload = WorkloadName::new("writer"));
    let (kept, _) = office.open(writer);
    let (displaced, _) = office.open(action());
    office.wait(600);
    for _ in 0..64 {
        office.open(action());
    }
    office.wait(600);
    assert!(office.desk.request(&kept).is_some());
    assert!(office.desk.request(&displaced).is_none());
    assert_eq!(office.desk.late().count(), 65);
}

#[test]
fn scopes_that_make_no_sense() {
    let zero = |terms: Terms| Scope::Session(terms);
    let cases = [
        (
            Scope::Workload(Terms::default()),
            "an approval for the whole workload needs a duration",
        ),
        (
            Scope::Workload(lasting(86_401)),
            "an approval lasts at most 24 hours",
        ),
        (
            zero(lasting(0)),
            "an approval for nothing: its duration must not be zero",
        ),
        (
            zero(Terms {
                max_uses: Some(0),
                ..Terms::default()
            }),
            "an approval for nothing: how many actions it is for must not be zero",
        ),
    ];
    for (scope, sentence) in cases {
        let mut office = Office::new();
        let (request, _) = office.open(action());
        let told = office.approve(&request, person("alice"), scope);
        assert_eq!(told.unwrap_err().to_string(), sentence);
    }
    let mut office = Office::new();
    let (request, _) = office.open(like(|it| {
        it.units = vec![facts(&[("sql.table", Value::Unknown(()))])];
    }));
    let scope = Scope::Session(Terms::default());
    let told = office.approve(&request, person("alice"), scope);
    let sentence =
        "only this action can be approved, nothing like it: its sql.table is not known for certain";
    assert_eq!(told.unwrap_err().to_string(), sentence);
    assert!(passes(
        &office
            .approve(&request, person("alice"), Scope::Once)
            .unwrap()
    ));
}
