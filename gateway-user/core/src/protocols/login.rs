//! `Login`: as whom the gateway logs in at a server, in the agent's stead.
//!
//! The agent has no part in it: it is known by the kernel, and what it says of itself is not what the
//! server hears. At most it has to show a [`placeholder`](super::placeholder). Where the secret comes from is the configuration's business, how it is shown to the
//! server each codec's.

use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use super::placeholder::Asking;
use crate::secret::Secret;

/// So many rounds of SCRAM a server may want. With fewer than RFC 7677 (section 4) demands, one that
/// lies could guess the password offline; more would hold up who computes them, and are asked for by
/// nobody in earnest.
pub const SCRAM_ROUNDS: RangeInclusive<u32> = 4096..=100_000;

/// As whom the gateway logs in.
#[derive(Debug)]
pub struct Login {
    /// Name of the `[[credential]]`.
    pub credential: String,
    /// The account on the server.
    pub user: String,
    /// Its password; none where the gateway shows a certificate, or the server asks for nothing.
    pub password: Option<Secret>,
    /// Whether clients have to show a placeholder before the gateway logs in for them.
    pub asking: Asking,
    derived: Mutex<Option<Derived>>,
}

/// What was derived from the password last, which takes long on purpose.
#[derive(Clone)]
struct Derived {
    salt: Box<[u8]>,
    iterations: u32,
    key: Secret,
}

impl std::fmt::Debug for Derived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Derived")
    }
}

impl Login {
    /// For an account.
    pub fn new(credential: String, user: String, password: Option<Secret>) -> Self {
        Self {
            credential,
            user,
            password,
            asking: Asking::None,
            derived: Mutex::new(None),
        }
    }

    /// Has clients show a placeholder.
    #[must_use]
    pub fn asking(self, asking: Asking) -> Self {
        Self { asking, ..self }
    }

    /// The key that `derive` makes of the password with this salt, or made before.
    pub(super) fn key(
        &self,
        salt: &[u8],
        iterations: u32,
        derive: impl FnOnce(&[u8]) -> [u8; 32],
    ) -> Option<Secret> {
        let known = self.lock().clone();
        if let Some(known) = known
            && *known.salt == *salt
            && known.iterations == iterations
        {
            return Some(known.key);
        }
        let key = Secret::new(derive(self.password.as_ref()?.reveal()));
        *self.lock() = Some(Derived {
            salt: salt.into(),
            iterations,
            key: key.clone(),
        });
        Some(key)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Derived>> {
        // It is replaced as a whole, so a poisoned one is still good.
        self.derived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
