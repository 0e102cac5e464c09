//! What reaches people, whatever an agent wrote: all of it as text, and no cut that is not told.

use gateway_core::preview::Preview;
use gateway_core::visible::is_hidden;
use serde_json::{Value, json};

use super::body;
use crate::notify::notice::{About, Demanded, Matter, Notice};
use crate::notify::target::Kind;

/// Everything that means something in some format, and what nobody would see.
const HOSTILE: &str = "DELETE FROM t; -- <!channel> <@U024BE7LH> <https://evil.example.com|click> @here \
     *bold* _it_ ~x~ ```\n``` &amp; [a](https://evil.example.com) ![i](x) <at>Ann</at> \
     {{DATE(2017-02-14T06:08:00Z, SHORT)}} {{{ :tada: \u{202e}txt.exe\u{200b}\u{1b}[2J\r\n\t<b>\u{0}";

pub(crate) fn notice(text: &str) -> Notice {
    Notice {
        request: "01a1b2".to_owned(),
        about: About::Opened,
        time: "2026-01-31T09:00:00Z".parse().unwrap(),
        opened: "2026-01-31T09:00:00Z".parse().unwrap(),
        expires: "2026-01-31T09:15:00Z".parse().unwrap(),
        targets: vec!["ops".to_owned()],
        preview: None,
        matter: Matter {
            digest: "ab".repeat(32),
            workload: "planner".to_owned(),
            identity: Some("planner-7 by corp (team = data)".to_owned()),
            process: "psql (pid 4801, uid 1000)".to_owned(),
            resource: "orders-db".to_owned(),
            protocol: "postgres".to_owned(),
            connection: vec![("database".to_owned(), "shop".to_owned())],
            demands: vec![Demanded {
                rule: "deletes-wait".to_owned(),
                reason: "deletes are looked at".to_owned(),
                approvers: vec!["data-owners".to_owned()],
            }],
            hidden_by: Vec::new(),
            text: text.to_owned(),
            parameters: vec![Some("7".to_owned()), None],
            whole: json!({"text": text}),
        },
    }
}

fn message(kind: Kind, notice: &Notice) -> Value {
    serde_json::from_slice(&body(kind, "ops", notice)).unwrap()
}

/// Calls `see` with each object in it and each text of one.
fn walk(value: &Value, see: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            see(fields);
            fields.values().for_each(|value| walk(value, see));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, see)),
        _ => {}
    }
}

/// The texts that people read, in order.
fn texts(message: &Value) -> Vec<String> {
    let mut texts = Vec::new();
    walk(message, &mut |fields| {
        if let Some(text) = fields.get("text").and_then(Value::as_str) {
            texts.push(text.to_owned());
        }
    });
    texts
}

/// The statement as people read it: what is of fixed width, but not a command.
fn statement(kind: Kind, message: &Value) -> String {
    let mut lines = Vec::new();
    walk(message, &mut |fields| match kind {
        Kind::Slack if fields.get("type") == Some(&json!("rich_text_preformatted")) => {
            lines.push(texts(&Value::Object(fields.clone())).concat());
        }
        Kind::Teams if fields.get("spacing") == Some(&json!("None")) => {
            lines.push(texts(&Value::Object(fields.clone())).concat() + "\n");
        }
        _ => {}
    });
    lines.concat()
}

