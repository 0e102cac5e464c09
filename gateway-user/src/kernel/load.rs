//! Loads the embedded object: five programs and their maps, the latter pinned.
//!
//! The object is built by `cargo xtask ebpf` and kept beside this file, so that building the
//! daemon needs nothing but stable Rust. Attaching is in `link`.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

#[expect(
    deprecated,
    reason = "its successor needs Linux 6.2, and the kernel keeps this one"
)]
use aya::maps::CgroupStorage;
use aya::maps::{CgroupStorageKey, Map, MapData, MapError, MapType, PerCpuArray, SkStorage};
use aya::programs::{Program, ProgramError, ProgramType};
use aya::sys::BpfHelper;
use aya::{Ebpf, EbpfError, EbpfLoader};
use gateway_common::counter::Counter;
use gateway_common::mark::Mark;
use gateway_common::origin::Origin;
use gateway_common::settings::Settings;

use super::bpffs::Bpffs;
use super::cgroup::CgroupId;
use super::error::KernelError;
use super::link::Hook;

/// The ELF reader wants its headers aligned, `include_bytes!` alone promises nothing.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!("gateway.bpf.o"));

/// The maps that outlive the daemon. `.rodata`, with the settings, belongs to each load.
const PINNED: [&str; 6] = ["ATTACHED", "FLOW", "AFLOW", "LMARK", "SRC", "STATS"];

/// `/proc/self/ns/pid` in the initial PID namespace (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// The loaded programs and the maps the daemon uses.
pub(super) struct Programs {
    hooks: Vec<(Hook, OwnedFd)>,
    #[expect(
        deprecated,
        reason = "its successor needs Linux 6.2, and the kernel keeps this one"
    )]
    attached: Mutex<CgroupStorage<MapData, u64>>,
    records: SkStorage<MapData, Origin>,
    marks: Mutex<SkStorage<MapData, Mark>>,
    counters: PerCpuArray<MapData, u64>,
}

/// What the programs counted, all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections sent to the daemon.
    pub redirected: u64,
    /// Refused: no listener of the daemon's was there.
    pub refused_no_listener: u64,
    /// Refused: the attachment was not complete, or the socket had no memory left for its record.
    pub refused_not_ready: u64,
    /// Refused: port 0, multicast or broadcast.
    pub refused_destination: u64,
    /// Refused: the destination was the daemon itself.
    pub refused_loop: u64,
    /// Refused: a stream socket that is not TCP.
    pub refused_protocol: u64,
    /// Passed: the daemon's own connections.
    pub passed_own: u64,
    /// Records handed to accepted sockets.
    pub delivered: u64,
    /// Connections to the daemon's port that had no record.
    pub missed: u64,
}

impl Programs {
    /// Loads them with fresh settings, onto the pinned maps of an earlier daemon if there are any.
    pub(super) fn load(bpffs: &Bpffs, port: u16) -> Result<Self, KernelError> {
        let settings = Settings {
            port,
            has_set_retval: u16::from(has_set_retval()),
        };
        let maps = bpffs.folders.maps();
        let mut loader = EbpfLoader::new();
        loader.override_global("SETTINGS", &settings, true);
        for name in PINNED {
            loader.map_pin_path(name, maps.join(name));
        }
        let mut ebpf = loader.load(&OBJECT.0).map_err(refused)?;
        let mut hooks = Vec::new();
        for hook in Hook::ALL {
            hooks.push((hook, load_program(&mut ebpf, hook)?));
        }
        Ok(Self {
            hooks,
            attached: Mutex::new(map(&mut ebpf, "ATTACHED")?),
            records: map(&mut ebpf, "AFLOW")?,
            marks: Mutex::new(map(&mut ebpf, "LMARK")?),
            counters: map(&mut ebpf, "STATS")?,
        })
    }

    /// Closes the programs: what is left can be read and written, and attach nothing.
    pub(super) fn forget(&mut self) {
        self.hooks.clear();
    }

    /// The programs in the order in which they are attached.
    pub(super) fn hooks(&self) -> impl Iterator<Item = (Hook, BorrowedFd<'_>)> {
        self.hooks.iter().map(|(hook, fd)| (*hook, fd.as_fd()))
    }

    /// The program of one hook.
    pub(super) fn program(&self, wanted: Hook) -> Result<BorrowedFd<'_>, KernelError> {
        self.hooks()
            .find_map(|(hook, fd)| (hook == wanted).then_some(fd))
            .ok_or_else(|| embedded(wanted.program()))
    }

    /// Tells the program of one attachment which cgroup it is attached to.
    pub(super) fn name_attachment(&self, id: CgroupId, hook: Hook) -> Result<(), KernelError> {
        let key = CgroupStorageKey::new(id.0, hook.attach_type());
        let mut attached = self.attached.lock().unwrap_or_else(PoisonError::into_inner);
        attached
            .insert(key, id.0, 0)
            .map_err(|error| map_error("naming the attached cgroup", error))
    }

    /// Puts the daemon's mark on a listening socket.
    pub(super) fn mark(&self, listener: BorrowedFd<'_>) -> Result<(), KernelError> {
        let mark = Mark {
            tgid: own_tgid(),
            pad: 0,
        };
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks
            .insert(&listener, mark, 0)
            .map_err(|error| map_error("marking the listener", error))
    }

    /// Whether a listening socket has the mark.
    pub(super) fn is_marked(&self, listener: BorrowedFd<'_>) -> bool {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        marks.get(&listener, 0).is_ok()
    }

    /// The record on an accepted socket.
    pub(super) fn origin(&self, accepted: BorrowedFd<'_>) -> Result<Option<Origin>, KernelError> {
        match self.records.get(&accepted, 0) {
            Ok(origin) => Ok(Some(origin)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(error) => Err(map_error("reading a connection's record", error)),
        }
    }

    /// The counters, all processors together.
    pub(super) fn counters(&self) -> Result<Counters, KernelError> {
        let read = |counter: Counter| {
            #[expect(clippy::as_conversions, reason = "the slot is the enum's own number")]
            let slot = counter as u32;
            self.counters
                .get(&slot, 0)
                .map(|values| values.iter().sum())
                .map_err(|error| map_error("reading the counters", error))
        };
        Ok(Counters {
            redirected: read(Counter::Redirected)?,
            refused_no_listener: read(Counter::NoListener)?,
            refused_not_ready: read(Counter::NotReady)?,
            refused_destination: read(Counter::Destination)?,
            refused_loop: read(Counter::Loop)?,
            refused_protocol: read(Counter::Protocol)?,
            passed_own: read(Counter::OwnProcess)?,
            delivered: read(Counter::Delivered)?,
            missed: read(Counter::Missed)?,
        })
    }
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programs")
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// `uname -r`.
pub(super) fn release() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => name.release().to_string_lossy().into_owned(),
        Err(_) => String::from("unknown"),
    }
}

