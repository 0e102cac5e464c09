//! Which way things fail: refused, never direct; and what the daemon says when it cannot work.

use std::net::TcpListener;
use std::process::Command;

use gateway_tests::gateway::Gateway;
use gateway_tests::programs::{self, find, postgres_bin, said};
use gateway_tests::sandbox::{Sandbox, free_port};
use gateway_tests::terminal::Terminal;
use nix::sys::signal::Signal;

use crate::stage::{
    agent, client, direct, gateway, never_logged, open_gateway, psql, server, shop, sql,
    wait_logged,
};

/// A shell in the agent's cgroup that runs what is typed, also while no daemon runs.
fn shell(gateway: &Gateway) -> Terminal {
    let mut shell = client("/bin/sh");
    shell
        .env("PS1", "ready$ ")
        .env("CONNINFO", server().conninfo("127.0.0.1", "app"));
    shell.env("PSQL", postgres_bin().unwrap().join("psql"));
    let mut terminal = Terminal::start(&gateway.run("agent", &shell)).unwrap();
    terminal.wait_for("ready$ ").unwrap();
    terminal
}

#[test]
fn killed_daemon_means_refused_and_not_direct() {
    let mut gateway = open_gateway();
    let mut shell = shell(&gateway);
    let ask = |shell: &mut Terminal, what: &str, expected: &str| {
        shell
            .type_keys(&format!(
                "\"$PSQL\" -X -d \"$CONNINFO\" -qAtc \"SELECT '{what}' || '_answer'\"\n"
            ))
            .unwrap();
        shell.wait_for(expected).unwrap();
        shell.wait_for("ready$ ").unwrap();
    };
    ask(&mut shell, "alive_before", "alive_before_answer");
    wait_logged(server(), "alive_before");
    gateway.wait_recordings(1).unwrap();
    gateway.stop(Signal::SIGKILL).unwrap();
    ask(&mut shell, "forbidden_dead", "Connection refused");
    never_logged(server(), "forbidden_dead");
    // Who is no agent is not concerned.
    assert!(direct(&sql("SELECT 1")).status.success());
    gateway.restart().unwrap();
    ask(&mut shell, "alive_again", "alive_again_answer");
    let recordings = gateway.wait_recordings(2).unwrap();
    let last = recordings.last().unwrap();
    assert!(
        last.statements()
            .iter()
            .any(|(text, _)| text.contains("alive_again"))
    );
}

#[test]
fn stopped_daemon_means_refused_and_not_waiting() {
    let gateway = open_gateway();
    let mut shell = shell(&gateway);
    let ask =
        "\"$PSQL\" -X -d \"$CONNINFO connect_timeout=2\" -qAtc \"SELECT 'alive' || '_again'\"";
    gateway.signal(Signal::SIGSTOP).unwrap();
    // What connects before the heart is missed waits in the backlog.
    shell
        .type_keys(&format!("until {ask} 2>&1 | grep refused; do :; done\n"))
        .unwrap();
    shell.wait_for("Connection refused").unwrap();
    shell.wait_for("ready$ ").unwrap();
    gateway.signal(Signal::SIGCONT).unwrap();
    shell
        .type_keys(&format!("until {ask}; do :; done\n"))
        .unwrap();
    shell.wait_for("alive_again").unwrap();
}

#[test]
fn sessions_end_with_the_daemon() {
    let mut gateway = open_gateway();
    let mut terminal = Terminal::start(&gateway.run("agent", &psql(&["-n"]))).unwrap();
    terminal.wait_for("shop=> ").unwrap();
    gateway.stop(Signal::SIGTERM).unwrap();
    terminal.type_keys("SELECT 'forbidden_after';\n").unwrap();
    terminal.wait_for("connection").unwrap();
    never_logged(server(), "forbidden_after");
    gateway.restart().unwrap();
    assert!(
        gateway.recordings().unwrap()[0].is_complete(),
        "the session's end is not recorded"
    );
}

#[test]
fn run_that_outlives_the_daemon_cleans_up_after_itself() {
    let mut gateway = open_gateway();
    let mut shell = shell(&gateway);
    shell
        .type_keys("sed -n 's/^0:://p' /proc/self/cgroup\n")
        .unwrap();
    shell.wait_for("/agents-").unwrap();
    shell.wait_for("ready$ ").unwrap();
    let screen = shell.screen();
    // It is behind the prompt, since this terminal does not show what is typed.
    let path = screen
        .split_whitespace()
        .find(|word| word.contains("/agents-"));
    let cgroup = gateway_tests::cgroup::mount()
        .unwrap()
        .join(path.unwrap().trim_start_matches('/'));
    assert!(cgroup.exists());
    gateway.stop(Signal::SIGKILL).unwrap();
    shell.type_keys("exit 3\n").unwrap();
    assert_eq!(shell.wait_end().unwrap(), Some(3));
    assert!(!cgroup.exists());
    gateway.restart().unwrap();
    assert_eq!(
        gateway.status().unwrap()["attachments"],
        serde_json::json!([])
    );
}

#[test]
fn nothing_is_left_when_everything_is_detached() {
    let mut gateway = open_gateway();
    agent(&gateway, &sql("SELECT 1"));
    assert_eq!(gateway.shut_down().unwrap(), Vec::<String>::new());
}

