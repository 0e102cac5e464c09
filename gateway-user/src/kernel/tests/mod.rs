//! The kernel side on the real kernel: what agents, bystanders and the daemon itself can notice.
//!
//! `stage` sets up cgroup, bpffs and listeners, `agent` is the process that is intercepted.

mod agent;
mod alone;
mod check;
mod close;
mod datagrams;
mod deeds;
mod hold;
mod internet;
mod leaks;
mod records;
mod sockets;
mod stage;

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use agent::Agent;
use gateway_common::coverage::Kind;
use gateway_common::origin::Origin;
use socket2::{Domain, Socket, Type};
use stage::{Listeners, Stage, accept, beat_ago, free_port, is_idle, listener, total};

use super::{Cgroup, Hook, Kernel, KernelError, left_attached, remove_all};

const V4: &str = "203.0.113.9:5432";
const V6: &str = "[2001:db8::9]:5432";
const MAPPED: &str = "[::ffff:203.0.113.9]:5432";

fn root_in(cgroup: &Cgroup) -> Agent<'_> {
    Agent {
        cgroup: Some(cgroup),
        uid: 0,
        namespace: None,
    }
}

fn both_in(cgroup: &Cgroup) -> [Agent<'_>; 2] {
    [0, 1000].map(|uid| Agent {
        cgroup: Some(cgroup),
        uid,
        namespace: None,
    })
}

/// Lets the agent make `count` connections and returns their records, each checked.
fn intercept(
    kernel: &Kernel,
    listener: &TcpListener,
    agent: &Agent<'_>,
    task: &str,
    count: usize,
) -> (u32, Vec<Origin>) {
    std::thread::scope(|scope| {
        let run = scope.spawn(|| agent.run(task));
        let records = (0..count)
            .map(|_| accept(kernel, listener).checked())
            .collect();
        (run.join().unwrap().pid, records)
    })
}

fn one(kernel: &Kernel, listeners: &Listeners, agent: &Agent<'_>) -> Origin {
    let task = format!("connect {V4} 1 1");
    let (_, records) = intercept(kernel, &listeners.v4, agent, &task, 1);
    records[0]
}

#[test]
fn what_another_layout_left_is_taken_over() {
    let stage = Stage::set();
    let first = stage.start();
    let gone = stage.child("gone");
    first.attach(&stage.cgroup).unwrap();
    first.attach(&gone).unwrap();
    drop(first);
    stage.hang();
    std::fs::remove_dir(&gone.path).unwrap();
    let old = stage.options.bpffs.join("v0");
    std::fs::rename(stage.options.bpffs.join(gateway_common::LAYOUT), &old).unwrap();

    assert_eq!(left_attached(&stage.options.bpffs).unwrap().len(), 2);
    let second = stage.start();
    assert!(!old.exists());
    let attached = second.attached().unwrap();
    assert_eq!(attached.len(), 1);
    assert_eq!(attached[0].id, stage.cgroup.id);
    assert!(attached[0].dead.is_empty());
    let folder = std::fs::File::open(&stage.cgroup.path).unwrap();
    for hook in Hook::ALL.into_iter().filter(|hook| !hook.is_optional()) {
        let query = super::syscall::query(folder.as_fd(), hook.attach_type()).unwrap();
        assert_eq!(query.programs.len(), 1, "{}", hook.name());
    }
    let listeners = stage.listen(&second);
    one(&second, &listeners, &root_in(&stage.cgroup));
}

#[test]
fn only_attached_cgroups_are_intercepted() {
    let stage = Stage::set();
    let kernel = stage.start();
    let _listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let server = listener("127.0.0.1:0".parse().unwrap());
    let address = server.local_addr().unwrap();
    let outside = Agent {
        cgroup: None,
        uid: 0,
        namespace: None,
    };
    assert_eq!(outside.ask(&format!("try {address}")), address.to_string());
    server.accept().unwrap();

    let inside = root_in(&stage.cgroup);
    assert_eq!(inside.ask(&format!("try {address}")), address.to_string());
    assert!(is_idle(&server), "the agent reached the server directly");

    kernel.detach(stage.cgroup.id).unwrap();
    assert_eq!(inside.ask(&format!("try {address}")), address.to_string());
    server.accept().unwrap();
}

