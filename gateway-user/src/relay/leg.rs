//! One leg of a connection: TCP, and TLS on it once that has been agreed on.
//!
//! The bytes of the protocol come out and go in here; what they mean is the session's. TLS is
//! driven by hand over rustls' buffers and not by a stream wrapper, so that an idle leg holds no
//! buffer and a busy one makes one system call for 64 KiB.

use std::cell::RefCell;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use gateway_core::protocols::TlsInfo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use super::bulk::Bulk;
use crate::tls::end_point::end_point;

/// What one read takes from the socket at most, in bytes.
const READ: usize = 64 << 10;
/// What is waited for of a long stream, in bytes: half of what a read takes.
pub(super) const AT_ONCE: usize = READ / 2;
/// Plain text is never longer than its records; the rest of one may still be buffered.
const PLAIN: usize = READ + (32 << 10);

struct Scratch {
    wire: Box<[u8]>,
    plain: Box<[u8]>,
}

thread_local! {
    // Memory and no state: what a read leaves here is dealt with before the next one. One for each
    // thread instead of one for each connection is what keeps idle connections small.
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch { wire: vec![0; READ].into(), plain: vec![0; PLAIN].into() });
}

/// One leg.
#[derive(Debug)]
pub struct Leg {
    tcp: TcpStream,
    bulk: Bulk,
    tls: Option<Box<Connection>>,
}

/// What is read from: the socket, and whether its stream is one of bulk.
type Wire<'a> = (&'a mut TcpStream, &'a mut Bulk);

/// What a leg has read.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// This was dealt with.
    Bytes,
    /// The peer sends no more.
    Eof,
}

/// Lets rustls write to a socket that is polled.
struct Polled<'a, 'b> {
    tcp: &'a mut TcpStream,
    cx: &'a mut Context<'b>,
}

