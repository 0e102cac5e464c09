//! Texts that change their meaning, cannot be read, or are made to exhaust whoever reads them.

use super::*;

/// Runs `test` with the stack that `analyse` asks for.
#[expect(
    clippy::disallowed_types,
    reason = "the test is the caller who brings the stack"
)]
fn with_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(16 << 20)
        .spawn(test)
        .unwrap()
        .join()
        .unwrap();
}

/// Settings that change where a string ends.
#[test]
fn strings_that_end_elsewhere() {
    let read = |sql: &str, strings| {
        let session = Session {
            strings,
            ..Session::default()
        };
        analyse(sql.as_bytes(), session)
            .units
            .iter()
            .map(line)
            .collect::<Vec<_>>()
    };
    let hidden = r"SELECT '\' ; DELETE FROM secrets; --'";
    assert_eq!(
        read(hidden, Strings::Standard),
        [
            "select read",
            "delete write write=public.secrets where=false"
        ]
    );
    assert_eq!(read(hidden, Strings::Escaping), ["select read"]);
    assert_eq!(read(hidden, Strings::Uncertain), ["unread"]);
    assert_eq!(read(r"SELECT 'a\b'", Strings::Uncertain), ["select read"]);
    assert_eq!(read(r"SELECT E'a\'b'", Strings::Uncertain), ["select read"]);
}

#[test]
fn unreadable() {
    with_stack(|| {
        let unread = |text: &[u8], session| {
            let analysis = analyse(text, session);
            assert_eq!(
                analysis.units.iter().map(line).collect::<Vec<_>>(),
                ["unread"]
            );
            assert_eq!(analysis.effects, []);
        };
        let plain = Session::default();
        unread(b"SELECT 1\0; DELETE FROM t", plain);
        unread(b"SELECT '\xff'", plain);
        unread(&vec![b' '; MAX_BYTES + 1], plain);
        unread(
            "SELECT '\u{e9}'".as_bytes(),
            Session {
                encoding: Encoding::Uncertain,
                ..plain
            },
        );
        unread("/*".repeat(100_000).as_bytes(), plain);
        unread(format!("SELECT {}1", "+".repeat(100_000)).as_bytes(), plain);
        unread("(".repeat(20_000).as_bytes(), plain);
        unread(
            format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)).as_bytes(),
            plain,
        );
        unread("SELECT 1;".repeat(20_000).as_bytes(), plain);
        // What multiplies when units take over what is inside them, or when names stand for much.
        let tables: Vec<String> = (0..500).map(|n| format!("t{n}")).collect();
        let nested = format!(
            "{}SELECT 1 FROM {}{}",
            "INSERT INTO x WITH y AS (".repeat(40),
            tables.join(","),
            ") SELECT 1".repeat(40)
        );
        unread(nested.as_bytes(), plain);
        unread("EXECUTE a;".repeat(5_000).as_bytes(), plain);
        let ctes: Vec<String> = (0..2_000)
            .map(|n| format!("a{n} AS (TABLE a{n})"))
            .collect();
        unread(
            format!("WITH {} SELECT 1", ctes.join(",")).as_bytes(),
            plain,
        );
    });
}

/// Texts that nest by other means than brackets, or are just long: read or not, but never a crash.
#[test]
fn hostile() {
    with_stack(|| {
        let texts = [
            format!("SELECT {}1", "- ".repeat(100_000)),
            format!("SELECT {}true", "NOT ".repeat(50_000)),
            format!("SELECT 1{}", " + 1".repeat(60_000)),
            format!("SELECT ''{}", "||''".repeat(60_000)),
            format!("SELECT * FROM a{}", " JOIN b ON true".repeat(15_000)),
            format!("SELECT * FROM a{}", ",b".repeat(100_000)),
            format!("SELECT 1{}", " UNION SELECT 1".repeat(15_000)),
            format!("SELECT {}1{}", "(SELECT ".repeat(400), ")".repeat(400)),
            format!(
                "SELECT {}1{}",
                "CASE WHEN true THEN ".repeat(10_000),
                " END".repeat(10_000)
            ),
            format!("SELECT {}1{}", "ARRAY[".repeat(499), "]".repeat(499)),
            format!("SELECT a{}", "[1]".repeat(60_000)),
            format!("SELECT 1{}", "::text".repeat(40_000)),
            format!("SELECT x {}", "COLLATE c ".repeat(20_000)),
            format!("{} DELETE FROM t", "EXPLAIN ANALYZE ".repeat(10_000)),
            format!("INSERT INTO t VALUES {}(1)", "(1),".repeat(60_000)),
            (0..400)
                .map(|_| "WITH d AS (DELETE FROM a RETURNING (")
                .collect::<String>(),
            format!(
                "SELECT {}",
                (0..30_000).map(|n| format!("f{n}(),")).collect::<String>() + "1"
            ),
            format!("SELECT '{}", "'".repeat(200_000)),
            format!("/*{}", "/* ".repeat(80_000)),
            format!("SELECT {}", format!("{} ", "/*".repeat(512)).repeat(250)),
            format!("SELECT {}", format!("{} ", "+".repeat(1_024)).repeat(250)),
            format!("SELECT $a${}", "$a".repeat(100_000)),
        ];
        for text in texts {
            let analysis = analyse(text.as_bytes(), Session::default());
            assert!(!analysis.units.is_empty());
        }
        // A long list of names is not kept; what is not kept is unknown.
        let many: Vec<String> = (0..5_000).map(|n| format!("t{n}")).collect();
        let analysis = analyse(
            format!("TABLE a; SELECT 1 FROM {}", many.join(",")).as_bytes(),
            Session::default(),
        );
        assert_eq!(analysis.units[1].tables.known(), None);
    });
}

proptest::proptest! {
    /// Whatever comes, there is an answer, and it uses the documented words.
    #[test]
    fn any_text(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..25)) {
        let text = words.join(" ");
        for unit in analyse(text.as_bytes(), Session::default()).units {
            assert!(!unit.parsed || VERBS.contains(&unit.verb), "{}", unit.verb);
            assert!(!unit.parsed || KINDS.contains(&unit.kind), "{}", unit.kind);
            assert!(unit.object.is_none_or(|object| OBJECTS.contains(&object)));
        }
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        assert!(!analyse(&bytes, Session::default()).units.is_empty());
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "a",
    "s.b",
    "(",
    ")",
    ",",
    ";",
    "WITH",
    "AS",
    "DELETE",
    "INSERT INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "=",
    "1",
    "'x'",
    "\\",
    "EXPLAIN",
    "ANALYZE",
    "PREPARE",
    "EXECUTE",
    "DROP",
    "TABLE",
    "CREATE",
    "ALTER",
    "ROLE",
    "VIEW",
    "f()",
    "WHERE",
    "UNION",
    "RETURNING",
    "*",
    "COPY",
    "TO",
    "STDOUT",
    "GRANT",
    "ON",
    "BEGIN",
    "COMMIT",
    "SHOW",
    "ALL",
    "--",
    "/*",
    "*/",
    "$1",
    "JOIN",
];
