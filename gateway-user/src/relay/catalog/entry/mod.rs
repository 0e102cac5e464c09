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

    /// What is good enough for whoever had `after`.
    fn good(&self, after: Option<&Arc<Masked>>) -> Option<Loaded> {
        let loaded = self.loaded.as_ref()?;
        let lacks = after.is_some_and(|it| it.edition().is_same(&loaded.edition));
        let is_good = loaded.edition.is_current() && !(lacks && loaded.at.elapsed() >= PAUSE);
        is_good.then(|| loaded.clone())
    }

    /// Keeps what was read. What was read before stays if nothing has changed, and is old otherwise.
    fn take(&mut self, catalog: Catalog, edition: Edition, at: Instant) -> Loaded {
        let known = self.loaded.take();
        let same = known.as_ref().filter(|known| *known.catalog == catalog);
        let was_current = known
            .as_ref()
            .is_some_and(|known| known.edition.is_same(&edition));
        let edition = match (same, was_current) {
            (None, true) => edition.supersede().unwrap_or(edition),
            _ => edition,
        };
        let catalog = match same {
            Some(same) => Arc::clone(&same.catalog),
            None => Arc::new(catalog),
        };
        let loaded = Loaded {
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
