//! `Draft`: facts that a person writes down by name, to see what a policy decides on them.
//!
//! What is not given is unknown, and what is unknown counts against the one who asks: a draft never
//! looks better than the connection that it stands for. But what the server's catalog alone tells, such as
//! what becomes of masked columns, is as it usually is: nobody writes that down of each action.

use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::matching::slot_of;
use super::model::Tree;
use crate::facts::{Attribute, Fact, FactSet, Facts, Name, Scope, Stage, Type, Usual};

/// Facts by name, for a protocol.
#[derive(Clone, Debug)]
pub struct Draft {
    attributes: &'static [Attribute],
    connection: FactSet,
    unit: FactSet,
    /// Whether a fact of an action was given.
    acts: bool,
}

impl Draft {
    /// Nothing is known yet.
    pub fn new(attributes: &'static [Attribute]) -> Self {
        let of = |scope: Scope| {
            let mut set = FactSet::new(attributes);
            for (slot, attribute) in attributes.iter().enumerate() {
                if attribute.scope == scope && attribute.usual == Usual::Absent {
                    set.set(slot, Fact::Unknown);
                }
            }
            set
        };
        Self {
            attributes,
            connection: of(Scope::Connection),
            unit: of(Scope::Action),
            acts: false,
        }
    }

    /// Gives a fact, by its full name or its last part; a list of no values is a fact that is not
    /// there. Text stands for a flag or number too.
    ///
    /// # Errors
    /// The protocol has no such fact, or not with such a value: said so that it can follow the
    /// fact's name.
    pub fn give(&mut self, name: &str, value: &Tree) -> Result<(), String> {
        let slot = slot_of(name, self.attributes);
        let Some((slot, attribute)) =
            slot.and_then(|slot| Some((slot, self.attributes.get(slot)?)))
        else {
            return Err(self.unknown(name));
        };
        let fact = fact(value, attribute.ty).ok_or_else(|| {
            let expected = match attribute.ty {
                Type::Text => "a text",
                Type::Texts => "a list of texts",
                Type::Names => "a list of names such as `public.orders`",
                Type::Flag => "`true` or `false`",
                Type::Number => "a whole number",
            };
            format!("`{}` is {expected}", attribute.name)
        })?;
        match attribute.scope {
            Scope::Connection | Scope::Moment => self.connection.set(slot, fact),
            Scope::Action => {
                self.unit.set(slot, fact);
                self.acts = true;
            }
        }
        Ok(())
    }

    fn unknown(&self, name: &str) -> String {
        let all = self.attributes.iter().map(|attribute| attribute.name);
        let short = all.clone().filter_map(|name| name.rsplit('.').next());
        let known: Vec<&str> = if name.contains('.') {
            all.collect()
        } else {
            short.collect()
        };
        let diagnostic = Diagnostic::error(0..0, "").suggest(name, known);
        let help = diagnostic.help.unwrap_or_default();
        format!("there is no fact `{name}` here: {help}")
    }

    /// The facts of the connection, and of the moment.
    pub fn connection(&self) -> FactSet {
        self.connection.clone()
    }

    /// Whether facts of an action were given.
    pub fn acts(&self) -> bool {
        self.acts
    }

    /// What is to be decided: an action of one unit if facts of one were given, else the start of
    /// the session.
    pub fn facts(self) -> Facts {
        Facts {
            stage: if self.acts {
                Stage::Action(Arc::new([self.unit]))
            } else {
                Stage::Connect
            },
            connection: Arc::new(self.connection),
        }
    }
}

fn fact(value: &Tree, ty: Type) -> Option<Fact> {
    Some(match (value, ty) {
        (Tree::List(items), Type::Text | Type::Flag | Type::Number) if items.is_empty() => {
            Fact::Absent
        }
        (Tree::Text(text), Type::Text) => Fact::Text(text.as_str().into()),
        (Tree::Text(text), Type::Flag) => Fact::Flag(text.parse().ok()?),
        (Tree::Text(text), Type::Number) => Fact::Number(text.parse().ok()?),
        (Tree::Flag(flag), Type::Flag) => Fact::Flag(*flag),
        (Tree::Number(number), Type::Number) => Fact::Number(u64::try_from(*number).ok()?),
        (Tree::Text(text), Type::Names) => Fact::Names([Name::read(text)].into()),
        (Tree::Text(text), Type::Texts) => Fact::Texts([text.as_str().into()].into()),
        (Tree::List(items), Type::Names | Type::Texts) => {
            let texts = items.iter().map(|item| match item.get_ref() {
                Tree::Text(text) => Some(text.as_str()),
                _ => None,
            });
            let texts = texts.collect::<Option<Vec<_>>>()?;
            match ty {
                Type::Names => Fact::Names(texts.into_iter().map(Name::read).collect()),
                _ => Fact::Texts(texts.into_iter().map(Into::into).collect()),
            }
        }
        _ => return None,
    })
}
