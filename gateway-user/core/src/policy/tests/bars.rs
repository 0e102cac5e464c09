//! What is refused before a session could begin.

use super::*;
use crate::refusal::Refusal;

pub(super) fn bars(engine: &Engine, workload: &str, resource: &str) -> Option<Refusal> {
    bars_at(engine, workload, resource, NOW)
}

pub(super) fn bars_at(
    engine: &Engine,
    workload: &str,
    resource: &str,
    now: Timestamp,
) -> Option<Refusal> {
    let (subject, flow) = (subject(workload), flow(Some(resource)));
    let resource = flow.resource.as_ref();
    engine.bars(
        &subject.workload,
        &subject.groups,
        flow.destination,
        resource,
        now,
    )
}

#[test]
fn a_destination_is_barred_where_no_session_could_begin() {
    let engine = engine(
        r#"
        [[rule]]
        name = "read"
        action = "allow"
        resource = "orders-db"
        group = "agents"
        match = { user = "somebody", verb = "select" }

        [[rule]]
        name = "no-more"
        action = "deny"
        resource = "users-db"
        reason = "moved away"
        "#,
    );
    let told = |workload, resource| bars(&engine, workload, resource).map(|it| it.reason);
    // Who the session's user is, is still to come.
    assert_eq!(told("planner", "orders-db"), None);
    assert_eq!(
        told("writer", "orders-db").unwrap(),
        "no rule allows workload writer on orders-db"
    );
    assert_eq!(told("planner", "users-db").unwrap(), "moved away");
    assert_eq!(told("planner", "trial-db"), None);
    assert_eq!(
        told("planner", "elsewhere").unwrap(),
        "10.0.0.9:5432 is not a resource of this gateway"
    );
}
