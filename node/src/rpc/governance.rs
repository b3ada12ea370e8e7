//! Who validates, since when, and what proves it to a reader who knows only genesis.

use axum::extract::State;
use axum::response::IntoResponse;
use ledger::certificate::Validator as Seat;
use ledger::codec;
use ledger::records::{EpochRecord, SeatRecord};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Rpc;
use super::problem::{FixedProblems, LookupProblems, Problem};
use super::request::Terms;
use super::text::{Base64, Hex, Moment, Organisation};
use crate::validator::Validator;

/// Handoffs in one answer, and about how many bytes of them; one at least is always sent.
const HANDOFFS_MAX: usize = 256;
const HANDOFFS_BYTES_MAX: usize = 4 << 20;

/// From which epoch on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FromEpoch {
    /// The first epoch handed over to; 1 when left out.
    #[serde(default = "first")]
    #[param(minimum = 1, example = 1)]
    from: u64,
}

fn first() -> u64 {
    1
}

/// How each validator set handed over to the next.
#[derive(Serialize, ToSchema)]
pub(super) struct Handoffs {
    /// The epoch in force.
    epoch: u64,
    /// Canonical bytes of each `Handoff`, in order of epoch. A long list ends early: ask again from the
    /// epoch after its last.
    handoffs: Vec<Base64>,
}

/// The handoffs from genesis to the validators in force, or from a later epoch on.
///
/// Each is proven by the set before it, so that with genesis they prove who validates now.
#[utoipa::path(
    get, path = "/v1/handoffs", tag = "log", operation_id = "handoffs",
    params(FromEpoch),
    responses((status = 200, description = "The handoffs", body = Handoffs), LookupProblems)
)]
pub(super) async fn handoffs(
    State(rpc): State<Rpc>,
    Terms(FromEpoch { from }): Terms<FromEpoch>,
) -> Result<impl IntoResponse, Problem> {
    let trust = rpc.ask(|validator| validator.trust().clone()).await?;
    let epoch = trust.validators().epoch.0;
    if from == 0 || from > epoch.saturating_add(1) {
        return Err(Problem::not_found(format!(
            "no handoff leads to epoch {from}; those from 1 to {epoch} are there, epoch 0 is that of genesis"
        )));
    }
    let before = usize::try_from(from - 1).unwrap_or(usize::MAX);
    let mut bytes = 0;
    let handoffs =
        trust.handoffs().iter().skip(before).take(HANDOFFS_MAX).map(codec::encode).take_while(|handoff| {
            let fits = bytes == 0 || bytes + handoff.len() <= HANDOFFS_BYTES_MAX;
            bytes += handoff.len();
            fits
        });
    let handoffs = handoffs.map(|handoff| Base64::from(&handoff)).collect();
    Ok(axum::Json(Handoffs { epoch, handoffs }))
}

/// A seat.
#[derive(Serialize, ToSchema)]
pub(super) struct SeatView {
    /// Index in the set.
    index: u16,
    /// The entity that answers for it.
    entity: Organisation,
    /// Name on its cosignatures.
    #[schema(examples("stavanger.example/v1"))]
    name: String,
    /// Signs votes.
    vote_key: Hex,
    /// Cosigns checkpoints.
    cosign_key: Hex,
    /// Identifies the node on the network.
    peer_key: Hex,
    /// Signs changes of the validator set and recovery.
    governance_key: Hex,
    /// Height of the last block that it proposed in the epoch; 0 for none.
    proposed: u64,
}

/// The last posted block, which a change or recovery is prepared from.
#[derive(Serialize, ToSchema)]
pub(super) struct HeadView {
    /// Its height.
    height: u64,
    /// Its hash.
    block: Hex,
    /// Its time.
    time: Moment,
    /// Leaves in the log after it.
    log_size: u64,
    /// Root of the log after it.
    log_root: Hex,
}

/// The validator set in force.
#[derive(Serialize, ToSchema)]
pub(super) struct Validators {
    /// The epoch.
    epoch: u64,
    /// Whether it began by recovery, not by votes.
    recovery: bool,
    /// Height of the last block before it.
    after_height: u64,
    /// Leaves of the log before it.
    after_size: u64,
    /// How many must sign.
    quorum: usize,
    /// The seats, in order of index.
    validators: Vec<SeatView>,
    /// Canonical bytes of the `ValidatorSet`.
    set: Base64,
    /// This node's seat; absent of a follower.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    seat: Option<u16>,
    /// The last posted block.
    head: HeadView,
}

impl Validators {
    fn of(validator: &Validator) -> Self {
        let ledger = validator.ledger();
        let (set, head) = (ledger.validators(), ledger.head());
        let record = ledger.find::<EpochRecord>(&set.epoch);
        let seat = |(index, seat): (u16, &Seat)| SeatView {
            index,
            entity: seat.entity.into(),
            name: seat.name.as_str().into(),
            vote_key: (&seat.vote_key).into(),
            cosign_key: (&seat.cosign_key).into(),
            peer_key: (&seat.peer_key).into(),
            governance_key: (&seat.governance_key).into(),
            proposed: ledger.find::<SeatRecord>(&(set.epoch, index)).map_or(0, |seat| seat.proposed.0),
        };
        Self {
            epoch: set.epoch.0,
            recovery: record.is_some_and(|record| record.recovery),
            after_height: record.map_or(0, |record| record.after.0),
            after_size: record.map_or(0, |record| record.size),
            quorum: set.quorum(),
            validators: (0..).zip(&set.validators).map(seat).collect(),
            set: (&codec::encode(set)).into(),
            seat: validator.seat(),
            head: HeadView {
                height: head.height.0,
                block: (&head.block.0).into(),
                time: head.time.into(),
                log_size: head.log.size(),
                log_root: (&head.log.root()).into(),
            },
        }
    }
}

/// The validators in force, as this node's books have them.
///
/// For operators and for preparing a change; whoever must be sure follows the handoffs.
#[utoipa::path(
    get, path = "/v1/validators", tag = "node", operation_id = "validators",
    responses((status = 200, description = "The set", body = Validators), FixedProblems)
)]
pub(super) async fn validators(State(rpc): State<Rpc>) -> Result<impl IntoResponse, Problem> {
    Ok(axum::Json(rpc.ask(Validators::of).await?))
}
