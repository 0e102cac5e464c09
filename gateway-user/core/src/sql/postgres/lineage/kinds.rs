//! Types: what is known of them by their numbers, and which values the server alone writes.
//!
//! INVARIANT: a type is claimed only where the server is sure to give that very one; 0 is said of all else, and
//! what is of no known type fits nowhere. `tests/facts/kinds.rs` compares with a server.

use super::catalog::{FIRST_OWN, TypeKind};
use super::tracer::Tracer;
use super::value::Value;

pub(super) const BOOL: u32 = 16;
pub(super) const BYTEA: u32 = 17;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT4: u32 = 23;
pub(super) const TEXT: u32 = 25;
pub(super) const JSON: u32 = 114;
pub(super) const XML: u32 = 142;
const CIDR: u32 = 650;
pub(super) const FLOAT4: u32 = 700;
pub(super) const FLOAT8: u32 = 701;
/// Of what is written in quotes, and NULL: it becomes what the others are, or fails whatever they hold.
pub(super) const UNKNOWN: u32 = 705;
pub(super) const MONEY: u32 = 790;
const MACADDR: u32 = 829;
pub(super) const INET: u32 = 869;
pub(super) const BPCHAR: u32 = 1_042;
pub(super) const VARCHAR: u32 = 1_043;
pub(super) const DATE: u32 = 1_082;
pub(super) const TIME: u32 = 1_083;
pub(super) const TIMESTAMP: u32 = 1_114;
pub(super) const TIMESTAMPTZ: u32 = 1_184;
pub(super) const INTERVAL: u32 = 1_186;
pub(super) const TIMETZ: u32 = 1_266;
pub(super) const BIT: u32 = 1_560;
pub(super) const VARBIT: u32 = 1_562;
pub(super) const NUMERIC: u32 = 1_700;
pub(super) const UUID: u32 = 2_950;
pub(super) const TSVECTOR: u32 = 3_614;
pub(super) const JSONB: u32 = 3_802;

/// The first number of a type that is none of those with the same number everywhere; below it are no domains.
const FIRST_MADE: u32 = 10_000;

/// How deep types in types are followed.
const MAX_DEPTH: u32 = 8;

/// Types to which every value can be brought, by their names.
pub(super) const TEXTS: [(&str, u32); 4] = [
    ("bpchar", BPCHAR),
    ("name", NAME),
    ("text", TEXT),
    ("varchar", VARCHAR),
];

/// From which numbers to which there is always a way.
const WIDER: [(u32, &[u32]); 3] = [
    (INT2, &[INT4, INT8, NUMERIC, FLOAT8]),
    (INT4, &[INT8, NUMERIC, FLOAT8]),
    (INT8, &[NUMERIC, FLOAT8]),
];

/// Ranges and multiranges of the server.
const RANGES: [u32; 12] = [
    3_904, 3_906, 3_908, 3_910, 3_912, 3_926, 4_451, 4_532, 4_533, 4_534, 4_535, 4_536,
];

/// Types that become texts where they are put beside one by `||`.
const GLUED: [u32; 20] = [
    BOOL,
    INT8,
    INT2,
    INT4,
    JSON,
    XML,
    CIDR,
    FLOAT4,
    FLOAT8,
    MONEY,
    MACADDR,
    INET,
    DATE,
    TIME,
    TIMESTAMP,
    TIMESTAMPTZ,
    INTERVAL,
    TIMETZ,
    NUMERIC,
    UUID,
];

/// Types whose values have no collation.
const PLAIN: [u32; 3] = [BYTEA, BIT, JSONB];

/// What is at one side of `||`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A text.
    Text,
    /// What is written in quotes.
    Literal,
    /// What becomes a text beside one.
    Glued,
    /// Bytes.
    Bytes,
    /// A document that has been read.
    Document,
    /// Anything else.
    Other,
}

