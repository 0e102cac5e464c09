//! Sessions that wait, and people who decide.

use std::path::Path;
use std::sync::{Arc, Mutex};

use gateway_core::approvals::change::Notice;
use gateway_core::approvals::desk::Limits;
use gateway_core::approvals::request::{Request, State};
use gateway_core::held::{Answer, Outcome, Withdrawal};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::time::timeout;

use super::*;
use crate::approvals::ticket::{Ticket, Word};
use crate::approvals::{Approvals, Failure};

/// Longer than anything takes here.
const SOON: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(600);

fn start(folder: &Path) -> Approvals {
    Approvals::start(folder, Limits::default(), Box::new(|_, _| {})).unwrap()
}

async fn word(ticket: &mut Ticket) -> Word {
    timeout(SOON, ticket.next()).await.unwrap()
}

/// Waits until people are asked.
async fn asked(ticket: &mut Ticket) -> RequestId {
    match word(ticket).await {
        Word::Waits { request, asked, .. } => {
            assert_eq!(asked, ["data-owners"]);
            request
        }
        Word::Answered(answer) => panic!("{answer:?}"),
    }
}

async fn answered(ticket: &mut Ticket) -> Answer {
    match word(ticket).await {
        Word::Answered(answer) => answer,
        waits => panic!("{waits:?}"),
    }
}

fn refusal(answer: &Answer) -> &str {
    match &answer.outcome {
        Outcome::Refused { reason, .. } => reason,
        approved => panic!("{approved:?}"),
    }
}

async fn state(approvals: &Approvals, request: &RequestId) -> State {
    let seen = approvals.show(request.clone()).await.unwrap();
    seen.unwrap().request.state.clone()
}

/// Waits for it to be closed.
async fn closed(approvals: &Approvals, request: &RequestId) -> Arc<Request> {
    let closing = async {
        loop {
            let seen = approvals.show(request.clone()).await.unwrap().unwrap();
            if seen.request.state != State::Open {
                return seen.request;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, closing).await.unwrap()
}

#[tokio::test]
async fn one_waits_and_another_decides() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = start(folder.path());
    let mut watch = approvals.watch();
    let action = action("s1", 1, "DELETE 1", LONG);
    let mut ticket = approvals.hold(action.clone());
    let request = asked(&mut ticket).await;
    let decided = approvals.approve(ballot(&request, &action, "alice"), Scope::Once);
    let decided = decided.await.unwrap();
    assert!(matches!(decided.state, State::Approved { .. }));
    let answer = answered(&mut ticket).await;
    assert_eq!(answer.action, action.action);
    assert_eq!(answer.request.as_ref(), Some(&request));
    assert!(matches!(answer.outcome, Outcome::Approved { .. }));
    for expected in ["opened", "voted", "closed"] {
        let notice = match watch.recv().await.unwrap() {
            Notice::Opened(_) => "opened",
            Notice::Voted(_) => "voted",
            Notice::Closed(_) => "closed",
            other => panic!("{other:?}"),
        };
        assert_eq!(notice, expected);
    }
    // Who votes on it again is told what became of it.
    let again = approvals.refuse(ballot(&request, &action, "bob")).await;
    assert!(matches!(again, Err(Failure::Objection(_))));
    // The next one is seen with what became of this.
    let mut ticket = approvals.hold(action);
    let request = asked(&mut ticket).await;
    let seen = approvals.show(request).await.unwrap().unwrap();
    assert_eq!(seen.earlier, [("approved".to_owned(), 1)].into());
    assert!(!seen.progress[0].is_met());
    assert_eq!(
        approvals.closed(9, Some).await.unwrap(),
        [Request::clone(&decided)]
    );
}

#[tokio::test]
async fn who_lets_go_waits_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = start(folder.path());
    for why in [Withdrawal::ClientGone, Withdrawal::Cancelled] {
        let action = action("s1", 1, "DELETE 1", LONG);
        let mut ticket = approvals.hold(action.clone());
        let request = asked(&mut ticket).await;
        match why {
            Withdrawal::ClientGone => drop(ticket),
            why => ticket.withdraw(why),
        }
        // At once the same ask may wait again, as under another policy.
        let mut next = approvals.hold(action);
        let other = asked(&mut next).await;
        assert_eq!(state(&approvals, &request).await, State::Withdrawn { why });
        assert_eq!(state(&approvals, &other).await, State::Open);
    }
    // Who never looked at the ticket never waited.
    drop(approvals.hold(action("s2", 1, "DELETE 1", LONG)));
    assert_eq!(approvals.open().await.unwrap().len(), 4);
}

