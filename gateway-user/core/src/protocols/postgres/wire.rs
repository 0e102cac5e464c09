//! Frames of PostgreSQL's protocol 3.0 and 3.2: heads, tags and the limits that bound memory.
//!
//! Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", "Message Formats". What
//! the frames mean is in `client` and `server`; what the gateway says itself in `reply`.

use crate::cursor::Cursor;
use crate::protocols::CodecError;

/// A start-up packet may be this long (`MAX_STARTUP_PACKET_LENGTH` of the server).
const STARTUP_LIMIT: usize = 10_000;
/// A message that holds a statement or data may be this long (`PQ_LARGE_MESSAGE_LIMIT`).
const LARGE_LIMIT: usize = 0x3fff_ffff;
/// Any other message from a client may be this long (`PQ_SMALL_MESSAGE_LIMIT`).
const SMALL_LIMIT: usize = 10_000;

/// Codes that stand where a start-up packet has its version.
pub mod request {
    /// `CancelRequest`.
    pub const CANCEL: u32 = (1234 << 16) | 5678;
    /// `SSLRequest`.
    pub const SSL: u32 = (1234 << 16) | 5679;
    /// `GSSENCRequest`.
    pub const GSSENC: u32 = (1234 << 16) | 5680;
}

/// `SSLRequest` as a client sends it.
pub const SSL_REQUEST: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

/// The first byte of a TLS record that carries a handshake: a client that begins with TLS at once
/// (`sslnegotiation=direct`). As the length of a start-up packet it would be 369 MB.
pub const TLS_HANDSHAKE: u8 = 0x16;

/// Head of a message: what it is and how long it is as a whole, with tag and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The message's type.
    pub tag: u8,
    /// Length of the whole message in bytes, at least 5.
    pub len: usize,
}

/// Bytes before a message's body.
pub const HEAD: usize = 5;

fn length(cursor: &mut Cursor<'_>) -> Option<usize> {
    cursor.u32().and_then(|length| usize::try_from(length).ok())
}

/// Reads the head of a message from a client that has started up.
///
/// # Errors
/// A length that the server would not take either.
pub fn client_head(input: &[u8]) -> Result<Option<Head>, CodecError> {
    let mut cursor = Cursor::new(input);
    let (Some(tag), Some(length)) = (cursor.u8(), length(&mut cursor)) else {
        return Ok(None);
    };
    let limit = match tag {
        b'Q' | b'P' | b'B' | b'F' | b'd' => LARGE_LIMIT,
        b'p' => 65_536,
        _ => SMALL_LIMIT,
    };
    if length < 4 || length > limit {
        return Err(CodecError::Client("invalid message length"));
    }
    Ok(Some(Head {
        tag,
        len: length + 1,
    }))
}

/// Reads the head of a message from the server.
///
/// # Errors
/// A length that no message has.
pub fn server_head(input: &[u8]) -> Result<Option<Head>, CodecError> {
    let mut cursor = Cursor::new(input);
    let (Some(tag), Some(length)) = (cursor.u8(), length(&mut cursor)) else {
        return Ok(None);
    };
    if length < 4 {
        return Err(CodecError::Server("invalid message length"));
    }
    Ok(Some(Head {
        tag,
        len: length + 1,
    }))
}

/// Reads a whole start-up packet: its length, and what follows the length.
///
/// # Errors
/// A length that the server would not take either.
pub fn startup_packet(input: &[u8]) -> Result<Option<(usize, Cursor<'_>)>, CodecError> {
    let mut cursor = Cursor::new(input);
    let Some(length) = length(&mut cursor) else {
        return Ok(None);
    };
    if !(8..=STARTUP_LIMIT).contains(&length) {
        return Err(CodecError::Client("invalid length of startup packet"));
    }
    Ok(cursor
        .bytes(length - 4)
        .map(|body| (length, Cursor::new(body))))
}

/// A name as the server's hash table of statements and portals holds it: cut to 63 bytes, so that
/// two names which the server takes for one are one here too.
pub fn server_name(name: &[u8]) -> &[u8] {
    name.get(..63).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::{Head, client_head, startup_packet};

    #[test]
    fn lengths_are_checked_before_anything_is_buffered() {
        assert_eq!(client_head(b"Q\0\0"), Ok(None));
        assert_eq!(
            client_head(b"Q\0\0\0\x05\0"),
            Ok(Some(Head { tag: b'Q', len: 6 }))
        );
        assert!(client_head(b"Q\0\0\0\x03").is_err());
        assert!(client_head(b"S\0\x01\0\0").is_err());
        assert!(client_head(b"Q\xff\xff\xff\xff").is_err());
        assert!(startup_packet(b"\0\0\0\x04").is_err());
        assert!(startup_packet(b"\0\0\xff\xff").is_err());
        assert!(startup_packet(b"\0\0\0\x08\0\0").is_ok_and(|packet| packet.is_none()));
    }
}
