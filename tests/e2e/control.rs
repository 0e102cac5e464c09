//! The control API as other programs see it: what is described is what is served.

use std::process::Stdio;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::programs::root;
use gateway_tests::wait;

use crate::stage::{direct, gateway, python_client, server, shop, sql, wait_logged};

#[test]
fn answers_are_as_described() {
    let gateway = gateway(&shop("upstream = { tls = \"disable\" }").allow_all());
    let statement = "SELECT pg_sleep(401)";
    let mut run = gateway.run("agent", &sql(statement));
    run.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = run.spawn().unwrap();
    wait_logged(server(), statement);
    let status = gateway.status().unwrap();
    let session = status["connections"][0]["session"].as_str().unwrap();
    let cgroup = Cgroup::new("described").unwrap();
    let socket = gateway.path("run/control.sock");
    let mut check = python_client("openapi.py", &socket.display().to_string());
    check
        .arg(root().join("docs/openapi.json"))
        .arg(session)
        .arg(cgroup.path())
        .arg("agent");
    let ran = direct(&check);
    assert!(
        ran.status.success(),
        "{}",
        gateway_tests::programs::said(&ran)
    );
    wait::until("the killed client ends", || Ok(child.try_wait()?)).unwrap();
}
