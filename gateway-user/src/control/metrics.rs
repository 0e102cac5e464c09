//! The daemon's numbers as OpenMetrics text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! Made anew for each request from the books that `coverage` reads, so nothing is counted twice. Labels
//! are names of the configuration and words of ours: their number does not grow with what agents do.

use std::sync::atomic::AtomicU64;

use gateway_core::ids::{ResourceName, WorkloadName};
use gateway_core::policy::budget::Per;
use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::operations::{OperationError, Operations};

/// The media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;

/// Whose a number is; what is not known is an empty label, which OpenMetrics takes for none.
struct Whose<'a> {
    workload: Option<&'a WorkloadName>,
    resource: Option<&'a ResourceName>,
    protocol: Option<String>,
}

impl Whose<'_> {
    fn labels(&self) -> Labels {
        vec![
            ("workload", text(self.workload)),
            ("resource", text(self.resource)),
            ("protocol", self.protocol.clone().unwrap_or_default()),
        ]
    }

    fn and(&self, name: &'static str, value: &str) -> Labels {
        let mut labels = self.labels();
        labels.push((name, value.to_owned()));
        labels
    }
}

impl Operations {
    /// All numbers.
    pub fn metrics(&self) -> Result<String, OperationError> {
        let mut registry = Registry::with_prefix("gateway");
        self.daemon(&mut registry)?;
        self.sessions(&mut registry);
        // Between the keeping of a cgroup's counts and their end nobody may look.
        let _change = self.changing();
        self.kernel(&mut registry)?;
        let mut out = String::new();
        // Writing to a string cannot fail.
        if encode(&mut out, &registry).is_err() {
            tracing::error!("the metrics cannot be put into words");
        }
        Ok(out)
    }

    fn daemon(&self, registry: &mut Registry) -> Result<(), OperationError> {
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", version);
        let started = gauge(self.started().as_second());
        registry.register_with_unit("started", "When the daemon started", Unit::Seconds, started);
        let status = self.status()?;
        let attached = Family::<Labels, Gauge>::default();
        for one in &status.attachments {
            let labels = vec![("workload", text(one.workload.as_ref()))];
            attached.get_or_create(&labels).inc();
        }
        registry.register("attached_cgroups", "Attached cgroups", attached);
        let frozen = Family::<Labels, Gauge>::default();
        for one in &status.frozen {
            let labels = vec![("workload", one.workload.to_string())];
            frozen.get_or_create(&labels).set(1);
        }
        let help = "Workloads that an operator has stopped, each as 1";
        registry.register("frozen_workloads", help, frozen);
        self.budget_ratios(registry)?;
        self.requests(registry);
        let problems = gauge(i64::try_from(status.problems.len()).unwrap_or(i64::MAX));
        let help = "Things that do not work as they should; `gateway status` says what";
        registry.register("problems", help, problems);
        Ok(())
    }

    /// What waits for people, what became of it, and what they were not told.
    fn requests(&self, registry: &mut Registry) {
        let count = Family::<Labels, Gauge>::default();
        let age = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        let now = Timestamp::now();
        for waiting in self.waiting() {
            let labels = vec![
                ("resource", waiting.resource.to_string()),
                ("rule", waiting.rule.to_string()),
            ];
            let many = i64::try_from(waiting.count).unwrap_or(i64::MAX);
            count.get_or_create(&labels).set(many);
            let since = now.duration_since(waiting.oldest).as_secs_f64();
            age.get_or_create(&labels).set(since.max(0.0));
        }
        let help = "Requests that wait for people";
        registry.register("waiting_requests", help, count);
        let help = "Since when the oldest of them waits";
        registry.register_with_unit("oldest_request_age", help, Unit::Seconds, age);
        let ended = Family::<Labels, Counter>::default();
        for ((resource, how), count) in self.parts().approvals.tally().ended() {
            let labels = vec![("resource", resource.to_string()), ("how", how.to_owned())];
            add(&ended, labels, count);
        }
        let help = "Requests that wait no longer, by what became of them";
        registry.register("ended_requests", help, ended);
        let lost = Family::<Labels, Counter>::default();
        for (target, count) in self.parts().notifier.lost() {
            add(&lost, vec![("target", target)], count);
        }
        let help = "Messages to webhooks that did not arrive and were given up";
        registry.register("lost_notices", help, lost);
    }

    fn budget_ratios(&self, registry: &mut Registry) -> Result<(), OperationError> {
        let ratios = Family::<Labels, Gauge<f64, AtomicU64>>::default();
        for budget in self.budgets()? {
            // Sessions come and go without end.
            for used in budget.used.iter().filter(|_| budget.per != Per::Session) {
                for (kind, limit) in budget.limits.each() {
                    let labels = vec![
                        ("budget", budget.budget.to_string()),
                        ("whose", used.whose.clone()),
                        ("kind", kind.name().to_owned()),
                    ];
                    let ratio = ratio(used.amounts.of(kind), limit);
                    ratios.get_or_create(&labels).set(ratio);
                }
            }
        }
        let help = "What was used of budgets in their windows, of 1";
        registry.register("budget_used_ratio", help, ratios);
        Ok(())
    }

