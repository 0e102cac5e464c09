//! Look-ups of names: decided by name, answered as the host would, recorded; and resources that are
//! known by their hosts' names.

use std::io::Write as _;
use std::process::{Command, Stdio};

use gateway_tests::cgroup::Cgroup;
use gateway_tests::dnsmasq::Dnsmasq;
use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::programs::{find, said};
use gateway_tests::wait;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::stage::{agent, agent_fails, client, gateway, psql_to, server};

/// Where agents ask: nobody is there, so what is answered was answered by the gateway.
const NOBODY: &str = "198.18.255.53";
/// How agents ask.
const TRANSPORTS: [&str; 2] = ["+notcp", "+tcp"];

/// What the server of names knows.
const RECORDS: &str = "\
    host-record=db.internal,127.0.0.1,60\n\
    host-record=other.internal,127.0.0.1,60\n\
    host-record=six.internal,::1,60\n\
    cname=alias.internal,db.internal\n\
    txt-record=db.internal,secret-text\n\
    local-ttl=60";

fn names() -> Dnsmasq {
    Dnsmasq::start(RECORDS).unwrap()
}

/// A policy with one workload, that looks up at `names`. `more` are further lines of `[dns]`.
fn policy(names: &Dnsmasq, more: &str) -> PolicyFile {
    let upstream = names.address();
    PolicyFile::new().piece(&format!("[dns]\nupstream = [{upstream:?}]\n{more}"))
}

/// A resource at the shared server, by the name of its host alone.
fn shop_at(policy: PolicyFile, name: &str, host: &str, more: &str) -> PolicyFile {
    let port = server().port();
    policy.piece(&format!(
        "[[resource]]\nname = {name:?}\nprotocol = \"postgres\"\nhosts = [\"{host}:{port}\"]\n{more}"
    ))
}

const NAMES: &str = "match = { name = \"*.internal\" }";

fn dig(arguments: &[&str]) -> Command {
    let mut dig = client(find("dig").unwrap());
    dig.args(["+tries=1", "+timeout=20"]);
    if !arguments.iter().any(|argument| argument.starts_with('@')) {
        dig.arg(format!("@{NOBODY}"));
    }
    dig.args(arguments);
    dig
}

fn short(gateway: &Gateway, arguments: &[&str]) -> String {
    let arguments = [&["+short"], arguments].concat();
    agent(gateway, &dig(&arguments)).trim().to_owned()
}

/// `psql` on the shared server, with these words in place of its host; the C library asks by TCP or
/// UDP.
fn psql_at(host: &str, is_tcp: bool) -> Command {
    let conninfo = server().conninfo("127.0.0.1", "app");
    let conninfo = conninfo.replace("host=127.0.0.1", host);
    assert!(conninfo.contains(host), "{conninfo}");
    let mut psql = psql_to(&conninfo, &["-qAt", "-c", "SELECT 'in'"]);
    if is_tcp {
        psql.env("RES_OPTIONS", "use-vc");
    }
    psql
}

#[track_caller]
fn refused(gateway: &Gateway, arguments: &[&str], why: &str) {
    let no = agent(gateway, &dig(arguments));
    assert!(no.contains("status: REFUSED"), "{no}");
    assert!(no.contains(&format!("gateway: {why}")), "{no}");
}

#[test]
fn names_that_a_rule_allows_are_found_and_others_refused() {
    let names = names();
    let gateway = gateway(&policy(&names, "").rule("names", "allow", NAMES));
    for transport in TRANSPORTS {
        assert_eq!(short(&gateway, &[transport, "db.internal"]), "127.0.0.1");
        assert_eq!(short(&gateway, &[transport, "AAAA", "six.internal"]), "::1");
        let alias = short(&gateway, &[transport, "Alias.internal"]);
        assert_eq!(alias, "db.internal.\n127.0.0.1");
        let none = agent(&gateway, &dig(&[transport, "none.internal"]));
        assert!(none.contains("status: NXDOMAIN"), "{none}");
        let why = "no rule allows to look up evil.example (a)";
        refused(&gateway, &[transport, "evil.example"], why);
    }
    names.wait_asked("none.internal").unwrap();
    assert!(!names.log().contains("evil.example"), "{}", names.log());
}

