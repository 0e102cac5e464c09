//! Statements by chance, and what is asked after them.

use super::expressions::{Scope, Source};
use super::grammar::Grammar;
use super::tables::{Column, Kind, sources};

/// What shows what was written, but what is masked.
pub(super) const ASKED_AFTER: &str = "SELECT (SELECT array_agg(n.*::text) FROM notes n), \
     (SELECT array_agg((o.id, o.customer, o.total, o.note)::text) FROM orders o), \
     (SELECT array_agg((c.id, c.name)::text) FROM customers c)";

impl Grammar {
    /// The statements of one try.
    pub(super) fn statements(&mut self) -> Vec<String> {
        self.depth = 1 + self.random.below(3);
        self.is_plain = false;
        self.named.clear();
        let mut tried = match self.random.below(20) {
            0 | 1 => {
                let (sql, _) = self.changes(&Vec::new());
                vec![sql]
            }
            2 => {
                let (sql, _) = self.query(&Vec::new(), None);
                vec![format!("COPY ({sql}) TO STDOUT")]
            }
            3 => {
                let (sql, _) = self.query(&Vec::new(), None);
                vec![
                    format!("DECLARE cursor CURSOR FOR {sql}"),
                    "FETCH ALL FROM cursor".to_owned(),
                ]
            }
            4 => {
                let (sql, _) = self.query(&Vec::new(), None);
                vec![
                    format!("PREPARE prepared AS {sql}"),
                    "EXECUTE prepared".to_owned(),
                    "DEALLOCATE prepared".to_owned(),
                ]
            }
            5 => {
                let (sql, _) = self.query(&Vec::new(), None);
                vec![
                    format!("CREATE TEMP TABLE made_of AS {sql}"),
                    "SELECT * FROM made_of".to_owned(),
                ]
            }
            6 => {
                let (sql, _) = self.query(&Vec::new(), None);
                vec![
                    format!("CREATE TEMP VIEW view_of AS {sql}"),
                    "SELECT * FROM view_of".to_owned(),
                ]
            }
            _ => vec![self.query(&Vec::new(), None).0],
        };
        tried.push(ASKED_AFTER.to_owned());
        tried
    }

    /// A statement that changes data, with what it returns.
    pub(super) fn changes(&mut self, outer: &Scope) -> (String, Vec<Column>) {
        let all = sources();
        let columns = |name: &str| {
            let (_, columns) = all.iter().find(|(it, _)| *it == name).unwrap();
            columns.clone()
        };
        let (table, written) = *self.random.one_of(&[
            ("notes", "body"),
            ("orders", "note"),
            ("customers", "name"),
            ("customers", "email"),
            ("vips", "name"),
        ]);
        let target = Source {
            alias: "t".to_owned(),
            columns: columns(table),
        };
        let mut scope = vec![target.clone()];
        let (from, others) = self.from(outer);
        scope.extend(others.clone());
        // Seldom what is masked: that is refused.
        let is_open = !self.random.chance(15);
        let kind = self.random.below(5);
        let sql = match kind {
            0 => {
                let kinds = if table == "notes" {
                    vec![Kind::Text]
                } else {
                    vec![Kind::Int, Kind::Text]
                };
                let value = self.expression(Kind::Text, &others, is_open);
                let key = if kinds.len() == 2 {
                    "100 + (row_number() OVER ())::int, "
                } else {
                    ""
                };
                let list = if kinds.len() == 2 {
                    format!("id, {written}")
                } else {
                    written.to_owned()
                };
                scope.truncate(1);
                format!(
                    "INSERT INTO {table} AS t ({list}) SELECT {key}{} FROM {from} LIMIT 2",
                    value.sql
                )
            }
            1 => {
                let value = self.expression(Kind::Text, &scope, is_open);
                format!(
                    "UPDATE {table} AS t SET {written} = {} FROM {from}{}",
                    value.sql,
                    self.filter(&scope)
                )
            }
            2 => {
                scope.truncate(1);
                let value = self.expression(Kind::Text, &scope, is_open);
                format!(
                    "UPDATE {table} AS t SET ({written}) = ROW({}){}",
                    value.sql,
                    self.filter(&scope)
                )
            }
            3 => format!(
                "DELETE FROM {table} AS t USING {from}{}",
                self.filter(&scope)
            ),
            _ => {
                let saved = (self.depth, scope.len());
                scope.truncate(1);
                self.depth = self.depth.min(1);
                let inner = self.subquery_of_text(&scope, is_open);
                self.depth = saved.0;
                format!("UPDATE {table} AS t SET ({written}) = ({inner})")
            }
        };
        let returned = self.returned(&scope, &target);
        (format!("{sql} RETURNING {}", returned.0), returned.1)
    }

    fn subquery_of_text(&mut self, scope: &Scope, is_open: bool) -> String {
        let (from, mut inner) = self.from(scope);
        inner.extend(scope.iter().cloned());
        let value = self.expression(Kind::Text, &inner, is_open);
        format!("SELECT {} FROM {from} LIMIT 1", value.sql)
    }

    fn returned(&mut self, scope: &Scope, target: &Source) -> (String, Vec<Column>) {
        match self.random.below(3) {
            0 => ("t.*".to_owned(), target.columns.clone()),
            _ => {
                let is_plain = std::mem::replace(&mut self.is_plain, true);
                let value = self.expression(Kind::Text, scope, false);
                self.is_plain = is_plain;
                (
                    format!("{} AS returned", value.sql),
                    vec![Column::new("returned", Kind::Text, value.is_secret)],
                )
            }
        }
    }
}
