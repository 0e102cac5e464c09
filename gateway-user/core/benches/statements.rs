//! How long a statement takes to be read: one that is new, and one that was read before; run by
//! `cargo xtask bench statements`. Writes the rows of the table in `docs/benchmarks.md`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it reads the clock, needs a large stack, and the table is what it is for"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use gateway_core::protocols::postgres::cache::ScriptCache;
use gateway_core::protocols::postgres::script::Script;
use gateway_core::sql::postgres::Session;

/// The statements, one a line.
const CORPUS: [(&str, &str); 3] = [
    (
        "queries",
        include_str!("../../../tests/corpus/postgres/queries.sql"),
    ),
    (
        "writes",
        include_str!("../../../tests/corpus/postgres/writes.sql"),
    ),
    (
        "commands",
        include_str!("../../../tests/corpus/postgres/commands.sql"),
    ),
];
/// Each statement's time is the least of so many, when nobody else had the core.
const TIMES: u32 = 25;
/// A cached one is found so often between two looks at the clock.
const TOGETHER: u32 = 200;
/// What a statement may need of the stack.
const STACK: usize = 16 << 20;

fn main() {
    // As in the daemon, statements are read on a stack that is large enough.
    let reader = std::thread::Builder::new().stack_size(STACK).spawn(table);
    let ended = reader.map(std::thread::JoinHandle::join);
    assert!(matches!(ended, Ok(Ok(()))), "the measurement failed");
}

fn table() {
    println!(
        "| statements | how many | new, p50 | new, p99 | new ones a second | read before, p50 | read before, a second |"
    );
    println!("|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for (name, text) in CORPUS {
        let statements: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        row(name, &statements);
        all.extend(statements);
    }
    row("all", &all);
}

fn row(name: &str, statements: &[&str]) {
    let session = Session::default();
    let cache = ScriptCache::default();
    let new = times(statements, 1, |text| {
        black_box(Script::read(black_box(text), &session));
    });
    let known = times(statements, TOGETHER, |text| {
        black_box(cache.script(black_box(text), &session));
    });
    let rate = |times: &[Duration]| {
        let all: Duration = times.iter().sum();
        1.0 / (all.as_secs_f64() / f64::from(u32::try_from(times.len()).unwrap_or(1)))
    };
    println!(
        "| {name} | {} | {:?} | {:?} | {:.0} | {:?} | {:.0} |",
        statements.len(),
        at(&new, 50),
        at(&new, 99),
        rate(&new),
        at(&known, 50),
        rate(&known),
    );
}

/// The least time of each statement, in order.
fn times(statements: &[&str], together: u32, mut read: impl FnMut(&[u8])) -> Vec<Duration> {
    let mut times: Vec<Duration> = statements
        .iter()
        .map(|statement| {
            let text = statement.as_bytes();
            read(text);
            let samples = (0..TIMES).map(|_| {
                let start = Instant::now();
                for _ in 0..together {
                    read(text);
                }
                start.elapsed() / together
            });
            samples.min().unwrap_or_default()
        })
        .collect();
    times.sort_unstable();
    times
}

fn at(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(rank).copied().unwrap_or_default()
}
