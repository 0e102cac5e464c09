//! Looks up the hosts of resources, when a configuration comes into force and whenever what is
//! known of one runs out: so an agent that has an address from elsewhere is known by its name too.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway_core::protocols::dns::name::Name;
use gateway_core::protocols::dns::query::Query;
use gateway_core::protocols::dns::record::{A, AAAA};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::resolver::{Resolver, addresses};
use crate::config::Config;
use crate::names::{self, Names};

/// A host is looked up no more often than this, and no less often than that.
const BETWEEN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// After a look-up that found nothing.
const RETRY: Duration = Duration::from_secs(5);
/// So many are looked up at a time.
const AT_A_TIME: usize = 16;

/// Keeps `names` filled until the task is ended. Cancel safe: what is half looked up is forgotten.
pub(super) async fn refresh(
    resolver: Arc<Resolver>,
    names: Names,
    mut config: watch::Receiver<Arc<Config>>,
) {
    let mut due: HashMap<String, Instant> = HashMap::new();
    loop {
        let now_in_force = Arc::clone(&config.borrow_and_update());
        names.keep(&now_in_force);
        due.retain(|host, _| names::hosts(&now_in_force).any(|it| it == host));
        for host in names::hosts(&now_in_force) {
            due.entry(host.to_owned()).or_insert_with(Instant::now);
        }
        look_up_due(&resolver, &mut due).await;
        let next = due.values().min().copied();
        let next = next.unwrap_or_else(|| Instant::now() + BETWEEN.1);
        tokio::select! {
            () = tokio::time::sleep_until(next.into()) => {}
            changed = config.changed() => if changed.is_err() {
                return; // The daemon ends.
            },
        }
    }
}

async fn look_up_due(resolver: &Arc<Resolver>, due: &mut HashMap<String, Instant>) {
    let now = Instant::now();
    let mut waiting: Vec<String> = due
        .iter()
        .filter(|(_, at)| **at <= now)
        .map(|(host, _)| host.clone())
        .collect();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < AT_A_TIME
            && let Some(host) = waiting.pop()
        {
            let resolver = Arc::clone(resolver);
            tasks.spawn(async move {
                let wait = look_up(&resolver, &host).await;
                (host, wait)
            });
        }
        match tasks.join_next().await {
            Some(Ok((host, wait))) => due.insert(host, Instant::now() + wait),
            // Only a panic leads here; the host is looked up again with the next round.
            Some(Err(_)) => None,
            None => return,
        };
    }
}

/// Looks one host up; says after how long it has to be done again.
async fn look_up(resolver: &Resolver, host: &str) -> Duration {
    let mut life: Option<Duration> = None;
    for kind in [A, AAAA] {
        let Some(query) = Name::host(host).map(|name| Query::own(name, kind)) else {
            return BETWEEN.1; // Only what is a host's name gets through the configuration.
        };
        match resolver.find(&query).await {
            Ok(found) if !addresses(&found).is_empty() => {
                let found = Duration::from_secs(found.life().unwrap_or_default().into());
                life = Some(life.map_or(found, |life| life.min(found)));
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(host, %error, "a resource's host cannot be looked up"),
        }
    }
    if life.is_none() {
        tracing::warn!(host, "a resource's host has no address");
    }
    life.map_or(RETRY, |life| life.clamp(BETWEEN.0, BETWEEN.1))
}
