//! The kill switch: what a frozen workload has open ends, what it opens is refused, also after a
//! restart, and until it is thawed; one session is killed and no other.

use std::net::UdpSocket;
use std::process::{Child, Command, Output, Stdio};

use gateway_tests::dnsmasq::Dnsmasq;
use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{find, said};
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::stage::{
    agent, agent_fails, client, gateway, never_logged, server, shop, sql, wait_logged,
};

const PLAIN: &str = "upstream = { tls = \"disable\" }";

/// A client of the workload that waits for its statement's end.
fn start(gateway: &Gateway, workload: &str, statement: &str) -> Child {
    let mut run = gateway.run(workload, &sql(statement));
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    wait_logged(server(), statement);
    child
}

fn is_busy(statement: &str) -> bool {
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{statement}'"
    );
    server().admin(&question).unwrap().trim() == "1"
}

#[track_caller]
fn ended(child: Child) -> Output {
    let mut child = child;
    wait::until("the client ends", || Ok(child.try_wait()?)).unwrap();
    child.wait_with_output().unwrap()
}

fn logged(gateway: &Gateway, event: &str) -> Vec<Value> {
    let mut lines = gateway.enforcement().unwrap();
    lines.retain(|line| line["event"] == event);
    lines
}

fn two_workloads() -> Gateway {
    let other = "[[workload]]\nname = \"other\"\ngroups = [\"agents\"]";
    gateway(&shop(PLAIN).piece(other).allow_all())
}

#[test]
fn a_frozen_workload_stops_in_the_middle_of_its_statement() {
    let gateway = two_workloads();
    let (mine, theirs) = ("SELECT pg_sleep(301)", "SELECT pg_sleep(302)");
    let (frozen, other) = (
        start(&gateway, "agent", mine),
        start(&gateway, "other", theirs),
    );
    let told = gateway
        .ask(["freeze", "agent", "--reason", "it sleeps too long"])
        .unwrap();
    assert!(told.contains("1 open session ended"), "{told}");
    let shown = said(&ended(frozen));
    assert!(
        shown.contains(
            "FATAL:  gateway: this workload is frozen by an operator: it sleeps too long"
        ),
        "{shown}"
    );
    // It does not go on without its client either.
    wait::until("the server stops", || Ok((!is_busy(mine)).then_some(()))).unwrap();
    assert!(is_busy(theirs), "the other workload was stopped as well");

    // Whether the connect itself is refused or the client is told depends on the kernel.
    let no = agent_fails(&gateway, &sql("SELECT 'after the freeze'"));
    assert!(
        no.contains("Connection refused") || no.contains("is frozen by an operator"),
        "{no}"
    );
    never_logged(server(), "SELECT 'after the freeze'");
    let refused = logged(&gateway, "connection_refused");
    assert_eq!(refused[0]["frozen"], true, "{refused:?}");
    let switched = logged(&gateway, "workload_frozen");
    assert_eq!(switched[0]["by"]["uid"], 0, "{switched:?}");
    assert_eq!(switched[0]["reason"], "it sleeps too long");
    let line = logged(&gateway, "session_ended");
    assert_eq!(line[0]["end"], "frozen", "{line:?}");
    let status = gateway.ask(["status"]).unwrap();
    assert!(status.contains("FROZEN    agent"), "{status}");
    let numbers = gateway.ask(["metrics"]).unwrap();
    let expected = "gateway_frozen_workloads{workload=\"agent\"} 1";
    assert!(numbers.contains(expected), "{numbers}");
    let tail = gateway.ask(["tail", "--no-follow", "-n", "50"]).unwrap();
    assert!(
        tail.contains("FROZEN") && tail.contains("it sleeps too long"),
        "{tail}"
    );

    let told = gateway.ask(["thaw", "agent"]).unwrap();
    assert!(told.contains("agent may act again"), "{told}");
    assert_eq!(agent(&gateway, &sql("SELECT 'thawed'")).trim(), "thawed");
    assert_eq!(logged(&gateway, "workload_thawed").len(), 1);

    gateway.ask(["freeze", "other"]).unwrap();
    ended(other);
    gateway.ask(["thaw", "other"]).unwrap();
}

