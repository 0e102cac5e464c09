//! The maps and constants the programs share, and typed access to socket-local storage.
//!
//! Records that the daemon reads too are defined in `gateway-common`. Which map is pinned where
//! is decided by the daemon; a changed definition needs another `gateway_common::LAYOUT`.

use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
#[expect(
    deprecated,
    reason = "its successor needs Linux 6.2, and the kernel keeps this one"
)]
use aya_ebpf::btf_maps::CgroupStorage;
use aya_ebpf::btf_maps::{LruHashMap, PerCpuArray, SkStorage};
use aya_ebpf::helpers::generated::{bpf_sk_storage_delete, bpf_sk_storage_get};
use aya_ebpf::macros::btf_map;
use core::ffi::c_void;
use gateway_common::counter::{COUNTERS, Counter};
use gateway_common::mark::Mark;
use gateway_common::origin::Origin;
use gateway_common::settings::Settings;

/// What the connect hook leaves on the agent's socket; it dies with the socket.
#[repr(C)]
pub struct Flow {
    pub origin: Origin,
    /// 1 between the redirect and the SYN. It tells the program of an outer attached cgroup,
    /// which runs second, from an agent that asks for the daemon's own address.
    pub in_connect: u64,
}

/// Finds a connection from its far end while the SYN is on its way.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SourceKey {
    pub netns: u64,
    pub ip: [u8; 16],
    pub port: u64,
}

#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings {
    port: 0,
    has_set_retval: 0,
};

/// One value for each attached cgroup and hook: the cgroup's id. The kernel hands a program the
/// value of the attachment it runs for, so that it knows without a search which of several
/// nested attached cgroups this is. 0 until the daemon has filled it in.
#[btf_map]
#[expect(deprecated, reason = "as above")]
pub static ATTACHED: CgroupStorage<u64> = CgroupStorage::new();

/// On the agent's socket: where it wanted to go.
#[btf_map]
pub static FLOW: SkStorage<Flow> = SkStorage::new();

/// On the socket the daemon accepted: the same record.
#[btf_map]
pub static AFLOW: SkStorage<Origin> = SkStorage::new();

/// On the daemon's listeners.
#[btf_map]
pub static LMARK: SkStorage<Mark> = SkStorage::new();

/// Records between SYN and accept. An entry lives for a round trip over loopback; eviction costs
/// a miss, which the daemon refuses.
#[btf_map]
pub static SRC: LruHashMap<SourceKey, Origin, 8192> = LruHashMap::new();

#[btf_map]
pub static STATS: PerCpuArray<u64, COUNTERS> = PerCpuArray::new();

/// The constants of this load. Volatile, because the loader writes them after the compiler read
/// their zeros.
#[inline(always)]
pub fn settings() -> Settings {
    // SAFETY: SETTINGS is a live static; the read is volatile because the loader replaces it.
    unsafe { core::ptr::read_volatile(&raw const SETTINGS) }
}

#[inline(always)]
pub fn count(counter: Counter) {
    if let Some(slot) = STATS.get_ptr_mut(counter as u32) {
        // SAFETY: the slot is this CPU's own and programs are not migrated while they run.
        unsafe { *slot += 1 }
    }
}

/// The value that `map` keeps on `sk`, or null.
#[inline(always)]
pub fn on_socket<T>(map: &SkStorage<T>, sk: *mut c_void) -> *mut T {
    // SAFETY: the verifier checks that `sk` is a socket; the map's value type is `T`.
    unsafe { bpf_sk_storage_get(as_map(map), sk, core::ptr::null_mut(), 0) }.cast()
}

/// Likewise, made if it is not there: from `initial`, or from zeros if that is null. Null when
/// the socket's memory is used up.
#[inline(always)]
pub fn on_socket_or_new<T>(map: &SkStorage<T>, sk: *mut c_void, initial: *const T) -> *mut T {
    let create = BPF_SK_STORAGE_GET_F_CREATE as u64;
    // SAFETY: as above; `initial` is null or points to a whole `T`.
    unsafe { bpf_sk_storage_get(as_map(map), sk, initial.cast_mut().cast(), create) }.cast()
}

#[inline(always)]
pub fn remove_from_socket<T>(map: &SkStorage<T>, sk: *mut c_void) {
    // SAFETY: as above. That there is nothing to remove is no error here.
    let _absent_is_fine = unsafe { bpf_sk_storage_delete(as_map(map), sk) };
}

#[inline(always)]
fn as_map<T>(map: &SkStorage<T>) -> *mut c_void {
    core::ptr::from_ref(map).cast_mut().cast()
}
