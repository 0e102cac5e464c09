//! Sessions and the desk together, in any order of events: what reaches a server was allowed by people
//! who may, for exactly this action or for what is like it, and was not taken back before.
//!
//! The model keeps what approvers were told and nothing else. What it says is compared with what comes
//! out of the sessions, whatever is approved, denied, timed out, left, cancelled, reloaded, revoked, or
//! lost in a crash.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::deeds::{Deed, Reach, SESSIONS, TEXTS, deed, engine, may_approve, person};
use super::talk::{NOW, client, options, server};
use crate::approvals::change::{Change, Effect};
use crate::approvals::command::{Ballot, Command};
use crate::approvals::desk::{Desk, Limits};
use crate::approvals::moment::Moment;
use crate::approvals::scope::{Scope, Terms};
use crate::conformance::{flow, subject};
use crate::held::HeldAction;
use crate::ids::{GrantId, RequestId, SessionId};
use crate::protocols::postgres::Postgres;
use crate::protocols::{ClientTls, Side};
use crate::session::Session;
use crate::session::outbox::Action;

/// What somebody was told that they let pass.
#[derive(Clone, Debug)]
struct Yes {
    text: usize,
    policy: usize,
    session: SessionId,
    reach: Reach,
    /// Of more than one action: until when.
    until: Moment,
    grant: Option<GrantId>,
    is_over: bool,
}

struct One {
    name: SessionId,
    session: Session,
    /// What it waits by.
    ticket: Option<(RequestId, HeldAction)>,
    runs: bool,
}

