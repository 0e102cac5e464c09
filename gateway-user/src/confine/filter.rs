//! The system calls that the confined daemon is refused.
//!
//! It never starts a program, never looks into another process and never changes where it stands
//! (user, namespaces, mounts), so nothing of that is left. A list of what is refused and not of what
//! is allowed: libraries change the calls they make, and what matters is a closed set.

use nix::libc;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

use super::seccomp::{self, FilterError, Rules, is_not, number};

/// Refused whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    // Another program, another process.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Another place to stand.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_open_by_handle_at,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_personality,
    // Large parts of the kernel that it does not need.
    libc::SYS_io_uring_setup,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_fanotify_init,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
];

/// `bpf(2)` on a map that is open: look up, update, delete, next key, look up and delete, and the same
/// in batches.
const MAP_COMMANDS: &[u64] = &[1, 2, 3, 4, 21, 24, 25, 26, 27];

/// Unix sockets for the service manager and the user database, netlink for the host's own addresses.
const FAMILIES: [libc::c_int; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Sets the filter for this thread and those it starts.
pub(super) fn install() -> Result<(), FilterError> {
    // Where `clone3` is missing, the C library makes threads by `clone`, whose flags a filter can
    // read.
    seccomp::refuse(Rules::from([(libc::SYS_clone3, vec![])]), libc::ENOSYS)?;
    seccomp::refuse(refused()?, libc::EPERM)?;
    seccomp::refuse_x32()
}

fn refused() -> Result<Rules, FilterError> {
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, vec![])).collect();
    #[cfg(target_arch = "x86_64")]
    rules.extend([libc::SYS_fork, libc::SYS_vfork].map(|call| (call, vec![])));
    let other_than = |argument, allowed: &[u64]| {
        let each = allowed.iter().map(|value| is_not(argument, *value));
        SeccompRule::new(each.collect::<Result<_, _>>()?)
    };
    rules.insert(libc::SYS_bpf, vec![other_than(0, MAP_COMMANDS)?]);
    rules.insert(
        libc::SYS_socket,
        vec![other_than(0, &FAMILIES.map(number))?],
    );
    let thread = number(libc::CLONE_THREAD);
    let masked = SeccompCmpOp::MaskedEq(thread);
    let no_thread = SeccompCondition::new(0, SeccompCmpArgLen::Dword, masked, 0)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_thread])?]);
    Ok(rules)
}
