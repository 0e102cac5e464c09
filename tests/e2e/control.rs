//! The control API as other programs see it: what is described is what is served.

use std::process::{Child, Stdio};

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::programs::{root, said};
use gateway_tests::sandbox::Sandbox;
use gateway_tests::wait;
use serde_json::Value;

use crate::credentials::secret;
use crate::stage::{direct, gateway, python_client, server, shop, sql, wait_logged};

/// A client of the agent's, by another account than who decides.
fn start(gateway: &Gateway, statement: &str) -> Child {
    let mut run = gateway.run_with(&["--as", "agent", "--user", "nobody"], &sql(statement));
    run.stdout(Stdio::null()).stderr(Stdio::null());
    run.spawn().unwrap()
}

#[test]
fn answers_are_as_described() {
    let held = "match = { verb = \"delete\" }\napprovers = [\"owners\"]\nreason = \"looked at\"";
    let sandbox = Sandbox::new("described").unwrap();
    let password = secret(&sandbox, "password", "unused\n");
    let asking = format!(
        "[[credential]]\nname = \"shown\"\nuser = \"app\"\npassword_file = {password:?}\n\
         accept_unverified = true\nplaceholder = \"scram\"\n\n\
         [[resource]]\nname = \"asking\"\nprotocol = \"postgres\"\naddresses = [\"127.0.0.1:1\"]\n\
         upstream = {{ tls = \"disable\" }}\ncredential = \"shown\""
    );
    let chosen = Cgroup::new("chosen-as-described").unwrap();
    let name = chosen.path().file_name().unwrap();
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece(&asking)
        .piece(&format!(
            "[[workload]]\nname = \"chosen\"\ncgroups = [{name:?}]"
        ))
        .piece("[[approvers]]\nname = \"owners\"\nusers = [\"root\"]\ngroups = [\"daemon\"]")
        .piece("[[budget]]\nname = \"looked-at\"\nwindow = \"1h\"\nrows = 1000")
        .rule("everything", "allow", "")
        .rule("deletes-wait", "approve", held);
    let gateway = gateway(&policy);
    let statement = "SELECT pg_sleep(401)";
    let mut children = vec![start(&gateway, statement)];
    wait_logged(server(), statement);
    let status = gateway.status().unwrap();
    let session = status["connections"][0]["session"].as_str().unwrap();
    for id in ["-401", "-402"] {
        children.push(start(
            &gateway,
            &format!("DELETE FROM orders WHERE id = {id}"),
        ));
    }
    wait::until("both wait", || {
        let all: Vec<Value> =
            serde_json::from_str(&gateway.ask(["approvals", "list", "--json"])?)?;
        Ok((all.len() == 2).then_some(()))
    })
    .unwrap();
    let cgroup = Cgroup::new("described").unwrap();
    let socket = gateway.path("run/control.sock");
    let mut check = python_client("openapi.py", &socket.display().to_string());
    check
        .arg(root().join("docs/openapi.json"))
        .arg(session)
        .arg(cgroup.path())
        .arg("agent")
        .arg(chosen.path());
    let ran = direct(&check);
    assert!(ran.status.success(), "{}", said(&ran));
    for mut child in children {
        wait::until("the client ends", || Ok(child.try_wait()?)).unwrap();
    }
}
