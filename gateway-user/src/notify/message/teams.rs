//! Microsoft Teams: an Adaptive Card in a message, as workflows ("when a Teams webhook request is
//! received") and incoming webhooks take it.
//!
//! Everything is a `TextRun`, which has no Markdown
//! (<https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run>), unlike `TextBlock` and
//! `FactSet`. It does not keep lines and spaces apart either, so each line has a block of its own.

use serde_json::{Value, json};

use super::excerpt::{Piece, excerpt};
use super::sheet::Sheet;

/// Bytes of a message. The documented limit is 28 KB, but senders find that some of that is taken
/// by what Teams adds.
const MESSAGE: usize = 20_000;

pub(super) fn message(sheet: &Sheet<'_>) -> Value {
    let frame = card(sheet, &[], 1 << 40, &[]).to_string().len();
    let room = MESSAGE.saturating_sub(frame);
    // An element, and the comma behind it.
    let cost = |piece: &Piece| line(piece).to_string().len() + 1;
    let cut = excerpt(sheet.statement, room, cost);
    card(sheet, &cut.head, cut.hidden, &cut.tail)
}

fn card(sheet: &Sheet<'_>, head: &[Piece], hidden: usize, tail: &[Piece]) -> Value {
    let mut body = vec![block(vec![
        json!({"type": "TextRun", "text": safe(&sheet.title), "weight": "Bolder", "size": "Large"}),
    ])];
    body.extend(
        sheet
            .fields
            .iter()
            .map(|(label, value)| block(vec![bold(&format!("{label}: ")), plain(value)])),
    );
    if hidden > 0 {
        let said = [bold(&sheet.left_out(hidden)), plain(" "), code(&sheet.show)];
        body.push(block(said.into()));
    }
    body.extend(head.iter().map(line));
    if hidden > 0 {
        let gap = format!("… {hidden} bytes are not shown here …");
        body.push(block(vec![bold(&gap)]));
        body.extend(tail.iter().map(line));
    }
    if !sheet.parameters.is_empty() {
        body.push(block(vec![bold("Parameters")]));
        let lines = sheet.parameters.iter();
        body.extend(lines.map(|line| block(vec![code(line)])));
    }
    for (what, command) in &sheet.answer {
        body.push(block(vec![plain(what), plain(" "), code(command)]));
    }
    body.push(block(vec![plain("All of it: "), code(&sheet.show)]));
    json!({"type": "message", "attachments": [{
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.2",
            "msteams": {"width": "Full"},
            "body": body,
        },
    }]})
}

fn block(inlines: Vec<Value>) -> Value {
    json!({"type": "RichTextBlock", "inlines": inlines})
}

fn line(piece: &Piece) -> Value {
    // An empty run is dropped by some clients, and with it the line.
    let shown = match piece.shown.is_empty() {
        true => "\u{a0}",
        false => &piece.shown,
    };
    json!({"type": "RichTextBlock", "spacing": "None", "inlines": [code(shown)]})
}

fn plain(shown: &str) -> Value {
    json!({"type": "TextRun", "text": safe(shown)})
}

fn bold(shown: &str) -> Value {
    json!({"type": "TextRun", "text": safe(shown), "weight": "Bolder"})
}

fn code(shown: &str) -> Value {
    json!({"type": "TextRun", "text": safe(shown), "fontType": "Monospace"})
}

/// Cards know functions, `{{DATE(…)}}`, in whatever text; and several spaces become one.
fn safe(shown: &str) -> String {
    shown.replace("{{", "{\\u{7b}").replace("  ", "\u{a0} ")
}
