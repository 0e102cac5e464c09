//! Reads a database's catalog: puts the questions and understands the rows. A row that is not understood
//! means that there is no catalog.

use std::collections::{BTreeMap, HashMap};

use gateway_core::sql::postgres::lineage::catalog::{
    Catalog, Column, Filling, Function, Key, Language, Operator, Reference, Relation, RelationKind,
    Type, TypeKind, Volatility,
};

use super::questions;
use crate::relay::client::{Client, ClientError, Row};

/// Asks for all of it.
pub(super) async fn read(client: &mut Client) -> Result<Catalog, ClientError> {
    client.run(questions::BEGIN).await?;
    let version = client.query(questions::VERSION, &[]).await?;
    let version = version.into_iter().next().map(Fields::of);
    let version: u32 = version
        .and_then(|mut row| row.number())
        .ok_or(ClientError::Protocol)?;
    let functions = match version >= questions::BODIES {
        true => questions::FUNCTIONS,
        false => questions::FUNCTIONS_WITHOUT_BODIES,
    };
    let mut found = Found::default();
    client
        .each(questions::RELATIONS, &[], |row| found.relation(row))
        .await?;
    client
        .each(questions::COLUMNS, &[], |row| found.column(row))
        .await?;
    client
        .each(questions::UNIQUE, &[], |row| found.unique(row))
        .await?;
    client
        .each(questions::PARTED, &[], |row| found.parted(row))
        .await?;
    client
        .each(questions::TRIGGERS, &[], |row| found.trigger(row))
        .await?;
    client
        .each(questions::REFERENCES, &[], |row| found.reference(row))
        .await?;
    client
        .each(questions::PARENTS, &[], |row| found.parent(row))
        .await?;
    client
        .each(questions::TYPES, &[], |row| found.ty(row))
        .await?;
    client
        .each(functions, &[], |row| found.function(row))
        .await?;
    client
        .each(questions::OPERATORS, &[], |row| found.operator(row))
        .await?;
    client.run("COMMIT").await?;
    Ok(found.into_catalog())
}

/// What has been read so far.
#[derive(Default)]
struct Found {
    relations: Vec<Relation>,
    columns: HashMap<u32, Vec<Column>>,
    /// By relation and by index.
    keys: HashMap<u32, BTreeMap<u32, (bool, Vec<i16>)>>,
    parted: HashMap<u32, Vec<i16>>,
    triggers: HashMap<u32, Vec<u32>>,
    emptied: HashMap<u32, Vec<u32>>,
    references: HashMap<u32, Vec<Reference>>,
    parents: HashMap<u32, Vec<u32>>,
    types: Vec<Type>,
    functions: Vec<Function>,
    operators: Vec<Operator>,
}

impl Found {
    fn relation(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        self.relations.push(Relation {
            oid: row.number()?,
            schema: row.text()?,
            name: row.text()?,
            kind: match &*row.text()? {
                // The large values of a table are a table of their own.
                "r" | "p" | "t" => RelationKind::Table,
                "v" => RelationKind::View,
                "m" => RelationKind::Materialized,
                "f" => RelationKind::Foreign,
                _ => RelationKind::Other,
            },
            has_rules: row.truth()?,
            definition: row.field()?,
            columns: Box::default(),
            parents: Box::default(),
            triggers: Box::default(),
            emptied: Box::default(),
            references: Box::default(),
            keys: Box::default(),
            parted: Box::default(),
        });
        Some(())
    }

    fn column(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let columns = self.columns.entry(row.number()?).or_default();
        columns.push(Column {
            number: row.number()?,
            name: row.text()?,
            ty: row.number()?,
            collation: row.number()?,
            filling: match &*row.text()? {
                "" => Filling::Given,
                "d" => Filling::Default(row.field()?),
                "g" => Filling::Generated(row.field()?),
                _ => return None,
            },
            is_unique: false,
        });
        Some(())
    }

    fn unique(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let keys = self.keys.entry(row.number()?).or_default();
        let (is_sole, columns) = keys.entry(row.number()?).or_default();
        *is_sole = row.truth()?;
        columns.push(row.number()?);
        Some(())
    }

    fn parted(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let columns = self.parted.entry(row.number()?).or_default();
        columns.push(row.number()?);
        Some(())
    }

    fn trigger(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let (relation, function): (u32, u32) = (row.number()?, row.number()?);
        if row.truth()? {
            self.triggers.entry(relation).or_default().push(function);
        }
        if row.truth()? {
            self.emptied.entry(relation).or_default().push(function);
        }
        Some(())
    }

    fn reference(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let references = self.references.entry(row.number()?).or_default();
        references.push(Reference {
            column: row.number()?,
            relation: row.number()?,
            referred: row.number()?,
            updates: row.truth()?,
            deletes: row.truth()?,
        });
        Some(())
    }

    fn parent(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let parents = self.parents.entry(row.number()?).or_default();
        parents.push(row.number()?);
        Some(())
    }

