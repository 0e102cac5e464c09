//! The routes of approvals and grants.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{Method, Uri, header};
use axum::response::{IntoResponse, Response};
use gateway_core::approvals::person::Person;

use super::api::{ApproveRequest, DenyRequest};
use super::failure::ApprovalError;
use super::{Which, watch};
use crate::control::operations::Operations;
use crate::control::peer::Peer;
use crate::control::routes::{Route, route};
use crate::control::server::{Body, broken, refuse};

/// What `GET /v1/approvals/watch` answers: one JSON value a line.
const LINES: &str = "application/jsonl";

/// All of them.
pub fn all() -> Vec<Route> {
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    vec![
        route(GET, "/v1/approvals", list),
        route(GET, "/v1/approvals/watch", watching),
        route(GET, "/v1/approvals/{id}", show),
        route(POST, "/v1/approvals/{id}/approve", approve),
        route(POST, "/v1/approvals/{id}/deny", deny),
        route(GET, "/v1/grants", grants),
        route(POST, "/v1/grants/{id}/revoke", revoke),
    ]
}

type Shared = State<Arc<Operations>>;

async fn list(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let which = match which(&uri) {
        Ok(which) => which,
        Err(error) => return refuse(&error),
    };
    let person = match person(&operations, peer).await {
        Ok(person) => person,
        Err(response) => return response,
    };
    reply(operations.list_approvals(which, &person).await)
}

async fn show(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    match person(&operations, peer).await {
        Ok(person) => reply(operations.show_approval(&id, &person).await),
        Err(response) => response,
    }
}

async fn approve(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Body(request): Body<ApproveRequest>,
) -> Response {
    match person(&operations, peer).await {
        Ok(person) => reply(operations.approve(&id, request, person).await),
        Err(response) => response,
    }
}

async fn deny(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
    Body(request): Body<DenyRequest>,
) -> Response {
    match person(&operations, peer).await {
        Ok(person) => reply(operations.deny(&id, request, person).await),
        Err(response) => response,
    }
}

async fn grants(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    uri: Uri,
) -> Response {
    let which = match which(&uri) {
        Ok(which) => which,
        Err(error) => return refuse(&error),
    };
    match person(&operations, peer).await {
        Ok(person) => reply(operations.list_grants(which, &person).await),
        Err(response) => response,
    }
}

async fn revoke(
    State(operations): Shared,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(id): Path<String>,
) -> Response {
    match person(&operations, peer).await {
        Ok(person) => reply(operations.revoke(&id, person).await),
        Err(response) => response,
    }
}

async fn watching(State(operations): Shared, ConnectInfo(peer): ConnectInfo<Peer>) -> Response {
    let person = match person(&operations, peer).await {
        Ok(person) => person,
        Err(response) => return response,
    };
    match watch::begin(&operations, operations.eyes(&person)).await {
        Ok(body) => ([(header::CONTENT_TYPE, LINES)], body).into_response(),
        Err(error) => refuse(&error),
    }
}

fn which(uri: &Uri) -> Result<Which, ApprovalError> {
    match uri.query() {
        None | Some("" | "state=open") => Ok(Which::Open),
        Some("state=all") => Ok(Which::All),
        Some(_) => Err(ApprovalError::Malformed("state is `open` or `all`")),
    }
}

/// Asks the user database, which may block.
async fn person(operations: &Arc<Operations>, peer: Peer) -> Result<Person, Response> {
    let operations = Arc::clone(operations);
    let found = tokio::task::spawn_blocking(move || operations.person(peer)).await;
    match found {
        Ok(person) => person.map_err(|error| refuse(&error)),
        Err(_panicked) => Err(broken()),
    }
}

fn reply<T: serde::Serialize>(outcome: Result<T, ApprovalError>) -> Response {
    match outcome {
        Ok(outcome) => Json(outcome).into_response(),
        Err(error) => refuse(&error),
    }
}
