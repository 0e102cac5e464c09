//! One stream that is not looked into: decided when it begins and again whenever policy changes.
//!
//! Like [`super::Session`] a machine without I/O: it makes the permit that opens the way to the
//! server, and the events. What moves the bytes and counts them is the relay.

use std::sync::Arc;

use jiff::Timestamp;

use super::identity::identified;
use super::ledger::Ledger;
use super::record::{Asked, named};
use crate::event::{Answered, Event, SessionEnd};
use crate::facts::Facts;
use crate::flow::Flow;
use crate::held::{Answer, HeldAction, Withdrawal};
use crate::ids::{ActionDigest, AskId, PolicyDigest, RuleName};
use crate::policy::decision::{Decision, Permit, Verdict};
use crate::policy::engine::Engine;
use crate::policy::hold::{Bound, Hold};
use crate::protocols::opaque::{TCP, to_destination};
use crate::refusal::Refusal;
use crate::subject::{Identity, Subject};

/// What a recording calls the only thing that is asked for.
const REQUEST: &str = "connect";

/// One stream that is not looked into.
#[derive(Debug)]
pub struct Stream {
    ledger: Ledger,
    events: Vec<Event>,
    /// Waits until people decide.
    held: Option<Held>,
    /// What people have agreed to, and the rules that asked them: it goes on by that when the time of
    /// another rule begins or ends.
    approved: Option<(Answer, Vec<RuleName>)>,
}

#[derive(Debug)]
struct Held {
    ask: AskId,
    bound: Bound,
    /// Every rule that holds it.
    rules: Vec<RuleName>,
    /// By this policy.
    policy: PolicyDigest,
}

/// Whether the stream may begin, or go on.
#[derive(Debug)]
pub enum Gate {
    /// It may.
    Open(Permit),
    /// Not before people have decided on this.
    Waits(Box<HeldAction>),
    /// It may not.
    Shut,
}

impl Stream {
    /// Begins a session; its first event is there to be recorded. `gateway` is the program's version.
    pub fn new(subject: &Subject, flow: &Flow, gateway: &str) -> Self {
        let (ledger, open) = Ledger::open(&TCP, subject, flow, gateway);
        Self {
            ledger,
            events: vec![open],
            held: None,
            approved: None,
        }
    }

    /// Events to be recorded before anything else is done.
    pub fn events(&mut self) -> &mut Vec<Event> {
        &mut self.events
    }

    /// How many decisions let it pass and refused it so far.
    pub fn asked(&self) -> (u64, u64) {
        self.ledger.asked()
    }

    /// Asks policy whether the stream may begin, or go on. The flow's resource has to be a stream
    /// itself: facts mean nothing to the rules of another protocol.
    pub fn decide(
        &mut self,
        engine: &Engine,
        subject: &Subject,
        flow: &Flow,
        now: Timestamp,
    ) -> Gate {
        self.withdraw(Withdrawal::PolicyChanged);
        let facts = to_destination(flow.destination.0);
        let Decision {
            mut verdict,
            rule,
            observed,
        } = engine.decide(subject, flow, &facts, now);
        let mut action = None;
        if let Verdict::Hold(hold) = verdict {
            action = self.action(engine, subject, flow, &facts, &hold);
            verdict = match action.take() {
                None => Verdict::Deny(hold.refuse("it cannot wait for an approval")),
                Some(shown) => match self.agreed(&hold, &shown) {
                    Some(answer) => match hold.bind(&shown).resolve(answer) {
                        Ok(permit) => Verdict::Allow(permit),
                        Err(refusal) => Verdict::Deny(refusal),
                    },
                    None => {
                        action = Some(shown);
                        Verdict::Hold(hold)
                    }
                },
            };
        }
        let decision = Decision {
            verdict,
            rule,
            observed,
        };
        self.record(decision, engine, flow, action)
    }

    /// Records who the workload is from now on.
    pub fn identified(&mut self, identity: &Option<Arc<Identity>>) {
        self.events.push(identified(identity));
    }

