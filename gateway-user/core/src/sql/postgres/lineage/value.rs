//! `Value`, `Fields` and `Effects`: what is known of one value, of a row of them, and of what happened on
//! the way to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::collation::Collation;
use super::{Code, Columns, Masks, Output, Outputs, Statement};
use super::{joint, kinds};
use crate::mask::Mask;

/// Most columns of a result that the server allows.
pub(super) const MAX_OUTPUTS: usize = 1_664;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// What it shows of masked columns.
    pub(super) output: Output,
    /// The masks of the columns that it is made of.
    pub(super) masks: Masks,
    /// Its type; 0 if it is not known.
    pub(super) ty: u32,
    /// By what it is compared, if it is a text.
    pub(super) collation: Collation,
    /// Of a row, its columns.
    pub(super) fields: Option<Fields>,
    /// The column of the catalog whose value it is as it is.
    pub(super) source: Option<Arc<str>>,
}

/// A column of a row.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Its name; none if it is not known.
    pub(super) name: Option<Arc<str>>,
    /// What is in it.
    pub(super) value: Value,
    /// The column of the catalog that it is, as `schema.table.column`.
    pub(super) source: Option<Arc<str>>,
}

/// The columns of a row.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    /// Those that are known.
    pub(super) list: Arc<[Field]>,
    /// Whether there may be others, or these in another order.
    pub(super) open: bool,
}

/// What happens beside the result of a query.
#[derive(Clone, Debug, Default)]
pub(super) struct Effects {
    pub(super) touches: bool,
    pub(super) probed: Masks,
    /// Masks of values that are sifted: how long they are tells with what they were compared.
    pub(super) sifted: Masks,
    /// Whether rows are put in another order in the query that is looked at.
    pub(super) arranges: bool,
    pub(super) copied: Masks,
    pub(super) reads: Named,
    pub(super) writes: Named,
    pub(super) code: Code,
}

/// A set of columns that grows.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    names: BTreeSet<Arc<str>>,
    open: bool,
}

impl Value {
    /// It depends on no masked column.
    pub(super) fn clean() -> Self {
        Self {
            output: Output::Clean,
            masks: Masks::default(),
            ty: 0,
            collation: Collation::Default,
            fields: None,
            source: None,
        }
    }

    /// The same with a collation that is not known.
    pub(super) fn unclear(self) -> Self {
        Self {
            collation: Collation::Unclear,
            ..self
        }
    }

    /// One of this type that depends on no masked column.
    pub(super) fn of(ty: u32) -> Self {
        Self {
            ty,
            ..Self::clean()
        }
    }

    /// Anything.
    pub(super) fn unknown() -> Self {
        Self::made_of(Masks::Unknown).unclear()
    }

    /// Made of columns with these masks; clean if there are none.
    pub(super) fn made_of(masks: Masks) -> Self {
        let output = if masks.is_empty() {
            Output::Clean
        } else {
            Output::Full
        };
        Self {
            output,
            masks,
            ..Self::clean()
        }
    }

    /// A column.
    pub(super) fn column(mask: Option<Arc<Mask>>, ty: u32) -> Self {
        let mut value = Self::clean();
        value.ty = ty;
        if let Some(mask) = mask {
            value.masks = Masks::Known(vec![mask.name.clone()]);
            value.output = Output::Copy(mask);
        }
        value
    }

    /// A row of these.
    pub(super) fn row(fields: Fields) -> Self {
        let values = fields.list.iter().map(|field| &field.value);
        Self {
            collation: Collation::together(values),
            fields: Some(fields.clone()),
            ..Self::made_of(fields.masks())
        }
    }

    /// Whether it depends on a masked column.
    pub(super) fn tainted(&self) -> bool {
        !matches!(self.output, Output::Clean)
    }

    /// Something that is computed from it and from columns with these masks.
    pub(super) fn computed(&self, masks: &Masks) -> Self {
        let mut all = self.masks.clone();
        all.add(masks);
        Self {
            collation: self.collation,
            ..Self::made_of(all)
        }
    }