#[test]
fn types_that_carry_anything_have_to_be_named() {
    let names = names();
    let policy = policy(&names, "").rule("names", "allow", NAMES);
    let gateway = gateway(&policy);
    for kind in ["TXT", "ANY", "NULL", "TYPE65280"] {
        let why = format!(
            "no rule allows to look up db.internal ({})",
            kind.to_lowercase()
        );
        refused(&gateway, &["+tcp", kind, "db.internal"], &why);
    }
    let txt = "match = { name = \"db.internal\", type = \"txt\" }";
    gateway.reload(&policy.rule("texts", "allow", txt)).unwrap();
    wait::until("the new policy holds", || {
        let found = short(&gateway, &["+tcp", "TXT", "db.internal"]);
        Ok((found == "\"secret-text\"").then_some(()))
    })
    .unwrap();
}

#[test]
fn limits_keep_names_from_carrying_data() {
    let names = names();
    let policy = policy(&names, "names_per_minute = 3\nname_bytes = 64");
    let gateway = gateway(&policy.rule("names", "allow", NAMES));
    let told = ["a", "b", "c", "d"].map(|label| format!("{label}.t.internal"));
    let [a, b, c, d] = told.each_ref().map(String::as_str);
    let tunnel = agent(&gateway, &dig(&["+tcp", a, b, c, d, a]));
    assert_eq!(tunnel.matches("status: NXDOMAIN").count(), 4, "{tunnel}");
    let why = "more than 3 different names below t.internal in a minute";
    refused(&gateway, &["+tcp", d], why);
    let long = format!("{}.internal", "x".repeat(60));
    refused(
        &gateway,
        &["+tcp", &long],
        "the name is longer than 64 bytes",
    );
    assert!(!names.log().contains("d.t.internal"), "{}", names.log());
}

#[test]
fn long_answers_come_by_tcp_and_too_long_ones_not_at_all() {
    let many: String = (0..200).fold(String::new(), |records, n| {
        format!("{records}host-record=many.internal,10.0.0.{n}\n")
    });
    let names = Dnsmasq::start(&many).unwrap();
    let open = policy(&names, "").rule("names", "allow", NAMES);
    let gateway = gateway(&open);
    for transport in TRANSPORTS {
        let found = short(&gateway, &[transport, "many.internal"]);
        assert_eq!(found.lines().count(), 200, "{found}");
    }
    let narrow = policy(&names, "answer_bytes = 1000").rule("names", "allow", NAMES);
    gateway.reload(&narrow).unwrap();
    wait::until("the new limit holds", || {
        let answer = agent(&gateway, &dig(&["+tcp", "many.internal"]));
        let told = answer.contains("status: SERVFAIL") && answer.contains("more than 1000");
        Ok(told.then_some(()))
    })
    .unwrap();
}

