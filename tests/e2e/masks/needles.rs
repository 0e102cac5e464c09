//! What must not come back, in whatever form: as it is, backwards, spread over rows, in other writings.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::masks::answer::Answer;

/// Pieces of the masked texts of `schema.sql`; in nothing else is one of these.
const WORDS: [&str; 8] = [
    "needle", "quokka", "burrow", "wombat", "warren", "numbat", "mallee", "debtor",
];

/// Masked numbers, dates and tokens, without what separates their parts.
const NUMBERS: [&str; 14] = [
    "987654320",
    "987659876",
    "987655555",
    "4929123456789012",
    "4929987654321098",
    "4929555555555555",
    "19770707",
    "19771111",
    "19770505",
    "07071977",
    "11111977",
    "05051977",
    "7a1f0c3e5b2d",
    "d1c2b3a4f5e6",
];

/// The first of what is there of all that may not be, if something is.
pub(crate) fn found(answer: &Answer) -> Option<String> {
    let texts = answer.squeezed();
    let holds = |form: &String| texts.iter().any(|text| contains(text, form.as_bytes()));
    let told = forms().into_iter().find(holds);
    let whole = answer.values();
    told.or_else(|| {
        let has = |bytes: &Vec<u8>| whole.iter().any(|value| contains(value, bytes));
        binary()
            .into_iter()
            .find(has)
            .map(|bytes| format!("{bytes:02x?}"))
    })
}

/// Letters and digits only, in small letters.
pub(crate) fn squeezed(bytes: &[u8]) -> Vec<u8> {
    let kept = bytes.iter().filter(|byte| byte.is_ascii_alphanumeric());
    kept.map(u8::to_ascii_lowercase).collect()
}

pub(crate) fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// In letters and digits, squeezed.
fn forms() -> Vec<String> {
    let mut forms = Vec::new();
    for word in WORDS.into_iter().chain(NUMBERS) {
        forms.push(word.to_owned());
        forms.push(word.chars().rev().collect());
        forms.push(hex::encode(word));
    }
    for word in WORDS {
        forms.push(word.bytes().map(|byte| byte.to_string()).collect());
        forms.push(word.bytes().map(rotated).map(char::from).collect());
        forms.extend((0..3).map(|before| base64_inside(word, before)));
    }
    forms
}

fn rotated(letter: u8) -> u8 {
    (letter - b'a' + 13) % 26 + b'a'
}

/// What is sure to be there if `word` comes after some bytes in a longer text in base64.
fn base64_inside(word: &str, before: usize) -> String {
    let text = BASE64_STANDARD.encode("?".repeat(before) + word);
    // Letters that hang on what comes before or after are left out.
    let first = [0, 2, 3][before];
    let whole = (before + word.len()) / 3 * 4;
    String::from_utf8(squeezed(&text.as_bytes()[first..whole])).unwrap()
}

/// As the server writes them in binary.
fn binary() -> Vec<Vec<u8>> {
    let cards = [
        4_929_123_456_789_012_i64,
        4_929_987_654_321_098,
        4_929_555_555_555_555,
    ];
    // Days since 2000-01-01.
    let days = [-8213_i64, -8086, -8276];
    let mut forms = Vec::new();
    for card in cards {
        forms.push(card.to_be_bytes().to_vec());
        forms.push((-card).to_be_bytes().to_vec());
        // The digits of a `numeric`, four by four.
        let fours = card.to_string();
        let fours = fours.as_bytes().chunks(4).map(|four| {
            let four: u16 = std::str::from_utf8(four).unwrap().parse().unwrap();
            four.to_be_bytes()
        });
        forms.push(fours.flatten().collect());
        let float: f64 = card.to_string().parse().unwrap();
        forms.push(float.to_be_bytes().to_vec());
    }
    for day in days {
        forms.push(i32::try_from(day).unwrap().to_be_bytes().to_vec());
        forms.push((day * 86_400_000_000).to_be_bytes().to_vec());
    }
    forms.push(vec![0x7a, 0x1f, 0x0c, 0x3e, 0x5b, 0x2d]);
    forms
}

#[test]
fn a_value_is_found_in_whatever_form_it_comes() {
    let long = BASE64_STANDARD.encode("a long text with a needle in it");
    for text in [
        "the NeEdLe",
        "n e e d l e",
        "elden, no: eldeen",
        "6e6565646c65",
        "110,101,101,100,108,101",
        "arrqyr",
        "4929 1234 5678 9012",
        &long,
    ] {
        assert!(found(&Answer::of_text(text)).is_some(), "{text}");
    }
    assert_eq!(
        found(&Answer::of_text("n****@*****.example, 1977-01-01, ****")),
        None
    );
}
