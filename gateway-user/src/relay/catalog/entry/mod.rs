//! One database: its catalog, who uses it, and when it is read.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use gateway_common::held::Reach;
use gateway_core::mask::{MaskKey, MaskSet};
use gateway_core::sql::postgres::lineage::Masked;
use gateway_core::sql::postgres::lineage::catalog::Catalog;
use gateway_core::sql::postgres::lineage::edition::{Changes, Edition};
use tokio::sync::Semaphore;

use super::{Place, lock, read};
use crate::dialer::Ahead;
use crate::relay::client::{Account, Client, ClientError, Limits};
use crate::relay::dial::{Server, Way};

/// All of it has so long.
const DEADLINE: Duration = Duration::from_secs(60);
/// For names that are missing it is not read more often.
const PAUSE: Duration = Duration::from_secs(1);
/// A catalog that could not be read again for so long is old.
const STALE: Duration = Duration::from_secs(60);
/// As much as a large database has.
const LIMITS: Limits = Limits {
    message: 16 << 20,
    rows: 1_000_000,
    bytes: 256 << 20,
};

/// A database.
#[derive(Debug)]
pub(super) struct Entry {
    changes: Changes,
    /// Who reads it.
    turn: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// By the way of the session that came last: those before it may be gone.
    place: Place,
    kept: Kept,
}

/// What is known of the database.
#[derive(Debug, Default)]
struct Kept {
    loaded: Option<Loaded>,
    /// What sessions have.
    handed: Vec<Weak<Masked>>,
}

/// A catalog that was read.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    catalog: Arc<Catalog>,
    edition: Edition,
    /// When it was read last.
    at: Instant,
    /// About how many bytes it takes.
    bytes: usize,
}

impl Loaded {
    /// Whether it has this catalog.
    pub(super) fn is_of(&self, catalog: &Arc<Catalog>) -> bool {
        Arc::ptr_eq(&self.catalog, catalog)
    }
}

impl Entry {
    pub(super) fn new(place: Place) -> Self {
        Self {
            changes: Changes::default(),
            turn: Semaphore::new(1),
            state: Mutex::new(State {
                place,
                kept: Kept::default(),
            }),
        }
    }

    /// A session that uses it from now on.
    pub(super) fn arrive(&self, place: Place) {
        lock(&self.state).place = place;
    }

    /// Whether a session does.
    pub(super) fn is_used(&self) -> bool {
        lock(&self.state).kept.is_used()
    }

    /// The catalog as it is, or read anew if it is not good enough for whoever had `after`.
    pub(super) async fn load(&self, after: Option<&Arc<Masked>>) -> Result<Loaded, String> {
        if let Some(loaded) = self.good(after) {
            return Ok(loaded);
        }
        let _turn = self.turn.acquire().await.map_err(|it| it.to_string())?;
        // It may have been read meanwhile.
        match self.good(after) {
            Some(loaded) => Ok(loaded),
            None => self.read().await,
        }
    }

    fn good(&self, after: Option<&Arc<Masked>>) -> Option<Loaded> {
        lock(&self.state).kept.good(after)
    }

    /// What other sessions with the same masks have, as long as nothing but their own statements has changed
    /// the database since it was read. It is no older than [`super::AGAIN`].
    pub(super) fn close(
        &self,
        masks: &Arc<MaskSet>,
        key: &MaskKey,
        after: Option<&Arc<Masked>>,
    ) -> Option<Arc<Masked>> {
        lock(&self.state).kept.close(masks, key, after)
    }

    /// Reads it for those who have it.
    pub(super) async fn refresh(&self) {
        let Ok(_turn) = self.turn.acquire().await else {
            return;
        };
        let Err(error) = self.read().await else {
            return;
        };
        tracing::warn!(error, "the catalog of a database cannot be read again");
        let state = lock(&self.state);
        // Fails closed: what it says may not be so any more.
        if let Some(loaded) = &state.kept.loaded
            && loaded.at.elapsed() >= STALE
            && loaded.edition.is_current()
        {
            loaded.edition.outdate();
        }
    }

    async fn read(&self) -> Result<Loaded, String> {
        // Before anything is read: what changes from here on makes it old.
        let edition = self.changes.edition();
        let place = lock(&self.state).place.again();
        let at = Instant::now();
        let catalog = tokio::time::timeout(DEADLINE, place.read()).await;
        let catalog = catalog.map_err(|_late| "the server took too long to tell its catalog")?;
        let catalog = catalog.map_err(|error| format!("the catalog of the database: {error}"))?;
        Ok(lock(&self.state).kept.take(catalog, edition, at))
    }

    /// About how many bytes the catalogs take that are known of it and that sessions have.
    pub(super) fn bytes(&self) -> usize {
        lock(&self.state).kept.bytes()
    }

    /// What no session has need not be kept.
    pub(super) fn give_up(&self) {
        let kept = &mut lock(&self.state).kept;
        if !kept.is_used() {
            kept.loaded = None;
        }
    }

    /// What a session gets: the same as another with the same masks, of whatever policy.
    pub(super) fn hand_out(
        &self,
        loaded: &Loaded,
        masks: Arc<MaskSet>,
        key: MaskKey,
    ) -> Arc<Masked> {
        lock(&self.state).kept.hand_out(loaded, masks, key)
    }
}

