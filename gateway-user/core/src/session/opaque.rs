//! One stream that is not looked into: decided when it begins and again whenever policy changes.
//!
//! Like [`super::Session`] a machine without I/O: it makes the permit that opens the way to the
//! server, and the events. What moves the bytes and counts them is the relay.

use super::record::named;
use crate::event::{Ask, End, Event, Open, Ruling, SessionEnd};
use crate::flow::Flow;
use crate::ids::{AskId, PolicyDigest};
use crate::policy::decision::{Decision, Permit, Verdict};
use crate::policy::engine::Engine;
use crate::protocols::opaque::{ATTRIBUTES, TCP, to_destination};
use crate::refusal::Refusal;
use crate::subject::Subject;

/// What a recording calls the only thing that is asked for.
const REQUEST: &str = "connect";

/// One stream that is not looked into.
#[derive(Debug)]
pub struct Stream {
    events: Vec<Event>,
    asks: u32,
    allowed: u64,
    denied: u64,
    told_policy: Option<PolicyDigest>,
}

impl Stream {
    /// Begins a session; its first event is there to be recorded. `gateway` is the program's version.
    pub fn new(subject: &Subject, flow: &Flow, gateway: &str) -> Self {
        let open = Open {
            session: flow.session.clone(),
            subject: subject.clone(),
            client: flow.client,
            destination: flow.destination,
            resource: flow.resource.clone(),
            hosts: flow.hosts.clone(),
            protocol: TCP.name.to_owned(),
            gateway: gateway.to_owned(),
        };
        Self {
            events: vec![Event::Open(open)],
            asks: 0,
            allowed: 0,
            denied: 0,
            told_policy: None,
        }
    }

    /// Events to be recorded before anything else is done.
    pub fn events(&mut self) -> &mut Vec<Event> {
        &mut self.events
    }

    /// How many decisions let it pass and refused it so far.
    pub fn asked(&self) -> (u64, u64) {
        (self.allowed, self.denied)
    }

    /// Asks policy whether the stream may begin, or go on. The flow's resource has to be a stream
    /// itself: facts mean nothing to the rules of another protocol.
    pub fn decide(&mut self, engine: &Engine, subject: &Subject, flow: &Flow) -> Option<Permit> {
        let decision = engine.decide(subject, flow, &to_destination(flow.destination.0));
        self.record(decision, engine.digest(), flow)
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
        let _none = self.record(decision, engine.digest(), flow);
    }

    /// The session ended; bytes are what reached the server and the client.
    pub fn end(&mut self, how: SessionEnd, bytes_in: u64, bytes_out: u64) {
        self.events.push(Event::End(End {
            how,
            allowed: self.allowed,
            denied: self.denied,
            bytes_in,
            bytes_out,
        }));
    }

    fn record(&mut self, decision: Decision, policy: &PolicyDigest, flow: &Flow) -> Option<Permit> {
        let (permit, reason) = match decision.verdict {
            Verdict::Allow(permit) => (Some(permit), None),
            Verdict::Deny(refusal) => (None, Some(refusal.reason)),
        };
        let ruling = match permit {
            Some(_) => Ruling::Allow,
            None => Ruling::Deny,
        };
        let count = match ruling {
            Ruling::Allow => &mut self.allowed,
            Ruling::Deny => &mut self.denied,
        };
        *count = count.saturating_add(1);
        self.asks = self.asks.saturating_add(1);
        let is_new = self.told_policy.as_ref() != Some(policy);
        self.told_policy = Some(policy.clone());
        self.events.push(Event::Ask(Ask {
            ask: AskId(self.asks),
            request: REQUEST.to_owned(),
            text: None,
            text_bytes: 0,
            of: None,
            connection: named(&to_destination(flow.destination.0).connection, ATTRIBUTES),
            units: Vec::new(),
            ruling,
            rule: decision.rule,
            reason,
            observed: decision.observed,
            uninspected: permit.is_some(),
            policy: is_new.then(|| policy.clone()),
        }));
        permit
    }
}

#[cfg(test)]
mod tests {
    use toml::Spanned;

    use super::*;
    use crate::flow::{ClientAddr, OriginalDst};
    use crate::ids::{GroupName, ResourceName, SessionId, WorkloadName};
    use crate::policy::engine::{Inventory, Resource};
    use crate::policy::model::{Mode, RuleSpec};
    use crate::protocols::opaque::{UDP, to_network};
    use crate::subject::Process;

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
            ..Inventory::default()
        };
        let file: File = toml::from_str(rules).unwrap();
        let digest = PolicyDigest::new(rules);
        Engine::compile(&inventory, &file.rule, digest).unwrap().0
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
        }
    }

    const ALLOW: &str = "[[rule]]\nname = \"cache\"\naction = \"allow\"\n";

    #[track_caller]
    fn check(rules: &str, mode: Mode, expected: Ruling) -> Ask {
        let mut stream = Stream::new(&subject(), &flow(), "0");
        let permit = stream.decide(&engine(rules, mode), &subject(), &flow());
        let Some(Event::Ask(ask)) = stream.events().pop() else {
            panic!("a decision is recorded");
        };
        assert_eq!(ask.ruling, expected, "{ask:?}");
        assert_eq!(permit.is_some(), expected == Ruling::Allow);
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
        assert!(stream.decide(&old, &subject(), &flow()).is_some());
        assert!(stream.decide(&new, &subject(), &flow()).is_none());
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

    #[test]
    fn an_address_that_is_not_known_counts_against_the_one_who_asks() {
        let metrics = |rules: &str| {
            let (workload, resource) = (WorkloadName::new("planner"), ResourceName::new("metrics"));
            let groups = [GroupName::new("agents")];
            let engine = engine(rules, Mode::Enforce);
            let decision = engine.decide_for(&workload, &groups, &resource, &to_network(8125));
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
