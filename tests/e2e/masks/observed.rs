//! Masks on a resource that is only observed: nothing is refused, and results are masked all the same.

use std::process::Command;

use gateway_tests::policy_file::PolicyFile;
use gateway_tests::postgres::{Options, Postgres};
use gateway_tests::programs::postgres_bin;
use gateway_tests::sandbox::Sandbox;

use crate::credentials::secret;
use crate::stage::{agent, gateway};

/// What an agent makes that shows something masked, and then asks for.
const ASKED: [&str; 8] = [
    "CREATE VIEW harmless AS SELECT 'a' || id AS note FROM customers",
    "SELECT note FROM harmless",
    "CREATE OR REPLACE VIEW harmless AS SELECT upper(email) AS note FROM customers",
    "SELECT note FROM harmless",
    "BEGIN",
    "CREATE VIEW new AS SELECT lower(email) AS note FROM customers",
    "SELECT note FROM new",
    "COMMIT",
];

#[test]
fn views_that_are_made_there_show_nothing() {
    let server = Postgres::start(&Options::default()).unwrap();
    server
        .admin(
            "CREATE TABLE customers (id int, email text);
             INSERT INTO customers VALUES (1, 'needle@burrow.example');
             GRANT ALL ON SCHEMA public TO app_trust;
             GRANT SELECT ON customers TO app_trust",
        )
        .unwrap();
    let sandbox = Sandbox::new("observed").unwrap();
    let file = secret(&sandbox, "password", "unused\n");
    let policy = PolicyFile::new()
        .piece(&format!(
            "[[credential]]\nname = \"masks\"\nuser = \"app_trust\"\npassword_file = {file:?}\n\
             accept_unverified = true"
        ))
        .shop(
            &format!("127.0.0.1:{}", server.port()),
            "mode = \"observe\"\nupstream = { tls = \"disable\" }\ncredential = \"masks\"",
        )
        .piece("[[mask]]\nname = \"emails\"\ncolumn = \"public.customers.email\"\nkind = \"full\"")
        .allow_all();
    let gateway = gateway(&policy);
    let mut psql = Command::new(postgres_bin().unwrap().join("psql"));
    psql.args(["--no-psqlrc", "-At", "-d"])
        .arg(server.conninfo("127.0.0.1", "app_trust"));
    for asked in ASKED {
        psql.args(["-c", asked]);
    }
    let shown = agent(&gateway, &psql);
    assert!(shown.contains("a1"), "{shown}");
    assert_eq!(shown.matches("****").count(), 2, "{shown}");
    assert!(!shown.to_lowercase().contains("needle"), "{shown}");
}
