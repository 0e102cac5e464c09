//! Arrays and rows, as `array_out`, `array_send`, `record_out` and `record_send` write them.

use super::super::shorter::Shorter;
use super::*;

fn full(value: &str, ty: u32) -> Result<String, Done> {
    let made = run(value.as_bytes(), ty, Format::Text, How::Full)?;
    Ok(String::from_utf8(made).unwrap())
}

#[test]
fn arrays_in_text() {
    let check = |ty, value: &str, expected: &str| {
        assert_eq!(full(value, ty).unwrap(), expected, "{value}");
    };
    check(1007, "{}", "{}");
    check(1007, "{{1,NULL},{3,4}}", "{{0,NULL},{0,0}}");
    check(1007, "[2:3]={1,2}", "[2:3]={0,0}");
    check(1007, "[-2:-1][1:1]={{1},{2}}", "[-2:-1][1:1]={{0},{0}}");
    check(
        1009,
        r#"{a,"b c",NULL,"NULL","","x\"y","{,}","\\"}"#,
        "{****,****,NULL,****,****,****,****,****}",
    );
    // A malformed element is NULL, the others are not.
    let hash = by(Kind::Hash, b"{12x}", 1007, Format::Text).unwrap();
    assert_eq!(hash, b"{NULL}");
    let ends = Kind::Partial(Partial::Ends { first: 2, last: 2 });
    let made = by(
        ends,
        br#"{"a\"cd\"f",nullnull,"a,bcd,"}"#,
        1009,
        Format::Text,
    )
    .unwrap();
    assert_eq!(
        String::from_utf8(made).unwrap(),
        r#"{"a\"***f",nu****ll,"a,***,"}"#
    );
}

#[test]
fn arrays_that_are_none() {
    for bad in [
        "",
        "{",
        "}",
        "{1",
        "{1}}",
        "{1,}",
        "{,1}",
        "1",
        "{1}x",
        "{1 }",
        "{\"1}",
        "{{{{{{{1}}}}}}}",
        "[1:2]{1,2}",
        "[a]={1}",
        "{\"1\"2}",
        "{1\\}",
        "[1:1]=",
        "{\"\\",
        "{{}1}",
    ] {
        assert_eq!(full(bad, 1007), Err(Done::Null), "{bad}");
    }
}

#[test]
fn arrays_in_binary() {
    let binary = |value: &str| run(&unhex(value), 1007, Format::Binary, How::Full);
    let value = "000000020000000100000017000000020000000100000002000000010000000400000001ffffffff00000004000000030000000400000004";
    let expected = "000000020000000100000017000000020000000100000002000000010000000400000000ffffffff00000004000000000000000400000000";
    assert_eq!(binary(value).unwrap(), unhex(expected));
    let empty = "000000000000000000000017";
    assert_eq!(binary(empty).unwrap(), unhex(empty));
    for bad in [
        "",
        // Another type, then one dimension too many, a negative length, too few and too many elements.
        "000000000000000000000019",
        "000000070000000000000017",
        "000000010000000000000017ffffffff00000001",
        "0000000100000000000000170000000100000001",
        "00000001000000000000001700000001000000010000000400000001ff",
        "00000001000000000000001700000001000000010000000500000001",
        "0000000200000000000000177fffffff000000017fffffff00000001",
    ] {
        assert_eq!(binary(bad), Err(Done::Null), "{bad}");
    }
    // What becomes NULL is told in the head.
    let one = "0000000100000000000000170000000100000001000000020001";
    let made = by(Kind::Hash, &unhex(one), 1007, Format::Binary).unwrap();
    let null = "0000000100000001000000170000000100000001ffffffff";
    assert_eq!(made, unhex(null));
}

#[test]
fn parts_in_another_encoding_are_masked_where_nothing_is_left_of_them() {
    let latin: [(&[u8], u32, &[u8]); 2] = [
        (b"{\xe4,\"\xe4 b\"}", 1009, b"{****,****}"),
        (b"(\xe4,5,)", ADDRESS, b"(****,0,)"),
    ];
    for (value, ty, masked) in latin {
        let made = run(value, ty, Format::Text, How::Full);
        assert_eq!(made.as_deref(), Ok(masked));
        let made = by(Kind::Hash, value, ty, Format::Text);
        assert_eq!(made, Err(Done::Null));
    }
}

