//! `Named`: what a command names, and what of that shows masked columns or may do anything.

use pg_query::protobuf;

use super::fresh;
use crate::facts::{Name, Schema};
use crate::sql::postgres::lineage::filled::Write;
use crate::sql::postgres::lineage::routines::{Call, call, operator, shown, union};
use crate::sql::postgres::lineage::samples::{SET_CONFIG, measures};
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{Code, Masks, Statement};
use crate::sql::postgres::unit::{Setting, Unit};
use crate::sql::postgres::walk::{Seen, Walk, Walker};
use crate::sql::postgres::{Session, queries};

/// What a part of a statement names.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The masks of what the relations show that it names.
    pub(super) relations: Masks,
    /// What the functions and operators do that it names.
    pub(super) code: Masks,
    /// Whether a call in it sets what tells of values, or may.
    pub(super) measures: bool,
}

impl Named {
    /// In a statement.
    pub(super) fn in_statement(tracer: &Tracer, node: &protobuf::Node) -> Self {
        Self::in_walk(tracer, |walker| queries::statement(node, walker))
    }

    /// In other parts.
    pub(super) fn in_parts(tracer: &Tracer, parts: &impl Walk) -> Self {
        Self::in_walk(tracer, |walker| {
            walker.unit(Unit::new("create", "ddl"), |walker| parts.walk(walker));
        })
    }

    fn in_walk(tracer: &Tracer, walk: impl FnOnce(&mut Walker)) -> Self {
        let unknown = Self {
            relations: Masks::Unknown,
            code: Masks::Unknown,
            measures: true,
        };
        let Some((units, code)) = units(tracer, walk) else {
            return unknown;
        };
        let mut named = Self::default();
        for unit in &units {
            named.relations = match unit.tables.known() {
                Some(tables) => {
                    let masks = tables.iter().map(|name| of_relation(tracer, name));
                    masks.fold(named.relations, union)
                }
                None => Masks::Unknown,
            };
            named.code = match unit.functions.known() {
                Some(functions) => {
                    let calls = functions.iter().map(|name| of_function(tracer, name));
                    calls.fold(named.code, |code, call| union(code, told(call)))
                }
                None => Masks::Unknown,
            };
            named.measures |= match &unit.setting {
                Setting::None => false,
                Setting::Name(name) => measures(Some(name), None),
                Setting::Unknown => true,
            };
        }
        named.code = union(named.code, code);
        named
    }

    /// Both.
    pub(super) fn all(&self) -> Masks {
        union(self.relations.clone(), self.code.clone())
    }

    /// A statement that touches what is named and keeps nothing of it.
    pub(super) fn touched(&self) -> Statement {
        Statement {
            touches: !is_none(&self.all()),
            probed: match self.measures {
                true => Masks::Unknown,
                false => Masks::default(),
            },
            ..Statement::default()
        }
    }

    /// A statement that changes what is named, or what it means.
    pub(super) fn changed(&self) -> Statement {
        Statement {
            copied: self.all(),
            ..self.touched()
        }
    }
}

/// What a walk comes by; none if that is too much.
pub(super) fn walked(tracer: &Tracer, walk: impl FnOnce(&mut Walker)) -> Option<(Vec<Unit>, Seen)> {
    let session = Session {
        search_path: tracer.path.clone(),
        ..Session::default()
    };
    let mut walker = Walker::new(&session, 1);
    walker.watch();
    walker.top(walk);
    let seen = walker.take_seen().unwrap_or_default();
    Some((walker.finish(1)?.units, seen))
}

/// What a walk comes by, and what the operators tell that are used on the way; none if that is too much.
fn units(tracer: &Tracer, walk: impl FnOnce(&mut Walker)) -> Option<(Vec<Unit>, Masks)> {
    let (units, seen) = walked(tracer, walk)?;
    let operators = seen.operators.iter();
    let operators = operators.map(|name| operator(tracer, &[name.as_str()]));
    // `t.f` may be the call `f(t)`.
    let is_function = |name: &&String| !tracer.catalog().functions_named(name).is_empty();
    let fields = seen.fields.iter().filter(is_function);
    let fields = fields.map(|name| call(tracer, &[name.as_str()]));
    let calls = operators.chain(fields);
    let code = calls.fold(Masks::default(), |code, call| union(code, told(call)));
    Some((units, code))
}

