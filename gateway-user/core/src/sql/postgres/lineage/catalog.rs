//! `Catalog`: what a database's own catalog says of its relations, types and functions.
//!
//! Plain data, read from the server elsewhere; found by number and by name here.

use std::collections::HashMap;

/// The first number of what is not built in.
pub const FIRST_OWN: u32 = 16_384;

/// What kind of relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A table, partitioned or not.
    Table,
    /// A view.
    View,
    /// A materialized view.
    Materialized,
    /// A foreign table.
    Foreign,
    /// An index, a sequence, a composite type, …
    Other,
}

/// What is in a column of a new row that is given no value for it. An expression that is missing could not be
/// read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filling {
    /// NULL, or what is given.
    #[default]
    Given,
    /// The value of this expression, if none is given (`pg_get_expr`); by itself or by its type.
    Default(Option<Box<str>>),
    /// Always the value of this expression over the row.
    Generated(Option<Box<str>>),
}

/// A column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// `attnum`, from 1.
    pub number: i16,
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: u32,
    /// Its collation, 0 if it has none.
    pub collation: u32,
    /// What is in it if nothing is given.
    pub filling: Filling,
    /// Whether there may not be two rows with its value, by itself or with others.
    pub is_unique: bool,
}

/// What a foreign key says: what is in this column is in that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The number of the column.
    pub column: i16,
    /// The relation that it refers to.
    pub relation: u32,
    /// The number of the column there.
    pub referred: i16,
    /// Whether rows here change when those there do.
    pub updates: bool,
    /// Whether rows here change or go when those there go.
    pub deletes: bool,
}

/// Columns that decide together whether a row may be beside others: those of a unique index, with what its
/// condition and its expressions are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Their numbers; 0 where any may be meant.
    pub columns: Box<[i16]>,
    /// Whether there is one column, and no two rows have the same in it.
    pub is_sole: bool,
}

/// A relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its number.
    pub oid: u32,
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns without those that were dropped, in order.
    pub columns: Box<[Column]>,
    /// The query of a view, materialized or not, with all names qualified (`pg_get_viewdef`).
    pub definition: Option<Box<str>>,
    /// Those that it inherits from or is a partition of.
    pub parents: Box<[u32]>,
    /// Whether it has rules of its own, beside that of a view.
    pub has_rules: bool,
    /// The functions of triggers that are called when its rows are written.
    pub triggers: Box<[u32]>,
    /// Those that are called when all of its rows go at once, by `TRUNCATE`.
    pub emptied: Box<[u32]>,
    /// Its foreign keys, column by column.
    pub references: Box<[Reference]>,
    /// What may not be there twice.
    pub keys: Box<[Key]>,
    /// The numbers of the columns that decide in which of its partitions a row is; 0 where any may.
    pub parted: Box<[i16]>,
}

impl Relation {
    /// Whether the server brings it along.
    pub fn is_built_in(&self) -> bool {
        self.oid < FIRST_OWN
    }
}

/// What kind of type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeKind {
    /// Built in, or made by an extension.
    Base,
    /// An array; of this type.
    Array(u32),
    /// Rows of this relation.
    Composite(u32),
    /// A domain over this type; whether it has constraints.
    Domain(u32, bool),
    /// An enumeration.
    Enum,
    /// A range, a multirange or a pseudo-type.
    Other,
}

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// Its number.
    pub oid: u32,
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it is.
    pub kind: TypeKind,
    /// What a column of it has that is given nothing (`pg_get_expr`), where it says so itself.
    pub default: Option<Box<str>>,
}

/// In what a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Built into the server.
    Internal,
    /// A library.
    C,
    /// SQL.
    Sql,
    /// PL/pgSQL.
    Plpgsql,
    /// Another.
    Other,
}

/// How a function may behave (`provolatile`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volatility {
    /// Its result depends on its arguments only.
    Immutable,
    /// It does not change the database.
    Stable,
    /// It may do anything.
    Volatile,
}

/// A function, procedure or aggregate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its number.
    pub oid: u32,
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// In what it is written.
    pub language: Language,
    /// How it may behave.
    pub volatility: Volatility,
    /// Whether it is an aggregate.
    pub is_aggregate: bool,
    /// Whether it returns rows.
    pub returns_set: bool,
    /// Names of its output columns, where it has some (`TABLE`, `OUT`).
    pub columns: Box<[Box<str>]>,
    /// The type that it returns.
    pub returns: u32,
    /// Of an aggregate that is not built in, the functions that it is made of.
    pub parts: Box<[u32]>,
    /// Its text, for SQL and PL/pgSQL; of a SQL-standard body `pg_get_function_sqlbody`.
    pub body: Option<Box<str>>,
}

/// An operator that is not built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its name.
    pub name: Box<str>,
    /// The function behind it.
    pub function: u32,
}

/// The catalog of a database.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    relations: HashMap<u32, Relation>,
    by_name: HashMap<Box<str>, Vec<u32>>,
    types: HashMap<u32, Type>,
    types_by_name: HashMap<Box<str>, Vec<u32>>,
    children: HashMap<u32, Vec<u32>>,
    followers: HashMap<u32, Vec<u32>>,
    functions: HashMap<Box<str>, Vec<Function>>,
    function_names: HashMap<u32, Box<str>>,
    operators: HashMap<Box<str>, Vec<u32>>,
}

