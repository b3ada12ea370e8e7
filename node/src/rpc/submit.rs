//! Submitting transactions, and what became of them.
//!
//! A retry is always safe: the same transaction is answered with its first result, whichever node
//! it is sent to. So a client that hears nothing submits again.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledger::block::LeafIndex;
use ledger::digest::Digest;
use ledger::records::PaymentRecord;
use ledger::refusal::Refusal;
use ledger::transaction::{PaymentId, SignedTransaction, TransactionId};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::time::Instant;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::Rpc;
use super::problem::{LookupProblems, Problem, SubmitProblems};
use super::proving::{LogReader, Newest, at_checkpoint, newest};
use super::request::{BODY_BYTES_MAX, Body, Params, Terms, digest, org_number, payment_number};
use super::text::{Base64, Hex};
use super::views::PaymentView;
use crate::validator::Outcome;

/// Transactions in one request.
pub(super) const BATCH_MAX: usize = 1000;
/// Bytes of bodies read and decoded at once, all clients together.
pub(super) const BODIES_BYTES_MAX: usize = 128 * BODY_BYTES_MAX;

const RECEIPT: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; charset=utf-8");

/// What to wait for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Waiting {
    /// `receipt`: until the transactions are posted under a certified checkpoint, at most 20 s (the operator
    /// may set another time).
    /// `pool`: until they wait for a block.
    #[serde(default)]
    #[param(inline)]
    wait: Wait,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Wait {
    #[default]
    Receipt,
    Pool,
}

/// One signed transaction, or a batch: canonical bytes of `SignedTransaction` in base64.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Submission {
    #[serde(default, deserialize_with = "present")]
    transaction: Option<String>,
    #[serde(default, deserialize_with = "present")]
    transactions: Option<Vec<String>>,
}

/// A field that stands there holds a value; `null` is none.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

impl PartialSchema for Submission {
    fn schema() -> RefOr<Schema> {
        let bytes = || Ref::from_schema_name("Base64");
        let object = |name: &str, schema: RefOr<Schema>| {
            ObjectBuilder::new()
                .property(name, schema)
                .required(name)
                .additional_properties(Some(
                    utoipa::openapi::schema::AdditionalProperties::<Schema>::FreeForm(false),
                ))
                .build()
        };
        let batch = ArrayBuilder::new().items(bytes()).min_items(Some(1)).max_items(Some(BATCH_MAX)).build();
        let one_of = OneOfBuilder::new()
            .description(Some(
                "One signed transaction, or a batch: canonical bytes of `SignedTransaction` in base64",
            ))
            .item(object("transaction", bytes().into()))
            .item(object("transactions", Schema::Array(batch).into()));
        Schema::OneOf(one_of.build()).into()
    }
}

impl ToSchema for Submission {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((Base64::name().into(), Base64::schema()));
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SubmittedStatus {
    /// In the log, for good.
    Posted,
    /// It waits for a block.
    Pooled,
    /// Neither posted nor waiting here, as far as this node knows; it may be posted yet. Ask again,
    /// or submit it again.
    Unknown,
    /// The ledger refuses it, or it cannot be read; `problem` says why and what to do.
    Refused,
    /// The node had no room for it; submit it again later.
    Busy,
}

/// A transaction and what became of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Submitted {
    /// Its id; absent when the bytes could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<Hex>,
    /// What became of it.
    status: SubmittedStatus,
    /// Its leaf in the log, when posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    leaf: Option<u64>,
    /// Height of its block, when posted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    height: Option<u64>,
    /// The receipt (C2SP tlog-proof text), when posted under a certified checkpoint. Keep it: with
    /// genesis, it proves the payment for ever, offline.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    receipt: Option<String>,
    /// Why not, when refused or busy; or why there is no receipt, when it was posted before what this node
    /// holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

impl Submitted {
    fn new(id: Option<TransactionId>, status: SubmittedStatus) -> Self {
        let id = id.map(|id| Hex::from(&id.0));
        Self { id, status, leaf: None, height: None, receipt: None, problem: None }
    }

    fn failed(id: Option<TransactionId>, problem: Problem) -> Self {
        let busy = problem.status == StatusCode::SERVICE_UNAVAILABLE.as_u16();
        let status = if busy { SubmittedStatus::Busy } else { SubmittedStatus::Refused };
        Self { problem: Some(problem), ..Self::new(id, status) }
    }
}

/// What became of a batch, in its order.
#[derive(Serialize, ToSchema)]
pub(super) struct SubmittedBatch {
    /// One result for each transaction of the batch.
    transactions: Vec<Submitted>,
}

/// What is answered: one result, or those of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum SubmitAnswer {
    /// To one transaction.
    One(Submitted),
    /// To a batch.
    Batch(SubmittedBatch),
}

