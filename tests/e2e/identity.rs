//! Workloads are known by tokens of a real OpenID provider, and rules say what their claims open.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{bounded, find, said};
use gateway_tests::provider::{Provider, write_token};
use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::stage::{gateway, psql, server, shop, sql};

const PLAIN: &str = "upstream = { tls = \"disable\" }";
const AUDIENCE: &str = "urn:gateway";
/// Whom the one rule is about.
const DATA: &str = "issuer = \"corp\"\nclaims = { team = \"data\", groups = [\"dba\"] }";

fn policy(provider: &Provider, more: &str) -> PolicyFile {
    shop(PLAIN)
        .piece(&provider.issuer("corp", more))
        .rule("data-reads", "allow", DATA)
}

/// Runs a command as the workload, known by what is in a file.
fn run(gateway: &Gateway, token: &Path, command: &Command) -> (bool, String) {
    let token = token.to_str().unwrap();
    let options = ["--as", "agent", "--user", "root", "--identity-token", token];
    let ran = bounded(&gateway.run_with(&options, command))
        .output()
        .unwrap();
    (ran.status.success(), said(&ran))
}

#[test]
fn a_token_opens_what_its_claims_say() {
    let provider = Provider::start("one", 600).unwrap();
    let gateway = gateway(&policy(&provider, ""));
    let token = |team: &str| {
        let token = provider.token(AUDIENCE, team).unwrap();
        provider.file(team, &token).unwrap()
    };
    let question = sql("SELECT 'passed'");
    let (passed, shown) = run(&gateway, &token("data"), &question);
    assert!(passed && shown.trim() == "passed", "{shown}");
    // Another team, and nobody known.
    let refused = "FATAL:  gateway: no rule allows workload agent on shop";
    let (passed, shown) = run(&gateway, &token("ads"), &question);
    assert!(!passed && shown.contains(refused), "{shown}");
    let ran = gateway.agent(&question).unwrap();
    assert!(said(&ran).contains(refused), "{}", said(&ran));
    // What is taken of the token is written down, and the token is not.
    let recordings = gateway.wait_recordings(3).unwrap();
    let known = &recordings[0].events("open").next().unwrap()["subject"]["identity"];
    assert_eq!(known["issuer"], "corp");
    assert_eq!(known["subject"], "planner");
    assert_eq!(known["claims"]["team"], "data");
    assert_eq!(known["claims"]["groups"][1], "dba");
    let nobody = recordings[2].events("open").next().unwrap();
    assert!(nobody["subject"].get("identity").is_none(), "{nobody}");
    let log = gateway.enforcement().unwrap();
    let of = |event: &str| log.iter().find(|it| it["event"] == event).unwrap().clone();
    assert_eq!(of("identity_known")["identity"], "planner");
    assert_eq!(of("connection_opened")["issuer"], "corp");
    let whole = fs::read_to_string(gateway.path("enforcement.jsonl")).unwrap();
    assert!(!whole.contains("eyJ"), "{whole}");
    let kept = gateway.path("run/daemon/attachments.json");
    assert!(!fs::read_to_string(kept).unwrap().contains("eyJ"));
    // Asked without a daemon, the policy says the same.
    let explain = ["policy", "explain", "--as", "agent", "--resource", "shop"];
    let explained = |team: &str| {
        let team = format!("team={team}");
        let claims = [team.as_str(), "groups=[\"dba\"]"].map(|it| ["--claims", it]);
        let more = [&explain[..], &claims.concat(), &["SELECT 1"]].concat();
        gateway.ask(more).unwrap()
    };
    assert!(explained("data").contains("allowed by rule data-reads"));
    let why = explained("ads");
    assert!(why.contains("and the token says otherwise"), "{why}");
}

/// `header.payload.signature` with other parts.
fn forged(good: &str, header: &str, signature: &str) -> String {
    let mut parts = good.split('.');
    let (_, payload) = (parts.next().unwrap(), parts.next().unwrap());
    format!("{}.{payload}.{signature}", base64url(header))
}

