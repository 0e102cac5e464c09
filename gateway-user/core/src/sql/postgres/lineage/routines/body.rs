//! `Body`: what the text of a function, procedure or `DO` block names, word by word.
//!
//! The text is taken apart into words by PostgreSQL's own scanner and no further. Each name in it counts
//! as whatever there is of that name in any schema, so it does not matter which of two readings the server
//! would choose, which words are variables, or whether a branch is ever taken: too much is found, never
//! too little. What a text does that is not written in it (SQL put together when it runs, cursors of
//! others) makes it `open`.

use std::collections::BTreeSet;

use crate::sql::postgres::lineage::Code;
use crate::sql::postgres::words::{self, Sort};

/// Words of what changes settings, roles or rights.
const SETS: [&str; 5] = ["grant", "reassign", "reset", "revoke", "set"];

/// Words of what opens or closes cursors.
const OPENS: [&str; 5] = ["close", "cursor", "move", "open", "refcursor"];

/// Longest name that the server does not shorten.
const MAX_NAME: usize = 63;

/// Words of PL/pgSQL's that are none of SQL's.
const PLPGSQL: [&str; 13] = [
    "assert", "elseif", "elsif", "exit", "foreach", "get", "loop", "open", "perform", "query",
    "raise", "reverse", "while",
];

/// What a text names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Body {
    /// Every word, which may be a relation or a type.
    pub(super) words: BTreeSet<String>,
    /// Words in front of a bracket or behind a dot, which may be functions.
    pub(super) called: BTreeSet<String>,
    /// Of these the ones that can hardly be anything else.
    pub(super) surely_called: BTreeSet<String>,
    /// Words where a relation is read from, that are no common table expressions.
    pub(super) read: BTreeSet<String>,
    /// Words that name nothing but a relation into which rows are put, with none of what is there coming back.
    pub(super) filled: BTreeSet<String>,
    /// Whether it may go on after an error, or do something many times.
    pub(super) repeats: bool,
    /// Operators.
    pub(super) operators: BTreeSet<String>,
    /// Whether it may do more than what is written in it.
    pub(super) open: bool,
}

/// One word or sign.
#[derive(Debug)]
struct Item {
    /// In lower case, unless it is a name in quotes.
    text: String,
    is_name: bool,
    is_keyword: bool,
    is_constant: bool,
}

impl Item {
    fn is(&self, text: &str) -> bool {
        self.text == text && !self.is_constant
    }

    fn is_word(&self) -> bool {
        self.is_name || self.is_keyword
    }
}

/// One pair of brackets.
#[derive(Debug, Default)]
struct Level {
    /// Whether `FROM` in it is a part of a call, as in `extract(year FROM day)`.
    is_call: bool,
    /// Whether this is between `FROM` and the next clause.
    lists: bool,
    /// Whether the next name is that of a relation.
    expects: bool,
}

/// Takes a text apart. None if that cannot be done for certain.
pub(super) fn read(text: &str) -> Option<Body> {
    let items = items(text)?;
    let mut body = Body::default();
    let ctes = common_tables(&items);
    let mut levels = vec![Level::default()];
    for (place, item) in items.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| items.get(place));
        let after = items.get(place + 1..).unwrap_or_default();
        body.note(item, before, after.first());
        follow(&mut levels, item, before, after, &mut body.read)?;
    }
    body.read.retain(|name| !ctes.contains(name));
    body.surely_called.retain(|name| !ctes.contains(name));
    body.open |= defines_code(&items);
    body.filled = filled(&items);
    body.repeats = repeats(&items);
    Some(body)
}

impl Body {
    /// What the text itself may do to the session. What it calls is not in this.
    pub(super) fn code(&self) -> Code {
        let has = |words: &[&str]| words.iter().any(|word| self.words.contains(*word));
        match () {
            () if self.open || has(&OPENS) => Code::Opens,
            () if has(&SETS) => Code::Sets,
            () => Code::Servers,
        }
    }

    fn note(&mut self, item: &Item, before: Option<&Item>, after: Option<&Item>) {
        if item.is_constant {
            return;
        }
        if !item.is_word() {
            if item
                .text
                .bytes()
                .all(|byte| b"+-*/<>=~!@#%^&|`?".contains(&byte))
            {
                self.operators.insert(item.text.clone());
            }
            return;
        }
        let bracket = after.is_some_and(|after| after.is("("));
        let dot = before.is_some_and(|before| before.is("."));
        if bracket || dot {
            self.called.insert(item.text.clone());
        }
        let alias = |before: &Item| before.is_name || before.is("as") || before.is(")");
        if bracket && item.is_name && !before.is_some_and(alias) {
            self.surely_called.insert(item.text.clone());
        }
        let runs = after.is_some_and(|after| after.is_constant || after.is("language"));
        self.open |= match &*item.text {
            // Runs what is put together elsewhere, or takes rows of what was opened by somebody else; or gives names
            // another meaning, which no text of the session tells of.
            "execute" | "fetch" | "copy" | "import" | "load" | "drop" | "alter" => true,
            // Gives another meaning to what was prepared.
            "prepare" | "deallocate" | "discard" => true,
            "do" => runs,
            _ => false,
        };
        self.words.insert(item.text.clone());
    }
}

