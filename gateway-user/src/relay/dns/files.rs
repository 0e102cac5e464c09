//! The host's own files of names: `/etc/hosts`, and the servers in `/etc/resolv.conf`. Read again
//! when they change.
//!
//! Source: hosts(5), resolv.conf(5).

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use gateway_core::protocols::dns::name::Name;

use crate::config::dns::PORT;

/// As many servers as the C library uses.
const SERVERS: usize = 3;
/// A file longer than this, in bytes, is none that a person keeps; the rest is not read.
const LONGEST: u64 = 16 << 20;

/// What a file was when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    changed: (i64, i64),
}

/// A file that is parsed again when it has changed.
#[derive(Debug)]
pub(super) struct Watched<T> {
    path: PathBuf,
    stamp: Option<Stamp>,
    parse: fn(&str) -> T,
    value: T,
}

/// Addresses by name.
pub(super) type Hosts = HashMap<String, Vec<IpAddr>>;

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            inode: found.ino(),
            length: found.len(),
            changed: (found.mtime(), found.mtime_nsec()),
        }
    }
}

impl<T> Watched<T> {
    pub(super) fn new(path: &Path, parse: fn(&str) -> T) -> Self {
        Self {
            path: path.to_owned(),
            stamp: None,
            parse,
            value: parse(""),
        }
    }

    /// What the file says now. One that is not there says nothing.
    pub(super) fn now(&mut self) -> &T {
        let stamp = fs::metadata(&self.path).ok().as_ref().map(Stamp::of);
        if stamp != self.stamp {
            let fits = stamp.is_some_and(|stamp| stamp.length <= LONGEST);
            let text = fs::read(&self.path).ok().filter(|_| fits);
            self.value = (self.parse)(&String::from_utf8_lossy(&text.unwrap_or_default()));
            self.stamp = stamp;
        }
        &self.value
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The servers of a `resolv.conf`; the local one where it names none, as the C library has it.
pub(super) fn servers(text: &str) -> Vec<SocketAddr> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = (words.next()? == "nameserver").then(|| words.next())??;
        // An address with a zone (`fe80::1%eth0`) means something on one interface only.
        address.parse::<IpAddr>().ok()
    });
    let mut servers: Vec<IpAddr> = lines.take(SERVERS).collect();
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    let servers = servers.into_iter();
    servers
        .map(|address| SocketAddr::new(address, PORT))
        .collect()
}

/// The names of a `hosts` file, with their addresses.
pub(super) fn hosts(text: &str) -> Hosts {
    let mut hosts = Hosts::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
            continue;
        };
        for name in words.filter_map(Name::host) {
            let known = hosts.entry(name.text()).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_those_of_the_c_library() {
        let check = |text: &str, expected: &[&str]| {
            let found: Vec<_> = servers(text).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &["127.0.0.1:53"]);
        check("search x\nnameserver 10.0.0.2 \n", &["10.0.0.2:53"]);
        check("#nameserver 1.1.1.1\nnameserver\t::1", &["[::1]:53"]);
        check(
            "nameserver fe80::1%eth0\nnameserver 10.0.0.2",
            &["10.0.0.2:53"],
        );
        let four = "nameserver 10.0.0.1\n".repeat(4);
        check(&four, &["10.0.0.1:53"; 3]);
    }

    #[test]
    fn hosts_are_names_with_addresses() {
        let found = hosts("10.0.0.5 DB.internal db # x.internal\n::5 db\nx y\n10.0.0.5 db\n");
        let of = |name: &str| found.get(name).cloned().unwrap_or_default();
        assert_eq!(of("db.internal"), ["10.0.0.5".parse::<IpAddr>().unwrap()]);
        assert_eq!(of("db").len(), 2);
        assert_eq!(of("x.internal").len() + of("y").len(), 0);
    }

    #[test]
    fn a_file_is_read_again_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        let mut watched = Watched::new(&path, hosts);
        assert!(watched.now().is_empty());
        fs::write(&path, "10.0.0.5 db\n").unwrap();
        assert_eq!(watched.now().len(), 1);
        fs::write(&path, "10.0.0.5 db db2\n").unwrap();
        assert_eq!(watched.now().len(), 2);
        fs::remove_file(&path).unwrap();
        assert!(watched.now().is_empty());
    }
}
