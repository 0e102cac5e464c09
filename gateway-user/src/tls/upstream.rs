//! TLS towards the servers, as a resource asks for it in the words of libpq's `sslmode`.
//!
//! How certificates are checked is in `verifiers`; when TLS is asked for in the protocol, and what
//! happens when the server says no, in `relay`.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::identity::Identity;
use super::verifiers::{AnyCertificate, Names, Trusted};
use super::{ALPN_POSTGRESQL, provider};

/// How much TLS a resource wants towards its server: the words and meanings of libpq's `sslmode`
/// (<https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// None.
    Disable,
    /// If the server offers it; any certificate will do.
    #[default]
    Prefer,
    /// Always; any certificate will do.
    Require,
    /// Always, with a certificate that a trusted authority signed, for whatever name.
    VerifyCa,
    /// Always, with a certificate that a trusted authority signed for the server's name.
    VerifyFull,
}

/// Why a resource's TLS settings cannot be used.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// The file of trusted certificates could not be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file has no certificate that can be used.
    #[error("{} has no certificate in it: expected PEM, '-----BEGIN CERTIFICATE-----'", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
    },
    /// One certificate of the file cannot be read.
    #[error("certificate {number} of {} cannot be used", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
    },
    /// The host has no roots.
    #[error("this host has no trusted certificates: install ca-certificates or set ca_file")]
    NoHostRoots,
    /// The name is neither a DNS name nor an address.
    #[error("{0:?} is neither a host name nor an IP address")]
    ServerName(String),
    /// TLS refused the settings.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// TLS towards one resource's servers. Made when the configuration is loaded, shared by its
/// connections.
#[derive(Clone, Debug)]
pub struct Upstream {
    mode: Mode,
    config: Option<Arc<ClientConfig>>,
    server_name: Option<ServerName<'static>>,
    shows_credential: bool,
}

impl Upstream {
    /// Reads `ca_file`, or the host's roots where it is left out and they are needed.
    pub fn new(
        mode: Mode,
        ca_file: Option<&Path>,
        server_name: Option<&str>,
    ) -> Result<Self, UpstreamError> {
        let provider = provider();
        let verifier: Option<Arc<dyn ServerCertVerifier>> = match mode {
            Mode::Disable => None,
            Mode::Prefer | Mode::Require => Some(Arc::new(AnyCertificate::new(&provider))),
            Mode::VerifyCa => Some(trusted(ca_file, Names::Ignored, &provider)?),
            Mode::VerifyFull => Some(trusted(ca_file, Names::Checked, &provider)?),
        };
        let config = match verifier {
            None => None,
            Some(verifier) => Some(Arc::new(client_config(verifier, provider)?)),
        };
        let server_name = server_name.map(parse_server_name).transpose()?;
        Ok(Self {
            mode,
            config,
            server_name,
            shows_credential: false,
        })
    }

    /// For sessions in which the gateway logs in itself, with this certificate for servers that ask
    /// for one.
    #[must_use]
    pub fn with_credential(mut self, identity: Option<&Identity>) -> Self {
        self.shows_credential = true;
        if let (Some(config), Some(identity)) = (&mut self.config, identity) {
            Arc::make_mut(config).client_auth_cert_resolver = identity.resolver();
        }
        self
    }

    /// Whether it is known who the server is before anything is said to it.
    pub fn verifies(&self) -> bool {
        matches!(self.mode, Mode::VerifyCa | Mode::VerifyFull)
    }

    /// Whether the gateway logs in there itself.
    pub fn shows_credential(&self) -> bool {
        self.shows_credential
    }

    /// None: what is said to the server goes as it is.
    pub fn disabled() -> Self {
        Self {
            mode: Mode::Disable,
            config: None,
            server_name: None,
            shows_credential: false,
        }
    }

    /// How much TLS is wanted.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// How to speak TLS; none where it is disabled.
    pub fn config(&self) -> Option<Arc<ClientConfig>> {
        self.config.clone()
    }

    /// The name that the server is asked for and verified as: the configured one, else `name`, by
    /// which it is known from elsewhere, else the address.
    pub fn server_name(&self, name: Option<&str>, destination: IpAddr) -> ServerName<'static> {
        if let Some(name) = &self.server_name {
            return name.clone();
        }
        name.and_then(|name| parse_server_name(name).ok())
            .unwrap_or_else(|| ServerName::IpAddress(destination.into()))
    }
}

/// The host's own trusted certificates; empty where it has none.
pub fn host_roots() -> Vec<CertificateDer<'static>> {
    // Errors are single files that do not read; what does read is used, as OpenSSL does.
    rustls_native_certs::load_native_certs().certs
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>, UpstreamError> {
    ServerName::try_from(name.to_owned()).map_err(|_| UpstreamError::ServerName(name.to_owned()))
}

fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, UpstreamError> {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN_POSTGRESQL.to_vec()];
    // PostgreSQL's servers offer no resumption; without it connections share nothing.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn trusted(
    ca_file: Option<&Path>,
    names: Names,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<Trusted>, UpstreamError> {
    let mut roots = RootCertStore::empty();
    let certificates = match ca_file {
        Some(path) => {
            let certificates = read_certificates(path)?;
            for (index, certificate) in certificates.iter().enumerate() {
                roots
                    .add(certificate.clone())
                    .map_err(|_| UpstreamError::BadCertificate {
                        path: path.to_owned(),
                        number: index + 1,
                    })?;
            }
            certificates
        }
        None => {
            // Distributions carry a few roots that webpki cannot use; the others are enough.
            let (usable, _) = roots.add_parsable_certificates(host_roots());
            if usable == 0 {
                return Err(UpstreamError::NoHostRoots);
            }
            Vec::new()
        }
    };
    Ok(Arc::new(Trusted::new(roots, certificates, names, provider)))
}

pub(super) fn read_certificates(
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, UpstreamError> {
    let pem = std::fs::read(path).map_err(|source| UpstreamError::File {
        path: path.to_owned(),
        source,
    })?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .enumerate()
        .map(|(index, certificate)| {
            certificate.map_err(|_| UpstreamError::BadCertificate {
                path: path.to_owned(),
                number: index + 1,
            })
        })
        .collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        return Err(UpstreamError::NoCertificates {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}
