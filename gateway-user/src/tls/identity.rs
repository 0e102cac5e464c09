//! `Identity`: the certificate that the gateway shows to a server that asks for one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use thiserror::Error;

use super::provider;
use super::upstream::{UpstreamError, read_certificates};

/// A certificate with its chain, and its key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Why a certificate and a key are no identity. The texts hold nothing of the key.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] UpstreamError),
    /// The file has no key that can be used.
    #[error("{} has no private key in it: expected PEM, '-----BEGIN PRIVATE KEY-----'", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// They do not belong together, or are of a kind that TLS does not know here.
    #[error("the certificate and the key cannot be used together: {0}")]
    Mismatch(#[source] rustls::Error),
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// From PEM: the certificate's file, and what is in the key's.
    pub fn read(certificate: &Path, key: &Path, pem: &[u8]) -> Result<Self, IdentityError> {
        let chain: Vec<CertificateDer<'static>> = read_certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| IdentityError::NoKey {
            path: key.to_owned(),
        })?;
        let certified = CertifiedKey::from_der(chain, key, &provider());
        let certified = certified.map_err(IdentityError::Mismatch)?;
        certified.keys_match().map_err(IdentityError::Mismatch)?;
        Ok(Self(Arc::new(certified)))
    }

    pub(super) fn resolver(&self) -> Arc<SingleCertAndKey> {
        Arc::new(SingleCertAndKey::from(CertifiedKey::clone(&self.0)))
    }
}
