//! Counts what happens and tells the daemon of what it would not see: refusals, and passes that
//! nobody looks into.
//!
//! An agent can do a thousand refused things a second. All are counted; of those that are told,
//! a destination is told once a minute and a cgroup so many times a second, so that one agent
//! drowns neither the daemon nor what the others do.

use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_comm, bpf_get_current_pid_tgid,
    bpf_get_current_uid_gid, bpf_ktime_get_boot_ns, bpf_ringbuf_reserve, bpf_ringbuf_submit,
};
use core::ptr::{addr_of_mut, read_volatile};
use gateway_common::coverage::{Coverage, Kind, ROOM};
use gateway_common::own::Own;
use gateway_common::sight::{Process, Sight};

use crate::address::Address;
use crate::maps::{COVERAGE, SIGHTS, TOLD, Told, as_map, count_lost_sight};

/// Sights of one cgroup in one second, on one processor.
const PER_SECOND: u64 = 64;
/// Seconds after which the same is told again.
const AGAIN: u64 = 60;

/// An event, without who did it.
pub struct Happened {
    pub attached: u64,
    pub kind: Kind,
    pub destination: Address,
    pub port: u16,
    pub family: u32,
    pub protocol: u32,
}

/// Adds one to a kind's count.
#[inline(always)]
pub fn count(attached: u64, kind: Kind) {
    if let Some(coverage) = COVERAGE.get_ptr_mut(&attached) {
        add(coverage, kind);
    }
}

/// Likewise, and tells the daemon, who did it being filled in by `who`.
#[inline(always)]
pub fn tell(happened: &Happened, who: impl FnOnce(*mut Process)) {
    let Some(coverage) = COVERAGE.get_ptr_mut(&happened.attached) else {
        return;
    };
    add(coverage, happened.kind);
    // SAFETY: a helper without preconditions.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    if !may_be_told(happened, coverage, now / 1_000_000_000) {
        return;
    }
    // SAFETY: the map is a ring buffer; what is reserved is submitted below.
    let sight: *mut Sight =
        unsafe { bpf_ringbuf_reserve(as_map(&SIGHTS), size_of::<Sight>() as u64, 0) }.cast();
    if sight.is_null() {
        count_lost_sight();
        return;
    }
    // SAFETY: not null, hence a whole record of ours until it is submitted. Field by field,
    // because a whole value would be built elsewhere first.
    unsafe {
        (*sight).attached = happened.attached;
        (*sight).boot_ns = now;
        (*sight).destination = happened.destination.bytes();
        (*sight).destination_port = happened.port;
        (*sight).family = happened.family as u16;
        (*sight).protocol = happened.protocol as u16;
        (*sight).pad = 0;
        (*sight).kind = happened.kind as u32;
        (*sight).pad2 = 0;
        who(addr_of_mut!((*sight).process));
        bpf_ringbuf_submit(sight.cast(), 0);
    }
}

/// The process that runs the program, where it runs in a process's own system call.
#[inline(always)]
pub fn current(process: *mut Process) {
    // SAFETY: `process` is the caller's own, and the helpers have no preconditions.
    unsafe {
        (*process).cgroup = bpf_get_current_cgroup_id();
        (*process).tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
        (*process).uid = bpf_get_current_uid_gid() as u32;
        bpf_get_current_comm(addr_of_mut!((*process).comm).cast(), 16);
    }
}

/// Who made the socket, where that is all that is known.
#[inline(always)]
pub fn maker(own: *mut Own, process: *mut Process) {
    // SAFETY: `process` is the caller's own; `own` is null or a live value.
    unsafe {
        if own.is_null() {
            (*process).cgroup = 0;
            (*process).tgid = 0;
            (*process).uid = 0;
            (*process).comm = [0; 16];
        } else {
            *process = (*own).process;
        }
    }
}

#[inline(always)]
fn add(coverage: *mut Coverage, kind: Kind) {
    let number = kind as usize;
    // SAFETY: a live entry of the map and this CPU's own, with a slot for every kind. The number
    // is read back because the compiler would drop a mask that the verifier needs.
    unsafe {
        let number = read_volatile(&raw const number) & (ROOM - 1);
        *addr_of_mut!((*coverage).counts).cast::<u64>().add(number) += 1;
    }
}

/// Whether this is neither told already nor one too many; each processor counts for itself.
#[inline(always)]
fn may_be_told(happened: &Happened, coverage: *mut Coverage, second: u64) -> bool {
    let told = Told {
        attached: happened.attached,
        destination: happened.destination.bytes(),
        port: happened.port,
        protocol: happened.protocol as u16,
        kind: happened.kind as u32,
    };
    if let Some(last) = TOLD.get_ptr(&told) {
        // SAFETY: a live entry of the map.
        if second < unsafe { *last } + AGAIN {
            return false;
        }
    }
    // SAFETY: as in `add`.
    unsafe {
        if (*coverage).second != second {
            (*coverage).second = second;
            (*coverage).sights = 0;
        }
        if (*coverage).sights >= PER_SECOND {
            return false;
        }
        (*coverage).sights += 1;
    }
    // Without room to remember, it may be told again.
    let _told_again_is_fine = TOLD.insert(&told, &second, 0);
    true
}
