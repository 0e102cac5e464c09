//! Whatever address the server has and however many connect: each connection is the agent's, known
//! and recorded; and who is no agent is left alone.

use std::net::{IpAddr, SocketAddr};

use gateway_tests::namespace::Namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, Postgres};
use gateway_tests::programs::said;

use crate::stage::{
    agent, direct, gateway, open_gateway, psql_to, python_client, server, shop, sql,
};

#[test]
fn ipv4_ipv6_names_and_mapped_addresses_go_through() {
    let gateway = open_gateway();
    let port = server().port();
    for (count, (host, seen)) in [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ]
    .into_iter()
    .enumerate()
    {
        let conninfo = server().conninfo(host, "app");
        let shown = agent(
            &gateway,
            &psql_to(&conninfo, &["-qAt", "-c", "SELECT 'in'"]),
        );
        assert_eq!(shown.trim(), "in", "{host}");
        let recording = gateway.wait_recordings(count + 1).unwrap().remove(count);
        let open = recording.events("open").next().unwrap();
        let expected = SocketAddr::new(seen.parse::<IpAddr>().unwrap(), port).to_string();
        assert_eq!(open["destination"], expected, "{host}");
    }
}

#[test]
fn client_sees_the_address_it_asked_for() {
    let gateway = open_gateway();
    let conninfo = server().conninfo("127.0.0.1", "app");
    let program = "import sys, socket, psycopg\n\
        connection = psycopg.connect(sys.argv[1])\n\
        peer = socket.socket(fileno=connection.fileno())\n\
        print(peer.getpeername()); peer.detach()";
    let mut client = crate::stage::client(gateway_tests::programs::python().unwrap());
    client.args(["-c", program, &conninfo]);
    let shown = crate::stage::looks_direct(&gateway, &client);
    assert!(shown.contains(&server().port().to_string()), "{shown}");
}

#[test]
fn server_on_another_host_is_reached_through_the_gateway() {
    let namespace = Namespace::new().unwrap();
    let options = Options {
        listen: namespace.guest(),
        certificate_addresses: &[namespace.guest()],
        namespace: Some(&namespace),
        ..Options::default()
    };
    let far = Postgres::start(&options).unwrap();
    let authority = far.certificates().authority.display().to_string();
    let policy = PolicyFile::new()
        .shop(
            &format!("{}/32:{}", namespace.guest(), far.port()),
            &format!("upstream = {{ tls = \"verify-full\", ca_file = \"{authority}\" }}"),
        )
        .allow_all();
    let gateway = gateway(&policy);
    let conninfo = far.conninfo(namespace.guest(), "app");
    for client in ["disable", "verify-full"] {
        let psql = psql_to(
            &format!("{conninfo} sslmode={client}"),
            &["-qAt", "-c", "SELECT 'far'"],
        );
        assert_eq!(agent(&gateway, &psql).trim(), "far");
    }
    // The server sees the gateway's host, and that it encrypts.
    let tls = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
               WHERE pid = pg_backend_pid() AND ssl";
    let psql = psql_to(&format!("{conninfo} sslmode=disable"), &["-qAt", "-c", tls]);
    assert_eq!(agent(&gateway, &psql).trim(), "1");
}

#[test]
fn two_hundred_connections_at_once() {
    let gateway = gateway(&shop("").allow_all());
    for (sslmode, so_far) in [("disable", 200), ("require", 400)] {
        let conninfo = server().conninfo("127.0.0.1", "app") + " sslmode=" + sslmode;
        let mut client = python_client("connections.py", &conninfo);
        client.arg("200");
        assert_eq!(agent(&gateway, &client).trim(), "19900");
        assert_eq!(gateway.wait_recordings(so_far).unwrap().len(), so_far);
    }
    let verified = gateway.call(["sessions", "verify", "--all"]).unwrap();
    assert!(verified.status.success(), "{}", said(&verified));
}

#[test]
fn who_is_no_agent_is_direct() {
    let gateway = gateway(&shop(""));
    // Nothing is allowed, and it concerns agents only.
    assert!(!gateway.agent(&sql("SELECT 1")).unwrap().status.success());
    let before = gateway.recordings().unwrap().len();
    assert!(direct(&sql("SELECT 1")).status.success());
    assert_eq!(gateway.recordings().unwrap().len(), before);
}
