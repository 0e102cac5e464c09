//! What is open when the command starts: the standard streams, files, pipes and terminals.
//!
//! A socket belongs for ever to the cgroup it was made in, so one that comes in from outside is
//! never seen by the hooks. Other things lead out as well: a directory reaches what the view of the
//! file system hides, a pidfd another process, a ring of io_uring makes sockets unseen, a map of
//! kernel programs can change the hooks. So it is a list of what may stay.

use std::fs;
use std::io;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::sync::LazyLock;

use nix::errno::Errno;
use nix::sys::stat::{major, minor};
use nix::sys::statfs::{self, FsType, statfs};
use socket2::Domain;

/// File systems whose files are doors to the kernel rather than data.
const KERNEL_FILES: [FsType; 7] = [
    statfs::PROC_SUPER_MAGIC,
    statfs::SYSFS_MAGIC,
    statfs::CGROUP_SUPER_MAGIC,
    statfs::CGROUP2_SUPER_MAGIC,
    statfs::BPF_FS_MAGIC,
    statfs::DEBUGFS_MAGIC,
    statfs::TRACEFS_MAGIC,
];

/// Why what is open keeps the command from starting.
#[derive(Debug, thiserror::Error)]
pub enum DescriptorError {
    /// A standard stream is something that leads outside. It cannot be closed for the command
    /// without breaking it, so it is refused.
    #[error("{stream} is {what}, which would go around the gateway")]
    Standard {
        /// Which of the three.
        stream: &'static str,
        /// What it is.
        what: &'static str,
    },
    /// It cannot be found out what is open.
    #[error("cannot look for what is open")]
    Unreadable(#[source] io::Error),
}

/// What an open descriptor is, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Open {
    /// Data: a file, a pipe, a terminal, `/dev/null`.
    Plain,
    /// A Unix socket. It carries no connection elsewhere by itself; descriptors can come over it,
    /// if the other end sends some.
    UnixSocket,
    /// It leads outside.
    Foreign(&'static str),
}

/// Closes all that may not come in, and refuses where that is a standard stream.
pub(super) fn close_foreign() -> Result<(), DescriptorError> {
    let mut foreign = Vec::new();
    for number in open_now().map_err(DescriptorError::Unreadable)? {
        let open = match look(number) {
            Ok(open) => open,
            // The descriptor by which the folder was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            // What cannot be told is not let in.
            Err(_) => Open::Foreign("of an unknown kind"),
        };
        match (open, standard(number)) {
            (Open::Plain, _) | (Open::UnixSocket, Some(_)) => {}
            (Open::Foreign(what), Some((stream, _))) => {
                return Err(DescriptorError::Standard { stream, what });
            }
            (Open::Foreign(_) | Open::UnixSocket, None) => foreign.push(number),
        }
    }
    for number in foreign {
        match nix::unistd::close(number) {
            Ok(()) | Err(Errno::EBADF) => {}
            Err(error) => return Err(DescriptorError::Unreadable(error.into())),
        }
    }
    Ok(())
}

fn open_now() -> io::Result<Vec<RawFd>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(numbers)
}

/// One of the three streams, as something that can be asked about.
fn standard(number: RawFd) -> Option<(&'static str, &'static dyn AsFd)> {
    static STDIN: LazyLock<io::Stdin> = LazyLock::new(io::stdin);
    static STDOUT: LazyLock<io::Stdout> = LazyLock::new(io::stdout);
    static STDERR: LazyLock<io::Stderr> = LazyLock::new(io::stderr);
    match number {
        0 => Some(("standard input", &*STDIN)),
        1 => Some(("standard output", &*STDOUT)),
        2 => Some(("standard error", &*STDERR)),
        _ => None,
    }
}

fn look(number: RawFd) -> io::Result<Open> {
    let path = PathBuf::from(format!("/proc/self/fd/{number}"));
    let found = fs::metadata(&path)?;
    let kind = found.file_type();
    if kind.is_fifo() {
        return Ok(Open::Plain);
    }
    if kind.is_socket() {
        return socket(number);
    }
    if kind.is_dir() {
        return Ok(Open::Foreign("a directory"));
    }
    if kind.is_char_device() {
        return Ok(device(found.rdev()));
    }
    // Anonymous inodes (pidfd, io_uring, kernel programs, namespaces) have no path.
    let has_path = fs::read_link(&path)?.is_absolute();
    if !(kind.is_file() && has_path) {
        return Ok(Open::Foreign("no file, pipe or terminal"));
    }
    let is_door = KERNEL_FILES.contains(&statfs(&path)?.filesystem_type());
    if is_door && is_writable(number)? {
        return Ok(Open::Foreign("a writable file of the kernel's"));
    }
    Ok(Open::Plain)
}

fn socket(number: RawFd) -> io::Result<Open> {
    // Beyond the standard streams all sockets are closed, of whatever family.
    let domain = match standard(number) {
        Some((_, stream)) => Some(socket2::SockRef::from(&stream.as_fd()).domain()?),
        None => None,
    };
    Ok(match domain {
        Some(Domain::UNIX) => Open::UnixSocket,
        _ => Open::Foreign("a socket"),
    })
}

/// Terminals and the devices of plain bytes have fixed numbers (the kernel's devices.txt).
fn device(number: u64) -> Open {
    const MEMORY: u64 = 1;
    const TERMINALS: [u64; 5] = [4, 5, 188, 204, 229];
    const PSEUDO_TERMINALS: std::ops::RangeInclusive<u64> = 136..=143;
    // null, zero, full, random, urandom
    let is_bytes = major(number) == MEMORY && [3, 5, 7, 8, 9].contains(&minor(number));
    let kind = major(number);
    if is_bytes || TERMINALS.contains(&kind) || PSEUDO_TERMINALS.contains(&kind) {
        Open::Plain
    } else {
        Open::Foreign("a device")
    }
}

fn is_writable(number: RawFd) -> io::Result<bool> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}"))?;
    Ok(!is_read_only(&info))
}

/// Whether the text of `/proc/PID/fdinfo/N`, where flags are octal, tells of `O_RDONLY`.
fn is_read_only(info: &str) -> bool {
    const ACCESS_MODE: u32 = 0o3;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & ACCESS_MODE == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_apart_by_their_numbers() {
        let made = nix::sys::stat::makedev;
        for plain in [made(1, 3), made(5, 0), made(136, 4), made(4, 64)] {
            assert_eq!(device(plain), Open::Plain);
        }
        // kmem, a TUN device, a kernel log
        for foreign in [made(1, 1), made(10, 200), made(1, 11)] {
            assert!(matches!(device(foreign), Open::Foreign(_)));
        }
    }

    #[test]
    fn access_is_read_from_the_kernels_text() {
        assert!(is_read_only("pos:\t0\nflags:\t0100000\nmnt_id:\t29\n"));
        assert!(!is_read_only("pos:\t0\nflags:\t0100002\nmnt_id:\t29\n"));
        assert!(!is_read_only("pos:\t0\n"));
    }
}
