//! Which addresses the hosts of resources have at the moment, and which of them a workload looked
//! up: so a connection, which the kernel sees by its address only, is known by the name.
//!
//! Filled by `relay::dns` with answers of the configured servers about configured names, and with
//! nothing that an agent can choose. Addresses stay for a while after their time, because clients
//! keep theirs. Memory is bounded by the configuration and the limits here.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::descriptor::Protocol;
use gateway_core::flow::Flow;
use gateway_core::ids::WorkloadName;
use gateway_core::subject::Subject;

use crate::config::{Config, Resource};

/// An address counts for so long after its time: connection pools and runtimes keep what they
/// looked up.
const GRACE: Duration = Duration::from_secs(600);
/// What a workload looked up says for so long which of two resources it means.
const RECENT: Duration = Duration::from_secs(600);
/// So many addresses of one host are known at a time; of more, those with the least time left go.
const ADDRESSES: usize = 64;
/// So many look-ups of workloads are remembered, the latest ones.
const LOOK_UPS: usize = 4096;

/// The table. Clones share one.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    /// Until when a host has an address.
    hosts: HashMap<String, HashMap<IpAddr, Instant>>,
    /// When a workload was told an address for a host.
    looked_up: HashMap<(WorkloadName, IpAddr, String), Instant>,
}

/// A resource that covers a destination.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    /// Which.
    pub resource: &'a Resource,
    /// The names of its hosts that have the address; none where it is covered by its address.
    pub hosts: Vec<String>,
}

/// More than one resource covers a destination.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unclear {
    /// Which ones, and what to do.
    pub why: String,
    /// What is spoken at one of them, to be told in its words.
    pub protocol: &'static Protocol,
}

impl Names {
    /// Forgets hosts that no resource has any more.
    pub fn keep(&self, config: &Config) {
        let is_kept = |name: &String| hosts(config).any(|host| host == name);
        self.table().hosts.retain(|name, _| is_kept(name));
    }

    /// Takes what the servers say of `name`, if it is the name of a resource's host. Says whether
    /// it is.
    pub fn learn(
        &self,
        config: &Config,
        name: &str,
        addresses: &[IpAddr],
        life: Duration,
        now: Instant,
    ) -> bool {
        if !hosts(config).any(|host| host == name) {
            return false;
        }
        let mut table = self.table();
        let known = table.hosts.entry(name.to_owned()).or_default();
        let until = now + life + GRACE;
        for address in addresses {
            let entry = known.entry(address.to_canonical()).or_insert(until);
            *entry = until.max(*entry);
        }
        known.retain(|_, until| *until > now);
        while known.len() > ADDRESSES {
            let first = known.iter().min_by_key(|(_, until)| **until);
            let Some(address) = first.map(|(address, _)| *address) else {
                break;
            };
            known.remove(&address);
        }
        true
    }

    /// Remembers that `workload` was told these addresses, if they are of a resource's host.
    pub fn told(
        &self,
        config: &Config,
        workload: &WorkloadName,
        name: &str,
        addresses: &[IpAddr],
        now: Instant,
    ) {
        if !hosts(config).any(|host| host == name) {
            return;
        }
        let mut table = self.table();
        let looked_up = &mut table.looked_up;
        for address in addresses {
            let key = (workload.clone(), address.to_canonical(), name.to_owned());
            looked_up.insert(key, now);
        }
        if looked_up.len() > LOOK_UPS {
            looked_up.retain(|_, at| now.saturating_duration_since(*at) < RECENT);
        }
        while looked_up.len() > LOOK_UPS {
            let oldest = looked_up.iter().min_by_key(|(_, at)| **at);
            let Some(key) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            looked_up.remove(&key);
        }
    }

