//! Each file by itself: its header, its size, and words that have no place in the repository.

use super::Source;

/// More lines than this want a reason.
const MOST_LINES: usize = 500;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// Names that say nothing of what is inside.
const EMPTY_NAMES: [&str; 5] = ["utils", "common", "helpers", "types", "manager"];

/// What must not be in any file, and why. Written in two halves so that this file is clean.
const FORBIDDEN: [(&str, &str, &str); 5] = [
    ("/ro", "ot/", "a path of somebody's machine"),
    ("/wo", "rk/", "a path of somebody's machine"),
    ("#[ign", "ore]", "a test either runs or is not there"),
    ("todo", "!(", "no stubs"),
    ("unimple", "mented!(", "no stubs"),
];

/// Complains of files.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (head, tail, why) in FORBIDDEN {
            for (line, text) in source.text.lines().enumerate() {
                if text.contains(&format!("{head}{tail}")) {
                    complaints.push(format!("{}:{}: {head}{tail}: {why}", source.path, line + 1));
                }
            }
        }
        if source.is_rust() {
            complaints.extend(check_rust(source));
        }
    }
    for (path, _) in LONGER {
        let lines = sources
            .iter()
            .find(|source| source.path == *path)
            .map(lines);
        if lines.is_none_or(|lines| lines <= MOST_LINES) {
            complaints.push(format!(
                "{path}: need no longer be in the list of long files"
            ));
        }
    }
    complaints
}

fn check_rust(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if !source.text.starts_with("//! ") {
        complaints.push(format!(
            "{}: does not begin with what lives here (`//!`)",
            source.path
        ));
    }
    let lines = lines(source);
    if lines > MOST_LINES && !LONGER.iter().any(|(path, _)| *path == source.path) {
        complaints.push(format!(
            "{}: {lines} lines; cut it by state or phase, or give a reason in xtask/src/tidy/files.rs",
            source.path
        ));
    }
    for part in source.path.split(['/', '.']) {
        if EMPTY_NAMES.contains(&part) {
            complaints.push(format!(
                "{}: `{part}` says nothing of what is inside",
                source.path
            ));
        }
    }
    complaints
}

fn lines(source: &Source) -> usize {
    source.text.lines().count()
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
    fn headers_are_required() {
        assert_eq!(complaints("a/b.rs", "//! What lives here.\n"), 0);
        assert_eq!(complaints("a/b.rs", "use std::fs;\n"), 1);
        assert_eq!(complaints("a/b.sh", "#!/bin/sh\n"), 0);
    }

    #[test]
    fn long_files_want_a_reason() {
        let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
        assert_eq!(complaints("a/b.rs", &long), 1);
    }

    #[test]
    fn names_and_words_are_checked() {
        assert_eq!(complaints("a/utils.rs", "//! Bits.\n"), 1);
        assert_eq!(
            complaints(
                "a/b.rs",
                "//! Stub.\nfn f() { {}!() }\n"
                    .replace("{}", "todo")
                    .as_str()
            ),
            1
        );
        assert_eq!(complaints("docs/a.md", &format!("see /{}/x", "root")), 1);
    }
}
