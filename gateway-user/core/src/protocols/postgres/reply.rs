//! What the gateway says itself to a client or a server, in PostgreSQL's own words.
//!
//! Source: PostgreSQL documentation, "Message Formats" and "Error and Notice Message Fields".

use bytes::{BufMut, Bytes, BytesMut};

use crate::protocols::{CodecError, Fatal};
use crate::refusal::Refusal;

/// `insufficient_privilege`: what policy refuses.
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// `query_canceled`: what took too long.
pub const QUERY_CANCELED: &str = "57014";

/// `configuration_limit_exceeded`: what brought too much.
pub const CONFIGURATION_LIMIT_EXCEEDED: &str = "53400";

/// `feature_not_supported`: what the gateway cannot do.
pub const FEATURE_NOT_SUPPORTED: &str = "0A000";

/// The portal that poisons a pipeline, see [`poison`]. No client may make it.
const NO_SUCH_PORTAL: &[u8] = b"gateway refused an earlier message";

/// One message: tag, length, body.
pub fn message(tag: u8, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(body.len() + 5);
    bytes.put_u8(tag);
    let length = u32::try_from(body.len() + 4).expect("the gateway's own messages are short");
    bytes.put_u32(length);
    bytes.put_slice(body);
    bytes.freeze()
}

/// `ErrorResponse`. Texts are stripped of NUL bytes, which would end them early.
pub fn error(
    severity: &str,
    code: &str,
    message_text: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) -> Bytes {
    message(b'E', &fields(severity, code, message_text, detail, hint))
}

/// The fields that errors and notices have.
fn fields(
    severity: &str,
    code: &str,
    message_text: &str,
    detail: Option<&str>,
    hint: Option<&str>,
) -> Vec<u8> {
    let mut body = Vec::with_capacity(message_text.len() + 64);
    let mut field = |tag: u8, text: &str| {
        body.push(tag);
        body.extend(text.bytes().filter(|byte| *byte != 0));
        body.push(0);
    };
    field(b'S', severity);
    field(b'V', severity);
    field(b'C', code);
    field(b'M', message_text);
    if let Some(detail) = detail {
        field(b'D', detail);
    }
    if let Some(hint) = hint {
        field(b'H', hint);
    }
    field(b'R', "gateway");
    body.push(0);
    body
}

/// `ErrorResponse` for an action that policy refused.
pub fn refusal(severity: &str, refusal: &Refusal) -> Bytes {
    let (text, detail) = match &refusal.rule {
        Some(rule) => (
            format!("gateway: {}", refusal.reason),
            format!("Refused by rule \"{rule}\"."),
        ),
        None => (
            format!("gateway: {}", refusal.reason),
            "No rule allows it, and what no rule allows is refused.".to_owned(),
        ),
    };
    error(severity, INSUFFICIENT_PRIVILEGE, &text, Some(&detail), None)
}

/// `ErrorResponse` for what the client cancelled while it waited, in the server's words.
pub fn cancelled() -> Bytes {
    let text = "canceling statement due to user request";
    error("ERROR", QUERY_CANCELED, text, None, None)
}

/// `NoticeResponse`.
pub fn notice(text: &str) -> Bytes {
    let body = fields("NOTICE", "00000", &format!("gateway: {text}"), None, None);
    message(b'N', &body)
}

/// `ErrorResponse` for what ends the session.
pub fn fatal(fatal: Fatal<'_>) -> Bytes {
    let say = |code, text: &str| error("FATAL", code, text, None, None);
    match fatal {
        Fatal::Refused(why) => refusal("FATAL", why),
        Fatal::Unreachable(detail) => say(
            "08006",
            &format!("gateway: could not connect to server: {detail}"),
        ),
        Fatal::Violation(detail) => say("08P01", &format!("gateway: {detail}")),
        Fatal::Unsupported(detail) => say(FEATURE_NOT_SUPPORTED, &format!("gateway: {detail}")),
        Fatal::Unrecorded => say(
            "58030",
            "gateway: the session cannot be recorded and therefore ends",
        ),
        Fatal::TooMany(limit) => say(
            "53300",
            &format!("gateway: this workload has {limit} sessions open and may not have more"),
        ),
        Fatal::Stopped => say(
            "57P01",
            "gateway: the session was ended by the gateway's operator",
        ),
        Fatal::Killed => say("57P01", "gateway: an operator ended this session"),
        Fatal::NotProven => not_proven(""),
        Fatal::ApprovalEnded(why) | Fatal::PlaceholderEnded(why) => {
            say("57P01", &format!("gateway: {why}"))
        }
        Fatal::Frozen(reason) => {
            let text = "gateway: this workload is frozen by an operator";
            let text = reason.map_or_else(|| text.to_owned(), |why| format!("{text}: {why}"));
            error("FATAL", "57P01", &text, None, None)
        }
    }
}

