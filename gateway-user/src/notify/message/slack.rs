//! Slack's Block Kit (<https://docs.slack.dev/reference/block-kit/blocks>).
//!
//! Everything is in `header` and `rich_text` blocks, whose texts Slack shows as they are: unlike
//! `mrkdwn` they have elements of their own for links, mentions and emoji, and none are made here.

use serde_json::{Value, json};

use super::excerpt::{Piece, excerpt};
use super::sheet::Sheet;

/// Characters of a `header`.
const HEADER: usize = 150;
/// Characters of one block of the statement. Sections may have 3000, so this is on the safe side.
const BLOCK: usize = 2500;
/// Characters of all blocks of a message. The limit is about 12000, what blocks are made of
/// included; that is not documented, but is what senders find.
const MESSAGE: usize = 9500;

pub(super) fn message(sheet: &Sheet<'_>) -> Value {
    let title: String = sheet.title.chars().take(HEADER).collect();
    let mut above = vec![
        json!({"type": "header", "text": {"type": "plain_text", "text": title, "emoji": false}}),
        fields(sheet),
    ];
    let mut below = Vec::new();
    if !sheet.parameters.is_empty() {
        below.push(section(vec![bold("Parameters")]));
        below.push(fixed(&sheet.parameters.join("\n")));
    }
    below.push(answer(sheet));
    let around = above.iter().chain(&below).map(spoken).sum::<usize>()
        + left_out(sheet, usize::MAX)
            .iter()
            .map(spoken)
            .sum::<usize>();
    let room = MESSAGE.saturating_sub(around);
    let cut = excerpt(sheet.statement, room, |piece| length(&piece.shown) + 1);
    let head = preformatted(&cut.head);
    if cut.hidden == 0 {
        above.extend(head);
    } else {
        let [said, gap] = left_out(sheet, cut.hidden);
        above.push(said);
        above.extend(head);
        above.push(gap);
        above.extend(preformatted(&cut.tail));
    }
    above.extend(below);
    // What notifications show. It is `mrkdwn` where a client does not know better.
    json!({"text": escape(&title), "mrkdwn": false, "blocks": above})
}

/// That something is missing: above the statement, and where it is.
fn left_out(sheet: &Sheet<'_>, hidden: usize) -> [Value; 2] {
    let said = vec![bold(&sheet.left_out(hidden)), text(" "), code(&sheet.show)];
    let gap = format!("… {hidden} bytes are not shown here …");
    [section(said), section(vec![bold(&gap)])]
}

fn answer(sheet: &Sheet<'_>) -> Value {
    let answer = sheet.answer.iter();
    let mut elements: Vec<_> = answer
        .flat_map(|(what, command)| [text(what), text(" "), code(command), text("\n")])
        .collect();
    elements.extend([text("All of it: "), code(&sheet.show)]);
    section(elements)
}

/// The characters of all texts in it.
fn spoken(block: &Value) -> usize {
    match block {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| match value {
                Value::String(text) if name == "text" => length(text),
                Value::String(_) => 0,
                value => spoken(value),
            })
            .sum(),
        Value::Array(elements) => elements.iter().map(spoken).sum(),
        _ => 0,
    }
}

/// As Slack counts: UTF-16 would be the least favourable way.
fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

fn fields(sheet: &Sheet<'_>) -> Value {
    let elements = sheet
        .fields
        .iter()
        .flat_map(|(label, value)| [bold(&format!("{label}: ")), text(value), text("\n")]);
    section(elements.collect())
}

/// Blocks of fixed width, of as many pieces as fit into each.
fn preformatted(pieces: &[Piece]) -> Vec<Value> {
    let mut blocks = Vec::new();
    let mut block = String::new();
    for piece in pieces {
        if length(&block) + length(&piece.shown) + 1 > BLOCK {
            blocks.push(fixed(&std::mem::take(&mut block)));
        }
        block.push_str(&piece.shown);
        if piece.ends_line {
            block.push('\n');
        }
    }
    if !block.is_empty() {
        blocks.push(fixed(&block));
    }
    blocks
}

fn section(elements: Vec<Value>) -> Value {
    json!({"type": "rich_text", "elements": [
        {"type": "rich_text_section", "elements": elements}
    ]})
}

fn fixed(shown: &str) -> Value {
    json!({"type": "rich_text", "elements": [
        {"type": "rich_text_preformatted", "elements": [text(shown)]}
    ]})
}

fn text(shown: &str) -> Value {
    json!({"type": "text", "text": shown})
}

fn bold(shown: &str) -> Value {
    json!({"type": "text", "text": shown, "style": {"bold": true}})
}

fn code(shown: &str) -> Value {
    json!({"type": "text", "text": shown, "style": {"code": true}})
}

/// The three characters that mean something in any text of Slack's
/// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
