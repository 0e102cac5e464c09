//! The gateway's own certificate authority and the leaves that agents see.
//!
//! The authority is made on the first start and kept under `<state>/ca`; whoever reads its key can
//! pose as any server to the agents, so the key is for the daemon's user only. Leaves live in
//! memory: their common key is made anew by each start and never stored. What the certificates say
//! is in `issue`, the files in `store`; who is told to trust the authority, in `bundle`.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::{CertifiedKey, SigningKey};
use thiserror::Error;

use super::end_point;
use super::issue::{self, LEAF_LIFETIME, LEAF_RENEWAL, LeafName};
use super::store::Store;
use super::{ALPN_POSTGRESQL, provider};

/// How many leaves, and how many destinations' configurations, are held. Server names come from
/// agents, so the number must have a bound; when it is reached all are dropped and made again as
/// they are asked for, at some 200 µs each.
const CACHE_MAX: usize = 1024;

/// Why there is no authority.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A file or the folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Others may read the key.
    #[error(
        "{} is open to other users (mode {mode:04o}); if nobody can have read it: chmod 600 {}",
        path.display(), path.display()
    )]
    KeyIsOpen {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// What is on disk cannot be used.
    #[error(
        "the gateway's CA in {} {problem}; move the folder away to have a new CA made, which agents \
         started before will not trust",
        path.display()
    )]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The cryptography failed.
    #[error("cannot make a certificate: {0}")]
    Issue(#[from] rcgen::Error),
    /// TLS refused what we made.
    #[error("cannot use a certificate: {0}")]
    Tls(#[from] rustls::Error),
}

/// The gateway's own certificate authority.
#[derive(Debug)]
pub struct Authority {
    certificate: CertificateDer<'static>,
    leaves: Arc<Leaves>,
    acceptors: Mutex<HashMap<IpAddr, Arc<ServerConfig>>>,
    provider: Arc<CryptoProvider>,
}

impl Authority {
    /// Loads the authority from `directory`, or makes it there; `host` is part of its name.
    pub fn load_or_create(
        directory: &Path,
        host: &str,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let store = Store::new(directory);
        let (certificate, key) = match store.load(now)? {
            Some(stored) => stored,
            None => store.create(host, now)?,
        };
        Self::assemble(certificate, key)
    }

    /// The authority's certificate, which agents' TLS clients must trust.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// How to answer TLS on connections to `destination`.
    ///
    /// There is no resumption, neither by tickets nor by a cache: PostgreSQL's servers offer none,
    /// so clients do not miss it, and no state passes from one connection, hence workload, to
    /// another.
    pub fn acceptor(&self, destination: IpAddr) -> Result<Arc<ServerConfig>, AuthorityError> {
        let mut acceptors = self
            .acceptors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(acceptor) = acceptors.get(&destination) {
            return Ok(Arc::clone(acceptor));
        }
        let resolver = Resolver {
            leaves: Arc::clone(&self.leaves),
            destination,
        };
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![ALPN_POSTGRESQL.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let config = Arc::new(config);
        if acceptors.len() >= CACHE_MAX {
            acceptors.clear();
        }
        acceptors.insert(destination, Arc::clone(&config));
        Ok(config)
    }

    /// What the channel of a client can be bound to that asked for `server_name` on a connection to
    /// `destination`: the hash of the leaf that it was shown. Where that was replaced between the
    /// handshake and this, a client that binds its channel is refused, and has to try again.
    pub fn end_point(&self, destination: IpAddr, server_name: Option<&str>) -> Option<Vec<u8>> {
        let name = LeafName {
            server_name: server_name.map(str::to_owned),
            address: destination,
        };
        let leaf = self.leaves.leaf(name, Timestamp::now()).ok()?;
        end_point::end_point(leaf.cert.first()?)
    }

    fn assemble(
        certificate: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Self, AuthorityError> {
        let provider = provider();
        let leaf_key = issue::key()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf_key.serialize_der()));
        let signer = provider.key_provider.load_private_key(der)?;
        let leaves = Leaves {
            issuer: Issuer::from_ca_cert_der(&certificate, key)?,
            key: leaf_key,
            signer,
            issued: Mutex::new(HashMap::new()),
        };
        Ok(Self {
            certificate,
            leaves: Arc::new(leaves),
            acceptors: Mutex::new(HashMap::new()),
            provider,
        })
    }
}

/// Signs leaves and holds those that are valid.
struct Leaves {
    issuer: Issuer<'static, KeyPair>,
    /// All leaves have the same key: it never leaves this process, and making one for each would
    /// protect nothing more.
    key: KeyPair,
    signer: Arc<dyn SigningKey>,
    issued: Mutex<HashMap<LeafName, Leaf>>,
}

struct Leaf {
    certified: Arc<CertifiedKey>,
    renew_at: Timestamp,
}

impl Leaves {
    fn leaf(&self, name: LeafName, now: Timestamp) -> Result<Arc<CertifiedKey>, AuthorityError> {
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = issued.get(&name)
            && now < leaf.renew_at
        {
            return Ok(Arc::clone(&leaf.certified));
        }
        let certificate = issue::leaf(&name, &self.key, &self.issuer, now)?;
        let certified = Arc::new(CertifiedKey::new(
            vec![certificate],
            Arc::clone(&self.signer),
        ));
        let leaf = Leaf {
            certified: Arc::clone(&certified),
            renew_at: Timestamp::from_second(
                now.as_second().saturating_add(LEAF_LIFETIME - LEAF_RENEWAL),
            )
            .unwrap_or(Timestamp::MAX),
        };
        if issued.len() >= CACHE_MAX {
            issued.clear();
        }
        issued.insert(name, leaf);
        Ok(certified)
    }
}

impl std::fmt::Debug for Leaves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither key belongs into a log.
        f.debug_struct("Leaves").finish_non_exhaustive()
    }
}

/// Finds the leaf for a client's greeting on connections to one destination.
#[derive(Debug)]
struct Resolver {
    leaves: Arc<Leaves>,
    destination: IpAddr,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = LeafName {
            server_name: hello.server_name().map(str::to_owned),
            address: self.destination,
        };
        match self.leaves.leaf(name, Timestamp::now()) {
            Ok(leaf) => Some(leaf),
            Err(error) => {
                // Fails closed: the handshake ends with an alert.
                tracing::error!(%error, "cannot make a certificate for an agent's connection");
                None
            }
        }
    }
}
