//! The reference of a protocol's facts, in Markdown: what `gateway policy docs` prints and the
//! tables of `docs/policy.md` are.

use std::fmt::Write as _;

use crate::descriptor::Protocol;
use crate::facts::{Attribute, Scope, Type};

/// Letters in a line of values.
const WIDTH: usize = 100;

/// The facts of a protocol, each part by itself: first a table for each time at which they are
/// known, then the closed lists of values.
pub fn reference(protocol: &Protocol) -> Vec<String> {
    let scopes = [
        (Scope::Connection, "Of the connection:"),
        (
            Scope::Moment,
            "Of the session, when a message is decided ([how](#what-a-session-has-done)):",
        ),
        (Scope::Action, "Of each unit:"),
    ];
    let mut parts = Vec::new();
    for (scope, title) in scopes {
        let of_scope = |it: &&Attribute| it.scope == scope;
        let mut rows = protocol.attributes.iter().filter(of_scope).peekable();
        if rows.peek().is_some() {
            let mut table = format!("{title}\n\n| fact | type | what it tells |\n|---|---|---|");
            rows.for_each(|attribute| row(&mut table, attribute));
            parts.push(table);
        }
    }
    let closed = protocol
        .attributes
        .iter()
        .filter(|it| !it.values.is_empty());
    parts.extend(closed.map(values));
    parts
}

/// What a type is called.
pub fn word(ty: Type) -> &'static str {
    match ty {
        Type::Text => "text",
        Type::Texts => "texts",
        Type::Names => "names",
        Type::Flag => "flag",
        Type::Number => "number",
    }
}

fn row(table: &mut String, attribute: &Attribute) {
    let Attribute { name, ty, doc, .. } = attribute;
    // Writing to a string cannot fail.
    let _ = write!(table, "\n| `{name}` | {} | {doc} |", word(*ty));
}

fn values(attribute: &Attribute) -> String {
    let mut text = format!("`{}` is one of", attribute.name);
    let mut length = text.len();
    let last = attribute.values.len().saturating_sub(1);
    for (index, value) in attribute.values.iter().enumerate() {
        let end = if index == last { "." } else { "," };
        let word = format!("`{value}`{end}");
        let is_full = length + 1 + word.len() > WIDTH;
        text.push(if is_full { '\n' } else { ' ' });
        length = if is_full { 0 } else { length + 1 } + word.len();
        text.push_str(&word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocols::registry::PROTOCOLS;

    #[test]
    fn the_documentation_has_it() {
        let page = include_str!("../../../../docs/policy.md");
        for protocol in PROTOCOLS {
            for part in reference(protocol) {
                let name = protocol.name;
                assert!(
                    page.contains(&part),
                    "docs/policy.md lacks of {name}:\n{part}"
                );
            }
        }
    }
}
