//! `Index`: which rules may be about an action, found without looking at each.
//!
//! A bit for each rule: by workload, by group, by verb, and by the values that rules write out, such
//! as the names of tables, or of their schemas where the name is a pattern. A rule that writes a
//! pattern for both is looked at whatever the name is. So a policy of a thousand rules costs little
//! more than the few of them that remain, and nothing is allocated to find those.
//!
//! INVARIANT: only rules that could not hold are left out; whether one does is still asked of the
//! rule. Checked by a property test in `tests/indexing`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use super::matching::Condition;
use super::pattern::{NamePattern, Pattern, Quantifier, TextPattern};
use super::table::{Rule, Slots};
use crate::facts::{Fact, FactSet, Schema, Scope};
use crate::glob::Glob;
use crate::ids::{GroupName, WorkloadName};

/// One bit for each rule, in their order.
type Bits = Box<[u64]>;

/// Most values of the closed fact that are told apart.
const MAX_VALUES: usize = 128;

/// From how many rules on that write out values of a fact these are told apart.
const WORTH: usize = 4;

/// What rules are looked for by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought<'a> {
    /// The verb's bit, or all bits if it is none of the list.
    pub(super) verb: u128,
    pub(super) workload: &'a WorkloadName,
    pub(super) groups: &'a [GroupName],
    /// None at the start of a session.
    pub(super) unit: Option<&'a FactSet>,
}

/// The rules of one kind for one resource.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the place of the verb in its closed list.
    verbs: Box<[Bits]>,
    workloads: Named<WorkloadName>,
    groups: Named<GroupName>,
    values: Box<[Values]>,
}

/// Rules by a name that they write out.
#[derive(Debug)]
struct Named<T> {
    /// For each name that a rule writes out: these rules, and the rest.
    by_name: HashMap<T, Bits>,
    /// The rules that write out none.
    rest: Bits,
}

/// Rules by the values of one fact.
#[derive(Debug)]
struct Values {
    slot: usize,
    /// Of several values of a list, whether all must be among a rule's.
    quantifier: Quantifier,
    /// By values, or the last parts of names.
    named: Named<Box<str>>,
    /// By schemas of names.
    schemas: Named<Box<str>>,
}

impl Index {
    /// Of rules that want so many of a list's values.
    pub(super) fn of(rules: &[Rule], quantifier: Quantifier, slots: &Slots) -> Self {
        let verbs = (0..MAX_VALUES).map(|verb| {
            let about = |(_, rule): &(usize, &Rule)| rule.values >> verb & 1 == 1;
            let mut bits = none(rules.len());
            let rules = rules.iter().enumerate().filter(about);
            rules.for_each(|(place, _)| put(&mut bits, place));
            bits
        });
        let workloads = rules.iter().map(|rule| rule.who.workloads.as_deref());
        let groups = rules.iter().map(|rule| rule.who.groups.as_deref());
        let verb = slots.verb.map(|(slot, _)| slot);
        Self {
            verbs: verbs.collect(),
            workloads: Named::of(workloads.map(|names| names.map(<[_]>::to_vec))),
            groups: Named::of(groups.map(|names| names.map(<[_]>::to_vec))),
            values: values(rules, quantifier, verb),
        }
    }

    /// The places of the rules that may be about what is sought, in order.
    pub(super) fn places(&self, sought: &Sought<'_>) -> Places {
        let mut words = Words::of(self.workloads.get(sought.workload));
        let place = usize::try_from(sought.verb.trailing_zeros()).ok();
        let place = place.filter(|_| sought.verb.count_ones() == 1);
        if let Some(bits) = place.and_then(|place| self.verbs.get(place)) {
            words.keep(bits);
        }
        self.groups.keep_any(sought.groups, &mut words);
        if let Some(unit) = sought.unit {
            for values in &self.values {
                values.keep(unit.fact(values.slot), &mut words);
            }
        }
        Places { words, chunk: 0 }
    }
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            by_name: HashMap::new(),
            rest: Bits::default(),
        }
    }
}

