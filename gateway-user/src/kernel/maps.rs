//! The maps that the daemon reads and writes, behind the words of `gateway-common`.
//!
//! `load` makes them; what the programs do with them is told in `gateway-ebpf/src/maps.rs`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[expect(
    deprecated,
    reason = "its successor needs Linux 6.2, and the kernel keeps this one"
)]
use aya::maps::CgroupStorage;
use aya::maps::lpm_trie::Key;
use aya::maps::{
    Array, CgroupStorageKey, HashMap, LpmTrie, MapData, MapError, PerCpuArray, PerCpuHashMap,
    PerCpuValues, RingBuf, SkStorage,
};
use gateway_common::coverage::{Coverage, Kind};
use gateway_common::datagram::{DatagramRule, EXACT_BITS};
use gateway_common::mark::Mark;
use gateway_common::origin::Origin;
use gateway_common::own::{Flow, Own};
use gateway_common::sight::{Process, Sight};
use gateway_common::source::Source;

use super::cgroup::CgroupId;
use super::error::KernelError;
use super::held::{HeldConnects, Word};
use super::hook::Hook;
use super::netns::NetnsId;
use super::record::Records;

/// `/proc/self/ns/pid` in the initial PID namespace (`PROC_PID_INIT_INO`).
const INITIAL_PID_NAMESPACE: &str = "pid:[4026531836]";

/// `BPF_NOEXIST`.
const UNLESS_THERE: u64 = 1;

/// The maps of the loaded programs. Those that are changed are behind locks, because one change
/// may take several calls.
pub(super) struct Maps {
    #[expect(
        deprecated,
        reason = "its successor needs Linux 6.2, and the kernel keeps this one"
    )]
    pub(super) attached: Mutex<CgroupStorage<MapData, u64>>,
    pub(super) own: Mutex<SkStorage<MapData, Own>>,
    pub(super) records: Records,
    pub(super) asked: HashMap<MapData, Source, Origin>,
    pub(super) marks: Mutex<SkStorage<MapData, Mark>>,
    pub(super) coverage: Mutex<PerCpuHashMap<MapData, u64, Coverage>>,
    pub(super) datagrams: Mutex<LpmTrie<MapData, DatagramRule, u8>>,
    pub(super) heartbeat: Mutex<Array<MapData, u64>>,
    pub(super) sights: Mutex<Option<RingBuf<MapData>>>,
    pub(super) sights_lost: PerCpuArray<MapData, u64>,
    pub(super) held: Mutex<Option<HeldConnects>>,
    /// The daemon's word on connects that are held.
    pub(super) word: Word,
}

/// What was counted on the daemon's side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Accepted connections whose record was found, since the daemon started.
    pub delivered: u64,
    /// Those that had none.
    pub missed: u64,
    /// Events that found nobody reading since the maps were made: see [`Sights`].
    pub sights_lost: u64,
}

/// How often what happened in one attached cgroup since it was attached; what never happened is
/// not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The attached cgroup.
    pub cgroup: CgroupId,
    /// The counts.
    pub counts: BTreeMap<Kind, u64>,
}

/// A destination to which datagrams may go uninspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatagramDestination {
    /// The network's address.
    pub address: IpAddr,
    /// How many of its bits count: up to 32, or 128 for IPv6.
    pub prefix: u8,
    /// The port, host order.
    pub port: u16,
}

/// Reads the events that the programs tell. Its descriptor becomes readable when an event comes; read until there is none before
/// waiting again.
pub struct Sights {
    ring: RingBuf<MapData>,
}

impl Maps {
    /// Tells the program of one attachment which cgroup it is attached to.
    pub(super) fn name_attachment(&self, id: CgroupId, hook: Hook) -> Result<(), KernelError> {
        let key = CgroupStorageKey::new(id.0, hook.attach_type());
        held(&self.attached)
            .insert(key, id.0, 0)
            .map_err(|error| map_error("naming the attached cgroup", error))
    }

