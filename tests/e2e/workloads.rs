//! Who is an agent: `run`, `attach`, `detach` and cgroups within cgroups.

use std::fs;
use std::process::{Command, Stdio};

use gateway_tests::cgroup::{Cgroup, mount};
use gateway_tests::gateway::Gateway;
use gateway_tests::programs::said;
use gateway_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::stage::{agent, direct, gateway, open_gateway, server, shop, sql};

fn run(gateway: &Gateway, shell: &str) -> std::process::Output {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", shell]);
    gateway.agent(&command).unwrap()
}

#[test]
fn exit_status_and_output_are_the_commands() {
    let gateway = open_gateway();
    let ran = run(&gateway, "echo out; echo err >&2; exit 37");
    assert_eq!(ran.status.code(), Some(37));
    assert_eq!(
        (ran.stdout, ran.stderr),
        (b"out\n".to_vec(), b"err\n".to_vec())
    );
    assert_eq!(run(&gateway, "kill -TERM $$").status.code(), Some(128 + 15));
    let missing = gateway.agent(&Command::new("/no/such/program")).unwrap();
    assert_eq!(missing.status.code(), Some(127), "{}", said(&missing));
    let folder = gateway.agent(&Command::new("/tmp")).unwrap();
    assert_eq!(folder.status.code(), Some(126), "{}", said(&folder));
}