impl io::Write for Polled<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.tcp).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        would_block(Pin::new(&mut *self.tcp).poll_write_vectored(self.cx, bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block(polled: Poll<io::Result<usize>>) -> io::Result<usize> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

fn tls_failure(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Leg {
    /// A leg without TLS yet.
    pub fn new(tcp: TcpStream) -> Self {
        tune_or_tell(&tcp);
        Self {
            tcp,
            bulk: Bulk::new(AT_ONCE),
            tls: None,
        }
    }

    /// The socket, for what is said before the session's protocol begins.
    pub fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// Does the server's side of a handshake, whose beginning may have been read already. Not
    /// cancel safe: a leg whose handshake was left is only good for closing.
    pub async fn accept(&mut self, config: Arc<ServerConfig>, first: Bytes) -> io::Result<TlsInfo> {
        let mut connection =
            Connection::Server(ServerConnection::new(config).map_err(tls_failure)?);
        feed(&mut connection, &first)?;
        self.handshake(connection).await
    }

    /// Does the client's side of a handshake. Not cancel safe, like [`Leg::accept`].
    pub async fn connect(
        &mut self,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<TlsInfo> {
        let told = name.to_str().into_owned();
        let connection = ClientConnection::new(config, name).map_err(tls_failure)?;
        let info = self.handshake(Connection::Client(connection)).await?;
        let certificates = self.tls.as_ref().and_then(|tls| tls.peer_certificates());
        let first = certificates.and_then(<[_]>::first);
        Ok(TlsInfo {
            server_name: Some(told),
            end_point: first.and_then(end_point),
            ..info
        })
    }

    async fn handshake(&mut self, connection: Connection) -> io::Result<TlsInfo> {
        self.tls = Some(Box::new(connection));
        std::future::poll_fn(|cx| self.poll_handshake(cx)).await?;
        let Some(tls) = &self.tls else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        Ok(TlsInfo {
            version: tls
                .protocol_version()
                .map(|version| format!("{version:?}"))
                .unwrap_or_default(),
            cipher: tls
                .negotiated_cipher_suite()
                .map(|suite| format!("{:?}", suite.suite()))
                .unwrap_or_default(),
            server_name: match &**tls {
                Connection::Server(server) => server.server_name().map(str::to_owned),
                Connection::Client(_) => None,
            },
            alpn: tls.alpn_protocol().map(<[u8]>::to_vec),
            verified: false,
            end_point: None,
        })
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            let Some(tls) = &mut self.tls else {
                return Poll::Ready(Ok(()));
            };
            if !tls.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            let wire = &mut (&mut self.tcp, &mut self.bulk);
            let taken = SCRATCH.with_borrow_mut(|scratch| {
                let count = ready!(read(wire, cx, &mut scratch.wire))?;
                let input = scratch.wire.get(..count).unwrap_or_default();
                Poll::Ready(feed(tls, input).map(|()| count))
            });
            match ready!(taken) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => {
                    // The alert that tells the peer why; whether it arrives changes nothing.
                    if self.poll_flush(cx).is_pending() {
                        return Poll::Ready(Err(error));
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// Sends what TLS itself has to say.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(tls) = &mut self.tls else {
            return Poll::Ready(Ok(()));
        };
        while tls.wants_write() {
            match tls.write_tls(&mut Polled {
                tcp: &mut self.tcp,
                cx,
            }) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and hands what came to `take`.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnMut(&[u8]),
    ) -> Poll<io::Result<Read>> {
        let wire = &mut (&mut self.tcp, &mut self.bulk);
        SCRATCH.with_borrow_mut(|scratch| match self.tls.as_deref_mut() {
            None => poll_read_plain(wire, cx, scratch, take),
            Some(tls) => poll_read_tls(wire, tls, cx, scratch, take),
        })
    }

    /// Writes until `bytes` is empty.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(cx))?;
            if bytes.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let count = match &mut self.tls {
                Some(tls) => tls.writer().write(bytes)?,
                None => ready!(Pin::new(&mut self.tcp).poll_write(cx, bytes))?,
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            bytes.advance(count);
        }
    }

    /// Says that nothing more will be sent.
    pub async fn close(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        std::future::poll_fn(|cx| {
            ready!(self.poll_flush(cx))?;
            Pin::new(&mut self.tcp).poll_shutdown(cx)
        })
        .await
    }
}

/// Sets a socket up for relaying.
pub(super) fn tune_or_tell(tcp: &TcpStream) {
    if let Err(error) = tune(tcp) {
        // It works all the same, only slower.
        tracing::debug!(%error, "a socket could not be tuned");
    }
}

/// Small messages go out at once, and a peer that vanished is noticed.
fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    socket2::SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

/// Reads once from the socket.
fn read(
    (tcp, bulk): &mut Wire<'_>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    let Poll::Ready(done) = Pin::new(&mut **tcp).poll_read(cx, &mut buffer) else {
        ready!(bulk.poll_pause(tcp, cx))?;
        // If something is there, the kernel wakes for it now.
        return Poll::Pending;
    };
    done?;
    let count = buffer.filled().len();
    bulk.came(tcp, count)?;
    Poll::Ready(Ok(count))
}

/// Gives TLS what was read.
fn feed(tls: &mut Connection, mut input: &[u8]) -> io::Result<()> {
    while !input.is_empty() {
        tls.read_tls(&mut input)?;
        tls.process_new_packets().map_err(tls_failure)?;
    }
    Ok(())
}

fn poll_read_plain(
    wire: &mut Wire<'_>,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
    mut take: impl FnMut(&[u8]),
) -> Poll<io::Result<Read>> {
    let count = ready!(read(wire, cx, &mut scratch.wire))?;
    if count == 0 {
        return Poll::Ready(Ok(Read::Eof));
    }
    take(scratch.wire.get(..count).unwrap_or_default());
    Poll::Ready(Ok(Read::Bytes))
}

fn poll_read_tls(
    wire: &mut Wire<'_>,
    tls: &mut Connection,
    cx: &mut Context<'_>,
    scratch: &mut Scratch,
    mut take: impl FnMut(&[u8]),
) -> Poll<io::Result<Read>> {
    let (mut filled, mut closed) = (0, false);
    // A handshake may have left plain text behind.
    drain(tls, &mut scratch.plain, &mut filled, &mut closed)?;
    while filled == 0 && !closed {
        let count = ready!(read(wire, cx, &mut scratch.wire))?;
        // An end without `close_notify` is what many peers do. It cannot pass for a shortened
        // message: the protocols here say how long their messages are.
        closed = count == 0;
        let mut input = scratch.wire.get(..count).unwrap_or_default();
        while !input.is_empty() {
            tls.read_tls(&mut input)?;
            tls.process_new_packets().map_err(tls_failure)?;
            drain(tls, &mut scratch.plain, &mut filled, &mut closed)?;
        }
    }
    if filled == 0 {
        return Poll::Ready(Ok(Read::Eof));
    }
    take(scratch.plain.get(..filled).unwrap_or_default());
    Poll::Ready(Ok(Read::Bytes))
}

/// Moves the plain text that TLS holds to `plain`.
fn drain(
    tls: &mut Connection,
    plain: &mut [u8],
    filled: &mut usize,
    closed: &mut bool,
) -> io::Result<()> {
    loop {
        let room = plain.get_mut(*filled..).unwrap_or_default();
        if room.is_empty() {
            return Ok(());
        }
        match tls.reader().read(room) {
            Ok(0) => {
                *closed = true;
                return Ok(());
            }
            Ok(count) => *filled += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
