//! `Tracer`: what the tracing of one text has at hand, and how much it may still do.
//!
//! INVARIANT: whatever is not found, not known or too much makes the result unknown; nothing here
//! answers "clean" because it gave up.

use std::cell::{Cell, RefCell, RefMut};
use std::sync::Arc;

use pg_query::protobuf::{self, node::Node};

use super::apart::Here;
use super::catalog::{Catalog, Relation, RelationKind};
use super::commands::{command, diverts, fresh, redefined};
use super::memory::Known;
use super::namesakes::Namesakes;
use super::routines::shown;
use super::samples::{self, Telling};
use super::scope::Scope;
use super::value::{Effects, Field, Fields, Value};
use super::{Code, Masked, Masks, Output, Statement, Trace};
use crate::mask::Mask;
use crate::sql::postgres::SearchPath;

/// Most steps that are taken for one text.
const MAX_STEPS: usize = 400_000;

/// Deepest nesting that is followed.
const MAX_DEPTH: u32 = 2_500;

/// The tracing of one text.
#[derive(Debug)]
pub(super) struct Tracer<'a> {
    /// What is masked.
    pub(super) masked: &'a Masked,
    /// Where unqualified names are looked for.
    pub(super) path: &'a SearchPath,
    /// What the transaction has made that is open.
    pub(super) here: Here,
    steps: Cell<usize>,
    depth: Cell<u32>,
    missing: Cell<bool>,
    /// Whether something was before the statement that is traced now.
    missing_before: Cell<bool>,
    /// Whether `DEFAULT` was given for a value.
    pub(super) defaulted: Cell<bool>,
    /// Whether a function was called that returns several rows.
    pub(super) multiplied: Cell<bool>,
    effects: RefCell<Effects>,
    /// What the statement that is traced calls what.
    pub(super) namesakes: RefCell<Namesakes>,
    /// Texts of the catalog's whose traces are needed and not there yet.
    needed: RefCell<Vec<(Box<str>, SearchPath)>>,
}

