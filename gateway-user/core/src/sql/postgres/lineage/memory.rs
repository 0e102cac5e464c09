//! `Memory`: what was traced before with a catalog, and the masks of relations; and how a text is traced
//! together with those that stand behind it.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pg_query::ParserOptions;

use super::apart::Here;
use super::catalog::Relation;
use super::identifiers::are_certain;
use super::tracer::Tracer;
use super::value::Fields;
use super::{Masked, Statement, Trace};
use crate::mask::{Kind, Mask};
use crate::sql::postgres::bounds::readable;
use crate::sql::postgres::stack::{deep, shallow};
use crate::sql::postgres::{ESCAPING, Encoding, SearchPath, Session, Strings};

/// Most traces of statements that are kept; all are dropped when there are more.
const MAX_TRACES: usize = 1_024;

/// Longest text of a statement whose trace is kept.
const MAX_KEPT: usize = 16 * 1024;

/// Most texts behind others that are kept: definitions of views, bodies of functions.
const MAX_BEHIND: usize = 8_192;

/// Most levels of views and functions behind a statement.
const MAX_LEVELS: usize = 32;

/// How far foreign keys are followed.
const MAX_REFERENCES: usize = 8;

/// How far up and down a family of tables goes.
const MAX_FAMILY: usize = 100_000;

/// A text and where its names are looked for.
pub(super) type Key = (Box<str>, SearchPath);

/// What is known of a text.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// What its statements do.
    pub(super) trace: Arc<Trace>,
    /// What each of them returns.
    pub(super) rows: Arc<[Fields]>,
}

type MasksOf = Arc<[Option<Arc<Mask>>]>;

/// What was found out before.
#[derive(Debug, Default)]
pub(super) struct Memory {
    traces: Mutex<HashMap<Key, Arc<Trace>>>,
    behind: Mutex<HashMap<Key, Arc<Known>>>,
    masks: Mutex<HashMap<u32, MasksOf>>,
    spares: OnceLock<bool>,
}

impl Memory {
    /// What is known of a text behind others.
    pub(super) fn behind(&self, key: &Key) -> Option<Arc<Known>> {
        let behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        behind.get(key).cloned()
    }

    fn keep_behind(&self, key: Key, known: Arc<Known>) {
        let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
        if behind.len() < MAX_BEHIND {
            behind.insert(key, known);
        }
    }
}

impl Known {
    /// One statement of which nothing can be told.
    fn unknown() -> Self {
        let statements = [Statement::unknown()].into();
        Self {
            trace: Arc::new(Trace {
                text: None,
                statements,
                missing: false,
            }),
            rows: [Fields::unknown()].into(),
        }
    }
}

impl Masked {
    /// The trace of a text, from memory if it is there.
    pub(super) fn remembered(
        self: &Arc<Self>,
        text: &[u8],
        session: &Session,
        here: &Here,
    ) -> Arc<Trace> {
        let certain = |text: &&str| are_certain(text, session);
        let Some(text) = readable(text, session).filter(certain) else {
            return Known::unknown().trace;
        };
        let options = match session.strings {
            Strings::Standard => ParserOptions::DEFAULT,
            Strings::Escaping => ESCAPING,
            // Only a backslash makes a difference.
            Strings::Uncertain if text.contains('\\') => return Known::unknown().trace,
            Strings::Uncertain => ParserOptions::DEFAULT,
        };
        let is_usual = session.strings == Strings::Standard
            && session.database == Encoding::Utf8
            && here.is_empty();
        let kept = is_usual && text.len() <= MAX_KEPT;
        let key = (Box::from(text), session.search_path.clone());
        if kept {
            let traces = self.memory.traces.lock();
            if let Some(trace) = traces.unwrap_or_else(PoisonError::into_inner).get(&key) {
                return Arc::clone(trace);
            }
        }
        let mut texts = MAX_BEHIND;
        let trace = self
            .settled(&key, (options, here), &mut Vec::new(), &mut texts)
            .trace;
        if kept {
            let traces = self.memory.traces.lock();
            let mut traces = traces.unwrap_or_else(PoisonError::into_inner);
            if traces.len() >= MAX_TRACES {
                traces.clear();
            }
            traces.insert(key, Arc::clone(&trace));
        }
        trace
    }

    /// Of which types the columns are that each statement of a text returns, by number; 0 where that is not known.
    pub fn types(self: &Arc<Self>, text: &str, session: &Session) -> Vec<Vec<u32>> {
        let key = (Box::from(text), session.search_path.clone());
        let plainly = (ParserOptions::DEFAULT, &Here::default());
        let known = self.settled(&key, plainly, &mut Vec::new(), &mut MAX_BEHIND.clone());
        let types = |fields: &Fields| fields.list.iter().map(|field| field.value.ty).collect();
        known.rows.iter().map(types).collect()
    }

    /// What a text does, once all that stands behind it is known. What stands behind itself, or too far
    /// behind, stays unknown.
    fn settled(
        self: &Arc<Self>,
        key: &Key,
        (options, here): (ParserOptions, &Here),
        above: &mut Vec<Key>,
        texts: &mut usize,
    ) -> Known {
        let (mut known, mut needed) = self.once(key, options, here);
        // What is behind is the same each time, but for what could not be seen before.
        for _ in 0..MAX_LEVELS {
            let mut found = false;
            above.push(key.clone());
            for need in needed {
                let ended = above.len() > MAX_LEVELS || *texts == 0 || above.contains(&need);
                if ended || self.memory.behind(&need).is_some() {
                    continue;
                }
                *texts -= 1;
                let plainly = (ParserOptions::DEFAULT, &Here::default());
                let known = self.settled(&need, plainly, above, texts);
                self.memory.keep_behind(need, Arc::new(known));
                found = true;
            }
            above.pop();
            if !found {
                break;
            }
            (known, needed) = self.once(key, options, here);
        }
        known
    }

