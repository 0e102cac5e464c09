//! The two sockets of a stream and its two directions: how it ends when one side does.
//!
//! A side that has said all it wanted is half closed and the other may go on. What one side's
//! failure leaves is told to the other by a reset and never by an orderly end, which would pass a
//! stream that was cut for a whole one.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use gateway_core::event::SessionEnd;
use gateway_core::policy::decision::Permit;
use socket2::SockRef;
use tokio::net::TcpStream;

use super::direction::{Direction, Failure};
use super::pipe::Pipes;

/// A side whose peer is gone has so long to take what is on its way to it.
const LINGER: Duration = Duration::from_secs(5);
/// What is thrown away at once while it does.
const DISCARD: usize = 4 << 10;

/// A stream that policy lets pass.
#[derive(Debug)]
pub(super) struct Pair {
    client: TcpStream,
    server: TcpStream,
    up: Way,
    down: Way,
    /// How it ends once both directions have: what was first.
    how: Option<SessionEnd>,
    pipes: Pipes,
}

#[derive(Debug, Default)]
struct Way {
    direction: Direction,
    /// Whether nothing more will come.
    is_over: bool,
    /// Whether that is because the receiver is gone.
    is_broken: bool,
}

/// How the sockets have to be closed.
#[derive(Debug)]
pub(super) enum Ending {
    /// Each side has had its orderly end, or is gone.
    Orderly(SessionEnd),
    /// In the middle: a reset tells what is left of the peers.
    Cut(SessionEnd),
}

impl Pair {
    /// Joins the two under a permit, which is used up.
    pub(super) fn join(
        client: TcpStream,
        server: TcpStream,
        pipes: Pipes,
        _permit: Permit,
    ) -> Self {
        Self {
            client,
            server,
            up: Way::default(),
            down: Way::default(),
            how: None,
            pipes,
        }
    }

    /// Bytes that reached the client and the server.
    pub(super) fn traffic(&self) -> (u64, u64) {
        (self.down.direction.moved(), self.up.direction.moved())
    }

    /// Moves what there is, both ways. Ready when the stream has ended by itself. A poll that
    /// returns has left everything in `self`.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        if !self.up.is_over
            && let Poll::Ready(over) =
                self.up
                    .direction
                    .poll(cx, &self.client, &self.server, &self.pipes)
        {
            self.up.is_over = true;
            match over {
                Ok(()) => self.note(SessionEnd::ClientClosed),
                Err(Failure::Read(error)) => {
                    return Poll::Ready(Ending::Cut(client_failed(&error)));
                }
                // What the server said before it went is still to be read, or its failure.
                Err(Failure::Write(error)) => {
                    self.up.is_broken = true;
                    self.note(server_failed(&error));
                }
            }
        }
        if !self.down.is_over
            && let Poll::Ready(over) =
                self.down
                    .direction
                    .poll(cx, &self.server, &self.client, &self.pipes)
        {
            self.down.is_over = true;
            match over {
                Ok(()) => self.note(SessionEnd::ServerClosed),
                Err(Failure::Read(error)) => {
                    return Poll::Ready(Ending::Cut(server_failed(&error)));
                }
                Err(Failure::Write(error)) => {
                    self.down.is_broken = true;
                    self.note(client_failed(&error));
                }
            }
        }
        match &self.how {
            Some(how) if self.up.is_over && self.down.is_over => {
                Poll::Ready(Ending::Orderly(how.clone()))
            }
            _ => Poll::Pending,
        }
    }

    /// Closes both sockets with an orderly end. A socket that is closed with something unread is
    /// reset by the kernel, and with it goes what its peer has not taken yet; so whoever still
    /// talks to a peer that is gone is listened to for a while.
    pub(super) async fn close(self) {
        let Self {
            client,
            server,
            up,
            down,
            ..
        } = self;
        for (side, peer_is_gone) in [(client, up.is_broken), (server, down.is_broken)] {
            if peer_is_gone {
                let heard = tokio::time::timeout(LINGER, discard(&side)).await;
                tracing::trace!(?heard, "a side without its peer is closed");
            }
        }
    }

    /// Closes both sockets so that their peers see that the stream is not whole.
    pub(super) fn cut(self) {
        reset(self.client);
        reset(self.server);
    }

    fn note(&mut self, how: SessionEnd) {
        self.how.get_or_insert(how);
    }
}

/// Closes a socket by a reset.
pub fn reset(stream: TcpStream) {
    // Where this fails the kernel closes it in order, which is all that can be done then.
    let set = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    tracing::trace!(?set, "reset");
}

async fn discard(stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; DISCARD];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn client_failed(error: &io::Error) -> SessionEnd {
    let detail = error.to_string();
    SessionEnd::ClientFailed { detail }
}

fn server_failed(error: &io::Error) -> SessionEnd {
    let detail = error.to_string();
    SessionEnd::ServerFailed { detail }
}
