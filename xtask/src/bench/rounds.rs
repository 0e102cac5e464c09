//! Rounds of a small bench: its options, its clients as processes, its samples and their ratios.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use gateway_tests::gateway::Gateway;
use serde::Serialize;
use serde_json::json;

use super::load::{Loaded, Work};
use super::spread::{Spread, median};

/// How long and how much.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// Interleaved rounds
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,
    /// Seconds for each measurement
    #[arg(long, default_value_t = 2)]
    pub(crate) seconds: u32,
    /// Where the numbers go [default: bench-NAME.json in the folder that cargo builds into]
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

/// A client that has said that it is ready.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Client {
    /// Starts it as it is, or as the workload `agent` of a gateway.
    pub(crate) fn start(work: &Work, agent_of: Option<&Gateway>) -> Result<Client> {
        let mut load = Command::new(std::env::current_exe()?);
        load.args(work.arguments());
        if let Some(gateway) = agent_of {
            load = gateway.run("agent", &load);
        }
        Client::launch(load)
    }

    /// Starts it by a command that is whole.
    pub(crate) fn launch(mut load: Command) -> Result<Client> {
        let mut child = load
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the load")?;
        let out = child.stdout.take().context("the load has no output")?;
        let mut client = Client {
            child,
            said: BufReader::new(out),
        };
        let said = client.line()?;
        anyhow::ensure!(said == "ready", "the load said {said:?}");
        Ok(client)
    }

    /// Has it do its work.
    pub(crate) fn work(&mut self) -> Result<Loaded> {
        self.go_on()?;
        let said = self.line()?;
        serde_json::from_str(&said).with_context(|| format!("the load said {said:?}"))
    }

    /// Lets it end.
    pub(crate) fn end(mut self) -> Result<()> {
        self.go_on()?;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("the load ended with {status}");
        }
        Ok(())
    }

    fn go_on(&mut self) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("the load has no input")?;
        Ok(stdin.write_all(b"\n")?)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.said.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }
}

/// What was measured on one path: figures by name, a value for each round.
type Figures = BTreeMap<&'static str, Vec<f64>>;

/// Samples of all rounds.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Samples(BTreeMap<String, Figures>);

impl Samples {
    /// Takes one value.
    pub(crate) fn add(&mut self, path: &str, figure: &'static str, value: f64) {
        let figures = self.0.entry(path.to_owned()).or_default();
        figures.entry(figure).or_default().push(value);
    }

    /// The median of a figure.
    pub(crate) fn median(&self, path: &str, figure: &str) -> Option<f64> {
        median(self.values(path, figure).to_vec())
    }

    /// A figure as ratio to another path's, round by round.
    pub(crate) fn ratio(&self, path: &str, base: &str, figure: &str) -> Option<Spread> {
        let pairs = self
            .values(path, figure)
            .iter()
            .zip(self.values(base, figure));
        Spread::of(pairs.map(|(our, their)| our / their).collect())
    }

    /// A figure as difference to another path's, round by round.
    pub(crate) fn difference(&self, path: &str, base: &str, figure: &str) -> Option<Spread> {
        let pairs = self
            .values(path, figure)
            .iter()
            .zip(self.values(base, figure));
        Spread::of(pairs.map(|(our, their)| our - their).collect())
    }

    /// Names of what was measured, in the alphabet's order.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A figure's own spread.
    pub(crate) fn spread(&self, path: &str, figure: &str) -> Option<Spread> {
        Spread::of(self.values(path, figure).to_vec())
    }

    fn values(&self, path: &str, figure: &str) -> &[f64] {
        let figures = self.0.get(path);
        figures
            .and_then(|figures| figures.get(figure))
            .map_or(&[], Vec::as_slice)
    }
}

/// A goal and where it stands.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    /// What is wanted, in words.
    pub(crate) what: String,
    /// What was measured.
    pub(crate) measured: Option<Spread>,
    /// Whether the median reaches it.
    pub(crate) is_met: bool,
}

/// Prints the goals and where they stand.
pub(crate) fn show(goals: &[Goal]) {
    println!();
    for goal in goals {
        let measured = goal.measured.map_or("-".to_owned(), |it| it.to_string());
        let met = if goal.is_met { "met" } else { "NOT MET" };
        println!("{:<64} {measured:<24} {met}", goal.what);
    }
}

/// Prints the goals and writes everything.
pub(crate) fn finish(
    name: &str,
    options: &Options,
    samples: &Samples,
    goals: &[Goal],
) -> Result<()> {
    show(goals);
    let default = || gateway_tests::programs::target().join(format!("bench-{name}.json"));
    let file = options.json.clone().unwrap_or_else(default);
    let text = serde_json::to_string_pretty(&json!({
        "rounds": options.rounds,
        "seconds": options.seconds,
        "goals": goals,
        "samples": samples,
    }))?;
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    println!("\nall numbers: {}", file.display());
    Ok(())
}