/// Submit one signed transaction, or a batch.
///
/// Submitting again is safe and answered with the first result. One transaction is answered 200 when
/// posted, 202 when it is not posted within the time, and with a problem when it is refused. A batch
/// is answered 200 with one result for each transaction, in order, or 503 when nothing of it was
/// taken.
#[utoipa::path(
    post, path = "/v1/transactions", tag = "submit", operation_id = "submit",
    params(Waiting),
    request_body(content = Submission, content_type = "application/json"),
    responses(
        (status = 200, description = "Posted; or the results of a batch", body = SubmitAnswer),
        (status = 202, description = "Not posted within the time; ask GET /v1/transactions/{id}, or submit again", body = Submitted, links(
            ("transaction" = (operation_id = "transaction", parameters(("id" = "$response.body#/id"))))
        )),
        SubmitProblems
    )
)]
pub(super) async fn submit(
    State(rpc): State<Rpc>,
    Terms(Waiting { wait }): Terms<Waiting>,
    request: Request,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + Duration::from_millis(rpc.limits.receipt_deadline_ms);
    // Held until the bytes are decoded and handed in.
    let body_bytes = rpc.bodies.try_acquire_many(body_bytes(request.headers()));
    let body_bytes = body_bytes
        .map_err(|_| Problem::busy("too many large requests at once; send again in a second", 1))?;
    let Body(handed) = Body::<Submission>::from_request(request, &()).await?;
    let (texts, single) = match (handed.transaction, handed.transactions) {
        (Some(transaction), None) => (vec![transaction], true),
        (None, Some(transactions)) => (transactions, false),
        _ => {
            return Err(Problem::malformed("body: give either \"transaction\" or \"transactions\""));
        }
    };
    if !(1..=BATCH_MAX).contains(&texts.len()) {
        return Err(Problem::malformed(format!(
            "body: {} transactions; a batch has 1 to {BATCH_MAX}",
            texts.len()
        )));
    }
    let chain = *rpc.node.identity.trust.chain();
    let decoded = tokio::task::spawn_blocking(move || {
        texts.into_iter().map(|text| decode(&text, &chain)).collect::<Vec<_>>()
    });
    let decoded = decoded.await.map_err(|_| Problem::busy("the node is stopping; send to another", 10))?;
    let mut pending = Vec::with_capacity(decoded.len());
    for decoded in decoded {
        pending.push(match decoded {
            Ok((id, signed)) => match rpc.node.submit(signed, wait == Wait::Receipt) {
                Ok(answer) => Pending::Handed(id, answer),
                Err(busy) => Pending::Done(Submitted::failed(Some(id), busy.into())),
            },
            Err(problem) => Pending::Done(Submitted::failed(None, problem)),
        });
    }
    drop(body_bytes);
    let mut results = conclude(&rpc, pending, deadline).await?;
    for problem in results.iter().filter_map(|result| result.problem.as_ref()) {
        if let Some(rule) = problem.rule {
            rpc.metrics.refused(rule);
        }
    }
    if single {
        let Some(result) = results.pop() else { return Err(Problem::malformed("body: no transaction")) };
        return answer(result);
    }
    if results.iter().all(|result| result.status == SubmittedStatus::Busy)
        && let Some(problem) = results.pop().and_then(|result| result.problem)
    {
        return Err(problem);
    }
    Ok(Json(SubmitAnswer::Batch(SubmittedBatch { transactions: results })).into_response())
}

/// The answer for a single transaction.
fn answer(result: Submitted) -> Result<Response, Problem> {
    let status = match result.status {
        SubmittedStatus::Posted => StatusCode::OK,
        SubmittedStatus::Pooled | SubmittedStatus::Unknown => StatusCode::ACCEPTED,
        SubmittedStatus::Refused | SubmittedStatus::Busy => match result.problem {
            Some(problem) => return Err(problem),
            None => StatusCode::ACCEPTED,
        },
    };
    Ok((status, Json(SubmitAnswer::One(result))).into_response())
}

/// What a request's body may take of the common budget.
fn body_bytes(headers: &HeaderMap) -> u32 {
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    // Without a length it may be anything up to the limit; with one above, it is not read at all.
    length.unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX) as u32
}

