//! Suggested rules as TOML with comments, and as JSON.
//!
//! What stands in comments is the program's own; all names are in strings, where nothing of them is
//! anything else.

use std::fmt::Write as _;

use serde_json::json;

use super::gather::{LeftOut, Suggested};
use super::shape::Rule;

/// Letters in a line before a list goes over several.
const WIDTH: usize = 100;

/// The rules as a part of a configuration.
pub(super) fn text(suggested: &Suggested) -> String {
    let mut out = String::new();
    for line in head(suggested) {
        comment(&mut out, &line);
    }
    for rule in &suggested.rules {
        out.push('\n');
        one(&mut out, rule);
    }
    out
}

fn head(suggested: &Suggested) -> Vec<String> {
    let actions: u64 = suggested.rules.iter().map(|rule| rule.actions).sum();
    let mut lines = vec![format!(
        "Suggested from {} and {} that passed.",
        counted(suggested.sessions, "session"),
        counted(actions, "action")
    )];
    if suggested.rules.is_empty() {
        lines.push("Nothing was seen that a rule could allow.".to_owned());
    } else {
        lines.push(
            "A rule lets pass every combination of what it lists. Nothing is asked of the names of cursors and prepared statements, of how many statements come together, and of WHERE and LIMIT where something is read."
                .to_owned(),
        );
    }
    lines.extend(left_out(&suggested.left_out));
    lines
}

fn left_out(left_out: &LeftOut) -> Vec<String> {
    let LeftOut {
        refused,
        denied,
        not_told,
        unread,
        elsewhere,
    } = left_out;
    let mut lines = Vec::new();
    let mut say = |count: u64, what: &str, why: &str| {
        if count > 0 {
            lines.push(format!("Left out: {}, {why}.", counted(count, what)));
        }
    };
    say(*refused, "action", "refused or held");
    for (rule, count) in denied {
        let why = format!("which rule {rule:?} refuses where it is enforced");
        say(*count, "action", &why);
    }
    say(
        *not_told,
        "action",
        "which cannot be told from the recording alone",
    );
    say(
        *unread,
        "statement",
        "which could not be read: to allow such, a rule says `parsed = false`",
    );
    say(
        *elsewhere,
        "session",
        "of a workload or resource that the configuration does not have",
    );
    lines
}

fn one(out: &mut String, rule: &Rule) {
    let different = u64::try_from(rule.different).unwrap_or(u64::MAX);
    let made_of = match different {
        0 | 1 => format!("{}.", counted(rule.actions, "action")),
        more => format!("{}, {more} different.", counted(rule.actions, "action")),
    };
    comment(out, &made_of);
    for note in &rule.notes {
        comment(out, note);
    }
    for broader in &rule.broader {
        comment(out, &format!("BROADER than what was seen: {broader}."));
    }
    // Names of rules, workloads and resources are plain.
    let Rule {
        name,
        workload,
        resource,
        ..
    } = rule;
    let head = [
        ("name", name.as_str()),
        ("action", "allow"),
        ("workload", workload),
        ("resource", resource),
    ];
    out.push_str("[[rule]]\n");
    for (key, value) in head {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{key} = {value:?}");
    }
    out.push_str("[rule.match]\n");
    for (fact, values) in &rule.matching {
        let _ = writeln!(out, "{} = {}", short(fact), list(values));
    }
}

/// The last part of a fact's name, which is enough where a rule is for one protocol.
fn short(fact: &str) -> &str {
    fact.rsplit('.').next().unwrap_or(fact)
}

/// One value stands for itself.
fn list(values: &[String]) -> String {
    match values {
        [value] => value.clone(),
        _ => {
            let line = format!("[{}]", values.join(", "));
            match line.len() > WIDTH {
                true => format!("[\n    {},\n]", values.join(",\n    ")),
                false => line,
            }
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    }
}

fn comment(out: &mut String, text: &str) {
    let mut line = "#".to_owned();
    for word in text.split(' ') {
        if line.len() + 1 + word.len() > WIDTH && line.len() > 1 {
            out.push_str(&line);
            out.push('\n');
            "#".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// The rules for machines, with the text for people.
pub(super) fn for_machines(suggested: &Suggested) -> serde_json::Value {
    let rule = |rule: &Rule| {
        let matching = rule.matching.iter();
        let matching = matching.map(|(fact, values)| ((*fact).to_owned(), values.clone().into()));
        json!({
            "name": rule.name,
            "workload": rule.workload,
            "resource": rule.resource,
            "match": serde_json::Map::from_iter(matching),
            "actions": rule.actions,
            "different": rule.different,
            "broader": rule.broader,
        })
    };
    json!({
        "sessions": suggested.sessions,
        "rules": suggested.rules.iter().map(rule).collect::<Vec<_>>(),
        "left_out": suggested.left_out,
        "toml": text(suggested),
    })
}
