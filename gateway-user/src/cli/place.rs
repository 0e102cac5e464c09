//! Where the daemon is, for commands that only talk to it or read its files.
//!
//! They read just the paths out of the configuration and overlook everything else in it: a file
//! with a mistake must not keep an operator from `status` or `detach`. Checking the file is the
//! daemon's and `gateway config check`'s.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::de::DeTable;

use super::failure::Failure;
use crate::control::attachments;

/// Where the configuration is when nobody says otherwise.
pub const CONFIG: &str = "/etc/gateway/gateway.toml";

/// The daemon's places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The configuration file.
    pub config: PathBuf,
    /// The runtime directory.
    pub runtime: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// What survives a restart of the host: the CA and, by default, recordings.
    pub state: PathBuf,
    /// The enforcement log.
    pub log: PathBuf,
    /// Where recordings are kept.
    pub recordings: PathBuf,
}

impl Places {
    /// Finds them from what the command line gave. A configuration that was named must be there;
    /// without the usual one the defaults hold.
    pub fn find(config: Option<&Path>, socket: Option<&Path>) -> anyhow::Result<Self> {
        let file = config.unwrap_or(Path::new(CONFIG));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            // What is only a convenience here may be missing or unreadable for this user.
            Err(_) if config.is_none() || socket.is_some() => String::new(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::new(format!("there is no file {}", file.display()))
                    .help("give --config the configuration that the daemon runs with")
                    .into());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", file.display()));
            }
        };
        Ok(Self::parse(file, &text, socket))
    }

    /// Where the kernel's programs and links are pinned.
    pub fn bpffs(&self) -> PathBuf {
        self.runtime.join("bpf")
    }

    /// Which cgroup is which workload.
    pub fn attachments(&self) -> PathBuf {
        attachments::file(&self.runtime)
    }

    fn parse(file: &Path, text: &str, socket: Option<&Path>) -> Self {
        // Reads on after a mistake: reloading a file that has one is when it matters most.
        let (table, _mistakes) = DeTable::parse_recoverable(text);
        let table = table.into_inner();
        let path = |section: &str, key: &str| {
            let section = table.get(section)?.as_ref().as_table()?;
            section.get(key)?.as_ref().as_str().map(PathBuf::from)
        };
        let or = |found: Option<PathBuf>, default: &str| found.unwrap_or_else(|| default.into());
        let runtime = or(path("daemon", "runtime"), "/run/gateway");
        let state = or(path("daemon", "state"), "/var/lib/gateway");
        Self {
            config: file.to_owned(),
            socket: socket.map_or_else(|| runtime.join("control.sock"), Path::to_owned),
            runtime,
            log: or(path("log", "file"), "/var/log/gateway/enforcement.jsonl"),
            recordings: path("recording", "directory").unwrap_or_else(|| state.join("sessions")),
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_where_the_file_is_silent_or_wrong() {
        for text in ["", "[daemon]\nport = 'x'", "not toml"] {
            let places = Places::parse(Path::new("g.toml"), text, None);
            assert_eq!(
                places.socket,
                Path::new("/run/gateway/control.sock"),
                "{text}"
            );
            assert_eq!(
                places.recordings,
                Path::new("/var/lib/gateway/sessions"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_files_paths_are_used_even_beside_a_mistake() {
        let text =
            "[daemon]\nruntime = '/tmp/r'\nstate = '/tmp/s'\nport = \n[log]\nfile = '/l'\n[daemon]";
        let places = Places::parse(Path::new("g.toml"), text, None);
        assert_eq!(places.socket, Path::new("/tmp/r/control.sock"));
        assert_eq!(places.recordings, Path::new("/tmp/s/sessions"));
        assert_eq!(places.log, Path::new("/l"));
        let places = Places::parse(Path::new("g.toml"), text, Some(Path::new("/x.sock")));
        assert_eq!(places.socket, Path::new("/x.sock"));
    }
}
