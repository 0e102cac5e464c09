//! What came back in a session: messages of the protocol, and what they hold.

use super::needles::squeezed;

/// One message: its tag and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) tag: char,
    pub(crate) body: Vec<u8>,
}

/// All messages of a session, after it was begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) messages: Vec<Message>,
}

impl Answer {
    /// As the client writes it: characters are bytes.
    pub(crate) fn read(line: &str) -> Answer {
        let pairs: Vec<(char, String)> = serde_json::from_str::<serde_json::Value>(line)
            .ok()
            .and_then(|value| pairs(&value))
            .unwrap_or_else(|| panic!("the client says {line}"));
        let bytes = |text: &str| {
            text.chars()
                .map(|char| u8::try_from(char).unwrap_or(b'?'))
                .collect()
        };
        let messages = pairs.iter().map(|(tag, body)| Message {
            tag: *tag,
            body: bytes(body),
        });
        Answer {
            messages: messages.collect(),
        }
    }

    /// A notice, for tests of what is looked for.
    pub(crate) fn of_text(text: &str) -> Answer {
        let message = Message {
            tag: 'N',
            body: text.as_bytes().to_vec(),
        };
        Answer {
            messages: vec![message],
        }
    }

    fn tagged(&self, tag: char) -> impl Iterator<Item = &Message> {
        self.messages
            .iter()
            .filter(move |message| message.tag == tag)
    }

    /// The codes of its errors.
    pub(crate) fn errors(&self) -> Vec<String> {
        let codes = self.tagged('E').filter_map(|message| {
            let mut fields = message.body.split(|byte| *byte == 0);
            let code = fields.find_map(|field| field.strip_prefix(b"C"))?;
            Some(String::from_utf8_lossy(code).into_owned())
        });
        codes.collect()
    }

    /// Whether a statement was refused by the gateway.
    pub(crate) fn is_refused(&self) -> bool {
        self.errors().iter().any(|code| code == "42501")
    }

    /// Whether the connection ended before its time.
    pub(crate) fn is_closed(&self) -> bool {
        self.tagged('!').next().is_some()
    }

    /// How many rows there were, and whether something was copied out.
    pub(crate) fn rows(&self) -> (usize, bool) {
        (self.tagged('D').count(), self.tagged('d').next().is_some())
    }

    /// All values of rows, and the bodies of all other messages.
    pub(crate) fn values(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for message in &self.messages {
            match message.tag {
                'D' => all.extend(cells(&message.body)),
                _ => all.push(message.body.clone()),
            }
        }
        all
    }

    /// All that can be read, squeezed: in the order in which it came, and the values of each column one
    /// after the other.
    pub(crate) fn squeezed(&self) -> Vec<Vec<u8>> {
        let mut columns: Vec<Vec<u8>> = Vec::new();
        for message in self.tagged('D') {
            for (column, cell) in cells(&message.body).into_iter().enumerate() {
                if columns.len() <= column {
                    columns.push(Vec::new());
                }
                columns[column].extend(squeezed(&cell));
            }
        }
        columns.push(
            self.values()
                .iter()
                .flat_map(|value| squeezed(value))
                .collect(),
        );
        columns
    }

    /// Whether a text is in it.
    pub(crate) fn holds(&self, text: &str) -> bool {
        let flat: Vec<u8> = self.values().concat();
        super::needles::contains(&flat, text.as_bytes())
    }

    /// The same without notices.
    pub(crate) fn without_notices(&self) -> Answer {
        let messages = self.messages.iter().filter(|message| message.tag != 'N');
        Answer {
            messages: messages.cloned().collect(),
        }
    }

    /// What came back to each step.
    pub(crate) fn steps(&self) -> Vec<Answer> {
        let steps = self.messages.split_inclusive(|it| it.tag == 'Z');
        let answers = steps.map(|messages| Answer {
            messages: messages.to_vec(),
        });
        answers.collect()
    }

    /// What must be the same with and without the gateway. Notices may be held back, a notification tells
    /// the sender's process, and tables that are made have numbers of their own.
    pub(crate) fn essence(&self) -> Vec<(char, String)> {
        let kept = self.without_notices().messages;
        kept.iter()
            .map(|message| {
                let body = match message.tag {
                    'A' => message.body.get(4..).unwrap_or_default().to_vec(),
                    'T' => without_tables(&message.body),
                    _ => message.body.clone(),
                };
                (message.tag, String::from_utf8_lossy(&body).into_owned())
            })
            .collect()
    }

    /// For people: what each message says, shortly.
    pub(crate) fn shown(&self) -> String {
        let lines = self.messages.iter().map(|message| {
            let body: String = String::from_utf8_lossy(&message.body)
                .chars()
                .map(|char| if char.is_control() { '·' } else { char })
                .take(240)
                .collect();
            format!("    {} {body}\n", message.tag)
        });
        lines.take(24).collect()
    }
}

fn pairs(value: &serde_json::Value) -> Option<Vec<(char, String)>> {
    let list = value.as_array()?.iter();
    list.map(|pair| {
        let tag = match pair.get(0)?.as_str()? {
            "closed" => '!',
            tag => tag.chars().next()?,
        };
        Some((tag, pair.get(1)?.as_str()?.to_owned()))
    })
    .collect()
}

/// The values of a `DataRow`.
fn cells(body: &[u8]) -> Vec<Vec<u8>> {
    let mut cells = Vec::new();
    let mut rest = body.get(2..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        let (cell, after) = after.split_at(length.min(after.len()));
        cells.push(cell.to_vec());
        rest = after;
    }
    cells
}

/// A `RowDescription` without the numbers of the tables that columns are of.
fn without_tables(body: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    let mut rest = body.get(2..).unwrap_or_default();
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        let (name, after) = rest.split_at(end + 1);
        let (numbers, after) = after.split_at(after.len().min(18));
        kept.extend(name);
        kept.extend(numbers.get(4..).unwrap_or_default());
        rest = after;
    }
    kept
}
