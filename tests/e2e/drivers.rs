//! Drivers and pgbench do through the gateway what they do without it.

use std::process::Command;

use gateway_tests::programs::{postgres_bin, python};
use tokio_postgres::types::ToSql;

use crate::stage::{
    agent, client, direct, gateway, looks_direct, open_gateway, python_client, server, shop,
};

fn conninfo() -> String {
    server().conninfo("127.0.0.1", "app")
}

#[test]
fn psycopg_does_all_it_can() {
    let gateway = open_gateway();
    let shown = looks_direct(&gateway, &python_client("psycopg_tour.py", &conninfo()));
    assert!(shown.contains("toured"), "{shown}");
}

#[test]
fn psycopg_moves_large_values() {
    let gateway = open_gateway();
    let peak_after = |mebibytes: &str| {
        let mut client = python_client("psycopg_large.py", &conninfo());
        client.arg(mebibytes);
        let shown = looks_direct(&gateway, &client);
        assert!(shown.contains("moved"), "{shown}");
        peak_memory(gateway.id())
    };
    // Buffers, threads and what the allocator keeps for them are there after the first.
    let before = peak_after("4");
    let grown = peak_after("64") - before;
    assert!(grown < 32 << 10, "{grown} KiB more for values of 64 MiB");
}

/// The most memory that a process ever had, in KiB.
fn peak_memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn asyncpg_does_all_it_can() {
    let gateway = open_gateway();
    let shown = looks_direct(&gateway, &python_client("asyncpg_tour.py", &conninfo()));
    assert!(shown.contains("toured"), "{shown}");
}

#[test]
fn newest_libpq_speaks_protocol_3_2() {
    // The server is older: it negotiates down, and the gateway must pass that on.
    let gateway = open_gateway();
    let wanted = conninfo() + " max_protocol_version=3.2 min_protocol_version=3.0";
    let shown = looks_direct(&gateway, &python_client("psycopg_tour.py", &wanted));
    assert!(shown.contains("toured"), "{shown}");
}

#[test]
fn pgbench_runs_in_every_mode() {
    // TLS to the server wherever the client has it, so that both legs change together.
    let plain = open_gateway();
    let encrypted = gateway(&shop("upstream = { tls = \"require\" }").allow_all());
    let server = server();
    let pgbench = |sslmode: &str, arguments: &[&str]| -> Command {
        let mut command = client(postgres_bin().unwrap().join("pgbench"));
        command.args([
            "-h",
            "127.0.0.1",
            "-U",
            "app",
            "-p",
            &server.port().to_string(),
        ]);
        command
            .args(arguments)
            .arg("shop")
            .env("PGSSLMODE", sslmode);
        command
    };
    server.admin("GRANT ALL ON SCHEMA public TO app").unwrap();
    agent(
        &encrypted,
        &pgbench("require", &["--initialize", "--quiet", "--scale=1"]),
    );
    for (gateway, sslmode) in [(&plain, "disable"), (&encrypted, "require")] {
        for protocol in ["simple", "extended", "prepared"] {
            for work in [
                "--builtin=select-only",
                "--builtin=tpcb-like",
                "--builtin=simple-update",
            ] {
                let shown = agent(
                    gateway,
                    &pgbench(
                        sslmode,
                        &["-n", "-c", "4", "-t", "25", "--protocol", protocol, work],
                    ),
                );
                assert!(
                    shown.contains("processed: 100/100"),
                    "{protocol} {work}: {shown}"
                );
            }
        }
        let shown = agent(
            gateway,
            &pgbench(sslmode, &["-n", "-c", "2", "-t", "20", "--connect", "-S"]),
        );
        assert!(shown.contains("processed: 40/40"), "{shown}");
    }
}

/// The test runs itself again under `gateway run`; that one is the client.
const CLIENT: &str = "GATEWAY_TESTS_TOKIO_POSTGRES";

#[test]
fn tokio_postgres_does_all_it_can() {
    if let Ok(conninfo) = std::env::var(CLIENT) {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(tokio_postgres_tour(&conninfo));
        return;
    }
    let gateway = open_gateway();
    let mut itself = client(std::env::current_exe().unwrap());
    itself.args([
        "--exact",
        "drivers::tokio_postgres_does_all_it_can",
        "--nocapture",
    ]);
    let password = gateway_tests::postgres::PASSWORD;
    itself.env(CLIENT, format!("{} password='{password}'", conninfo()));
    assert!(
        direct(&itself).status.success(),
        "it fails without the gateway"
    );
    agent(&gateway, &itself);
    let recording = gateway.wait_recordings(1).unwrap();
    assert!(
        recording[0]
            .statements()
            .iter()
            .any(|(text, _)| text.contains("$1::int + 1"))
    );
}

async fn tokio_postgres_tour(conninfo: &str) {
    let (mut client, connection) = tokio_postgres::connect(conninfo, tokio_postgres::NoTls)
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let next = client.prepare("SELECT $1::int + 1").await.unwrap();
    // Sent all at once: the driver pipelines what is polled together.
    let long = "x".repeat(100_000);
    let first: [&(dyn ToSql + Sync); 1] = [&1_i32];
    let second: [&(dyn ToSql + Sync); 1] = [&2_i32];
    let third: [&(dyn ToSql + Sync); 1] = [&long];
    let (a, b, c) = tokio::join!(
        client.query_one(&next, &first),
        client.query_one(&next, &second),
        client.query_one("SELECT length($1::text)", &third),
    );
    assert_eq!(
        (a.unwrap().get::<_, i32>(0), b.unwrap().get::<_, i32>(0)),
        (2, 3)
    );
    assert_eq!(c.unwrap().get::<_, i32>(0), 100_000);
    let error = client
        .query("SELECT 1/$1::int", &[&0_i32])
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012");
    let transaction = client.transaction().await.unwrap();
    let orders = transaction
        .prepare("SELECT id FROM orders ORDER BY id")
        .await
        .unwrap();
    let portal = transaction.bind(&orders, &[]).await.unwrap();
    let (first, second) = (
        transaction.query_portal(&portal, 10).await.unwrap(),
        transaction.query_portal(&portal, 10).await.unwrap(),
    );
    assert_eq!((first.len(), second.len()), (10, 10));
    assert_ne!(first[0].get::<_, i32>(0), second[0].get::<_, i32>(0));
    transaction.rollback().await.unwrap();
    let cancel = client.cancel_token();
    let sleeping = client.batch_execute("SELECT pg_sleep(60)");
    let mut sleeping = Box::pin(sleeping);
    let slept = loop {
        tokio::select! {
            slept = &mut sleeping => break slept,
            // A cancel goes its own way and may come before the statement: so again.
            () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                cancel.cancel_query(tokio_postgres::NoTls).await.unwrap();
            }
        }
    };
    assert_eq!(slept.unwrap_err().code().unwrap().code(), "57014");
    drop(sleeping);
    drop(client);
    driver.await.unwrap().unwrap();
}

#[test]
fn python_is_our_own() {
    // The clients' versions are pinned; a system's driver must not slip in.
    assert!(python().unwrap().ends_with("test-clients/bin/python"));
}