#[test]
fn what_is_frozen_stays_frozen_over_a_restart() {
    let mut gateway = gateway(&shop(PLAIN).allow_all());
    gateway.ask(["freeze", "agent"]).unwrap();
    gateway.stop(Signal::SIGKILL).unwrap();
    gateway.restart().unwrap();
    agent_fails(&gateway, &sql("SELECT 'restarted'"));
    never_logged(server(), "SELECT 'restarted'");
    assert_eq!(gateway.status().unwrap()["frozen"][0]["workload"], "agent");

    // Nobody is thawed by a file that cannot be read.
    let list = gateway.path("state/daemon/frozen.json");
    let good = std::fs::read(&list).unwrap();
    gateway.stop(Signal::SIGTERM).unwrap();
    std::fs::write(&list, "{").unwrap();
    let error = gateway.restart().unwrap_err();
    assert!(
        format!("{error:#}").contains("which workloads are frozen"),
        "{error:#}"
    );
    std::fs::write(&list, good).unwrap();
    gateway.restart().unwrap();
    agent_fails(&gateway, &sql("SELECT 'restarted'"));
    gateway.ask(["thaw", "agent"]).unwrap();
    agent(&gateway, &sql("SELECT 1"));
}

#[test]
fn kill_ends_one_session_and_no_other() {
    let gateway = gateway(&shop(PLAIN).allow_all());
    let (one, other) = ("SELECT pg_sleep(303)", "SELECT pg_sleep(304)");
    let first = start(&gateway, "agent", one);
    let status = gateway.status().unwrap();
    let id = status["connections"][0]["session"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = start(&gateway, "agent", other);
    let end = id.get(id.len() - 8..).unwrap();
    let told = gateway.ask(["kill", end]).unwrap();
    assert!(told.contains(&id), "{told}");
    let shown = said(&ended(first));
    assert!(
        shown.contains("FATAL:  gateway: an operator ended this session"),
        "{shown}"
    );
    wait::until("the server stops", || Ok((!is_busy(one)).then_some(()))).unwrap();
    assert!(is_busy(other));
    assert_eq!(logged(&gateway, "session_killed")[0]["session"], id);
    assert_eq!(agent(&gateway, &sql("SELECT 'again'")).trim(), "again");

    let no = said(&gateway.call(["kill", &id]).unwrap());
    assert!(
        no.contains("no open session") && no.contains("gateway status"),
        "{no}"
    );
    // Of what several begin with, none is killed.
    let third = start(&gateway, "agent", "SELECT pg_sleep(305)");
    let no = gateway.call(["kill", "0"]).unwrap();
    assert!(
        !no.status.success() && said(&no).contains("2 open sessions"),
        "{}",
        said(&no)
    );
    gateway.ask(["freeze", "agent"]).unwrap();
    ended(second);
    ended(third);
    gateway.ask(["thaw", "agent"]).unwrap();
}

#[test]
fn mistakes_are_told_with_what_was_meant() {
    let gateway = two_workloads();
    for (arguments, expected) in [
        (vec!["freeze", "agnet"], "did you mean `agent`?"),
        (vec!["thaw", "agent"], "no workload is frozen"),
        (
            vec!["freeze", "agent", "--reason", "two\nlines"],
            "one line",
        ),
        (vec!["kill", "nobody"], "gateway status"),
    ] {
        let no = gateway.call(&arguments).unwrap();
        assert!(!no.status.success());
        assert!(said(&no).contains(expected), "{arguments:?}: {}", said(&no));
    }
    // To let a frozen agent loose takes a thaw, and says so.
    gateway.ask(["freeze", "other"]).unwrap();
    let no = said(&gateway.call(["thaw", "agent"]).unwrap());
    assert!(no.contains("frozen are other"), "{no}");
    gateway.ask(["thaw", "other"]).unwrap();
}

/// A stream, datagrams and look-ups of one workload.
#[test]
fn what_is_not_looked_into_stops_too() {
    let names = Dnsmasq::start("host-record=db.internal,127.0.0.1,60\nlocal-ttl=60").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let datagrams = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(b"pong", from).unwrap();
        }
    });
    let (stream, upstream) = (server().port(), names.address());
    let policy = PolicyFile::new()
        .piece(&format!("[dns]\nupstream = [{upstream:?}]"))
        .piece(&format!(
            "[[resource]]\nname = \"raw\"\nprotocol = \"tcp\"\naddresses = [\"127.0.0.1:{stream}\"]"
        ))
        .piece(&format!(
            "[[resource]]\nname = \"metrics\"\nprotocol = \"udp\"\naddresses = [\"127.0.0.1:{datagrams}\"]"
        ))
        .rule("streams", "allow", "")
        .rule("names", "allow", "match = { name = \"*.internal\" }");
    let gateway = gateway(&policy);
    let python = |file: &str, arguments: &[&str]| {
        let mut command = client(find("python3").unwrap());
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/clients/");
        command.arg(folder.to_owned() + file).args(arguments);
        command
    };
    let ping = python(
        "datagrams.py",
        &["127.0.0.1", &datagrams.to_string(), "sendto"],
    );
    let dig = |how: &str| {
        let mut dig = client(find("dig").unwrap());
        dig.args([
            "+tries=1",
            "+timeout=20",
            how,
            "@198.18.255.53",
            "db.internal",
        ]);
        dig
    };
    let both = ["+notcp", "+tcp"];
    assert_eq!(agent(&gateway, &ping).trim(), "pong");
    for how in both {
        let shown = agent(&gateway, &dig(how));
        assert!(shown.contains("127.0.0.1"), "{shown}");
    }
    let sleeper = start(&gateway, "agent", "SELECT pg_sleep(306)");

    gateway
        .ask(["freeze", "agent", "--reason", "enough"])
        .unwrap();
    let shown = said(&ended(sleeper));
    assert!(
        shown.contains("server closed the connection") || shown.contains("reset"),
        "{shown}"
    );
    assert_eq!(agent(&gateway, &ping).trim(), "EPERM");
    let no = agent(&gateway, &dig("+notcp"));
    assert!(no.contains("REFUSED") && no.contains("enough"), "{no}");
    agent_fails(&gateway, &dig("+tcp"));
    agent_fails(&gateway, &sql("SELECT 1"));
    assert!(
        gateway.status().unwrap()["connections"]
            .as_array()
            .unwrap()
            .is_empty(),
        "{}",
        gateway.status().unwrap()
    );

    gateway.ask(["thaw", "agent"]).unwrap();
    assert_eq!(agent(&gateway, &ping).trim(), "pong");
    for how in both {
        let shown = agent(&gateway, &dig(how));
        assert!(shown.contains("127.0.0.1"), "{shown}");
    }
    agent(&gateway, &sql("SELECT 1"));
}

