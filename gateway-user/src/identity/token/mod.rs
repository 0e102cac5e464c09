//! A token (RFC 7519, signed as RFC 7515 says) and what has to be true of it: whose it is, for whom,
//! from when and until when, and that a key of the issuer signed all of that.
//!
//! ID tokens and access tokens of OpenID providers are accepted, and those of Kubernetes' service
//! accounts. The library's own check of ID tokens refuses the `at+jwt` (RFC 9068) that machines are
//! given, and does not look at `nbf`; so of the library are the keys and the signatures, and the rest
//! is here. Where keys come from is in `keys`, what of the token is kept in [`taken`].
//!
//! Fails closed: what is not understood of a token makes it a bad one. No error repeats what is in it.

pub mod taken;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gateway_core::subject::Identity;
use jiff::{SignedDuration, Timestamp};
use openidconnect::JsonWebKey as _;
use openidconnect::core::{CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::issuer::Issuer;

/// No token is longer, in bytes.
pub const LONGEST: usize = 64 << 10;

/// Types of tokens that say who somebody is, in lower case. Others are made by the same keys and mean
/// something else, such as `logout+jwt`.
const TYPES: [&str; 3] = ["jwt", "at+jwt", "application/at+jwt"];

/// What a signature may be made by: with a key pair always, so that who verifies cannot make any.
pub const ALGORITHMS: [(&str, CoreJwsSigningAlgorithm); 9] = [
    ("RS256", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256),
    ("RS384", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384),
    ("RS512", CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512),
    ("PS256", CoreJwsSigningAlgorithm::RsaSsaPssSha256),
    ("PS384", CoreJwsSigningAlgorithm::RsaSsaPssSha384),
    ("PS512", CoreJwsSigningAlgorithm::RsaSsaPssSha512),
    ("ES256", CoreJwsSigningAlgorithm::EcdsaP256Sha256),
    ("ES384", CoreJwsSigningAlgorithm::EcdsaP384Sha384),
    ("EdDSA", CoreJwsSigningAlgorithm::EdDsa),
];

/// Why a token is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not read as one.
    #[error("it is no signed token (JWT)")]
    Malformed,
    /// It is longer than any.
    #[error("it is longer than {LONGEST} bytes")]
    Long,
    /// It is of another kind, or wants something that is not understood.
    #[error("it is a kind of token that says nothing of who somebody is here")]
    Kind,
    /// Another issuer made it.
    #[error("no [[issuer]] of the configuration has made it")]
    Issuer,
    /// It is signed in a way that is not accepted.
    #[error("it is signed by an algorithm that is not accepted of {0}")]
    Algorithm(String),
    /// Its key is not among the issuer's.
    #[error("it is signed by a key that {0} does not have")]
    UnknownKey(String),
    /// The signature is not by that key.
    #[error("its signature is wrong")]
    Signature,
    /// It is for others.
    #[error("it is not meant for this gateway: its `aud` is none of {0}")]
    Audience(String),
    /// Its time is over.
    #[error("it expired at {0}")]
    Expired(Timestamp),
    /// Its time has not come.
    #[error("it is valid from {0} on, and not before")]
    Early(Timestamp),
    /// It lacks what every token has.
    #[error("it has no usable `{0}`")]
    Lacks(&'static str),
}

/// A token that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Who it says its bearer is.
    pub identity: Identity,
    /// Until when it may be believed.
    pub until: Timestamp,
}

/// A token that was read and not believed yet.
#[derive(Debug)]
pub struct Unverified<'a> {
    header: Header,
    claims: Map<String, Value>,
    /// What is signed.
    message: &'a str,
    signature: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that have to be understood (RFC 7515, 4.1.11); none is.
    crit: Option<Value>,
}

