//! What becomes of texts in which something is found.

use super::*;
use crate::mask::detect::pattern::Pattern;

fn part(looks: Vec<(&str, Look)>, kind: Option<Kind>) -> Arc<Part> {
    let looks = looks.into_iter().map(|(name, look)| (name.into(), look));
    Arc::new(Part {
        mask: MaskName::new("m"),
        looks: looks.collect(),
        kind,
        otherwise: Otherwise::Null,
    })
}

fn all(kind: Option<Kind>) -> Screen {
    let looks = What::ALL.map(|what| (what.name(), Look::For(what)));
    Screen::new(vec![part(looks.into(), kind)])
}

fn run(screen: &Screen, text: &str, around: Around) -> (Found, Memory) {
    let mut memory = Memory::default();
    let key = MaskKey::new([7; 32]);
    let mut screening = Screening {
        screen,
        key: Some(&key),
        memory: &mut memory,
    };
    let found = screening.text(text, "text", around);
    (found, memory)
}

#[track_caller]
fn check(screen: &Screen, around: Around, text: &str, expected: Option<&str>) {
    let expected = expected.map_or(Found::Nothing, |text| Found::Text(text.to_owned()));
    assert_eq!(run(screen, text, around).0, expected, "{text}");
}

#[test]
fn what_suits_each_is_left() {
    let check = |text, expected| check(&all(None), Around::Nothing, text, Some(expected));
    check("call john@example.com!", "call j****@*****.com!");
    check("4111 1111 1111 1111 x", "***************1111 x");
    check("a 192.0.2.1 b 536-90-4399", "a **** b ****");
}

#[test]
fn kinds_are_for_what_is_found() {
    let text = "to ann@example.org, 536-90-4399";
    let check = |kind, expected| check(&all(Some(kind)), Around::Nothing, text, Some(expected));
    check(Kind::Full, "to ****, ****");
    check(
        Kind::Partial(Partial::Ends { first: 2, last: 1 }),
        "to an************g, 53********9",
    );
    let (found, memory) = run(&all(Some(Kind::Null)), text, Around::Nothing);
    assert_eq!(found, Found::Null);
    assert_eq!(memory.counts, Counts::from([("email".to_owned(), 1)]));
    let made = |kind| match run(&all(Some(kind)), "ann@example.org", Around::Nothing).0 {
        Found::Text(text) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(made(Kind::Hash).len(), 32);
    assert!(made(Kind::Pseudonym).contains('@'));
}

#[test]
fn without_a_key_nothing_is_left() {
    let screen = all(Some(Kind::Hash));
    let mut memory = Memory::default();
    let mut screening = Screening {
        screen: &screen,
        key: None,
        memory: &mut memory,
    };
    let found = screening.text("ann@example.org", "text", Around::Nothing);
    assert_eq!(found, Found::Text("****".to_owned()));
    let card = screening.whole("4111111111111111", "int8");
    assert_eq!(card, Some((Kind::Full, Otherwise::Null)));
    assert_eq!(screening.whole("4111111111111112", "int8"), None);
}

#[test]
fn what_is_around_stays_what_it_is() {
    let pattern = Look::Pattern(Pattern::new("K.*9", &[]).unwrap());
    let looks = vec![("k", pattern)];
    let ends = Kind::Partial(Partial::Ends { first: 4, last: 4 });
    let screen = Screen::new(vec![part(looks, Some(ends))]);
    check(&screen, Around::Nothing, "K,\"\"x9", Some("K,\"***"));
    check(&screen, Around::Shape, "a K,\"\"x9", Some("a ****"));
    check(&screen, Around::Shape, "a K12345x9", Some("a K123****"));
    check(&screen, Around::Xml, "<a>K<b/>9</a>", Some("****"));
    check(&screen, Around::Xml, "<a>K2349</a>", Some("<a>K2***</a>"));
}

fn asking() -> Screen {
    Screen::new(vec![
        all(None).parts.remove(0),
        part(vec![("names", Look::Outside)], None),
    ])
}

fn spans(spans: &[(usize, usize)]) -> Option<Spans> {
    Some(Spans(spans.iter().map(|(from, to)| *from..*to).collect()))
}

#[track_caller]
fn answer(text: &str, answer: Vec<Option<Spans>>, expected: &Found) {
    let screen = asking();
    let mut memory = Memory::default();
    let mut screening = Screening {
        screen: &screen,
        key: None,
        memory: &mut memory,
    };
    let _not_yet = screening.text(text, "text", Around::Nothing);
    let _once = screening.text(text, "text", Around::Nothing);
    let asked: Vec<_> = screening.memory.open.iter().collect();
    assert_eq!(asked.len(), 1);
    assert_eq!(&*asked[0].detector, "names");
    screening.memory.answered(Answers(answer));
    assert_eq!(screening.text(text, "text", Around::Nothing), *expected);
    assert!(screening.memory.open.is_empty());
}

#[test]
fn what_is_outside_is_asked() {
    let text = |text: &str| Found::Text(text.to_owned());
    answer("Jörg is here", vec![spans(&[])], &Found::Nothing);
    answer(
        "Jörg is here",
        vec![spans(&[(0, 4)])],
        &text("**** is here"),
    );
    answer(
        "Ann, ann@example.org",
        vec![spans(&[(0, 3)])],
        &text("****, a****@*****.org"),
    );
    answer("Jörg is here", vec![spans(&[(8, 13)])], &text("****"));
    answer("Jörg is here", vec![None], &text("****"));
    answer("Jörg is here", vec![], &text("****"));
}
