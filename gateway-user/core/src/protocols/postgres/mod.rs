//! PostgreSQL, protocol 3.0 and 3.2.
//!
//! `attributes` lists the facts it can tell; `script` puts what `crate::sql::postgres` read in a
//! statement's text into the slots of those facts.

pub mod attributes;
pub mod script;
