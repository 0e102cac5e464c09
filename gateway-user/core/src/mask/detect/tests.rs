//! What is found, and near misses that are not.

use super::*;

/// Checks that exactly these are found.
fn check(what: What, text: &str, expected: &[&str]) {
    let spans = find(text, &[Look::For(what)]);
    assert!(expected.is_empty() || may_have(text.as_bytes(), &[Look::For(what)]));
    let found: Vec<&str> = spans
        .iter()
        .map(|span| text.get(span.at.clone()).unwrap())
        .collect();
    assert_eq!(found, expected, "{what:?} in {text:?}");
}

#[test]
fn emails() {
    let check = |text, expected: &[&str]| check(What::Email, text, expected);
    check("ann@example.org", &["ann@example.org"]);
    check(
        "to: <ann.lee+x@mail.example.co.uk>.",
        &["ann.lee+x@mail.example.co.uk"],
    );
    check("a@b.com,c@d.org", &["a@b.com", "c@d.org"]);
    check("mailto=jörg@bücher.de!", &["jörg@bücher.de"]);
    check("x@xn--bcher-kva.xn--p1ai", &["x@xn--bcher-kva.xn--p1ai"]);
    check("https://u:p@host/path", &[]);
    check("root@localhost", &[]);
    check("@example.org and a@", &[]);
    check("a@1.2", &[]);
    check("a..b@example.org", &[]);
    check("a@-x.org", &[]);
    check("v@2.0", &[]);
}

#[test]
fn cards() {
    let check = |text, expected: &[&str]| check(What::Card, text, expected);
    check("4111111111111111", &["4111111111111111"]);
    check("card 4111 1111 1111 1111, thanks", &["4111 1111 1111 1111"]);
    check("5555-5555-5555-4444", &["5555-5555-5555-4444"]);
    check("3782 822463 10005", &["3782 822463 10005"]);
    check("378282246310005", &["378282246310005"]);
    check("6011111111111117", &["6011111111111117"]);
    check("3530111333300000", &["3530111333300000"]);
    check("2223003122003222", &["2223003122003222"]);
    check("30569309025904", &["30569309025904"]);
    check("12 4111 1111 1111 1111 12/29", &["4111 1111 1111 1111"]);
    check("4111111111111112", &[]);
    check("1234567812345670", &[]);
    check("41111111111111111", &[]);
    check("x4111111111111111", &[]);
    check("4111111111111111_id", &[]);
    check("0.4111111111111111", &[]);
    check("4111-1111 1111-1111", &[]);
    check("41 11 11 11 11 11 11 11", &[]);
    check("0000000000000000", &[]);
}

#[test]
fn ibans() {
    let check = |text, expected: &[&str]| check(What::Iban, text, expected);
    check("DE89370400440532013000", &["DE89370400440532013000"]);
    check(
        "IBAN: DE89 3704 0044 0532 0130 00.",
        &["DE89 3704 0044 0532 0130 00"],
    );
    check("gb82west12345698765432", &["gb82west12345698765432"]);
    check("NO9386011117947 and more", &["NO9386011117947"]);
    check(
        "FR1420041010050500013M02606",
        &["FR1420041010050500013M02606"],
    );
    check("DE88370400440532013000", &[]);
    check("DE8937040044053201300", &[]);
    check("DE893704004405320130001", &[]);
    check("XX89370400440532013000", &[]);
    check("DE 89370400440532013000", &[]);
    check("ADDE89370400440532013000", &[]);
}

const JWT: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";

#[test]
fn tokens_and_keys() {
    check(What::Jwt, &format!("Bearer {JWT}"), &[JWT]);
    check(What::Jwt, &format!("{JWT}."), &[JWT]);
    check(
        What::Jwt,
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.",
        &["eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."],
    );
    check(What::Jwt, "eyJhbGciOiJIUzI1NiJ9", &[]);
    check(What::Jwt, "eyJhbGciOiJIUzI1NiJ9.abc.def", &[]);
    check(What::Jwt, "a.b.c", &[]);
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----";
    check(What::PrivateKey, &format!("x {pem}\ny"), &[pem]);
    let cut = "-----BEGIN PRIVATE KEY-----\nMIIEvQ";
    check(What::PrivateKey, cut, &[cut]);
    check(
        What::PrivateKey,
        "-----BEGIN PUBLIC KEY-----\nMIIE\n-----END PUBLIC KEY-----",
        &[],
    );
    check(What::PrivateKey, "-----BEGIN ", &[]);
}

