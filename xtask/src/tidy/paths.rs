//! Which modules a file names by `crate::…` or `gateway_core::…`, found without a parser.
//!
//! Comments, strings and the tests at the bottom are left out. A path counts wherever it stands,
//! in a `use` or in the middle of code.

/// The first segments after each `prefix` (such as `crate::`), each once, in order.
pub(super) fn named(text: &str, prefix: &str) -> Vec<String> {
    let code = without_comments(without_tests(text));
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let before = code.get(..at).and_then(|head| head.chars().next_back());
        // `$crate::`, `my_crate::` and `other::crate::` are other things.
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$' || c == ':') {
            continue;
        }
        let rest = code.get(at + prefix.len()..).unwrap_or("").trim_start();
        for name in heads(rest) {
            if !found.contains(&name) {
                found.push(name);
            }
        }
    }
    found
}

/// The first segment of a path, or those of each member when it is a group in braces.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return identifier(rest).into_iter().collect();
    };
    let mut depth = 0_usize;
    let mut member = String::new();
    let mut members = Vec::new();
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(std::mem::take(&mut member)),
            _ => {
                depth = match c {
                    '{' => depth + 1,
                    '}' => depth - 1,
                    _ => depth,
                };
                member.push(c);
            }
        }
    }
    members.push(member);
    members
        .iter()
        .filter_map(|member| identifier(member.trim()))
        .collect()
}

fn identifier(text: &str) -> Option<String> {
    let name: String = text
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// The text before the tests at the bottom.
fn without_tests(text: &str) -> &str {
    let end = text
        .match_indices("#[cfg(test)]")
        .map(|(at, _)| at)
        .find(|at| {
            let rest = text
                .get(*at..)
                .unwrap_or("")
                .trim_start_matches("#[cfg(test)]")
                .trim_start();
            rest.starts_with("mod tests {")
        });
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Takes line comments out, and strings that close on their line.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let mut is_string = false;
        let mut before = ' ';
        let mut characters = line.chars().peekable();
        while let Some(c) = characters.next() {
            if c == '"' && before != '\\' && before != '\'' {
                is_string = !is_string;
            } else if !is_string {
                if c == '/' && characters.peek() == Some(&'/') {
                    break;
                }
                code.push(c);
            }
            before = c;
        }
        code.push('\n');
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(named(text, "crate::"), expected, "{text}");
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        check("use crate::policy::Engine;", &["policy"]);
        check(
            "use crate::{ids::X, flow::{Flow, Y}, event};",
            &["ids", "flow", "event"],
        );
        check("use crate::{\n    ids::X,\n    sql,\n};", &["ids", "sql"]);
        check(
            "fn f() -> crate::session::Outbox { crate::session::new() }",
            &["session"],
        );
        check("pub(crate) fn f() {}", &[]);
    }

    #[test]
    fn comments_strings_macros_and_tests_do_not_count() {
        check("// use crate::policy;\n/// [`crate::policy`]", &[]);
        check("let x = \"crate::policy\";", &[]);
        check("$crate::policy!()", &[]);
        check(
            "use crate::ids;\n#[cfg(test)]\nmod tests {\n use crate::policy;\n}",
            &["ids"],
        );
        check("let quote = '\"'; use crate::ids;", &["ids"]);
    }
}