/// Whether a statement names nothing that shows or tells anything masked, and nothing unknown but what the
/// transaction has made. What it writes besides is in the tracer's effects.
pub(in super::super) fn names_apart(tracer: &Tracer, node: &protobuf::Node) -> bool {
    let fresh = fresh(node, Code::Servers, tracer);
    let makes = fresh.as_ref().map(|it| &*it.name);
    let Some((units, code)) = units(tracer, |walker| queries::statement(node, walker)) else {
        return false;
    };
    is_none(&code)
        && units.iter().all(|unit| {
            let known = (
                unit.tables.known(),
                unit.writes.known(),
                unit.functions.known(),
            );
            let (Some(tables), Some(writes), Some(functions)) = known else {
                return false;
            };
            tables.iter().all(|name| shows_nothing(tracer, name, makes))
                && writes.iter().all(|it| keeps_apart(tracer, it, makes))
                && functions.iter().all(|name| {
                    // Some settings tell of values.
                    &*name.name != SET_CONFIG && is_none(&told(of_function(tracer, name)))
                })
        })
}

/// Whether whatever is meant by a name shows nothing masked, or is what is made.
fn shows_nothing(tracer: &Tracer, name: &Name, makes: Option<&str>) -> bool {
    let mut meant = tracer.catalog().relations_named(&name.name).peekable();
    match meant.peek() {
        None if makes == Some(&*name.name) => true,
        None => {
            if !tracer.here.has_table(&name.name) {
                tracer.runs(Code::Opens);
            }
            tracer.here.has(&name.name)
        }
        Some(_) => meant.all(|relation| {
            let is_ruled = relation.has_rules && !relation.is_built_in();
            !is_ruled && shown(tracer, relation).is_none()
        }),
    }
}

/// Whether writing to whatever a statement names, beside what it makes, does no more than that: nothing masked
/// is in it or put there, and nobody's code is called.
pub(super) fn all_apart(tracer: &Tracer, node: &protobuf::Node, makes: &str) -> bool {
    let Some((units, _)) = walked(tracer, |walker| queries::statement(node, walker)) else {
        return false;
    };
    let mut units = units.iter();
    let (is_apart, effects) = tracer.aside(|| {
        units.all(|unit| match unit.tables.known() {
            Some(tables) => tables.iter().all(|it| keeps_apart(tracer, it, Some(makes))),
            None => false,
        })
    });
    let is_free = effects.code == Code::Servers && effects.copied.is_empty();
    is_apart && is_free && !effects.touches
}

/// Whether writing what is meant by a name puts nothing masked anywhere by defaults, or is what makes it. What
/// triggers do is in the tracer's effects.
fn keeps_apart(tracer: &Tracer, name: &Name, makes: Option<&str>) -> bool {
    let mut meant = tracer.catalog().relations_named(&name.name).peekable();
    if meant.peek().is_none() {
        return tracer.here.has_table(&name.name) || makes == Some(&*name.name);
    }
    meant.all(|relation| {
        tracer.fires(relation, Write::Any);
        let affected = tracer.affected(relation, Write::Any);
        affected.is_some_and(|affected| {
            affected.iter().all(|it| {
                let mut columns = it.columns.iter();
                shown(tracer, it).is_none() && columns.all(|it| !tracer.default(it).tainted())
            })
        })
    })
}

/// Whether these are no masks.
pub(super) fn is_none(masks: &Masks) -> bool {
    matches!(masks, Masks::Known(masks) if masks.is_empty())
}

/// The masks of the columns that a call tells of.
pub(super) fn told(call: Call) -> Masks {
    match call {
        Call::Pure | Call::Keeps => Masks::default(),
        Call::Reads(masks) => masks,
        Call::Unknown => Masks::Unknown,
    }
}

fn of_relation(tracer: &Tracer, name: &Name) -> Masks {
    let meant = tracer.catalog().relations_named(&name.name);
    // A session's own relations come before all others.
    let meant = meant.filter(|relation| match &name.schema {
        Schema::In(schema) => *relation.schema == **schema,
        Schema::OneOf(schemas) => {
            schemas.contains(&relation.schema) || relation.schema.starts_with("pg_temp")
        }
        Schema::Any => true,
    });
    let masks = meant.filter_map(|relation| shown(tracer, relation));
    masks.fold(Masks::default(), union)
}

fn of_function(tracer: &Tracer, name: &Name) -> Call {
    match &name.schema {
        Schema::In(schema) => call(tracer, &[&**schema, &*name.name]),
        Schema::OneOf(_) | Schema::Any => call(tracer, &[&*name.name]),
    }
}
