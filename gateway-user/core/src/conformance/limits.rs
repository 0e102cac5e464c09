//! The laws of limits of single statements.

use std::sync::Arc;

use super::{People, Said, Trace, evidence_is_complete, run, run_with};
use crate::event::Event;
use crate::policy::engine::Engine;
use crate::protocols::{CodecOptions, Framed};

/// Law: no statement brings more rows than `most`, which is the limit of all of them, and cutting the input
/// changes nothing of that.
///
/// # Panics
/// When the law is broken.
pub fn no_statement_brings_more(
    framed: &dyn Framed,
    options: &CodecOptions,
    limiting: &Arc<Engine>,
    said: &[Said],
    cut: impl FnMut(usize) -> usize,
    most: u64,
) {
    let whole = run_with(framed, options, limiting, said, |rest| rest, People::Agree);
    let pieces = run_with(framed, options, limiting, said, cut, People::Agree);
    assert_eq!(
        whole,
        Trace {
            most_waiting: whole.most_waiting,
            ..pieces
        }
    );
    evidence_is_complete(&whole);
    for event in &whole.events {
        if let Event::Outcome(outcome) = event {
            assert!(outcome.rows <= most, "{outcome:?}");
        }
    }
}

/// Law: while the server is to be asked to stop what it runs, nothing moves towards it.
///
/// # Panics
/// When the law is broken.
pub fn nothing_moves_before_the_server_has_stopped(
    framed: &dyn Framed,
    options: &CodecOptions,
    limiting: &Arc<Engine>,
    said: &[Said],
) {
    let trace = run(framed, options, limiting, said, |rest| rest);
    if let Some(at) = trace.aborted_at {
        assert_eq!(
            at,
            trace.to_server.len(),
            "bytes reached a server that is asked to stop"
        );
    }
    evidence_is_complete(&trace);
}
