//! Logging in at the server in the client's stead.
//!
//! The client is told that it is welcome once the server has said so, and is asked for nothing, but for
//! a placeholder where it has to show one (`proving`). What the
//! server is shown is in no message to the client and in no event.
//!
//! Source: PostgreSQL documentation, "Message Flow": "Start-up" and "SASL Authentication".

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::challenge::{PLUS, SCRAM};
use super::codec::PostgresCodec;
use super::reply;
use super::scram::{self, Begun, Binding, Proven};
use crate::cursor::Cursor;
use crate::event;
use crate::held::hexadecimal;
use crate::protocols::login::Login;
use crate::protocols::{CodecError, Report, Step};

/// `AuthenticationOk` and what a server may ask for.
mod request {
    pub(super) const OK: u32 = 0;
    pub(super) const PLAIN: u32 = 3;
    pub(super) const MD5: u32 = 5;
    pub(super) const SASL: u32 = 10;
    pub(super) const CONTINUE: u32 = 11;
    pub(super) const FINAL: u32 = 12;
}

const CUT: CodecError = CodecError::Server("a message of its authentication cannot be read");
const NO_PASSWORD: CodecError =
    CodecError::Server("it wants a password, and the credential has none");
/// What a client is told of what went wrong between gateway and server: nothing of the account.
const NOT_TAKEN: &str = "gateway: the server did not take the gateway's own credential for it";

/// Where logging in is.
#[derive(Debug)]
pub(super) struct LoggingIn {
    login: Arc<Login>,
    /// As whom the client presented itself.
    asked: String,
    method: &'static str,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The server has not asked for anything, or was answered.
    Waits,
    Begun(Begun),
    Proven(Proven),
    /// The server has proved itself.
    Verified,
    Done,
}

