//! `Catalogs`: what the servers' own catalogs say, read over connections of the gateway's own, for masking.
//!
//! A database is read once for all sessions that log in to it with the same credential, and again when it has
//! changed, when a name is missing, and now and then as long as sessions use it. `questions` is what is
//! asked, `read` understands the answers, `key` is what hashes are made with. Fails closed: without a
//! catalog there is an error, never an empty one.

mod entry;
mod key;
mod questions;
mod read;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use gateway_core::ids::ResourceName;
use gateway_core::mask::{MaskKey, MaskSet};
use gateway_core::protocols::login::Login;
use gateway_core::sql::postgres::lineage::Masked;

use self::entry::Entry;
use super::dial::Server;

/// All catalogs together may take so many bytes, those included that only idle sessions still have. Whoever
/// would add to more than that gets none: the session ends.
const ROOM: usize = 1 << 30;

/// A database that sessions use is read again so often.
const AGAIN: Duration = Duration::from_secs(15);

/// Where the key of masks is, in a folder that the daemon may write to once it has given its privileges up.
pub fn key_file(folder: &Path) -> PathBuf {
    folder.join("mask.key")
}

/// The database of a session, and how the gateway gets to it.
#[derive(Debug)]
pub struct Place {
    /// The resource.
    pub resource: ResourceName,
    /// The server.
    pub server: Server,
    /// As whom the gateway logs in.
    pub login: Arc<Login>,
    /// The name of the database.
    pub database: String,
}

/// Which sessions share a catalog.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    resource: ResourceName,
    address: SocketAddr,
    /// Of a server that is not verified: the agent's network namespace, which may have another there.
    netns: Option<u64>,
    name: Option<String>,
    credential: String,
    user: String,
    database: String,
}

impl Key {
    fn of(place: &Place) -> Self {
        let Server {
            way,
            upstream,
            name,
            ..
        } = &place.server;
        Self {
            resource: place.resource.clone(),
            address: way.reach.destination_addr(),
            netns: (!upstream.verifies()).then_some(way.reach.netns),
            name: name.clone(),
            credential: place.login.credential.clone(),
            user: place.login.user.clone(),
            database: place.database.clone(),
        }
    }
}

type Entries = Mutex<HashMap<Key, Arc<Entry>>>;

/// The catalogs of all databases that sessions use.
#[derive(Debug)]
pub struct Catalogs {
    entries: Arc<Entries>,
    key_file: PathBuf,
    key: OnceLock<MaskKey>,
}

impl Catalogs {
    /// None yet. `key_file` is where the key of masks is kept if the configuration gives none; it is made
    /// there when it is first needed.
    pub fn new(key_file: PathBuf) -> Self {
        Self {
            entries: Arc::default(),
            key_file,
            key: OnceLock::new(),
        }
    }

    /// What `masks` mean in a database. `key` is the configuration's, if it has one.
    ///
    /// `after` is what the session has had until now: if that is old, or names are missing in it, the
    /// database is read anew, for missing names once a second at most. What comes is never older than a
    /// change that was known of at the time of the call, or it is what another session has and is close
    /// ([`Masked::is_close`]): whoever needs more asks again.
    pub async fn masked(
        &self,
        place: Place,
        masks: Arc<MaskSet>,
        key: Option<&MaskKey>,
        after: Option<&Arc<Masked>>,
    ) -> Result<Arc<Masked>, String> {
        let key = self.key(key)?;
        let entry = self.entry(place);
        if let Some(close) = entry.close(&masks, &key, after) {
            return Ok(close);
        }
        let loaded = entry.load(after).await?;
        let adds = after.is_none_or(|after| !loaded.is_of(after.catalog()));
        if adds && self.bytes() > ROOM {
            entry.give_up();
            return Err("the catalogs of all databases take too much memory".to_owned());
        }
        Ok(entry.hand_out(&loaded, masks, key))
    }

    /// About how many bytes all catalogs take.
    fn bytes(&self) -> usize {
        let entries: Vec<Arc<Entry>> = lock(&self.entries).values().map(Arc::clone).collect();
        entries.iter().map(|entry| entry.bytes()).sum()
    }

    /// What hashes and pseudonyms are made with: the configuration's key, or one of the daemon's own.
    pub fn key(&self, key: Option<&MaskKey>) -> Result<MaskKey, String> {
        if let Some(key) = key {
            return Ok(key.clone());
        }
        if let Some(key) = self.key.get() {
            return Ok(key.clone());
        }
        let key = key::load_or_create(&self.key_file).map_err(|error| error.to_string())?;
        Ok(self.key.get_or_init(|| key).clone())
    }

    fn entry(&self, place: Place) -> Arc<Entry> {
        let key = Key::of(&place);
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(&key) {
            entry.arrive(place);
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry::new(place));
        entries.insert(key.clone(), Arc::clone(&entry));
        tokio::spawn(keep(Arc::downgrade(&self.entries), key, Arc::clone(&entry)));
        entry
    }
}

/// Reads a database again and again, until no session uses it.
async fn keep(entries: Weak<Entries>, key: Key, entry: Arc<Entry>) {
    loop {
        tokio::time::sleep(AGAIN).await;
        {
            let Some(entries) = entries.upgrade() else {
                return;
            };
            let mut entries = lock(&entries);
            // Beside the map and this task, whoever is about to get something from it has it.
            if Arc::strong_count(&entry) <= 2 && !entry.is_used() {
                entries.remove(&key);
                return;
            }
        }
        entry.refresh().await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Each change is a single one, so a poisoned one is still good.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
