//! `without_literals`: a statement for those who may not see the values in it.
//!
//! Each string, number and comment is replaced by its kind and length; keywords, names and parameters stay.
//! It reads what PostgreSQL's lexer reads ("Lexical Structure" in its documentation). Where the text can be
//! read in two ways, or something has no end, nothing of it is told but its length.

/// The statement without what may be values.
pub fn without_literals(text: &str) -> String {
    Reader { rest: text }
        .read()
        .unwrap_or_else(|| whole(text, "text"))
}

/// What stands for something that is not shown.
fn whole(hidden: &str, what: &str) -> String {
    format!("[{what} of {}]", hidden.chars().count())
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Option<String> {
        let mut out = String::new();
        while let Some(first) = self.rest.chars().next() {
            if first == '\'' {
                out.push_str(&self.string(Backslash::Itself)?);
            } else if first == '"' {
                out.push_str(self.quoted()?);
            } else if self.rest.starts_with("--") {
                let end = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
                let comment = self.take(end)?;
                out.push_str("-- ");
                out.push_str(&whole(comment, "comment"));
            } else if self.rest.starts_with("/*") {
                let comment = self.comment()?;
                out.push_str(&format!("/* {} */", whole(comment, "comment")));
            } else if first == '$' {
                out.push_str(&self.dollar()?);
            } else if is_number(self.rest) {
                let number = self.number()?;
                out.push_str(&whole(number, "number"));
            } else if begins_word(first) {
                let end = self.rest.find(|c| !continues_word(c));
                let word = self.take(end.unwrap_or(self.rest.len()))?;
                out.push_str(word);
                if self.rest.starts_with('\'') && word.eq_ignore_ascii_case("e") {
                    out.push_str(&self.string(Backslash::Escapes)?);
                }
            } else {
                out.push_str(self.take(first.len_utf8())?);
            }
        }
        Some(out)
    }

    /// The next so many bytes.
    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// A string; none if it has no end, or another one where a setting of the session is otherwise.
    fn string(&mut self, backslash: Backslash) -> Option<String> {
        let mut letters = self.rest.char_indices().skip(1).peekable();
        let mut slashes = 0_usize;
        loop {
            let (at, letter) = letters.next()?;
            if letter == '\\' {
                slashes += 1;
                continue;
            }
            let is_escaped = slashes % 2 == 1;
            let is_quote = letter == '\'';
            slashes = 0;
            if is_quote && is_escaped {
                match backslash {
                    Backslash::Escapes => continue,
                    Backslash::Itself => return None,
                }
            }
            if is_quote && letters.next_if(|(_, next)| *next == '\'').is_none() {
                let string = self.take(at + 1)?;
                let inside = string.get(1..at).unwrap_or_default();
                return Some(format!("'{}'", whole(inside, "text")));
            }
        }
    }

    /// A name in quotes, which is no value.
    fn quoted(&mut self) -> Option<&'a str> {
        let mut letters = self.rest.char_indices().skip(1).peekable();
        loop {
            let (at, letter) = letters.next()?;
            if letter == '"' && letters.next_if(|(_, next)| *next == '"').is_none() {
                return self.take(at + 1);
            }
        }
    }

    /// A comment in which there may be others.
    fn comment(&mut self) -> Option<&'a str> {
        let bytes = self.rest.as_bytes();
        let (mut depth, mut at) = (0_usize, 0_usize);
        loop {
            match bytes.get(at..at + 2)? {
                b"/*" => (depth, at) = (depth + 1, at + 2),
                b"*/" => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
            if depth == 0 {
                return self.take(at);
            }
        }
    }

    /// A parameter, which stays, or a string between dollars.
    fn dollar(&mut self) -> Option<String> {
        let after = self.rest.get(1..)?;
        if after.starts_with(|c: char| c.is_ascii_digit()) {
            let end = after.find(|c: char| !c.is_ascii_digit());
            let end = end.map_or(self.rest.len(), |end| end + 1);
            return self.take(end).map(str::to_owned);
        }
        let tag = after.find('$').and_then(|end| after.get(..end));
        let fits = |tag: &&str| {
            tag.chars().all(|c| begins_word(c) || c.is_ascii_digit())
                && !tag.starts_with(|c: char| c.is_ascii_digit())
        };
        let Some(tag) = tag.filter(fits) else {
            return self.take(1).map(str::to_owned);
        };
        let mark = format!("${tag}$");
        let inside = self.rest.get(mark.len()..)?;
        let length = inside.find(&mark)?;
        self.take(mark.len() * 2 + length)?;
        Some(format!("$${}$$", whole(inside.get(..length)?, "text")))
    }

    /// A number, with whatever letters stick to it.
    fn number(&mut self) -> Option<&'a str> {
        let mut before = ' ';
        let end = self.rest.find(|c: char| {
            let is_sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
            before = c;
            !(is_sign || c == '.' || continues_word(c))
        });
        self.take(end.unwrap_or(self.rest.len()))
    }
}

/// What a backslash means in a string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// Itself, unless `standard_conforming_strings` is off, which nobody knows here.
    Itself,
    Escapes,
}

fn is_number(text: &str) -> bool {
    let text = text.strip_prefix('.').unwrap_or(text);
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn begins_word(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn continues_word(c: char) -> bool {
    begins_word(c) || c.is_ascii_digit() || c == '$'
}

#[cfg(test)]
mod tests {
    use super::without_literals;

    #[test]
    fn values_are_not_told() {
        let check = |text: &str, shown: &str| assert_eq!(without_literals(text), shown, "{text}");
        check(
            "UPDATE c SET email = 'ann@x.org' WHERE id = 17",
            "UPDATE c SET email = '[text of 9]' WHERE id = [number of 2]",
        );
        check("SELECT $1, $2::int", "SELECT $1, $2::int");
        check("SELECT 'it''s'", "SELECT '[text of 5]'");
        check(
            r"SELECT E'it\'s', e'\\'",
            "SELECT E'[text of 5]', e'[text of 2]'",
        );
        check(r"SELECT 'a\b'", "SELECT '[text of 3]'");
        check(
            "SELECT b'01', x'ff', N'a', U&'b'",
            "SELECT b'[text of 2]', x'[text of 2]', N'[text of 1]', U&'[text of 1]'",
        );
        check(
            "SELECT 1.5e-3, .5, 0x1F, 1_000",
            "SELECT [number of 6], [number of 2], [number of 4], [number of 5]",
        );
        check("SELECT a1, \"b ' 2\", t.c3", "SELECT a1, \"b ' 2\", t.c3");
        check(
            "SELECT $$it's$$, $q$a$$b$q$",
            "SELECT $$[text of 4]$$, $$[text of 4]$$",
        );
        check(
            "SELECT a -- ann@x.org\n, b",
            "SELECT a -- [comment of 12]\n, b",
        );
        check(
            "SELECT /* a /* 'b */ 'c */ d",
            "SELECT /* [comment of 19] */ d",
        );
        check("SELECT 'ä' AS ä1", "SELECT '[text of 1]' AS ä1");
        check("SELECT a$1 FROM t", "SELECT a$1 FROM t");
    }

    #[test]
    fn what_has_two_readings_or_no_end_is_not_told_at_all() {
        for text in [
            r"SELECT 'a\', secret --'",
            "SELECT 'secret",
            "SELECT \"secret",
            "SELECT $a$ secret $$",
            "SELECT /* secret",
            r"SELECT 'a\''secret'",
        ] {
            let shown = without_literals(text);
            assert_eq!(
                shown,
                format!("[text of {}]", text.chars().count()),
                "{text}"
            );
        }
    }
}
