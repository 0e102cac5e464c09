//! Whatever a server sends as a value, of whatever type and in either format: what a mask makes of it is a
//! value of the same type again, which says no more than it may. A crash becomes a test in
//! `gateway-user/core/src/protocols/postgres/value/tests`.
//!
//! The input is the type, the format and the mask, a byte each, and then the value.
#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;
use gateway_core::ids::MaskName;
use gateway_core::mask::detect::{Look, What};
use gateway_core::mask::screen::{Memory, Part, Screen, Screening};
use gateway_core::mask::{Bucket, Kind, Mask, MaskKey, Otherwise, Partial, Selector};
use gateway_core::protocols::postgres::value::screened::{Screened, screen};
use gateway_core::protocols::postgres::value::{Done, Format, How, mask};
use gateway_core::sql::postgres::lineage::catalog::{
    Catalog, Column, Relation, RelationKind, Type, TypeKind,
};
use libfuzzer_sys::fuzz_target;

/// Types that are one value, built in and known by their number.
const SCALARS: [u32; 37] = [
    16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 194, 600, 650, 700, 701, 790, 829, 869, 1042,
    1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560, 1562, 1700, 2950, 3614, 3802, 3904, 774, 1009,
    1007,
];
/// Types of the catalog: a row, an array of such, a domain, an enumeration, one that is made of itself.
const OWN: [u32; 5] = [20_000, 20_001, 20_002, 20_003, 20_006];
/// What is left of any value of these under a full mask is the same.
const CONSTANT: [u32; 21] = [
    16, 17, 19, 20, 21, 23, 25, 26, 114, 142, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1700,
    2950, 3802,
];

static KEY: LazyLock<MaskKey> = LazyLock::new(|| MaskKey::new([7; 32]));
static CATALOG: LazyLock<Catalog> = LazyLock::new(catalog);
static SCREEN: LazyLock<Screen> = LazyLock::new(|| {
    let looks = What::ALL.map(|what| (what.name().into(), Look::For(what)));
    Screen::new(vec![Arc::new(Part {
        mask: MaskName::new("found"),
        looks: looks.into(),
        kind: Some(Kind::Full),
        otherwise: Otherwise::Null,
    })])
});

fn catalog() -> Catalog {
    let ty = |oid, name: &str, kind| Type {
        oid,
        schema: "s".into(),
        name: name.into(),
        kind,
        default: None,
    };
    let columns = [25, 23, 20_003, 1009].iter().zip(1..);
    let row = Relation {
        oid: 30_000,
        schema: "s".into(),
        name: "row".into(),
        kind: RelationKind::Other,
        columns: columns
            .map(|(ty, number)| Column {
                number,
                name: format!("c{number}").into(),
                ty: *ty,
                ..Column::default()
            })
            .collect(),
        definition: None,
        parents: [].into(),
        has_rules: false,
        triggers: [].into(),
        references: [].into(),
    };
    let types = vec![
        ty(1007, "_int4", TypeKind::Array(23)),
        ty(1009, "_text", TypeKind::Array(25)),
        ty(20_000, "row", TypeKind::Composite(30_000)),
        ty(20_001, "_row", TypeKind::Array(20_000)),
        ty(20_002, "zip", TypeKind::Domain(23, true)),
        ty(20_003, "mood", TypeKind::Enum),
        ty(20_006, "loop", TypeKind::Domain(20_006, false)),
    ];
    Catalog::new(vec![row], types, Vec::new(), Vec::new())
}

fn kind(byte: u8) -> Kind {
    let places = usize::from(byte >> 4);
    match byte % 10 {
        0 => Kind::Full,
        1 => Kind::Partial(Partial::Ends {
            first: places % 4,
            last: places / 4,
        }),
        2 => Kind::Partial(Partial::Email),
        3 => Kind::Hash,
        4 => Kind::Pseudonym,
        5 => Kind::Null,
        6 => Kind::Bucket(Bucket::Day),
        7 => Kind::Bucket(Bucket::Month),
        8 => Kind::Bucket(Bucket::Year),
        _ => Kind::Bucket(Bucket::Width(1 << (places * 4))),
    }
}

/// What takes the place of a value; what is before it in the buffer stays.
fn masked(value: &[u8], ty: u32, format: Format, how: How<'_>) -> Option<Vec<u8>> {
    let mut out = BytesMut::from(&b"before"[..]);
    let done = mask(value, ty, format, how, &CATALOG, &KEY, &mut out);
    let made = out
        .strip_prefix(b"before")
        .expect("what is before stays")
        .to_vec();
    assert!(
        done == Done::Written || made.is_empty(),
        "something is written of what is not"
    );
    (done == Done::Written).then_some(made)
}

/// The same, for what is found in it.
fn found(value: &[u8], ty: u32, format: Format) -> (Screened, Vec<u8>) {
    let mut memory = Memory::default();
    let mut screening = Screening {
        screen: &SCREEN,
        key: Some(&KEY),
        memory: &mut memory,
    };
    let mut out = BytesMut::new();
    let done = screen(value, ty, format, &mut screening, &mut out);
    assert!(
        done == Screened::Written || out.is_empty(),
        "something is written of what is not"
    );
    (done, out.to_vec())
}

fuzz_target!(|input: &[u8]| {
    let [which, how, kind_of, value @ ..] = input else {
        return;
    };
    let types = [&SCALARS[..], &OWN].concat();
    let ty = types[usize::from(*which) % types.len()];
    let format = match how & 1 {
        0 => Format::Text,
        _ => Format::Binary,
    };
    let by = Mask {
        name: MaskName::new("mask"),
        selector: Selector::default(),
        kind: kind(*kind_of),
        json: Vec::new(),
        otherwise: match how & 2 {
            0 => Otherwise::Null,
            _ => Otherwise::Refuse,
        },
        within: None,
    };
    if let Some(made) = masked(value, ty, format, How::Mask(&by)) {
        assert_eq!(
            masked(value, ty, format, How::Mask(&by)),
            Some(made.clone()),
            "{ty}"
        );
        // It is a value of the type: it is read as one again.
        let again = masked(&made, ty, format, How::Mask(&by));
        assert!(again.is_some(), "{ty} {format:?} {by:?} {made:x?}");
        let settled = matches!(by.kind, Kind::Full | Kind::Bucket(_)) && !matches!(ty, 700 | 701);
        assert!(!settled || again == Some(made), "{ty} {format:?} {by:?}");
    }
    if CONSTANT.contains(&ty)
        && let Some(made) = masked(value, ty, format, How::Full)
    {
        // It says nothing of what was masked: it is what any other value becomes.
        assert_eq!(masked(&made, ty, format, How::Full).as_ref(), Some(&made));
        assert!(made.len() <= 40, "{ty} {format:?} {made:x?}");
    }
    // What stood beside what was masked may be found in what is left, by itself.
    let (done, made) = found(value, ty, format);
    assert_eq!(found(value, ty, format), (done, made.clone()), "{ty}");
    found(&made, ty, format);
});
