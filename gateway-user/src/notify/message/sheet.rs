//! What there is to say of a request, for people: before it is put into any format.

use gateway_core::preview::Preview;
use gateway_core::visible::is_hidden;

use crate::notify::notice::{About, Demanded, Notice};

/// So many bytes of a reason, a name or a parameter are shown.
const TEXT: usize = 200;
/// So many bytes of a field, which may be made of several.
const FIELD: usize = 400;
/// So many rules and parameters are shown.
const LIST: usize = 4;

/// What people are told.
#[derive(Debug)]
pub(super) struct Sheet<'a> {
    /// One line, made of the configuration's names.
    pub(super) title: String,
    /// What there is to know beside the statement. Safe to show where text is text.
    pub(super) fields: Vec<(&'static str, String)>,
    /// The statement as the agent wrote it.
    pub(super) statement: &'a str,
    /// Its parameters, safe to show.
    pub(super) parameters: Vec<String>,
    /// The command that shows all of it.
    pub(super) show: String,
    /// The digest of the action.
    pub(super) digest: &'a str,
    /// How it is answered, while it can be: sentences and commands.
    pub(super) answer: Vec<(&'static str, String)>,
}

impl<'a> Sheet<'a> {
    pub(super) fn of(notice: &'a Notice) -> Self {
        let matter = &notice.matter;
        let (word, outcome) = outcome(&notice.about);
        let mut fields = Vec::new();
        if let Some(outcome) = outcome {
            fields.push(("Outcome", outcome));
        }
        fields.push((
            "Who",
            format!("{}, {}", clip(&matter.workload), clip(&matter.process)),
        ));
        if let Some(identity) = &matter.identity {
            fields.push(("Known as", clip(identity)));
        }
        fields.push((
            "Resource",
            format!("{} ({})", clip(&matter.resource), clip(&matter.protocol)),
        ));
        let connection = matter.connection.iter().take(LIST);
        let connection: Vec<_> = connection
            .map(|(name, value)| format!("{} {}", clip(name), clip(value)))
            .collect();
        if !connection.is_empty() {
            fields.push(("Connection", connection.join(", ")));
        }
        fields.extend(
            matter
                .demands
                .iter()
                .take(LIST)
                .map(|one| ("Rule", rule(one))),
        );
        if let Some(more @ 1..) = matter.demands.len().checked_sub(LIST) {
            fields.push(("Rule", format!("and {more} more that want it approved")));
        }
        if let Some(preview) = &notice.preview {
            fields.push(("Preview", in_words(preview)));
        }
        if !matter.hidden_by.is_empty() {
            let masks = matter.hidden_by.join(", ");
            fields.push((
                "Not shown",
                format!("values, because of masks {}", clip(&masks)),
            ));
        }
        fields.push(("Request", clip(&notice.request)));
        fields.push(("Opened", format!("{:.0}", notice.opened)));
        let mut answer = Vec::new();
        if notice.about == About::Opened {
            fields.push(("Refused after", format!("{:.0}", notice.expires)));
            for (what, verb) in [("Approve with", "approve"), ("Refuse with", "deny")] {
                let command = format!("gateway approvals {verb} {}", clip(&notice.request));
                answer.push((what, command));
            }
        }
        for (_, value) in &mut fields {
            *value = cut(value, FIELD);
        }
        Self {
            title: format!(
                "{word}: {} on {}",
                clip(&matter.workload),
                clip(&matter.resource)
            ),
            fields,
            statement: &matter.text,
            parameters: parameters(&matter.parameters),
            show: format!("gateway approvals show {}", clip(&notice.request)),
            digest: &matter.digest,
            answer,
        }
    }

    /// What is said where `hidden` bytes of the statement are left out.
    pub(super) fn left_out(&self, hidden: usize) -> String {
        format!(
            "NOT ALL OF THE STATEMENT IS SHOWN: {hidden} of its {} bytes are missing here. SHA-256 of \
             the whole action: {}. All of it:",
            self.statement.len(),
            self.digest,
        )
    }
}

fn outcome(about: &About) -> (&'static str, Option<String>) {
    match about {
        About::Opened => ("Approval wanted", None),
        About::Decided {
            approved,
            by,
            reason,
        } => {
            let (word, verb) = match approved {
                true => ("Approved", "approved"),
                false => ("Refused", "refused"),
            };
            let by = by.iter().map(|name| clip(name)).collect::<Vec<_>>();
            let mut outcome = format!("{verb} by {}", by.join(", "));
            if let Some(reason) = reason {
                outcome = format!("{outcome}: {}", clip(reason));
            }
            (word, Some(outcome))
        }
        About::TimedOut => (
            "Timed out",
            Some("nobody decided in time, so it was refused".to_owned()),
        ),
        About::Withdrawn { reason } => ("Withdrawn", Some(clip(reason))),
    }
}

fn in_words(preview: &Preview) -> String {
    let Preview {
        estimate_rows,
        counted_rows,
        note,
    } = preview;
    let rows = |count: u64| format!("{count} row{}", if count == 1 { "" } else { "s" });
    let counted = counted_rows.map(|count| format!("{} counted", rows(count)));
    let estimate = estimate_rows.map(|count| format!("about {} by the plan", rows(count)));
    let note = note.as_deref().map(clip);
    let parts: Vec<_> = [counted, estimate, note].into_iter().flatten().collect();
    parts.join("; ")
}

fn rule(demanded: &Demanded) -> String {
    let approvers: Vec<_> = demanded.approvers.iter().map(|name| clip(name)).collect();
    format!(
        "{}: {} (asks {})",
        clip(&demanded.rule),
        clip(&demanded.reason),
        approvers.join(", ")
    )
}

fn parameters(parameters: &[Option<String>]) -> Vec<String> {
    let shown = parameters.iter().zip(1..).take(LIST);
    let mut lines: Vec<_> = shown
        .map(|(value, number)| match value {
            Some(value) => format!("${number} = '{}'", clip(value)),
            None => format!("${number} = NULL"),
        })
        .collect();
    if let Some(more @ 1..) = parameters.len().checked_sub(LIST) {
        lines.push(format!("and {more} more that are not shown"));
    }
    lines
}

/// One line of text whose every character is visible, cut if it is long, which it then says.
fn clip(text: &str) -> String {
    cut(text, TEXT)
}

fn cut(text: &str, most: usize) -> String {
    let mut shown = String::new();
    let mut rest = text.chars();
    loop {
        let (end, left) = (shown.len(), rest.as_str().len());
        let Some(letter) = rest.next() else {
            return shown;
        };
        push(&mut shown, letter);
        if shown.len() > most {
            shown.truncate(end);
            return format!("{shown}… [{left} more bytes not shown]");
        }
    }
}

/// Adds a character, or its code where nobody would see it or see something else.
pub(super) fn push(shown: &mut String, letter: char) {
    if is_hidden(letter) {
        shown.extend(letter.escape_default());
    } else {
        shown.push(letter);
    }
}
