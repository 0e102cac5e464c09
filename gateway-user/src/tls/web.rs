//! TLS towards web services that the gateway itself speaks to: by the host's trusted certificates, as
//! any other client on this host, or by those of a file.

use std::path::Path;
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

use super::provider;
use super::upstream::{UpstreamError, host_roots, read_certificates};

/// How HTTP/1.1 over TLS is spoken. Reads `ca_file`, or the host's roots where there is none.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, UpstreamError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        None => {
            // Distributions carry a few roots that webpki cannot use; the others are enough.
            let (usable, _) = roots.add_parsable_certificates(host_roots());
            if usable == 0 {
                return Err(UpstreamError::NoHostRoots);
            }
        }
        Some(path) => {
            for (index, certificate) in read_certificates(path)?.into_iter().enumerate() {
                let added = roots.add(certificate);
                added.map_err(|_| UpstreamError::BadCertificate {
                    path: path.to_owned(),
                    number: index + 1,
                })?;
            }
        }
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
