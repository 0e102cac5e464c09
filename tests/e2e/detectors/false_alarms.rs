//! With all detectors on, what holds no secret looks as it does without the gateway.

use crate::stage::{looks_direct, psql, python_client, server, sql};

use super::guarded;

/// What people keep in databases, and what looks a little like a secret.
const HARMLESS: &[&str] = &[
    "order 2024-000123",
    "SO-4111111111111112",
    "018f4a5e-7b1c-7000-8000-0123456789ab",
    "41111111-1111-4111-8111-111111111111",
    "2024-02-29 12:34:56.789012+00",
    "2024-02-29T12:34:56Z",
    "20240229123456789",
    "PostgreSQL 15.8 (Debian 15.8-0+deb12u1), compiled by gcc 12.2.0, 64-bit",
    "1.2.3-rc.4+build.5678",
    "v1.24.0.1",
    "12:34:56",
    "00:1b:63:84:45:e6",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "3.14159265358979323846",
    "ISBN 978-3-16-148410-0",
    "EAN 4006381333931",
    "user@localhost",
    "@mention, a@b and me@",
    "std::string::npos",
    "https://example.org/path?x=1&y=2",
    "1,234,567,890,123.45",
    "EUR 1.234.567,89",
    "tel: none",
    "Mo-Fr 9-17, 2024-2025",
    "0000-0000-0000-0000",
    "-----BEGIN CERTIFICATE----- MIIB -----END CERTIFICATE-----",
    "eyJ is how JSON begins in base64",
    "sk_test and AKIA are prefixes",
    "DE is a country, DE12 no account",
];

#[test]
fn what_is_no_secret_stays() {
    let gateway = guarded();
    for text in HARMLESS {
        let text = text.replace('\'', "''");
        let statement = format!(
            "SELECT '{text}', '{text}'::varchar, to_json('{text}'::text), ARRAY['{text}', 'x'], \
             ROW(1, '{text}'), '{text}'::bytea, xmlelement(name a, '{text}')"
        );
        looks_direct(&gateway, &sql(&statement));
        let copied = format!("COPY ({statement}) TO STDOUT (FORMAT csv)");
        looks_direct(&gateway, &sql(&copied));
    }
}

#[test]
fn other_types_stay() {
    let gateway = guarded();
    let statement = "SELECT 1709210096789::int8, 4111111111111112::int8, 4111111111111111.5::numeric, \
        1e300::float8, 4111111111111111::float8, now() > '2020-01-01', '2024-02-29'::date, \
        '12:34'::time, '41111111-1111-4111-8111-111111111111'::uuid, '1 day'::interval, \
        '(1,2)'::point, '[1,5)'::int4range, B'1010', '{1,2}'::int[], 'a'::\"char\", \
        '08:00:2b:01:02:03'::macaddr, 'a:1 b:2'::tsvector, txid_current() > 0";
    looks_direct(&gateway, &sql(statement));
    for describe in ["\\d customers", "\\dt", "\\l", "\\df now", "\\dn", "\\du"] {
        looks_direct(&gateway, &psql(&["-c", describe]));
    }
}

#[test]
fn drivers_do_what_they_can() {
    let gateway = guarded();
    let conninfo = server().conninfo("127.0.0.1", "app");
    for tour in ["psycopg_tour.py", "asyncpg_tour.py"] {
        let shown = looks_direct(&gateway, &python_client(tour, &conninfo));
        assert!(shown.contains("toured"), "{tour}: {shown}");
    }
}
