//! Whether a condition is true, in three values.
//!
//! What cannot be known and what does not exist are the same here: a comparison with it is `Maybe`.
//! `&&` is the least of its sides and `||` the greatest, so that `has(x) && x` is never more than
//! what is known; CEL calls that absorbing errors.

use std::borrow::Cow;

use super::{Known, List, Number, Order, Relation, Slot, Test, Text};
use crate::facts::{Fact, FactSet, Name, Schema, Scope};
use crate::policy::pattern::Truth;

/// Most values of a list that are looked at; of a longer one nothing is known.
const MAX_VALUES: usize = 1000;

/// One value of a list: the texts that it may be; none if it could be any.
type Value<'a> = Vec<Cow<'a, str>>;

pub(super) fn truth(test: &Test, known: &Known<'_>) -> Truth {
    let state = State {
        known,
        element: None,
    };
    state.test(test)
}

/// What is known, within `all` and `exists` with the value at hand.
#[derive(Clone, Copy)]
struct State<'a> {
    known: &'a Known<'a>,
    element: Option<&'a str>,
}

impl<'a> State<'a> {
    fn test(&self, test: &Test) -> Truth {
        match test {
            Test::Is(is) => (*is).into(),
            Test::Flag(slot) => match self.fact(*slot) {
                Fact::Flag(flag) => (*flag).into(),
                _ => Truth::Maybe,
            },
            Test::Has(slot) => match self.fact(*slot) {
                Fact::Absent => Truth::No,
                Fact::Unknown => Truth::Maybe,
                Fact::Names(names) => (!names.is_empty()).into(),
                Fact::Texts(texts) => (!texts.is_empty()).into(),
                Fact::Text(_) | Fact::Flag(_) | Fact::Number(_) => Truth::Yes,
            },
            Test::Not(test) => !self.test(test),
            Test::And(sides) => {
                let [left, right] = &**sides;
                self.test(left).min(self.test(right))
            }
            Test::Or(sides) => {
                let [left, right] = &**sides;
                self.test(left).max(self.test(right))
            }
            Test::Choice(parts) => {
                let [which, yes, no] = &**parts;
                match self.test(which) {
                    Truth::Yes => self.test(yes),
                    Truth::No => self.test(no),
                    Truth::Maybe => agreed([self.test(yes), self.test(no)]),
                }
            }
            Test::Agree(sides) => {
                let [left, right] = &**sides;
                match (self.test(left), self.test(right)) {
                    (Truth::Maybe, _) | (_, Truth::Maybe) => Truth::Maybe,
                    (left, right) => (left == right).into(),
                }
            }
            Test::Numbers(order, left, right) => compare(
                self.number(left),
                self.number(right),
                |left, right| match order {
                    Order::Equal => left == right,
                    Order::Less => left < right,
                    Order::LessOrEqual => left <= right,
                },
            ),
            Test::Texts(relation, left, right) => compare(
                self.text(left),
                self.text(right),
                |left, right| match relation {
                    Relation::Equal => left == right,
                    Relation::Starts => left.starts_with(right),
                    Relation::Ends => left.ends_with(right),
                    Relation::Contains => left.contains(right),
                },
            ),
            Test::Matches(text, regex) => match self.text(text) {
                Some(text) => regex.is_match(text).into(),
                None => Truth::Maybe,
            },
            Test::NumberIn(number, numbers) => {
                let number = self.number(number);
                let same = |other| compare(number, self.number(other), |left, right| left == right);
                numbers.iter().map(same).max().unwrap_or(Truth::No)
            }
            Test::TextIn(text, list) => {
                let text = self.text(text);
                let same = self.each(list, |state| {
                    compare(text, state.element, |left, right| left == right)
                });
                same.map_or(Truth::Maybe, |all| {
                    all.into_iter().max().unwrap_or(Truth::No)
                })
            }
            Test::Every(list, test) => {
                let all = self.each(list, |state| state.test(test));
                all.map_or(Truth::Maybe, |all| {
                    all.into_iter().min().unwrap_or(Truth::Yes)
                })
            }
            Test::Some(list, test) => {
                let all = self.each(list, |state| state.test(test));
                all.map_or(Truth::Maybe, |all| {
                    all.into_iter().max().unwrap_or(Truth::No)
                })
            }
        }
    }

