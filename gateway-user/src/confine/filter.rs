//! The system calls that the confined daemon is refused.
//!
//! It never starts a program, never looks into another process and never changes where it stands
//! (user, namespaces, mounts), so nothing of that is left. A list of what is refused and not of what
//! is allowed: libraries change the calls they make, and what matters is a closed set.

use std::collections::BTreeMap;

use nix::libc;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Is,
    SeccompCondition, SeccompFilter, SeccompRule, apply_filter,
};

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

/// `bpf(2)` on a map that is open: look up, update, delete, next key, and the same in batches.
const MAP_COMMANDS: &[u64] = &[1, 2, 3, 4, 24, 25, 26, 27];

/// Sets the filter for this thread and those it starts.
pub(super) fn install() -> Result<(), Error> {
    // Where `clone3` is missing, the C library makes threads by `clone`, whose flags a filter can
    // read.
    apply(
        SeccompAction::Errno(errno(libc::ENOSYS)),
        BTreeMap::from([(libc::SYS_clone3, vec![])]),
    )?;
    apply(SeccompAction::Errno(errno(libc::EPERM)), refused()?)
}

fn apply(action: SeccompAction, calls: BTreeMap<i64, Vec<SeccompRule>>) -> Result<(), Error> {
    let architecture = std::env::consts::ARCH.try_into()?;
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, action, architecture)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)
}

fn refused() -> Result<BTreeMap<i64, Vec<SeccompRule>>, Error> {
    let mut calls: BTreeMap<_, _> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    #[cfg(target_arch = "x86_64")]
    calls.extend(x86_only().map(|call| (call, Vec::new())));
    let other_than = |argument: u8, allowed: &[u64]| {
        let each = allowed
            .iter()
            .map(|value| SeccompCondition::new(argument, Length::Dword, Is::Ne, *value));
        SeccompRule::new(each.collect::<Result<_, _>>()?)
    };
    calls.insert(libc::SYS_bpf, vec![other_than(0, MAP_COMMANDS)?]);
    // Netlink for the host's own addresses; Unix sockets for the service manager and the user
    // database.
    let families = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ];
    let families: Vec<_> = families.into_iter().map(number).collect();
    calls.insert(libc::SYS_socket, vec![other_than(0, &families)?]);
    let thread = number(libc::CLONE_THREAD);
    let no_thread = SeccompCondition::new(0, Length::Dword, Is::MaskedEq(thread), 0)?;
    calls.insert(libc::SYS_clone, vec![SeccompRule::new(vec![no_thread])?]);
    Ok(calls)
}

/// Older ways to make a process, and what is refused once more in the x32 ABI, which passes for the
/// same architecture: its numbers have this bit, and where pointers are in arguments others besides.
#[cfg(target_arch = "x86_64")]
fn x86_only() -> impl Iterator<Item = libc::c_long> {
    const X32: libc::c_long = 0x4000_0000;
    // execve, ptrace, kexec_load, process_vm_readv, process_vm_writev, execveat.
    const OTHERS: [libc::c_long; 6] = [520, 521, 528, 539, 540, 545];
    let makes = [libc::SYS_fork, libc::SYS_vfork];
    let all = REFUSED.iter().copied().chain(OTHERS).chain(makes);
    // A call whose arguments decide is refused as a whole there: nobody makes it.
    let judged = [
        libc::SYS_bpf,
        libc::SYS_socket,
        libc::SYS_clone,
        libc::SYS_clone3,
    ];
    let x32 = all.chain(judged).map(|call| X32 | call);
    makes.into_iter().chain(x32)
}

fn number(value: libc::c_int) -> u64 {
    u64::from(value.unsigned_abs())
}

fn errno(value: libc::c_int) -> u32 {
    value.unsigned_abs()
}