impl Kept {
    fn is_used(&self) -> bool {
        self.handed.iter().any(|it| it.strong_count() > 0)
    }

    fn bytes(&self) -> usize {
        let handed = self.handed.iter().filter_map(Weak::upgrade);
        let mut all: Vec<(Arc<Catalog>, usize)> = Vec::new();
        let known = self
            .loaded
            .iter()
            .map(|it| (Arc::clone(&it.catalog), it.bytes));
        for (catalog, bytes) in known.chain(handed.map(|it| (Arc::clone(it.catalog()), 0))) {
            if !all.iter().any(|(other, _)| Arc::ptr_eq(other, &catalog)) {
                let bytes = if bytes == 0 { catalog.bytes() } else { bytes };
                all.push((catalog, bytes));
            }
        }
        all.iter().map(|(_, bytes)| bytes).sum()
    }

    /// What is good enough for whoever had `after`.
    fn good(&self, after: Option<&Arc<Masked>>) -> Option<Loaded> {
        let loaded = self.loaded.as_ref()?;
        let lacks = after.is_some_and(|it| it.edition().is_same(&loaded.edition));
        let is_good = loaded.edition.is_current() && !(lacks && loaded.at.elapsed() >= PAUSE);
        is_good.then(|| loaded.clone())
    }

    /// What was handed out before and is close to how the database is, other than `after`.
    fn close(
        &self,
        masks: &Arc<MaskSet>,
        key: &MaskKey,
        after: Option<&Arc<Masked>>,
    ) -> Option<Arc<Masked>> {
        let loaded = self.loaded.as_ref()?;
        let mut handed = self.handed.iter().filter_map(Weak::upgrade);
        handed.find(|it| {
            let is_other = after.is_none_or(|after| !Arc::ptr_eq(after, it));
            let is_newest = it.edition().is_same(&loaded.edition) && it.is_close();
            is_other && is_newest && **it.masks() == **masks && *it.key() == *key
        })
    }

    /// Keeps what was read. What was read before stays if nothing has changed, and is old otherwise.
    fn take(&mut self, catalog: Catalog, edition: Edition, at: Instant) -> Loaded {
        let known = self.loaded.take();
        let same = known.as_ref().filter(|known| *known.catalog == catalog);
        let edition = match (&known, same) {
            // Sessions that have the one before must not go on with it.
            (Some(_), None) => edition.supersede().unwrap_or_else(|| {
                edition.outdate();
                edition
            }),
            _ => edition,
        };
        let catalog = match same {
            Some(same) => Arc::clone(&same.catalog),
            None => Arc::new(catalog),
        };
        let loaded = Loaded {
            bytes: catalog.bytes(),
            catalog,
            edition,
            at,
        };
        self.loaded = Some(loaded.clone());
        loaded
    }

    fn hand_out(&mut self, loaded: &Loaded, masks: Arc<MaskSet>, key: MaskKey) -> Arc<Masked> {
        self.handed.retain(|it| it.strong_count() > 0);
        let known = self.handed.iter().filter_map(Weak::upgrade).find(|it| {
            **it.masks() == *masks && *it.key() == key && it.edition().is_same(&loaded.edition)
        });
        if let Some(known) = known {
            return known;
        }
        let catalog = Arc::clone(&loaded.catalog);
        let masked = Arc::new(Masked::new(catalog, masks, key, loaded.edition.clone()));
        self.handed.push(Arc::downgrade(&masked));
        masked
    }
}

impl Place {
    /// The same, for a connection of its own.
    fn again(&self) -> Self {
        let server = &self.server;
        let reach: Reach = server.way.reach;
        Self {
            resource: self.resource.clone(),
            server: Server {
                dialer: Arc::clone(&server.dialer),
                way: Way {
                    reach,
                    ahead: Ahead::default(),
                },
                protocol: server.protocol,
                upstream: Arc::clone(&server.upstream),
                name: server.name.clone(),
            },
            login: Arc::clone(&self.login),
            database: self.database.clone(),
        }
    }

    async fn read(self) -> Result<Catalog, String> {
        let told = |error: ClientError| error.to_string();
        let Self {
            server,
            login,
            database,
            ..
        } = self;
        server.known().map_err(|error| error.to_string())?;
        let dialed = server.dial().await;
        let (leg, tls) = dialed.map_err(|error| error.to_string())?;
        let account = Account {
            user: &login.user,
            password: login.password.as_ref(),
        };
        let name = "gateway catalog";
        let client = Client::login(leg, tls.as_ref(), account, &database, name, LIMITS);
        let mut client = client.await.map_err(told)?;
        let read = match read::read(&mut client).await {
            // Something that it asks about may have been dropped or locked meanwhile.
            Err(ClientError::Server { .. }) => again(&mut client).await,
            read => read,
        };
        client.close().await;
        read.map_err(told)
    }
}

async fn again(client: &mut Client) -> Result<Catalog, ClientError> {
    client.run("ROLLBACK").await?;
    read::read(client).await
}

#[cfg(test)]
mod tests;
