//! `gateway policy explain`: what would happen, and which rules say so.

mod limits;
mod masks;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use gateway_core::descriptor::Shape;
use gateway_core::event::{Ruling, Value};
use gateway_core::policy::budget::{Action, words};
use gateway_core::policy::explain::{Considered, Ruled, UnitExplanation};
use gateway_core::policy::model::{Effect, Mode, Tree};
use jiff::Timestamp;
use serde_json::json;
use toml::Spanned;

use super::bearer::Bearer;
use super::question::{Answer, Process, Question};
use crate::cli::printable::{BAD, DIM, DOUBTFUL, GOOD, STRONG, line};
use crate::config::Config;

pub(super) const HELP: &str = "\
What is not given is taken as not known, and what is not known counts against the one who asks. The
search path is what a real session's server would tell.

Examples:
  gateway policy explain --as planner --resource orders-db 'DELETE FROM orders'
  gateway policy explain --as planner --resource orders-db --user app --database shop
                                               may it connect at all?
  gateway policy explain --as planner --resource cache 10.0.0.7:6379
  gateway policy explain --as planner --resource dns 'db.internal aaaa'
  gateway policy explain --as planner --resource orders-db --at 2026-03-29T02:30:00+01:00 'TABLE a'
  gateway policy explain --as planner --resource orders-db --claims team=data 'TABLE orders'
  gateway policy explain --as planner --resource orders-db --fact parsed=true \\
      --fact verb=select --fact 'table=[\"public.orders\"]'";

/// Arguments of `gateway policy explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The workload that acts
    #[arg(long = "as", value_name = "WORKLOAD")]
    workload: String,
    /// The resource that it acts on
    #[arg(long, value_name = "NAME")]
    resource: String,
    /// The statements; the name to look up, and the type of record; or for what passes uninspected
    /// the destination. Left out: the start of the session
    #[arg(value_name = "STATEMENT")]
    statement: Option<String>,
    /// The role that the client asks for
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The database that the client asks for
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// What the client calls itself
    #[arg(long, value_name = "NAME")]
    application_name: Option<String>,
    /// A fact; a list is written `name=["a", "b"]`
    #[arg(long = "fact", value_name = "NAME=VALUE", value_parser = parse_fact)]
    facts: Vec<(String, Tree)>,
    /// Schemas in which the server looks for names that carry none; empty if that is not known
    #[arg(
        long,
        value_name = "SCHEMAS",
        value_delimiter = ',',
        default_value = "public"
    )]
    search_path: Vec<String>,
    /// Whose token the workload is known by: an [[issuer]] [default: the only one]
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// What the token says; a list is written `name=["a", "b"]`, whom it means `sub=…`
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_fact)]
    claims: Vec<(String, Tree)>,
    #[command(flatten)]
    process: Process,
    /// When, such as 2026-03-29T02:30:00+01:00 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Path, args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let (config, _warnings) = Config::load(config)?;
    let answer = args.question().ask(&config)?;
    if args.json {
        let mut out = io::stdout().lock();
        let actor = answer.actor();
        let budgets = config.engine.budgets_for(&actor, &answer.resource.name);
        let budgets: Vec<_> = budgets.map(|budget| &budget.name).collect();
        let mut value = for_machines(&answer);
        if let Some(all) = value.as_object_mut() {
            all.insert("budgets".to_owned(), json!(budgets));
            all.insert("limits".to_owned(), limits::for_machines(&answer));
        }
        serde_json::to_writer_pretty(&mut out, &value)?;
        writeln!(out)?;
    } else {
        print(&mut anstream::stdout().lock(), &config, &answer)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl ExplainArgs {
    pub(super) fn question(&self) -> Question {
        let flags = [
            ("user", &self.user),
            ("database", &self.database),
            ("application_name", &self.application_name),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| {
            let value = Tree::Text(value.as_ref()?.clone());
            Some((name.to_owned(), value))
        });
        let path: Vec<String> = self.search_path.clone();
        Question {
            workload: self.workload.clone(),
            resource: self.resource.clone(),
            text: self.statement.clone(),
            facts: given.chain(self.facts.iter().cloned()).collect(),
            search_path: (path != [""]).then_some(path),
            process: self.process.clone(),
            bearer: Bearer {
                issuer: self.issuer.clone(),
                claims: self.claims.clone(),
            },
            at: self.at.unwrap_or_else(Timestamp::now),
        }
    }
}

/// `name=value`; what begins with a bracket is a list, as TOML writes it.
fn parse_fact(text: &str) -> Result<(String, Tree), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected name=value, such as verb=select")?;
    let value = if value.starts_with('[') {
        #[derive(serde::Deserialize)]
        struct Wrapped {
            value: Spanned<Tree>,
        }
        let wrapped: Wrapped = toml::from_str(&format!("value = {value}"))
            .map_err(|_| "expected a list such as [\"a\", \"b\"]")?;
        wrapped.value.into_inner()
    } else {
        Tree::Text(value.to_owned())
    };
    Ok((name.to_owned(), value))
}

