//! SCRAM-SHA-256: what both sides compute, whatever protocol it is spoken in.
//!
//! Source: RFC 5802 section 3, RFC 7677. Who says what when is each codec's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// So many rounds are asked of clients: as many as RFC 7677 (section 4) demands. What is proved here is
/// random and long, so more would only make clients slow.
pub const ROUNDS: u32 = 4096;

/// `SaltedPassword`: `Hi` of RFC 5802, which is PBKDF2 with one block.
pub(super) fn salted(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    // What is no text, or is not allowed in one, goes as it is, as PostgreSQL has it.
    let prepared = std::str::from_utf8(password)
        .ok()
        .and_then(|text| stringprep::saslprep(text).ok());
    let password = prepared.as_deref().map_or(password, |text| text.as_bytes());
    let mut last = hmac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut result = last;
    for _ in 1..rounds {
        last = hmac(password, &[&last]);
        result = either(result, last);
    }
    result
}

/// `ClientKey`, which only those can make who know the password.
pub(super) fn client_key(salted: &[u8]) -> [u8; 32] {
    hmac(salted, &[b"Client Key"])
}

/// `StoredKey`, by which a proof is made and checked.
pub(super) fn stored_key(client_key: [u8; 32]) -> [u8; 32] {
    Sha256::digest(client_key).into()
}

/// `ServerKey`, by which the server proves itself.
pub(super) fn server_key(salted: &[u8]) -> [u8; 32] {
    hmac(salted, &[b"Server Key"])
}

/// HMAC-SHA-256 of the parts, one after the other.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| hmac.update(part));
    hmac.finalize().into_bytes().into()
}

/// Exclusive or.
pub(super) fn either(one: [u8; 32], other: [u8; 32]) -> [u8; 32] {
    let mut result = one;
    for (byte, other) in result.iter_mut().zip(other) {
        *byte ^= other;
    }
    result
}

/// What a server keeps in a password's place: it checks proofs, and opens nothing by itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Verifier {
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

impl Verifier {
    /// For a password with this salt, by [`ROUNDS`] rounds. Takes milliseconds, on purpose.
    pub fn of(password: &[u8], salt: &[u8]) -> Self {
        let salted = salted(password, salt, ROUNDS);
        Self {
            stored_key: stored_key(client_key(&salted)),
            server_key: server_key(&salted),
        }
    }

    /// The server's signature under a conversation, where `proof` shows that the client knows the
    /// password.
    pub(super) fn check(&self, conversation: &[u8], proof: [u8; 32]) -> Option<[u8; 32]> {
        let signature = hmac(&self.stored_key, &[conversation]);
        let shown = stored_key(either(proof, signature));
        is_same(&shown, &self.stored_key).then(|| hmac(&self.server_key, &[conversation]))
    }

    /// Whether it is one of the same password.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        is_same(&self.stored_key, &other.stored_key)
    }
}

/// Takes as long wherever they differ.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let pairs = one.iter().zip(other);
    pairs.fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl From<Verifier> for String {
    fn from(verifier: Verifier) -> Self {
        let keys = [verifier.stored_key, verifier.server_key];
        keys.map(|key| STANDARD.encode(key)).join(":")
    }
}

impl TryFrom<String> for Verifier {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const FORM: &str = "expected two keys in base64 with `:` between them";
        let key = |text: &str| -> Option<[u8; 32]> { STANDARD.decode(text).ok()?.try_into().ok() };
        let (stored, server) = text.split_once(':').ok_or(FORM)?;
        match (key(stored), key(server)) {
            (Some(stored_key), Some(server_key)) => Ok(Self {
                stored_key,
                server_key,
            }),
            _ => Err(FORM),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677, section 3.
    const CONVERSATION: &[u8] = b"n=user,r=rOprNGfwEbeRWgbNEkqO,\
        r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
        c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";

    fn decoded(text: &str) -> [u8; 32] {
        STANDARD.decode(text).unwrap().try_into().unwrap()
    }

    #[test]
    fn the_example_of_the_standard() {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let proof = decoded("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let signature = decoded("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let verifier = Verifier::of(b"pencil", &salt);
        assert_eq!(verifier.check(CONVERSATION, proof), Some(signature));
        let other = Verifier::of(b"pencils", &salt);
        assert_eq!(other.check(CONVERSATION, proof), None);
        assert!(!verifier.is_same(&other) && verifier.is_same(&verifier.clone()));
        let mut wrong = proof;
        wrong[31] ^= 1;
        assert_eq!(verifier.check(CONVERSATION, wrong), None);
        assert_eq!(verifier.check(&CONVERSATION[1..], proof), None);
    }

    #[test]
    fn what_is_kept_is_read_again_and_shows_nothing() {
        let verifier = Verifier::of(b"pencil", b"salt");
        let text = String::from(verifier.clone());
        assert!(!text.contains("pencil"));
        assert!(Verifier::try_from(text.clone()).unwrap().is_same(&verifier));
        assert_eq!(format!("{verifier:?}"), "Verifier");
        for wrong in ["", ":", "AA==:AA==", text.split_once(':').unwrap().0] {
            Verifier::try_from(wrong.to_owned()).unwrap_err();
        }
    }
}
