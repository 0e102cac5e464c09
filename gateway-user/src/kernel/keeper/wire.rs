//! Messages between the daemon and its keeper: JSON, with descriptors beside it.
//!
//! One message is one packet of a `SOCK_SEQPACKET` pair, so that none is ever read in halves and
//! the end of either process is an end of file to the other.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message is at most so long, in bytes: the list of some thousand attached cgroups.
const LONGEST: usize = 1 << 20;
/// Descriptors that may come with one message.
const DESCRIPTORS: usize = 8;

/// One end.
#[derive(Debug)]
pub(super) struct End {
    socket: OwnedFd,
    /// What was received last: one allocation of this size for each message would cost more than
    /// the message.
    packet: RefCell<Box<[u8]>>,
}

/// Both ends.
pub(super) fn pair() -> io::Result<(End, End)> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    for end in [&one, &other] {
        // A packet has to fit the buffer; beyond the usual limit only root may set it, who we are.
        setsockopt(end, sockopt::SndBufForce, &(2 * LONGEST))?;
    }
    Ok((End::over(one), End::over(other)))
}

impl End {
    fn over(socket: OwnedFd) -> Self {
        Self {
            socket,
            packet: RefCell::new(vec![0; LONGEST].into()),
        }
    }

    /// Sends one message. The peer's end is `BrokenPipe`.
    pub(super) fn send(&self, message: &impl Serialize, with: &[BorrowedFd<'_>]) -> io::Result<()> {
        let text = serde_json::to_vec(message)?;
        if text.len() > LONGEST {
            return Err(io::Error::other(
                "a message to or from the keeper is too long",
            ));
        }
        let numbers: Vec<_> = with.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights = if numbers.is_empty() { &[][..] } else { &rights };
        let flags = MsgFlags::MSG_NOSIGNAL;
        let packet = [IoSlice::new(&text)];
        loop {
            match sendmsg::<()>(self.socket.as_raw_fd(), &packet, rights, flags, None) {
                Err(Errno::EINTR) => {}
                outcome => return Ok(outcome.map(drop)?),
            }
        }
    }

    /// Waits for one message; none when the peer has ended.
    pub(super) fn receive<T: DeserializeOwned>(&self) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
        let mut text = self.packet.borrow_mut();
        let mut space = cmsg_space!([std::os::fd::RawFd; DESCRIPTORS]);
        let (length, whole, descriptors) = loop {
            let mut packet = [IoSliceMut::new(&mut text)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            match recvmsg::<()>(
                self.socket.as_raw_fd(),
                &mut packet,
                Some(&mut space),
                flags,
            ) {
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => return Ok(None),
                Err(error) => return Err(error.into()),
                Ok(message) => {
                    let mut descriptors = Vec::new();
                    for control in message.cmsgs()? {
                        if let ControlMessageOwned::ScmRights(numbers) = control {
                            descriptors.extend(numbers.into_iter().map(own));
                        }
                    }
                    let cut = MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC;
                    break (message.bytes, !message.flags.intersects(cut), descriptors);
                }
            }
        };
        if length == 0 {
            return Ok(None);
        }
        if !whole {
            return Err(io::Error::other("a message to or from the keeper was cut"));
        }
        let message = serde_json::from_slice(text.get(..length).unwrap_or_default())?;
        Ok(Some((message, descriptors)))
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn own(number: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the kernel has just put it into our table for this message, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn messages_and_descriptors_arrive_whole() {
        let (one, other) = pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let long = "x".repeat(700_000);
        one.send(&long, &[writer.as_fd()]).unwrap();
        one.send(&7_u32, &[]).unwrap();
        let (text, mut with) = other.receive::<String>().unwrap().unwrap();
        assert_eq!(text, long);
        assert_eq!(other.receive::<u32>().unwrap().unwrap().0, 7);
        drop(writer);
        let mut writer = std::fs::File::from(with.remove(0));
        writer.write_all(b"hello").unwrap();
        drop(writer);
        let mut heard = String::new();
        reader.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "hello");
    }

    #[test]
    fn the_end_of_a_peer_is_seen() {
        let (one, other) = pair().unwrap();
        drop(one);
        assert!(other.receive::<u32>().unwrap().is_none());
        assert_eq!(
            other.send(&1, &[]).unwrap_err().kind(),
            io::ErrorKind::BrokenPipe
        );
    }
}
