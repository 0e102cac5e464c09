//! What functions, operators and casts do with what they are given: `call`, `operator`, `cast`; and what
//! code that a statement brings along does: `text`.
//!
//! `built_in` knows the functions of the server and of its extensions, `body` takes apart the text of
//! others, `reach` says what masked columns a relation shows. What is not known to be harmless is
//! `Unknown`.
//!
//! A function is as bad as the worst thing that any text names which it can come to: all of them are gone
//! through once, so it does not matter who calls whom.

mod body;
mod built_in;
mod reach;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeSet;

use pg_query::protobuf;

use self::body::Body;
use super::Masks;
use super::catalog::{Function, Type, TypeKind, Volatility};
use super::tracer::Tracer;
use crate::sql::postgres::SearchPath;
use crate::sql::postgres::walk::strings;

pub(super) use self::reach::{returned, shown, union};

/// Most functions that one call is followed through.
const MAX_FUNCTIONS: usize = 200;

/// What a function does with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Its value depends on its arguments only, and it does nothing else with them.
    Pure,
    /// Its value depends on its arguments only, but it may keep them, tell them or act on them.
    Keeps,
    /// As `Keeps`, and its value is made of columns with these masks too.
    Reads(Masks),
    /// Anything.
    Unknown,
}

impl Call {
    /// What one does that does both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Reads(one), Self::Reads(other)) => Self::Reads(union(one, other)),
            (Self::Reads(masks), _) | (_, Self::Reads(masks)) => Self::Reads(masks),
            (Self::Keeps, _) | (_, Self::Keeps) => Self::Keeps,
            (Self::Pure, Self::Pure) => Self::Pure,
        }
    }
}

/// What the function of this name does, whichever of that name is meant.
pub(super) fn call(tracer: &Tracer, name: &[&str]) -> Call {
    let (schema, name) = match name {
        [name] => (None, *name),
        [.., schema, name] => (Some(*schema), *name),
        [] => return Call::Unknown,
    };
    let named = tracer.catalog().functions_named(name).iter();
    let meant: Vec<_> = named
        .filter(|function| may_be_in(tracer, schema, &function.schema))
        .collect();
    if meant.is_empty() {
        // `date(x)` is a cast where no function has this name.
        let types = types_named(tracer, schema, name);
        if types.is_empty() {
            tracer.missing();
        }
        return worst_cast(types, tracer);
    }
    follow(tracer, meant)
}

/// What the operator of this name does.
pub(super) fn operator(tracer: &Tracer, name: &[&str]) -> Call {
    match name.last() {
        Some(name) => match behind(tracer, name) {
            Some(functions) => follow(tracer, functions),
            None => Call::Unknown,
        },
        None => Call::Unknown,
    }
}

/// What a cast to this type does.
pub(super) fn cast(tracer: &Tracer, ty: &protobuf::TypeName) -> Call {
    let types = match strings(&ty.names).as_deref() {
        _ if ty.pct_type => return Call::Unknown,
        Some([name]) => types_named(tracer, None, name),
        Some([.., schema, name]) => types_named(tracer, Some(schema), name),
        Some([]) | None => return Call::Unknown,
    };
    if types.is_empty() {
        tracer.missing();
    }
    worst_cast(types, tracer)
}

/// What code does that is given as text: the body of a function that is made, or a `DO` block.
pub(super) fn text(tracer: &Tracer, text: &str, itself: Option<&str>) -> Call {
    let mut way = Way::default();
    let call = way.text(tracer, text, itself);
    call.and(way.end(tracer))
}

/// The functions behind the operators of this name that are not built in.
fn behind<'a>(tracer: &Tracer<'a>, operator: &str) -> Option<Vec<&'a Function>> {
    let numbers = tracer.catalog().operators_named(operator).iter();
    numbers
        .map(|number| tracer.catalog().function(*number))
        .collect()
}

/// What any of these functions does.
fn follow<'a>(tracer: &Tracer<'a>, functions: Vec<&'a Function>) -> Call {
    let mut way = Way {
        waiting: functions,
        ..Way::default()
    };
    way.end(tracer)
}

/// Functions that a call may come to.
#[derive(Default)]
struct Way<'a> {
    waiting: Vec<&'a Function>,
    seen: BTreeSet<u32>,
}

