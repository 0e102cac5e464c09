//! Every way to encrypt on either leg, with every way to log in.

use gateway_tests::certificates::{Certificates, SERVER_NAME};
use gateway_tests::gateway::Gateway;
use gateway_tests::postgres::{OWNER, USERS};
use gateway_tests::programs::said;
use gateway_tests::sandbox::Sandbox;

use crate::stage::{agent, gateway, plain_server, psql_to, python_client, server, shop};

/// Whether this user is in, over this kind of client leg, and what was said.
fn login(gateway: &Gateway, user: &str, client: &str) -> (bool, String) {
    let conninfo = format!("{} {client}", server().conninfo("127.0.0.1", user));
    let ran = gateway
        .agent(&psql_to(&conninfo, &["-qAt", "-c", "SELECT 'in'"]))
        .unwrap();
    (ran.status.success(), said(&ran))
}

fn upstream(more: &str) -> Gateway {
    gateway(&shop(&format!("upstream = {{ {more} }}")).allow_all())
}

fn authority() -> String {
    server().certificates().authority.display().to_string()
}

#[test]
fn every_user_logs_in_over_every_pair_of_legs() {
    let authority = authority();
    for (mode, server_tls) in [
        ("tls = \"disable\"".to_owned(), false),
        ("tls = \"prefer\"".to_owned(), true),
        ("tls = \"require\"".to_owned(), true),
        (
            format!("tls = \"verify-ca\", ca_file = \"{authority}\""),
            true,
        ),
        (
            format!("tls = \"verify-full\", ca_file = \"{authority}\""),
            true,
        ),
    ] {
        let gateway = upstream(&mode);
        for client in ["sslmode=disable", "sslmode=prefer", "sslmode=require"] {
            for user in USERS {
                let (is_in, said) = login(&gateway, user.name, client);
                let expected = match user.name {
                    "app_tls" => server_tls,
                    "app_plain" => !server_tls,
                    _ => true,
                };
                assert_eq!(is_in, expected, "{mode}, {client}, {}: {said}", user.name);
            }
        }
    }
}

#[test]
fn agent_can_verify_the_gateways_certificate() {
    let gateway = upstream("tls = \"prefer\"");
    // `gateway run` tells libpq of the authority: a verifying client needs no configuration.
    for host in ["127.0.0.1", "::1", "localhost"] {
        let conninfo = format!("{} sslmode=verify-full", server().conninfo(host, "app"));
        let ran = gateway
            .agent(&psql_to(&conninfo, &["-qAt", "-c", "SELECT 'in'"]))
            .unwrap();
        assert!(ran.status.success(), "{host}: {}", said(&ran));
    }
}

#[test]
fn client_that_trusts_only_the_database_does_not_take_the_gateway_for_it() {
    let gateway = upstream("tls = \"prefer\"");
    let client = format!("sslmode=verify-full sslrootcert={}", authority());
    let (is_in, said) = login(&gateway, "app", &client);
    assert!(
        !is_in && said.contains("certificate verify failed"),
        "{said}"
    );
}

#[test]
fn direct_tls_start_works() {
    // PostgreSQL 17 and later take TLS without the request before it; the gateway does towards the
    // agent whatever the server can.
    let gateway = upstream("tls = \"prefer\"");
    let conninfo = server().conninfo("127.0.0.1", "app") + " sslmode=require sslnegotiation=direct";
    let shown = agent(&gateway, &python_client("psycopg_tour.py", &conninfo));
    assert!(shown.contains("toured"), "{shown}");
}

#[test]
fn wrong_password_is_told_as_the_server_tells_it() {
    let gateway = upstream("tls = \"prefer\"");
    for user in ["app", "app_md5", "app_clear"] {
        for client in ["sslmode=disable", "sslmode=require"] {
            let conninfo = format!("{} {client}", server().conninfo("127.0.0.1", user));
            let mut psql = psql_to(&conninfo, &["-c", "SELECT 1"]);
            psql.env("PGPASSWORD", "wrong");
            let ran = gateway.agent(&psql).unwrap();
            let told = format!("password authentication failed for user \"{user}\"");
            assert!(said(&ran).contains(&told), "{}", said(&ran));
        }
    }
}

#[test]
fn client_leg_can_be_refused_or_required() {
    let gateway = gateway(&shop("client_tls = \"refuse\"").allow_all());
    assert!(login(&gateway, "app", "sslmode=prefer").0);
    assert!(!login(&gateway, "app", "sslmode=require").0);
    let gateway = crate::stage::gateway(&shop("client_tls = \"require\"").allow_all());
    assert!(login(&gateway, "app", "sslmode=require").0);
    assert!(!login(&gateway, "app", "sslmode=disable").0);
}

#[test]
fn server_is_verified_as_the_policy_says() {
    let sandbox = Sandbox::new("stranger").unwrap();
    let stranger = Certificates::make(&sandbox, "stranger", OWNER, &[]).unwrap();
    let (right, wrong) = (authority(), stranger.authority.display().to_string());
    let check = |settings: &str, expected: bool| {
        let gateway = upstream(settings);
        let (is_in, said) = login(&gateway, "app", "sslmode=require");
        assert_eq!(is_in, expected, "{settings}: {said}");
        if !expected {
            assert!(
                said.contains("could not connect to server"),
                "{settings}: {said}"
            );
        }
    };
    check(
        &format!("tls = \"verify-ca\", ca_file = \"{wrong}\""),
        false,
    );
    check(
        &format!("tls = \"verify-full\", ca_file = \"{wrong}\""),
        false,
    );
    check("tls = \"verify-full\"", false);
    let named = |name: &str| format!("ca_file = \"{right}\", server_name = \"{name}\"");
    check(
        &format!("tls = \"verify-full\", {}", named(SERVER_NAME)),
        true,
    );
    check(
        &format!("tls = \"verify-full\", {}", named("other.test")),
        false,
    );
    check(
        &format!("tls = \"verify-ca\", {}", named("other.test")),
        true,
    );
}

#[test]
fn server_without_tls_is_taken_only_where_that_is_allowed() {
    let port = plain_server().port();
    for (mode, expected) in [("disable", true), ("prefer", true), ("require", false)] {
        let policy = gateway_tests::policy_file::PolicyFile::new()
            .shop(
                &format!("127.0.0.1:{port}"),
                &format!("upstream = {{ tls = \"{mode}\" }}"),
            )
            .allow_all();
        let gateway = gateway(&policy);
        for client in ["disable", "require"] {
            let conninfo = plain_server().conninfo("127.0.0.1", "app");
            let conninfo = format!("{conninfo} sslmode={client}");
            let ran = gateway
                .agent(&psql_to(&conninfo, &["-c", "SELECT 1"]))
                .unwrap();
            assert_eq!(
                ran.status.success(),
                expected,
                "{mode} {client}: {}",
                said(&ran)
            );
        }
    }
}

#[test]
fn gss_encryption_is_declined_politely() {
    let gateway = upstream("tls = \"disable\"");
    let (is_in, said) = login(&gateway, "app", "sslmode=disable gssencmode=prefer");
    assert!(is_in, "{said}");
}
