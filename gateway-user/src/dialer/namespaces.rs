//! The network namespaces of agents: the daemon's own, and others as long as an attached cgroup has
//! a thread in one.
//!
//! In each the daemon listens on the loopback addresses, where the hooks send an agent's connections
//! and questions. A listener keeps its namespace in being, so it is closed when the last agent has
//! left. Serving what is accepted there is the caller's part.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gateway_common::origin::Origin;
use tokio::sync::{mpsc, watch};

use super::shares::{Turn, Turns};
use crate::kernel::{CgroupId, Foothold, Icmp, Inhabited, Kernel, KernelError, NetnsId};

/// So many namespaces are served at a time, shared by the agents; each has a few descriptors.
/// Connects from more are held until others are gone.
const MOST: usize = 512;

/// Why an agent's namespace is not served.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// It could not be entered, or there is no listening in it.
    #[error("the network namespace of the process cannot be served: {0}")]
    Kernel(#[from] KernelError),
    /// There are too many.
    #[error("of {MOST} network namespaces, the share of this cgroup is in use")]
    TooMany,
    /// The daemon stops.
    #[error("the daemon stops")]
    Stopping,
}

/// Listeners that were opened in an agent's namespace, to be served until `closed` says so.
#[derive(Debug)]
pub struct Opened {
    /// On 127.0.0.1 and, where there is IPv6, on `[::1]`.
    pub listeners: Vec<TcpListener>,
    /// Likewise, for questions.
    pub resolvers: Vec<UdpSocket>,
    /// Completes when the namespace is given up.
    pub closed: watch::Receiver<bool>,
}

/// One namespace that is served.
#[derive(Debug)]
pub(super) struct Place {
    icmp: Icmp,
    /// Of its opener's share.
    _turn: Turn,
    /// The attached cgroups that came from here.
    attached: Mutex<BTreeSet<CgroupId>>,
    /// Dropping it tells those who serve here.
    _closed: watch::Sender<bool>,
}

/// The namespaces that are served.
#[derive(Debug)]
pub(super) struct Namespaces {
    kernel: Arc<Kernel>,
    own: NetnsId,
    places: Mutex<HashMap<NetnsId, Arc<Place>>>,
    turns: Turns,
    /// Held while one is opened, so that none is opened twice.
    opening: tokio::sync::Mutex<()>,
    opened: mpsc::Sender<Opened>,
}

impl Namespaces {
    pub(super) fn new(kernel: Arc<Kernel>, opened: mpsc::Sender<Opened>) -> io::Result<Self> {
        Ok(Self {
            kernel,
            own: NetnsId::own()?,
            places: Mutex::default(),
            turns: Turns::new(MOST),
            opening: tokio::sync::Mutex::default(),
            opened,
        })
    }

    /// Serves the namespace that a connection comes from, unless it is served.
    pub(super) async fn serve_origin(&self, origin: &Origin) -> Result<(), NamespaceError> {
        let (id, attached) = (NetnsId(origin.netns), CgroupId(origin.attached));
        self.serve(id, attached, [origin.tid, origin.tgid]).await
    }

    /// Serves those that processes of these attached cgroups are in.
    pub(super) async fn look_ahead(
        &self,
        attached: Vec<(CgroupId, PathBuf)>,
    ) -> Result<(), KernelError> {
        let kernel = Arc::clone(&self.kernel);
        let looking = tokio::task::spawn_blocking(move || kernel.inhabited(&attached));
        // It is not cancelled and does not panic; what is not found now is found later.
        let Ok(found) = looking.await else {
            return Ok(());
        };
        for Inhabited {
            id,
            attached,
            process,
        } in found?
        {
            // Its loopback device may not be up yet, or never be.
            if let Err(error) = self.serve(id, attached, [process, process]).await {
                tracing::debug!(%error, netns = id.0, "no listeners ahead in a network namespace");
            }
        }
        Ok(())
    }

    /// Serves namespace `id`, in which one of these threads of an attached cgroup is, unless it is
    /// served.
    async fn serve(
        &self,
        id: NetnsId,
        attached: CgroupId,
        threads: [u32; 2],
    ) -> Result<(), NamespaceError> {
        if id == self.own {
            return Ok(());
        }
        if let Some(place) = self.find(id) {
            place.used_by(attached);
            return Ok(());
        }
        let _alone = self.opening.lock().await;
        if let Some(place) = self.find(id) {
            place.used_by(attached);
            return Ok(());
        }
        let turn = self.turns.take(attached.0);
        let turn = turn.ok_or(NamespaceError::TooMany)?;
        let kernel = Arc::clone(&self.kernel);
        let opened = tokio::task::spawn_blocking(move || {
            let foothold = kernel.enter(id, threads)?;
            kernel.admit(&foothold.listeners)?;
            kernel.mark(&foothold.resolvers)?;
            Ok::<_, KernelError>(foothold)
        });
        let foothold = opened.await.map_err(|_| NamespaceError::Stopping)??;
        let Foothold {
            listeners,
            resolvers,
            icmp,
        } = foothold;
        let (closing, closed) = watch::channel(false);
        let opened = Opened {
            listeners: listeners.into_each().collect(),
            resolvers: resolvers.into_each().collect(),
            closed,
        };
        self.opened
            .send(opened)
            .await
            .map_err(|_| NamespaceError::Stopping)?;
        let place = Arc::new(Place {
            icmp,
            _turn: turn,
            attached: Mutex::new(BTreeSet::from([attached])),
            _closed: closing,
        });
        self.lock().insert(id, place);
        tracing::info!(
            netns = id.0,
            pid = threads[1],
            "serving another network namespace"
        );
        Ok(())
    }

    /// The place with this name, if it is served. Not for the daemon's own.
    pub(super) fn find(&self, id: NetnsId) -> Option<Arc<Place>> {
        self.lock().get(&id).cloned()
    }

    /// Whether it is the daemon's own.
    pub(super) fn is_own(&self, id: NetnsId) -> bool {
        id == self.own
    }

    /// Gives up the namespaces that no attached cgroup has a thread in. Reads `/proc`.
    pub(super) fn sweep(&self) -> Result<(), KernelError> {
        let places: Vec<_> = self.lock().clone().into_iter().collect();
        if places.is_empty() {
            return Ok(());
        }
        let attached = self.kernel.attached()?;
        for (id, place) in places {
            let users = place.users().clone();
            let paths: Vec<_> = attached
                .iter()
                .filter(|one| users.contains(&one.id))
                .filter_map(|one| one.path.clone())
                .collect();
            if !self.kernel.is_used(id, &paths)? {
                self.lock().remove(&id);
                self.kernel.leave_netns(id)?;
                tracing::info!(netns = id.0, "left a network namespace");
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NetnsId, Arc<Place>>> {
        // Single insertions and removals: a poisoned map is still a good one.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Tells agents here what is not reached.
    pub(super) fn icmp(&self) -> &Icmp {
        &self.icmp
    }

    fn used_by(&self, attached: CgroupId) {
        self.users().insert(attached);
    }

    fn users(&self) -> MutexGuard<'_, BTreeSet<CgroupId>> {
        // Single insertions: a poisoned set is still a good one.
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
