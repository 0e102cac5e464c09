//! How asks and outcomes read for people, in `show` and `replay` alike.

use std::io::{self, Write};

use gateway_core::event::{
    Answered, Ask, Event, Identified, Leg, Outcome, Ruling, ServerError, Value,
};
use jiff::Timestamp;

use crate::cli::printable::{BAD, DIM, DOUBTFUL, GOOD, block, line};
use crate::cli::wording::ending;
use crate::recording::reader::Line;

/// Where a statement's text begins; its further lines too.
const INDENT: usize = 12;

/// Prints one line of a recording, timed from `started`. The opening is `show`'s to print.
pub(super) fn print(out: &mut impl Write, started: Timestamp, read: &Line) -> io::Result<()> {
    let at = offset(started, read.time);
    match &read.event {
        Event::Open(_) => Ok(()),
        Event::Tls(tls) => {
            let leg = match tls.leg {
                Leg::Client => "from the client",
                Leg::Server => "to the server",
            };
            let version = line(&tls.version);
            let cipher = line(&tls.cipher);
            writeln!(out, "{DIM}{at}  TLS {leg}: {version}, {cipher}{DIM:#}")
        }
        Event::Login(login) => writeln!(
            out,
            "{DIM}{at}  the gateway logged in as {} by {} (credential {}; the client said {}){DIM:#}",
            line(&login.user),
            line(&login.method),
            line(&login.credential),
            line(&login.asked)
        ),
        Event::Ask(ask) => print_ask(out, &at, ask),
        Event::Answered(answered) => print_answered(out, &at, answered),
        Event::Outcome(outcome) => print_outcome(out, &at, outcome),
        Event::Limited(limited) => {
            let (ask, reason) = (limited.ask.0, line(&limited.reason));
            match limited.observed {
                false => writeln!(out, "{at}  #{ask} {BAD}ended{BAD:#} {reason}"),
                true => writeln!(out, "{at}  #{ask} would be ended: {reason}"),
            }
        }
        Event::Found(found) => {
            for (name, value) in &found.facts {
                let (name, value) = (line(name), told(value));
                writeln!(out, "{DIM}{at}  the server told its {name}: {value}{DIM:#}")?;
            }
            Ok(())
        }
        Event::Identity(Identified { identity: None }) => {
            writeln!(out, "{DIM}{at}  no token says any more who it is{DIM:#}")
        }
        Event::Identity(Identified {
            identity: Some(identity),
        }) => writeln!(
            out,
            "{DIM}{at}  known from here on as {}{DIM:#}",
            line(&identity.to_string())
        ),
        Event::Server(error) => {
            write!(out, "{at}  the server says: ")?;
            print_error(out, error)
        }
        Event::End(end) => writeln!(
            out,
            "{at}  ended: {}; {} allowed, {} denied, {} bytes in, {} bytes out",
            ending(&end.how),
            end.allowed,
            end.denied,
            end.bytes_in,
            end.bytes_out
        ),
    }
}

/// A fact as people read it.
fn told(value: &Value) -> String {
    match value {
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => line(text).to_string(),
        Value::Texts(texts) => line(&texts.join(", ")).to_string(),
        Value::Unknown(()) => "not known".to_owned(),
    }
}

fn print_ask(out: &mut impl Write, at: &str, ask: &Ask) -> io::Result<()> {
    let (style, word) = match (ask.ruling, &ask.observed) {
        (Ruling::Deny, _) => (BAD, "DENIED"),
        (Ruling::Hold, _) => (DOUBTFUL, "held"),
        (Ruling::Allow, Some(_)) => (DOUBTFUL, "would deny"),
        (Ruling::Allow, None) if ask.uninspected => (DOUBTFUL, "passed uninspected"),
        (Ruling::Allow, None) => (GOOD, "allowed"),
    };
    let request = line(&ask.request);
    write!(out, "{at}  #{} {style}{word}{style:#} {request}", ask.ask.0)?;
    if let Some(of) = ask.of {
        write!(out, " of #{}", of.0)?;
    }
    let rule = ask.observed.as_ref().map_or(&ask.rule, |no| &no.rule);
    if let Some(rule) = rule {
        write!(out, " {DIM}by rule {}{DIM:#}", line(rule.as_str()))?;
    }
    let reason = ask.observed.as_ref().map(|no| &no.reason);
    if let Some(reason) = reason.or(ask.reason.as_ref()) {
        write!(out, ": {}", line(reason))?;
    }
    writeln!(out)?;
    if let Some(text) = &ask.text {
        writeln!(out, "{:INDENT$}{}", "", block(text, INDENT))?;
        let recorded = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if ask.text_bytes > recorded {
            let bytes = ask.text_bytes;
            writeln!(out, "{:INDENT$}{DIM}(of {bytes} bytes in all){DIM:#}", "")?;
        }
    }
    Ok(())
}

fn print_answered(out: &mut impl Write, at: &str, answered: &Answered) -> io::Result<()> {
    let (style, word) = match answered.ruling {
        Ruling::Allow => (GOOD, "approved"),
        Ruling::Hold => (DOUBTFUL, "held again"),
        Ruling::Deny => (BAD, "DENIED"),
    };
    write!(out, "{at}  #{} {style}{word}{style:#}", answered.ask.0)?;
    if !answered.by.is_empty() {
        write!(out, " by {}", line(&answered.by.join(", ")))?;
    }
    if let Some(grant) = &answered.grant {
        write!(out, " {DIM}under grant {}{DIM:#}", line(grant.as_str()))?;
    }
    if let Some(rule) = &answered.rule {
        write!(out, " {DIM}by rule {}{DIM:#}", line(rule.as_str()))?;
    }
    if let Some(reason) = &answered.reason {
        write!(out, ": {}", line(reason))?;
    }
    if let Some(request) = &answered.request {
        write!(out, " {DIM}(request {}){DIM:#}", line(request.as_str()))?;
    }
    writeln!(out)
}

fn print_outcome(out: &mut impl Write, at: &str, outcome: &Outcome) -> io::Result<()> {
    write!(out, "{at}  #{} {DIM}->{DIM:#}", outcome.ask.0)?;
    let mut parts: Vec<String> = Vec::new();
    if !outcome.tags.is_empty() {
        parts.push(line(&outcome.tags.join(", ")).to_string());
    }
    let counts = [
        (outcome.rows, "rows"),
        (outcome.affected, "rows changed"),
        (outcome.bytes_out, "bytes out"),
        (outcome.bytes_in, "bytes in"),
    ];
    parts.extend(
        counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}")),
    );
    parts.extend(
        outcome
            .detected
            .iter()
            .map(|(name, times)| format!("{times} {} masked", line(name))),
    );
    if parts.is_empty() && outcome.error.is_none() {
        parts.push("done".to_owned());
    }
    write!(out, " {}", parts.join(", "))?;
    match &outcome.error {
        None => writeln!(out),
        Some(error) => print_error(out, error),
    }
}

fn print_error(out: &mut impl Write, error: &ServerError) -> io::Result<()> {
    writeln!(
        out,
        "{BAD}{}{BAD:#} {} {}",
        line(&error.severity),
        line(&error.code),
        line(&error.message)
    )
}

/// `+1.234s`, right-aligned so that the first minutes of a session stay in one column.
fn offset(started: Timestamp, at: Timestamp) -> String {
    let seconds = at.duration_since(started).as_secs_f64();
    format!("{DIM}{:>9}{DIM:#}", format!("+{seconds:.3}s"))
}
