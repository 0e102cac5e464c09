//! Whose an accepted connection is: the record that `egress` published when its SYN left.
//!
//! It is found by who connected and by the SYN's sequence number, which the listener keeps with the
//! SYN. The address alone would not do: by the time a connection is accepted its port may be another
//! agent's.

use std::net::IpAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use aya::maps::{HashMap, IterableMap as _, MapData};
use gateway_common::origin::Origin;
use gateway_common::source::Source;
use nix::libc;

use super::error::KernelError;
use super::maps::bytes;
use super::netns::NetnsId;
use super::syscall;

/// As long as the headers of a SYN may be: IP's and TCP's with all their options.
const LONGEST_SYN: usize = 120;
/// Its number among what is carried by IP.
const TCP: u8 = 6;

/// The records of connections that nobody has accepted yet.
pub(super) struct Records {
    map: HashMap<MapData, Source, Origin>,
    delivered: AtomicU64,
    missed: AtomicU64,
}

/// What the SYN of a connection tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Syn {
    from: IpAddr,
    port: u16,
    sequence: u32,
}

impl Records {
    pub(super) fn new(map: HashMap<MapData, Source, Origin>) -> Self {
        Self {
            map,
            delivered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
        }
    }

    /// The record of an accepted connection, which is gone from here then; none if there is none.
    pub(super) fn take(&self, accepted: BorrowedFd<'_>) -> Result<Option<Origin>, KernelError> {
        let failed = |error| KernelError::os("reading a connection's record", error);
        let found = match syn_of(accepted).map_err(failed)? {
            None => None,
            Some(syn) => {
                let netns = NetnsId::of_socket(&accepted).map_err(failed)?;
                let map = self.map.map().fd().as_fd();
                syscall::map_take(map, &syn.source(netns)).map_err(failed)?
            }
        };
        let counter = match found {
            Some(_) => &self.delivered,
            None => &self.missed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(found)
    }

    /// How many were found.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// How many connections had none.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// The SYN of an accepted connection; none where the listener has not kept one that can be read.
fn syn_of(accepted: BorrowedFd<'_>) -> std::io::Result<Option<Syn>> {
    let mut buffer = [0; LONGEST_SYN];
    match syscall::saved_syn(accepted, &mut buffer) {
        Ok(bytes) => Ok(bytes.and_then(Syn::read)),
        // It has more in front of it than an agent's may have.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Syn {
    /// Reads the headers of IPv4 or IPv6 and TCP (RFC 791, 8200, 9293).
    fn read(bytes: &[u8]) -> Option<Self> {
        let (from, protocol, header): (IpAddr, u8, usize) = match bytes.first()? >> 4 {
            4 => {
                let from: [u8; 4] = bytes.get(12..16)?.try_into().ok()?;
                let header = usize::from(bytes.first()? & 0xf) * 4;
                (from.into(), *bytes.get(9)?, header)
            }
            6 => {
                let from: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
                (from.into(), *bytes.get(6)?, 40)
            }
            _ => return None,
        };
        // Something else may be between the two headers, which no agent's packet has.
        if protocol != TCP {
            return None;
        }
        let tcp = bytes.get(header..)?;
        Some(Self {
            from,
            port: u16::from_be_bytes(tcp.get(..2)?.try_into().ok()?),
            sequence: u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?),
        })
    }

    fn source(self, netns: NetnsId) -> Source {
        Source {
            netns: netns.0,
            ip: bytes(self.from),
            port: u32::from(self.port),
            sequence: self.sequence,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_syn_is_read_from_both_kinds_of_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            syscall::save_syns(listener.as_fd()).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut accepted, peer) = listener.accept().unwrap();
            let syn = syn_of(accepted.as_fd()).unwrap().unwrap();
            assert_eq!((syn.from, syn.port), (peer.ip(), peer.port()));
            assert_eq!(syn_of(accepted.as_fd()).unwrap(), None);
            drop(client);
            assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
        }
    }

    #[test]
    fn what_is_no_syn_is_none() {
        for bytes in [
            &[][..],
            &[0x45],
            &[0x60; 60],
            &[0x45; 60],
            &[6; 60],
            &[0x66; 30],
        ] {
            assert_eq!(Syn::read(bytes), None, "{bytes:?}");
        }
    }
}
