//! Connections that were open before the attach: closed, and whoever wants one again comes by the
//! gateway.

use std::process::Command;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::terminal::Terminal;

use crate::stage::{gateway, never_logged, open_gateway, psql, server, shop, wait_logged};

/// A terminal with a `psql` that is connected already.
fn connected(command: &Command) -> Terminal {
    let mut terminal = Terminal::start(command).unwrap();
    terminal.wait_for("shop=> ").unwrap();
    terminal
}

fn say(terminal: &mut Terminal, text: &str, expected: &str) {
    terminal.type_keys(text).unwrap();
    terminal.wait_for(expected).unwrap();
}

#[test]
fn session_from_before_is_closed_and_comes_again_by_the_gateway() {
    let gateway = open_gateway();
    let cgroup = Cgroup::new("before").unwrap();
    let mut inside = connected(&cgroup.enter(&psql(&["-n"])).unwrap());
    say(&mut inside, "SELECT 'direct' || '_yet';\n", "direct_yet");
    let mut outside = connected(&psql(&["-n"]));
    let said = gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    assert!(said.contains("1 connection from before"), "{said}");
    say(&mut inside, "SELECT 'forbidden' || '_late';\n", "Succeeded");
    never_logged(server(), "'forbidden' || '_late'");
    // psql has made its connection anew, and that one is recorded.
    say(
        &mut inside,
        "SELECT 'recorded' || '_now';\n",
        "recorded_now",
    );
    say(
        &mut outside,
        "SELECT 'bystander' || '_lives';\n",
        "bystander_lives",
    );
    wait_logged(server(), "'recorded' || '_now'");
    let log = gateway.enforcement().unwrap();
    let closed = log
        .iter()
        .find(|line| line["event"] == "closed_earlier")
        .unwrap();
    assert_eq!(
        (&closed["closed"], &closed["workload"]),
        (&1.into(), &"agent".into())
    );
    // Attaching again is nothing new: the session through the gateway lives.
    let said = gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    assert!(!said.contains("note"), "{said}");
    say(&mut inside, "SELECT 'still' || '_there';\n", "still_there");
}

#[test]
fn process_that_was_moved_in_loses_what_it_brought() {
    let gateway = open_gateway();
    let cgroup = Cgroup::new("moved").unwrap();
    // It connects outside, and then its process is moved.
    let mut shell = Command::new("/bin/sh");
    let script = format!(
        "(until test -e '{0}'; do sleep 0.05; done; echo $$ > '{1}/cgroup.procs'; touch '{0}.done') & exec \"$@\"",
        gateway.path("move").display(),
        cgroup.name(),
    );
    let program = psql(&["-n"]);
    shell
        .args(["-c", &script, "sh"])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let mut moved = connected(&shell);
    std::fs::write(gateway.path("move"), "").unwrap();
    gateway_tests::wait::until("the process is moved", || {
        Ok(gateway.path("move.done").exists().then_some(()))
    })
    .unwrap();
    let said = gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    assert!(said.contains("1 connection from before"), "{said}");
    assert!(
        said.contains("1 socket made outside of the cgroup"),
        "{said}"
    );
    say(&mut moved, "SELECT 'forbidden' || '_moved';\n", "Succeeded");
    never_logged(server(), "'forbidden' || '_moved'");
    say(
        &mut moved,
        "SELECT 'recorded' || '_moved';\n",
        "recorded_moved",
    );
}

#[test]
fn what_selectors_attach_loses_its_connections_too() {
    let cgroup = Cgroup::new("selected").unwrap();
    let mut inside = connected(&cgroup.enter(&psql(&["-n"])).unwrap());
    let name = cgroup
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece(&format!(
            "[[workload]]\nname = \"chosen\"\ncgroups = [{name:?}]"
        ))
        .allow_all();
    let gateway = gateway(&policy);
    say(
        &mut inside,
        "SELECT 'forbidden' || '_start';\n",
        "Succeeded",
    );
    never_logged(server(), "'forbidden' || '_start'");
    let status = gateway.status().unwrap();
    assert_eq!(status["attachments"][0]["closing"]["closed"], 1, "{status}");
}
