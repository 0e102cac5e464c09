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

/// Field 22. The second field is the name in parentheses, which may hold anything, also `) `.
fn parse_start_ticks(stat: &[u8]) -> Option<u64> {
    let end = memchr::memrchr(b')', stat)?;
    let fields = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
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
    use super::{look, parse_start_ticks};

    #[test]
    fn a_name_cannot_pose_as_other_fields() {
        let stat =
            b"7 (a) R 1 2 3 4 5 6 7 8) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(parse_start_ticks(stat), Some(4242));
        assert_eq!(parse_start_ticks(b"7 (a) S 1"), None);
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
