//! A small client of PostgreSQL's protocol
//! (<https://www.postgresql.org/docs/current/protocol-flow.html>): as much as previews need.
//!
//! It speaks over a `Leg` that was connected, and encrypted, as a session's would be.

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use gateway_core::cursor::Cursor;
use gateway_core::protocols::login::SCRAM_ROUNDS;
use gateway_core::secret::Secret;
use postgres_protocol::IsNull;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::frontend;

use crate::relay::leg::{Leg, Read};

/// Longest message that is taken, in bytes: an `EXPLAIN` of many partitions is large.
const MESSAGE: usize = 8 << 20;
/// Most rows of one answer.
const ROWS: usize = 1000;
/// So much of an error's text is kept, in bytes.
const TEXT: usize = 200;

/// Why there is no answer. The texts are for those who decide.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The server said no.
    #[error("the server says: {message}")]
    Server {
        /// SQLSTATE.
        code: String,
        /// Its words, cut.
        message: String,
    },
    /// There is no way to prove who this is.
    #[error("the server wants an authentication that previews do not have")]
    Authentication,
    /// A password is needed and there is none.
    #[error("the server wants a password, and password_file is not set")]
    NoPassword,
    /// It would be sent as it is, to whoever answers.
    #[error("the server wants the password in plain text, and who it is is not verified")]
    Plain,
    /// A server that lies could guess offline, or hold up whoever computes.
    #[error("the server wants SCRAM with fewer or more rounds than are done")]
    Rounds,
    /// The server does not keep to its protocol.
    #[error("the server answered with something else")]
    Protocol,
    /// The answer has no end.
    #[error("the answer is too long")]
    TooLong,
}

/// One value of a statement, as it is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// The number of its type; 0 leaves it to the server.
    pub(super) oid: u32,
    /// Whether it is in the binary format.
    pub(super) is_binary: bool,
    /// None is NULL.
    pub(super) value: Option<Bytes>,
}

/// A row of texts; none is NULL.
pub(super) type Row = Vec<Option<String>>;

/// A connection that is logged in.
#[derive(Debug)]
pub(super) struct Client {
    leg: Leg,
    input: BytesMut,
}

