//! SCRAM-SHA-256, with and without channel binding, as a server.
//!
//! Source: RFC 5802, RFC 7677, and RFC 5929 section 4 (`tls-server-end-point`); what is not said there
//! is as PostgreSQL's server has it (`auth-scram.c`): the user is that of the start-up packet, and
//! extensions that are not known are passed over where they may be.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::protocols::scram::ROUNDS;

/// The mechanism without channel binding.
pub(super) const SCRAM: &str = "SCRAM-SHA-256";
/// The one with it.
pub(super) const PLUS: &str = "SCRAM-SHA-256-PLUS";

/// What a client did not do right, in words that hold none of its bytes.
type Wrong = &'static str;

const FORM: Wrong = "malformed SCRAM message";
const MECHANISM: Wrong = "client selected an invalid SASL authentication mechanism";
const IDENTITY: Wrong = "client uses authorization identity, but it is not supported";
const EXTENSION: Wrong = "client requires an unsupported SCRAM extension";
const NEGOTIATION: Wrong = "SCRAM channel binding negotiation error";
const BINDING: Wrong = "SCRAM channel binding check failed";
const NONCE: Wrong = "invalid SCRAM response: nonce does not match";

/// The client has begun and was told what to prove.
#[derive(Debug)]
pub(super) struct Challenged {
    /// The client's first message without the header, and the answer to it.
    begun: String,
    /// Of both sides.
    nonce: String,
    /// What the client has to repeat: its header, and what the channel is bound to.
    binding: Vec<u8>,
}

/// Which mechanisms there are on a channel that can be bound to `end_point`, the best first.
pub(super) fn mechanisms(end_point: Option<&[u8]>) -> impl Iterator<Item = &'static [u8]> {
    let plus = end_point.map(|_| PLUS.as_bytes());
    plus.into_iter().chain([SCRAM.as_bytes()])
}

/// Answers the client's first message. `own` is random, and printable without a comma.
pub(super) fn challenge(
    mechanism: &[u8],
    client_first: &[u8],
    end_point: Option<&[u8]>,
    own: &str,
    salt: &[u8],
) -> Result<(Challenged, String), Wrong> {
    let text = std::str::from_utf8(client_first).map_err(|_| FORM)?;
    let (flag, rest) = text.split_once(',').ok_or(FORM)?;
    let (identity, bare) = rest.split_once(',').ok_or(FORM)?;
    if !identity.is_empty() {
        return Err(IDENTITY);
    }
    let is_plus = match mechanism {
        name if name == SCRAM.as_bytes() => false,
        name if name == PLUS.as_bytes() && end_point.is_some() => true,
        _ => return Err(MECHANISM),
    };
    let bound: &[u8] = match (flag, is_plus, end_point) {
        ("n", false, _) | ("y", false, None) => &[],
        // It would have, and did not see the offer: somebody between has cut it out.
        ("y", false, Some(_)) => return Err(NEGOTIATION),
        ("p=tls-server-end-point", true, Some(end_point)) => end_point,
        ("n" | "y", true, _) | ("p=tls-server-end-point", false, _) => return Err(NEGOTIATION),
        _ => return Err(FORM),
    };
    let mut parts = bare.split(',');
    match parts.next() {
        Some(user) if user.starts_with("n=") => {}
        Some(part) if part.starts_with("m=") => return Err(EXTENSION),
        _ => return Err(FORM),
    }
    let theirs = parts.next().and_then(|part| part.strip_prefix("r="));
    let theirs = theirs.ok_or(FORM)?;
    if theirs.is_empty() || !theirs.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FORM);
    }
    let nonce = format!("{theirs}{own}");
    let first = format!("r={nonce},s={},i={ROUNDS}", STANDARD.encode(salt));
    let header = format!("{flag},,");
    let challenged = Challenged {
        begun: format!("{bare},{first}"),
        nonce,
        binding: [header.as_bytes(), bound].concat(),
    };
    Ok((challenged, first))
}

impl Challenged {
    /// Reads the client's last message; gives what was said so far, and the proof for it.
    pub(super) fn read(&self, client_final: &[u8]) -> Result<(Vec<u8>, [u8; 32]), Wrong> {
        let text = std::str::from_utf8(client_final).map_err(|_| FORM)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(FORM)?;
        let mut parts = without_proof.split(',');
        let mut part = |name: &str| {
            let part = parts.next().and_then(|part| part.strip_prefix(name));
            part.ok_or(FORM)
        };
        let (binding, nonce) = (part("c=")?, part("r=")?);
        if STANDARD.decode(binding).map_err(|_| FORM)? != self.binding {
            return Err(BINDING);
        }
        if nonce != self.nonce {
            return Err(NONCE);
        }
        let proof = STANDARD.decode(proof).map_err(|_| FORM)?;
        let proof = proof.try_into().map_err(|_| FORM)?;
        let conversation = format!("{},{without_proof}", self.begun);
        Ok((conversation.into_bytes(), proof))
    }
}

