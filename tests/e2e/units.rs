//! Agents and the daemon as units of a real systemd.

use std::fs;

use gateway_tests::gateway::Gateway;
use gateway_tests::namespace::Namespace;
use gateway_tests::postgres::{PASSWORD, Postgres};
use gateway_tests::programs::{self, postgres_bin};
use gateway_tests::systemd::{Root, Systemd};
use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::stage::{choosing, far_database, gateway};

/// A template of agents that ask the database again and again, with more lines of `[Service]`.
fn agent(namespace: &Namespace, server: &Postgres, more: &str) -> String {
    let psql = postgres_bin().unwrap().join("psql");
    format!(
        "[Unit]\nDefaultDependencies=no\n[Service]\n{more}\n\
         StandardOutput=append:/var/log/agents\nStandardError=append:/var/log/agents\n\
         Environment=\"PGPASSWORD={PASSWORD}\" PGSSLMODE=disable\n\
         ExecStart=/bin/sh -c 'while sleep 0.3; do {} -qAt -d \"{}\" \
         -c \"SELECT host(inet_client_addr())\"; done'\n",
        psql.display(),
        server.conninfo(namespace.guest(), "app"),
    )
}

/// Waits for a recording of a process in this unit that was begun after the first `before`.
fn is_recorded(gateway: &Gateway, unit: &str, workload: &str, before: usize) {
    wait::until(&format!("{unit} is recorded"), || {
        let all = gateway.recordings()?;
        let mut new = all.iter().skip(before).flat_map(|one| one.events("open"));
        Ok(new
            .any(|open| {
                let subject = &open["subject"];
                subject["workload"] == workload
                    && subject["cgroup"]
                        .as_str()
                        .is_some_and(|path| path.contains(unit))
            })
            .then_some(()))
    })
    .unwrap_or_else(|error| panic!("{error:#}\n{}", gateway.output()));
}

/// How often a cgroup of this name was attached.
fn attached(gateway: &Gateway, unit: &str) -> usize {
    let log = gateway.enforcement().unwrap();
    log.iter()
        .filter(|line| line["event"] == "attached" && line.to_string().contains(unit))
        .count()
}

fn id(systemd: &Systemd, unit: &str) -> String {
    systemd
        .ask(&["show", "--value", "--property=ControlGroup", unit])
        .unwrap()
}

#[test]
fn units_of_systemd_are_attached_at_each_start() {
    let (namespace, server) = far_database();
    let mut gateway = gateway(&choosing(
        "units = [\"agent@*.service\"]",
        &namespace,
        &server,
    ));
    let root = Root::new().unwrap();
    let unit = agent(&namespace, &server, "");
    root.file("etc/systemd/system/agent@.service", &unit)
        .unwrap();
    let program = programs::gateway().unwrap();
    let systemd = root.start("units", &namespace, &program).unwrap();
    let unmatched = |gateway: &Gateway| gateway.status().unwrap()["unmatched"].clone();
    let selector = serde_json::json!({"workload": "chosen", "selector": "unit agent@*.service"});
    assert_eq!(unmatched(&gateway), serde_json::json!([selector]));
    systemd.ask(&["start", "agent@1.service"]).unwrap();
    let group = id(&systemd, "agent@1.service");
    assert!(
        group.contains("/system-agent.slice/agent@1.service"),
        "{group}"
    );
    is_recorded(&gateway, "agent@1.service", "chosen", 0);
    assert_eq!(unmatched(&gateway), serde_json::json!([]));
    for times in 2..4 {
        systemd.ask(&["restart", "agent@1.service"]).unwrap();
        wait::until("it is attached anew", || {
            Ok((attached(&gateway, "agent@1.service") == times).then_some(()))
        })
        .unwrap();
        let before = gateway.recordings().unwrap().len();
        is_recorded(&gateway, "agent@1.service", "chosen", before);
    }
    // Reading all units again is no reason to let go of any.
    systemd.ask(&["daemon-reload"]).unwrap();
    systemd.ask(&["daemon-reexec"]).unwrap();
    let before = gateway.recordings().unwrap().len();
    is_recorded(&gateway, "agent@1.service", "chosen", before);

    gateway.stop(Signal::SIGKILL).unwrap();
    wait::until("the agent is refused", || {
        let said = systemd.read("/var/log/agents")?;
        Ok(said.contains("Connection refused").then_some(()))
    })
    .unwrap();
    gateway.restart().unwrap();
    let before = gateway.recordings().unwrap().len();
    is_recorded(&gateway, "agent@1.service", "chosen", before);
    assert!(fs::exists(systemd.cgroup()).unwrap());
}

