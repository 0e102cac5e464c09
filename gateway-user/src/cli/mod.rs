//! The command line: its tree of commands, and which part does what is asked.
//!
//! Each command has a file of its own with its arguments. How errors look is in `failure`, where
//! the daemon's files are in `place`. Errors here are `anyhow`, since a person reads them.

mod approvals;
mod attach;
mod budgets;
mod check;
mod coverage;
mod daemon;
mod enter;
mod failure;
mod freeze;
mod manual;
mod place;
mod placeholders;
mod policy;
mod printable;
mod run;
mod sessions;
mod status;
mod tail;
mod uninstall;
mod wording;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::control::client::Client;
use place::Places;

/// Sees every statement of your AI agents, decides by your policy, and keeps the record.
///
/// The daemon intercepts the connections of chosen processes in the kernel. The agents need no
/// change: not their endpoint, not their code, not their configuration.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    /// The configuration file [default: /etc/gateway/gateway.toml]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GATEWAY_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
    /// The daemon's control socket [default: control.sock in the configuration's runtime directory]
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        env = "GATEWAY_SOCKET",
        hide_env_values = true
    )]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gateway config check --config gateway.toml     is the configuration good?
  gateway policy explain --as planner --resource orders-db 'DROP TABLE orders'
                                                 would that pass, and why not?
  gateway daemon --config gateway.toml           run the daemon
  gateway run --as planner -- psql -h db shop    run one command as workload `planner`
  gateway attach --as planner --unit agent       take over a running service
  gateway tail                                   watch what is refused
  gateway freeze planner                         stop a workload at once
  gateway sessions list                          what was recorded";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground
    #[command(after_help = "\
Needs root. On SIGTERM the hooks stay in the kernel: attached agents are refused until the daemon
runs again, or until `gateway detach --all`. SIGHUP reads the configuration again; one with a
mistake changes nothing.")]
    Daemon(daemon::DaemonArgs),
    /// Run a command as a workload, in an attached cgroup of its own
    #[command(after_help = run::HELP, after_long_help = run::long_help())]
    Run(run::RunArgs),
    /// Take over the connections of a cgroup that is there already
    #[command(after_help = "\
Connections that are open already are closed, new ones go through the gateway.

Examples:
  gateway attach --as planner --unit my-agent.service
  gateway attach --as planner --cgroup system.slice/my-agent.service
  gateway attach --as planner --pid 4711
  gateway attach --unit agent@1.service          as what its `units` say")]
    Attach(attach::AttachArgs),
    /// Let go of cgroups: their sessions end, new connections are direct
    #[command(after_help = "\
Examples:
  gateway detach --unit my-agent.service
  gateway detach --as planner
  gateway detach --all                  also when the daemon does not run")]
    Detach(attach::DetachArgs),
    /// Show what is attached and which sessions are open
    Status(status::StatusArgs),
    /// List, show and decide on what waits for people
    Approvals(approvals::ApprovalsArgs),
    /// List and take back what people let pass beforehand
    Grants(approvals::GrantsArgs),
    /// Issue, list and take back what agents show in a password's place
    Placeholders(placeholders::PlaceholdersArgs),
    /// Stop a workload: end all it has open, refuse all it opens, until it is thawed
    #[command(after_help = "\
It survives restarts of the daemon and of the host. A statement that a server is busy with is
cancelled there where the protocol can.

Example:
  gateway freeze planner --reason 'deletes what it should not, see INC-42'")]
    Freeze(freeze::FreezeArgs),
    /// Let a frozen workload act again
    Thaw(freeze::ThawArgs),
    /// End one open session
    #[command(after_help = "\
The workload may connect again at once: `gateway freeze` keeps it from that.

Example:
  gateway kill 5d7e2c41          as `gateway status` shows it")]
    Kill(freeze::KillArgs),
    /// Show what was inspected, what passed uninspected, what was refused and what cannot be seen
    Coverage(coverage::CoverageArgs),
    /// Show what was used of budgets, and when there is room again
    Budgets(budgets::BudgetsArgs),
    /// Print the daemon's numbers as OpenMetrics text
    #[command(after_help = "\
For Prometheus, by its node exporter's textfile collector:
  gateway metrics > /var/lib/node_exporter/gateway.prom.new &&
    mv /var/lib/node_exporter/gateway.prom.new /var/lib/node_exporter/gateway.prom")]
    Metrics,
    /// Read the configuration again; one with a mistake changes nothing
    Reload,
    /// Follow the enforcement log
    Tail(tail::TailArgs),
    /// List, show, replay and verify recordings
    Sessions(sessions::SessionsArgs),
    /// Take the gateway off this host: let go of everything that is attached
    #[command(after_help = "\
