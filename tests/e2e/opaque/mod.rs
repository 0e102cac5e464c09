//! What passes uninspected by rule: streams are whole in both directions, end when they have to, and
//! are told of; nothing of them is terminated.

mod coverage;
mod datagrams;
mod peer;
mod times;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;

use gateway_tests::certificates::{Certificates, SERVER_NAME};
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::process::Process;
use gateway_tests::programs::find;
use gateway_tests::recordings::Recording;
use gateway_tests::sandbox::{Sandbox, free_port};
use gateway_tests::wait;
use nix::sys::signal::Signal;

use self::peer::Peer;
use crate::stage::{agent, client, gateway};

/// The resource `peer`, a byte stream, and what else the file has to say.
fn policy(port: u16, more: &str) -> PolicyFile {
    PolicyFile::new()
        .piece(&format!(
            "[[resource]]\nname = \"peer\"\nprotocol = \"tcp\"\naddresses = [\"127.0.0.1:{port}\"]"
        ))
        .piece(more)
}

fn allowed(port: u16) -> PolicyFile {
    policy(port, "").rule("let-it-pass", "allow", "resource = \"peer\"")
}

fn streams(what: &str, port: u16, much: u64) -> Command {
    let mut command = client(find("python3").unwrap());
    command
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/e2e/clients/streams.py"
        ))
        .args([what, &port.to_string(), &much.to_string()]);
    command
}

/// An agent that goes on while the test does something to it.
struct Running {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
}

impl Running {
    fn start(gateway: &Gateway, command: &Command) -> Running {
        let mut run = gateway.run("agent", command);
        run.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = run.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out }
    }

    /// The next line that it prints.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn go_on(&mut self) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(b"\n").unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only when a test has failed is it still there.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn one(gateway: &Gateway) -> Recording {
    gateway.wait_recordings(1).unwrap().remove(0)
}

fn logged(gateway: &Gateway, event: &str) -> Vec<serde_json::Value> {
    let mut lines = gateway.enforcement().unwrap();
    lines.retain(|line| line["event"] == event);
    lines
}

#[test]
fn tls_is_not_terminated_and_the_passage_is_told() {
    let sandbox = Sandbox::new("nginx").unwrap();
    let certificates = Certificates::make(&sandbox, "web", "root", &[]).unwrap();
    let port = free_port().unwrap();
    let body = "0123456789abcdef".repeat(64 << 10);
    sandbox.write("page", &body).unwrap();
    let settings = sandbox
        .write(
            "nginx.conf",
            &format!(
                "daemon off; master_process off; pid {folder}/pid; error_log stderr;\n\
                 events {{}}\nhttp {{ access_log off; server {{ listen 127.0.0.1:{port} ssl;\n\
                 ssl_certificate {certificate}; ssl_certificate_key {key}; root {folder}; }} }}",
                folder = sandbox.path().display(),
                certificate = certificates.certificate.display(),
                key = certificates.key.display(),
            ),
        )
        .unwrap();
    let mut nginx = Process::start(
        "nginx",
        Command::new(find("nginx").unwrap()).arg("-c").arg(settings),
        &sandbox.join("nginx.log"),
        Signal::SIGKILL,
    )
    .unwrap();
    nginx
        .wait_ready(|| Ok(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()))
        .unwrap();
    let gateway = gateway(&allowed(port));
    let mut curl = client(find("curl").unwrap());
    curl.args(["--silent", "--show-error", "--fail", "--cacert"])
        .arg(&certificates.authority)
        .arg("--connect-to")
        .arg(format!("{SERVER_NAME}:443:127.0.0.1:{port}"))
        .arg(format!("https://{SERVER_NAME}/page"));
    // The server's own certificate is what curl sees, or it would not have been satisfied.
    assert!(agent(&gateway, &curl) == body, "the page is whole");

    let recording = one(&gateway);
    let ask = recording.events("ask").next().unwrap();
    assert_eq!(ask["uninspected"], true, "{ask}");
    assert_eq!(ask["rule"], "let-it-pass", "{ask}");
    assert_eq!(ask["connection"]["net.port"], port, "{ask}");
    assert_eq!(ask["connection"]["net.address"], "127.0.0.1", "{ask}");
    let end = recording.events("end").next().unwrap();
    let bytes = |name: &str| end[name].as_u64().unwrap();
    assert!(
        bytes("bytes_out") > 1 << 20 && bytes("bytes_in") > 100,
        "{end}"
    );
    let passed = logged(&gateway, "passed_uninspected");
    assert_eq!(passed.len(), 1);
    assert_eq!(passed[0]["rule"], "let-it-pass");
    assert_eq!(passed[0]["resource"], "peer");
    let shown = gateway.ask(["tail", "--no-follow"]).unwrap();
    assert!(
        shown.contains("passed uninspected by rule let-it-pass"),
        "{shown}"
    );
    let shown = gateway
        .ask(["sessions", "show", &recording.session()])
        .unwrap();
    assert!(shown.contains("passed uninspected"), "{shown}");
    gateway.ask(["sessions", "verify", "--all"]).unwrap();
}

