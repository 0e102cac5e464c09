//! The limits that are for what is asked about.

use std::io::{self, Write};

use gateway_core::policy::model::Mode;
use serde_json::json;

use crate::cli::policy::question::Answer;
use crate::cli::printable::line;

/// Each limit in a line.
pub(super) fn print(out: &mut impl Write, answer: &Answer<'_>) -> io::Result<()> {
    for (limit, mode) in &answer.limits {
        let (name, most) = (line(limit.name.as_str()), limit.told().join(", "));
        let then = match mode {
            Mode::Enforce => "then ended",
            Mode::Observe => "only observed",
        };
        writeln!(
            out,
            "\nlimited by {name}: {most} for each statement, {then}"
        )?;
    }
    Ok(())
}

/// The same for machines.
pub(super) fn for_machines(answer: &Answer<'_>) -> serde_json::Value {
    let each = answer.limits.iter().map(|(limit, mode)| {
        json!({
            "limit": limit.name,
            "rows": limit.rows,
            "bytes": limit.bytes,
            "seconds": limit.time.map(|time| time.as_secs()),
            "mode": mode,
        })
    });
    each.collect()
}
