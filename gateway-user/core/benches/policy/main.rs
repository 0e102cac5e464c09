//! How long a decision takes, by the number of rules and with conditions; run by
//! `cargo xtask bench policy`. Writes the rows of the tables in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it reads the clock, and the tables are what it is for"
)]

mod counting;
mod rules;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use gateway_core::policy::decision::Verdict;
use gateway_core::policy::engine::Engine;
use jiff::Timestamp;

use self::counting::{Counting, allocations};
use self::rules::{Asked, CONDITIONS, REFUSED, allowed, asked, engine, policy};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Decisions in one sample: the clock is read once for all of them.
const TOGETHER: u32 = 1000;
/// Samples of which the median is taken.
const SAMPLES: usize = 301;

fn main() {
    println!("| rules | conditions | p50 | p99 | decisions a second | allocations for each |");
    println!("|---|---|---|---|---|---|");
    let all = |count| -> Vec<Asked> { allowed(count).iter().map(|sql| asked(sql)).collect() };
    for count in [20, 200, 1000, 5000] {
        row(&count.to_string(), "0", &policy(count, &[]), &all(count));
    }
    for count in [20, 1000] {
        let engine = policy(count, &CONDITIONS);
        row(&count.to_string(), "5", &engine, &all(count));
    }
    row("1000, refused", "0", &policy(1000, &[]), &[asked(REFUSED)]);
    println!("\n| hostile | longest |\n|---|---|");
    hostile();
}

fn row(rules: &str, conditions: &str, engine: &Engine, all: &[Asked]) {
    // Regular expressions make their room when they are first used.
    all.iter().for_each(|asked| decide(engine, asked));
    let before = allocations();
    all.iter().for_each(|asked| decide(engine, asked));
    let each = (allocations() - before) / u64::try_from(all.len()).unwrap_or(1);
    let mut samples: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let start = Instant::now();
            for asked in all.iter().cycle().take(TOGETHER.try_into().unwrap_or(0)) {
                decide(engine, asked);
            }
            start.elapsed() / TOGETHER
        })
        .collect();
    samples.sort_unstable();
    let at = |share: usize| {
        samples
            .get(SAMPLES * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let (p50, p99) = (at(50), at(99));
    let rate = 1.0 / p50.as_secs_f64();
    println!("| {rules} | {conditions} | {p50:?} | {p99:?} | {rate:.0} | {each} |");
}

fn decide(engine: &Engine, asked: &Asked) {
    let asked = black_box(asked);
    let decision = engine.decide(
        &asked.subject,
        &asked.flow,
        &asked.facts,
        Timestamp::UNIX_EPOCH,
    );
    black_box(matches!(decision.verdict, Verdict::Allow(_)));
}

/// Conditions that want to hold up whoever decides, and statements that want to help them.
fn hostile() {
    let tables = |count: usize| {
        let mut sql = "SELECT FROM t0".to_owned();
        for n in 1..count {
            write!(sql, ", t{n}").expect("a text takes anything");
        }
        sql
    };
    let long = tables(500);
    let many = format!("{};", tables(140)).repeat(300);
    let each_in_each = vec!["t in sql.table"; 100].join(" && ");
    let nested = format!("sql.table.all(t, {each_in_each})");
    // Automata that grow with what they read, and one as large as may be.
    let growing = "[01]*1[01]{12}x";
    let large = r"(\\\\w{1,3}[.]){5}";
    let expression = |regex: &str| {
        let one = format!("t.matches('{regex}')");
        let all = vec![one; 8].join(" || ");
        format!("sql.table.exists(t, {all})")
    };
    for (name, when) in [
        ("each table in each of 500, 100 times", nested),
        ("growing expressions", expression(growing)),
        ("large expressions", expression(large)),
    ] {
        for (kind, sql) in [("one statement", &long), ("300 statements", &many)] {
            let rule = format!("[[rule]]\nname = \"h\"\naction = \"allow\"\nwhen = \"{when}\"\n");
            let engine = engine(&rule);
            let asked = asked(sql);
            let start = Instant::now();
            decide(&engine, &asked);
            println!("| {name}, {kind} | {:?} |", start.elapsed());
        }
    }
}
