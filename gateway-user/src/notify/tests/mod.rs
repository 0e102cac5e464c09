//! Delivery to real HTTP servers: signed, tried again, given up, and in the mailbox meanwhile.

mod server;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use self::server::{Hook, Tls};
use super::message::tests::notice;
use super::notice::{About, Notice};
use super::target::{Kind, Target};
use super::{Lost, Notifier, Pace, Witness, mailbox};

const KEY: &[u8] = b"0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Default)]
struct Losses(Mutex<Vec<Lost>>);

impl Witness for Losses {
    fn lost(&self, lost: &Lost) {
        self.0.lock().unwrap().push(lost.clone());
    }
}

impl Losses {
    async fn wait(&self, count: usize) -> Vec<Lost> {
        let losses = until(|| {
            let losses = self.0.lock().unwrap();
            (losses.len() >= count).then(|| losses.clone())
        });
        losses.await
    }
}

async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, looking).await.unwrap()
}

fn quick() -> Pace {
    Pace {
        attempt: Duration::from_secs(5),
        first: Duration::from_millis(10),
        longest: Duration::from_millis(50),
        deadline: Duration::from_secs(15),
    }
}

fn notifier(pace: Pace, targets: &[Arc<Target>]) -> (Notifier, Arc<Losses>) {
    let losses = Arc::new(Losses::default());
    let witness: Arc<dyn Witness> = losses.clone();
    let notifier = Notifier::new(pace, witness);
    notifier.retarget(targets);
    let delivering = notifier.clone();
    tokio::spawn(async move { delivering.deliver().await });
    (notifier, losses)
}

fn about(request: &str, text: &str) -> Notice {
    Notice {
        request: request.to_owned(),
        ..notice(text)
    }
}

