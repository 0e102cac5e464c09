//! `[[issuer]]`: whose tokens are believed, and what of them policy may look at.
//!
//! Part of `check`. Nothing is asked of an issuer here: whether it can be reached is found out when a
//! token is to be verified.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway_core::duration;
use gateway_core::ids::IssuerName;
use gateway_core::policy::claims::{ClaimType, SUBJECT};
use gateway_core::policy::diagnostic::Diagnostic;
use gateway_core::policy::model::Tree;
use jiff::SignedDuration;
use toml::Spanned;

use super::check::Findings;
use super::file;
use crate::identity::issuer::{Issuer, Source};
use crate::identity::token::ALGORITHMS;
use crate::identity::token::taken::{At, Taken};
use crate::tls::web;
use crate::web::url::Url;

/// What an issuer's clock may be off, unless it says otherwise.
const LEEWAY: Duration = Duration::from_secs(30);
/// And at most: it is added to the life of every token.
const LEEWAY_MAX: Duration = Duration::from_secs(600);
/// How long keys are used while no newer ones can be had, unless it says otherwise.
const KEEP: Duration = Duration::from_secs(3600);
/// At most: a key that was taken back is good for so long.
const KEEP_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// At least: keys are read again after five minutes.
const KEEP_MIN: Duration = Duration::from_secs(600);
/// Where an issuer's description is (OpenID Connect Discovery 1.0, 4).
const DESCRIPTION: &str = "/.well-known/openid-configuration";

