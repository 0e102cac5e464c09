//! `Bulk`: a stream that comes without a pause is taken in larger pieces.
//!
//! A server sends a result 8 KiB at a time, and waking whoever reads for each of them costs both more
//! than the bytes do. Once a stream has gone on for long enough, the kernel wakes the daemon for no less
//! than several of them (`SO_RCVLOWAT`, socket(7)). Less than that waits only for a moment: then the
//! stream has paused, and everything is as before.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::sys::socket::setsockopt;
use nix::{libc, setsockopt_impl, sockopt_impl};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// A stream is one of bulk after so many bytes without a pause: reading them took far longer than the
/// moment that its last piece waits.
const LONG: usize = 8 << 20;
/// A read of less is a pause.
const PIECE: usize = 4 << 10;
/// For so long, which is as short as the runtime's timers are.
const MOMENT: Duration = Duration::from_millis(1);

sockopt_impl!(
    /// So many bytes make a socket readable.
    LowWater,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    usize
);

/// Whether a socket's stream is one of bulk.
#[derive(Debug)]
pub(super) struct Bulk {
    /// So many bytes are waited for then.
    at_once: usize,
    /// Bytes that came without a pause.
    run: usize,
    /// Until when less than that is waited on.
    moment: Option<Pin<Box<Sleep>>>,
}

impl Bulk {
    /// A stream of whose bytes so many are taken at once when they come without a pause.
    pub(super) fn new(at_once: usize) -> Self {
        Self {
            at_once,
            run: 0,
            moment: None,
        }
    }

    /// So many bytes were read.
    ///
    /// # Errors
    /// The socket takes no options.
    pub(super) fn came(&mut self, tcp: &TcpStream, bytes: usize) -> io::Result<()> {
        if bytes < PIECE {
            return self.pause(tcp);
        }
        self.run = self.run.saturating_add(bytes);
        let until = Instant::now() + MOMENT;
        match &mut self.moment {
            Some(moment) => moment.as_mut().reset(until),
            None if self.run >= LONG => {
                setsockopt(tcp, LowWater, &self.at_once)?;
                self.moment = Some(Box::pin(tokio::time::sleep_until(until)));
            }
            None => {}
        }
        Ok(())
    }

    /// Nothing can be read. Ready once that is a pause; then the kernel wakes whoever reads for whatever
    /// is there.
    ///
    /// # Errors
    /// The socket takes no options.
    pub(super) fn poll_pause(
        &mut self,
        tcp: &TcpStream,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(moment) = &mut self.moment else {
            return Poll::Pending;
        };
        ready!(moment.as_mut().poll(cx));
        Poll::Ready(self.pause(tcp))
    }

    fn pause(&mut self, tcp: &TcpStream) -> io::Result<()> {
        self.run = 0;
        if self.moment.take().is_some() {
            setsockopt(tcp, LowWater, &1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use nix::getsockopt_impl;
    use nix::sys::socket::getsockopt;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;
    use crate::relay::leg::{AT_ONCE, Leg, Read};

    sockopt_impl!(Mark, GetOnly, libc::SOL_SOCKET, libc::SO_RCVLOWAT, usize);

    async fn read(leg: &mut Leg) -> Vec<u8> {
        let mut bytes = Vec::new();
        let read = std::future::poll_fn(|cx| leg.poll_read(cx, |it| bytes.extend_from_slice(it)));
        assert_eq!(read.await.unwrap(), Read::Bytes);
        bytes
    }

    #[tokio::test]
    async fn a_long_stream_comes_in_larger_pieces_and_its_last_piece_all_the_same() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut sender = TcpStream::connect(address).await.unwrap();
        let mut leg = Leg::new(listener.accept().await.unwrap().0);
        for _ in 0..2 {
            let writing = tokio::spawn(async move {
                for _ in 0..2 * LONG / (8 << 10) {
                    sender.write_all(&[b'a'; 8 << 10]).await.unwrap();
                }
                sender.write_all(b"the last piece").await.unwrap();
                sender
            });
            let (mut count, mut highest) = (0, 0);
            let mut last = Vec::new();
            while count < 2 * LONG + 14 {
                last = read(&mut leg).await;
                count += last.len();
                highest = highest.max(getsockopt(leg.tcp(), Mark).unwrap());
            }
            assert_eq!(highest, AT_ONCE);
            assert!(last.ends_with(b"the last piece"));
            // A message after that is not waited with.
            sender = writing.await.unwrap();
            sender.write_all(b"alone").await.unwrap();
            assert_eq!(read(&mut leg).await, b"alone");
            assert_eq!(getsockopt(leg.tcp(), Mark).unwrap(), 1);
        }
        drop(sender);
        let end = std::future::poll_fn(|cx| leg.poll_read(cx, |_| ())).await;
        assert_eq!(end.unwrap(), Read::Eof);
    }
}