#[test]
fn a_unit_is_attached_by_its_name() {
    let (namespace, server) = far_database();
    let gateway = gateway(&choosing("", &namespace, &server));
    let root = Root::new().unwrap();
    let unit = agent(&namespace, &server, "Slice=test-agents.slice");
    root.file("etc/systemd/system/by-name.service", &unit)
        .unwrap();
    let program = programs::gateway().unwrap();
    let systemd = root.start("named", &namespace, &program).unwrap();
    systemd.ask(&["start", "by-name.service"]).unwrap();
    let attach = ["attach", "--as", "chosen", "--unit", "by-name.service"];
    gateway.ask(attach).unwrap();
    is_recorded(&gateway, "by-name.service", "chosen", 0);
}

/// A systemd that has the documented unit of the daemon, for agents in these units, with rules.
fn documented(namespace: &Namespace, server: &Postgres, units: &str, rules: &str) -> Root {
    let root = Root::new().unwrap();
    for (file, at) in [
        ("gateway.service", "etc/systemd/system/gateway.service"),
        (
            "run-gateway-bpf.mount",
            "etc/systemd/system/run-gateway-bpf.mount",
        ),
        ("gateway.sysusers", "etc/sysusers.d/gateway.conf"),
        ("gateway.tmpfiles", "etc/tmpfiles.d/gateway.conf"),
    ] {
        let text = fs::read_to_string(programs::root().join("deploy").join(file)).unwrap();
        root.file(at, &text).unwrap();
    }
    let address = format!("{}/32:{}", namespace.guest(), server.port());
    let text = format!(
        "[[workload]]\nname = \"chosen\"\nunits = [{units:?}]\n\
         [[resource]]\nname = \"shop\"\nprotocol = \"postgres\"\naddresses = [{address:?}]\n\
         upstream = {{ tls = \"disable\" }}\n{rules}"
    );
    root.file("etc/gateway/gateway.toml", &text).unwrap();
    // No journal runs.
    let output = "[Service]\nStandardOutput=append:/run/gateway.out\nStandardError=append:/run/gateway.out\n";
    root.file("etc/systemd/system/gateway.service.d/output.conf", output)
        .unwrap();
    root
}

#[test]
fn the_documented_unit_starts_the_daemon() {
    let (namespace, server) = far_database();
    let everything = "[[rule]]\nname = \"everything\"\naction = \"allow\"\n";
    let root = documented(&namespace, &server, "worker@*.service", everything);
    let unit = agent(&namespace, &server, "");
    root.file("etc/systemd/system/worker@.service", &unit)
        .unwrap();
    let program = programs::gateway().unwrap();
    let systemd = root.start("service", &namespace, &program).unwrap();
    systemd.ask(&["start", "gateway.service"]).unwrap();
    let shown = shown(&systemd, "ActiveState,StatusText");
    assert!(shown.contains("ActiveState=active"), "{shown}");
    assert!(
        shown.contains("StatusText=serving 1 resources by"),
        "{shown}"
    );

    systemd.ask(&["start", "worker@1.service"]).unwrap();
    wait_status(&systemd, "worker@1.service");
    systemd.ask(&["reload", "gateway.service"]).unwrap();

    // A daemon that hangs is ended by the watchdog and started again; what is attached stays.
    for (kill, result) in [("--signal=STOP", "watchdog"), ("--signal=KILL", "killed")] {
        let before = self::shown(&systemd, "NRestarts");
        systemd
            .ask(&["kill", "--kill-whom=main", kill, "gateway.service"])
            .unwrap();
        wait::until(&format!("it is started again: {result}"), || {
            let now = self::shown(&systemd, "NRestarts,ActiveState");
            let again = !now.contains(before.trim()) && now.contains("ActiveState=active");
            Ok(again.then_some(()))
        })
        .unwrap();
        wait_status(&systemd, "worker@1.service");
    }
    systemd.ask(&["stop", "worker@1.service"]).unwrap();
    systemd.ask(&["stop", "gateway.service"]).unwrap();
    let after = self::shown(&systemd, "Result,ActiveState");
    assert!(
        after.contains("Result=success") && after.contains("ActiveState=inactive"),
        "{after}"
    );
}

