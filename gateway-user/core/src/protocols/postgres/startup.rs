//! From the first byte to the first `ReadyForQuery`: encryption, who the client says it is, and
//! authentication, which passes through where the gateway does not log in itself (`login`).
//!
//! Source: PostgreSQL documentation, "Message Flow": "Start-up", "SSL Session Encryption", "GSSAPI
//! Session Encryption", "Canceling Requests in Progress", and "SASL Authentication".

use std::sync::Arc;

use bytes::Bytes;

use super::CANCEL_REQUEST;
use super::attributes::{self as slot, ATTRIBUTES};
use super::codec::{Asked, Phase, PostgresCodec};
use super::login::{self, LoggingIn};
use super::{failing, options, reply, wire};
use crate::cursor::Cursor;
use crate::facts::{Fact, FactSet, Facts, Stage};
use crate::protocols::placeholder::Asking;
use crate::protocols::{Ask, CancelKey, ClientTls, CodecError, GATHER_LIMIT, Step, Then, TlsInfo};
use crate::sql::postgres::lineage::measures;

/// What the client has tried so far.
#[derive(Debug, Default)]
pub(super) struct Startup {
    asked_tls: bool,
    asked_gss: bool,
    /// The client began with a handshake instead of asking for one.
    direct_tls: bool,
    encrypted: bool,
}

impl Startup {
    /// A client that began with TLS at once must have named the protocol in it, so that a handshake
    /// meant for another protocol is never taken for one.
    pub(super) fn check_alpn(&self, info: &TlsInfo) -> Result<(), CodecError> {
        if self.direct_tls && info.alpn.as_deref() != Some(b"postgresql") {
            return Err(CodecError::Client(
                "direct TLS connection without ALPN protocol postgresql",
            ));
        }
        Ok(())
    }

    /// Whether an `ErrorResponse` could be read by the client now.
    pub(super) fn understands_errors(&self) -> bool {
        !self.direct_tls || self.encrypted
    }
}

const MAJOR: u32 = 3;
/// `AuthenticationOk`.
const AUTHENTICATED: u32 = 0;
/// `AuthenticationSASL`.
const SASL: u32 = 10;
const SCRAM_PLUS: &[u8] = b"SCRAM-SHA-256-PLUS";

impl PostgresCodec {
    /// Reads what comes before the client is known.
    pub(super) fn client_startup(&mut self, input: &[u8]) -> Result<Option<Step>, CodecError> {
        let (offer, encrypted) = (self.options.client_tls, self.client_encrypted);
        let Phase::Startup(startup) = &mut self.phase else {
            return Ok(None);
        };
        startup.encrypted = encrypted;
        if input.first() == Some(&wire::TLS_HANDSHAKE) {
            if encrypted || startup.asked_tls || offer == ClientTls::Refuse {
                return Err(CodecError::Client("TLS handshake where none was agreed on"));
            }
            (startup.direct_tls, startup.asked_tls) = (true, true);
            return Ok(Some(Step::StartTls(0, Bytes::new())));
        }
        let Some((len, mut body)) = wire::startup_packet(input)? else {
            return Ok(None);
        };
        match body.u32().unwrap_or_default() {
            wire::request::SSL if !startup.asked_tls && !encrypted => {
                startup.asked_tls = true;
                if offer == ClientTls::Refuse {
                    return Ok(Some(Step::Answer(len, Bytes::from_static(b"N"))));
                }
                Ok(Some(Step::StartTls(len, Bytes::from_static(b"S"))))
            }
            wire::request::GSSENC if !startup.asked_gss && !encrypted => {
                startup.asked_gss = true;
                Ok(Some(Step::Answer(len, Bytes::from_static(b"N"))))
            }
            wire::request::CANCEL => self.cancel(len, body).map(Some),
            version if version >> 16 == MAJOR => {
                if offer == ClientTls::Require && !encrypted {
                    return Err(CodecError::Client(
                        "this resource is reached with TLS only: set sslmode=require",
                    ));
                }
                self.connect(version, len, body).map(Some)
            }
            wire::request::SSL | wire::request::GSSENC => {
                Err(CodecError::Client("encryption was asked for twice"))
            }
            _ => Err(CodecError::Client("unsupported frontend protocol version")),
        }
    }