#[test]
fn no_rule_means_no_byte() {
    let peer = Peer::start();
    let gateway = gateway(&policy(peer.port, ""));
    let shown = agent(&gateway, &streams("wait", peer.port, 1));
    assert_eq!(shown.trim(), "refused");
    let refused = logged(&gateway, "connection_refused");
    assert_eq!(refused.len(), 1);
    assert_eq!(
        refused[0]["reason"],
        "no rule allows workload agent on peer"
    );
    assert!(logged(&gateway, "passed_uninspected").is_empty());
}

#[test]
fn a_denied_port_or_address_is_refused_though_another_rule_allows() {
    let peer = Peer::start();
    let denied = format!(
        "match = {{ port = {} }}\nreason = \"not this one\"",
        peer.port
    );
    let gateway = gateway(&allowed(peer.port).rule("not-here", "deny", &denied));
    assert_eq!(
        agent(&gateway, &streams("wait", peer.port, 1)).trim(),
        "refused"
    );
    let refused = logged(&gateway, "connection_refused");
    assert_eq!(refused[0]["rule"], "not-here");
    assert_eq!(refused[0]["reason"], "not this one");
}

#[test]
fn observing_lets_pass_and_tells() {
    let peer = Peer::start();
    let observed = "[[resource]]\nname = \"peer\"\nprotocol = \"tcp\"\nmode = \"observe\"\n";
    let addresses = format!("addresses = [\"127.0.0.1:{}\"]", peer.port);
    let gateway = gateway(&PolicyFile::new().piece(&format!("{observed}{addresses}")));
    let shown = agent(&gateway, &streams("echoes", peer.port, 1));
    assert_eq!(shown.trim(), "1");
    one(&gateway);
    assert_eq!(logged(&gateway, "passed_uninspected").len(), 1);
    assert_eq!(logged(&gateway, "ask_observed").len(), 1);
}

#[test]
fn half_closed_streams_are_whole() {
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    let shown = agent(&gateway, &streams("echoes", peer.port, 1_000));
    assert_eq!(shown.trim(), "1000", "{}", gateway.output());
    let shown = agent(&gateway, &streams("endings", peer.port, 1_000));
    assert_eq!(shown.trim(), "1000", "{}", gateway.output());
    let recordings = gateway.wait_recordings(2_000).unwrap();
    let sum = |name: &str| -> u64 {
        let ends = recordings.iter().flat_map(|one| one.events("end"));
        ends.map(|end| end[name].as_u64().unwrap()).sum()
    };
    // What was echoed came in and went out, what the server heard last came in; and each connection
    // began with a word of one byte.
    let heard = peer.heard.load(Ordering::Relaxed);
    assert_eq!(sum("bytes_in"), 2 * heard + 2_000);
    assert_eq!(sum("bytes_out"), heard + 1_000 * 100_000);
}

#[test]
fn a_gibibyte_passes_in_constant_memory() {
    const GIB: u64 = 1 << 30;
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    agent(&gateway, &streams("bulk", peer.port, 256 << 10));
    let before = resident(&gateway);
    let mut running = Running::start(&gateway, &streams("bulk", peer.port, GIB));
    assert_eq!(running.line(), "sent");
    wait::until("all has arrived", || {
        Ok((peer.good.load(Ordering::Relaxed) == GIB + (256 << 10)).then_some(()))
    })
    .unwrap();
    // The agent reads nothing yet: what the server sends stands still somewhere on the way.
    let mut last = 0;
    wait::until("the answer stands still", || {
        let status = gateway.status()?;
        let out = status["connections"][0]["bytes_out"].as_u64().unwrap_or(0);
        let stands = out > 0 && out == last;
        last = out;
        Ok(stands.then_some(()))
    })
    .unwrap();
    assert!(
        last < GIB / 4,
        "{last} bytes went to an agent that reads nothing"
    );
    let during = resident(&gateway);
    running.go_on();
    assert_eq!(running.line(), format!("{GIB} True"));
    let after = resident(&gateway);
    let most = before + 16 * 1024;
    assert!(
        during < most && after < most,
        "{before} KiB, {during} KiB, {after} KiB"
    );
}

#[test]
fn an_idle_connection_holds_no_pipe() {
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    let mut running: Vec<Running> = (0..20)
        .map(|_| Running::start(&gateway, &streams("wait", peer.port, 1 << 20)))
        .collect();
    for each in &mut running {
        assert_eq!(each.line(), "ready");
    }
    wait::until("the pipes are back", || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", gateway.id()))?;
        let pipes = descriptors
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("pipe:"))
            .count();
        // 16 are kept for whoever comes next; two directions of 20 connections would need 40.
        Ok((pipes <= 2 * 16 + 4).then_some(()))
    })
    .unwrap();
    let shown = gateway.ask(["status"]).unwrap();
    assert!(shown.contains("tcp, uninspected"), "{shown}");
    assert_eq!(
        gateway.status().unwrap()["connections"]
            .as_array()
            .unwrap()
            .len(),
        20
    );
}

