//! A small client of PostgreSQL's protocol
//! (<https://www.postgresql.org/docs/current/protocol-flow.html>): as much as the gateway's own questions need.
//!
//! It speaks over a `Leg` that was connected, and encrypted, as a session's would be. How it says who it is,
//! is in `login`.

mod login;

use std::io;

use bytes::{Buf as _, Bytes, BytesMut};
use gateway_core::cursor::Cursor;
use gateway_core::protocols::TlsInfo;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

pub(super) use self::login::Account;
use self::login::Login;
use crate::relay::leg::{Leg, Read};

/// Longest message while logging in, in bytes.
const GREETING: usize = 64 << 10;
/// So much of an error's text is kept, in bytes.
const TEXT: usize = 200;

/// How much of an answer is taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Longest message, in bytes.
    pub(super) message: usize,
    /// Most rows of one answer.
    pub(super) rows: usize,
    /// Most bytes of all answers together.
    pub(super) bytes: usize,
}

/// Why there is no answer. The texts are for people.
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
    #[error("the server wants an authentication that the gateway does not do itself")]
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
    limits: Limits,
}

impl Client {
    /// Logs in. `tls` is the leg's, if it is encrypted; `name` is what the server's people see of it.
    pub(super) async fn login(
        leg: Leg,
        tls: Option<&TlsInfo>,
        account: Account<'_>,
        database: &str,
        name: &str,
        limits: Limits,
    ) -> Result<Self, ClientError> {
        let mut client = Self {
            leg,
            input: BytesMut::new(),
            limits: Limits {
                message: GREETING,
                ..limits
            },
        };
        let mut out = BytesMut::new();
        let settings = [
            ("user", account.user),
            ("database", database),
            ("application_name", name),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(settings, &mut out)?;
        client.send(&mut out).await?;
        let mut login = Login::new(account, tls);
        loop {
            let (tag, body) = client.message().await?;
            match tag {
                b'R' => {
                    login.answer(&body, &mut out)?;
                    client.send(&mut out).await?;
                }
                b'Z' => break,
                b'E' => return Err(server_error(&body)),
                b'S' | b'K' | b'N' | b'v' => {}
                _ => return Err(ClientError::Protocol),
            }
        }
        client.limits = limits;
        Ok(client)
    }

    /// Runs statements of our own that return nothing.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), ClientError> {
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out)?;
        self.send(&mut out).await?;
        self.rows(|_| Some(())).await
    }

    /// Runs one statement by the extended protocol, which takes no second one.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[Bound],
    ) -> Result<Vec<Row>, ClientError> {
        let mut rows = Vec::new();
        self.each(sql, parameters, |row| {
            rows.push(row);
            Some(())
        })
        .await?;
        Ok(rows)
    }

    /// Like [`Client::query`], with each row taken as it comes; none says that it is not as expected.
    pub(super) async fn each(
        &mut self,
        sql: &str,
        parameters: &[Bound],
        take: impl FnMut(Row) -> Option<()>,
    ) -> Result<(), ClientError> {
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
        self.rows(take).await
    }

    /// Says goodbye; whether the server hears it changes nothing.
    pub(super) async fn close(mut self) {
        let mut out = BytesMut::new();
        frontend::terminate(&mut out);
        let told = self.send(&mut out).await;
        let closed = self.leg.close().await;
        tracing::trace!(?told, ?closed, "a connection of the gateway's own closed");
    }

    /// Everything until the server is ready again.
    async fn rows(&mut self, mut take: impl FnMut(Row) -> Option<()>) -> Result<(), ClientError> {
        let mut left = self.limits.rows;
        let mut failed = None;
        loop {
            let (tag, body) = self.message().await?;
            match tag {
                b'D' => {
                    left = left.checked_sub(1).ok_or(ClientError::TooLong)?;
                    row(&body)
                        .and_then(&mut take)
                        .ok_or(ClientError::Protocol)?;
                }
                b'E' => failed = failed.or_else(|| Some(server_error(&body))),
                b'Z' => break,
                b'1' | b'2' | b'C' | b'I' | b'n' | b'N' | b'S' | b'T' | b'A' => {}
                _ => return Err(ClientError::Protocol),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn send(&mut self, out: &mut BytesMut) -> Result<(), ClientError> {
        std::future::poll_fn(|cx| self.leg.poll_write(cx, out)).await?;
        Ok(())
    }

    async fn message(&mut self) -> Result<(u8, Bytes), ClientError> {
        loop {
            if let Some((tag, body)) = split(&mut self.input, self.limits.message)? {
                let left = self.limits.bytes.checked_sub(body.len());
                self.limits.bytes = left.ok_or(ClientError::TooLong)?;
                return Ok((tag, body));
            }
            let Self { leg, input, .. } = self;
            let take = |cx: &mut std::task::Context<'_>| {
                leg.poll_read(cx, |bytes| input.extend_from_slice(bytes))
            };
            if let Read::Eof = std::future::poll_fn(take).await? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

/// Takes one whole message off, if there is one.
fn split(input: &mut BytesMut, longest: usize) -> Result<Option<(u8, Bytes)>, ClientError> {
    let mut head = Cursor::new(input);
    let (Some(tag), Some(length)) = (head.u8(), head.u32()) else {
        return Ok(None);
    };
    let length = usize::try_from(length)
        .ok()
        .and_then(|it| it.checked_sub(4));
    let length = length.ok_or(ClientError::Protocol)?;
    if length > longest {
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
            split(&mut input, 64).unwrap(),
            Some((b'Z', Bytes::from_static(b"I")))
        );
        assert_eq!(split(&mut input, 64).unwrap(), None);
        input.extend_from_slice(b"\xff\xff");
        let (tag, body) = split(&mut input, 64).unwrap().unwrap();
        assert_eq!((tag, row(&body)), (b'D', Some(vec![None])));
        assert!(split(&mut BytesMut::from(&b"Z\0\0\0\x03"[..]), 64).is_err());
        assert!(split(&mut BytesMut::from(&b"Z\xff\xff\xff\xff"[..]), 64).is_err());
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
}
