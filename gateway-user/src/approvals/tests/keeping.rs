//! What is written down is what was, whatever it was.

use std::os::unix::fs::PermissionsExt as _;

use gateway_core::approvals::command::Command;
use gateway_core::approvals::desk::{Desk, Limits};
use gateway_core::approvals::moment::Moment;
use gateway_core::approvals::request::State;
use gateway_core::held::{Demand, Withdrawal};
use gateway_core::ids::GrantId;
use proptest::prelude::*;

use super::*;
use crate::approvals::{Store, StoreError};

struct Kept {
    folder: tempfile::TempDir,
    store: Store,
    desk: Desk,
    now: Moment,
    requests: Vec<RequestId>,
    next: u32,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(folder.path()).unwrap(),
            folder,
            desk: Desk::new(Limits::default()),
            now: Moment(1_000_000),
            requests: Vec::new(),
            next: 0,
        }
    }

    fn id(&mut self) -> String {
        self.next += 1;
        format!("{:04}", self.next)
    }

    fn tell(&mut self, command: Command) {
        // What is objected to changes nothing.
        let Ok(mut changes) = self.desk.decide(command, self.now) else {
            return;
        };
        loop {
            self.store.write(&changes).unwrap();
            self.store.commit().unwrap();
            for change in changes {
                drop(self.desk.apply(change));
            }
            changes = self.desk.follow(self.now);
            if changes.is_empty() {
                return;
            }
        }
    }

    fn act(&mut self, deed: (u8, usize, u64)) {
        let (what, at, much) = deed;
        let request = self.requests.get(at % self.requests.len().max(1)).cloned();
        let action = self
            .desk
            .request(request.as_ref().unwrap_or(&RequestId::new("")));
        let vote = |name| {
            let action = &action?.action;
            Some(ballot(request.as_ref()?, action, name))
        };
        let yes = vote("alice");
        let no = vote("bob");
        let grants: Vec<_> = self.desk.grants().cloned().collect();
        let grant = grants.get(at % grants.len().max(1));
        let command = match what {
            0..=3 => {
                let request = RequestId::new(self.id());
                self.requests.push(request.clone());
                let session = format!("s{}", at % 3);
                let text = "x".repeat(at % 4);
                Some(Command::Open {
                    request,
                    action: Box::new(action_of(&session, self.next, &text)),
                })
            }
            4..=6 => yes.map(|ballot| Command::Approve {
                ballot,
                scope: match much % 4 {
                    0 => Scope::Once,
                    1 => Scope::Session(Terms::default()),
                    2 => for_workload(900),
                    _ => Scope::Workload(Terms {
                        lasting: Some(Duration::from_secs(300)),
                        max_uses: Some(3),
                        max_rows: Some(5),
                        ..Terms::default()
                    }),
                },
                grant: GrantId::new(self.id()),
            }),
            7 => no.map(Command::Refuse),
            8 => request.map(|request| Command::Withdraw {
                request,
                why: Withdrawal::Cancelled,
            }),
            9 => grant.and_then(|grant| {
                let (session, ask) = grant.running.first()?.clone();
                Some(Command::Finished {
                    grant: grant.id.clone(),
                    session,
                    ask,
                    rows: (much % 4 > 0).then_some(much % 4),
                })
            }),
            10 => Some(Command::SessionEnded(SessionId::new(format!(
                "s{}",
                at % 3
            )))),
            11 => grant.map(|grant| Command::Revoke {
                grant: grant.id.clone(),
                by: person("bob"),
            }),
            12 => Some(Command::Started),
            13 => Some(Command::Resumed),
            _ => {
                self.now = self.now.after(Duration::from_secs(much));
                Some(Command::SessionEnded(SessionId::new("nobody")))
            }
        };
        if let Some(command) = command {
            self.tell(command);
        }
    }
}

fn action_of(session: &str, ask: u32, text: &str) -> HeldAction {
    action(session, ask, text, Duration::from_secs(600))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_desk_is_read_back_as_it_was(
        deeds in prop::collection::vec((0..16_u8, 0..64_usize, 0..1000_u64), 1..40)
    ) {
        let mut kept = Kept::new();
        for deed in deeds {
            kept.act(deed);
        }
        // Time may have passed since.
        kept.tell(Command::SessionEnded(SessionId::new("nobody")));
        let read = kept.store.desk(Limits::default(), kept.now).unwrap();
        prop_assert_eq!(&read, &kept.desk);
        drop(kept.store);
        let again = Store::open(kept.folder.path()).unwrap();
        prop_assert_eq!(&again.desk(Limits::default(), kept.now).unwrap(), &kept.desk);
    }
}

