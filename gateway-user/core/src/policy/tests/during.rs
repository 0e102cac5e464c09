//! When rules are there, and that nothing of them is when they are not.

use proptest::prelude::*;

use super::bars::bars_at;
use super::*;
use crate::policy::during::During;
use crate::policy::explain::NotBecause;
use crate::policy::model::Tree;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn read(during: &str) -> Result<During, String> {
    #[derive(Deserialize)]
    struct Wrapped {
        during: Spanned<Tree>,
    }
    let wrapped: Wrapped = toml::from_str(&format!("during = {during}")).unwrap();
    let mut diagnostics = Vec::new();
    let read = During::read(&wrapped.during, &mut diagnostics);
    let told = |it: &Diagnostic| format!("{}: {}", it.message, it.help.as_deref().unwrap_or(""));
    read.ok_or_else(|| diagnostics.iter().map(told).collect())
}

/// Whether it is open, and when that changes next.
#[track_caller]
fn check(during: &str, now: &str, is_open: bool, next: &str) {
    let during = read(during).unwrap();
    assert_eq!(during.is_open(at(now)), is_open, "{during} at {now}");
    let found = during.next_change(at(now));
    assert_eq!(found, Some(at(next)), "{during} after {now}");
}

const OFFICE: &str =
    r#"{ days = ["mon-fri"], from = "09:00", to = "17:00", zone = "Europe/Berlin" }"#;

#[test]
fn windows_of_the_week() {
    // 26 November 2026 is a Thursday.
    check(
        OFFICE,
        "2026-11-26T08:59:59+01:00",
        false,
        "2026-11-26T09:00+01:00",
    );
    check(
        OFFICE,
        "2026-11-26T09:00+01:00",
        true,
        "2026-11-26T17:00+01:00",
    );
    check(
        OFFICE,
        "2026-11-26T17:00+01:00",
        false,
        "2026-11-27T09:00+01:00",
    );
    check(
        OFFICE,
        "2026-11-27T17:30+01:00",
        false,
        "2026-11-30T09:00+01:00",
    );
    // In summer the zone is another hour away.
    check(OFFICE, "2026-07-01T06:59Z", false, "2026-07-01T07:00Z");
    let days = r#"{ days = ["sat-mon", "wed"], zone = "UTC" }"#;
    check(days, "2026-11-27T12:00Z", false, "2026-11-28T00:00Z");
    check(days, "2026-11-28T12:00Z", true, "2026-12-01T00:00Z");
    check(days, "2026-12-02T12:00Z", true, "2026-12-03T00:00Z");
    let evening = r#"{ days = "fri", from = "18:00", zone = "utc" }"#;
    check(evening, "2026-11-27T18:00Z", true, "2026-11-28T00:00Z");
}

#[test]
fn windows_over_midnight_belong_to_the_day_on_which_they_begin() {
    let night = r#"{ days = ["mon-fri"], from = "22:00", to = "06:00", zone = "UTC" }"#;
    check(night, "2026-11-27T23:00Z", true, "2026-11-28T06:00Z");
    check(night, "2026-11-28T23:00Z", false, "2026-11-30T22:00Z");
    check(night, "2026-11-30T05:00Z", false, "2026-11-30T22:00Z");
    check(night, "2026-12-01T05:00Z", true, "2026-12-01T06:00Z");
    let to_midnight = r#"{ days = "sun", from = "22:00", to = "00:00", zone = "UTC" }"#;
    check(to_midnight, "2026-11-29T22:00Z", true, "2026-11-30T00:00Z");
}

#[test]
fn several_windows_are_one_time() {
    let both =
        format!("[{OFFICE}, {{ from = \"17:00\", to = \"18:00\", zone = \"Europe/Berlin\" }}]");
    check(
        &both,
        "2026-11-26T12:00+01:00",
        true,
        "2026-11-26T18:00+01:00",
    );
    check(
        &both,
        "2026-11-28T12:00+01:00",
        false,
        "2026-11-28T17:00+01:00",
    );
}