    /// Makes the place where a cgroup's events are counted, unless it is there.
    pub(super) fn cover(&self, id: CgroupId) -> Result<(), KernelError> {
        let doing = "making a cgroup's counters";
        let processors = aya::util::nr_cpus()
            .map_err(|(file, error)| KernelError::os(format!("{doing}: {file}"), error))?;
        let none = PerCpuValues::try_from(vec![Coverage::NONE; processors])
            .map_err(|error| KernelError::os(doing, error))?;
        unless_there(held(&self.coverage).insert(id.0, none, UNLESS_THERE), doing)
    }

    /// Removes what is kept for a cgroup that is not attached any more.
    pub(super) fn uncover(&self, id: CgroupId) -> Result<(), KernelError> {
        self.set_datagrams(id, &[])?;
        match held(&self.coverage).remove(&id.0) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            Err(error) => Err(map_error("removing a cgroup's counters", error)),
        }
    }

    /// Notes on a socket from before whose it is, unless that is there already.
    pub(super) fn own(&self, id: CgroupId, socket: BorrowedFd<'_>) -> Result<(), KernelError> {
        let own = Own {
            attached: id.0,
            process: Process {
                cgroup: id.0,
                tgid: 0,
                uid: 0,
                comm: [0; 16],
            },
            flow: Flow::NONE,
        };
        unless_there(
            held(&self.own).insert(&socket, own, UNLESS_THERE),
            "noting whose a socket is",
        )
    }

    /// Puts the daemon's mark on a listening or resolver socket.
    pub(super) fn mark(&self, socket: BorrowedFd<'_>) -> Result<(), KernelError> {
        let mark = Mark {
            tgid: own_tgid(),
            pad: 0,
        };
        held(&self.marks)
            .insert(&socket, mark, 0)
            .map_err(|error| map_error("marking the listener", error))
    }

    /// Whether a socket has the mark.
    pub(super) fn is_marked(&self, socket: BorrowedFd<'_>) -> bool {
        held(&self.marks).get(&socket, 0).is_ok()
    }

    /// The record of an accepted connection.
    pub(super) fn origin(&self, accepted: BorrowedFd<'_>) -> Result<Option<Origin>, KernelError> {
        self.records.take(accepted)
    }

    /// The record of whoever asked the resolver from `source`.
    pub(super) fn datagram_origin(
        &self,
        netns: NetnsId,
        source: SocketAddr,
    ) -> Result<Option<Origin>, KernelError> {
        let key = Source {
            netns: netns.0,
            ip: bytes(source.ip()),
            port: u32::from(source.port()),
            sequence: 0,
        };
        found(self.asked.get(&key, 0), "reading a question's record")
    }

    /// What happened in each attached cgroup.
    pub(super) fn coverage(&self) -> Result<Vec<Covered>, KernelError> {
        let mut all = Vec::new();
        for entry in held(&self.coverage).iter() {
            let (id, processors) = entry.map_err(|error| map_error("reading coverage", error))?;
            let counts = Kind::ALL.into_iter().map(|kind| {
                let of = |coverage: &Coverage| coverage.counts.get(number(kind)).copied();
                (kind, processors.iter().filter_map(of).sum())
            });
            all.push(Covered {
                cgroup: CgroupId(id),
                counts: counts.filter(|(_, count)| *count > 0).collect(),
            });
        }
        all.sort_by_key(|covered| covered.cgroup);
        Ok(all)
    }

    /// Sets where a cgroup's datagrams may go.
    pub(super) fn set_datagrams(
        &self,
        id: CgroupId,
        allowed: &[DatagramDestination],
    ) -> Result<(), KernelError> {
        let doing = |error| map_error("setting where datagrams may go", error);
        let mut map = held(&self.datagrams);
        let wanted: Vec<_> = allowed.iter().map(|one| rule(id, one)).collect();
        // The new ones first, so that what was allowed and stays so is at no time refused.
        for key in &wanted {
            map.insert(key, 1, 0).map_err(doing)?;
        }
        let present = map.keys().collect::<Result<Vec<_>, _>>().map_err(doing)?;
        for key in present {
            let is_ours = key.data().attached == id.0.to_ne_bytes();
            if is_ours && !wanted.iter().any(|wanted| is_same(wanted, &key)) {
                map.remove(&key).map_err(doing)?;
            }
        }
        Ok(())
    }

    /// Beats once.
    pub(super) fn beat(&self) -> Result<(), KernelError> {
        self.beat_at(monotonic()?)
    }

    /// Says that the heart beat then, by the monotonic clock.
    pub(super) fn beat_at(&self, time: Duration) -> Result<(), KernelError> {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        held(&self.heartbeat)
            .set(0, time, 0)
            .map_err(|error| map_error("the daemon's heartbeat", error))
    }

    /// How long ago the last beat was.
    pub(super) fn heartbeat_age(&self) -> Result<Duration, KernelError> {
        let last = held(&self.heartbeat)
            .get(&0, 0)
            .map_err(|error| map_error("the daemon's heartbeat", error))?;
        Ok(monotonic()?.saturating_sub(Duration::from_nanos(last)))
    }

    /// The events, for the one who asks first.
    pub(super) fn take_sights(&self) -> Option<Sights> {
        let ring = held(&self.sights).take()?;
        Some(Sights { ring })
    }

    /// The connects that are held, for the one who asks first.
    pub(super) fn take_held(&self) -> Option<HeldConnects> {
        held(&self.held).take()
    }

    /// The counters.
    pub(super) fn counters(&self) -> Result<Counters, KernelError> {
        let lost = self.sights_lost.get(&0, 0);
        let lost = lost.map_err(|error| map_error("reading a counter", error))?;
        Ok(Counters {
            delivered: self.records.delivered(),
            missed: self.records.missed(),
            sights_lost: lost.iter().sum(),
        })
    }
}

