//! Rules about who somebody is by a token.

use std::collections::BTreeMap;

use super::*;
use crate::policy::actor::Actor;
use crate::policy::claims::{ClaimType, Issuer};
use crate::policy::explain::NotBecause;
use crate::subject::{Claim, Identity};

pub(super) fn issuers() -> Vec<Issuer> {
    let claims = BTreeMap::from([
        ("team".to_owned(), ClaimType::Text),
        ("groups".to_owned(), ClaimType::List),
    ]);
    let issuer = |name: &str| Issuer {
        name: IssuerName::new(name),
        claims: claims.clone(),
    };
    vec![issuer("corp"), issuer("cluster")]
}

/// Such as `corp sub=planner team=data groups=dba,ops`; nothing is nobody known.
pub(super) fn identity(text: &str) -> Option<Arc<Identity>> {
    let mut words = text.split_whitespace();
    let mut identity = Identity {
        issuer: IssuerName::new(words.next()?),
        subject: String::new(),
        account: None,
        claims: BTreeMap::new(),
    };
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        let claim = match name {
            "sub" => {
                identity.subject = value.to_owned();
                continue;
            }
            "groups" => Claim::Texts(value.split(',').map(str::to_owned).collect()),
            _ => Claim::Text(value.to_owned()),
        };
        identity.claims.insert(name.to_owned(), claim);
    }
    Some(Arc::new(identity))
}

fn select(engine: &Engine, known: &str, resource: &str) -> String {
    let units = Arc::clone(&Script::read(b"SELECT 1", &Session::default()).units);
    let facts = Facts {
        stage: Stage::Action(units),
        connection: connection(),
    };
    let subject = Subject {
        identity: identity(known),
        ..subject("planner")
    };
    told(&engine.decide(&subject, &flow(Some(resource)), &facts, NOW))
}

/// What a rule with such a `who` does for each of these; `allow`s open, `deny`s shut.
#[track_caller]
fn check(who: &str, known: &str, allows: Option<bool>) {
    let opened = engine(&format!("[[rule]]\nname = 'it'\naction = 'allow'\n{who}"));
    let is_open = select(&opened, known, "orders-db") == "allow it";
    assert_eq!(is_open, allows == Some(true), "allow {who} for {known:?}");
    let shut = engine(&format!(
        "[[rule]]\nname = 'all'\naction = 'allow'\n[[rule]]\nname = 'it'\naction = 'deny'\n{who}"
    ));
    let is_shut = select(&shut, known, "orders-db").starts_with("deny it");
    // Where it is not known, too.
    assert_eq!(is_shut, allows != Some(false), "deny {who} for {known:?}");
}

#[test]
fn claims_open_what_is_known_and_shut_what_is_not() {
    let data = "issuer = 'corp'\nclaims = { team = 'data' }";
    check(data, "corp team=data", Some(true));
    check(data, "corp team=ads", Some(false));
    check(data, "corp", None);
    check(data, "", None);
    // What another issuer says is something else.
    check(data, "cluster team=data", None);
    check(data, "cluster team=ads", None);
    let several = "issuer = 'corp'\nclaims = { team = ['da*', 'ops'], groups = 'dba' }";
    check(several, "corp team=data groups=agents,dba", Some(true));
    check(several, "corp team=ops groups=dba", Some(true));
    check(several, "corp team=ads groups=dba", Some(false));
    check(several, "corp team=data groups=agents", Some(false));
    check(several, "corp team=data", None);
    check(several, "corp groups=agents", Some(false));
    let subject = "issuer = 'corp'\nclaims = { sub = 'planner' }";
    check(subject, "corp sub=planner", Some(true));
    check(subject, "corp sub=other", Some(false));
    check(subject, "corp", None);
    check("issuer = 'corp'", "corp", Some(true));
    check("issuer = 'corp'", "cluster", None);
    check("issuer = 'corp'", "", None);
}

