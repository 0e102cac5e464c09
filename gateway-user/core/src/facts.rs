//! `Facts`: what is known of an action before it is decided. Made by codecs, read by policy.
//!
//! A protocol documents its facts as a slice of [`Attribute`]s; a [`FactSet`] has one slot for
//! each, in that order. So a rule is resolved to slots when the policy is loaded, and a decision
//! compares without looking names up. A fact that could not be found out is [`Fact::Unknown`] and
//! never missing: policy treats it as the worst for whoever wants to pass.

use std::sync::Arc;

/// What kind of value an attribute has, hence which patterns a rule may hold against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// One text.
    Text,
    /// Several texts in no order.
    Texts,
    /// Several names that may carry a schema, such as tables and functions.
    Names,
    /// True or false.
    Flag,
    /// A count.
    Number,
}

/// When an attribute is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// From the start of the session on; the same for all its actions.
    Connection,
    /// Of the session, at the moment at which an action is decided.
    Moment,
    /// Only of a single statement, command or request.
    Action,
}

/// What a fact is where there is nothing to tell of it. It goes without saying: it is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usual {
    /// Not there.
    Absent,
    /// A list of no texts.
    Empty,
    /// Unknown.
    Unknown,
}

impl Usual {
    /// The fact.
    pub fn fact(self) -> Fact {
        match self {
            Self::Absent => Fact::Absent,
            Self::Empty => Fact::Texts([].into()),
            Self::Unknown => Fact::Unknown,
        }
    }
}

/// One fact that a protocol can tell: its name, type, time and a line of documentation.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Dotted name as rules write it, such as `sql.verb`.
    pub name: &'static str,
    /// The type of its values.
    pub ty: Type,
    /// When it is known.
    pub scope: Scope,
    /// Every value it can have, where that is a closed list; empty where any value is possible.
    pub values: &'static [&'static str],
    /// What it is where there is nothing to tell.
    pub usual: Usual,
    /// One line for the reference.
    pub doc: &'static str,
}

/// The schema that a name is in, as far as it is certain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Schema {
    /// This one.
    In(Box<str>),
    /// One of these, and which of them is known to the server alone.
    OneOf(Arc<[Box<str>]>),
    /// It could be in any.
    Any,
}

/// A name, with its schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// Where it is.
    pub schema: Schema,
    /// The name itself, case as the server would see it.
    pub name: Box<str>,
}

/// `schema.name`, or `name` alone where the schema is uncertain. A part that has a dot or a quotation
/// mark in it is quoted as SQL does, so that it cannot pass for two.
impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Schema::In(schema) = &self.schema {
            write_part(f, schema)?;
            f.write_str(".")?;
        }
        write_part(f, &self.name)
    }
}

fn write_part(f: &mut std::fmt::Formatter<'_>, part: &str) -> std::fmt::Result {
    match part.contains(['.', '"']) {
        true => write!(f, "\"{}\"", part.replace('"', "\"\"")),
        false => f.write_str(part),
    }
}

impl Name {
    /// Reads what it is written as. A name alone could be in any schema.
    pub fn read(text: &str) -> Self {
        let (first, rest) = split_part(text);
        match rest {
            Some(rest) => Self {
                schema: Schema::In(first.into()),
                name: match rest.starts_with('"') {
                    true => split_part(rest).0.into(),
                    false => rest.into(),
                },
            },
            None => Self {
                schema: Schema::Any,
                name: first.into(),
            },
        }
    }
}

/// The first part and what follows its dot; everything, where it is not quoted and there is no dot.
fn split_part(text: &str) -> (String, Option<&str>) {
    let Some(inside) = text.strip_prefix('"') else {
        return match text.split_once('.') {
            Some((first, rest)) => (first.to_owned(), Some(rest)),
            None => (text.to_owned(), None),
        };
    };
    let mut part = String::new();
    let mut left = inside.chars();
    while let Some(c) = left.next() {
        if c == '"' && !left.as_str().starts_with('"') {
            break;
        }
        if c == '"' {
            left.next();
        }
        part.push(c);
    }
    (part, left.as_str().strip_prefix('.'))
}

/// The value in one slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fact {
    /// The action has no such thing: an `INSERT` has no `WHERE`.
    #[default]
    Absent,
    /// It has one or might have one, and it could not be found out.
    Unknown,
    /// A text.
    Text(Box<str>),
    /// Several texts.
    Texts(Box<[Box<str>]>),
    /// Several names.
    Names(Box<[Name]>),
    /// True or false.
    Flag(bool),
    /// A count.
    Number(u64),
}

/// One slot for each attribute of a protocol, in the order of its descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactSet(Box<[Fact]>);

impl FactSet {
    /// All slots as they usually are, which for most is absent, for a protocol with these attributes.
    pub fn new(attributes: &[Attribute]) -> Self {
        let usual = attributes.iter().map(|attribute| attribute.usual.fact());
        Self(usual.collect())
    }

    /// Puts `fact` into slot `index`; a slot that does not exist is ignored.
    pub fn set(&mut self, index: usize, fact: Fact) {
        debug_assert!(index < self.0.len(), "slot {index} is not an attribute");
        if let Some(slot) = self.0.get_mut(index) {
            *slot = fact;
        }
    }

    /// The fact in slot `index`; a slot that does not exist is unknown.
    pub fn fact(&self, index: usize) -> &Fact {
        self.0.get(index).unwrap_or(&Fact::Unknown)
    }
}

/// What is to be decided.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Whether the session may begin. Facts of the other scopes are still to come: they keep no
    /// allow rule from matching and let no deny rule match.
    Connect,
    /// Whether something that runs may be cancelled. It is named by a key that only its own session has,
    /// and whose start was decided, so there are no facts: a connection that cancels says nothing else.
    Cancel,
    /// One action, which consists of these units (the statements of a multi-statement string, the
    /// inner statement of an `EXPLAIN ANALYZE`, …). It is allowed only if each unit is. Never
    /// empty.
    Action(Arc<[FactSet]>),
}

/// Everything that policy looks at besides subject and flow.
#[derive(Clone, Debug)]
pub struct Facts {
    /// What is to be decided.
    pub stage: Stage,
    /// Facts of [`Scope::Connection`], and of an action those of [`Scope::Moment`].
    pub connection: Arc<FactSet>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: Option<&str>, name: &str, written: &str) {
        let name = Name {
            schema: schema.map_or(Schema::Any, |schema| Schema::In(schema.into())),
            name: name.into(),
        };
        assert_eq!(name.to_string(), written);
        assert_eq!(Name::read(written), name);
    }

    #[test]
    fn names_are_read_back_as_they_were() {
        check(None, "orders", "orders");
        check(Some("public"), "orders", "public.orders");
        check(None, "public.orders", "\"public.orders\"");
        check(Some("a.b"), "c", "\"a.b\".c");
        check(Some("a"), "b.c", "a.\"b.c\"");
        check(Some("a\"b"), "\"", "\"a\"\"b\".\"\"\"\"");
        check(Some(""), "", ".");
        check(None, "Orders of 2026", "Orders of 2026");
    }
}
