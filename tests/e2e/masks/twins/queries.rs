//! Queries by chance.

use super::expressions::{Expression, Scope};
use super::grammar::Grammar;
use super::tables::{Column, Kind};

impl Grammar {
    /// A query, and the columns that it is sure to have. With `wanted`, these and no more.
    pub(super) fn query(
        &mut self,
        outer: &Scope,
        wanted: Option<&[Kind]>,
    ) -> (String, Vec<Column>) {
        let before = self.named.len();
        let with = if self.random.chance(15) {
            self.with()
        } else {
            String::new()
        };
        let (mut sql, columns) = if self.random.chance(20) {
            self.united(outer, wanted)
        } else {
            self.select(outer, wanted)
        };
        if self.random.chance(15) {
            sql.push_str(" LIMIT 2");
        }
        self.named.truncate(before);
        (format!("{with}{sql}"), columns)
    }

    /// WITH.
    fn with(&mut self) -> String {
        let name = self.name();
        let saved = self.depth;
        self.depth = self.depth.saturating_sub(1);
        let made = match self.random.below(5) {
            0 => {
                // One that goes over its own rows once.
                let kinds = [Kind::Int, Kind::Text];
                let (first, columns) = self.select(&Vec::new(), Some(&kinds));
                let secret = columns.iter().any(|column| column.is_secret);
                let columns = vec![
                    Column::new("n", Kind::Int, secret),
                    Column::new("x", Kind::Text, secret),
                ];
                let step = *self.random.one_of(&["r.x", "r.x || 'y'", "upper(r.x)"]);
                let sql = format!(
                    "WITH RECURSIVE {name} (n, x, d) AS (SELECT *, 0 FROM ({first}) AS f UNION ALL \
                     SELECT r.n, {step}, d + 1 FROM {name} AS r WHERE d < 1) "
                );
                (sql, columns)
            }
            1 => {
                let (changes, columns) = self.changes(&Vec::new());
                (format!("WITH {name} AS ({changes}) "), columns)
            }
            kind => {
                let (query, columns) = self.query(&Vec::new(), None);
                let kept = ["", "MATERIALIZED ", "NOT MATERIALIZED "][kind - 2];
                (format!("WITH {name} AS {kept}({query}) "), columns)
            }
        };
        self.depth = saved;
        self.named.push((name, made.1));
        made.0
    }

    fn united(&mut self, outer: &Scope, wanted: Option<&[Kind]>) -> (String, Vec<Column>) {
        let kinds: Vec<Kind> = match wanted {
            Some(kinds) => kinds.to_vec(),
            None => (0..=self.random.below(3)).map(|_| self.kind()).collect(),
        };
        let (first, mut columns) = self.select(outer, Some(&kinds));
        let (second, others) = self.select(outer, Some(&kinds));
        let operator = if self.random.chance(85) {
            "UNION ALL"
        } else {
            *self.random.one_of(&["UNION", "INTERSECT", "EXCEPT"])
        };
        for (column, other) in columns.iter_mut().zip(&others) {
            column.is_secret |= other.is_secret;
        }
        (format!("({first}) {operator} ({second})"), columns)
    }

