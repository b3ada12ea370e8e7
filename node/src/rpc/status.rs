//! For operators and load balancers: alive, fit to be relied on, and in numbers.

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use ledger::records::PaymentRecord;
use ledger::registers::Record as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::Rpc;
use super::problem::{FixedProblems, Problem, ReadyProblems};
use super::text::Moment;
use crate::run::{Health, now};
use crate::validator::Validator;

/// While transactions wait, a head older than this means that nothing moves: some tens of views.
const STUCK_MS: u64 = 30_000;
/// A posted block without a certified checkpoint for this long means that cosigners are missing.
const UNCERTIFIED_MS: u64 = 30_000;

const OPENMETRICS: (HeaderName, &str) =
    (header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8");
const JSON: (HeaderName, &str) = (header::CONTENT_TYPE, "application/json");
const NO_CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// The process runs and answers.
#[derive(Serialize, ToSchema)]
pub(super) struct Alive {
    /// `alive`; or `halted` when it stopped voting for good, and still answers readers.
    #[schema(examples("alive"))]
    status: &'static str,
    /// Why it stopped, and where the proof lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    halted: Option<String>,
    /// Why it votes nothing for now, and what it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    silent: Option<String>,
}

/// Whether the process is alive. Asks nothing of the validator: restart the process if this fails. One
/// that stopped for good is alive and says so; a restart changes nothing, a person has to look.
#[utoipa::path(
    get, path = "/health", tag = "node", operation_id = "health",
    responses((status = 200, description = "It is", body = Alive), FixedProblems)
)]
pub(super) async fn health(State(rpc): State<Rpc>) -> impl IntoResponse {
    let halted = rpc.health.borrow().halted.as_deref().map(String::from);
    let status = if halted.is_some() { "halted" } else { "alive" };
    let silent = rpc.health.borrow().lost_votes.map(|progress| progress.to_string());
    ([NO_CACHE], axum::Json(Alive { status, halted, silent }))
}

/// Where the validator stands.
struct Standing {
    epoch: u64,
    votes: bool,
    height: u64,
    view: u64,
    time_ms: u64,
    log_size: u64,
    pooled: usize,
    faults: u64,
    quorum: usize,
    payments: u64,
    // Size and newest cosignature time, in seconds.
    certified: Option<(u64, u64)>,
}

impl Standing {
    fn of(validator: &Validator) -> Self {
        let ledger = validator.ledger();
        let head = ledger.head();
        let registers = ledger.register_roots();
        Self {
            epoch: ledger.validators().epoch.0,
            votes: validator.seat().is_some(),
            height: head.height.0,
            view: validator.consensus().view().0,
            time_ms: head.time.0,
            log_size: head.log.size(),
            pooled: validator.pooled(),
            faults: validator.faults(),
            quorum: ledger.validators().quorum(),
            // Each posted transaction uses one payment id.
            payments: registers
                .iter()
                .find(|r| r.name.as_str() == PaymentRecord::REGISTER)
                .map_or(0, |r| r.length),
            certified: validator.certified().map(|certified| {
                let times = certified.cosignatures.iter().map(|cosignature| cosignature.time_s);
                (certified.size, times.max().unwrap_or(0))
            }),
        }
    }

    fn block_age_ms(&self) -> u64 {
        now_ms().saturating_sub(self.time_ms)
    }

    /// Why the node is not fit to be relied on, if it is not.
    fn impediment(&self, health: &Health, heartbeat_ms: u64) -> Option<String> {
        let (age_ms, votes) = (self.block_age_ms(), self.votes);
        let connected = health.peers + usize::from(votes);
        let needed = if votes { self.quorum } else { 1 };
        if let Some(halted) = &health.halted {
            return Some(halted.to_string());
        }
        if let Some(progress) = health.lost_votes {
            return Some(progress.to_string());
        }
        if connected < needed {
            return Some(format!(
                "{connected} validators in reach, itself included, {needed} are needed; check the network to the others"
            ));
        }
        if age_ms > heartbeat_ms.saturating_mul(2).saturating_add(STUCK_MS) {
            return Some(format!(
                "the last block, {}, is {} s old, one is due every {} s; this node has yet to catch up, or the chain stands still",
                self.height,
                age_ms / 1000,
                heartbeat_ms / 1000
            ));
        }
        if self.pooled > 0 && age_ms > STUCK_MS {
            return Some(format!(
                "{} transactions wait and the last block, {}, is {} s old; check the other validators",
                self.pooled,
                self.height,
                age_ms / 1000
            ));
        }
        let certified = self.certified.map_or(0, |(size, _)| size);
        if certified == 0 || (certified < self.log_size && age_ms > UNCERTIFIED_MS) {
            return Some(format!(
                "the log has {} leaves, the newest certified checkpoint {certified}; check the other validators",
                self.log_size
            ));
        }
        None
    }
}

/// The node is fit to be relied on.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// Epoch of the validator set in force.
    epoch: u64,
    /// Height of the last posted block.
    height: u64,
    /// Its time.
    time: Moment,
    /// Leaves under the newest certified checkpoint.
    checkpoint_size: u64,
    /// The lowest height whose block this node holds: 1, or the one after the snapshot that it joined from.
    earliest: u64,
    /// Whether the node votes; a follower does not.
    votes: bool,
    /// Peers connected.
    peers: usize,
}