fn decode(text: &str, chain: &Digest) -> Result<(TransactionId, SignedTransaction), Problem> {
    let bytes = STANDARD.decode(text).map_err(|error| {
        Problem::malformed(format!("transaction: {error}; write the bytes in base64 with padding"))
    })?;
    let signed = SignedTransaction::decode(&bytes).map_err(|error| Problem::unreadable(&error))?;
    let id = TransactionId(Digest::of(&[&signed.transaction.signed_bytes(chain)]));
    Ok((id, signed))
}

type Answer = tokio::sync::oneshot::Receiver<Result<Outcome, ledger::transaction::TransactionError>>;

enum Pending {
    Handed(TransactionId, Answer),
    Done(Submitted),
}

/// Waits for all answers until the deadline, and adds what only the store or the pool know.
async fn conclude(rpc: &Rpc, pending: Vec<Pending>, deadline: Instant) -> Result<Vec<Submitted>, Problem> {
    let answers = pending.into_iter().map(|pending| async move {
        match pending {
            Pending::Done(result) => Concluded::Done(result),
            Pending::Handed(id, answer) => match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(Ok(outcome))) => concluded(id, outcome),
                Ok(Ok(Err(error))) => {
                    Concluded::Done(Submitted::failed(Some(id), Problem::unreadable(&error)))
                }
                // The node stopped or was too slow; whether it was posted is not known.
                Ok(Err(_)) | Err(_) => Concluded::Open(id),
            },
        }
    });
    let concluded: Vec<Concluded> = futures::future::join_all(answers).await;
    complete(rpc, concluded).await
}

enum Concluded {
    Done(Submitted),
    Posted(TransactionId, LeafIndex),
    Open(TransactionId),
}

fn concluded(id: TransactionId, outcome: Outcome) -> Concluded {
    match outcome {
        Outcome::Posted { leaf } | Outcome::Refused(Refusal::AlreadyPosted { leaf, .. }) => {
            Concluded::Posted(id, leaf)
        }
        Outcome::Pooled => Concluded::Done(Submitted::new(Some(id), SubmittedStatus::Pooled)),
        Outcome::Refused(refusal) => Concluded::Done(Submitted::failed(Some(id), Problem::refused(&refusal))),
        Outcome::Behind { height } => {
            let detail = format!(
                "this node's books end at height {height} and lack final blocks; ask again in a second, or ask another node"
            );
            Concluded::Done(Submitted::failed(Some(id), Problem::busy(detail, 1)))
        }
        Outcome::Full(full) => {
            Concluded::Done(Submitted::failed(Some(id), Problem::busy(full.to_string(), 1)))
        }
    }
}

/// Adds receipts to what is posted, and looks for what is open.
async fn complete(rpc: &Rpc, concluded: Vec<Concluded>) -> Result<Vec<Submitted>, Problem> {
    let open: Vec<TransactionId> = concluded
        .iter()
        .filter_map(|concluded| if let Concluded::Open(id) = concluded { Some(*id) } else { None })
        .collect();
    let pooled: BTreeSet<TransactionId> = if open.is_empty() {
        BTreeSet::new()
    } else {
        let pooled =
            rpc.ask(move |validator| open.into_iter().filter(|id| validator.is_pooled(id)).collect());
        // What cannot be asked is not known; the answer says so.
        pooled.await.unwrap_or_default()
    };
    if concluded.iter().all(|concluded| matches!(concluded, Concluded::Done(_))) {
        let done = concluded
            .into_iter()
            .filter_map(|c| if let Concluded::Done(done) = c { Some(done) } else { None });
        return Ok(done.collect());
    }
    let checkpoint = newest(rpc).await.ok();
    rpc.read(move |store| {
        let mut log = LogReader::new(store);
        let mut results = Vec::with_capacity(concluded.len());
        for concluded in concluded {
            results.push(match concluded {
                Concluded::Done(result) => result,
                Concluded::Posted(id, leaf) => posted(&mut log, id, leaf, checkpoint.as_ref())?,
                Concluded::Open(id) => match store.leaf_of(&id)? {
                    Some(leaf) => posted(&mut log, id, leaf, checkpoint.as_ref())?,
                    None if pooled.contains(&id) => Submitted::new(Some(id), SubmittedStatus::Pooled),
                    None => Submitted::new(Some(id), SubmittedStatus::Unknown),
                },
            });
        }
        Ok(results)
    })
    .await
}

