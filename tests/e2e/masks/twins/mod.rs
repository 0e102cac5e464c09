//! Two databases that differ in masked values alone cannot be told apart by the gateway.
//!
//! This is noninterference (Goguen and Meseguer, 1982), tried with statements by chance: whatever an agent
//! asks, the answers from both are the same, byte by byte. Masks are `full` here, for what other kinds
//! leave of a value may differ.

mod expressions;
mod grammar;
mod queries;
mod random;
mod statements;
mod tables;

use std::fmt::Write as _;
use std::process::Command;

use gateway_tests::sandbox::Sandbox;

use self::grammar::Grammar;
use super::answer::Answer;
use super::guarded::opaque;
use super::table::{Mode, Outcome, rows};
use super::world::{replies, server, session};
use crate::stage::direct;

/// What the masked columns of `schema.sql` hold in each of the two. NULL stays NULL, arrays keep their
/// numbers of elements and documents their members: so much is told by masks.
const LEFT: [(&str, &str); 6] = [
    (":text", "'l' || :id || '@left.example'"),
    (":number", "1000 + :id"),
    (":day", "DATE '1950-01-01' + :id"),
    (
        ":json",
        "jsonb_build_object('plan', 'l', 'a', 'x', 'contact', jsonb_build_object('email', 'l' || :id))",
    ),
    (":token", "md5('l' || :id)::uuid"),
    (":element", "'l' || n"),
];
const RIGHT: [(&str, &str); 6] = [
    (":text", "repeat('R', 3 * :id - 3)"),
    (":number", "-90 * :id"),
    (":day", "DATE '2009-12-31' - :id"),
    (
        ":json",
        "jsonb_build_object('plan', 'RR', 'a', '', 'contact', jsonb_build_object('email', repeat('r', :id)))",
    ),
    (":token", "md5('r' || :id)::uuid"),
    (":element", "repeat('R', n::int)"),
];

/// How these values get there, past triggers and foreign keys.
const CHANGE: &str = "
    SET session_replication_role = replica;
    UPDATE customers SET email = :text, ssn = :text, card = :number, born = :day, profile = :json,
        token = :token, tags = (SELECT array_agg(:element) FROM generate_subscripts(tags, 1) n)
        WHERE id <> 3;
    UPDATE visits SET email = :text;
    UPDATE members SET email = :text;
    UPDATE newsletter SET email = (SELECT email FROM ONLY customers WHERE id = 1);
    UPDATE opt_outs SET who = (SELECT email FROM ONLY customers WHERE id = 1);
    UPDATE accounts SET code = left('x' || :text, 11), large = :number, small = :number;
    REFRESH MATERIALIZED VIEW posted;
    REFRESH MATERIALIZED VIEW mailing;";

/// So many tries are made in one session.
const TOGETHER: usize = 12;

/// Makes the two databases, new for each `run`.
fn twins(run: &str) -> [String; 2] {
    [("left", LEFT), ("right", RIGHT)].map(|(side, values)| {
        let database = format!("twins_{run}_{side}");
        let sql = format!("CREATE DATABASE {database} TEMPLATE masks_template");
        server().admin_in("postgres", &sql).unwrap();
        let mut change = CHANGE.to_owned();
        for (name, value) in values {
            change = change.replace(name, &value.replace(":id", "id"));
        }
        server().admin_in(&database, &change).unwrap();
        database
    })
}

/// What came back to each step of each try; a try is a transaction that is taken back.
fn tried(
    tries: &[Vec<String>],
    database: &str,
    mode: Mode,
    run: impl Fn(&Command) -> std::process::Output,
) -> Vec<Vec<Answer>> {
    let begun = |steps: &Vec<String>| {
        let mut all = vec!["BEGIN".to_owned()];
        all.extend(steps.iter().cloned());
        all.push("ROLLBACK".to_owned());
        all
    };
    let sessions: Vec<String> = tries
        .chunks(TOGETHER)
        .map(|some| {
            session(
                database,
                mode,
                &some.iter().flat_map(begun).collect::<Vec<_>>(),
            )
        })
        .collect();
    let mut answers = Vec::new();
    for (some, answer) in tries.chunks(TOGETHER).zip(replies(&sessions, run)) {
        let mut steps = answer.steps().into_iter();
        for steps_of_one in some {
            answers.push(steps.by_ref().take(steps_of_one.len() + 2).collect());
        }
    }
    answers
}