/// Each object is one of those that have no markup, and has nothing but what these have.
#[track_caller]
fn check_slack(message: &Value) {
    let blocks = message["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50, "{} blocks", blocks.len());
    assert!(
        texts(message)
            .iter()
            .map(|text| text.encode_utf16().count())
            .sum::<usize>()
            < 11_000
    );
    for block in blocks {
        walk(block, &mut |fields| {
            let Some(kind) = fields.get("type").and_then(Value::as_str) else {
                let is_style = fields.keys().all(|name| name == "bold" || name == "code");
                return assert!(is_style, "{fields:?}");
            };
            let known: &[&str] = match kind {
                "header" => &["type", "text"],
                "plain_text" => &["type", "text", "emoji"],
                "rich_text" | "rich_text_section" | "rich_text_preformatted" => {
                    &["type", "elements"]
                }
                "text" => &["type", "text", "style"],
                other => panic!("a block of type {other}"),
            };
            assert!(
                fields.keys().all(|name| known.contains(&&**name)),
                "{fields:?}"
            );
            if let Some(text) = fields.get("text").and_then(Value::as_str) {
                let length = text.encode_utf16().count();
                assert!((1..=3000).contains(&length), "a text of {length}");
            }
        });
    }
}

#[track_caller]
fn check_teams(message: &Value) {
    assert!(
        message.to_string().len() <= 20_000,
        "{}",
        message.to_string().len()
    );
    let card = &message["attachments"][0]["content"];
    assert_eq!(card["type"], "AdaptiveCard");
    walk(&card["body"], &mut |fields| {
        let kind = fields.get("type").and_then(Value::as_str);
        let known: &[&str] = match kind {
            Some("RichTextBlock") => &["type", "inlines", "spacing"],
            Some("TextRun") => &["type", "text", "weight", "size", "fontType"],
            other => panic!("an element of type {other:?}"),
        };
        assert!(
            fields.keys().all(|name| known.contains(&&**name)),
            "{fields:?}"
        );
    });
    assert!(!texts(message).iter().any(|text| text.contains("{{")));
}

fn check(kind: Kind, message: &Value) {
    match kind {
        Kind::Slack => check_slack(message),
        Kind::Teams => check_teams(message),
        Kind::Generic => {}
    }
    for text in texts(message) {
        let hidden = text
            .chars()
            .find(|letter| *letter != '\n' && is_hidden(*letter));
        assert_eq!(hidden, None, "{text:?}");
    }
}

#[test]
fn nothing_that_agents_write_is_more_than_text() {
    for kind in [Kind::Slack, Kind::Teams] {
        let mut notice = notice(HOSTILE);
        notice.matter.process = HOSTILE.to_owned();
        notice.matter.identity = Some(HOSTILE.to_owned());
        notice.matter.connection = vec![("application_name".to_owned(), HOSTILE.to_owned())];
        notice.matter.parameters = vec![Some(HOSTILE.to_owned()); 9];
        for about in [
            About::Opened,
            About::Decided {
                approved: false,
                by: vec![HOSTILE.to_owned()],
                reason: Some(HOSTILE.to_owned()),
            },
            About::TimedOut,
            About::Withdrawn {
                reason: HOSTILE.to_owned(),
            },
        ] {
            notice.about = about;
            let message = message(kind, &notice);
            check(kind, &message);
            let shown = statement(kind, &message);
            assert!(shown.contains("-- <!channel> <@U024BE7LH>"), "{shown}");
            assert!(
                shown.contains("\\u{202e}txt.exe\\u{200b}\\u{1b}[2J"),
                "{shown}"
            );
        }
    }
}

#[test]
fn fallback_of_slack_has_no_markup() {
    let mut notice = notice("x");
    notice.matter.workload = "<!channel>&<@U1>".to_owned();
    let text = message(Kind::Slack, &notice)["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!text.contains(['<', '>']), "{text}");
}

#[test]
fn what_is_asked_is_told() {
    for kind in [Kind::Slack, Kind::Teams] {
        let text = "DELETE FROM orders\nWHERE id < 100;\n-- done";
        let message = message(kind, &notice(text));
        check(kind, &message);
        let said = texts(&message).concat();
        for expected in [
            "Approval wanted: planner on orders-db",
            "psql (pid 4801, uid 1000)",
            "planner-7 by corp (team = data)",
            "database shop",
            "deletes-wait: deletes are looked at (asks data-owners)",
            "2026-01-31T09:15:00Z",
            "$1 = '7'",
            "$2 = NULL",
            "gateway approvals approve 01a1b2",
            "gateway approvals deny 01a1b2",
            "gateway approvals show 01a1b2",
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(statement(kind, &message).starts_with(text));
        assert!(!said.contains("NOT ALL"));
    }
}

#[test]
fn who_decided_is_told_and_nobody_is_asked_any_more() {
    let mut notice = notice("x");
    notice.about = About::Decided {
        approved: true,
        by: vec!["alice".to_owned(), "bob".to_owned()],
        reason: Some("looks right".to_owned()),
    };
    for kind in [Kind::Slack, Kind::Teams] {
        let said = texts(&message(kind, &notice)).concat();
        assert!(said.contains("Approved: planner on orders-db"), "{said}");
        assert!(
            said.contains("approved by alice, bob: looks right"),
            "{said}"
        );
        assert!(!said.contains("approvals approve"), "{said}");
    }
}

#[test]
fn long_statements_say_what_is_missing() {
    let one_mib = 1 << 20;
    for filler in [
        "x",
        "y\n",
        "\u{1F600}",
        "\u{202e}",
        "\n",
        "\"\\",
        "{{",
        "  ",
    ] {
        let filler = filler.repeat(one_mib / filler.len());
        let text = format!("SELECT first;{filler}DELETE last");
        for kind in [Kind::Slack, Kind::Teams] {
            let message = message(kind, &notice(&text));
            check(kind, &message);
            let said = texts(&message).concat();
            assert!(said.contains("NOT ALL OF THE STATEMENT IS SHOWN"), "{said}");
            assert!(said.contains(&"ab".repeat(32)), "{said}");
            let shown = statement(kind, &message);
            assert!(shown.contains("SELECT first;"), "{shown}");
            assert!(shown.contains("DELETE last"), "{shown}");
            let (_, rest) = said.split_once("IS SHOWN: ").unwrap();
            let hidden: usize = rest.split(' ').next().unwrap().parse().unwrap();
            assert!(
                hidden < text.len() && hidden > text.len() - 20_000,
                "{hidden}"
            );
        }
    }
}

#[test]
fn previews_are_told() {
    let mut notice = notice("DELETE FROM t");
    for (estimate_rows, counted_rows, note, expected) in [
        (
            Some(120),
            Some(1),
            None,
            "1 row counted; about 120 rows by the plan",
        ),
        (
            Some(7),
            None,
            Some("not counted: it took too long"),
            "about 7 rows by the plan; not counted: it took too long",
        ),
        (None, None, Some("not available: x"), "not available: x"),
    ] {
        notice.preview = Some(Preview {
            estimate_rows,
            counted_rows,
            note: note.map(str::to_owned),
        });
        for kind in [Kind::Slack, Kind::Teams] {
            let said = texts(&message(kind, &notice)).concat();
            assert!(said.contains(&format!("Preview: {expected}")), "{said}");
        }
        let message = message(Kind::Generic, &notice);
        assert_eq!(
            message["preview"],
            serde_json::to_value(&notice.preview).unwrap()
        );
    }
}

#[test]
fn programs_get_everything() {
    let text = "x".repeat(1 << 20);
    let mut notice = notice(&text);
    let message = message(Kind::Generic, &notice);
    assert_eq!(message["event"], "opened");
    assert_eq!(message["version"], 1);
    assert_eq!(message["request"], "01a1b2");
    assert_eq!(message["expires"], "2026-01-31T09:15:00Z");
    assert_eq!(message["action"]["text"], text);
    notice.about = About::Decided {
        approved: false,
        by: vec!["bob".to_owned()],
        reason: None,
    };
    let message = super::generic::message("ops", &notice);
    assert_eq!(message["event"], "decided");
    assert_eq!(
        (&message["approved"], &message["by"]),
        (&json!(false), &json!(["bob"]))
    );
}
