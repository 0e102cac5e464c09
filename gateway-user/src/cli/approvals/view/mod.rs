//! A request as people look at it before they decide: all of it, in rows that no agent can fake.
//!
//! What an agent wrote is made harmless, stands behind a bar on every row that it takes, also where
//! it is wrapped, and ends before the closing row, which repeats the digest. Pure: the command and the
//! screen print the same rows. `row` keeps the rows apart, `words` has
//! what is said in several places.

mod row;
#[cfg(test)]
pub(in crate::cli) mod tests;
mod words;

use gateway_core::approvals::quorum::Progress;
use gateway_core::approvals::request::State;
use gateway_core::event::Value;
use gateway_core::held::{Demand, Parameter, ParameterValue};
use gateway_core::ids::MaskName;
use gateway_core::subject::Process;
use jiff::Timestamp;

use self::row::PLAIN;
pub(in crate::cli) use self::row::{Row, wrap};
use self::words::touched;
pub(in crate::cli) use self::words::{left, reach, state};
use crate::cli::printable::{BAD, DIM, DOUBTFUL, GOOD, STRONG, block, line};
use crate::cli::wording::{counted, local};
use crate::control::approvals::api::{Approval, Vote, Word};

/// So many characters that are not ASCII are named.
const NAMED: usize = 12;

/// All that there is to know of a request.
pub(in crate::cli) fn rows(approval: &Approval, now: Timestamp) -> Vec<Row> {
    let action = &approval.action;
    let digest = line(action.action.as_str()).to_string();
    let mut rows = vec![
        heading(approval),
        Row::styled("digest", STRONG, &*digest),
        Row::field("waits", waits(approval, now)),
    ];
    rows.push(if approval.yours {
        Row::styled("you", STRONG, "are asked")
    } else {
        Row::field("you", "are not asked now")
    });
    rows.push(Row::default());
    rows.extend(asker(approval));
    rows.push(Row::default());
    let (resource, protocol) = (action.resource.as_str(), &action.protocol);
    let on = format!("{}, by {}", line(resource), line(protocol));
    rows.push(Row::styled("on", STRONG, on));
    for (demand, progress) in action.demands.iter().zip(&approval.progress) {
        rows.extend(demanded(demand, progress));
    }
    let policy = action.policy.as_str();
    let policy = policy.get(..12).unwrap_or(policy);
    rows.push(Row::field("policy", line(policy).to_string()));
    rows.push(Row::field("before", earlier(approval)));
    if let Some(preview) = &approval.preview {
        rows.push(Row::field("preview", touched(preview)));
    }
    rows.push(Row::default());
    for (place, unit) in action.units.iter().enumerate() {
        let label = match action.units.len() {
            1 => "does".to_owned(),
            _ => format!("does {}", place + 1),
        };
        rows.push(Row::field(&label, facts(unit)));
    }
    if !action.connection.is_empty() {
        rows.push(Row::field("connection", facts(&action.connection)));
    }
    rows.push(Row::default());
    rows.extend(statement(approval));
    for (place, parameter) in action.parameters.iter().enumerate() {
        rows.extend(put_in(place + 1, parameter));
    }
    for vote in &approval.votes {
        rows.push(said(vote));
    }
    rows.push(Row::default());
    let id = line(approval.id.as_str());
    rows.push(Row::of(DIM, format!("── end of request {id}")));
    rows.push(Row::of(DIM, format!("── digest {digest}")));
    rows
}

fn heading(approval: &Approval) -> Row {
    let (style, word) = state(&approval.state);
    let mut row = Row::styled("request", STRONG, line(approval.id.as_str()).to_string());
    row.pieces.push((PLAIN, "  ".to_owned()));
    row.pieces.push((style, word));
    row
}