impl Client {
    /// Logs in. `is_verified` says whether the leg is encrypted and it is known to whom.
    pub(super) async fn login(
        leg: Leg,
        is_verified: bool,
        user: &str,
        password: Option<&Secret>,
        database: &str,
    ) -> Result<Self, ClientError> {
        let mut client = Self {
            leg,
            input: BytesMut::new(),
        };
        let mut out = BytesMut::new();
        let settings = [
            ("user", user),
            ("database", database),
            ("application_name", "gateway preview"),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(settings, &mut out)?;
        client.send(&mut out).await?;
        let mut scram = None;
        loop {
            let (tag, body) = client.message().await?;
            match tag {
                b'R' => {
                    let login = Login {
                        user,
                        password,
                        is_verified,
                    };
                    login.answer(&body, &mut scram, &mut out)?;
                    client.send(&mut out).await?;
                }
                b'Z' => return Ok(client),
                b'E' => return Err(server_error(&body)),
                b'S' | b'K' | b'N' | b'v' => {}
                _ => return Err(ClientError::Protocol),
            }
        }
    }

    /// Runs statements of our own that return nothing.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), ClientError> {
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out)?;
        self.send(&mut out).await?;
        self.rows().await.map(drop)
    }

    /// Runs one statement by the extended protocol, which takes no second one.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[Bound],
    ) -> Result<Vec<Row>, ClientError> {
        let mut out = BytesMut::new();
        let types = parameters.iter().map(|it| it.oid);
        frontend::parse("", sql, types, &mut out)?;
        frontend::bind(
            "",
            "",
            parameters.iter().map(|it| i16::from(it.is_binary)),
            parameters,
            |bound, out| {
                Ok(match &bound.value {
                    Some(value) => {
                        out.extend_from_slice(value);
                        IsNull::No
                    }
                    None => IsNull::Yes,
                })
            },
            [0],
            &mut out,
        )
        .map_err(|_| ClientError::TooLong)?;
        frontend::execute("", 0, &mut out)?;
        frontend::sync(&mut out);
        self.send(&mut out).await?;
        self.rows().await
    }

    /// Says goodbye; whether the server hears it changes nothing.
    pub(super) async fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        let told = self.send(&mut out).await;
        let closed = self.leg.close().await;
        tracing::trace!(?told, ?closed, "a preview's connection closed");
    }

    /// Everything until the server is ready again.
    async fn rows(&mut self) -> Result<Vec<Row>, ClientError> {
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'D' if rows.len() == ROWS => return Err(ClientError::TooLong),
                b'D' => rows.push(row(&body).ok_or(ClientError::Protocol)?),
                b'E' => failed = failed.or_else(|| Some(server_error(&body))),
                b'Z' => break,
                b'1' | b'2' | b'C' | b'I' | b'n' | b'N' | b'S' | b'T' | b'A' => {}
                _ => return Err(ClientError::Protocol),
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    async fn send(&mut self, out: &mut BytesMut) -> Result<(), ClientError> {
        std::future::poll_fn(|cx| self.leg.poll_write(cx, out)).await?;
        Ok(())
    }

    async fn message(&mut self) -> Result<(u8, Bytes), ClientError> {
        loop {
            if let Some(message) = split(&mut self.input)? {
                return Ok(message);
            }
            let Self { leg, input } = self;
            let take = |cx: &mut std::task::Context<'_>| {
                leg.poll_read(cx, |bytes| input.extend_from_slice(bytes))
            };
            if let Read::Eof = std::future::poll_fn(take).await? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

/// What is needed to say who one is.
struct Login<'a> {
    user: &'a str,
    password: Option<&'a Secret>,
    is_verified: bool,
}

impl Login<'_> {
    /// Writes the answer to one message of the server about authentication.
    fn answer(
        &self,
        body: &[u8],
        scram: &mut Option<sasl::ScramSha256>,
        out: &mut BytesMut,
    ) -> Result<(), ClientError> {
        let mut body = Cursor::new(body);
        let kind = body.u32().ok_or(ClientError::Protocol)?;
        let password = self.password.map(Secret::reveal);
        let password = password.ok_or(ClientError::NoPassword);
        match kind {
            // Whoever does not prove to know the password is not the server.
            0 if scram.is_some() => return Err(ClientError::Protocol),
            0 => {}
            3 if !self.is_verified => return Err(ClientError::Plain),
            3 => frontend::password_message(password?, out)?,
            5 => {
                let salt = body.bytes(4).and_then(|salt| salt.try_into().ok());
                let salt = salt.ok_or(ClientError::Protocol)?;
                let hash = md5_hash(self.user.as_bytes(), password?, salt);
                frontend::password_message(hash.as_bytes(), out)?;
            }
            10 => {
                let mut offered = body.rest().split(|byte| *byte == 0);
                if !offered.any(|name| name == sasl::SCRAM_SHA_256.as_bytes()) {
                    return Err(ClientError::Authentication);
                }
                let unbound = sasl::ChannelBinding::unsupported();
                let begun = scram.insert(sasl::ScramSha256::new(password?, unbound));
                frontend::sasl_initial_response(sasl::SCRAM_SHA_256, begun.message(), out)?;
            }
            11 => {
                let scram = scram.as_mut().ok_or(ClientError::Protocol)?;
                let first = body.rest();
                if !rounds(first).is_some_and(|it| SCRAM_ROUNDS.contains(&it)) {
                    return Err(ClientError::Rounds);
                }
                scram.update(first)?;
                frontend::sasl_response(scram.message(), out)?;
            }
            // The server proves that it knows the password too.
            12 => {
                let mut scram = scram.take().ok_or(ClientError::Protocol)?;
                scram.finish(body.rest())?;
            }
            _ => return Err(ClientError::Authentication),
        }
        Ok(())
    }
}

/// How many rounds the server's first message wants (RFC 5802, section 7).
fn rounds(first: &[u8]) -> Option<u32> {
    let part = std::str::from_utf8(first).ok()?.split(',').nth(2)?;
    part.strip_prefix("i=")?.parse().ok()
}

/// Takes one whole message off, if there is one.
fn split(input: &mut BytesMut) -> Result<Option<(u8, Bytes)>, ClientError> {
    let mut head = Cursor::new(input);
    let (Some(tag), Some(length)) = (head.u8(), head.u32()) else {
        return Ok(None);
    };
    let length = usize::try_from(length)
        .ok()
        .and_then(|it| it.checked_sub(4));
    let length = length.ok_or(ClientError::Protocol)?;
    if length > MESSAGE {
        return Err(ClientError::TooLong);
    }
    if input.len() < 5 + length {
        return Ok(None);
    }
    input.advance(5);
    Ok(Some((tag, input.split_to(length).freeze())))
}

