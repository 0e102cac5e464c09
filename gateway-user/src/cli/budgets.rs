//! `gateway budgets`: what was used of each budget, for people and as JSON.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use gateway_core::budget::Kind;
use gateway_core::policy::budget::{Action, Per, words};
use gateway_core::policy::model::Mode;

use super::printable::{BAD, DIM, GOOD, STRONG, line};
use super::wording::local;
use crate::control::budgets::{BudgetUse, Used};
use crate::control::client::Client;

/// Arguments of `gateway budgets`.
#[derive(Debug, Args)]
pub struct BudgetsArgs {
    /// Print the daemon's answer as JSON; docs/control.md describes it
    #[arg(long)]
    json: bool,
}

/// Shows what was used.
pub async fn run(client: &Client, args: BudgetsArgs) -> anyhow::Result<ExitCode> {
    let budgets = client.budgets().await?;
    if args.json {
        anstream::println!("{}", serde_json::to_string_pretty(&budgets)?);
    } else {
        print(&mut anstream::stdout().lock(), &budgets)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut impl Write, budgets: &[BudgetUse]) -> io::Result<()> {
    if budgets.is_empty() {
        writeln!(out, "the configuration has no [[budget]]")?;
    }
    for (index, budget) in budgets.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        print_budget(out, budget)?;
    }
    Ok(())
}

fn print_budget(out: &mut impl Write, budget: &BudgetUse) -> io::Result<()> {
    let each = match budget.per {
        Per::Workload => "each workload",
        Per::Group => "each group",
        Per::Resource => "each resource",
        Per::Session => "each session",
    };
    let then = match (budget.mode, budget.action) {
        (Mode::Observe, _) => "observed only",
        (Mode::Enforce, Action::Deny) => "then refused",
        (Mode::Enforce, Action::Approve) => "then waits for an approval",
    };
    let span = words::span(Duration::from_secs(budget.window_seconds));
    writeln!(
        out,
        "{STRONG}{}{STRONG:#}  {DIM}{each}, in {span}, {then}{DIM:#}",
        line(budget.budget.as_str())
    )?;
    if budget.used.is_empty() {
        let limits = budget.limits.each();
        let limits: Vec<String> = limits.map(|(kind, limit)| kind.told(limit)).collect();
        writeln!(out, "  {DIM}nothing used of {}{DIM:#}", limits.join(", "))?;
    }
    let width = budget.used.iter().map(|it| it.whose.chars().count()).max();
    for used in &budget.used {
        print_used(out, budget, used, width.unwrap_or(0))?;
    }
    Ok(())
}

fn print_used(
    out: &mut impl Write,
    budget: &BudgetUse,
    used: &Used,
    width: usize,
) -> io::Result<()> {
    let limits = budget.limits.each();
    let parts: Vec<String> = limits.map(|it| part(used, it)).collect();
    let (whose, parts) = (line(&used.whose).to_string(), parts.join(", "));
    write!(out, "  {whose:width$}  ")?;
    match used.room {
        None => writeln!(out, "{GOOD}room{GOOD:#}     {parts}"),
        Some(at) => writeln!(
            out,
            "{BAD}used up{BAD:#}  {parts}; room again at {}",
            local(at)
        ),
    }
}

/// Such as `120 of 10,000 rows (1 %)`.
fn part(used: &Used, (kind, limit): (Kind, u64)) -> String {
    let amount = used.amounts.of(kind);
    let percent = u128::from(amount) * 100 / u128::from(limit.max(1));
    let told = kind.told(limit);
    match kind {
        Kind::BytesOut => format!("{} of {told} ({percent} %)", kind.told(amount)),
        Kind::Rows | Kind::Statements | Kind::Writes => {
            format!("{amount} of {told} ({percent} %)")
        }
    }
}
