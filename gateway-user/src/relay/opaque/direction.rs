//! One direction of a stream: from one socket to the other, in order, with back-pressure.
//!
//! Little is copied through a buffer of the thread, which costs two system calls and nothing while
//! idle. Where a whole buffer came at once there is more: then splice(2) moves it through a pipe,
//! until a small piece comes again. Nothing is read while something waits to be written, so each
//! direction holds one buffer or one pipe at most, and neither while nothing moves.

use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::pipe::{Pipe, Pipes};
use crate::relay::bulk::Bulk;

/// What is copied at once, in bytes.
const COPY: usize = 64 << 10;
/// What is waited for of a long stream, in bytes: a part of what a pipe holds.
const AT_ONCE: usize = 256 << 10;
/// A piece smaller than this, in bytes, is not worth a pipe.
const SMALL: usize = 16 << 10;

thread_local! {
    // Memory and no state: what is in it is written or put aside before anything else happens.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; COPY].into());
}

/// One direction.
#[derive(Debug)]
pub(super) struct Direction {
    /// Bytes that the other socket has taken.
    moved: u64,
    /// Bytes that were copied and not taken yet.
    rest: Vec<u8>,
    /// Bytes that were spliced and not taken yet are in here.
    pipe: Option<Pipe>,
    /// Whether much came lately.
    is_bulk: bool,
    bulk: Bulk,
    /// Whether splice(2) does not work between these two.
    is_copied: bool,
    has_ended: bool,
}

/// Which side failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The one that is read.
    Read(io::Error),
    /// The one that is written.
    Write(io::Error),
}

impl Default for Direction {
    fn default() -> Self {
        Self {
            moved: 0,
            rest: Vec::new(),
            pipe: None,
            is_bulk: false,
            bulk: Bulk::new(AT_ONCE),
            is_copied: false,
            has_ended: false,
        }
    }
}

impl Direction {
    /// Bytes that reached the other side.
    pub(super) fn moved(&self) -> u64 {
        self.moved
    }

    /// Moves what there is. Ready when the sender has said all it wanted, and the receiver has been
    /// given all of it and been told.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &TcpStream,
        to: &TcpStream,
        pipes: &Pipes,
    ) -> Poll<Result<(), Failure>> {
        while !self.has_ended {
            ready!(self.poll_give(cx, to)).map_err(Failure::Write)?;
            // Asked before each read, also because it makes a busy direction yield to others.
            let Poll::Ready(readable) = from.poll_read_ready(cx) else {
                self.pipe = None;
                self.rest = Vec::new();
                ready!(self.bulk.poll_pause(from, cx)).map_err(Failure::Read)?;
                // If something is there, the kernel wakes for it now.
                return Poll::Pending;
            };
            readable.map_err(Failure::Read)?;
            match self.take(from, to, pipes) {
                Ok(0) => {
                    self.has_ended = true;
                    // A receiver that is gone has nothing left to be told.
                    let told = SockRef::from(to).shutdown(Shutdown::Write);
                    tracing::trace!(?told, "half closed");
                    self.pipe = None;
                }
                Ok(count) => self.bulk.came(from, count).map_err(Failure::Read)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(Failure::Read(error))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gives the receiver what was taken, all of it.
    fn poll_give(&mut self, cx: &mut Context<'_>, to: &TcpStream) -> Poll<io::Result<()>> {
        loop {
            let spliced = self.pipe.as_mut().filter(|pipe| pipe.held() > 0);
            if spliced.is_none() && self.rest.is_empty() {
                return Poll::Ready(Ok(()));
            }
            ready!(to.poll_write_ready(cx))?;
            let given = match spliced {
                Some(pipe) => to.try_io(Interest::WRITABLE, || pipe.drain(to)),
                None => to.try_write(&self.rest),
            };
            match given {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.moved += length(count);
                    self.rest.drain(..count.min(self.rest.len()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Takes once from the sender; nothing is waiting for the receiver. Says how much it was.
    fn take(&mut self, from: &TcpStream, to: &TcpStream, pipes: &Pipes) -> io::Result<usize> {
        if self.is_bulk && !self.is_copied && self.pipe.is_none() {
            self.pipe = pipes.lend();
        }
        let count = match &mut self.pipe {
            Some(pipe) => match from.try_io(Interest::READABLE, || pipe.fill(from)) {
                // The socket, or whatever the kernel put in its place, knows no splice.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    self.is_copied = true;
                    self.pipe = None;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                taken => taken?,
            },
            None => self.copy(from, to)?,
        };
        self.is_bulk = count >= if self.is_bulk { SMALL } else { COPY };
        if !self.is_bulk && self.pipe.as_ref().is_some_and(|pipe| pipe.held() == 0) {
            self.pipe = None;
        }
        Ok(count)
    }

    /// Reads once and writes once; what the receiver does not take at once is put aside.
    fn copy(&mut self, from: &TcpStream, to: &TcpStream) -> io::Result<usize> {
        BUFFER.with_borrow_mut(|buffer| {
            let count = from.try_read(buffer)?;
            let taken = buffer.get(..count).unwrap_or_default();
            // An error shows again when the rest is given, and there it is the receiver's.
            let given = to.try_write(taken).unwrap_or(0);
            self.moved += length(given);
            self.rest
                .extend_from_slice(taken.get(given..).unwrap_or_default());
            Ok(count)
        })
    }
}

fn length(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