impl<T: Clone + Eq + Hash + Ord> Named<T> {
    /// Of what each rule writes out, in order; none for one that does not.
    fn of(rules: impl Iterator<Item = Option<Vec<T>>> + Clone) -> Self {
        let count = rules.clone().count();
        let mut rest = none(count);
        let mut places: BTreeMap<T, Vec<usize>> = BTreeMap::new();
        for (place, names) in rules.enumerate() {
            match names {
                None => put(&mut rest, place),
                Some(names) => {
                    for name in names {
                        places.entry(name).or_default().push(place);
                    }
                }
            }
        }
        let with_rest = |places: Vec<usize>| {
            let mut bits = rest.clone();
            places.into_iter().for_each(|place| put(&mut bits, place));
            bits
        };
        Self {
            by_name: places
                .into_iter()
                .map(|(name, places)| (name, with_rest(places)))
                .collect(),
            rest,
        }
    }

    fn get<Q: Eq + Hash + ?Sized>(&self, name: &Q) -> &Bits
    where
        T: std::borrow::Borrow<Q>,
    {
        self.by_name.get(name).unwrap_or(&self.rest)
    }

    /// Leaves the rules for one of these names, and the rest.
    fn keep_any<'a, Q: Eq + Hash + ?Sized + 'a>(
        &self,
        names: impl IntoIterator<Item = &'a Q>,
        words: &mut Words,
    ) where
        T: std::borrow::Borrow<Q>,
    {
        if self.by_name.is_empty() {
            return;
        }
        let mut any = Words::of(&self.rest);
        for name in names {
            if let Some(bits) = self.by_name.get(name) {
                any.add(bits);
            }
        }
        words.keep(any.as_slice());
    }
}

impl Values {
    /// Leaves the rules that a fact may match.
    fn keep(&self, fact: &Fact, words: &mut Words) {
        match fact {
            // No value is among a rule's.
            Fact::Absent => words.keep(&self.named.rest),
            Fact::Text(text) => words.keep(self.named.get(&**text)),
            Fact::Texts(texts) => self.keep_list(texts.iter().map(|text| (&**text, None)), words),
            Fact::Names(names) => {
                let names = names.iter().map(|name| (&*name.name, Some(&name.schema)));
                self.keep_list(names, words);
            }
            // It may be any value.
            Fact::Unknown | Fact::Flag(_) | Fact::Number(_) => {}
        }
    }

    fn keep_list<'a>(
        &self,
        values: impl ExactSizeIterator<Item = (&'a str, Option<&'a Schema>)>,
        words: &mut Words,
    ) {
        match self.quantifier {
            Quantifier::All if values.len() > 0 => {
                for value in values {
                    let mut one = Words::of(&self.named.rest);
                    self.add_one(value, &mut one);
                    words.keep(one.as_slice());
                }
            }
            // Of an empty list nothing matches but `[]` and `not`, which are of the rest.
            Quantifier::All | Quantifier::Any => {
                let mut any = Words::of(&self.named.rest);
                values.for_each(|value| self.add_one(value, &mut any));
                words.keep(any.as_slice());
            }
        }
    }

    /// Adds the rules that a value may match.
    fn add_one(&self, (value, schema): (&str, Option<&Schema>), words: &mut Words) {
        words.add(self.named.get(value));
        match schema {
            None => {}
            Some(Schema::In(schema)) => words.add(self.schemas.get(schema)),
            Some(Schema::OneOf(schemas)) => {
                schemas
                    .iter()
                    .for_each(|it| words.add(self.schemas.get(it)));
            }
            Some(Schema::Any) => self.schemas.by_name.values().for_each(|it| words.add(it)),
        }
    }
}

/// The facts of which enough rules write out values, but for the closed one.
fn values(rules: &[Rule], quantifier: Quantifier, verb: Option<usize>) -> Box<[Values]> {
    let conditions = rules.iter().flat_map(|rule| &rule.conditions);
    let slots: BTreeSet<usize> = conditions
        .map(|condition| condition.slot)
        .filter(|slot| Some(*slot) != verb)
        .collect();
    let by_slot = slots.into_iter().filter_map(|slot| {
        let written = rules.iter().map(|rule| {
            let mut conditions = rule.conditions.iter();
            conditions.find_map(|it| written(it).filter(|_| it.slot == slot))
        });
        let is_worth_it = written.clone().flatten().count() >= WORTH;
        is_worth_it.then(|| Values {
            slot,
            quantifier,
            named: Named::of(written.clone().map(|it| it.map(|it| it.values))),
            schemas: Named::of(written.map(|it| it.map(|it| it.schemas))),
        })
    });
    by_slot.collect()
}

