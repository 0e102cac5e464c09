//! What is shown to who may not see all values: requests and grants without what may be one.
//!
//! Which masks hide something from whom is said by policy ([`Engine::hidden_of`]). What is left out is told
//! by kind and length; what is approved is all of it, so names and digests stay as they are.
//!
//! INVARIANT: whatever shows requests or grants goes through here. Checked by an end-to-end test that
//! looks for a value in all of it.
//!
//! [`Engine::hidden_of`]: crate::policy::engine::Engine::hidden_of

use super::grant::{Covers, Grant};
use super::request::Request;
use crate::held::HeldAction;
use crate::ids::MaskName;
use crate::preview::Preview;
use crate::sql::postgres::literals::without_literals;

/// Stands for the words of a command line that are not shown.
const WORDS: &str = "[the rest is not shown]";
/// Stands for the server's words, which may repeat a value.
const NOTE: &str = "what the server said is not shown";

/// A request without values.
pub fn request(request: &Request, hidden_by: Vec<MaskName>) -> Request {
    let mut shown = request.clone();
    shown.action = action(&request.action, hidden_by);
    shown.preview = shown.preview.map(|preview| Preview {
        note: preview.note.map(|_| NOTE.to_owned()),
        ..preview
    });
    shown
}

/// An action without values.
pub fn action(action: &HeldAction, hidden_by: Vec<MaskName>) -> HeldAction {
    let mut shown = action.clone();
    shown.text = without_literals(&action.text);
    for parameter in &mut shown.parameters {
        parameter.hide();
    }
    // What was run by hand has the statement in its command line.
    if let Some(line) = &mut shown.subject.process.command_line {
        words(line);
    }
    shown.hidden_by = hidden_by;
    shown
}

/// A grant without values.
pub fn grant(grant: &Grant) -> Grant {
    let mut shown = grant.clone();
    match &mut shown.covers {
        Covers::Action { .. } => {}
        Covers::Session { likeness, .. } | Covers::Workload { likeness } => {
            likeness.text = likeness.text.as_deref().map(without_literals);
            for parameter in likeness.parameters.iter_mut().flatten() {
                parameter.hide();
            }
        }
    }
    shown
}

/// A command line with its first word alone.
pub fn words(line: &mut Vec<String>) {
    if line.len() > 1 {
        line.truncate(1);
        line.push(WORDS.to_owned());
    }
}
