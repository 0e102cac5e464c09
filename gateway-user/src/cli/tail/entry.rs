//! How an entry of the enforcement log reads for people: one line, in columns that grow with what
//! they hold.

use std::io::{self, Write};

use anstyle::Style;
use gateway_core::ids::{RuleName, WorkloadName};
use jiff::tz::TimeZone;

use super::ask;
use super::attached::{cgroup, identified};
use crate::cli::printable::{BAD, DIM, DOUBTFUL, GOOD, STRONG, line};
use crate::cli::wording::{counted, kind_word};
use crate::observe::enforcement::detected::Detection;
use crate::observe::enforcement::unseen::{Datagrams, KernelEvent};
use crate::observe::enforcement::untold::Untold;
use crate::observe::enforcement::{Attachment, Connection, Entry, Operator, Switch, What};

/// Columns do not grow beyond this many characters.
const COLUMN_MAX: usize = 24;

/// The widths of the columns so far.
#[derive(Debug)]
pub(super) struct Layout {
    workload: usize,
    resource: usize,
    /// The day of the last entry; a new one gets a line of its own.
    day: Option<jiff::civil::Date>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            workload: 8,
            resource: 8,
            day: None,
        }
    }
}

/// What an entry says, cut into columns.
pub(super) struct Row {
    pub(super) verdict: &'static str,
    pub(super) style: Style,
    pub(super) workload: String,
    pub(super) resource: String,
    pub(super) what: String,
    pub(super) why: String,
}

impl Layout {
    /// Prints one line of the log; one that does not read is printed as it stands, made harmless.
    pub(super) fn print(&mut self, out: &mut impl Write, text: &str) -> io::Result<()> {
        let Ok(entry) = serde_json::from_str::<Entry>(text) else {
            return writeln!(out, "{DIM}{}{DIM:#}", line(text));
        };
        let row = row(&entry.what);
        self.workload = width(&row.workload, self.workload);
        self.resource = width(&row.resource, self.resource);
        let time = entry.time.to_zoned(TimeZone::system());
        if self.day != Some(time.date()) {
            self.day = Some(time.date());
            writeln!(out, "{DIM}{}{DIM:#}", time.strftime("%A, %Y-%m-%d %Z"))?;
        }
        let Row { verdict, style, .. } = row;
        write!(
            out,
            "{DIM}{}{DIM:#}  {style}{verdict:<11}{style:#}  {:<w$}  {:<r$}  {}",
            time.strftime("%H:%M:%S"),
            row.workload,
            row.resource,
            row.what,
            w = self.workload,
            r = self.resource,
        )?;
        if !row.why.is_empty() {
            write!(out, "  {DIM}{}{DIM:#}", row.why)?;
        }
        writeln!(out)
    }
}

/// The workload that an entry is about.
pub(super) fn workload(what: &What) -> Option<&str> {
    let workload = match what {
        What::Attached(attachment)
        | What::Detached(attachment)
        | What::ClosedEarlier { attachment, .. }
        | What::AttachFailed { attachment, .. } => &attachment.workload,
        What::ConnectionOpened(connection)
        | What::PassedUninspected { connection, .. }
        | What::ConnectionRefused { connection, .. }
        | What::LimitReached { connection, .. }
        | What::SessionEnded { connection, .. } => &connection.workload,
        What::IdentityKnown(identified) | What::IdentityUnknown(identified) => {
            return Some(identified.workload.as_str());
        }
        What::KernelRefused(event) | What::KernelPassed(event) => &event.workload,
        What::WorkloadFrozen(switch)
        | What::WorkloadThawed(switch)
        | What::SessionKilled(switch) => return Some(switch.workload.as_str()),
        What::PlaceholderIssued(lease) | What::PlaceholderEnded(lease) => {
            return Some(lease.workload.as_str());
        }
        What::KernelMore { workload, .. } | What::RefusedMore { workload, .. } => workload,
        What::DatagramsPass(datagrams) | What::DatagramsEnd(datagrams) => {
            return Some(datagrams.workload.as_str());
        }
        What::AskDenied(denial) | What::AskObserved(denial) | What::AskHeld(denial) => {
            &denial.connection.workload
        }
        What::Detected(Detection { connection, .. }) | What::AskAnswered { connection, .. } => {
            &connection.workload
        }
        What::Damaged { workload, .. } => workload,
        What::DaemonStarted { .. }
        | What::DaemonStopped { .. }
        | What::Uninstalled { .. }
        | What::PolicyLoaded { .. }
        | What::PolicyRejected { .. }
        | What::DetectorFailed(_)
        | What::NoticeLost(_) => &None,
    };
    workload.as_ref().map(|name| name.as_str())
}

