//! A client shows that it was given a placeholder, before anything is decided and nobody connected to.
//!
//! The gateway asks as a server would, with one salt for all, so that a client learns nothing of which
//! placeholders there are. What was shown is checked outside, see [`Step::Prove`]; what the client hears
//! of a check that failed is the same in all cases.
//!
//! Source: PostgreSQL documentation, "Message Flow": "Start-up" and "SASL Authentication".

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::challenge::{self, Challenged};
use super::codec::{Asked, Phase, PostgresCodec};
use super::{reply, wire};
use crate::cursor::Cursor;
use crate::facts::Stage;
use crate::held::hexadecimal;
use crate::ids::PlaceholderId;
use crate::protocols::placeholder::{Asking, Presented, Shown};
use crate::protocols::{CodecError, Step, Then};
use crate::secret::Secret;

/// What a client shows is never longer, in bytes.
const LONGEST: usize = 4096;

const PASSWORD: u32 = 3;
const SASL_CONTINUE: u32 = 11;
const SASL_FINAL: u32 = 12;

const FORM: CodecError = CodecError::Client("malformed password message");

/// A client that has said who it is, and has to show that it may.
#[derive(Debug)]
pub(super) struct Proving {
    user: String,
    /// What goes to the server once it has.
    packet: Bytes,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The password was asked for.
    Asked,
    /// Mechanisms of SASL were offered.
    Offered,
    Challenged(Challenged),
    /// What was shown is being checked; it is still at the head of the input.
    Shown,
    /// It was good.
    Proven,
}

impl Proving {
    /// As whom the client presented itself.
    pub(super) fn user(&self) -> &str {
        &self.user
    }
}

impl PostgresCodec {
    /// Asks the client in answer to its start-up packet of `len` bytes.
    pub(super) fn ask_for_placeholder(
        &mut self,
        asking: Asking,
        len: usize,
        user: String,
        packet: Bytes,
    ) -> Result<Step, CodecError> {
        // Fails closed: where nothing is random what was shown once could be shown again.
        if self.options.entropy == [0; 32] {
            return Err(CodecError::Unsupported(
                "there is no randomness to ask for a placeholder with",
            ));
        }
        let (state, question) = if asking == Asking::Password && self.client_encrypted {
            (State::Asked, reply::authentication(PASSWORD, &[]))
        } else {
            let offered = challenge::mechanisms(self.client_end_point.as_deref());
            (State::Offered, reply::sasl_mechanisms(offered))
        };
        self.phase = Phase::Proving(Box::new(Proving {
            user,
            packet,
            state,
        }));
        Ok(Step::Answer(len, question))
    }

    /// Reads what the client shows.
    pub(super) fn client_proving(&mut self, input: &[u8]) -> Result<Option<Step>, CodecError> {
        let Some(head) = wire::client_head(input)? else {
            return Ok(None);
        };
        match head.tag {
            b'p' => {}
            b'X' => {
                self.phase = Phase::Over;
                return Ok(Some(Step::Discard(head.len)));
            }
            _ => {
                return Err(CodecError::Client(
                    "expected a password or SASL response, and got another message",
                ));
            }
        }
        if head.len > LONGEST {
            return Err(CodecError::Client(
                "a password or SASL response is too long",
            ));
        }
        let Some(message) = input.get(..head.len) else {
            return Ok(None);
        };
        let body = message.get(wire::HEAD..).unwrap_or_default();
        let Phase::Proving(proving) = &mut self.phase else {
            return Ok(None);
        };
        match &proving.state {
            State::Asked => {
                let shown = Shown::Plain(Secret::new(plain(body).ok_or(FORM)?));
                Ok(Some(proving.show(shown)))
            }
            State::Offered => self.challenge(head.len, Cursor::new(body)).map(Some),
            State::Challenged(challenged) => {
                let (conversation, proof) = challenged.read(body).map_err(CodecError::Client)?;
                let shown = Shown::Proof {
                    conversation,
                    proof,
                };
                Ok(Some(proving.show(shown)))
            }
            State::Shown => Ok(None),
            State::Proven => {
                let packet = proving.packet.clone();
                self.asked = Some(Asked::Connect);
                let ask = self.session_ask(
                    head.len,
                    Stage::Connect,
                    "StartupMessage",
                    Then::Dial,
                    Some(packet),
                );
                Ok(Some(ask))
            }
        }
    }

    fn challenge(&mut self, len: usize, mut body: Cursor<'_>) -> Result<Step, CodecError> {
        let mechanism = body.cstr().ok_or(FORM)?;
        let length = body.u32().and_then(|length| usize::try_from(length).ok());
        let first = body.rest();
        if length != Some(first.len()) {
            return Err(FORM);
        }
        // Not the random bytes themselves: those are the client's secret for cancelling.
        let own = Sha256::digest([b"SCRAM challenge".as_slice(), &self.options.entropy].concat());
        let own = hexadecimal(own.get(..18).unwrap_or_default());
        let end_point = self.client_end_point.as_deref();
        let begun = challenge::challenge(mechanism, first, end_point, &own, &self.options.salt);
        let (challenged, answer) = begun.map_err(CodecError::Client)?;
        if let Phase::Proving(proving) = &mut self.phase {
            proving.state = State::Challenged(challenged);
        }
        let answer = reply::authentication(SASL_CONTINUE, answer.as_bytes());
        Ok(Step::Answer(len, answer))
    }

    /// What was shown is this placeholder: the client goes on, and hears by `signature` that the gateway
    /// knows it as well.
    pub(super) fn placeholder_proved(
        &mut self,
        placeholder: PlaceholderId,
        signature: Option<[u8; 32]>,
    ) {
        if let Phase::Proving(proving) = &mut self.phase {
            proving.state = State::Proven;
            self.placeholder = Some(placeholder);
            self.proof_answer = signature.map(|signature| {
                reply::authentication(SASL_FINAL, challenge::last(signature).as_bytes())
            });
        }
    }
}

impl Proving {
    fn show(&mut self, shown: Shown) -> Step {
        self.state = State::Shown;
        Step::Prove(Box::new(Presented {
            user: self.user.clone(),
            shown,
        }))
    }
}

/// The password in a message that holds nothing else.
fn plain(body: &[u8]) -> Option<&[u8]> {
    let password = body.strip_suffix(b"\0")?;
    (!password.contains(&0)).then_some(password)
}
