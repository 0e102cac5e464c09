//! What a kind of mask makes of one JSON scalar.

use super::scan::{self, Fault, New, Scalar};
use crate::mask::bucket::Civil;
use crate::mask::number::Decimal;
use crate::mask::{Bucket, Kind, Mask, MaskKey, Otherwise, keyed, text};

/// So many bits can be in numbers that every reader of JSON keeps whole.
const SAFE_BITS: u32 = 53;

/// Masks what is at the paths of the mask in a JSON text.
///
/// # Errors
/// It is no JSON, or a scalar cannot be masked so and the mask refuses.
pub fn rewrite(json: &str, mask: &Mask, key: &MaskKey) -> Result<String, Fault> {
    scan::rewrite(json, &mask.json, &mut |scalar| {
        change(scalar, &mask.kind, key).or(match mask.otherwise {
            Otherwise::Null => Some(New::Null),
            Otherwise::Refuse => None,
        })
    })
}

/// Nothing where the kind is not for such a scalar.
pub(crate) fn change(scalar: Scalar<'_>, kind: &Kind, key: &MaskKey) -> Option<New> {
    match (kind, scalar) {
        (Kind::Null, _) => Some(New::Null),
        (Kind::Full, Scalar::Text(_)) => Some(New::Text(text::FULL.to_owned())),
        (Kind::Full, Scalar::Number(_)) => Some(New::Number("0".to_owned())),
        (Kind::Full, Scalar::Bool(_)) => Some(New::Bool(false)),
        (Kind::Partial(partial), Scalar::Text(value)) => {
            Some(New::Text(text::partial(value, *partial)))
        }
        (Kind::Hash, Scalar::Text(value)) => {
            Some(New::Text(keyed::hash_text(key, value.as_bytes())))
        }
        (Kind::Hash, Scalar::Number(value)) => {
            let hash = Decimal::parse(value)?.hash(key, SAFE_BITS);
            Some(New::Number(hash.to_string()))
        }
        (Kind::Pseudonym, Scalar::Text(value)) => Some(New::Text(keyed::pseudonym(key, value))),
        (Kind::Pseudonym, Scalar::Number(value)) => {
            let made = Decimal::parse(value)?.pseudonym(key);
            Some(New::Number(made.to_string()))
        }
        (Kind::Bucket(Bucket::Width(width)), Scalar::Number(value)) => {
            let floor = Decimal::parse(value)?.floor(*width);
            Some(New::Number(floor.to_string()))
        }
        (Kind::Bucket(bucket), Scalar::Text(value)) => floor_date(value, *bucket).map(New::Text),
        (Kind::Partial(_), Scalar::Number(_))
        | (Kind::Bucket(_), Scalar::Number(_))
        | (Kind::Partial(_) | Kind::Hash | Kind::Pseudonym | Kind::Bucket(_), Scalar::Bool(_)) => {
            None
        }
    }
}

/// The date of `2024-02-29` or `2024-02-29T10:00:00Z`, to the beginning of a time.
fn floor_date(value: &str, bucket: Bucket) -> Option<String> {
    let end = value.find(['T', 't', ' ']).unwrap_or(value.len());
    let (date, time) = value.split_at_checked(end)?;
    let is_time = |c: char| c.is_ascii_digit() || "Tt Zz:.+-".contains(c);
    if !time.chars().all(is_time) {
        return None;
    }
    let Civil { year, month, day } = Civil::parse(date)?.floor(bucket)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MaskName;
    use crate::mask::json::Path;
    use crate::mask::{Partial, Selector};

    fn mask(kind: Kind, otherwise: Otherwise) -> Mask {
        Mask {
            name: MaskName::new("m"),
            selector: Selector::default(),
            kind,
            json: vec![Path::parse("$").unwrap()],
            otherwise,
            within: None,
        }
    }

    #[test]
    fn scalars() {
        let key = MaskKey::new([1; 32]);
        let check = |kind: Kind, json: &str, expected: &str| {
            let made = rewrite(json, &mask(kind, Otherwise::Null), &key).unwrap();
            assert_eq!(made, expected, "{json}");
        };
        let width = Kind::Bucket(Bucket::Width(100));
        let month = Kind::Bucket(Bucket::Month);
        check(
            Kind::Full,
            r#"["a",12,true,null]"#,
            r#"["****",0,false,null]"#,
        );
        check(Kind::Null, r#"["a",12,true,null]"#, "[null,null,null,null]");
        let email = Kind::Partial(Partial::Email);
        check(
            email,
            r#"["ann@x.org",12,true]"#,
            r#"["a****@*****.org",null,null]"#,
        );
        check(
            width,
            r#"["a",1234.5,-1,true,1e9999]"#,
            "[null,1200,-100,null,null]",
        );
        check(
            month,
            r#"["2024-02-29","2024-02-29T10:00:00.5Z","2024-02-29T, Ann",3]"#,
            r#"["2024-02-01","2024-02-01",null,null]"#,
        );
        let hash = |json: &str| rewrite(json, &mask(Kind::Hash, Otherwise::Null), &key).unwrap();
        assert_eq!(hash("1.50"), hash("15e-1"));
        assert_ne!(hash("1.50"), hash("1.51"));
        assert_eq!(hash("\"a\""), hash("\"\\u0061\""));
        let refused = rewrite("true", &mask(Kind::Hash, Otherwise::Refuse), &key);
        assert_eq!(refused, Err(Fault::Refused));
    }
}
