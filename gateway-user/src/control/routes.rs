//! The routes of the control socket, in one list: what is served, and what `docs/openapi.json`
//! describes. That both are the same is checked below; that answers are as described, by an
//! end-to-end test.

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Path, State};
use axum::handler::Handler;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use gateway_core::ids::WorkloadName;

use super::api::{AttachRequest, ChosenRequest, FreezeRequest, RunRequest};
use super::approvals;
use super::metrics;
use super::operations::Operations;
use super::peer::Peer;
use super::placeholders::IssueRequest;
use super::server::{Body, Door, Id, answer, perform, refuse};

/// The description, as it is served too.
pub const DESCRIPTION: &str = include_str!("../../../docs/openapi.json");

/// One route.
pub struct Route {
    /// Read by the test that compares them with the description.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the test asks for it"))]
    method: Method,
    path: &'static str,
    handler: MethodRouter<Arc<Operations>>,
}

/// Those that a door has.
pub(super) fn router(door: Door) -> Router<Arc<Operations>> {
    let routes = match door {
        Door::Operators => all(),
        Door::Approvers => {
            let mut routes = approvals::routes::all();
            routes.push(route(Method::GET, DESCRIBED, description));
            routes
        }
    };
    routes.into_iter().fold(Router::new(), |router, route| {
        router.route(route.path, route.handler)
    })
}

/// What agents may ask for, too.
pub(super) const CHOSEN: &str = "/v1/attachments/chosen";

/// Where the description is.
const DESCRIBED: &str = "/v1/openapi.json";

fn all() -> Vec<Route> {
    const DELETE: Method = Method::DELETE;
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    let mut all = vec![
        route(GET, "/v1/status", status),
        route(GET, "/v1/coverage", coverage),
        route(GET, "/v1/metrics", numbers),
        route(GET, "/v1/budgets", budgets),
        route(GET, DESCRIBED, description),
        route(GET, "/v1/attachments", attachments),
        route(POST, "/v1/attachments", attach),
        route(POST, CHOSEN, attach_chosen),
        route(DELETE, "/v1/attachments/{cgroup}", detach),
        route(POST, "/v1/runs", start_run),
        route(DELETE, "/v1/runs/{id}", end_run),
        route(GET, "/v1/freezes", freezes),
        route(POST, "/v1/freezes", freeze),
        route(DELETE, "/v1/freezes/{workload}", thaw),
        route(GET, "/v1/placeholders", placeholders),
        route(POST, "/v1/placeholders", issue),
        route(DELETE, "/v1/placeholders/{id}", revoke),
        route(DELETE, "/v1/sessions/{session}", kill),
        route(POST, "/v1/reload", reload),
    ];
    all.extend(approvals::routes::all());
    all
}

/// A route with its handler.
pub fn route<H, T>(method: Method, path: &'static str, handler: H) -> Route
where
    H: Handler<T, Arc<Operations>>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("the methods above have filters");
    Route {
        method,
        path,
        handler: on(filter, handler),
    }
}

type Shared = State<Arc<Operations>>;

async fn status(State(operations): Shared) -> Response {
    perform(move || operations.status()).await
}

async fn coverage(State(operations): Shared) -> Response {
    perform(move || operations.coverage()).await
}

async fn numbers(State(operations): Shared) -> Response {
    let make = move || operations.metrics();
    answer(make, |text| {
        let kind = [(header::CONTENT_TYPE, metrics::MEDIA_TYPE)];
        (kind, text).into_response()
    })
    .await
}

async fn budgets(State(operations): Shared) -> Response {
    perform(move || operations.budgets()).await
}

async fn description() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, DESCRIPTION).into_response()
}

async fn attachments(State(operations): Shared) -> Response {
    perform(move || operations.attached()).await
}

async fn attach(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<AttachRequest>,
) -> Response {
    let named = request.identity_token.as_deref();
    match operations.recognise(&request.workload, named).await {
        Ok(standing) => perform(move || operations.attach(&request, standing, peer)).await,
        Err(error) => refuse(&error),
    }
}

async fn attach_chosen(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<ChosenRequest>,
) -> Response {
    perform(move || operations.attach_chosen(&request.cgroup, peer)).await
}

async fn detach(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Id(id): Id,
) -> Response {
    perform(move || operations.detach(id, peer)).await
}

async fn start_run(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<RunRequest>,
) -> Response {
    let named = request.identity_token.as_deref();
    match operations.recognise(&request.workload, named).await {
        Ok(standing) => perform(move || operations.start_run(&request, standing, peer)).await,
        Err(error) => refuse(&error),
    }
}

async fn end_run(State(operations): Shared, Id(id): Id) -> Response {
    perform(move || operations.end_run(id)).await
}

async fn freezes(State(operations): Shared) -> Response {
    perform(move || operations.freezes()).await
}

async fn freeze(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<FreezeRequest>,
) -> Response {
    perform(move || operations.freeze(&request, peer)).await
}

async fn thaw(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(workload): Path<String>,
) -> Response {
    perform(move || operations.thaw(&WorkloadName::new(workload), peer)).await
}

async fn placeholders(State(operations): Shared) -> Response {
    perform(move || operations.placeholders()).await
}

async fn issue(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Body(request): Body<IssueRequest>,
) -> Response {
    perform(move || operations.issue(&request, peer)).await
}

async fn revoke(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    perform(move || operations.revoke_placeholder(&id, peer)).await
}

async fn kill(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(session): Path<String>,
) -> Response {
    perform(move || operations.kill(&session, peer)).await
}

async fn reload(State(operations): Shared, ConnectInfo(peer): ConnectInfo<Peer>) -> Response {
    perform(move || operations.reload(Some(peer))).await
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_served_is_described_and_the_reverse() {
        let served: BTreeSet<_> = all()
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        let description: serde_json::Value = serde_json::from_str(DESCRIPTION).unwrap();
        let paths = description["paths"].as_object().unwrap().iter();
        let described: BTreeSet<_> = paths
            .flat_map(|(path, operations)| {
                let methods = operations.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        assert_eq!(served, described);
    }
}