/// What a busy stream of rows gives no room for is that it goes on.
#[test]
fn an_endless_answer_ends() {
    let gateway = gateway(&shop(PLAIN).allow_all());
    let endless = "COPY (SELECT repeat($$x$$, 1000), generate_series(1, 100000000)) TO STDOUT";
    let mut discard = Command::new("/bin/sh");
    let psql = sql(endless);
    let words: Vec<_> = [psql.get_program()]
        .into_iter()
        .chain(psql.get_args())
        .collect();
    discard
        .args(["-c", "exec \"$0\" \"$@\" > \"$ROWS\""])
        .args(words);
    for (name, value) in psql.get_envs() {
        match value {
            Some(value) => discard.env(name, value),
            None => discard.env_remove(name),
        };
    }
    let rows = gateway.path("rows");
    discard.env("ROWS", &rows);
    let mut run = gateway.run("agent", &discard);
    run.stderr(Stdio::piped());
    let child = run.spawn().unwrap();
    wait::until("rows come", || {
        let size = std::fs::metadata(&rows).map_or(0, |file| file.len());
        Ok((size > 1_000_000).then_some(()))
    })
    .unwrap();
    gateway.ask(["freeze", "agent"]).unwrap();
    assert!(!ended(child).status.success());
    wait::until("the server stops", || Ok((!is_busy(endless)).then_some(()))).unwrap();
    gateway.ask(["thaw", "agent"]).unwrap();
}
