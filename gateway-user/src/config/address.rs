//! `Prefix`: a network with a port, as `addresses` of a resource says it.
//!
//! `10.0.0.5:5432`, `10.1.0.0/16:5432`, `[::1]:5432`, `[fd00::]/8:5432`, `fd00::/8` in brackets
//! as a whole too: `[fd00::/8]:5432`. IPv4-mapped addresses are held as IPv4, as in a flow.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// A network and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
    port: u16,
}

/// Why a text is not a network with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// No port.
    #[error("the port is missing")]
    NoPort,
    /// The port is no number from 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    BadPort,
    /// Not an IP address.
    #[error("this is not an IP address")]
    BadAddress,
    /// An IPv6 address without brackets.
    #[error("an IPv6 address must be in brackets")]
    NoBrackets,
    /// The prefix is too long or no number.
    #[error("the prefix length is not a number from 0 to {max}", max = .0)]
    BadLength(u8),
    /// The address goes on behind the prefix.
    #[error("the address has bits set behind its prefix length")]
    HostBits,
}

impl Prefix {
    /// Every address of both families, with this port.
    pub fn everywhere(port: u16) -> [Self; 2] {
        [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()].map(|address| Self {
            address,
            length: 0,
            port,
        })
    }

    /// Whether connections to `destination` go to it.
    pub fn covers(&self, destination: SocketAddr) -> bool {
        let address = destination.ip().to_canonical();
        self.port == destination.port()
            && self.address.is_ipv4() == address.is_ipv4()
            && masked(address, self.length) == bits(self.address)
    }

    /// The network's address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// How many of its bits count.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The destination, where there is one only.
    pub fn single(&self) -> Option<SocketAddr> {
        let is_single = self.length == width(self.address);
        is_single.then_some(SocketAddr::new(self.address, self.port))
    }

    /// Whether some destination is covered by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        let shorter = self.length.min(other.length);
        self.port == other.port
            && self.address.is_ipv4() == other.address.is_ipv4()
            && masked(self.address, shorter) == masked(other.address, shorter)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let single = self.length == width(self.address);
        match (self.address, single) {
            (address, true) => write!(f, "{}", SocketAddr::new(address, self.port)),
            (IpAddr::V4(address), false) => write!(f, "{address}/{}:{}", self.length, self.port),
            (IpAddr::V6(address), false) => write!(f, "[{address}/{}]:{}", self.length, self.port),
        }
    }
}

impl FromStr for Prefix {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (network, port) = split_port(text)?;
        let (address, length) = match network.split_once('/') {
            None => (network, None),
            Some((address, length)) => (address, Some(length)),
        };
        let address = address.strip_prefix('[').unwrap_or(address);
        let address = address.strip_suffix(']').unwrap_or(address);
        let address: IpAddr = address.parse().map_err(|_| AddressError::BadAddress)?;
        let address = address.to_canonical();
        let max = width(address);
        let length = match length {
            None => max,
            Some(length) => length
                .parse()
                .ok()
                .filter(|length| *length <= max)
                .ok_or(AddressError::BadLength(max))?,
        };
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(AddressError::BadPort)?;
        if masked(address, length) != bits(address) {
            return Err(AddressError::HostBits);
        }
        Ok(Self {
            address,
            length,
            port,
        })
    }
}

/// Cuts `[address/length]:port`, `[address]/length:port` or `address/length:port` at the port.
fn split_port(text: &str) -> Result<(&str, &str), AddressError> {
    if let Some(inner) = text.strip_prefix('[') {
        let (address, rest) = inner.split_once(']').ok_or(AddressError::BadAddress)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((address, port)),
            None if rest.starts_with('/') => {
                let (_, port) = rest.split_once(':').ok_or(AddressError::NoPort)?;
                let network = text.strip_suffix(port).unwrap_or(text);
                Ok((network.strip_suffix(':').unwrap_or(network), port))
            }
            None if rest.is_empty() => Err(AddressError::NoPort),
            None => Err(AddressError::BadAddress),
        };
    }
    let (network, port) = text.rsplit_once(':').ok_or(AddressError::NoPort)?;
    if network.contains(':') {
        return Err(AddressError::NoBrackets);
    }
    Ok((network, port))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number whose first bit is the address's first.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, length: u8) -> u128 {
    let behind = 128 - u32::from(length);
    // A shift by all 128 bits is none of `<<`'s business: the whole network.
    bits(address) & u128::MAX.checked_shl(behind).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_it_writes() {
        for (text, canonical) in [
            ("10.0.0.5:5432", "10.0.0.5:5432"),
            ("10.1.0.0/16:5432", "10.1.0.0/16:5432"),
            ("10.0.0.5/32:5432", "10.0.0.5:5432"),
            ("[::1]:5432", "[::1]:5432"),
            ("[fd00::]/8:5432", "[fd00::/8]:5432"),
            ("[fd00::/8]:5432", "[fd00::/8]:5432"),
            ("[::ffff:10.0.0.5]:5432", "10.0.0.5:5432"),
            ("0.0.0.0/0:5432", "0.0.0.0/0:5432"),
        ] {
            assert_eq!(prefix(text).to_string(), canonical);
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("10.0.0.5", AddressError::NoPort),
            ("[::1]", AddressError::NoPort),
            ("10.0.0.5:0", AddressError::BadPort),
            ("10.0.0.5:70000", AddressError::BadPort),
            ("db.internal:5432", AddressError::BadAddress),
            ("::1:5432", AddressError::NoBrackets),
            ("10.0.0.0/33:5432", AddressError::BadLength(32)),
            ("[::]/129:5432", AddressError::BadLength(128)),
            ("10.1.2.3/16:5432", AddressError::HostBits),
        ] {
            assert_eq!(text.parse::<Prefix>(), Err(error), "{text}");
        }
    }

    #[test]
    fn covers_and_overlaps() {
        let network = prefix("10.1.0.0/16:5432");
        assert!(network.covers("10.1.200.3:5432".parse().unwrap()));
        assert!(network.covers("[::ffff:10.1.0.9]:5432".parse().unwrap()));
        assert!(!network.covers("10.1.200.3:5433".parse().unwrap()));
        assert!(!network.covers("10.2.0.1:5432".parse().unwrap()));
        assert!(network.overlaps(&prefix("10.1.7.0/24:5432")));
        assert!(prefix("10.1.7.0/24:5432").overlaps(&network));
        assert!(!network.overlaps(&prefix("10.2.0.0/16:5432")));
        let all = prefix("0.0.0.0/0:5432");
        assert!(all.overlaps(&network));
        assert!(!all.overlaps(&prefix("[::]/0:5432")));
        assert!(!all.covers("[::1]:5432".parse().unwrap()));
    }
}
