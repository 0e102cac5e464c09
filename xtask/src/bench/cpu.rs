//! Processor time and memory of processes, from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks a second: 100 on every Linux that Debian builds.
const TICKS: f64 = 100.0;

/// What `/proc/PID/stat` tells of one process.
struct Stat {
    parent: u32,
    /// Of itself, in ticks.
    own: u64,
    /// Of its children that have ended and were waited for.
    children: u64,
}

/// Seconds of processor time that a process has used itself.
pub(crate) fn of(process: u32) -> Result<f64> {
    seconds(stat(process)?.own)
}

/// Seconds that a server has used with all its children, those that have ended included.
pub(crate) fn of_family(process: u32) -> Result<f64> {
    let head = stat(process)?;
    let mut ticks = head.own + head.children;
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Processes come and go while we look.
        if let Ok(child) = stat(id)
            && child.parent == process
        {
            ticks += child.own + child.children;
        }
    }
    seconds(ticks)
}

/// Resident memory of a process in KiB.
pub(crate) fn resident(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("a process without memory")?.parse()?)
}

fn stat(process: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything, so count from its end: proc(5), from `state`.
    let (_, rest) = text
        .rsplit_once(')')
        .context("/proc/PID/stat has changed")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |n: usize| -> Result<u64> {
        Ok(fields.get(n).context("/proc/PID/stat is short")?.parse()?)
    };
    Ok(Stat {
        parent: u32::try_from(field(1)?)?,
        own: field(11)? + field(12)?,
        children: field(13)? + field(14)?,
    })
}

fn seconds(ticks: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(ticks)?) / TICKS)
}
