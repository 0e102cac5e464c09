//! Waiting for a state: by asking for it until a deadline, never by sleeping and hoping.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long anything may take on a loaded machine before we say that it did not happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

const INTERVAL: Duration = Duration::from_millis(20);

/// Asks until there is an answer; fails with `what` after [`PATIENCE`].
pub fn until<T>(what: &str, ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    within(PATIENCE, what, ask)
}

/// As [`until`] with a patience of one's own.
pub fn within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("waited {} s in vain: {what}", patience.as_secs());
        }
        std::thread::sleep(INTERVAL);
    }
}
