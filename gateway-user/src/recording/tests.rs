//! Recordings as a whole: what is written reads back, and whatever is changed afterwards shows.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gateway_core::event::{
    Ask, End, Event, Found, Leg, Open, Outcome, Ruling, ServerError, SessionEnd, Tls, Value,
};
use gateway_core::flow::{ClientAddr, OriginalDst};
use gateway_core::ids::{AskId, PolicyDigest, ResourceName, RuleName, SessionId, WorkloadName};
use gateway_core::refusal::Refusal;
use gateway_core::subject::{Process, Subject};
use jiff::Timestamp;

use super::journal::{Journal, RecordingError};
use super::reader::{self, Reader};
use super::verify::{self, FaultKind, verify, verify_lines};

const SESSION: &str = "019a9f3c-0000-7aaa-8000-000000000001";

fn time() -> Timestamp {
    "2026-11-21T02:45:17.000042Z".parse().unwrap()
}

fn open() -> Event {
    Event::Open(Open {
        session: SessionId::new(SESSION),
        subject: Subject {
            workload: WorkloadName::new("planner"),
            groups: Arc::new([]),
            cgroup: "/agents/planner".to_owned(),
            process: Process {
                pid: 4711,
                uid: 1000,
                gid: 1000,
                comm: "psql\u{1b}[2J".to_owned(),
                exe: None,
                command_line: Some(vec!["psql".to_owned(), "-h".to_owned()]),
                start_ticks: Some(u64::MAX),
            },
            identity: None,
        },
        client: ClientAddr("10.0.0.1:4000".parse().unwrap()),
        destination: OriginalDst("[::1]:5432".parse().unwrap()),
        resource: Some(ResourceName::new("orders-db")),
        hosts: Vec::new(),
        protocol: "postgres".to_owned(),
        gateway: "0.1.0".to_owned(),
    })
}

fn ask(number: u32) -> Event {
    let unit = [
        ("sql.verb".to_owned(), Value::Text("delete".to_owned())),
        ("sql.where".to_owned(), Value::Flag(false)),
        ("sql.statements".to_owned(), Value::Number(1)),
        (
            "sql.table".to_owned(),
            Value::Texts(vec!["public.orders".to_owned()]),
        ),
        ("sql.function".to_owned(), Value::Unknown(())),
    ];
    Event::Ask(Ask {
        ask: AskId(number),
        request: "Query".to_owned(),
        text: Some("delete from orders\n\"'\\ \u{0} é".to_owned()),
        text_bytes: 26,
        of: None,
        connection: unit.clone().into_iter().collect(),
        units: vec![unit.into_iter().collect()],
        moment: BTreeMap::new(),
        ruling: Ruling::Deny,
        rule: Some(RuleName::new("no-delete")),
        reason: Some("read only".to_owned()),
        action: None,
        observed: Some(Refusal {
            rule: None,
            reason: "nothing allows it".to_owned(),
        }),
        uninspected: false,
        policy: Some(PolicyDigest::new("00ff")),
    })
}

fn end() -> Event {
    Event::End(End {
        how: SessionEnd::ServerFailed {
            detail: "gone".to_owned(),
        },
        allowed: 1,
        denied: 2,
        bytes_in: 3,
        bytes_out: 4,
    })
}

fn events() -> Vec<Event> {
    let error = ServerError {
        severity: "ERROR".to_owned(),
        code: "42P01".to_owned(),
        message: "no such table".to_owned(),
    };
    let mut events = vec![
        open(),
        Event::Tls(Tls {
            leg: Leg::Client,
            version: "TLSv1_3".to_owned(),
            cipher: "TLS13_AES_256_GCM_SHA384".to_owned(),
            server_name: None,
        }),
    ];
    events.extend((1..=4).map(ask));
    events.push(Event::Outcome(Outcome {
        ask: AskId(1),
        tags: vec!["UPDATE 3".to_owned()],
        rows: 1,
        affected: 3,
        bytes_out: 10,
        bytes_in: 0,
        detected: [("email".to_owned(), 2)].into(),
        error: Some(error.clone()),
    }));
    events.push(Event::Server(error));
    events.push(Event::Found(Found {
        facts: BTreeMap::from([(
            "sql.search_path".to_owned(),
            Value::Texts(vec!["public".to_owned()]),
        )]),
    }));
    events.push(end());
    events
}

