//! What is checked of `[[rule]]` that policy does not know: who is in which group.
//!
//! Part of `check`. Everything else about rules is `gateway_core::policy`'s.

use gateway_core::glob::Glob;
use gateway_core::ids::RuleName;
use gateway_core::policy::model::RuleSpec;
use toml::Spanned;

use super::check::Findings;
use super::report::place;
use super::{RulePlace, Workload};

impl Findings<'_> {
    /// Where the rules are.
    pub(super) fn rules(&self, rules: &[Spanned<RuleSpec>]) -> Vec<RulePlace> {
        let rules = rules.iter().map(Spanned::get_ref);
        let places = rules.map(|rule| RulePlace {
            name: RuleName::new(rule.name.get_ref().as_str()),
            line: place(self.source, rule.name.span().start).0,
            extent: rule.extent(),
        });
        places.collect()
    }

    /// A rule with `workload` and `group` is about who is in both, and that may be nobody.
    pub(super) fn memberships(&mut self, rules: &[Spanned<RuleSpec>], workloads: &[Workload]) {
        for rule in rules.iter().map(Spanned::get_ref) {
            let (Some(names), Some(groups)) = (&rule.workload, &rule.group) else {
                continue;
            };
            let globs = |texts: &[Spanned<String>]| -> Vec<Glob> {
                texts.iter().map(|text| Glob::new(text.get_ref())).collect()
            };
            let (named, within) = (globs(&names.get_ref().0), globs(&groups.get_ref().0));
            let fits = |globs: &[Glob], name: &str| globs.iter().any(|glob| glob.matches(name));
            let is_about = |workload: &Workload| {
                let mut groups = workload.groups.iter();
                fits(&named, workload.name.as_str())
                    && groups.any(|group| fits(&within, group.as_str()))
            };
            if !workloads.iter().any(is_about) {
                self.warning(
                    groups.span(),
                    &format!("rule `{}` is about nobody", rule.name.get_ref()),
                    "no workload that it names is in such a group; one of the two may be enough",
                );
            }
        }
    }
}
