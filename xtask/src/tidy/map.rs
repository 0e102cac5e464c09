//! README.md's code map names every folder and module, so that people find the place.

use std::collections::BTreeSet;

use super::Source;

/// Where the section begins; it ends at the next heading of the same level.
const HEADING: &str = "## Code map";

/// Complains of what is not named.
pub(super) fn check(sources: &[Source], readme: &str) -> Vec<String> {
    let Some((_, rest)) = readme.split_once(HEADING) else {
        return vec![format!("README.md: there is no section `{HEADING}`")];
    };
    let map = rest.split("\n## ").next().unwrap_or(rest);
    let words: BTreeSet<&str> = map
        .split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-'))
        .collect();
    wanted(sources)
        .into_iter()
        .filter(|(name, _)| !words.contains(name.as_str()))
        .map(|(name, path)| format!("README.md: the code map does not name `{name}` ({path})"))
        .collect()
}

/// Each folder with Rust in it, and each module right below a crate's `src`.
fn wanted(sources: &[Source]) -> BTreeSet<(String, String)> {
    let mut wanted = BTreeSet::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let (folder, file) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            wanted.insert((part.to_owned(), folder.to_owned()));
        }
        let module = file.trim_end_matches(".rs");
        if folder.ends_with("/src") && !["lib", "mod", "main"].contains(&module) {
            wanted.insert((module.to_owned(), source.path.clone()));
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_modules_are_named() {
        let sources = [
            Source {
                path: "core/src/flow.rs".into(),
                text: String::new(),
            },
            Source {
                path: "core/src/sql/mod.rs".into(),
                text: String::new(),
            },
        ];
        let readme = "# X\n## Code map\n`core/src`: `flow`, `sql/`\n## Next\n";
        assert!(check(&sources, readme).is_empty());
        assert_eq!(
            check(&sources, "## Code map\n`core/src`: `flow`\n## Next\n sql").len(),
            1
        );
        assert_eq!(check(&sources, "# X").len(), 1);
    }
}
