//! `Collation`: by what texts are compared.
//!
//! What looks for texts in others fails where two collations are in conflict, or by one that has equal texts, but
//! not for texts that are too short to look in.

use pg_query::protobuf;

use super::catalog::{Column, FIRST_OWN};
use super::tracer::Tracer;
use super::value::Value;
use crate::sql::postgres::SearchPath;
use crate::sql::postgres::walk::strings;

/// The collation of the database.
const DEFAULT_COLLATION: u32 = 100;

/// Collations of every server by which texts are equal only if they are the same.
const COLLATIONS: [&str; 4] = ["C", "POSIX", "default", "ucs_basic"];

/// The collation of a text, or of all texts that something is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Collation {
    /// None, or that of the database.
    #[default]
    Default,
    /// This one.
    Of(u32),
    /// It cannot be told, or there are several, and none counts.
    Unclear,
}

impl Collation {
    /// That of a text that is made of texts with both.
    pub(super) fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Default, known) | (known, Self::Default) => known,
            _ if self == other => self,
            _ => Self::Unclear,
        }
    }

    pub(super) fn together<'v>(values: impl IntoIterator<Item = &'v Value>) -> Self {
        let all = values.into_iter().map(|value| value.collation);
        all.fold(Self::Default, Self::with)
    }

    /// Whether it is certain, and one of the server's, by which texts are equal only if they are the same.
    pub(super) fn is_servers(self) -> bool {
        match self {
            Self::Default => true,
            Self::Of(oid) => oid < FIRST_OWN,
            Self::Unclear => false,
        }
    }
}

impl Tracer<'_> {
    /// The collation of a column.
    pub(super) fn collation(&self, column: &Column) -> Collation {
        match column.collation {
            DEFAULT_COLLATION => Collation::Default,
            0 if self.is_without_collation(column.ty) => Collation::Default,
            // Of a text it is none that counts, of a row there may be several.
            0 => Collation::Unclear,
            oid => Collation::Of(oid),
        }
    }

    /// Notes whether a value with another collation than it has is asked something.
    pub(super) fn collation_asks(&self, value: &Value, to: &protobuf::CollateClause) {
        let is_first = |path: &SearchPath| match path {
            SearchPath::Known(path) => {
                let mut places = path.iter();
                matches!(
                    places.position(|schema| **schema == *"pg_catalog"),
                    None | Some(0)
                )
            }
            SearchPath::Unknown => false,
        };
        let differs = match strings(&to.collname).as_deref() {
            Some(["pg_catalog", _]) => true,
            Some([name]) => COLLATIONS.contains(name) && is_first(self.path),
            _ => false,
        };
        if !differs {
            self.probe(value);
        }
    }
}