#[test]
fn signals_are_passed_on() {
    let gateway = open_gateway();
    let mark = gateway.path("mark");
    let mut command = Command::new("/bin/sh");
    let script = "trap 'echo caught > \"$0.caught\"; exit 7' TERM; touch \"$0\"; \
                  while :; do sleep 0.05; done";
    command.args(["-c", script]).arg(&mark);
    let mut running = gateway
        .run("agent", &command)
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    wait::until("the agent runs", || Ok(mark.exists().then_some(()))).unwrap();
    kill(
        Pid::from_raw(running.id().try_into().unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    let status = wait::until("the run ends", || Ok(running.try_wait()?)).unwrap();
    assert_eq!(status.code(), Some(7));
    assert!(gateway.path("mark.caught").exists());
}

#[test]
fn children_are_agents_too() {
    let gateway = open_gateway();
    let program = sql("SELECT 1");
    let mut nested = Command::new("setsid");
    nested
        .arg("--wait")
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        if let Some(value) = value {
            nested.env(name, value);
        }
    }
    agent(&gateway, &nested);
    assert_eq!(gateway.wait_recordings(1).unwrap().len(), 1);
}

#[test]
fn run_leaves_no_cgroup_behind() {
    let gateway = open_gateway();
    let path = said(&run(&gateway, "sed -n 's/^0:://p' /proc/self/cgroup"));
    let cgroup = mount().unwrap().join(path.trim().trim_start_matches('/'));
    wait::until("the run's cgroup is gone", || {
        Ok((!cgroup.exists()).then_some(()))
    })
    .unwrap();
    let status = gateway.status().unwrap().to_string();
    assert!(!status.contains(path.trim()), "{status}");
}

#[test]
fn run_as_an_unknown_workload_is_refused() {
    let gateway = open_gateway();
    let ran = gateway
        .call(["run", "--as", "stranger", "--user", "root", "--", "true"])
        .unwrap();
    assert_eq!(ran.status.code(), Some(125));
    assert!(
        said(&ran).contains("stranger") && said(&ran).contains("agent"),
        "{}",
        said(&ran)
    );
}

#[test]
fn cgroup_is_attached_and_detached() {
    let gateway = open_gateway();
    let cgroup = Cgroup::new("attached").unwrap();
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    // Twice is as good as once.
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    assert!(gateway.ask(["status"]).unwrap().contains("attached"));
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    assert_eq!(gateway.wait_recordings(1).unwrap().len(), 1);
    gateway.ask(["detach", "--cgroup", cgroup.name()]).unwrap();
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    assert_eq!(
        gateway.recordings().unwrap().len(),
        1,
        "a detached cgroup is direct"
    );
}

#[test]
fn agents_do_not_control_their_gateway() {
    let gateway = open_gateway();
    let outer = Cgroup::new("operator").unwrap();
    let inner = outer.child("inner").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", outer.name()])
        .unwrap();
    for arguments in [
        vec!["status"],
        vec!["detach", "--all"],
        vec!["reload"],
        vec!["run", "--as", "agent", "--user", "root", "--", "true"],
    ] {
        for cgroup in [&outer, &inner] {
            let ran = cgroup.run(&gateway.command(&arguments)).unwrap();
            let told = said(&ran);
            assert!(!ran.status.success(), "{arguments:?}: {told}");
            assert!(told.contains("attached cgroup"), "{arguments:?}: {told}");
        }
    }
    assert!(gateway.ask(["status"]).unwrap().contains("operator"));
}

#[test]
fn cgroups_within_an_attached_one_are_attached() {
    let gateway = open_gateway();
    let outer = Cgroup::new("outer").unwrap();
    let inner = outer.child("inner").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", outer.name()])
        .unwrap();
    assert!(inner.run(&sql("SELECT 1")).unwrap().status.success());
    let recording = gateway.wait_recordings(1).unwrap().remove(0);
    let open = recording.events("open").next().unwrap();
    assert!(
        open["subject"]["cgroup"]
            .as_str()
            .unwrap()
            .contains("inner"),
        "{open}"
    );
}

#[test]
fn innermost_attached_cgroup_says_who() {
    let policy = shop("upstream = { tls = \"disable\" }")
        .piece("[[workload]]\nname = \"other\"")
        .rule("other", "allow", "workload = \"other\"");
    let gateway = gateway(&policy);
    let outer = Cgroup::new("two").unwrap();
    let inner = outer.child("inner").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", outer.name()])
        .unwrap();
    gateway
        .ask(["attach", "--as", "other", "--cgroup", inner.name()])
        .unwrap();
    assert!(inner.run(&sql("SELECT 1")).unwrap().status.success());
    assert!(!outer.run(&sql("SELECT 1")).unwrap().status.success());
}

#[test]
fn process_is_attached_by_its_id() {
    let gateway = open_gateway();
    let cgroup = Cgroup::new("process").unwrap();
    let mut sleeper = cgroup
        .enter(Command::new("sleep").arg("1000"))
        .unwrap()
        .spawn()
        .unwrap();
    wait::until("the process is in its cgroup", || {
        Ok((!fs::read_to_string(cgroup.path().join("cgroup.procs"))?.is_empty()).then_some(()))
    })
    .unwrap();
    let attached = gateway.call([
        "attach",
        "--as",
        "agent",
        "--pid",
        &sleeper.id().to_string(),
    ]);
    assert!(cgroup.run(&sql("SELECT 1")).unwrap().status.success());
    let recordings = gateway.wait_recordings(1);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert!(attached.unwrap().status.success());
    assert_eq!(recordings.unwrap().len(), 1);
}

#[test]
fn unit_is_attached_by_its_name() {
    let gateway = open_gateway();
    // To the kernel a systemd unit is a cgroup of that name; no systemd is needed to have one.
    let unit = Cgroup::new("planner.service").unwrap();
    let name = unit.path().file_name().unwrap().to_str().unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--unit", name])
        .unwrap();
    assert!(unit.run(&sql("SELECT 1")).unwrap().status.success());
    let recording = gateway.wait_recordings(1).unwrap().remove(0);
    let open = recording.events("open").next().unwrap();
    assert!(
        open["subject"]["cgroup"].as_str().unwrap().contains(name),
        "{open}"
    );
    gateway.ask(["detach", "--unit", name]).unwrap();
    assert!(unit.run(&sql("SELECT 1")).unwrap().status.success());
    assert_eq!(gateway.recordings().unwrap().len(), 1);
}

#[test]
fn attached_client_that_would_bind_the_channel_is_told_what_to_do() {
    // `gateway run` sets this for libpq; under `attach` the environment is the agent's own.
    let gateway = gateway(&shop("upstream = { tls = \"require\" }").allow_all());
    let cgroup = Cgroup::new("binding").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    let mut psql = sql("SELECT 'in'");
    psql.env("PGSSLMODE", "require");
    let ran = cgroup.run(&psql).unwrap();
    assert!(!ran.status.success());
    assert!(
        said(&ran).contains("set channel_binding=disable"),
        "{}",
        said(&ran)
    );
    psql.env("PGCHANNELBINDING", "disable");
    let ran = cgroup.run(&psql).unwrap();
    assert_eq!(said(&ran).trim(), "in");
}

#[test]
fn run_as_another_user_is_that_user_and_an_agent() {
    let gateway = open_gateway();
    let mut id = Command::new("/bin/sh");
    id.args(["-c", "id -un; echo $USER; id -Gn"]);
    let mut run = gateway.command(["run", "--as", "agent", "--user", "nobody", "--"]);
    run.arg(id.get_program()).args(id.get_args());
    let ran = direct(&run);
    assert_eq!(said(&ran), "nobody\nnobody\nnogroup\n");
    let mut run = gateway.command(["run", "--as", "agent", "--user", "nobody", "--"]);
    let psql = sql("SELECT 1");
    run.arg(psql.get_program()).args(psql.get_args());
    run.envs(
        psql.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    run.current_dir("/");
    assert!(direct(&run).status.success());
    let recording = gateway.wait_recordings(1).unwrap().remove(0);
    let open = recording.events("open").next().unwrap();
    assert_ne!(open["subject"]["process"]["uid"], 0, "{open}");
}

#[test]
fn attaching_what_is_not_there_is_explained() {
    let gateway = open_gateway();
    for (arguments, expected) in [
        (["--cgroup", "/no/such/group"], "/no/such/group"),
        (["--unit", "no-such-unit.service"], "no-such-unit.service"),
        (["--pid", "4194304"], "4194304"),
        (["--cgroup", "/"], "root"),
    ] {
        let call = ["attach", "--as", "agent"].into_iter().chain(arguments);
        let ran = gateway.call(call).unwrap();
        assert!(!ran.status.success(), "{arguments:?}");
        assert!(
            said(&ran).contains(expected),
            "{arguments:?}: {}",
            said(&ran)
        );
    }
    let cgroup = Cgroup::new("stranger").unwrap();
    let ran = gateway
        .call(["attach", "--as", "stranger", "--cgroup", cgroup.name()])
        .unwrap();
    assert!(
        !ran.status.success() && said(&ran).contains("stranger"),
        "{}",
        said(&ran)
    );
}

#[test]
fn live_sessions_are_shown_and_end_on_detach() {
    let gateway = open_gateway();
    let cgroup = Cgroup::new("live").unwrap();
    gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    let sleeping = sql("SELECT pg_sleep(63)");
    let mut running = cgroup
        .enter(&sleeping)
        .unwrap()
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    crate::stage::wait_logged(server(), "SELECT pg_sleep(63)");
    let status = gateway.status().unwrap().to_string();
    assert!(
        status.contains("psql") && status.contains("shop"),
        "{status}"
    );
    gateway.ask(["detach", "--cgroup", cgroup.name()]).unwrap();
    let status = wait::until("the session ends", || Ok(running.try_wait()?)).unwrap();
    assert!(!status.success());
    assert!(gateway.wait_recordings(1).unwrap()[0].is_complete());
    assert!(direct(&sql("SELECT 1")).status.success());
}