/// What is kept of a value that comes in two pieces, wherever it is cut.
#[track_caller]
fn shorter(value: &[u8], ty: u32, format: Format) -> Vec<u8> {
    let mut all = Vec::new();
    for cut in 0..value.len() {
        let (one, other) = value.split_at(cut);
        let mut shorter = Shorter::of(ty, format, &catalog()).unwrap();
        shorter.feed(one);
        shorter.feed(other);
        all.push(shorter.kept().to_vec());
    }
    all.dedup();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn what_is_kept_of_long_parts_is_masked_as_they_are() {
    let long = |text: &str| text.repeat(50);
    let texts = [
        (1009, format!("[3:4]={{{},NULL}}", long("nul"))),
        (
            1009,
            format!("{{\"{}\",\"\",\"{}\"}}", long("\\\""), long("\\\\,}{")),
        ),
        (
            1009,
            format!("{{{{({},é}},{{b,\"{} ü\"}}}}", long("(:="), long("y")),
        ),
        (ADDRESS, format!("(\"{} \"\"\",5,)", long("\"\""))),
        (ADDRESS, format!("({{{},,sad)", long("{"))),
        (ADDRESS, format!("(\"{},\",\"\",)", long("\\\\\"\"a"))),
    ];
    for (ty, value) in texts {
        let kept = shorter(value.as_bytes(), ty, Format::Text);
        assert!(kept.len() < 80, "{kept:?}");
        let masked = run(&kept, ty, Format::Text, How::Full);
        assert_eq!(
            masked,
            run(value.as_bytes(), ty, Format::Text, How::Full),
            "{value}"
        );
        assert!(masked.is_ok(), "{value}");
    }
    let number = |number: u32| number.to_be_bytes();
    let part = [&number(100)[..], &[b'x'; 100]].concat();
    let array = [1, 1, 25, 3, 1].map(number).concat();
    let array = [&array[..], &part, &number(u32::MAX), &part].concat();
    let row = [number(3), number(25)].concat();
    let row = [
        &row[..],
        &part,
        &number(23),
        &number(4),
        &number(5),
        &number(MOOD),
        &number(u32::MAX),
    ]
    .concat();
    for (ty, value) in [(1009, array), (ADDRESS, row)] {
        let kept = shorter(&value, ty, Format::Binary);
        assert!(kept.len() < 80, "{kept:?}");
        let masked = run(&kept, ty, Format::Binary, How::Full);
        assert_eq!(masked, run(&value, ty, Format::Binary, How::Full));
        assert!(masked.is_ok(), "{ty}");
    }
    assert!(Shorter::of(ADDRESSES, Format::Text, &catalog()).is_none());
}

#[test]
fn rows_in_text() {
    let check = |ty, value: &str, expected: &str| {
        assert_eq!(full(value, ty).unwrap(), expected, "{value}");
    };
    // An enumeration has no value that is not one of it.
    check(ADDRESS, r#"("a ""b""",5,sad)"#, "(****,0,)");
    check(ADDRESS, "(,,)", "(,,)");
    check(ADDRESS, r#"("",1,)"#, "(****,0,)");
    check(
        ADDRESSES,
        r#"{"(\"a,b\",5,)",NULL}"#,
        r#"{"(****,0,)",NULL}"#,
    );
    let ends = Kind::Partial(Partial::Ends { first: 2, last: 2 });
    let made = by(
        ends,
        br#"{"(\"a\"\"cdef\\\\g\",5,)"}"#,
        ADDRESSES,
        Format::Text,
    )
    .unwrap();
    assert_eq!(
        String::from_utf8(made).unwrap(),
        r#"{"(\"a\"\"****\\\\g\",,)"}"#
    );
    for bad in [
        "",
        "(",
        "()",
        "(a,1)",
        "(a,1,,)",
        "(a,1,)x",
        "(\"a,1,)",
        "(a b,1,)",
        "(\"a\"b,1,)",
    ] {
        assert_eq!(full(bad, ADDRESS), Err(Done::Null), "{bad}");
    }
}

#[test]
fn rows_in_binary() {
    let binary = |value: &str| run(&unhex(value), ADDRESS, Format::Binary, How::Full);
    let head = "00000003000000190000000561202262220000001700000004000000050000";
    let mood = format!("{:04x}", MOOD);
    let made = binary(&format!("{head}{mood}00000003736164")).unwrap();
    let expected =
        format!("0000000300000019000000042a2a2a2a0000001700000004000000000000{mood}ffffffff");
    assert_eq!(made, unhex(&expected));
    for bad in [
        "",
        "00000002",
        "0000000300000017ffffffff00000017ffffffff00004e23ffffffff",
    ] {
        assert_eq!(binary(bad), Err(Done::Null), "{bad}");
    }
}

#[test]
fn a_part_that_cannot_be_masked_refuses_the_whole() {
    let mut mask = a_mask(Kind::Full);
    mask.otherwise = Otherwise::Refuse;
    let with = |ty, value: &str| run(value.as_bytes(), ty, Format::Text, How::Mask(&mask));
    assert_eq!(with(ADDRESS, "(a,1,sad)"), Err(Done::Refused));
    assert_eq!(with(ADDRESS, "(a,1,)").unwrap(), b"(****,0,)");
    assert_eq!(with(MOOD, "sad"), Err(Done::Refused));
    assert_eq!(with(1020, "{(1,1),(0,0)}"), Err(Done::Refused));
}