/// Whether somebody was told no, or would have been.
pub(super) fn is_no(what: &What) -> bool {
    matches!(
        what,
        What::ConnectionRefused { .. }
            | What::AskDenied(_)
            | What::AskObserved(_)
            | What::LimitReached { .. }
            | What::IdentityUnknown(_)
            | What::KernelRefused(_)
    )
}

fn width(text: &str, before: usize) -> usize {
    text.chars().count().min(COLUMN_MAX).max(before)
}

fn row(what: &What) -> Row {
    match what {
        What::DaemonStarted { version, pid } => {
            daemon("started", STRONG, format!("gateway {version}, pid {pid}"))
        }
        What::DaemonStopped { reason } => daemon("stopped", STRONG, line(reason).to_string()),
        What::Uninstalled { by } => uninstalled(*by),
        What::WorkloadFrozen(switch) => switched("FROZEN", BAD, switch),
        What::WorkloadThawed(switch) => switched("thawed", STRONG, switch),
        What::SessionKilled(switch) => switched("KILLED", BAD, switch),
        What::PlaceholderIssued(lease) | What::PlaceholderEnded(lease) => ask::leased(what, lease),
        What::PolicyLoaded {
            policy,
            file,
            rules,
            by,
        } => {
            let digest: String = policy.as_str().chars().take(12).collect();
            let mut row = daemon("policy", STRONG, counted(*rules, "rule"));
            row.why = format!("{}, {}{}", file.display(), line(&digest), whom(*by));
            row
        }
        What::PolicyRejected { file, error, by } => {
            let mut row = daemon("BAD POLICY", BAD, line(error).to_string());
            row.why = format!("{}; the one before stays{}", file.display(), whom(*by));
            row
        }
        What::NoticeLost(untold) => not_told(untold),
        What::Attached(attachment) => cgroup("attached", attachment),
        What::Detached(attachment) => cgroup("detached", attachment),
        What::IdentityKnown(known) => identified("known", STRONG, known),
        What::IdentityUnknown(unknown) => identified("UNKNOWN", BAD, unknown),
        What::Damaged {
            workload,
            cgroup,
            what,
            remains,
        } => damaged(
            workload.as_ref(),
            cgroup.as_deref(),
            what,
            remains.as_deref(),
        ),
        What::ClosedEarlier {
            attachment,
            closed,
            cut_off,
            left,
            problem,
        } => {
            let mut row = cgroup("closed", attachment);
            row.why = format!("open before: {closed} closed, {cut_off} cut off, {left} left");
            if let Some(problem) = problem {
                row.style = BAD;
                row.why = format!("{}; {}", row.why, line(problem));
            }
            row
        }
        What::AttachFailed { attachment, reason } => not_attached(attachment, reason),
        What::ConnectionOpened(connection) => about(connection, "opened", GOOD, whose(connection)),
        What::PassedUninspected { connection, rule } => passed(connection, rule.as_ref()),
        What::DatagramsPass(passing) => datagrams_pass(passing),
        What::KernelRefused(event) => kernel("REFUSED", BAD, event),
        What::KernelPassed(event) => kernel("uninspected", DOUBTFUL, event),
        What::KernelMore { workload, times } => more(workload.as_ref(), *times, "of such events"),
        What::RefusedMore { workload, times } => {
            more(workload.as_ref(), *times, "refused connections")
        }
        What::DatagramsEnd(ended) => datagrams("no more", Style::new(), ended),
        What::ConnectionRefused {
            connection,
            rule,
            reason,
            frozen: _,
        } => ask::refused(connection, rule.as_ref(), reason),
        What::AskDenied(denial) => ask::denied("DENIED", BAD, denial),
        What::AskObserved(denial) => ask::denied("would deny", DOUBTFUL, denial),
        What::AskHeld(denial) => ask::denied("held", DOUBTFUL, denial),
        What::LimitReached {
            connection,
            limited,
        } => ask::limited(connection, limited),
        What::AskAnswered {
            connection,
            answered,
        } => ask::answer(connection, answered),
        What::DetectorFailed(failed) => ask::unanswered(failed),
        What::Detected(detection) => ask::detected(detection),
        What::SessionEnded {
            connection,
            how,
            duration_ms,
            allowed,
            denied,
            ..
        } => ask::ended(connection, how, *duration_ms, (*allowed, *denied)),
    }
}

