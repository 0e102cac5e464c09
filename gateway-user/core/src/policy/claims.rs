//! `Claims`: what a rule wants of the token that a workload is known by. Always of one issuer's: what
//! two issuers say under one name is not the same.
//!
//! Nothing here verifies a token. What is held against is an [`Identity`], which only comes from one
//! that was good. A claim that is not there is not known, so it keeps what lets pass from holding,
//! and what stops holds: who has no identity may be anybody.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;

use super::diagnostic::Diagnostic;
use super::model::Tree;
use super::pattern::Truth;
use crate::glob::Glob;
use crate::ids::IssuerName;
use crate::subject::{Claim, Identity};

/// The claim that every token has: whom the issuer means. It need not be declared.
pub const SUBJECT: &str = "sub";

/// What kind of values a claim has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimType {
    /// One text.
    Text,
    /// Several texts in no order.
    List,
}

/// An `[[issuer]]`, as far as policy cares.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Its name.
    pub name: IssuerName,
    /// The claims that are taken from its tokens, besides [`SUBJECT`].
    pub claims: BTreeMap<String, ClaimType>,
}

impl Issuer {
    /// The type of a claim; none for one that is not taken.
    pub(super) fn claim(&self, name: &str) -> Option<ClaimType> {
        match name {
            SUBJECT => Some(ClaimType::Text),
            name => self.claims.get(name).copied(),
        }
    }

    /// The names of all claims.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.claims.keys().map(String::as_str).chain([SUBJECT])
    }
}

/// A claim, which must be like one of these patterns.
type Wanted = (Box<str>, Box<[Glob]>);

/// What is wanted of an identity; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Claims {
    issuer: Option<IssuerName>,
    wanted: Box<[Wanted]>,
}

impl Claims {
    /// Reads `issuer` and `claims` of a rule, a mask, a budget or a limit.
    pub(super) fn read(
        issuers: &[Issuer],
        issuer: &Option<Spanned<String>>,
        claims: &Option<Spanned<Tree>>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let known = || issuers.iter().map(|it| it.name.as_str());
        let Some(name) = issuer else {
            if let Some(claims) = claims {
                let message = "claims are of an issuer, and this does not say of which";
                let diagnostic = Diagnostic::error(claims.span(), message);
                diagnostics.push(match issuers {
                    [one] => diagnostic.help(format!("add `issuer = \"{}\"`", one.name)),
                    [] => diagnostic.help("add an [[issuer]], and name it here as `issuer`"),
                    _ => diagnostic.suggest("", known()),
                });
            }
            return Self::default();
        };
        let found = issuers.iter().find(|it| it.name.as_str() == name.get_ref());
        let Some(found) = found else {
            let message = format!("there is no issuer `{}`", name.get_ref());
            let diagnostic = Diagnostic::error(name.span(), message);
            diagnostics.push(diagnostic.suggest(name.get_ref(), known()));
            return Self::default();
        };
        let wanted = claims.as_ref().map(|tree| wanted(found, tree, diagnostics));
        Self {
            issuer: Some(found.name.clone()),
            wanted: wanted.unwrap_or_default().into(),
        }
    }

    /// Whose claims they are.
    pub(super) fn issuer(&self) -> Option<&IssuerName> {
        self.issuer.as_ref()
    }

    /// Whether nothing is wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.issuer.is_none()
    }

    /// Whether an identity has them, as far as that is known.
    pub(super) fn of(&self, identity: Option<&Identity>) -> Truth {
        let Some(issuer) = &self.issuer else {
            return Truth::Yes;
        };
        let Some(identity) = identity.filter(|it| it.issuer == *issuer) else {
            return Truth::Maybe;
        };
        let wanted = self.wanted.iter();
        let each = wanted.map(|(name, globs)| has(identity, name, globs));
        each.min().unwrap_or(Truth::Yes)
    }

    /// Whether whoever has those of `other` has these.
    pub(super) fn include(&self, other: &Self) -> bool {
        let mut wanted = self.wanted.iter();
        self.is_empty()
            || self.issuer == other.issuer && wanted.all(|one| other.wanted.contains(one))
    }
}

/// As a rule writes it.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(issuer) = &self.issuer else {
            return Ok(());
        };
        write!(f, "issuer = {:?}", issuer.as_str())?;
        for (index, (name, globs)) in self.wanted.iter().enumerate() {
            let globs: Vec<_> = globs
                .iter()
                .map(|it| format!("{:?}", it.to_string()))
                .collect();
            let before = if index == 0 { ", claims = { " } else { ", " };
            match globs.as_slice() {
                [one] => write!(f, "{before}{name} = {one}")?,
                several => write!(f, "{before}{name} = [{}]", several.join(", "))?,
            }
        }
        f.write_str(if self.wanted.is_empty() { "" } else { " }" })
    }
}

fn has(identity: &Identity, name: &str, globs: &[Glob]) -> Truth {
    let like = |text: &str| globs.iter().any(|glob| glob.matches(text));
    if name == SUBJECT {
        return match identity.subject.is_empty() {
            true => Truth::Maybe,
            false => like(&identity.subject).into(),
        };
    }
    match identity.claims.get(name) {
        Some(Claim::Text(text)) => like(text).into(),
        Some(Claim::Texts(texts)) => texts.iter().any(|text| like(text)).into(),
        None => Truth::Maybe,
    }
}

fn wanted(issuer: &Issuer, tree: &Spanned<Tree>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Wanted> {
    let help = "such as { team = \"data\", groups = [\"dba\", \"ops-*\"] }";
    let Tree::Table(entries) = tree.get_ref() else {
        let message = "`claims` must be a table of claims and values";
        diagnostics.push(Diagnostic::error(tree.span(), message).help(help));
        return Vec::new();
    };
    if entries.is_empty() {
        let message = "`claims` names no claim";
        let help = "leave it out for whoever has a token of the issuer";
        diagnostics.push(Diagnostic::error(tree.span(), message).help(help));
    }
    let mut wanted = Vec::new();
    for (name, value) in entries {
        if issuer.claim(name.get_ref()).is_none() {
            let message = format!("no claim `{}` is taken of {}", name.get_ref(), issuer.name);
            let diagnostic = Diagnostic::error(name.span(), message);
            diagnostics.push(diagnostic.suggest(name.get_ref(), issuer.names()));
        }
        let text = |item: &Spanned<Tree>| match item.get_ref() {
            Tree::Text(text) => Some(Glob::new(text)),
            _ => None,
        };
        let globs: Option<Vec<Glob>> = match value.get_ref() {
            Tree::List(items) if !items.is_empty() => items.iter().map(text).collect(),
            Tree::Text(_) => text(value).map(|glob| vec![glob]),
            _ => None,
        };
        match globs {
            Some(globs) => wanted.push((name.get_ref().as_str().into(), globs.into())),
            None => {
                let message = "a claim cannot be held against this";
                let help = "expected a string, or a list of strings of which one is enough";
                diagnostics.push(Diagnostic::error(value.span(), message).help(help));
            }
        }
    }
    wanted
}
