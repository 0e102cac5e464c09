//! `Scope`: how much an approver lets pass by one vote, and what is left where several let pass
//! different things.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much one vote lets pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "snake_case")]
pub enum Scope {
    /// The action that was asked for.
    #[default]
    Once,
    /// It, and what this session does that is like it.
    Session(Terms),
    /// It, and what the workload does that is like it, in any session. Needs [`Terms::lasting`].
    Workload(Terms),
}

/// Bounds of what is let pass beforehand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// For how long; in whole seconds where it is written down.
    #[serde(
        default,
        with = "seconds",
        rename = "lasting_s",
        skip_serializing_if = "Option::is_none"
    )]
    pub lasting: Option<Duration>,
    /// How like it an action has to be.
    #[serde(default)]
    pub closeness: Closeness,
    /// How many actions, the first one included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_uses: Option<u64>,
    /// How many rows they may change in all. Nothing more passes once so many are reached; one action may go
    /// beyond, because the server tells only afterwards. While it is not told, no other passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rows: Option<u64>,
}

/// How like another an action has to be. Later ones are closer.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Closeness {
    /// It does the same sort of thing to the same objects: all facts are equal.
    #[default]
    Facts,
    /// Its text is equal too; its parameters may be others.
    Text,
    /// Its parameters are equal too.
    Parameters,
}

impl Scope {
    /// Its bounds, if it is more than one action.
    pub fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Once => None,
            Self::Session(terms) | Self::Workload(terms) => Some(terms),
        }
    }

    /// What both let pass.
    #[must_use]
    pub fn narrowed(self, other: Self) -> Self {
        match (self, other) {
            (Self::Once, _) | (_, Self::Once) => Self::Once,
            (Self::Workload(a), Self::Workload(b)) => Self::Workload(a.narrowed(b)),
            (Self::Session(a) | Self::Workload(a), Self::Session(b) | Self::Workload(b)) => {
                Self::Session(a.narrowed(b))
            }
        }
    }
}

impl Terms {
    fn narrowed(self, other: Self) -> Self {
        Self {
            lasting: least(self.lasting, other.lasting),
            closeness: self.closeness.max(other.closeness),
            max_uses: least(self.max_uses, other.max_uses),
            max_rows: least(self.max_rows, other.max_rows),
        }
    }
}

/// The tighter of two bounds that need not be there.
fn least<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "serde hands the field over so")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(|span| span.as_secs()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<u64>::deserialize(from)?;
        Ok(seconds.map(Duration::from_secs))
    }
}
