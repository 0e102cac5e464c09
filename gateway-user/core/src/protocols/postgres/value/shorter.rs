//! Arrays and rows of which nothing is to be left, and which are too long to be held: as much of them as tells
//! what takes their place.
//!
//! That is where each part ends, and whether it is NULL. What is kept is an array or row again, so that `array` and
//! `record` mask it as they would have masked the whole.

use super::class::{self, Class};
use super::{Format, is_constant};
use crate::sql::postgres::lineage::catalog::Catalog;

/// So much is kept of each part of a text; `NULL` is shorter.
const KEPT: usize = 8;

/// What is kept of an array or row.
#[derive(Debug)]
pub struct Shorter {
    kept: Vec<u8>,
    at: At,
}

/// Where in the value what comes next is.
#[derive(Debug)]
enum At {
    Text(Text),
    Binary(Binary),
}

#[derive(Debug)]
struct Text {
    /// What parts are separated by, in and out.
    marks: [u8; 3],
    /// What comes before the parts is over.
    begun: bool,
    quoted: bool,
    /// Quotes have just ended, unless one more says that one is meant.
    closed: bool,
    escaped: bool,
    /// So much is kept of the part.
    run: usize,
}

#[derive(Debug)]
struct Binary {
    is_array: bool,
    /// So many bytes are to be kept before the next length.
    before: usize,
    /// So many bytes of a part go by.
    skips: usize,
    /// The length of a part, as far as it has come.
    length: Vec<u8>,
}

impl Shorter {
    /// For a value of this type; none if its parts have parts themselves, or do not all become the same.
    pub fn of(ty: u32, format: Format, catalog: &Catalog) -> Option<Self> {
        let is_array = match class::of(ty, catalog)? {
            Class::Array(element) if is_constant(element, catalog) => true,
            Class::Composite(columns)
                if columns.iter().all(|column| is_constant(column.ty, catalog)) =>
            {
                false
            }
            _ => return None,
        };
        let at = match format {
            Format::Text => At::Text(Text {
                marks: if is_array { *b"{,}" } else { *b"(,)" },
                begun: false,
                quoted: false,
                closed: false,
                escaped: false,
                run: 0,
            }),
            // Dimensions, whether there are NULLs and the type; or how many fields and the type of the first.
            Format::Binary => At::Binary(Binary {
                is_array,
                before: if is_array { 12 } else { 8 },
                skips: 0,
                length: Vec::new(),
            }),
        };
        Some(Self {
            kept: Vec::new(),
            at,
        })
    }

    /// What is kept.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// More of the value comes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let kept = &mut self.kept;
        match &mut self.at {
            At::Text(text) => bytes.iter().for_each(|byte| text.feed(*byte, kept)),
            At::Binary(binary) => binary.feed(bytes, kept),
        }
    }
}

impl Text {
    fn feed(&mut self, byte: u8, kept: &mut Vec<u8>) {
        let closed = std::mem::take(&mut self.closed);
        let has_room = self.run < KEPT;
        match byte {
            _ if !self.begun => {
                self.begun = byte == self.marks[0];
                kept.push(byte);
            }
            _ if self.escaped => {
                self.escaped = false;
                self.keep(byte, kept);
            }
            b'\\' if self.quoted => {
                self.escaped = true;
                if has_room {
                    kept.push(byte);
                }
            }
            b'"' if self.quoted => {
                (self.quoted, self.closed) = (false, true);
                kept.push(byte);
            }
            // The one before has not ended it.
            b'"' if closed => {
                self.quoted = true;
                match has_room {
                    true => self.keep(byte, kept),
                    false => drop(kept.pop()),
                }
            }
            b'"' => {
                (self.quoted, self.run) = (true, 0);
                kept.push(byte);
            }
            _ if !self.quoted && self.marks.contains(&byte) => {
                self.run = 0;
                kept.push(byte);
            }
            _ => self.keep(byte, kept),
        }
    }

    fn keep(&mut self, byte: u8, kept: &mut Vec<u8>) {
        if self.run < KEPT {
            self.run += 1;
            kept.push(byte);
        }
    }
}

impl Binary {
    fn feed(&mut self, mut bytes: &[u8], kept: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let (before, skips) = (self.before.min(bytes.len()), self.skips.min(bytes.len()));
            if self.skips > 0 {
                self.skips -= skips;
                bytes = bytes.get(skips..).unwrap_or_default();
            } else if self.before > 0 {
                let (head, after) = bytes.split_at(before);
                kept.extend_from_slice(head);
                (self.before, bytes) = (self.before - before, after);
                if self.is_array && kept.len() == 12 {
                    // Length and first index of each dimension.
                    let dimensions = kept.first_chunk().map_or(0, |it| u32::from_be_bytes(*it));
                    self.before = usize::try_from(dimensions.min(6)).unwrap_or(0) * 8;
                }
            } else if let Some((byte, after)) = bytes.split_first() {
                self.length.push(*byte);
                bytes = after;
                self.end_length(kept);
            }
        }
    }

    /// A part has no bytes any more, unless it is NULL.
    fn end_length(&mut self, kept: &mut Vec<u8>) {
        let Some(length) = self.length.first_chunk() else {
            return;
        };
        let length = u32::from_be_bytes(*length);
        self.length.clear();
        self.before = if self.is_array { 0 } else { 4 };
        match length {
            u32::MAX => kept.extend_from_slice(&length.to_be_bytes()),
            length => {
                kept.extend_from_slice(&[0; 4]);
                self.skips = usize::try_from(length).unwrap_or(usize::MAX);
            }
        }
    }
}