#[test]
fn api_keys() {
    let find = |prefix: &str, len: usize| {
        let key: String = "Ab3dE5gH".chars().cycle().take(len).collect();
        let key = format!("{prefix}{key}");
        check(What::ApiKey, &format!("key={key};"), &[&key]);
        check(What::ApiKey, &format!("x{key}"), &[]);
    };
    find("ghp_", 36);
    find("gwp_", 48);
    find("github_pat_", 82);
    find("xoxb-", 40);
    find("AIza", 35);
    find("sk_live_", 24);
    find("npm_", 36);
    find("glpat-", 20);
    find("sk-ant-", 95);
    let check = |text, expected: &[&str]| check(What::ApiKey, text, expected);
    check("AKIAIOSFODNN7EXAMPLE", &["AKIAIOSFODNN7EXAMPLE"]);
    check("AKIAIOSFODNN7EXAMPLES", &[]);
    check("AKIAiosfodnn7example", &[]);
    check("ghp_short", &[]);
    check("ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", &[]);
    check("sk_live_", &[]);
    check("npm_config_registry", &[]);
    check("SKILLS and SKU", &[]);
}

#[test]
fn addresses_of_hosts() {
    let check = |text, expected: &[&str]| check(What::Ip, text, expected);
    check("from 192.0.2.1:5432.", &["192.0.2.1"]);
    check("10.0.0.0/8", &["10.0.0.0"]);
    check("[2001:db8::1]:443", &["2001:db8::1"]);
    check("2001:db8:0:0:0:0:0:1", &["2001:db8:0:0:0:0:0:1"]);
    check("fe80::1%eth0", &["fe80::1"]);
    check("::ffff:192.0.2.1", &["::ffff:192.0.2.1"]);
    check("ip: 192.0.2.1: refused", &["192.0.2.1"]);
    check("1.2.3", &[]);
    check("1.2.3.4.5", &[]);
    check("256.1.1.1", &[]);
    check("v1.2.3.4", &[]);
    check("12:34:56", &[]);
    check("std::net", &[]);
    check("a::b", &[]);
    check("::", &[]);
    check("01.02.03.04", &[]);
}

#[test]
fn phones() {
    let check = |text, expected: &[&str]| check(What::Phone, text, expected);
    check("+4930123456", &["+4930123456"]);
    check(
        "call +49 (0)30 123 456-78, please",
        &["+49 (0)30 123 456-78"],
    );
    check("+1 212 555 0123", &["+1 212 555 0123"]);
    check("(212) 555-0123", &["(212) 555-0123"]);
    check("212-555-0123.", &["212-555-0123"]);
    check("1-212-555-0123", &["1-212-555-0123"]);
    check("212.555.0123", &["212.555.0123"]);
    check("+4930123456 +4930123457", &["+4930123456", "+4930123457"]);
    check("(+4930123456)", &["+4930123456"]);
    check("2125550123", &[]);
    check("012-555-0123", &[]);
    check("212-155-0123", &[]);
    check("+1234567", &[]);
    check("+1234567890123456", &[]);
    check("1 + 234567890", &[]);
    check("2024-02-29", &[]);
    check("x212-555-0123", &[]);
    check("212-555-01234", &[]);
}

#[test]
fn social_security_numbers() {
    let check = |text, expected: &[&str]| check(What::Ssn, text, expected);
    check("SSN 536-90-4399", &["536-90-4399"]);
    check("536-90-4399 537-90-4399", &["536-90-4399", "537-90-4399"]);
    check("000-12-3456", &[]);
    check("666-12-3456", &[]);
    check("912-12-3456", &[]);
    check("536-00-4399", &[]);
    check("536-90-0000", &[]);
    check("078-05-1120", &[]);
    check("536904399", &[]);
    check("536-90-43991", &[]);
    check("1-536-90-4399", &[]);
    check("a536-90-4399", &[]);
}

fn all() -> Vec<Look> {
    What::ALL.into_iter().map(Look::For).collect()
}

#[test]
fn spans_do_not_overlap() {
    let pattern = |regex| Look::Pattern(Pattern::new(regex, &[]).unwrap());
    let mut looks = all();
    looks.extend([pattern("K-[0-9]+"), pattern("x*"), Look::Outside]);
    let text = "K-17 ann@192.0.2.example.org xx 536-90-4399";
    let spans = find(text, &looks);
    let found: Vec<(usize, &str)> = spans
        .iter()
        .map(|span| (span.by, text.get(span.at.clone()).unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            (9, "K-17"),
            (0, "ann@192.0.2.example.org"),
            (10, "xx"),
            (8, "536-90-4399"),
        ]
    );
}

proptest::proptest! {
    #[test]
    fn any_text_has_sound_spans(text in "[ -~äß一\n]{0,60}|[0-9+() .-]{0,60}|[a-f0-9:.@-]{0,60}|\\PC{0,60}") {
        let mut past = 0;
        for span in find(&text, &all()) {
            assert!(span.at.start >= past && span.at.end > span.at.start);
            assert!(text.get(span.at.clone()).is_some());
            past = span.at.end;
        }
    }

    #[test]
    fn a_glance_misses_nothing(text in "[0-9+() .-]{0,60}|[a-f0-9:.@-]{0,60}|\\PC{0,60}") {
        for what in What::ALL {
            if !what.find(&text).is_empty() {
                assert!(may_have(text.as_bytes(), &[Look::For(what)]));
            }
        }
    }
}