#[test]
fn every_query_is_recorded_with_what_came_of_it() {
    let mut names = names();
    let gateway = gateway(&policy(&names, "").rule("names", "allow", NAMES));
    agent(&gateway, &dig(&["+tcp", "alias.internal", "evil.example"]));
    names.stop().unwrap();
    let failed = agent(&gateway, &dig(&["+tcp", "late.internal"]));
    assert!(failed.contains("status: SERVFAIL"), "{failed}");
    // A session ends with its process.
    let recordings = gateway.wait_recordings(2).unwrap();
    let first = &recordings[0];
    let open = first.events("open").next().unwrap();
    assert_eq!(open["protocol"], "dns");
    assert_eq!(open["destination"], format!("{NOBODY}:53"));
    let program = open["subject"]["process"]["exe"].as_str().unwrap();
    assert!(program.ends_with("/dig"), "{program}");
    let expected = [("alias.internal A", "allow"), ("evil.example A", "deny")];
    let expected = expected.map(|(text, ruling)| (text.to_owned(), ruling.to_owned()));
    assert_eq!(first.statements(), expected);
    let outcome = first.events("outcome").next().unwrap();
    let tags = serde_json::json!(["NOERROR", "CNAME db.internal", "A 127.0.0.1"]);
    assert_eq!(outcome["tags"], tags);
    let failed = recordings[1].events("outcome").next().unwrap();
    assert_eq!(failed["error"]["message"], "no server answered");
    let denied: Vec<Value> = gateway
        .enforcement()
        .unwrap()
        .into_iter()
        .filter(|entry| entry["event"] == "ask_denied")
        .collect();
    assert_eq!(denied.len(), 1, "{denied:?}");
    assert_eq!(denied[0]["tables"], serde_json::json!(["evil.example"]));
    gateway.ask(["sessions", "verify", "--all"]).unwrap();
    let shown = gateway.ask(["sessions", "show", &first.session()]).unwrap();
    assert!(shown.contains("alias.internal A"), "{shown}");
}

#[test]
fn what_cannot_be_recorded_is_not_answered() {
    let names = names();
    let gateway = gateway(&policy(&names, "").rule("names", "allow", NAMES));
    assert_eq!(short(&gateway, &["+tcp", "db.internal"]), "127.0.0.1");
    let sessions = gateway.path("sessions");
    std::fs::rename(&sessions, gateway.path("away")).unwrap();
    std::fs::write(&sessions, "not a folder").unwrap();
    agent_fails(&gateway, &dig(&["+tcp", "other.internal"]));
    assert!(!names.log().contains("other.internal"), "{}", names.log());
}