The daemon has to be stopped before. Removed are the hooks with everything that is pinned, the
cgroups that the gateway made and nobody is in, and the files of the runtime directory. Recordings,
the enforcement log, the CA and the configuration stay; it says where they are.")]
    Uninstall(uninstall::UninstallArgs),
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check, explain and test the policy
    Policy(policy::PolicyArgs),
    /// Write a completion script for a shell
    #[command(after_help = "Example:\n  gateway completions bash > /etc/bash_completion.d/gateway")]
    Completions(manual::CompletionsArgs),
    /// Write manual pages
    Man(manual::ManArgs),
    /// Enter a run's cgroup and become the command; `gateway run` starts this
    #[command(hide = true)]
    EnterRun(enter::EnterArgs),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration is good, and where it is not
    Check(check::CheckArgs),
}

/// Does what the command line asks; the result is the program's exit status.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // What fails under `run` before the command could must not look like the command's own status.
    let otherwise = match &cli.command {
        Command::Run(_) | Command::EnterRun(_) => run::GATEWAY_FAILED,
        _ => 1,
    };
    dispatch(cli).unwrap_or_else(|error| failure::report(&error, otherwise))
}

fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let places = || Places::find(cli.config.as_deref(), cli.socket.as_deref());
    match cli.command {
        Command::Daemon(args) => daemon::run(args, cli.config),
        Command::EnterRun(args) => enter::run(args),
        Command::Config(ConfigCommand::Check(args)) => {
            check::run(&places()?.config, check::About::Everything, &args)
        }
        Command::Policy(args) => policy::run(&places()?, args),
        Command::Tail(args) => tail::run(&places()?.log, &args),
        Command::Sessions(args) => sessions::run(&places()?, &args),
        Command::Uninstall(args) => uninstall::run(&places()?, &args),
        Command::Completions(args) => {
            manual::completions(&args, Cli::command());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man(args) => {
            manual::man(&args, Cli::command())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(args) => talk(run::run(&client(&places()?), args)),
        Command::Attach(args) => talk(attach::attach(&client(&places()?), args)),
        Command::Detach(args) => {
            let places = places()?;
            talk(attach::detach(&client(&places), &places, args))
        }
        Command::Status(args) => {
            let places = places()?;
            talk(status::run(&client(&places), &places, args))
        }
        Command::Approvals(args) => {
            let places = places()?;
            talk(approvals::run(&places, args))
        }
        Command::Grants(args) => {
            let places = places()?;
            talk(approvals::run_grants(&places, args))
        }
        Command::Placeholders(args) => talk(placeholders::run(&client(&places()?), args)),
        Command::Freeze(args) => talk(freeze::freeze(&client(&places()?), args)),
        Command::Thaw(args) => talk(freeze::thaw(&client(&places()?), args)),
        Command::Kill(args) => talk(freeze::kill(&client(&places()?), args)),
        Command::Coverage(args) => talk(coverage::run(&client(&places()?), args)),
        Command::Budgets(args) => talk(budgets::run(&client(&places()?), args)),
        Command::Metrics => talk(coverage::metrics(&client(&places()?))),
        Command::Reload => talk(status::reload(&client(&places()?))),
    }
}

fn client(places: &Places) -> Client {
    Client::new(places.socket.clone())
}

/// Runs a conversation with the daemon on this thread.
fn talk(conversation: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(conversation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_the_command_belongs_to_the_command() {
        let cli = Cli::try_parse_from(["gateway", "run", "--as", "w", "psql", "--config", "x"]);
        let cli = cli.unwrap();
        assert!(cli.config.is_none());
        assert!(matches!(cli.command, Command::Run(_)));
        Cli::try_parse_from(["gateway", "run", "--as", "w", "--", "ls", "-l"]).unwrap();
    }

    #[test]
    fn detach_wants_exactly_one_target() {
        for wrong in [vec!["detach"], vec!["detach", "--all", "--pid", "1"]] {
            let arguments = std::iter::once("gateway").chain(wrong);
            assert!(Cli::try_parse_from(arguments).is_err());
        }
        for right in [vec!["detach", "--all"], vec!["detach", "--as", "planner"]] {
            let arguments = std::iter::once("gateway").chain(right);
            Cli::try_parse_from(arguments).unwrap();
        }
    }
}
