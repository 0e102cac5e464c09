//! What a script comes to with what its `EXECUTE`s and `FETCH`es refer to, as far as answers tell.

use std::sync::Arc;

use super::codec::PostgresCodec;
use super::names::Resolved;
use super::pipeline::Prepared;
use super::script::{self, Effect, Script};
use crate::facts::FactSet;

impl PostgresCodec {
    /// The units of what an `EXECUTE` runs. The server looks its names up again if the search path
    /// has changed since it was prepared.
    fn units_now(&self, prepared: &Prepared) -> Arc<[FactSet]> {
        if prepared.session.search_path == self.session.search_path {
            return Arc::clone(&prepared.units);
        }
        script::with_path_changed(&prepared.units, &prepared.session.search_path)
    }

    /// The units of a script, with what its `EXECUTE`s and `FETCH`es refer to in their place.
    /// `None` where that depends on answers which are still to come.
    pub(super) fn resolve(&self, script: &Script) -> Option<Arc<[FactSet]>> {
        if !refers_to_names(script) {
            return Some(Arc::clone(&script.units));
        }
        if self.pipeline.defines_names() {
            return None;
        }
        let mut decided = true;
        let units = script.resolve(|reference| match reference {
            Effect::Execute { name } => {
                let name = name.as_bytes();
                match self.statements.resolve(name, self.pipeline.statement(name)) {
                    Resolved::Known(prepared) => Some(self.units_now(&prepared)),
                    Resolved::Unknown => None,
                    Resolved::Undecided => {
                        decided = false;
                        None
                    }
                }
            }
            Effect::Fetch { cursor } => match self
                .portals
                .resolve(cursor.as_bytes(), self.pipeline.portal(cursor.as_bytes()))
            {
                Resolved::Known(bound) => Some(Arc::clone(&bound.prepared.units)),
                Resolved::Unknown => self.cursors.known(cursor.as_bytes()),
                Resolved::Undecided => {
                    decided = false;
                    None
                }
            },
            _ => None,
        });
        decided.then_some(units)
    }
}

/// Whether what the script does depends on what names stand for when it runs.
pub(super) fn refers_to_names(script: &Script) -> bool {
    script
        .effects
        .iter()
        .any(|effect| matches!(effect, Effect::Execute { .. } | Effect::Fetch { .. }))
}
