//! The log as anyone may mirror it: checkpoint, consistency, tiles, genesis, blocks.
//!
//! Paths and bytes of checkpoint and tiles are those of C2SP `tlog-tiles` with the prefix `/v1/`, so
//! that tools that know no Hovedbok can follow the log.

use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use ledger::block::Height;
use ledger::codec;
use ledger::tiles::{Resource, TILE_LEVELS, Tile, bundle};
use ledger::transaction::VerifiedTransaction;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Rpc;
use super::problem::{FixedProblems, LookupProblems, Problem};
use super::proving::{LogReader, newest, not_held};
use super::request::{Params, Terms};
use super::text::{Base64, Hex};
use super::views::{HeaderView, hexes};

const TEXT: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
const BYTES: (HeaderName, &str) = (header::CONTENT_TYPE, "application/octet-stream");
/// For what never changes.
const FOR_EVER: (HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=31536000, immutable");

/// The newest certified checkpoint.
///
/// A C2SP signed note: origin, number of leaves, root, and cosignatures by at least a quorum of the
/// validators.
#[utoipa::path(
    get, path = "/v1/checkpoint", tag = "log", operation_id = "checkpoint",
    responses(
        (status = 200, description = "The signed note", body = String, content_type = "text/plain"),
        FixedProblems
    )
)]
pub(super) async fn checkpoint(State(rpc): State<Rpc>) -> Result<impl IntoResponse, Problem> {
    let note = newest(&rpc).await?.note;
    Ok(([TEXT, (header::CACHE_CONTROL, "no-cache")], note.to_text()))
}

/// Two sizes of the log.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Sizes {
    /// Leaves of the older checkpoint.
    #[param(minimum = 0, example = 2)]
    from: u64,
    /// Leaves of the newer checkpoint; at most those of the newest certified one.
    #[param(minimum = 0, example = 2)]
    to: u64,
}

/// Proof that the log only grew between two sizes (RFC 6962 section 2.1.2).
#[derive(Serialize, ToSchema)]
pub(super) struct Consistency {
    /// Leaves of the older checkpoint.
    from: u64,
    /// Leaves of the newer checkpoint.
    to: u64,
    /// The hashes, in their order; none when the sizes are equal or the older is empty.
    path: Vec<Hex>,
}

/// Proof that a later checkpoint continues an earlier one.
#[utoipa::path(
    get, path = "/v1/proof/consistency", tag = "log", operation_id = "consistency",
    params(Sizes),
    responses((status = 200, description = "The proof", body = Consistency), LookupProblems)
)]
pub(super) async fn consistency(
    State(rpc): State<Rpc>,
    Terms(Sizes { from, to }): Terms<Sizes>,
) -> Result<impl IntoResponse, Problem> {
    let size = newest(&rpc).await?.size;
    if from > to {
        return Err(Problem::not_found(format!(
            "no proof leads from {from} leaves back to {to}; give the older checkpoint's size first"
        )));
    }
    if to > size {
        return Err(Problem::not_found(format!(
            "the newest certified checkpoint has {size} leaves, asked was {to}; fetch /v1/checkpoint first"
        )));
    }
    let path = rpc.read(move |store| LogReader::new(store).consistency(from, to)).await?;
    Ok(axum::Json(Consistency { from, to, path: hexes(&path) }))
}

