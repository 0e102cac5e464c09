//! The lines that detectors are asked in, and answer in: one JSON object each.
//!
//! `{"id": 7, "resource": "orders-db", "values": [{"type": "text", "text": "Jörg is here"}]}` is answered by
//! `{"id": 7, "spans": [[[0, 4]]]}`: for each value, in their order, a list of where something is, each from a
//! character (of Unicode, counted from 0) to before another.

use gateway_core::ids::ResourceName;
use gateway_core::mask::screen::question::{Question, Spans};
use serde::{Deserialize, Serialize};

/// Why a line is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("it answers with a line that is too long")]
    Long,
    #[error("it answers with what is no JSON object with `id` and `spans`")]
    Malformed,
    #[error("it answers to another question")]
    Other,
    #[error("it answers for {said} values of {asked}")]
    Count { said: usize, asked: usize },
    #[error("it has found something outside of a text")]
    Outside,
    #[error("a question cannot be put into a line")]
    Request,
}

#[derive(Serialize)]
struct Request<'a> {
    id: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    values: Vec<Value<'a>>,
}

#[derive(Serialize)]
struct Value<'a> {
    r#type: &'a str,
    text: &'a str,
}

#[derive(Deserialize)]
struct Response {
    id: u64,
    spans: Vec<Vec<(usize, usize)>>,
}

/// A question about some texts.
pub(super) fn request(
    id: u64,
    resource: Option<&ResourceName>,
    questions: &[&Question],
) -> Result<Vec<u8>, LineError> {
    let values = questions.iter().map(|it| Value {
        r#type: it.ty,
        text: &it.text,
    });
    let request = Request {
        id,
        resource: resource.map(ResourceName::as_str),
        values: values.collect(),
    };
    let mut line = serde_json::to_vec(&request).map_err(|_| LineError::Request)?;
    line.push(b'\n');
    Ok(line)
}

/// No answer to such a question is longer, in bytes: each two characters may be a span.
pub(super) fn longest(request: usize, texts: usize) -> u64 {
    let bytes = 256 + 8 * texts + 16 * request;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// What a line answers.
pub(super) fn response(
    id: u64,
    questions: &[&Question],
    line: &[u8],
) -> Result<Vec<Spans>, LineError> {
    let response: Response = serde_json::from_slice(line).map_err(|_| LineError::Malformed)?;
    if response.id != id {
        return Err(LineError::Other);
    }
    let (said, asked) = (response.spans.len(), questions.len());
    if said != asked {
        return Err(LineError::Count { said, asked });
    }
    let spans = response.spans.into_iter().zip(questions);
    spans
        .map(|(spans, question)| {
            let count = question.text.chars().count();
            let fits = spans.iter().all(|(from, to)| from < to && *to <= count);
            let spans = spans.into_iter().map(|(from, to)| from..to);
            fits.then(|| Spans(spans.collect()))
                .ok_or(LineError::Outside)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::mask::MaskKey;
    use gateway_core::mask::detect::Look;
    use gateway_core::mask::screen::{Around, Memory, Part, Screen, Screening};
    use std::sync::Arc;

    /// Questions as a session asks them.
    fn questions(texts: &[&str]) -> Vec<Question> {
        let part = Part {
            mask: gateway_core::ids::MaskName::new("m"),
            looks: vec![("names".into(), Look::Outside)],
            kind: None,
            otherwise: Default::default(),
        };
        let screen = Screen::new(vec![Arc::new(part)]);
        let mut memory = Memory::default();
        let mut screening = Screening {
            screen: &screen,
            key: None::<&MaskKey>,
            memory: &mut memory,
        };
        for text in texts {
            screening.text(text, "text", Around::Nothing);
        }
        memory.open
    }

    #[test]
    fn lines_are_as_they_are_described() {
        let questions = questions(&["Jörg is here", "a\n\"b\""]);
        let asked: Vec<&Question> = questions.iter().collect();
        let line = request(7, Some(&ResourceName::new("db")), &asked).unwrap();
        let expected = "{\"id\":7,\"resource\":\"db\",\"values\":[{\"type\":\"text\",\"text\":\"Jörg is here\"},\
            {\"type\":\"text\",\"text\":\"a\\n\\\"b\\\"\"}]}\n";
        assert_eq!(String::from_utf8(line).unwrap(), expected);
        let check = |line: &str, expected: Result<Vec<Spans>, LineError>| {
            assert_eq!(response(7, &asked, line.as_bytes()), expected, "{line}");
        };
        let spans = vec![Spans(std::iter::once(0..4).collect()), Spans(Vec::new())];
        check("{\"id\": 7, \"spans\": [[[0, 4]], []]}\n", Ok(spans));
        check("{\"id\": 6, \"spans\": [[], []]}", Err(LineError::Other));
        let count = LineError::Count { said: 1, asked: 2 };
        check("{\"id\": 7, \"spans\": [[]]}", Err(count));
        for outside in ["[0, 13]", "[3, 3]", "[4, 3]"] {
            let line = format!("{{\"id\": 7, \"spans\": [[{outside}], []]}}");
            check(&line, Err(LineError::Outside));
        }
        for malformed in [
            "",
            "garbage",
            "[]",
            "{\"id\": 7}",
            "{\"id\": 7, \"spans\": [[[-1, 2]], []]}",
        ] {
            check(malformed, Err(LineError::Malformed));
        }
    }
}