impl Tracer<'_> {
    fn kind(&self, ty: u32) -> Option<TypeKind> {
        self.catalog().ty(ty).map(|ty| ty.kind)
    }

    /// The type that a domain is made of in the end.
    pub(super) fn base(&self, ty: u32) -> u32 {
        let mut ty = ty;
        for _ in 0..MAX_DEPTH {
            match self.kind(ty) {
                Some(TypeKind::Domain(base, _)) => ty = base,
                _ => return ty,
            }
        }
        0
    }

    /// Whether a value is of a type that is no array, row or the like: masked fully, all values are the same.
    pub(super) fn is_single(&self, value: &Value) -> bool {
        let ty = self.base(value.ty);
        match self.kind(ty) {
            // Of bits there are as many as before.
            Some(TypeKind::Base) => ty < FIRST_OWN && !matches!(ty, BIT | VARBIT),
            Some(TypeKind::Enum) => true,
            _ => false,
        }
    }

    pub(super) fn is_enum(&self, ty: u32) -> bool {
        self.kind(ty) == Some(TypeKind::Enum)
    }

    /// Whether the server alone writes a value as a text; `documents` says whether there may be `json` in it,
    /// which is read only when something is taken out of it, and may fail then.
    pub(super) fn is_shown(&self, value: &Value, documents: bool) -> bool {
        self.steps(1);
        match &value.fields {
            Some(fields) => {
                let mut fields = (!fields.open).then_some(&fields.list).into_iter();
                fields.any(|list| list.iter().all(|it| self.is_shown(&it.value, documents)))
            }
            None => self.is_shown_type(value.ty, documents, 0),
        }
    }

    fn is_shown_type(&self, ty: u32, documents: bool, depth: u32) -> bool {
        self.steps(1);
        let inner = |ty| depth < MAX_DEPTH && self.is_shown_type(ty, documents, depth + 1);
        match self.kind(ty) {
            _ if ty == UNKNOWN => true,
            Some(TypeKind::Base) => ty < FIRST_OWN && (documents || ty != JSON),
            Some(TypeKind::Enum) => true,
            Some(TypeKind::Array(of) | TypeKind::Domain(of, _)) => inner(of),
            Some(TypeKind::Composite(relation)) => {
                let relation = self.catalog().relation(relation);
                relation.is_some_and(|it| it.columns.iter().all(|column| inner(column.ty)))
            }
            Some(TypeKind::Other) => RANGES.contains(&ty),
            None => false,
        }
    }

    /// Whether it is a type of arrays that the server alone writes.
    pub(super) fn is_shown_array(&self, ty: u32) -> bool {
        matches!(self.kind(ty), Some(TypeKind::Array(_))) && self.is_shown_type(ty, true, 0)
    }

    /// The type of arrays of a type, of an array that itself; 0 if it is not known.
    pub(super) fn array_of(&self, ty: u32) -> u32 {
        match self.kind(ty) {
            _ if ty == UNKNOWN => self.array_of(TEXT),
            Some(TypeKind::Array(_)) => ty,
            Some(TypeKind::Base | TypeKind::Enum) => {
                let name = self.catalog().ty(ty).map_or("", |ty| &ty.name);
                let name = format!("_{name}");
                let mut named = self.catalog().types_named(&name);
                let of = |kind: TypeKind| kind == TypeKind::Array(ty);
                named.find(|array| of(array.kind)).map_or(0, |it| it.oid)
            }
            _ => 0,
        }
    }

    /// The type of a part of an array, 0 if it is not known. One slice makes slices of all steps.
    pub(super) fn part(&self, array: u32, slice: bool) -> u32 {
        match self.kind(array) {
            Some(TypeKind::Array(_)) if slice => array,
            Some(TypeKind::Array(of)) => of,
            _ if array == JSONB && !slice => JSONB,
            _ => 0,
        }
    }

    /// A type, unless it is a domain, of which polymorphic functions make what is below it, or not.
    pub(super) fn certain(&self, ty: u32) -> u32 {
        match self.kind(ty) {
            Some(TypeKind::Base | TypeKind::Enum | TypeKind::Array(_)) if ty != UNKNOWN => ty,
            _ => 0,
        }
    }

    /// What a value is beside another one at `||`.
    pub(super) fn side(&self, value: &Value) -> Side {
        match self.base(value.ty) {
            UNKNOWN => Side::Literal,
            BYTEA => Side::Bytes,
            JSONB => Side::Document,
            ty if is_text(ty) => Side::Text,
            ty if GLUED.contains(&ty) || self.is_enum(ty) => Side::Glued,
            _ => Side::Other,
        }
    }

    /// Whether values of a type have no collation that decides how they are compared.
    pub(super) fn is_without_collation(&self, ty: u32) -> bool {
        GLUED.contains(&ty) || PLAIN.contains(&ty) || self.is_enum(ty)
    }
}

/// The type that both are brought to, in this order; 0 if it is not known.
pub(super) fn common(one: u32, other: u32) -> u32 {
    match (one, other) {
        _ if one == other => one,
        // A domain becomes what is below it.
        (UNKNOWN, known) | (known, UNKNOWN) if known < FIRST_MADE => known,
        (VARCHAR | BPCHAR, NAME) => NAME,
        _ if is_text(one) && is_text(other) => one,
        _ if wider(one, other) => other,
        _ if wider(other, one) => one,
        _ => 0,
    }
}

/// The type of what stands alone, which is a text where nothing else is said of it.
pub(super) fn alone(ty: u32) -> u32 {
    match ty {
        UNKNOWN => TEXT,
        ty => ty,
    }
}

pub(super) fn is_text(ty: u32) -> bool {
    TEXTS.iter().any(|(_, known)| *known == ty)
}

pub(super) fn is_json(ty: u32) -> bool {
    matches!(ty, JSON | JSONB)
}

pub(super) fn is_whole(ty: u32) -> bool {
    matches!(ty, INT2 | INT4 | INT8)
}

/// Whether every number of a type is one of another.
pub(super) fn wider(from: u32, to: u32) -> bool {
    let mut known = WIDER.iter();
    known.any(|(it, others)| *it == from && others.contains(&to))
}
