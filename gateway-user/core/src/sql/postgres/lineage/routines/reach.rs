//! `shown`: the masks of the columns whose values a relation shows; and sets of masks.

use crate::ids::MaskName;
use crate::sql::postgres::SearchPath;
use crate::sql::postgres::lineage::catalog::{Relation, RelationKind};
use crate::sql::postgres::lineage::samples::{self, Telling};
use crate::sql::postgres::lineage::tracer::Tracer;
use crate::sql::postgres::lineage::{Masks, Output, Outputs, Statement};

/// None if a relation shows nothing that is masked.
pub(in super::super) fn shown(tracer: &Tracer, relation: &Relation) -> Option<Masks> {
    // Whatever is in those of `pg_toast` is part of what is elsewhere.
    let is_toast = relation.schema.starts_with("pg_toast");
    if !is_toast && samples::of(relation) != Telling::Nothing {
        return Some(Masks::Unknown);
    }
    let columns = 0..relation.columns.len();
    let own = columns.filter_map(|place| tracer.mask(relation, place));
    let own = Masks::Known(own.map(|mask| mask.name.clone()).collect());
    let inherited = match relation.kind {
        RelationKind::View | RelationKind::Materialized => defined(tracer, relation),
        RelationKind::Table | RelationKind::Foreign | RelationKind::Other => Masks::default(),
    };
    some(union(own, inherited))
}

/// What the query of a view shows.
fn defined(tracer: &Tracer, relation: &Relation) -> Masks {
    // Such a text has its names qualified.
    let trace = relation
        .definition
        .as_deref()
        .and_then(|text| tracer.text(text, &SearchPath::of([])));
    match trace {
        Some(trace) if !trace.missing => {
            let masks = trace.statements.iter().map(all);
            masks.fold(Masks::default(), union)
        }
        _ => Masks::Unknown,
    }
}

/// Every mask that a statement has to do with, whatever it does with it.
pub(in super::super) fn all(statement: &Statement) -> Masks {
    let seen = union(statement.probed.clone(), statement.copied.clone());
    union(seen, returned(&statement.outputs))
}

/// The masks of what is returned.
pub(in super::super) fn returned(outputs: &Outputs) -> Masks {
    let Outputs::Columns(columns) = outputs else {
        return match outputs {
            Outputs::Unknown => Masks::Unknown,
            Outputs::Clean | Outputs::Columns(_) => Masks::default(),
        };
    };
    let masks = columns.iter().map(|output| match output {
        Output::Clean => Masks::default(),
        Output::Copy(mask) => Masks::Known(vec![mask.name.clone()]),
        Output::Full => Masks::Unknown,
    });
    masks.fold(Masks::default(), union)
}

/// Both, each once.
pub(in super::super) fn union(one: Masks, other: Masks) -> Masks {
    let (Masks::Known(mut one), Masks::Known(other)) = (one, other) else {
        return Masks::Unknown;
    };
    one.extend(other);
    one.sort();
    one.dedup();
    Masks::Known(one)
}

fn some(masks: Masks) -> Option<Masks> {
    (masks != Masks::Known(Vec::<MaskName>::new())).then_some(masks)
}
