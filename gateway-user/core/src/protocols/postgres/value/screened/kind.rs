//! What is looked at in values of a type. Only what the server has built in is known, so that no catalog
//! is needed.

use super::super::class::Scalar;

/// How values of a type are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Not at all: nothing that is looked for is written so.
    Plain,
    Text,
    Xml,
    Json,
    Jsonb,
    Integer(Scalar),
    Numeric,
    /// The address of a host.
    Host(Scalar),
    Bytea,
    /// Elements of this type.
    Array(u32),
    /// By the shape it has.
    Unknown,
}

/// `src/include/catalog/pg_type.dat`
pub(super) fn of(ty: u32) -> Type {
    match ty {
        // `bool`, floating point, times, `uuid`, `macaddr`, `money`, bits, geometry, and numbers of the
        // server's own.
        16
        | 700
        | 701
        | 1082
        | 1083
        | 1114
        | 1184
        | 1186
        | 1266
        | 2950
        | 829
        | 774
        | 790
        | 1560
        | 1562
        | 600..=604
        | 628
        | 718
        | 27..=29
        | 3220
        | 5069
        | 2970
        | 2278 => Type::Plain,
        // `text`, `varchar`, `bpchar`, `name`, `"char"`, `unknown`, `cstring`, `refcursor`.
        25 | 1043 | 1042 | 19 | 18 | 705 | 2275 | 1790 => Type::Text,
        142 => Type::Xml,
        114 => Type::Json,
        3802 => Type::Jsonb,
        20 => Type::Integer(Scalar::Int8),
        21 => Type::Integer(Scalar::Int2),
        23 => Type::Integer(Scalar::Int4),
        26 => Type::Integer(Scalar::Oid),
        1700 => Type::Numeric,
        869 => Type::Host(Scalar::Inet),
        650 => Type::Host(Scalar::Cidr),
        17 => Type::Bytea,
        other => match element(other) {
            Some(element) if of(element) == Type::Plain => Type::Plain,
            Some(element) => Type::Array(element),
            None => Type::Unknown,
        },
    }
}

/// Of what a type is an array.
fn element(array: u32) -> Option<u32> {
    Some(match array {
        1000 => 16,
        1001 => 17,
        1002 => 18,
        1003 => 19,
        1005 => 21,
        1007 => 23,
        1009 => 25,
        1014 => 1042,
        1015 => 1043,
        1016 => 20,
        1021 => 700,
        1022 => 701,
        1028 => 26,
        1041 => 869,
        1115 => 1114,
        1182 => 1082,
        1183 => 1083,
        1185 => 1184,
        1187 => 1186,
        1231 => 1700,
        1263 => 2275,
        1270 => 1266,
        143 => 142,
        199 => 114,
        2201 => 1790,
        2951 => 2950,
        3807 => 3802,
        651 => 650,
        791 => 790,
        _ => return None,
    })
}