/// Follows where relations are read from.
fn follow(
    levels: &mut Vec<Level>,
    item: &Item,
    before: Option<&Item>,
    after: &[Item],
    read: &mut BTreeSet<String>,
) -> Option<()> {
    const ENDS: [&str; 17] = [
        ";",
        "where",
        "group",
        "order",
        "having",
        "limit",
        "offset",
        "union",
        "intersect",
        "except",
        "window",
        "for",
        "returning",
        "set",
        "loop",
        "select",
        "values",
    ];
    const CALLS: [&str; 5] = ["extract", "substring", "trim", "overlay", "position"];
    if item.is(")") {
        levels.pop();
        levels.last_mut()?.expects = false;
        return Some(());
    }
    let level = levels.last_mut()?;
    let is_next = |place: usize, word: &str| after.get(place).is_some_and(|it| it.is(word));
    if item.is("(") {
        let inner = Level {
            is_call: before.is_some_and(|before| CALLS.iter().any(|call| before.is(call))),
            lists: level.expects,
            expects: level.expects,
        };
        levels.push(inner);
    } else if item.is("from") {
        let starts = !level.is_call && !before.is_some_and(|before| before.is("distinct"));
        level.lists |= starts;
        level.expects |= starts;
    } else if item.is("join") || (item.is(",") && level.lists) {
        level.expects = true;
    } else if item.is("using") {
        // Not `JOIN … USING (a)`, and not `RAISE … USING message = …`.
        level.expects = !(is_next(0, "(") || is_next(1, "=") || is_next(1, ":="));
    } else if ENDS.iter().any(|end| item.is(end)) {
        level.lists = false;
        level.expects = false;
    } else if level.expects && item.is_word() && !item.is("only") && !item.is("lateral") {
        // The last part of a name counts.
        level.expects = is_next(0, ".");
        if !level.expects && !is_next(0, "(") {
            read.insert(item.text.clone());
        }
    }
    Some(())
}

/// Words that stand nowhere but behind `INSERT INTO`, with or without a schema.
fn filled(items: &[Item]) -> BTreeSet<String> {
    // Rows that are there already may be changed, and what becomes of rows may come back.
    let is_more = |item: &Item| item.is("conflict") || item.is("returning");
    if items.iter().any(is_more) {
        return BTreeSet::new();
    }
    let at = |place: Option<usize>| place.and_then(|place| items.get(place));
    let is = |place: Option<usize>, word: &str| at(place).is_some_and(|item| item.is(word));
    let (mut names, mut others) = (BTreeSet::new(), BTreeSet::new());
    for (place, item) in items.iter().enumerate() {
        if !item.is_word() {
            continue;
        }
        // In front of the name, or of its schema.
        let before = match is(place.checked_sub(1), ".") {
            true => place.checked_sub(3),
            false => place.checked_sub(1),
        };
        let insert = before.and_then(|before| before.checked_sub(1));
        let put = is(before, "into") && is(insert, "insert") && !is(Some(place + 1), ".");
        match put {
            true => names.insert(item.text.clone()),
            false => others.insert(item.text.clone()),
        };
    }
    names.retain(|name| !others.contains(name));
    names
}

/// Whether there is a loop, or an error is caught.
fn repeats(items: &[Item]) -> bool {
    let catches = |pair: &[Item]| match pair {
        [exception, when] => exception.is("exception") && when.is("when"),
        _ => true,
    };
    items.iter().any(|item| item.is("loop")) || items.windows(2).any(catches)
}

/// Names of common table expressions.
fn common_tables(items: &[Item]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (place, item) in items.iter().enumerate() {
        let at = |place: Option<usize>| place.and_then(|place| items.get(place));
        let is = |place: Option<usize>, word: &str| at(place).is_some_and(|item| item.is(word));
        let (before, after, then) = (place.checked_sub(1), Some(place + 1), Some(place + 2));
        let first = is(before, "with") || is(before, "recursive");
        let written = ["(", "materialized", "not"]
            .iter()
            .any(|word| is(then, word));
        if item.is_word() && (first || (is(after, "as") && written)) {
            names.insert(item.text.clone());
        }
    }
    names
}

/// Whether something else than a table or an index is made: its definition may be in a constant.
fn defines_code(items: &[Item]) -> bool {
    const HARMLESS: [&str; 7] = [
        "table",
        "temp",
        "temporary",
        "unlogged",
        "index",
        "unique",
        "sequence",
    ];
    let makes = items.iter().any(|item| item.is("create"));
    let followed = |pair: &[Item]| match pair {
        // A table brings along what is written with another.
        [before, like] if like.is("like") => makes && (before.is("(") || before.is(",")),
        [partition, of] if partition.is("partition") => makes && of.is("of"),
        [_, inherits] if inherits.is("inherits") => makes,
        [create, what] => create.is("create") && !HARMLESS.iter().any(|word| what.is(word)),
        _ => true,
    };
    items.windows(2).any(followed)
}

