//! `gateway policy test`: cases beside the policy, each with what is expected of it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use gateway_core::policy::model::Tree;
use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use super::bearer::Bearer;
use super::explain;
use super::question::{Answer, Process, Question, Upshot};
use crate::cli::failure::Failure;
use crate::cli::printable::{BAD, DIM, GOOD, STRONG, line};
use crate::config::Config;
use crate::config::report::place;

pub(super) const HELP: &str = "\
A case says who does what where, and what is expected:

  [[case]]
  name = \"agents read orders\"             # optional
  workload = \"planner\"
  resource = \"orders-db\"
  connection = { user = \"app\" }           # facts of the connection; others are not known
  statement = \"SELECT * FROM orders\"      # or facts = { … }; neither: the start of a session
  search_path = [\"public\"]                # the default; [] if it is not known
  expect = \"allow\"                        # or \"deny\", \"approve\": waits for people, or
                                        # \"observe\": passes, and enforcing would not
  rule = \"read-shop\"                      # optional: the rule that decides
  at = \"2026-03-29T02:30:00+01:00\"        # optional: when; else --at, else now
  process = { uid = 1000 }                # optional; also gid, exe, cgroup, destination
  issuer = \"corp\"                         # optional: whose token the workload is known by,
  claims = { team = \"data\" }              # and what it says; `sub` is whom it means

Exits with 1 if a case is not as expected.";

/// Arguments of `gateway policy test`.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Files of cases [default: the configuration's name, ending in `.test.toml`]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// When it is, for cases that do not say so [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Spanned<Case>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    workload: Spanned<String>,
    resource: String,
    connection: Option<Tree>,
    statement: Option<String>,
    facts: Option<Tree>,
    search_path: Option<Vec<String>>,
    expect: Upshot,
    rule: Option<String>,
    at: Option<Timestamp>,
    #[serde(default)]
    process: Process,
    issuer: Option<String>,
    claims: Option<Tree>,
}

/// What came of a case.
struct Judged<'a> {
    place: String,
    name: String,
    expected: Upshot,
    rule: Option<String>,
    answer: Answer<'a>,
    passed: bool,
}

pub(super) fn run(config: &Path, args: &TestArgs) -> anyhow::Result<ExitCode> {
    let (config, _warnings) = Config::load(config)?;
    let files = match args.files.as_slice() {
        [] => vec![beside(&config.path)?],
        files => files.to_vec(),
    };
    let now = args.at.unwrap_or_else(Timestamp::now);
    let mut judged = Vec::new();
    for file in &files {
        judged.extend(judge(&config, file, now)?);
    }
    if judged.is_empty() {
        // A pipeline must not take nothing for a success.
        let failure = Failure::new("there is no [[case]] to try");
        return Err(failure
            .help("`gateway policy test --help` shows one")
            .into());
    }
    if args.json {
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, &for_machines(&judged))?;
        writeln!(out)?;
    } else {
        print(&mut anstream::stdout().lock(), &config, &judged)?;
    }
    Ok(if judged.iter().all(|it| it.passed) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// `gateway.test.toml` for `gateway.toml`.
fn beside(config: &Path) -> anyhow::Result<PathBuf> {
    let file = config.with_extension("test.toml");
    if file.exists() {
        return Ok(file);
    }
    let message = format!("there is no file {}", file.display());
    let help = "write cases into it, or name the files; `gateway policy test --help` shows a case";
    Err(Failure::new(message).help(help).into())
}

fn judge<'a>(config: &'a Config, path: &Path, now: Timestamp) -> anyhow::Result<Vec<Judged<'a>>> {
    let shown = path.display();
    let source = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let file: File = toml::from_str(&source).map_err(|error| {
        let (line, _) = place(&source, error.span().map_or(0, |span| span.start));
        let message = error.message().lines().next().unwrap_or_default();
        Failure::new(format!("{shown}:{line}: {message}"))
            .help("`gateway policy test --help` shows a case")
    })?;
    let cases = file.case.into_iter().map(|case| {
        let case = case.into_inner();
        let (line, _) = place(&source, case.workload.span().start);
        let at = format!("{shown}:{line}");
        case.judge(config, at.clone(), now).with_context(|| at)
    });
    cases.collect()
}

impl Case {
    fn judge(self, config: &Config, place: String, now: Timestamp) -> anyhow::Result<Judged<'_>> {
        let mut facts = Vec::new();
        for table in [self.connection, self.facts].into_iter().flatten() {
            flatten("", table, &mut facts);
        }
        let mut claims = Vec::new();
        if let Some(table) = self.claims {
            flatten("", table, &mut claims);
        }
        let path = self
            .search_path
            .unwrap_or_else(|| vec!["public".to_owned()]);
        let question = Question {
            workload: self.workload.into_inner(),
            resource: self.resource,
            text: self.statement,
            facts,
            search_path: (!path.is_empty()).then_some(path),
            process: self.process,
            bearer: Bearer {
                issuer: self.issuer,
                claims,
            },
            at: self.at.unwrap_or(now),
        };
        if let Some(name) = &self.rule
            && config.rules.iter().all(|rule| rule.name.as_str() != name)
        {
            return Err(Failure::new(format!("there is no rule `{name}`")).into());
        }
        let answer = question.ask(config)?;
        let ruled = &answer.explanation.ruled;
        let by = ruled.rule.as_ref().map(|rule| rule.as_str());
        let right_rule = self.rule.is_none() || self.rule.as_deref() == by;
        Ok(Judged {
            place,
            passed: Upshot::of(ruled) == self.expect && right_rule,
            name: self.name.or(question.text).unwrap_or_default(),
            expected: self.expect,
            rule: self.rule,
            answer,
        })
    }
}