#[test]
fn a_unit_with_the_drop_in_is_never_direct() {
    let (namespace, server) = far_database();
    let root = documented(&namespace, &server, "agent-*@*.service", "");
    // The first thing that it does is what policy refuses. Something may stay of it in its cgroup.
    let ask = format!(
        "{} -qAt -d \"{}\" -c \"CREATE TABLE IF NOT EXISTS direct ()\"",
        postgres_bin().unwrap().join("psql").display(),
        server.conninfo(namespace.guest(), "app"),
    );
    let unit = format!(
        "[Unit]\nDefaultDependencies=no\n[Service]\nKillMode=process\n\
         StandardOutput=append:/var/log/%p\nStandardError=append:/var/log/%p\n\
         Environment=\"PGPASSWORD={PASSWORD}\" PGSSLMODE=disable\n\
         ExecStartPre=-{ask}\nExecStart=/bin/sh -c '{ask}; test %i = stays && sleep infinity & \
         echo asked; exec sleep infinity'\n"
    );
    for name in ["agent-plain", "agent-guarded"] {
        root.file(&format!("etc/systemd/system/{name}@.service"), &unit)
            .unwrap();
    }
    let drop_in = fs::read_to_string(programs::root().join("deploy/agent.conf")).unwrap();
    let at = "etc/systemd/system/agent-guarded@.service.d/gateway.conf";
    root.file(at, &drop_in).unwrap();
    let program = programs::gateway().unwrap();
    let systemd = root.start("drop-in", &namespace, &program).unwrap();
    let asked = |name: &str, times: usize| {
        wait::until(&format!("{name} has asked"), || {
            let said = systemd.read(&format!("/var/log/{name}"))?;
            Ok((said.matches("asked").count() == times).then_some(()))
        })
        .unwrap();
    };
    let is_direct = || {
        let there = server.admin("SELECT to_regclass('public.direct')").unwrap();
        server.admin("DROP TABLE IF EXISTS public.direct").unwrap();
        !there.trim().is_empty()
    };

    // Without a daemon the one is direct, which shows what the other would be.
    systemd.ask(&["start", "agent-plain@1.service"]).unwrap();
    asked("agent-plain", 1);
    assert!(is_direct());
    let start = systemd.control(&["start", "agent-guarded@goes.service"]);
    assert!(!start.unwrap().status.success());
    let said = systemd.read("/var/log/agent-guarded").unwrap();
    assert!(said.contains("is not running"), "{said}");

    systemd.ask(&["start", "gateway.service"]).unwrap();
    for times in 1..=10 {
        let instance = ["goes", "stays", r"escaped\x2dname"][times % 3];
        let unit = format!("agent-guarded@{instance}.service");
        systemd.ask(&["restart", &unit]).unwrap();
        asked("agent-guarded", times);
    }
    assert!(!is_direct());
    // And what is open of the other is told.
    systemd.ask(&["restart", "agent-plain@1.service"]).unwrap();
    wait_status(&systemd, "agent-plain@1.service");
    let coverage = |unit: &str| {
        systemd.ask(&["stop", unit]).unwrap();
        let mut coverage = systemd.command("/usr/local/bin/gateway").unwrap();
        programs::said(&coverage.arg("coverage").output().unwrap())
    };
    let late = "`unit agent-*@*.service` chooses is direct until it is attached";
    let said = coverage("agent-guarded@goes.service");
    assert!(said.contains(late), "{said}");
    let said = coverage("agent-plain@1.service");
    assert!(
        said.contains("agent-guarded@stays") && !said.contains(late),
        "{said}"
    );
}

/// Properties of the daemon's unit.
fn shown(systemd: &Systemd, properties: &str) -> String {
    let properties = format!("--property={properties}");
    systemd
        .ask(&["show", &properties, "gateway.service"])
        .unwrap()
}

/// `gateway status`, of the daemon that is a unit.
fn status(systemd: &Systemd) -> String {
    let mut status = systemd.command("/usr/local/bin/gateway").unwrap();
    programs::said(&status.arg("status").output().unwrap())
}

/// Waits until the status speaks of a unit.
fn wait_status(systemd: &Systemd, unit: &str) {
    wait::until(&format!("{unit} is attached"), || {
        Ok(status(systemd).contains(unit).then_some(()))
    })
    .unwrap_or_else(|error| {
        panic!(
            "{error:#}\n{}\n{:?}",
            status(systemd),
            systemd.read("/run/gateway.out")
        )
    });
}
