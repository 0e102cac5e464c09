//! `Verifier`: knows all issuers, and believes a token by the keys of the one that made it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use gateway_core::ids::IssuerName;
use jiff::Timestamp;

use super::issuer::Issuer;
use super::keys::{Keys, KeysError, Need};
use super::token::{TokenError, Unverified, Verified};

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Disbelief {
    /// It is not good.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It is good perhaps, and of an issuer whose tokens do not count for this workload.
    #[error("it is a token of {found}, and the workload's issuer is {wanted}")]
    OtherIssuer {
        /// Whose it is.
        found: IssuerName,
        /// Whose it should be.
        wanted: IssuerName,
    },
    /// Nobody can tell.
    #[error("it cannot be verified: {error} ({issuer})")]
    Keys {
        /// The issuer.
        issuer: IssuerName,
        /// Why its keys are not there.
        error: KeysError,
    },
}

/// All issuers with their keys.
#[derive(Debug, Default)]
pub struct Verifier(Mutex<Vec<Arc<Keys>>>);

impl Verifier {
    /// From now on these are the issuers. One that stays as it was keeps its keys.
    pub fn retarget(&self, issuers: &[Arc<Issuer>]) {
        let mut all = self.all();
        let keys = |issuer: &Arc<Issuer>| {
            let same = all.iter().find(|keys| keys.issuer().has_keys_of(issuer));
            match same {
                Some(keys) if Arc::ptr_eq(keys.issuer(), issuer) => Arc::clone(keys),
                Some(keys) => Arc::new(keys.after(Arc::clone(issuer))),
                None => Arc::new(Keys::new(Arc::clone(issuer))),
            }
        };
        *all = issuers.iter().map(keys).collect();
    }

    /// Believes a token, if its issuer has made it and it is good now; of `only` this one, if that is
    /// said.
    pub async fn verify(
        &self,
        token: &str,
        only: Option<&IssuerName>,
        now: Timestamp,
    ) -> Result<Verified, Disbelief> {
        let token = Unverified::read(token)?;
        let keys = {
            let all = self.all();
            let mut of = all
                .iter()
                .filter(|it| token.issuer() == Some(&it.issuer().url));
            let wanted = |keys: &&Arc<Keys>| only.is_none_or(|only| keys.issuer().name == *only);
            let found: Vec<_> = of.by_ref().cloned().collect();
            match (found.iter().find(wanted), found.first(), only) {
                (Some(keys), _, _) => Arc::clone(keys),
                (None, Some(other), Some(only)) => {
                    return Err(Disbelief::OtherIssuer {
                        found: other.issuer().name.clone(),
                        wanted: only.clone(),
                    });
                }
                (None, _, _) => return Err(TokenError::Issuer.into()),
            }
        };
        let issuer = keys.issuer();
        let unknown = |error| Disbelief::Keys {
            issuer: issuer.name.clone(),
            error,
        };
        let known = keys
            .get(Need::Usual, Instant::now())
            .await
            .map_err(unknown)?;
        match token.verify(issuer, &known, now) {
            // Its key may be a new one; and one that names no key may be signed by such.
            Err(TokenError::UnknownKey(_) | TokenError::Signature) => {
                let newer = keys
                    .get(Need::Newer, Instant::now())
                    .await
                    .map_err(unknown)?;
                Ok(token.verify(issuer, &newer, now)?)
            }
            verified => Ok(verified?),
        }
    }

    /// Whose keys cannot be had, in sentences.
    pub fn problems(&self) -> Vec<String> {
        let all = self.all().clone();
        let problems = all.iter().filter_map(|keys| {
            let trouble = keys.trouble()?;
            Some(format!("issuer `{}`: {trouble}", keys.issuer().name))
        });
        problems.collect()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Keys>>> {
        // It is replaced in one step, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
