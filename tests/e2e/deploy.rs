//! The daemon as a service: what it tells a service manager, and that it works with no more than
//! its unit leaves it.
//!
//! No systemd runs here. What the unit takes away by capabilities and mounts is taken away by
//! `setpriv` and `mount` instead, as its own lines say.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use gateway_tests::cgroup::Cgroup;
use gateway_tests::gateway::Gateway;
use gateway_tests::programs::{output, root, said};
use gateway_tests::sandbox::Sandbox;
use gateway_tests::terminal::Terminal;
use gateway_tests::wait;
use nix::sys::signal::Signal;

use crate::stage::{agent, psql, shop, sql};

#[test]
fn service_manager_is_told() {
    let sandbox = Sandbox::new("notify").unwrap();
    let path = sandbox.join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    // As systemd's own is: it looks at who sends.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
    manager.set_nonblocking(true).unwrap();
    let policy = shop("upstream = { tls = \"disable\" }").allow_all();
    let mut gateway = Gateway::start_within(&policy, |_folder| {
        let socket = format!("NOTIFY_SOCKET={}", path.display());
        Ok(["env", &socket, "WATCHDOG_USEC=100000"]
            .map(str::to_owned)
            .into())
    })
    .unwrap();
    let ready = told(&manager, "READY=1");
    assert!(ready.contains("STATUS=serving 1 resources by"), "{ready}");
    for _ in 0..3 {
        told(&manager, "WATCHDOG=1");
    }
    gateway.signal(Signal::SIGHUP).unwrap();
    let reloading = told(&manager, "RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    told(&manager, "READY=1");
    gateway.stop(Signal::SIGTERM).unwrap();
    told(&manager, "STOPPING=1");
}

#[test]
fn unit_leaves_the_daemon_what_it_needs() {
    let policy = shop("upstream = { tls = \"disable\" }").allow_all();
    let mut gateway = Gateway::start_within(&policy, |folder| {
        // As run-gateway-bpf.mount does before the daemon has mounts of its own.
        let bpffs = folder.join("run/bpf");
        fs::create_dir_all(&bpffs)?;
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "bpf", "-o", "mode=0700", "bpf"])
            .arg(&bpffs);
        output(&mut mount)?;
        Ok(as_a_unit(folder))
    })
    .unwrap();
    let privileges = fs::read_to_string(format!("/proc/{}/status", gateway.id())).unwrap();
    assert!(privileges.contains("NoNewPrivs:\t1"), "{privileges}");
    agent(&gateway, &sql("SELECT 1"));
    assert_eq!(gateway.wait_recordings(1).unwrap().len(), 1);

    // The hooks outlive the daemon and its mounts.
    let cgroup = Cgroup::new("unit").unwrap();
    let mut earlier = another_users_session(&gateway, &cgroup);
    let said_of_it = gateway
        .ask(["attach", "--as", "agent", "--cgroup", cgroup.name()])
        .unwrap();
    assert!(said_of_it.contains("1 connection"), "{said_of_it}");
    earlier.type_keys("\\q\n").unwrap();
    gateway.stop(Signal::SIGKILL).unwrap();
    let ran = cgroup.run(&sql("SELECT 'past the gateway'")).unwrap();
    assert!(said(&ran).contains("Connection refused"), "{}", said(&ran));
    gateway.restart().unwrap();
    let ran = cgroup.run(&sql("SELECT 'again'")).unwrap();
    assert_eq!(said(&ran).trim(), "again", "{}", gateway.output());
    gateway.ask(["detach", "--all"]).unwrap();
    let status = gateway.stop(Signal::SIGTERM).unwrap();
    assert!(status.success(), "{status}: {}", gateway.output());
}

#[test]
fn hooks_that_would_end_with_the_daemon_are_refused() {
    let policy = shop("upstream = { tls = \"disable\" }").allow_all();
    let refused = Gateway::start_within(&policy, |folder| Ok(as_a_unit(folder))).unwrap_err();
    let told = format!("{refused:#}");
    assert!(told.contains("run-gateway-bpf.mount"), "{told}");
}

/// The next message with this line in it.
fn told(manager: &UnixDatagram, line: &str) -> String {
    wait::until(&format!("the service manager is told {line}"), || {
        let mut buffer = [0; 1024];
        let Ok(length) = manager.recv(&mut buffer) else {
            return Ok(None);
        };
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        Ok(message.lines().any(|told| told == line).then_some(message))
    })
    .unwrap()
}

/// A session that another user's process made elsewhere and brings along to the cgroup: nothing
/// needs more privileges than to close it.
fn another_users_session(gateway: &Gateway, cgroup: &Cgroup) -> Terminal {
    let file = gateway.path("pid");
    let mut shell = Command::new("/bin/sh");
    let script = "echo $$ > \"$0\"; exec setpriv --reuid=nobody --clear-groups \"$@\"";
    shell.args(["-c", script]).arg(&file);
    let client = psql(&["-n"]);
    shell.arg(client.get_program()).args(client.get_args());
    for (name, value) in client.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    let mut terminal = Terminal::start(&shell).unwrap();
    terminal.wait_for("shop=> ").unwrap();
    let pid = fs::read_to_string(file).unwrap();
    fs::write(Path::new(cgroup.name()).join("cgroup.procs"), pid).unwrap();
    terminal
}

/// What `deploy/gateway.service` does to the daemon, for one that keeps all under `folder`.
fn as_a_unit(folder: &Path) -> Vec<String> {
    // ProtectSystem=, ProtectHome=, ProtectKernelTunables=, with the folders of StateDirectory= and
    // the like left writable.
    let mounts = "set -e; mount --rbind \"$0\" \"$0\"; mount -o remount,bind,ro /; \
        mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec \"$@\"";
    let capabilities: Vec<String> = setting("CapabilityBoundingSet")
        .split(' ')
        .map(|name| format!("+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    assert_eq!(setting("NoNewPrivileges"), "yes");
    assert_eq!(setting("ProtectSystem"), "strict");
    let folder = folder.display().to_string();
    let bounding = format!("--bounding-set=-all,{}", capabilities.join(","));
    let words = [
        "unshare",
        "--mount",
        "--propagation=slave",
        "sh",
        "-c",
        mounts,
        &folder,
        "setpriv",
        "--no-new-privs",
        "--inh-caps=-all",
        &bounding,
    ];
    words.map(str::to_owned).into()
}

/// A line of the unit.
fn setting(name: &str) -> String {
    let unit = fs::read_to_string(root().join("deploy/gateway.service")).unwrap();
    let value = unit
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value
        .unwrap_or_else(|| panic!("the unit has no {name}="))
        .to_owned()
}