impl LoggingIn {
    pub(super) fn new(login: Arc<Login>, asked: String) -> Self {
        Self {
            login,
            asked,
            method: "none",
            state: State::Waits,
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

/// A start-up packet for the login's user, with all else as the client has it. The database is always
/// named: where the client names none, it means the one with the name of its user.
pub(super) fn startup_packet(
    version: u32,
    user: &str,
    database: &[u8],
    others: &[(&[u8], &[u8])],
) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u32(version);
    let own: [(&[u8], &[u8]); 2] = [(b"user", user.as_bytes()), (b"database", database)];
    for (name, value) in own.iter().chain(others) {
        for text in [name, value] {
            body.put_slice(text);
            body.put_u8(0);
        }
    }
    body.put_u8(0);
    let mut packet = BytesMut::with_capacity(body.len() + 4);
    let length = u32::try_from(body.len() + 4).expect("a start-up packet is short");
    packet.put_u32(length);
    packet.put_slice(&body);
    packet.freeze()
}

impl PostgresCodec {
    /// Whether the gateway logs in and is not done with it.
    pub(super) fn is_logging_in(&self) -> bool {
        self.logging_in.as_ref().is_some_and(|it| !it.is_done())
    }

    /// Answers what the server asks for; the client hears only that it is welcome.
    pub(super) fn log_in(&mut self, len: usize, mut body: Cursor<'_>) -> Result<Step, CodecError> {
        let what = body.u32().ok_or(CUT)?;
        let Some(mut logging_in) = self.logging_in.take() else {
            return Err(CUT);
        };
        let state = std::mem::replace(&mut logging_in.state, State::Waits);
        let step = match (what, state) {
            (request::OK, State::Waits | State::Verified) => {
                logging_in.state = State::Done;
                self.reports.push_back(Report::LoggedIn(event::Login {
                    credential: logging_in.login.credential.clone(),
                    user: logging_in.login.user.clone(),
                    asked: logging_in.asked.clone(),
                    method: logging_in.method.to_owned(),
                    placeholder: self.placeholder.clone(),
                }));
                self.ask_path();
                Step::Pass(len)
            }
            (request::OK, _) => {
                return Err(CodecError::Server(
                    "it did not prove that it knows the password",
                ));
            }
            (request::PLAIN, State::Waits) => {
                if !self.server_encrypted {
                    return Err(CodecError::Server(
                        "it asks for the password in plain text without TLS",
                    ));
                }
                // Fails closed: whoever answers in the server's place would have it.
                if !self.server_verified {
                    return Err(CodecError::Server(
                        "it asks for the password in plain text, and who it is is not verified",
                    ));
                }
                let password = logging_in.login.password.as_ref().ok_or(NO_PASSWORD)?;
                self.say(&[password.reveal(), b"\0"]);
                logging_in.method = "password";
                Step::Discard(len)
            }
            (request::MD5, State::Waits) => {
                let salt = body.bytes(4).ok_or(CUT)?;
                let password = logging_in.login.password.as_ref().ok_or(NO_PASSWORD)?;
                let inner = md5(&[password.reveal(), logging_in.login.user.as_bytes()]);
                let outer = md5(&[inner.as_bytes(), salt]);
                self.say(&[b"md5", outer.as_bytes(), b"\0"]);
                logging_in.method = "md5";
                Step::Discard(len)
            }
            (request::SASL, State::Waits) => {
                let (begun, method) = self.begin_scram(body)?;
                (logging_in.state, logging_in.method) = (State::Begun(begun), method);
                Step::Discard(len)
            }
            (request::CONTINUE, State::Begun(begun)) => {
                let proven = begun.prove(body.rest(), &logging_in.login);
                let (proven, last) = proven.map_err(CodecError::Server)?;
                self.say(&[last.as_bytes()]);
                logging_in.state = State::Proven(proven);
                Step::Discard(len)
            }
            (request::FINAL, State::Proven(proven)) => {
                proven.verify(body.rest()).map_err(CodecError::Server)?;
                logging_in.state = State::Verified;
                Step::Discard(len)
            }
            (request::CONTINUE | request::FINAL, _) => return Err(CUT),
            _ => {
                return Err(CodecError::Server(
                    "it wants a kind of authentication that the gateway does not do itself",
                ));
            }
        };
        self.logging_in = Some(logging_in);
        Ok(step)
    }

    /// The server refused: the client is told so, and not as whom. That it is full, starting or stopping
    /// has nothing to do with that, and clients try again by it.
    pub(super) fn login_failed(&self, len: usize, code: &str) -> Step {
        if code.starts_with("53") || code.starts_with("57") {
            return Step::Pass(len);
        }
        let error = reply::error("FATAL", "28000", NOT_TAKEN, None, None);
        Step::Replace(len, error)
    }

    fn begin_scram(&mut self, mut offers: Cursor<'_>) -> Result<(Begun, &'static str), CodecError> {
        let (mut plain, mut plus) = (false, false);
        while let Some(mechanism) = offers.cstr().filter(|name| !name.is_empty()) {
            plain |= mechanism == SCRAM.as_bytes();
            plus |= mechanism == PLUS.as_bytes();
        }
        let (mechanism, binding) = match (&self.server_end_point, plus, plain) {
            (Some(hash), true, _) => (PLUS, Binding::EndPoint(hash)),
            // Whoever cut the better offer out is found out by the server.
            (Some(_), false, true) => (SCRAM, Binding::NotOffered),
            (None, _, true) => (SCRAM, Binding::None),
            _ => {
                return Err(CodecError::Server(
                    "it offers no kind of SCRAM that the gateway does",
                ));
            }
        };
        // Not the random bytes themselves: those are the client's secret for cancelling.
        let nonce = Sha256::digest([b"SCRAM nonce".as_slice(), &self.options.entropy].concat());
        let nonce = hexadecimal(nonce.get(..18).unwrap_or_default());
        let (begun, first) = scram::begin(nonce, binding);
        let length = u32::try_from(first.len()).map_err(|_| CUT)?;
        self.say(&[
            mechanism.as_bytes(),
            b"\0",
            &length.to_be_bytes(),
            first.as_bytes(),
        ]);
        Ok((begun, mechanism))
    }

    /// A message to the server of the kind that passwords are.
    fn say(&mut self, parts: &[&[u8]]) {
        self.inject.push_back(reply::message(b'p', &parts.concat()));
    }
}

/// In lower-case hexadecimal.
fn md5(parts: &[&[u8]]) -> String {
    let mut hash = Md5::new();
    parts.iter().for_each(|part| hash.update(part));
    hexadecimal(&hash.finalize())
}
