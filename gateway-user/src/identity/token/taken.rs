//! What is taken of a token: `sub`, and the claims that the configuration names, each by its type.
//!
//! A claim of another type, or one that is too large, is not taken: policy knows nothing of it then,
//! which opens nothing.

use std::collections::BTreeMap;

use gateway_core::policy::claims::ClaimType;
use gateway_core::subject::{Claim, Identity};
use serde_json::{Map, Value};

use crate::identity::issuer::Issuer;

/// No text of a claim is longer, in bytes.
const LONGEST: usize = 1024;
/// No list of a claim has more values.
const MOST: usize = 1000;

/// Where a claim is in a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// By its name.
    Top(String),
    /// By a JSON Pointer (RFC 6901), such as `/kubernetes.io/namespace`.
    Pointer(String),
}

/// A claim that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What rules call it.
    pub name: String,
    /// Where it is.
    pub at: At,
    /// Its type.
    pub ty: ClaimType,
}

/// Who the claims of a token say its bearer is; none where they do not say whom they mean.
pub(super) fn identity(issuer: &Issuer, claims: &Map<String, Value>) -> Option<Identity> {
    let subject = claims.get("sub").and_then(text)?;
    let taken = issuer.claims.iter();
    let claims: BTreeMap<String, Claim> = taken
        .filter_map(|taken| {
            let value = match &taken.at {
                At::Top(name) => claims.get(name),
                At::Pointer(pointer) => find(claims, pointer),
            };
            Some((taken.name.clone(), claim(value?, taken.ty)?))
        })
        .collect();
    let account = issuer
        .account
        .as_ref()
        .and_then(|name| match claims.get(name) {
            Some(Claim::Text(account)) => Some(account.clone()),
            _ => None,
        });
    Some(Identity {
        issuer: issuer.name.clone(),
        subject,
        account,
        claims,
    })
}

fn find<'a>(claims: &'a Map<String, Value>, pointer: &str) -> Option<&'a Value> {
    let mut parts = pointer.strip_prefix('/')?.split('/').map(unescape);
    let mut value = claims.get(&parts.next()?)?;
    for part in parts {
        // A place in a list is no name of a claim.
        value = value.as_object()?.get(&part)?;
    }
    Some(value)
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn claim(value: &Value, ty: ClaimType) -> Option<Claim> {
    match (ty, value) {
        (ClaimType::Text, value) => text(value).map(Claim::Text),
        (ClaimType::List, Value::Array(items)) if items.len() <= MOST => {
            let texts: Option<Vec<String>> = items.iter().map(text).collect();
            texts.map(Claim::Texts)
        }
        (ClaimType::List, _) => None,
    }
}

/// A text, or what JSON writes for a number or a truth.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.is_empty() && text.len() <= LONGEST).then_some(text)
}
