//! What `gateway-core` may depend on: exactly this, so that nothing in it can do I/O.

use std::collections::BTreeSet;

/// None of these opens files or sockets, reads the clock or the environment.
const ALLOWED: [&str; 15] = [
    "base64",
    "bytes",
    "cel",
    "hmac",
    "jiff",
    "md-5",
    "memchr",
    "pg_query",
    "prost_0_13",
    "regex",
    "serde",
    "sha2",
    "stringprep",
    "thiserror",
    "toml",
];

/// Complains of each difference between the manifest and the list.
pub(super) fn check(manifest: &str) -> Vec<String> {
    let parsed: toml::Table = match manifest.parse() {
        Ok(parsed) => parsed,
        Err(error) => return vec![format!("gateway-user/core/Cargo.toml: {error}")],
    };
    let there: BTreeSet<&str> = parsed
        .get("dependencies")
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let allowed = BTreeSet::from(ALLOWED);
    let new = there
        .difference(&allowed)
        .map(|name| format!("`{name}` is not allowed"));
    let gone = allowed
        .difference(&there)
        .map(|name| format!("`{name}` is listed but not used"));
    new.chain(gone)
        .map(|what| {
            format!("gateway-user/core/Cargo.toml: {what}; see xtask/src/tidy/dependencies.rs")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_is_exact() {
        let exact: String = ALLOWED
            .iter()
            .map(|name| format!("{name} = \"1\"\n"))
            .collect();
        assert!(check(&format!("[dependencies]\n{exact}")).is_empty());
        assert_eq!(
            check(&format!("[dependencies]\n{exact}tokio = \"1\"\n")).len(),
            1
        );
        assert_eq!(check("[dependencies]\n").len(), ALLOWED.len());
    }
}
