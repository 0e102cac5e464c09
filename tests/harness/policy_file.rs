//! The configuration file of a gateway under test, put together piece by piece.
//!
//! It is text on purpose: what a test gives is what an operator would write.

use std::fmt::Write;
use std::path::Path;

/// As whom the daemon runs: an account that every host has, and no agent's.
pub const DAEMON_USER: &str = "daemon";

/// Text of a configuration file.
#[derive(Clone, Debug, Default)]
pub struct PolicyFile {
    pieces: String,
}

impl PolicyFile {
    /// One workload `agent`, in the group `agents`.
    pub fn new() -> PolicyFile {
        PolicyFile::default().piece("[[workload]]\nname = \"agent\"\ngroups = [\"agents\"]")
    }

    /// Adds any table of the file.
    pub fn piece(mut self, text: &str) -> PolicyFile {
        self.pieces.push_str(text);
        self.pieces.push_str("\n\n");
        self
    }

    /// Adds the resource `shop` at `addresses` (comma-separated, with ports). `more` are further
    /// lines of the table.
    pub fn shop(self, addresses: &str, more: &str) -> PolicyFile {
        let list: Vec<String> = addresses
            .split(',')
            .map(|address| format!("{:?}", address.trim()))
            .collect();
        self.piece(&format!(
            "[[resource]]\nname = \"shop\"\nprotocol = \"postgres\"\naddresses = [{}]\n{more}",
            list.join(", ")
        ))
    }

    /// Adds rules that let everything pass, also what the gateway cannot read: the server's own
    /// error for it is then what the client sees.
    pub fn allow_all(self) -> PolicyFile {
        self.rule("everything", "allow", "")
            .rule("unread", "allow", "match = { parsed = false }")
    }

    /// Adds a rule. `more` are further lines of the table.
    pub fn rule(self, name: &str, action: &str, more: &str) -> PolicyFile {
        self.piece(&format!(
            "[[rule]]\nname = {name:?}\naction = {action:?}\n{more}"
        ))
    }

    /// The whole text for a gateway that keeps everything under `folder`.
    pub fn render(&self, folder: &Path, port: u16) -> String {
        let mut text = String::new();
        let folder = folder.display();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "[daemon]\nuser = \"{DAEMON_USER}\"\nport = {port}\nstate = \"{folder}/state\"\nruntime = \"{folder}/run\"\n\n\
             [recording]\ndirectory = \"{folder}/sessions\"\n\n\
             [log]\nfile = \"{folder}/enforcement.jsonl\"\n\n{}",
            self.pieces
        );
        text
    }
}