    /// What is computed from all of these.
    pub(super) fn mixed<'v>(values: impl IntoIterator<Item = &'v Self>) -> Self {
        let mut masks = Masks::default();
        let mut collation = Collation::Default;
        for value in values {
            masks.add(&value.masks);
            collation = collation.with(value.collation);
        }
        Self {
            collation,
            ..Self::made_of(masks)
        }
    }

    /// One and the other, brought to one type.
    pub(super) fn joined(&self, other: &Self) -> Self {
        Self {
            ty: kinds::alone(kinds::common(self.ty, other.ty)),
            ..self.either(other)
        }
    }

    /// One or the other.
    pub(super) fn either(&self, other: &Self) -> Self {
        let ty = if self.ty == other.ty { self.ty } else { 0 };
        let fields = match (&self.fields, &other.fields) {
            (None, None) => None,
            (Some(one), Some(other)) => Some(one.either(other)),
            _ => Some(Fields::unknown()),
        };
        let mut masks = self.masks.clone();
        masks.add(&other.masks);
        let output = match (&self.output, &other.output) {
            (Output::Clean, Output::Clean) => Output::Clean,
            // Brought to another type, it would be masked in another place.
            (Output::Copy(one), Output::Copy(known))
                if Arc::ptr_eq(one, known) && joint::same(self.ty, other.ty) =>
            {
                Output::Copy(Arc::clone(one))
            }
            _ => Output::Full,
        };
        Self {
            output,
            masks,
            ty,
            collation: self.collation.with(other.collation),
            fields,
            source: self.source.clone().filter(|_| self.source == other.source),
        }
    }

    /// Whether both say the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        let output = match (&self.output, &other.output) {
            (Output::Clean, Output::Clean) | (Output::Full, Output::Full) => true,
            (Output::Copy(one), Output::Copy(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        let fields = match (&self.fields, &other.fields) {
            (None, None) => true,
            (Some(one), Some(other)) => one.same(other),
            _ => false,
        };
        output && fields && self.masks == other.masks
    }
}

impl Fields {
    /// These, and no others.
    pub(super) fn of(list: Vec<Field>) -> Self {
        if list.len() > MAX_OUTPUTS {
            return Self::unknown();
        }
        Self {
            list: list.into(),
            open: false,
        }
    }

    /// Nothing is known of them.
    pub(super) fn unknown() -> Self {
        Self {
            list: Arc::new([]),
            open: true,
        }
    }

    /// None at all.
    pub(super) fn none() -> Self {
        Self::of(Vec::new())
    }

    /// The masks of all of them.
    pub(super) fn masks(&self) -> Masks {
        if self.open {
            return Masks::Unknown;
        }
        Value::mixed(self.list.iter().map(|field| &field.value)).masks
    }

    /// The one at this place, from 0.
    pub(super) fn at(&self, place: usize) -> Value {
        match self.list.get(place) {
            Some(field) if !self.open => field.value.clone(),
            _ => Value::unknown(),
        }
    }

    /// The one of this name; unknown if it may be one, and none if it is none.
    pub(super) fn named(&self, name: &str) -> Option<Field> {
        let mut found: Option<Field> = None;
        let mut maybe = self.open;
        for field in self.list.iter() {
            match &field.name {
                Some(known) if **known == *name => {
                    found = Some(match found {
                        None => field.clone(),
                        Some(other) => Field {
                            value: other.value.either(&field.value),
                            ..other
                        },
                    });
                }
                Some(_) => {}
                None => maybe = true,
            }
        }
        found.or_else(|| maybe.then(|| Field::new(name, Value::unknown())))
    }

    /// With these names for the first of them.
    pub(super) fn renamed(&self, names: &[Arc<str>]) -> Self {
        if names.is_empty() {
            return self.clone();
        }
        let mut list: Vec<Field> = self.list.to_vec();
        if self.open {
            // Which of them these are for is not known.
            let named = |name: &Arc<str>| Field::new(name, Value::unknown());
            list = names.iter().map(named).collect();
        }
        for (field, name) in list.iter_mut().zip(names) {
            field.name = Some(Arc::clone(name));
        }
        Self {
            list: list.into(),
            open: self.open,
        }
    }

    /// One row and the other, place by place, brought to one type, with the names of this one.
    pub(super) fn joined(&self, other: &Self) -> Self {
        self.beside(other, Value::joined)
    }

    /// One row or the other in the same way.
    pub(super) fn either(&self, other: &Self) -> Self {
        self.beside(other, Value::either)
    }

