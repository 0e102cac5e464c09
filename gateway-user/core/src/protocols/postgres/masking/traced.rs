//! `Traced`: what is known of a message's statements and what is masked.

use std::borrow::Cow;
use std::sync::Arc;

use super::encodings::Brought;
use crate::facts::FactSet;
use crate::held::Touches;
use crate::protocols::postgres::script;
use crate::sql::postgres::lineage::apart::Fresh;
use crate::sql::postgres::lineage::{Code, Masked, Masks, Named, Outputs, Statement, Trace};

/// What the statements of one message do with masked columns.
#[derive(Clone, Debug)]
pub(in super::super) struct Traced {
    pub(super) masked: Arc<Masked>,
    pub(super) statements: Arc<[Known]>,
    /// It was told by what may have changed since: of what it runs nothing is known.
    pub(super) unsure: bool,
    /// How what it returns is brought to the client.
    pub(super) brought: Brought,
}

/// What is known of one statement.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// It is this one of a text.
    Of(Arc<Trace>, usize),
    /// It runs this.
    Runs(Arc<Statement>),
    /// Nothing.
    Unknown,
}

/// What a name stands for that SQL has made.
#[derive(Clone, Debug)]
pub(in super::super) struct Made {
    pub(super) name: Named,
    pub(super) masked: Arc<Masked>,
    /// The text that has made it, where it can be read again.
    pub(super) text: Option<Box<str>>,
    pub(super) statement: Arc<Statement>,
}

/// What becomes of a message before it is judged.
#[derive(Debug)]
pub(in super::super) enum Tracing {
    /// Nothing is masked.
    Off,
    /// It has to wait until it is known what is masked.
    Wait,
    /// This is what it does.
    Known(Traced),
}

impl Made {
    /// About how many bytes of memory it takes.
    pub(in super::super) fn bytes(&self) -> usize {
        256 + self.text.as_ref().map_or(0, |text| text.len())
    }
}

impl Known {
    pub(super) fn statement(&self) -> Option<&Statement> {
        match self {
            Self::Of(trace, index) => trace.statements.get(*index),
            Self::Runs(statement) => Some(statement),
            Self::Unknown => None,
        }
    }
}

impl Traced {
    pub(super) fn statement(&self, index: usize) -> Option<&Statement> {
        self.statements.get(index)?.statement()
    }

    /// Nothing is known of what it does.
    pub(super) fn unknown(masked: &Arc<Masked>) -> Self {
        Self {
            masked: Arc::clone(masked),
            statements: Arc::new([Known::Unknown]),
            unsure: false,
            brought: Brought::default(),
        }
    }

    /// The same message, of which nothing is known any more.
    pub(super) fn forgotten(&self) -> Self {
        Self::unknown(&self.masked)
    }

    /// Whether it was judged by this, and puts nothing masked elsewhere than into its result.
    pub(super) fn keeps(&self, masked: &Arc<Masked>) -> bool {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        Arc::ptr_eq(&self.masked, masked)
            && statements.all(|it| it.is_some_and(|it| it.copied.is_empty()))
    }

    /// What code runs with it.
    pub(in super::super) fn code(&self) -> Code {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        let known = statements.try_fold(Code::Servers, |code, it| Some(code.max(it?.code)));
        known.filter(|_| !self.unsure).unwrap_or(Code::Opens)
    }

    /// The relations that it makes.
    pub(super) fn fresh(&self) -> impl Iterator<Item = &Fresh> {
        let statements = (0..self.statements.len()).filter_map(|index| self.statement(index));
        statements.filter_map(|it| it.fresh.as_ref())
    }

    /// Whether names may mean something else after it.
    pub(super) fn diverts(&self) -> bool {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        !statements.all(|it| it.is_some_and(|it| !it.diverts))
    }

    /// Whether masks may not hold any more after it.
    pub(super) fn redefines(&self) -> bool {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        !statements.all(|it| it.is_some_and(|it| it.redefined.is_empty()))
    }

    /// What it makes under this name.
    pub(in super::super) fn made(&self, name: &Named) -> Option<Made> {
        let mut statements = self.statements.iter().rev();
        statements.find_map(|known| {
            let made = known.statement()?.makes.as_ref();
            let made = made.filter(|made| made.name == *name)?;
            Some(Made {
                name: name.clone(),
                masked: Arc::clone(&self.masked),
                text: match known {
                    Known::Of(trace, _) => trace.text.clone(),
                    Known::Runs(_) | Known::Unknown => None,
                },
                statement: Arc::clone(&made.statement),
            })
        })
    }

    /// Whether the first statement returns nothing that is masked.
    pub(in super::super) fn is_clean(&self) -> bool {
        let outputs = self.statement(0).map(|statement| &statement.outputs);
        matches!(outputs, Some(Outputs::Clean))
    }

    /// Whether no statement returns anything that is masked.
    pub(in super::super) fn returns_nothing_masked(&self) -> bool {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        statements.all(|it| it.is_some_and(|it| matches!(it.outputs, Outputs::Clean)))
    }

    /// Whether some statement may touch a relation of which something is masked.
    pub(in super::super) fn touches(&self) -> Touches {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        match statements.all(|it| it.is_some_and(|statement| !statement.touches)) {
            true => Touches::Nothing,
            false => Touches::Perhaps,
        }
    }

    /// Whether some statement returns what is computed from masked columns.
    pub(in super::super) fn computes(&self) -> bool {
        let mut statements = (0..self.statements.len()).map(|index| self.statement(index));
        statements.any(|it| it.is_none_or(Statement::computes))
    }

    /// Units with the facts about masks. What may fail on the way to the client for some values asks, as does what
    /// touches anything in a session where it is `measured`, and what could not be taken apart on the way is a copy.
    pub(in super::super) fn facts(&self, units: &[FactSet], measured: bool) -> Arc<[FactSet]> {
        let unknown = Statement::unknown();
        let known = |index| self.statement(index).unwrap_or(&unknown);
        let statements = (0..self.statements.len()).map(known);
        let statements: Vec<Cow<'_, Statement>> = statements
            .map(|it| self.as_it_comes(it, measured))
            .collect();
        let statements: Vec<&Statement> = statements.iter().map(|it| &**it).collect();
        script::with_masks(units, &statements)
    }

    fn as_it_comes<'a>(&self, statement: &'a Statement, measured: bool) -> Cow<'a, Statement> {
        let is_clean = matches!(statement.outputs, Outputs::Clean);
        let asks = match self.brought {
            _ if measured && statement.touches => true,
            Brought::Whole => false,
            Brought::Western => statement.computes(),
            Brought::Otherwise => !is_clean,
        };
        if !asks {
            return Cow::Borrowed(statement);
        }
        let copies = statement.copy.is_some() && self.brought == Brought::Otherwise;
        Cow::Owned(Statement {
            probed: Masks::Unknown,
            copied: match copies {
                true => Masks::Unknown,
                false => statement.copied.clone(),
            },
            ..statement.clone()
        })
    }
}

/// Whether something masked may be touched, also where that is not known.
pub(in super::super) fn may_touch(traced: Option<&Traced>) -> bool {
    !matches!(traced.map(Traced::touches), Some(Touches::Nothing))
}

impl Tracing {
    pub(in super::super) fn known(self) -> Option<Traced> {
        match self {
            Self::Known(traced) => Some(traced),
            Self::Off | Self::Wait => None,
        }
    }

    pub(in super::super) fn waits(&self) -> bool {
        matches!(self, Self::Wait)
    }
}