fn waits(approval: &Approval, now: Timestamp) -> String {
    let since = local(approval.opened);
    match (&approval.state, approval.closed) {
        (State::Open, _) => format!(
            "since {since}, until {} ({} left)",
            local(approval.deadline),
            left(approval.deadline, now)
        ),
        (_, Some(closed)) => format!("waited from {since} to {}", local(closed)),
        (_, None) => format!("since {since}"),
    }
}

fn asker(approval: &Approval) -> Vec<Row> {
    let subject = &approval.action.subject;
    let groups: Vec<_> = subject.groups.iter().map(|it| it.as_str()).collect();
    let Process {
        pid,
        uid,
        gid,
        comm,
        exe,
        command_line,
        ..
    } = &subject.process;
    let workload = match groups.is_empty() {
        true => line(subject.workload.as_str()).to_string(),
        false => format!(
            "{} ({})",
            line(subject.workload.as_str()),
            line(&groups.join(", "))
        ),
    };
    let runs = exe.as_ref().map(|exe| format!(", runs {}", line(exe)));
    let mut rows = vec![
        Row::styled("asks", STRONG, workload),
        Row::field(
            "process",
            format!(
                "{pid} {}, user {uid}, group {gid}{}",
                line(comm),
                runs.unwrap_or_default()
            ),
        ),
    ];
    if let Some(identity) = &subject.identity {
        let known = line(&identity.to_string()).to_string();
        rows.push(Row::field("known as", known));
        let known = identity.known().to_string();
        let text = format!(
            "for the session or for a time are for {}: what others ask is asked anew",
            line(&known)
        );
        rows.push(Row::field("grants", text));
    }
    if let Some(words) = command_line {
        rows.push(Row::field("command", line(&words.join(" ")).to_string()));
    }
    for parent in &approval.parents {
        let text = match parent.command_line.is_empty() {
            true => parent.comm.clone(),
            false => parent.command_line.join(" "),
        };
        rows.push(Row::field(
            "under",
            format!("{} {}", parent.pid, line(&text)),
        ));
    }
    rows.push(Row::field("cgroup", line(&subject.cgroup).to_string()));
    rows.push(Row::field("host", line(&approval.host).to_string()));
    let session = approval.action.session.as_str();
    rows.push(Row::field(
        "session",
        format!("{}, ask {}", line(session), approval.action.ask.0),
    ));
    rows
}

fn demanded(demand: &Demand, progress: &Progress) -> Vec<Row> {
    let reason = demand.reason.as_ref().map(|why| format!(": {}", line(why)));
    let rule = line(demand.rule.as_str());
    let mut rows = vec![Row::field(
        "rule",
        format!("{rule}{}", reason.unwrap_or_default()),
    )];
    for (set, standing) in demand.approvers.iter().zip(&progress.sets) {
        let users = set.users.iter().cloned();
        let groups = set.groups.iter().map(|group| format!("group {group}"));
        let who: Vec<_> = users.chain(groups).collect();
        let (style, turn) = match (standing.have >= standing.need, standing.asked) {
            (true, _) => (GOOD, "agreed"),
            (false, true) => (DOUBTFUL, "asked now"),
            (false, false) => (PLAIN, "asked later"),
        };
        let mut row = Row::field(
            "needs",
            format!(
                "{} of {} {} ({}): ",
                standing.have,
                standing.need,
                line(&set.name),
                line(&who.join(", "))
            ),
        );
        row.pieces.push((style, turn.to_owned()));
        rows.push(row);
    }
    rows
}

fn earlier(approval: &Approval) -> String {
    let total: u64 = approval.earlier.values().sum();
    if total == 0 {
        return "the first of its sort".to_owned();
    }
    let each = approval.earlier.iter();
    let each: Vec<_> = each
        .map(|(state, count)| format!("{count} {}", line(&state.replace('_', " "))))
        .collect();
    format!("{}: {}", counted(total, "time"), each.join(", "))
}

