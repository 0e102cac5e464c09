//! Steps of a chore: one line each, with the log only when one fails.

use std::fs::{self, File};
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use gateway_tests::programs::{root, target};

/// How many lines of a failed step's log are shown; the rest is in the file.
const SHOWN: usize = 60;
/// How many lines are shown of what a test that failed says.
const TOLD: usize = 15;

/// Runs `work` as the step `name`: prints `name … ok (12 s)`.
pub(crate) fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    print!("{name} … ");
    stdout().flush()?;
    let start = Instant::now();
    let done = work();
    let seconds = start.elapsed().as_secs_f64();
    match &done {
        Ok(()) if seconds < 0.95 => println!("ok"),
        Ok(()) => println!("ok ({seconds:.0} s)"),
        Err(_) => println!("FAILED ({seconds:.0} s)"),
    }
    done
}

/// Runs a command as the step `name`, its output in `target/logs/`.
pub(crate) fn command(name: &str, command: &mut Command) -> Result<()> {
    step(name, || quietly(name, command))
}

/// Runs a command with its output in `target/logs/`; on failure the error holds the log's end.
pub(crate) fn quietly(name: &str, command: &mut Command) -> Result<()> {
    let path = log(name)?;
    let file = File::create(&path)?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if status.success() {
        return Ok(());
    }
    let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())?;
    let lines: Vec<&str> = text.lines().collect();
    let told = told(&lines);
    let shown = match told.is_empty() {
        true => lines.into_iter().rev().take(SHOWN).rev().collect(),
        false => told,
    };
    for line in shown {
        println!("    {line}");
    }
    bail!(
        "{name} ended with {status}; the whole log is {}",
        path.display()
    )
}

/// What tests that failed say in a log of `cargo test`: the beginning of each one's own output.
fn told<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let starts = |line: &str| line.starts_with("---- ") && line.ends_with(" ----");
    let mut told = Vec::new();
    let mut left = 0;
    for line in lines {
        if starts(line) {
            left = TOLD;
        } else if *line == "failures:" {
            left = 0;
        }
        if left > 0 && !line.is_empty() {
            told.push(*line);
            left -= 1;
        }
    }
    told
}

/// `cargo` as it was called, in the repository's root.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Whether `cargo NAME` exists.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    let mut ask = cargo();
    ask.args([name, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

fn log(name: &str) -> Result<PathBuf> {
    let folder = target().join("logs");
    fs::create_dir_all(&folder)?;
    let file: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    Ok(folder.join(format!("{file}.log")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_that_failed_are_told_of_wherever_they_are_in_the_log() {
        let log = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n\
                   ---- b stdout ----\n\nthread 'b' panicked at b.rs:1:1:\nwhy\n\n\nfailures:\n    b\n\n\
                   test result: FAILED.\n\nrunning 0 tests\n";
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(
            told(&lines),
            [
                "---- b stdout ----",
                "thread 'b' panicked at b.rs:1:1:",
                "why"
            ]
        );
        assert!(told(&["error[E0308]: mismatched types"]).is_empty());
    }
}