fn row(body: &[u8]) -> Option<Row> {
    let mut body = Cursor::new(body);
    let columns = body.u16()?;
    let column = |_| match body.u32()? {
        u32::MAX => Some(None),
        length => {
            let bytes = body.bytes(usize::try_from(length).ok()?)?;
            Some(Some(String::from_utf8_lossy(bytes).into_owned()))
        }
    };
    (0..columns).map(column).collect()
}

fn server_error(body: &[u8]) -> ClientError {
    let mut fields = Cursor::new(body);
    let (mut code, mut message) = (String::new(), String::new());
    while let Some(field) = fields.u8().filter(|field| *field != 0) {
        let Some(text) = fields.cstr() else { break };
        let text = String::from_utf8_lossy(text);
        match field {
            b'C' => code = text.into_owned(),
            b'M' => {
                let end = text.floor_char_boundary(TEXT);
                message = text.get(..end).unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }
    ClientError::Server { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split() {
        let mut input = BytesMut::from(&b"Z\0\0\0\x05ID\0\0\0\x0a\0\x01\xff\xff"[..]);
        assert_eq!(
            split(&mut input).unwrap(),
            Some((b'Z', Bytes::from_static(b"I")))
        );
        assert_eq!(split(&mut input).unwrap(), None);
        input.extend_from_slice(b"\xff\xff");
        let (tag, body) = split(&mut input).unwrap().unwrap();
        assert_eq!((tag, row(&body)), (b'D', Some(vec![None])));
        assert!(split(&mut BytesMut::from(&b"Z\0\0\0\x03"[..])).is_err());
        assert!(split(&mut BytesMut::from(&b"Z\xff\xff\xff\xff"[..])).is_err());
    }

    #[test]
    fn what_is_cut_short_is_no_row() {
        assert_eq!(
            row(b"\0\x01\0\0\0\x02ab"),
            Some(vec![Some("ab".to_owned())])
        );
        assert_eq!(row(b"\0\x02\0\0\0\x02ab"), None);
        assert_eq!(row(b"\0\x01\0\0\0\x03ab"), None);
    }

    #[test]
    fn passwords_are_not_sent_to_listeners() {
        let secret = Secret::new(*b"hunter2");
        let login = |is_verified, password| Login {
            user: "u",
            password,
            is_verified,
        };
        let ask = |login: Login<'_>, body: &[u8]| {
            let mut out = BytesMut::new();
            login.answer(body, &mut None, &mut out).map(|()| out)
        };
        let plain = b"\0\0\0\x03";
        assert!(matches!(
            ask(login(false, Some(&secret)), plain),
            Err(ClientError::Plain)
        ));
        assert!(ask(login(true, Some(&secret)), plain).is_ok());
        assert!(matches!(
            ask(login(true, None), plain),
            Err(ClientError::NoPassword)
        ));
        assert!(ask(login(true, None), b"\0\0\0\0").unwrap().is_empty());
        // Only what proves the server too, not the binding to a certificate that we cannot show.
        let plus = b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0";
        let refused = ask(login(true, Some(&secret)), plus);
        assert!(matches!(refused, Err(ClientError::Authentication)));
        assert!(ask(login(false, Some(&secret)), b"\0\0\0\x0aSCRAM-SHA-256\0\0").is_ok());
        assert!(ask(login(false, Some(&secret)), b"\0\0\0\x0bx").is_err());
    }

    #[test]
    fn servers_choose_rounds_within_limits() {
        let secret = Secret::new(*b"hunter2");
        let login = Login {
            user: "u",
            password: Some(&secret),
            is_verified: true,
        };
        let answer = |rounds: &str| {
            let (mut scram, mut out) = (None, BytesMut::new());
            let offer = b"\0\0\0\x0aSCRAM-SHA-256\0\0";
            login.answer(offer, &mut scram, &mut out).unwrap();
            let said = String::from_utf8_lossy(&out).into_owned();
            let (_, nonce) = said.rsplit_once("r=").unwrap();
            let first = format!("\0\0\0\x0br={nonce}more,s=c2FsdA==,i={rounds}");
            login.answer(first.as_bytes(), &mut scram, &mut out)
        };
        for good in ["4096", "100000"] {
            assert!(answer(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "0",
            "1",
            "4095",
            "100001",
            "4000000000",
            "99999999999",
        ] {
            assert!(matches!(answer(bad), Err(ClientError::Rounds)), "{bad}");
        }
    }
}