fn facts(facts: &std::collections::BTreeMap<String, Value>) -> String {
    let known = facts.iter().map(|(name, value)| {
        let value = match value {
            Value::Flag(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Texts(texts) => texts.join(", "),
            Value::Unknown(()) => "unknown".to_owned(),
        };
        format!("{} = {}", line(name), line(&value))
    });
    known.collect::<Vec<_>>().join("; ")
}

fn statement(approval: &Approval) -> Vec<Row> {
    let action = &approval.action;
    let text = &action.text;
    let lines = text.lines().count().max(1);
    let title = format!(
        "{} of {}, {}:",
        line(&action.request),
        counted(text.len(), "byte"),
        counted(lines, "line")
    );
    let mut rows = vec![Row::of(STRONG, title)];
    rows.extend(hidden(&action.hidden_by));
    rows.extend(strange(text));
    let shown = block(text, 0).to_string();
    rows.extend(shown.split('\n').map(Row::agents));
    rows
}

/// Says that values are left out, and why.
fn hidden(by: &[MaskName]) -> Option<Row> {
    let masks: Vec<_> = by.iter().map(|mask| mask.as_str()).collect();
    let text = format!(
        "values are left out, each in brackets with its length: masks hide them from you ({}). The digest is \
         that of all of it",
        line(&masks.join(", "))
    );
    (!masks.is_empty()).then(|| Row::styled("masked", DOUBTFUL, text))
}

/// Names the characters that look like others, or may be read in another order than they are run.
fn strange(text: &str) -> Option<Row> {
    let mut strange: Vec<char> = text.chars().filter(|letter| !letter.is_ascii()).collect();
    if strange.is_empty() {
        return None;
    }
    let total = strange.len();
    strange.sort_unstable();
    strange.dedup();
    let named = strange.iter().take(NAMED);
    let named: Vec<_> = named
        .map(|letter| format!("U+{:04X} {}", u32::from(*letter), line(&letter.to_string())))
        .collect();
    let others = if strange.len() > NAMED { ", …" } else { "" };
    let text = format!(
        "{} not ASCII: {}{others}",
        counted(total, "character"),
        named.join(", ")
    );
    Some(Row::styled("attention", DOUBTFUL, text))
}

fn put_in(number: usize, parameter: &Parameter) -> Vec<Row> {
    let Parameter {
        declared,
        value,
        reads,
    } = parameter;
    let declared = declared.as_ref().map(|name| format!(" ({})", line(name)));
    let reads = reads.as_ref().map(|text| format!(" = {}", line(text)));
    let (kind, text) = match value {
        ParameterValue::Null => ("null", None),
        ParameterValue::Text(text) => ("text", Some(text)),
        ParameterValue::Bytes(hex) => ("bytes, hexadecimal", Some(hex)),
        ParameterValue::Hidden(what) => ("not shown", Some(what)),
        ParameterValue::Encoded(hex) => ("text that is not UTF-8, hexadecimal", Some(hex)),
    };
    let title = format!(
        "parameter ${number}{}: {kind}{}",
        declared.unwrap_or_default(),
        reads.unwrap_or_default()
    );
    let mut rows = vec![Row::of(STRONG, title)];
    if let Some(text) = text {
        rows.extend(strange(text));
        let shown = block(text, 0).to_string();
        rows.extend(shown.split('\n').map(Row::agents));
    }
    rows
}

fn said(vote: &Vote) -> Row {
    let (style, word) = match vote.says {
        Word::Approve => (GOOD, "approved"),
        Word::Deny => (BAD, "denied"),
    };
    let scope = vote.lets_pass.map(|scope| format!(", {}", reach(&scope)));
    let comment = vote
        .comment
        .as_ref()
        .map(|text| format!(": {}", line(text)));
    let text = format!(
        "{} {word}{} at {}{}",
        line(&vote.by.name),
        scope.unwrap_or_default(),
        local(vote.at),
        comment.unwrap_or_default()
    );
    Row::styled("vote", style, text)
}
