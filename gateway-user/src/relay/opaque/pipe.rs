//! Pipes for splice(2): what moves from socket to socket without passing through the program.
//!
//! A pipe is lent to a direction while bytes are on their way through it and comes back empty, so
//! that a few serve many connections and an idle one holds none. How many are lent at once is
//! bounded, and with it the memory that peers who do not read can make the kernel hold: whoever
//! gets none copies.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::unistd::pipe2;

/// What a pipe may hold, in bytes: the most that a process without privileges may ask for
/// (`/proc/sys/fs/pipe-max-size`).
const CAPACITY: i32 = 1 << 20;
/// What one call moves at most, in bytes: more than any pipe holds.
const MOST: usize = 1 << 20;
/// Pipes that are lent at once. With those that are kept they stay within what one user without
/// privileges may have in pipes (`/proc/sys/fs/pipe-user-pages-soft`).
const LENT: usize = 48;
/// Empty pipes that are kept for the next who needs one.
const KEPT: usize = 16;

/// Lends pipes. Clones lend from one stock.
#[derive(Clone, Debug, Default)]
pub struct Pipes(Arc<Mutex<Stock>>);

#[derive(Debug, Default)]
struct Stock {
    empty: Vec<Ends>,
    lent: usize,
}

#[derive(Debug)]
struct Ends {
    read: OwnedFd,
    write: OwnedFd,
}

/// A pipe, and how much is in it.
#[derive(Debug)]
pub(super) struct Pipe {
    /// Taken out only by the drop.
    ends: Option<Ends>,
    held: usize,
    pipes: Pipes,
}

impl Pipes {
    /// An empty pipe; none when too many are lent or the kernel has none.
    pub(super) fn lend(&self) -> Option<Pipe> {
        let empty = {
            let mut stock = self.stock();
            if stock.lent >= LENT {
                return None;
            }
            stock.lent += 1;
            stock.empty.pop()
        };
        match empty.map_or_else(Ends::new, Ok) {
            Ok(ends) => Some(Pipe {
                ends: Some(ends),
                held: 0,
                pipes: self.clone(),
            }),
            Err(error) => {
                self.stock().lent -= 1;
                tracing::debug!(%error, "no pipe: bytes are copied");
                None
            }
        }
    }

    fn stock(&self) -> std::sync::MutexGuard<'_, Stock> {
        // Nothing under the lock can leave it half changed, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    fn new() -> io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_NONBLOCK | OFlag::O_CLOEXEC)?;
        if let Err(error) = fcntl(&write, FcntlArg::F_SETPIPE_SZ(CAPACITY)) {
            // It works all the same with what a pipe has by itself.
            tracing::trace!(%error, "a pipe stays small");
        }
        Ok(Self { read, write })
    }
}

impl Pipe {
    /// How many bytes are in it.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes from a socket what is there and fits. The pipe has to be empty: only then does
    /// "would block" mean the socket.
    pub(super) fn fill(&mut self, from: impl AsFd) -> io::Result<usize> {
        let ends = self.ends()?;
        let count = splice(from, None, &ends.write, None, MOST, flags())?;
        self.held += count;
        Ok(count)
    }

    /// Gives a socket what it takes. The pipe must not be empty, for the same reason.
    pub(super) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let ends = self.ends()?;
        let count = splice(&ends.read, None, to, None, self.held, flags())?;
        self.held = self.held.saturating_sub(count);
        Ok(count)
    }

    fn ends(&self) -> io::Result<&Ends> {
        self.ends.as_ref().ok_or(io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // With what is left in it a pipe is of no use to anybody else: it is closed.
        let empty = self.ends.take().filter(|_| self.held == 0);
        let mut stock = self.pipes.stock();
        stock.lent = stock.lent.saturating_sub(1);
        if stock.empty.len() < KEPT {
            stock.empty.extend(empty);
        }
    }
}

fn flags() -> SpliceFFlags {
    SpliceFFlags::SPLICE_F_NONBLOCK | SpliceFFlags::SPLICE_F_MOVE
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn an_empty_pipe_is_lent_again_and_a_full_one_never() {
        let pipes = Pipes::default();
        drop(pipes.lend().unwrap());
        assert_eq!(pipes.stock().empty.len(), 1);
        let mut pipe = pipes.lend().unwrap();
        let (mut a, b) = UnixStream::pair().unwrap();
        a.write_all(b"left behind").unwrap();
        assert_eq!(pipe.fill(&b).unwrap(), 11);
        drop(pipe);
        assert!(pipes.stock().empty.is_empty());
        assert_eq!(pipes.stock().lent, 0);
    }

    #[test]
    fn what_goes_in_comes_out() {
        let pipes = Pipes::default();
        let mut pipe = pipes.lend().unwrap();
        let ((mut a, b), (c, mut d)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        b.set_nonblocking(true).unwrap();
        let error = pipe.fill(&b).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        a.write_all(b"hello").unwrap();
        assert_eq!(pipe.fill(&b).unwrap(), 5);
        assert_eq!(pipe.drain(&c).unwrap(), 5);
        assert_eq!(pipe.held(), 0);
        let mut said = [0; 5];
        d.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"hello");
    }

    #[test]
    fn no_more_than_so_many_are_lent() {
        let pipes = Pipes::default();
        let lent: Vec<_> = (0..LENT).map(|_| pipes.lend().unwrap()).collect();
        assert!(pipes.lend().is_none());
        drop(lent);
        assert_eq!(pipes.stock().empty.len(), KEPT);
        assert!(pipes.lend().is_some());
    }
}