#[test]
fn without_the_daemon_agents_are_refused() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    drop(listeners);
    let refused = "ECONNREFUSED: Connection refused";
    let squatter = stage.listen_unmarked();
    for destination in [V4, V6, MAPPED] {
        assert_eq!(agent.ask(&format!("try {destination}")), refused);
    }
    assert!(is_idle(&squatter.v4) && is_idle(&squatter.v6));
    assert_eq!(total(&kernel, Kind::NoListener), 3);
    drop(squatter);
    // As long as the heart beats the daemon may be on its way, here from a stop to a start.
    for destination in [V4, V6, MAPPED] {
        let said = agent.ask(&format!("poll {destination} 100"));
        assert_eq!(said, "nothing yet");
    }
    stage.hang();
    // What is held is refused when the heart has stopped, and then what comes anew at once.
    for destination in [V4, V6, MAPPED] {
        for task in ["try", "poll"] {
            let said = agent.ask(&format!("{task} {destination} 10000"));
            assert_eq!(said, refused, "{task} {destination}");
        }
    }
    drop(kernel);
    assert_eq!(agent.ask(&format!("try {V4}")), refused);
}

#[test]
fn a_daemon_that_hangs_is_as_good_as_none() {
    let stage = Stage::set();
    let kernel = stage.start();
    let _listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    assert_eq!(agent.ask(&format!("try {V4}")), V4);
    stage.hang();
    // The programs' clock may be a tick behind.
    beat_ago(&kernel, Duration::from_secs(11));
    for destination in [V4, V6, MAPPED] {
        assert_eq!(
            agent.ask(&format!("try {destination}")),
            "ECONNREFUSED: Connection refused"
        );
    }
    assert_eq!(total(&kernel, Kind::Hung), 3);
    stage.revive(&kernel);
    assert_eq!(agent.ask(&format!("try {V4}")), V4);
}

/// On a machine that is busy its threads may have to wait for their turn.
#[test]
fn a_daemon_that_is_late_is_waited_for() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    // From now on nobody is held there, while the daemon is in time.
    assert_eq!(agent.ask(&format!("try {V4}")), V4);
    accept(&kernel, &listeners.v4);
    stage.hang();
    for destination in [V4, V6, MAPPED] {
        beat_ago(&kernel, Duration::from_secs(4));
        let said = agent.ask(&format!("poll {destination} 100"));
        assert_eq!(said, "nothing yet", "{destination}");
    }
    assert!(is_idle(&listeners.v4) && is_idle(&listeners.v6));
    for destination in [V4, V6, MAPPED] {
        beat_ago(&kernel, Duration::from_secs(4));
        let redirected = total(&kernel, Kind::Redirected);
        let said = std::thread::scope(|scope| {
            let agent = scope.spawn(|| agent.ask(&format!("try {destination}")));
            while total(&kernel, Kind::Redirected) == redirected {
                assert!(!agent.is_finished(), "{destination}");
            }
            stage.revive(&kernel);
            agent.join().unwrap()
        });
        stage.hang();
        assert_eq!(said, destination);
    }
    assert_eq!(total(&kernel, Kind::Hung), 0);
}

#[test]
fn a_restart_adopts_what_is_attached() {
    let mut stage = Stage::set();
    let first = stage.start();
    let gone = stage.child("gone");
    first.attach(&stage.cgroup).unwrap();
    first.attach(&gone).unwrap();
    drop(first);
    std::fs::remove_dir(&gone.path).unwrap();

    // Another port shows that the programs are the fresh ones.
    stage.options.port = free_port();
    let second = stage.start();
    let listeners = stage.listen(&second);
    let attached = second.attached().unwrap();
    assert_eq!(attached.len(), 1);
    assert_eq!(attached[0].id, stage.cgroup.id);
    assert_eq!(attached[0].path.as_ref(), Some(&stage.cgroup.path));
    assert!(attached[0].dead.is_empty());
    let agent = root_in(&stage.cgroup);
    let record = one(&second, &listeners, &agent);
    assert_eq!(record.attached, stage.cgroup.id.0);

    let busy = Kernel::start(&stage.options).unwrap_err();
    assert!(matches!(busy, KernelError::Busy(_)), "{busy}");
    let busy = remove_all(&stage.options.bpffs).unwrap_err();
    assert!(matches!(busy, KernelError::Busy(_)), "{busy}");
    assert_eq!(left_attached(&stage.options.bpffs).unwrap(), attached);
    drop(second);
    assert_eq!(remove_all(&stage.options.bpffs).unwrap().len(), 1);
    assert_eq!(remove_all(&stage.options.bpffs).unwrap().len(), 0);
    assert_ne!(
        agent.ask(&format!("try 127.0.0.1:{}", stage.options.port)),
        ""
    );
    drop(listeners);
}

