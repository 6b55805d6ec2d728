//! Controls of the simulation, under `/simulator`: what is true, how fast things go, failures on demand.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sentinel_model::Timestamp;
use serde::{Deserialize, Serialize};

use super::Server;
use crate::chaos::Rule;
use crate::config::is_speed;
use crate::store::Kind;
use crate::world::{FaultKind, FaultSpec, Truth, World};

/// What the simulation is.
#[derive(Debug, Serialize)]
struct Overview {
    simulated: bool,
    seed: u64,
    now_ms: i64,
    speed: f64,
    nodes: usize,
    pods: usize,
    resource_version: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Speed {
    speed: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultOrder {
    kind: FaultKind,
    millis: i64,
    #[serde(default)]
    target: Option<String>,
}

#[derive(Debug, Serialize)]
struct FaultId {
    id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    millis: i64,
}

/// What open watches are to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum WatchCommand {
    Close,
    Stall,
    BookmarksOnly,
    Resume,
}

pub fn router() -> Router<Server> {
    Router::new()
        .route("/simulator", get(overview))
        .route("/simulator/truth", get(truth))
        .route("/simulator/faults", post(add_fault))
        .route("/simulator/speed", post(set_speed))
        .route("/simulator/step", post(step))
        .route("/simulator/compact", post(compact))
        .route("/simulator/failures", get(failures).post(add_failure).delete(clear_failures))
        .route("/simulator/watches", post(order_watches))
}

async fn overview(State(server): State<Server>) -> Json<Overview> {
    Json(server.shared.with(|world| Overview {
        simulated: true,
        seed: world.seed(),
        now_ms: world.now().as_millis(),
        speed: world.pace(),
        nodes: world.store().count(Kind::Node),
        pods: world.store().count(Kind::Pod),
        resource_version: world.store().version(),
    }))
}

async fn set_speed(State(server): State<Server>, Json(Speed { speed }): Json<Speed>) -> Response {
    if !is_speed(speed) {
        return refuse("speed must be between 0.01 and 10000");
    }
    server.shared.with(|world| world.set_pace(speed));
    server.shared.clock.wake();
    overview(State(server)).await.into_response()
}

/// What is really wrong, and was.
async fn truth(State(server): State<Server>) -> Json<Vec<Truth>> {
    Json(server.shared.with(|world| world.truth()))
}

/// Starts a fault now.
async fn add_fault(State(server): State<Server>, Json(order): Json<FaultOrder>) -> Response {
    let planned = server.shared.with(|world| {
        let at = world.now();
        world.plan_fault(FaultSpec { kind: order.kind, at, millis: order.millis, target: order.target })
    });
    match planned {
        Ok(id) => Json(FaultId { id }).into_response(),
        Err(error) => refuse(&error.to_string()),
    }
}

/// Moves stepped time forward.
async fn step(State(server): State<Server>, Json(Step { millis }): Json<Step>) -> Response {
    if !server.shared.clock.is_stepped() || millis < 0 {
        return refuse("only stepped time can be moved, and only forward");
    }
    let until = Timestamp::from_millis(millis).as_millis().unsigned_abs();
    server.shared.clock.step(std::time::Duration::from_millis(until));
    overview(State(server)).await.into_response()
}

/// Forgets all changes and open lists, so that watches and continued lists expire.
async fn compact(State(server): State<Server>) -> Response {
    server.shared.with(World::compact);
    server.snapshots.drop_all();
    StatusCode::NO_CONTENT.into_response()
}

async fn failures(State(server): State<Server>) -> Json<Vec<Rule>> {
    Json(server.shared.chaos.rules())
}

async fn add_failure(State(server): State<Server>, Json(rule): Json<Rule>) -> Response {
    if server.shared.chaos.add(rule) {
        failures(State(server)).await.into_response()
    } else {
        refuse("status must be one of 410, 429, 500, 503, 504, and there may be 64 failures at most")
    }
}

async fn clear_failures(State(server): State<Server>) -> Response {
    server.shared.chaos.clear();
    StatusCode::NO_CONTENT.into_response()
}

async fn order_watches(State(server): State<Server>, Json(command): Json<WatchCommand>) -> Response {
    let chaos = &server.shared.chaos;
    match command {
        WatchCommand::Close => chaos.close_watches(),
        WatchCommand::Stall => chaos.stall_watches(true),
        WatchCommand::BookmarksOnly => chaos.bookmarks_only(true),
        WatchCommand::Resume => {
            chaos.stall_watches(false);
            chaos.bookmarks_only(false);
        }
    }
    StatusCode::NO_CONTENT.into_response()
}

fn refuse(reason: &str) -> Response {
    (StatusCode::UNPROCESSABLE_ENTITY, format!("{reason}\n")).into_response()
}
