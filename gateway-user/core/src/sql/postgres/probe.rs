//! `Probe`: how a server can be asked how much a statement would touch, without running it.
//!
//! The questions are made here: the statement behind an `EXPLAIN`, and what it selects as a query of its
//! own, built from the parse tree and written by the grammar's library. What else has to hold before a
//! server is asked (that nothing in the statement runs code of its own) only the server knows: what it
//! is to be asked about is here too.

use std::panic::catch_unwind;

use pg_query::protobuf::{self, CoercionForm, LimitOption, SetOperation, SubLinkType, node::Node};
use pg_query::{DeparseOptions, ParserOptions};

use super::bounds::readable;
use super::queries::statement;
use super::walk::Walker;
use super::{ESCAPING, SearchPath, Session, Strings, stack};
use crate::facts::{Name, Schema};

/// What goes in front of a statement to have it explained. Without `ANALYZE` it is not run.
const EXPLAIN: &str = "EXPLAIN (FORMAT JSON) ";

/// How deep all nodes may be, added up, where a statement is asked about. To write it the grammar's library
/// goes through all that is below each node: 20 ns each, and so six times. 20,000 numbers in a list are a fifth of it.
const MAX_REACH: usize = 1_000_000;

/// How a server can be asked about one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// An `EXPLAIN` of the statement as it was written.
    pub explain: String,
    /// What an `UPDATE` or `DELETE` selects.
    pub selected: Option<Selected>,
    /// Its relations: those whose names have no schema are in [`Schema::Any`].
    pub tables: Vec<Name>,
    /// Functions that it calls, without schemas.
    pub functions: Vec<String>,
    /// Names behind a dot, which may be functions of a row.
    pub fields: Vec<String>,
    /// Its operators, without schemas.
    pub operators: Vec<String>,
    /// Types that it names, without schemas.
    pub types: Vec<String>,
}

/// What an `UPDATE` or `DELETE` selects, as queries that only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selected {
    /// An `EXPLAIN` of the query for its rows.
    pub explain: String,
    /// The query for their number.
    pub count: String,
    /// The parameters that these have of those of the statement, by number from 1.
    pub parameters: Vec<usize>,
}

/// Reads `text`, or says why nothing can be asked about it.
///
/// # Errors
/// One sentence, lower case, without a full stop.
pub fn probe(text: &str) -> Result<Probe, &'static str> {
    const UNREAD: &str = "the statement cannot be read";
    readable(text.as_bytes(), &Session::default()).ok_or(UNREAD)?;
    stack::safely(text, |text| Some(read(text))).ok_or(UNREAD)?
}

fn read(text: &str) -> Result<Probe, &'static str> {
    let parsed = parse(text, ParserOptions::DEFAULT)?;
    if text.contains('\\') && parse(text, ESCAPING).as_ref() != Ok(&parsed) {
        return Err("a backslash in it means something or nothing, as the session has it set");
    }
    let [raw] = &*parsed.stmts else {
        return Err("it is not a single statement");
    };
    let node = raw.stmt.as_deref().ok_or("it is empty")?;
    let mut walker = Walker::new(&unqualified(), 1);
    walker.watch();
    walker.top(|walker| statement(node, walker));
    let seen = walker.take_seen().unwrap_or_default();
    if walker.reach() > MAX_REACH {
        return Err("it nests too deep to be asked about");
    }
    let analysis = walker.finish(1).ok_or("it is too long or nests too deep")?;
    let verb = analysis.units.first().map_or("", |unit| unit.verb);
    if !["select", "insert", "update", "delete", "merge"].contains(&verb) {
        return Err("only SELECT, INSERT, UPDATE, DELETE and MERGE can be explained");
    }
    let mut tables: Vec<Name> = Vec::new();
    let mut functions = Vec::new();
    for unit in &analysis.units {
        let known = unit.tables.known().zip(unit.functions.known());
        let (named, called) = known.ok_or("what it touches or calls cannot be told")?;
        tables.extend(named.iter().cloned());
        functions.extend(called.iter().map(|function| function.name.to_string()));
    }
    tables.sort_by(|a, b| (&*a.name, schema(a)).cmp(&(&*b.name, schema(b))));
    tables.dedup();
    functions.sort();
    functions.dedup();
    let writes = analysis.units.iter().filter(|unit| unit.kind != "read");
    let selected = match writes.count() {
        0 | 1 => selected(node),
        _ => None,
    };
    let mut operators = seen.operators;
    // What `USING`, `IN`, `CASE` and others compare by, unwritten.
    operators.insert("=".to_owned());
    Ok(Probe {
        explain: explain(text, node)?,
        selected,
        tables,
        functions,
        fields: seen.fields.into_iter().collect(),
        operators: operators.into_iter().collect(),
        types: seen.types.into_iter().collect(),
    })
}