    fn connect(
        &mut self,
        version: u32,
        len: usize,
        mut body: Cursor<'_>,
    ) -> Result<Step, CodecError> {
        const CUT: CodecError = CodecError::Client("invalid startup packet layout");
        let text = |value| Fact::Text(String::from_utf8_lossy(value).into());
        let mut facts = FactSet::new(ATTRIBUTES);
        let (mut user, mut database, mut others) = (None, None, Vec::new());
        loop {
            let name = body.cstr().ok_or(CUT)?;
            if name.is_empty() {
                break;
            }
            let value = body.cstr().ok_or(CUT)?;
            match name {
                b"user" => user = Some(value),
                b"database" if value.is_empty() => database = None,
                b"database" => database = Some(value),
                _ => {
                    let set = options::settings(name, value).ok_or(OPTIONS)?;
                    for (name, value) in &set {
                        if WHO.iter().any(|who| name.eq_ignore_ascii_case(who)) {
                            return Err(ROLE);
                        }
                        self.measured |= measures(Some(name), Some(value));
                    }
                    if name.eq_ignore_ascii_case(b"application_name") {
                        facts.set(slot::APPLICATION_NAME, text(value));
                    }
                    others.push((name, value));
                }
            }
        }
        if !body.rest().is_empty() {
            return Err(CUT);
        }
        let user = user.ok_or(CodecError::Client("no user name in the startup packet"))?;
        // A database that is not named is the one with the user's name.
        let database = database.unwrap_or(user);
        facts.set(slot::DATABASE, text(wire::server_name(database)));
        let Some(login) = self.options.login.clone() else {
            facts.set(slot::USER, text(wire::server_name(user)));
            self.connection = Arc::new(facts);
            self.asked = Some(Asked::Connect);
            return Ok(self.session_ask(len, Stage::Connect, "StartupMessage", Then::Dial, None));
        };
        // Who the agent is, the kernel says; who it is to the server, the credential.
        let packet = login::startup_packet(version, &login.user, database, &others);
        facts.set(slot::USER, Fact::Text(login.user.as_str().into()));
        self.connection = Arc::new(facts);
        let (asking, asked) = (login.asking, String::from_utf8_lossy(user).into_owned());
        self.logging_in = Some(LoggingIn::new(login, asked.clone()));
        if asking == Asking::None {
            self.asked = Some(Asked::Connect);
            return Ok(self.session_ask(
                len,
                Stage::Connect,
                "StartupMessage",
                Then::Dial,
                Some(packet),
            ));
        }
        self.ask_for_placeholder(asking, len, asked, packet)
    }

    fn cancel(&mut self, len: usize, mut body: Cursor<'_>) -> Result<Step, CodecError> {
        let process = body
            .u32()
            .ok_or(CodecError::Client("invalid length of cancel request"))?;
        let secret = Bytes::copy_from_slice(body.rest());
        self.asked = Some(Asked::Cancel);
        Ok(self.session_ask(
            len,
            Stage::Cancel,
            CANCEL_REQUEST,
            Then::Cancel(CancelKey { process, secret }),
            None,
        ))
    }

    pub(super) fn session_ask(
        &self,
        len: usize,
        stage: Stage,
        request: &'static str,
        then: Then,
        instead: Option<Bytes>,
    ) -> Step {
        let facts = Facts {
            stage,
            connection: Arc::clone(&self.connection),
        };
        Step::Ask(Box::new(Ask {
            head: len,
            len,
            facts,
            request,
            text: None,
            of: None,
            then,
            instead,
        }))
    }

    /// Passes passwords and tokens on.
    pub(super) fn client_authenticating(
        &mut self,
        input: &[u8],
    ) -> Result<Option<Step>, CodecError> {
        let Some(head) = wire::client_head(input)? else {
            return Ok(None);
        };
        match head.tag {
            b'p' if self.logging_in.is_some() => {
                Err(CodecError::Client("a password, and none was asked for"))
            }
            b'p' => {
                let Some(message) = input.get(..head.len) else {
                    return Ok(None);
                };
                if self.binding_removed && is_downgrade_check(message) {
                    return Err(CodecError::Unsupported(
                        "SCRAM channel binding cannot pass a gateway that terminates TLS: set channel_binding=disable",
                    ));
                }
                Ok(Some(Step::Pass(head.len)))
            }
            b'X' => Ok(Some(Step::Finish(head.len))),
            // A client may send statements before it has read that it is welcome. They wait.
            b'Q' | b'P' | b'B' | b'E' | b'D' | b'C' | b'H' | b'S' | b'F' => Ok(None),
            _ => Err(CodecError::Client(
                "invalid frontend message type during authentication",
            )),
        }
    }

