//! Workloads: who acts, how much at a time, and which cgroups that is without anybody saying so.

use std::collections::HashMap;
use std::sync::Arc;

use gateway_core::ids::{GroupName, IssuerName, WorkloadName};
use toml::Spanned;

use crate::identity::issuer::Issuer;

use super::check::{Findings, value};
use super::report::place;
use super::selector::{Selector, SelectorError};
use super::{Presence, Workload, file};

/// Sessions of one workload at a time, unless it says otherwise. Each costs the daemon two sockets,
/// a recording and up to some megabytes; the usual hard limit of open files has room for many
/// workloads of that size.
const MAX_SESSIONS: usize = 1000;

/// A selector with the place where it was written.
struct Written {
    workload: usize,
    start: usize,
    selector: Selector,
}

impl Findings<'_> {
    pub(super) fn workloads(
        &mut self,
        tables: Vec<file::Workload>,
        issuers: Option<&[Arc<Issuer>]>,
    ) -> Option<Vec<Workload>> {
        let mut taken = HashMap::new();
        let mut good = true;
        let mut workloads = Vec::with_capacity(tables.len());
        let mut written = Vec::new();
        for (index, table) in tables.into_iter().enumerate() {
            good &= self.name("workload", &table.name, &mut taken);
            for group in &table.groups {
                good &= self.well_formed("group", group);
            }
            if let Some(limit) = table
                .max_sessions
                .as_ref()
                .filter(|limit| *limit.get_ref() == 0)
            {
                let help = format!("leave it out for {MAX_SESSIONS}; a rule can refuse everything");
                self.error(limit.span(), "no session at all".to_owned(), Some(help));
                good = false;
            }
            let selectors = self.selectors(index, &table, &mut written);
            good &= selectors.is_some();
            // Of issuers that are mistaken themselves nothing more is said.
            good &= issuers.is_none_or(|issuers| self.known_by(&table, issuers));
            workloads.push(Workload {
                name: WorkloadName::new(table.name.into_inner()),
                groups: table
                    .groups
                    .into_iter()
                    .map(|group| GroupName::new(group.into_inner()))
                    .collect(),
                selectors: selectors.unwrap_or_default(),
                max_sessions: value(table.max_sessions.as_ref()).unwrap_or(MAX_SESSIONS),
                issuer: table.issuer.map(|it| IssuerName::new(it.into_inner())),
                identity_token: table.identity_token.map(Spanned::into_inner),
                identity: match value(table.require_identity.as_ref()) {
                    Some(true) => Presence::Required,
                    Some(false) | None => Presence::Optional,
                },
            });
        }
        good.then_some(workloads)
    }

    /// Checks what is said of the token that a workload is known by.
    fn known_by(&mut self, table: &file::Workload, issuers: &[Arc<Issuer>]) -> bool {
        let mut good = true;
        if let Some(path) = &table.identity_token
            && !path.get_ref().is_absolute()
        {
            self.relative_path(path.span());
            good = false;
        }
        let is_known = |name: &Spanned<String>| {
            let mut issuers = issuers.iter();
            issuers.any(|it| it.name.as_str() == name.get_ref())
        };
        if let Some(name) = table.issuer.as_ref().filter(|name| !is_known(name)) {
            self.unknown_issuer(name, issuers);
            good = false;
        }
        let places = [
            table.identity_token.as_ref().map(Spanned::span),
            table
                .require_identity
                .as_ref()
                .filter(|it| *it.get_ref())
                .map(Spanned::span),
        ];
        if let Some(place) = places
            .into_iter()
            .flatten()
            .next()
            .filter(|_| issuers.is_empty())
        {
            let message = "there is no [[issuer]], so no token is believed".to_owned();
            let help = "add an [[issuer]] with name, url and audience".to_owned();
            self.error(place, message, Some(help));
            good = false;
        }
        good
    }

    /// Checks the selectors of one workload, also against those of the workloads before: a cgroup
    /// is one workload or the other, and the file has to say which.
    fn selectors(
        &mut self,
        workload: usize,
        table: &file::Workload,
        written: &mut Vec<Written>,
    ) -> Option<Arc<[Selector]>> {
        let units = table
            .units
            .iter()
            .map(|text| (text, Selector::unit(text.get_ref())));
        let paths = table
            .cgroups
            .iter()
            .map(|text| (text, Selector::path(text.get_ref())));
        let mut selectors = Vec::new();
        let mut good = true;
        for (text, selector) in units.chain(paths) {
            let selector = match selector {
                Ok(selector) => selector,
                Err(error) => {
                    self.error(
                        text.span(),
                        error.to_string(),
                        Some(advice(error).to_owned()),
                    );
                    good = false;
                    continue;
                }
            };
            good &= self.is_alone(workload, text, &selector, written);
            written.push(Written {
                workload,
                start: text.span().start,
                selector: selector.clone(),
            });
            selectors.push(selector);
        }
        good.then(|| selectors.into())
    }

    fn is_alone(
        &mut self,
        workload: usize,
        text: &Spanned<String>,
        selector: &Selector,
        written: &[Written],
    ) -> bool {
        let rival = written
            .iter()
            .find(|one| one.workload != workload && one.selector.overlaps(selector));
        let Some(rival) = rival else { return true };
        let (line, _) = place(self.source, rival.start);
        self.error(
            text.span(),
            format!(
                "a cgroup can be chosen by this and by `{}` on line {line}, for another workload",
                rival.selector
            ),
            Some("a cgroup is one workload: let the two have nothing in common".to_owned()),
        );
        false
    }
}

fn advice(error: SelectorError) -> &'static str {
    match error {
        SelectorError::NoUnit => {
            "`units` has names such as `agent@*.service`; paths belong to `cgroups`"
        }
        SelectorError::Root => "name a cgroup for the agents, such as `agents.slice`",
        SelectorError::NoPath => "write it as below the mount, such as `docker-agents/*`",
    }
}
