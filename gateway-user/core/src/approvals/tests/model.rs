//! Everything in any order, with crashes: what passes is compared with what an independent model says may.
//!
//! The model knows only what was acknowledged: the votes, what they let pass, what was taken back. It
//! counts people by trying every way to seat them.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::approvals::request::State;
use crate::held::Withdrawal;
use crate::preview::Preview;

/// What may happen.
#[derive(Clone, Debug)]
enum Deed {
    Open(usize, usize),
    Approve(usize, usize, usize),
    Refuse(usize, usize),
    /// Votes for another action than the request's.
    Mistake(usize, usize),
    Preview(usize),
    Withdraw(usize, usize),
    Finish(usize, u64),
    EndSession(usize),
    Revoke(usize, usize),
    Wait(u64),
}

/// How the deed is cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Crash {
    No,
    /// What it changes is not written down.
    Before,
    /// It is written down, and nobody hears of it.
    After,
}

fn deed() -> impl Strategy<Value = Deed> {
    let at = 0..40_usize;
    prop_oneof![
        5 => (0..ACTIONS, 0..3_usize).prop_map(|(action, session)| Deed::Open(action, session)),
        8 => (at.clone(), 0..PEOPLE.len(), 0..SCOPES).prop_map(|(at, who, scope)| Deed::Approve(at, who, scope)),
        1 => (at.clone(), 0..PEOPLE.len()).prop_map(|(at, who)| Deed::Refuse(at, who)),
        1 => (at.clone(), 0..PEOPLE.len()).prop_map(|(at, who)| Deed::Mistake(at, who)),
        1 => at.clone().prop_map(Deed::Preview),
        2 => (at.clone(), 0..3_usize).prop_map(|(at, why)| Deed::Withdraw(at, why)),
        2 => (at.clone(), 0..6_u64).prop_map(|(at, rows)| Deed::Finish(at, rows)),
        1 => (0..3_usize).prop_map(Deed::EndSession),
        1 => (at, 0..PEOPLE.len()).prop_map(|(at, who)| Deed::Revoke(at, who)),
        2 => (1..400_u64).prop_map(Deed::Wait),
    ]
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![18 => Just(Crash::No), 1 => Just(Crash::Before), 1 => Just(Crash::After)]
}

const PEOPLE: [&str; 6] = ["alice", "bob", "carol", "root", "agent", "alice inside"];

fn someone(who: usize) -> Person {
    match PEOPLE[who] {
        "alice inside" => Person {
            seat: Seat::Attached,
            ..person("alice")
        },
        name => person(name),
    }
}

/// Two texts, two likenesses, two policies, and demands of each kind.
const ACTIONS: usize = 24;

fn held(number: usize, session: usize) -> HeldAction {
    like(|it| {
        it.session = SessionId::new(format!("s{session}"));
        if number % 2 == 1 {
            it.text.push('0');
        }
        if number / 2 % 2 == 1 {
            it.units[0].insert("sql.where".to_owned(), Value::Flag(false));
        }
        it.policy = PolicyDigest::new(format!("p{}", number / 4 % 2));
        let dba = |quorum| set("dba", &["agent"], &["dba"], quorum);
        let security = set("security", &[], &["security"], 1);
        it.demands = match number / 8 {
            0 => vec![demand("one", vec![owners()])],
            1 => vec![demand("both", vec![dba(1), security])],
            _ => vec![
                demand("one", vec![owners()]),
                Demand {
                    in_order: true,
                    ..demand("ordered", vec![dba(2), security])
                },
            ],
        };
    })
}

const SCOPES: usize = 5;

fn scope(number: usize) -> Scope {
    match number {
        0 | 1 => Scope::Once,
        2 => Scope::Session(Terms::default()),
        3 => Scope::Workload(lasting(500)),
        _ => Scope::Workload(Terms {
            max_uses: Some(2),
            max_rows: Some(4),
            ..lasting(300)
        }),
    }
}

/// What was written down of a request.
#[derive(Clone, Debug)]
struct Known {
    action: HeldAction,
    votes: Vec<(Person, Scope)>,
    is_decided: bool,
    withdrawn: Option<Option<Withdrawal>>,
}

