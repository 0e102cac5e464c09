//! Rows of what is attached, and of who it is by its token.

use anstyle::Style;

use super::entry::{Row, shown, whom};
use crate::cli::printable::{STRONG, line};
use crate::observe::enforcement::Attachment;
use crate::observe::enforcement::identified::Identified;

pub(super) fn cgroup(verdict: &'static str, attachment: &Attachment) -> Row {
    let by = attachment
        .by
        .map(|_| whom(attachment.by).trim_start().to_owned());
    let selector = attachment
        .selector
        .as_ref()
        .map(|text| line(text).to_string());
    let inside = attachment.inside.as_ref();
    let inside = inside.map(|name| format!("out of {}", line(name.as_str())));
    let why: Vec<_> = [by, selector, inside].into_iter().flatten().collect();
    Row {
        verdict,
        style: STRONG,
        workload: shown(attachment.workload.as_ref()),
        resource: "-".to_owned(),
        what: line(&attachment.cgroup).to_string(),
        why: why.join(", "),
    }
}

pub(super) fn identified(verdict: &'static str, style: Style, identified: &Identified) -> Row {
    let known = match (&identified.identity, &identified.issuer) {
        (Some(subject), Some(issuer)) => {
            format!("as {} by {}", line(subject), line(issuer.as_str()))
        }
        _ => "by no token".to_owned(),
    };
    Row {
        verdict,
        style,
        workload: line(identified.workload.as_str()).to_string(),
        resource: "-".to_owned(),
        what: format!("{} {known}", line(&identified.cgroup)),
        why: identified
            .reason
            .as_deref()
            .map_or_else(String::new, |why| line(why).to_string()),
    }
}
