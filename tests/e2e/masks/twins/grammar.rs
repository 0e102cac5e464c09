//! The generator: its state, and what stands in FROM.

use std::fmt::Write as _;

use super::expressions::{Scope, Source};
use super::random::Random;
use super::tables::{Column, KINDS, Kind, sources};

type Returning = (
    &'static str,
    &'static [Kind],
    &'static [(&'static str, Kind)],
);

/// What gives rows: how it is written, by `$` for its name; what it is given, and its columns.
const RETURNING_ROWS: [Returning; 8] = [
    (
        "unnest(_) WITH ORDINALITY AS $ (u, id)",
        &[Kind::Texts],
        &[("u", Kind::Text)],
    ),
    (
        "jsonb_to_record(_) AS $ (email text, id int, a text, f1 text)",
        &[Kind::Json],
        &[
            ("email", Kind::Text),
            ("id", Kind::Int),
            ("a", Kind::Text),
            ("f1", Kind::Text),
        ],
    ),
    (
        "regexp_split_to_table(_, '@') AS $ (u)",
        &[Kind::Text],
        &[("u", Kind::Text)],
    ),
    (
        "(VALUES (_, _), (_, _)) AS $ (v, id)",
        &[Kind::Text, Kind::Int],
        &[("v", Kind::Text), ("id", Kind::Int)],
    ),
    (
        "(VALUES (_, _), (_, _)) AS $",
        &[Kind::Text, Kind::Int],
        &[("column1", Kind::Text), ("column2", Kind::Int)],
    ),
    (
        "ROWS FROM (unnest(_), generate_series(1, 2)) AS $ (u, id)",
        &[Kind::Texts],
        &[("u", Kind::Text), ("id", Kind::Int)],
    ),
    ("same(_) AS $ (s)", &[Kind::Text], &[("s", Kind::Text)]),
    (
        "jsonb_each_text(_) AS $ (key, value)",
        &[Kind::Json],
        &[("value", Kind::Text)],
    ),
];

pub(super) struct Grammar {
    pub(super) random: Random,
    /// How much deeper expressions and queries may still be nested.
    pub(super) depth: usize,
    /// Where windows and aggregates may not stand.
    pub(super) is_plain: bool,
    /// Names by WITH, and their columns.
    pub(super) named: Vec<(String, Vec<Column>)>,
    /// So many names were made.
    names: usize,
    sources: Vec<(&'static str, Vec<Column>)>,
}

impl Grammar {
    pub(super) fn new(seed: u64) -> Grammar {
        Grammar {
            random: Random::new(seed),
            depth: 3,
            is_plain: false,
            named: Vec::new(),
            names: 0,
            sources: sources(),
        }
    }

    /// A name that is nowhere else. Names of columns come again on purpose.
    pub(super) fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    pub(super) fn column_name(&mut self) -> String {
        let names = ["a", "b", "c", "id", "name", "email", "note", "f1"];
        (*self.random.one_of(&names)).to_owned()
    }

    pub(super) fn kind(&mut self) -> Kind {
        if self.random.chance(50) {
            return Kind::Text;
        }
        *self.random.one_of(&KINDS)
    }

    /// What stands in FROM, and what can be named by it. `outer` can be named within, laterally.
    pub(super) fn from(&mut self, outer: &Scope) -> (String, Scope) {
        let (mut sql, mut scope) = self.item(outer);
        let more = [0, 0, 0, 1, 1, 2][self.random.below(6)];
        for _ in 0..more {
            let mut within = scope.clone();
            within.extend(outer.iter().cloned());
            let (next, sources) = self.item(&within);
            let has_id = |scope: &Scope| {
                let ids = scope
                    .iter()
                    .flat_map(|it| &it.columns)
                    .filter(|it| it.name == "id");
                ids.count() == 1
            };
            if has_id(&scope) && has_id(&sources) && self.random.chance(30) {
                let join = *self.random.one_of(&["JOIN", "LEFT JOIN", "FULL JOIN"]);
                sql = format!("{sql} {join} {next} USING (id)");
                if self.random.chance(30) {
                    let alias = self.name();
                    let _ = write!(sql, " AS {alias}");
                    scope.push(Source {
                        alias,
                        columns: vec![Column::new("id", Kind::Int, false)],
                    });
                }
                scope.extend(sources);
                continue;
            }
            scope.extend(sources);
            match self.random.below(4) {
                0 => sql = format!("{sql} CROSS JOIN {next}"),
                1 => {
                    let on = self.condition(&scope).sql;
                    sql = format!("{sql} LEFT JOIN {next} ON {on}");
                }
                2 => {
                    let on = self.condition(&scope).sql;
                    sql = format!("{sql} JOIN {next} ON {on}");
                }
                _ => sql = format!("{sql}, {next}"),
            }
        }
        if more > 0 && self.random.chance(10) {
            return self.joined(&sql, scope);
        }
        (sql, scope)
    }

