//! Texts that change their meaning, cannot be read, or are made to exhaust whoever reads them.

use super::*;

/// Runs `test` with the stack that `analyse` asks for.
fn with_stack(test: impl FnOnce() + Send + 'static) {
    with_stack_of(16 << 20, test);
}

#[expect(
    clippy::disallowed_types,
    reason = "the test is the caller who brings the stack"
)]
fn with_stack_of(bytes: usize, test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .stack_size(bytes)
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
        analyse(sql.as_bytes(), &session)
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
        let unread = |text: &[u8], session: &Session| {
            let analysis = analyse(text, session);
            assert_eq!(
                analysis.units.iter().map(line).collect::<Vec<_>>(),
                ["unread"]
            );
            assert_eq!(analysis.effects, []);
        };
        let plain = Session::default();
        unread(b"SELECT 1\0; DELETE FROM t", &plain);
        unread(b"SELECT '\xff'", &plain);
        unread(&vec![b' '; MAX_BYTES + 1], &plain);
        unread(
            "SELECT '\u{e9}'".as_bytes(),
            &Session {
                encoding: Encoding::Uncertain,
                ..plain.clone()
            },
        );
        unread("/*".repeat(100_000).as_bytes(), &plain);
        unread(
            format!("SELECT {}1", "+".repeat(100_000)).as_bytes(),
            &plain,
        );
        unread("(".repeat(20_000).as_bytes(), &plain);
        unread(
            format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)).as_bytes(),
            &plain,
        );
        unread("SELECT 1;".repeat(20_000).as_bytes(), &plain);
        // What multiplies when units take over what is inside them, or when names stand for much.
        let tables: Vec<String> = (0..500).map(|n| format!("t{n}")).collect();
        let nested = format!(
            "{}SELECT 1 FROM {}{}",
            "INSERT INTO x WITH y AS (".repeat(40),
            tables.join(","),
            ") SELECT 1".repeat(40)
        );
        unread(nested.as_bytes(), &plain);
        let ctes: Vec<String> = (0..2_000)
            .map(|n| format!("a{n} AS (TABLE a{n})"))
            .collect();
        unread(
            format!("WITH {} SELECT 1", ctes.join(",")).as_bytes(),
            &plain,
        );
    });
}

/// Texts that nest by other means than brackets, or are just long: read or not, but never a crash.
#[test]
fn hostile() {
    with_stack(|| {
        let columns: Vec<String> = (0..45_000).map(|n| format!("c{n}")).collect();
        let columns = columns.join(",");
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
            format!("SELECT {}", format!("{}1 ", "+-".repeat(512)).repeat(250)),
            format!(
                "SELECT {}",
                format!("/**/{}1 ", "+-".repeat(32)).repeat(1_250)
            ),
            format!("SELECT $a${}", "$a".repeat(100_000)),
            format!("SELECT a{}", ",a".repeat(90_000)),
            // Many names that each of many columns could be one of.
            format!("SELECT {}1 FROM f() x({})", "x.z,".repeat(20_000), columns),
            format!(
                "SELECT {}1 FROM ROWS FROM ({}f()) AS ({}b int)",
                "f.z,".repeat(10_000),
                "f(),".repeat(200),
                "a int,".repeat(20_000)
            ),
            nest(
                [
                    "",
                    "WITH d AS (",
                    "DELETE FROM a",
                    " RETURNING 1) DELETE FROM b",
                ],
                480,
            )
            .repeat(40),
        ];
        for text in texts {
            let analysis = analyse(text.as_bytes(), &Session::default());
            assert!(!analysis.units.is_empty());
        }
        // A long list of names is not kept; what is not kept is unknown.
        let many: Vec<String> = (0..5_000).map(|n| format!("t{n}")).collect();
        let analysis = analyse(
            format!("TABLE a; SELECT 1 FROM {}", many.join(",")).as_bytes(),
            &Session::default(),
        );
        assert_eq!(analysis.units[1].tables.known(), None);
    });
}

