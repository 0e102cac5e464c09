//! What is said of a request, in the language of each kind of target.
//!
//! `sheet` is what there is to say, for people, `excerpt` how much of a statement, `slack` and `teams`
//! put both into the formats of these, `generic` tells everything to programs.
//!
//! INVARIANT: what an agent chose stands only where the format takes text as text: no markup, no link, no
//! mention comes of it, and each character that is not plainly visible is written as its code.
//! Checked by `tests`.

mod excerpt;
mod generic;
mod sheet;
mod slack;
mod teams;

use bytes::Bytes;

use self::sheet::Sheet;
use super::notice::Notice;
use super::target::Kind;

/// The body of the message that tells `notice` to the target `name`.
pub(super) fn body(kind: Kind, name: &str, notice: &Notice) -> Bytes {
    let message = match kind {
        Kind::Slack => slack::message(&Sheet::of(notice)),
        Kind::Teams => teams::message(&Sheet::of(notice)),
        Kind::Generic => generic::message(name, notice),
    };
    message.to_string().into()
}

#[cfg(test)]
pub(super) mod tests;
