//! `Scope`: what names mean at one place of a query, as the server has it.
//!
//! A name of a column is looked for in every level before it may be the row of a relation.

use std::sync::Arc;

use pg_query::protobuf;

use super::Masks;
use super::tracer::Tracer;
use super::value::{Field, Fields, Value};

/// Columns that every table has, which hold nothing of its rows.
const SYSTEM: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// One level of names.
#[derive(Debug, Default)]
pub(super) struct Scope<'s> {
    /// The level around it.
    pub(super) outer: Option<&'s Scope<'s>>,
    /// What is in `FROM`.
    pub(super) items: Vec<Item>,
    /// Common table expressions.
    pub(super) ctes: Vec<Cte>,
    /// Windows, and the masks of what they go by.
    pub(super) windows: Vec<(Arc<str>, Masks)>,
}

/// A common table expression.
#[derive(Clone, Debug)]
pub(super) struct Cte {
    pub(super) name: Arc<str>,
    pub(super) fields: Fields,
    /// Whether it has columns by `SEARCH` or `CYCLE`, which a `*` of its own level alone stands for.
    pub(super) is_longer: bool,
}

impl Cte {
    /// That of this text with these columns.
    pub(super) fn of(cte: &protobuf::CommonTableExpr, fields: Fields) -> Self {
        Self {
            name: cte.ctename.as_str().into(),
            fields,
            is_longer: cte.search_clause.is_some() || cte.cycle_clause.is_some(),
        }
    }
}

/// Something in `FROM`.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// By what name it goes; none if it has none.
    pub(super) name: Option<Arc<str>>,
    /// Its columns.
    pub(super) fields: Fields,
    /// Whether its columns can be named without it.
    pub(super) bare: bool,
}

impl Item {
    /// One of this name.
    pub(super) fn new(name: Option<&str>, fields: Fields) -> Self {
        Self {
            name: name.map(Into::into),
            fields,
            bare: true,
        }
    }
}

impl<'s> Scope<'s> {
    /// A level in another.
    pub(super) fn within(outer: &'s Scope<'s>, items: Vec<Item>) -> Self {
        Self {
            outer: Some(outer),
            items,
            ..Self::default()
        }
    }

    fn levels(&self) -> impl Iterator<Item = &Scope<'s>> {
        let mut next = Some(self);
        std::iter::from_fn(move || {
            let level = next?;
            next = level.outer;
            Some(level)
        })
    }

    /// The common table expression of this name.
    pub(super) fn cte(&self, tracer: &Tracer, name: &str) -> Option<Fields> {
        self.levels().enumerate().find_map(|(up, level)| {
            tracer.steps(level.ctes.len());
            let mut ctes = level.ctes.iter().rev();
            let cte = ctes.find(|cte| *cte.name == *name)?;
            let mut fields = cte.fields.clone();
            fields.open |= cte.is_longer && up > 0;
            Some(fields)
        })
    }

    /// The masks of what a window goes by.
    pub(super) fn window(&self, name: &str) -> Masks {
        let mut windows = self.windows.iter();
        match windows.find(|(known, _)| **known == *name) {
            Some((_, masks)) => masks.clone(),
            None => Masks::Unknown,
        }
    }

    /// The column of a name without a relation.
    pub(super) fn column(&self, tracer: &Tracer, name: &str) -> Option<Value> {
        self.levels()
            .find_map(|level| level.own_column(tracer, name))
    }

    /// The same of this level alone.
    pub(super) fn own_column(&self, tracer: &Tracer, name: &str) -> Option<Value> {
        tracer.steps(self.items.len());
        let bare = self.items.iter().filter(|item| item.bare);
        let known = bare.clone().filter(|item| !item.fields.open);
        let found = pick(known.filter_map(|item| item.fields.named(name)));
        let open = || pick(bare.filter_map(|item| item.fields.named(name)));
        let field = found.or_else(open)?;
        tracer.read(&field);
        Some(tracer.doubted(None, name, field.value))
    }

    /// The columns of the relation of this name in the next level that has one, or in all of them.
    pub(super) fn relation(&self, tracer: &Tracer, name: &str, everywhere: bool) -> Option<Fields> {
        let mut found: Option<Fields> = None;
        for level in self.levels() {
            tracer.steps(level.items.len());
            for item in &level.items {
                if item.name.as_deref() == Some(name) {
                    found = Some(match found {
                        None => item.fields.clone(),
                        Some(other) => merged(&other, &item.fields),
                    });
                }
            }
            if found.is_some() && !everywhere {
                break;
            }
        }
        found
    }

    /// What a reference of these names means.
    pub(super) fn value(&self, tracer: &Tracer, names: &[&str]) -> Value {
        match names {
            [name] => {
                let row = || Some(tracer.row(self.relation(tracer, name, false)?));
                let system = || SYSTEM.contains(name).then(Value::clean);
                let found = self.column(tracer, name).or_else(row).or_else(system);
                found.map_or_else(|| tracer.lost(), |value| tracer.doubted(None, name, value))
            }
            [schema @ .., relation, name] => {
                match self.relation(tracer, relation, !schema.is_empty()) {
                    Some(fields) => {
                        let value = select(tracer, &fields, name);
                        tracer.doubted(Some(relation), name, value)
                    }
                    None => tracer.lost(),
                }
            }
            [] => tracer.lost(),
        }
    }
}

/// The column of this name of a row; where there is none, what a function of this name makes of the row.
pub(super) fn select(tracer: &Tracer, fields: &Fields, name: &str) -> Value {
    if let Some(field) = fields.named(name) {
        tracer.read(&field);
        field.value
    } else if SYSTEM.contains(&name) {
        Value::clean()
    } else {
        tracer.of_row(name, tracer.row(fields.clone()))
    }
}

/// One of several that a name may mean.
fn pick(fields: impl Iterator<Item = Field>) -> Option<Field> {
    fields.reduce(|one, other| Field {
        value: one.value.either(&other.value),
        source: None,
        ..one
    })
}

/// One or the other relation, by the names of their columns.
pub(super) fn merged(one: &Fields, other: &Fields) -> Fields {
    let name = |field: &Field| field.name.clone();
    if one.list.iter().map(name).eq(other.list.iter().map(name)) {
        let mut both = one.either(other);
        both.open |= one.open || other.open;
        return both;
    }
    let mut list = Vec::new();
    for (here, there) in [(one, other), (other, one)] {
        for field in here.list.iter() {
            let twin = field.name.as_deref().and_then(|name| there.named(name));
            list.push(Field {
                value: twin.map_or_else(
                    || field.value.clone(),
                    |twin| field.value.either(&twin.value),
                ),
                source: None,
                name: field.name.clone(),
            });
        }
    }
    Fields {
        list: list.into(),
        open: true,
    }
}
