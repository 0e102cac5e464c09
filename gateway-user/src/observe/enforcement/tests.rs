//! Entries read back as they were written, lines stay whole, and the file can be rotated.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use gateway_core::limit::Kind;

use super::detected::Detection;
use super::*;

fn connection() -> Connection {
    Connection {
        session: Some(SessionId::new("019a9f3c-0000-7aaa-8000-000000000001")),
        workload: Some(WorkloadName::new("planner")),
        pid: Some(4711),
        uid: Some(1000),
        comm: Some("psql\n\u{1b}".to_owned()),
        issuer: None,
        identity: None,
        destination: Some("[::1]:5432".parse().unwrap()),
        resource: Some(ResourceName::new("orders-db")),
    }
}

fn denial() -> Denial {
    Denial {
        connection: connection(),
        ask: AskId(3),
        rule: None,
        reason: "no rule allows it".to_owned(),
        verbs: vec!["delete".to_owned()],
        tables: vec!["public.orders".to_owned()],
    }
}

fn ended(how: SessionEnd) -> What {
    What::SessionEnded {
        connection: connection(),
        how,
        duration_ms: 1,
        allowed: 2,
        denied: 3,
        bytes_in: 4,
        bytes_out: 5,
        lines: Some(6),
        head: Some("00ff".to_owned()),
    }
}

fn all() -> Vec<What> {
    let attachment = Attachment {
        workload: None,
        cgroup: "/agents/planner".to_owned(),
        by: Some(Operator { uid: 0, pid: 1 }),
        selector: Some("unit agent@*.service".to_owned()),
        inside: Some(WorkloadName::new("outer")),
    };
    vec![
        What::DaemonStarted {
            version: "0.1.0".to_owned(),
            pid: 1,
        },
        What::DaemonStopped {
            reason: "SIGTERM".to_owned(),
        },
        What::Uninstalled {
            by: Operator { uid: 0, pid: 1 },
        },
        What::Attached(attachment.clone()),
        What::Detached(attachment.clone()),
        What::Damaged {
            workload: Some(WorkloadName::new("planner")),
            cgroup: Some("/agents/planner".to_owned()),
            what: "connect4 was detached".to_owned(),
            remains: None,
        },
        What::ClosedEarlier {
            attachment: attachment.clone(),
            closed: 3,
            cut_off: 1,
            left: 1,
            problem: Some("no".to_owned()),
        },
        What::AttachFailed {
            attachment,
            reason: "no".to_owned(),
        },
        What::ConnectionOpened(connection()),
        What::ConnectionRefused {
            frozen: false,
            connection: connection(),
            rule: Some(RuleName::new("nobody")),
            reason: "not here".to_owned(),
        },
        What::AskDenied(denial()),
        What::AskObserved(denial()),
        What::LimitReached {
            connection: connection(),
            limited: Limited {
                ask: AskId(3),
                rule: RuleName::new("limit small-reads"),
                kind: Kind::Rows,
                most: 1000,
                reason: "limit \"small-reads\" is reached: 1,000 rows".to_owned(),
                observed: false,
            },
        },
        What::Detected(Detection {
            connection: connection(),
            ask: AskId(3),
            detected: [("email".to_owned(), 2)].into(),
        }),
        ended(SessionEnd::ClientClosed),
        ended(SessionEnd::ServerFailed {
            detail: "gone".to_owned(),
        }),
    ]
}

fn read(path: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn entries_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log/enforcement.jsonl");
    let log = EnforcementLog::open(&path).unwrap();
    for what in all() {
        log.note(what).unwrap();
    }
    let read: Vec<_> = read(&path).into_iter().map(|entry| entry.what).collect();
    assert_eq!(read, all());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path) & !0o640, 0, "no more than 0640");
}

#[test]
fn entries_have_the_documented_words() {
    let entry = Entry {
        time: "2026-11-21T02:45:17Z".parse().unwrap(),
        what: What::AskDenied(denial()),
    };
    assert_eq!(
        serde_json::to_string(&entry).unwrap(),
        concat!(
            r#"{"time":"2026-11-21T02:45:17Z","event":"ask_denied","#,
            r#""session":"019a9f3c-0000-7aaa-8000-000000000001","workload":"planner","pid":4711,"#,
            r#""uid":1000,"comm":"psql\n\u001b","destination":"[::1]:5432","#,
            r#""resource":"orders-db","ask":3,"reason":"no rule allows it","#,
            r#""verbs":["delete"],"tables":["public.orders"]}"#,
        )
    );
}

#[test]
fn lines_of_several_threads_stay_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = EnforcementLog::open(&path).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    log.note(What::AskDenied(denial())).unwrap();
                }
            });
        }
    });
    assert_eq!(read(&path).len(), 1000);
}

#[test]
fn a_moved_file_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let moved = directory.path().join("log.1");
    let log = EnforcementLog::open(&path).unwrap();
    log.note(ended(SessionEnd::Stopped)).unwrap();
    fs::rename(&path, &moved).unwrap();
    log.note(ended(SessionEnd::Stopped)).unwrap();
    let same = log.clone();
    same.reopen().unwrap();
    log.note(ended(SessionEnd::Stopped)).unwrap();
    assert_eq!((read(&moved).len(), read(&path).len()), (2, 1));
    drop(log);
    let again = EnforcementLog::open(&path).unwrap();
    again.note(ended(SessionEnd::Stopped)).unwrap();
    assert_eq!(read(&path).len(), 2);
}

#[test]
fn a_torn_line_does_not_take_the_next_one_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let log = EnforcementLog::open(&path).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let good = std::mem::replace(&mut log.0.file.lock().unwrap().file, full);
    log.note(ended(SessionEnd::Stopped)).unwrap_err();
    log.0.file.lock().unwrap().file = good;
    fs::write(&path, "{\"time\":").unwrap();
    log.note(ended(SessionEnd::Stopped)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let last = text.lines().last().unwrap();
    assert!(serde_json::from_str::<Entry>(last).is_ok(), "{text}");
}
