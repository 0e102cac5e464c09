//! Recordings: one JSON Lines file a session, which shows when it was changed afterwards.
//!
//! `journal` writes a file, `reader` reads one back, `verify` checks one, `timestamp` is how they
//! write times. What a line says is `gateway_core::event`; the format is told in
//! `docs/recording.md`. The commands over recordings are in `cli`.

pub mod journal;
pub mod reader;
mod timestamp;
pub mod verify;

use aws_lc_rs::digest;

/// What the first line of a recording carries as the hash of the line before it.
pub const NO_LINE_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The hash that ties a line to the one before: SHA-256 over the line's bytes without its newline.
fn hash_of(line: &[u8]) -> [u8; 64] {
    let digest = digest::digest(&digest::SHA256, line);
    let mut text = [b'0'; 64];
    // INVARIANT: 32 bytes make 64 digits, so this does not fail; a wrong length would leave zeros
    // and so show as a broken chain in the tests below.
    let written = hex::encode_to_slice(digest.as_ref(), &mut text);
    debug_assert!(written.is_ok(), "a SHA-256 digest is 32 bytes");
    text
}

#[cfg(test)]
mod tests;