/// What a condition writes out: a fact must have one of these values or last parts of names, or a name
/// in one of these schemas.
#[derive(Debug, Default)]
struct Written {
    values: Vec<Box<str>>,
    schemas: Vec<Box<str>>,
}

/// What a condition writes out, where each of its patterns writes out something.
fn written(condition: &Condition) -> Option<Written> {
    let mut written = Written::default();
    match (&condition.pattern, condition.scope) {
        (Pattern::Text(patterns), Scope::Action) => {
            for pattern in patterns {
                let TextPattern::Glob(Glob::Exact(text)) = pattern else {
                    return None;
                };
                written.values.push(text.clone());
            }
        }
        (Pattern::Names(patterns), Scope::Action) => {
            for pattern in patterns {
                match pattern {
                    NamePattern::Parts {
                        name: Glob::Exact(name),
                        ..
                    } => written.values.push(name.clone()),
                    NamePattern::Parts {
                        schema: Glob::Exact(schema),
                        ..
                    } => written.schemas.push(schema.clone()),
                    NamePattern::Parts { .. } | NamePattern::Regex(_) => return None,
                }
            }
        }
        _ => return None,
    }
    Some(written)
}

/// No rule of so many.
fn none(count: usize) -> Bits {
    vec![0; count.div_ceil(64)].into()
}

fn put(bits: &mut Bits, place: usize) {
    if let Some(word) = bits.get_mut(place / 64) {
        *word |= 1 << (place % 64);
    }
}

/// Words of bits that are there for a moment: on the stack, for up to 2,048 rules.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "to be on the stack is what it is for"
)]
enum Words {
    Few([u64; FEW], usize),
    Many(Vec<u64>),
}

const FEW: usize = 32;

impl Words {
    fn of(bits: &[u64]) -> Self {
        let mut few = [0; FEW];
        match few.get_mut(..bits.len()) {
            Some(words) => {
                words.copy_from_slice(bits);
                Self::Few(few, bits.len())
            }
            None => Self::Many(bits.to_vec()),
        }
    }

    fn as_slice(&self) -> &[u64] {
        match self {
            Self::Few(words, count) => words.get(..*count).unwrap_or_default(),
            Self::Many(words) => words,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [u64] {
        match self {
            Self::Few(words, count) => words.get_mut(..*count).unwrap_or_default(),
            Self::Many(words) => words,
        }
    }

    fn keep(&mut self, bits: &[u64]) {
        let words = self.as_mut_slice().iter_mut();
        words.zip(bits).for_each(|(word, bits)| *word &= bits);
    }

    fn add(&mut self, bits: &[u64]) {
        let words = self.as_mut_slice().iter_mut();
        words.zip(bits).for_each(|(word, bits)| *word |= bits);
    }
}

/// The places of the bits that are set, in order.
#[derive(Debug)]
pub(super) struct Places {
    words: Words,
    chunk: usize,
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        loop {
            let word = self.words.as_mut_slice().get_mut(self.chunk)?;
            if *word != 0 {
                let place = usize::try_from(word.trailing_zeros()).ok()?;
                *word &= *word - 1;
                return Some(self.chunk * 64 + place);
            }
            self.chunk += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_bits() {
        let check = |bits: &[u64], expected: &[usize]| {
            let places = Places {
                words: Words::of(bits),
                chunk: 0,
            };
            assert_eq!(places.collect::<Vec<_>>(), expected);
        };
        check(&[], &[]);
        check(&[0, 0], &[]);
        check(&[1, 2], &[0, 65]);
        check(&[1 << 63 | 5], &[0, 2, 63]);
        let many: Vec<u64> = (0..40).map(|n| u64::from(n == 39)).collect();
        check(&many, &[39 * 64]);
    }
}
