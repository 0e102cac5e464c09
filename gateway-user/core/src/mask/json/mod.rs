//! Paths into JSON values, and JSON values that are masked.
//!
//! `scan` rewrites what is at paths of a text and leaves all else as it is, byte for byte; `scalar` says
//! what a kind of mask makes of a string, a number or a boolean; `every` looks at each of them.

pub mod every;
pub mod scalar;
pub mod scan;

use std::fmt::{self, Write as _};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(Box<str>),
    /// Every element of an array, or every member of an object.
    Each,
}

/// A path such as `$.contact.email` or `$.phones[*]`.
///
/// Where a member is named and there is an array, the elements of the array are meant; what is at the end
/// of a path is meant with all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path(pub Box<[Step]>);

/// A text that is no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin at the root.
    #[error("a path begins with `$`")]
    Root,
    /// Neither a member nor `[*]` follows.
    #[error("behind `$` a path has `.name`, `.\"a name\"`, `.*` or `[*]`")]
    Step,
    /// A name in quotes has no end, or an escape that JSON does not have.
    #[error("a name in quotes is written as JSON writes strings")]
    Quotes,
}

impl Path {
    /// Reads `$.a."b c"[*]`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let mut rest = text.trim().strip_prefix('$').ok_or(PathError::Root)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]").or_else(|| rest.strip_prefix(".*")) {
                steps.push(Step::Each);
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('.').ok_or(PathError::Step)?;
            let (name, after) = if name.starts_with('"') {
                let end = scan::end_of_string(name).ok_or(PathError::Quotes)?;
                let (quoted, after) = name.split_at_checked(end).ok_or(PathError::Quotes)?;
                (scan::unescape(quoted).ok_or(PathError::Quotes)?, after)
            } else {
                let end = name.find(['.', '[']).unwrap_or(name.len());
                let (plain, after) = name.split_at_checked(end).ok_or(PathError::Step)?;
                if !is_plain(plain) {
                    return Err(PathError::Step);
                }
                (plain.to_owned(), after)
            };
            steps.push(Step::Member(name.into()));
            rest = after;
        }
        Ok(Self(steps.into()))
    }
}

/// As it can be read back.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('$')?;
        for step in &self.0 {
            match step {
                Step::Each => f.write_str("[*]")?,
                Step::Member(name) if is_plain(name) => write!(f, ".{name}")?,
                Step::Member(name) => {
                    f.write_str(".\"")?;
                    for c in name.chars() {
                        match c {
                            '"' | '\\' => write!(f, "\\{c}")?,
                            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                            c => f.write_char(c)?,
                        }
                    }
                    f.write_char('"')?;
                }
            }
        }
        Ok(())
    }
}

/// Whether a path can have the name as it is.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || "\"'*.[]$\\".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let check = |text: &str, expected: &[&str]| {
            let path = Path::parse(text).unwrap();
            let shown: Vec<&str> = path
                .0
                .iter()
                .map(|step| match step {
                    Step::Member(name) => &**name,
                    Step::Each => "*each*",
                })
                .collect();
            assert_eq!(shown, expected, "{text}");
            assert_eq!(Path::parse(&path.to_string()).as_ref(), Ok(&path));
        };
        check("$", &[]);
        check("$.a", &["a"]);
        check(
            "$.a.b[*].\"c.d\\u0041\".*",
            &["a", "b", "*each*", "c.dA", "*each*"],
        );
        check("$[*][*].ä", &["*each*", "*each*", "ä"]);
        check("$.\"\"", &[""]);
        check(r#"$."a\"\\\n b""#, &["a\"\\\n b"]);
    }

    #[test]
    fn what_is_no_path() {
        let check = |text: &str, error| assert_eq!(Path::parse(text), Err(error), "{text}");
        check("", PathError::Root);
        check("a", PathError::Root);
        check("$a", PathError::Step);
        check("$.", PathError::Step);
        check("$..a", PathError::Step);
        check("$[0]", PathError::Step);
        check("$.a[", PathError::Step);
        check("$.a b", PathError::Step);
        check("$.\"a", PathError::Quotes);
        check("$.\"\\x\"", PathError::Quotes);
    }
}
