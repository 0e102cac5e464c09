//! `gateway attach` and `gateway detach`: which processes go through the gateway.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use clap::Args;
use gateway_core::ids::WorkloadName;

use super::failure::Failure;
use super::place::Places;
use super::printable::line;
use super::wording::counted;
use crate::control::api::{AttachRequest, Attached, ChosenRequest, Detached};
use crate::control::client::{Client, ClientError};
use crate::control::runs::is_run;
use crate::kernel::{self, CgroupId, CgroupMount, Closing, KernelError};

/// Names one cgroup.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct Target {
    /// A cgroup's directory, absolute or relative to the cgroup v2 mount.
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
    /// A systemd unit that runs or is about to; `.service` may be left out.
    #[arg(long, value_name = "NAME")]
    unit: Option<String>,
    /// The cgroup that this process is in, with everything else that is in it.
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
}

/// Arguments of `gateway attach`.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// The workload that acts in the cgroup: a name from the configuration. Without it, the one whose
    /// `units` or `cgroups` choose the cgroup.
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: Option<String>,
    /// A file with the token that the workload is known by; the daemon reads it, now and as it is
    /// replaced.
    #[arg(long, value_name = "FILE", requires = "workload")]
    identity_token: Option<PathBuf>,
    #[command(flatten)]
    target: Target,
}

/// Arguments of `gateway detach`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(false)
    .args(["cgroup", "unit", "pid", "workload", "all"]))]
pub struct DetachArgs {
    #[command(flatten)]
    target: Target,
    /// Everything that is attached as this workload.
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: Option<String>,
    /// Everything, also when no daemon runs.
    #[arg(long)]
    all: bool,
}

impl Target {
    /// The named cgroup as the kernel has it now; none when the command line named none.
    fn find(&self) -> Result<Option<kernel::Cgroup>, KernelError> {
        let mount = CgroupMount::find()?;
        match (&self.cgroup, &self.unit, self.pid) {
            (Some(path), _, _) => mount.at(path).map(Some),
            (_, Some(unit), _) => mount.of_unit(unit).map(Some),
            (_, _, Some(pid)) => mount.of_process(pid).map(Some),
            (None, None, None) => Ok(None),
        }
    }
}