    /// Passes the server's side of authentication on, less what could not work.
    pub(super) fn server_authenticating(
        &mut self,
        input: &[u8],
    ) -> Result<Option<Step>, CodecError> {
        let Some(head) = wire::server_head(input)? else {
            return Ok(None);
        };
        if head.len > GATHER_LIMIT {
            return Err(CodecError::Server(
                "a message during authentication is too long",
            ));
        }
        let Some(message) = input.get(..head.len) else {
            return Ok(None);
        };
        let mut body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
        match head.tag {
            b'R' if self.is_logging_in() => self.log_in(head.len, body).map(Some),
            b'E' if self.is_logging_in() => {
                // The recording has the server's words.
                self.server_ready(input)?;
                let code = failing::server_error(body).code;
                Ok(Some(self.login_failed(head.len, &code)))
            }
            b'R' => match body.u32() {
                Some(AUTHENTICATED) => {
                    self.ask_path();
                    Ok(Some(Step::Pass(head.len)))
                }
                Some(SASL) => self.sasl_offer(head.len, body).map(Some),
                _ => Ok(Some(Step::Pass(head.len))),
            },
            b'K' => self.key_data(head.len, body).map(Some),
            _ => self.server_ready(input),
        }
    }

    /// Channel binding (RFC 5929, `tls-server-end-point`) proves that client and server share one
    /// TLS channel, which they do not: the offer is withdrawn.
    fn sasl_offer(&mut self, len: usize, mut body: Cursor<'_>) -> Result<Step, CodecError> {
        let mut kept = Vec::new();
        while let Some(mechanism) = body.cstr().filter(|name| !name.is_empty()) {
            if mechanism == SCRAM_PLUS {
                self.binding_removed = true;
            } else {
                kept.push(mechanism);
            }
        }
        if !self.binding_removed {
            return Ok(Step::Pass(len));
        }
        if kept.is_empty() {
            return Err(CodecError::Server(
                "it authenticates by SCRAM with channel binding only",
            ));
        }
        Ok(Step::Replace(len, reply::sasl_mechanisms(kept.into_iter())))
    }

    /// The client gets a secret of the gateway's own, so that a cancel request is known to come
    /// from whoever holds the session.
    fn key_data(&mut self, len: usize, mut body: Cursor<'_>) -> Result<Step, CodecError> {
        let process = body
            .u32()
            .ok_or(CodecError::Server("invalid BackendKeyData"))?;
        let real = CancelKey {
            process,
            secret: Bytes::copy_from_slice(body.rest()),
        };
        let own = self
            .options
            .entropy
            .get(..real.secret.len())
            .unwrap_or(&self.options.entropy);
        let issued = CancelKey {
            process,
            secret: Bytes::copy_from_slice(own),
        };
        let bytes = reply::key_data(process, own);
        Ok(Step::IssueKey {
            len,
            bytes,
            issued,
            real,
        })
    }
}

const WHO: [&str; 2] = ["role", "session_authorization"];

/// The server takes none that are left over either.
const OPTIONS: CodecError = CodecError::Unsupported(
    "the options of the start-up packet cannot be read: -c NAME=VALUE, with a backslash before blanks in it",
);

/// Rules look at who a session becomes, and at its start they cannot.
const ROLE: CodecError = CodecError::Unsupported(
    "a session does not begin in another role: use SET ROLE in it, if you may",
);

/// Whether this is a `SASLInitialResponse` whose GS2 header says "I could bind the channel, and
/// you did not offer it" (RFC 5802, section 5.1: `y`). The server did offer it, so it would take
/// the message for a downgrade attack and refuse it with a text that helps nobody.
fn is_downgrade_check(message: &[u8]) -> bool {
    let mut body = Cursor::new(message.get(wire::HEAD..).unwrap_or_default());
    let scram = body
        .cstr()
        .is_some_and(|mechanism| mechanism.starts_with(b"SCRAM-"));
    scram && body.u32().is_some() && body.rest().starts_with(b"y,")
}
