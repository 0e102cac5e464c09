//! `gateway status`: what is attached and what is open, for people and as JSON.

use std::process::ExitCode;

use anstream::{eprintln, print, println};
use anstyle::{AnsiColor, Style};
use clap::Args;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use gateway_core::descriptor::Shape;
use gateway_core::ids::{ResourceName, WorkloadName};
use gateway_core::protocols::registry::PROTOCOLS;
use jiff::Timestamp;

use super::failure;
use super::place::Places;
use super::wording::counted;
use crate::control::api::{Attached, Hooks, Status};
use crate::control::attachments::Purpose;
use crate::control::client::{Client, ClientError};
use crate::control::frozen::Freeze;
use crate::live::Session;

const STRONG: Style = Style::new().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The daemon does not run. The same number as `systemctl status` uses.
const NOT_RUNNING: u8 = 3;

/// Arguments of `gateway status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print the daemon's answer as JSON; docs/control.md describes it.
    #[arg(long)]
    json: bool,
}

/// Shows the status.
pub async fn run(client: &Client, places: &Places, args: StatusArgs) -> anyhow::Result<ExitCode> {
    let status = match client.status().await {
        Err(error @ ClientError::NotRunning { .. }) => return Ok(not_running(error, places)),
        status => status?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print!("{}", render(&status, Timestamp::now()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Has the daemon read its configuration again.
pub async fn reload(client: &Client) -> anyhow::Result<ExitCode> {
    let reloaded = client.reload().await?;
    for warning in &reloaded.warnings {
        eprintln!("warning: {warning}");
    }
    let configuration = &reloaded.configuration;
    let changed = if reloaded.changed {
        "a new policy is in force"
    } else {
        "the policy is the same"
    };
    println!(
        "{changed}: {} and {} of {}",
        counted(configuration.resources, "resource"),
        counted(configuration.rules, "rule"),
        configuration.file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// A daemon that does not run is one thing, agents that are refused because of it another.
fn not_running(error: ClientError, places: &Places) -> ExitCode {
    let hooked = crate::kernel::left_attached(&places.bpffs()).map(|attached| attached.len());
    let code = failure::report(&error.into(), NOT_RUNNING);
    match hooked {
        Ok(0) => eprintln!("note: no cgroup is attached: nothing is intercepted"),
        Ok(n) => eprintln!(
            "note: {n} attached cgroup{} still hooked: connections from there are refused until \
             the daemon runs again or `gateway detach --all`",
            if n == 1 { " is" } else { "s are" }
        ),
        Err(_) => eprintln!("note: as root, this also tells whether cgroups are still hooked"),
    }
    code
}

fn render(status: &Status, now: Timestamp) -> String {
    let Status {
        version,
        pid,
        port,
        configuration,
        ..
    } = status;
    let policy = configuration.policy.as_str();
    let head = format!(
        "{STRONG}gateway {version}{STRONG:#}  process {pid}, up {}, port {port}\n\
         policy    {}  {} of {}, {} and {}, loaded {} ago\n\
         log       {}\n\
         sessions  {}\n",
        age(status.started, now),
        policy.get(..12).unwrap_or(policy),
        counted(configuration.workloads.len(), "workload"),
        configuration.file.display(),
        counted(configuration.resources, "resource"),
        counted(configuration.rules, "rule"),
        age(configuration.loaded, now),
        configuration.log.display(),
        configuration.recordings.display(),
    );
    let problems: String = status
        .problems
        .iter()
        .map(|problem| format!("{BAD}problem{BAD:#}   {}\n", printable(problem)))
        .collect();
    let repaired = status.repairs.iter().map(|repairs| {
        let of = repairs.cgroup.as_ref();
        let of = of.map_or_else(String::new, |path| format!(" of {}", path.display()));
        format!(
            "repaired  {}, last {} ago: {}{of}\n",
            counted(repairs.count, "time"),
            age(repairs.last, now),
            printable(&repairs.what),
        )
    });
    let frozen = frozen(&status.frozen, now);
    let waiting = status.waiting.iter().map(|waiting| {
        format!(
            "{STRONG}waiting{STRONG:#}   {} on {} by rule {}, the oldest for {}; `gateway approvals list`\n",
            counted(waiting.count, "request"),
            printable(waiting.resource.as_str()),
            printable(waiting.rule.as_str()),
            age(waiting.oldest, now),
        )
    });
    let problems: String = frozen
        .chain(waiting)
        .chain(repaired)
        .chain([problems])
        .collect();
    let attached = attachments(&status.attachments, &configuration.workloads, now);
    let unmatched = status.unmatched.iter().map(|one| {
        let selector = printable(&one.selector);
        format!("  nothing by `{selector}` for {}\n", one.workload)
    });
    let attached = Vec::from_iter([attached].into_iter().chain(unmatched)).concat();
    let open = connections(status, now);
    format!(
        "{head}{problems}\n{STRONG}attached{STRONG:#}\n{attached}\n{STRONG}connections{STRONG:#}\n{open}{}",
        counters(status)
    )
}

fn frozen(frozen: &[Freeze], now: Timestamp) -> impl Iterator<Item = String> + '_ {
    frozen.iter().map(move |freeze| {
        let why = freeze.reason.as_deref().map(printable);
        format!(
            "{BAD}FROZEN{BAD:#}    {}, for {} by uid {}{}; `gateway thaw {}` lets it go on\n",
            freeze.workload,
            age(freeze.since, now),
            freeze.by.uid,
            why.map(|why| format!(": {why}")).unwrap_or_default(),
            freeze.workload,
        )
    })
}

fn attachments(attached: &[Attached], known: &[WorkloadName], now: Timestamp) -> String {
    if attached.is_empty() {
        let example = known.first().map_or("WORKLOAD", WorkloadName::as_str);
        return format!(
            "  nothing yet. Start an agent with `gateway run --as {example} -- CMD…`,\n  \
             or attach one that runs: `gateway attach --as {example} --unit NAME`\n"
        );
    }
    let mut table = table(&["workload", "cgroup", "why", "hooks", "since", "sessions"]);
    for one in attached {
        let workload = match &one.workload {
            Some(workload) if known.contains(workload) => workload.to_string(),
            Some(workload) => format!("{workload} (not in the configuration: refused)"),
            None => "unknown: refused".to_owned(),
        };
        let path = one.path.as_ref().map(|path| path.display().to_string());
        let hooks = match one.hooks {
            Hooks::Ok => Cell::new("ok"),
            Hooks::Damaged => Cell::new(format!("{BAD}damaged: attach again{BAD:#}")),
            Hooks::Gone => Cell::new("cgroup gone"),
        };
        table.add_row([
            Cell::new(workload),
            Cell::new(path.unwrap_or_else(|| format!("id {}", one.cgroup))),
            Cell::new(why(one)),
            hooks,
            Cell::new(
                one.since
                    .map_or_else(|| "?".to_owned(), |since| age(since, now)),
            ),
            Cell::new(one.connections).set_alignment(CellAlignment::Right),
        ]);
    }
    lines(&table)
}

/// Why a cgroup is attached.
fn why(one: &Attached) -> String {
    match (one.purpose, &one.selector) {
        (Some(Purpose::Selected), Some(selector)) => printable(selector),
        (Some(Purpose::Selected), None) => "selected".to_owned(),
        (Some(Purpose::Attach), _) => "by hand".to_owned(),
        (Some(Purpose::Run), _) => "run".to_owned(),
        (None, _) => "?".to_owned(),
    }
}

fn connections(status: &Status, now: Timestamp) -> String {
    if status.connections.is_empty() {
        return match status.sessions {
            0 => "  none so far\n".to_owned(),
            _ => "  none open. `gateway sessions list` shows the ended ones\n".to_owned(),
        };
    }
    let mut table = table(&[
        "session",
        "workload",
        "process",
        "resource",
        "protocol",
        "destination",
        "age",
        "asks",
        "denied",
    ]);
    for Session {
        info,
        allowed,
        denied,
        ..
    } in &status.connections
    {
        let session = info.session.as_str();
        // Names begin with the time, so their ends tell them apart best; whole ones are in --json.
        let short = session
            .get(session.len().saturating_sub(8)..)
            .unwrap_or(session);
        let number = |n: u64| Cell::new(n).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(short),
            Cell::new(&info.workload),
            Cell::new(format!("{} {}", info.pid, printable(&info.comm))),
            Cell::new(
                info.resource
                    .as_ref()
                    .map_or("none: refused", ResourceName::as_str),
            ),
            Cell::new(spoken(&info.protocol)),
            Cell::new(info.destination.0),
            Cell::new(age(info.started, now)),
            number(allowed.saturating_add(*denied)),
            number(*denied),
        ]);
    }
    lines(&table)
}

/// The protocol; one that nobody looks into is told to be that.
fn spoken(protocol: &str) -> String {
    let known = PROTOCOLS.iter().find(|known| known.name == protocol);
    match known {
        Some(known) if known.shape != Shape::Framed => format!("{protocol}, uninspected"),
        _ => printable(protocol).to_string(),
    }
}

fn counters(status: &Status) -> String {
    let counted = status.counters.iter().filter(|(_, value)| **value > 0);
    let all: Vec<_> = counted
        .map(|(name, value)| format!("{} {value}", name.replace('_', " ")))
        .collect();
    if all.is_empty() {
        return String::new();
    }
    format!("\n{STRONG}kernel{STRONG:#}\n  {}\n", all.join(", "))
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(Cell::new));
    table
}

fn lines(table: &Table) -> String {
    table
        .lines()
        .map(|line| format!(" {}\n", line.trim_end()))
        .collect()
}

/// A process chooses its name itself: control characters in it must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// How long ago, in the two largest units.
fn age(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}