fn items(text: &str) -> Option<Vec<Item>> {
    let words = words::scan(text)?.into_iter();
    let items = words.map(|word| {
        let (text, sort) = (word.text(), word.sort());
        let is_bare = matches!(sort, Sort::Word | Sort::Keyword);
        let of_plpgsql = is_bare && PLPGSQL.contains(&text);
        let is_keyword = of_plpgsql || sort == Sort::Keyword;
        let is_name = matches!(sort, Sort::Word | Sort::Quoted) && !of_plpgsql;
        let is_cut = (is_name || is_keyword) && text.len() > MAX_NAME;
        (!is_cut).then(|| Item {
            text: text.to_owned(),
            is_name,
            is_keyword,
            is_constant: sort == Sort::Constant,
        })
    });
    items.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &str) -> BTreeSet<String> {
        names.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_read_is_found() {
        for (text, expected) in [
            ("", ""),
            (" \n", ""),
            ("-- nothing", ""),
            ("SELECT 1", ""),
            ("SELECT a FROM t", "t"),
            ("SELECT a FROM s.t x, ONLY \"U v\"", "t U_v"),
            (
                "SELECT a FROM t JOIN u USING (a), f(1), v WHERE b IN (1, 2)",
                "t u v",
            ),
            ("SELECT a FROM (t CROSS JOIN (SELECT b, c FROM u) x)", "t u"),
            (
                "WITH c AS (SELECT 1 FROM t), d AS MATERIALIZED (SELECT 1) SELECT * FROM c, d",
                "t",
            ),
            (
                "SELECT extract(year FROM d), substring(a from 2) FROM t",
                "t",
            ),
            (
                "BEGIN IF a IS DISTINCT FROM b THEN RETURN c; END IF; END",
                "",
            ),
            (
                "FOR r IN SELECT a FROM t LOOP x := (r.a, b); END LOOP;",
                "t",
            ),
            ("DELETE FROM t USING u WHERE a = b", "t u"),
            (
                "BEGIN RAISE EXCEPTION USING message = a, detail = b; END",
                "",
            ),
            ("SELECT 'a FROM b' /* FROM c */ -- FROM d", ""),
        ] {
            let read = read(text).unwrap().read;
            let read: BTreeSet<_> = read.iter().map(|name| name.replace(' ', "_")).collect();
            assert_eq!(read, set(expected), "{text}");
        }
    }

    #[test]
    fn what_may_do_more_is_open() {
        for (text, open) in [
            ("BEGIN RETURN 1; END", false),
            ("BEGIN EXECUTE 'SELECT 1'; END", true),
            ("BEGIN RETURN QUERY EXECUTE q; END", true),
            ("BEGIN FETCH c INTO r; END", true),
            ("DO $$ BEGIN END $$", true),
            ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", false),
            ("CREATE TEMP TABLE t (a int)", false),
            (
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                true,
            ),
            ("COPY t TO PROGRAM 'x'", true),
        ] {
            assert_eq!(read(text).unwrap().open, open, "{text}");
        }
        for text in [
            r"SELECT 'a\' || b'",
            r#"SELECT U&"\0061" FROM t"#,
            "SELECT 'a",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn what_only_takes_rows_is_found() {
        for (text, expected) in [
            (
                "INSERT INTO t VALUES (1); INSERT INTO s.u SELECT a FROM v",
                "t u",
            ),
            ("INSERT INTO t SELECT a FROM t", ""),
            ("INSERT INTO t SELECT a.t FROM a", ""),
            ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", ""),
            ("INSERT INTO t VALUES (1) RETURNING a INTO b", ""),
            ("SELECT a INTO t FROM u", ""),
        ] {
            assert_eq!(read(text).unwrap().filled, set(expected), "{text}");
        }
    }

    #[test]
    fn what_is_done_again_is_found() {
        for (text, expected) in [
            ("BEGIN INSERT INTO t VALUES (1); END", false),
            (
                "BEGIN RAISE EXCEPTION 'x' USING detail = 'loop'; END",
                false,
            ),
            ("BEGIN FOR i IN 1..3 LOOP NULL; END LOOP; END", true),
            (
                "BEGIN NULL; EXCEPTION WHEN unique_violation THEN NULL; END",
                true,
            ),
        ] {
            assert_eq!(read(text).unwrap().repeats, expected, "{text}");
        }
    }

    #[test]
    fn what_is_called_is_found() {
        let body = read("SELECT f(a), s.g (b), t.h, x::numeric(1) FROM k() AS c(d) WHERE a <-> b");
        let body = body.unwrap();
        assert_eq!(body.called, set("f g h numeric k c"));
        assert_eq!(body.surely_called, set("f g k"));
        assert_eq!(body.operators, set("<->"));
        let body = read("BEGIN WHILE (a) LOOP PERFORM f(b); END LOOP; END").unwrap();
        assert_eq!(body.surely_called, set("f"));
    }
}