#[test]
fn nobody_else_reads_it() {
    let mut kept = Kept::new();
    kept.act((0, 0, 0));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(kept.folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    assert!(
        names.contains(&"approvals.sqlite-wal".to_owned()),
        "{names:?}"
    );
}

#[test]
fn files_that_are_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let file = Store::file(folder.path());
    std::fs::write(
        &file,
        "not a database, but longer than a header of one would be".repeat(9),
    )
    .unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::Sqlite(_))
    ));
    std::fs::remove_file(&file).unwrap();
    // A link might lead to a file of somebody else.
    std::os::unix::fs::symlink(folder.path().join("other"), &file).unwrap();
    assert!(Store::open(folder.path()).is_err());
    std::fs::remove_file(&file).unwrap();
    drop(Store::open(folder.path()).unwrap());
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(matches!(
        Store::open(folder.path()),
        Err(StoreError::Newer(99))
    ));
    let missing = folder.path().join("missing");
    assert!(matches!(
        Store::open(&missing),
        Err(StoreError::Create { .. })
    ));
}

/// Where a confined daemon could not make temporary files, however much it has to put away.
#[test]
fn large_changes_need_no_other_file() {
    let mut kept = Kept::new();
    let temporary: i64 = kept.store.temporary();
    assert_eq!(temporary, 2, "not in memory");
    for _ in 0..200 {
        kept.act((0, 0, 0));
        kept.act((12, 0, 0));
        kept.act((14, 0, 1));
    }
    kept.store
        .prune(kept.now.after(Duration::from_secs(1)))
        .unwrap();
    assert_eq!(kept.store.closed(9, Some).unwrap(), []);
}

#[test]
fn an_id_is_found_by_either_end() {
    let mut kept = Kept::new();
    for _ in 0..3 {
        kept.act((0, 0, 0));
    }
    let named = |part: &str, most, set: &str| {
        let is_asked = |demands: &[Demand]| demands[0].approvers[0].name == set;
        let ids = kept.store.named(part, most, is_asked).unwrap();
        ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(named("000", 9, "data-owners"), ["0003", "0002", "0001"]);
    assert_eq!(named("2", 9, "data-owners"), ["0002"]);
    assert_eq!(named("000", 2, "data-owners"), ["0003", "0002"]);
    // What is put to others is not known, and no part is a pattern.
    assert_eq!(named("000", 9, "others"), [""; 0]);
    for part in ["%", "0_", "00012", "\u{0}"] {
        assert_eq!(named(part, 9, "data-owners"), [""; 0]);
    }
}

#[test]
fn a_change_to_nothing_is_not_written() {
    let mut kept = Kept::new();
    kept.act((0, 0, 0));
    let request = kept.requests[0].clone();
    let withdraw = |request| Command::Withdraw {
        request,
        why: Withdrawal::Cancelled,
    };
    let mut changes = kept
        .desk
        .decide(withdraw(request.clone()), kept.now)
        .unwrap();
    let mut elsewhere = changes.clone();
    if let gateway_core::approvals::change::Change::Closed { request, .. } = &mut elsewhere[0] {
        *request = RequestId::new("nothing");
    }
    changes.extend(elsewhere);
    assert!(matches!(
        kept.store.write(&changes),
        Err(StoreError::NotThere(_))
    ));
    // All or none.
    drop(kept.store);
    let store = Store::open(kept.folder.path()).unwrap();
    let found = store.request(&request).unwrap().unwrap();
    assert_eq!(found.state, State::Open);
}

#[test]
fn what_is_long_over_is_let_go() {
    let mut kept = Kept::new();
    kept.act((0, 0, 0));
    kept.act((4, 0, 2));
    kept.act((0, 1, 0));
    kept.act((7, 2, 0));
    let before = kept.now.after(Duration::from_secs(1));
    // What a grant in force was made by stays, and what is open.
    kept.store.prune(before).unwrap();
    assert!(kept.store.request(&kept.requests[0]).unwrap().is_some());
    kept.now = kept.now.after(Duration::from_secs(901));
    kept.tell(Command::Started);
    kept.store
        .prune(kept.now.after(Duration::from_secs(1)))
        .unwrap();
    for request in &kept.requests {
        assert_eq!(kept.store.request(request).unwrap(), None);
    }
}
