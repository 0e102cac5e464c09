//! The desk, told what may happen to it. `votes` and `grants` are tables, `likeness` compares actions, `model`
//! lets everything happen in any order.

mod grants;
mod likeness;
mod model;
mod votes;

use std::collections::BTreeMap;
use std::time::Duration;

use super::change::{Change, Effect};
use super::command::{Ballot, Command};
use super::desk::{Desk, Limits};
use super::moment::Moment;
use super::objection::Objection;
use super::person::{Person, Seat};
use super::scope::{Scope, Terms};
use crate::event::Value;
use crate::held::{Answer, ApproverSet, Demand, HeldAction, Outcome};
use crate::ids::{
    ActionDigest, AskId, GrantId, PolicyDigest, RequestId, ResourceName, RuleName, SessionId,
    WorkloadName,
};
use crate::subject::{Process, Subject};

pub(super) const AGENT: u32 = 2000;

pub(super) fn set(name: &str, users: &[&str], groups: &[&str], quorum: u32) -> ApproverSet {
    let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
    ApproverSet {
        name: name.to_owned(),
        users: owned(users),
        groups: owned(groups),
        quorum,
        notify: Vec::new(),
    }
}

pub(super) fn demand(rule: &str, approvers: Vec<ApproverSet>) -> Demand {
    Demand {
        rule: RuleName::new(rule),
        reason: None,
        approvers,
        in_order: false,
        timeout: Duration::from_secs(600),
    }
}

/// Alice or Bob.
pub(super) fn owners() -> ApproverSet {
    set("data-owners", &["alice", "bob"], &[], 1)
}

