//! TLS towards web services that the gateway itself speaks to: by the host's trusted certificates, as
//! any other client on this host.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::provider;
use super::upstream::{UpstreamError, host_roots};

/// How HTTP/1.1 over TLS is spoken. Reads the host's roots.
pub fn client_config() -> Result<Arc<ClientConfig>, UpstreamError> {
    let mut roots = RootCertStore::empty();
    // Distributions carry a few roots that webpki cannot use; the others are enough.
    let (usable, _) = roots.add_parsable_certificates(host_roots());
    if usable == 0 {
        return Err(UpstreamError::NoHostRoots);
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
