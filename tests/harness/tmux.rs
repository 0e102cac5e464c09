//! A screen of a given size, as a person at a terminal has it: tmux, with a server of its own.

use std::process::Command;

use anyhow::{Context, Result};

use crate::guardian::Undo;
use crate::programs::{find, output};
use crate::sandbox::Sandbox;
use crate::wait;

/// A program on a screen. Dropping it ends the program.
#[derive(Debug)]
pub struct Tmux {
    sandbox: Sandbox,
    undo: Undo,
}

impl Tmux {
    /// Starts `program` with its arguments on a screen of this size.
    pub fn start(program: &Command, columns: u16, rows: u16) -> Result<Tmux> {
        let sandbox = Sandbox::new("tmux")?;
        let socket = sandbox.join("socket");
        let tmux = find("tmux")?;
        let undo = Undo::promise(&format!(
            "'{}' -S '{}' kill-server",
            tmux.display(),
            socket.display()
        ))?;
        let screen = Tmux { sandbox, undo };
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut start = screen.tmux()?;
        start.args([
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
        ]);
        start.arg(program.get_program()).args(program.get_args());
        output(&mut start)?;
        // What the program said last stays to be seen.
        screen.ask(&["set-option", "-w", "remain-on-exit", "on"])?;
        Ok(screen)
    }

    /// Presses keys, by tmux's names.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.ask(&[&["send-keys"], keys].concat()).map(drop)
    }

    /// What is on the screen.
    pub fn screen(&self) -> Result<String> {
        self.ask(&["capture-pane", "-p"])
    }

    /// Waits until `text` is on the screen, and returns all of that.
    pub fn wait_for(&self, text: &str) -> Result<String> {
        let waited = wait::until(&format!("{text:?} is on the screen"), || {
            let screen = self.screen()?;
            Ok(screen.contains(text).then_some(screen))
        });
        waited.with_context(|| self.screen().unwrap_or_default())
    }

    fn ask(&self, words: &[&str]) -> Result<String> {
        output(self.tmux()?.args(words))
    }

    fn tmux(&self) -> Result<Command> {
        let mut tmux = Command::new(find("tmux")?);
        tmux.arg("-S").arg(self.sandbox.join("socket"));
        tmux.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color");
        tmux.env_remove("TMUX");
        Ok(tmux)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // The guardian does it again unless this worked.
        if self.ask(&["kill-server"]).is_ok() {
            self.undo.cancel();
        }
    }
}
