//! What a type is, by its number: the built-in ones by heart, all others by the catalog.

use crate::sql::postgres::lineage::catalog::{Catalog, Column, TypeKind};

/// Domains over domains are followed so far.
const MAX_DOMAINS: usize = 32;

/// What a type is, domains resolved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Class<'a> {
    /// One that is in one piece.
    Scalar(Scalar),
    /// An array of this type.
    Array(u32),
    /// A row of these columns.
    Composite(&'a [Column]),
}

/// Types whose values are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int2,
    Int4,
    Int8,
    Oid,
    Float4,
    Float8,
    Numeric,
    Money,
    /// `text`, `varchar` and `name`.
    Text,
    /// `char(n)`, with blanks at its end that do not count.
    Bpchar,
    /// Of the extension, in which case does not count.
    Citext,
    /// `"char"`, a byte.
    Char,
    Xml,
    Bytea,
    Json,
    Jsonb,
    Uuid,
    Date,
    Time,
    Timetz,
    Timestamp,
    Timestamptz,
    Interval,
    Inet,
    Cidr,
    Macaddr,
    Macaddr8,
    Bit,
    Varbit,
}

/// What `ty` is; nothing if its values are not understood.
pub(super) fn of(mut ty: u32, catalog: &Catalog) -> Option<Class<'_>> {
    for _ in 0..MAX_DOMAINS {
        if let Some(scalar) = built_in(ty) {
            return Some(Class::Scalar(scalar));
        }
        let found = catalog.ty(ty)?;
        match found.kind {
            TypeKind::Domain(base, _) => ty = base,
            TypeKind::Array(element) => return Some(Class::Array(element)),
            TypeKind::Composite(relation) => {
                return Some(Class::Composite(&catalog.relation(relation)?.columns));
            }
            TypeKind::Base if &*found.name == "citext" => {
                return Some(Class::Scalar(Scalar::Citext));
            }
            TypeKind::Base | TypeKind::Enum | TypeKind::Other => return None,
        }
    }
    None
}

/// `src/include/catalog/pg_type.dat`
fn built_in(ty: u32) -> Option<Scalar> {
    Some(match ty {
        16 => Scalar::Bool,
        17 => Scalar::Bytea,
        18 => Scalar::Char,
        19 | 25 | 1043 => Scalar::Text,
        20 => Scalar::Int8,
        21 => Scalar::Int2,
        23 => Scalar::Int4,
        26 => Scalar::Oid,
        114 => Scalar::Json,
        142 => Scalar::Xml,
        650 => Scalar::Cidr,
        700 => Scalar::Float4,
        701 => Scalar::Float8,
        774 => Scalar::Macaddr8,
        790 => Scalar::Money,
        829 => Scalar::Macaddr,
        869 => Scalar::Inet,
        1042 => Scalar::Bpchar,
        1082 => Scalar::Date,
        1083 => Scalar::Time,
        1114 => Scalar::Timestamp,
        1184 => Scalar::Timestamptz,
        1186 => Scalar::Interval,
        1266 => Scalar::Timetz,
        1560 => Scalar::Bit,
        1562 => Scalar::Varbit,
        1700 => Scalar::Numeric,
        2950 => Scalar::Uuid,
        3802 => Scalar::Jsonb,
        _ => return None,
    })
}
