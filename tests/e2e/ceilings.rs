//! Limits of single statements, with real clients and a real server: what brings too much or takes too
//! long is ended, on the server too, and the session goes on.

use gateway_tests::gateway::Gateway;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::PASSWORD;
use gateway_tests::wait;
use serde_json::Value;
use tokio_postgres::types::ToSql;

use crate::stage::{agent, agent_fails, client, gateway, psql, python_client, server, shop, sql};

const PLAIN: &str = "upstream = { tls = \"disable\" }";

fn with(limits: &str) -> PolicyFile {
    shop(PLAIN).piece(limits).allow_all()
}

fn small_reads() -> PolicyFile {
    with(
        "[[limit]]\nname = \"small-reads\"\ngroup = \"agents\"\nresource = \"shop\"\n\
         match = { kind = \"read\" }\nrows = 100\nreason = \"ask for an extract\"",
    )
}

/// Of everything: 100 rows, 1 MB, 2 seconds.
fn all() -> PolicyFile {
    with("[[limit]]\nname = \"all\"\nrows = 100\nbytes = \"1MB\"\ntime = \"2s\"")
}

fn logged(gateway: &Gateway, event: &str) -> Vec<Value> {
    let mut lines = gateway.enforcement().unwrap();
    lines.retain(|line| line["event"] == event);
    lines
}

fn stops(text: &str) {
    let busy = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query = '{text}'"
    );
    wait::until("the server stops", || {
        Ok((server().admin(&busy)?.trim() == "0").then_some(()))
    })
    .unwrap();
}

#[test]
fn a_result_is_ended_at_the_row_too_much_and_the_session_goes_on() {
    let gateway = gateway(&small_reads());
    let long = "SELECT generate_series(1, 100000000)";
    let told = agent_fails(
        &gateway,
        &psql(&["-qAt", "-v", "ON_ERROR_STOP=1", "-c", long]),
    );
    let expected =
        "ERROR:  gateway: limit \"small-reads\" is reached: 100 rows; ask for an extract";
    assert!(told.contains(expected), "{told}");
    assert!(told.contains("Ended by \"limit small-reads\"."), "{told}");
    stops(long);
    let both = agent(
        &gateway,
        &psql(&["-qAt", "-c", long, "-c", "SELECT 'goes on'"]),
    );
    assert!(both.contains("goes on"), "{both}");
    let ended = logged(&gateway, "limit_reached");
    assert_eq!(ended[0]["rule"], "limit small-reads", "{ended:?}");
    assert_eq!(
        (&ended[0]["kind"], &ended[0]["most"]),
        (&"rows".into(), &100.into())
    );
    let numbers = gateway.ask(["metrics"]).unwrap();
    let counted = numbers
        .lines()
        .find(|line| line.starts_with("gateway_limits_reached_total"));
    let counted = counted.unwrap_or_else(|| panic!("{numbers}"));
    assert!(
        counted.contains("limit=\"small-reads\",kind=\"rows\",mode=\"enforce\"} 2"),
        "{counted}"
    );
    let recording = gateway.wait_recordings(2).unwrap();
    let limited: Vec<_> = recording
        .iter()
        .flat_map(|it| it.events("limited"))
        .collect();
    assert_eq!(limited.len(), 2, "{limited:?}");
    // Writes are not reads.
    agent(&gateway, &sql("UPDATE orders SET note = note"));
    let explained = gateway.ask([
        "policy",
        "explain",
        "--as",
        "agent",
        "--resource",
        "shop",
        "TABLE orders",
    ]);
    let explained = explained.unwrap();
    assert!(
        explained.contains("limited by small-reads: 100 rows for each statement, then ended"),
        "{explained}"
    );
}

#[test]
fn what_takes_too_long_is_cancelled_on_the_server() {
    let gateway = gateway(&all());
    let sleep = "SELECT pg_sleep(120)";
    let told = agent_fails(
        &gateway,
        &psql(&["-qAt", "-v", "ON_ERROR_STOP=1", "-c", sleep]),
    );
    assert!(
        told.contains("gateway: limit \"all\" is reached: 2 seconds"),
        "{told}"
    );
    stops(sleep);
    let both = agent(
        &gateway,
        &psql(&["-qAt", "-c", sleep, "-c", "SELECT 'goes on'"]),
    );
    assert!(both.contains("goes on"), "{both}");
}

