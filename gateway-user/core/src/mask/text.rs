//! What is left of a text where a part of it stays.

use super::Partial;

/// What a text becomes of which nothing is left.
pub const FULL: &str = "****";

/// What stays of a text.
pub fn partial(text: &str, kind: Partial) -> String {
    match kind {
        Partial::Ends { first, last } => ends(text, first, last),
        Partial::Email => email(text).unwrap_or_else(|| FULL.to_owned()),
    }
}

/// The first and last characters, not more than half of them in all: the first ones go before the last.
fn ends(text: &str, first: usize, last: usize) -> String {
    let count = text.chars().count();
    let half = count / 2;
    let first = first.min(half);
    let last = last.min(half - first);
    let hidden = first..count - last;
    let star = |(at, c)| if hidden.contains(&at) { '*' } else { c };
    text.chars().enumerate().map(star).collect()
}

/// Nothing for what is no address. The number of stars is fixed, so that no length is told.
fn email(text: &str) -> Option<String> {
    let (local, domain) = text.trim().rsplit_once('@')?;
    let odd = |part: &str| part.is_empty() || part.contains(|c: char| c.is_whitespace());
    if odd(local) || odd(domain) {
        return None;
    }
    // A single letter would be the whole name.
    let first = local
        .chars()
        .next()
        .filter(|c| c.is_alphanumeric() && local.chars().nth(1).is_some());
    let is_end = |end: &&str| {
        (2..=24).contains(&end.len()) && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let end = domain.rsplit_once('.').map(|(_, end)| end).filter(is_end);
    let mut shown: String = first.into_iter().collect();
    shown.push_str("****@*****");
    if let Some(end) = end {
        shown.push('.');
        shown.push_str(end);
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_stay() {
        let check = |first, last, text: &str, expected: &str| {
            assert_eq!(
                partial(text, Partial::Ends { first, last }),
                expected,
                "{text}"
            );
        };
        check(0, 4, "4111111111111111", "************1111");
        check(2, 2, "abcdefgh", "ab****gh");
        check(4, 4, "abcdefgh", "abcd****");
        check(2, 4, "abcdefgh", "ab****gh");
        check(9, 9, "abc", "a**");
        check(1, 1, "a", "*");
        check(1, 1, "", "");
        check(1, 1, "äöüß", "ä**ß");
        check(usize::MAX, usize::MAX, "abcd", "ab**");
        check(0, 0, "abcd", "****");
    }

    #[test]
    fn addresses_keep_a_letter_and_the_end() {
        let check = |text: &str, expected: &str| {
            assert_eq!(partial(text, Partial::Email), expected, "{text}");
        };
        check("john.doe@example.com", "j****@*****.com");
        check("JD@mail.example.co.uk", "J****@*****.uk");
        check("j@x.com", "****@*****.com");
        check("\"a b\"@x.com", "****");
        check("'a@x.com", "****@*****.com");
        check("\"a@b\"@x.com", "****@*****.com");
        check("anna@localhost", "a****@*****");
        check("anna@[10.0.0.1]", "a****@*****");
        check("no address", "****");
        check("@", "****");
        check("a@", "****");
        check("", "****");
    }

    proptest::proptest! {
        #[test]
        fn at_most_half_stays(text in "\\PC{0,40}", first in 0_usize..50, last in 0_usize..50) {
            let made = partial(&text, Partial::Ends { first, last });
            assert_eq!(made.chars().count(), text.chars().count());
            let stars = made.chars().filter(|c| *c == '*').count();
            assert!(stars * 2 >= text.chars().count());
        }

        #[test]
        fn addresses_never_panic(text in "\\PC{0,40}") {
            partial(&text, Partial::Email);
        }
    }
}
