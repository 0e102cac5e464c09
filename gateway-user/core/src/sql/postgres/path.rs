//! `SearchPath`: where the server looks for relations and functions whose names carry no schema.
//!
//! How it is found out is the protocol's (`crate::protocols::postgres`); here is what it means.

use std::sync::Arc;

use super::catalog;
use crate::facts::Schema;

/// Where unqualified names are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SearchPath {
    /// In these schemas, in this order, as `current_schemas(false)` tells them: the ones that exist
    /// and that the role may use. Before them in `pg_temp`, and in `pg_catalog` unless it is among
    /// them.
    Known(Arc<[Box<str>]>),
    /// Not known: an unqualified name could be in any schema.
    Unknown,
}

impl Default for SearchPath {
    /// What a server has out of the box, for a role without a schema of its own: `public`.
    fn default() -> Self {
        Self::of(["public"])
    }
}

impl SearchPath {
    /// These schemas.
    pub fn of<'a>(schemas: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Known(schemas.into_iter().map(Into::into).collect())
    }

    /// The schema of a relation whose name carries none.
    ///
    /// The session's own temporary relations would come first, and are taken for what they hide: all
    /// that is in them the session has put there, by statements that were judged. So a deny rule may
    /// hold for one that has a denied name, and an allow rule opens nothing through it.
    pub(super) fn schema_of(&self, relation: &str) -> Schema {
        let Self::Known(schemas) = self else {
            return Schema::Any;
        };
        let explicit = schemas.iter().any(|schema| **schema == *CATALOG);
        match &**schemas {
            _ if !explicit && catalog::is_relation(relation) => Schema::In(CATALOG.into()),
            [] => Schema::Any,
            [schema] => Schema::In(schema.clone()),
            _ => Schema::OneOf(Arc::clone(schemas)),
        }
    }

    /// The schema of a function whose name carries none. Arguments decide between functions of one
    /// name, so it may be in any schema of the path; it is never a temporary one.
    pub(super) fn schema_of_function(&self) -> Schema {
        let Self::Known(schemas) = self else {
            return Schema::Any;
        };
        let (catalog, others) = (Box::from(CATALOG), schemas.iter().cloned());
        match &**schemas {
            [] => Schema::In(catalog),
            _ if schemas.contains(&catalog) => Schema::OneOf(Arc::clone(schemas)),
            _ => Schema::OneOf(std::iter::once(catalog).chain(others).collect()),
        }
    }

    /// Whether a name that is now known to be in `schema` may have been written without it.
    pub fn may_have_given(&self, schema: &str) -> bool {
        match self {
            Self::Known(schemas) => {
                schema == CATALOG || schemas.iter().any(|known| **known == *schema)
            }
            Self::Unknown => false,
        }
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Known(schemas) => schemas.iter().map(|schema| 16 + schema.len()).sum(),
            Self::Unknown => 0,
        }
    }
}

const CATALOG: &str = "pg_catalog";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_the_only_schema_or_in_one_of_several() {
        let check = |path: &[&str], relation: &str, expected: Schema| {
            let path = SearchPath::of(path.iter().copied());
            assert_eq!(path.schema_of(relation), expected, "{path:?} {relation}");
        };
        let only = |schema: &str| Schema::In(schema.into());
        let several =
            |schemas: &[&str]| Schema::OneOf(schemas.iter().copied().map(Into::into).collect());
        check(&["public"], "orders", only("public"));
        check(&["public"], "pg_class", only("pg_catalog"));
        check(&["app", "public"], "orders", several(&["app", "public"]));
        check(&["app", "public"], "pg_class", only("pg_catalog"));
        // Where the catalog is listed it has the place that it is listed at.
        let listed = ["public", "pg_catalog"];
        check(&listed, "pg_class", several(&listed));
        check(&["pg_catalog"], "orders", only("pg_catalog"));
        check(&[], "orders", Schema::Any);
        check(&[], "pg_class", only("pg_catalog"));
        assert_eq!(SearchPath::Unknown.schema_of("pg_class"), Schema::Any);
    }

    #[test]
    fn a_function_may_be_in_any_schema_of_the_path() {
        let check = |path: &[&str], expected: &[&str]| {
            let path = SearchPath::of(path.iter().copied());
            let expected = expected.iter().copied().map(Into::into).collect();
            assert_eq!(path.schema_of_function(), Schema::OneOf(expected));
        };
        check(&["public"], &["pg_catalog", "public"]);
        check(&["app", "pg_catalog"], &["app", "pg_catalog"]);
        let nothing = SearchPath::of([]).schema_of_function();
        assert_eq!(nothing, Schema::In("pg_catalog".into()));
        assert_eq!(SearchPath::Unknown.schema_of_function(), Schema::Any);
    }
}