/// The answer as one JSON object.
pub(super) fn for_machines(answer: &Answer<'_>) -> serde_json::Value {
    let mut value = json!({
        "workload": answer.workload.name,
        "resource": answer.resource.name,
        "protocol": answer.resource.protocol.name,
        "at_start": answer.at_start,
    });
    if let (Some(all), Ok(serde_json::Value::Object(explained))) = (
        value.as_object_mut(),
        serde_json::to_value(&answer.explanation),
    ) {
        all.extend(explained);
    }
    value
}

/// What would happen, and then each unit with its rules.
pub(super) fn print(out: &mut impl Write, config: &Config, answer: &Answer<'_>) -> io::Result<()> {
    let explanation = &answer.explanation;
    let (workload, resource) = (&answer.workload.name, answer.resource);
    write!(out, "{}", ruling(&explanation.ruled))?;
    let at_start = if answer.at_start {
        ", at the start of the session"
    } else {
        ""
    };
    writeln!(out, ": {workload} on {}{at_start}", resource.name)?;
    if let Some(words) = agent_sees(&explanation.ruled, resource.protocol.shape) {
        writeln!(out, "  {words}")?;
    }
    if let Some(proviso) = masks::proviso(answer) {
        writeln!(out, "  {proviso}")?;
    }
    if let Some(observed) = &explanation.ruled.observed {
        let reason = line(&observed.reason);
        writeln!(out, "  enforcing would refuse: {reason}")?;
    }
    let count = explanation.units.len();
    for (index, unit) in explanation.units.iter().enumerate() {
        writeln!(out)?;
        if count > 1 {
            let number = index + 1;
            writeln!(
                out,
                "{STRONG}unit {number} of {count}{STRONG:#}: {}",
                ruling(&unit.ruled)
            )?;
        }
        print_unit(out, config, unit)?;
    }
    masks::print(out, answer)?;
    print_budgets(out, config, answer)?;
    limits::print(out, answer)?;
    if !explanation.elsewhere.is_empty() {
        let names = explanation.elsewhere.iter().map(ToString::to_string);
        let names = names.collect::<Vec<_>>().join(", ");
        writeln!(out, "\n{DIM}not about {}: {names}{DIM:#}", resource.name)?;
    }
    Ok(())
}

/// The budgets that count it. What was used of them, only the daemon knows.
fn print_budgets(out: &mut impl Write, config: &Config, answer: &Answer<'_>) -> io::Result<()> {
    let (actor, resource) = (answer.actor(), answer.resource);
    for budget in config.engine.budgets_for(&actor, &resource.name) {
        let limits = budget.limits.each();
        let limits: Vec<String> = limits.map(|(kind, limit)| kind.told(limit)).collect();
        let (name, span) = (line(budget.name.as_str()), words::span(budget.window));
        let then = match (budget.mode, budget.action) {
            (Mode::Observe, _) => "only observed",
            (Mode::Enforce, Action::Deny) => "then refused",
            (Mode::Enforce, Action::Approve) => "then waits for an approval",
        };
        let limits = limits.join(", ");
        writeln!(out, "\ncounts in budget {name}: {limits} in {span}, {then}")?;
    }
    Ok(())
}

