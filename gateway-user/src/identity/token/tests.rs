//! Tokens that are good, and every way in which one is not.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use aws_lc_rs::{hmac, signature};
use gateway_core::ids::IssuerName;
use gateway_core::policy::claims::ClaimType;
use gateway_core::subject::Claim;
use serde_json::json;

use super::taken::{At, Taken};
use super::*;
use crate::identity::issuer::Source;

const NOW: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

pub(super) fn issuer() -> Issuer {
    let taken = |name: &str, at: At, ty| Taken {
        name: name.to_owned(),
        at,
        ty,
    };
    Issuer {
        name: IssuerName::new("corp"),
        url: "https://login.example.com".to_owned(),
        audience: vec!["gateway".to_owned(), "other".to_owned()],
        algorithms: ALGORITHMS.map(|(name, _)| name).to_vec(),
        leeway: SignedDuration::from_secs(30),
        source: Source::File("/nowhere".into()),
        keep: std::time::Duration::from_secs(3600),
        claims: vec![
            taken("team", At::Top("team".into()), ClaimType::Text),
            taken("groups", At::Top("groups".into()), ClaimType::List),
            taken(
                "namespace",
                At::Pointer("/kubernetes.io/name~1space".into()),
                ClaimType::Text,
            ),
        ],
        account: Some("team".to_owned()),
    }
}

/// A key pair of the issuer's.
struct Signer {
    pair: EcdsaKeyPair,
    kid: &'static str,
}

impl Signer {
    fn new(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair, kid }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let coordinate = |range: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&point[range]);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid,
            "x": coordinate(1..33), "y": coordinate(33..65),
        })
    }

    fn keys(&self) -> CoreJsonWebKeySet {
        serde_json::from_value(json!({ "keys": [self.jwk()] })).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = self.pair.sign(&random, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }

    fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "ES256", "kid": self.kid }), claims)
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

fn claims() -> Value {
    json!({
        "iss": "https://login.example.com",
        "aud": "gateway",
        "sub": "planner",
        "exp": NOW + 60,
        "iat": NOW - 60,
        "team": "data",
    })
}

/// The claims with one changed; `null` takes it out.
fn with(name: &str, value: Value) -> Value {
    let mut all = claims();
    let map = all.as_object_mut().unwrap();
    match value {
        Value::Null => map.remove(name),
        value => map.insert(name.to_owned(), value),
    };
    all
}

fn verify(token: &str, keys: &CoreJsonWebKeySet) -> Result<Verified, TokenError> {
    Unverified::read(token)?.verify(&issuer(), keys, now())
}

#[test]
fn a_good_token_says_who_somebody_is() {
    let signer = Signer::new("one");
    let verified = verify(&signer.token(&claims()), &signer.keys()).unwrap();
    assert_eq!(verified.identity.issuer.as_str(), "corp");
    assert_eq!(verified.identity.subject, "planner");
    assert_eq!(verified.identity.account.as_deref(), Some("data"));
    assert_eq!(verified.until.as_second(), NOW + 60 + 30);
    for typ in ["JWT", "jwt", "at+jwt", "application/at+jwt"] {
        let header = json!({ "alg": "ES256", "kid": "one", "typ": typ });
        assert!(verify(&signer.sign(&header, &claims()), &signer.keys()).is_ok());
    }
    // One that names no key is held against all.
    let unnamed = signer.sign(&json!({ "alg": "ES256" }), &claims());
    assert!(verify(&unnamed, &signer.keys()).is_ok());
    let several = with("aud", json!(["elsewhere", "other"]));
    assert!(verify(&signer.token(&several), &signer.keys()).is_ok());
}

#[test]
fn other_kinds_of_keys() {
    let pair = Ed25519KeyPair::generate().unwrap();
    let jwk = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "ed",
        "x": URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()),
    });
    let keys: CoreJsonWebKeySet = serde_json::from_value(json!({ "keys": [jwk] })).unwrap();
    let message = message(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims());
    let signature = URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()).as_ref());
    assert!(verify(&format!("{message}.{signature}"), &keys).is_ok());

    let (keys, sign) = rsa();
    for alg in ["RS256", "PS256"] {
        let token = sign(
            &self::message(&json!({ "alg": alg, "kid": "rsa" }), &claims()),
            alg,
        );
        assert!(verify(&token, &keys).is_ok(), "{alg}");
    }
}