    /// The resource that covers `destination` for `workload`.
    ///
    /// # Errors
    /// More than one does, and the workload's own look-ups do not say which is meant.
    pub fn resource_for<'a>(
        &self,
        config: &'a Config,
        destination: SocketAddr,
        workload: &WorkloadName,
        now: Instant,
    ) -> Result<Option<Claim<'a>>, Unclear> {
        let mut claims = self.claims(config, destination, now);
        if let [first, _, ..] = claims.as_slice() {
            let meant = self.meant(&claims, destination.ip(), workload, now);
            let [one] = meant.as_slice() else {
                return Err(unclear(destination, &claims, first.resource.protocol));
            };
            claims = vec![claims.swap_remove(*one)];
        }
        Ok(claims.pop())
    }

    /// The resource that covers an open flow: the one that it began with, as long as that has one of
    /// the names by which it was found.
    ///
    /// # Errors
    /// As for [`Names::resource_for`].
    pub fn resource_of<'a>(
        &self,
        config: &'a Config,
        flow: &Flow,
        subject: &Subject,
    ) -> Result<Option<&'a Resource>, Unclear> {
        let destination = flow.destination.0;
        let same = config.resources.iter().find(|resource| {
            let mut hosts = resource.hosts.iter();
            Some(&resource.name) == flow.resource.as_ref()
                && hosts.any(|it| it.port == destination.port() && flow.hosts.contains(&it.name))
        });
        if same.is_some() {
            return Ok(same);
        }
        let claim = self.resource_for(config, destination, &subject.workload, Instant::now());
        Ok(claim?.map(|claim| claim.resource))
    }

    /// Every resource that covers it, each once.
    fn claims<'a>(
        &self,
        config: &'a Config,
        destination: SocketAddr,
        now: Instant,
    ) -> Vec<Claim<'a>> {
        let by_address = config.resource_for(destination).map(|resource| Claim {
            resource,
            hosts: Vec::new(),
        });
        let mut claims: Vec<Claim<'a>> = by_address.into_iter().collect();
        let (table, address) = (self.table(), destination.ip().to_canonical());
        for resource in &config.resources {
            let at_port = resource
                .hosts
                .iter()
                .filter(|host| host.port == destination.port());
            for host in at_port {
                let until = table.hosts.get(&host.name).and_then(|it| it.get(&address));
                if until.is_none_or(|until| *until <= now) {
                    continue;
                }
                let same = |claim: &&mut Claim<'_>| claim.resource.name == resource.name;
                match claims.iter_mut().find(same) {
                    Some(claim) => claim.hosts.push(host.name.clone()),
                    None => claims.push(Claim {
                        resource,
                        hosts: vec![host.name.clone()],
                    }),
                }
            }
        }
        claims
    }

    /// Which of the claims are by a name that the workload looked up lately.
    fn meant(
        &self,
        claims: &[Claim<'_>],
        address: IpAddr,
        workload: &WorkloadName,
        now: Instant,
    ) -> Vec<usize> {
        let table = self.table();
        let is_recent = |name: &String| {
            let key = (workload.clone(), address.to_canonical(), name.clone());
            let at = table.looked_up.get(&key);
            at.is_some_and(|at| now.saturating_duration_since(*at) < RECENT)
        };
        let meant = claims.iter().enumerate();
        meant
            .filter(|(_, claim)| claim.hosts.iter().any(is_recent))
            .map(|(index, _)| index)
            .collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing under the lock can leave the table half changed, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of all resources' hosts.
pub fn hosts(config: &Config) -> impl Iterator<Item = &str> {
    let hosts = config.resources.iter().flat_map(|resource| &resource.hosts);
    hosts.map(|host| host.name.as_str())
}

fn unclear(destination: SocketAddr, claims: &[Claim<'_>], protocol: &'static Protocol) -> Unclear {
    let told: Vec<String> = claims
        .iter()
        .map(|claim| match claim.hosts.first() {
            Some(host) => format!("{} ({host})", claim.resource.name),
            None => claim.resource.name.to_string(),
        })
        .collect();
    let why = format!(
        "{destination} belongs to {} at the moment: look up the name of the one that is meant, then \
         connect",
        told.join(" and ")
    );
    Unclear { why, protocol }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[[workload]]
name = "planner"
[[resource]]
name = "orders-db"
protocol = "postgres"
addresses = ["10.0.9.0/24:5432"]
hosts = ["db.internal:5432", "db-old.internal:5432"]
[[resource]]
name = "users-db"
protocol = "postgres"
hosts = ["users.internal:5432", "db.internal:5433"]
"#;

    struct Stage {
        config: Config,
        names: Names,
        start: Instant,
    }

    impl Stage {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("gateway.toml");
            std::fs::write(&path, FILE).unwrap();
            Self {
                config: Config::load(&path).unwrap().0,
                names: Names::default(),
                start: Instant::now(),
            }
        }

        fn learn(&self, name: &str, addresses: &[&str], life: u64) -> bool {
            let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            let life = Duration::from_secs(life);
            self.names
                .learn(&self.config, name, &addresses, life, self.start)
        }

        #[track_caller]
        fn check(&self, destination: &str, after: u64, expected: Result<Option<&str>, &str>) {
            let found = self.names.resource_for(
                &self.config,
                destination.parse().unwrap(),
                &WorkloadName::new("planner"),
                self.start + Duration::from_secs(after),
            );
            let found = found.map(|claim| claim.map(|claim| claim.resource.name.to_string()));
            let found = found.as_ref().map(Option::as_deref);
            assert_eq!(found.map_err(|unclear| unclear.why.as_str()), expected);
        }
    }

    #[test]
    fn hosts_are_known_by_their_addresses_for_their_time_and_a_while() {
        let stage = Stage::new();
        stage.check("10.0.0.5:5432", 0, Ok(None));
        assert!(stage.learn("db.internal", &["10.0.0.5", "::ffff:10.0.0.6"], 60));
        stage.check("10.0.0.5:5432", 0, Ok(Some("orders-db")));
        stage.check("10.0.0.6:5432", 0, Ok(Some("orders-db")));
        stage.check("[::ffff:10.0.0.5]:5433", 0, Ok(Some("users-db")));
        stage.check("10.0.0.5:5434", 0, Ok(None));
        stage.check("10.0.0.5:5432", 659, Ok(Some("orders-db")));
        stage.check("10.0.0.5:5432", 660, Ok(None));
    }

    #[test]
    fn names_of_nobody_teach_nothing() {
        let stage = Stage::new();
        assert!(!stage.learn("evil.example", &["10.0.0.5"], 60));
        stage.check("10.0.0.5:5432", 0, Ok(None));
    }

    #[test]
    fn an_address_of_two_resources_is_whose_name_was_looked_up() {
        let stage = Stage::new();
        for name in ["db.internal", "users.internal"] {
            stage.learn(name, &["10.0.0.5"], 60);
        }
        let unclear = "10.0.0.5:5432 belongs to orders-db (db.internal) and users-db \
                       (users.internal) at the moment: look up the name of the one that is meant, \
                       then connect";
        stage.check("10.0.0.5:5432", 0, Err(unclear));
        let told = |workload: &str, name| {
            let addresses = ["10.0.0.5".parse().unwrap()];
            let workload = WorkloadName::new(workload);
            let Stage {
                config,
                names,
                start,
            } = &stage;
            names.told(config, &workload, name, &addresses, *start);
        };
        told("writer", "users.internal");
        stage.check("10.0.0.5:5432", 0, Err(unclear));
        told("planner", "users.internal");
        stage.check("10.0.0.5:5432", 599, Ok(Some("users-db")));
        stage.check("10.0.0.5:5432", 600, Err(unclear));
        told("planner", "db.internal");
        stage.check("10.0.0.5:5432", 0, Err(unclear));
        // One resource by two names, or by name and address, is one.
        stage.learn("db-old.internal", &["10.0.9.9", "10.0.0.7"], 60);
        stage.learn("db.internal", &["10.0.0.7"], 60);
        stage.check("10.0.9.9:5432", 0, Ok(Some("orders-db")));
        stage.check("10.0.0.7:5432", 0, Ok(Some("orders-db")));
    }

    #[test]
    fn memory_is_bounded() {
        let stage = Stage::new();
        for n in 0..200_u8 {
            stage.learn("db.internal", &[&format!("10.0.1.{n}")], 60 + u64::from(n));
        }
        assert_eq!(stage.names.table().hosts["db.internal"].len(), ADDRESSES);
        stage.check("10.0.1.199:5432", 0, Ok(Some("orders-db")));
        stage.check("10.0.1.0:5432", 0, Ok(None));
        let workload = WorkloadName::new("planner");
        for n in 0..u32::try_from(LOOK_UPS).unwrap() + 9 {
            let address = std::net::Ipv4Addr::from(n).into();
            let Stage {
                config,
                names,
                start,
            } = &stage;
            names.told(config, &workload, "db.internal", &[address], *start);
        }
        assert_eq!(stage.names.table().looked_up.len(), LOOK_UPS);
    }
}
