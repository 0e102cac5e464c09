//! A program in a terminal: what a person types and sees.
//!
//! The pseudo-terminal is made by `script` from util-linux, which passes on what we write to it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::process::tail;
use crate::programs::find;
use crate::sandbox::Sandbox;
use crate::wait;

/// A program that runs in a terminal of its own. Dropping it closes the terminal.
#[derive(Debug)]
pub struct Terminal {
    script: Child,
    screen: PathBuf,
    /// How much of the screen has been looked at.
    seen: usize,
    _sandbox: Sandbox,
}

impl Terminal {
    /// Starts `program` with its arguments and environment in a terminal.
    pub fn start(program: &Command) -> Result<Terminal> {
        let sandbox = Sandbox::new("terminal")?;
        let screen = sandbox.join("screen");
        let words: Vec<String> = std::iter::once(program.get_program())
            .chain(program.get_args())
            .map(|word| quote(&word.to_string_lossy()))
            .collect();
        let mut script = Command::new(find("script")?);
        script.args(["--quiet", "--flush", "--return", "--echo", "never"]);
        script
            .args(["--command", &format!("exec {}", words.join(" "))])
            .arg(&screen);
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let script = script
            .env("TERM", "dumb")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start script")?;
        Ok(Terminal {
            script,
            screen,
            seen: 0,
            _sandbox: sandbox,
        })
    }

    /// Types `keys`; a line ends with `\r` or `\n`, Ctrl-C is `\x03`.
    pub fn type_keys(&mut self, keys: &str) -> Result<()> {
        let stdin = self
            .script
            .stdin
            .as_mut()
            .context("the terminal is closed")?;
        stdin.write_all(keys.as_bytes())?;
        stdin.flush()?;
        Ok(())
    }

    /// All that was shown so far.
    pub fn screen(&self) -> String {
        fs::read(&self.screen)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until `text` is shown, after whatever was waited for before.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let mut shown = String::new();
        let found = wait::until(&format!("the terminal shows {text:?}"), || {
            shown = self.screen();
            let rest = shown.get(self.seen..).unwrap_or("");
            Ok(rest.find(text).map(|at| self.seen + at + text.len()))
        });
        self.seen = found.with_context(|| format!("it shows:\n{}", tail(&shown)))?;
        Ok(())
    }

    /// Waits until the program has ended; its exit status.
    pub fn wait_end(&mut self) -> Result<Option<i32>> {
        let status = wait::until("the program in the terminal ends", || {
            Ok(self.script.try_wait()?)
        })?;
        Ok(status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Without its terminal the program gets SIGHUP; nothing is to be reported from here.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Quotes a word for the shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