    pub(super) fn select(
        &mut self,
        outer: &Scope,
        wanted: Option<&[Kind]>,
    ) -> (String, Vec<Column>) {
        let (from, mut scope) = self.from(outer);
        let own = scope.len();
        scope.extend(outer.iter().cloned());
        let filter = self.filter(&scope);
        if wanted.is_none() && self.random.chance(15) {
            return self.grouped(&from, &scope, &filter);
        }
        let mut targets = Vec::new();
        let mut columns = Vec::new();
        let kinds: Vec<Kind> = match wanted {
            Some(kinds) => kinds.to_vec(),
            None => (0..self.random.below(4)).map(|_| self.kind()).collect(),
        };
        if wanted.is_none() && self.random.chance(25) {
            let source = &scope[self.random.clone().below(own)];
            targets.push(format!("{}.*", source.alias));
            columns.extend(source.columns.clone());
        }
        if wanted.is_none() && self.random.chance(10) {
            let alias = &scope[self.random.clone().below(own)].alias;
            let name = format!("w{alias}");
            let whole = [
                format!("{alias} AS {name}"),
                format!("ROW({alias}.*) AS {name}"),
                format!("({alias}.*)::text AS {name}"),
            ];
            targets.push(self.random.one_of(&whole).clone());
        }
        let needs_one = targets.is_empty() && kinds.is_empty();
        let kinds = if needs_one { vec![self.kind()] } else { kinds };
        for kind in kinds {
            let value = self.expression(kind, &scope, false);
            let name = self.column_name();
            let is_new = columns.iter().all(|column: &Column| column.name != name);
            let name = if is_new { name } else { self.name() };
            targets.push(format!("{} AS {name}", value.sql));
            columns.push(Column::new(&name, kind, value.is_secret));
        }
        let distinct = if self.random.chance(5) {
            "DISTINCT ON (1) "
        } else {
            ""
        };
        let mut sql = format!(
            "SELECT {distinct}{} FROM {from}{filter}",
            targets.join(", ")
        );
        if self.random.chance(20) {
            let by = self.expression(Kind::Int, &scope, true);
            sql.push_str(&format!(" ORDER BY {}", by.sql));
        }
        (sql, columns)
    }

    /// With GROUP BY, or aggregates over all.
    fn grouped(&mut self, from: &str, scope: &Scope, filter: &str) -> (String, Vec<Column>) {
        let is_plain = std::mem::replace(&mut self.is_plain, true);
        let saved = self.depth;
        self.depth = self.depth.min(1);
        let by = self.leaf(Kind::Text, scope, true);
        let text = self.expression(Kind::Text, scope, false);
        let json = self.expression(Kind::Json, scope, false);
        let big = self.expression(Kind::Big, scope, false);
        let order = self.leaf(Kind::Int, scope, true).sql;
        let kept = self.condition(scope).sql;
        self.is_plain = is_plain;
        self.depth = saved;
        let all: [(Kind, String, &Expression); 8] = [
            (Kind::Text, format!("string_agg({}, ',')", text.sql), &text),
            (
                Kind::Text,
                format!("string_agg({}, ',' ORDER BY {order})", text.sql),
                &text,
            ),
            (
                Kind::Text,
                format!("max({}) FILTER (WHERE {kept})", text.sql),
                &text,
            ),
            (Kind::Texts, format!("array_agg({})", text.sql), &text),
            (
                Kind::Json,
                format!("jsonb_agg({} ORDER BY {order})", json.sql),
                &json,
            ),
            (
                Kind::Json,
                format!("jsonb_object_agg({order}, {})", text.sql),
                &text,
            ),
            (Kind::Number, format!("sum({})", big.sql), &big),
            (Kind::Text, format!("joined({})", text.sql), &text),
        ];
        let mut targets = vec![format!("{} AS g", by.sql)];
        let mut columns = vec![Column::new("g", Kind::Text, by.is_secret)];
        for number in 0..=self.random.below(2) {
            let (kind, sql, value) = self.random.one_of(&all);
            let name = format!("a{number}");
            targets.push(format!("{sql} AS {name}"));
            columns.push(Column::new(&name, *kind, value.is_secret));
        }
        let (targets, group) = match self.random.below(4) {
            0 => {
                columns.remove(0);
                (targets[1..].join(", "), String::new())
            }
            1 => (targets.join(", "), " GROUP BY 1".to_owned()),
            2 => (targets.join(", "), format!(" GROUP BY ROLLUP ({})", by.sql)),
            _ => (targets.join(", "), format!(" GROUP BY {}", by.sql)),
        };
        (
            format!("SELECT {targets} FROM {from}{filter}{group}"),
            columns,
        )
    }
}
