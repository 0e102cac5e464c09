//! The placeholder that clients may show in conformance runs, and what comes of showing one.

use std::sync::LazyLock;

use crate::ids::PlaceholderId;
use crate::protocols::placeholder::{Presented, Proved};
use crate::protocols::scram::Verifier;

/// The placeholder of conformance runs, where the salt is [`SALT`].
pub const PLACEHOLDER: &str = "gwp_conformance";
/// What it is salted with.
pub const SALT: [u8; 16] = [9; 16];

/// What comes of a check.
pub fn proved(presented: &Presented) -> Proved {
    static VERIFIER: LazyLock<Verifier> =
        LazyLock::new(|| Verifier::of(PLACEHOLDER.as_bytes(), &SALT));
    match presented.ready(&SALT).is_of(&VERIFIER) {
        Some(signature) => Proved::Yes {
            placeholder: PlaceholderId::new("conformance"),
            signature,
        },
        None => Proved::No {
            reason: "it is another one".to_owned(),
        },
    }
}
