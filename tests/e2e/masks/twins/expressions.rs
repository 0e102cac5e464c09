//! Expressions by chance.

use super::grammar::Grammar;
use super::tables::{Column, KINDS, Kind};

/// The text of an expression, and whether it reads something masked.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    pub(super) sql: String,
    pub(super) is_secret: bool,
}

/// One relation that can be named.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) alias: String,
    pub(super) columns: Vec<Column>,
}

pub(super) type Scope = Vec<Source>;

/// What texts are made of one text by.
const OF_TEXT: [&str; 27] = [
    "upper(_)",
    "lower(_)",
    "left(_, 3)",
    "right(_, 2)",
    "substr(_, 2, 3)",
    "md5(_)",
    "reverse(_)",
    "_ || 'x'",
    "'x' || _",
    "concat(_, 1)",
    "concat_ws('-', 'a', _)",
    "format('%s', _)",
    "quote_literal(_)",
    "initcap(_)",
    "trim(_)",
    "split_part(_, '@', 1)",
    "(_)::varchar",
    "CAST(_ AS char(3))",
    "same(_)",
    "shout(_)",
    "shout(t => _)",
    "encode(convert_to(_, 'UTF8'), 'hex')",
    "replace(_, 'e', 'x')",
    "overlay(_ placing 'x' from 1)",
    "(_) COLLATE \"C\"",
    "to_json(_)::text",
    "xmlforest(_ AS a)::text",
];

impl Grammar {
    /// An expression of a kind over what can be named. With `is_open`, of what is not masked alone.
    pub(super) fn expression(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        if self.depth == 0 || self.random.chance(35) {
            return self.leaf(kind, scope, is_open);
        }
        self.depth -= 1;
        let made = match self.random.below(10) {
            0 | 1 => self.chosen(kind, scope, is_open),
            2 => self.subselect(kind, scope, is_open),
            3 => self.window(kind, scope, is_open),
            4 => self.cast(kind, scope, is_open),
            _ => self.of_kind(kind, scope, is_open),
        };
        self.depth += 1;
        made
    }

    /// A column, or a constant where there is none.
    pub(super) fn leaf(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        let mut found = Vec::new();
        for source in scope {
            for column in &source.columns {
                if column.kind == kind && !(is_open && column.is_secret) {
                    found.push((source, column));
                }
            }
        }
        if found.is_empty() || self.random.chance(10) {
            let sql = *self.random.one_of(match kind {
                Kind::Text => &["'a'", "'x@y.example'", "NULL::text", "''"],
                Kind::Int => &["1", "0", "2", "NULL::int"],
                Kind::Big => &["1::int8", "4929000000000000", "NULL::int8"],
                Kind::Number => &["1.5", "0.0", "NULL::numeric"],
                Kind::Date => &["DATE '2001-02-03'", "NULL::date"],
                Kind::Json => &["'{\"a\": 1}'::jsonb", "'[]'::jsonb", "NULL::jsonb"],
                Kind::Texts => &["'{a,b}'::text[]", "ARRAY['x']", "NULL::text[]"],
            });
            return Expression {
                sql: sql.to_owned(),
                is_secret: false,
            };
        }
        // What is masked is what this is about.
        let secret: Vec<_> = found
            .iter()
            .filter(|(_, it)| it.is_secret)
            .copied()
            .collect();
        if !secret.is_empty() && self.random.chance(60) {
            found = secret;
        }
        let (source, column) = *self.random.one_of(&found);
        let (alias, name) = (&source.alias, &column.name);
        let sql = match self.random.below(12) {
            0 => format!("({alias}).{name}"),
            1 => format!("{name}({alias})"),
            2 | 3 => name.clone(),
            4 => format!("({alias}.{name})"),
            _ => format!("{alias}.{name}"),
        };
        Expression {
            sql,
            is_secret: column.is_secret,
        }
    }

    /// What a template makes of expressions: each `_` is one of its kind.
    pub(super) fn filled(
        &mut self,
        template: &str,
        kinds: &[Kind],
        scope: &Scope,
        is_open: bool,
    ) -> Expression {
        let mut sql = String::new();
        let mut is_secret = false;
        let mut kinds = kinds.iter().cycle();
        for part in template.split_inclusive('_') {
            let Some(text) = part.strip_suffix('_').filter(|it| !ends_in_word(it)) else {
                sql.push_str(part);
                continue;
            };
            sql.push_str(text);
            let inner = self.expression(*kinds.next().unwrap(), scope, is_open);
            sql.push_str(&inner.sql);
            is_secret |= inner.is_secret;
        }
        Expression { sql, is_secret }
    }