    fn sessions(&self, registry: &mut Registry) {
        let open = Family::<Labels, Gauge>::default();
        for session in self.parts().live.sessions() {
            let whose = Whose {
                workload: Some(&session.info.workload),
                resource: session.info.resource.as_ref(),
                protocol: self.protocol(session.info.resource.as_ref()),
            };
            open.get_or_create(&whose.labels()).inc();
        }
        registry.register("open_sessions", "Sessions that are open now", open);
        let [
            began,
            refused,
            ended,
            limited,
            asks,
            observed,
            detected,
            bytes,
        ] = std::array::from_fn(|_| Family::<Labels, Counter>::default());
        for ((workload, resource), counts) in self.parts().log.tally() {
            let whose = Whose {
                workload: workload.as_ref(),
                resource: resource.as_ref(),
                protocol: self.protocol(resource.as_ref()),
            };
            let uninspected = counts.uninspected.values().sum();
            add(&began, whose.and("passed", "inspected"), counts.inspected);
            add(&began, whose.and("passed", "uninspected"), uninspected);
            for (why, count) in counts.refused {
                add(&refused, whose.and("why", why), count);
            }
            for ((limit, kind, is_ended), count) in counts.limited {
                let mode = if is_ended { "enforce" } else { "observe" };
                let labels = [
                    ("limit", limit),
                    ("kind", kind.to_owned()),
                    ("mode", mode.to_owned()),
                ];
                add(&limited, [whose.labels(), labels.into()].concat(), count);
            }
            for (name, count) in counts.detected {
                add(&detected, whose.and("detector", &name), count);
            }
            for (how, count) in counts.ended {
                add(&ended, whose.and("how", how), count);
            }
            add(&asks, whose.and("ruling", "allow"), counts.allowed);
            add(&asks, whose.and("ruling", "deny"), counts.denied);
            add(&observed, whose.labels(), counts.observed);
            add(&bytes, whose.and("direction", "in"), counts.bytes_in);
            add(&bytes, whose.and("direction", "out"), counts.bytes_out);
        }
        registry.register("sessions", "Sessions that began", began);
        let help = "Connections that were refused as a whole";
        registry.register("refused_connections", help, refused);
        registry.register("ended_sessions", "Sessions that ended, by how", ended);
        registry.register("limits_reached", "Statements that reached a limit", limited);
        registry.register("asks", "Decisions in sessions that ended", asks);
        let help = "Asks that pass only because of observing";
        registry.register("observed_asks", help, observed);
        let help = "What detectors have found in results, and was masked";
        registry.register("detected", help, detected);
        let help = "Bytes of sessions that ended, to servers (in) and from them (out)";
        registry.register_with_unit("traffic", help, Unit::Bytes, bytes);
    }

    fn kernel(&self, registry: &mut Registry) -> Result<(), OperationError> {
        let events = Family::<Labels, Counter>::default();
        for (workload, counts) in self.kernel_counts()? {
            for (kind, count) in counts {
                let labels = vec![
                    ("workload", text(workload.as_ref())),
                    ("kind", kind.name().to_owned()),
                ];
                add(&events, labels, count);
            }
        }
        let help = "What the kernel programs did, by kind";
        registry.register("kernel_events", help, events);
        let counters = self.parts().kernel.counters()?;
        for (name, help, value) in [
            (
                "kernel_records_delivered",
                "Records of connections that reached the daemon",
                counters.delivered,
            ),
            (
                "kernel_records_missed",
                "Connections to the daemon's port without a record",
                counters.missed,
            ),
            (
                "kernel_sights_lost",
                "Single events that found the kernel's buffer full",
                counters.sights_lost,
            ),
        ] {
            let counter: Counter = Counter::default();
            counter.inc_by(value);
            registry.register(name, help, counter);
        }
        let age = Gauge::<f64, AtomicU64>::default();
        age.set(self.parts().kernel.heartbeat_age()?.as_secs_f64());
        let help = "Since the daemon's last heartbeat; agents are refused when it is too old";
        registry.register_with_unit("heartbeat_age", help, Unit::Seconds, age);
        Ok(())
    }
}

fn add(family: &Family<Labels, Counter>, labels: Labels, count: u64) {
    if count > 0 {
        family.get_or_create(&labels).inc_by(count);
    }
}

/// In thousandths, which is as exact as anybody needs.
fn ratio(used: u64, limit: u64) -> f64 {
    let thousandths = u128::from(used) * 1000 / u128::from(limit.max(1));
    f64::from(u32::try_from(thousandths).unwrap_or(u32::MAX)) / 1000.0
}

fn gauge(value: i64) -> Gauge {
    let gauge: Gauge = Gauge::default();
    gauge.set(value);
    gauge
}

fn text(name: Option<&impl ToString>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}