/// A session in which a name without a schema could be in any, and is known by that.
fn unqualified() -> Session {
    Session {
        search_path: SearchPath::Unknown,
        strings: Strings::Standard,
        ..Session::default()
    }
}

fn schema(name: &Name) -> &str {
    match &name.schema {
        Schema::In(schema) => schema,
        _ => "",
    }
}

fn parse(text: &str, options: ParserOptions) -> Result<protobuf::ParseResult, &'static str> {
    let parsed = catch_unwind(|| {
        pg_query::parse(text, options | ParserOptions::DISABLE_ESCAPE_STRING_WARNING)
    });
    let parsed = parsed.ok().and_then(Result::ok);
    Ok(parsed.ok_or("the statement cannot be read")?.protobuf)
}

/// The statement behind an `EXPLAIN`, which must then be this and nothing else.
fn explain(text: &str, node: &protobuf::Node) -> Result<String, &'static str> {
    const OTHER: &str = "it reads differently behind an EXPLAIN";
    let explain = format!("{EXPLAIN}{text}");
    let parsed = parse(&explain, ParserOptions::DEFAULT)?;
    let [raw] = &*parsed.stmts else {
        return Err(OTHER);
    };
    let Some(Some(Node::ExplainStmt(explained))) = raw.stmt.as_ref().map(|it| &it.node) else {
        return Err(OTHER);
    };
    let query = explained.query.as_deref().and_then(written);
    let same = query.is_some() && query == written(node) && explained.options.len() == 1;
    same.then_some(explain).ok_or(OTHER)
}

fn written(node: &protobuf::Node) -> Option<String> {
    let node = node.node.clone()?;
    let written = catch_unwind(|| node.deparse(DeparseOptions::default()));
    written.ok()?.ok()
}

/// What an `UPDATE` or `DELETE` selects; none where that cannot be said by a query.
fn selected(node: &protobuf::Node) -> Option<Selected> {
    let (relation, from, filter, with) = match &node.node {
        Some(Node::DeleteStmt(delete)) => (
            delete.relation.as_ref()?,
            &delete.using_clause,
            &delete.where_clause,
            &delete.with_clause,
        ),
        Some(Node::UpdateStmt(update)) => (
            update.relation.as_ref()?,
            &update.from_clause,
            &update.where_clause,
            &update.with_clause,
        ),
        _ => return None,
    };
    if matches!(
        filter.as_ref().map(|it| &it.node),
        Some(Some(Node::CurrentOfExpr(_)))
    ) {
        return None;
    }
    // Each row is changed once, however many rows of the other relations it meets.
    let filter = match from.is_empty() {
        true => filter.clone(),
        false => Some(Box::new(exists(select(
            one(),
            from.clone(),
            filter.clone(),
        )))),
    };
    let from = vec![wrap(Node::RangeVar(relation.clone()))];
    let query = |target| {
        let mut select = select(target, from.clone(), filter.clone());
        select.with_clause.clone_from(with);
        let text = written(&wrap(Node::SelectStmt(Box::new(select))))?;
        // What was written must be read again as one query.
        let read = parse(&text, ParserOptions::DEFAULT).ok()?;
        let [raw] = &*read.stmts else { return None };
        let again = raw.stmt.as_deref().and_then(written)?;
        (again == text).then_some(text)
    };
    let mut walker = Walker::new(&unqualified(), 1);
    walker.watch();
    let mut whole = select(one(), from.clone(), filter.clone());
    whole.with_clause.clone_from(with);
    walker.top(|walker| statement(&wrap(Node::SelectStmt(Box::new(whole))), walker));
    let parameters = walker.take_seen()?.parameters.into_iter();
    Some(Selected {
        explain: format!("{EXPLAIN}{}", query(one())?),
        count: query(count())?,
        parameters: parameters
            .map(usize::try_from)
            .collect::<Result<_, _>>()
            .ok()?,
    })
}

