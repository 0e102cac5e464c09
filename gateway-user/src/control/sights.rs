//! Tells the enforcement log of what the kernel refused, dropped or let pass by itself.
//!
//! The kernel programs limit how often they tell of the same thing; here what comes in one breath is
//! gathered, and only so many lines of a workload are written a second. The rest is a number:
//! `gateway coverage` has all of it counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gateway_common::coverage::Kind;
use gateway_common::sight::Sight;
use gateway_core::ids::WorkloadName;
use jiff::Timestamp;

use super::operations::Operations;
use crate::kernel::{CgroupId, Sights};
use crate::observe::enforcement::What;
use crate::observe::enforcement::unseen::KernelEvent;

/// What comes within this is gathered.
const BREATH: Duration = Duration::from_secs(1);
/// Lines of one workload in one breath.
const LINES: usize = 10;

/// What is told of in one line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    attached: u64,
    kind: Kind,
    destination: std::net::SocketAddr,
    tgid: u32,
}

/// Tells of everything, for as long as the daemon runs.
pub async fn tell(operations: Arc<Operations>) {
    let Some(mut sights) = operations.parts().kernel.take_sights() else {
        return;
    };
    let mut breath = tokio::time::interval(BREATH);
    breath.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // The kernel's ring holds some thousand meanwhile; what it has no room for is counted.
        breath.tick().await;
        let gathered = gather(&mut sights);
        if gathered.is_empty() {
            continue;
        }
        let operations = Arc::clone(&operations);
        let told = tokio::task::spawn_blocking(move || operations.tell_sights(gathered)).await;
        if let Err(error) = told {
            tracing::error!(%error, "what the kernel refused was not told");
        }
    }
}

fn gather(sights: &mut Sights) -> BTreeMap<Key, (Sight, u64)> {
    let mut gathered = BTreeMap::new();
    while let Some(sight) = sights.next() {
        // A newer program's kind is counted under its number only.
        let Some(kind) = sight.kind() else { continue };
        let key = Key {
            attached: sight.attached,
            kind,
            destination: sight.destination_addr(),
            tgid: sight.process.tgid,
        };
        let (_, times) = gathered.entry(key).or_insert((sight, 0_u64));
        *times = times.saturating_add(1);
    }
    gathered
}

impl Operations {
    fn tell_sights(&self, gathered: BTreeMap<Key, (Sight, u64)>) {
        let mut lines: BTreeMap<Option<WorkloadName>, (usize, u64)> = BTreeMap::new();
        for (key, (sight, times)) in gathered {
            let workload = self.whose(CgroupId(key.attached));
            let (written, more) = lines.entry(workload.clone()).or_default();
            if *written >= LINES {
                *more = more.saturating_add(times);
                continue;
            }
            *written = written.saturating_add(1);
            self.tell_of(self.event(workload, key, &sight, times));
        }
        for (workload, (_, times)) in lines.into_iter().filter(|(_, (_, more))| *more > 0) {
            self.tell_of(What::KernelMore { workload, times });
        }
    }

    fn event(&self, workload: Option<WorkloadName>, key: Key, sight: &Sight, times: u64) -> What {
        let passage = match (&workload, key.kind) {
            (Some(workload), Kind::AllowedDatagram) => {
                let identities = self.parts().attachments.identities();
                let identity = identities.of(key.attached, Timestamp::now());
                let settings = &self.parts().settings;
                let passages = settings.datagrams(workload, identity.as_deref());
                let mut passages = passages.into_iter();
                passages.find(|passage| passage.to.covers(key.destination))
            }
            _ => None,
        };
        let process = sight.process;
        let is_known = process.tgid != 0;
        let event = KernelEvent {
            workload,
            cgroup: key.attached,
            kind: key.kind.name().to_owned(),
            destination: (key.destination.port() != 0 || !key.destination.ip().is_unspecified())
                .then_some(key.destination),
            pid: is_known.then_some(process.tgid),
            uid: is_known.then_some(process.uid),
            comm: is_known.then(|| String::from_utf8_lossy(process.comm_bytes()).into_owned()),
            resource: passage.as_ref().map(|passage| passage.resource.clone()),
            rule: passage.and_then(|passage| passage.rule),
            times,
        };
        if key.kind.is_passed() {
            What::KernelPassed(event)
        } else {
            What::KernelRefused(event)
        }
    }

    /// It has happened whether or not the log takes it.
    fn tell_of(&self, what: What) {
        if let Err(error) = self.note(what) {
            tracing::error!(%error, "cannot write the enforcement log");
        }
    }
}
