//! `gateway config check`: is the configuration good, and where is it not? And `gateway policy
//! check`, which asks only after the rules.
//!
//! What is looked for is in `config`; the daemon does the same when it starts and reloads.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use gateway_core::policy::diagnostic::Level;
use serde_json::json;

use super::printable::{DIM, DOUBTFUL, GOOD};
use super::wording::counted;
use crate::config::report::{Finding, Report};
use crate::config::{Config, ConfigError};

/// Arguments of `gateway config check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Write the findings as one JSON object
    #[arg(long)]
    json: bool,
    /// Exit with 1 on warnings too
    #[arg(long)]
    strict: bool,
}

/// What of the file is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// All of it.
    Everything,
    /// Its rules. What keeps the file from being used at all is told nevertheless.
    Rules,
}

/// Checks the file; exits with 1 if it cannot be used. Warnings matter to that only if asked for.
pub(super) fn run(config: &Path, about: About, args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let checked = match Config::load(config) {
        Err(error @ ConfigError::Read { .. }) => return Err(error.into()),
        Err(ConfigError::Invalid(report)) => Err(report),
        Ok((config, warnings)) => {
            let warnings = match about {
                About::Everything => warnings,
                About::Rules => warnings.map(|report| report.about(&config.rules)),
            };
            let some = |report: &Report| report.count(Level::Warning) > 0;
            Ok((config, warnings.filter(some)))
        }
    };
    let status = match &checked {
        Ok((_, warnings)) if args.strict && warnings.is_some() => ExitCode::FAILURE,
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    };
    if args.json {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &for_machines(&checked))?;
        writeln!(out)?;
        return Ok(status);
    }
    match checked {
        Ok((config, warnings)) => {
            if let Some(warnings) = &warnings {
                anstream::eprintln!("{}\n", warnings.styled());
            }
            anstream::println!("{}", summary(&config, warnings.as_ref()));
        }
        Err(report) => {
            anstream::eprintln!("{}", report.styled());
        }
    }
    Ok(status)
}

fn summary(config: &Config, warnings: Option<&Report>) -> String {
    let warnings = warnings.map_or(0, |report| report.count(Level::Warning));
    let verdict = match warnings {
        0 => format!("{GOOD}valid{GOOD:#}"),
        _ => format!(
            "{DOUBTFUL}valid, with {}{DOUBTFUL:#}",
            counted(warnings, "warning")
        ),
    };
    let digest: String = config.digest.as_str().chars().take(12).collect();
    format!(
        "{} is {verdict}: {}, {}, {} {DIM}(policy {digest}){DIM:#}",
        config.path.display(),
        counted(config.workloads.len(), "workload"),
        counted(config.resources.len(), "resource"),
        counted(config.rules.len(), "rule"),
    )
}

fn for_machines(checked: &Result<(Config, Option<Report>), Report>) -> serde_json::Value {
    let (report, config) = match checked {
        Ok((config, warnings)) => (warnings.as_ref(), Some(config)),
        Err(report) => (Some(report), None),
    };
    let findings: Vec<Finding> = report.into_iter().flat_map(Report::findings).collect();
    json!({
        "valid": config.is_some(),
        "policy": config.map(|config| config.digest.as_str()),
        "findings": findings,
    })
}
