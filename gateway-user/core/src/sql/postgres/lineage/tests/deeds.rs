//! What is done with values beside returning them.

use super::{masked, names, statement, written};

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
}

#[test]
fn what_may_fail_or_be_nothing_by_a_value_asks_it() {
    for asks in [
        "email = 'x'",
        "email LIKE 'a\\'",
        "email IN ('a', NULL)",
        "email BETWEEN 'a' AND NULL",
        "email IS DISTINCT FROM 'a'",
        "email = ANY (SELECT note FROM orders)",
        "(email, NULL) = ('a', 1)",
        "nullif(email, 'a')",
        "(email || 'a')::json",
        "email::jsonb",
        "email::int4",
        "email::text[]",
        "length(email) + 2147483640",
        "CASE WHEN email IS NOT NULL AND email > 'a' THEN 1 END",
        "ARRAY['a'] || ARRAY[email]",
        "array_agg(ARRAY[email])",
        "greatest(ARRAY[email], ARRAY['a', 'b'])",
        "least(ROW(email, 1), ROW('a', 'b'))",
        "max(ARRAY[email])",
        "max(ROW(email, 1))",
        "substring(email from 'a(.*)')",
        "substr('abc', length(email))",
        "replace(email, 'a', 'b')",
        "'{\"a\": 1}'::jsonb -> email",
        "json_object_agg(email, 1)",
        "json_build_object(email, 1)",
        "concat(VARIADIC ARRAY[email])",
        "upper(x => email)",
        "(ARRAY[1, 2])[length(email)]",
        "sum(email::numeric)",
        "JSON_VALUE(email, '$.a')",
        "JSON_OBJECT(email: 1)",
        "xmlparse(document email)",
        "JSON_ARRAY(email FORMAT JSON)",
        "JSON_OBJECT('a': email FORMAT JSON)",
        "JSON_ARRAY(SELECT email FORMAT JSON)",
        "JSON_ARRAYAGG(email FORMAT JSON)",
        "JSON_OBJECTAGG('a': email FORMAT JSON)",
        "JSON_SERIALIZE(email)",
        "to_char(length(email), '9V9')",
        "coalesce(length(email), 1::oid)",
        "CASE WHEN id > 1 THEN length(email) ELSE 1::oid END",
        "ARRAY[length(email), 1::oid]",
        "ARRAY[ARRAY[email], ARRAY['a']]",
        "ARRAY(SELECT ARRAY[email])",
        "lag(length(email), 1, 1::oid) OVER ()",
        "(SELECT length(email) UNION ALL SELECT 1::oid)",
        "(VALUES (1::oid), (length(email)))",
        "email COLLATE other.nd",
        "email COLLATE nd",
        "strpos('a' COLLATE nd, email)",
        "split_part(email || (name COLLATE \"C\"), 'a', 1)",
        "split_part(email || left(current_user, 0), 'a', 1)",
        "split_part(email || $1, 'a', 1)",
        "lag(1, 1, length(email)::numeric) OVER ()::int4",
        "(lag(1, 1, avg(length(email))) OVER ())::int4",
        "greatest(email || ARRAY['a'], ARRAY['b', 'c'])",
        "greatest(array_agg(email), ARRAY['b', 'c'])",
        "max(string_to_array(email, ','))",
        "max((ARRAY[ARRAY[email]])[1:2][1])",
        "('[' || email) IS JSON",
        "extract(year FROM email::date)",
    ] {
        let made = statement(&masked(), &format!("SELECT {asks} FROM customers"));
        assert_eq!(names(&made.probed), "emails", "{asks}");
    }
}

#[test]
fn what_only_changes_a_value_asks_nothing() {
    for shown in [
        "email, upper(email), length(email), email || '', 'a' || email || name",
        "email::text, email::varchar, profile::text, length(email)::numeric",
        "coalesce(email, 'none'), coalesce(email, '') || name, greatest(email, 'a')",
        "CASE WHEN id > 1 THEN email ELSE name END, CASE WHEN email IS NULL THEN 1 / id END",
        "count(email), count(*), max(email), string_agg(email, ','), json_agg(email)",
        "row_to_json(customers), to_jsonb(customers), ROW(email, 1), ARRAY[email]",
        "profile -> 'a' ->> 'b', profile #>> '{a,b}', to_jsonb(email)",
        "substr(email, 1, 3), substring(email from 2 for 4), split_part(email, '@', 2)",
        "split_part(email, name, 1), split_part(lower(email) || name, '@', id), position('@' in email), strpos('a', email)",
        "coalesce(length(email), 0), coalesce(length(email), id, 1.5), coalesce(email, name, $1)",
        "coalesce(sum(length(email)), 0), coalesce(avg(length(email)), 0.5)",
        "CASE WHEN id > 1 THEN email IS NULL ELSE false END, ARRAY[NOT (upper(email) IS NULL), true]",
        "CASE WHEN id > 1 THEN length(email) ELSE -1 END, greatest(email, name::varchar, 'x')",
        "lag(email, 1, 'x') OVER (), ARRAY(SELECT email), ARRAY[email, name, 'x'], ARRAY[customers]",
        "(SELECT email UNION ALL SELECT 'x' UNION ALL SELECT NULL), (VALUES (1), (length(email)))",
        "email COLLATE \"C\", email COLLATE pg_catalog.\"de-x-icu\"",
        "email IS JSON, JSON_SERIALIZE(profile -> 'a'), JSON_ARRAY(email), JSON_ARRAYAGG(email)",
        "JSON_OBJECT('a': email), json_build_object('a', email), json_object_agg(id, email)",
        "xmlelement(name a, email), NOT (email IS NULL), lag(email) OVER (ORDER BY id)",
        "array_to_string(array_agg(email), ','), email::varchar(3) || 'x', left(email::char(9), $1)",
        "email IS NULL OR id > 3, id / 2, name LIKE 'a', array_agg(email)",
    ] {
        let made = statement(&masked(), &format!("SELECT {shown} FROM customers"));
        assert_eq!(names(&made.probed), "", "{shown}");
    }
}

#[test]
fn what_is_made_of_a_value_is_not_put_back_in_its_place() {
    check("UPDATE customers SET email = lower(email)", ("", "emails"));
    check("UPDATE customers SET email = email", ("", ""));
    check("UPDATE v_contacts SET mail = mail", ("", ""));
    check(
        "INSERT INTO parts_1 (secret) SELECT ssn FROM customers",
        ("ssns", ""),
    );
}

#[test]
fn what_is_brought_to_another_type_is_made() {
    for text in [
        "SELECT a FROM events UNION ALL SELECT b FROM events",
        "SELECT a FROM events x JOIN (SELECT b AS a FROM events) y USING (a)",
    ] {
        let outputs = statement(&masked(), text).outputs;
        assert_eq!(written(&outputs), "#", "{text}");
    }
    check("UPDATE events SET b = a", ("", "times"));
}

#[test]
fn keys_of_what_is_not_masked_keep_nothing() {
    for apart in [
        "CREATE TABLE a (b int REFERENCES customers (id), FOREIGN KEY (b) REFERENCES orders (id))",
        "CREATE INDEX ON customers (id, name)",
    ] {
        check(apart, ("", ""));
    }
    for of_values in [
        "CREATE TABLE a (b text REFERENCES customers (email))",
        "CREATE TABLE a (b int REFERENCES customers (id), c text REFERENCES customers (email))",
        "CREATE INDEX ON customers (id, email)",
        "CREATE INDEX ON customers (lower(name))",
        "CREATE INDEX ON customers (id) WHERE email IS NULL",
    ] {
        check(of_values, ("", "emails,ssns"));
    }
}