#[test]
fn the_innermost_attached_cgroup_counts() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    let inner = stage.child("inner");
    let leaf = inner.create_child("leaf").unwrap();
    kernel.attach(&stage.cgroup).unwrap();
    kernel.attach(&inner).unwrap();
    kernel.attach(&inner).unwrap();

    let record = one(&kernel, &listeners, &root_in(&stage.cgroup));
    assert_eq!(record.attached, stage.cgroup.id.0);
    for cgroup in [&inner, &leaf] {
        let record = one(&kernel, &listeners, &root_in(cgroup));
        assert_eq!(record.attached, inner.id.0);
        assert_eq!(record.cgroup, cgroup.id.0);
    }
    kernel.detach(inner.id).unwrap();
    let record = one(&kernel, &listeners, &root_in(&leaf));
    assert_eq!(record.attached, stage.cgroup.id.0);
    let error = kernel.detach(inner.id).unwrap_err();
    assert!(matches!(error, KernelError::NotAttached(_)), "{error}");
}

#[test]
fn odd_destinations_are_refused_or_made_plain() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    for nowhere in [
        "203.0.113.9:0",
        "224.0.0.1:80",
        "255.255.255.255:80",
        "[ff02::1]:80",
        "[::ffff:224.0.0.1]:80",
    ] {
        let answer = agent.ask(&format!("try {nowhere}"));
        assert_eq!(answer, "ENETUNREACH: Network is unreachable", "{nowhere}");
    }
    let port = stage.options.port;
    for own in [
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
    ] {
        let answer = agent.ask(&format!("try {own}:{port}"));
        assert_eq!(answer, "ECONNREFUSED: Connection refused", "{own}");
    }
    assert_eq!(agent.ask("try 0.0.0.0:5432"), "127.0.0.1:5432");
    let record = accept(&kernel, &listeners.v4).origin.unwrap();
    assert_eq!(record.destination_addr(), "127.0.0.1:5432".parse().unwrap());
}

#[test]
fn a_program_that_forbids_others_is_named() {
    let stage = Stage::set();
    let kernel = stage.start();
    let inner = stage.child("inner");
    let attachment = alone::attach(&kernel, &stage.cgroup);
    let error = kernel.attach(&inner).unwrap_err();
    let KernelError::Held {
        cgroup,
        hook,
        holder,
        programs,
    } = &error
    else {
        panic!("{error}");
    };
    assert_eq!((cgroup, holder), (&inner.path, &stage.cgroup.path));
    assert_eq!(*hook, "connect4");
    assert_eq!(programs.len(), 1);
    // Nothing of the attempt is left.
    assert!(kernel.attached().unwrap().is_empty());
    drop(attachment);
    kernel.attach(&inner).unwrap();
    assert_eq!(kernel.attached().unwrap().len(), 1);
}

#[test]
fn a_severed_link_shows_and_is_repaired() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let folder = stage
        .options
        .bpffs
        .join(gateway_common::LAYOUT)
        .join("links");
    let pin = folder.join(stage.cgroup.id.to_string()).join("connect4");
    let link = super::syscall::pinned(&pin).unwrap();
    super::syscall::link_detach(link.as_fd()).unwrap();
    assert_eq!(kernel.attached().unwrap()[0].dead, [Hook::Connect4]);
    kernel.attach(&stage.cgroup).unwrap();
    assert!(kernel.attached().unwrap()[0].dead.is_empty());
    one(&kernel, &listeners, &root_in(&stage.cgroup));
}

#[test]
fn the_kernel_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Kernel>();
}

#[test]
fn the_daemon_is_not_sent_to_itself() {
    let stage = Stage::set();
    let kernel = stage.start();
    let _listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let server = listener("127.0.0.1:0".parse().unwrap());

    // A socket belongs to the cgroup it was made in, whatever happens to the process later.
    stage.cgroup.add_process(std::process::id()).unwrap();
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    kernel.daemon.add_process(std::process::id()).unwrap();
    let error = socket.connect(&server.local_addr().unwrap().into());
    assert_eq!(
        error.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert_eq!(total(&kernel, Kind::Loop), 1);
}

#[test]
fn the_daemon_cannot_be_caught_in_its_own_net() {
    let stage = Stage::set();
    let kernel = stage.start();
    let root = stage.mount.at(Path::new("/")).unwrap();
    let error = kernel.attach(&root).unwrap_err();
    assert!(matches!(error, KernelError::RootCgroup), "{error}");
    let above = stage.mount.at(Path::new("gateway")).unwrap();
    let error = kernel.attach(&above).unwrap_err();
    assert!(
        matches!(error, KernelError::ContainsDaemon { .. }),
        "{error}"
    );
    // A daemon that was moved would get no records.
    stage.cgroup.add_process(std::process::id()).unwrap();
    let server = listener("127.0.0.1:0".parse().unwrap());
    let error = kernel.mark_listener(server.as_fd()).unwrap_err();
    assert!(matches!(error, KernelError::DaemonMoved { .. }), "{error}");
}
