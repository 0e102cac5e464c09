//! `gateway uninstall`: takes the gateway off this host, after its daemon has been stopped.
//!
//! What enforces goes: hooks and everything else that is pinned, cgroups that the gateway made, the
//! files of the runtime directory. What is evidence or a secret stays, and is told. Letting agents
//! go is what this does, so it asks first, and the enforcement log has who did it.

use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::{eprint, eprintln, println};
use clap::Args;

use super::attach::let_go;
use super::failure::Failure;
use super::place::Places;
use crate::app::place::{self, PlaceError};
use crate::control::attachments;
use crate::kernel::{self, Attached};
use crate::observe::enforcement::{self, EnforcementLog, Operator, What};

/// What daemons leave in their runtime directory. Others' files there are not ours to remove.
const RUNTIME_FILES: [&str; 11] = [
    "control.sock",
    "control.sock.new",
    "approvals.sock",
    "approvals.sock.new",
    "attachments.json",
    "attachments.json.new",
    "ca.pem",
    "ca.new",
    "ca-bundle.pem",
    "ca-bundle.new",
    "daemon.lock",
];

/// Arguments of `gateway uninstall`.
#[derive(Debug, Args)]
pub struct UninstallArgs {
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// Takes everything away that enforces.
pub fn run(places: &Places, args: &UninstallArgs) -> anyhow::Result<ExitCode> {
    // Held to the end: no daemon starts in between.
    let _lock = match place::lock(&places.runtime) {
        Ok(lock) => Some(lock),
        Err(PlaceError::Unusable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            None
        }
        Err(error @ PlaceError::Taken { .. }) => {
            return Err(Failure::new(error.to_string())
                .help("stop it first: `systemctl disable --now gateway`, or end that process")
                .into());
        }
        Err(error) => return Err(error.into()),
    };
    let attached = kernel::left_attached(&places.bpffs())?;
    for one in &attached {
        println!("attached: {}", name(one));
    }
    if !args.yes && !is_confirmed(attached.len())? {
        println!("nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    note(places, &attached);
    let removed = let_go(places)?;
    let plural = if removed.len() == 1 { "" } else { "s" };
    println!(
        "detached {} cgroup{plural}; nothing is pinned any more",
        removed.len()
    );
    remove_runtime(&places.runtime)?;
    println!("\nleft, because it is evidence or a secret; remove it when nobody needs it:");
    for path in left(places) {
        println!("  rm -r {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn is_confirmed(attached: usize) -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new("nobody is there to be asked")
            .help("give --yes")
            .status(2)
            .into());
    }
    eprint!(
        "Processes in attached cgroups ({attached}) connect directly from then on, past every policy.\n\
         Take the gateway off this host? [y/N] "
    );
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes down who let go of what. A log that is not there or cannot be written keeps nobody from
/// getting rid of the gateway.
fn note(places: &Places, attached: &[Attached]) {
    if !places.log.exists() {
        return;
    }
    let by = Operator {
        uid: nix::unistd::getuid().as_raw(),
        pid: std::process::id(),
    };
    let write = || {
        let log = EnforcementLog::open(&places.log)?;
        for one in attached {
            log.note(What::Detached(enforcement::Attachment {
                workload: None,
                cgroup: name(one),
                by: Some(by),
                selector: None,
                inside: None,
            }))?;
        }
        log.note(What::Uninstalled { by })
    };
    if let Err(error) = write() {
        let path = places.log.display();
        eprintln!("warning: cannot write this into the enforcement log {path}: {error}");
    }
}

fn remove_runtime(runtime: &Path) -> anyhow::Result<()> {
    let gone = |outcome: io::Result<()>| match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    };
    let table = attachments::file(runtime);
    for file in RUNTIME_FILES
        .map(|file| runtime.join(file))
        .into_iter()
        .chain([table.with_extension("json.new"), table])
    {
        gone(fs::remove_file(file))?;
    }
    for folder in [runtime.join("bpf"), attachments::folder(runtime)] {
        gone(fs::remove_dir(folder))?;
    }
    match gone(fs::remove_dir(runtime)) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            println!("{} has files of others and stays", runtime.display());
            Ok(())
        }
        outcome => Ok(outcome?),
    }
}

/// What stays, as far as it is there.
fn left(places: &Places) -> Vec<PathBuf> {
    let mut left = vec![places.state.clone()];
    let others = [&places.recordings, &places.log, &places.config];
    left.extend(
        others
            .into_iter()
            .filter(|path| !path.starts_with(&places.state))
            .cloned(),
    );
    left.retain(|path| path.exists());
    left
}

fn name(one: &Attached) -> String {
    match &one.path {
        Some(path) => path.display().to_string(),
        None => format!("cgroup {} (gone)", one.id),
    }
}