#[test]
fn conditions_look_at_identities() {
    let check = |condition: &str, known: &str, allows| {
        check(
            &format!("issuer = 'corp'\nwhen = '{condition}'"),
            known,
            allows,
        );
    };
    check(
        r#"identity.claims.team == "data""#,
        "corp team=data",
        Some(true),
    );
    check(
        r#"identity.claims.team == "data""#,
        "corp team=ads",
        Some(false),
    );
    check(r#"identity.claims.team == "data""#, "corp", None);
    check(
        r#"identity.claims.team == "data""#,
        "cluster team=data",
        None,
    );
    check(r#"identity.claims.team != "data""#, "corp", None);
    check(
        r#""dba" in identity.claims.groups"#,
        "corp groups=a,dba",
        Some(true),
    );
    check(
        r#""dba" in identity.claims.groups"#,
        "corp groups=a",
        Some(false),
    );
    check(
        r#"identity.claims.groups.all(g, g.startsWith("a"))"#,
        "corp",
        None,
    );
    check(
        "size(identity.claims.groups) == 2",
        "corp groups=a,b",
        Some(true),
    );
    check(
        r#"identity.subject.startsWith("system:")"#,
        "corp sub=system:x",
        Some(true),
    );
    check(r#"identity.subject == "x""#, "corp sub=y", Some(false));
    check(r#"identity.subject == "x""#, "corp", None);
    check(r#"identity.issuer == "corp""#, "corp", Some(true));
}

#[test]
fn what_is_wrong_is_told_when_it_is_loaded() {
    let check = |more: &str, expected: &str| {
        let rule = format!("[[rule]]\nname = 'it'\naction = 'allow'\n{more}");
        let found = load(&rule).unwrap_err();
        let [one] = found.as_slice() else {
            panic!("{more}: {found:?}");
        };
        let help = one.help.as_deref().unwrap_or_default();
        let place = rule.get(one.span.clone()).unwrap();
        assert_eq!(format!("{place} | {} | {help}", one.message), expected);
    };
    check(
        "claims = { team = 'data' }",
        "{ team = 'data' } | claims are of an issuer, and this does not say of which | \
         known are: corp, cluster",
    );
    check(
        "issuer = 'crop'",
        "'crop' | there is no issuer `crop` | did you mean `corp`?",
    );
    check(
        "issuer = 'corp'\nclaims = { taem = 'data' }",
        "taem | no claim `taem` is taken of corp | did you mean `team`?",
    );
    check(
        "issuer = 'corp'\nclaims = { team = 7 }",
        "7 | a claim cannot be held against this | \
         expected a string, or a list of strings of which one is enough",
    );
    check(
        "issuer = 'corp'\nclaims = { team = [] }",
        "[] | a claim cannot be held against this | \
         expected a string, or a list of strings of which one is enough",
    );
    check(
        "issuer = 'corp'\nclaims = {}",
        "{} | `claims` names no claim | leave it out for whoever has a token of the issuer",
    );
    check(
        "when = 'identity.claims.team == \"data\"'",
        "identity.claims.team | `identity.claims.team` is said by an issuer, and the rule does not \
         say by which | add `issuer = \"…\"` to the rule, the name of an [[issuer]]",
    );
    check(
        "issuer = 'corp'\nwhen = 'identity.claims.groups == \"dba\"'",
        "== | lists are not compared | use `in`, `all` or `exists`",
    );
    check(
        "issuer = 'corp'\nwhen = '\"x\" in identity.claims.team'",
        "identity.claims.team | this is a text, and should be a list | ",
    );
    check(
        "issuer = 'corp'\nwhen = 'identity.claims.taem == \"x\"'",
        "identity.claims.taem | no claim `taem` is taken of corp | did you mean `team`?",
    );
    check(
        "issuer = 'corp'\nwhen = 'identity.name == \"x\"'",
        "identity.name | nothing of an identity is called `identity.name` | known are: \
         identity.issuer, identity.subject, identity.claims.NAME",
    );
}

#[test]
fn who_has_to_be_known_and_is_not_gets_nothing() {
    let inventory = Inventory {
        strict: vec![WorkloadName::new("planner")],
        ..inventory()
    };
    let file: File = toml::from_str("[[rule]]\nname = 'all'\naction = 'allow'").unwrap();
    let digest = PolicyDigest::new("digest");
    let (engine, _) = Engine::compile(&inventory, &file.rule, &[], digest).unwrap();
    let refused = "deny workload planner has no valid identity token";
    assert_eq!(select(&engine, "corp", "orders-db"), "allow all");
    assert_eq!(select(&engine, "", "orders-db"), refused);
    // Not even where what is refused passes otherwise.
    assert_eq!(select(&engine, "", "trial-db"), refused);
    let start = decide(&engine, "planner", "orders-db", Stage::Connect);
    assert_eq!(told(&start), refused);
    let other = decide(&engine, "writer", "orders-db", Stage::Connect);
    assert_eq!(told(&other), "allow all");
}

#[test]
fn masks_are_for_those_who_may_be_meant() {
    let engine = engine(
        "[[rule]]\nname = 'all'\naction = 'allow'\n[[mask]]\nname = 'cards'\n\
         issuer = 'corp'\nclaims = { team = 'ads' }\ncolumn = 'public.cards.number'\nkind = 'full'",
    );
    let masked = |known: &str| {
        let identity = identity(known);
        let (workload, resource) = (WorkloadName::new("planner"), ResourceName::new("orders-db"));
        let actor = Actor {
            identity: identity.as_deref(),
            ..Actor::new(&workload, &[])
        };
        engine.masks_for(&actor, &resource).has_columns()
    };
    assert!(masked("corp team=ads"));
    assert!(!masked("corp team=data"));
    assert!(masked("corp"));
    assert!(masked("cluster team=data"));
    assert!(masked(""));
}

#[test]
fn explanations_say_what_was_wanted() {
    let engine = engine(
        "[[rule]]\nname = 'it'\naction = 'allow'\nissuer = 'corp'\n\
         claims = { team = 'data', groups = ['dba', 'ops'] }",
    );
    let told = |known: &str| {
        let identity = identity(known);
        let (workload, resource) = (WorkloadName::new("planner"), ResourceName::new("orders-db"));
        let actor = Actor {
            identity: identity.as_deref(),
            ..Actor::new(&workload, &[])
        };
        let facts = Facts {
            stage: Stage::Connect,
            connection: connection(),
        };
        let explained = engine.explain(&actor, &resource, &facts, NOW).unwrap();
        let why = explained.units[0].rules[0].not_because.clone();
        why.as_ref().map(NotBecause::to_string)
    };
    let wanted =
        "it wants issuer = \"corp\", claims = { groups = [\"dba\", \"ops\"], team = \"data\" }";
    assert_eq!(told("corp team=data groups=ops"), None);
    assert_eq!(
        told("corp team=ads").unwrap(),
        format!("{wanted}, and the token says otherwise")
    );
    assert_eq!(
        told("").unwrap(),
        format!("{wanted}, and that is not known of the workload")
    );
}

#[test]
fn a_deny_of_the_same_claims_leaves_nothing_of_an_allow() {
    let rules = |deny: &str| {
        format!(
            "[[rule]]\nname = 'some'\naction = 'allow'\nissuer = 'corp'\n\
             claims = {{ team = 'data', groups = 'dba' }}\n[[rule]]\nname = 'no'\naction = 'deny'\n{deny}"
        )
    };
    let warned = |deny: &str| {
        let (_, warnings) = load(&rules(deny)).unwrap();
        warnings
            .iter()
            .any(|it| it.message.ends_with("never takes effect"))
    };
    assert!(warned("issuer = 'corp'"));
    assert!(warned("issuer = 'corp'\nclaims = { team = 'data' }"));
    assert!(!warned("issuer = 'corp'\nclaims = { team = 'ads' }"));
    // It might be about them, and then again might not.
    assert!(!warned("issuer = 'cluster'\nclaims = { team = 'data' }"));
}
