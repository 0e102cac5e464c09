//! The system calls that open ways around the gateway, refused by seccomp.
//!
//! A list of what is refused, not of what is allowed: the command may be any program. The kernel's
//! own checks already refuse much of it to a process without capabilities; what is here is what
//! needs none, or what a user namespace of the agent's own would bring back. Namespaces themselves
//! stay allowed, since sandboxes need them and no way leads out: hooks go with the cgroup, and the
//! mounts that hide things are locked in namespaces below.
//!
//! `connect`, `bind` and the like are not here: the hooks see those, however they are made. A
//! socket of a family that the hooks do not see must not be had at all, also not by io_uring, which
//! makes sockets without a system call that a filter sees.

use nix::libc::{self, c_long};
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::shield::Outsiders;
use crate::confine::seccomp::{self, FilterError, Rules, is, is_not, number};

/// Answered as by a kernel without it, so that runtimes do without.
const ABSENT: [(c_long, &str); 7] = [
    (
        libc::SYS_clone3,
        "has a child born in another cgroup, also by a folder that cannot be written (root); \
         what it is asked for is in memory, where a filter does not look",
    ),
    (
        libc::SYS_io_uring_setup,
        "makes sockets of any family unseen",
    ),
    (
        libc::SYS_io_uring_enter,
        "as above, with a ring from elsewhere",
    ),
    (libc::SYS_io_uring_register, "as above"),
    (
        libc::SYS_keyctl,
        "the kernel asks a helper outside, for DNS names too",
    ),
    (libc::SYS_add_key, "as above"),
    (libc::SYS_request_key, "as above"),
];

/// Answered with "not permitted".
const FORBIDDEN: [(c_long, &str); 9] = [
    (
        libc::SYS_bpf,
        "changes or replaces the hooks and their maps",
    ),
    (libc::SYS_setns, "enters namespaces of others"),
    (
        libc::SYS_open_by_handle_at,
        "opens files below what hides them",
    ),
    (
        libc::SYS_userfaultfd,
        "halts the kernel half-way, for exploits",
    ),
    (libc::SYS_kexec_load, "another kernel"),
    (libc::SYS_kexec_file_load, "another kernel"),
    (libc::SYS_init_module, "code in the kernel"),
    (libc::SYS_finit_module, "code in the kernel"),
    (libc::SYS_delete_module, "takes code out of the kernel"),
];

/// Refused only where no domain keeps processes outside out of reach.
const TRACING: [(c_long, &str); 4] = [
    (libc::SYS_ptrace, "makes a process outside do it"),
    (libc::SYS_process_vm_readv, "reads a process outside"),
    (libc::SYS_process_vm_writev, "writes to a process outside"),
    (
        libc::SYS_pidfd_getfd,
        "takes a socket from a process outside",
    ),
];

/// Requests of ioctl(2) that type into the terminal which the command shares with the operator:
/// the operator's shell would run it afterwards.
const TYPING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];

/// Families that are seen by hooks, or that stay on this host. Others (packet, vsock, XDP, ALG,
/// RxRPC, Bluetooth, …) are answered as by a kernel without them.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// What is left of netlink: addresses and routes, lists of sockets, devices that come and go, and
/// the generic families.
const NETLINK: [i32; 4] = [
    libc::NETLINK_ROUTE,
    libc::NETLINK_SOCK_DIAG,
    libc::NETLINK_KOBJECT_UEVENT,
    libc::NETLINK_GENERIC,
];

/// The kernel makes a packet socket of an internet socket with this type.
const SOCK_PACKET: i32 = 10;
/// What of a socket's type is the type; the rest are flags.
const SOCK_TYPE: u64 = 0xf;

/// Installs it for this process and all that comes of it.
pub(super) fn install(outsiders: Outsiders) -> Result<(), FilterError> {
    seccomp::refuse(absent(), libc::ENOSYS)?;
    seccomp::refuse(forbidden(outsiders)?, libc::EPERM)?;
    seccomp::refuse(families()?, libc::EAFNOSUPPORT)?;
    seccomp::refuse_x32()
}

fn absent() -> Rules {
    ABSENT.into_iter().map(|(call, _)| (call, vec![])).collect()
}

fn forbidden(outsiders: Outsiders) -> Result<Rules, FilterError> {
    let tracing: &[_] = match outsiders {
        Outsiders::Shielded => &[],
        Outsiders::Exposed => &TRACING,
    };
    let always = FORBIDDEN.iter().chain(tracing);
    let mut rules: Rules = always.map(|(call, _)| (*call, vec![])).collect();
    let mut typing = Vec::new();
    for request in TYPING {
        typing.push(SeccompRule::new(vec![is(1, request)?])?);
    }
    rules.insert(libc::SYS_ioctl, typing);
    Ok(rules)
}

fn families() -> Result<Rules, FilterError> {
    let mut other_family = Vec::new();
    for family in FAMILIES {
        other_family.push(is_not(0, number(family))?);
    }
    let mut other_netlink = vec![is(0, number(libc::AF_NETLINK))?];
    for protocol in NETLINK {
        other_netlink.push(is_not(2, number(protocol))?);
    }
    let same_type = SeccompCmpOp::MaskedEq(SOCK_TYPE);
    let packet = SeccompCondition::new(1, SeccompCmpArgLen::Dword, same_type, number(SOCK_PACKET))?;
    let rules = vec![
        SeccompRule::new(other_family)?,
        SeccompRule::new(other_netlink)?,
        SeccompRule::new(vec![packet])?,
    ];
    Ok(Rules::from([
        (libc::SYS_socket, rules.clone()),
        (libc::SYS_socketpair, rules),
    ]))
}

#[cfg(test)]
mod tests {
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

    use super::*;

    #[test]
    fn rules_compile_for_both_processors() {
        for target in ["x86_64", "aarch64"] {
            for outsiders in [Outsiders::Shielded, Outsiders::Exposed] {
                for rules in [absent(), forbidden(outsiders).unwrap(), families().unwrap()] {
                    let filter = SeccompFilter::new(
                        rules,
                        SeccompAction::Allow,
                        SeccompAction::Errno(1),
                        target.try_into().unwrap(),
                    );
                    let program: BpfProgram = filter.unwrap().try_into().unwrap();
                    assert!(!program.is_empty());
                }
            }
        }
    }

    /// Filters are a thread's own, so that one that ends can try them.
    #[test]
    fn tracing_is_refused_where_no_domain_is() {
        use nix::sys::uio::{RemoteIoVec, process_vm_readv};
        let peek = || {
            let (source, mut target) = (7_u8, [0_u8]);
            let remote = RemoteIoVec {
                base: std::ptr::from_ref(&source).expose_provenance(),
                len: 1,
            };
            let mut local = [std::io::IoSliceMut::new(&mut target)];
            process_vm_readv(nix::unistd::getpid(), &mut local, &[remote])
        };
        for (outsiders, expected) in [
            (Outsiders::Shielded, Ok(1)),
            (Outsiders::Exposed, Err(nix::errno::Errno::EPERM)),
        ] {
            let tried = std::thread::spawn(move || {
                install(outsiders).unwrap();
                peek()
            });
            assert_eq!(tried.join().unwrap(), expected);
        }
    }
}
