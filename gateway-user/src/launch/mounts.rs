//! The mounts of this namespace, as the kernel lists them.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use nix::mount::MsFlags;

/// Where the list is.
pub(super) const TABLE: &str = "/proc/self/mountinfo";

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where.
    pub(super) point: PathBuf,
    /// The kind of file system.
    pub(super) kind: String,
    /// Its options, as far as they have to be told again when one is changed.
    pub(super) flags: MsFlags,
}

/// All that can be seen.
pub(super) fn all() -> io::Result<Vec<Mount>> {
    let table = fs::read_to_string(TABLE)?;
    Ok(table.lines().filter_map(parse).collect())
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw` (proc_pid_mountinfo(5)).
fn parse(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut mount = mount.split(' ').skip(4);
    let (point, options) = (mount.next()?, mount.next()?);
    Some(Mount {
        point: unescaped(point),
        kind: filesystem.split(' ').next()?.to_owned(),
        flags: options.split(',').filter_map(flag).collect(),
    })
}

fn flag(option: &str) -> Option<MsFlags> {
    Some(match option {
        "ro" => MsFlags::MS_RDONLY,
        "nosuid" => MsFlags::MS_NOSUID,
        "nodev" => MsFlags::MS_NODEV,
        "noexec" => MsFlags::MS_NOEXEC,
        "noatime" => MsFlags::MS_NOATIME,
        "nodiratime" => MsFlags::MS_NODIRATIME,
        "relatime" => MsFlags::MS_RELATIME,
        _ => return None,
    })
}

/// Blanks and backslashes in paths are written as three octal digits.
fn unescaped(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        bytes.extend(plain.bytes());
        let code = escaped
            .get(..3)
            .and_then(|code| u8::from_str_radix(code, 8).ok());
        rest = match code {
            Some(byte) => {
                bytes.push(byte);
                escaped.get(3..).unwrap_or_default()
            }
            None => {
                bytes.push(b'\\');
                escaped
            }
        };
    }
    bytes.extend(rest.bytes());
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let line =
            r"36 35 0:26 / /sys/fs/my\040cgroup rw,nosuid,relatime shared:4 - cgroup2 none rw";
        let expected = Mount {
            point: PathBuf::from("/sys/fs/my cgroup"),
            kind: String::from("cgroup2"),
            flags: MsFlags::MS_NOSUID | MsFlags::MS_RELATIME,
        };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse("no mount"), None);
    }
}
