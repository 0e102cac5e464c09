//! A process that is killed while it decides, again and again: whatever it said was done, is.
//!
//! The process is this test itself, started once more.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use gateway_core::approvals::desk::Limits;
use gateway_core::approvals::request::State;
use gateway_core::held::Outcome;
use gateway_core::ids::GrantId;

use super::*;
use crate::approvals::ticket::Word;
use crate::approvals::{Approvals, Store};

/// Tells the process what it is, and where.
const FOLDER: &str = "GATEWAY_TEST_KILLED_IN";
const SEED: &str = "GATEWAY_TEST_KILLED_SEED";
/// How often it is killed at least, and how much it has to say in all.
const ROUNDS: u64 = 40;
const LINES: usize = 200;
const LONG: Duration = Duration::from_secs(600);

/// Numbers that are all over the place.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn what_was_said_to_be_done_is_done() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let seed = std::env::var(SEED).unwrap().parse().unwrap();
        return decide_for_ever(Path::new(&folder), seed);
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let mut used = BTreeSet::new();
    let mut heard = 0;
    let mut round = 0;
    // On a busy machine it gets less done each time.
    while round < ROUNDS || heard < LINES {
        round += 1;
        let said = kill(folder.path(), round, dice.roll(100_000));
        let store = Store::open(folder.path()).unwrap();
        for line in &said {
            check(&store, line, &mut used);
        }
        heard += said.len();
    }
    assert!(!used.is_empty(), "nothing passed by a grant");
}

/// Starts the process, kills it after so many microseconds of work, and returns what it said.
fn kill(folder: &Path, seed: u64, after: u64) -> Vec<String> {
    let mut process: Child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg("approvals::tests::killed::what_was_said_to_be_done_is_done")
        .env(FOLDER, folder)
        .env(SEED, seed.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stdout.take().unwrap());
    // The test runner has something to say too.
    let mut first = String::new();
    while !first.starts_with("> ") {
        first.clear();
        assert_ne!(said.read_line(&mut first).unwrap(), 0, "it ended by itself");
    }
    std::thread::sleep(Duration::from_micros(after));
    process.kill().unwrap();
    process.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    // A line that was cut off was not said.
    let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = [first.as_str()].into_iter().chain(whole.lines());
    let lines = lines.filter_map(|line| line.trim_end().strip_prefix("> "));
    lines.map(str::to_owned).collect()
}

fn check(store: &Store, line: &str, used: &mut BTreeSet<String>) {
    let words: Vec<&str> = line.split(' ').collect();
    let request = |id: &str| store.request(&RequestId::new(id)).unwrap().unwrap();
    match words[..] {
        ["approved", id] => {
            let state = request(id).state;
            assert!(matches!(state, State::Approved { .. }), "{line}: {state:?}");
        }
        ["late", id] => {
            let state = request(id).state;
            assert!(
                matches!(state, State::ApprovedLate { .. }),
                "{line}: {state:?}"
            );
        }
        ["refused", id] => {
            let state = request(id).state;
            assert!(matches!(state, State::Refused { .. }), "{line}: {state:?}");
        }
        ["revoked", id] => {
            let grant = store.grant(&GrantId::new(id)).unwrap().unwrap();
            assert!(grant.ended.is_some(), "{line}");
        }
        ["passed", id] => {
            let grant = store.grant(&GrantId::new(id)).unwrap().unwrap().grant;
            assert!(grant.uses > 0, "{line}");
            if grant.max_uses == Some(1) {
                assert_eq!(grant.uses, 1, "{line}");
                assert!(used.insert(id.to_owned()), "{id} was used twice");
            }
        }
        _ => panic!("{line}"),
    }
}

fn say(what: &str, id: &str) {
    let line = format!("> {what} {id}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// What the process does until it is killed: several at once, so that what they do is written together.
fn decide_for_ever(folder: &Path, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let approvals = Approvals::start(folder, Limits::default(), Box::new(|_, _| {})).unwrap();
        let one = |number: u64| {
            let seed = seed * 10 + number;
            let mut dice = Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
            let approvals = &approvals;
            async move {
                for ask in 1.. {
                    decide(approvals, &mut dice, &format!("s{seed}"), ask).await;
                }
            }
        };
        tokio::join!(one(0), one(1), one(2), one(3));
    });
}

async fn decide(approvals: &Approvals, dice: &mut Dice, session: &str, ask: u32) {
    let text = format!("DELETE {session} {ask}");
    let mut action = action(session, ask, &text, LONG);
    // What is granted to one lets nothing of another pass.
    action.subject.workload = WorkloadName::new(session);
    action.action = action.digest();
    let mut ticket = approvals.hold(action.clone());
    let request = match ticket.next().await {
        Word::Waits { request, .. } => request,
        Word::Answered(answer) => match answer.outcome {
            Outcome::Approved {
                grant: Some(grant), ..
            } => {
                say("passed", grant.as_str());
                // So that not everything passes.
                let revoked = approvals.revoke(grant.clone(), person("bob")).await;
                return match revoked {
                    Ok(_) => say("revoked", grant.as_str()),
                    Err(error) => panic!("{error}"),
                };
            }
            other => panic!("{other:?}"),
        },
    };
    match dice.roll(4) {
        0 => {
            let vote = ballot(&request, &action, "alice");
            approvals.approve(vote, Scope::Once).await.unwrap();
            say("approved", request.as_str());
        }
        1 => {
            approvals
                .refuse(ballot(&request, &action, "bob"))
                .await
                .unwrap();
            say("refused", request.as_str());
        }
        2 => {
            let vote = ballot(&request, &action, "alice");
            approvals.approve(vote, for_workload(600)).await.unwrap();
            say("approved", request.as_str());
        }
        _ => late(approvals, ticket, request, action).await,
    }
}

/// The agent leaves, and asks again when it was let pass after all: twice, and passes once.
async fn late(
    approvals: &Approvals,
    ticket: crate::approvals::ticket::Ticket,
    request: RequestId,
    mut action: HeldAction,
) {
    drop(ticket);
    while approvals
        .show(request.clone())
        .await
        .unwrap()
        .unwrap()
        .request
        .state
        == State::Open
    {
        tokio::task::yield_now().await;
    }
    let vote = ballot(&request, &action, "alice");
    approvals.approve(vote, Scope::Once).await.unwrap();
    say("late", request.as_str());
    action.session = SessionId::new("again");
    for _ in 0..2 {
        let mut ticket = approvals.hold(action.clone());
        if let Word::Answered(answer) = ticket.next().await
            && let Outcome::Approved {
                grant: Some(grant), ..
            } = answer.outcome
        {
            say("passed", grant.as_str());
        }
        action.ask = AskId(action.ask.0 + 1_000_000);
    }
}
