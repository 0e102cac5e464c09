//! Tokens and keys that open something.

use std::ops::Range;

use super::{is_inside, runs};

/// How the keys of a vendor look: what they begin with, and how many characters of which kind follow.
struct Shape {
    prefix: &'static str,
    least: usize,
    most: usize,
    of: Alphabet,
}

#[derive(Clone, Copy)]
enum Alphabet {
    /// `A-Z2-7`, or digits at all: Amazon's.
    Upper,
    /// Letters and digits.
    Alphanumeric,
    /// Those, `_` and `-`.
    Url,
}

const fn shape(prefix: &'static str, least: usize, most: usize, of: Alphabet) -> Shape {
    Shape {
        prefix,
        least,
        most,
        of,
    }
}

/// From the vendors' own pages; where they leave the length open, so short that no word is one. The first are the
/// gateway's own placeholders.
const SHAPES: &[Shape] = &[
    shape("gwp_", 48, 48, Alphabet::Alphanumeric),
    shape("AKIA", 16, 16, Alphabet::Upper),
    shape("ASIA", 16, 16, Alphabet::Upper),
    shape("ghp_", 36, 36, Alphabet::Alphanumeric),
    shape("gho_", 36, 36, Alphabet::Alphanumeric),
    shape("ghu_", 36, 36, Alphabet::Alphanumeric),
    shape("ghs_", 36, 36, Alphabet::Alphanumeric),
    shape("ghr_", 36, 76, Alphabet::Alphanumeric),
    shape("github_pat_", 82, 82, Alphabet::Url),
    shape("glpat-", 20, 64, Alphabet::Url),
    shape("xoxb-", 20, 256, Alphabet::Url),
    shape("xoxp-", 20, 256, Alphabet::Url),
    shape("xoxa-", 20, 256, Alphabet::Url),
    shape("xoxr-", 20, 256, Alphabet::Url),
    shape("xoxs-", 20, 256, Alphabet::Url),
    shape("xapp-", 20, 256, Alphabet::Url),
    shape("AIza", 35, 35, Alphabet::Url),
    shape("ya29.", 20, 512, Alphabet::Url),
    shape("sk_live_", 16, 128, Alphabet::Alphanumeric),
    shape("rk_live_", 16, 128, Alphabet::Alphanumeric),
    shape("sk_test_", 16, 128, Alphabet::Alphanumeric),
    shape("whsec_", 32, 64, Alphabet::Alphanumeric),
    shape("npm_", 36, 36, Alphabet::Alphanumeric),
    shape("pypi-AgEIcHlwaS5vcmc", 50, 512, Alphabet::Url),
    shape("sk-ant-", 32, 256, Alphabet::Url),
    shape("sk-proj-", 32, 256, Alphabet::Url),
    shape("hf_", 34, 34, Alphabet::Alphanumeric),
    shape("dop_v1_", 64, 64, Alphabet::Alphanumeric),
    shape("SG.", 22, 128, Alphabet::Url),
    shape("shpat_", 32, 32, Alphabet::Alphanumeric),
    shape("SK", 32, 32, Alphabet::Alphanumeric),
];

/// No key is shorter.
const SHORTEST: usize = 20;

/// Keys of clouds and vendors.
pub(super) fn api_keys(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let of_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    for (start, run) in runs(text, of_key) {
        if run.len() < SHORTEST || is_inside(text, start) {
            continue;
        }
        // A key begins a run, or a part behind a dash or a dot.
        let begins = run.match_indices(['-', '.']).map(|(at, _)| at + 1);
        let mut past = 0;
        for at in std::iter::once(0).chain(begins) {
            if at < past {
                continue;
            }
            let rest = run.get(at..).unwrap_or_default();
            if let Some(len) = SHAPES.iter().find_map(|shape| shape.len(rest)) {
                past = at + len;
                found.push(start + at..start + past);
            }
        }
    }
    found
}

impl Shape {
    /// How long the key is that `text` begins with.
    fn len(&self, text: &str) -> Option<usize> {
        let rest = text.strip_prefix(self.prefix)?;
        let dotted = self.prefix == "SG.";
        let fits = |c: char| match self.of {
            Alphabet::Upper => c.is_ascii_uppercase() || c.is_ascii_digit(),
            Alphabet::Alphanumeric => c.is_ascii_alphanumeric(),
            Alphabet::Url => {
                c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || (dotted && c == '.')
            }
        };
        let len = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        let (key, behind) = rest.split_at_checked(len)?;
        let ends = !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        // Twilio's begin like many words, and are hexadecimal.
        let sound = self.prefix != "SK"
            || key
                .bytes()
                .all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        let varied = key
            .bytes()
            .any(|byte| Some(&byte) != key.as_bytes().first());
        let whole = (self.least..=self.most).contains(&len);
        (whole && ends && sound && varied).then_some(self.prefix.len() + len)
    }
}

/// JSON Web Tokens: two objects and a signature, which may be empty.
pub(super) fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    for (start, run) in runs(text, of_token) {
        let mut parts = Vec::new();
        let mut at = 0;
        for part in run.split('.') {
            parts.push((at, part));
            at += part.len() + 1;
        }
        let mut past = 0;
        for window in parts.windows(3) {
            let [(from, header), (_, claims), (last, signature)] = window else {
                continue;
            };
            // `eyJ` is how `{"` begins in base64.
            let is_object = |part: &str| part.starts_with("eyJ") && part.len() >= 10;
            let sound = signature.is_empty() || signature.len() >= 20;
            if *from >= past && is_object(header) && is_object(claims) && sound {
                past = last + signature.len();
                found.push(start + from..start + past);
            }
        }
    }
    found
}

/// Private keys in PEM. One without an end goes to the end of the text: it may have been cut there.
pub(super) fn private_keys(text: &str) -> Vec<Range<usize>> {
    const BEGIN: &str = "-----BEGIN ";
    const LABEL: &str = "PRIVATE KEY";
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(BEGIN)) {
        let start = at + start;
        at = start + BEGIN.len();
        let rest = text.get(at..).unwrap_or_default();
        let label_end = rest.find("-----").unwrap_or(rest.len().min(64));
        let label = rest.get(..label_end).unwrap_or_default();
        let is_private =
            label.len() <= 64 && (label.ends_with(LABEL) || label.ends_with("PRIVATE KEY BLOCK"));
        if !is_private {
            continue;
        }
        let body = at + label_end + 5;
        let end = text.get(body..).and_then(|rest| {
            let end = rest.find("-----END ")?;
            let close = rest.get(end + 9..)?.find("-----")?;
            Some(body + end + 9 + close + 5)
        });
        let end = end.unwrap_or(text.len());
        found.push(start..end);
        at = end;
    }
    found
}