/// What was written down of a grant.
#[derive(Clone, Debug)]
struct Given {
    request: RequestId,
    /// For exactly one action.
    once: bool,
    made: Moment,
    uses: u64,
    rows: u64,
    running: u64,
    is_over: bool,
}

/// Whether these people can be seated, each once, so that every set has its quorum.
fn seatable(people: &[Person], sets: &[(ApproverSet, u32)]) -> bool {
    let Some(place) = sets.iter().position(|(_, left)| *left > 0) else {
        return true;
    };
    (0..people.len()).any(|person| {
        let (set, _) = &sets[place];
        people[person].is_in(set) && {
            let (mut people, mut sets) = (people.to_vec(), sets.to_vec());
            people.remove(person);
            sets[place].1 -= 1;
            seatable(&people, &sets)
        }
    })
}

impl Known {
    /// Whether people let it pass by what they said.
    fn check(&self) -> Result<(), TestCaseError> {
        let mut people: Vec<Person> = Vec::new();
        for (person, _) in &self.votes {
            prop_assert_ne!(person.seat, Seat::Attached);
            prop_assert_ne!(person.uid, AGENT);
            if !people.contains(person) {
                people.push(person.clone());
            }
        }
        for demand in &self.action.demands {
            let sets = demand.approvers.iter();
            let sets: Vec<_> = sets.map(|set| (set.clone(), set.quorum)).collect();
            prop_assert!(seatable(&people, &sets), "{people:?} for {sets:?}");
        }
        Ok(())
    }

    fn all_said(&self, what: fn(&Scope) -> bool) -> bool {
        self.votes.iter().all(|(_, scope)| what(scope))
    }

    fn least(&self, of: fn(&Terms) -> Option<u64>) -> Option<u64> {
        let terms = self.votes.iter().filter_map(|(_, scope)| scope.terms());
        terms.filter_map(of).min()
    }
}

/// What is known from what was written down.
#[derive(Default)]
struct Model {
    requests: BTreeMap<RequestId, Known>,
    grants: BTreeMap<GrantId, Given>,
    /// Actions that passed, by session and ask.
    passed: BTreeSet<(SessionId, AskId)>,
}

impl Model {
    fn believe(
        &mut self,
        change: &Change,
        command: &Command,
        now: Moment,
    ) -> Result<(), TestCaseError> {
        match change {
            Change::Opened { request } => {
                let known = Known {
                    action: request.action.clone(),
                    votes: Vec::new(),
                    is_decided: false,
                    withdrawn: None,
                };
                self.requests.insert(request.id.clone(), known);
            }
            Change::Voted { request, .. } => {
                let known = self.requests.get_mut(request).unwrap();
                match command {
                    Command::Approve { ballot, scope, .. } => {
                        prop_assert_eq!(&ballot.request, request);
                        prop_assert_eq!(&ballot.action, &known.action.action);
                        known.votes.push((ballot.by.clone(), *scope));
                    }
                    Command::Refuse(ballot) => prop_assert_eq!(&ballot.request, request),
                    other => prop_assert!(false, "a vote by {other:?}"),
                }
            }
            // It never has a say.
            Change::Previewed { .. } => {}
            Change::Granted { grant } => {
                let known = &self.requests[&grant.request];
                let for_workload = known.all_said(|it| matches!(it, Scope::Workload(_)));
                let given = Given {
                    request: grant.request.clone(),
                    once: known.withdrawn.is_some() && !for_workload,
                    made: now,
                    uses: 0,
                    rows: 0,
                    running: 0,
                    is_over: false,
                };
                known.check()?;
                prop_assert!(self.grants.insert(grant.id.clone(), given).is_none());
            }
            Change::Used { grant, used } => {
                let action = match (&used.request, command) {
                    (Some(request), _) => self.requests[request].action.clone(),
                    (None, Command::Open { action, .. }) => HeldAction::clone(action),
                    (None, other) => panic!("passes by {other:?}"),
                };
                prop_assert_eq!(&action.action, &used.action);
                prop_assert!(self.passed.insert((action.session.clone(), action.ask)));
                self.check_use(grant, &action, now)?;
            }
            Change::Finished { grant, rows, .. } => {
                let given = self.grants.get_mut(grant).unwrap();
                given.running -= 1;
                given.rows += rows.unwrap_or(0);
            }
            Change::Ended { grant, .. } => self.grants.get_mut(grant).unwrap().is_over = true,
            Change::Closed { request, state, .. } => self.close(request, state)?,
        }
        Ok(())
    }