fn record(directory: &Path, events: &[Event]) -> Vec<u8> {
    let mut journal = Journal::create(directory, &SessionId::new(SESSION)).unwrap();
    for event in events {
        journal.append(event, time());
    }
    journal.close().unwrap();
    fs::read(path_in(directory)).unwrap()
}

fn path_in(directory: &Path) -> PathBuf {
    directory.join(format!("{SESSION}.jsonl"))
}

fn recorded(events: &[Event]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), events)
}

fn outcome(bytes: &[u8]) -> verify::Outcome {
    verify_lines(Cursor::new(bytes), Some(SESSION))
        .unwrap()
        .outcome
}

#[track_caller]
fn check_fault(lines: &[&[u8]], line: u64, matches: impl Fn(&FaultKind) -> bool) {
    let mut bytes = lines.join(&b'\n');
    bytes.push(b'\n');
    match outcome(&bytes) {
        verify::Outcome::Broken(fault) => {
            assert_eq!(fault.line, line, "{fault:?}");
            assert!(matches(&fault.what), "{fault:?}");
        }
        other => panic!("not seen: {other:?}"),
    }
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes
        .strip_suffix(b"\n")
        .unwrap()
        .split(|b| *b == b'\n')
        .collect()
}

#[test]
fn what_is_written_reads_back() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), &events());
    let path = path_in(directory.path());
    let read: Vec<_> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    let back: Vec<_> = read.iter().map(|line| line.event.clone()).collect();
    assert_eq!(back, events());
    assert!(read.iter().all(|line| line.time == time()));
    assert!((1..).zip(&read).all(|(seq, line)| line.seq == seq));
    assert_eq!(verify(&path).unwrap().outcome, verify::Outcome::Complete);
}

#[test]
fn every_ending_reads_back() {
    let detail = || "x".to_owned();
    for how in [
        SessionEnd::ClientClosed,
        SessionEnd::ServerClosed,
        SessionEnd::Refused,
        SessionEnd::ClientViolation { detail: detail() },
        SessionEnd::ServerViolation { detail: detail() },
        SessionEnd::ClientFailed { detail: detail() },
        SessionEnd::TimedOut {
            waiting_for: detail(),
        },
        SessionEnd::RecordingFailed { detail: detail() },
        SessionEnd::Stopped,
        SessionEnd::Killed,
        SessionEnd::Frozen { reason: None },
        SessionEnd::Frozen {
            reason: Some(detail()),
        },
        SessionEnd::ApprovalEnded { reason: detail() },
        SessionEnd::NotProven { reason: detail() },
        SessionEnd::PlaceholderEnded { reason: detail() },
        SessionEnd::BudgetUsedUp {
            rule: None,
            reason: detail(),
        },
    ] {
        let event = Event::End(End {
            how,
            allowed: 0,
            denied: 0,
            bytes_in: 0,
            bytes_out: 0,
        });
        let bytes = recorded(&[open(), event.clone()]);
        assert_eq!(reader::parse(lines(&bytes)[1]).unwrap().event, event);
    }
}

#[test]
fn a_line_begins_as_documented() {
    let bytes = recorded(&events());
    let first = String::from_utf8(lines(&bytes)[0].to_vec()).unwrap();
    let begin = format!(
        r#"{{"seq":1,"time":"2026-11-21T02:45:17.000042Z","prev":"{}","event":"open","session":"{SESSION}""#,
        "0".repeat(64)
    );
    assert!(first.starts_with(&begin), "{first}");
}

#[test]
fn edits_show_at_the_next_line() {
    let bytes = recorded(&events());
    for index in 0..8 {
        let mut lines = lines(&bytes);
        let edited = String::from_utf8(lines[index].to_vec())
            .unwrap()
            .replace("02:45:17", "02:45:18");
        lines[index] = edited.as_bytes();
        let due = u64::try_from(index).unwrap() + 2;
        check_fault(&lines, due, |what| *what == FaultKind::Chain);
    }
}