#[test]
fn what_does_not_let_itself_be_cancelled_ends_the_session() {
    let gateway = gateway(&all());
    let stubborn = "DO $$BEGIN LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$";
    let told = agent_fails(&gateway, &sql(stubborn));
    assert!(
        told.contains("FATAL:  gateway: limit \"all\" is reached: 2 seconds"),
        "{told}"
    );
    let ended = logged(&gateway, "session_ended");
    assert_eq!(ended[0]["end"], "limit_reached", "{ended:?}");
    // The server itself cannot be told more than to stop: it notices when it next speaks.
    server()
        .admin("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO $$BEGIN LOOP%'")
        .unwrap();
}

#[test]
fn one_that_observes_ends_nothing() {
    let gateway = gateway(&with(
        "[[limit]]\nname = \"watch\"\nrows = 3\nmode = \"observe\"",
    ));
    let shown = agent(&gateway, &sql("SELECT id FROM orders"));
    assert_eq!(shown.lines().count(), 30);
    let observed = logged(&gateway, "limit_reached");
    assert_eq!(observed[0]["observed"], true, "{observed:?}");
}

#[test]
fn psycopg_is_in_step_whatever_is_ended() {
    let gateway = gateway(&all());
    let conninfo = server().conninfo("127.0.0.1", "app");
    let shown = agent(&gateway, &python_client("ceilings.py", &conninfo));
    assert!(shown.contains("in step"), "{shown}");
}

/// The test runs itself again under `gateway run`; that one is the client.
const CLIENT: &str = "GATEWAY_TESTS_CEILINGS";

#[test]
fn tokio_postgres_is_in_step_whatever_is_ended() {
    if let Ok(conninfo) = std::env::var(CLIENT) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(pipelines_and_portals(&conninfo));
    }
    let gateway = gateway(&all());
    let mut itself = client(std::env::current_exe().unwrap());
    let name = "ceilings::tokio_postgres_is_in_step_whatever_is_ended";
    itself.args(["--exact", name, "--nocapture"]);
    let conninfo = server().conninfo("127.0.0.1", "app");
    itself.env(CLIENT, format!("{conninfo} password='{PASSWORD}'"));
    agent(&gateway, &itself);
}

async fn pipelines_and_portals(conninfo: &str) {
    let connected = tokio_postgres::connect(conninfo, tokio_postgres::NoTls).await;
    let (mut client, connection) = connected.unwrap();
    let driver = tokio::spawn(connection);
    let code = |error: tokio_postgres::Error| error.code().unwrap().code().to_owned();
    let series = client
        .prepare("SELECT generate_series(1, $1::int)")
        .await
        .unwrap();
    // Sent all at once: each is a statement of its own, and only the one that is too long ends.
    let few: [&(dyn ToSql + Sync); 1] = [&50_i32];
    let many: [&(dyn ToSql + Sync); 1] = [&5_000_i32];
    let (a, b, c) = tokio::join!(
        client.query(&series, &few),
        client.query(&series, &many),
        client.query(&series, &few),
    );
    assert_eq!((a.unwrap().len(), c.unwrap().len()), (50, 50));
    assert_eq!(code(b.unwrap_err()), "53400");
    // A portal is one statement, in however many parts it runs.
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind(&series, &many).await.unwrap();
    assert_eq!(
        transaction.query_portal(&portal, 60).await.unwrap().len(),
        60
    );
    let more = transaction.query_portal(&portal, 60).await;
    assert_eq!(code(more.unwrap_err()), "53400");
    transaction.rollback().await.unwrap();
    let (slept, next) = tokio::join!(
        client.batch_execute("SELECT pg_sleep(60)"),
        client.query_one(&series, &[&1_i32]),
    );
    assert_eq!(code(slept.unwrap_err()), "57014");
    assert_eq!(next.unwrap().get::<_, i32>(0), 1);
    drop(client);
    driver.await.unwrap().unwrap();
}
