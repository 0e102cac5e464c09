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

use pg_query::protobuf::{self, a_const::Val, node::Node};

use self::body::Body;
use super::catalog::{Function, Language, Relation, RelationKind, Type, TypeKind, Volatility};
use super::filled::Write;
use super::tracer::Tracer;
use super::{Code, Masks};
use crate::sql::postgres::walk::strings;

pub(super) use self::reach::{returned, shown, union};

/// Words of what writes to relations.
const WRITES: [&str; 5] = ["copy", "delete", "insert", "merge", "update"];

/// Most functions that one call is followed through.
const MAX_FUNCTIONS: usize = 200;

/// The type that functions of triggers return.
const TRIGGER: u32 = 2_279;

/// What rows a body reads by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Those of relations that the catalog has.
    Known,
    /// Those that a trigger is for, too: a name that no relation has is what `REFERENCING` calls them.
    OfTrigger,
}

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
        .filter(|function| may_be_in(schema, &function.schema))
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

/// What happens when a function of the server makes a value of a type that it is told by another: what that type
/// checks.
pub(super) fn typed(tracer: &Tracer, name: &[&str], args: &[protobuf::Node]) -> Call {
    let name = name.last().copied().unwrap_or_default();
    let fills = name.contains("populate_record");
    let reads = name.starts_with("pg_input_");
    let is_input = name.ends_with("_in") && !is_made(tracer, name);
    if !(fills || reads || is_input) {
        return Call::Pure;
    }
    let node = |place: usize| args.get(place).and_then(|arg| arg.node.as_ref());
    let call = match (node(0), node(1)) {
        (Some(Node::TypeCast(to)), _) if fills => to.type_name.as_ref().map(|to| cast(tracer, to)),
        (_, Some(Node::AConst(to))) if reads => match &to.val {
            Some(Val::Sval(to)) => {
                let types = types_named(tracer, None, &to.sval);
                (!types.is_empty()).then(|| worst_cast(types, tracer))
            }
            _ => None,
        },
        _ => None,
    };
    call.unwrap_or(Call::Keeps)
}

/// The schemas of the functions that a name may mean.
pub(super) fn in_path<'a>(tracer: &Tracer<'a>, name: &[&str]) -> impl Iterator<Item = &'a str> {
    let (schema, name) = match name {
        [.., schema, name] => (Some(*schema), *name),
        [name] => (None, *name),
        [] => (None, ""),
    };
    let named = tracer.catalog().functions_named(name).iter();
    let meant = named.filter(move |function| may_be_in(schema, &function.schema));
    meant.map(|function| &*function.schema)
}

/// Whether a function of this name was made which a name without a schema may mean.
pub(super) fn is_made(tracer: &Tracer, name: &str) -> bool {
    in_path(tracer, &[name]).any(|schema| schema != "pg_catalog")
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
pub(super) fn text(tracer: &Tracer, text: &str, itself: Option<&str>, rows: Rows) -> Call {
    let mut way = Way::default();
    let call = way.text(tracer, text, itself, rows);
    let call = call.and(way.end(tracer));
    if call == Call::Unknown {
        tracer.runs(Code::Opens);
    }
    call
}

/// What the functions of triggers do with rows of these relations; and whether they name other relations, of
/// which nothing is masked.
pub(super) fn triggered<'a>(
    tracer: &Tracer<'a>,
    functions: Vec<&'a Function>,
    on: &[&Relation],
) -> (Call, bool) {
    let mut way = Way::default();
    let (mut call, mut elsewhere) = (Call::Pure, false);
    for function in functions {
        // Each of them may do anything: what it does is what its text says.
        if built_in::changes_rows(function) || !way.seen.insert(function.oid) {
            continue;
        }
        tracer.runs(Code::Own);
        let Some(body) = &function.body else {
            return (Call::Unknown, true);
        };
        call = call.and(way.text(tracer, body, Some(&function.name), Rows::OfTrigger));
        let words = body::read(body).map(|body| body.words).unwrap_or_default();
        let named = words
            .iter()
            .flat_map(|word| tracer.catalog().relations_named(word));
        elsewhere |= named
            .filter(|it| !it.is_built_in() && it.kind != RelationKind::Other)
            .any(|it| !on.iter().any(|own| own.oid == it.oid) && shown(tracer, it).is_none());
    }
    (call.and(way.end(tracer)), elsewhere)
}