    /// Whether the stream that waits would wait for the same people now, by the same policy.
    pub fn waits_as_before(
        &self,
        engine: &Engine,
        subject: &Subject,
        flow: &Flow,
        now: Timestamp,
    ) -> bool {
        let Some(held) = &self.held else {
            return false;
        };
        let facts = to_destination(flow.destination.0);
        let decision = engine.decide(subject, flow, &facts, now);
        held.policy == *engine.digest()
            && matches!(decision.verdict, Verdict::Hold(hold) if hold.rules().eq(&held.rules))
    }

    /// What people decided on the stream that waits; nothing where none does any more.
    pub fn answer(&mut self, answer: &Answer) -> Option<Permit> {
        let Held {
            ask, bound, rules, ..
        } = self.held.take()?;
        let resolved = bound.resolve(answer);
        self.approved = resolved.is_ok().then(|| (answer.clone(), rules));
        let answered = Answered::by_people(ask, answer, resolved.as_ref().err());
        self.events.push(self.ledger.answered(answered));
        resolved.ok()
    }

    /// Nobody needs an answer any more.
    pub fn withdraw(&mut self, why: Withdrawal) {
        if let Some(Held { ask, .. }) = self.held.take() {
            let answered = Answered::withdrawn(ask, why);
            self.events.push(self.ledger.answered(answered));
        }
    }

    /// The answer by which people have agreed to this, if the same rules ask them.
    fn agreed(&self, hold: &Hold, shown: &HeldAction) -> Option<&Answer> {
        let (answer, rules) = self.approved.as_ref()?;
        let is_same = answer.action == shown.action && hold.rules().eq(rules);
        is_same.then_some(answer)
    }

    fn action(
        &self,
        engine: &Engine,
        subject: &Subject,
        flow: &Flow,
        facts: &Facts,
        hold: &Hold,
    ) -> Option<Box<HeldAction>> {
        let action = HeldAction {
            action: ActionDigest::new(""),
            session: flow.session.clone(),
            ask: self.ledger.next(),
            subject: subject.clone(),
            resource: flow.resource.clone()?,
            protocol: TCP.name.to_owned(),
            request: REQUEST.to_owned(),
            text: format!("{REQUEST} {}", flow.destination.0),
            parameters: Vec::new(),
            connection: named(&facts.connection, TCP.attributes),
            units: Vec::new(),
            policy: engine.digest().clone(),
            demands: hold.demands(),
            clear_of: Vec::new(),
            hidden_by: Vec::new(),
        };
        Some(Box::new(action.sealed()))
    }

    /// Refuses it for a reason that is no rule's.
    pub fn refuse(&mut self, engine: &Engine, flow: &Flow, reason: &str) {
        let decision = Decision {
            verdict: Verdict::Deny(Refusal {
                rule: None,
                reason: reason.to_owned(),
            }),
            rule: None,
            observed: None,
        };
        // A refusal has no permit to give.
        let _shut = self.record(decision, engine, flow, None);
    }

    /// The session ended; bytes are what reached the server and the client.
    pub fn end(&mut self, how: SessionEnd, bytes_in: u64, bytes_out: u64) {
        self.withdraw(Withdrawal::SessionEnded);
        self.events
            .push(self.ledger.end(how, (bytes_in, bytes_out)));
    }

    fn record(
        &mut self,
        decision: Decision,
        engine: &Engine,
        flow: &Flow,
        action: Option<Box<HeldAction>>,
    ) -> Gate {
        let asked = Asked {
            facts: &to_destination(flow.destination.0),
            request: REQUEST,
            text: None,
            of: None,
        };
        let digest = action.as_ref().map(|it| it.action.clone());
        let (ask, event) = self
            .ledger
            .decided(asked, &decision, engine.digest(), digest);
        self.events.push(event);
        match (decision.verdict, action) {
            (Verdict::Allow(permit), _) => Gate::Open(permit),
            (Verdict::Hold(hold), Some(action)) => {
                self.held = Some(Held {
                    ask,
                    rules: hold.rules().cloned().collect(),
                    policy: engine.digest().clone(),
                    bound: hold.bind(&action),
                });
                Gate::Waits(action)
            }
            (Verdict::Hold(_) | Verdict::Deny(_), _) => Gate::Shut,
        }
    }
}

