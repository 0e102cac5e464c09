//! `gateway sessions show`.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use gateway_core::event::Open;
use jiff::Timestamp;

use super::digest::{self, Digest};
use super::{find, statement};
use crate::cli::printable::{DOUBTFUL, GOOD, STRONG, json, line};
use crate::cli::wording::{local, span};
use crate::recording::reader::Reader;

/// Arguments of `gateway sessions show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// The session's id, or so much of its beginning that it is the only one
    #[arg(value_name = "ID")]
    id: String,
    /// Write the recording's own JSON lines
    #[arg(long)]
    json: bool,
}

pub(super) fn run(directory: &Path, args: &ShowArgs) -> anyhow::Result<ExitCode> {
    let found = find::one(directory, &args.id)?;
    if args.json {
        print_json(&found.path)?;
        return Ok(ExitCode::SUCCESS);
    }
    let digest = digest::of(&found)?;
    let mut out = anstream::stdout().lock();
    head(&mut out, &digest)?;
    writeln!(out)?;
    let mut started = None;
    for read in Reader::open(&found.path)? {
        let read = read?;
        let started = *started.get_or_insert(read.time);
        statement::print(&mut out, started, &read)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Scripts get the recording's own bytes, whose hashes they can check.
fn print_json(path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut out = io::stdout().lock();
    if !out.is_terminal() {
        io::copy(&mut file, &mut out)?;
        return Ok(());
    }
    for line in BufReader::new(file).lines() {
        writeln!(out, "{}", json(&line?))?;
    }
    Ok(())
}

/// Who, from where to where, and what came of it.
pub(super) fn head(out: &mut impl Write, digest: &Digest) -> io::Result<()> {
    let live = if digest.live {
        format!("  {GOOD}running{GOOD:#}")
    } else if digest.end.is_none() {
        format!("  {DOUBTFUL}cut short{DOUBTFUL:#}")
    } else {
        String::new()
    };
    writeln!(
        out,
        "{STRONG}session {}{STRONG:#}{live}",
        line(&digest.session)
    )?;
    if let Some(open) = &digest.open {
        who(out, open)?;
        field(out, "from", &open.client.0.to_string())?;
        field(out, "to", &open.destination.0.to_string())?;
        field(out, "where", &digest.whereabouts())?;
        field(out, "protocol", &open.protocol)?;
    }
    if let Some(started) = digest.started {
        let lasted = span(digest.duration_ms(Timestamp::now()));
        field(
            out,
            "started",
            &format!("{}, lasted {lasted}", local(started)),
        )?;
    }
    let (allowed, denied) = (digest.allowed, digest.denied);
    let mut asks = format!("{allowed} allowed, {denied} denied");
    if digest.observed > 0 {
        asks = format!("{asks}, {} only because of observing", digest.observed);
    }
    field(out, "asks", &asks)?;
    let (rows, affected) = (digest.rows, digest.affected);
    field(out, "rows", &format!("{rows} returned, {affected} changed"))
}

fn who(out: &mut impl Write, open: &Open) -> io::Result<()> {
    let subject = &open.subject;
    let groups: Vec<_> = subject.groups.iter().map(ToString::to_string).collect();
    let mut workload = subject.workload.to_string();
    if !groups.is_empty() {
        workload = format!("{workload} (of {})", groups.join(", "));
    }
    field(out, "workload", &workload)?;
    if let Some(identity) = &subject.identity {
        field(out, "known as", &identity.to_string())?;
    }
    let process = &subject.process;
    field(
        out,
        "process",
        &format!(
            "{} (pid {}, uid {}, gid {})",
            process.comm, process.pid, process.uid, process.gid
        ),
    )?;
    if let Some(exe) = &process.exe {
        field(out, "executable", exe)?;
    }
    if let Some(command_line) = &process.command_line {
        field(out, "command", &command_line.join(" "))?;
    }
    field(out, "cgroup", &subject.cgroup)
}

fn field(out: &mut impl Write, name: &str, value: &str) -> io::Result<()> {
    writeln!(out, "  {name:<11} {}", line(value))
}