fn select(
    target: Node,
    from_clause: Vec<protobuf::Node>,
    where_clause: Option<Box<protobuf::Node>>,
) -> protobuf::SelectStmt {
    let target = protobuf::ResTarget {
        val: Some(Box::new(wrap(target))),
        ..Default::default()
    };
    protobuf::SelectStmt {
        target_list: vec![wrap(Node::ResTarget(Box::new(target)))],
        from_clause,
        where_clause,
        limit_option: LimitOption::Default.into(),
        op: SetOperation::SetopNone.into(),
        ..Default::default()
    }
}

fn one() -> Node {
    Node::AConst(protobuf::AConst {
        val: Some(protobuf::a_const::Val::Ival(protobuf::Integer { ival: 1 })),
        ..Default::default()
    })
}

fn count() -> Node {
    let name = ["pg_catalog", "count"].map(|name| {
        wrap(Node::String(protobuf::String {
            sval: name.to_owned(),
        }))
    });
    Node::FuncCall(Box::new(protobuf::FuncCall {
        funcname: name.into(),
        agg_star: true,
        funcformat: CoercionForm::CoerceExplicitCall.into(),
        ..Default::default()
    }))
}

fn exists(select: protobuf::SelectStmt) -> protobuf::Node {
    wrap(Node::SubLink(Box::new(protobuf::SubLink {
        sub_link_type: SubLinkType::ExistsSublink.into(),
        subselect: Some(Box::new(wrap(Node::SelectStmt(Box::new(select))))),
        ..Default::default()
    })))
}