/// Whether the programs may choose the errno of a refusal (5.18). A wrong "no" costs only the
/// errno, so a probe that fails is one.
fn has_set_retval() -> bool {
    let probe =
        aya::sys::is_helper_supported(ProgramType::CgroupSockAddr, BpfHelper::BPF_FUNC_set_retval);
    matches!(probe, Ok(true))
}

/// Our thread group id as the programs see it; 0, which is nobody's, where that is unknown.
fn own_tgid() -> u32 {
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link.as_os_str() == INITIAL_PID_NAMESPACE => std::process::id(),
        _ => 0,
    }
}

fn load_program(ebpf: &mut Ebpf, hook: Hook) -> Result<OwnedFd, KernelError> {
    let program = ebpf.program_mut(hook.program());
    let loaded = match program {
        Some(Program::CgroupSockAddr(program)) => program.load().and_then(|()| program.fd()),
        Some(Program::SockOps(program)) => program.load().and_then(|()| program.fd()),
        _ => return Err(embedded(hook.program())),
    };
    let fd = loaded.map_err(|error| program_error(hook, &error))?;
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|error| KernelError::os("duplicating a descriptor", error))
}

fn map<M>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, KernelError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let map = ebpf.take_map(name).ok_or_else(|| embedded(name))?;
    M::try_from(map).map_err(|error| map_error(name, error))
}

/// The embedded object is made from the same sources as this file, and a test loads it.
fn embedded(part: &str) -> KernelError {
    KernelError::Load {
        release: release(),
        detail: format!("the embedded object has no {part}"),
    }
}

fn map_error(what: &str, error: MapError) -> KernelError {
    match error {
        MapError::SyscallError(error) => KernelError::os(what, error.io_error),
        other => KernelError::os(what, std::io::Error::other(other)),
    }
}

/// Maps could not be made: most often no privilege, or no socket-local storage (5.2).
fn refused(error: EbpfError) -> KernelError {
    explain(error_chain(&error), is_permission(&error))
}

fn program_error(hook: Hook, error: &ProgramError) -> KernelError {
    let detail = format!("{}: {}", hook.name(), error_chain(error));
    explain(detail, is_permission(error))
}

/// Finds the likeliest reason by asking the kernel for what the programs need.
fn explain(detail: String, permission: bool) -> KernelError {
    if permission {
        return KernelError::Permission {
            what: "loading the kernel programs",
            capability: String::from("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"),
        };
    }
    match missing() {
        Some(missing) => KernelError::TooOld {
            release: release(),
            missing,
        },
        None => KernelError::Load {
            release: release(),
            detail,
        },
    }
}

fn missing() -> Option<&'static str> {
    use aya::sys::{is_helper_supported, is_map_supported};
    let map = |kind, name| matches!(is_map_supported(kind), Ok(false)).then_some(name);
    let helper = |program, helper, name| {
        matches!(is_helper_supported(program, helper), Ok(false)).then_some(name)
    };
    let (address, lifecycle) = (ProgramType::CgroupSockAddr, ProgramType::SockOps);
    map(
        MapType::SkStorage,
        "socket-local storage (BPF_MAP_TYPE_SK_STORAGE)",
    )
    .or_else(|| map(MapType::CgroupStorage, "cgroup storage (CONFIG_CGROUP_BPF)"))
    .or_else(|| {
        helper(
            address,
            BpfHelper::BPF_FUNC_sk_lookup_tcp,
            "bpf_sk_lookup_tcp in the connect hook",
        )
    })
    .or_else(|| {
        helper(
            address,
            BpfHelper::BPF_FUNC_ktime_get_boot_ns,
            "bpf_ktime_get_boot_ns",
        )
    })
    .or_else(|| {
        helper(
            address,
            BpfHelper::BPF_FUNC_get_netns_cookie,
            "bpf_get_netns_cookie in the connect hook",
        )
    })
    .or_else(|| {
        helper(
            lifecycle,
            BpfHelper::BPF_FUNC_get_netns_cookie,
            "bpf_get_netns_cookie in sock_ops",
        )
    })
}

fn is_permission(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        next = error.source();
    }
    false
}

fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text = format!("{text}: {error}");
        next = error.source();
    }
    text
}
