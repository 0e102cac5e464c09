//! The source of a policy: `[[rule]]` and `[[mask]]` of the configuration file, as serde reads it, with the place
//! in the file of everything that can be wrong.
//!
//! What the words mean is checked in `compile`, against the protocols' attributes.

use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

/// A `[[rule]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Names the rule in decisions and refusals.
    pub name: Spanned<String>,
    /// What it does to the actions it matches.
    pub action: Effect,
    /// Globs over resources; left out, any.
    pub resource: Option<Spanned<Globs>>,
    /// Globs over workloads; left out, any.
    pub workload: Option<Spanned<Globs>>,
    /// Globs over groups; left out, any.
    pub group: Option<Spanned<Globs>>,
    /// By whose tokens those are known whom it is about; left out, by any or none.
    pub issuer: Option<Spanned<String>>,
    /// What these tokens say; left out, anything.
    pub claims: Option<Spanned<Tree>>,
    /// Patterns over facts; left out, everything.
    #[serde(rename = "match")]
    pub matching: Option<Spanned<Tree>>,
    /// A condition in CEL, beside the patterns; left out, none.
    pub when: Option<Spanned<String>>,
    /// The times at which it is there; left out, always.
    pub during: Option<Spanned<Tree>>,
    /// Whether it takes effect.
    #[serde(default)]
    pub mode: Mode,
    /// Why; shown to the agent by a refusal, and to approvers.
    pub reason: Option<Spanned<String>>,
    /// Of a rule that approves: the names of those who must agree.
    pub approvers: Option<Spanned<Vec<Spanned<String>>>>,
    /// Whether they are asked one after the other.
    pub in_order: Option<Spanned<bool>>,
    /// How long an action waits for them.
    pub timeout: Option<Spanned<String>>,
}

impl RuleSpec {
    /// The bytes of the file from the first to the last of what can be wrong with it.
    pub fn extent(&self) -> Range<usize> {
        let globs = [&self.resource, &self.workload, &self.group];
        let spans = globs.into_iter().flatten().map(Spanned::span);
        let spans = spans.chain(self.issuer.as_ref().map(Spanned::span));
        let spans = spans.chain(self.claims.as_ref().map(Spanned::span));
        let spans = spans.chain(self.matching.as_ref().map(Spanned::span));
        let spans = spans.chain(self.when.as_ref().map(Spanned::span));
        let spans = spans.chain(self.during.as_ref().map(Spanned::span));
        let name = self.name.span();
        spans.fold(name, |all, it| all.start.min(it.start)..all.end.max(it.end))
    }
}

/// A `[[mask]]`.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskSpec {
    /// Names the mask in facts and refusals.
    pub name: Spanned<String>,
    /// Globs over resources; left out, any whose results can be masked.
    pub resource: Option<Spanned<Globs>>,
    /// Globs over workloads; left out, any.
    pub workload: Option<Spanned<Globs>>,
    /// Globs over groups; left out, any.
    pub group: Option<Spanned<Globs>>,
    /// By whose tokens those are known whom it is about; left out, by any or none.
    pub issuer: Option<Spanned<String>>,
    /// What these tokens say; left out, anything.
    pub claims: Option<Spanned<Tree>>,
    /// Globs over groups that see the values.
    pub except_group: Option<Spanned<Globs>>,
    /// Globs over columns, as `schema.table.column`.
    pub column: Option<Spanned<Globs>>,
    /// Globs over types of columns.
    #[serde(rename = "type")]
    pub ty: Option<Spanned<Globs>>,
    /// What is looked for in values, of which alone they are masked: names, and patterns.
    pub detector: Option<Spanned<Tree>>,
    /// What becomes of values; what is found may be left to what suits it.
    pub kind: Option<Spanned<String>>,
    /// Of `partial`: what stays.
    pub keep: Option<Spanned<Tree>>,
    /// Of `bucket`: how coarse.
    pub bucket: Option<Spanned<Tree>>,
    /// Paths in JSON values, of which the rest stays; left out, the whole.
    pub json: Option<Spanned<Globs>>,
    /// What becomes of a value that the kind does not go with; left out, `null`.
    pub otherwise: Option<Spanned<String>>,
    /// What becomes of statements that compare or sort by values; left out, `deny`.
    pub masked_in_predicate: Option<Spanned<String>>,
    /// What becomes of statements that change what names in the database mean; left out, `deny`.
    pub masked_redefined: Option<Spanned<String>>,
    /// Why; told by a refusal, and to approvers.
    pub reason: Option<Spanned<String>>,
    /// Who sees the values in what waits for an approval: names of [[approvers]]; left out, nobody.
    pub seen_by: Option<Spanned<Vec<Spanned<String>>>>,
    /// Where people decide on such statements: the names of those who must agree.
    pub approvers: Option<Spanned<Vec<Spanned<String>>>>,
    /// Whether they are asked one after the other.
    pub in_order: Option<Spanned<bool>>,
    /// How long such a statement waits for them.
    pub timeout: Option<Spanned<String>>,
}

/// What a rule does to the actions it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Lets pass, unless another rule denies.
    Allow,
    /// Holds until people decide, whatever other rules allow; what it surely matches may pass then.
    Approve,
    /// Refuses, whatever other rules allow or hold.
    Deny,
}

/// Whether a rule or a resource takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// What it would have done is recorded, and the action passes.
    Observe,
}

/// A glob or a list of them.
#[derive(Clone, Debug)]
pub struct Globs(pub Vec<Spanned<String>>);

/// A value of the file as it stands: what may be in a `match` depends on the fact's type.
#[derive(Clone, Debug)]
pub enum Tree {
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// An integer.
    Number(i64),
    /// An array.
    List(Vec<Spanned<Tree>>),
    /// A table.
    Table(Vec<(Spanned<String>, Spanned<Tree>)>),
}

impl<'de> Deserialize<'de> for Globs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Spanned::<Tree>::deserialize(deserializer)?;
        let span = tree.span();
        match tree.into_inner() {
            Tree::Text(text) => Ok(Self(vec![Spanned::new(span, text)])),
            Tree::List(items) => items
                .into_iter()
                .map(|item| {
                    let span = item.span();
                    match item.into_inner() {
                        Tree::Text(text) => Ok(Spanned::new(span, text)),
                        _ => Err(serde::de::Error::custom("expected a list of strings")),
                    }
                })
                .collect::<Result<_, _>>()
                .map(Self),
            _ => Err(serde::de::Error::custom(
                "expected a string or a list of strings",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a list, true or false, a whole number or a table")
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Tree::Table(table))
    }
}