#[test]
fn where_clocks_are_put_forward() {
    // On 29 March 2026 two o'clock is three o'clock in Berlin.
    let within = r#"{ from = "02:15", to = "02:45", zone = "Europe/Berlin" }"#;
    check(
        within,
        "2026-03-28T02:30+01:00",
        true,
        "2026-03-28T02:45+01:00",
    );
    check(
        within,
        "2026-03-29T02:30+01:00",
        false,
        "2026-03-30T02:15+02:00",
    );
    let begins = r#"{ from = "02:30", to = "05:00", zone = "Europe/Berlin" }"#;
    check(
        begins,
        "2026-03-29T01:59+01:00",
        false,
        "2026-03-29T03:00+02:00",
    );
    let ends = r#"{ from = "01:00", to = "02:30", zone = "Europe/Berlin" }"#;
    check(
        ends,
        "2026-03-29T01:59+01:00",
        true,
        "2026-03-29T03:00+02:00",
    );
}

#[test]
fn where_clocks_are_put_back() {
    // On 25 October 2026 three o'clock is two o'clock in Berlin.
    let within = r#"{ from = "02:15", to = "02:45", zone = "Europe/Berlin" }"#;
    check(
        within,
        "2026-10-25T02:30+02:00",
        true,
        "2026-10-25T02:45+02:00",
    );
    check(
        within,
        "2026-10-25T02:50+02:00",
        false,
        "2026-10-25T02:15+01:00",
    );
    check(
        within,
        "2026-10-25T02:15+01:00",
        true,
        "2026-10-25T02:45+01:00",
    );
    let over = r#"{ from = "01:00", to = "04:00", zone = "Europe/Berlin" }"#;
    check(
        over,
        "2026-10-25T02:30+02:00",
        true,
        "2026-10-25T04:00+01:00",
    );
    let ends = r#"{ from = "01:00", to = "02:30", zone = "Europe/Berlin" }"#;
    check(
        ends,
        "2026-10-25T02:29+02:00",
        true,
        "2026-10-25T02:30+02:00",
    );
    check(
        ends,
        "2026-10-25T02:59+02:00",
        false,
        "2026-10-25T02:00+01:00",
    );
}

proptest! {
    #[test]
    fn nothing_changes_before_the_next_change(
        from in 0_u32..1440, to in 1_u32..=1440, days in prop::sample::select(vec!["mon-fri", "sun", "thu-tue"]),
        zone in prop::sample::select(vec![
            "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "UTC",
        ]),
        // Seconds in 2026, and when Samoa left out a day.
        second in prop_oneof![1_767_225_600_i64..1_798_761_600, 1_325_000_000_i64..1_325_500_000],
    ) {
        prop_assume!(from != to);
        let clock = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let during = read(&format!(
            "{{ days = \"{days}\", from = \"{}\", to = \"{}\", zone = \"{zone}\" }}", clock(from), clock(to),
        )).unwrap();
        let now = Timestamp::from_second(second).unwrap();
        let next = during.next_change(now).unwrap();
        let is_open = during.is_open(now);
        prop_assert_ne!(during.is_open(next), is_open);
        let mut between = second;
        while between < next.as_second() {
            let then = Timestamp::from_second(between).unwrap();
            prop_assert_eq!(during.is_open(then), is_open, "{} at {}", during, then);
            between += 60;
        }
        let before = Timestamp::from_second(next.as_second() - 1).unwrap().max(now);
        prop_assert_eq!(during.is_open(before), is_open);
    }
}

#[test]
fn what_is_no_time() {
    let wrong = |during: &str| read(during).unwrap_err();
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!([
            wrong("[]"),
            wrong("'mon-fri'"),
            wrong("{ zone = 'UTC' }"),
            wrong("{ days = 'mon-fri' }"),
            wrong("{ days = 'monday', zone = 'UTC' }"),
            wrong("{ days = [], zone = 'UTC' }"),
            wrong("{ days = 1, zone = 'UTC' }"),
            wrong("{ from = '9:00', zone = 'UTC' }"),
            wrong("{ from = '24:01', zone = 'UTC' }"),
            wrong("{ from = '09:60', zone = 'UTC' }"),
            wrong("{ from = '09:00', to = '09:00', zone = 'UTC' }"),
            wrong("{ from = '09:00', zone = 'Europe/Berln' }"),
            wrong("{ from = '09:00', zone = '../etc/passwd' }"),
            wrong("{ from = '09:00', until = '10:00', zone = 'UTC' }"),
        ].join("\n"));
    });
}

