//! The laws of budgets, which count over a whole session.

use std::sync::Arc;

use super::{People, Said, Trace, evidence_is_complete, run_with};
use crate::event::Event;
use crate::policy::engine::Engine;
use crate::protocols::{CodecOptions, Framed};

/// Law: the statements of a session bring no more rows than `most`, which is what its budget has, all of
/// them together, and cutting the input changes nothing of that.
///
/// # Panics
/// When the law is broken.
pub fn no_session_brings_more(
    framed: &dyn Framed,
    options: &CodecOptions,
    budgeting: &Arc<Engine>,
    said: &[Said],
    cut: impl FnMut(usize) -> usize,
    most: u64,
) {
    let run = |cut: &mut dyn FnMut(usize) -> usize| {
        run_with(framed, options, budgeting, said, cut, People::Agree)
    };
    let mut cut = cut;
    let (whole, pieces) = (run(&mut |rest| rest), run(&mut cut));
    assert_eq!(
        whole,
        Trace {
            most_waiting: whole.most_waiting,
            ..pieces
        }
    );
    evidence_is_complete(&whole);
    let outcomes = whole.events.iter().filter_map(|event| match event {
        Event::Outcome(outcome) => Some(outcome.rows),
        _ => None,
    });
    let rows: u64 = outcomes.sum();
    assert!(rows <= most, "{rows} rows of {most}");
}

/// Law: a budget of which something is left changes nothing. `budgeting` is `without` with a budget that
/// nobody uses up.
///
/// # Panics
/// When the law is broken.
pub fn what_is_left_changes_nothing(
    framed: &dyn Framed,
    options: &CodecOptions,
    without: &Arc<Engine>,
    budgeting: &Arc<Engine>,
    said: &[Said],
) {
    let run = |engine| {
        let mut trace = run_with(framed, options, engine, said, |rest| rest, People::Agree);
        for event in &mut trace.events {
            // Which policy it was is what differs.
            if let Event::Ask(ask) = event {
                ask.policy = None;
            }
        }
        trace
    };
    assert_eq!(run(without), run(budgeting));
}
