//! The maps and constants the programs share, and typed access to socket-local storage.
//!
//! Records that the daemon reads too are defined in `gateway-common`. Which map is pinned where
//! is decided by the daemon; a changed definition needs another `gateway_common::LAYOUT`.

use aya_ebpf::bindings::{BPF_F_CLONE, BPF_F_NO_PREALLOC, BPF_SK_STORAGE_GET_F_CREATE};
#[expect(
    deprecated,
    reason = "its successor needs Linux 6.2, and the kernel keeps this one"
)]
use aya_ebpf::btf_maps::CgroupStorage;
use aya_ebpf::btf_maps::{
    Array, HashMap, LpmTrie, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf, SkStorage,
};
use aya_ebpf::helpers::generated::{bpf_get_local_storage, bpf_sk_storage_get};
use aya_ebpf::macros::btf_map;
use core::ffi::c_void;
use core::ptr::addr_of_mut;
use gateway_common::coverage::Coverage;
use gateway_common::datagram::DatagramRule;
use gateway_common::held::{Held, Reach};
use gateway_common::mark::Mark;
use gateway_common::origin::Origin;
use gateway_common::own::{Flow, Own};
use gateway_common::settings::Settings;
use gateway_common::sight::Sight;
use gateway_common::source::Source;

use crate::coverage;

/// When an event was told last, so that it is not told again and again.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Told {
    pub attached: u64,
    pub destination: [u8; 16],
    pub port: u16,
    pub protocol: u16,
    pub kind: u32,
}

/// Socket storage that an accepted socket inherits from its listener. aya has none with that
/// flag; the fields are how the loader is told of a map.
#[repr(C)]
pub struct InheritedStorage<T> {
    r#type: *const [i32; SK_STORAGE],
    key: *const i32,
    value: *const T,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; INHERITED],
}