pub(super) fn facts(facts: &[(&str, Value)]) -> BTreeMap<String, Value> {
    let facts = facts.iter();
    facts
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(super) fn names(names: &[&str]) -> Value {
    Value::Texts(names.iter().map(|it| (*it).to_owned()).collect())
}

/// `DELETE FROM public.orders WHERE …` in session `s1`.
pub(super) fn action() -> HeldAction {
    let mut action = HeldAction {
        action: ActionDigest::new(""),
        session: SessionId::new("s1"),
        ask: AskId(7),
        subject: Subject {
            workload: WorkloadName::new("planner"),
            groups: [].into(),
            cgroup: "/agents".to_owned(),
            process: Process {
                pid: 100,
                uid: AGENT,
                gid: AGENT,
                comm: "psql".to_owned(),
                exe: None,
                command_line: None,
                start_ticks: None,
            },
            identity: None,
        },
        resource: ResourceName::new("orders-db"),
        protocol: "postgres".to_owned(),
        request: "Query".to_owned(),
        text: "DELETE FROM orders WHERE id = 1".to_owned(),
        parameters: Vec::new(),
        connection: facts(&[
            ("sql.user", text("app")),
            ("sql.application_name", text("psql")),
        ]),
        units: vec![facts(&[
            ("sql.verb", text("delete")),
            ("sql.table", names(&["public.orders"])),
            ("sql.where", Value::Flag(true)),
        ])],
        clear_of: Vec::new(),
        hidden_by: Vec::new(),
        policy: PolicyDigest::new("p1"),
        demands: vec![demand("deletes-wait", vec![owners()])],
    };
    seal(&mut action);
    action
}

/// Names it by what is in it.
pub(super) fn seal(action: &mut HeldAction) {
    action.action = action.digest();
}

/// [`action`], changed.
pub(super) fn like(change: impl FnOnce(&mut HeldAction)) -> HeldAction {
    let mut action = action();
    change(&mut action);
    seal(&mut action);
    action
}

pub(super) fn person(name: &str) -> Person {
    let (uid, groups): (u32, &[&str]) = match name {
        "root" => (0, &[]),
        "alice" => (1001, &["dba"]),
        "bob" => (1002, &["dba", "security"]),
        "carol" => (1003, &["security"]),
        "agent" => (AGENT, &["dba"]),
        _ => (1999, &[]),
    };
    Person {
        name: name.to_owned(),
        uid,
        groups: groups.iter().map(|it| (*it).to_owned()).collect(),
        seat: Seat::Host,
    }
}

/// A desk, the time, and ids that count.
pub(super) struct Office {
    pub(super) desk: Desk,
    pub(super) now: Moment,
    pub(super) changes: Vec<Change>,
    next: u32,
}

impl Office {
    pub(super) fn new() -> Self {
        Self {
            desk: Desk::new(Limits::default()),
            now: Moment(1_000_000),
            changes: Vec::new(),
            next: 0,
        }
    }

    fn id(&mut self) -> String {
        self.next += 1;
        format!("{:04}", self.next)
    }

    /// Carries a command out, and what follows.
    pub(super) fn tell(&mut self, command: Command) -> Result<Vec<Effect>, Objection> {
        let mut effects = self.settle();
        let changes = self.desk.decide(command, self.now)?;
        effects.extend(self.carry_out(changes));
        effects.extend(self.settle());
        Ok(effects)
    }

    fn carry_out(&mut self, changes: Vec<Change>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for change in changes {
            self.changes.push(change.clone());
            effects.extend(self.desk.apply(change));
        }
        effects
    }

    pub(super) fn settle(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        loop {
            let changes = self.desk.follow(self.now);
            if changes.is_empty() {
                return effects;
            }
            effects.extend(self.carry_out(changes));
        }
    }

    /// Lets so many seconds pass.
    pub(super) fn wait(&mut self, seconds: u64) -> Vec<Effect> {
        self.now = self.now.after(Duration::from_secs(seconds));
        self.settle()
    }

    pub(super) fn open(&mut self, action: HeldAction) -> (RequestId, Vec<Effect>) {
        let request = RequestId::new(self.id());
        let command = Command::Open {
            request: request.clone(),
            action: Box::new(action),
        };
        let effects = self.tell(command).unwrap();
        (request, effects)
    }

    pub(super) fn approve(
        &mut self,
        request: &RequestId,
        by: Person,
        scope: Scope,
    ) -> Result<Vec<Effect>, Objection> {
        let ballot = self.ballot(request, by);
        let grant = GrantId::new(self.id());
        self.tell(Command::Approve {
            ballot,
            scope,
            grant,
        })
    }

    pub(super) fn refuse(
        &mut self,
        request: &RequestId,
        by: Person,
    ) -> Result<Vec<Effect>, Objection> {
        let ballot = self.ballot(request, by);
        self.tell(Command::Refuse(ballot))
    }

    fn ballot(&self, request: &RequestId, by: Person) -> Ballot {
        let found = self.desk.request(request);
        let action = found.map_or(ActionDigest::new("?"), |it| it.action.action.clone());
        Ballot {
            request: request.clone(),
            action,
            by,
            comment: None,
        }
    }

    /// The only grant.
    pub(super) fn grant(&self) -> GrantId {
        let mut grants = self.desk.grants();
        let grant = grants.next().expect("there is a grant").id.clone();
        assert!(grants.next().is_none(), "there are several");
        grant
    }
}

/// The answers among the effects.
pub(super) fn answers(effects: &[Effect]) -> Vec<&Answer> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Answer { answer, .. } => Some(answer),
        _ => None,
    });
    answers.collect()
}

/// Whether exactly one waits no longer, and may pass.
pub(super) fn passes(effects: &[Effect]) -> bool {
    match answers(effects)[..] {
        [] => false,
        [answer] => matches!(answer.outcome, Outcome::Approved { .. }),
        _ => panic!("several answers: {effects:?}"),
    }
}

/// Why the one that waits no longer does not pass.
pub(super) fn refusal(effects: &[Effect]) -> String {
    match &answers(effects)[..] {
        [
            Answer {
                outcome: Outcome::Refused { reason, .. },
                ..
            },
        ] => reason.clone(),
        _ => panic!("no refusal: {effects:?}"),
    }
}

/// Sessions that have to end.
pub(super) fn ends(effects: &[Effect]) -> Vec<&str> {
    let ends = effects.iter().filter_map(|effect| match effect {
        Effect::EndSession { session, .. } => Some(session.as_str()),
        _ => None,
    });
    ends.collect()
}

pub(super) fn lasting(seconds: u64) -> Terms {
    Terms {
        lasting: Some(Duration::from_secs(seconds)),
        ..Terms::default()
    }
}
