//! HTTP for payment systems, auditors' clients and operators (`specs/rpc.md`).
//!
//! The only module that knows JSON. It decodes strictly and within limits, asks the running node,
//! and answers; it decides nothing. Whatever is proven travels as canonical bytes or C2SP text
//! beside readable fields, so that a client needs the `ledger` crate, or `specs/formats.md`, and
//! nothing of what is said here to believe it.
//!
//! Invariant: nothing a client sends ends the process, and every connection, queue, body, answer and
//! wait that a client can cause is bounded.

mod books;
mod budget;
mod events;
mod governance;
mod log;
mod metrics;
mod problem;
mod proving;
mod request;
mod server;
mod status;
mod submit;
mod text;
mod views;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use utoipa::OpenApi;
use utoipa::Path as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Limits;
use crate::handle::NodeHandle;
use crate::run::Health;
use crate::store::{Store, StoreError};
use crate::validator::Validator;
use metrics::Metrics;
use problem::Problem;

/// The loop answers questions between two steps; a step that takes longer than this is a fault.
const QUERY_TIME_MAX: Duration = Duration::from_secs(5);
/// Large reads at once: each holds some megabytes and a thread that reads the disk.
const LARGE_READS_MAX: usize = 8;
/// How long a request waits for its turn among the large reads.
const TURN_TIME_MAX: Duration = Duration::from_secs(10);

/// Serves until `stop` turns true, then closes within some seconds: streams end at once, and what is
/// being answered has five seconds. `heartbeat_ms` is how long a chain with nothing to do rests between
/// two blocks; a node whose last block is much older is not ready. `listener` is bound by the caller;
/// TLS, and who may reach the port, are a gateway's business, never a validator's.
pub async fn serve(
    listener: TcpListener,
    node: NodeHandle,
    health: watch::Receiver<Health>,
    limits: Limits,
    heartbeat_ms: u64,
    stop: watch::Receiver<bool>,
) {
    let router = router(Rpc::new(node, health, limits, heartbeat_ms, stop.clone()));
    let connections_max = usize::try_from(limits.rpc_connections).unwrap_or(usize::MAX);
    server::serve(listener, router, connections_max, stop).await;
}

/// The API description, as served at /openapi.json and kept in specs/openapi.json.
pub fn openapi_json() -> String {
    let (_, document) = paths().split_for_parts();
    let mut json = document.to_pretty_json().unwrap_or_default();
    json.push('\n');
    json
}

/// What handlers share. Cheap to clone.
#[derive(Clone)]
struct Rpc {
    node: NodeHandle,
    health: watch::Receiver<Health>,
    limits: Limits,
    heartbeat_ms: u64,
    metrics: Metrics,
    stop: watch::Receiver<bool>,
    large_reads: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    document: Bytes,
}

impl Rpc {
    fn new(
        node: NodeHandle,
        health: watch::Receiver<Health>,
        limits: Limits,
        heartbeat_ms: u64,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let listeners =
            usize::try_from(limits.event_streams).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            node,
            health,
            limits,
            heartbeat_ms,
            metrics: Metrics::default(),
            stop,
            large_reads: Arc::new(Semaphore::new(LARGE_READS_MAX)),
            listeners: Arc::new(Semaphore::new(listeners)),
            bodies: Arc::new(Semaphore::new(submit::BODIES_BYTES_MAX)),
            document: openapi_json().into(),
        }
    }

    /// Asks the running validator.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Validator) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        match tokio::time::timeout(QUERY_TIME_MAX, self.node.query(question)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Problem::busy("the node did not answer in time; ask again in a second", 1)),
        }
    }

    /// Reads from the store, on a thread that may wait for the disk.
    async fn read<T: Send + 'static>(
        &self,
        reading: impl FnOnce(&Store) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let store = self.node.store.clone();
        match tokio::task::spawn_blocking(move || reading(&store)).await {
            Ok(answer) => answer,
            Err(_) => Err(Problem::busy("the node is stopping; ask another", 10)),
        }
    }

    /// Waits for a turn to read much.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(TURN_TIME_MAX, self.large_reads.acquire()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Problem::busy("others read much at this moment; ask again in some seconds", 5)),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "rpc: store");
        Self::broken("the node's store could not be read; ask another node and tell this one's operator")
    }
}

/// Title and introduction of the API description.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Hovedbok",
        version = "1.0.0",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "Submit signed transactions, and read books that prove themselves.\n\n\
            Whatever is proven stands as canonical bytes (base64) or as C2SP text beside readable fields. \
            Believe only what you verified from those bytes under the genesis you pinned; the readable \
            fields are a convenience. specs/formats.md tells how to read and verify them.\n\n\
            Every answer outside 2xx is a problem document (RFC 9457)."
    ),
    servers((url = "/", description = "This node")),
    tags(
        (name = "submit", description = "Transactions, their receipts and payment ids"),
        (name = "books", description = "Entities, accounts, postings, journals and documents, each proven"),
        (name = "log", description = "Checkpoints, consistency, tiles, genesis and blocks"),
        (name = "node", description = "Events, health and metrics")
    ),
    components(schemas(Problem))
)]
struct Document;

/// All paths and their description.
fn paths() -> OpenApiRouter<Rpc> {
    let mut router = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(submit::submit))
        .routes(routes!(submit::transaction))
        .routes(routes!(submit::receipt))
        .routes(routes!(submit::payment))
        .routes(routes!(books::entity))
        .routes(routes!(books::accounts))
        .routes(routes!(books::postings))
        .routes(routes!(books::journal))
        .routes(routes!(books::document))
        .routes(routes!(budget::budget))
        .routes(routes!(log::checkpoint))
        .routes(routes!(log::consistency))
        .routes(routes!(log::genesis))
        .routes(routes!(log::block))
        .routes(routes!(governance::handoffs))
        .routes(routes!(governance::validators))
        .routes(routes!(events::events))
        .routes(routes!(status::health))
        .routes(routes!(status::ready))
        .routes(routes!(status::metrics))
        .routes(routes!(status::openapi))
        // A tile's number takes as many path segments as it has groups of three digits, which
        // OpenAPI cannot say; it is described as one parameter.
        .route("/v1/tile/{*tile}", get(log::tile));
    let (path, methods) = (log::__path_tile::path(), log::__path_tile::methods());
    router.get_openapi_mut().paths.add_path_operation(path, methods, log::__path_tile::operation());
    router
}

fn router(rpc: Rpc) -> Router {
    let (router, _) = paths().split_for_parts();
    router
        .layer(DefaultBodyLimit::max(request::BODY_BYTES_MAX))
        .layer(middleware::from_fn(problem::finish))
        .layer(middleware::from_fn_with_state(rpc.clone(), count))
        .with_state(rpc)
}

async fn count(State(rpc): State<Rpc>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    rpc.metrics.answered(response.status().as_u16());
    response
}

#[cfg(test)]
mod tests;