fn posted(
    log: &mut LogReader<'_>,
    id: TransactionId,
    leaf: LeafIndex,
    checkpoint: Option<&Newest>,
) -> Result<Submitted, Problem> {
    if !log.holds(leaf) {
        let problem = Some(log.not_held(&format!("the receipt of leaf {leaf}")));
        let posted = Submitted::new(Some(id), SubmittedStatus::Posted);
        return Ok(Submitted { leaf: Some(leaf.0), problem, ..posted });
    }
    let covering = checkpoint.filter(|checkpoint| leaf.0 < checkpoint.size);
    let receipt = covering.map(|checkpoint| log.receipt(leaf, checkpoint)).transpose()?;
    let (leaf, height) = (Some(leaf.0), Some(log.height(leaf)?.0));
    Ok(Submitted { leaf, height, receipt, ..Submitted::new(Some(id), SubmittedStatus::Posted) })
}

async fn unknown(rpc: &Rpc, id: &TransactionId) -> Problem {
    let earliest = rpc.read(|store| Ok(store.earliest()?.0)).await.unwrap_or(1);
    if earliest > 1 {
        return Problem::not_held(format!(
            "transaction {id} neither waits here nor is posted from height {earliest} on, where the blocks begin that this node holds; ask another node, or submit it again: that is safe"
        ));
    }
    Problem::not_found(format!(
        "transaction {id} is neither posted nor waiting here; submit it, or submit it again: that is safe"
    ))
}

/// What became of a transaction.
#[utoipa::path(
    get, path = "/v1/transactions/{id}", tag = "submit", operation_id = "transaction",
    params(("id" = Hex, Path, description = "Id of the transaction")),
    responses((status = 200, description = "Posted, or waiting for a block", body = Submitted), LookupProblems)
)]
pub(super) async fn transaction(
    State(rpc): State<Rpc>,
    Params(id): Params<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = TransactionId(digest(&id)?);
    let mut results = complete(&rpc, vec![Concluded::Open(id)]).await?;
    match results.pop() {
        Some(result) if result.status != SubmittedStatus::Unknown => Ok(Json(result)),
        _ => Err(unknown(&rpc, &id).await),
    }
}

/// The receipt of a transaction, at the newest certified checkpoint.
///
/// C2SP tlog-proof text. With genesis, it proves offline and for ever that the transaction is posted
/// and what was booked from it.
#[utoipa::path(
    get, path = "/v1/transactions/{id}/receipt", tag = "submit", operation_id = "receipt",
    params(("id" = Hex, Path, description = "Id of the transaction")),
    responses((status = 200, description = "The receipt", body = String, content_type = "text/plain"), LookupProblems)
)]
pub(super) async fn receipt(
    State(rpc): State<Rpc>,
    Params(id): Params<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = TransactionId(digest(&id)?);
    let leaf = rpc.read(move |store| Ok(store.leaf_of(&id)?)).await?;
    let Some(leaf) = leaf else { return Err(unknown(&rpc, &id).await) };
    let mut checkpoint = newest(&rpc).await?;
    if leaf.0 >= checkpoint.size {
        // Posted a moment ago: wait until the head, which covers it, is certified.
        checkpoint = at_checkpoint(&rpc, |_| ()).await?.checkpoint;
    }
    let text = rpc.read(move |store| LogReader::new(store).receipt(leaf, &checkpoint)).await?;
    Ok(([RECEIPT], text))
}

/// A payment id that is used, with proof.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenPayment {
    /// What it was used for.
    payment: PaymentView,
    /// Canonical bytes of the `StateProof` of its record.
    proof: Base64,
}

/// What a payment id was used for.
#[utoipa::path(
    get, path = "/v1/payments/{submitter}/{number}", tag = "submit", operation_id = "payment",
    params(
        ("submitter" = super::text::Organisation, Path, description = "The entity that submitted"),
        ("number" = super::text::Number, Path, description = "Its number for the transaction")
    ),
    responses((status = 200, description = "The transaction", body = ProvenPayment), LookupProblems)
)]
pub(super) async fn payment(
    State(rpc): State<Rpc>,
    Params((submitter, number)): Params<(String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let id = PaymentId { submitter: org_number(&submitter)?, number: payment_number(&number)? };
    let (record, proven) = super::books::proven::<PaymentRecord>(&rpc, id).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "payment id {id} is not used; a transaction may still be submitted under it"
        ))
    })?;
    Ok(Json(ProvenPayment { payment: (&record).into(), proof: proven }))
}
