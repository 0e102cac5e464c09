//! For programs: everything that is known, as docs/approvals.md has it.

use serde_json::{Value, json};

use crate::notify::notice::Notice;

/// The version of what [`message`] makes. Fields are only ever added to one.
const VERSION: u32 = 1;

pub(super) fn message(target: &str, notice: &Notice) -> Value {
    let mut message = json!({
        "version": VERSION,
        "target": target,
        "request": notice.request,
        "time": notice.time,
        "opened": notice.opened,
        "expires": notice.expires,
        "preview": notice.preview,
        "action": notice.matter.whole,
    });
    if let (Some(message), Ok(Value::Object(about))) =
        (message.as_object_mut(), serde_json::to_value(&notice.about))
    {
        message.extend(about);
    }
    message
}