impl Catalog {
    /// Puts it together. All relations, types and functions of the database are given, those of
    /// `pg_catalog` too; operators only where they are not in `pg_catalog`.
    pub fn new(
        relations: Vec<Relation>,
        types: Vec<Type>,
        functions: Vec<Function>,
        operators: Vec<Operator>,
    ) -> Self {
        let mut catalog = Self::default();
        for relation in relations {
            let named = catalog.by_name.entry(relation.name.clone()).or_default();
            named.push(relation.oid);
            for parent in &relation.parents {
                let children = catalog.children.entry(*parent).or_default();
                children.push(relation.oid);
            }
            for reference in relation.references.iter() {
                let followers = catalog.followers.entry(reference.relation).or_default();
                if followers.last() != Some(&relation.oid) {
                    followers.push(relation.oid);
                }
            }
            catalog.relations.insert(relation.oid, relation);
        }
        for ty in types {
            let named = catalog.types_by_name.entry(ty.name.clone()).or_default();
            named.push(ty.oid);
            catalog.types.insert(ty.oid, ty);
        }
        for function in functions {
            let names = &mut catalog.function_names;
            names.insert(function.oid, function.name.clone());
            let named = catalog.functions.entry(function.name.clone()).or_default();
            named.push(function);
        }
        for operator in operators {
            let named = catalog.operators.entry(operator.name).or_default();
            named.push(operator.function);
        }
        catalog
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        // A name is a key too, and what is in a map takes a place and a half.
        const PLACE: usize = 48;
        let filled = |column: &Column| match &column.filling {
            Filling::Default(Some(text)) | Filling::Generated(Some(text)) => text.len(),
            _ => 0,
        };
        let column = |column: &Column| size_of::<Column>() + column.name.len() + filled(column);
        let relations = self.relations.values().map(|it| {
            let columns: usize = it.columns.iter().map(column).sum();
            let numbers = it.parents.len() + it.triggers.len() + it.emptied.len();
            let keys = it
                .keys
                .iter()
                .map(|key| size_of::<Key>() + 2 * key.columns.len());
            let references = it.references.len() * size_of::<Reference>() + keys.sum::<usize>();
            let definition = it.definition.as_ref().map_or(0, |text| text.len());
            let texts = it.schema.len() + 2 * it.name.len() + definition;
            size_of::<Relation>() + PLACE + texts + columns + 8 * numbers + references
        });
        let types = self.types.values().map(|it| {
            let default = it.default.as_ref().map_or(0, |text| text.len());
            size_of::<Type>() + PLACE + it.schema.len() + 2 * it.name.len() + default
        });
        let functions = self.functions.values().flatten().map(|it| {
            let columns: usize = it.columns.iter().map(|name| name.len() + 16).sum();
            let body = it.body.as_ref().map_or(0, |text| text.len());
            let texts = it.schema.len() + 3 * it.name.len() + body;
            size_of::<Function>() + PLACE + texts + columns + 4 * it.parts.len()
        });
        let operators = self.operators.keys().map(|name| name.len() + PLACE);
        relations
            .chain(types)
            .chain(functions)
            .chain(operators)
            .sum()
    }

    /// The relation of this number.
    pub fn relation(&self, oid: u32) -> Option<&Relation> {
        self.relations.get(&oid)
    }

    /// All relations, in no order.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// Those that inherit from a relation or are partitions of it.
    pub fn children(&self, oid: u32) -> &[u32] {
        self.children.get(&oid).map_or(&[], Vec::as_slice)
    }

    /// Those that have foreign keys to a relation.
    pub fn followers(&self, oid: u32) -> &[u32] {
        self.followers.get(&oid).map_or(&[], Vec::as_slice)
    }

    /// The relations of this name, in whatever schema.
    pub fn relations_named(&self, name: &str) -> impl Iterator<Item = &Relation> {
        let oids = self.by_name.get(name).into_iter().flatten();
        oids.filter_map(|oid| self.relations.get(oid))
    }

    /// The type of this number.
    pub fn ty(&self, oid: u32) -> Option<&Type> {
        self.types.get(&oid)
    }

    /// The types of this name, in whatever schema.
    pub fn types_named(&self, name: &str) -> impl Iterator<Item = &Type> {
        let oids = self.types_by_name.get(name).into_iter().flatten();
        oids.filter_map(|oid| self.types.get(oid))
    }

    /// The types that have a default of their own, in no order.
    pub fn types_that_fill(&self) -> impl Iterator<Item = &Type> {
        self.types.values().filter(|ty| ty.default.is_some())
    }

    /// The function of this number.
    pub fn function(&self, oid: u32) -> Option<&Function> {
        let named = self.functions_named(self.function_names.get(&oid)?);
        named.iter().find(|function| function.oid == oid)
    }

    /// All functions, in no order.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        self.functions.values().flatten()
    }

    /// The functions of this name, in whatever schema.
    pub fn functions_named(&self, name: &str) -> &[Function] {
        self.functions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The functions behind the operators of this name that are not built in, by number.
    pub fn operators_named(&self, name: &str) -> &[u32] {
        self.operators.get(name).map_or(&[], Vec::as_slice)
    }
}