/// `ReadyForQuery` with the transaction status `status`.
pub fn ready(status: u8) -> Bytes {
    message(b'Z', &[status])
}

/// `FunctionCallResponse` with NULL.
pub fn null_result() -> Bytes {
    message(b'V', &[0xff; 4])
}

/// `Flush`: makes the server answer what it has so far.
pub fn flush() -> Bytes {
    message(b'H', &[])
}

/// `CopyFail`: the server ends the `COPY` with an error.
pub fn copy_fail() -> Bytes {
    message(b'f', b"a limit of the gateway is reached\0")
}

/// `Describe` of a portal.
pub fn describe_portal(portal: &[u8]) -> Bytes {
    message(b'D', &[b"P", portal, b"\0"].concat())
}

/// An `Execute` of a portal that does not exist. The server answers with an error, rolls its
/// implicit transaction back and skips up to `Sync`, which is what it would have done had it
/// refused the message itself.
pub fn poison() -> Bytes {
    let mut body = Vec::with_capacity(NO_SUCH_PORTAL.len() + 5);
    body.extend_from_slice(NO_SUCH_PORTAL);
    body.extend_from_slice(&[0, 0, 0, 0, 0]);
    message(b'E', &body)
}

/// The portal that makes the server roll a batch back must not exist.
///
/// # Errors
/// A client wants to make it.
pub fn not_poison(portal: &[u8]) -> Result<(), CodecError> {
    if portal == NO_SUCH_PORTAL {
        return Err(CodecError::Client(
            "the name of this portal is the gateway's own",
        ));
    }
    Ok(())
}

/// An authentication request of this kind.
pub fn authentication(kind: u32, body: &[u8]) -> Bytes {
    message(b'R', &[&kind.to_be_bytes(), body].concat())
}

/// `ErrorResponse` for a client that did not show a placeholder as it should, in the server's words: they
/// do not say what was wrong with it.
pub fn not_proven(user: &str) -> Bytes {
    let text = format!("password authentication failed for user \"{user}\"");
    let hint = "The gateway asks for a placeholder here, which its operator issues.";
    error("FATAL", "28P01", &text, None, Some(hint))
}

/// `AuthenticationSASL` with these mechanisms.
pub fn sasl_mechanisms<'a>(mechanisms: impl Iterator<Item = &'a [u8]>) -> Bytes {
    let mut body = vec![0, 0, 0, 10];
    for mechanism in mechanisms {
        body.extend_from_slice(mechanism);
        body.push(0);
    }
    body.push(0);
    message(b'R', &body)
}

/// `BackendKeyData` of protocol 3.0 (4-byte secret) and 3.2 (up to 256 bytes).
pub fn key_data(process: u32, secret: &[u8]) -> Bytes {
    let mut body = Vec::with_capacity(4 + secret.len());
    body.extend_from_slice(&process.to_be_bytes());
    body.extend_from_slice(secret);
    message(b'K', &body)
}

/// `CancelRequest`, which has no tag.
pub fn cancel_request(process: u32, secret: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(12 + secret.len());
    let length = u32::try_from(12 + secret.len()).expect("a secret is at most 256 bytes");
    bytes.put_u32(length);
    bytes.put_u32(super::wire::request::CANCEL);
    bytes.put_u32(process);
    bytes.put_slice(secret);
    bytes.freeze()
}