#[test]
fn port_that_is_taken_is_named() {
    let port = free_port().unwrap();
    let _holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let said = daemon_fails(|folder| shop("").allow_all().render(folder, port));
    assert!(
        said.contains(&port.to_string()) && said.contains("port"),
        "{said}"
    );
}

#[test]
fn second_daemon_on_the_same_folder_is_told_of_the_first() {
    let gateway = open_gateway();
    let mut second = Command::new(programs::gateway().unwrap());
    let ran = direct(second.args(["daemon", "--config"]).arg(gateway.config()));
    assert!(!ran.status.success());
    assert!(
        said(&ran).contains(&gateway.id().to_string()),
        "{}",
        said(&ran)
    );
    // And the first goes on.
    agent(&gateway, &sql("SELECT 1"));
}

#[test]
fn configuration_errors_show_the_place_and_the_way_out() {
    for (text, expected) in [
        ("[daemon]\nprot = 1\n", "prot"),
        (
            "[[resource]]\nname = \"a\"\nprotocol = \"postgers\"\naddresses = []\n",
            "postgres",
        ),
        (
            "[[resource]]\nname = \"a\"\nprotocol = \"postgres\"\naddresses = [\"1.2.3.4\"]\n",
            "port",
        ),
        ("[[rule]]\nname = \"r\"\naction = \"alow\"\n", "allow"),
        (
            "[[resource]]\nname = \"a\"\nprotocol = \"postgres\"\naddresses = [\"1.2.3.4:5\"]\n\
             [[rule]]\nname = \"r\"\naction = \"deny\"\nmatch = { verbs = \"select\" }\n",
            "verb",
        ),
        ("[[workload]\n", "expected `]`"),
    ] {
        let sandbox = Sandbox::new("config").unwrap();
        let file = sandbox.write("gateway.toml", text).unwrap();
        let mut check = Command::new(programs::gateway().unwrap());
        let ran = check
            .args(["config", "check", "--config"])
            .arg(&file)
            .output()
            .unwrap();
        let said = said(&ran);
        assert!(!ran.status.success(), "{text} passed");
        assert!(said.contains(expected), "{text} is told of as:\n{said}");
        let place = format!("{}:", file.display());
        assert!(said.contains(&place), "{text}: no place:\n{said}");
        daemon_fails(|_| text.to_owned());
    }
}

#[test]
fn good_configuration_is_good() {
    let gateway = open_gateway();
    let checked = gateway.call(["config", "check"]).unwrap();
    assert!(checked.status.success(), "{}", said(&checked));
}

#[test]
fn invalid_policy_on_reload_keeps_the_old_one() {
    let gateway = open_gateway();
    gateway
        .reload(&shop("").rule("broken", "maybe", ""))
        .unwrap();
    agent(&gateway, &sql("SELECT 1"));
    gateway
        .reload(&shop("upstream = { tls = \"disable\" }").rule("none", "deny", ""))
        .unwrap();
    gateway_tests::wait::until("the new policy decides", || {
        Ok((!gateway.agent(&sql("SELECT 1"))?.status.success()).then_some(()))
    })
    .unwrap();
}

#[test]
fn who_is_not_root_is_told_so() {
    let sandbox = Sandbox::new("unprivileged").unwrap();
    let text = shop("")
        .allow_all()
        .render(sandbox.path(), free_port().unwrap());
    let config = sandbox.write("gateway.toml", &text).unwrap();
    // Copied to where everyone can reach it.
    let program = sandbox.join("gateway");
    std::fs::copy(programs::gateway().unwrap(), &program).unwrap();
    let mut daemon = Command::new(find("setpriv").unwrap());
    daemon.args([
        "--reuid",
        "nobody",
        "--regid",
        "nogroup",
        "--clear-groups",
        "--",
    ]);
    let ran = daemon
        .arg(&program)
        .args(["daemon", "--config"])
        .arg(config)
        .output()
        .unwrap();
    assert!(!ran.status.success());
    let said = said(&ran);
    assert!(said.contains("root") || said.contains("CAP_"), "{said}");
}

#[test]
fn commands_without_a_daemon_say_how_to_start_one() {
    let mut gateway = gateway(&shop("").allow_all());
    gateway.stop(Signal::SIGTERM).unwrap();
    for command in [
        vec!["status"],
        vec!["run", "--as", "agent", "--user", "root", "--", "true"],
    ] {
        let ran = gateway.call(command).unwrap();
        assert!(!ran.status.success());
        assert!(said(&ran).contains("gateway daemon"), "{}", said(&ran));
    }
}

/// A daemon that must not start with this configuration; what it says.
pub(crate) fn daemon_fails(config: impl Fn(&std::path::Path) -> String) -> String {
    let sandbox = Sandbox::new("failing").unwrap();
    let file = sandbox
        .write("gateway.toml", &config(sandbox.path()))
        .unwrap();
    let mut daemon = Command::new(programs::gateway().unwrap());
    let ran = daemon
        .args(["daemon", "--config"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(!ran.status.success(), "it started");
    said(&ran)
}
