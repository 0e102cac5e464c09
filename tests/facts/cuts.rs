//! Where a text of several statements is cut, against where PostgreSQL cuts it.

use gateway_core::facts::Fact;
use gateway_core::protocols::postgres::attributes as slot;
use gateway_core::protocols::postgres::script::Script;
use gateway_core::sql::postgres::{Session, Strings};

/// Texts in which it is not plain where a statement ends. Each is tried with both meanings of a backslash.
pub(crate) const TEXTS: &[&str] = &[
    "SELECT 1; SELECT 2",
    "SELECT 1;; ; SELECT 2;",
    "SELECT ';'; SELECT ''';'",
    "SELECT $$;$$; SELECT $a$;$b$;$a$; SELECT $$ $a$ ; $$",
    "SELECT $a$;$A$;$a$",
    "SELECT 1 AS a$b$; SELECT 2 AS c$b$",
    "SELECT $1a$;$1a$",
    "SELECT 1 -- ; SELECT 2\n; SELECT 3",
    "SELECT 1 -- ; SELECT 2\r; SELECT 3",
    "SELECT 1 /* ; /* ; */ ; */; SELECT 2",
    "SELECT 1 /* ; /* ; */ ; SELECT 2",
    "SELECT 1 /* */ */ 2; SELECT 3",
    "SELECT 1 /**/; SELECT 2 /*;*/",
    "SELECT 1 +/* ; */ 2; SELECT 3",
    "SELECT 1 --+ ;\n + 1; SELECT 2",
    "SELECT E'\\';'; SELECT 2",
    "SELECT E'a\\\\'; SELECT ';'",
    "SELECT '\\'; SELECT 2; --'",
    "SELECT '\\'';'; SELECT 2",
    "SELECT 'a\\\\'; SELECT 2",
    "SELECT U&'\\003B'; SELECT U&'!003B;' UESCAPE '!'",
    "SELECT U&'\\';'; SELECT 2",
    "SELECT 1 AS U&\"a;b\"; SELECT 2 AS \"x;\"\"y\"",
    "SELECT B'1'; SELECT X'1F'; SELECT N';'",
    "SELECT 'a'\n';'; SELECT 2",
    "SELECT 'a' ';'; SELECT 2",
    "SELECT 'a'/* */\n';'; SELECT 2",
    "SELECT 'a' -- x\n ';'; SELECT 2",
    "SELECT E'a'\n'\\';'; SELECT 2",
    "SELECT 'a'\n'\\'; SELECT 2; --'",
    "SELECT 1\u{a0}; SELECT 2",
    "SELECT 1 AS \u{a0}; SELECT 2",
    "\u{feff}SELECT 1; SELECT 2",
    "SELECT 1\u{b}; SELECT 2",
    "SELECT 1\u{c}; SELECT 2",
    "SELECT 1 AS \u{e9};SELECT 2",
    "SELECT '\u{2028}'; SELECT 2\u{2028}; SELECT 3",
    "SELECT (1; 2); SELECT 3",
    "SELECT 1; SELEC 2",
    "DO 'BEGIN NULL; NULL; END'; SELECT 1",
    "DO $$ BEGIN NULL; NULL; END $$; SELECT 1",
    "CREATE FUNCTION pg_temp.f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END; SELECT 3",
    "CREATE FUNCTION pg_temp.g() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END; SELECT 3",
    "CREATE RULE r AS ON INSERT TO a DO ALSO (SELECT 1; SELECT 2); DROP RULE r ON a; SELECT 3",
    "PREPARE p AS SELECT ';'; DEALLOCATE p",
    "SELECT 1 \\; SELECT 2",
    "SELECT 1 \\gexec",
    "SELECT 1e1;SELECT .5;SELECT 1.;",
    "SELECT 1 ~-- ;\n 2; SELECT 3",
    "SELECT 1::text'a;'; SELECT 2",
    "SELECT int '1';SELECT date$$2026-01-01$$;",
    "SELECT 'a'::text COLLATE \"C\"; SELECT $_$;$_$; SELECT $\u{e9}$;$\u{e9}$",
];

/// How many statements the gateway sees; none where it does not read the text.
pub(crate) fn seen(text: &str, strings: Strings) -> Option<u64> {
    let session = Session {
        strings,
        ..Session::default()
    };
    let script = Script::read(text.as_bytes(), &session);
    let unit = script.units.first()?;
    match (unit.fact(slot::PARSED), unit.fact(slot::STATEMENTS)) {
        (Fact::Flag(true), Fact::Number(number)) => Some(*number),
        _ => None,
    }
}