#[cfg(test)]
mod tests {
    use toml::Spanned;

    use super::*;
    use crate::event::{Ask, Ruling};
    use crate::flow::{ClientAddr, OriginalDst};
    use crate::held::{ApproverSet, Outcome};
    use crate::ids::{GroupName, ResourceName, SessionId, WorkloadName};
    use crate::policy::actor::Actor;
    use crate::policy::engine::{Inventory, Resource};
    use crate::policy::model::{Mode, RuleSpec};
    use crate::protocols::opaque::{UDP, to_network};
    use crate::subject::Process;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        rule: Vec<Spanned<RuleSpec>>,
    }

    fn engine(rules: &str, mode: Mode) -> Engine {
        let resource = |name: &str, protocol| Resource {
            name: ResourceName::new(name),
            protocol,
            mode,
        };
        let inventory = Inventory {
            resources: vec![resource("cache", &TCP), resource("metrics", &UDP)],
            workloads: vec![WorkloadName::new("planner")],
            groups: vec![GroupName::new("agents")],
            approvers: vec![ApproverSet {
                name: "people".to_owned(),
                users: vec!["alice".to_owned()],
                groups: Vec::new(),
                quorum: 1,
                notify: Vec::new(),
            }],
            ..Inventory::default()
        };
        let file: File = toml::from_str(rules).unwrap();
        let digest = PolicyDigest::new(rules);
        Engine::compile(&inventory, &file.rule, &[], digest)
            .unwrap()
            .0
    }

    fn flow() -> Flow {
        Flow {
            session: SessionId::new("s"),
            client: ClientAddr("10.0.0.1:4000".parse().unwrap()),
            destination: OriginalDst("[::ffff:10.0.0.5]:6379".parse().unwrap()),
            resource: Some(ResourceName::new("cache")),
            hosts: Vec::new(),
            unclear: None,
        }
    }

    fn subject() -> Subject {
        Subject {
            workload: WorkloadName::new("planner"),
            groups: [GroupName::new("agents")].into(),
            cgroup: "/agents".to_owned(),
            process: Process {
                pid: 1,
                uid: 0,
                gid: 0,
                comm: String::new(),
                exe: None,
                command_line: None,
                start_ticks: None,
            },
            identity: None,
        }
    }

    const ALLOW: &str = "[[rule]]\nname = \"cache\"\naction = \"allow\"\n";

    #[track_caller]
    fn check(rules: &str, mode: Mode, expected: Ruling) -> Ask {
        let mut stream = Stream::new(&subject(), &flow(), "0");
        let gate = stream.decide(&engine(rules, mode), &subject(), &flow(), NOW);
        let Some(Event::Ask(ask)) = stream.events().pop() else {
            panic!("a decision is recorded");
        };
        assert_eq!(ask.ruling, expected, "{ask:?}");
        assert_eq!(matches!(gate, Gate::Open(_)), expected == Ruling::Allow);
        assert_eq!(ask.uninspected, expected == Ruling::Allow);
        ask
    }

    #[test]
    fn rules_look_at_the_destination() {
        check("", Mode::Enforce, Ruling::Deny);
        let ask = check(ALLOW, Mode::Enforce, Ruling::Allow);
        assert_eq!(ask.rule.unwrap().as_str(), "cache");
        let rule = |matching: &str| format!("{ALLOW}match = {{ {matching} }}\n");
        check(&rule("port = 6379"), Mode::Enforce, Ruling::Allow);
        check(&rule("port = 6380"), Mode::Enforce, Ruling::Deny);
        check(
            &rule("address = \"10.0.0.*\""),
            Mode::Enforce,
            Ruling::Allow,
        );
        check(
            &rule("\"net.address\" = \"::1\""),
            Mode::Enforce,
            Ruling::Deny,
        );
    }

    #[test]
    fn what_is_observed_passes_and_is_told() {
        let ask = check("", Mode::Observe, Ruling::Allow);
        assert!(ask.observed.is_some() && ask.rule.is_none());
    }

    #[test]
    fn a_new_policy_is_asked_again() {
        let mut stream = Stream::new(&subject(), &flow(), "0");
        let (old, new) = (engine(ALLOW, Mode::Enforce), engine("", Mode::Enforce));
        assert!(matches!(
            stream.decide(&old, &subject(), &flow(), NOW),
            Gate::Open(_)
        ));
        assert!(matches!(
            stream.decide(&new, &subject(), &flow(), NOW),
            Gate::Shut
        ));
        assert_eq!(stream.asked(), (1, 1));
        stream.refuse(&new, &flow(), "it is inspected now");
        assert_eq!(stream.asked(), (1, 2));
        let policies = stream.events().iter().filter(|event| {
            matches!(
                event,
                Event::Ask(Ask {
                    policy: Some(_),
                    ..
                })
            )
        });
        assert_eq!(policies.count(), 2, "a policy is named when it is new");
    }

    /// The clock begins at midnight.
    #[test]
    fn what_people_agreed_to_goes_on_when_the_time_of_another_rule_comes() {
        let late = "1970-01-01T01:00Z".parse().unwrap();
        let waits = "[[rule]]\nname = \"waits\"\naction = \"approve\"\nresource = \"cache\"\n\
                     approvers = [\"people\"]\n";
        let timed = |action: &str, more: &str| {
            format!(
                "{waits}[[rule]]\nname = \"timed\"\naction = \"{action}\"\nresource = \"cache\"\n\
                 during = {{ from = \"00:30\", zone = \"UTC\" }}\n{more}"
            )
        };
        // Whether it waits as before when the time has come, and whether it goes on if people agreed.
        let told = |rules: &str| {
            let engine = engine(rules, Mode::Enforce);
            let (subject, flow) = (subject(), flow());
            let mut stream = Stream::new(&subject, &flow, "test");
            let Gate::Waits(action) = stream.decide(&engine, &subject, &flow, NOW) else {
                panic!("it does not wait");
            };
            let waits = stream.waits_as_before(&engine, &subject, &flow, late);
            let approved = Outcome::Approved {
                by: vec!["alice".to_owned()],
                grant: None,
            };
            let answer = Answer {
                action: action.action,
                request: None,
                outcome: approved,
            };
            assert!(stream.answer(&answer).is_some());
            let gate = stream.decide(&engine, &subject, &flow, late);
            (waits, matches!(gate, Gate::Open(_)))
        };
        assert_eq!(told(waits), (true, true));
        assert_eq!(told(&timed("allow", "")), (true, true));
        assert_eq!(told(&timed("deny", "")), (false, false));
        // Others have to agree too.
        let more = "approvers = [\"people\"]\n";
        assert_eq!(told(&timed("approve", more)), (false, false));
    }

    #[test]
    fn an_address_that_is_not_known_counts_against_the_one_who_asks() {
        let metrics = |rules: &str| {
            let (workload, resource) = (WorkloadName::new("planner"), ResourceName::new("metrics"));
            let groups = [GroupName::new("agents")];
            let actor = Actor::new(&workload, &groups);
            let engine = engine(rules, Mode::Enforce);
            let decision = engine.decide_for(&actor, &resource, &to_network(8125), NOW);
            matches!(decision.verdict, Verdict::Allow(_))
        };
        assert!(metrics(&format!("{ALLOW}match = {{ port = 8125 }}")));
        assert!(!metrics(&format!(
            "{ALLOW}match = {{ address = \"10.*\" }}"
        )));
        let deny = "[[rule]]\nname = \"no\"\naction = \"deny\"\nmatch = { address = \"10.0.0.9\" }";
        assert!(!metrics(&format!("{ALLOW}\n{deny}")));
    }
}
