//! What `/proc` tells of a process, and whether it is still the same one.
//!
//! Source: proc(5), proc_pid_stat(5). A process is named uniquely by its number and start time.

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

/// So much of a command line is kept, in bytes.
const COMMAND_LINE_LIMIT: u64 = 4096;
/// Clock ticks of `/proc/PID/stat` in a second: `sysconf(_SC_CLK_TCK)`, which is 100 on every
/// architecture that Linux shows user space.
const TICKS_PER_SECOND: u64 = 100;

/// A process above another one, as it calls itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The process.
    pub pid: u32,
    /// Its name for itself.
    pub comm: String,
    /// Its command line; cut to 4 KiB.
    pub command_line: Vec<String>,
}

/// What there was to see.
pub(super) struct Seen {
    pub(super) exe: Option<String>,
    pub(super) command_line: Option<Vec<String>>,
    pub(super) start_ticks: u64,
    pub(super) cgroup: Option<String>,
}

/// Looks at process `pid`, which made a connection `boot_ns` nanoseconds after boot. `None` if it
/// is gone or is another one by now. `executable` tells which file a process runs.
pub(super) fn look(
    pid: u32,
    boot_ns: u64,
    executable: impl FnOnce(u32) -> Option<PathBuf>,
) -> Option<Seen> {
    let start_ticks = start_ticks(pid)?;
    // One that started after the connection did not make it. Ticks are rounded down.
    if start_ticks > boot_ns / (1_000_000_000 / TICKS_PER_SECOND) {
        return None;
    }
    let seen = Seen {
        exe: executable(pid).map(|path| path.to_string_lossy().into_owned()),
        command_line: command_line(pid),
        start_ticks,
        cgroup: cgroup(pid),
    };
    // Whatever was read in between belongs to the same process only if it is there still.
    (self::start_ticks(pid) == Some(start_ticks)).then_some(seen)
}

/// When process `pid` started, in clock ticks after boot.
pub(super) fn start_ticks(pid: u32) -> Option<u64> {
    parse_start_ticks(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Field 22.
fn parse_start_ticks(stat: &[u8]) -> Option<u64> {
    field(stat, 22)
}

/// One of the fields behind the second, which is the name in parentheses and may hold anything, also
/// `) `.
fn field<T: std::str::FromStr>(stat: &[u8], number: usize) -> Option<T> {
    let end = memchr::memrchr(b')', stat)?;
    let fields = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    fields.nth(number.checked_sub(3)?)?.parse().ok()
}

/// The processes above `pid`, which started at `start_ticks`, nearest first; at most so many. Arguments
/// are told of those in its own cgroup only: what is outside is not the agent's, and what operators
/// start may have secrets among them.
pub(super) fn above(pid: u32, start_ticks: u64, most: usize) -> Vec<Parent> {
    let mut above = Vec::new();
    let own = cgroup(pid);
    let (mut child, mut started) = (pid, start_ticks);
    while above.len() < most {
        let Some((parent, parent_started)) = parent_of(child, started) else {
            break;
        };
        let seen = Parent {
            pid: parent,
            comm: comm(parent).unwrap_or_default(),
            command_line: (own.is_some() && cgroup(parent) == own)
                .then(|| command_line(parent))
                .flatten()
                .unwrap_or_default(),
        };
        // What was read is the parent's own only if it is there still.
        if self::start_ticks(parent) != Some(parent_started) {
            break;
        }
        above.push(seen);
        (child, started) = (parent, parent_started);
    }
    above
}

/// Field 4, of a process that is still the one which started then, and when that one started.
fn parent_of(pid: u32, start_ticks: u64) -> Option<(u32, u64)> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    if parse_start_ticks(&stat)? != start_ticks {
        return None;
    }
    let parent: u32 = field(&stat, 4)?;
    let started = self::start_ticks(parent)?;
    // One that started later took over the number of one that is gone.
    (started <= start_ticks).then_some((parent, started))
}

fn comm(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let name = name.strip_suffix(b"\n").unwrap_or(&name);
    Some(String::from_utf8_lossy(name).into_owned())
}

fn command_line(pid: u32) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(COMMAND_LINE_LIMIT).read_to_end(&mut bytes).ok()?;
    let words = bytes
        .strip_suffix(b"\0")
        .unwrap_or(&bytes)
        .split(|byte| *byte == 0);
    Some(
        words
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect(),
    )
}

fn cgroup(pid: u32) -> Option<String> {
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    table
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{above, look, parse_start_ticks, start_ticks};

    #[test]
    fn a_name_cannot_pose_as_other_fields() {
        let stat =
            b"7 (a) R 1 2 3 4 5 6 7 8) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_start_ticks(stat), Some(4242));
        assert_eq!(parse_start_ticks(b"7 (a) S 1"), None);
    }

    #[test]
    fn parents_are_found_up_to_the_first_process() {
        let pid = std::process::id();
        let started = start_ticks(pid).unwrap();
        let found = above(pid, started, 8);
        assert_eq!(
            found.first().unwrap().pid,
            std::os::unix::process::parent_id()
        );
        assert!(above(pid, started, 1).len() == 1 && above(pid, started + 1, 8).is_empty());
    }

    #[test]
    fn a_process_that_started_after_the_connection_did_not_make_it() {
        let pid = std::process::id();
        assert!(
            look(pid, u64::MAX, |_| Some("/bin/agent".into()))
                .is_some_and(|seen| seen.exe.is_some() && seen.command_line.is_some())
        );
        assert!(look(pid, 0, |_| None).is_none());
    }
}