/// Relations that a name may mean.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// These; more than one where the search path is not known.
    pub(super) relations: Vec<&'a Relation>,
    /// Whether it may mean something that the catalog does not have.
    pub(super) open: bool,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(masked: &'a Masked, path: &'a SearchPath) -> Self {
        Self {
            masked,
            path,
            here: Here::default(),
            steps: Cell::new(MAX_STEPS),
            depth: Cell::new(0),
            missing: Cell::new(false),
            missing_before: Cell::new(false),
            defaulted: Cell::new(false),
            multiplied: Cell::new(false),
            effects: RefCell::default(),
            namesakes: RefCell::default(),
            needed: RefCell::default(),
        }
    }

    /// The same in a transaction that has made these.
    pub(super) fn beside(self, here: &Here) -> Self {
        Self {
            here: here.clone(),
            ..self
        }
    }

    /// What the statements of a text do, and which texts must be known to tell it better.
    pub(super) fn trace(
        mut self,
        statements: &[protobuf::RawStmt],
        text: Option<&str>,
    ) -> (Known, Vec<(Box<str>, SearchPath)>) {
        let mut rows = Vec::new();
        let mut made = Vec::new();
        for raw in statements {
            self.begin();
            let (statement, fields) = match raw.stmt.as_deref() {
                Some(node) if is_query(node) => self.traced(node),
                Some(node) => (self.command(node), Fields::unknown()),
                None => (Statement::unknown(), Fields::unknown()),
            };
            let apart = raw.stmt.as_deref().filter(|_| !statement.spares());
            let mut statement = apart.and_then(|it| self.apart(it)).unwrap_or(statement);
            let code = statement.code;
            statement.fresh = raw.stmt.as_deref().and_then(|it| fresh(it, code, &self));
            statement.diverts = raw
                .stmt
                .as_deref()
                .is_none_or(|it| diverts(it, code, &self));
            if let Some(node) = raw.stmt.as_deref() {
                statement.redefined = redefined(node, &self);
            }
            if let Some(fresh) = &statement.fresh {
                self.here.note(fresh);
            }
            made.push(statement);
            rows.push(fields);
        }
        if self.spent() {
            made.iter_mut()
                .for_each(|statement| *statement = Statement::unknown());
            rows.iter_mut()
                .for_each(|fields| *fields = Fields::unknown());
        }
        let text = text.filter(|_| made.iter().any(|it| it.makes.is_some()));
        let trace = Arc::new(Trace {
            text: text.map(Into::into),
            statements: made.into(),
            missing: self.missing.get(),
        });
        (
            Known {
                trace,
                rows: rows.into(),
            },
            self.needed.into_inner(),
        )
    }

    fn traced(&self, node: &protobuf::Node) -> (Statement, Fields) {
        let (fields, effects) = self.settled(node, || self.rows(node, &Scope::default()));
        if self.spent() {
            return (Statement::unknown(), Fields::unknown());
        }
        (effects.statement(&fields), fields)
    }

    /// The catalog.
    pub(super) fn catalog(&self) -> &'a Catalog {
        &self.masked.catalog
    }

    /// One step more; false if there were too many, and then the result must be unknown.
    pub(super) fn step(&self) -> bool {
        self.steps(1);
        !self.spent()
    }

    /// So many steps more.
    pub(super) fn steps(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_sub(steps));
    }

    fn spent(&self) -> bool {
        self.steps.get() == 0
    }

    /// Does `inside` one level deeper, unless that is too deep or too much.
    pub(super) fn deeper<T>(&self, inside: impl FnOnce() -> T) -> Option<T> {
        if !self.step() || self.depth.get() >= MAX_DEPTH {
            self.lose();
            return None;
        }
        self.depth.set(self.depth.get() + 1);
        let result = inside();
        self.depth.set(self.depth.get() - 1);
        Some(result)
    }

    /// Does `inside`, and gives what happens there apart from all else.
    pub(super) fn aside<T>(&self, inside: impl FnOnce() -> T) -> (T, Effects) {
        let outer = self.effects.take();
        let result = inside();
        (result, self.effects.replace(outer))
    }

    /// What happened so far.
    pub(super) fn effects(&self) -> RefMut<'_, Effects> {
        self.effects.borrow_mut()
    }

    /// That happens here too.
    pub(super) fn join(&self, effects: Effects) {
        self.effects().join(effects);
    }

    /// Nothing can be told of the statement any more.
    pub(super) fn lose(&self) {
        self.effects().lose();
    }

    /// A value of which nothing can be told.
    pub(super) fn lost(&self) -> Value {
        self.touch();
        self.runs(Code::Opens);
        Value::unknown()
    }

    /// Rows of a query of which nothing can be told.
    pub(super) fn lost_rows(&self) -> Fields {
        self.lose();
        Fields::unknown()
    }

    /// Columns of a relation of which nothing can be told.
    pub(super) fn lost_relation(&self) -> Fields {
        self.touch();
        Fields::unknown()
    }

    /// Something masked is touched.
    pub(super) fn touch(&self) {
        self.effects().touches = true;
    }

    /// This runs too.
    pub(super) fn runs(&self, code: Code) {
        let mut effects = self.effects();
        effects.code = effects.code.max(code);
    }

    /// Values with these masks are put elsewhere.
    pub(super) fn copy(&self, masks: &Masks) {
        self.effects().copied.add(masks);
    }

    /// A column is read.
    pub(super) fn read(&self, field: &Field) {
        if let Some(source) = &field.source {
            self.effects().reads.add(Some(source));
        }
    }

    /// All columns are read.
    pub(super) fn read_all(&self, fields: &Fields) {
        self.steps(fields.list.len());
        fields.list.iter().for_each(|field| self.read(field));
    }

    /// Notes that something is named which the catalog does not have.
    pub(super) fn missing(&self) {
        self.missing.set(true);
    }

    /// A statement of the text begins.
    fn begin(&self) {
        self.missing_before.set(self.missing.get());
    }

    /// What the statement names that is traced now is not missing after all.
    pub(super) fn found(&self) {
        self.missing.set(self.missing_before.get());
    }

    /// What a statement that is run does: a query or a command.
    pub(super) fn statement(&self, node: &protobuf::Node) -> Statement {
        if is_query(node) {
            self.query(node)
        } else {
            self.command(node)
        }
    }

    fn command(&self, node: &protobuf::Node) -> Statement {
        let (statement, effects) = self.aside(|| command(node, self));
        Statement {
            code: statement.code.max(effects.code),
            ..statement
        }
    }

    /// What a query does that is run: a `SELECT`, `VALUES`, `TABLE`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`.
    pub(super) fn query(&self, node: &protobuf::Node) -> Statement {
        self.traced(node).0
    }

    /// What a `SELECT` of these expressions does, with no table: arguments of `EXECUTE` or `CALL`.
    pub(super) fn arguments(&self, nodes: &[protobuf::Node]) -> Statement {
        let scope = Scope::default();
        let (value, effects) = self.aside(|| self.values(nodes, &scope));
        if self.spent() {
            return Statement::unknown();
        }
        effects.statement(&Fields::of(vec![Field::new("arguments", value)]))
    }

    /// The relations that a name may mean; an empty schema means none is written. Notes what is
    /// missing. The search path may have become another one where no text tells of it (in a function or a
    /// trigger, by a right that somebody else takes away), so what shows something masked is always among them.
    pub(super) fn relation(&self, schema: &str, name: &str) -> Found<'a> {
        let named: Vec<_> = self.catalog().relations_named(name).collect();
        self.steps(named.len());
        let temporary = |relation: &&Relation| relation.schema.starts_with("pg_temp");
        let mut relations: Vec<&Relation>;
        if schema == "pg_temp" {
            relations = named.into_iter().filter(temporary).collect();
        } else if !schema.is_empty() {
            relations = named
                .into_iter()
                .filter(|relation| *relation.schema == *schema)
                .collect();
        } else if let SearchPath::Known(path) = self.path {
            relations = named.iter().copied().filter(temporary).collect();
            let listed = path.iter().any(|schema| **schema == *"pg_catalog");
            let first = (!listed).then_some("pg_catalog");
            let mut schemas = first.into_iter().chain(path.iter().map(|schema| &**schema));
            let found = schemas.find_map(|schema| {
                named
                    .iter()
                    .copied()
                    .find(|relation| *relation.schema == *schema)
            });
            relations.extend(found);
            if named.len() > relations.len() {
                let others = named.into_iter().filter(|relation| {
                    let is_there = relations.iter().any(|there| there.oid == relation.oid);
                    !is_there && shown(self, relation).is_some()
                });
                let others: Vec<_> = others.collect();
                relations.extend(others);
            }
        } else {
            relations = named;
        }
        // One that was made a moment ago may be in front of one that shows something masked.
        let is_hidden = schema.is_empty()
            && self.here.has(name)
            && relations
                .iter()
                .any(|relation| shown(self, relation).is_some());
        let open = relations.is_empty() || is_hidden;
        if open {
            self.missing();
            self.touch();
            self.effects().reads.add(None);
            if !self.here.has_table(name) {
                // It may be a view, with anything behind it.
                self.runs(Code::Opens);
            }
        }
        Found { relations, open }
    }

    /// The mask of a column of a relation, by its place in `Relation::columns`: its own or one of its
    /// family's.
    pub(super) fn mask(&self, relation: &Relation, place: usize) -> Option<Arc<Mask>> {
        self.masked.masks_of(relation).get(place).cloned().flatten()
    }

    /// The columns of a relation.
    pub(super) fn columns_of(&self, relation: &Relation) -> Fields {
        self.steps(relation.columns.len());
        let masks = self.masked.masks_of(relation);
        if masks.iter().any(Option::is_some) {
            self.touch();
        }
        let built_in = relation.is_built_in();
        let telling = match self.masked.masks.has_columns() {
            true => samples::of(relation),
            false => Telling::Nothing,
        };
        if relation.has_rules && !built_in {
            self.lose();
            return Fields::unknown();
        }
        let view = matches!(
            relation.kind,
            RelationKind::View | RelationKind::Materialized
        );
        let behind =
            (view && !(built_in && self.masked.spares_built_in())).then(|| self.behind(relation));
        if telling != Telling::Nothing {
            self.touch();
        }
        let columns = relation.columns.iter().zip(masks.iter()).enumerate();
        let list = columns.map(|(place, (column, mask))| {
            let generated = mask.is_none().then(|| self.generated(relation, column));
            let own = generated.flatten();
            let own = own.unwrap_or_else(|| Value::column(mask.clone(), column.ty));
            let value = match &behind {
                _ if telling.tells(column) => Value::unknown(),
                None => own,
                Some(None) => Value::unknown(),
                Some(Some(fields)) => {
                    let inner = fields.at(place);
                    match (&inner.output, &own.output) {
                        (_, Output::Clean) => Value {
                            ty: column.ty,
                            ..inner
                        },
                        (Output::Clean, _) => own,
                        _ => inner.either(&own),
                    }
                }
            };
            let source = format!("{}.{}.{}", relation.schema, relation.name, column.name);
            let source: Arc<str> = source.into();
            Field {
                name: Some((*column.name).into()),
                value: Value {
                    // Behind a view there is one.
                    source: value.source.clone().or_else(|| Some(Arc::clone(&source))),
                    ty: column.ty,
                    collation: self.collation(column),
                    ..value
                },
                source: Some(source),
            }
        });
        Fields {
            list: list.collect(),
            open: false,
        }
    }

    /// What the query of a view returns. What it filters by was chosen by whoever made the view, and is no
    /// probing here.
    fn behind(&self, relation: &Relation) -> Option<Fields> {
        let path = SearchPath::of([]);
        let known = relation
            .definition
            .as_deref()
            .and_then(|text| self.known(text, &path));
        let Some(known) = known else {
            self.touch();
            return None;
        };
        let ([statement], [fields]) = (&*known.trace.statements, &*known.rows) else {
            self.touch();
            return None;
        };
        let mut effects = self.effects();
        effects.touches |= statement.touches;
        effects.copied.add(&statement.copied);
        effects.code = effects.code.max(statement.code);
        if known.trace.missing {
            self.missing();
        }
        Some(fields.clone())
    }

    /// What a text of the catalog's does, such as the body of a function, with this search path.
    /// None if it is not known, or not yet: then the result here counts as unknown, and everything is
    /// traced once more when it is.
    pub(super) fn text(&self, text: &str, path: &SearchPath) -> Option<Arc<Trace>> {
        Some(Arc::clone(&self.known(text, path)?.trace))
    }

    /// The same with what its statements return.
    pub(super) fn known(&self, text: &str, path: &SearchPath) -> Option<Arc<Known>> {
        let key = (Box::from(text), path.clone());
        let known = self.masked.memory.behind(&key);
        if known.is_none() {
            let mut needed = self.needed.borrow_mut();
            if !needed.contains(&key) {
                needed.push(key);
            }
        }
        known
    }
}

/// Whether a statement is a query, which is traced here.
pub(super) fn is_query(node: &protobuf::Node) -> bool {
    matches!(
        node.node,
        Some(
            Node::SelectStmt(_)
                | Node::InsertStmt(_)
                | Node::UpdateStmt(_)
                | Node::DeleteStmt(_)
                | Node::MergeStmt(_)
        )
    )
}
