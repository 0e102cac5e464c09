//! Reads the keys of an issuer: from a file, or from where its own description says.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use openidconnect::core::CoreJsonWebKeySet;
use rustls::ClientConfig;
use serde::Deserialize;

use crate::identity::issuer::{Issuer, Source};
use crate::web::url::Url;
use crate::web::{self, Ask, WebError};

/// No description and no set of keys is longer, in bytes.
const LONGEST: usize = 1 << 20;

/// Why the keys of an issuer cannot be had. None of it repeats what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// They were not asked for yet, or are too old.
    #[error("its keys are not known")]
    None,
    /// The file could not be read.
    #[error("cannot read {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        why: String,
    },
    /// The service did not answer as it should.
    #[error("cannot ask {host} for its {what}: {why}")]
    Web {
        /// The service.
        host: String,
        /// What was asked for.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
    /// It took too long.
    #[error("there was no answer within {0} seconds")]
    Late(u64),
    /// It is not a set of keys.
    #[error("its keys cannot be read: expected a JSON Web Key Set")]
    Malformed,
    /// There are none that could verify a signature.
    #[error("it has no key that a token could be signed by")]
    Empty,
    /// The description is another issuer's.
    #[error("its description is that of another issuer")]
    Other,
    /// The description leads elsewhere.
    #[error("its description says of its keys that they are at no usable address: {0}")]
    Address(String),
}

#[derive(Deserialize)]
struct Description {
    issuer: String,
    jwks_uri: String,
}

/// Reads them. To be called with a deadline.
pub(super) async fn fetch(issuer: &Issuer) -> Result<CoreJsonWebKeySet, KeysError> {
    let text = match &issuer.source {
        Source::File(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || file(&path)).await;
            read.map_err(|_| KeysError::None)??
        }
        Source::Discovery { url, tls } => {
            let described = ask(url, tls.as_ref(), "description").await?;
            let described: Description =
                serde_json::from_slice(&described).map_err(|_| KeysError::Web {
                    host: url.authority(),
                    what: "description",
                    why: "it is none of an OpenID provider".to_owned(),
                })?;
            // OpenID Connect Discovery 1.0, 4.3: or one issuer could pass for another.
            if described.issuer != issuer.url {
                return Err(KeysError::Other);
            }
            let keys: Url = described
                .jwks_uri
                .parse()
                .map_err(|error: web::url::UrlError| KeysError::Address(error.to_string()))?;
            if url.is_tls && !keys.is_tls {
                return Err(KeysError::Address("it is not https".to_owned()));
            }
            ask(&keys, tls.as_ref(), "keys").await?.to_vec()
        }
    };
    read(&text)
}

/// Reads a set of keys. Keys of a kind that is not known are left out.
pub fn read(text: &[u8]) -> Result<CoreJsonWebKeySet, KeysError> {
    let keys: CoreJsonWebKeySet = serde_json::from_slice(text).map_err(|_| KeysError::Malformed)?;
    match keys.keys().is_empty() {
        true => Err(KeysError::Empty),
        false => Ok(keys),
    }
}

fn file(path: &Path) -> Result<Vec<u8>, KeysError> {
    let mut text = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    let read = std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut text));
    read.map(|_| text).map_err(|error| KeysError::File {
        path: path.display().to_string(),
        why: error.to_string(),
    })
}

async fn ask(
    url: &Url,
    tls: Option<&Arc<ClientConfig>>,
    what: &'static str,
) -> Result<bytes::Bytes, KeysError> {
    let failed = |why: String| KeysError::Web {
        host: url.authority(),
        what,
        why,
    };
    let tls = match (url.is_tls, tls) {
        (true, None) => return Err(failed("it is https, and its issuer is not".to_owned())),
        (true, tls) => tls,
        (false, _) => None,
    };
    let ask = Ask {
        url,
        tls,
        headers: Vec::new(),
        most: LONGEST,
    };
    let answer = web::get(ask).await;
    let answer = answer.map_err(|error: WebError| failed(error.to_string()))?;
    match answer.status.as_u16() {
        200 => Ok(answer.body),
        other => Err(failed(format!("it answered {other}"))),
    }
}