/// What may not differ.
fn essence(answers: &[Answer]) -> Vec<Vec<(char, String)>> {
    answers.iter().map(Answer::essence).collect()
}

/// How the tries went, for those who look for more.
#[derive(Debug, Default)]
struct Tally {
    /// They differ without the gateway.
    telling: usize,
    /// Of these, the gateway let them pass and masked what came.
    masked: usize,
    /// The same both ways.
    harmless: usize,
    /// The same without the gateway, and refused or masked by it.
    overdone: usize,
    /// The server refuses them.
    failed: usize,
}

/// Complains of tries whose answers differ between the two.
fn none_tells(tries: &[Vec<String>], run: &str, mode: Mode) -> (String, Tally) {
    let sandbox = Sandbox::new("twins-password").unwrap();
    let gateway = opaque(&sandbox);
    let databases = twins(run);
    let through = |tries: &[Vec<String>]| {
        let by_gateway = |client: &Command| gateway.agent(client).unwrap();
        databases
            .each_ref()
            .map(|it| tried(tries, it, mode, by_gateway))
    };
    let [lefts, rights] = through(tries);
    let [plain_lefts, plain_rights] = databases
        .each_ref()
        .map(|it| tried(tries, it, mode, direct));
    let differ = |left: &[Answer], right: &[Answer]| essence(left) != essence(right);
    let mut doubted = Vec::new();
    let mut tally = Tally::default();
    for number in 0..tries.len() {
        let [left, plain_left] = [&lefts[number], &plain_lefts[number]];
        if differ(left, &rights[number]) {
            doubted.push(number);
        }
        let has_failed = plain_left.iter().any(|it| !it.errors().is_empty());
        if has_failed {
            tally.failed += 1;
        } else if differ(plain_left, &plain_rights[number]) {
            tally.telling += 1;
            tally.masked += usize::from(!left.iter().any(Answer::is_refused));
        } else if differ(plain_left, left) {
            tally.overdone += 1;
        } else {
            tally.harmless += 1;
        }
    }
    let again: Vec<Vec<String>> = doubted.iter().map(|it| tries[*it].clone()).collect();
    let [left_again, right_again] = through(&again);
    let mut wrong = String::new();
    for (place, number) in doubted.into_iter().enumerate() {
        let [left, right] = [&left_again[place], &right_again[place]];
        // What is another each time tells nothing.
        if differ(left, &lefts[number]) || differ(right, &rights[number]) {
            continue;
        }
        let [left, right] =
            [left, right].map(|it| it.iter().map(Answer::shown).collect::<String>());
        let steps = tries[number].join(";\n");
        writeln!(wrong, "{steps}\n  left:\n{left}  right:\n{right}").unwrap();
    }
    (wrong, tally)
}

#[test]
fn no_attempt_tells_them_apart() {
    let mut rows = rows();
    rows.retain(|row| {
        // What is done to files of the server's is not taken back with its transaction.
        let is_plain = |step: &String| !step.starts_with('\\') && !step.contains(":database");
        let is_plain = row.steps.iter().all(is_plain);
        is_plain && !row.is_own && !matches!(row.outcomes[0], Outcome::Open | Outcome::Oracle)
    });
    let tries: Vec<Vec<String>> = rows.into_iter().map(|row| row.steps).collect();
    let (wrong, _) = none_tells(&tries, "attempts", Mode::Simple);
    assert!(wrong.is_empty(), "{wrong}");
}

/// More are tried with `TWINS=20000`, others with `TWINS_SEED=7`.
fn no_statement_tells_them_apart(run: &str, mode: Mode, share: u64) {
    let given = |name, default| std::env::var(name).map_or(default, |it| it.parse().unwrap());
    let seed = given("TWINS_SEED", 1);
    let count = given("TWINS", 600) / share;
    let tries: Vec<Vec<String>> = (0..count)
        .map(|number| Grammar::new(seed * 1_000_000 + number).statements())
        .collect();
    let (wrong, tally) = none_tells(&tries, run, mode);
    println!("{tally:?}");
    assert!(wrong.is_empty(), "{wrong}");
    let enough = tries.len() / 10;
    assert!(
        tally.telling > enough && tally.masked > enough / 2,
        "{tally:?}"
    );
}

#[test]
fn no_statement_tells_them_apart_in_text() {
    no_statement_tells_them_apart("text", Mode::Simple, 1);
}

#[test]
fn no_statement_tells_them_apart_in_binary() {
    no_statement_tells_them_apart("binary", Mode::Binary, 3);
}