fn base64url(text: &str) -> String {
    let mut openssl = Command::new(find("openssl").unwrap());
    openssl.args(["base64", "-A"]).stdin(Stdio::piped());
    let mut child = openssl.stdout(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let text = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    text.trim_end_matches('=')
        .replace('+', "-")
        .replace('/', "_")
}

#[test]
fn what_is_not_good_starts_nothing() {
    let provider = Provider::start("one", 600).unwrap();
    let other = Provider::start("one", 600).unwrap();
    let policy = policy(&provider, "").piece(&other.issuer("other", ""));
    let gateway = gateway(&policy.piece("[[workload]]\nname = \"corps\"\nissuer = \"corp\""));
    let good = provider.token(AUDIENCE, "data").unwrap();
    let unlisted = Provider::start("one", 600).unwrap();
    let (head, signature) = good.rsplit_once('.').unwrap();
    let none = forged(
        &good,
        "{\"alg\":\"none\",\"typ\":\"JWT\",\"kid\":\"one\"}",
        "",
    );
    let shared = forged(&good, "{\"alg\":\"HS256\",\"kid\":\"one\"}", signature);
    let other_first = if signature.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{head}.{other_first}{}", &signature[1..]);
    let mark = gateway.path("mark");
    let mut touch = Command::new("touch");
    touch.arg(&mark);
    for (what, token, expected) in [
        (
            "audience",
            provider.token("urn:elsewhere", "data").unwrap(),
            "its `aud` is none of urn:gateway",
        ),
        (
            "issuer",
            unlisted.token(AUDIENCE, "data").unwrap(),
            "no [[issuer]] of the configuration has made it",
        ),
        ("none", none, "an algorithm that is not accepted of corp"),
        (
            "shared",
            shared,
            "an algorithm that is not accepted of corp",
        ),
        ("signature", changed, "its signature is wrong"),
        ("garbage", "garbage".to_owned(), "it is no signed token"),
        ("empty", String::new(), "holds no token"),
        ("huge", "x".repeat(1 << 20), "holds no token"),
    ] {
        let file = provider.file(what, &token).unwrap();
        let (passed, shown) = run(&gateway, &file, &touch);
        assert!(!passed && shown.contains(expected), "{what}: {shown}");
    }
    // A good one that others may write, or lead elsewhere.
    let file = provider.file("good", &good).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let (passed, shown) = run(&gateway, &file, &touch);
    assert!(
        !passed && shown.contains("is not the operator's alone"),
        "{shown}"
    );
    // A good one of an issuer that does not count for the workload.
    let file = provider
        .file("other", &other.token(AUDIENCE, "data").unwrap())
        .unwrap();
    let options = [
        "--as",
        "corps",
        "--user",
        "root",
        "--identity-token",
        file.to_str().unwrap(),
    ];
    let ran = bounded(&gateway.run_with(&options, &touch))
        .output()
        .unwrap();
    let shown = said(&ran);
    assert!(
        shown.contains("it is a token of other, and the workload's issuer is corp"),
        "{shown}"
    );
    assert!(!mark.exists());
    // Elsewhere it counts, and is not the other's.
    let (passed, shown) = run(&gateway, &file, &sql("SELECT 1"));
    assert!(
        !passed && shown.contains("no rule allows workload agent"),
        "{shown}"
    );
}

/// A session whose statements are given one by one.
struct Talk {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Talk {
    fn start(gateway: &Gateway, token: &Path) -> Talk {
        let token = token.to_str().unwrap();
        let options = ["--as", "agent", "--user", "root", "--identity-token", token];
        // Both streams in one, in their order.
        let mut shell = psql(&[]);
        let words: Vec<String> = std::iter::once(shell.get_program())
            .chain(shell.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("exec {} -qAt 2>&1", words.join(" "))]);
        for (name, value) in shell.env("PGCONNECT_TIMEOUT", "20").get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let mut run = gateway.run_with(&options, &command);
        run.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = run.spawn().unwrap();
        Talk {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    /// Says something; gives all that comes of it.
    fn say(&mut self, statement: &str) -> String {
        writeln!(self.input, "{statement};\n\\echo done").unwrap();
        let mut all = String::new();
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "{all}");
            if line.trim() == "done" {
                return all;
            }
            all.push_str(&line);
        }
    }

    fn end(self) {
        drop(self.input);
        let mut child = self.child;
        child.wait().unwrap();
    }
}

/// Waits until something is told of a token.
fn wait_told(gateway: &Gateway, event: &str, count: usize) {
    wait::until(&format!("{count} of {event}"), || {
        let log = gateway.enforcement()?;
        let told = log.iter().filter(|it| it["event"] == event).count();
        Ok((told >= count).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_token_that_is_replaced_changes_what_is_open() {
    let provider = Provider::start("one", 600).unwrap();
    let gateway = gateway(&policy(&provider, ""));
    let token = |team: &str| provider.token(AUDIENCE, team).unwrap();
    let file = provider.file("token", &token("data")).unwrap();
    let mut talk = Talk::start(&gateway, &file);
    assert_eq!(talk.say("SELECT 'one'"), "one\n");
    // A newer one that says the same makes no difference.
    write_token(&file, &token("data")).unwrap();
    assert_eq!(talk.say("SELECT 'two'"), "two\n");
    write_token(&file, &token("ads")).unwrap();
    wait_told(&gateway, "identity_known", 2);
    wait::until("the session knows", || {
        Ok(talk
            .say("SELECT 'three'")
            .contains("no rule allows select")
            .then_some(()))
    })
    .unwrap();
    write_token(&file, &token("data")).unwrap();
    wait_told(&gateway, "identity_known", 3);
    wait::until("the session knows", || {
        Ok((talk.say("SELECT 'four'") == "four\n").then_some(()))
    })
    .unwrap();
    // Something that is none at all.
    write_token(&file, &forged(&token("data"), "{\"alg\":\"none\"}", "")).unwrap();
    wait_told(&gateway, "identity_unknown", 1);
    wait::until("the session knows", || {
        Ok(talk
            .say("SELECT 'five'")
            .contains("no rule allows select")
            .then_some(()))
    })
    .unwrap();
    let status = gateway.status().unwrap();
    let problems = status["problems"].to_string();
    assert!(problems.contains("is not good"), "{problems}");
    talk.end();
    let recordings = gateway.wait_recordings(1).unwrap();
    let changes: Vec<_> = recordings[0].events("identity").collect();
    assert_eq!(changes.len(), 3, "{changes:?}");
    assert_eq!(changes[0]["identity"]["claims"]["team"], "ads");
    assert!(changes[2].get("identity").is_none());
}

#[test]
fn what_a_token_opened_ends_with_it() {
    let provider = Provider::start("one", 8).unwrap();
    let gateway = gateway(&policy(&provider, "leeway = \"0s\""));
    let file = provider
        .file("token", &provider.token(AUDIENCE, "data").unwrap())
        .unwrap();
    let mut talk = Talk::start(&gateway, &file);
    assert_eq!(talk.say("SELECT 'one'"), "one\n");
    wait_told(&gateway, "identity_unknown", 1);
    wait::until("the session knows", || {
        Ok(talk
            .say("SELECT 'two'")
            .contains("no rule allows select")
            .then_some(()))
    })
    .unwrap();
    let log = gateway.enforcement().unwrap();
    let lost = log
        .iter()
        .find(|it| it["event"] == "identity_unknown")
        .unwrap();
    assert!(
        lost["reason"].as_str().unwrap().contains("it expired at"),
        "{lost}"
    );
    talk.end();
    // It cannot be shown again.
    let (passed, shown) = run(&gateway, &file, &sql("SELECT 1"));
    assert!(!passed && shown.contains("it expired at"), "{shown}");
}

#[test]
fn the_provider_may_change_its_keys_and_be_gone() {
    let mut provider = Provider::start("one", 600).unwrap();
    let gateway = gateway(&policy(&provider, ""));
    let first = provider
        .file("first", &provider.token(AUDIENCE, "data").unwrap())
        .unwrap();
    let (passed, shown) = run(&gateway, &first, &sql("SELECT 1"));
    assert!(passed, "{shown}");
    provider.again("two", 600).unwrap();
    let second = provider
        .file("second", &provider.token(AUDIENCE, "data").unwrap())
        .unwrap();
    // Its keys are asked for again, though not at once.
    wait::until("the new key is known", || {
        let (passed, shown) = run(&gateway, &second, &sql("SELECT 1"));
        assert!(
            passed || shown.contains("a key that corp does not have"),
            "{shown}"
        );
        Ok(passed.then_some(()))
    })
    .unwrap();
    // The old one is not among them any more.
    let (passed, shown) = run(&gateway, &first, &sql("SELECT 1"));
    assert!(
        !passed && shown.contains("a key that corp does not have"),
        "{shown}"
    );
    // What is known already is enough for a time.
    provider.stop();
    let (passed, shown) = run(&gateway, &second, &sql("SELECT 1"));
    assert!(passed, "{shown}");
}

#[test]
fn who_has_to_be_known_is_let_do_nothing_without() {
    let provider = Provider::start("one", 600).unwrap();
    let token = provider.token(AUDIENCE, "data").unwrap();
    let file = provider.file("token", &token).unwrap();
    let strict = format!(
        "[[workload]]\nname = \"strict\"\nissuer = \"corp\"\nrequire_identity = true\n\
         identity_token = {file:?}"
    );
    let port = server().port();
    let observed = format!("127.0.0.1:{port}, [::1]:{port}");
    // Where nothing is enforced, this is all the same.
    let policy = PolicyFile::default()
        .piece(&provider.issuer("corp", ""))
        .piece(&strict)
        .shop(&observed, &format!("{PLAIN}\nmode = \"observe\""));
    let mut gateway = gateway(&policy);
    let cgroup = Cgroup::new("strict").unwrap();
    let path = cgroup.path().to_str().unwrap().to_owned();
    let shown = gateway
        .ask(["attach", "--as", "strict", "--cgroup", &path])
        .unwrap();
    assert!(
        shown.contains("known as planner by corp (groups = [agents, dba], team = data)"),
        "{shown}"
    );
    let within = || said(&cgroup.run(&sql("SELECT 'passed'")).unwrap());
    assert_eq!(within().trim(), "passed");
    // The next daemon finds the attachment, and reads the token again.
    gateway.stop(Signal::SIGKILL).unwrap();
    gateway.restart().unwrap();
    assert_eq!(within().trim(), "passed");
    // Another one that is good would do; none will not.
    gateway.stop(Signal::SIGTERM).unwrap();
    fs::remove_file(&file).unwrap();
    gateway.restart().unwrap();
    let shown = within();
    let expected = "gateway: workload strict has no valid identity token";
    assert!(shown.contains(expected), "{shown}");
    let status = gateway.status().unwrap();
    assert!(
        status["problems"].to_string().contains("cannot read"),
        "{status}"
    );
    write_token(&file, &token).unwrap();
    wait::until("it is known again", || {
        Ok((within().trim() == "passed").then_some(()))
    })
    .unwrap();
    // Nor is it run without.
    fs::remove_file(&file).unwrap();
    let ran = bounded(&gateway.run("strict", &Command::new("true")))
        .output()
        .unwrap();
    assert!(said(&ran).contains("cannot read"), "{}", said(&ran));
}

#[test]
fn keys_may_be_in_a_file() {
    let provider = Provider::start("one", 600).unwrap();
    let mut curl = Command::new(find("curl").unwrap());
    curl.args(["-sk", &format!("{}/jwks", provider.url())]);
    let keys = bounded(&curl).output().unwrap().stdout;
    let keys = provider
        .file("keys.json", &String::from_utf8(keys).unwrap())
        .unwrap();
    let issuer = format!(
        "[[issuer]]\nname = \"corp\"\nurl = \"{}\"\naudience = [\"{AUDIENCE}\"]\njwks_file = {keys:?}\n\
         algorithms = [\"RS256\"]\nclaims = {{ team = \"text\", groups = \"list\" }}",
        provider.url()
    );
    let policy = shop(PLAIN).piece(&issuer).rule("data-reads", "allow", DATA);
    let gateway = gateway(&policy);
    let token = provider
        .file("token", &provider.token(AUDIENCE, "data").unwrap())
        .unwrap();
    let (passed, shown) = run(&gateway, &token, &sql("SELECT 'passed'"));
    assert!(passed && shown.trim() == "passed", "{shown}");
    // Who is not known is asked as anybody.
    let refused = gateway.agent(&sql("SELECT 1")).unwrap();
    assert!(!refused.status.success());
    let open = gateway.ask(["policy", "explain", "--as", "agent", "--resource", "shop"]);
    assert!(open.unwrap().contains("that is not known of the workload"));
}