fn daemon(verdict: &'static str, style: Style, what: String) -> Row {
    Row {
        verdict,
        style,
        workload: "-".to_owned(),
        resource: "-".to_owned(),
        what,
        why: String::new(),
    }
}

fn not_attached(attachment: &Attachment, reason: &str) -> Row {
    let mut row = cgroup("NO ATTACH", attachment);
    row.style = BAD;
    row.why = format!("{}: {}", row.why, line(reason));
    row
}

fn not_told(untold: &Untold) -> Row {
    let (request, about) = (line(&untold.request), line(&untold.about));
    let mut row = daemon("UNTOLD", BAD, format!("request {request} {about}"));
    row.why = format!("to {}: {}", line(&untold.target), line(&untold.reason));
    row
}

fn uninstalled(by: Operator) -> Row {
    let what = "nothing is attached any more".to_owned();
    let mut row = daemon("UNINSTALLED", BAD, what);
    row.why = whom(Some(by)).trim_start().to_owned();
    row
}

/// What an operator did to an agent.
fn switched(verdict: &'static str, style: Style, switch: &Switch) -> Row {
    let what = match &switch.session {
        Some(session) => format!("session {}", line(session.as_str())),
        None => "the whole workload".to_owned(),
    };
    let mut row = daemon(verdict, style, what);
    row.workload = shown(Some(&switch.workload));
    let by = whom(Some(switch.by)).trim_start().to_owned();
    let why = switch.reason.as_ref().map(|why| line(why).to_string());
    row.why = why.into_iter().chain([by]).collect::<Vec<_>>().join(", ");
    row
}

fn damaged(
    workload: Option<&WorkloadName>,
    cgroup: Option<&str>,
    what: &str,
    remains: Option<&str>,
) -> Row {
    let mut row = daemon("DAMAGED", BAD, line(what).to_string());
    row.workload = shown(workload);
    let of = cgroup.map(|path| line(path).to_string());
    let after = remains.map_or_else(
        || "put right".to_owned(),
        |remains| format!("NOT put right: {}", line(remains)),
    );
    row.why = of.into_iter().chain([after]).collect::<Vec<_>>().join(", ");
    row
}

pub(super) fn whom(by: Option<Operator>) -> String {
    by.map(|by| format!(" by uid {}, pid {}", by.uid, by.pid))
        .unwrap_or_default()
}

pub(super) fn about(
    connection: &Connection,
    verdict: &'static str,
    style: Style,
    what: String,
) -> Row {
    Row {
        verdict,
        style,
        workload: shown(connection.workload.as_ref()),
        resource: shown(connection.resource.as_ref()),
        what,
        why: String::new(),
    }
}

fn passed(connection: &Connection, rule: Option<&RuleName>) -> Row {
    let mut row = about(connection, "uninspected", DOUBTFUL, whose(connection));
    row.why = match rule {
        Some(rule) => format!("passed uninspected by rule {}", line(rule.as_str())),
        None => "passed uninspected, the resource is only observed".to_owned(),
    };
    row
}

fn datagrams_pass(passing: &Datagrams) -> Row {
    let mut row = datagrams("uninspected", DOUBTFUL, passing);
    row.why = match (&passing.rule, &passing.observed) {
        (Some(rule), _) => format!("pass uninspected by rule {}", line(rule.as_str())),
        (None, Some(no)) => format!("pass by observing only: {}", line(&no.reason)),
        (None, None) => String::new(),
    };
    row
}

