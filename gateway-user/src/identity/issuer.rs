//! `Issuer`: an `[[issuer]]` of the configuration, checked: whose tokens are believed, and what of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::ids::IssuerName;
use jiff::SignedDuration;
use rustls::ClientConfig;

use super::token::taken::Taken;
use crate::web::url::Url;

/// Whose tokens are believed.
#[derive(Debug)]
pub struct Issuer {
    /// Its name in the configuration.
    pub name: IssuerName,
    /// What its tokens have as `iss`, to the letter.
    pub url: String,
    /// A token has to be for one of these.
    pub audience: Vec<String>,
    /// How it may sign: names from [`super::token::ALGORITHMS`].
    pub algorithms: Vec<&'static str>,
    /// By so much may its clock be off.
    pub leeway: SignedDuration,
    /// Where its keys are.
    pub source: Source,
    /// So long are its keys used when no newer ones can be had.
    pub keep: Duration,
    /// What is taken of its tokens.
    pub claims: Vec<Taken>,
    /// The claim that names an account of this host.
    pub account: Option<String>,
}

impl Issuer {
    /// What policy has to know of it.
    pub fn told(&self) -> gateway_core::policy::claims::Issuer {
        let claims = self.claims.iter();
        gateway_core::policy::claims::Issuer {
            name: self.name.clone(),
            claims: claims.map(|it| (it.name.clone(), it.ty)).collect(),
        }
    }

    /// Whether both are one issuer, with keys in one place.
    pub fn has_keys_of(&self, other: &Self) -> bool {
        let is_same = match (&self.source, &other.source) {
            (Source::File(one), Source::File(other)) => one == other,
            (Source::Discovery { url: one, .. }, Source::Discovery { url: other, .. }) => {
                one == other
            }
            _ => false,
        };
        self.url == other.url && is_same
    }
}

/// Where keys are.
#[derive(Debug)]
pub enum Source {
    /// In a file.
    File(PathBuf),
    /// Where the issuer's own description says (OpenID Connect Discovery 1.0).
    Discovery {
        /// The description.
        url: Url,
        /// How TLS is spoken with it; none for plain HTTP on this host.
        tls: Option<Arc<ClientConfig>>,
    },
}