#[test]
fn a_policy_that_takes_the_permission_away_ends_it() {
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    let mut running = Running::start(&gateway, &streams("wait", peer.port, 1));
    assert_eq!(running.line(), "ready");
    // Another policy that allows it too, by another rule: it goes on.
    let other = policy(peer.port, "").rule("another", "allow", "");
    gateway.reload(&other).unwrap();
    wait::until("the new rule is recorded", || {
        let recordings = gateway.recordings()?;
        let asks: Vec<_> = recordings[0].events("ask").collect();
        Ok(asks.get(1).filter(|ask| ask["rule"] == "another").map(drop))
    })
    .unwrap();
    gateway.reload(&policy(peer.port, "")).unwrap();
    assert_eq!(running.line(), "reset");
    let recording = one(&gateway);
    assert_eq!(recording.events("end").next().unwrap()["end"], "refused");
    let asks: Vec<_> = recording
        .events("ask")
        .map(|ask| ask["ruling"].clone())
        .collect();
    assert_eq!(asks, ["allow", "allow", "deny"]);
    assert_eq!(logged(&gateway, "ask_denied").len(), 1);
}

#[test]
fn a_resource_that_is_inspected_from_now_on_ends_it() {
    let peer = Peer::start();
    let gateway = gateway(&allowed(peer.port));
    let mut running = Running::start(&gateway, &streams("wait", peer.port, 1));
    assert_eq!(running.line(), "ready");
    let inspected = PolicyFile::new().shop(&format!("127.0.0.1:{}", peer.port), "");
    gateway.reload(&inspected.allow_all()).unwrap();
    assert_eq!(running.line(), "reset");
    let recording = one(&gateway);
    let last = recording.events("ask").last().unwrap();
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.contains("inspected now, as postgres"), "{last}");
}

#[test]
fn detach_and_stop_end_it() {
    let peer = Peer::start();
    let mut gateway = gateway(&allowed(peer.port));
    let mut running = Running::start(&gateway, &streams("wait", peer.port, 1));
    assert_eq!(running.line(), "ready");
    gateway.ask(["detach", "--as", "agent"]).unwrap();
    assert_eq!(running.line(), "reset");
    assert_eq!(
        one(&gateway).events("end").next().unwrap()["end"],
        "stopped"
    );
    let mut running = Running::start(&gateway, &streams("wait", peer.port, 1));
    assert_eq!(running.line(), "ready");
    gateway.stop(Signal::SIGTERM).unwrap();
    assert_eq!(running.line(), "reset");
    let last = gateway.wait_recordings(2).unwrap().remove(1);
    assert_eq!(last.events("end").next().unwrap()["end"], "stopped");
}

#[test]
fn a_server_that_is_not_there_is_not_there_for_agents() {
    let port = free_port().unwrap();
    let gateway = gateway(&allowed(port));
    let shown = agent(&gateway, &streams("wait", port, 1));
    assert_eq!(shown.trim(), "refused");
    assert!(gateway.recordings().unwrap().is_empty());
    assert!(logged(&gateway, "connection_refused").is_empty());
}

#[test]
fn workload_has_no_more_streams_than_it_may() {
    let peer = Peer::start();
    let few = PolicyFile::default()
        .piece("[[workload]]\nname = \"agent\"\nmax_sessions = 1")
        .piece(&format!(
            "[[resource]]\nname = \"peer\"\nprotocol = \"tcp\"\naddresses = [\"127.0.0.1:{}\"]",
            peer.port
        ))
        .rule("let-it-pass", "allow", "");
    let gateway = gateway(&few);
    let mut running = Running::start(&gateway, &streams("wait", peer.port, 1));
    assert_eq!(running.line(), "ready");
    assert_eq!(
        agent(&gateway, &streams("wait", peer.port, 1)).trim(),
        "refused"
    );
    let refused = logged(&gateway, "connection_refused");
    assert_eq!(
        refused[0]["reason"],
        "the workload has 1 sessions open already"
    );
}

#[test]
fn tls_settings_of_a_stream_are_mistakes() {
    let gateway = gateway(&allowed(1));
    let wrong = policy(1, "").piece(
        "[[resource]]\nname = \"b\"\nprotocol = \"tcp\"\naddresses = [\"10.0.0.1:1\"]\n\
         client_tls = \"require\"\nupstream = { tls = \"require\" }",
    );
    let file = gateway.path("wrong.toml");
    fs::write(&file, wrong.render(&gateway.path(""), gateway.port())).unwrap();
    let said = gateway
        .call(["config", "check", "--config", &file.display().to_string()])
        .unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    for setting in ["client_tls", "upstream"] {
        let message = format!("`{setting}` means nothing to protocol \"tcp\"");
        assert!(said.contains(&message), "{said}");
    }
}

/// Resident memory of the daemon in KiB.
fn resident(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().split_whitespace().next().unwrap();
    number.parse().unwrap()
}