/// Ways to nest: what comes before, around each level, and innermost.
const NESTS: &[[&str; 4]] = &[
    ["SELECT ", "- ", "a", ""],
    ["SELECT ", "NOT ", "a", ""],
    ["SELECT a", " ISNULL", "", ""],
    ["SELECT a", "||b", "", ""],
    ["SELECT a", " COLLATE c", "", ""],
    ["SELECT a", "::t", "", ""],
    ["SELECT a", " AT LOCAL", "", ""],
    ["SELECT 1", " UNION SELECT 1", "", ""],
    ["SELECT 1 FROM a", " NATURAL JOIN b", "", ""],
    ["SELECT ", "CASE a WHEN ", "1", " THEN 1 END"],
    ["SELECT ", "CASE WHEN 1 THEN ", "1", " END"],
    ["SELECT ", "ARRAY[", "1", "]"],
    ["SELECT ", "f(", "1", ")"],
    ["SELECT ", "a[", "1", "]"],
    ["SELECT ", "(", "1", ").a"],
    ["SELECT ", "(SELECT ", "1", ")"],
    ["SELECT ", "(VALUES(", "1", "))"],
    ["SELECT ", "ARRAY(SELECT ", "1", ")"],
    ["SELECT ", "EXISTS(SELECT ", "1", ")"],
    ["SELECT ", "a IN(SELECT ", "1", ")"],
    ["SELECT ", "1 = ANY(SELECT ", "1", ")"],
    ["SELECT ", "GROUPING(", "1", ")"],
    ["SELECT ", "XMLFOREST(", "1", " AS a)"],
    ["SELECT ", "JSON_QUERY(", "1", ", '')"],
    ["SELECT ", "JSON_ARRAY(", "1", ")"],
    ["SELECT ", "JSON_OBJECT(1:", "1", ")"],
    ["SELECT 1 ORDER BY ", "(SELECT 1 ORDER BY ", "1", ")"],
    ["SELECT 1 FROM ", "(SELECT FROM ", "a", ")a"],
    ["SELECT 1 FROM ", "LATERAL(SELECT FROM ", "a", ")a"],
    ["SELECT 1 FROM ", "(a JOIN ", "a", " ON true)"],
    ["", "WITH a AS(", "SELECT 1", ") SELECT 1"],
    ["SELECT 1 GROUP BY ", "ROLLUP(", "1", ")"],
];

/// The text that nests so many times.
fn nest([before, open, inside, close]: [&str; 4], count: usize) -> String {
    format!(
        "{before}{}{inside}{}",
        open.repeat(count),
        close.repeat(count)
    )
}

/// What is read on the caller's stack leaves three quarters of it, whatever it nests.
#[test]
fn short_texts_need_little_stack() {
    with_stack_of(4 << 20, || {
        for &way in NESTS {
            let deepest = (1..=stack::SHALLOW)
                .rev()
                .map(|count| nest(way, count))
                .find(|text| stack::shallow(text.as_bytes()))
                .unwrap();
            let analysis = read(&deepest, &Session::default());
            assert!(analysis.is_some(), "{deepest}");
        }
    });
}

/// The deepest trees that the grammar hands out need less than a quarter of the other stack.
#[test]
fn deep_texts_need_a_quarter_of_their_stack() {
    with_stack_of(stack::DEEP / 4, || {
        for &way in NESTS {
            let mut read_at_all = 0;
            for count in [400, 800, 1_600, 2_400, 3_200, 4_000, 4_990, 9_990] {
                read_at_all += u32::from(read(&nest(way, count), &Session::default()).is_some());
            }
            assert!(read_at_all > 0, "{way:?}");
        }
    });
}

/// What people do write, at several times the size.
#[test]
fn long_and_legal() {
    let joins: String = (0..500)
        .map(|n| format!(" LEFT JOIN t{n} ON t{n}.id = a.id"))
        .collect();
    let row =
        "(12345, 'A Name, Inc. ((((', 'a@b.example', 1234.56, '2026-01-02 03:04:05', true, NULL)";
    let rows = vec![row; 8_000].join(",\n");
    for text in [
        format!("SELECT * FROM a{joins}"),
        format!("SELECT 1 FROM a WHERE a = 1{}", " OR a = 1".repeat(4_000)),
        format!("SELECT 1 FROM a WHERE a = 1{}", " AND a = 1".repeat(4_000)),
        format!("SELECT 1 FROM a WHERE a IN (1{})", ", 2".repeat(50_000)),
        format!("SELECT ''{} FROM a", " || ''".repeat(4_000)),
        format!(
            "SELECT 1 FROM a{}",
            " UNION ALL SELECT 1 FROM a".repeat(4_000)
        ),
        format!("INSERT INTO a VALUES {rows}"),
        format!("INSERT INTO a VALUES ('{}')", "some prose, ".repeat(80_000)),
        format!("/*{}*/ SELECT 1 --{}", "*".repeat(300), "-+".repeat(200)),
        nest(["SELECT 1 FROM ", "(SELECT * FROM ", "a", ") a"], 400),
        nest(["SELECT ", "(SELECT ", "a FROM a", ")"], 400),
        nest(["SELECT ", "coalesce(", "a", ")"], 400) + " FROM a",
        format!(
            "{} SELECT 1 FROM a",
            "CREATE TABLE b AS TABLE a;".repeat(2_000)
        ),
    ] {
        let analysis = analyse(text.as_bytes(), &Session::default());
        assert!(
            analysis.units.iter().all(|unit| unit.parsed),
            "{}",
            text.get(..80).unwrap()
        );
    }
}

proptest::proptest! {
    /// Whatever comes, there is an answer, and it uses the documented words.
    #[test]
    fn any_text(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..25)) {
        let text = words.join(" ");
        for unit in analyse(text.as_bytes(), &Session::default()).units {
            assert!(!unit.parsed || VERBS.contains(&unit.verb), "{}", unit.verb);
            assert!(!unit.parsed || KINDS.contains(&unit.kind), "{}", unit.kind);
            assert!(unit.object.is_none_or(|object| OBJECTS.contains(&object)));
        }
    }

    #[test]
    fn any_bytes(bytes: Vec<u8>) {
        assert!(!analyse(&bytes, &Session::default()).units.is_empty());
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