/// Facts under their dotted names.
fn flatten(prefix: &str, tree: Tree, facts: &mut Vec<(String, Tree)>) {
    match tree {
        Tree::Table(entries) => {
            for (key, value) in entries {
                let dot = if prefix.is_empty() { "" } else { "." };
                let name = format!("{prefix}{dot}{}", key.get_ref());
                flatten(&name, value.into_inner(), facts);
            }
        }
        value => facts.push((prefix.to_owned(), value)),
    }
}

fn for_machines(judged: &[Judged<'_>]) -> serde_json::Value {
    let case = |it: &Judged<'_>| {
        serde_json::json!({
            "place": it.place,
            "name": it.name,
            "passed": it.passed,
            "expected": it.expected,
            "expected_rule": it.rule,
            "found": Upshot::of(&it.answer.explanation.ruled),
            "explanation": explain::for_machines(&it.answer),
        })
    };
    let failed = judged.iter().filter(|it| !it.passed).count();
    serde_json::json!({
        "cases": judged.iter().map(case).collect::<Vec<_>>(),
        "failed": failed,
    })
}

/// The cases that are not as expected, with why, and how many are.
fn print(out: &mut impl Write, config: &Config, judged: &[Judged<'_>]) -> io::Result<()> {
    let failed: Vec<_> = judged.iter().filter(|it| !it.passed).collect();
    for case in &failed {
        let expected = match case.expected {
            Upshot::Allow => "pass",
            Upshot::Approve => "wait for an approval",
            Upshot::Deny => "be denied",
            Upshot::Observe => "pass by being observed only",
        };
        let by = case.rule.as_ref().map(|rule| format!(" by rule {rule}"));
        let (place, name) = (&case.place, line(&case.name));
        writeln!(out, "{BAD}FAILED{BAD:#} {STRONG}{place}{STRONG:#} {name}")?;
        writeln!(out, "expected to {expected}{}", by.unwrap_or_default())?;
        explain::print(out, config, &case.answer)?;
        writeln!(out)?;
    }
    let (all, bad) = (judged.len(), failed.len());
    match bad {
        0 => writeln!(out, "{GOOD}{all} as expected{GOOD:#}"),
        _ => writeln!(
            out,
            "{BAD}{bad} not as expected{BAD:#} {DIM}of {all}{DIM:#}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Stage;
    use super::*;

    const CASES: &str = r#"
[[case]]
name = "agents read orders"
workload = "planner"
resource = "orders-db"
connection = { user = "app" }
statement = "SELECT * FROM orders"
expect = "allow"
rule = "read-shop"

[[case]]
workload = "planner"
resource = "orders-db"
connection.sql.user = "app"
statement = "SELECT * FROM customers"
expect = "deny"
rule = "no-customers"

[[case]]
workload = "planner"
resource = "dns"
facts = { name = "evil.example", type = "txt" }
expect = "deny"

[[case]]
workload = "planner"
resource = "cache"
statement = "10.0.0.7:6379"
expect = "allow"
"#;

    /// What is printed, or what is wrong with the file.
    fn judged(cases: &str) -> Result<String, String> {
        let stage = Stage::new();
        let path = stage.path("cases.toml");
        std::fs::write(&path, cases).unwrap();
        let judged =
            judge(&stage.config, &path, Timestamp::now()).map_err(|error| format!("{error:#}"))?;
        let mut out = Vec::new();
        print(&mut out, &stage.config, &judged).unwrap();
        let text = String::from_utf8(out).unwrap();
        let folder = format!("{}/", path.parent().unwrap().display());
        let text = anstream::adapter::strip_str(&text).to_string();
        Ok(text.replace(&folder, ""))
    }

    #[test]
    fn cases_pass() {
        assert_eq!(judged(CASES).unwrap(), "4 as expected\n");
    }

    #[test]
    fn cases_that_fail_say_why() {
        let changed = CASES.replacen("\"read-shop\"", "\"passes\"", 1);
        let text = judged(&changed).unwrap();
        let expected = "FAILED cases.toml:4 agents read orders\n\
                        expected to pass by rule passes\n\
                        allowed by rule read-shop: planner on orders-db\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\n1 not as expected of 4\n"), "{text}");
        let changed = CASES.replace("\"deny\"", "\"observe\"");
        let text = judged(&changed).unwrap();
        assert!(text.contains("no-customers  line 32    denies"), "{text}");
        assert!(text.ends_with("\n2 not as expected of 4\n"), "{text}");
    }

    #[test]
    fn cases_say_who_and_when() {
        let more = "at = \"2026-03-29T02:30:00+01:00\"\nprocess = { uid = 0, exe = \"/bin/sh\" }\n";
        let changed = CASES.replacen("statement", &format!("{more}statement"), 1);
        assert_eq!(judged(&changed).unwrap(), "4 as expected\n");
        let wrong = changed.replace("2026-03-29", "2026-13-29");
        assert!(judged(&wrong).unwrap_err().contains("cases.toml:"));
        let wrong = changed.replace("uid", "user");
        let error = judged(&wrong).unwrap_err();
        assert!(error.contains("unknown field `user`"), "{error}");
    }

    #[test]
    fn what_cannot_be_tried_is_a_mistake() {
        for (from, to, expected) in [
            (
                "\"read-shop\"",
                "\"read-shpo\"",
                "there is no rule `read-shpo`",
            ),
            ("\"planner\"", "\"planer\"", "there is no workload `planer`"),
            ("statement", "statment", "unknown field `statment`"),
            (
                "{ user",
                "{ usr",
                "there is no fact `usr` here: did you mean `user`?",
            ),
            ("\"allow\"", "\"alow\"", "unknown variant `alow`"),
        ] {
            let error = judged(&CASES.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains("cases.toml:"), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    }
}