impl<'a> Unverified<'a> {
    /// Reads one.
    pub fn read(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Long);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        let bytes = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part);
            decoded.map_err(|_| TokenError::Malformed)
        };
        let header: Header =
            serde_json::from_slice(&bytes(header)?).map_err(|_| TokenError::Malformed)?;
        let claims = serde_json::from_slice(&bytes(claims)?).map_err(|_| TokenError::Malformed)?;
        let ty = header.typ.as_ref().map(|typ| typ.to_ascii_lowercase());
        if header.crit.is_some() || ty.is_some_and(|ty| !TYPES.contains(&ty.as_str())) {
            return Err(TokenError::Kind);
        }
        Ok(Self {
            header,
            claims,
            message,
            signature: bytes(signature)?,
        })
    }

    /// Whose it says it is: to choose by whose keys it is verified, and for nothing else.
    pub fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Believes it, if all is as it has to be.
    pub fn verify(
        &self,
        issuer: &Issuer,
        keys: &CoreJsonWebKeySet,
        now: Timestamp,
    ) -> Result<Verified, TokenError> {
        if self.issuer() != Some(issuer.url.as_str()) {
            return Err(TokenError::Issuer);
        }
        self.verify_signature(issuer, keys)?;
        // From here on it is the issuer who says what is in it.
        let until = self.verify_time(issuer.leeway, now)?;
        self.verify_audience(issuer)?;
        // Who shows it would have to prove that it is theirs, and a file cannot.
        if self.claims.contains_key("cnf") {
            return Err(TokenError::Kind);
        }
        let identity = taken::identity(issuer, &self.claims).ok_or(TokenError::Lacks("sub"))?;
        Ok(Verified { identity, until })
    }

    fn verify_signature(
        &self,
        issuer: &Issuer,
        keys: &CoreJsonWebKeySet,
    ) -> Result<(), TokenError> {
        let mut known = ALGORITHMS.into_iter();
        let known = known.find(|(name, _)| *name == self.header.alg);
        let algorithm = known
            .filter(|(name, _)| issuer.algorithms.contains(name))
            .ok_or_else(|| TokenError::Algorithm(issuer.name.to_string()))?;
        let kid = self.header.kid.as_deref();
        // A token that names no key may be by any.
        let may_be = |id: Option<&str>| kid.is_none() || kid == id;
        let mut candidates = keys
            .keys()
            .iter()
            .filter(|key| may_be(key.key_id().map(|id| id.as_str())))
            .peekable();
        if candidates.peek().is_none() {
            return Err(TokenError::UnknownKey(issuer.name.to_string()));
        }
        let message = self.message.as_bytes();
        // The library compares the key's type, use and algorithm with the token's.
        let is_by = |key: &_| {
            let key: &openidconnect::core::CoreJsonWebKey = key;
            key.verify_signature(&algorithm.1, message, &self.signature)
                .is_ok()
        };
        match candidates.any(is_by) {
            true => Ok(()),
            false => Err(TokenError::Signature),
        }
    }

    fn verify_time(&self, leeway: SignedDuration, now: Timestamp) -> Result<Timestamp, TokenError> {
        let exp = self.time("exp")?.ok_or(TokenError::Lacks("exp"))?;
        let until = exp.checked_add(leeway).unwrap_or(exp);
        if now >= until {
            return Err(TokenError::Expired(exp));
        }
        for name in ["nbf", "iat"] {
            let from = self.time(name)?;
            let soon = now.checked_add(leeway).unwrap_or(now);
            if let Some(from) = from.filter(|from| soon < *from) {
                return Err(TokenError::Early(from));
            }
        }
        Ok(until)
    }

    /// A `NumericDate`: seconds, perhaps with a fraction, which is left out.
    fn time(&self, name: &'static str) -> Result<Option<Timestamp>, TokenError> {
        let Some(value) = self.claims.get(name) else {
            return Ok(None);
        };
        let text = match value {
            Value::Number(number) => number.to_string(),
            _ => return Err(TokenError::Lacks(name)),
        };
        let whole = text.split('.').next().unwrap_or_default();
        let seconds = whole.parse().map_err(|_| TokenError::Lacks(name))?;
        let time = Timestamp::from_second(seconds);
        time.map(Some).map_err(|_| TokenError::Lacks(name))
    }

    fn verify_audience(&self, issuer: &Issuer) -> Result<(), TokenError> {
        let is_ours = |value: &Value| {
            let audience = value.as_str();
            audience.is_some_and(|text| issuer.audience.iter().any(|ours| ours == text))
        };
        let for_us = match self.claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
            Some(value) => is_ours(value),
            None => false,
        };
        match for_us {
            true => Ok(()),
            false => Err(TokenError::Audience(issuer.audience.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests;