struct World {
    policy: usize,
    now: Moment,
    desk: Desk,
    /// What is on disk.
    written: Vec<Change>,
    sessions: Vec<One>,
    counter: u64,
    yes: Vec<Yes>,
    passed: usize,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            policy: 0,
            now: Moment(1_000_000),
            desk: Desk::new(Limits::default()),
            written: Vec::new(),
            sessions: Vec::new(),
            counter: 0,
            yes: Vec::new(),
            passed: 0,
        };
        world.sessions = (0..SESSIONS).map(|_| world.begin()).collect();
        world
    }

    fn id(&mut self) -> String {
        self.counter += 1;
        format!("{:08}", self.counter)
    }

    fn begin(&mut self) -> One {
        let name = SessionId::new(self.id());
        let mut flow = flow();
        flow.session = name.clone();
        let mut session = Session::new(
            &Postgres::default(),
            &options(ClientTls::Refuse),
            engine(self.policy),
            Arc::new(subject()),
            Arc::new(flow),
            "test",
        );
        session.handle_bytes(
            Side::Client,
            &client::startup(3 << 16, &[("user", "app")]),
            NOW,
        );
        session.handle_bytes(Side::Server, &server::welcome(), NOW);
        session.outbox().to_server().clear();
        session.outbox().to_client().clear();
        while session.outbox().action().is_some() {}
        One {
            name,
            session,
            ticket: None,
            runs: false,
        }
    }

    /// Does what a session wants, and looks at what went to its server.
    fn attend(&mut self, place: usize) {
        while let Some(action) = self.sessions[place].session.outbox().action() {
            match action {
                Action::Hold(held) => {
                    let request = RequestId::new(self.id());
                    self.sessions[place].ticket = Some((request.clone(), (*held).clone()));
                    let opened = self.tell(Command::Open {
                        request,
                        action: held,
                    });
                    assert!(opened.is_ok(), "there is room");
                }
                Action::Withdraw(why) => {
                    let ticket = self.sessions[place].ticket.take();
                    let (request, _) = ticket.expect("it waited");
                    self.tell(Command::Withdraw { request, why }).unwrap();
                }
                _ => {}
            }
        }
        let sent = self.sessions[place].session.outbox().to_server().split();
        for (number, text) in TEXTS.iter().enumerate() {
            let found = memchr::memmem::find_iter(&sent, text.as_bytes()).count();
            assert!(found <= 1, "it was asked for once");
            if found == 1 {
                self.passes(place, number);
            }
        }
    }

    /// A statement reached the server: somebody must have let it.
    fn passes(&mut self, place: usize, text: usize) {
        self.passed += 1;
        self.sessions[place].runs = true;
        let (name, now, policy) = (self.sessions[place].name.clone(), self.now, self.policy);
        let alike = |yes: &Yes| (yes.text < 2) == (text < 2);
        let fits = |yes: &Yes| match yes.reach {
            _ if yes.is_over => false,
            Reach::Once => yes.text == text && yes.policy == policy,
            Reach::Session => alike(yes) && yes.session == name && now < yes.until,
            Reach::Workload => alike(yes) && now < yes.until,
        };
        let lasting = self
            .yes
            .iter()
            .any(|yes| fits(yes) && yes.reach != Reach::Once);
        if !lasting {
            let once = self.yes.iter_mut().find(|yes| fits(yes));
            once.unwrap_or_else(|| panic!("nobody let {} pass", TEXTS[text]))
                .is_over = true;
        }
    }

    fn tell(&mut self, command: Command) -> Result<(), crate::approvals::objection::Objection> {
        let changes = self.desk.decide(command, self.now)?;
        let effects = self.write(changes);
        self.settle(effects);
        Ok(())
    }

    fn settle(&mut self, mut effects: Vec<Effect>) {
        loop {
            let changes = self.desk.follow(self.now);
            if changes.is_empty() {
                return self.have(effects);
            }
            effects.extend(self.write(changes));
        }
    }

    fn write(&mut self, changes: Vec<Change>) -> Vec<Effect> {
        let mut effects = Vec::new();
        for change in changes {
            self.written.push(change.clone());
            effects.extend(self.desk.apply(change));
        }
        effects
    }

    fn have(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Answer {
                    session, answer, ..
                } => {
                    let place = self.sessions.iter().position(|one| {
                        let ticket = one.ticket.as_ref();
                        one.name == session
                            && ticket.is_some_and(|(id, held)| {
                                answer.request.as_ref().is_none_or(|it| it == id)
                                    && held.action == answer.action
                            })
                    });
                    if let Some(place) = place {
                        self.sessions[place].ticket = None;
                        self.sessions[place].session.handle_answer(&answer, NOW);
                        self.attend(place);
                    }
                }
                Effect::EndSession { session, .. } => {
                    if let Some(place) = self.sessions.iter().position(|one| one.name == session) {
                        self.leave(place);
                    }
                }
                Effect::Notice(_) => {}
            }
        }
    }

    fn leave(&mut self, place: usize) {
        self.sessions[place].session.handle_eof(Side::Client);
        self.attend(place);
        let next = self.begin();
        let ended = std::mem::replace(&mut self.sessions[place], next);
        self.tell(Command::SessionEnded(ended.name)).unwrap();
    }

    /// An open request, or one that may be let pass late.
    fn request(&self, at: usize) -> Option<Arc<crate::approvals::request::Request>> {
        let all: Vec<_> = self.desk.open().chain(self.desk.late()).cloned().collect();
        all.into_iter().rev().nth(at)
    }

    fn approve(&mut self, at: usize, who: usize, reach: Reach) {
        let Some(request) = self.request(at) else {
            return;
        };
        let lasting = Duration::from_secs(100);
        // Nobody waits for it any more: it may be done once.
        let waits = self.desk.open().any(|it| it.id == request.id);
        let reach = if waits { reach } else { Reach::Once };
        let terms = Terms {
            lasting: Some(lasting),
            ..Terms::default()
        };
        let scope = match reach {
            Reach::Once => Scope::Once,
            Reach::Session => Scope::Session(terms),
            Reach::Workload => Scope::Workload(terms),
        };
        let grant = GrantId::new(self.id());
        // Told before it is done: what passes by it comes out while it is done.
        let action = &request.action;
        let text = TEXTS.iter().position(|text| *text == action.text).unwrap();
        self.yes.push(Yes {
            text,
            policy: usize::from(action.policy.as_str() == "p1"),
            session: action.session.clone(),
            reach,
            until: self.now.after(lasting),
            grant: Some(grant.clone()),
            is_over: !may_approve(who),
        });
        let told = self.tell(Command::Approve {
            ballot: Ballot {
                request: request.id.clone(),
                action: action.action.clone(),
                by: person(who),
                comment: None,
            },
            scope,
            grant,
        });
        assert!(
            may_approve(who) || told.is_err(),
            "a vote counted that must not"
        );
        if told.is_err() {
            self.yes.pop();
        }
    }

    fn refuse(&mut self, at: usize, who: usize) {
        let Some(request) = self.request(at) else {
            return;
        };
        let told = self.tell(Command::Refuse(Ballot {
            request: request.id.clone(),
            action: request.action.action.clone(),
            by: person(who),
            comment: None,
        }));
        assert!(
            may_approve(who) || told.is_err(),
            "a vote counted that must not"
        );
    }

    fn mistake(&mut self, at: usize, who: usize) {
        let Some(request) = self.request(at) else {
            return;
        };
        let other = HeldAction {
            text: format!("{} ", request.action.text),
            ..request.action.clone()
        };
        let grant = GrantId::new(self.id());
        let told = self.tell(Command::Approve {
            ballot: Ballot {
                request: request.id.clone(),
                action: other.digest(),
                by: person(who),
                comment: None,
            },
            scope: Scope::Once,
            grant,
        });
        assert!(told.is_err(), "an approval of something else counted");
    }

    fn revoke(&mut self, at: usize) {
        let grants: Vec<_> = self.desk.grants().map(|it| it.id.clone()).collect();
        let Some(grant) = grants.into_iter().rev().nth(at) else {
            return;
        };
        let revoked = self
            .yes
            .iter_mut()
            .find(|yes| yes.grant.as_ref() == Some(&grant));
        if let Some(yes) = revoked {
            yes.is_over = true;
        }
        let by = person(0);
        self.tell(Command::Revoke { grant, by }).unwrap();
    }

    fn crash(&mut self, loses: bool) {
        if loses {
            // The last thing on disk was not there yet. What nobody was told is nobody's loss, so
            // only a request that was opened is taken.
            if matches!(self.written.last(), Some(Change::Opened { .. })) {
                self.written.pop();
            }
        }
        self.sessions.clear();
        self.desk = Desk::new(Limits::default());
        for change in self.written.clone() {
            // Whoever would have been told is gone.
            drop(self.desk.apply(change));
        }
        self.sessions = (0..SESSIONS).map(|_| self.begin()).collect();
        self.tell(Command::Started).unwrap();
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Ask(place, text) => {
                let one = &mut self.sessions[place];
                if one.ticket.is_none() && !one.runs {
                    let query = client::query(TEXTS[text]);
                    one.session.handle_bytes(Side::Client, &query, NOW);
                    self.attend(place);
                }
            }
            Deed::Complete(place) => {
                let one = &mut self.sessions[place];
                if std::mem::take(&mut one.runs) {
                    let done = [server::complete("DELETE 1"), server::ready(b'I')].concat();
                    one.session.handle_bytes(Side::Server, &done, NOW);
                    self.attend(place);
                }
            }
            Deed::Leave(place) => self.leave(place),
            Deed::Cancel(place) => {
                self.sessions[place].session.handle_cancel(NOW);
                self.attend(place);
            }
            Deed::Approve(at, who, reach) => self.approve(at, who, reach),
            Deed::Refuse(at, who) => self.refuse(at, who),
            Deed::Mistake(at, who) => self.mistake(at, who),
            Deed::Revoke(at) => self.revoke(at),
            Deed::Wait(seconds) => {
                self.now = self.now.after(Duration::from_secs(seconds));
                self.settle(Vec::new());
            }
            Deed::Reload(policy) => {
                self.policy = policy;
                for place in 0..SESSIONS {
                    self.sessions[place]
                        .session
                        .handle_policy(engine(policy), NOW);
                    self.attend(place);
                }
            }
            Deed::Crash(loses) => self.crash(loses),
        }
        for one in &self.sessions {
            assert_eq!(
                one.ticket.is_some(),
                one.session.is_held(),
                "nothing waits unknown"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_passes_that_people_did_not_allow(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut world = World::new();
        for deed in deeds {
            world.act(deed);
        }
    }
}

/// That the property is about something.
#[test]
fn what_people_allow_passes() {
    let mut world = World::new();
    world.act(Deed::Ask(0, 0));
    world.act(Deed::Approve(0, 2, Reach::Once));
    assert_eq!(world.passed, 0);
    world.act(Deed::Approve(0, 0, Reach::Workload));
    assert_eq!(world.passed, 1);
    world.act(Deed::Ask(1, 1));
    assert_eq!(world.passed, 2, "what is like it passes by the grant");
    world.act(Deed::Ask(2, 2));
    assert_eq!(world.passed, 2, "what is not waits");
    world.act(Deed::Wait(59));
    world.act(Deed::Approve(0, 1, Reach::Once));
    assert_eq!(world.passed, 3);
}