/// Whether to send work here: a quorum is in reach, blocks are posted and certified, and the
/// validator did not halt.
#[utoipa::path(
    get, path = "/ready", tag = "node", operation_id = "ready",
    responses((status = 200, description = "It is fit", body = Ready), ReadyProblems)
)]
pub(super) async fn ready(State(rpc): State<Rpc>) -> Result<impl IntoResponse, Problem> {
    let standing = rpc.ask(Standing::of).await?;
    let health = rpc.health.borrow().clone();
    if let Some(impediment) = standing.impediment(&health, rpc.heartbeat_ms) {
        return Err(Problem::not_ready(impediment));
    }
    let ready = Ready {
        epoch: standing.epoch,
        height: standing.height,
        time: ledger::time::Timestamp(standing.time_ms).into(),
        checkpoint_size: standing.certified.map_or(0, |(size, _)| size),
        earliest: rpc.read(|store| Ok(store.earliest()?.0)).await?,
        votes: standing.votes,
        peers: health.peers,
    };
    Ok(([NO_CACHE], axum::Json(ready)))
}

/// Counts and gauges in the OpenMetrics text form, which Prometheus reads.
#[utoipa::path(
    get, path = "/metrics", tag = "node", operation_id = "metrics",
    responses(
        (status = 200, description = "The text", body = String, content_type = "application/openmetrics-text"),
        FixedProblems
    )
)]
pub(super) async fn metrics(State(rpc): State<Rpc>) -> impl IntoResponse {
    let metrics = &rpc.metrics;
    // A loop that does not answer is what an operator most needs to see; the rest stays as it was.
    let standing = rpc.ask(Standing::of).await.ok();
    metrics.answers_in_time.set(i64::from(standing.is_some()));
    if let Some(standing) = standing {
        read(&rpc, &standing);
    }
    if let Ok(earliest) = rpc.read(|store| Ok(store.earliest()?.0)).await {
        metrics.earliest.set(i64::try_from(earliest).unwrap_or(i64::MAX));
    }
    ([OPENMETRICS, NO_CACHE], metrics.text())
}

fn read(rpc: &Rpc, standing: &Standing) {
    let metrics = &rpc.metrics;
    let set = |gauge: &prometheus_client::metrics::gauge::Gauge, value: u64| {
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    };
    let health = rpc.health.borrow().clone();
    set(&metrics.peers, health.peers as u64);
    set(&metrics.halted, u64::from(health.halted.is_some()));
    set(&metrics.lost_votes, u64::from(health.lost_votes.is_some()));
    set(&metrics.refused, health.refused);
    set(&metrics.epoch, standing.epoch);
    set(&metrics.votes, u64::from(standing.votes));
    set(&metrics.height, standing.height);
    set(&metrics.view, standing.view);
    set(&metrics.pool, standing.pooled as u64);
    set(&metrics.faults, standing.faults);
    set(&metrics.transactions, standing.payments);
    set(&metrics.block_age_s, standing.block_age_ms() / 1000);
    if let Some((size, time_s)) = standing.certified {
        set(&metrics.checkpoint_size, size);
        set(&metrics.checkpoint_age_s, (now_ms() / 1000).saturating_sub(time_s));
    }
}

/// The API description (OpenAPI 3.1).
#[utoipa::path(
    get, path = "/openapi.json", tag = "node", operation_id = "openapi",
    responses((status = 200, description = "The description", body = Object, content_type = "application/json"), FixedProblems)
)]
pub(super) async fn openapi(State(rpc): State<Rpc>) -> impl IntoResponse {
    ([JSON], rpc.document.clone())
}

fn now_ms() -> u64 {
    now().0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            epoch: 0,
            votes: true,
            height: 7,
            view: 9,
            time_ms: now_ms(),
            log_size: 20,
            pooled: 0,
            faults: 0,
            quorum: 3,
            payments: 5,
            certified: Some((20, 0)),
        }
    }

    const HEARTBEAT_MS: u64 = 600_000;

    fn health(peers: usize) -> Health {
        Health { peers, ..Health::default() }
    }

    #[test]
    fn a_validator_cut_off_from_its_quorum_is_not_ready() {
        assert_eq!(standing().impediment(&health(2), HEARTBEAT_MS), None);
        let impediment = standing().impediment(&health(1), HEARTBEAT_MS).unwrap();
        assert!(
            impediment.starts_with("2 validators in reach, itself included, 3 are needed"),
            "{impediment}"
        );
        assert_eq!(Standing { votes: false, ..standing() }.impediment(&health(1), HEARTBEAT_MS), None);
        let halted =
            Health { peers: 3, halted: Some("stopped voting for good: …".into()), ..Health::default() };
        assert!(standing().impediment(&halted, HEARTBEAT_MS).unwrap().contains("stopped voting for good"));
    }

    #[test]
    fn a_chain_that_rests_is_ready_and_one_that_is_stuck_is_not() {
        let old = Standing { time_ms: now_ms() - 600_000, ..standing() };
        assert_eq!(old.impediment(&health(3), HEARTBEAT_MS), None);
        let behind = Standing { time_ms: now_ms() - 1_300_000, ..standing() };
        let impediment = behind.impediment(&health(3), HEARTBEAT_MS).unwrap();
        assert!(impediment.contains("has yet to catch up"), "{impediment}");
        let stuck = Standing { pooled: 4, ..old };
        assert!(stuck.impediment(&health(3), HEARTBEAT_MS).unwrap().starts_with("4 transactions wait"));
        let uncertified = Standing { time_ms: now_ms() - 600_000, certified: Some((18, 0)), ..standing() };
        let impediment = uncertified.impediment(&health(3), HEARTBEAT_MS).unwrap();
        assert!(impediment.contains("the newest certified checkpoint 18"), "{impediment}");
    }
}