    fn ty(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let (oid, schema, name) = (row.number()?, row.text()?, row.text()?);
        let (kind, is_array) = (row.text()?, row.truth()?);
        let (element, relation, below) = (row.number()?, row.number()?, row.number()?);
        let has_constraints = row.truth()?;
        let default = row.field()?;
        let kind = match &*kind {
            "b" if is_array => TypeKind::Array(element),
            "b" => TypeKind::Base,
            "c" => TypeKind::Composite(relation),
            "d" => TypeKind::Domain(below, has_constraints),
            "e" => TypeKind::Enum,
            _ => TypeKind::Other,
        };
        self.types.push(Type {
            oid,
            schema,
            name,
            kind,
            default,
        });
        Some(())
    }

    fn function(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        let (oid, schema, name) = (row.number()?, row.text()?, row.text()?);
        let language = match &*row.text()? {
            "internal" => Language::Internal,
            "c" => Language::C,
            "sql" => Language::Sql,
            "plpgsql" => Language::Plpgsql,
            _ => Language::Other,
        };
        let volatility = match &*row.text()? {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        let is_aggregate = &*row.text()? == "a";
        let (returns_set, returns) = (row.truth()?, row.number()?);
        let columns = match row.field()? {
            Some(names) => outputs(&names, &name)?,
            None => Box::default(),
        };
        let parts = match row.field()? {
            Some(parts) => parts_of(&parts)?,
            None => Box::default(),
        };
        let body = row.field()?;
        self.functions.push(Function {
            oid,
            schema,
            name,
            language,
            volatility,
            is_aggregate,
            returns_set,
            columns,
            returns,
            parts,
            body,
        });
        Some(())
    }

    fn operator(&mut self, row: Row) -> Option<()> {
        let mut row = Fields::of(row);
        self.operators.push(Operator {
            name: row.text()?,
            function: row.number()?,
        });
        Some(())
    }

    fn into_catalog(self) -> Catalog {
        let Self {
            mut relations,
            mut columns,
            mut keys,
            mut parted,
            mut triggers,
            mut emptied,
            mut references,
            mut parents,
            types,
            mut functions,
            operators,
        } = self;
        for relation in &mut relations {
            let mut own = columns.remove(&relation.oid).unwrap_or_default();
            let keys = keys.remove(&relation.oid).unwrap_or_default();
            let unique: Vec<i16> = keys.values().flat_map(|(_, key)| key).copied().collect();
            for column in &mut own {
                // An expression may be over any of them.
                column.is_unique = unique.contains(&column.number) || unique.contains(&0);
            }
            let keys = keys.into_values().map(|(is_sole, columns)| Key {
                columns: columns.into(),
                is_sole,
            });
            relation.keys = keys.collect();
            let columns = parted.remove(&relation.oid).unwrap_or_default();
            relation.parted = columns.into();
            relation.columns = own.into();
            let called = triggers.remove(&relation.oid).unwrap_or_default();
            relation.triggers = called.into();
            let called = emptied.remove(&relation.oid).unwrap_or_default();
            relation.emptied = called.into();
            let keys = references.remove(&relation.oid).unwrap_or_default();
            relation.references = keys.into();
            let above = parents.remove(&relation.oid).unwrap_or_default();
            relation.parents = above.into();
        }
        // Of the same name there are several, and the same catalog is to be equal when it is read again.
        relations.sort_unstable_by_key(|it| it.oid);
        let mut types = types;
        types.sort_unstable_by_key(|it| it.oid);
        functions.sort_unstable_by_key(|it| it.oid);
        Catalog::new(relations, types, functions, operators)
    }
}

/// The names of the columns that a function returns; those without one have the names that the server gives
/// them.
fn outputs(names: &str, function: &str) -> Option<Box<[Box<str>]>> {
    let names: Vec<Option<Box<str>>> = serde_json::from_str(names).ok()?;
    let is_one = names.len() == 1;
    let named = names.into_iter().zip(1..).map(|(name, place)| match name {
        Some(name) if !name.is_empty() => name,
        _ if is_one => function.into(),
        _ => format!("column{place}").into(),
    });
    Some(named.collect())
}

/// The numbers of functions, without those that are none.
fn parts_of(parts: &str) -> Option<Box<[u32]>> {
    // `oid` is written in quotes.
    let parts: Vec<String> = serde_json::from_str(parts).ok()?;
    let numbers = parts.iter().map(|it| it.parse().ok());
    let numbers: Vec<u32> = numbers.collect::<Option<_>>()?;
    Some(numbers.into_iter().filter(|it| *it != 0).collect())
}

/// The fields of a row, one after the other.
struct Fields(std::vec::IntoIter<Option<String>>);

impl Fields {
    fn of(row: Row) -> Self {
        Self(row.into_iter())
    }

    /// One that may be NULL.
    #[expect(clippy::option_option, reason = "a field that is missing is not NULL")]
    fn field(&mut self) -> Option<Option<Box<str>>> {
        Some(self.0.next()?.map(String::into_boxed_str))
    }

    fn text(&mut self) -> Option<Box<str>> {
        self.field()?
    }

    fn number<N: std::str::FromStr>(&mut self) -> Option<N> {
        self.text()?.parse().ok()
    }

    fn truth(&mut self) -> Option<bool> {
        match &*self.text()? {
            "t" => Some(true),
            "f" => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
