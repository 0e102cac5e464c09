//! `Secret`: bytes that open something, such as a webhook's address, a key or a password.
//!
//! Whoever uses one asks for it by name; that nothing is shown by accident is all that lives here.
//! Where secrets come from is the configuration's business.

use std::fmt;
use std::sync::Arc;

/// Bytes that must be in no log, error, recording or answer.
///
/// INVARIANT: it has no `Display` and no `Serialize`, and its `Debug` shows nothing. Checked by the
/// compiler and the test below.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Secret {
    /// Keeps `bytes`.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for what they open.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new(*b"hunter2")), "Secret");
    }
}
