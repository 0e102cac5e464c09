//! `[[approvers]]`: people of whom some must agree before an action may pass.
//!
//! They are accounts and groups of the host, by the names that it knows them by. Whether it knows
//! them is looked up when somebody decides, because accounts come and go.

use std::collections::HashMap;

use gateway_core::held::ApproverSet;
use toml::Spanned;

use super::check::Findings;
use super::file;
use super::nearest::nearest;
use super::notify::Notify;

impl Findings<'_> {
    pub(super) fn approvers(
        &mut self,
        tables: Vec<file::Approvers>,
        targets: &[Notify],
    ) -> Option<Vec<ApproverSet>> {
        let mut taken = HashMap::new();
        let mut good = true;
        let mut sets = Vec::with_capacity(tables.len());
        for table in tables {
            good &= self.name("approvers entry", &table.name, &mut taken);
            for (kind, names) in [("user", &table.users), ("group", &table.groups)] {
                for name in names {
                    good &= self.well_formed(kind, name);
                }
            }
            for name in &table.notify {
                good &= self.is_target(name, targets);
            }
            good &= self.is_enough(&table);
            let names = |names: Vec<Spanned<String>>| -> Vec<String> {
                names.into_iter().map(Spanned::into_inner).collect()
            };
            sets.push(ApproverSet {
                quorum: table.quorum.map_or(1, Spanned::into_inner),
                name: table.name.into_inner(),
                users: names(table.users),
                groups: names(table.groups),
                notify: names(table.notify),
            });
        }
        good.then_some(sets)
    }

    fn is_target(&mut self, name: &Spanned<String>, targets: &[Notify]) -> bool {
        let text = name.get_ref();
        let known = targets.iter().map(|target| target.target.name.as_str());
        let found = known.clone().any(|known| known == text);
        if !found {
            let message = format!("there is no [[notify]] named `{text}`");
            let meant = nearest(text, known).map(|name| format!("did you mean `{name}`?"));
            self.error(name.span(), message, meant);
        }
        found
    }

    /// Whether there can ever be as many as must agree.
    fn is_enough(&mut self, table: &file::Approvers) -> bool {
        let name = table.name.get_ref();
        if table.users.is_empty() && table.groups.is_empty() {
            let message = format!("there is nobody among the approvers `{name}`");
            let help = "add `users` or `groups` of this host";
            self.error(table.name.span(), message, Some(help.to_owned()));
            return false;
        }
        let Some(quorum) = &table.quorum else {
            return true;
        };
        let users: std::collections::HashSet<&str> = table
            .users
            .iter()
            .map(|user| user.get_ref().as_str())
            .collect();
        let (wanted, known) = (*quorum.get_ref(), users.len());
        let complaint = if wanted == 0 {
            "a quorum of nobody lets everything pass".to_owned()
        } else if table.groups.is_empty() && usize::try_from(wanted).is_ok_and(|it| it > known) {
            format!("a quorum of {wanted} cannot be reached by {known}")
        } else {
            return true;
        };
        self.error(quorum.span(), complaint, None);
        false
    }
}
