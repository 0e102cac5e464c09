//! Recordings hold what happened, show when they were changed, and without them nothing passes.

use std::fs;
use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::programs::{find, output, said};
use gateway_tests::recordings::Recording;
use gateway_tests::terminal::Terminal;
use gateway_tests::wait;

use crate::stage::{agent, gateway, open_gateway, psql, server, shop, sql};

fn verifies(gateway: &Gateway) -> bool {
    gateway
        .call(["sessions", "verify", "--all"])
        .unwrap()
        .status
        .success()
}

fn record_one(gateway: &Gateway) -> Recording {
    let statements = "SELECT id FROM orders ORDER BY id LIMIT 3; SELECT 1/0";
    gateway
        .agent(&psql(&["-c", "SELECT 'first'", "-c", statements]))
        .unwrap();
    gateway.wait_recordings(1).unwrap().remove(0)
}

#[test]
fn recording_tells_who_did_what_and_what_came_of_it() {
    let gateway = open_gateway();
    let recording = record_one(&gateway);
    let open = recording.events("open").next().unwrap();
    assert_eq!(open["subject"]["workload"], "agent");
    assert_eq!(open["subject"]["process"]["comm"], "psql");
    assert_eq!(open["resource"], "shop");
    assert_eq!(
        open["destination"],
        format!("127.0.0.1:{}", server().port())
    );
    let statements = recording.statements();
    assert!(
        statements.contains(&("SELECT 'first'".into(), "allow".into())),
        "{statements:?}"
    );
    let rows: u64 = recording
        .events("outcome")
        .filter_map(|line| line.get("rows")?.as_u64())
        .sum();
    assert_eq!(rows, 4, "{:?}", recording.lines);
    let error = recording
        .events("outcome")
        .find_map(|line| line.get("error"))
        .unwrap();
    assert_eq!(error["code"], "22012");
    assert!(recording.is_complete() && verifies(&gateway));
}

#[test]
fn passwords_are_not_recorded() {
    let gateway = open_gateway();
    for user in ["app", "app_md5", "app_clear"] {
        let conninfo = server().conninfo("127.0.0.1", user);
        agent(
            &gateway,
            &crate::stage::psql_to(&conninfo, &["-c", "SELECT 1"]),
        );
    }
    for recording in gateway.wait_recordings(3).unwrap() {
        let text = fs::read_to_string(&recording.path).unwrap();
        assert!(!text.contains(gateway_tests::postgres::PASSWORD), "{text}");
    }
    let log = fs::read_to_string(gateway.path("enforcement.jsonl")).unwrap();
    assert!(
        !log.contains(gateway_tests::postgres::PASSWORD) && !log.contains("SELECT"),
        "{log}"
    );
}

#[test]
fn sessions_are_listed_shown_and_replayed() {
    let gateway = open_gateway();
    let session = record_one(&gateway).session();
    let listed = gateway.ask(["sessions", "list"]).unwrap();
    assert!(
        listed.contains("agent") && listed.contains(&session[..8]),
        "{listed}"
    );
    for command in [
        vec!["sessions", "show"],
        vec!["sessions", "replay", "--no-wait"],
    ] {
        let shown = gateway
            .ask(command.into_iter().chain([session.as_str()]))
            .unwrap();
        assert!(
            shown.contains("SELECT 'first'") && shown.contains("22012"),
            "{shown}"
        );
    }
    let unknown = gateway
        .call(["sessions", "show", "no-such-session"])
        .unwrap();
    assert!(!unknown.status.success() && said(&unknown).contains("no-such-session"));
}

#[test]
fn chain_can_be_verified_with_everyday_tools() {
    let gateway = open_gateway();
    let recording = record_one(&gateway);
    let text = fs::read_to_string(&recording.path).unwrap();
    let mut before = "0".repeat(64);
    for (number, line) in text.lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["prev"], before, "line {}", number + 1);
        let file = gateway.path("line");
        fs::write(&file, line).unwrap();
        let digest = output(Command::new(find("sha256sum").unwrap()).arg(&file)).unwrap();
        before = digest.split(' ').next().unwrap().to_owned();
    }
}

#[test]
fn tampering_shows() {
    let gateway = open_gateway();
    let path = record_one(&gateway).path;
    let original = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = original.lines().collect();
    assert!(lines.len() > 5);
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let mut removed = lines.clone();
    removed.remove(3);
    let mut doubled = lines.clone();
    doubled.insert(3, lines[2]);
    let tampered = [
        ("edited", original.replacen("first", "other", 1)),
        ("swapped", join(&swapped)),
        ("removed", join(&removed)),
        ("doubled", join(&doubled)),
        ("beginning cut", join(&lines[1..])),
        ("end cut", join(&lines[..lines.len() - 1])),
        ("line cut", original[..original.len() - 5].to_owned()),
        ("emptied", String::new()),
    ];
    assert!(verifies(&gateway));
    for (how, text) in tampered {
        fs::write(&path, text).unwrap();
        let verified = gateway.call(["sessions", "verify", "--all"]).unwrap();
        assert!(
            !verified.status.success(),
            "{how} went unseen: {}",
            said(&verified)
        );
    }
    fs::write(&path, original).unwrap();
    assert!(verifies(&gateway));
}