impl Findings<'_> {
    pub(super) fn issuers(&mut self, tables: Vec<file::Issuer>) -> Option<Vec<Arc<Issuer>>> {
        let mut names = HashMap::new();
        let count = tables.len();
        let mut found: Vec<Arc<Issuer>> = Vec::with_capacity(count);
        for table in tables {
            let named = self.name("issuer", &table.name, &mut names);
            if found.iter().any(|other| other.url == *table.url.get_ref()) {
                let message = "there is another issuer with this url".to_owned();
                self.error(table.url.span(), message, None);
                continue;
            }
            let issuer = self.issuer(table);
            found.extend(issuer.filter(|_| named).map(Arc::new));
        }
        (found.len() == count).then_some(found)
    }

    pub(super) fn unknown_issuer(&mut self, name: &Spanned<String>, issuers: &[Arc<Issuer>]) {
        let known = issuers.iter().map(|it| it.name.as_str());
        let message = format!("there is no issuer `{}`", name.get_ref());
        let found = Diagnostic::error(name.span(), message).suggest(name.get_ref(), known);
        self.error(found.span, found.message, found.help);
    }

    fn issuer(&mut self, table: file::Issuer) -> Option<Issuer> {
        let source = self.source(&table);
        let audience = self.audience(&table.audience);
        let algorithms = self.algorithms(table.algorithms.as_ref());
        let leeway = self.span_of_time(table.leeway.as_ref(), LEEWAY, Duration::ZERO..=LEEWAY_MAX);
        let keep = self.span_of_time(table.keep_keys.as_ref(), KEEP, KEEP_MIN..=KEEP_MAX);
        let claims = self.claims(table.claims.as_ref());
        let account = self.account_claim(table.account.as_ref(), claims.as_deref());
        Some(Issuer {
            name: IssuerName::new(table.name.into_inner()),
            url: table.url.into_inner(),
            audience: audience?,
            algorithms: algorithms?,
            leeway: SignedDuration::try_from(leeway?).ok()?,
            source: source?,
            keep: keep?,
            claims: claims?,
            account: account?,
        })
    }

    /// Where its keys are.
    fn source(&mut self, table: &file::Issuer) -> Option<Source> {
        let (url, ca_file) = (&table.url, table.ca_file.as_ref());
        for path in [ca_file, table.jwks_file.as_ref()].into_iter().flatten() {
            if !path.get_ref().is_absolute() {
                self.relative_path(path.span());
                return None;
            }
        }
        if url.get_ref().is_empty() {
            self.error(url.span(), "an issuer has a url".to_owned(), None);
            return None;
        }
        if let Some(file) = &table.jwks_file {
            if let Some(ca) = ca_file {
                let message =
                    "this ca_file has no effect: the keys are read from a file".to_owned();
                self.error(ca.span(), message, None);
                return None;
            }
            return Some(Source::File(file.get_ref().clone()));
        }
        let base = url.get_ref().trim_end_matches('/');
        let description = match format!("{base}{DESCRIPTION}").parse::<Url>() {
            Ok(_) if base.contains('?') => {
                let message = "the url of an issuer has no query".to_owned();
                self.error(url.span(), message, None);
                return None;
            }
            Ok(description) => description,
            Err(error) => {
                let help = "its description is asked for there; with jwks_file it can be anything";
                self.error(url.span(), error.to_string(), Some(help.to_owned()));
                return None;
            }
        };
        let tls = match description.is_tls {
            true => {
                let path: Option<&PathBuf> = ca_file.map(Spanned::get_ref);
                match web::client_config(path.map(PathBuf::as_path)) {
                    Ok(tls) => Some(tls),
                    Err(error) => {
                        let span = ca_file.map_or(url.span(), Spanned::span);
                        self.error(span, error.to_string(), None);
                        return None;
                    }
                }
            }
            false => None,
        };
        let url = description;
        Some(Source::Discovery { url, tls })
    }

    fn audience(&mut self, list: &Spanned<Vec<Spanned<String>>>) -> Option<Vec<String>> {
        let is_empty = |text: &Spanned<String>| text.get_ref().is_empty();
        if list.get_ref().is_empty() || list.get_ref().iter().any(is_empty) {
            let message = "a token is for somebody: `audience` names this gateway".to_owned();
            let help = "without it a token for any other service would do here".to_owned();
            self.error(list.span(), message, Some(help));
            return None;
        }
        Some(
            list.get_ref()
                .iter()
                .map(|it| it.get_ref().clone())
                .collect(),
        )
    }

    fn algorithms(
        &mut self,
        list: Option<&Spanned<Vec<Spanned<String>>>>,
    ) -> Option<Vec<&'static str>> {
        let known = ALGORITHMS.map(|(name, _)| name);
        let Some(list) = list else {
            return Some(known.to_vec());
        };
        let mut found = Vec::new();
        for word in list.get_ref() {
            match known.iter().find(|known| *known == word.get_ref()) {
                Some(known) => found.push(*known),
                None => {
                    let message = format!("tokens are not signed by `{}` here", word.get_ref());
                    let help = match word.get_ref().starts_with("HS") {
                        true => "whoever verifies by a shared secret could make tokens".to_owned(),
                        false => format!("known are: {}", known.join(", ")),
                    };
                    self.error(word.span(), message, Some(help));
                    return None;
                }
            }
        }
        if found.is_empty() {
            let message = "an empty list of algorithms accepts no token".to_owned();
            self.error(
                list.span(),
                message,
                Some("leave it out for all".to_owned()),
            );
            return None;
        }
        Some(found)
    }

    fn span_of_time(
        &mut self,
        text: Option<&Spanned<String>>,
        usual: Duration,
        within: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let Some(text) = text else {
            return Some(usual);
        };
        match duration::parse(text.get_ref()) {
            Some(span) if within.contains(&span) => Some(span),
            Some(_) => {
                let (least, most) = (within.start().as_secs(), within.end().as_secs());
                let message = format!("this is between {least} and {most} seconds");
                self.error(text.span(), message, None);
                None
            }
            None => {
                let message = format!("`{}` is no span of time", text.get_ref());
                self.error(text.span(), message, Some(duration::EXPECTED.to_owned()));
                None
            }
        }
    }

    /// What is taken of its tokens.
    fn claims(&mut self, tree: Option<&Spanned<Tree>>) -> Option<Vec<Taken>> {
        let Some(tree) = tree else {
            return Some(Vec::new());
        };
        let help = "such as { team = \"text\", groups = \"list\" }";
        let Tree::Table(entries) = tree.get_ref() else {
            let message = "`claims` is a table of names and types".to_owned();
            self.error(tree.span(), message, Some(help.to_owned()));
            return None;
        };
        let mut taken = BTreeMap::new();
        for (name, value) in entries {
            let text = name.get_ref();
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
            if !is_name || !text.chars().all(fits) || text == SUBJECT {
                let message = match text.as_str() {
                    SUBJECT => "`sub` is taken of every token".to_owned(),
                    _ => format!("{text:?} cannot be the name of a claim"),
                };
                let help = "rules use letters, digits and `_`; for a claim of another name, or one \
                     that is deeper in the token: { at = \"/kubernetes.io/namespace\", type = \"text\" }";
                self.error(name.span(), message, Some(help.to_owned()));
                return None;
            }
            let one = self.claim(text, value)?;
            taken.insert(text.clone(), one);
        }
        Some(taken.into_values().collect())
    }

    fn claim(&mut self, name: &str, value: &Spanned<Tree>) -> Option<Taken> {
        let (mut ty, mut at) = (None, At::Top(name.to_owned()));
        let mut good = true;
        match value.get_ref() {
            Tree::Text(word) => ty = claim_type(word),
            Tree::Table(entries) => {
                for (key, value) in entries {
                    match (key.get_ref().as_str(), value.get_ref()) {
                        ("type", Tree::Text(word)) => ty = claim_type(word),
                        ("at", Tree::Text(pointer)) if is_pointer(pointer) => {
                            at = At::Pointer(pointer.clone());
                        }
                        _ => good = false,
                    }
                }
            }
            _ => good = false,
        }
        match ty.filter(|_| good) {
            Some(ty) => Some(Taken {
                name: name.to_owned(),
                at,
                ty,
            }),
            None => {
                let message = format!("this does not say what the claim `{name}` is");
                let help = "expected \"text\", \"list\" or { at = \"/path/in/token\", type = \"text\" }, \
                     where `at` is a JSON Pointer";
                self.error(value.span(), message, Some(help.to_owned()));
                None
            }
        }
    }

    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it is good, the inner one whether it is there"
    )]
    fn account_claim(
        &mut self,
        name: Option<&Spanned<String>>,
        claims: Option<&[Taken]>,
    ) -> Option<Option<String>> {
        let Some(name) = name else {
            return Some(None);
        };
        let mut claims = claims?.iter();
        let is_text = claims.any(|it| it.name == *name.get_ref() && it.ty == ClaimType::Text);
        if is_text {
            return Some(Some(name.get_ref().clone()));
        }
        let message = format!("`{}` is no claim of one text", name.get_ref());
        let help = "name one of `claims` with the type \"text\"".to_owned();
        self.error(name.span(), message, Some(help));
        None
    }
}

fn claim_type(word: &str) -> Option<ClaimType> {
    match word {
        "text" => Some(ClaimType::Text),
        "list" => Some(ClaimType::List),
        _ => None,
    }
}

/// Whether a text is a JSON Pointer (RFC 6901, 3) to something in the token.
fn is_pointer(text: &str) -> bool {
    let mut rest = text.split('~').skip(1);
    text.len() > 1
        && text.starts_with('/')
        && rest.all(|after| after.starts_with('0') || after.starts_with('1'))
}