const RULES: &str = r#"
    [[rule]]
    name = "office"
    action = "allow"
    during = { days = "mon-fri", from = "09:00", to = "17:00", zone = "UTC" }
    match = { verb = "select" }
    [[rule]]
    name = "begin"
    action = "allow"
    resource = "users-db"
    match = { verb = ["begin", "select"] }
    [[rule]]
    name = "lunch"
    action = "deny"
    resource = "users-db"
    during = { from = "12:00", to = "13:00", zone = "UTC" }
    reason = "not at noon"
"#;

#[test]
fn outside_of_its_time_a_rule_is_not_there() {
    let engine = engine(RULES);
    let check = |resource: &str, sql: Option<&str>, time: &str, expected: &str| {
        let stage = match sql {
            None => Stage::Connect,
            Some(sql) => {
                Stage::Action(Script::read(sql.as_bytes(), &Session::default()).resolve(|_| None))
            }
        };
        let facts = Facts {
            stage,
            connection: connection(),
        };
        let (subject, flow) = (subject("planner"), flow(Some(resource)));
        let decision = engine.decide(&subject, &flow, &facts, at(time));
        assert_eq!(told(&decision), expected, "{sql:?} at {time}");
        let barred = bars_at(&engine, "planner", resource, at(time));
        if barred.is_some() {
            assert!(expected.starts_with("deny "), "{time}");
        }
        barred.is_some()
    };
    let select = Some("SELECT 1");
    let (day, night, noon) = (
        "2026-11-26T10:00Z",
        "2026-11-26T20:00Z",
        "2026-11-26T12:30Z",
    );
    assert!(!check("orders-db", select, day, "allow office"));
    assert!(check(
        "orders-db",
        select,
        night,
        "deny no rule allows select"
    ));
    let no_session = "deny no rule allows workload planner on orders-db";
    assert!(check("orders-db", None, night, no_session));
    assert!(!check("users-db", select, night, "allow begin"));
    assert!(!check("users-db", Some("BEGIN"), day, "allow begin"));
    assert!(check(
        "users-db",
        Some("BEGIN"),
        noon,
        "deny lunch: not at noon"
    ));
    assert!(check("users-db", None, noon, "deny lunch: not at noon"));
    assert_eq!(engine.next_boundary(at(day)), Some(at("2026-11-26T12:00Z")));
    assert_eq!(
        engine.next_boundary(at(noon)),
        Some(at("2026-11-26T13:00Z"))
    );
    assert_eq!(
        engine.next_boundary(at(night)),
        Some(at("2026-11-27T09:00Z"))
    );
    assert_ne!(engine.open_windows(at(day)), engine.open_windows(at(noon)));
    assert_eq!(super::engine(SHOP).next_boundary(at(day)), None);
}

#[test]
fn explanations_tell_of_times() {
    let engine = engine(RULES);
    let subject = subject("planner");
    let actor = Actor::new(&subject.workload, &subject.groups);
    let facts = Facts {
        stage: Stage::Action(Script::read(b"SELECT 1", &Session::default()).resolve(|_| None)),
        connection: connection(),
    };
    let resource = ResourceName::new("orders-db");
    let explain = |time: &str| {
        let explained = engine.explain(&actor, &resource, &facts, at(time)).unwrap();
        let rule = explained.units[0].rules[0].clone();
        assert_eq!(rule.during.as_deref(), Some("mon-fri 09:00-17:00 UTC"));
        rule.not_because.as_ref().map(NotBecause::to_string)
    };
    assert_eq!(explain("2026-11-26T09:00Z"), None);
    assert_eq!(
        explain("2026-11-28T09:00Z").unwrap(),
        "it is there mon-fri 09:00-17:00 UTC only, and it is sat 2026-11-28 09:00"
    );
}

#[test]
fn a_rule_is_dead_only_if_another_is_there_whenever_it_is() {
    let rules = |deny: &str, allow: &str| {
        format!(
            "[[rule]]\nname = \"a\"\naction = \"allow\"\n{allow}\n\
             [[rule]]\nname = \"d\"\naction = \"deny\"\n{deny}\n"
        )
    };
    let during = format!("during = {OFFICE}");
    let warnings = |deny: &str, allow: &str| load(&rules(deny, allow)).unwrap().1.len();
    assert_eq!(warnings("", ""), 1);
    assert_eq!(warnings("", &during), 1);
    assert_eq!(warnings(&during, &during), 1);
    assert_eq!(warnings(&during, ""), 0);
}
