//! `Resolver`: from a question to its answer, as the host itself would find it: its own file of
//! hosts, then what is remembered, then the servers. What the answers say of resources' hosts goes
//! into `names`.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gateway_core::policy::decision::Permit;
use gateway_core::protocols::dns::query::Query;
use gateway_core::protocols::dns::record::{A, AAAA, Record};
use gateway_core::protocols::dns::wire::Message;
use tokio::sync::watch;

use super::cache::Cache;
use super::files::{self, Hosts, Watched};
use super::servers::{self, NoAnswer};
use crate::config::Config;
use crate::names::Names;

const RESOLV_CONF: &str = "/etc/resolv.conf";
/// What the file of hosts says holds so long, in seconds: it may change any time.
const FILE_TTL: u32 = 10;

/// Looks names up.
#[derive(Debug)]
pub(super) struct Resolver {
    config: watch::Receiver<Arc<Config>>,
    names: Names,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    hosts: Watched<Hosts>,
    servers: Watched<Vec<SocketAddr>>,
    /// The servers that the cache is of.
    asked: Vec<SocketAddr>,
    cache: Cache,
}

impl Resolver {
    pub(super) fn new(config: watch::Receiver<Arc<Config>>, names: Names) -> Self {
        let hosts = config.borrow().dns.hosts_file.clone();
        let known = Known {
            hosts: Watched::new(&hosts, files::hosts),
            servers: Watched::new(Path::new(RESOLV_CONF), files::servers),
            asked: Vec::new(),
            cache: Cache::default(),
        };
        Self {
            config,
            names,
            known: Mutex::new(known),
        }
    }

    /// Finds the answer to what policy permits.
    pub(super) async fn look_up(
        &self,
        query: &Query,
        _permit: Permit,
    ) -> Result<Message, NoAnswer> {
        self.find(query).await
    }

    /// Finds the answer, for an agent or for the gateway itself.
    pub(super) async fn find(&self, query: &Query) -> Result<Message, NoAnswer> {
        let config = Arc::clone(&self.config.borrow());
        // The lock is given back here, before anybody is waited for.
        let here = self.known().here(&config, query);
        let found = match here {
            Ok(found) => query.answer(&found),
            Err(servers) => {
                let found = servers::ask(&servers, query).await?;
                let mut known = self.known();
                if query.wants_recursion() && known.asked == servers {
                    known.cache.keep(query.key(), &found, Instant::now());
                }
                query.answer(&found)
            }
        };
        self.learn(&config, query, &found);
        Ok(found)
    }

    fn learn(&self, config: &Config, query: &Query, found: &Message) {
        let addresses = addresses(found);
        if !addresses.is_empty() {
            let life = Duration::from_secs(found.life().unwrap_or_default().into());
            let name = query.question.name.text();
            self.names
                .learn(config, &name, &addresses, life, Instant::now());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing under the lock can leave it half changed, so a poisoned one is still good.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// The answer that needs nobody else; or who is to be asked.
    fn here(&mut self, config: &Config, query: &Query) -> Result<Message, Vec<SocketAddr>> {
        if self.hosts.path() != config.dns.hosts_file {
            self.hosts = Watched::new(&config.dns.hosts_file, files::hosts);
        }
        if let Some(records) = from_file(self.hosts.now(), query) {
            return Ok(query.own_answer(records));
        }
        let servers = match config.dns.upstream.as_slice() {
            [] => self.servers.now().clone(),
            configured => configured.to_vec(),
        };
        if self.asked != servers {
            self.cache.clear();
            self.asked.clone_from(&servers);
        }
        self.cache.find(&query.key(), Instant::now()).ok_or(servers)
    }
}

/// What the host's file says. A name that is in it has the addresses there and no others, of either
/// family.
fn from_file(hosts: &Hosts, query: &Query) -> Option<Vec<Record>> {
    let question = &query.question;
    if !matches!(question.kind, A | AAAA) {
        return None;
    }
    let addresses = hosts.get(&question.name.text())?;
    let records = addresses.iter().filter_map(|address| {
        let (kind, data) = match address {
            IpAddr::V4(address) => (A, address.octets().to_vec()),
            IpAddr::V6(address) => (AAAA, address.octets().to_vec()),
        };
        (kind == question.kind).then(|| Record {
            owner: question.name.clone(),
            kind,
            class: question.class,
            ttl: FILE_TTL,
            data,
        })
    });
    Some(records.collect())
}

/// The addresses in an answer, whatever names lead to them.
pub(super) fn addresses(message: &Message) -> Vec<IpAddr> {
    let records = message.answers.iter();
    records.filter_map(Record::address).collect()
}