fn wrap(node: Node) -> protobuf::Node {
    protobuf::Node { node: Some(node) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn counts(text: &str, expected: &str) {
        let probe = probe(text).unwrap();
        assert_eq!(probe.explain, format!("EXPLAIN (FORMAT JSON) {text}"));
        assert_eq!(probe.selected.map(|it| it.count).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_selected_is_counted() {
        counts(
            "DELETE FROM orders",
            "SELECT pg_catalog.count(*) FROM orders",
        );
        counts(
            "delete from only shop.orders as o where o.id = $1 and note = 'a;''b' returning *;",
            "SELECT pg_catalog.count(*) FROM ONLY shop.orders o WHERE o.id = $1 AND note = 'a;''b'",
        );
        counts(
            "UPDATE orders SET paid = true WHERE id IN (1, 2)",
            "SELECT pg_catalog.count(*) FROM orders WHERE id IN (1, 2)",
        );
        counts(
            "DELETE FROM a USING b, c WHERE a.id = b.id AND c.x",
            "SELECT pg_catalog.count(*) FROM a WHERE EXISTS (SELECT 1 FROM b, c WHERE a.id = b.id AND c.x)",
        );
        counts(
            "WITH old AS (SELECT id FROM a) DELETE FROM b USING old WHERE b.id = old.id",
            "WITH old AS (SELECT id FROM a) SELECT pg_catalog.count(*) FROM b WHERE EXISTS (SELECT 1 \
             FROM old WHERE b.id = old.id)",
        );
        let update = probe("UPDATE a SET b = $1 WHERE c = $3 AND d = $2 + $3").unwrap();
        assert_eq!(update.selected.unwrap().parameters, [2, 3]);
        // A comment at the end would swallow what is put behind it: nothing is.
        let probe = probe("DELETE FROM orders WHERE id = 1 -- OR true").unwrap();
        let selected = probe.selected.unwrap();
        assert_eq!(
            selected.count,
            "SELECT pg_catalog.count(*) FROM orders WHERE id = 1"
        );
        assert_eq!(
            selected.explain,
            "EXPLAIN (FORMAT JSON) SELECT 1 FROM orders WHERE id = 1"
        );
    }

    #[test]
    fn others_are_not() {
        for text in [
            "SELECT 1",
            "(SELECT 1)",
            "VALUES (1)",
            "INSERT INTO a VALUES (1)",
            "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN DELETE",
            "DELETE FROM a WHERE CURRENT OF c",
            "WITH d AS (DELETE FROM a RETURNING id) DELETE FROM b USING d WHERE b.id = d.id",
        ] {
            assert_eq!(probe(text).unwrap().selected, None, "{text}");
        }
    }

    #[test]
    fn nothing_else_is_asked_about() {
        for (text, reason) in [
            ("", "it is not a single statement"),
            (
                "DELETE FROM a; DELETE FROM b",
                "it is not a single statement",
            ),
            ("DELETE FROM", "the statement cannot be read"),
            ("DROP TABLE a", "only SELECT, INSERT"),
            ("SELECT 1 INTO a", "only SELECT, INSERT"),
            ("SELECT 1 INTO a UNION SELECT 2", "only SELECT, INSERT"),
            ("COPY (SELECT 1) TO STDOUT", "only SELECT, INSERT"),
            ("EXPLAIN ANALYZE DELETE FROM a", "only SELECT, INSERT"),
            ("EXECUTE p", "only SELECT, INSERT"),
            ("CREATE TABLE a AS SELECT 1", "only SELECT, INSERT"),
            ("SELECT dblink('x')", "what it touches or calls"),
            (
                r"SELECT * FROM a WHERE b = 'x\' OR c = ' OR d = 1--'",
                "a backslash in it",
            ),
        ] {
            let error = probe(text).unwrap_err();
            assert!(error.starts_with(reason), "{text}: {error}");
        }
        assert!(probe(r"SELECT * FROM a WHERE b = E'x\n'").is_ok());
    }

    #[test]
    fn what_has_to_be_known_of_it_is_listed() {
        let probe = probe(
            "DELETE FROM orders o USING shop.items AS i JOIN x USING (k) WHERE lower(o.note) ~~ 'a' \
             AND (o).evil > 1 AND i.sneaky AND o.d = ANY (SELECT d FROM y ORDER BY 1 USING <<) \
             AND o.p OPERATOR(public.===) '1'::public.price::text",
        )
        .unwrap();
        let tables: Vec<_> = probe
            .tables
            .iter()
            .map(|it| (schema(it), &*it.name))
            .collect();
        assert_eq!(
            tables,
            [("shop", "items"), ("", "orders"), ("", "x"), ("", "y")]
        );
        assert_eq!(probe.functions, ["evil", "lower"]);
        assert_eq!(probe.fields, ["d", "note", "p", "sneaky"]);
        assert_eq!(probe.operators, ["<<", "=", "===", ">", "~~"]);
        assert_eq!(probe.types, ["price", "text"]);
    }

    #[test]
    fn deep_ones_are_not() {
        for text in [
            format!("SELECT {}true", "NOT ".repeat(4_000)),
            format!("DELETE FROM a WHERE b{}", "||b".repeat(4_000)),
            format!("SELECT a FROM b{}", " UNION SELECT a FROM b".repeat(4_000)),
            format!(
                "SELECT {}",
                format!("{}true,", "NOT ".repeat(100)).repeat(400) + "1"
            ),
        ] {
            let start = &text[..20];
            assert_eq!(
                probe(&text),
                Err("it nests too deep to be asked about"),
                "{start}"
            );
        }
    }

    #[test]
    fn long_ones_are_read_too() {
        let ids: Vec<_> = (0..20_000).map(|id| id.to_string()).collect();
        let text = format!("DELETE FROM a WHERE id IN ({})", ids.join(", "));
        assert!(probe(&text).unwrap().selected.is_some());
        assert!(probe(&format!("SELECT {}1{}", "(".repeat(400), ")".repeat(400))).is_ok());
    }
}
