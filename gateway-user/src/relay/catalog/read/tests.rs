//! Rows as a server sends them, and what is understood of them.

use super::*;

fn row(fields: &[&str]) -> Row {
    let fields = fields.iter();
    fields
        .map(|it| (*it != "NULL").then(|| (*it).to_owned()))
        .collect()
}

#[test]
fn relations_have_their_columns_and_parents() {
    let mut found = Found::default();
    let rows = [
        ["16384", "public", "people", "r", "f", "NULL"],
        ["16390", "public", "people_1", "r", "t", "NULL"],
        ["16400", "public", "shown", "v", "f", " SELECT 1;"],
        ["16410", "public", "ids", "S", "f", "NULL"],
    ];
    for fields in rows {
        found.relation(row(&fields)).unwrap();
    }
    let columns = [
        ["16384", "1", "id", "23", "0", "d", "7"],
        ["16384", "3", "email", "25", "100", "", "NULL"],
        ["16390", "1", "id", "23", "0", "g", "NULL"],
    ];
    for fields in columns {
        found.column(row(&fields)).unwrap();
    }
    for fields in [
        ["16384", "16600", "t", "3"],
        ["16384", "16601", "f", "1"],
        ["16384", "16601", "f", "3"],
    ] {
        found.unique(row(&fields)).unwrap();
    }
    found.parted(row(&["16384", "1"])).unwrap();
    for fields in [["16384", "16500", "t", "f"], ["16384", "16501", "f", "t"]] {
        found.trigger(row(&fields)).unwrap();
    }
    found
        .reference(row(&["16390", "1", "16384", "3", "f", "t"]))
        .unwrap();
    found.parent(row(&["16390", "16384"])).unwrap();
    let catalog = found.into_catalog();
    let people = catalog.relation(16384).unwrap();
    let numbers: Vec<_> = people.columns.iter().map(|it| it.number).collect();
    assert_eq!((people.kind, numbers), (RelationKind::Table, vec![1, 3]));
    let part = catalog.relation(16390).unwrap();
    assert!(part.has_rules && *part.parents == [16384]);
    let fillings: Vec<_> = people.columns.iter().map(|it| &it.filling).collect();
    assert_eq!(
        fillings,
        [&Filling::Default(Some("7".into())), &Filling::Given]
    );
    assert_eq!(part.columns[0].filling, Filling::Generated(None));
    assert!(people.columns.iter().all(|column| column.is_unique));
    let keys: Vec<_> = people
        .keys
        .iter()
        .map(|it| (it.is_sole, &*it.columns))
        .collect();
    assert_eq!(keys, [(true, &[3][..]), (false, &[1, 3][..])]);
    assert_eq!(
        (&*people.parted, part.columns[0].is_unique),
        (&[1][..], false)
    );
    assert_eq!(
        (&*people.triggers, &*people.emptied),
        (&[16500][..], &[16501][..])
    );
    assert!(part.references[0].deletes && catalog.followers(16384) == [16390]);
    assert_eq!(catalog.children(16384), [16390]);
    let shown = catalog.relation(16400).unwrap();
    assert_eq!(shown.definition.as_deref(), Some(" SELECT 1;"));
    assert_eq!(catalog.relation(16410).unwrap().kind, RelationKind::Other);
}

#[test]
fn types_are_of_their_kinds() {
    let kind = |fields: [&str; 6]| {
        let mut found = Found::default();
        let head = ["7", "public", "it"];
        found
            .ty(row(&[&head[..], &fields[..], &["NULL"]].concat()))
            .unwrap();
        found.types.pop().unwrap().kind
    };
    assert_eq!(kind(["b", "f", "0", "0", "0", "f"]), TypeKind::Base);
    assert_eq!(kind(["b", "t", "25", "0", "0", "f"]), TypeKind::Array(25));
    // Such as `int2vector`.
    assert_eq!(kind(["b", "f", "21", "0", "0", "f"]), TypeKind::Base);
    assert_eq!(kind(["c", "f", "0", "9", "0", "f"]), TypeKind::Composite(9));
    let domain = kind(["d", "f", "0", "0", "25", "t"]);
    assert_eq!(domain, TypeKind::Domain(25, true));
    assert_eq!(kind(["e", "f", "0", "0", "0", "f"]), TypeKind::Enum);
    assert_eq!(kind(["m", "f", "0", "0", "0", "f"]), TypeKind::Other);
}

#[test]
fn functions_have_names_for_what_they_return() {
    let read = |fields: [&str; 8]| {
        let mut found = Found::default();
        let head = ["7", "public", "it"];
        found
            .function(row(&[&head[..], &fields[..]].concat()))
            .unwrap();
        found.functions.pop().unwrap()
    };
    let one = read([
        "sql",
        "s",
        "f",
        "t",
        "2249",
        r#"["a",null,""]"#,
        "NULL",
        "SELECT 1",
    ]);
    assert_eq!(
        (one.language, one.volatility),
        (Language::Sql, Volatility::Stable)
    );
    assert!(one.returns_set && !one.is_aggregate);
    let names: Vec<_> = one.columns.iter().map(|it| &**it).collect();
    assert_eq!(names, ["a", "column2", "column3"]);
    let other = read([
        "plperl",
        "?",
        "a",
        "f",
        "25",
        "NULL",
        r#"["7","0"]"#,
        "NULL",
    ]);
    assert_eq!(*other.parts, [7]);
    assert_eq!(other.language, Language::Other);
    assert_eq!(other.volatility, Volatility::Volatile);
    assert!(other.is_aggregate && other.columns.is_empty() && other.body.is_none());
    let single = read(["c", "i", "f", "f", "25", "[null]", "NULL", "NULL"]);
    assert_eq!(&*single.columns[0], "it");
}

#[test]
fn what_is_not_understood_is_no_row() {
    let mut found = Found::default();
    assert!(
        found
            .relation(row(&["1", "public", "x", "r", "f"]))
            .is_none()
    );
    assert!(
        found
            .relation(row(&["1", "public", "NULL", "r", "f", "NULL"]))
            .is_none()
    );
    for fields in [
        ["1", "99999", "x", "25", "", "NULL"],
        ["1", "1", "x", "25", "?", "NULL"],
    ] {
        assert!(found.column(row(&fields)).is_none());
    }
    assert!(found.unique(row(&["1"])).is_none() && found.trigger(row(&["1"])).is_none());
    assert!(found.reference(row(&["1", "1", "2", "1"])).is_none());
    assert!(
        found
            .ty(row(&["1", "s", "x", "b", "yes", "0", "0", "0", "f"]))
            .is_none()
    );
    assert!(found.operator(row(&["&&&", "-"])).is_none());
}
