//! What is written beside what a statement says: defaults, generated columns, and what triggers do.
//!
//! Triggers fire on the relation that is written, on its partitions and children, on what stands behind a
//! view, and on relations whose rows follow by foreign keys. One that reads what is masked, keeps something,
//! or writes to relations of which nothing is masked may copy: then writing does.

use std::collections::BTreeSet;

use super::catalog::{Column, Filling, Reference, Relation, RelationKind, Type};
use super::routines::{Call, named_in, triggered};
use super::tracer::Tracer;
use super::value::Value;
use super::{Code, Masks};
use crate::sql::postgres::SearchPath;

/// Most relations that are written with one.
const MAX_WRITTEN: usize = 2_000;

/// In what way rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// New ones come.
    Insert,
    /// Those that are there change.
    Update,
    /// They go.
    Delete,
    /// All of them go at once.
    Truncate,
    /// And so do those of all tables that refer to it.
    TruncateCascade,
    /// Any of this.
    Any,
}

impl Write {
    /// Whether rows that refer to those by this key change as well.
    fn moves(self, key: &Reference) -> bool {
        match self {
            Self::Insert | Self::Truncate => false,
            Self::TruncateCascade => true,
            Self::Update => key.updates,
            Self::Delete => key.deletes,
            Self::Any => key.updates || key.deletes,
        }
    }
}

impl<'a> Tracer<'a> {
    /// What a column holds for which nothing is given.
    pub(super) fn default(&self, column: &Column) -> Value {
        let text = match &column.filling {
            // What is generated is judged where it is read.
            Filling::Given | Filling::Generated(_) => return Value::clean(),
            Filling::Default(None) => return self.lost(),
            Filling::Default(Some(text)) => text,
        };
        self.of_text(text)
    }

    /// Whether a type has a default that is made of something masked, or calls more than the server's functions.
    pub(super) fn type_fills(&self, ty: &Type) -> bool {
        let Some(text) = &ty.default else {
            return false;
        };
        let (value, effects) = self.aside(|| self.of_text(text));
        value.tainted() || effects.code != Code::Servers
    }

    fn of_text(&self, text: &str) -> Value {
        let Some(known) = self.known(&format!("SELECT {text}"), &SearchPath::of([])) else {
            return self.lost();
        };
        let ([statement], [fields]) = (&*known.trace.statements, &*known.rows) else {
            return self.lost();
        };
        if known.trace.missing {
            self.missing();
        }
        self.effects().touches |= statement.touches;
        self.copy(&statement.copied);
        self.runs(statement.code);
        fields.at(0)
    }

    /// What a generated column is made of, by the names in its expression; none if it is not generated.
    pub(super) fn generated(&self, relation: &Relation, column: &Column) -> Option<Value> {
        let Filling::Generated(text) = &column.filling else {
            return None;
        };
        let Some((words, call)) = text.as_deref().and_then(|text| named_in(self, text)) else {
            return Some(self.lost());
        };
        let masks = self.masked.masks_of(relation);
        let columns = relation.columns.iter().zip(masks.iter());
        let read = columns.filter(|(it, _)| words.contains(&*it.name));
        let read = read.map(|(it, mask)| Value::column(mask.clone(), it.ty));
        let read: Vec<Value> = read.collect();
        let mut value = Value::mixed(&read);
        if value.tainted() || call != Call::Pure {
            self.touch();
        }
        value = match call {
            Call::Pure | Call::Keeps => value,
            Call::Reads(masks) => value.computed(&masks),
            Call::Unknown => Value::unknown(),
        };
        Some(Value {
            ty: column.ty,
            ..value
        })
    }

    /// The relations that are written when one is; none if there are too many.
    pub(super) fn affected(
        &self,
        relation: &'a Relation,
        write: Write,
    ) -> Option<Vec<&'a Relation>> {
        let mut affected: Vec<&Relation> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut waiting = vec![relation];
        while let Some(relation) = waiting.pop() {
            if !seen.insert(relation.oid) {
                continue;
            }
            if affected.len() >= MAX_WRITTEN || !self.step() {
                return None;
            }
            affected.push(relation);
            let catalog = self.catalog();
            let mut next = catalog.children(relation.oid).to_vec();
            next.extend(catalog.followers(relation.oid).iter().filter(|oid| {
                let keys = catalog.relation(**oid).map(|it| it.references.iter());
                let mut keys = keys.into_iter().flatten();
                keys.any(|key| key.relation == relation.oid && write.moves(key))
            }));
            waiting.extend(next.into_iter().filter_map(|oid| catalog.relation(oid)));
            if relation.kind == RelationKind::View && !relation.is_built_in() {
                let (words, _) = named_in(self, relation.definition.as_deref()?)?;
                waiting.extend(words.iter().flat_map(|word| catalog.relations_named(word)));
            }
        }
        Some(affected)
    }

    /// A relation is written: what triggers do happens as well.
    pub(super) fn fires(&self, relation: &'a Relation, write: Write) {
        let Some(affected) = self.affected(relation, write) else {
            return self.lose();
        };
        let mut others = affected.iter().filter(|it| it.oid != relation.oid);
        if others.any(|it| it.has_rules) {
            return self.lose();
        }
        let mut functions = Vec::new();
        let called = |it: &&'a Relation| match write {
            Write::Truncate | Write::TruncateCascade => it.emptied.iter(),
            _ => it.triggers.iter(),
        };
        for oid in affected.iter().flat_map(called) {
            match self.catalog().function(*oid) {
                Some(function) => functions.push(function),
                None => return self.lose(),
            }
        }
        if functions.is_empty() {
            return;
        }
        let mut own = Masks::default();
        for relation in &affected {
            let masks = self.masked.masks_of(relation);
            for mask in masks.iter().flatten() {
                own.add(&Masks::Known(vec![mask.name.clone()]));
            }
        }
        let (call, elsewhere) = triggered(self, functions, &affected);
        if call == Call::Unknown {
            self.runs(Code::Opens);
        }
        let masks = match call {
            Call::Unknown => Masks::Unknown,
            Call::Reads(masks) => masks,
            Call::Keeps => own,
            Call::Pure if elsewhere => own,
            Call::Pure => return,
        };
        if !masks.is_empty() {
            self.touch();
            self.copy(&masks);
        }
    }
}
