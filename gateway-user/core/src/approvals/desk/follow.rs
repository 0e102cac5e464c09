//! What changes by itself: because time passed, or because of what was changed before.

use super::Desk;
use super::decide::{closed, ended, used};
use crate::approvals::change::Change;
use crate::approvals::grant::Ending;
use crate::approvals::moment::Moment;
use crate::approvals::request::State;

impl Desk {
    /// What has to change now, in steps: it is asked again after each, until nothing has to.
    pub fn follow(&mut self, now: Moment) -> Vec<Change> {
        let late = self.limits.late;
        self.late
            .retain(|_, it| it.closed.is_some_and(|closed| now < closed.after(late)));
        let open = self.open.values().filter(|it| now >= it.deadline);
        let mut changes: Vec<_> = open.map(|it| closed(it, State::TimedOut, now)).collect();
        for grant in self.grants.values() {
            if now >= grant.expires {
                changes.push(ended(grant, Ending::Expired, now));
            } else if grant.is_spent() && grant.running.is_empty() {
                changes.push(ended(grant, Ending::Spent, now));
            }
        }
        if changes.is_empty() {
            changes = self.let_pass(now);
        }
        changes
    }

    /// One request that waits and that a grant covers which did not when it was opened.
    fn let_pass(&mut self, now: Moment) -> Vec<Change> {
        while let Some(id) = self.fresh.first() {
            let grant = self.grants.get(id);
            let passing = grant.and_then(|grant| {
                let mut open = self.open.values();
                let request = open.find(|it| grant.lets_pass(&it.action, now))?;
                Some((grant, request))
            });
            if let Some((grant, request)) = passing {
                let state = State::Approved {
                    by: grant.by.iter().map(|it| it.name.clone()).collect(),
                    grant: Some(grant.id.clone()),
                };
                return vec![
                    used(grant, &request.action, Some(&request.id), now),
                    closed(request, state, now),
                ];
            }
            self.fresh.pop_first();
        }
        Vec::new()
    }

    /// When the next change is due, if nothing else happens before.
    pub fn due(&self) -> Option<Moment> {
        let deadlines = self.open.values().map(|it| it.deadline);
        let ends = self.grants.values().map(|it| it.expires);
        deadlines.chain(ends).min()
    }
}