/// Such as `DENIED by rule no-secrets`.
fn ruling(ruled: &Ruled) -> String {
    let (style, word) = match (ruled.ruling, &ruled.observed) {
        (Ruling::Deny, _) => (BAD, "DENIED"),
        (Ruling::Hold, _) => (DOUBTFUL, "waits for an approval"),
        (Ruling::Allow, Some(_)) => (DOUBTFUL, "passes, being observed"),
        (Ruling::Allow, None) => (GOOD, "allowed"),
    };
    match &ruled.rule {
        Some(rule) => format!("{style}{word}{style:#} by rule {rule}"),
        None => format!("{style}{word}{style:#}"),
    }
}

/// What the agent gets to see of a refusal.
fn agent_sees(ruled: &Ruled, shape: Shape) -> Option<String> {
    let reason = line(ruled.reason.as_ref()?).to_string();
    Some(match shape {
        Shape::Stream => format!("the agent sees a reset, the log says: {reason}"),
        Shape::Datagrams => format!("the datagrams do not leave: {reason}"),
        Shape::Terminated => format!("the agent gets REFUSED, with: gateway: {reason}"),
        Shape::Framed => format!("the agent is told: gateway: {reason}"),
    })
}

fn print_unit(out: &mut impl Write, config: &Config, unit: &UnitExplanation) -> io::Result<()> {
    let width = unit.facts.keys().map(|name| name.len()).max().unwrap_or(0);
    for (name, value) in &unit.facts {
        let value = fact(value);
        writeln!(out, "  {DIM}{name:width$}  {}{DIM:#}", line(&value))?;
    }
    let width = unit.rules.iter().map(|it| it.rule.as_str().len()).max();
    for rule in &unit.rules {
        print_rule(out, config, rule, width.unwrap_or(0))?;
    }
    if unit.rules.is_empty() {
        writeln!(out, "  no rule is about this resource")?;
    }
    Ok(())
}

fn print_rule(
    out: &mut impl Write,
    config: &Config,
    rule: &Considered,
    width: usize,
) -> io::Result<()> {
    write!(out, "  {:width$}", rule.rule.as_str())?;
    let mut places = config.rules.iter().filter(|it| it.name == rule.rule);
    if let Some(place) = places.next() {
        write!(out, "  {DIM}line {:<4}{DIM:#}", place.line)?;
    }
    match (&rule.not_because, rule.action) {
        (None, Effect::Allow) => write!(out, "  {GOOD}allows{GOOD:#}")?,
        (None, Effect::Approve) => write!(out, "  {DOUBTFUL}holds for an approval{DOUBTFUL:#}")?,
        (None, Effect::Deny) => write!(out, "  {BAD}denies{BAD:#}")?,
        (Some(why), Effect::Allow) => write!(out, "  does not allow: {}", line(&why.to_string()))?,
        (Some(why), Effect::Approve) => write!(out, "  does not hold: {}", line(&why.to_string()))?,
        (Some(why), Effect::Deny) => write!(out, "  does not deny: {}", line(&why.to_string()))?,
    }
    if let (None, Some(why)) = (&rule.not_because, &rule.opens_not_because) {
        write!(
            out,
            ", and by itself lets nothing pass: {}",
            line(&why.to_string())
        )?;
    }
    if let (Some(during), None) = (&rule.during, &rule.not_because) {
        write!(out, " {DIM}({during}){DIM:#}")?;
    }
    if rule.mode == Mode::Observe {
        write!(out, " {DOUBTFUL}(observed only){DOUBTFUL:#}")?;
    }
    writeln!(out)
}

fn fact(value: &Value) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Texts(texts) if texts.is_empty() => "none".to_owned(),
        Value::Texts(texts) => texts.join(", "),
        Value::Unknown(()) => "not known".to_owned(),
    }
}
