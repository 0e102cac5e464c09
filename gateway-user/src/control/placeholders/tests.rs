//! What a placeholder proves, for whom, and for how long.

use std::fs;

use gateway_core::flow::{ClientAddr, OriginalDst};
use gateway_core::ids::SessionId;
use gateway_core::protocols::placeholder::{Presented, Proved, Shown};
use gateway_core::secret::Secret;

use super::*;
use crate::live::Info;
use crate::observe::enforcement::Operator;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn lease(id: &str) -> Lease {
    Lease {
        id: PlaceholderId::new(id),
        workload: WorkloadName::new("planner"),
        resource: ResourceName::new("orders-db"),
        user: None,
        cgroup: None,
        since: at(0),
        until: at(100),
        by: Operator { uid: 0, pid: 7 },
        ended: None,
    }
}

fn session() -> Info {
    Info {
        session: SessionId::new("a"),
        workload: WorkloadName::new("planner"),
        pid: 1,
        comm: "psql".to_owned(),
        cgroup: CgroupId(7),
        client: ClientAddr("127.0.0.1:4000".parse().unwrap()),
        destination: OriginalDst("10.0.0.5:5432".parse().unwrap()),
        resource: Some(ResourceName::new("orders-db")),
        protocol: "postgres".to_owned(),
        started: Timestamp::UNIX_EPOCH,
    }
}

fn shown(placeholder: &str) -> Presented {
    Presented {
        user: "app".to_owned(),
        shown: Shown::Plain(Secret::new(placeholder.as_bytes())),
    }
}

fn begun() -> (tempfile::TempDir, Placeholders) {
    let folder = tempfile::tempdir().unwrap();
    let list = Placeholders::load(folder.path().join("placeholders.json")).unwrap();
    (folder, list)
}

#[track_caller]
fn check(list: &Placeholders, placeholder: &str, session: &Info, now: i64, expected: &str) {
    let said = match list.check(&shown(placeholder), session, at(now)) {
        Proved::Yes { placeholder, .. } => placeholder.to_string(),
        Proved::No { reason } => reason,
    };
    assert_eq!(said, expected);
}

#[test]
fn one_proves_what_it_was_issued_for() {
    let (_folder, list) = begun();
    list.insert(lease("a"), "gwp_a").unwrap();
    let bound = Lease {
        user: Some("reader".to_owned()),
        ..lease("b")
    };
    list.insert(bound, "gwp_b").unwrap();
    let run = Lease {
        cgroup: Some(CgroupId(8)),
        ..lease("c")
    };
    list.insert(run, "gwp_c").unwrap();
    let ours = session();
    check(&list, "gwp_a", &ours, 99, "a");
    check(
        &list,
        "gwp_x",
        &ours,
        1,
        "what it showed is no placeholder that was issued",
    );
    let wrong = |id: &str, why: &str| format!("it showed placeholder {id}, which {why}");
    check(&list, "gwp_a", &ours, 100, &wrong("a", "has expired"));
    check(&list, "gwp_b", &ours, 1, &wrong("b", "is for another user"));
    let why = "is for another cgroup of the workload";
    check(&list, "gwp_c", &ours, 1, &wrong("c", why));
    let other = Info {
        workload: WorkloadName::new("coder"),
        ..session()
    };
    let why = "was issued to workload `planner`";
    check(&list, "gwp_a", &other, 1, &wrong("a", why));
    let elsewhere = Info {
        resource: Some(ResourceName::new("other-db")),
        ..session()
    };
    let why = "is for resource `orders-db`";
    check(&list, "gwp_a", &elsewhere, 1, &wrong("a", why));
    let in_run = Info {
        cgroup: CgroupId(8),
        ..session()
    };
    check(&list, "gwp_c", &in_run, 1, "c");
}

#[test]
fn what_is_revoked_proves_nothing_and_the_next_daemon_knows() {
    let (folder, list) = begun();
    list.insert(lease("a"), "gwp_a").unwrap();
    list.insert(lease("b"), "gwp_b").unwrap();
    assert!(
        list.revoke(&PlaceholderId::new("a"), at(5))
            .unwrap()
            .is_some()
    );
    assert!(
        list.revoke(&PlaceholderId::new("z"), at(5))
            .unwrap()
            .is_none()
    );
    let revoked = "it showed placeholder a, which was revoked";
    check(&list, "gwp_a", &session(), 6, revoked);
    assert!(list.over(&PlaceholderId::new("a"), at(6)).is_some());
    assert!(list.over(&PlaceholderId::new("b"), at(6)).is_none());
    let file = folder.path().join("placeholders.json");
    let again = Placeholders::load(file.clone()).unwrap();
    assert_eq!(again.salt(), list.salt());
    assert_eq!(again.all(at(6)), list.all(at(6)));
    check(&again, "gwp_b", &session(), 6, "b");
    let kept = fs::read_to_string(&file).unwrap();
    assert!(!kept.contains("gwp_"), "{kept}");
}

#[test]
fn what_is_over_is_told_once() {
    let (_folder, list) = begun();
    list.insert(lease("a"), "gwp_a").unwrap();
    assert!(list.expire(at(99)).is_empty());
    let over = list.expire(at(100));
    assert_eq!(over.len(), 1);
    assert_eq!(
        over[0].farewell(),
        "the placeholder of this session has expired"
    );
    assert!(list.expire(at(101)).is_empty());
    // A day later it is forgotten.
    let later = Lease {
        since: at(100 + 24 * 60 * 60 + 1),
        until: at(1_000_000),
        ..lease("b")
    };
    list.insert(later, "gwp_b").unwrap();
    assert_eq!(list.all(at(200_000)).len(), 1);
}

#[test]
fn what_cannot_be_kept_is_not_issued_and_is_revoked() {
    let (folder, list) = begun();
    list.insert(lease("a"), "gwp_a").unwrap();
    drop(folder);
    list.insert(lease("b"), "gwp_b").unwrap_err();
    let unknown = "what it showed is no placeholder that was issued";
    check(&list, "gwp_b", &session(), 1, unknown);
    list.revoke(&PlaceholderId::new("a"), at(1)).unwrap_err();
    let revoked = "it showed placeholder a, which was revoked";
    check(&list, "gwp_a", &session(), 2, revoked);
}

#[test]
fn a_strange_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("placeholders.json");
    for text in ["", "[]", r#"{"layout":1,"placeholders":[]}"#] {
        fs::write(&file, text).unwrap();
        Placeholders::load(file.clone()).unwrap_err();
    }
}

#[test]
fn no_two_are_the_same() {
    let (one, other) = (table::placeholder().unwrap(), table::placeholder().unwrap());
    assert_ne!(one, other);
    assert!(one.starts_with("gwp_") && one.len() == 52, "{one}");
}