#[tokio::test]
async fn nobody_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = start(folder.path());
    let mut ticket = approvals.hold(action("s1", 1, "DELETE 1", Duration::from_secs(1)));
    let request = asked(&mut ticket).await;
    assert_eq!(
        refusal(&answered(&mut ticket).await),
        "nobody decided in time"
    );
    assert_eq!(state(&approvals, &request).await, State::TimedOut);
}

#[tokio::test]
async fn a_restart_keeps_what_was_decided() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = start(folder.path());
    let first = action("s1", 1, "DELETE 1", LONG);
    let mut ticket = approvals.hold(first.clone());
    let request = asked(&mut ticket).await;
    let vote = ballot(&request, &first, "alice");
    approvals.approve(vote, for_workload(600)).await.unwrap();
    answered(&mut ticket).await;
    let mut other = action("s1", 2, "DELETE 2", LONG);
    other.units[0].insert("sql.where".to_owned(), Value::Flag(false));
    other.action = other.digest();
    let mut open = approvals.hold(other.clone());
    let left = asked(&mut open).await;
    drop(approvals);

    let approvals = start(folder.path());
    let why = Withdrawal::DaemonGone;
    assert_eq!(state(&approvals, &left).await, State::Withdrawn { why });
    let grants = approvals.grants().await.unwrap();
    let [grant] = &grants[..] else {
        panic!("{grants:?}")
    };
    assert_eq!((grant.uses, grant.running.len()), (1, 0));
    let mut ticket = approvals.hold(action("s2", 1, "DELETE 3", LONG));
    assert!(matches!(
        answered(&mut ticket).await.outcome,
        Outcome::Approved { grant: Some(_), .. }
    ));
    // What the agent gave up may be let pass late, and passes once.
    approvals
        .approve(ballot(&left, &other, "bob"), Scope::Once)
        .await
        .unwrap();
    let mut again = other.clone();
    again.session = SessionId::new("s9");
    answered(&mut approvals.hold(again.clone())).await;
    again.ask = AskId(9);
    asked(&mut approvals.hold(again)).await;
}

#[tokio::test]
async fn what_is_taken_back_ends_what_runs() {
    let folder = tempfile::tempdir().unwrap();
    let ended: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&ended);
    let end = Box::new(move |session: &SessionId, reason: &str| {
        told.lock().unwrap().push(format!("{session}: {reason}"));
    });
    let approvals = Approvals::start(folder.path(), Limits::default(), end).unwrap();
    let first = action("s1", 1, "DELETE 1", LONG);
    let mut ticket = approvals.hold(first.clone());
    let request = asked(&mut ticket).await;
    let vote = ballot(&request, &first, "alice");
    approvals.approve(vote, for_workload(600)).await.unwrap();
    for session in ["s2", "s3", "s4"] {
        answered(&mut approvals.hold(action(session, 1, "DELETE", LONG))).await;
    }
    let grant = approvals.grants().await.unwrap()[0].id.clone();
    approvals
        .finished(grant.clone(), SessionId::new("s1"), AskId(1), Some(3))
        .await
        .unwrap();
    approvals.session_ended(SessionId::new("s2")).await.unwrap();
    approvals
        .revoke(grant.clone(), person("bob"))
        .await
        .unwrap();
    let reason = "bob took the approval back";
    assert_eq!(
        *ended.lock().unwrap(),
        [format!("s3: {reason}"), format!("s4: {reason}")]
    );
    let past = approvals.grant(grant).await.unwrap().unwrap();
    assert_eq!((past.grant.uses, past.grant.rows), (4, 3));
    assert!(past.ended.is_some());
    assert_eq!(approvals.ended(5).await.unwrap(), [past]);
}