const SK_STORAGE: usize = aya_ebpf::bindings::bpf_map_type::BPF_MAP_TYPE_SK_STORAGE as usize;
const INHERITED: usize = (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize;

// SAFETY: the pointers are never followed; the loader puts the map in their place.
unsafe impl<T> Sync for InheritedStorage<T> {}

#[unsafe(no_mangle)]
static SETTINGS: Settings = Settings {
    port: 0,
    has_set_retval: 0,
    has_socket_retval: 0,
    syn_repeats: 0,
};

/// One value for each attached cgroup and hook: the cgroup's id. The kernel hands a program the
/// value of the attachment it runs for, so that it knows without a search which of several
/// nested attached cgroups this is. 0 until the daemon has filled it in.
#[btf_map]
#[expect(deprecated, reason = "as above")]
pub static ATTACHED: CgroupStorage<u64> = CgroupStorage::new();

/// On agents' sockets: that they are, and where they were sent.
#[btf_map]
pub static OWN: InheritedStorage<Own> = InheritedStorage {
    r#type: core::ptr::null(),
    key: core::ptr::null(),
    value: core::ptr::null(),
    max_entries: core::ptr::null(),
    map_flags: core::ptr::null(),
};

/// On the daemon's listeners and resolver sockets.
#[btf_map]
pub static LMARK: SkStorage<Mark> = SkStorage::new();

/// Records of connections whose SYN has left, until the daemon has accepted them and takes them out.
/// An agent that goes away before leaves its own behind, for others to push out. When one is pushed
/// out that is still wanted, the daemon misses it and refuses: for that to happen about as many SYNs as
/// there is room for have to come between its own and the daemon's `accept`.
#[btf_map]
pub static SRC: LruHashMap<Source, Origin, 32768> = LruHashMap::new();

/// Records of those who asked the resolver, until they are pushed out by others. Apart from
/// `SRC`, so that questions cannot push out connections.
#[btf_map]
pub static ASKED: LruHashMap<Source, Origin, 8192> = LruHashMap::new();

/// Where datagrams may go, by the attached cgroup. The value means nothing.
#[btf_map]
pub static DATAGRAMS: LpmTrie<DatagramRule, u8, 65536> = LpmTrie::new();

/// `CLOCK_MONOTONIC` of the daemon's last heartbeat, in nanoseconds.
#[btf_map]
pub static HEARTBEAT: Array<u64, 1> = Array::new();

/// What happened, by the attached cgroup. The daemon makes and removes the entries, which take
/// no memory before.
#[btf_map]
pub static COVERAGE: PerCpuHashMap<u64, Coverage, 4096, { BPF_F_NO_PREALLOC as usize }> =
    PerCpuHashMap::new();

/// Events for the daemon.
#[btf_map]
pub static SIGHTS: RingBuf<Sight, 262_144> = RingBuf::new();

/// The second, since boot, in which an event was told.
#[btf_map]
pub static TOLD: LruHashMap<Told, u64, 4096> = LruHashMap::new();

/// SYNs that are held, for the daemon to reach their servers. When it is full an entry is lost,
/// and comes again when the agent's kernel repeats the SYN.
#[btf_map]
pub static DIAL: RingBuf<Held, 1_048_576> = RingBuf::new();

/// The connects that the daemon lets go: their time (`Origin::boot_ns`) by the socket's cookie. An
/// entry goes with the SYN that it lets leave, or the daemon takes it back.
#[btf_map]
pub static VERDICT: HashMap<u64, u64, 16384> = HashMap::new();

/// Until when (`CLOCK_BOOTTIME`) a server counts as reached, so that nobody is held on the way.
#[btf_map]
pub static REACHABLE: LruHashMap<Reach, u64, 4096> = LruHashMap::new();

/// The address from which a server was reached last: what an agent of that network namespace would
/// have for its own.
#[btf_map]
pub static LOCAL: LruHashMap<Reach, [u8; 16], 4096> = LruHashMap::new();

/// How many events found `SIGHTS` full.
#[btf_map]
pub static SIGHTS_LOST: PerCpuArray<u64, 1> = PerCpuArray::new();

/// The constants of this load. Volatile, because the loader writes them after the compiler read
/// their zeros.
#[inline(always)]
pub fn settings() -> Settings {
    // SAFETY: SETTINGS is a live static; the read is volatile because the loader replaces it.
    unsafe { core::ptr::read_volatile(&raw const SETTINGS) }
}

/// Id of the cgroup that this run of the program is attached to; 0 if it is not told yet.
#[inline(always)]
pub fn attached() -> u64 {
    // SAFETY: the map is this program's cgroup storage; the helper never fails.
    unsafe { *bpf_get_local_storage((&raw const ATTACHED).cast_mut().cast(), 0).cast::<u64>() }
}

#[inline(always)]
pub fn count_lost_sight() {
    if let Some(slot) = SIGHTS_LOST.get_ptr_mut(0) {
        // SAFETY: the slot is this CPU's own and programs are not migrated while they run.
        unsafe { *slot += 1 }
    }
}

/// Whose a socket is. One that is nobody's yet becomes `attached`'s: it is used in that cgroup's
/// name for the first time, and had no connection before. Null when there is no memory for the
/// note, or the attachment is not told its name.
#[inline(always)]
pub fn own_or_new(sk: *mut c_void, attached: u64) -> *mut Own {
    let own = on_socket(&OWN, sk);
    if !own.is_null() || attached == 0 {
        return own;
    }
    let own: *mut Own = on_socket_or_new(&OWN, sk);
    if !own.is_null() {
        // SAFETY: not null, hence a live value of this socket, which the caller has locked.
        unsafe {
            (*own).attached = attached;
            coverage::current(addr_of_mut!((*own).process));
        }
    }
    own
}

/// Where a socket was sent last; null where it has no note.
#[inline(always)]
pub fn flow_of(sk: *mut c_void) -> *mut Flow {
    let own = on_socket(&OWN, sk);
    if own.is_null() {
        return core::ptr::null_mut();
    }
    // SAFETY: not null, hence a live value of this socket.
    unsafe { addr_of_mut!((*own).flow) }
}

/// A map that keeps a `T` on sockets.
pub trait OnSockets<T> {}

impl<T> OnSockets<T> for SkStorage<T> {}
impl<T> OnSockets<T> for InheritedStorage<T> {}

/// The value that `map` keeps on `sk`, or null.
#[inline(always)]
pub fn on_socket<T>(map: &impl OnSockets<T>, sk: *mut c_void) -> *mut T {
    // SAFETY: the verifier checks that `sk` is a socket; the map's value type is `T`.
    unsafe { bpf_sk_storage_get(as_map(map), sk, core::ptr::null_mut(), 0) }.cast()
}

/// Likewise, made of zeros if it is not there. Null when the socket's memory is used up.
#[inline(always)]
fn on_socket_or_new<T>(map: &impl OnSockets<T>, sk: *mut c_void) -> *mut T {
    let create = BPF_SK_STORAGE_GET_F_CREATE as u64;
    // SAFETY: as above.
    unsafe { bpf_sk_storage_get(as_map(map), sk, core::ptr::null_mut(), create) }.cast()
}

#[inline(always)]
pub fn as_map<M>(map: &M) -> *mut c_void {
    core::ptr::from_ref(map).cast_mut().cast()
}
