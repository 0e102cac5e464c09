//! `gateway run`: starts a command in an attached cgroup of its own and lives as long as it.
//!
//! The daemon makes and attaches the cgroup; the child enters it before it becomes the command
//! (see [`super::enter`] and [`crate::launch`]); this process never does, so its own socket to the daemon is not an
//! agent's. The command keeps the terminal, the process group and the standard streams, so job
//! control works as without the gateway.

use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use anstream::eprintln;
use anyhow::Context as _;
use clap::Args;
use gateway_core::ids::{ResourceName, WorkloadName};
use hyper::StatusCode;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, geteuid, getpgid, getpgrp, tcgetpgrp};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::attach::absolute;
use super::failure::Failure;
use crate::control::api::{Run, RunRequest};
use crate::control::client::{Client, ClientError};
use crate::control::placeholders::{IssueRequest, Issued, LONGEST};
use crate::launch::deputies;

/// The gateway itself failed, not the command. The same number as `env` and `timeout` use.
pub const GATEWAY_FAILED: u8 = 125;

/// What `gateway run -h` says after the options.
pub const HELP: &str = "\
The command has no privileges, whoever it is, and keeps the terminal. Its exit status becomes that
of `gateway run`: 125 if the gateway itself failed, 126 if the command cannot be run, 127 if it is
not found, 128+N if signal N ended it. `--help` tells what is hidden from it.

Examples:
  sudo gateway run --as planner -- psql -h db.internal shop
  gateway run --as coder --user alice -- bash
  gateway run --as coder --user agent --isolate -- python3 agent.py";

/// What `gateway run --help` says.
pub fn long_help() -> String {
    format!(
        "{HELP}\n\nHidden from the command, since what listens there would act for it outside:\n  \
         every Unix socket that somebody listens at when it starts\n{}",
        deputies::told()
    )
}

/// Arguments of `gateway run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workload to act as: a name from the configuration.
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: String,
    /// A file with the token that the workload is known by; the daemon reads it, now and as it is replaced
    #[arg(long, value_name = "FILE")]
    identity_token: Option<PathBuf>,
    /// Run the command as this user, with the user's groups [default: who called sudo]
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Give the command a network namespace with nothing but loopback: the strongest mode
    #[arg(long)]
    isolate: bool,
    /// Keep this Unix socket, or this folder of sockets, which is hidden otherwise
    #[arg(long, value_name = "PATH")]
    allow_socket: Vec<PathBuf>,
    /// Give the command a placeholder for this resource in PGPASSWORD, for as long as it runs
    #[arg(long, value_name = "RESOURCE")]
    placeholder: Option<String>,
    /// The command and its arguments.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    command: Vec<std::ffi::OsString>,
}

