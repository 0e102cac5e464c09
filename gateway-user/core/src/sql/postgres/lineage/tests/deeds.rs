//! What is done with values beside returning them.

use super::{masked, names, statement};

/// What it probes and copies.
fn check(text: &str, expected: (&str, &str)) {
    let made = statement(&masked(), text);
    let made = (names(&made.probed), names(&made.copied));
    assert_eq!((&*made.0, &*made.1), expected, "{text}");
}

#[test]
fn what_a_value_decides_to_do_tells_of_it() {
    for decides in [
        "CASE WHEN email LIKE 'a%' THEN set_config('a', 'b', true) END",
        "CASE email WHEN 'a' THEN 'b' ELSE set_config('a', 'b', true) END",
        "email LIKE 'a%' OR set_config('a', 'b', true) = 'b'",
        "coalesce(nullif(email, 'a'), set_config('a', 'b', true))",
        "CASE WHEN email LIKE 'a%' THEN (SELECT set_config('a', 'b', true)) END",
    ] {
        check(&format!("SELECT {decides} FROM customers"), ("emails", ""));
    }
    check(
        "SELECT CASE WHEN email LIKE 'a%' THEN 'b' END FROM customers",
        ("", ""),
    );
}

#[test]
fn what_is_made_of_a_value_is_not_put_back_in_its_place() {
    check("UPDATE customers SET email = lower(email)", ("", "emails"));
    check("UPDATE customers SET email = email", ("", ""));
}