impl Sights {
    /// The next event; none when all are read.
    pub fn next(&mut self) -> Option<Sight> {
        loop {
            let item = self.ring.next()?;
            if item.len() >= size_of::<Sight>() {
                // SAFETY: as many bytes as a `Sight` has, any of which are a valid value.
                return Some(unsafe { item.as_ptr().cast::<Sight>().read_unaligned() });
            }
        }
    }
}

impl AsFd for Sights {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for Sights {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}

pub(super) fn map_error(what: &str, error: MapError) -> KernelError {
    match error {
        MapError::SyscallError(error) => KernelError::os(what, error.io_error),
        other => KernelError::os(what, std::io::Error::other(other)),
    }
}

fn found<T>(result: Result<T, MapError>, doing: &str) -> Result<Option<T>, KernelError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(MapError::KeyNotFound) => Ok(None),
        Err(error) => Err(map_error(doing, error)),
    }
}

fn unless_there(result: Result<(), MapError>, doing: &str) -> Result<(), KernelError> {
    match result {
        Err(MapError::SyscallError(error))
            if error.io_error.kind() == std::io::ErrorKind::AlreadyExists =>
        {
            Ok(())
        }
        result => result.map_err(|error| map_error(doing, error)),
    }
}

/// The clock of the heartbeat.
pub(super) fn monotonic() -> Result<Duration, KernelError> {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .map_err(|error| KernelError::os("reading the clock", error))?;
    Ok(Duration::from(now))
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rule(id: CgroupId, destination: &DatagramDestination) -> Key<DatagramRule> {
    let mapped = if destination.address.is_ipv4() { 96 } else { 0 };
    let bits = EXACT_BITS + mapped + u32::from(destination.prefix);
    let rule = DatagramRule {
        attached: id.0.to_ne_bytes(),
        port: destination.port.to_be_bytes(),
        address: bytes(destination.address),
    };
    Key::new(bits.min(EXACT_BITS + 128), rule)
}

fn is_same(one: &Key<DatagramRule>, other: &Key<DatagramRule>) -> bool {
    one.prefix_len() == other.prefix_len() && one.data() == other.data()
}

/// As the programs have addresses.
pub(super) fn bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

#[expect(clippy::as_conversions, reason = "the slot is the enum's own number")]
fn number(kind: Kind) -> usize {
    kind as usize
}

/// Our thread group id as the programs see it; 0, which is nobody's, where that is unknown.
fn own_tgid() -> u32 {
    match std::fs::read_link("/proc/self/ns/pid") {
        Ok(link) if link.as_os_str() == INITIAL_PID_NAMESPACE => std::process::id(),
        _ => 0,
    }
}