#[test]
fn observed_server_refuses_nothing_and_tells() {
    let names = names();
    let observed = "[[resource]]\nname = \"names\"\nprotocol = \"dns\"\nmode = \"observe\"";
    let gateway = gateway(&policy(&names, "names_per_minute = 1").piece(observed));
    let two = ["+tcp", "db.internal", "TXT", "a.db.internal", "A"];
    let found = agent(&gateway, &dig(&two));
    assert!(found.contains("secret-text"), "{found}");
    let told = gateway.enforcement().unwrap();
    let told: Vec<_> = told
        .iter()
        .filter(|it| it["event"] == "ask_observed")
        .collect();
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn servers_that_no_resource_covers_are_refused() {
    let names = names();
    let one =
        "[[resource]]\nname = \"names\"\nprotocol = \"dns\"\naddresses = [\"198.18.255.54:53\"]";
    let gateway = gateway(&policy(&names, "").piece(one).rule("names", "allow", NAMES));
    let asked = ["+tcp", "@198.18.255.54", "db.internal"];
    assert_eq!(short(&gateway, &asked), "127.0.0.1");
    agent_fails(&gateway, &dig(&["+tcp", "db.internal"]));
    assert!(!names.log().contains("other"), "{}", names.log());
}

#[test]
fn resource_is_reached_by_its_hosts_name() {
    let names = names();
    let authority = server().certificates().authority.display().to_string();
    let tls = format!("upstream = {{ tls = \"verify-full\", ca_file = \"{authority}\" }}");
    let hosts = gateway_tests::sandbox::Sandbox::new("hosts").unwrap();
    let file = hosts
        .write("hosts", "127.0.0.1 localhost\n::1 localhost\n")
        .unwrap();
    let settings = format!("hosts_file = {:?}", file.display().to_string());
    let policy = shop_at(policy(&names, &settings), "shop", "localhost", &tls);
    let rule = "resource = \"shop\"";
    let gateway = gateway(&policy.rule("shop", "allow", rule));
    // The agent has the address from a file of its own; the gateway looks the name up itself.
    let seen = wait::until("the gateway knows the host's addresses", || {
        let ran = gateway.agent(&psql_at("host=localhost", false))?;
        Ok(ran.status.success().then(|| said(&ran)))
    });
    assert_eq!(seen.unwrap().trim(), "in");
    let recording = gateway.wait_recordings(1).unwrap().pop().unwrap();
    let open = recording.events("open").next().unwrap();
    assert_eq!(open["resource"], "shop");
    assert_eq!(open["hosts"], serde_json::json!(["localhost"]));
    let tls = recording.events("tls").next().unwrap();
    assert_eq!(
        tls["server_name"], "localhost",
        "the server is verified as the host"
    );
    // Who may use the resource may look its host up, and nothing else.
    assert_eq!(short(&gateway, &["+tcp", "localhost"]), "127.0.0.1");
    let why = "no rule allows to look up other.internal (a)";
    refused(&gateway, &["+tcp", "other.internal"], why);
}

#[test]
fn host_is_looked_up_and_connected_to_by_everyday_clients() {
    let names = names();
    let policy = shop_at(
        policy(&names, ""),
        "shop",
        "db.internal",
        "upstream = { tls = \"disable\" }",
    );
    let gateway = gateway(&policy.rule("shop", "allow", "resource = \"shop\""));
    for is_tcp in [false, true] {
        let seen = agent(&gateway, &psql_at("host=db.internal", is_tcp));
        assert_eq!(seen.trim(), "in");
    }
    let resolve = "import socket, sys; print(socket.getaddrinfo(sys.argv[1], 80)[0][4][0])";
    let ways: [&[&str]; 3] = [
        &["getent", "ahosts"],
        &["/usr/bin/python3", "-c", resolve],
        &["dig", "+short", "@127.0.0.53"],
    ];
    for way in ways {
        let command = |name: &str| {
            let mut command = client(way[0]);
            command.args(&way[1..]).arg(name);
            command
        };
        let found = agent(&gateway, &command("db.internal"));
        assert!(found.contains("127.0.0.1"), "{way:?}: {found}");
        let ran = gateway.agent(&command("other.internal")).unwrap();
        assert!(!said(&ran).contains("127.0.0.1"), "{way:?}: {}", said(&ran));
    }
    let found = agent(&gateway, &dig(&["+short", "@::1", "db.internal"]));
    assert_eq!(found.trim(), "127.0.0.1");
    assert!(!names.log().contains("other.internal"), "{}", names.log());
}

#[test]
fn address_of_two_resources_is_whose_name_was_looked_up() {
    let names = names();
    let tls = "upstream = { tls = \"disable\" }";
    let policy = shop_at(policy(&names, ""), "shop", "db.internal", tls);
    let policy = shop_at(policy, "other", "other.internal", tls);
    let gateway = gateway(&policy.allow_all());
    let unclear = wait::until("the gateway knows both hosts", || {
        let ran = gateway.agent(&psql_at("hostaddr=127.0.0.1", false))?;
        let said = said(&ran);
        Ok(said.contains("belongs to").then_some(said))
    });
    let unclear = unclear.unwrap();
    assert!(
        unclear.contains("shop (db.internal) and other (other.internal)"),
        "{unclear}"
    );
    assert_eq!(
        agent(&gateway, &psql_at("host=other.internal", false)).trim(),
        "in"
    );
    let reached = gateway.recordings().unwrap().into_iter().any(|recording| {
        let mut opens = recording.events("open");
        opens.any(|open| open["resource"] == "other")
    });
    assert!(reached);
}

#[test]
fn names_are_looked_up_from_a_network_of_loopback_alone() {
    let names = names();
    let gateway = gateway(&policy(&names, "").rule("names", "allow", NAMES));
    // The first question, asked once.
    let dig = dig(&["+short", "+notcp", "db.internal"]);
    let isolated = ["--as", "agent", "--user", "nobody", "--isolate"];
    for _ in 0..3 {
        let ran = crate::stage::direct(&gateway.run_with(&isolated, &dig));
        assert_eq!(said(&ran).trim(), "127.0.0.1", "{}", gateway.output());
    }
}

#[test]
fn first_question_from_a_container_is_answered() {
    let names = names();
    let gateway = gateway(&policy(&names, "").rule("names", "allow", NAMES));
    let (namespace, cgroup) = (Namespace::new().unwrap(), Cgroup::new("asking").unwrap());
    let attach = ["attach", "--as", "agent", "--cgroup", cgroup.name()];
    gateway.ask(attach).unwrap();
    let dig = dig(&["+short", "+notcp", "db.internal"]);
    let mut container = namespace.command().unwrap();
    container.args(["sh", "-c", "read go; exec \"$@\"", "sh"]);
    container.arg(dig.get_program()).args(dig.get_args());
    let mut container = cgroup.enter(&container).unwrap();
    let container = container.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut container = container.spawn().unwrap();
    // Nothing came from there yet.
    wait::until("the daemon is there", || {
        let told = gateway.output();
        Ok(told
            .contains("serving another network namespace")
            .then_some(()))
    })
    .unwrap();
    container.stdin.take().unwrap().write_all(b"\n").unwrap();
    let said = container.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert_eq!(said.trim(), "127.0.0.1", "{}", gateway.output());
}

#[test]
fn dead_daemon_means_no_names() {
    let names = names();
    let mut gateway = gateway(&policy(&names, "").rule("names", "allow", NAMES));
    let mut waiting = client("/bin/sh");
    let (go, gone) = (gateway.path("go"), gateway.path("gone"));
    let script = "touch \"$2\"; while [ ! -e \"$1\" ]; do sleep 0.05; done; shift 2; exec \"$@\"";
    waiting.args(["-c", script, "sh"]).arg(&go).arg(&gone);
    let dig = dig(&["+tcp", "db.internal"]);
    waiting.arg(dig.get_program()).args(dig.get_args());
    let mut run = gateway.run("agent", &waiting);
    let running = run.stdout(std::process::Stdio::piped()).spawn().unwrap();
    wait::until("the agent runs", || Ok(gone.exists().then_some(()))).unwrap();
    gateway.stop(Signal::SIGKILL).unwrap();
    std::fs::write(&go, "").unwrap();
    let ran = running.wait_with_output().unwrap();
    assert!(!ran.status.success(), "{}", said(&ran));
    assert!(!names.log().contains("db.internal"), "{}", names.log());
    gateway.restart().unwrap();
    assert_eq!(short(&gateway, &["+tcp", "db.internal"]), "127.0.0.1");
}

#[test]
fn connections_and_queries_have_limits() {
    let names = names();
    let policy = policy(&names, "queries_per_second = 1\nburst = 5");
    let gateway = gateway(&policy.rule("names", "allow", NAMES));
    let program = "import socket, sys\n\
        query = bytes.fromhex('000701000001000000000000026462') + b'\\x08internal\\0\\0\\x01\\0\\x01'\n\
        def ask(connection):\n\
        \x20   connection.settimeout(20)\n\
        \x20   try:\n\
        \x20       connection.sendall(len(query).to_bytes(2, 'big') + query)\n\
        \x20       return len(connection.recv(512)) > 2\n\
        \x20   except ConnectionError:\n\
        \x20       return False\n\
        open = [socket.create_connection((sys.argv[1], 53)) for _ in range(9)]\n\
        print([ask(connection) for connection in open].count(True))";
    let mut client = client("/usr/bin/python3");
    client.args(["-c", program, NOBODY]);
    let answered = agent(&gateway, &client);
    // Five at once, and those of the seconds that it took.
    let answered: usize = answered.trim().parse().unwrap();
    assert!((5..=8).contains(&answered), "{answered}");
    let told = gateway.enforcement().unwrap().into_iter();
    let told = told.filter(|it| it["reason"] == "more than 1 queries a second");
    assert!(told.count() >= 1);
}
