//! PostgreSQL's own tests, through the gateway: what they print is what they print without it.
//!
//! `pg_regress` runs some 200 files of statements with `psql`, up to twenty at a time, and its sister
//! 115 specifications of several sessions that get in each other's way. Both come with the server;
//! the tests are of its source and are fetched by `cargo xtask setup`. The policy allows everything,
//! and all of it is recorded. How they are run and compared is in `suite`.

mod suite;

use suite::{ISOLATION, REGRESS};

#[test]
fn the_regression_tests_print_what_they_print_without_the_gateway() {
    eprint!("{}", suite::check(&REGRESS).unwrap());
}

#[test]
fn so_do_those_of_sessions_beside_each_other() {
    eprint!("{}", suite::check(&ISOLATION).unwrap());
}