    fn close(&mut self, id: &RequestId, state: &State) -> Result<(), TestCaseError> {
        let known = self.requests.get_mut(id).unwrap();
        prop_assert!(!known.is_decided, "decided twice");
        match state {
            State::Open => prop_assert!(false, "closed and open"),
            State::TimedOut => known.withdrawn = Some(None),
            State::Withdrawn { why } => known.withdrawn = Some(Some(*why)),
            State::Refused { .. } => known.is_decided = true,
            State::Approved { grant, .. } => {
                prop_assert!(known.withdrawn.is_none(), "nobody waits");
                known.is_decided = true;
                let key = (known.action.session.clone(), known.action.ask);
                match grant {
                    Some(_) => prop_assert!(self.passed.contains(&key)),
                    None => {
                        known.check()?;
                        prop_assert!(self.passed.insert(key));
                    }
                }
            }
            State::ApprovedLate { .. } => {
                let changed = Some(Some(Withdrawal::PolicyChanged));
                prop_assert!(known.withdrawn.is_some() && known.withdrawn != changed);
                known.is_decided = true;
                known.check()?;
            }
        }
        Ok(())
    }

    /// Whether `action` may pass by the grant now; counts it.
    fn check_use(
        &mut self,
        id: &GrantId,
        action: &HeldAction,
        now: Moment,
    ) -> Result<(), TestCaseError> {
        let given = self.grants.get_mut(id);
        prop_assert!(given.is_some(), "by a grant that is not written down");
        let given = given.unwrap();
        let known = &self.requests[&given.request];
        prop_assert!(!given.is_over, "by a grant that is over");
        let age = now.since(given.made).as_secs();
        let answered = |it: &Demand| known.action.demands.contains(it);
        prop_assert!(action.demands.iter().all(answered));
        if given.once {
            prop_assert!(age < 3600 && given.uses == 0);
            prop_assert_eq!(&known.action.action, &action.action);
        } else {
            prop_assert_eq!(&known.action.units, &action.units);
            prop_assert!(known.all_said(|it| *it != Scope::Once));
            if !known.all_said(|it| matches!(it, Scope::Workload(_))) {
                prop_assert_eq!(&known.action.session, &action.session);
            }
            let lasting = known.least(|it| it.lasting.map(|it| it.as_secs()));
            prop_assert!(lasting.is_none_or(|lasting| age < lasting));
            let uses = known.least(|it| it.max_uses);
            prop_assert!(uses.is_none_or(|most| given.uses < most), "used up");
            let rows = known.least(|it| it.max_rows);
            prop_assert!(rows.is_none_or(|most| given.rows < most && given.running == 0));
        }
        given.uses += 1;
        given.running += 1;
        Ok(())
    }

    /// Whether the desk knows what was written down.
    fn compare(&self, desk: &Desk) -> Result<(), TestCaseError> {
        for (id, known) in &self.requests {
            let waits = desk.open().any(|it| it.id == *id);
            prop_assert_eq!(waits, !known.is_decided && known.withdrawn.is_none());
            prop_assert!(!(known.is_decided && desk.request(id).is_some()));
        }
        for (id, given) in &self.grants {
            let grant = desk.grant(id);
            prop_assert_eq!(grant.is_none(), given.is_over);
            if let Some(grant) = grant {
                prop_assert_eq!((grant.uses, grant.rows), (given.uses, given.rows));
            }
        }
        Ok(())
    }
}

struct World {
    office: Office,
    model: Model,
    requests: Vec<RequestId>,
    asks: u32,
}

