//! Addresses of people and hosts.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{runs, trim};

/// RFC 5321: no longer parts are looked at.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 253;

/// E-mail addresses with a host of two labels at least.
pub(super) fn emails(text: &str) -> Vec<Range<usize>> {
    let of_email = |c: char| {
        c.is_alphanumeric() || matches!(c, '@' | '.' | '-') || "!#$%&'*+/=?^_`{|}~".contains(c)
    };
    let mut found = Vec::new();
    for (start, run) in runs(text, of_email) {
        // Each `@` takes what is around it, up to its neighbours: all is read twice at most.
        let mut from = 0;
        for (at, _) in run.match_indices('@') {
            let local = run.get(from..at).unwrap_or_default();
            let behind = run.get(at + 1..).unwrap_or_default();
            from = at + 1;
            let Some(local) = local_part(local) else {
                continue;
            };
            if let Some(domain) = domain(behind) {
                found.push(start + at - local..start + at + 1 + domain);
            }
        }
    }
    found
}

/// How long the local part is that ends here.
fn local_part(text: &str) -> Option<usize> {
    let odd_start = |c: char| "!#$%&'*/=?^`{|}~.".contains(c);
    // What begins with `mailto=` or a quote is not all of the address.
    let name = text.rsplit(['=', '\'', '`', '/', '?', '&', '|']).next()?;
    let name = name.trim_start_matches(odd_start);
    let sound = !name.is_empty()
        && name.chars().count() <= MAX_LOCAL
        && !name.ends_with('.')
        && !name.contains("..");
    sound.then_some(name.len())
}

/// How long the domain is that begins here.
fn domain(text: &str) -> Option<usize> {
    let of_domain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    let end = text.find(|c| !of_domain(c)).unwrap_or(text.len());
    let domain = text.get(..end)?.trim_end_matches(['.', '-']);
    let (_, top) = domain.rsplit_once('.')?;
    let is_top = top.chars().nth(1).is_some()
        && (top.chars().all(char::is_alphabetic) || top.starts_with("xn--"));
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    let sound = is_top && domain.len() <= MAX_DOMAIN && domain.split('.').all(is_label);
    sound.then_some(domain.len())
}

/// IPv4 and IPv6 addresses, the latter with two groups at least, so that a time is none.
pub(super) fn ips(text: &str) -> Vec<Range<usize>> {
    let of_word = |c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '_' | '-');
    let mut found = Vec::new();
    for (start, run) in runs(text, of_word) {
        let (start, run) = trim(start, run, |c| matches!(c, '.' | '-' | '_'));
        if let Some(len) = v6(run.trim_end_matches(':'), run) {
            found.push(start..start + len);
            continue;
        }
        // A port may be behind it, and a colon after it or before it.
        let mut at = start;
        for part in run.split(':') {
            let digits = part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            if digits && part.parse::<Ipv4Addr>().is_ok() {
                found.push(at..at + part.len());
            }
            at += part.len() + 1;
        }
    }
    found
}

fn v6(trimmed: &str, run: &str) -> Option<usize> {
    [run, trimmed].into_iter().find_map(|text| {
        let address: Ipv6Addr = text.parse().ok()?;
        let groups = text.split(':').filter(|group| !group.is_empty()).count();
        // `::1` and `::` say nothing of anybody; `a::b` is as likely a path in a program.
        let telling = groups >= 3 || text.bytes().any(|byte| byte.is_ascii_digit());
        let local = address.is_loopback() || address.is_unspecified();
        (telling && groups >= 2 && !local).then_some(text.len())
    })
}
