//! Keeps the way to a server open while the daemon is stopped, however long a busy machine takes.
//!
//! The product lets nobody pass longer than two seconds after a server was reached, nor after the
//! daemon's last heartbeat. Both are in maps of its kernel programs, which root may write.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use aya::maps::{Array, HashMap, Map, MapData, loaded_maps};
use nix::time::{ClockId, clock_gettime};

/// Longer than any sample takes.
const LONG: Duration = Duration::from_secs(600);
/// A way as the kernel programs know it (`gateway_common::held::Reach`), in bytes.
const REACH: usize = 40;

/// The two maps of one gateway.
pub(super) struct OpenWay {
    reachable: HashMap<MapData, [u8; REACH], u64>,
    heartbeat: Array<MapData, u64>,
}

impl OpenWay {
    /// Finds them among the maps that were not there before.
    pub(super) fn of_new(before: &BTreeSet<u32>) -> Result<Self> {
        let map = |wanted: &'static str| {
            let found = loaded_maps().filter_map(Result::ok);
            let mut found = found.filter(|map| !before.contains(&map.id()));
            let found = found.find(|map| map.name_as_str() == Some(wanted));
            let id = found.with_context(|| format!("no map {wanted}"))?.id();
            Ok::<_, anyhow::Error>(MapData::from_id(id)?)
        };
        Ok(Self {
            reachable: HashMap::try_from(Map::LruHashMap(map("REACHABLE")?))?,
            heartbeat: Array::try_from(Map::Array(map("HEARTBEAT")?))?,
        })
    }

    /// Whoever was reached stays so.
    pub(super) fn keep(&mut self) -> Result<()> {
        let reached: Vec<_> = self.reachable.keys().collect::<Result<_, _>>()?;
        for way in reached {
            self.reachable
                .insert(way, until(ClockId::CLOCK_BOOTTIME)?, 0)?;
        }
        self.heartbeat.set(0, until(ClockId::CLOCK_MONOTONIC)?, 0)?;
        Ok(())
    }

    /// All is as the daemon has it.
    pub(super) fn release(&mut self) -> Result<()> {
        let reached: Vec<_> = self.reachable.keys().collect::<Result<_, _>>()?;
        for way in reached {
            self.reachable.remove(&way)?;
        }
        Ok(())
    }
}

/// The ids of the kernel's maps.
pub(super) fn maps() -> BTreeSet<u32> {
    loaded_maps()
        .filter_map(Result::ok)
        .map(|map| map.id())
        .collect()
}

fn until(clock: ClockId) -> Result<u64> {
    let now = Duration::from(clock_gettime(clock)?);
    Ok(u64::try_from((now + LONG).as_nanos())?)
}