/// Runs the command; its exit status becomes ours.
pub async fn run(client: &Client, args: RunArgs) -> anyhow::Result<ExitCode> {
    let user = user(&args)?;
    let run = client
        .start_run(&RunRequest {
            workload: WorkloadName::new(args.workload.as_str()),
            identity_token: args.identity_token.as_deref().map(absolute).transpose()?,
        })
        .await?;
    let ended = match given(client, &run, &args).await {
        Ok(given) => {
            let ended = match start(&run, &user, &args, given.as_ref()) {
                Ok(mut child) => attend(&mut child)
                    .await
                    .context("cannot wait for the command"),
                Err(error) => Err(error),
            };
            take_back(client, given).await;
            ended
        }
        Err(error) => Err(error),
    };
    match client.end_run(run.id).await {
        Ok(rest) if rest.processes > 0 => eprintln!(
            "note: {} of the run go on; they stay attached as {} until they end",
            count(rest.processes),
            args.workload
        ),
        Ok(_) => {}
        // An operator detached it meanwhile.
        Err(ClientError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => {
            leave(&run);
        }
        // The command has run, so its status is what matters. The daemon finds out by itself, at
        // its next look or its next start.
        Err(error) => {
            leave(&run);
            eprintln!("warning: the daemon was not told that the run ended: {error}");
        }
    }
    Ok(status_of(ended?))
}

/// The placeholder that the command is given: for connections through the run's cgroup alone, so that
/// it is of no use to others, nor after the run.
async fn given(client: &Client, run: &Run, args: &RunArgs) -> anyhow::Result<Option<Issued>> {
    let Some(resource) = &args.placeholder else {
        return Ok(None);
    };
    let request = IssueRequest {
        workload: WorkloadName::new(args.workload.as_str()),
        resource: ResourceName::new(resource.as_str()),
        user: None,
        cgroup: Some(run.id),
        lasting_s: Some(LONGEST.as_secs()),
    };
    Ok(Some(client.issue(&request).await?))
}

/// What the command leaves running has no use of it either.
async fn take_back(client: &Client, given: Option<Issued>) {
    let Some(given) = given else { return };
    let id = given.lease.id;
    if let Err(error) = client.revoke_placeholder(id.as_str()).await {
        eprintln!("warning: placeholder {id} was not revoked: {error}");
    }
}

/// Removes the run's cgroup when no daemon does. The kernel keeps it while a process is inside.
fn leave(run: &Run) {
    let _kept_if_in_use = std::fs::remove_dir(&run.cgroup);
}

fn count(processes: usize) -> String {
    match processes {
        1 => "1 process".to_owned(),
        n => format!("{n} processes"),
    }
}

/// Whose process the command becomes. Nobody is root by an oversight: root's files are the host.
fn user(args: &RunArgs) -> Result<String, Failure> {
    if !geteuid().is_root() {
        return Err(
            Failure::new("`gateway run` has to be root to enter a cgroup")
                .help("`sudo gateway run …` runs the command as you, `--user NAME` as another"),
        );
    }
    if let Some(user) = &args.user {
        return Ok(user.clone());
    }
    match env::var("SUDO_UID") {
        Ok(uid) if uid != "0" && uid.parse::<u32>().is_ok() => Ok(uid),
        _ => Err(
            Failure::new("who is the command to be? as root it would own the host's files").help(
                "give --user NAME, best an account that only the agent has; \
                 `--user root` if it has to be root",
            ),
        ),
    }
}

fn start(run: &Run, user: &str, args: &RunArgs, given: Option<&Issued>) -> anyhow::Result<Child> {
    // The kernel's link to this very program: it works when the file was replaced meanwhile and
    // when there is no PATH.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("gateway")
        .arg("enter-run")
        .arg("--cgroup")
        .arg(&run.cgroup)
        .args(["--user", user])
        .args(["--daemon-uid", &run.daemon_uid.to_string()]);
    if args.isolate {
        command.arg("--isolate");
    }
    for (option, paths) in [
        ("--allow-socket", &args.allow_socket),
        ("--hide", &run.hidden),
        ("--show", &run.shown),
    ] {
        for path in paths {
            command.arg(option).arg(path);
        }
    }
    command.arg("--").args(&args.command).envs(&run.environment);
    if let Some(given) = given {
        command.env("PGPASSWORD", &given.placeholder);
    }
    // Spawned before any signal is caught: a signal that our parent told us to ignore (nohup) then
    // stays ignored in the command.
    let child = command
        .spawn()
        .map_err(|e| Failure::new(format!("cannot start a process: {e}")).status(GATEWAY_FAILED))?;
    Ok(child)
}

/// Waits for the child, passing on the signals that only we get.
///
/// The terminal's Ctrl-C and Ctrl-\ go to every process of the foreground group, the command
/// included: it decides what they mean, we only outlive it. Window changes and Ctrl-Z reach it the
/// same way. What is sent to us alone (`kill`, a service manager) is handed on.
async fn attend(child: &mut Child) -> io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut first = signal(SignalKind::user_defined1())?;
    let mut second = signal(SignalKind::user_defined2())?;
    let mut resume = signal(SignalKind::from_raw(nix::libc::SIGCONT))?;
    let mut changed = signal(SignalKind::child())?;
    loop {
        // Until it is waited for, the child keeps its number even when dead.
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.map(Pid::from_raw);
        let forwarded = tokio::select! {
            status = child.wait() => return status,
            Some(()) = changed.recv() => {
                if pid.is_some_and(suspended_itself) {
                    // Only our own stop tells the shell that started us. Its `fg` continues us
                    // here, and SIGCONT is handed on.
                    raise(Signal::SIGSTOP)?;
                }
                None
            }
            Some(()) = interrupt.recv() => (!in_foreground()).then_some(Signal::SIGINT),
            Some(()) = quit.recv() => (!in_foreground()).then_some(Signal::SIGQUIT),
            Some(()) = terminate.recv() => Some(Signal::SIGTERM),
            Some(()) = hangup.recv() => Some(Signal::SIGHUP),
            Some(()) = first.recv() => Some(Signal::SIGUSR1),
            Some(()) = second.recv() => Some(Signal::SIGUSR2),
            Some(()) = resume.recv() => Some(Signal::SIGCONT),
        };
        // It fails only when the child may not be signalled any more (another user by setuid);
        // then the signal is lost, as it would be for the sender.
        if let (Some(signal), Some(pid)) = (forwarded, pid)
            && let Err(error) = kill(pid, signal)
        {
            eprintln!("warning: cannot pass {signal} on to the command: {error}");
        }
    }
}

/// Whether the command stopped in a process group of its own, as a shell's `suspend` does. One in
/// our group was stopped by the terminal together with us.
fn suspended_itself(child: Pid) -> bool {
    let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
    matches!(waitid(Id::Pid(child), flags), Ok(WaitStatus::Stopped(..)))
        && getpgid(Some(child)).is_ok_and(|group| group != getpgrp())
}

/// Whether our process group has the terminal, so that a keyboard signal reached the command too.
fn in_foreground() -> bool {
    std::fs::File::open("/dev/tty").is_ok_and(|tty| tcgetpgrp(&tty) == Ok(getpgrp()))
}

fn status_of(status: ExitStatus) -> ExitCode {
    let number = match (status.code(), status.signal()) {
        (Some(code), _) => code,
        // As shells tell of a command that a signal killed.
        (None, Some(signal)) => 128 + signal,
        (None, None) => i32::from(GATEWAY_FAILED),
    };
    ExitCode::from(u8::try_from(number).unwrap_or(u8::MAX))
}