fn rsa() -> (CoreJsonWebKeySet, impl Fn(&str, &str) -> String) {
    let pair = signature::RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({
        "kty": "RSA", "use": "sig", "kid": "rsa",
        "n": part(pair.public_key().modulus().big_endian_without_leading_zero()),
        "e": part(pair.public_key().exponent().big_endian_without_leading_zero()),
    });
    let keys = serde_json::from_value(json!({ "keys": [key] })).unwrap();
    let sign = move |message: &str, alg: &str| {
        let how: &dyn signature::RsaEncoding = match alg {
            "RS256" => &signature::RSA_PKCS1_SHA256,
            _ => &signature::RSA_PSS_SHA256,
        };
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(how, &random, message.as_bytes(), &mut signature)
            .unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    (keys, sign)
}

#[test]
fn claims_are_taken_by_their_types() {
    let signer = Signer::new("one");
    let mut all = with("groups", json!(["dba", 7, true]));
    all["kubernetes.io"] = json!({ "name/space": "agents" });
    let identity = verify(&signer.token(&all), &signer.keys())
        .unwrap()
        .identity;
    let text = |text: &str| Claim::Text(text.to_owned());
    assert_eq!(identity.claims["team"], text("data"));
    assert_eq!(identity.claims["namespace"], text("agents"));
    let groups = ["dba", "7", "true"].map(str::to_owned).to_vec();
    assert_eq!(identity.claims["groups"], Claim::Texts(groups));
    // What is of another type, or too much, is not there.
    for (name, value) in [
        ("team", json!(["data"])),
        ("team", json!({ "data": 1 })),
        ("team", json!("")),
        ("team", json!("x".repeat(1025))),
        ("groups", json!("dba")),
        ("groups", json!([["dba"]])),
        ("groups", json!(vec!["dba"; 1001])),
        ("kubernetes.io", json!("x")),
        ("kubernetes.io", json!([{ "name/space": "agents" }])),
    ] {
        let name_there = if name == "kubernetes.io" {
            "namespace"
        } else {
            name
        };
        let token = signer.token(&with(name, value));
        let identity = verify(&token, &signer.keys()).unwrap().identity;
        assert!(!identity.claims.contains_key(name_there), "{name}");
    }
}

#[test]
fn what_is_not_as_it_has_to_be() {
    let signer = Signer::new("one");
    let time = |seconds: i64| Timestamp::from_second(NOW + seconds).unwrap();
    for (name, value, expected) in [
        ("iss", json!("https://evil.example.com"), TokenError::Issuer),
        (
            "iss",
            json!("https://login.example.com/"),
            TokenError::Issuer,
        ),
        ("iss", Value::Null, TokenError::Issuer),
        (
            "aud",
            json!("elsewhere"),
            TokenError::Audience("gateway, other".into()),
        ),
        (
            "aud",
            json!(["gatewayx"]),
            TokenError::Audience("gateway, other".into()),
        ),
        (
            "aud",
            Value::Null,
            TokenError::Audience("gateway, other".into()),
        ),
        (
            "aud",
            json!({ "gateway": 1 }),
            TokenError::Audience("gateway, other".into()),
        ),
        ("exp", json!(NOW - 30), TokenError::Expired(time(-30))),
        ("exp", Value::Null, TokenError::Lacks("exp")),
        ("exp", json!("never"), TokenError::Lacks("exp")),
        ("exp", json!(1e300), TokenError::Lacks("exp")),
        ("nbf", json!(NOW + 31), TokenError::Early(time(31))),
        ("nbf", json!("now"), TokenError::Lacks("nbf")),
        ("iat", json!(NOW + 31), TokenError::Early(time(31))),
        ("sub", Value::Null, TokenError::Lacks("sub")),
        ("sub", json!(["planner"]), TokenError::Lacks("sub")),
        ("cnf", json!({ "jkt": "x" }), TokenError::Kind),
    ] {
        let verified = verify(&signer.token(&with(name, value)), &signer.keys());
        assert_eq!(verified.unwrap_err(), expected, "{name}");
    }
    // Within the leeway.
    for (name, value) in [("exp", NOW - 29), ("nbf", NOW + 30), ("iat", NOW + 30)] {
        assert!(verify(&signer.token(&with(name, json!(value))), &signer.keys()).is_ok());
    }
}

#[test]
fn signatures_that_are_none() {
    let signer = Signer::new("one");
    let keys = signer.keys();
    let refused = |token: &str| verify(token, &keys).unwrap_err();
    let algorithm = TokenError::Algorithm("corp".to_owned());

    // Signed by nobody.
    for alg in ["none", "None", "NONE", ""] {
        let unsigned = message(&json!({ "alg": alg, "kid": "one" }), &claims());
        assert_eq!(refused(&format!("{unsigned}.")), algorithm);
    }
    // The public key, which everybody has, as a shared secret.
    let message = message(&json!({ "alg": "HS256", "kid": "one" }), &claims());
    let jwk = signer.jwk().to_string();
    for secret in [jwk.as_bytes(), signer.pair.public_key().as_ref()] {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret),
            message.as_bytes(),
        );
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
        assert_eq!(refused(&token), algorithm);
    }
    // Even if the issuer lists a symmetric key.
    let shared = json!({ "kty": "oct", "kid": "one", "k": URL_SAFE_NO_PAD.encode(b"secret") });
    let shared: CoreJsonWebKeySet = serde_json::from_value(json!({ "keys": [shared] })).unwrap();
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, b"secret"),
        message.as_bytes(),
    );
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
    assert_eq!(verify(&token, &shared).unwrap_err(), algorithm);
    // By another's key, under the name of a good one and under its own.
    let other = Signer::new("one");
    assert_eq!(refused(&other.token(&claims())), TokenError::Signature);
    let other = Signer::new("other");
    let unknown = TokenError::UnknownKey("corp".to_owned());
    assert_eq!(refused(&other.token(&claims())), unknown);
    // With the key brought along.
    let header = json!({ "alg": "ES256", "kid": "one", "jwk": other.jwk() });
    assert_eq!(
        refused(&other.sign(&header, &claims())),
        TokenError::Signature
    );
    // What was signed, changed.
    let good = signer.token(&claims());
    let (_, signature) = good.rsplit_once('.').unwrap();
    let header = json!({ "alg": "ES256", "kid": "one" });
    let changed = self::message(&header, &with("team", json!("admins")));
    assert_eq!(
        refused(&format!("{changed}.{signature}")),
        TokenError::Signature
    );
    // Only by what is accepted of this issuer.
    let strict = Issuer {
        algorithms: vec!["RS256"],
        ..issuer()
    };
    let read = Unverified::read(&good).unwrap();
    assert_eq!(read.verify(&strict, &keys, now()).unwrap_err(), algorithm);
    // A key for another algorithm, and one for encryption.
    for (name, value) in [("alg", "RS256"), ("use", "enc")] {
        let mut jwk = signer.jwk();
        jwk[name] = json!(value);
        let keys: CoreJsonWebKeySet = serde_json::from_value(json!({ "keys": [jwk] })).unwrap();
        assert_eq!(verify(&good, &keys).unwrap_err(), TokenError::Signature);
    }
}

