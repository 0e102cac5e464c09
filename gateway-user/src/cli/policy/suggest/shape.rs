//! What of an action a rule has to ask for, and which actions ask for the same: these become one rule,
//! whose lists have what any of them had.
//!
//! INVARIANT: the rule that an action goes into allows it. Checked by a property test in `tests`.

use std::collections::{BTreeMap, BTreeSet};

use gateway_core::descriptor::Protocol;
use gateway_core::facts::{Attribute, Fact, FactSet, Name, Schema, Scope};

use crate::cli::printable::toml_string;

/// A rule that is suggested.
#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) workload: String,
    pub(super) resource: String,
    /// Facts by their full names, with values as TOML writes them; none stands for `[]`.
    pub(super) matching: Vec<(&'static str, Vec<String>)>,
    /// How many actions it is made of.
    pub(super) actions: u64,
    /// How many of these are different, in what rules look at.
    pub(super) different: usize,
    /// In which way it lets pass more than was seen.
    pub(super) broader: BTreeSet<String>,
    /// What else there is to know.
    pub(super) notes: Vec<String>,
}

impl Rule {
    pub(super) fn named(name: &str, actions: u64) -> Self {
        Self {
            name: name.to_owned(),
            actions,
            different: 1,
            ..Self::default()
        }
    }
}

/// What of one fact a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// That it has this value.
    Is(String),
    /// That it has one of the values that were seen, or a list these only.
    Seen,
    /// That it has none.
    None,
    /// Nothing, because it is not known.
    Unknown,
}

/// Facts of which a rule asks nothing: they tell how something is done, or cannot be foreseen, or masks
/// have rules of their own about them.
const OPEN: [&str; 14] = [
    "sql.parsed",
    "sql.application_name",
    "sql.limit",
    "sql.prepared",
    "sql.cursor",
    "sql.statements",
    "sql.masked_in_predicate",
    "sql.masked_copied",
    "sql.masked_redefined",
    "sql.column_read",
    "sql.column_write",
    "sql.limit_rows",
    "sql.side_effects",
    "sql.risk",
];

/// Statements that have no names of relations and functions.
const NAMELESS: [&str; 20] = [
    "begin",
    "commit",
    "rollback",
    "savepoint",
    "release",
    "rollback_to",
    "prepare_transaction",
    "commit_prepared",
    "rollback_prepared",
    "set",
    "show",
    "reset",
    "empty",
    "discard",
    "deallocate",
    "listen",
    "unlisten",
    "notify",
    "checkpoint",
    "load",
];

/// Facts that are asked for of these statements only.
const ASKED_OF: [(&str, &[&str]); 2] = [
    ("sql.kind", &["select"]),
    ("sql.where", &["update", "delete", "copy_from"]),
];

/// Facts that these statements alone may have: that others have none goes without saying.
const HAD_BY: [(&str, &[&str]); 7] = [
    (
        "sql.object",
        &[
            "alter",
            "call",
            "comment",
            "create",
            "drop",
            "grant",
            "revoke",
            "security_label",
        ],
    ),
    ("sql.setting", &["set", "show", "reset"]),
    ("sql.channel", &["listen", "unlisten", "notify"]),
    ("sql.program", &["copy_from", "copy_to"]),
    ("sql.file", &["copy_from", "copy_to"]),
    ("sql.language", &["create", "do"]),
    ("sql.dynamic", &[]),
];

/// The fact by whose values rules are put together that ask for the same otherwise.
const VERBS: [&str; 3] = ["sql.verb", "dns.type", "net.port"];

/// What of each fact is asked for.
type Key = Vec<(usize, Part)>;
/// The values that were seen of each fact.
type Seen = BTreeMap<usize, BTreeSet<String>>;

/// Actions of one protocol, by what they ask for.
#[derive(Debug)]
pub(super) struct Groups {
    protocol: &'static Protocol,
    by_key: BTreeMap<(String, Key), Group>,
}

#[derive(Debug, Default)]
struct Group {
    actions: u64,
    seen: Seen,
    different: BTreeSet<Seen>,
    broader: BTreeSet<String>,
}

/// Different actions of a group are counted up to this.
const MOST_DIFFERENT: usize = 10_000;

impl Groups {
    pub(super) fn new(protocol: &'static Protocol) -> Self {
        Self {
            protocol,
            by_key: BTreeMap::new(),
        }
    }

