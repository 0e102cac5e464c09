//! Whether a condition is true, in three values.
//!
//! What cannot be known and what does not exist are the same here: a comparison with it is `Maybe`.
//! `&&` is the least of its sides and `||` the greatest, so that `has(x) && x` is never more than
//! what is known; CEL calls that absorbing errors. What is left when the steps are used up is not known
//! either. Nothing is allocated but the text of a destination.

use super::{Claimed, Known, List, Number, Order, Relation, Slot, Test, Text};
use crate::facts::{Fact, FactSet, Name, Schema, Scope};
use crate::ids::IssuerName;
use crate::policy::pattern::{Truth, with_schema};
use crate::subject::{Claim, Identity};

/// Most values of a list that are looked at; of a longer one nothing is known.
const MAX_VALUES: usize = 1000;

/// Bytes of a text that are looked at in a step.
const TEXT_PER_STEP: usize = 64;

/// How the values of a list are put together where all have to be.
const ALL: (Truth, fn(Truth, Truth) -> Truth) = (Truth::Yes, Ord::min);
/// And where one is enough.
const ANY: (Truth, fn(Truth, Truth) -> Truth) = (Truth::No, Ord::max);

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
        if !self.known.steps.take(1) {
            return Truth::Maybe;
        }
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
                self.text(left).filter(|text| self.reads(text)),
                self.text(right).filter(|text| self.reads(text)),
                |left, right| match relation {
                    Relation::Equal => left == right,
                    Relation::Starts => left.starts_with(right),
                    Relation::Ends => left.ends_with(right),
                    Relation::Contains => left.contains(right),
                },
            ),
            Test::Matches(text, expression) => match self.text(text) {
                Some(text) if self.known.steps.take(expression.steps(text)) => {
                    expression.regex.is_match(text).into()
                }
                _ => Truth::Maybe,
            },
            Test::NumberIn(number, numbers) => {
                let number = self.number(number);
                let same = |other| {
                    let other = self.number(other).filter(|_| self.known.steps.take(1));
                    compare(number, other, |left, right| left == right)
                };
                numbers.iter().map(same).max().unwrap_or(Truth::No)
            }
            Test::TextIn(text, list) => {
                let text = self.text(text);
                let same = |state: State<'_>| {
                    let other = state.element.filter(|_| state.known.steps.take(1));
                    compare(text, other, |left, right| left == right)
                };
                self.over(list, ANY, same)
            }
            Test::Every(list, test) => self.over(list, ALL, |state| state.test(test)),
            Test::Some(list, test) => self.over(list, ANY, |state| state.test(test)),
        }
    }

    /// What holds for each value of a list, put together; `Maybe` where the values are not known.
    fn over(
        &self,
        list: &List,
        (empty, together): (Truth, fn(Truth, Truth) -> Truth),
        test: impl Fn(State<'_>) -> Truth,
    ) -> Truth {
        if self.count(list).is_none() {
            return Truth::Maybe;
        }
        let of = |element: Option<&str>| {
            test(State {
                known: self.known,
                element,
            })
        };
        let all = |truths: &mut dyn Iterator<Item = Truth>| truths.fold(empty, together);
        match list {
            List::Of(texts) => all(&mut texts.iter().map(|text| of(self.text(text)))),
            List::Groups => {
                let groups = self.known.actor.groups.iter();
                all(&mut groups.map(|group| of(Some(group.as_str()))))
            }
            List::Claim(claimed) => match self.claim(claimed) {
                Some(Claim::Texts(texts)) => all(&mut texts.iter().map(|text| of(Some(text)))),
                _ => Truth::Maybe,
            },
            List::Fact(slot) => match self.fact(*slot) {
                Fact::Absent => empty,
                Fact::Texts(texts) => all(&mut texts.iter().map(|text| of(Some(text)))),
                Fact::Names(names) => all(&mut names.iter().map(|name| of_name(name, &of))),
                _ => Truth::Maybe,
            },
        }
    }

    /// How many values a list has; none where that is not known or they are too many.
    fn count(&self, list: &List) -> Option<usize> {
        let (count, all) = match list {
            List::Of(texts) => (texts.len(), texts.len()),
            List::Groups => (self.known.actor.groups.len(), self.known.actor.groups.len()),
            List::Claim(claimed) => match self.claim(claimed) {
                Some(Claim::Texts(texts)) => (texts.len(), texts.len()),
                _ => return None,
            },
            List::Fact(slot) => match self.fact(*slot) {
                Fact::Absent => (0, 0),
                Fact::Texts(texts) => (texts.len(), texts.len()),
                Fact::Names(names) => {
                    let schemas = names.iter().map(|name| match &name.schema {
                        Schema::OneOf(schemas) => schemas.len().max(1),
                        Schema::In(_) | Schema::Any => 1,
                    });
                    (names.len(), schemas.sum())
                }
                _ => return None,
            },
        };
        (all <= MAX_VALUES).then_some(count)
    }

    fn number(&self, number: &Number) -> Option<i128> {
        let counted = |count: usize| i128::try_from(count).ok();
        match number {
            Number::Is(number) => Some(*number),
            Number::Uid => self.known.actor.uid.map(Into::into),
            Number::Gid => self.known.actor.gid.map(Into::into),
            Number::Fact(slot) => match self.fact(*slot) {
                Fact::Number(number) => Some((*number).into()),
                _ => None,
            },
            Number::Length(text) => {
                let text = self.text(text).filter(|text| self.reads(text))?;
                counted(text.chars().count())
            }
            Number::Count(list) => counted(self.count(list)?),
        }
    }

    /// Takes the steps for looking at a text from its beginning to its end.
    fn reads(&self, text: &str) -> bool {
        let steps = u64::try_from(text.len() / TEXT_PER_STEP).unwrap_or(u64::MAX);
        self.known.steps.take(steps)
    }

    fn text<'b>(&'b self, text: &'b Text) -> Option<&'b str> {
        match text {
            Text::Is(text) => Some(text),
            Text::Workload => Some(self.known.actor.workload.as_str()),
            Text::Exe => self.known.actor.exe,
            Text::Cgroup => self.known.actor.cgroup,
            Text::Destination => {
                let destination = self.known.actor.destination?;
                let text = || destination.to_string();
                Some(self.known.destination.get_or_init(text))
            }
            Text::Issuer => Some(self.known.actor.identity?.issuer.as_str()),
            Text::Subject(issuer) => {
                let subject = self.identity(issuer)?.subject.as_str();
                Some(subject).filter(|it| !it.is_empty())
            }
            Text::Claim(claimed) => match self.claim(claimed) {
                Some(Claim::Text(text)) => Some(text),
                _ => None,
            },
            Text::Element => self.element,
            Text::Fact(slot) => match self.fact(*slot) {
                Fact::Text(text) => Some(text),
                _ => None,
            },
        }
    }

    /// Who it is by this issuer's token.
    fn identity(&self, issuer: &IssuerName) -> Option<&'a Identity> {
        self.known.actor.identity.filter(|it| it.issuer == *issuer)
    }

    fn claim(&self, claimed: &Claimed) -> Option<&'a Claim> {
        self.identity(&claimed.issuer)?.claims.get(&*claimed.name)
    }

    fn fact(&self, slot: Slot) -> &'a Fact {
        let set: Option<&'a FactSet> = match slot.scope {
            Scope::Connection => Some(self.known.connection),
            Scope::Moment => self.known.unit.map(|_| self.known.connection),
            Scope::Action => self.known.unit,
        };
        set.map_or(&Fact::Unknown, |set| set.fact(slot.index))
    }
}

/// What holds for a name. Where it may be in several schemas that is certain only if it is the same
/// in each.
fn of_name(name: &Name, of: &impl Fn(Option<&str>) -> Truth) -> Truth {
    let within = |schema: &str| with_schema(schema, &name.name, |text| of(Some(text)));
    match &name.schema {
        Schema::In(schema) => within(schema),
        Schema::OneOf(schemas) => agreed(schemas.iter().map(|schema| within(schema))),
        Schema::Any => of(None),
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