/// The last message, by which the client knows that it spoke to somebody who knows the password too.
pub(super) fn last(signature: [u8; 32]) -> String {
    format!("v={}", STANDARD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::scram::Verifier;

    /// The example of RFC 7677, section 3.
    const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const OWN: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
        p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

    fn salt() -> Vec<u8> {
        STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap()
    }

    fn begun() -> Challenged {
        let begun = challenge(SCRAM.as_bytes(), FIRST.as_bytes(), None, OWN, &salt());
        begun.unwrap().0
    }

    #[test]
    fn the_example_of_the_standard() {
        let begun = challenge(SCRAM.as_bytes(), FIRST.as_bytes(), None, OWN, &salt());
        let (challenged, first) = begun.unwrap();
        assert_eq!(
            first,
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let (conversation, proof) = challenged.read(FINAL.as_bytes()).unwrap();
        let verifier = Verifier::of(b"pencil", &salt());
        let signature = verifier.check(&conversation, proof).unwrap();
        assert_eq!(
            last(signature),
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
        );
    }

    #[test]
    fn a_first_message_that_is_not_taken() {
        let check = |mechanism: &str, first: &str, end_point: Option<&[u8]>, expected| {
            let begun = challenge(
                mechanism.as_bytes(),
                first.as_bytes(),
                end_point,
                OWN,
                b"salt",
            );
            assert_eq!(begun.map(drop), Err(expected), "{mechanism} {first}");
        };
        let hash = Some(b"hash".as_slice());
        check("SCRAM-SHA-1", FIRST, None, MECHANISM);
        check(PLUS, "p=tls-server-end-point,,n=,r=a", None, MECHANISM);
        check(SCRAM, "y,,n=,r=a", hash, NEGOTIATION);
        check(SCRAM, "p=tls-server-end-point,,n=,r=a", hash, NEGOTIATION);
        check(PLUS, "n,,n=,r=a", hash, NEGOTIATION);
        check(PLUS, "p=tls-unique,,n=,r=a", hash, FORM);
        check(SCRAM, "n,a=admin,n=,r=a", None, IDENTITY);
        check(SCRAM, "n,,m=x,n=,r=a", None, EXTENSION);
        for first in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=",
            "n,,n=,r=",
            "n,,n=,s=a",
            "n,,r=a",
            "n,,n=,r=\u{1}",
        ] {
            check(SCRAM, first, None, FORM);
        }
    }

    #[test]
    fn a_last_message_that_is_not_taken() {
        let check = |client_final: &str, expected| {
            let read = begun().read(client_final.as_bytes());
            assert_eq!(read.map(drop), Err(expected), "{client_final}");
        };
        check("", FORM);
        check(FINAL.split_once(",p=").unwrap().0, FORM);
        check(&FINAL.replace("c=biws", "c=eSws"), BINDING);
        check(&FINAL.replace("c=biws", "c=!"), FORM);
        check(&FINAL.replace("hNlF", "hNlG"), NONCE);
        check(&FINAL.replace("p=dHzb", "p="), FORM);
        check("r=x,c=biws,p=AA==", FORM);
    }

    #[test]
    fn a_channel_is_bound_where_it_can_be() {
        let offered = |end_point: Option<&[u8]>| mechanisms(end_point).count();
        assert_eq!((offered(None), offered(Some(b"hash"))), (1, 2));
        let first = "p=tls-server-end-point,,n=,r=a";
        let begun = challenge(PLUS.as_bytes(), first.as_bytes(), Some(b"hash"), "b", b"s");
        let (challenged, _) = begun.unwrap();
        let proof = STANDARD.encode([0; 32]);
        let bound = |hash: &[u8]| {
            let binding = [b"p=tls-server-end-point,,".as_slice(), hash].concat();
            let text = format!("c={},r=ab,p={proof}", STANDARD.encode(binding));
            challenged.read(text.as_bytes()).map(drop)
        };
        assert_eq!(bound(b"hash"), Ok(()));
        assert_eq!(bound(b"hush"), Err(BINDING));
    }
}
