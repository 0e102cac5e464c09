//! The sockets that agents' connections are redirected to: one for IPv4, one for IPv6, both on
//! loopback, so that nobody reaches them from elsewhere. Those for questions, in `resolvers`, are
//! such a pair too.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::Path;

use socket2::{Domain, SockRef, Socket, Type};

use super::syscall;

/// Connections that may wait for `accept`. When it is full the kernel drops a SYN and the client
/// tries again after a second; the kernel caps it at `net.core.somaxconn`, 4096 by default.
const BACKLOG: i32 = 4096;

/// The value of `net.ipv4.tcp_syncookies` by which SYN cookies are sent whether there is need or not.
const FORCED: &str = "2";

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody else has the port.
    #[error("port {} on {} is taken{}; stop that program or set another `port` in [daemon]", address.port(), address.ip(), holder.as_deref().map(|who| format!(" by {who}")).unwrap_or_default())]
    Taken {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// Who listens there, if that could be found out.
        holder: Option<String>,
    },
    /// Every connection would come by a SYN cookie, without what it began with.
    #[error(
        "net.ipv4.tcp_syncookies is {FORCED}, which is meant for tests: the kernel then forgets each SYN, by which a connection is known; set it to 1 (sysctl -w net.ipv4.tcp_syncookies=1)"
    )]
    Cookies,
    /// Anything else.
    #[error("cannot listen on {address}")]
    Failed {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Two sockets of one network namespace, at one port of its loopback addresses.
#[derive(Debug)]
pub struct OnLoopback<T> {
    /// On 127.0.0.1.
    pub v4: T,
    /// On `[::1]`; none on a host without IPv6, whose agents cannot use it either.
    pub v6: Option<T>,
}

/// The two listeners.
pub type Listeners = OnLoopback<TcpListener>;

/// Opens both, not blocking. Nobody reaches them before [`Listeners::listen`]: agents are refused by a
/// listener without the daemon's mark, and held where there is none yet.
pub fn open(port: u16) -> Result<Listeners, ListenError> {
    if are_cookies_forced() {
        return Err(ListenError::Cookies);
    }
    let opened = OnLoopback::open(port, |address| {
        let socket = socket(address, Type::STREAM)?;
        // A restart must not wait for the last daemon's connections in TIME_WAIT.
        socket.set_reuse_address(true)?;
        syscall::save_syns(socket.as_fd())?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    });
    opened.map_err(|(address, error)| ListenError::new(address, error, holder))
}

impl Listeners {
    /// Takes connections, now that both have the daemon's mark.
    pub fn listen(&self) -> io::Result<()> {
        let mut each = self.each();
        each.try_for_each(|listener| SockRef::from(listener).listen(BACKLOG))
    }
}

/// Whether the network namespace of this thread has SYN cookies without need.
fn are_cookies_forced() -> bool {
    // A kernel without them has no such file.
    fs::read_to_string("/proc/sys/net/ipv4/tcp_syncookies").is_ok_and(|set| set.trim() == FORCED)
}

/// A socket for this address, not blocking.
pub(super) fn socket(address: SocketAddr, kind: Type) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

impl ListenError {
    /// Why there is no socket at this address; `holder` finds out who has it.
    pub(super) fn new(
        address: SocketAddr,
        source: io::Error,
        holder: impl Fn(SocketAddr) -> Option<String>,
    ) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken {
                address,
                holder: holder(address),
            },
            _ => Self::Failed { address, source },
        }
    }
}

impl<T> OnLoopback<T> {
    /// Opens both by `open`; where that failed is told.
    pub(super) fn open(
        port: u16,
        open: impl Fn(SocketAddr) -> io::Result<T>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT};
        let (v4, v6) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let at = |ip: IpAddr| {
            let address = SocketAddr::new(ip, port);
            open(address).map_err(|error| (address, error))
        };
        Ok(Self {
            v4: at(v4.into())?,
            v6: match at(v6.into()) {
                Ok(socket) => Some(socket),
                // The host has no IPv6.
                Err((_, error))
                    if matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL)) =>
                {
                    None
                }
                Err(failed) => return Err(failed),
            },
        })
    }

    /// Those that there are.
    pub fn each(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.v4).chain(&self.v6)
    }

    /// Likewise, to keep.
    pub fn into_each(self) -> impl Iterator<Item = T> {
        std::iter::once(self.v4).chain(self.v6)
    }
}

/// The process that listens at the port, as far as `/proc` tells.
fn holder(address: SocketAddr) -> Option<String> {
    let mut sockets = Vec::new();
    for table in ["/proc/self/net/tcp", "/proc/self/net/tcp6"] {
        // A table that is not there has no listener in it.
        let table = fs::read_to_string(table).unwrap_or_default();
        sockets.extend(listening(&table, address.port()));
    }
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| has_open(Path::new(&format!("/proc/{pid}/fd")), &sockets))
        .map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{} (process {pid})", name.trim())
        })
}

fn has_open(descriptors: &Path, sockets: &[String]) -> bool {
    let Ok(entries) = fs::read_dir(descriptors) else {
        return false; // It ended, or is not ours to look at.
    };
    entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| {
            target
                .to_str()
                .is_some_and(|text| sockets.iter().any(|s| s == text))
        })
}

/// The sockets that listen at `port`, as `/proc/PID/fd` names them, from the text of `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let suffix = format!(":{port:04X}");
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter_map(|row| match row.as_slice() {
        [_, local, _, state, _, _, _, _, _, inode, ..]
            if local.ends_with(&suffix) && *state == LISTEN =>
        {
            Some(format!("socket:[{inode}]"))
        }
        _ => None,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_told_with_its_holder() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let text = open(port).unwrap_err().to_string();
        assert!(
            text.contains(&format!("port {port} on 127.0.0.1 is taken by ")),
            "{text}"
        );
        assert!(
            text.contains(&format!("(process {})", std::process::id())),
            "{text}"
        );
    }

    #[test]
    fn where_all_connections_come_by_cookies_nothing_is_opened() {
        let opened = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            fs::write("/proc/sys/net/ipv4/tcp_syncookies", FORCED).unwrap();
            open(15099).unwrap_err().to_string()
        });
        let text = opened.join().unwrap();
        assert!(text.contains("tcp_syncookies is 2"), "{text}");
    }

    #[test]
    fn listeners_are_found_in_the_kernels_table() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:3A99 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24601 1
   1: 0100007F:3A99 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 24602 1
   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 24603 1
";
        assert_eq!(listening(table, 15001), ["socket:[24601]"]);
    }
}
