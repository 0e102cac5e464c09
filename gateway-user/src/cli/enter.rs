//! `gateway enter-run`, which `gateway run` starts and nobody else should: makes itself safe as
//! [`crate::launch`] has it, then becomes the command.
//!
//! There are no threads here: what is changed has to take hold of the whole process.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Args;
use nix::unistd::{Uid, User, getuid};

use super::failure::Failure;
use crate::launch::deputies::{RUNTIME, VARIABLES};
use crate::launch::{DescriptorError, Launch, LaunchError, Network};

const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Arguments of `gateway enter-run`.
#[derive(Debug, Args)]
pub struct EnterArgs {
    /// The cgroup's directory.
    #[arg(long)]
    cgroup: PathBuf,
    /// The user to become, by name or number.
    #[arg(long)]
    user: String,
    /// Whose process the daemon is.
    #[arg(long)]
    daemon_uid: u32,
    /// In a network namespace of its own.
    #[arg(long)]
    isolate: bool,
    /// Sockets that stay.
    #[arg(long)]
    allow_socket: Vec<PathBuf>,
    /// The gateway's own files.
    #[arg(long)]
    hide: Vec<PathBuf>,
    /// Those of them that are read.
    #[arg(long)]
    show: Vec<PathBuf>,
    /// The command and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// Becomes the command; returns only with an error.
pub fn run(args: EnterArgs) -> anyhow::Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no command given")?;
    let user = find_user(&args.user)?;
    if !user.uid.is_root() && user.uid.as_raw() == args.daemon_uid {
        return Err(Failure::new(format!("the daemon runs as {}", user.name))
            .help("give --user another account: processes of one user can stop each other")
            .into());
    }
    let mut command = Command::new(program);
    command.args(arguments);
    set_environment(&mut command, &user, &args.allow_socket);
    let network = match args.isolate {
        true => Network::Isolated,
        false => Network::Shared,
    };
    let launch = Launch {
        cgroup: args.cgroup,
        user,
        network,
        allowed: args.allow_socket,
        hidden: args.hide,
        shown: args.show,
    };
    launch.prepare().map_err(not_prepared)?;
    Err(not_started(program, &command.exec()).into())
}

/// Takes out what names sockets that are hidden, and says who the command is.
fn set_environment(command: &mut Command, user: &User, allowed: &[PathBuf]) {
    for (variable, _) in VARIABLES {
        let value = env::var_os(variable).unwrap_or_default();
        if !is_allowed(&value, allowed) {
            command.env_remove(variable);
        }
    }
    let folder = Path::new(RUNTIME).join("user").join(user.uid.to_string());
    command.env("XDG_RUNTIME_DIR", folder);
    if user.uid != getuid() {
        command.env("USER", &user.name).env("LOGNAME", &user.name);
        command.env("HOME", &user.dir).env("SHELL", &user.shell);
    }
}

/// Whether what a variable names is among the allowed sockets; D-Bus writes `unix:path=` before.
fn is_allowed(value: &std::ffi::OsStr, allowed: &[PathBuf]) -> bool {
    let text = value.to_string_lossy();
    let path = Path::new(text.strip_prefix("unix:path=").unwrap_or(&text));
    path.is_absolute() && allowed.iter().any(|allowed| path.starts_with(allowed))
}

fn find_user(name: &str) -> anyhow::Result<User> {
    let found = match name.parse::<u32>() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)),
        Err(_) => User::from_name(name),
    };
    let user = found.with_context(|| format!("cannot look user {name} up"))?;
    user.ok_or_else(|| {
        Failure::new(format!("there is no user {name}"))
            .help("give --user a name that `getent passwd` knows")
            .into()
    })
}

/// What to do about it, where that can be told.
fn not_prepared(error: LaunchError) -> anyhow::Error {
    let help = match &error {
        LaunchError::Descriptors(DescriptorError::Standard { .. }) => Some(
            "connect it by a pipe: `cat | gateway run … | cat`, or give it a file or /dev/null",
        ),
        LaunchError::Cgroup { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            Some("the daemon removed it; try again")
        }
        LaunchError::View(_) => Some(
            "what is named there has to exist; folders with sockets are hidden from the command \
             unless `--allow-socket` names them",
        ),
        _ => None,
    };
    let text = format!("{:#}", anyhow::Error::from(error));
    match help {
        Some(help) => Failure::new(text).help(help).into(),
        None => Failure::new(text).into(),
    }
}

fn not_started(program: &OsString, error: &io::Error) -> Failure {
    let name = Path::new(program).display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Failure::new(format!("cannot run {name}: not found")).status(NOT_FOUND)
        }
        _ => Failure::new(format!("cannot run {name}: {error}")).status(NOT_EXECUTABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_stays_when_its_socket_does() {
        let allowed = [
            PathBuf::from("/run/user/7/bus"),
            PathBuf::from("/tmp/agent"),
        ];
        let is = |value: &str| is_allowed(value.as_ref(), &allowed);
        assert!(is("unix:path=/run/user/7/bus") && is("/tmp/agent/s.1"));
        assert!(!is("") && !is(":0") && !is("/run/user/7/other"));
    }

    #[test]
    fn a_command_that_does_not_start_ends_as_in_a_shell() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        let failure = not_started(&OsString::from("agnet"), &missing);
        assert_eq!(failure.to_string(), "cannot run agnet: not found");
    }
}
