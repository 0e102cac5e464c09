//! SCRAM-SHA-256, with and without channel binding, as a client; as a server it is in `challenge`.
//!
//! Source: RFC 5802, RFC 7677, and RFC 5929 section 4 (`tls-server-end-point`). The server's name for
//! the user is that of the start-up packet, so the one here is empty, as libpq has it.
//!
//! INVARIANT: nobody is taken for the server who does not know the password: its signature is checked,
//! and a login that began this way does not end before. Checked by the tests of `login`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocols::login::{Login, SCRAM_ROUNDS};
use crate::protocols::scram::{client_key, either, hmac, salted, server_key, stored_key};

/// What a server did not do right, in words that hold none of its bytes.
pub(super) type Wrong = &'static str;

const FORM: Wrong = "its part of SCRAM cannot be read";
const NONCE: Wrong = "it answers SCRAM with a nonce of its own alone";
const ITERATIONS: Wrong = "it wants SCRAM with fewer or more rounds than are done";
const NO_PASSWORD: Wrong = "it wants a password, and the credential has none";
const SIGNATURE: Wrong = "it does not know the password itself";

/// The client has begun.
#[derive(Debug)]
pub(super) struct Begun {
    /// The client's first message, without the header.
    bare: String,
    nonce: String,
    /// Header and channel binding, as they are repeated.
    binding: Vec<u8>,
}

/// The client has shown its proof and waits for the server's.
#[derive(Debug)]
pub(super) struct Proven {
    signature: [u8; 32],
}

/// Which channel binding there is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Binding<'a> {
    /// There is no TLS.
    None,
    /// There is, and the server does not offer to bind it: it is told that it could have.
    NotOffered,
    /// To the hash of the server's certificate.
    EndPoint(&'a [u8]),
}

/// Begins; gives the client's first message. `nonce` is random, and printable without a comma.
pub(super) fn begin(nonce: String, binding: Binding<'_>) -> (Begun, String) {
    let (header, end_point): (_, &[u8]) = match binding {
        Binding::None => ("n,,", &[]),
        Binding::NotOffered => ("y,,", &[]),
        Binding::EndPoint(hash) => ("p=tls-server-end-point,,", hash),
    };
    let bare = format!("n=,r={nonce}");
    let first = format!("{header}{bare}");
    let begun = Begun {
        bare,
        nonce,
        binding: [header.as_bytes(), end_point].concat(),
    };
    (begun, first)
}

impl Begun {
    /// Answers the server's first message with the proof.
    pub(super) fn prove(
        self,
        server_first: &[u8],
        login: &Login,
    ) -> Result<(Proven, String), Wrong> {
        let text = std::str::from_utf8(server_first).map_err(|_| FORM)?;
        let mut parts = text.split(',');
        let mut part = |name: &str| {
            parts
                .next()
                .and_then(|part| part.strip_prefix(name))
                .ok_or(FORM)
        };
        let (nonce, salt, iterations) = (part("r=")?, part("s=")?, part("i=")?);
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(NONCE);
        }
        let salt = STANDARD.decode(salt).map_err(|_| FORM)?;
        let iterations: u32 = iterations.parse().map_err(|_| FORM)?;
        if !SCRAM_ROUNDS.contains(&iterations) {
            return Err(ITERATIONS);
        }
        let salted = login
            .key(&salt, iterations, |password| {
                salted(password, &salt, iterations)
            })
            .ok_or(NO_PASSWORD)?;
        let client_key = client_key(salted.reveal());
        let without_proof = format!("c={},r={nonce}", STANDARD.encode(&self.binding));
        let message: [&[u8]; 5] = [
            self.bare.as_bytes(),
            b",",
            server_first,
            b",",
            without_proof.as_bytes(),
        ];
        let proof = either(hmac(&stored_key(client_key), &message), client_key);
        let proven = Proven {
            signature: hmac(&server_key(salted.reveal()), &message),
        };
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        Ok((proven, last))
    }
}

impl Proven {
    /// Checks the server's last message.
    pub(super) fn verify(self, server_last: &[u8]) -> Result<(), Wrong> {
        let signature = server_last.strip_prefix(b"v=").ok_or(FORM)?;
        let signature = STANDARD.decode(signature).map_err(|_| FORM)?;
        if signature == self.signature {
            return Ok(());
        }
        Err(SIGNATURE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn login(password: &str) -> Login {
        let password = Some(Secret::new(password.as_bytes()));
        Login::new("c".to_owned(), "user".to_owned(), password)
    }

    /// The example of RFC 7677, section 3, whose user has a name.
    fn begun() -> Begun {
        Begun {
            bare: "n=user,r=rOprNGfwEbeRWgbNEkqO".to_owned(),
            nonce: "rOprNGfwEbeRWgbNEkqO".to_owned(),
            binding: b"n,,".to_vec(),
        }
    }

    const FIRST: &[u8] =
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const LAST: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    #[test]
    fn the_example_of_the_standard() {
        let (proven, last) = begun().prove(FIRST, &login("pencil")).unwrap();
        assert_eq!(
            last,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        assert_eq!(proven.verify(LAST), Ok(()));
    }

    #[test]
    fn a_server_that_does_not_know_the_password_is_not_the_server() {
        let (proven, _) = begun().prove(FIRST, &login("pencils")).unwrap();
        assert_eq!(proven.verify(LAST), Err(SIGNATURE));
        let (proven, _) = begun().prove(FIRST, &login("pencil")).unwrap();
        assert_eq!(proven.verify(b"e=other-error"), Err(FORM));
    }

    #[test]
    fn what_a_server_may_not_say() {
        let check = |first: &[u8], expected| {
            let error = begun().prove(first, &login("pencil")).unwrap_err();
            assert_eq!(error, expected);
        };
        check(b"", FORM);
        check(b"r=\xff,s=,i=1", FORM);
        check(b"r=other,s=W22Z,i=1", NONCE);
        check(b"r=rOprNGfwEbeRWgbNEkqO,s=W22Z,i=1", NONCE);
        check(b"r=rOprNGfwEbeRWgbNEkqO1,s=!,i=1", FORM);
        check(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=0", ITERATIONS);
        check(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=1", ITERATIONS);
        check(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=4095", ITERATIONS);
        check(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=100001", ITERATIONS);
        check(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=4000000000", ITERATIONS);
        let most = b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=100000";
        assert!(begun().prove(most, &login("pencil")).is_ok());
        let none = Login::new("c".to_owned(), "user".to_owned(), None);
        assert_eq!(begun().prove(FIRST, &none).unwrap_err(), NO_PASSWORD);
    }

    #[test]
    fn what_was_derived_is_used_again_for_the_same_salt_only() {
        let login = login("pencil");
        let key = |salt: &[u8], value| login.key(salt, 1, |_| value).unwrap();
        assert_eq!(key(b"a", [1; 32]).reveal(), [1; 32]);
        assert_eq!(key(b"a", [2; 32]).reveal(), [1; 32]);
        assert_eq!(key(b"b", [3; 32]).reveal(), [3; 32]);
    }
}