    /// A whole join by a name of its own, all of its columns renamed.
    fn joined(&mut self, sql: &str, scope: Scope) -> (String, Scope) {
        if sql.contains(" USING ") || sql.contains(", ") {
            return (sql.to_owned(), scope);
        }
        let alias = self.name();
        (
            format!("({sql}) AS {alias}"),
            vec![Source {
                alias,
                columns: Vec::new(),
            }],
        )
    }

    fn item(&mut self, outer: &Scope) -> (String, Scope) {
        let alias = self.name();
        if self.depth > 0 && self.random.chance(40) {
            self.depth -= 1;
            let saved = (self.is_plain, self.named.len());
            self.is_plain = false;
            let made = self.derived(&alias, outer);
            self.is_plain = saved.0;
            self.named.truncate(saved.1);
            self.depth += 1;
            return made;
        }
        if !self.named.is_empty() && self.random.chance(50) {
            let (name, columns) = self.random.clone().one_of(&self.named).clone();
            return self.renamed(&name, &alias, columns);
        }
        let (name, columns) = self.random.one_of(&self.sources).clone();
        self.renamed(name, &alias, columns)
    }

    /// By an alias, some with names for the first columns.
    fn renamed(&mut self, name: &str, alias: &str, mut columns: Vec<Column>) -> (String, Scope) {
        let list = if !columns.is_empty()
            && self.random.chance(15)
            && name != "listed()"
            && !name.contains("everybody")
        {
            // Columns whose type is not told apart come last in `columns`, but not in the table: only
            // what comes before these is renamed.
            let end = 1 + self.random.below(columns.len().min(3));
            for column in &mut columns[..end] {
                column.name = format!("{}_{}", column.name, alias);
            }
            let names: Vec<&str> = columns[..end].iter().map(|it| it.name.as_str()).collect();
            format!(" ({})", names.join(", "))
        } else {
            String::new()
        };
        let sql = format!("{name} AS {alias}{list}");
        (
            sql,
            vec![Source {
                alias: alias.to_owned(),
                columns,
            }],
        )
    }

    /// A subquery, VALUES, or a function that returns rows.
    fn derived(&mut self, alias: &str, outer: &Scope) -> (String, Scope) {
        let is_lateral = self.random.chance(40);
        let visible = if is_lateral {
            outer.clone()
        } else {
            Vec::new()
        };
        let lateral = if is_lateral { "LATERAL " } else { "" };
        let (sql, columns) = if self.random.chance(55) {
            let (query, mut columns) = self.query(&visible, None);
            let mut sql = format!("({query}) AS {alias}");
            if self.random.chance(30) && !columns.is_empty() {
                for (number, column) in columns.iter_mut().enumerate() {
                    column.name = format!("r{number}");
                }
                let names: Vec<&str> = columns.iter().map(|it| it.name.as_str()).collect();
                let _ = write!(sql, " ({})", names.join(", "));
            }
            (sql, columns)
        } else {
            let (template, kinds, returned) = *self.random.one_of(&RETURNING_ROWS);
            self.is_plain = true;
            let made = self.filled(template, kinds, &visible, false);
            let columns = returned
                .iter()
                .map(|(name, kind)| Column::new(name, *kind, made.is_secret));
            (made.sql.replace('$', alias), columns.collect())
        };
        let source = Source {
            alias: alias.to_owned(),
            columns,
        };
        (format!("{lateral}{sql}"), vec![source])
    }
}
