//! TLS on both legs: towards agents with certificates of our own authority, towards servers as the
//! resource says.
//!
//! `authority` makes the certificates that agents see, `issue` is how one is signed, `store` keeps the
//! authority's own, `upstream`
//! checks the servers' ones, `verifiers` how, `end_point` what channels to them are bound to, `identity` what they are shown, `web` is for services that the gateway itself uses, `bundle` is what agents' TLS clients are told to
//! trust. The bytes themselves are moved by `relay`. The provider of cryptography is given
//! explicitly everywhere, so that nothing depends on a process-wide default.

pub mod authority;
pub mod bundle;
pub mod end_point;
pub mod identity;
mod issue;
mod store;
pub mod upstream;
mod verifiers;
pub mod web;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// What PostgreSQL calls itself in a TLS handshake (ALPN), which a direct TLS start requires.
/// See <https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL>.
pub const ALPN_POSTGRESQL: &[u8] = b"postgresql";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests;