impl World {
    fn command(&mut self, deed: &Deed) -> Option<Command> {
        let grants: Vec<_> = self.office.desk.grants().cloned().collect();
        let requests = &self.requests;
        let pick = |at: &usize| requests.get(at % requests.len().max(1)).cloned();
        let grant = |at: &usize| grants.get(at % grants.len().max(1));
        Some(match deed {
            Deed::Open(action, session) => {
                let mut action = held(*action, *session);
                self.asks += 1;
                action.ask = AskId(self.asks);
                let request = RequestId::new(self.office.id());
                self.requests.push(request.clone());
                Command::Open {
                    request,
                    action: Box::new(action),
                }
            }
            Deed::Approve(at, who, how) => {
                let request = pick(at)?;
                Command::Approve {
                    ballot: self.office.ballot(&request, someone(*who)),
                    scope: scope(*how),
                    grant: GrantId::new(self.office.id()),
                }
            }
            Deed::Refuse(at, who) => Command::Refuse(self.office.ballot(&pick(at)?, someone(*who))),
            Deed::Mistake(at, who) => {
                let request = pick(at)?;
                let mut ballot = self.office.ballot(&request, someone(*who));
                ballot.action = ActionDigest::new("other");
                Command::Approve {
                    ballot,
                    scope: Scope::Once,
                    grant: GrantId::new(self.office.id()),
                }
            }
            Deed::Preview(at) => Command::Preview {
                request: pick(at)?,
                preview: Preview::unavailable("x"),
            },
            Deed::Withdraw(at, why) => {
                let whys = [
                    Withdrawal::ClientGone,
                    Withdrawal::Cancelled,
                    Withdrawal::PolicyChanged,
                ];
                Command::Withdraw {
                    request: pick(at)?,
                    why: whys[*why],
                }
            }
            Deed::Finish(at, rows) => {
                let grant = grant(at)?;
                let (session, ask) = grant.running.first()?.clone();
                Command::Finished {
                    grant: grant.id.clone(),
                    session,
                    ask,
                    rows: (*rows < 5).then_some(*rows),
                }
            }
            Deed::EndSession(session) => {
                Command::SessionEnded(SessionId::new(format!("s{session}")))
            }
            Deed::Revoke(at, who) => Command::Revoke {
                grant: grant(at)?.id.clone(),
                by: someone(*who),
            },
            Deed::Wait(seconds) => {
                self.office.now = self.office.now.after(Duration::from_secs(*seconds));
                return None;
            }
        })
    }

    /// Writes changes down, and takes them in.
    fn write(&mut self, changes: Vec<Change>, command: &Command) -> Result<(), TestCaseError> {
        for change in &changes {
            self.model.believe(change, command, self.office.now)?;
        }
        let effects = self.office.carry_out(changes);
        for answer in answers(&effects) {
            if let Outcome::Approved { .. } = answer.outcome {
                let request = answer.request.as_ref().map(|it| &self.model.requests[it]);
                prop_assert!(request.is_none_or(|it| it.is_decided));
            }
        }
        self.model.compare(&self.office.desk)
    }

    fn settle(&mut self) -> Result<(), TestCaseError> {
        loop {
            let changes = self.office.desk.follow(self.office.now);
            if changes.is_empty() {
                return Ok(());
            }
            self.write(changes, &Command::Started)?;
        }
    }

    fn act(&mut self, deed: &Deed, crash: Crash) -> Result<(), TestCaseError> {
        let command = self.command(deed);
        self.settle()?;
        let Some(command) = command else {
            return Ok(());
        };
        let decided = self.office.desk.decide(command.clone(), self.office.now);
        prop_assert!(!(matches!(deed, Deed::Mistake(..)) && decided.is_ok()));
        let changes = decided.unwrap_or_default();
        if crash != Crash::Before {
            self.write(changes, &command)?;
        }
        if crash == Crash::No {
            return self.settle();
        }
        // The desk is gone, and what was written is left.
        let mut desk = Desk::new(Limits::default());
        for change in self.office.changes.clone() {
            drop(desk.apply(change));
        }
        self.model.compare(&desk)?;
        self.office.desk = desk;
        let started = self.office.desk.decide(Command::Started, self.office.now);
        self.write(started.unwrap(), &Command::Started)?;
        prop_assert_eq!(self.office.desk.open().count(), 0);
        self.settle()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_passes_that_nobody_let_pass(deeds in prop::collection::vec((deed(), crash()), 1..80)) {
        let mut world = World {
            office: Office::new(),
            model: Model::default(),
            requests: Vec::new(),
            asks: 0,
        };
        for (deed, crash) in deeds {
            world.act(&deed, crash)?;
        }
    }
}
