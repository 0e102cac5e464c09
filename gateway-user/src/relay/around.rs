//! What a relay is given: what all of them share, and the way to one server.

use std::sync::Arc;

use gateway_core::budget::book::Book;
use tokio::sync::watch;

use super::Way;
use super::cancel::CancelKeys;
use super::catalog::Catalogs;
use super::detectors::Detectors;
use super::opaque::Pipes;
use super::preview::Previewer;
use crate::approvals::Approvals;
use crate::config::Config;
use crate::control::placeholders::Placeholders;
use crate::dialer::Dialer;
use crate::identity::known::Identities;
use crate::names::Names;
use crate::tls::authority::Authority;
use crate::tls::upstream::Upstream;

/// What all relays share.
#[derive(Debug)]
pub struct Surroundings {
    /// Makes the certificates that agents see.
    pub authority: Arc<Authority>,
    /// The cancel keys of all sessions.
    pub cancel_keys: CancelKeys,
    /// Reaches servers.
    pub dialer: Arc<Dialer>,
    /// Which addresses hosts have.
    pub names: Names,
    /// What uninspected streams are moved through.
    pub pipes: Pipes,
    /// Where actions wait for people.
    pub approvals: Approvals,
    /// Which placeholders were issued.
    pub placeholders: Placeholders,
    /// What was used of budgets.
    pub budgets: Arc<Book>,
    /// Finds out how much they would touch.
    pub previewer: Arc<Previewer>,
    /// What databases say of themselves, for masking.
    pub catalogs: Arc<Catalogs>,
    /// By which tokens workloads are known.
    pub identities: Identities,
    /// Asks detectors outside the gateway.
    pub detectors: Detectors,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
}

/// How a session reaches its server.
#[derive(Debug)]
pub struct Route {
    /// How it is reached.
    pub way: Way,
    /// The names of the resource's hosts that have this address.
    pub hosts: Vec<String>,
    /// TLS towards it; none for a destination that no resource covers and policy refuses.
    pub upstream: Option<Arc<Upstream>>,
}
