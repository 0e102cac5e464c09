//! Entries about what was asked for in a session, and about what clients show before they may ask.

use anstyle::Style;
use gateway_core::event::{Answered, Ruling, SessionEnd};
use gateway_core::ids::RuleName;
use gateway_core::limit::Limited;

use super::entry::{Row, about, because, whom, whose};
use crate::cli::printable::{BAD, DOUBTFUL, GOOD, STRONG, line};
use crate::cli::wording::{ending, span};
use crate::observe::enforcement::detected::{Detection, Unanswered};
use crate::observe::enforcement::{Connection, Denial, Leased, What};

/// Names of tables shown of one denial.
const TABLES_MAX: usize = 4;

pub(super) fn denied(verdict: &'static str, style: Style, denial: &Denial) -> Row {
    let verbs = denial.verbs.join(", ");
    let mut tables: Vec<&str> = denial.tables.iter().map(String::as_str).collect();
    let more = tables.len().saturating_sub(TABLES_MAX);
    tables.truncate(TABLES_MAX);
    let mut what = line(&verbs).to_string();
    if !tables.is_empty() {
        what = format!("{what} {}", line(&tables.join(", ")));
    }
    if more > 0 {
        what = format!("{what} and {more} more");
    }
    let mut row = about(&denial.connection, verdict, style, what);
    row.why = because(denial.rule.as_ref(), &denial.reason);
    row
}

/// What became of what was held.
pub(super) fn answer(connection: &Connection, answered: &Answered) -> Row {
    let (verdict, style) = match answered.ruling {
        Ruling::Allow => ("approved", GOOD),
        Ruling::Hold => ("held again", DOUBTFUL),
        Ruling::Deny => ("DENIED", BAD),
    };
    let mut what = format!("#{}", answered.ask.0);
    if !answered.by.is_empty() {
        what = format!("{what} by {}", line(&answered.by.join(", ")));
    }
    let mut row = about(connection, verdict, style, what);
    if let Some(reason) = &answered.reason {
        row.why = because(answered.rule.as_ref(), reason);
    } else if let Some(grant) = &answered.grant {
        row.why = format!("under grant {}", line(grant.as_str()));
    }
    row
}

/// A statement that reached a limit.
pub(super) fn limited(connection: &Connection, limited: &Limited) -> Row {
    let (verdict, style) = match limited.observed {
        false => ("ENDED", BAD),
        true => ("would end", DOUBTFUL),
    };
    let mut row = about(connection, verdict, style, format!("#{}", limited.ask.0));
    row.why = because(Some(&limited.rule), &limited.reason);
    row
}

/// What detectors have found in what came back.
pub(super) fn detected(detection: &Detection) -> Row {
    let what = format!("#{}", detection.ask.0);
    let mut row = about(&detection.connection, "masked", GOOD, what);
    let each = detection
        .detected
        .iter()
        .map(|(name, times)| format!("{times} {}", line(name)));
    row.why = each.collect::<Vec<_>>().join(", ");
    row
}

/// A detector that did not answer.
pub(super) fn unanswered(failed: &Unanswered) -> Row {
    let what = format!("{} times", failed.times);
    let mut row = about(&Connection::default(), "NO DETECTOR", BAD, what);
    row.why = format!("{}: {}", line(&failed.detector), line(&failed.reason));
    row
}

/// A session that ended.
pub(super) fn ended(
    connection: &Connection,
    how: &SessionEnd,
    duration_ms: u64,
    (allowed, denied): (u64, u64),
) -> Row {
    let within = span(duration_ms);
    let what = format!("{allowed} allowed, {denied} denied in {within}");
    let mut row = about(connection, "ended", Style::new(), what);
    row.why = ending(how);
    row
}

/// A connection that was refused as a whole.
pub(super) fn refused(connection: &Connection, rule: Option<&RuleName>, reason: &str) -> Row {
    let mut row = about(connection, "REFUSED", BAD, whose(connection));
    row.why = because(rule, reason);
    row
}

/// A placeholder that begins or ends to prove something.
pub(super) fn leased(what: &What, lease: &Leased) -> Row {
    let verdict = match what {
        What::PlaceholderIssued(_) => "issued",
        _ => "lease over",
    };
    let whose = Connection {
        workload: Some(lease.workload.clone()),
        resource: Some(lease.resource.clone()),
        ..Connection::default()
    };
    let placeholder = line(lease.placeholder.as_str());
    let mut row = about(
        &whose,
        verdict,
        STRONG,
        format!("placeholder {placeholder}"),
    );
    row.why = match lease.by {
        Some(_) => whom(lease.by).trim_start().to_owned(),
        None => "its time was over".to_owned(),
    };
    row
}
