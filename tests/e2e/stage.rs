//! The shared database server, and the clients as commands.

use std::process::{Command, Output};
use std::sync::LazyLock;

use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, PASSWORD, Postgres};
use gateway_tests::programs::{bounded, postgres_bin, python, said};
use gateway_tests::wait;

/// The server with TLS that all tests share. Tests keep apart by schema or by database object
/// names; the guardian ends it with the test process.
pub(crate) fn server() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        let server = Postgres::start(&Options::default()).expect("the shared PostgreSQL starts");
        server.admin(SHOP).expect("the shop is set up");
        server
    });
    &SERVER
}

/// A server without TLS, shared likewise.
pub(crate) fn plain_server() -> &'static Postgres {
    static SERVER: LazyLock<Postgres> = LazyLock::new(|| {
        let options = Options {
            tls: false,
            ..Options::default()
        };
        let server = Postgres::start(&options).expect("the PostgreSQL without TLS starts");
        server.admin(SHOP).expect("the shop is set up");
        server
    });
    &SERVER
}

const SHOP: &str = "
    SET ROLE app;
    CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, card text);
    INSERT INTO customers VALUES (1, 'Ada', '4111-1'), (2, 'Grace', '4111-2'), (3, 'Jean', '4111-3');
    CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customers, total numeric, note text);
    INSERT INTO orders (customer, total) SELECT 1 + n % 3, n * 1.5 FROM generate_series(1, 30) n;
    CREATE VIEW totals AS SELECT customer, sum(total) AS total FROM orders GROUP BY customer;
    RESET ROLE;
    CREATE SCHEMA secret; CREATE TABLE secret.keys (id int, key text);
    INSERT INTO secret.keys VALUES (1, 'hunter2');
    GRANT ALL ON SCHEMA secret TO app; GRANT ALL ON secret.keys TO app;
";

/// The resource `shop` at the shared server by IPv4 and IPv6, everything allowed.
pub(crate) fn open_gateway() -> Gateway {
    gateway(&shop("upstream = { tls = \"disable\" }").allow_all())
}

/// A database in a network namespace of its own, at the address by which the gateway reaches it too.
pub(crate) fn far_database() -> (Namespace, Postgres) {
    let namespace = Namespace::new().unwrap();
    let server = Postgres::start(&Options {
        listen: namespace.guest(),
        namespace: Some(&namespace),
        ..Options::default()
    })
    .unwrap();
    (namespace, server)
}

/// A policy file for that one, with this in the table of the workload `chosen`.
pub(crate) fn choosing(choice: &str, namespace: &Namespace, server: &Postgres) -> PolicyFile {
    let address = format!("{}/32:{}", namespace.guest(), server.port());
    PolicyFile::new()
        .shop(&address, "upstream = { tls = \"disable\" }")
        .piece(&format!("[[workload]]\nname = \"chosen\"\n{choice}"))
        .allow_all()
}

/// A policy file with the resource `shop` at the shared server.
pub(crate) fn shop(more: &str) -> PolicyFile {
    let port = server().port();
    PolicyFile::new().shop(&format!("127.0.0.1:{port}, [::1]:{port}"), more)
}

/// Starts a gateway.
pub(crate) fn gateway(policy: &PolicyFile) -> Gateway {
    Gateway::start(policy).expect("the gateway starts")
}

/// A client with nothing of our own environment that libpq would look at.
pub(crate) fn client(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command
        .env("PGPASSWORD", PASSWORD)
        .env("LC_ALL", "C.UTF-8")
        .env("PGSSLMODE", "disable");
    command
        .env("PAGER", "cat")
        .env("HOME", "/nonexistent")
        .env("PGCONNECT_TIMEOUT", "20");
    command.current_dir("/");
    command
}

/// `psql` as user `app` on 127.0.0.1, with arguments.
pub(crate) fn psql(arguments: &[&str]) -> Command {
    psql_to(&server().conninfo("127.0.0.1", "app"), arguments)
}

/// `psql` with a connection string, with arguments.
pub(crate) fn psql_to(conninfo: &str, arguments: &[&str]) -> Command {
    let mut command = client(postgres_bin().unwrap().join("psql"));
    command
        .args(["--no-psqlrc", "-d", conninfo])
        .args(arguments);
    command
}

/// `psql` running one string of SQL, the answer bare.
pub(crate) fn sql(text: &str) -> Command {
    psql(&["-qAt", "-c", text])
}

/// One of the Python programs in `clients/`, with the connection string as its first argument.
pub(crate) fn python_client(file: &str, conninfo: &str) -> Command {
    let mut command = client(python().unwrap());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/clients/").to_owned() + file);
    command.arg(conninfo);
    command
}

/// Runs a command by itself, past every gateway.
pub(crate) fn direct(command: &Command) -> Output {
    bounded(command)
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

/// Runs a command as the workload `agent`; both streams as text, which must have gone well.
pub(crate) fn agent(gateway: &Gateway, command: &Command) -> String {
    let ran = gateway.agent(command).unwrap();
    assert!(
        ran.status.success(),
        "{command:?}: {}\n{}\n{}",
        ran.status,
        said(&ran),
        gateway.output()
    );
    said(&ran)
}

/// Runs a command as the workload `agent`; both streams as text, which must have failed.
pub(crate) fn agent_fails(gateway: &Gateway, command: &Command) -> String {
    let ran = gateway.agent(command).unwrap();
    assert!(
        !ran.status.success(),
        "{command:?} went well: {}",
        said(&ran)
    );
    said(&ran)
}

/// Runs a command both ways and returns what each printed, direct first.
pub(crate) fn both(gateway: &Gateway, command: &Command) -> (String, String) {
    let through = gateway.agent(command).unwrap();
    let direct = direct(command);
    assert_eq!(
        direct.status,
        through.status,
        "{command:?}: {} {}",
        said(&direct),
        said(&through)
    );
    (said(&direct), said(&through))
}

/// Asserts that what the client shows is the same both ways.
pub(crate) fn looks_direct(gateway: &Gateway, command: &Command) -> String {
    let (direct, through) = both(gateway, command);
    assert_eq!(
        direct, through,
        "{command:?}: left is direct, right is through the gateway"
    );
    through
}

/// Waits until the server's log holds `text`.
pub(crate) fn wait_logged(server: &Postgres, text: &str) {
    wait::until(&format!("the server logs {text:?}"), || {
        Ok(server.log().contains(text).then_some(()))
    })
    .unwrap();
}

/// Asserts that `text` is not in the server's log, after a marker that was sent later has come.
pub(crate) fn never_logged(server: &Postgres, text: &str) {
    let marker = format!("marker_{}", server.log().len());
    let last = psql_to(
        &server.conninfo("127.0.0.1", "app"),
        &["-qAt", "-c", &format!("SELECT '{marker}'")],
    );
    assert!(direct(&last).status.success());
    wait_logged(server, &marker);
    assert!(!server.log().contains(text), "the server saw {text:?}");
}