#[test]
fn what_is_no_token() {
    let signer = Signer::new("one");
    for text in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "{}",
        "e30.e30.e30",
        "é.é.é",
        "e30=.e30=.",
    ] {
        assert_eq!(
            verify(text, &signer.keys()).unwrap_err(),
            TokenError::Malformed,
            "{text}"
        );
    }
    let good = signer.token(&claims());
    assert_eq!(
        verify(&format!("{good}.x"), &signer.keys()).unwrap_err(),
        TokenError::Malformed
    );
    assert_eq!(
        verify(&format!("Bearer {good}"), &signer.keys()).unwrap_err(),
        TokenError::Malformed
    );
    let huge = signer.token(&with("team", json!("x".repeat(LONGEST))));
    assert_eq!(verify(&huge, &signer.keys()).unwrap_err(), TokenError::Long);
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let deep = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode("{\"alg\":\"ES256\"}"),
        URL_SAFE_NO_PAD.encode(deep)
    );
    assert_eq!(
        verify(&deep, &signer.keys()).unwrap_err(),
        TokenError::Malformed
    );
    // Of another kind, or with something that would have to be understood.
    for (name, value) in [
        ("typ", json!("logout+jwt")),
        ("typ", json!("dpop+jwt")),
        ("crit", json!(["b64"])),
    ] {
        let mut header = json!({ "alg": "ES256", "kid": "one" });
        header[name] = value;
        let token = signer.sign(&header, &claims());
        assert_eq!(
            verify(&token, &signer.keys()).unwrap_err(),
            TokenError::Kind
        );
    }
    // Encrypted ones have five parts.
    assert_eq!(
        verify("e30.a.b.c.d", &signer.keys()).unwrap_err(),
        TokenError::Malformed
    );
}