    /// The same with the types of these.
    pub(super) fn typed_as(self, other: &Self) -> Self {
        let both = self.list.iter().zip(other.list.iter());
        let list = both.map(|(field, typed)| Field {
            value: Value {
                ty: typed.value.ty,
                ..field.value.clone()
            },
            ..field.clone()
        });
        match self.list.len() == other.list.len() {
            true => Self {
                list: list.collect(),
                open: self.open,
            },
            false => self,
        }
    }

    /// The columns of a query in another: what is written in quotes in it is a text.
    pub(super) fn settled(self) -> Self {
        if self
            .list
            .iter()
            .all(|field| field.value.ty != kinds::UNKNOWN)
        {
            return self;
        }
        let list = self.list.iter().map(|field| Field {
            value: Value {
                ty: kinds::alone(field.value.ty),
                ..field.value.clone()
            },
            ..field.clone()
        });
        Self {
            list: list.collect(),
            open: self.open,
        }
    }

    fn beside(&self, other: &Self, one: impl Fn(&Value, &Value) -> Value) -> Self {
        if self.open || other.open || self.list.len() != other.list.len() {
            return Self::unknown();
        }
        let both = self.list.iter().zip(other.list.iter());
        let fields = both.map(|(here, there)| Field {
            name: here.name.clone(),
            value: one(&here.value, &there.value),
            source: None,
        });
        Self::of(fields.collect())
    }

    /// All of them unknown, or computed from columns with these masks too.
    pub(super) fn computed(&self, masks: &Masks) -> Self {
        if masks.is_empty() {
            return self.clone();
        }
        let list = self.list.iter().map(|field| Field {
            value: field.value.computed(masks),
            ..field.clone()
        });
        Self {
            list: list.collect(),
            open: self.open,
        }
    }

    /// Whether both say the same.
    pub(super) fn same(&self, other: &Self) -> bool {
        let mut both = self.list.iter().zip(other.list.iter());
        self.open == other.open
            && self.list.len() == other.list.len()
            && both.all(|(one, other)| one.value.same(&other.value))
    }

    /// As the result of a statement.
    pub(super) fn outputs(&self) -> Outputs {
        if self.open {
            Outputs::Unknown
        } else if self.list.iter().all(|field| !field.value.tainted()) {
            Outputs::Clean
        } else {
            let outputs = self.list.iter().map(|field| field.value.output.clone());
            Outputs::Columns(outputs.collect())
        }
    }
}

impl Field {
    /// One that is no column of the catalog.
    pub(super) fn new(name: &str, value: Value) -> Self {
        Self {
            name: Some(name.into()),
            value,
            source: None,
        }
    }
}

impl Named {
    /// This one too; none means one that is not known.
    pub(super) fn add(&mut self, name: Option<&Arc<str>>) {
        match name {
            Some(name) => {
                self.names.insert(Arc::clone(name));
            }
            None => self.open = true,
        }
    }

    fn join(&mut self, other: Self) {
        self.names.extend(other.names);
        self.open |= other.open;
    }

    fn columns(self) -> Columns {
        if self.open {
            return Columns::Unknown;
        }
        Columns::Known(self.names.iter().map(|name| Box::from(&**name)).collect())
    }
}

impl Effects {
    /// These too.
    pub(super) fn join(&mut self, other: Self) {
        self.touches |= other.touches;
        self.probed.add(&other.probed);
        self.sifted.add(&other.sifted);
        self.arranges |= other.arranges;
        self.copied.add(&other.copied);
        self.reads.join(other.reads);
        self.writes.join(other.writes);
        self.code = self.code.max(other.code);
    }

    /// Nothing can be told any more.
    pub(super) fn lose(&mut self) {
        self.touches = true;
        self.probed = Masks::Unknown;
        self.sifted = Masks::Unknown;
        self.copied = Masks::Unknown;
        self.reads.open = true;
        self.writes.open = true;
        self.code = Code::Opens;
    }

    /// A statement that does this and returns `fields`.
    pub(super) fn statement(self, fields: &Fields) -> Statement {
        Statement {
            outputs: fields.outputs(),
            touches: self.touches,
            probed: self.probed,
            copied: self.copied,
            reads: self.reads.columns(),
            writes: self.writes.columns(),
            code: self.code,
            ..Statement::default()
        }
    }
}