/// The words of an expression or a query of the catalog's, and what it does; none if it cannot be read.
pub(super) fn named_in(tracer: &Tracer, text: &str) -> Option<(BTreeSet<String>, Call)> {
    let words = body::read(text)?.words;
    Some((words, self::text(tracer, text, None, Rows::Known)))
}

/// Whether a body may make something that has a name, or change who may see what; or cannot be read.
pub(super) fn creates(text: &str) -> bool {
    const CREATE: [&str; 4] = ["create", "grant", "reassign", "revoke"];
    let body = body::read(text);
    body.is_none_or(|body| CREATE.iter().any(|word| body.words.contains(*word)))
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
    /// Whether something is written or kept on the way.
    keeps: bool,
    /// Whether something may be done many times, each of which may fail.
    repeats: bool,
    /// What is masked in relations into which rows are put.
    met: Masks,
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
        // Whether rows that are put somewhere are there already is told for as many as there are.
        if self.repeats && !self.met.is_empty() {
            call = call.and(Call::Reads(std::mem::take(&mut self.met)));
        }
        if call == Call::Unknown {
            tracer.runs(Code::Opens);
        }
        // What it reads and what it keeps may be the same.
        if let (Call::Reads(masks), true) = (&call, self.keeps) {
            tracer.copy(masks);
        }
        call
    }

    fn function(&mut self, tracer: &Tracer<'a>, function: &'a Function) -> Call {
        if is_constructor(tracer, function) {
            return Call::Pure;
        }
        if let Some(call) = built_in::known(function) {
            self.keeps |= call == Call::Keeps;
            if &*function.name == "set_config" {
                tracer.runs(Code::Sets);
            }
            if built_in::keeps_files(function) {
                tracer.copy(&Masks::Unknown);
            }
            return call;
        }
        if !function.parts.is_empty() {
            let mut parts = function.parts.iter();
            let parts: Option<Vec<_>> = parts
                .by_ref()
                .map(|it| tracer.catalog().function(*it))
                .collect();
            return match parts {
                Some(parts) => {
                    self.waiting.extend(parts);
                    Call::Pure
                }
                None => Call::Unknown,
            };
        }
        let Some(body) = &function.body else {
            return Call::Unknown;
        };
        tracer.runs(Code::Own);
        let rows = match function.returns {
            TRIGGER => Rows::OfTrigger,
            _ => Rows::Known,
        };
        let call = self.text(tracer, body, Some(&function.name), rows);
        match function.volatility {
            Volatility::Volatile => call.and(Call::Keeps),
            Volatility::Immutable | Volatility::Stable => call,
        }
    }

    /// What a text does by itself. The functions in it wait.
    fn text(&mut self, tracer: &Tracer<'a>, text: &str, itself: Option<&str>, rows: Rows) -> Call {
        let Some(body) = body::read(text) else {
            tracer.runs(Code::Opens);
            return Call::Unknown;
        };
        tracer.runs(body.code());
        let catalog = tracer.catalog();
        let is_there = |name: &String| {
            rows == Rows::OfTrigger || catalog.relations_named(name).next().is_some()
        };
        let is_known = |name: &String| {
            Some(&**name) == itself
                || is_there(name)
                || !catalog.functions_named(name).is_empty()
                || catalog.types_named(name).next().is_some()
        };
        if body.open || !body.read.iter().all(is_there) || !body.surely_called.iter().all(is_known)
        {
            tracer.runs(Code::Opens);
            return Call::Unknown;
        }
        // What a trigger puts somewhere is of one row, and its owner's choice.
        let returns_set = |name: &String| {
            let mut functions = catalog.functions_named(name).iter();
            functions.any(|function| function.returns_set)
        };
        let queries = ["merge", "select"]
            .iter()
            .any(|it| body.words.contains(*it));
        let puts_many = queries || body.called.iter().any(returns_set);
        self.repeats |= rows != Rows::OfTrigger && puts_many;
        self.names(tracer, &body)
    }

    fn names(&mut self, tracer: &Tracer<'a>, body: &Body) -> Call {
        let catalog = tracer.catalog();
        let mut call = Call::Pure;
        self.repeats |= body.repeats;
        let writes = WRITES.iter().any(|word| body.words.contains(*word));
        self.keeps |= writes;
        let fires = writes || body.words.contains("truncate");
        for word in &body.words {
            if !tracer.step() {
                return Call::Unknown;
            }
            for relation in catalog.relations_named(word) {
                match shown(tracer, relation) {
                    Some(masks) if body.filled.contains(word) => self.met.add(&masks),
                    Some(masks) => call = call.and(Call::Reads(masks)),
                    None => {}
                }
                if fires && !relation.is_built_in() {
                    call = call.and(self.written(tracer, relation));
                }
            }
            let types = catalog.types_named(word);
            call = types.fold(call, |call, ty| call.and(to_type(tracer, ty, 0)));
            // A column of such a type may be made.
            let mut types = catalog.types_named(word);
            if body.words.contains("create") && types.any(|ty| tracer.type_fills(ty)) {
                return Call::Unknown;
            }
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

    /// What happens when a relation is written beside that: what triggers do is what their texts say.
    fn written(&mut self, tracer: &Tracer<'a>, relation: &'a Relation) -> Call {
        let Some(affected) = tracer.affected(relation, Write::Any) else {
            return Call::Unknown;
        };
        let mut call = Call::Pure;
        for relation in affected {
            if relation.has_rules {
                return Call::Unknown;
            }
            for function in relation.triggers.iter().chain(&relation.emptied) {
                match tracer.catalog().function(*function) {
                    Some(function) if built_in::changes_rows(function) => {}
                    Some(function) if !self.seen.insert(function.oid) => {}
                    Some(function) if self.seen.len() <= MAX_FUNCTIONS => {
                        let Some(body) = &function.body else {
                            return Call::Unknown;
                        };
                        tracer.runs(Code::Own);
                        call = call.and(self.text(
                            tracer,
                            body,
                            Some(&function.name),
                            Rows::OfTrigger,
                        ));
                    }
                    Some(_) | None => return Call::Unknown,
                }
            }
            for column in &relation.columns {
                let value = tracer.default(column);
                if value.tainted() {
                    call = call.and(Call::Reads(value.masks));
                }
            }
        }
        call
    }
}

/// Whether the server has made a function along with a type, to make values of that type: of a range or of several.
fn is_constructor(tracer: &Tracer, function: &Function) -> bool {
    let mut types = tracer.catalog().types_named(&function.name);
    function.language == Language::Internal
        && !function.is_aggregate
        && types.any(|ty| {
            let is_its = ty.oid == function.returns && ty.schema == function.schema;
            is_its && ty.kind == TypeKind::Other
        })
}

/// Whether a function or type without a schema, or with this one, may be in `schema`. Without one it may be in
/// any: nobody tells when the search path changes where no text says so.
fn may_be_in(written: Option<&str>, schema: &str) -> bool {
    written.is_none_or(|written| written == schema)
}

fn types_named<'a>(tracer: &Tracer<'a>, schema: Option<&str>, name: &str) -> Vec<&'a Type> {
    let named = tracer.catalog().types_named(name);
    named
        .filter(|ty| {
            // A session's own types come before all others.
            let own = schema.is_none() && ty.schema.starts_with("pg_temp");
            own || may_be_in(schema, &ty.schema)
        })
        .collect()
}

fn worst_cast(types: Vec<&Type>, tracer: &Tracer) -> Call {
    if types.is_empty() {
        tracer.runs(Code::Opens);
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
        TypeKind::Domain(_, true) => {
            tracer.runs(Code::Sets);
            Call::Keeps
        }
        TypeKind::Composite(relation) => match tracer.catalog().relation(relation) {
            Some(relation) => {
                let columns = relation.columns.iter().map(|column| inner(column.ty));
                columns.fold(Call::Pure, Call::and)
            }
            None => Call::Unknown,
        },
    }
}
