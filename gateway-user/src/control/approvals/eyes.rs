//! `Eyes`: what somebody sees of requests and grants, by their own rights now.
//!
//! Everything that goes to people over the API is looked at through these. A configuration that changes
//! counts from the next look on, also for who watches.

use std::borrow::Cow;
use std::sync::Arc;

use gateway_core::approvals::grant::{Covers, Grant};
use gateway_core::approvals::person::Person;
use gateway_core::approvals::request::Request;
use gateway_core::approvals::veil;
use gateway_core::held::ApproverSet;

use crate::control::operations::Settings;

/// What somebody sees.
#[derive(Clone)]
pub struct Eyes {
    settings: Arc<dyn Settings>,
    /// Who it is.
    pub person: Person,
}

impl std::fmt::Debug for Eyes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Eyes").field(&self.person).finish()
    }
}

impl Eyes {
    /// Those of a person.
    pub fn new(settings: Arc<dyn Settings>, person: Person) -> Self {
        Self { settings, person }
    }

    /// A request as they may see it.
    pub fn request<'a>(&self, request: &'a Request) -> Cow<'a, Request> {
        let engine = self.settings.engine();
        let hidden = engine.hidden_of(&request.action, |set| self.are_in(set));
        match hidden.is_empty() {
            true => Cow::Borrowed(request),
            false => Cow::Owned(veil::request(request, hidden)),
        }
    }

    /// A grant as they may see it.
    pub fn grant<'a>(&self, grant: &'a Grant) -> Cow<'a, Grant> {
        let likeness = match &grant.covers {
            Covers::Action { .. } => return Cow::Borrowed(grant),
            Covers::Session { likeness, .. } | Covers::Workload { likeness } => likeness,
        };
        let engine = self.settings.engine();
        let hidden = engine.hidden_on(&likeness.resource, |set| self.are_in(set));
        match hidden.is_empty() {
            true => Cow::Borrowed(grant),
            false => Cow::Owned(veil::grant(grant)),
        }
    }

    fn are_in(&self, set: &ApproverSet) -> bool {
        self.person.is_in(set)
    }
}
