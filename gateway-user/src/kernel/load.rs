//! Loads the embedded object: a program for each hook, and their maps, which are pinned.
//!
//! The object is built by `cargo xtask ebpf` and kept beside this file, so that building the
//! daemon needs nothing but stable Rust. Attaching is in `link`, the maps' use in `maps`, and why
//! a kernel does not take the programs in `refusal`.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use aya::maps::{Map, MapError};
use aya::programs::{Program, ProgramType};
use aya::sys::BpfHelper;
use aya::{Ebpf, EbpfLoader};
use gateway_common::held::{STEADY_FROM_NS, STEADY_UNTIL_NS};
use gateway_common::settings::Settings;

use super::bpffs::Folders;
use super::error::KernelError;
use super::family;
use super::held::{HeldConnects, Word};
use super::hook::Hook;
use super::maps::{Maps, map_error};
use super::record::Records;
use super::refusal::{self, release};

/// The ELF reader wants its headers aligned, `include_bytes!` alone promises nothing.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static OBJECT: &Aligned<[u8]> = &Aligned(*include_bytes!("gateway.bpf.o"));

/// The maps that outlive the daemon. `.rodata`, with the settings, belongs to each load, and so does
/// what is said of connects that are held: another daemon hears of them anew.
const PINNED: [&str; 11] = [
    "ATTACHED",
    "OWN",
    "LMARK",
    "SRC",
    "ASKED",
    "DATAGRAMS",
    "HEARTBEAT",
    "COVERAGE",
    "SIGHTS",
    "TOLD",
    "SIGHTS_LOST",
];

/// What the kernel takes as `TCP_SYNCNT`.
const MOST_SYN_REPEATS: u16 = 127;

/// The loaded programs and the maps the daemon uses.
pub(super) struct Programs {
    hooks: Vec<(Hook, OwnedFd)>,
    /// Why sockets that are not IP are not seen.
    pub(super) without_family: Option<String>,
    /// Their maps.
    pub(super) maps: Maps,
}

impl Programs {
    /// Loads them with fresh settings, onto the pinned maps of an earlier daemon if there are any.
    pub(super) fn load(folders: &Folders, port: u16) -> Result<Self, KernelError> {
        let settings = Settings {
            port,
            has_set_retval: u16::from(has_set_retval(ProgramType::CgroupSockAddr)),
            has_socket_retval: u16::from(has_set_retval(ProgramType::CgroupSock)),
            syn_repeats: syn_repeats(tick()),
        };
        let pins = folders.maps();
        let mut loader = EbpfLoader::new();
        loader.override_global("SETTINGS", &settings, true);
        for name in PINNED {
            loader.map_pin_path(name, pins.join(name));
        }
        let mut ebpf = loader.load(&OBJECT.0).map_err(refusal::of_maps)?;
        let mut hooks = Vec::new();
        let without_family = match family::load(&mut ebpf) {
            Ok(program) => {
                hooks.push((Hook::Family, program));
                None
            }
            Err(reason) => Some(reason),
        };
        for hook in Hook::ALL.into_iter().filter(|hook| !hook.is_optional()) {
            hooks.push((hook, load_program(&mut ebpf, hook)?));
        }
        let maps = Maps {
            attached: Mutex::new(map(&mut ebpf, "ATTACHED")?),
            own: Mutex::new(map(&mut ebpf, "OWN")?),
            records: Records::new(map(&mut ebpf, "SRC")?),
            asked: map(&mut ebpf, "ASKED")?,
            marks: Mutex::new(map(&mut ebpf, "LMARK")?),
            coverage: Mutex::new(map(&mut ebpf, "COVERAGE")?),
            datagrams: Mutex::new(map(&mut ebpf, "DATAGRAMS")?),
            heartbeat: Mutex::new(map(&mut ebpf, "HEARTBEAT")?),
            sights: Mutex::new(Some(map(&mut ebpf, "SIGHTS")?)),
            sights_lost: map(&mut ebpf, "SIGHTS_LOST")?,
            held: Mutex::new(Some(HeldConnects::new(&mut ebpf)?)),
            word: Word::new(&mut ebpf)?,
        };
        Ok(Self {
            hooks,
            without_family,
            maps,
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
}

impl fmt::Debug for Programs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Programs")
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// Whether programs of this kind may choose the errno of a refusal. A wrong "no" costs only the
/// errno, so a probe that fails is one.
fn has_set_retval(kind: ProgramType) -> bool {
    let probe = aya::sys::is_helper_supported(kind, BpfHelper::BPF_FUNC_set_retval);
    matches!(probe, Ok(true))
}

/// How often a held SYN is repeated before the agent's kernel gives up: as many times as make about
/// the two minutes that an unanswered SYN has without a gateway (`tcp_syn_retries` of 6), in the
/// rhythm that `hold` and `egress` make of it.
fn syn_repeats(tick: Duration) -> u16 {
    const ABOUT_TWO_MINUTES: Duration = Duration::from_secs(95);
    const STEADY_PAUSE: Duration = Duration::from_millis(500);
    let steady = Duration::from_nanos(STEADY_FROM_NS)..Duration::from_nanos(STEADY_UNTIL_NS);
    let (mut repeats, mut waited, mut pause) = (0, tick, tick);
    while waited < ABOUT_TWO_MINUTES && repeats < MOST_SYN_REPEATS {
        repeats += 1;
        if steady.contains(&waited) {
            waited += STEADY_PAUSE;
        } else {
            pause *= 2;
            waited += pause;
        }
    }
    repeats
}

/// The tick of the kernel's timer.
fn tick() -> Duration {
    // The coarse clock goes forward once a tick.
    nix::time::clock_getres(nix::time::ClockId::CLOCK_MONOTONIC_COARSE)
        .map_or(Duration::from_millis(4), Duration::from)
        .max(Duration::from_millis(1))
}

fn load_program(ebpf: &mut Ebpf, hook: Hook) -> Result<OwnedFd, KernelError> {
    let program = ebpf.program_mut(hook.program());
    let loaded = match program {
        Some(Program::CgroupSockAddr(program)) => program.load().and_then(|()| program.fd()),
        Some(Program::CgroupSock(program)) => program.load().and_then(|()| program.fd()),
        Some(Program::CgroupSockopt(program)) => program.load().and_then(|()| program.fd()),
        Some(Program::CgroupSkb(program)) => program.load().and_then(|()| program.fd()),
        Some(Program::SockOps(program)) => program.load().and_then(|()| program.fd()),
        _ => return Err(embedded(hook.program())),
    };
    let fd = loaded.map_err(|error| refusal::of_program(hook, &error))?;
    fd.as_fd()
        .try_clone_to_owned()
        .map_err(|error| KernelError::os("duplicating a descriptor", error))
}

pub(super) fn map<M>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, KernelError>
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_waits_about_two_minutes_whatever_the_tick() {
        for (tick, repeats) in [(1000, 124), (3333, 122), (4000, 122), (10_000, 120)] {
            assert_eq!(syn_repeats(Duration::from_micros(tick)), repeats, "{tick}");
        }
    }
}
