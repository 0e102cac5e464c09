//! How the demo looks: coloured on a terminal, plain elsewhere.

use std::io::{IsTerminal, stdout};

use super::acts::Outcome;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

/// Begins a part.
pub(super) fn title(text: &str) {
    println!("\n{}", paint(BOLD, &format!("── {text}")));
}

/// One sentence.
pub(super) fn say(text: &str) {
    println!("{text}");
}

/// What a program printed.
pub(super) fn text(text: &str) {
    for line in text.lines() {
        println!("    {}", line.trim_end());
    }
}

/// What the agent did, and what came of it.
pub(super) fn act(intent: &str, sql: &str, outcome: Outcome, answer: &str) {
    let verdict = match outcome {
        Outcome::Allowed => paint(GREEN, "✓ allowed"),
        Outcome::Refused => paint(RED, "✗ refused"),
        Outcome::Ended => paint(RED, "✗ ended  "),
    };
    println!("\n  {verdict}  {}", paint(BOLD, intent));
    println!("             {sql}");
    for line in answer.lines().filter(|line| !line.trim().is_empty()) {
        println!("             {}", paint(DIM, line));
    }
}

/// Whether the server got to see a statement.
pub(super) fn witness(sql: &str, has_come: bool) {
    let verdict = if has_come {
        paint(GREEN, "reached the server")
    } else {
        paint(RED, "never arrived     ")
    };
    println!("    {verdict}  {sql}");
}

/// Whether to use colours.
pub(super) fn is_coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none() && stdout().is_terminal()
}

fn paint(colour: &str, text: &str) -> String {
    if is_coloured() {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