    /// Adds an action, by its facts of this scope. One that could not be read is not taken.
    pub(super) fn add(&mut self, unit: &FactSet, scope: Scope) -> bool {
        let slot = |name: &str| {
            self.protocol
                .attributes
                .iter()
                .position(|it| it.name == name)
        };
        let is_unread = |slot: usize| *unit.fact(slot) != Fact::Flag(true);
        if slot("sql.parsed").is_some_and(is_unread) {
            return false;
        }
        let verb = VERBS.iter().find_map(|name| slot(name));
        let verb = verb.map(|slot| unit.fact(slot));
        let word = match verb {
            Some(Fact::Text(text)) => text.to_string(),
            Some(Fact::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let has = |name: &str| slot(name).is_some_and(|slot| has_names(unit.fact(slot)));
        let writes = has("sql.write");
        // What is neither read nor written, such as what a right is granted on.
        let all_told = covered(
            unit,
            slot("sql.table"),
            [slot("sql.read"), slot("sql.write")],
        );
        let (mut key, mut seen, mut broader) = (Key::new(), Seen::new(), BTreeSet::new());
        for (slot, attribute) in self.protocol.attributes.iter().enumerate() {
            let is_asked = match attribute.name {
                // Of what writes, what is read and what is written is asked for, else all of it.
                "sql.table" => !writes || !all_told,
                "sql.read" => writes,
                "sql.write" => writes || word != "select" && !NAMELESS.contains(&&*word),
                name => !VERBS.contains(&name) && !OPEN.contains(&name),
            };
            if attribute.scope != scope || !is_asked {
                continue;
            }
            if let Some(part) = part(attribute, unit.fact(slot), &word) {
                if part == Part::Seen {
                    seen.insert(slot, values(unit.fact(slot), &mut broader));
                }
                key.push((slot, part));
            }
        }
        let group = self.by_key.entry((word, key)).or_default();
        group.actions += 1;
        group.broader.extend(broader);
        for (slot, values) in &seen {
            group
                .seen
                .entry(*slot)
                .or_default()
                .extend(values.iter().cloned());
        }
        if group.different.len() < MOST_DIFFERENT {
            group.different.insert(seen);
        }
        true
    }

    /// The rules, each with what is asked of the connection.
    pub(super) fn rules(&self, connection: &[(usize, Vec<String>)]) -> Vec<Rule> {
        // What differs in the verb alone is one rule.
        let mut together: BTreeMap<(&Key, &Seen), Vec<(&str, &Group)>> = BTreeMap::new();
        for ((word, key), group) in &self.by_key {
            let same = together.entry((key, &group.seen)).or_default();
            same.push((word, group));
        }
        let mut rules: Vec<Rule> = together
            .into_iter()
            .map(|((key, seen), groups)| self.rule(connection, key, seen, &groups))
            .collect();
        rules.sort_by(|a, b| b.actions.cmp(&a.actions).then_with(|| a.name.cmp(&b.name)));
        rules
    }

    fn rule(
        &self,
        connection: &[(usize, Vec<String>)],
        key: &Key,
        seen: &Seen,
        groups: &[(&str, &Group)],
    ) -> Rule {
        let words: Vec<&str> = groups.iter().map(|(word, _)| *word).collect();
        let is_verb = |attribute: &&Attribute| VERBS.contains(&attribute.name);
        let verb = self.protocol.attributes.iter().find(is_verb);
        let named = |slot: usize| self.protocol.attributes.get(slot).map(|it| it.name);
        let of_connection = connection.iter().cloned();
        let mut matching: Vec<(&'static str, Vec<String>)> = of_connection
            .filter_map(|(slot, values)| Some((named(slot)?, values)))
            .collect();
        // Of what is put together when it runs no verb is known: nothing is asked of it.
        if let Some(verb) = verb.filter(|_| words != [""]) {
            let is_number = verb.name == "net.port";
            let plain = |word: &&str| match is_number {
                true => (*word).to_owned(),
                false => value(word),
            };
            matching.push((verb.name, words.iter().map(plain).collect()));
        }
        for (slot, part) in key {
            let values = match part {
                Part::Is(value) => vec![value.clone()],
                Part::Seen => seen.get(slot).into_iter().flatten().cloned().collect(),
                Part::None => Vec::new(),
                Part::Unknown => continue,
            };
            matching.extend(named(*slot).map(|name| (name, values)));
        }
        let with_functions = key
            .iter()
            .any(|(slot, part)| *part == Part::Seen && named(*slot) == Some("sql.function"));
        let mut name = match words.as_slice() {
            [one, two] => format!("{one}-{two}"),
            [one] if !one.is_empty() => (*one).to_owned(),
            [] | [_] => "pass".to_owned(),
            [one, .., _] => format!("{one}-and-more"),
        };
        if with_functions {
            name.push_str("-with-functions");
        }
        let broader = groups.iter().flat_map(|(_, group)| group.broader.clone());
        let unknown = key.iter().filter(|(_, part)| *part == Part::Unknown);
        let unknown: Vec<&str> = unknown.filter_map(|(slot, _)| named(*slot)).collect();
        let broader = broader.chain((!unknown.is_empty()).then(|| {
            let all = unknown.join(", ");
            format!("nothing is asked of {all}, because it is not known what these actions touch")
        }));
        Rule {
            matching,
            different: groups.iter().map(|(_, group)| group.different.len()).sum(),
            broader: broader.collect(),
            ..Rule::named(&name, groups.iter().map(|(_, group)| group.actions).sum())
        }
    }
}

/// What a rule asks of a fact; nothing where it need not.
fn part(attribute: &Attribute, fact: &Fact, verb: &str) -> Option<Part> {
    let of = |all: &[(&str, &'static [&str])]| {
        let mut all = all.iter();
        all.find_map(|(name, verbs)| (*name == attribute.name).then_some(*verbs))
    };
    let (asked_of, had_by) = (of(&ASKED_OF), of(&HAD_BY));
    if asked_of.is_some_and(|verbs| !verbs.contains(&verb)) {
        return None;
    }
    Some(match fact {
        Fact::Unknown => Part::Unknown,
        Fact::Flag(flag) => Part::Is(flag.to_string()),
        Fact::Number(number) => Part::Is(number.to_string()),
        Fact::Text(text) if !attribute.values.is_empty() => Part::Is(value(text)),
        _ if has_names(fact) => Part::Seen,
        _ => match had_by {
            Some(verbs) if !verbs.contains(&verb) => return None,
            None if NAMELESS.contains(&verb) => return None,
            Some(_) | None => Part::None,
        },
    })
}

fn has_names(fact: &Fact) -> bool {
    match fact {
        Fact::Names(names) => !names.is_empty(),
        Fact::Texts(texts) => !texts.is_empty(),
        Fact::Absent => false,
        Fact::Unknown | Fact::Text(_) | Fact::Flag(_) | Fact::Number(_) => true,
    }
}

/// Whether each name of a list is in one of the others, and all are known.
fn covered(unit: &FactSet, all: Option<usize>, parts: [Option<usize>; 2]) -> bool {
    let names = |slot: Option<usize>| match slot.map(|slot| unit.fact(slot)) {
        Some(Fact::Names(names)) => Some(&**names),
        Some(Fact::Absent) => Some(&[][..]),
        _ => None,
    };
    let [one, other] = parts.map(names);
    let (Some(all), Some(one), Some(other)) = (names(all), one, other) else {
        return false;
    };
    let mut all = all.iter();
    all.all(|name| one.contains(name) || other.contains(name))
}

/// The values of a fact, as patterns that match these alone.
fn values(fact: &Fact, broader: &mut BTreeSet<String>) -> BTreeSet<String> {
    match fact {
        Fact::Text(text) => [value(text)].into(),
        Fact::Texts(texts) => texts.iter().map(|text| value(text)).collect(),
        Fact::Names(names) => names
            .iter()
            .flat_map(|name| of_name(name, broader))
            .collect(),
        Fact::Absent | Fact::Unknown | Fact::Flag(_) | Fact::Number(_) => BTreeSet::new(),
    }
}

fn of_name(name: &Name, broader: &mut BTreeSet<String>) -> Vec<String> {
    let within = |schema: &str| {
        let plain = !schema.is_empty() && !schema.contains('.') && !name.name.is_empty();
        let whole = format!("{schema}.{}", name.name);
        match plain && !is_glob(&whole) {
            true => toml_string(&whole),
            false => expression(&whole),
        }
    };
    match &name.schema {
        Schema::In(schema) => vec![within(schema)],
        Schema::OneOf(schemas) => schemas.iter().map(|schema| within(schema)).collect(),
        Schema::Any => {
            let what = "names without a schema are of any: the search path was not known";
            broader.insert(what.to_owned());
            let text = &*name.name;
            vec![
                match text.contains('.') || text.is_empty() || is_glob(text) {
                    true => format!(
                        "{{ regex = {} }}",
                        toml_string(&format!("[^.]*[.]{}", escaped(text)))
                    ),
                    false => toml_string(text),
                },
            ]
        }
    }
}

/// A text as a pattern that matches it alone.
pub(super) fn value(text: &str) -> String {
    match is_glob(text) {
        true => expression(text),
        false => toml_string(text),
    }
}

fn is_glob(text: &str) -> bool {
    text.contains(['*', '?'])
}

fn expression(text: &str) -> String {
    format!("{{ regex = {} }}", toml_string(&escaped(text)))
}

/// A regular expression for a text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii_punctuation() && letter != '_' {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}