/// Attaches a cgroup.
pub async fn attach(client: &Client, args: AttachArgs) -> anyhow::Result<ExitCode> {
    let Some(cgroup) = args.target.find()? else {
        return Err(
            Failure::new("which processes? Give --cgroup, --unit or --pid")
                .help("to start a new process there is `gateway run --as WORKLOAD -- CMD…`")
                .status(2)
                .into(),
        );
    };
    let path = cgroup.path.clone();
    let attached = match args.workload {
        Some(workload) => {
            let request = AttachRequest {
                workload: WorkloadName::new(workload),
                cgroup: path,
                identity_token: args.identity_token.as_deref().map(absolute).transpose()?,
            };
            client.attach(&request).await?
        }
        None => {
            client
                .attach_chosen(&ChosenRequest { cgroup: path })
                .await?
        }
    };
    let workload = attached
        .workload
        .as_ref()
        .map_or("nobody", WorkloadName::as_str);
    println!("attached {} as {workload}", cgroup.path.display());
    if let Some(known) = &attached.identity {
        println!("known as {}", line(&known.identity.to_string()));
    }
    for sentence in earlier(&attached.closing) {
        println!("note: {sentence}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The daemon has another working directory.
pub(super) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

/// What became of the sockets that were there before the hooks.
pub(super) fn earlier(closing: &Closing) -> Vec<String> {
    let Closing {
        closed,
        cut_off,
        left,
        problem,
    } = closing;
    let mut sentences = Vec::new();
    if *closed > 0 {
        let connections = counted(*closed, "connection");
        sentences.push(format!("closed {connections} from before the attach"));
    }
    if *cut_off > 0 {
        let sockets = counted(*cut_off, "socket");
        sentences.push(format!(
            "cut off {sockets} made outside of the cgroup: the processes have to open new ones"
        ));
    }
    if *left > 0 {
        let sockets = counted(*left, "socket");
        sentences.push(format!(
            "left {sockets} that may have been made outside of the cgroup, where the hooks do not \
             see them: restart the processes to be sure"
        ));
    }
    sentences.extend(problem.clone());
    sentences
}

/// Detaches one cgroup, those of a workload, or all.
pub async fn detach(
    client: &Client,
    places: &Places,
    args: DetachArgs,
) -> anyhow::Result<ExitCode> {
    let attached = match client.attachments().await {
        Err(error @ ClientError::NotRunning { .. }) => {
            return if args.all {
                without_daemon(places)
            } else {
                Err(error.into())
            };
        }
        attached => attached?,
    };
    let chosen = choose(&args, &attached)?;
    if chosen.is_empty() {
        println!("nothing to detach");
    }
    for id in chosen {
        told(&client.detach(id).await?);
    }
    Ok(ExitCode::SUCCESS)
}

fn choose(args: &DetachArgs, attached: &[Attached]) -> anyhow::Result<Vec<CgroupId>> {
    let ids = |which: &dyn Fn(&Attached) -> bool| {
        attached
            .iter()
            .filter(|one| which(one))
            .map(|one| one.cgroup)
            .collect::<Vec<_>>()
    };
    if args.all {
        return Ok(ids(&|_| true));
    }
    if let Some(workload) = &args.workload {
        return Ok(ids(&|one| {
            one.workload
                .as_ref()
                .is_some_and(|name| name.as_str() == workload)
        }));
    }
    // A cgroup that is gone can still be named by the path it had.
    if let Some(path) = &args.target.cgroup {
        let gone = ids(&|one| one.path.as_deref() == Some(path) && !path.exists());
        if !gone.is_empty() {
            return Ok(gone);
        }
    }
    let Some(cgroup) = args.target.find()? else {
        return Err(Failure::new("what is to be detached?").status(2).into());
    };
    if attached.iter().any(|one| one.cgroup == cgroup.id) {
        return Ok(vec![cgroup.id]);
    }
    Err(not_attached(&cgroup.path, attached).into())
}

fn not_attached(path: &Path, attached: &[Attached]) -> Failure {
    let failure = Failure::new(format!("{} is not attached", path.display()));
    let above = attached.iter().filter_map(|one| one.path.as_deref());
    match above
        .filter(|above| path.starts_with(above))
        .max_by_key(|above| above.as_os_str().len())
    {
        Some(above) => failure.help(format!(
            "it is covered by {}, which is: detach that one",
            above.display()
        )),
        None => failure.help("`gateway status` lists what is attached"),
    }
}

fn told(detached: &Detached) {
    let path = detached
        .path
        .as_ref()
        .map(|path| path.display().to_string());
    let path = path.unwrap_or_else(|| format!("cgroup {}", detached.cgroup));
    let workload = detached
        .workload
        .as_ref()
        .map_or("an unknown workload", WorkloadName::as_str);
    match detached.ended {
        0 => println!("detached {path} ({workload})"),
        1 => println!("detached {path} ({workload}); 1 session was ended"),
        n => println!("detached {path} ({workload}); {n} sessions were ended"),
    }
    if let Some(selector) = &detached.selector {
        println!(
            "note: it was chosen by `{selector}`: it stays detached until it is made anew, the \
             configuration is read again or the daemon is restarted"
        );
    }
}

/// With no daemon to ask, the hooks are removed here. Agents then connect directly.
fn without_daemon(places: &Places) -> anyhow::Result<ExitCode> {
    let removed = let_go(places)?;
    println!("the daemon is not running; removed its hooks from the kernel:");
    for one in &removed {
        let path = one.path.as_ref().map(|path| path.display().to_string());
        println!(
            "  {}",
            path.unwrap_or_else(|| format!("cgroup {} (gone)", one.id))
        );
    }
    if removed.is_empty() {
        println!("  there were none");
    }
    Ok(ExitCode::SUCCESS)
}

/// Removes all hooks and what they need, while no daemon runs; says what was attached.
pub(super) fn let_go(places: &Places) -> anyhow::Result<Vec<kernel::Attached>> {
    let removed = kernel::remove_all(&places.bpffs())?;
    // The next daemon must not attach them again.
    match std::fs::remove_file(places.attachments()) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // What `gateway run` made and nobody is in any more; the kernel keeps the others.
    let runs = removed.iter().filter_map(|one| one.path.as_deref());
    for run in runs.filter(|path| is_run(path)) {
        match std::fs::remove_dir(run) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => {}
            outcome => outcome?,
        }
    }
    CgroupMount::find()?.tidy();
    Ok(removed)
}