#[test]
fn sessions_that_go_on_verify_too() {
    let gateway = open_gateway();
    let mut terminal = Terminal::start(&gateway.run("agent", &psql(&["-n"]))).unwrap();
    terminal.wait_for("shop=> ").unwrap();
    terminal.type_keys("SELECT 'open' || '_yet';\n").unwrap();
    terminal.wait_for("open_yet").unwrap();
    let verified = gateway.call(["sessions", "verify", "--all"]).unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
    let listed = gateway.ask(["sessions", "list"]).unwrap();
    assert!(listed.contains("running"), "{listed}");
    terminal.type_keys("\\q\n").unwrap();
    assert_eq!(terminal.wait_end().unwrap(), Some(0));
    gateway.wait_recordings(1).unwrap();
    assert!(verifies(&gateway));
}

#[test]
fn removed_recording_shows() {
    let gateway = open_gateway();
    fs::remove_file(record_one(&gateway).path).unwrap();
    let verified = gateway.call(["sessions", "verify", "--all"]).unwrap();
    assert!(!verified.status.success(), "{}", said(&verified));
}

#[test]
fn tail_shows_refusals_as_they_happen() {
    let gateway = gateway(&shop("upstream = { tls = \"disable\" }").allow_all().rule(
        "no-secrets",
        "deny",
        "match = { table = \"secret.*\" }\nreason = \"secrets are not for agents\"",
    ));
    let mut tail = Terminal::start(&gateway.command(["tail", "--denied"])).unwrap();
    for statement in ["SELECT 1", "SELECT * FROM secret.keys"] {
        gateway.agent(&sql(statement)).unwrap();
    }
    tail.wait_for("no-secrets").unwrap();
    let lines = gateway
        .ask(["tail", "--json", "--no-follow", "--denied"])
        .unwrap();
    let denied: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(denied.len(), 1, "{lines}");
    assert_eq!(denied[0]["rule"], "no-secrets");
    assert_eq!(denied[0]["workload"], "agent");
    // What it was about is in the recording; the log is for many eyes.
    assert!(!lines.contains("SELECT *"), "{lines}");
}

#[test]
fn without_a_place_to_record_no_session_begins() {
    let gateway = open_gateway();
    agent(&gateway, &sql("SELECT 1"));
    gateway.wait_recordings(1).unwrap();
    // Root may write anywhere, so the folder is made to be no folder.
    fs::rename(gateway.path("sessions"), gateway.path("away")).unwrap();
    fs::write(gateway.path("sessions"), "").unwrap();
    let ran = gateway
        .agent(&sql("SELECT 'forbidden_unrecorded'"))
        .unwrap();
    assert!(
        !ran.status.success() && said(&ran).contains("record"),
        "{}",
        said(&ran)
    );
    crate::stage::never_logged(server(), "forbidden_unrecorded");
    fs::remove_file(gateway.path("sessions")).unwrap();
    fs::rename(gateway.path("away"), gateway.path("sessions")).unwrap();
    agent(&gateway, &sql("SELECT 1"));
}

#[test]
fn session_ends_when_its_recording_cannot_grow() {
    // A file system of a few pages for the recordings, which the agent's statements fill.
    let folder = gateway_tests::sandbox::Sandbox::new("full").unwrap();
    let full = Mounted::tmpfs(&folder.join("small"));
    let policy = shop("upstream = { tls = \"disable\" }").allow_all();
    let mut gateway = gateway(&policy);
    gateway.stop(nix::sys::signal::Signal::SIGTERM).unwrap();
    let config = fs::read_to_string(gateway.config()).unwrap();
    let sessions = gateway.path("sessions").display().to_string();
    fs::write(gateway.config(), config.replace(&sessions, &full.path)).unwrap();
    gateway.restart().unwrap();
    let statement = format!("SELECT '{}'", "x".repeat(20_000));
    let script = folder
        .write("script.sql", &format!("{statement};\n").repeat(100))
        .unwrap();
    let ran = gateway
        .agent(&psql(&["-q", "-f", script.to_str().unwrap()]))
        .unwrap();
    assert!(
        !ran.status.success(),
        "100 statements of 20 kB fitted into 256 kB"
    );
    wait::until("the end is in the enforcement log", || {
        let log = serde_json::to_string(&gateway.enforcement()?)?;
        Ok(log.contains("recording").then_some(()))
    })
    .unwrap();
}

/// A small file system, unmounted when dropped.
struct Mounted {
    path: String,
    undo: gateway_tests::guardian::Undo,
}

impl Mounted {
    fn tmpfs(path: &std::path::Path) -> Mounted {
        fs::create_dir_all(path).unwrap();
        let path = path.display().to_string();
        let undo = gateway_tests::guardian::Undo::promise(&format!("umount -l '{path}'")).unwrap();
        output(Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "none", &path]))
            .unwrap();
        Mounted { path, undo }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if output(Command::new("umount").args(["-l", &self.path])).is_ok() {
            self.undo.cancel();
        }
    }
}
