//! The program.
pub mod kernel;

fn main() {}
