//! What is like what.

use super::*;
use crate::approvals::likeness::{Likeness, covers};
use crate::approvals::scope::Closeness;
use crate::held::{Parameter, ParameterValue};

fn check(closeness: Closeness, other: &HeldAction, expected: bool) {
    let likeness = Likeness::of(&action(), closeness).unwrap();
    assert_eq!(covers(&likeness, other), expected, "{other:?}");
}

fn unit(facts: &[(&str, Value)]) -> HeldAction {
    like(|it| {
        let changed = facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        it.units[0].extend(changed);
    })
}

#[test]
fn the_same_is_like_itself() {
    for closeness in [Closeness::Facts, Closeness::Text, Closeness::Parameters] {
        check(closeness, &action(), true);
    }
}

#[test]
fn each_fact_has_to_be_the_same() {
    let others = [
        unit(&[("sql.verb", text("update"))]),
        unit(&[("sql.where", Value::Flag(false))]),
        unit(&[("sql.where", Value::Unknown(()))]),
        unit(&[("sql.table", names(&["public.customers"]))]),
        unit(&[("sql.table", names(&["public.orders", "public.customers"]))]),
        unit(&[("sql.table", names(&[]))]),
        unit(&[("sql.table", Value::Unknown(()))]),
        unit(&[("sql.function", names(&["f"]))]),
        like(|it| drop(it.units[0].remove("sql.where"))),
        like(|it| it.units.push(facts(&[("sql.verb", text("drop"))]))),
        like(|it| it.units.clear()),
        like(|it| it.subject.workload = WorkloadName::new("writer")),
        like(|it| it.resource = ResourceName::new("other-db")),
        like(|it| it.protocol = "mysql".to_owned()),
        like(|it| it.request = "Bind".to_owned()),
        like(|it| drop(it.connection.insert("sql.user".to_owned(), text("admin")))),
    ];
    for other in others {
        check(Closeness::Facts, &other, false);
    }
}

#[test]
fn the_text_need_not_be_the_same() {
    let other = like(|it| it.text = "delete from orders where id=2".to_owned());
    check(Closeness::Facts, &other, true);
    check(Closeness::Text, &other, false);
    let parameter = Parameter {
        declared: None,
        reads: None,
        value: ParameterValue::Null,
    };
    let other = like(|it| it.parameters.push(parameter));
    check(Closeness::Text, &other, true);
    check(Closeness::Parameters, &other, false);
}

/// One use is as many statements as people saw, and these in their order.
#[test]
fn more_of_the_same_is_not_the_same() {
    let twice = like(|it| it.units.push(it.units[0].clone()));
    let thousands = like(|it| it.units = vec![it.units[0].clone(); 5000]);
    check(Closeness::Facts, &twice, false);
    check(Closeness::Facts, &thousands, false);
    let units = |verbs: &[&str]| {
        let verbs: Vec<_> = verbs.iter().map(|it| (*it).to_owned()).collect();
        like(|it| {
            let unit = |verb: String| facts(&[("sql.verb", Value::Text(verb))]);
            it.units = verbs.into_iter().map(unit).collect();
        })
    };
    let likeness = Likeness::of(
        &units(&["begin", "delete", "delete", "rollback"]),
        Closeness::Facts,
    );
    let likeness = likeness.unwrap();
    let check = |verbs: &[&str], expected| assert_eq!(covers(&likeness, &units(verbs)), expected);
    check(&["begin", "delete", "delete", "rollback"], true);
    check(&["begin", "delete", "rollback"], false);
    check(&["begin", "delete", "rollback", "rollback"], false);
    check(&["rollback", "delete", "delete", "begin"], false);
    check(&["delete"], false);
}

#[test]
fn labels_do_not_count() {
    let label = unit(&[("sql.prepared", text("s_1"))]);
    check(Closeness::Facts, &label, true);
    let called = like(|it| {
        let name = "sql.application_name".to_owned();
        it.connection.insert(name, text("other"));
    });
    check(Closeness::Facts, &called, true);
    // A statement that is run by its name is another one under another name.
    let execute = |name: &str| unit(&[("sql.verb", text("execute")), ("sql.prepared", text(name))]);
    let likeness = Likeness::of(&execute("a"), Closeness::Facts).unwrap();
    assert!(covers(&likeness, &execute("a")));
    assert!(!covers(&likeness, &execute("b")));
}

#[test]
fn what_is_uncertain_is_like_nothing() {
    for table in ["orders", "\"public.orders\""] {
        let action = unit(&[("sql.table", names(&[table]))]);
        let uncertain = Likeness::of(&action, Closeness::Facts).unwrap_err();
        assert_eq!(uncertain.fact, "sql.table");
    }
    assert!(
        Likeness::of(
            &unit(&[("sql.table", names(&["a.\"b.c\""]))]),
            Closeness::Facts
        )
        .is_ok()
    );
}

#[test]
fn a_session_that_begins_is_like_another() {
    let begins = |user: &str| {
        like(|it| {
            it.units.clear();
            it.connection = facts(&[("sql.user", text(user))]);
        })
    };
    let likeness = Likeness::of(&begins("app"), Closeness::Facts).unwrap();
    assert!(covers(&likeness, &begins("app")));
    assert!(!covers(&likeness, &begins("admin")));
    assert!(!covers(&likeness, &action()));
}
