//! When keys are read again, and how long they are kept.

use std::path::Path;

use gateway_core::ids::IssuerName;
use jiff::SignedDuration;

use super::*;
use crate::identity::issuer::Source;

const ONE: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn issuer(path: &Path, keep: Duration) -> Arc<Issuer> {
    Arc::new(Issuer {
        name: IssuerName::new("corp"),
        url: "https://login.example.com".to_owned(),
        audience: vec!["gateway".to_owned()],
        algorithms: vec!["EdDSA"],
        leeway: SignedDuration::ZERO,
        source: Source::File(path.to_owned()),
        keep,
        claims: Vec::new(),
        account: None,
    })
}

fn names(keys: &CoreJsonWebKeySet) -> Vec<String> {
    let keys = keys.keys().iter();
    let ids = keys.filter_map(openidconnect::JsonWebKey::key_id);
    ids.map(|id| id.to_string()).collect()
}

#[tokio::test]
async fn keys_are_read_again_but_not_too_often() {
    let mut now = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, ONE).unwrap();
    let keys = Keys::new(issuer(&file, Duration::from_secs(3600)));
    assert_eq!(names(&keys.get(Need::Usual, now).await.unwrap()), ["one"]);
    std::fs::write(&file, ONE.replace("one", "two")).unwrap();
    // A key that is not known is asked for, but not at once after the last time.
    assert_eq!(names(&keys.get(Need::Newer, now).await.unwrap()), ["one"]);
    now += PAUSE;
    assert_eq!(names(&keys.get(Need::Usual, now).await.unwrap()), ["one"]);
    assert_eq!(names(&keys.get(Need::Newer, now).await.unwrap()), ["two"]);
    // One that was taken back is found out by itself.
    std::fs::write(&file, ONE.replace("one", "three")).unwrap();
    now += FRESH;
    assert_eq!(names(&keys.get(Need::Usual, now).await.unwrap()), ["three"]);
}

#[tokio::test]
async fn the_last_good_keys_are_kept_for_a_time() {
    let mut now = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let keys = Keys::new(issuer(&file, Duration::from_secs(1000)));
    assert!(matches!(
        keys.get(Need::Usual, now).await,
        Err(KeysError::File { .. })
    ));
    std::fs::write(&file, ONE).unwrap();
    now += PAUSE;
    assert!(keys.get(Need::Usual, now).await.is_ok());
    for bad in [
        "",
        "{}",
        "[]",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"new"}]}"#,
    ] {
        std::fs::write(&file, bad).unwrap();
        now += PAUSE;
        assert_eq!(
            names(&keys.get(Need::Newer, now).await.unwrap()),
            ["one"],
            "{bad}"
        );
        assert!(keys.trouble().is_some(), "{bad}");
    }
    // For a new configuration too, though they are read again at once.
    let next = keys.after(issuer(&file, Duration::from_secs(1000)));
    assert_eq!(names(&next.get(Need::Usual, now).await.unwrap()), ["one"]);
    assert!(next.trouble().is_some());
    now += Duration::from_secs(1000);
    assert!(keys.get(Need::Usual, now).await.is_err());
    assert!(next.get(Need::Usual, now).await.is_err());
}
