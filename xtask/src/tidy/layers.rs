//! Who may import whom: the layer table.
//!
//! A file imports from lower layers and from its own folder. Modules of one layer may know each
//! other, except the experts (protocols, policy) and the organs, which must stay apart so that each
//! can be understood, tested and replaced alone.

use super::Source;
use super::paths::named;

/// Layers with their modules, lowest first.
type Table = &'static [(u8, &'static [&'static str])];

/// Words, nouns, experts and session are in `gateway-core`.
const CORE: Table = &[
    (
        1,
        &["ids", "secret", "cursor", "glob", "visible", "duration"],
    ),
    (
        2,
        &[
            "descriptor",
            "flow",
            "subject",
            "facts",
            "refusal",
            "held",
            "preview",
            "budget",
            "limit",
            "event",
            "sql",
            "mask",
        ],
    ),
    (3, &["protocols", "policy", "approvals"]),
    (4, &["session"]),
    (5, &["conformance"]),
];

/// What organs share, organs, flow and wiring are in `gateway-user`.
const USER: Table = &[
    (4, &["kept", "web"]),
    (
        5,
        &[
            "kernel",
            "identity",
            "tls",
            "confine",
            "credentials",
            "approvals",
            "notify",
            "recording",
            "observe",
            "budgets",
        ],
    ),
    (
        6,
        &[
            "config",
            "intake",
            "relay",
            "control",
            "live",
            "dialer",
            "names",
            "admission",
            "launch",
        ],
    ),
    (7, &["app", "cli", "main"]),
];

/// Layers whose modules do not import each other.
const APART: [u8; 2] = [3, 5];

/// Crates with a layer table: where their source is, and the table.
const CRATES: [(&str, Table); 2] = [
    ("gateway-user/core/src/", CORE),
    ("gateway-user/src/", USER),
];

/// Complains of each import against the table, and of each module that is not in it.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (folder, table) in CRATES {
        for source in sources.iter().filter(|source| source.is_rust()) {
            let Some(rest) = source.path.strip_prefix(folder) else {
                continue;
            };
            // Tests may look at everything, and a crate's root names all its modules.
            if rest == "lib.rs" || rest.ends_with("tests.rs") || rest.contains("/tests/") {
                continue;
            }
            complaints.extend(check_file(source, rest, folder, table));
        }
    }
    complaints
}

fn check_file(source: &Source, rest: &str, folder: &str, table: Table) -> Vec<String> {
    let module = rest.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = layer(table, module) else {
        return vec![format!(
            "{}: the module `{module}` is in no layer; give it one in xtask/src/tidy/layers.rs",
            source.path
        )];
    };
    let mut complaints = Vec::new();
    for name in named(&source.text, "crate::") {
        // What is not a module of the table is an item of the crate's root.
        let Some(other) = layer(table, &name) else {
            continue;
        };
        if name != module && !may_import(own, other) {
            complaints.push(format!(
                "{}: `{module}` (layer {own}) imports `{name}` (layer {other})",
                source.path
            ));
        }
    }
    // The core knows nothing of the shell, whatever its manifest says.
    if folder == "gateway-user/core/src/" && !named(&source.text, "gateway_user::").is_empty() {
        complaints.push(format!("{}: the core imports the shell", source.path));
    }
    complaints
}

fn may_import(own: u8, other: u8) -> bool {
    other < own || (other == own && !APART.contains(&own))
}

fn layer(table: Table, module: &str) -> Option<u8> {
    table
        .iter()
        .find(|(_, modules)| modules.contains(&module))
        .map(|(layer, _)| *layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&[Source {
            path: path.into(),
            text: text.into(),
        }])
        .len()
    }

    #[test]
    fn imports_go_downwards() {
        assert_eq!(
            complaints(
                "gateway-user/core/src/policy/mod.rs",
                "use crate::facts::Fact;"
            ),
            0
        );
        assert_eq!(
            complaints(
                "gateway-user/core/src/facts.rs",
                "use crate::policy::Engine;"
            ),
            1
        );
        assert_eq!(
            complaints("gateway-user/src/relay/mod.rs", "use crate::{tls, cli};"),
            1
        );
    }

    #[test]
    fn experts_and_organs_stay_apart() {
        assert_eq!(
            complaints(
                "gateway-user/core/src/policy/mod.rs",
                "use crate::protocols::X;"
            ),
            1
        );
        assert_eq!(
            complaints(
                "gateway-user/src/tls/mod.rs",
                "use crate::recording::Journal;"
            ),
            1
        );
        assert_eq!(
            complaints("gateway-user/src/tls/mod.rs", "use crate::tls::leaf;"),
            0
        );
        assert_eq!(
            complaints("gateway-user/src/intake/mod.rs", "use crate::relay::Relay;"),
            0
        );
    }

    #[test]
    fn unknown_modules_are_asked_about() {
        assert_eq!(complaints("gateway-user/src/stuff.rs", ""), 1);
        assert_eq!(complaints("xtask/src/stuff.rs", ""), 0);
    }
}
