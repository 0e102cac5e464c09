//! Agents in network namespaces of their own: containers, and runs with `--isolate`.

use std::fs;
use std::process::{Command, Output};

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, Postgres};
use gateway_tests::programs::{find, python, said};
use gateway_tests::wait;

use crate::stage::{direct, gateway, psql_to};

const ISOLATED: [&str; 5] = ["--as", "agent", "--user", "nobody", "--isolate"];

/// A server in a network namespace, and a gateway that lets agents reach it there by the address
/// of that namespace and by its loopback addresses.
fn far() -> (Namespace, Postgres, Gateway) {
    far_with("")
}

/// With more lines behind those of the resource.
fn far_with(more: &str) -> (Namespace, Postgres, Gateway) {
    let namespace = Namespace::new().unwrap();
    let listen = format!("127.0.0.1,::1,{}", namespace.guest());
    let server = Postgres::start(&Options {
        listen: &listen,
        namespace: Some(&namespace),
        ..Options::default()
    })
    .unwrap();
    let port = server.port();
    let addresses = format!(
        "{}/32:{port}, 127.0.0.1:{port}, [::1]:{port}",
        namespace.guest()
    );
    let policy = PolicyFile::new().shop(
        &addresses,
        &format!("upstream = {{ tls = \"disable\" }}\n{more}"),
    );
    let gateway = gateway(&policy.allow_all());
    (namespace, server, gateway)
}

fn wait_left(gateway: &Gateway) {
    wait::until("the daemon leaves the namespace", || {
        Ok(gateway
            .output()
            .contains("left a network namespace")
            .then_some(()))
    })
    .unwrap();
}

#[test]
fn isolated_agent_reaches_what_policy_allows_and_nothing_else() {
    let (namespace, server, gateway) = far();
    let conninfo = server.conninfo(namespace.guest(), "app");
    let where_from = "SELECT host(inet_client_addr())";
    let ask = psql_to(&conninfo, &["-qAt", "-c", where_from]);
    // The namespace has no interface but loopback; the gateway's own connection goes there.
    for _ in 0..2 {
        let ran = direct(&gateway.run_with(&ISOLATED, &ask));
        assert_eq!(said(&ran).trim(), namespace.host(), "{}", gateway.output());
    }
    // What is at the loopback address inside is not what is there outside.
    let inside = psql_to(
        &server.conninfo("127.0.0.1", "app"),
        &["-qAt", "-c", "SELECT 1"],
    );
    let ran = direct(&gateway.run_with(&ISOLATED, &inside));
    assert!(said(&ran).contains("Connection refused"), "{}", said(&ran));
    let mut elsewhere = Command::new(find("curl").unwrap());
    elsewhere.args(["--silent", "--max-time", "20", "http://192.0.2.1/"]);
    let ran = direct(&gateway.run_with(&ISOLATED, &elsewhere));
    assert_eq!(
        ran.status.code(),
        Some(7),
        "could not connect: {}",
        said(&ran)
    );
    wait_left(&gateway);
    let recordings = gateway.wait_recordings(2).unwrap();
    assert_eq!(recordings.len(), 2);
}

/// Runs a command in the cgroup and in the namespace, as a container runtime would.
fn contain(cgroup: &Cgroup, namespace: &Namespace, command: &Command) -> Output {
    let mut inside = namespace.command().unwrap();
    inside.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => inside.env(name, value),
            None => inside.env_remove(name),
        };
    }
    cgroup.run(&inside).unwrap()
}

fn attached(gateway: &Gateway, name: &str) -> Cgroup {
    let cgroup = Cgroup::new(name).unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    cgroup
}

#[test]
fn server_inside_the_namespace_is_reached_inside() {
    let (namespace, server, gateway) = far();
    let cgroup = attached(&gateway, "container");
    for (host, client) in [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        // Addresses other than loopback mean the same everywhere.
        (namespace.guest(), namespace.host()),
    ] {
        let ask = psql_to(
            &server.conninfo(host, "app"),
            &["-qAt", "-c", "SELECT host(inet_client_addr())"],
        );
        let ran = contain(&cgroup, &namespace, &ask);
        assert_eq!(said(&ran).trim(), client, "{}", gateway.output());
    }
    assert_eq!(gateway.wait_recordings(3).unwrap().len(), 3);
    // From outside the same addresses mean something else.
    let inside = psql_to(
        &server.conninfo("127.0.0.1", "app"),
        &["-qAt", "-c", "SELECT 1"],
    );
    assert!(said(&direct(&inside)).contains("Connection refused"));
    wait_left(&gateway);
}

