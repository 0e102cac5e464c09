//! Connects that wait for the daemon: which there are, and the daemon's word on them.
//!
//! The maps are not pinned: another daemon brings its own, and hears of every connect that is still
//! held when the agent's kernel repeats its SYN. Who is let go and why is not decided here.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{HashMap, MapData, MapError, RingBuf};
use gateway_common::held::{Held, Reach};
use gateway_common::origin::Origin;
use nix::libc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::Kernel;
use super::error::KernelError;
use super::load::map;
use super::maps::map_error;
use super::unreachable::Icmp;

/// For so long after a server was reached nobody is held on the way to it.
const OPEN_FOR: Duration = Duration::from_secs(2);

/// The connects that are held, as the programs tell of them. Readable when there is one.
pub struct HeldConnects {
    ring: RingBuf<MapData>,
}

/// The daemon's word on them.
pub(super) struct Word {
    verdicts: Mutex<HashMap<MapData, u64, u64>>,
    reachable: Mutex<HashMap<MapData, Reach, u64>>,
    local: Mutex<HashMap<MapData, Reach, [u8; 16]>>,
}

impl Kernel {
    /// The connects that are held, to be listened to by one. None if somebody does already.
    pub fn held(&self) -> Option<HeldConnects> {
        self.programs.maps.take_held()
    }

    /// Tells agents of the daemon's own network namespace what is not reached.
    pub fn icmp(&self) -> &Icmp {
        &self.icmp
    }

    /// Lets a held connect go.
    pub fn let_go(&self, origin: &Origin) -> Result<(), KernelError> {
        self.programs.maps.word.let_go(origin)
    }

    /// Holds a connect again that was let go and has not gone.
    pub fn take_back(&self, origin: &Origin) -> Result<(), KernelError> {
        self.programs.maps.word.take_back(origin)
    }

    /// Notes that a server was reached: for a moment nobody is held on the way to it. `from` is what
    /// agents there have for their own address, where that is known.
    pub fn reached(&self, reach: &Reach, from: Option<IpAddr>) -> Result<(), KernelError> {
        self.programs.maps.word.reached(reach, from)
    }

    /// Notes that a server was not reached.
    pub fn lost(&self, reach: &Reach) -> Result<(), KernelError> {
        self.programs.maps.word.lost(reach)
    }
}

impl HeldConnects {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        let ring = map(ebpf, "DIAL")?;
        Ok(Self { ring })
    }

    /// Waits for them by the runtime that this is called in.
    pub fn listen(self) -> io::Result<AsyncFd<Self>> {
        // SAFETY: the descriptor is the map's, which is ours alone and lives as long as this does.
        Ok(unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) }?)
    }

    /// The next one; none until the descriptor is readable again.
    pub fn take_next(&mut self) -> Option<Held> {
        let item = self.ring.next()?;
        let (bytes, []) = item.as_chunks::<{ size_of::<Held>() }>() else {
            return None; // The programs put nothing else in.
        };
        let held: *const [u8; size_of::<Held>()] = bytes.first()?;
        // SAFETY: as many bytes as a `Held` has, any of which are a valid one; it may be unaligned.
        Some(unsafe { held.cast::<Held>().read_unaligned() })
    }
}

impl std::fmt::Debug for HeldConnects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldConnects").finish_non_exhaustive()
    }
}

impl AsFd for HeldConnects {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for HeldConnects {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

impl Word {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Self, KernelError> {
        Ok(Self {
            verdicts: Mutex::new(map(ebpf, "VERDICT")?),
            reachable: Mutex::new(map(ebpf, "REACHABLE")?),
            local: Mutex::new(map(ebpf, "LOCAL")?),
        })
    }

    pub(super) fn let_go(&self, origin: &Origin) -> Result<(), KernelError> {
        lock(&self.verdicts)
            .insert(origin.cookie, origin.boot_ns, 0)
            .map_err(|error| map_error("letting a connect go", error))
    }

    pub(super) fn take_back(&self, origin: &Origin) -> Result<(), KernelError> {
        removed(lock(&self.verdicts).remove(&origin.cookie))
            .map_err(|error| map_error("holding a connect again", error))
    }

    pub(super) fn reached(&self, reach: &Reach, from: Option<IpAddr>) -> Result<(), KernelError> {
        let failed = |error| map_error("noting a server that was reached", error);
        let mut local = lock(&self.local);
        match from {
            Some(IpAddr::V4(ip)) => local.insert(reach, ip.to_ipv6_mapped().octets(), 0),
            Some(IpAddr::V6(ip)) => local.insert(reach, ip.octets(), 0),
            None => removed(local.remove(reach)),
        }
        .map_err(failed)?;
        drop(local);
        let until = boot_ns().saturating_add(nanoseconds(OPEN_FOR));
        lock(&self.reachable)
            .insert(reach, until, 0)
            .map_err(failed)
    }

    pub(super) fn lost(&self, reach: &Reach) -> Result<(), KernelError> {
        removed(lock(&self.reachable).remove(reach))
            .map_err(|error| map_error("noting a server that was not reached", error))
    }
}

/// What is not there any more is as good as removed.
fn removed(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        result => result,
    }
}

fn lock<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    // The map is the kernel's; nothing here can leave it half changed.
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `CLOCK_BOOTTIME`, by which the programs tell time. Long past if it cannot be read, so that
/// everybody is held.
fn boot_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map_or(0, |now| nanoseconds(Duration::from(now)))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
