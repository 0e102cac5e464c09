//! States, spans and scopes in the words that list, request and screen share.

use anstyle::Style;
use gateway_core::approvals::request::State;
use gateway_core::approvals::scope::{Closeness, Scope};
use gateway_core::duration;
use gateway_core::preview::Preview;
use jiff::Timestamp;

use crate::cli::printable::{BAD, DIM, DOUBTFUL, GOOD, line};
use crate::cli::wording::counted;

/// What became of a request, in words.
pub(in crate::cli) fn state(state: &State) -> (Style, String) {
    match state {
        State::Open => (DOUBTFUL, "waits".to_owned()),
        State::Approved { by, grant } => {
            let by = line(&by.join(", ")).to_string();
            let grant = grant
                .as_ref()
                .map(|id| format!(", grant {}", line(id.as_str())));
            (
                GOOD,
                format!("approved by {by}{}", grant.unwrap_or_default()),
            )
        }
        State::ApprovedLate { by, grant } => {
            let by = line(&by.join(", ")).to_string();
            let text =
                format!("approved late by {by}: it passes when it is asked for again, grant ");
            (GOOD, format!("{text}{}", line(grant.as_str())))
        }
        State::Refused { by, comment } => {
            let why = comment.as_ref().map(|why| format!(": {}", line(why)));
            (
                BAD,
                format!("denied by {}{}", line(by), why.unwrap_or_default()),
            )
        }
        State::TimedOut => (BAD, "nobody decided in time".to_owned()),
        State::Withdrawn { why } => {
            let why = serde_json::to_value(why).unwrap_or_default();
            let why = why.as_str().unwrap_or_default().replace('_', " ");
            (DIM, format!("withdrawn: {}", line(&why)))
        }
    }
}

/// How long until then.
pub(in crate::cli) fn left(deadline: Timestamp, now: Timestamp) -> String {
    let seconds = deadline.duration_since(now).as_secs().max(0);
    let seconds = u64::try_from(seconds).unwrap_or_default();
    duration::written(std::time::Duration::from_secs(seconds))
}

/// How much is let pass, in words.
pub(in crate::cli) fn reach(scope: &Scope) -> String {
    let (what, terms) = match scope {
        Scope::Once => return "once".to_owned(),
        Scope::Session(terms) => ("for what this session does like it", terms),
        Scope::Workload(terms) => ("for what the workload does like it", terms),
    };
    let like = match terms.closeness {
        Closeness::Facts => "the same sort of thing to the same objects",
        Closeness::Text => "the same statement, other parameters",
        Closeness::Parameters => "the same statement and parameters",
    };
    let lasting = terms
        .lasting
        .map(|span| format!(", {}", duration::written(span)));
    let uses = terms
        .max_uses
        .map(|uses| format!(", {}", counted(uses, "use")));
    let rows = terms
        .max_rows
        .map(|rows| format!(", {}", counted(rows, "row")));
    let bounds: String = [lasting, uses, rows].into_iter().flatten().collect();
    format!("{what} ({like}){bounds}")
}

/// How much it would touch. Parts of the note may be the server's words.
pub(super) fn touched(preview: &Preview) -> String {
    let Preview {
        estimate_rows,
        counted_rows,
        note,
    } = preview;
    let counted_now =
        counted_rows.map(|rows| format!("{}, counted when it was asked for", counted(rows, "row")));
    let expected =
        estimate_rows.map(|rows| format!("about {} expected by the planner", counted(rows, "row")));
    let note = note.as_ref().map(|note| line(note).to_string());
    let parts = [counted_now, expected, note].into_iter().flatten();
    parts.collect::<Vec<_>>().join("; ")
}
