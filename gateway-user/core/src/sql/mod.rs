//! SQL: from the text of a statement to what it reads, writes and calls.
//!
//! One folder for each dialect, because dialects disagree where it matters. Nothing here knows of
//! wire protocols, slots or rules.

pub mod postgres;