#[tokio::test]
async fn an_answer_that_nobody_heard_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let approvals = start(folder.path());
    let first = action("s1", 1, "DELETE 1", LONG);
    let mut ticket = approvals.hold(first.clone());
    let request = asked(&mut ticket).await;
    let scope = Scope::Workload(Terms {
        lasting: Some(Duration::from_secs(600)),
        max_rows: Some(50),
        ..Terms::default()
    });
    let vote = ballot(&request, &first, "alice");
    approvals.approve(vote, scope).await.unwrap();
    // The answer is there, and the client has left before it was taken.
    ticket.withdraw(Withdrawal::Cancelled);
    let running = async {
        loop {
            let grants = approvals.grants().await.unwrap();
            let [grant] = &grants[..] else {
                panic!("{grants:?}")
            };
            if grant.running.is_empty() {
                return grant.rows;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert_eq!(timeout(SOON, running).await.unwrap(), 0);
    // Of one that was heard the session tells the end itself.
    let mut ticket = approvals.hold(action("s1", 2, "DELETE 2", LONG));
    answered(&mut ticket).await;
    drop(ticket);
    approvals.open().await.unwrap();
    assert_eq!(approvals.grants().await.unwrap()[0].running.len(), 1);
}

/// A file system of its own that holds so little.
struct Small(tempfile::TempDir);

impl Small {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        mount(
            Some("tmpfs"),
            folder.path(),
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=1m"),
        )
        .expect("mounting needs root: run the tests as root");
        Self(folder)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        umount2(self.0.path(), MntFlags::MNT_DETACH).unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_a_no() {
    let small = Small::new();
    let folder = small.0.path();
    let approvals = start(folder);
    let waits = action("s1", 1, "DELETE 1", LONG);
    let mut ticket = approvals.hold(waits.clone());
    let request = asked(&mut ticket).await;
    let filler = folder.join("filler");
    std::fs::write(&filler, vec![0; 2 << 20]).unwrap_err();
    // What is left in the pages that are there already.
    let mut refused = None;
    for ask in 2..40 {
        let mut next = approvals.hold(action("s1", ask, &"x".repeat(10_000), LONG));
        if let Word::Answered(answer) = word(&mut next).await {
            refused = Some(answer);
            break;
        }
    }
    let sentence = "approvals cannot be written down";
    assert!(refusal(&refused.unwrap()).starts_with(sentence));
    let problem = approvals.problem().unwrap();
    assert!(problem.contains("full"), "{problem}");
    // Who waited is not left waiting, and nobody's vote counts.
    assert_eq!(refusal(&answered(&mut ticket).await), sentence);
    let vote = approvals.approve(ballot(&request, &waits, "alice"), Scope::Once);
    assert!(matches!(vote.await, Err(Failure::Store(_))));
    std::fs::remove_file(&filler).unwrap();
    let again = async {
        loop {
            if approvals.open().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, again).await.unwrap();
    assert_eq!(approvals.problem(), None);
    let why = Withdrawal::Unrecorded;
    let found = closed(&approvals, &request).await;
    assert_eq!(found.state, State::Withdrawn { why });
    asked(&mut approvals.hold(action("s1", 90, "DELETE 1", LONG))).await;
}

#[tokio::test]
async fn what_runs_ends_in_time_whatever_the_disk_does() {
    let small = Small::new();
    let folder = small.0.path();
    let ended = Arc::new(tokio::sync::Notify::new());
    let told = Arc::clone(&ended);
    let end = Box::new(move |_: &SessionId, _: &str| told.notify_one());
    let approvals = Approvals::start(folder, Limits::default(), end).unwrap();
    let first = action("s1", 1, "DELETE 1", LONG);
    let mut ticket = approvals.hold(first.clone());
    let request = asked(&mut ticket).await;
    let vote = ballot(&request, &first, "alice");
    approvals.approve(vote, for_workload(2)).await.unwrap();
    answered(&mut ticket).await;
    std::fs::write(folder.join("filler"), vec![0; 2 << 20]).unwrap_err();
    let large = action("s2", 1, &"x".repeat(100_000), Duration::from_secs(1));
    let mut large = HeldAction {
        request: "Bind".to_owned(),
        ..large
    };
    large.action = large.digest();
    answered(&mut approvals.hold(large)).await;
    assert!(approvals.problem().is_some());
    timeout(SOON, ended.notified()).await.unwrap();
    assert!(approvals.problem().is_some(), "the disk is full still");
    // Nobody has to come by for it to be seen that it works again.
    std::fs::remove_file(folder.join("filler")).unwrap();
    let works = async {
        while approvals.problem().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, works).await.unwrap();
}