/// A tile of the log, or the entries below a tile of level 0 (C2SP tlog-tiles).
///
/// `tile` is `<L>/<N>[.p/<W>]` for hashes and `entries/<N>[.p/<W>]` for entries, N in groups of three
/// digits, such as `0/x001/x234/067.p/8`. Entries are the leaves' canonical bytes, each behind its
/// length in two bytes.
#[utoipa::path(
    get, path = "/v1/tile/{tile}", tag = "log", operation_id = "tile",
    params(("tile" = String, Path, description = "Level or `entries`, number, and width if partial", pattern = "^(entries|[0-9]|[1-5][0-9]|6[0-3])/(x(00[1-9]|0[1-9][0-9]|[1-9][0-9]{2})/(x[0-9]{3}/){0,4})?[0-9]{3}(\\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$", example = "0/000.p/2")),
    responses(
        (status = 200, description = "Hashes of 32 bytes each, or entries", body = Vec<u8>, content_type = "application/octet-stream"),
        LookupProblems
    )
)]
pub(super) async fn tile(
    State(rpc): State<Rpc>,
    Params(path): Params<String>,
) -> Result<impl IntoResponse, Problem> {
    let Some(resource) = Resource::parse(&format!("tile/{path}")) else {
        let given: String = path.chars().take(60).collect();
        return Err(Problem::malformed(format!(
            "{given:?} is no tile; write <L>/<N>[.p/<W>] or entries/<N>[.p/<W>], such as 0/x001/234.p/8"
        )));
    };
    let tile = resource.tile();
    let size = newest(&rpc).await?.size;
    let width = if tile.level < TILE_LEVELS { Tile::width_at(tile.level, tile.index, size) } else { 0 };
    if tile.width > width {
        return Err(Problem::not_found(format!(
            "{} is wider than the log of {size} leaves; it has {width} there now",
            resource.path()
        )));
    }
    let bytes = rpc
        .read(move |store| match resource {
            Resource::Hashes(tile) => LogReader::new(store).tile(tile),
            Resource::Entries(tile) => {
                let leaves = LogReader::new(store).leaves(tile)?;
                let entries = bundle(leaves.iter().map(Vec::as_slice));
                entries.ok_or_else(|| Problem::broken("a leaf is longer than any may be; ask another node"))
            }
        })
        .await?;
    Ok(([BYTES, FOR_EVER], bytes))
}

/// Genesis, as canonical bytes.
///
/// Pin its hash, which names the chain; everything else is verified from it.
#[utoipa::path(
    get, path = "/v1/genesis", tag = "log", operation_id = "genesis",
    responses(
        (status = 200, description = "Canonical bytes", body = Vec<u8>, content_type = "application/octet-stream"),
        FixedProblems
    )
)]
pub(super) async fn genesis(State(rpc): State<Rpc>) -> impl IntoResponse {
    ([BYTES, FOR_EVER], rpc.node.identity.genesis.clone())
}

/// A finalized block.
#[derive(Serialize, ToSchema)]
pub(super) struct BlockView {
    /// Its hash.
    hash: Hex,
    /// Its header.
    header: HeaderView,
    /// Its first leaf; one follows per transaction, then the seal.
    first_leaf: u64,
    /// Ids of its transactions, in order.
    transactions: Vec<Hex>,
    /// Canonical bytes of the block with its certificates (`FinalizedBlock`).
    finalized: Base64,
}

/// A finalized block with the certificates that prove it final.
#[utoipa::path(
    get, path = "/v1/blocks/{height}", tag = "log", operation_id = "block",
    params(("height" = u64, Path, description = "Height, from 1; height 0 is genesis", minimum = 1, example = 1)),
    responses((status = 200, description = "The block", body = BlockView), LookupProblems)
)]
pub(super) async fn block(
    State(rpc): State<Rpc>,
    Params(height): Params<u64>,
) -> Result<impl IntoResponse, Problem> {
    let chain = *rpc.node.identity.trust.chain();
    let _turn = rpc.turn().await?;
    let view = rpc
        .read(move |store| {
            if (1..store.earliest()?.0).contains(&height) {
                return Err(not_held(store, &format!("block {height}")));
            }
            let (Some(finalized), Some((first, _))) =
                (store.finalized(Height(height))?, store.leaf_range(Height(height))?)
            else {
                return Err(Problem::not_found(format!("block {height} is not posted here")));
            };
            let header = &finalized.block.header;
            let transactions = finalized.block.transactions.iter();
            let ids =
                transactions.map(|signed| VerifiedTransaction::from_own_store(signed.clone(), &chain).id());
            Ok(BlockView {
                hash: (&header.hash().0).into(),
                header: header.into(),
                first_leaf: first.0,
                transactions: ids.map(|id| Hex::from(&id.0)).collect(),
                finalized: (&codec::encode(&finalized)).into(),
            })
        })
        .await?;
    Ok(axum::Json(view))
}
