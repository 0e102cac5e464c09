//! `Bearer`: who somebody is by a token, as a person writes it down to see what a policy decides.
//!
//! What is not given is not known, as of anything else.

use std::collections::BTreeMap;

use gateway_core::policy::claims::{ClaimType, Issuer, SUBJECT};
use gateway_core::policy::model::Tree;
use gateway_core::subject::{Claim, Identity};
use toml::Spanned;

use crate::cli::failure::Failure;
use crate::config::Config;

/// Who it is by a token; by none, if nothing is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Bearer {
    /// Who says so; left out, the only issuer that there is.
    pub(super) issuer: Option<String>,
    /// What the token says, by name.
    pub(super) claims: Vec<(String, Tree)>,
}

impl Bearer {
    /// The identity that such a token would give.
    pub(super) fn identity(&self, config: &Config) -> Result<Option<Identity>, Failure> {
        if self.issuer.is_none() && self.claims.is_empty() {
            return Ok(None);
        }
        let issuer = self.issuer(config)?;
        let mut identity = Identity {
            issuer: issuer.name.clone(),
            subject: String::new(),
            account: None,
            claims: BTreeMap::new(),
        };
        for (name, value) in &self.claims {
            let ty = match name.as_str() {
                SUBJECT => Some(ClaimType::Text),
                name => issuer.claims.get(name).copied(),
            };
            let Some(ty) = ty else {
                let mut known: Vec<&str> = issuer.claims.keys().map(String::as_str).collect();
                known.push(SUBJECT);
                let message = format!("no claim `{name}` is taken of {}", issuer.name);
                let help = format!("known are: {}", known.join(", "));
                return Err(Failure::new(message).help(help));
            };
            let claim = claim(value, ty).ok_or_else(|| {
                let expected = match ty {
                    ClaimType::Text => "a text",
                    ClaimType::List => "a list of texts",
                };
                Failure::new(format!("the claim `{name}` is {expected}"))
            })?;
            match (name.as_str(), claim) {
                (SUBJECT, Claim::Text(subject)) => identity.subject = subject,
                (name, claim) => {
                    identity.claims.insert(name.to_owned(), claim);
                }
            }
        }
        Ok(Some(identity))
    }

    fn issuer(&self, config: &Config) -> Result<Issuer, Failure> {
        let names: Vec<&str> = config.issuers.iter().map(|it| it.name.as_str()).collect();
        let found = match (&self.issuer, config.issuers.as_slice()) {
            (Some(name), all) => all.iter().find(|it| it.name.as_str() == name),
            (None, [one]) => Some(one),
            (None, _) => None,
        };
        found.map(|it| it.told()).ok_or_else(|| {
            let message = match &self.issuer {
                Some(name) => format!("there is no issuer `{name}`"),
                None => "claims are of an issuer: say of which".to_owned(),
            };
            let help = match names.as_slice() {
                [] => "the configuration has none: add an [[issuer]]".to_owned(),
                names => format!("the configuration has {}", names.join(", ")),
            };
            Failure::new(message).help(help)
        })
    }
}

fn claim(value: &Tree, ty: ClaimType) -> Option<Claim> {
    let text = |tree: &Tree| match tree {
        Tree::Text(text) => Some(text.clone()),
        Tree::Flag(flag) => Some(flag.to_string()),
        Tree::Number(number) => Some(number.to_string()),
        Tree::List(_) | Tree::Table(_) => None,
    };
    match (ty, value) {
        (ClaimType::Text, value) => text(value).map(Claim::Text),
        (ClaimType::List, Tree::List(items)) => {
            let items = items.iter().map(Spanned::get_ref);
            items.map(text).collect::<Option<_>>().map(Claim::Texts)
        }
        (ClaimType::List, value) => text(value).map(|one| Claim::Texts(vec![one])),
    }
}
