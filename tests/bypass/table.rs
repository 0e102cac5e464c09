//! The table in `docs/bypass.md`: what is written there is what is compared.

use std::collections::BTreeMap;
use std::fmt::Write;

use gateway_tests::programs::target;

use crate::attacker::{User, Way};
use crate::world::Outcome;

const DOCUMENT: &str = include_str!("../../docs/bypass.md");

/// The columns behind the name and the explanation.
pub(crate) const COLUMNS: [(Way, User); 6] = [
    (Way::Free, User::Nobody),
    (Way::Free, User::Root),
    (Way::Attached, User::Nobody),
    (Way::Attached, User::Root),
    (Way::Run, User::Nobody),
    (Way::Run, User::Root),
];

/// Attempts by sockets that are not IP, which a kernel with BPF LSM asks about.
const FAMILIES: [&str; 6] = [
    "packet-raw",
    "packet-cooked",
    "vsock",
    "uring-vsock",
    "xdp",
    "other-families",
];

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) cells: Vec<String>,
}

/// All rows by the attempt's name.
pub(crate) fn rows() -> BTreeMap<String, Row> {
    let lines = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let name = cells.next().unwrap().trim_matches('`').to_owned();
            let what = cells.next().unwrap().to_owned();
            let cells = cells.map(str::to_owned).collect();
            (name, Row { what, cells })
        })
        .collect()
}

/// The attempts that the document explains under "What is open".
pub(crate) fn explained() -> Vec<&'static str> {
    let (_, open) = DOCUMENT.split_once("## What is open").unwrap();
    let lines = open.lines().filter(|line| line.starts_with("* `"));
    lines
        .flat_map(|line| {
            let names = line.split_once(':').unwrap().0;
            names.split('`').skip(1).step_by(2)
        })
        .collect()
}

/// What a cell says of an outcome.
pub(crate) fn cell(way: Way, outcome: &Outcome) -> String {
    let said = outcome.said.as_str();
    if !outcome.packets.is_empty() {
        return "**out**".to_owned();
    }
    if outcome.is_judged {
        return "proxied".to_owned();
    }
    match said.split(' ').next().unwrap_or_default() {
        // Somebody on this host has answered.
        "connected" if way != Way::Free => "proxied".to_owned(),
        "sent" | "unanswered" | "nothing" => "dropped".to_owned(),
        errno if errno.starts_with('E') => errno.to_owned(),
        _ => said.to_owned(),
    }
}

/// Whether this is no way out: the gateway has it, or the kernel said no.
pub(crate) fn is_closed(cell: &str) -> bool {
    cell.starts_with('E') || ["proxied", "dropped", "reached", "nobody there"].contains(&cell)
}

/// What the kernel under the table is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// How the attempt ended.
    pub(crate) cell: &'a str,
    /// How it ended without the gateway.
    pub(crate) free: &'a str,
    /// Whether sockets that are not IP are seen.
    pub(crate) sees_families: bool,
}

/// Whether the cell that was seen says what the table says. On a kernel where an attempt is not
/// what it is in the table without the gateway, only its being closed counts, or its being told of as
/// open; before Linux 5.18 every refusal of the gateway is `EPERM`.
pub(crate) fn agrees(name: &str, row: &Row, column: usize, seen: Seen<'_>) -> bool {
    let Seen { cell, free, .. } = seen;
    let expected = row.cells.get(column).map_or("", String::as_str);
    let (way, user) = COLUMNS[column];
    if seen.sees_families && way == Way::Attached && FAMILIES.contains(&name) {
        return cell == "EAFNOSUPPORT";
    }
    if cell == expected {
        return true;
    }
    if way == Way::Free {
        // A kernel may know more ways, or fewer; an attempt that makes nothing of one is broken.
        return expected != "**out**" || cell.starts_with('E');
    }
    let without = &row.cells[usize::from(user == User::Root)];
    let is_refused_anyhow = cell == "EPERM" && expected.starts_with('E');
    if free != without {
        return is_closed(cell) || explained().contains(&name);
    }
    is_refused_anyhow
}

/// Writes what was seen in the table's own form beside the build, and says where: to be read, and
/// to be copied into the document when it is right.
pub(crate) fn write_seen(order: &[String], seen: &BTreeMap<String, Vec<String>>) -> String {
    let rows = rows();
    let mut text = String::new();
    for name in order {
        let what = rows.get(name).map_or("", |row| row.what.as_str());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| `{name}` | {what} | {} |", seen[name].join(" | "));
    }
    let path = target().join("bypass-seen.md");
    match std::fs::write(&path, &text) {
        Ok(()) => format!("what was seen is in {}", path.display()),
        Err(_) => text,
    }
}
