//! `gateway enter-run`, which `gateway run` starts and nobody else should: enters the run's cgroup,
//! becomes the asked-for user, then becomes the command.
//!
//! A socket belongs for ever to the cgroup it was made in, so this must happen before the command
//! can make one, and no socket may come in from outside. There are no threads here: a change of
//! user has to take hold of the whole process.

use std::ffi::{CString, OsString};
use std::fs;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::Args;
use nix::unistd::{User, initgroups, setgid, setuid};

use super::failure::Failure;

const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Arguments of `gateway enter-run`.
#[derive(Debug, Args)]
pub struct EnterArgs {
    /// The cgroup's directory.
    #[arg(long)]
    cgroup: PathBuf,
    /// The user to become.
    #[arg(long)]
    user: Option<String>,
    /// The command and its arguments.
    #[arg(required = true, last = true)]
    command: Vec<OsString>,
}

/// Becomes the command; returns only with an error.
pub fn run(args: EnterArgs) -> anyhow::Result<ExitCode> {
    let (program, arguments) = args.command.split_first().context("no command given")?;
    let user = args.user.as_deref().map(find_user).transpose()?;
    close_foreign_sockets().context("cannot look for open sockets")?;
    enter(&args.cgroup)?;
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(user) = user {
        become_user(&user).with_context(|| format!("cannot become user {}", user.name))?;
        command.env("USER", &user.name).env("LOGNAME", &user.name);
        command.env("HOME", &user.dir).env("SHELL", &user.shell);
    }
    Err(not_started(program, &command.exec()).into())
}

fn find_user(name: &str) -> anyhow::Result<User> {
    let user = User::from_name(name).with_context(|| format!("cannot look user {name} up"))?;
    user.ok_or_else(|| {
        Failure::new(format!("there is no user {name}"))
            .help("give --user a name that `getent passwd` knows")
            .into()
    })
}

fn enter(cgroup: &Path) -> anyhow::Result<()> {
    // "0" means the writer itself.
    fs::write(cgroup.join("cgroup.procs"), "0").map_err(|error| {
        let failure = Failure::new(format!("cannot enter cgroup {}: {error}", cgroup.display()));
        match error.kind() {
            io::ErrorKind::PermissionDenied => failure.help(
                "`gateway run` has to be root to enter a cgroup: `sudo gateway run --user NAME …` \
                 runs the command as NAME",
            ),
            io::ErrorKind::NotFound => failure.help("the daemon removed it; try again"),
            _ => failure,
        }
        .into()
    })
}

/// Groups first and the user last: after that there is no right left to change them.
fn become_user(user: &User) -> nix::Result<()> {
    let name = CString::new(user.name.as_str()).map_err(|_nul| nix::errno::Errno::EINVAL)?;
    initgroups(&name, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)
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

/// Closes what was inherited beyond the standard streams and is a socket, except Unix ones: a
/// connection that was made outside would go around the gateway. Unix sockets (a runtime's channel
/// to its parent, say) lead nowhere by themselves.
fn close_foreign_sockets() -> io::Result<()> {
    let local = unix_inodes(&fs::read_to_string("/proc/self/net/unix")?);
    let mut foreign = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<RawFd>().ok());
        // The folder's own descriptor is listed and is gone when it is looked at.
        let Some((number, Ok(target))) = number.zip(Some(fs::read_link(entry.path()))) else {
            continue;
        };
        let inode = target.to_str().and_then(socket_inode);
        if number > 2 && inode.is_some_and(|inode| !local.contains(&inode)) {
            foreign.push(number);
        }
    }
    for number in foreign {
        nix::unistd::close(number)?;
    }
    Ok(())
}

/// The inode in `socket:[12345]`.
fn socket_inode(target: &str) -> Option<u64> {
    target
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

/// The inodes in the text of `/proc/net/unix`, whose seventh column they are.
fn unix_inodes(table: &str) -> Vec<u64> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| row.split_whitespace().nth(6)?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inodes_are_read_from_the_kernels_tables() {
        let table = "\
Num       RefCount Protocol Flags    Type St Inode Path
00000000: 00000002 00000000 00010000 0001 01 14812 /run/systemd/private
00000000: 00000003 00000000 00000000 0001 03 15001
";
        assert_eq!(unix_inodes(table), [14812, 15001]);
        assert_eq!(socket_inode("socket:[15001]"), Some(15001));
        assert_eq!(socket_inode("pipe:[15001]"), None);
        assert_eq!(socket_inode("/dev/pts/0"), None);
    }

    #[test]
    fn a_command_that_does_not_start_ends_as_in_a_shell() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        let failure = not_started(&OsString::from("agnet"), &missing);
        assert_eq!(failure.to_string(), "cannot run agnet: not found");
    }
}