/// The attacker's test: on the loopback addresses of its own namespace an agent is any server that it
/// likes, and hears nothing of the gateway's own credential.
#[test]
fn no_credential_is_shown_to_an_agents_own_loopback_server() {
    let (namespace, server, gateway) = far_with(
        "credential = \"shop\"\n\n[[credential]]\nname = \"shop\"\nuser = \"app_trust\"\n\
         accept_unverified = true",
    );
    let cgroup = attached(&gateway, "container");
    let ask = |host| {
        let ask = psql_to(
            &server.conninfo(host, "x"),
            &["-qAt", "-c", "SELECT session_user"],
        );
        said(&contain(&cgroup, &namespace, &ask))
    };
    for host in ["127.0.0.1", "::1"] {
        let said = ask(host);
        assert!(
            said.contains("the gateway shows no credential there"),
            "{said}"
        );
    }
    // Other addresses are reached from where the daemon is.
    assert_eq!(ask(namespace.guest()).trim(), "app_trust");
}

/// What an agent with `CAP_NET_ADMIN` can do in its namespace: claim a server's address, and lead
/// what is sent there out.
fn lead_out(namespace: &Namespace, address: &str) {
    for change in [
        format!("addr add {address}/32 dev lo"),
        "rule add pref 10 lookup 100".to_owned(),
        format!("route add {address}/32 dev eth0 table 100"),
        "rule add pref 200 lookup local".to_owned(),
        "rule del pref 0".to_owned(),
    ] {
        let mut ip = namespace.command().unwrap();
        ip.arg(find("ip").unwrap()).args(change.split(' '));
        assert!(direct(&ip).status.success(), "{change}");
    }
}

#[test]
fn routes_of_a_namespace_do_not_lead_the_gateway() {
    let namespace = Namespace::new().unwrap();
    let server = Postgres::start(&Options {
        listen: namespace.host(),
        ..Options::default()
    })
    .unwrap();
    let address = format!("{}/32:{}", namespace.host(), server.port());
    let policy = PolicyFile::new().shop(&address, "upstream = { tls = \"disable\" }");
    let gateway = gateway(&policy.allow_all());
    let cgroup = attached(&gateway, "leading");
    lead_out(&namespace, namespace.host());
    let ask = psql_to(
        &server.conninfo(namespace.host(), "app"),
        &["-qAt", "-c", "SELECT host(inet_client_addr())"],
    );
    // It is reached from the gateway's own namespace, not through the agent's.
    let ran = contain(&cgroup, &namespace, &ask);
    assert_eq!(said(&ran).trim(), namespace.host(), "{}", gateway.output());
}

#[test]
fn who_takes_the_port_in_a_namespace_gets_nothing() {
    let (namespace, server, gateway) = far();
    let cgroup = attached(&gateway, "squatted");
    let squat = "import socket, sys\n\
        one = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n\
        print('listening', flush=True); one.accept(); print('CAUGHT', flush=True)";
    let mut squatter = namespace.command().unwrap();
    squatter
        .arg(python().unwrap())
        .args(["-c", squat, &gateway.port().to_string()]);
    let log = gateway.path("squatter.log");
    squatter.stdout(fs::File::create(&log).unwrap());
    let mut squatter = squatter.spawn().unwrap();
    let wrote = |text: &str| fs::read_to_string(&log).unwrap().contains(text);
    wait::until("the squatter listens", || {
        Ok(wrote("listening").then_some(()))
    })
    .unwrap();
    let ask = psql_to(
        &server.conninfo(namespace.guest(), "app"),
        &["-c", "SELECT 1"],
    );
    let ran = contain(&cgroup, &namespace, &ask);
    squatter.kill().unwrap();
    squatter.wait().unwrap();
    assert!(said(&ran).contains("Connection refused"), "{}", said(&ran));
    assert!(!wrote("CAUGHT"));
    // When it has gone the daemon is there.
    let ran = contain(&cgroup, &namespace, &ask);
    assert!(ran.status.success(), "{}", said(&ran));
}