fn kernel(verdict: &'static str, style: Style, event: &KernelEvent) -> Row {
    let KernelEvent {
        kind,
        destination,
        pid,
        comm,
        times,
        ..
    } = event;
    let to = destination
        .map(|to| format!(" to {to}"))
        .unwrap_or_default();
    let by = match (comm, pid) {
        (Some(comm), Some(pid)) => format!(" by {} (pid {pid})", line(comm)),
        _ => String::new(),
    };
    let often = if *times > 1 {
        format!(", {times} times")
    } else {
        String::new()
    };
    let word = kind_word(kind);
    Row {
        verdict,
        style,
        workload: shown(event.workload.as_ref()),
        resource: shown(event.resource.as_ref()),
        what: format!("{word}{to}{by}{often}"),
        why: match &event.rule {
            Some(rule) => format!("in the kernel, rule {}", line(rule.as_str())),
            None => "in the kernel".to_owned(),
        },
    }
}

fn more(workload: Option<&WorkloadName>, times: u64, what: &str) -> Row {
    let mut row = daemon("and more", Style::new(), format!("{times} {what}"));
    row.workload = shown(workload);
    row
}

fn datagrams(verdict: &'static str, style: Style, datagrams: &Datagrams) -> Row {
    Row {
        verdict,
        style,
        workload: shown(Some(&datagrams.workload)),
        resource: shown(Some(&datagrams.resource)),
        what: format!("datagrams to {}", line(&datagrams.addresses.join(", "))),
        why: String::new(),
    }
}

pub(super) fn shown(name: Option<&impl ToString>) -> String {
    match name {
        Some(name) => line(&name.to_string()).to_string(),
        None => "-".to_owned(),
    }
}

pub(super) fn whose(connection: &Connection) -> String {
    let destination = shown(connection.destination.as_ref());
    let comm = shown(connection.comm.as_ref());
    match connection.pid {
        Some(pid) => format!("{destination} by {comm} (pid {pid})"),
        None => destination,
    }
}

pub(super) fn because(rule: Option<&RuleName>, reason: &str) -> String {
    match rule {
        Some(rule) => format!("rule {}: {}", line(rule.as_str()), line(reason)),
        None => line(reason).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut out = Vec::new();
        let mut layout = Layout::default();
        layout.print(&mut out, text).unwrap();
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        let shown = String::from_utf8(plain).unwrap();
        let shown = shown.lines().last().unwrap_or_default();
        // The hour depends on where the test runs.
        assert_eq!(shown.get(8..).unwrap_or(shown), expected);
    }

    #[test]
    fn a_denial_is_one_line() {
        check(
            r#"{"time":"2026-11-21T02:45:17Z","event":"ask_denied","workload":"planner",
                "resource":"orders-db","ask":3,"rule":"no-delete","reason":"read only",
                "verbs":["delete"],"tables":["public.orders"]}"#,
            "  DENIED       planner   orders-db  delete public.orders  rule no-delete: read only",
        );
    }

    #[test]
    fn a_notice_that_was_lost_is_one_line() {
        check(
            r#"{"time":"2026-11-21T02:45:17Z","event":"notice_lost","target":"ops",
                "request":"01a1","about":"timed_out","attempts":3,"reason":"it answered 404"}"#,
            "  UNTOLD       -         -         request 01a1 timed_out  to ops: it answered 404",
        );
    }

    #[test]
    fn what_agents_say_drives_nothing() {
        check(
            r#"{"time":"2026-11-21T02:45:17Z","event":"connection_opened",
                "comm":"x\u001b[2J\ny","pid":1,"destination":"[::1]:5432"}"#,
            "  opened       -         -         [::1]:5432 by x\\u{1b}[2J\\ny (pid 1)",
        );
    }

    #[test]
    fn what_does_not_read_is_shown_harmless() {
        check("not JSON \u{1b}[2J", " \\u{1b}[2J");
    }
}