    /// Traces a text with what is known now, where the stack suffices.
    fn once(self: &Arc<Self>, key: &Key, options: ParserOptions, here: &Here) -> (Known, Vec<Key>) {
        let traced = match shallow(key.0.as_bytes()) {
            true => {
                let traced = catch_unwind(AssertUnwindSafe(|| self.traced(key, options, here)));
                traced.unwrap_or_default()
            }
            false => {
                let (masked, key, here) = (Arc::clone(self), key.clone(), here.clone());
                deep(move || masked.traced(&key, options, &here))
            }
        };
        traced.unwrap_or_else(|| (Known::unknown(), Vec::new()))
    }

    fn traced(
        &self,
        (text, path): &Key,
        options: ParserOptions,
        here: &Here,
    ) -> Option<(Known, Vec<Key>)> {
        let kept = (options == ParserOptions::DEFAULT).then_some(&**text);
        let options = options | ParserOptions::DISABLE_ESCAPE_STRING_WARNING;
        let parsed = pg_query::parse(text, options).ok()?;
        let tracer = Tracer::new(self, path).beside(here);
        Some(tracer.trace(&parsed.protobuf.stmts, kept))
    }

    /// The masks of a relation's columns, in their order: a column that is masked in a table is masked in
    /// all that it inherits from and that inherit from it, and where a foreign key refers to it. Where they
    /// do not agree, it is masked fully.
    pub(super) fn masks_of(&self, relation: &Relation) -> MasksOf {
        let lock = || {
            self.memory
                .masks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(masks) = lock().get(&relation.oid) {
            return Arc::clone(masks);
        }
        let family = self.family(relation);
        let columns = relation.columns.iter().map(|column| {
            let mut masks: Vec<Arc<Mask>> = Vec::new();
            for member in &family {
                let mut same = member
                    .columns
                    .iter()
                    .filter(|other| other.name == column.name);
                let mask = same.next().and_then(|other| {
                    let name = format!("{}.{}.{}", member.schema, member.name, other.name);
                    let ty = self.catalog.ty(other.ty).map_or("", |ty| &ty.name);
                    self.masks.of_column(&name, ty)
                });
                let mask = mask.or_else(|| self.referred(member, &column.name));
                if let Some(mask) = mask
                    && !masks.iter().any(|known| Arc::ptr_eq(known, mask))
                {
                    masks.push(Arc::clone(mask));
                }
            }
            match &*masks {
                [] => None,
                [mask] => Some(Arc::clone(mask)),
                [first, ..] => Some(Arc::new(Mask {
                    kind: Kind::Full,
                    json: Vec::new(),
                    within: None,
                    ..Mask::clone(first)
                })),
            }
        });
        let masks: MasksOf = columns.collect();
        lock().insert(relation.oid, Arc::clone(&masks));
        masks
    }

    /// The mask of the column to which one refers by a foreign key, if that has one by its own name; and so
    /// on.
    fn referred(&self, relation: &Relation, column: &str) -> Option<&Arc<Mask>> {
        let mut at = (relation, column);
        for _ in 0..MAX_REFERENCES {
            let column = at.0.columns.iter().find(|it| *it.name == *at.1)?;
            let mut references = at.0.references.iter();
            let reference = references.find(|it| it.column == column.number)?;
            let to = self.catalog.relation(reference.relation)?;
            let mut columns = to.columns.iter();
            let there = columns.find(|it| it.number == reference.referred)?;
            let name = format!("{}.{}.{}", to.schema, to.name, there.name);
            let ty = self.catalog.ty(there.ty).map_or("", |ty| &ty.name);
            if let Some(mask) = self.masks.of_column(&name, ty) {
                return Some(mask);
            }
            at = (to, &there.name);
        }
        None
    }

    /// A relation, all that it inherits from and all that inherit from it.
    fn family<'m>(&'m self, relation: &'m Relation) -> Vec<&'m Relation> {
        let mut family = vec![relation];
        let mut seen = std::collections::HashSet::from([relation.oid]);
        let mut up: Vec<u32> = relation.parents.to_vec();
        while let Some(parent) = up.pop() {
            if seen.len() < MAX_FAMILY
                && seen.insert(parent)
                && let Some(parent) = self.catalog.relation(parent)
            {
                family.push(parent);
                up.extend(&parent.parents);
            }
        }
        let mut down = self.catalog.children(relation.oid).to_vec();
        while let Some(child) = down.pop() {
            if seen.len() < MAX_FAMILY
                && seen.insert(child)
                && let Some(known) = self.catalog.relation(child)
            {
                family.push(known);
                down.extend(self.catalog.children(child));
            }
        }
        family
    }

    /// Whether no relation that is built in has a masked column: then no view that is built in shows one.
    pub(super) fn spares_built_in(&self) -> bool {
        *self.memory.spares.get_or_init(|| {
            let built_in = |relation: &&Relation| {
                matches!(&*relation.schema, "pg_catalog" | "information_schema")
            };
            let mut relations = self.catalog.relations().filter(built_in);
            relations.all(|relation| self.masks_of(relation).iter().all(Option::is_none))
        })
    }
}