    /// What holds for each value of a list. Of a name that may be in several schemas that is certain
    /// only if it is the same in each.
    fn each(&self, list: &List, test: impl Fn(State<'_>) -> Truth) -> Option<Vec<Truth>> {
        let values = self.values(list)?;
        let truths = values.iter().map(|value| {
            if value.is_empty() {
                return test(State {
                    known: self.known,
                    element: None,
                });
            }
            agreed(value.iter().map(|text| {
                test(State {
                    known: self.known,
                    element: Some(text),
                })
            }))
        });
        Some(truths.collect())
    }

    fn values(&self, list: &'a List) -> Option<Vec<Value<'a>>> {
        let certain = |text: &'a str| vec![Cow::Borrowed(text)];
        let values: Vec<Value<'a>> = match list {
            List::Of(texts) => texts
                .iter()
                .map(|text| {
                    self.text(text)
                        .map(|text| vec![Cow::Owned(text.to_owned())])
                })
                .map(Option::unwrap_or_default)
                .collect(),
            List::Groups => {
                let groups = self.known.groups.iter();
                groups.map(|group| certain(group.as_str())).collect()
            }
            List::Fact(slot) => match self.fact(*slot) {
                Fact::Absent => Vec::new(),
                Fact::Texts(texts) => texts.iter().map(|text| certain(text)).collect(),
                Fact::Names(names) if names.len() <= MAX_VALUES => {
                    names.iter().map(written).collect()
                }
                _ => return None,
            },
        };
        let all: usize = values.iter().map(|value| value.len().max(1)).sum();
        (all <= MAX_VALUES).then_some(values)
    }

    fn number(&self, number: &Number) -> Option<i128> {
        let counted = |count: usize| i128::try_from(count).ok();
        match number {
            Number::Is(number) => Some(*number),
            Number::Fact(slot) => match self.fact(*slot) {
                Fact::Number(number) => Some((*number).into()),
                _ => None,
            },
            Number::Length(text) => counted(self.text(text)?.chars().count()),
            Number::Count(list) => counted(self.values(list)?.len()),
        }
    }

    fn text<'b>(&'b self, text: &'b Text) -> Option<&'b str> {
        match text {
            Text::Is(text) => Some(text),
            Text::Workload => Some(self.known.workload.as_str()),
            Text::Element => self.element,
            Text::Fact(slot) => match self.fact(*slot) {
                Fact::Text(text) => Some(text),
                _ => None,
            },
        }
    }

    fn fact(&self, slot: Slot) -> &'a Fact {
        let set: Option<&'a FactSet> = match slot.scope {
            Scope::Connection => Some(self.known.connection),
            Scope::Action => self.known.unit,
        };
        set.map_or(&Fact::Unknown, |set| set.fact(slot.index))
    }
}

/// `schema.name`, for each schema that it may be in.
fn written(name: &Name) -> Value<'_> {
    let within = |schema: &str| Cow::Owned(format!("{schema}.{}", name.name));
    match &name.schema {
        Schema::In(schema) => vec![within(schema)],
        Schema::OneOf(schemas) => schemas.iter().map(|schema| within(schema)).collect(),
        Schema::Any => Vec::new(),
    }
}

fn compare<T>(left: Option<T>, right: Option<T>, holds: impl Fn(T, T) -> bool) -> Truth {
    match (left, right) {
        (Some(left), Some(right)) => holds(left, right).into(),
        _ => Truth::Maybe,
    }
}

/// What all of them say, if they say the same.
fn agreed(truths: impl IntoIterator<Item = Truth>) -> Truth {
    let mut truths = truths.into_iter();
    match truths.next() {
        Some(first) if truths.all(|other| other == first) => first,
        _ => Truth::Maybe,
    }
}
