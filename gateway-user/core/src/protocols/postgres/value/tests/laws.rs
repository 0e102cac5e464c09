//! What holds for all values: nothing panics, nothing raw passes, both formats agree.

use proptest::prelude::*;

use super::*;

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Full),
        Just(Kind::Hash),
        Just(Kind::Pseudonym),
        Just(Kind::Null),
        Just(Kind::Partial(Partial::Email)),
        (0_usize..9, 0_usize..9)
            .prop_map(|(first, last)| Kind::Partial(Partial::Ends { first, last })),
        Just(Kind::Bucket(Bucket::Day)),
        Just(Kind::Bucket(Bucket::Month)),
        Just(Kind::Bucket(Bucket::Year)),
        (1_u64..).prop_map(|width| Kind::Bucket(Bucket::Width(width))),
    ]
}

fn types() -> impl Strategy<Value = u32> {
    let all: Vec<u32> = FULL.iter().map(|(ty, ..)| *ty).collect();
    let more = [
        1560, 1007, 1009, 1020, ADDRESS, ADDRESSES, DOMAIN, MOOD, CITEXT, LOOP,
    ];
    proptest::sample::select([all, more.to_vec()].concat())
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Text), Just(Format::Binary)]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let like_arrays = "[{}(),\"\\\\a1N :-]{0,16}";
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40),
        proptest::collection::vec(0_u8..4, 0..40),
        like_arrays.prop_map(String::into_bytes),
        "-?[0-9]{1,30}(\\.[0-9]{0,10})?".prop_map(String::into_bytes),
        "[0-9]{4,7}-[0-9]{2}-[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2})?)?( BC)?"
            .prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn never_panics(value in bytes(), ty in types(), format in formats(), kind in kinds()) {
        drop(by(kind, &value, ty, format));
    }

    #[test]
    fn what_is_masked_is_a_value_again(
        value in bytes(), ty in types(), format in formats(), kind in kinds(),
    ) {
        let Ok(made) = by(kind.clone(), &value, ty, format) else {
            return Ok(());
        };
        // A range begins in itself, and what is read for another hash was a value.
        let again = by(kind.clone(), &made, ty, format);
        prop_assert!(again.is_ok(), "{ty} {made:x?} {kind:?}");
        if matches!(kind, Kind::Full | Kind::Bucket(_)) && !matches!(ty, 700 | 701) {
            prop_assert_eq!(again.unwrap(), made);
        }
    }
}

proptest! {
    #[test]
    fn nothing_raw_is_left(value in "[a-z0-9 ,\"\\\\]{5,20}", ty in types()) {
        if let Ok(made) = run(value.as_bytes(), ty, Format::Text, How::Full) {
            prop_assert!(!String::from_utf8_lossy(&made).contains(&value));
        }
        let array = format!("{{\"{}\"}}", value.replace('\\', "\\\\").replace('"', "\\\""));
        let made = run(array.as_bytes(), 1009, Format::Text, How::Full).unwrap();
        prop_assert_eq!(made, b"{****}");
    }

    #[test]
    fn integers_agree(value: i32, kind in kinds()) {
        let text = by(kind.clone(), value.to_string().as_bytes(), 23, Format::Text);
        let binary = by(kind, &value.to_be_bytes(), 23, Format::Binary);
        let text = text.map(|text| String::from_utf8(text).unwrap().parse::<i32>().unwrap());
        prop_assert_eq!(text, binary.map(|binary| i32::from_be_bytes(binary.try_into().unwrap())));
    }

    #[test]
    fn hashes_of_integers_are_not_negative(value: i16) {
        let made = by(Kind::Hash, value.to_string().as_bytes(), 21, Format::Text).unwrap();
        let made: i16 = String::from_utf8(made).unwrap().parse().unwrap();
        prop_assert!(made >= 0);
    }

    #[test]
    fn numerics_agree(text in "-?[1-9][0-9]{0,40}(\\.[0-9]{1,20})?", kind in kinds()) {
        let value = number::read_numeric(text.as_bytes(), Format::Text).unwrap();
        let mut binary = BytesMut::new();
        number::write_numeric(&value, Format::Binary, &mut binary).unwrap();
        prop_assert_eq!(number::read_numeric(&binary, Format::Binary).unwrap(), value);
        let as_text = by(kind.clone(), text.as_bytes(), 1700, Format::Text);
        let as_binary = by(kind, &binary, 1700, Format::Binary);
        prop_assert_eq!(as_text.is_ok(), as_binary.is_ok());
        if let (Ok(as_text), Ok(as_binary)) = (as_text, as_binary) {
            let as_text = number::read_numeric(&as_text, Format::Text).unwrap();
            prop_assert_eq!(number::read_numeric(&as_binary, Format::Binary).unwrap(), as_text);
        }
    }

    #[test]
    fn floats_agree(value: f64) {
        let mut text = BytesMut::new();
        number::write_float(value, class::Scalar::Float8, Format::Text, &mut text).unwrap();
        let as_text = by(Kind::Hash, &text, 701, Format::Text).unwrap();
        let as_binary = by(Kind::Hash, &value.to_be_bytes(), 701, Format::Binary).unwrap();
        prop_assert_eq!(shown(701, &as_text, &as_binary), as_text);
    }

    #[test]
    fn days_stay_in_their_year(day in -2_451_545_i32..100_000_000) {
        let made = by(Kind::Pseudonym, &day.to_be_bytes(), 1082, Format::Binary).unwrap();
        let made = i32::from_be_bytes(made.try_into().unwrap());
        let year = |day| crate::mask::bucket::Civil::of_day(day).year;
        prop_assert_ne!(made, day);
        prop_assert_eq!(year(made), year(day));
    }
}