#[test]
fn a_cut_a_move_and_an_insertion_show_where_they_are() {
    let bytes = recorded(&events());
    let sequence = |what: &FaultKind| matches!(what, FaultKind::Sequence { .. });
    for index in 1..8 {
        let due = u64::try_from(index).unwrap() + 1;
        let mut cut = lines(&bytes);
        cut.remove(index);
        check_fault(&cut, due, sequence);
        let mut moved = lines(&bytes);
        moved.swap(index, index + 1);
        check_fault(&moved, due, sequence);
        let mut added = lines(&bytes);
        added.insert(index, added[index - 1]);
        check_fault(&added, due, sequence);
    }
    let mut beheaded = lines(&bytes);
    beheaded.remove(0);
    check_fault(&beheaded, 1, sequence);
    let mut spoilt = lines(&bytes);
    spoilt[3] = b"{}";
    check_fault(&spoilt, 4, |what| {
        matches!(what, FaultKind::Unreadable { .. })
    });
    let mut blank = lines(&bytes);
    blank.insert(2, b"");
    check_fault(&blank, 3, |what| {
        matches!(what, FaultKind::Unreadable { .. })
    });
}

#[test]
fn a_recording_must_open_once_and_end_once() {
    let twice = recorded(&[open(), open(), end()]);
    check_fault(&lines(&twice), 2, |what| {
        *what == FaultKind::Opening { first: false }
    });
    let headless = recorded(&[ask(1), end()]);
    check_fault(&lines(&headless), 1, |what| {
        *what == FaultKind::Opening { first: true }
    });
    let after = recorded(&[open(), end(), ask(1)]);
    check_fault(&lines(&after), 3, |what| *what == FaultKind::AfterEnd);
    let other = verify_lines(Cursor::new(recorded(&events())), Some("another")).unwrap();
    assert!(
        matches!(&other.outcome, verify::Outcome::Broken(fault) if fault.line == 1),
        "{other:?}"
    );
    assert!(matches!(outcome(b""), verify::Outcome::Broken(_)));
}

#[test]
fn a_missing_end_is_no_tampering() {
    let bytes = recorded(&events());
    let lines = lines(&bytes);
    let mut without_end = lines[..8].join(&b'\n');
    without_end.push(b'\n');
    assert_eq!(outcome(&without_end), verify::Outcome::Incomplete);
    // Killed within a write.
    let torn = &bytes[..bytes.len() - 20];
    assert_eq!(outcome(torn), verify::Outcome::Incomplete);
    let mut more = bytes.clone();
    more.extend_from_slice(b"{\"seq\"");
    assert!(matches!(outcome(&more), verify::Outcome::Broken(_)));
}

#[test]
fn the_head_tells_the_last_line() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(directory.path(), &SessionId::new(SESSION)).unwrap();
    journal.append(&open(), time());
    journal.append(&end(), time());
    let path = path_in(directory.path());
    let head = journal.close().unwrap();
    assert_eq!(verify(&path).unwrap().head, head);
    assert_eq!(head.lines, 2);
}

#[test]
fn files_are_private_and_never_reused() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("sessions");
    let id = SessionId::new(SESSION);
    let _journal = Journal::create(&directory, &id).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&path_in(&directory)), 0o600);
    let again = Journal::create(&directory, &id);
    assert!(matches!(again, Err(RecordingError::Create { .. })));
    for name in ["", "../x", "a/b", ".", "x.jsonl"] {
        let refused = Journal::create(&directory, &SessionId::new(name));
        assert!(matches!(refused, Err(RecordingError::Name(_))), "{name}");
    }
}

#[test]
fn a_journal_is_live_until_it_is_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let journal = Journal::create(directory.path(), &SessionId::new(SESSION)).unwrap();
    let path = path_in(directory.path());
    assert!(reader::is_live(&path).unwrap());
    drop(journal);
    assert!(!reader::is_live(&path).unwrap());
}

#[test]
fn nothing_is_written_before_the_flush_and_memory_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::create(directory.path(), &SessionId::new(SESSION)).unwrap();
    journal.append(&open(), time());
    assert_eq!(fs::read(path_in(directory.path())).unwrap(), b"");
    journal.flush().unwrap();
    journal.flush().unwrap();
    assert_eq!(
        lines(&fs::read(path_in(directory.path())).unwrap()).len(),
        1
    );
    journal.shrink();
}

#[test]
fn after_a_failed_write_nothing_follows() {
    let directory = tempfile::tempdir().unwrap();
    // A device on which every write fails for want of space.
    let path = path_in(directory.path());
    let mut journal = Journal::full(&path);
    journal.append(&open(), time());
    assert!(matches!(journal.flush(), Err(RecordingError::Write { .. })));
    journal.append(&end(), time());
    assert!(matches!(
        journal.flush(),
        Err(RecordingError::Failed { .. })
    ));
    assert!(journal.close().is_err());
}
