//! Damage that root can do while the daemon runs, and that it is put right.

use std::os::fd::AsFd;
use std::path::PathBuf;

use super::stage::{Listeners, Stage, free_port, program};
use super::{Agent, one, root_in};
use crate::kernel::{Damage, Kernel, syscall};

fn pin(stage: &Stage, hook: &str) -> PathBuf {
    let links = stage
        .options
        .bpffs
        .join(gateway_common::LAYOUT)
        .join("links");
    links.join(stage.cgroup.id.to_string()).join(hook)
}

fn detach(stage: &Stage, hook: &str) {
    let link = syscall::pinned(&pin(stage, hook)).unwrap();
    syscall::link_detach(link.as_fd()).unwrap();
}

fn check(stage: &Stage, kernel: &Kernel) -> Vec<Damage> {
    kernel.check(std::slice::from_ref(&stage.cgroup)).unwrap()
}

fn repaired(stage: &Stage, what: &str) -> Vec<Damage> {
    vec![Damage {
        cgroup: Some(stage.cgroup.id),
        what: what.to_owned(),
        remains: None,
    }]
}

/// That nothing is found any more, and that the agent is intercepted.
fn is_well(stage: &Stage, kernel: &Kernel, listeners: &Listeners, agent: &Agent<'_>) {
    assert_eq!(check(stage, kernel), []);
    one(kernel, listeners, agent);
}

#[test]
fn links_are_put_back() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    is_well(&stage, &kernel, &listeners, &agent);

    detach(&stage, "connect4");
    assert_eq!(
        check(&stage, &kernel),
        repaired(&stage, "connect4 was detached")
    );
    is_well(&stage, &kernel, &listeners, &agent);

    std::fs::remove_file(pin(&stage, "sock_ops")).unwrap();
    assert_eq!(
        check(&stage, &kernel),
        repaired(&stage, "sock_ops was detached")
    );
    is_well(&stage, &kernel, &listeners, &agent);

    std::fs::remove_dir_all(pin(&stage, "connect4").parent().unwrap()).unwrap();
    let all = check(&stage, &kernel);
    assert_eq!(all.len(), 1);
    assert!(all[0].what.contains("connect6 was detached"), "{all:?}");
    is_well(&stage, &kernel, &listeners, &agent);
}

#[test]
fn links_of_others_are_replaced_and_not_touched() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    let other = stage.child("other");
    kernel.attach(&stage.cgroup).unwrap();
    kernel.attach(&other).unwrap();
    // A link to another cgroup in the place of ours, which is detached.
    let theirs = pin(&stage, "connect4")
        .to_string_lossy()
        .replace(&stage.cgroup.id.to_string(), &other.id.to_string());
    let theirs = syscall::pinned(theirs.as_ref()).unwrap();
    detach(&stage, "connect4");
    std::fs::remove_file(pin(&stage, "connect4")).unwrap();
    syscall::pin(theirs.as_fd(), &pin(&stage, "connect4")).unwrap();
    let found = check(&stage, &kernel);
    assert_eq!(
        found,
        repaired(&stage, "connect4 was replaced by something else")
    );
    assert_eq!(
        syscall::link_info(theirs.as_fd()).unwrap().cgroup,
        other.id.0
    );
    is_well(&stage, &kernel, &listeners, &root_in(&stage.cgroup));

    // Another program on our own link.
    let link = syscall::pinned(&pin(&stage, "connect4")).unwrap();
    let program = foreign_program();
    match syscall::link_update(link.as_fd(), program.as_fd()) {
        // Older kernels (6.12) do not take a program with other cgroup storage: nobody can do it.
        Err(error) if error.raw_os_error() == Some(nix::libc::EINVAL) => return,
        updated => updated.unwrap(),
    }
    let found = check(&stage, &kernel);
    assert_eq!(found, repaired(&stage, "connect4 ran another program"));
    is_well(&stage, &kernel, &listeners, &root_in(&stage.cgroup));
}

/// The same program, loaded by somebody else.
fn foreign_program() -> std::os::fd::OwnedFd {
    let folder = tempfile::tempdir().unwrap();
    let options = crate::kernel::Options {
        bpffs: folder.path().join("bpf"),
        port: free_port(),
    };
    let other = Kernel::start(&options).unwrap();
    let program = program(&other, crate::kernel::Hook::Connect4);
    let program = program.try_clone_to_owned().unwrap();
    drop(other);
    crate::kernel::remove_all(&options.bpffs).unwrap();
    program
}

#[test]
fn the_daemons_own_part_is_put_right() {
    let stage = Stage::set();
    let kernel = stage.start();
    let listeners = stage.listen(&kernel);
    kernel.attach(&stage.cgroup).unwrap();
    let agent = root_in(&stage.cgroup);
    let maps = stage
        .options
        .bpffs
        .join(gateway_common::LAYOUT)
        .join("maps");
    let own = syscall::pinned(&maps.join("OWN")).unwrap();
    std::fs::remove_file(maps.join("OWN")).unwrap();
    std::fs::remove_file(maps.join("TOLD")).unwrap();
    syscall::pin(own.as_fd(), &maps.join("TOLD")).unwrap();
    let mut found = check(&stage, &kernel);
    found.sort_by(|one, other| one.what.cmp(&other.what));
    let what: Vec<_> = found.iter().map(|one| one.what.as_str()).collect();
    let expected = [
        "the map OWN was not pinned any more",
        "the map TOLD is not the one that was pinned",
    ];
    assert_eq!(what, expected);
    is_well(&stage, &kernel, &listeners, &agent);

    // A listener that nobody has marked.
    let bare = super::listener("127.0.0.1:0".parse().unwrap());
    assert!(
        kernel
            .check_listener(bare.as_fd())
            .unwrap()
            .remains
            .is_none()
    );
    assert_eq!(kernel.check_listener(bare.as_fd()), None);

    nix::mount::umount2(&stage.options.bpffs, nix::mount::MntFlags::MNT_DETACH).unwrap();
    let found = check(&stage, &kernel);
    assert_eq!(found[0].what, "the private bpffs was unmounted");
    assert!(found[0].remains.is_some());
    // It holds as long as the daemon does.
    one(&kernel, &listeners, &agent);
}
