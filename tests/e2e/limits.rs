//! What one workload may take of the daemon.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{python, said};
use gateway_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{agent, client, direct, gateway, server, shop, sql};

/// Python that connects to ten addresses of 127.1.0.0/24 at once, says how many of the connections
/// were ended at once, and keeps the rest until it is ended.
const TEN: &str = "
import selectors, signal, socket, sys
waiting = selectors.DefaultSelector()
for host in range(1, 11):
    one = socket.socket()
    one.setblocking(False)
    one.connect_ex((f'127.1.0.{host}', int(sys.argv[1])))
    waiting.register(one, selectors.EVENT_READ)
ended = 0
while ended < int(sys.argv[2]):
    for key, _ in waiting.select():
        waiting.unregister(key.fileobj)
        ended += 1
print(ended, flush=True)
signal.pause()
";

/// Python that connects to where nobody answers, says so, and keeps at it.
const KNOCK: &str = "
import signal, socket, sys
one = socket.socket()
one.setblocking(False)
one.connect_ex((sys.argv[1], 5432))
print('knocking', flush=True)
signal.pause()
";

/// How many sessions are open.
fn open(gateway: &Gateway) -> usize {
    let status = gateway.status().unwrap();
    status["connections"].as_array().unwrap().len()
}

/// A session that stays open until it is ended.
fn hold(gateway: &Gateway) -> Child {
    let before = open(gateway);
    let mut run = gateway.run("few", &sql("SELECT pg_sleep(600)"));
    let child = run
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("the session is open", || {
        Ok((open(gateway) > before).then_some(()))
    })
    .unwrap();
    child
}

fn end(child: &Child) {
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    kill(pid, Signal::SIGTERM).unwrap();
}

#[test]
fn workload_has_no_more_sessions_than_it_may() {
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece("[[workload]]\nname = \"few\"\nmax_sessions = 2")
        .allow_all();
    let gateway = gateway(&policy);
    let mut held: Vec<Child> = (0..2).map(|_| hold(&gateway)).collect();
    let ran = direct(&gateway.run("few", &sql("SELECT 'one too many'")));
    let said = said(&ran);
    assert!(!ran.status.success());
    assert!(said.contains("this workload has 2 sessions open"), "{said}");
    let log = gateway.enforcement().unwrap();
    let refused = log
        .iter()
        .find(|line| line["event"] == "connection_refused")
        .unwrap();
    assert_eq!(refused["workload"], "few", "{refused}");
    assert_eq!(
        refused["reason"],
        "the workload has 2 sessions open already"
    );
    // The others are not concerned.
    agent(&gateway, &sql("SELECT 'other'"));
    let mut first = held.remove(0);
    end(&first);
    first.wait().unwrap();
    wait::until("there is a place again", || {
        Ok((open(&gateway) == 1).then_some(()))
    })
    .unwrap();
    let ran = direct(&gateway.run("few", &sql("SELECT 'next'")));
    assert!(ran.status.success());
    for mut child in held {
        end(&child);
        child.wait().unwrap();
    }
}

#[test]
fn servers_are_reached_for_no_more_connects_than_a_workload_may_have_sessions() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let policy = PolicyFile::new()
        .piece("[[workload]]\nname = \"few\"\nmax_sessions = 2")
        .piece(&format!(
            "[[resource]]\nname = \"many\"\nprotocol = \"tcp\"\naddresses = [\"127.1.0.0/24:{port}\"]"
        ))
        .rule("let-it-pass", "allow", "");
    let gateway = gateway(&policy);
    let mut ten = client(python().unwrap());
    ten.args(["-c", TEN, &port.to_string(), "8"]);
    let mut run = gateway.run("few", &ten);
    let mut running = run.stdout(Stdio::piped()).spawn().unwrap();
    let mut ended = String::new();
    let out = running.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut ended).unwrap();
    assert_eq!(ended, "8\n");
    // Each of them was held, since each goes to another server.
    let mut reached = Vec::new();
    while let Ok((server, _)) = listener.accept() {
        reached.push(server);
    }
    assert_eq!(reached.len(), 2);
    wait::until("two are open", || Ok((open(&gateway) == 2).then_some(()))).unwrap();
    end(&running);
    running.wait().unwrap();
    // What became a session counted once: two more find room.
    wait::until("both are over", || Ok((open(&gateway) == 0).then_some(()))).unwrap();
    let mut again = gateway.run("few", &ten);
    let mut running = again.stdout(Stdio::piped()).spawn().unwrap();
    let out = running.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut ended).unwrap();
    assert_eq!(ended, "8\n8\n");
    wait::until("two are open", || Ok((open(&gateway) == 2).then_some(()))).unwrap();
    end(&running);
    running.wait().unwrap();
}

#[test]
fn connect_that_is_held_counts_as_the_session_that_it_may_become() {
    let namespace = Namespace::new().unwrap();
    let net = namespace.guest().trim_end_matches(".2").to_owned();
    let silent = format!("{}.1", net.replace("198.18", "198.19"));
    namespace.swallow(&silent).unwrap();
    let port = server().port();
    let policy = PolicyFile::new()
        .piece("[[workload]]\nname = \"few\"\nmax_sessions = 1")
        .shop(
            &format!("127.0.0.1:{port}, {silent}:5432"),
            "upstream = { tls = \"disable\" }",
        )
        .allow_all();
    let gateway = gateway(&policy);
    let mut knock = client(python().unwrap());
    knock.args(["-c", KNOCK, &silent]);
    let mut run = gateway.run("few", &knock);
    let mut running = run.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let out = running.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    assert_eq!(line, "knocking\n");
    wait::until("the place is taken", || {
        let ran = direct(&gateway.run("few", &sql("SELECT 'no room'")));
        let full = said(&ran).contains("this workload has 1 sessions open");
        Ok((full && !ran.status.success()).then_some(()))
    })
    .unwrap();
    agent(&gateway, &sql("SELECT 'other'"));
    end(&running);
    running.wait().unwrap();
    wait::until("there is a place again", || {
        let ran = direct(&gateway.run("few", &sql("SELECT 'room'")));
        Ok(ran.status.success().then_some(()))
    })
    .unwrap();
}