impl<'a> Way<'a> {
    /// What all that wait do, and all that these come to.
    fn end(&mut self, tracer: &Tracer<'a>) -> Call {
        let mut call = Call::Pure;
        while let Some(function) = self.waiting.pop() {
            if !self.seen.insert(function.oid) {
                continue;
            }
            if self.seen.len() > MAX_FUNCTIONS || !tracer.step() {
                return Call::Unknown;
            }
            call = call.and(self.function(tracer, function));
            if call == Call::Unknown {
                break;
            }
        }
        call
    }

    fn function(&mut self, tracer: &Tracer<'a>, function: &'a Function) -> Call {
        if let Some(call) = built_in::known(function) {
            return call;
        }
        let Some(body) = &function.body else {
            return Call::Unknown;
        };
        let call = self.text(tracer, body, Some(&function.name));
        match function.volatility {
            Volatility::Volatile => call.and(Call::Keeps),
            Volatility::Immutable | Volatility::Stable => call,
        }
    }

    /// What a text does by itself. The functions in it wait.
    fn text(&mut self, tracer: &Tracer<'a>, text: &str, itself: Option<&str>) -> Call {
        let Some(body) = body::read(text) else {
            return Call::Unknown;
        };
        let catalog = tracer.catalog();
        let is_there = |name: &String| catalog.relations_named(name).next().is_some();
        let is_known = |name: &String| {
            Some(&**name) == itself
                || is_there(name)
                || !catalog.functions_named(name).is_empty()
                || catalog.types_named(name).next().is_some()
        };
        if body.open || !body.read.iter().all(is_there) || !body.surely_called.iter().all(is_known)
        {
            return Call::Unknown;
        }
        self.names(tracer, &body)
    }

    fn names(&mut self, tracer: &Tracer<'a>, body: &Body) -> Call {
        let catalog = tracer.catalog();
        let mut call = Call::Pure;
        for word in &body.words {
            if !tracer.step() {
                return Call::Unknown;
            }
            for relation in catalog.relations_named(word) {
                if let Some(masks) = shown(tracer, relation) {
                    call = call.and(Call::Reads(masks));
                }
            }
            let types = catalog.types_named(word);
            call = types.fold(call, |call, ty| call.and(to_type(tracer, ty, 0)));
        }
        for name in &body.called {
            self.waiting.extend(catalog.functions_named(name));
        }
        for operator in &body.operators {
            match behind(tracer, operator) {
                Some(functions) => self.waiting.extend(functions),
                None => return Call::Unknown,
            }
        }
        call
    }
}

/// Whether a function or type without a schema, or with this one, may be in `schema`.
fn may_be_in(tracer: &Tracer, written: Option<&str>, schema: &str) -> bool {
    match (written, tracer.path) {
        (Some(written), _) => written == schema,
        (None, SearchPath::Known(path)) => {
            schema == "pg_catalog" || path.iter().any(|known| **known == *schema)
        }
        (None, SearchPath::Unknown) => true,
    }
}

fn types_named<'a>(tracer: &Tracer<'a>, schema: Option<&str>, name: &str) -> Vec<&'a Type> {
    let named = tracer.catalog().types_named(name);
    named
        .filter(|ty| {
            // A session's own types come before all others.
            let own = schema.is_none() && ty.schema.starts_with("pg_temp");
            own || may_be_in(tracer, schema, &ty.schema)
        })
        .collect()
}

fn worst_cast(types: Vec<&Type>, tracer: &Tracer) -> Call {
    if types.is_empty() {
        return Call::Unknown;
    }
    let calls = types.into_iter().map(|ty| to_type(tracer, ty, 0));
    calls.fold(Call::Pure, Call::and)
}

/// Deepest nesting of types in types.
const MAX_TYPES: u32 = 8;

fn to_type(tracer: &Tracer, ty: &Type, depth: u32) -> Call {
    let inner = |ty: u32| match tracer.catalog().ty(ty) {
        Some(ty) if depth < MAX_TYPES && tracer.step() => to_type(tracer, ty, depth + 1),
        _ => Call::Unknown,
    };
    match ty.kind {
        TypeKind::Base | TypeKind::Enum | TypeKind::Other => Call::Pure,
        TypeKind::Array(of) | TypeKind::Domain(of, false) => inner(of),
        // What a constraint calls is not in the catalog.
        TypeKind::Domain(_, true) => Call::Keeps,
        TypeKind::Composite(relation) => match tracer.catalog().relation(relation) {
            Some(relation) => {
                let columns = relation.columns.iter().map(|column| inner(column.ty));
                columns.fold(Call::Pure, Call::and)
            }
            None => Call::Unknown,
        },
    }
}