/// What another implementation makes of it.
fn signed_by_python(timestamp: &str, body: &[u8]) -> String {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    let program = "import hashlib, hmac, sys\n\
        message = sys.argv[2].encode() + b'.' + sys.stdin.buffer.read()\n\
        print('v1=' + hmac.new(sys.argv[1].encode(), message, hashlib.sha256).hexdigest())";
    let key = std::str::from_utf8(KEY).unwrap();
    let mut python = Command::new("python3")
        .args(["-c", program, key, timestamp])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    python.stdin.take().unwrap().write_all(body).unwrap();
    let said = python.wait_with_output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn generic_messages_are_whole_and_signed() {
    let hook = Hook::start(None).await;
    let (notifier, losses) = notifier(quick(), &[hook.target("ops", Kind::Generic)]);
    let text = "x\u{1F600}".repeat(1 << 18);
    notifier.send(about("r1", &text));
    let posted = hook.posted(1).await.remove(0);
    let timestamp = posted.header("gateway-timestamp");
    assert_eq!(
        posted.header("gateway-signature"),
        signed_by_python(&timestamp, &posted.body)
    );
    let age = jiff::Timestamp::now().as_second() - timestamp.parse::<i64>().unwrap();
    assert!((0..60).contains(&age));
    assert_eq!(posted.path, "/hook/s3cr3t?x=1");
    let message: Value = serde_json::from_slice(&posted.body).unwrap();
    assert_eq!(message["action"]["text"], text);
    assert!(notifier.problems().is_empty() && losses.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tls_is_verified() {
    let tls = Tls::make();
    let hook = Hook::start(Some(&tls)).await;
    let (notifier, _) = notifier(quick(), &[hook.target("ops", Kind::Slack)]);
    notifier.send(about("r1", "x"));
    let posted = hook.posted(1).await.remove(0);
    assert_eq!(posted.header("host"), format!("localhost:{}", hook.port()));
    assert_eq!(
        posted.header("content-type"),
        "application/json; charset=utf-8"
    );

    // Another authority's certificate is nobody's.
    let hook = Hook::start(Some(&Tls::make())).await;
    let target = hook.target_trusting("ops", Kind::Slack, &tls);
    let (notifier, _) = self::notifier(quick(), &[target]);
    notifier.send(about("r1", "x"));
    let problem = until(|| notifier.problems().pop()).await;
    assert!(
        problem.contains("TLS failed: invalid peer certificate"),
        "{problem}"
    );
    assert_eq!(hook.count(), 0);
}

#[tokio::test]
async fn what_fails_is_tried_again_with_the_same_id() {
    let hook = Hook::start(None).await;
    hook.answer_first(&[(503, None), (500, None), (429, None), (408, None)]);
    let (notifier, losses) = notifier(quick(), &[hook.target("ops", Kind::Generic)]);
    notifier.send(about("r1", "x"));
    let posted = hook.posted(5).await;
    let deliveries: Vec<_> = posted
        .iter()
        .map(|it| it.header("gateway-delivery"))
        .collect();
    assert!(deliveries.iter().all(|delivery| *delivery == deliveries[0]));
    until(|| notifier.problems().is_empty().then_some(())).await;
    notifier.send(about("r2", "x"));
    let next = hook.posted(6).await.remove(5);
    assert_ne!(next.header("gateway-delivery"), deliveries[0]);
    assert!(losses.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_comes_late_gets_it() {
    let hook = Hook::start(None).await;
    let target = hook.target("ops", Kind::Generic);
    let port = hook.stop().await;
    let (notifier, losses) = notifier(quick(), &[target]);
    notifier.send(about("r1", "x"));
    let problem = until(|| notifier.problems().pop()).await;
    assert!(
        problem.contains("`ops` have not arrived since"),
        "{problem}"
    );
    assert!(problem.contains("cannot connect"), "{problem}");
    let hook = Hook::start_at(port).await;
    hook.posted(1).await;
    until(|| notifier.problems().is_empty().then_some(())).await;
    assert!(losses.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_target_says_when_to_come_again() {
    let hook = Hook::start(None).await;
    hook.answer_first(&[(429, Some("2"))]);
    let (notifier, _) = notifier(quick(), &[hook.target("ops", Kind::Generic)]);
    let begun = Instant::now();
    notifier.send(about("r1", "x"));
    hook.posted(2).await;
    // A lower bound only: it is never early, however slow the machine is.
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn what_cannot_arrive_is_given_up_and_told() {
    let hook = Hook::start(None).await;
    // Longer than anybody waits, not to be repeated, and what the address would say.
    hook.answer_first(&[(429, Some("999999")), (404, None), (302, None)]);
    let (notifier, losses) = notifier(quick(), &[hook.target("ops", Kind::Slack)]);
    for request in ["r1", "r2", "r3", "r4"] {
        notifier.send(about(request, "x"));
    }
    let lost = losses.wait(3).await;
    let told: Vec<_> = lost
        .iter()
        .map(|it| (&*it.request, it.attempts, &*it.reason))
        .collect();
    assert_eq!(
        told,
        [
            ("r1", 1, "it answered 429"),
            ("r2", 1, "it answered 404"),
            ("r3", 1, "it answered 302, and redirects are not followed"),
        ]
    );
    hook.posted(4).await;
    until(|| notifier.problems().is_empty().then_some(())).await;
    assert!(!format!("{notifier:?} {lost:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn the_deadline_ends_it() {
    let hook = Hook::start(None).await;
    let target = hook.target("ops", Kind::Generic);
    hook.stop().await;
    let pace = Pace {
        deadline: Duration::from_secs(2),
        ..quick()
    };
    let (notifier, losses) = notifier(pace, &[target]);
    notifier.send(about("r1", "x"));
    let lost = losses.wait(1).await;
    assert!(lost[0].attempts > 1, "{lost:?}");
    assert!(notifier.problems()[0].contains("1 given up"));
}

#[tokio::test]
async fn a_target_that_says_nothing_holds_nobody_up() {
    let silent = Hook::start_silent().await;
    let hook = Hook::start(None).await;
    let pace = Pace {
        attempt: Duration::from_millis(500),
        ..quick()
    };
    let targets = [
        silent.target("silent", Kind::Generic),
        hook.target("ops", Kind::Generic),
    ];
    let (notifier, losses) = notifier(pace, &targets);
    let more = 3;
    for number in 0..mailbox::LETTERS + more {
        let mut notice = about(&format!("r{number}"), "x");
        notice.targets = vec!["silent".to_owned()];
        notifier.send(notice);
    }
    notifier.send(about("last", "x"));
    hook.posted(1).await;
    // They are of one workload, and the oldest had to go.
    let lost = losses.wait(more).await;
    assert_eq!(lost[0].request, "r0");
    assert_eq!(lost[0].reason, "too many others wait for this target");
    let problem = || notifier.problems().pop();
    until(|| problem().filter(|it| it.contains("no answer within"))).await;
}

#[tokio::test]
async fn what_others_ask_for_is_not_pushed_out() {
    let silent = Hook::start_silent().await;
    let (notifier, losses) = notifier(quick(), &[silent.target("ops", Kind::Generic)]);
    let send = |request: &str, workload: &str, event: About| {
        let mut notice = about(request, "x");
        notice.matter.workload = workload.to_owned();
        notice.about = event;
        notifier.send(notice);
    };
    send("quiet", "quiet", About::Opened);
    send("over", "loud", About::Opened);
    send("over", "loud", About::TimedOut);
    for number in 0..mailbox::LETTERS {
        send(&format!("r{number}"), "loud", About::Opened);
    }
    let lost = losses.wait(3).await;
    let told: Vec<_> = lost.iter().map(|it| (&*it.request, it.about)).collect();
    // What is over first, and then what is of the one who sends most.
    let expected = [("over", "opened"), ("over", "timed_out"), ("r0", "opened")];
    assert_eq!(told, expected);
    assert_eq!(notifier.lost(), [("ops".to_owned(), 3)]);
    let problem = notifier.problems().pop().unwrap();
    assert!(problem.contains("3 given up"), "{problem}");
}

#[tokio::test]
async fn targets_come_and_go() {
    let hook = Hook::start(None).await;
    let gone = Hook::start(None).await;
    let (notifier, losses) = {
        let target = gone.target("gone", Kind::Generic);
        gone.stop().await;
        notifier(quick(), &[target])
    };
    let mut notice = about("r1", "x");
    notice.targets = vec!["gone".to_owned(), "unknown".to_owned()];
    notifier.send(notice);
    until(|| notifier.problems().pop()).await;
    notifier.retarget(&[hook.target("ops", Kind::Generic)]);
    let delivering = notifier.clone();
    tokio::spawn(async move { delivering.deliver().await });
    notifier.send(about("r2", "x"));
    hook.posted(1).await;
    let mut lost = losses.wait(2).await;
    lost.sort_by(|a, b| a.target.cmp(&b.target));
    assert!(lost[0].reason.contains("not in the configuration any more"));
    assert!(lost[1].reason.contains("no such target"));
}

#[tokio::test]
async fn the_end_waits_a_little_and_tells_what_is_left() {
    let hook = Hook::start(None).await;
    let silent = Hook::start_silent().await;
    let targets = [
        hook.target("ops", Kind::Generic),
        silent.target("silent", Kind::Generic),
    ];
    let (notifier, losses) = notifier(quick(), &targets);
    let mut notice = about("r1", "x");
    notice.targets = vec!["ops".to_owned(), "silent".to_owned()];
    notifier.send(notice);
    notifier.finish(Duration::from_secs(1)).await;
    assert_eq!(hook.count(), 1);
    let lost = losses.0.lock().unwrap().clone();
    assert_eq!((lost.len(), &*lost[0].reason), (1, "the daemon stopped"));
}

#[tokio::test]
async fn plain_text_stays_on_this_host() {
    // A name for this host that stands for another: the configuration cannot know.
    let target = Target {
        name: "ops".to_owned(),
        kind: Kind::Slack,
        url: "https://192.0.2.1/s3cr3t".parse().unwrap(),
        tls: None,
        key: None,
    };
    let ask = crate::web::Ask {
        url: &target.url,
        tls: target.tls.as_ref(),
        headers: Vec::new(),
        most: 4096,
    };
    let posted = crate::web::post(ask, bytes::Bytes::new()).await;
    assert_eq!(
        posted.unwrap_err().to_string(),
        "plain http, and the name does not stand for this host"
    );
}
