//! The guardian: a small shell process that undoes what a test did when the test cannot.
//!
//! Destructors do not run for statics, nor when a process is killed or interrupted. So whatever
//! would outlive us (a server, a folder, a mount, an attached cgroup) is told to the guardian
//! beforehand as the command that undoes it. It reads a pipe whose only writer is this process: when
//! the pipe ends, however that came, it runs what was not cancelled, newest first.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};

/// Reads `+ID COMMAND` and `-ID` lines. In its own process group and deaf to signals, since Ctrl-C
/// in a terminal is exactly when it is needed.
const SCRIPT: &str = r#"
trap '' INT TERM HUP QUIT
declare -A undo
while IFS= read -r line; do
  case $line in
    +*) rest=${line#+}; undo[${rest%% *}]=${rest#* } ;;
    -*) unset "undo[${line#-}]" ;;
  esac
done
for id in $(printf '%s\n' "${!undo[@]}" | sort -rn); do eval "${undo[$id]}"; done
"#;

struct Guardian {
    process: Child,
    next: u64,
}

fn guardian() -> Result<&'static Mutex<Guardian>> {
    static GUARDIAN: OnceLock<Mutex<Guardian>> = OnceLock::new();
    if let Some(guardian) = GUARDIAN.get() {
        return Ok(guardian);
    }
    let process = Command::new("bash")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start bash to clean up after the tests")?;
    // Two threads may both have come here; the loser's process sees its pipe end and leaves.
    Ok(GUARDIAN.get_or_init(|| Mutex::new(Guardian { process, next: 0 })))
}

fn tell(line: impl FnOnce(u64) -> String) -> Result<u64> {
    let mut guardian = guardian()?.lock().unwrap_or_else(PoisonError::into_inner);
    guardian.next += 1;
    let id = guardian.next;
    let stdin = guardian
        .process
        .stdin
        .as_mut()
        .context("the guardian has no pipe")?;
    writeln!(stdin, "{}", line(id)).context("the guardian is gone")?;
    Ok(id)
}

/// A promise to undo something; kept by the guardian unless [`Undo::cancel`] came first.
#[derive(Debug)]
#[must_use = "cancel it once the thing is undone"]
pub struct Undo(u64);

impl Undo {
    /// Runs `command` (one line of bash) when this process has ended.
    pub fn promise(command: &str) -> Result<Undo> {
        anyhow::ensure!(!command.contains('\n'), "an undo is one line: {command}");
        tell(|id| format!("+{id} {command}")).map(Undo)
    }

    /// The thing is undone; nothing is left to do.
    pub fn cancel(&self) {
        // The guardian being gone means that nobody will act on it: nothing to report.
        let _ = tell(|_| format!("-{}", self.0));
    }
}