    /// CASE, coalesce and their like.
    fn chosen(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        let condition = self.condition(scope);
        let template = match self.random.below(9) {
            0 => "coalesce(_, _)",
            1 => "greatest(_, _)",
            2 => "(ARRAY[_, _])[1]",
            3 => "nullif(_, _)",
            4 => "(VALUES (_))",
            5 => "(SELECT _)",
            6 => "(SELECT z FROM (VALUES (_), (_)) AS v (z) LIMIT 1)",
            7 if kind == Kind::Text => "same(_)",
            _ => "CASE WHEN ? THEN _ ELSE _ END",
        };
        if template == "nullif(_, _)" && !self.random.chance(20) {
            return self.leaf(kind, scope, is_open);
        }
        let mut made = self.filled(template, &[kind], scope, is_open);
        made.is_secret |= made.sql.contains('?') && condition.is_secret;
        made.sql = made.sql.replacen('?', &condition.sql, 1);
        made
    }

    /// A scalar subselect.
    fn subselect(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        let (from, mut inner) = self.from(scope);
        let own = inner.len();
        inner.extend(scope.iter().cloned());
        let value = self.expression(kind, &inner, is_open);
        let filter = self.filter(&inner);
        let (sql, value) = match (self.random.below(4), kind) {
            (0, Kind::Text) => (
                format!(
                    "(SELECT string_agg({}, ',') FROM {from}{filter})",
                    value.sql
                ),
                value,
            ),
            (0 | 1, Kind::Texts) => {
                let text = self.expression(Kind::Text, &inner, is_open);
                (
                    format!("ARRAY(SELECT {} FROM {from}{filter})", text.sql),
                    text,
                )
            }
            (0, Kind::Json) => (
                format!("(SELECT jsonb_agg({}) FROM {from}{filter})", value.sql),
                value,
            ),
            (1, Kind::Json) => {
                let alias = inner[self.random.below(own)].alias.clone();
                let sql = format!("(SELECT to_jsonb({alias}) FROM {from}{filter} LIMIT 1)");
                (
                    sql,
                    Expression {
                        is_secret: true,
                        ..value
                    },
                )
            }
            (0, Kind::Int | Kind::Big) => (
                format!("(SELECT max({}) FROM {from}{filter})", value.sql),
                value,
            ),
            _ => (
                format!("(SELECT {} FROM {from}{filter} LIMIT 1)", value.sql),
                value,
            ),
        };
        Expression {
            sql,
            is_secret: value.is_secret,
        }
    }

    fn window(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        if self.is_plain {
            return self.leaf(kind, scope, is_open);
        }
        let value = self.expression(kind, scope, is_open);
        let by = self.leaf(Kind::Int, scope, true);
        let function =
            *self
                .random
                .one_of(&["lag", "lead", "first_value", "last_value", "max", "min"]);
        let function = if kind == Kind::Json {
            "first_value"
        } else {
            function
        };
        Expression {
            sql: format!("{function}({}) OVER (ORDER BY {})", value.sql, by.sql),
            is_secret: value.is_secret,
        }
    }

    /// Something of another kind, cast.
    fn cast(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        let other = match kind {
            Kind::Text => *self.random.one_of(&KINDS),
            Kind::Big | Kind::Number => Kind::Int,
            _ => kind,
        };
        let value = self.expression(other, scope, is_open);
        let name = kind.name();
        let sql = if self.random.chance(50) {
            format!("({})::{name}", value.sql)
        } else {
            format!("CAST({} AS {name})", value.sql)
        };
        Expression {
            sql,
            is_secret: value.is_secret,
        }
    }

    /// What gives this kind alone.
    fn of_kind(&mut self, kind: Kind, scope: &Scope, is_open: bool) -> Expression {
        let (template, kinds): (&str, &[Kind]) = match kind {
            Kind::Text => match self.random.below(9) {
                0 => ("(_)[1]", &[Kind::Texts]),
                1 => ("_ ->> 'a'", &[Kind::Json]),
                2 => ("_ #>> '{contact,email}'", &[Kind::Json]),
                3 => ("array_to_string(_, ',')", &[Kind::Texts]),
                4 => ("(_ || _)", &[Kind::Text]),
                5 => ("email_of(_)", &[Kind::Int]),
                6 => return self.of_row(scope),
                _ => (OF_TEXT[self.random.below(OF_TEXT.len())], &[Kind::Text]),
            },
            Kind::Int => match self.random.below(6) {
                0 => ("length(_)", &[Kind::Text]),
                1 => ("array_length(_, 1)", &[Kind::Texts]),
                2 => ("(_ + 1)", &[Kind::Int]),
                3 => ("twice(_)", &[Kind::Int]),
                4 => ("extract(year from _)::int", &[Kind::Date]),
                _ => ("strpos(_, '@')", &[Kind::Text]),
            },
            Kind::Big => match self.random.below(3) {
                0 => ("(_ + 1)", &[Kind::Big]),
                1 => ("(_ - _)", &[Kind::Big]),
                _ => ("abs(_)", &[Kind::Big]),
            },
            Kind::Number => match self.random.below(3) {
                0 => ("(_ * 2)", &[Kind::Number]),
                1 => ("round(_)", &[Kind::Number]),
                _ => ("(_)::numeric", &[Kind::Big]),
            },
            Kind::Date => match self.random.below(3) {
                0 => ("(_ + 1)", &[Kind::Date]),
                1 => ("date_trunc('month', _)::date", &[Kind::Date]),
                _ => ("make_date(2020, 1, 1 + _ % 20)", &[Kind::Int]),
            },
            Kind::Json => match self.random.below(8) {
                0 => ("to_jsonb(_)", &[Kind::Text]),
                1 => ("to_jsonb(_)", &[Kind::Texts]),
                2 => (
                    "jsonb_build_object('a', _, 'b', _)",
                    &[Kind::Text, Kind::Date],
                ),
                3 => ("jsonb_build_array(_, _)", &[Kind::Big, Kind::Text]),
                4 => ("(_ -> 'contact')", &[Kind::Json]),
                5 => ("(_ || '{\"z\": 1}')", &[Kind::Json]),
                6 => ("jsonb_set(_, '{a}', _)", &[Kind::Json]),
                _ => ("to_jsonb(ROW(_, _))", &[Kind::Text, Kind::Int]),
            },
            Kind::Texts => match self.random.below(9) {
                6 => ("(_ || _)", &[Kind::Text, Kind::Texts]),
                7 => ("(_ || ARRAY['z'])", &[Kind::Text]),
                8 => (
                    "(SELECT array_agg(z) FROM (VALUES (_), (_)) AS v (z))",
                    &[Kind::Text],
                ),
                0 => ("ARRAY[_, _]", &[Kind::Text]),
                1 => ("string_to_array(_, '@')", &[Kind::Text]),
                2 => ("(_)[1:1]", &[Kind::Texts]),
                3 => ("array_append(_, _)", &[Kind::Texts, Kind::Text]),
                4 => ("(_ || _)", &[Kind::Texts, Kind::Text]),
                _ => ("array_cat(_, _)", &[Kind::Texts]),
            },
        };
        self.filled(template, kinds, scope, is_open)
    }

    /// A whole row as a text.
    fn of_row(&mut self, scope: &Scope) -> Expression {
        let Some(source) = scope.get(self.random.below(scope.len().max(1))) else {
            return self.leaf(Kind::Text, scope, true);
        };
        let alias = &source.alias;
        let sql = match self.random.below(5) {
            0 => format!("{alias}::text"),
            1 => format!("ROW({alias}.*)::text"),
            2 => format!("row_to_json({alias})::text"),
            3 => format!("to_jsonb({alias}) ->> 'email'"),
            _ => format!("(SELECT json_agg({alias})::text)"),
        };
        Expression {
            sql,
            is_secret: source.columns.iter().any(|column| column.is_secret),
        }
    }

    /// A condition, seldom over what is masked.
    pub(super) fn condition(&mut self, scope: &Scope) -> Expression {
        let is_open = !self.random.chance(6);
        let saved = (self.depth, self.is_plain);
        self.depth = self.depth.min(1);
        self.is_plain = true;
        let made = match self.random.below(9) {
            0 => self.filled("_ > _", &[Kind::Int], scope, is_open),
            1 => self.filled("_ = _", &[Kind::Text], scope, is_open),
            2 => self.filled("_ LIKE 'A%'", &[Kind::Text], scope, is_open),
            3 => self.filled("_ IN (1, 2, _)", &[Kind::Int], scope, is_open),
            4 => self.filled(
                "_ IS NULL",
                &[*self.random.clone().one_of(&KINDS)],
                scope,
                false,
            ),
            5 => self.filled("NOT _ < _", &[Kind::Date], scope, is_open),
            6 if self.depth > 0 => {
                let (from, inner) = self.from(scope);
                let filter = self.filter(&inner);
                Expression {
                    sql: format!("EXISTS (SELECT FROM {from}{filter})"),
                    is_secret: false,
                }
            }
            _ => Expression {
                sql: "true".to_owned(),
                is_secret: false,
            },
        };
        (self.depth, self.is_plain) = saved;
        made
    }

    /// WHERE, or nothing.
    pub(super) fn filter(&mut self, scope: &Scope) -> String {
        if self.random.chance(60) {
            return String::new();
        }
        format!(" WHERE {}", self.condition(scope).sql)
    }
}

/// Whether an underscore behind it would be part of a name.
fn ends_in_word(text: &str) -> bool {
    text.ends_with(|char: char| char.is_alphanumeric())
}
