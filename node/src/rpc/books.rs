//! The books of an entity: what is registered, the accounts of a period, their postings, the
//! journal, documents; each with what proves it.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use ledger::block::{LEAF_BYTES_MAX, Leaf, LeafIndex};
use ledger::codec;
use ledger::entity::OrgNumber;
use ledger::entry::JournalEntry;
use ledger::postings::ChainedPosting;
use ledger::records::{AccountRecord, DocumentRecord, EntityRecord, PeriodRecord, SeriesRecord};
use ledger::registers::Stored;
use ledger::transaction::{DocumentId, InvoiceNumber};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Rpc;
use super::problem::{LookupProblems, Problem};
use super::proving::{LogReader, at_checkpoint, not_held};
use super::request::{Params, Terms, account, date, org_number, period};
use super::text::{AccountCode, Base64, Day, Hex, Month, Organisation};
use super::views::{
    AccountView, DocumentView, EntityView, EntryView, PeriodView, PostingView, VoucherView, hexes,
};
use crate::store::{PostingRow, Store};

/// Postings in one answer.
const POSTINGS_MAX: usize = 10_000;
/// Entries in one answer.
const ENTRIES_MAX: usize = 1000;
/// Entries in one answer when nothing else is asked for.
const ENTRIES_DEFAULT: usize = 100;
/// An answer ends after the item that passes this many bytes of leaves, and names where to go on.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// The record with this key and its proof in canonical bytes; `None` if there is none.
pub(super) async fn proven<R: Stored + Send>(rpc: &Rpc, key: R::Key) -> Result<Option<(R, Base64)>, Problem>
where
    R::Key: Send + Sync,
{
    let proven =
        at_checkpoint(rpc, move |ledger| Some((ledger.find::<R>(&key)?.clone(), ledger.prove::<R>(&key)?)));
    let mut proven = proven.await?;
    let Some((record, path)) = proven.answer.take() else { return Ok(None) };
    let proof = rpc.read(move |store| proven.state_proof(store, path)).await?;
    Ok(Some((record, proof)))
}

/// An entity, with proof.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenEntity {
    /// As registered.
    entity: EntityView,
    /// Canonical bytes of the `StateProof` of its record.
    proof: Base64,
}

/// An entity of the register.
#[utoipa::path(
    get, path = "/v1/entities/{entity}", tag = "books", operation_id = "entity",
    params(("entity" = Organisation, Path, description = "Its organisation number")),
    responses((status = 200, description = "The entity", body = ProvenEntity), LookupProblems)
)]
pub(super) async fn entity(
    State(rpc): State<Rpc>,
    Params(number): Params<String>,
) -> Result<impl IntoResponse, Problem> {
    let number = org_number(&number)?;
    let (record, proof) =
        proven::<EntityRecord>(&rpc, number).await?.ok_or_else(|| not_registered(number))?;
    Ok(Json(ProvenEntity { entity: (&record).into(), proof }))
}

fn not_registered(entity: OrgNumber) -> Problem {
    Problem::not_found(format!("entity {entity} is not registered in this ledger"))
}

/// A period.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct InPeriod {
    /// The accounting period.
    #[param(value_type = Month, example = "2026-03")]
    period: String,
}

/// All accounts of an entity that have postings in a period, with proof.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenAccounts {
    /// The entity.
    entity: Organisation,
    /// The period; `accounts` in it counts the accounts below, so that none can be left out.
    period: PeriodView,
    /// In order of account.
    accounts: Vec<AccountView>,
    /// Leaves under the checkpoint that everything is proven under.
    checkpoint_size: u64,
    /// Canonical bytes of `StateProofs`, under one checkpoint: the period's record first, then the
    /// accounts' in their order. More than one item only past 4,096 records.
    proofs: Vec<Base64>,
}

/// The accounts of an entity in a period: a trial balance that proves itself.
#[utoipa::path(
    get, path = "/v1/entities/{entity}/accounts", tag = "books", operation_id = "accounts",
    params(("entity" = Organisation, Path, description = "Its organisation number"), InPeriod),
    responses((status = 200, description = "Every account with postings in the period", body = ProvenAccounts), LookupProblems)
)]
pub(super) async fn accounts(
    State(rpc): State<Rpc>,
    Params(entity): Params<String>,
    Terms(terms): Terms<InPeriod>,
) -> Result<impl IntoResponse, Problem> {
    let (entity, period) = (org_number(&entity)?, period(&terms.period)?);
    let _turn = rpc.turn().await?;
    let mut proven = at_checkpoint(&rpc, move |ledger| {
        let key = (entity, period);
        let record = (ledger.find::<PeriodRecord>(&key)?.clone(), ledger.prove::<PeriodRecord>(&key)?);
        let accounts: Vec<_> = ledger
            .accounts(entity, period)
            .filter_map(|(_, record)| {
                let path = ledger.prove::<AccountRecord>(&(entity, record.account, period))?;
                Some((record.clone(), path))
            })
            .collect();
        Some((record, accounts))
    })
    .await?;
    let Some(((record, path), accounts)) = proven.answer.take() else {
        return Err(Problem::not_found(format!("entity {entity} has no postings in {period}")));
    };
    let answer = rpc.read(move |store| {
        let mut paths = vec![path];
        let mut views = Vec::with_capacity(accounts.len());
        for (record, path) in accounts {
            views.push(AccountView::from(&record));
            paths.push(path);
        }
        Ok(ProvenAccounts {
            entity: entity.into(),
            period: (&record).into(),
            accounts: views,
            checkpoint_size: proven.checkpoint.size,
            proofs: proven.state_proofs(store, &paths)?,
        })
    });
    Ok(Json(answer.await?))
}

/// Which postings.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PostingsIn {
    /// The accounting period.
    #[param(value_type = Month, example = "2026-03")]
    period: String,
    /// The first posting wanted, by its number on the account, from 0.
    #[serde(default)]
    #[param(minimum = 0, example = 0)]
    from: u64,
}

/// A posting and where it comes from.
#[derive(Serialize, ToSchema)]
pub(super) struct NumberedPosting {
    /// Its number on the account in the period, from 0, without gaps.
    number: u64,
    /// Voucher of its entry.
    voucher: VoucherView,
    /// Posting date.
    date: Day,
    /// Leaf of the log that holds the entry.
    leaf: u64,
    /// Its place in the entry, from 0.
    line: u16,
    /// The posting.
    posting: PostingView,
    /// Canonical bytes of the `ChainedPosting`, which the account's chain hashes.
    bytes: Base64,
}

/// Postings of an account in a period, with proof that they are all.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenPostings {
    /// The account; exactly `count` postings lead to `chain`, no other list does.
    account: AccountView,
    /// In order of booking.
    postings: Vec<NumberedPosting>,
    /// Where to go on, when not all fit; fetch until `account.count` are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<u64>,
    /// Canonical bytes of the `StateProof` of the account's record.
    proof: Base64,
}

/// All postings of an account in a period.
///
/// Verify the proof, then chain the postings' bytes: count and chain of the proven record tell
/// whether one was left out, altered or added.
#[utoipa::path(
    get, path = "/v1/entities/{entity}/accounts/{account}/postings", tag = "books", operation_id = "postings",
    params(
        ("entity" = Organisation, Path, description = "Its organisation number"),
        ("account" = AccountCode, Path, description = "The account"),
        PostingsIn
    ),
    responses((status = 200, description = "The postings", body = ProvenPostings), LookupProblems)
)]
pub(super) async fn postings(
    State(rpc): State<Rpc>,
    Params((entity, code)): Params<(String, String)>,
    Terms(terms): Terms<PostingsIn>,
) -> Result<impl IntoResponse, Problem> {
    let (entity, account, period) = (org_number(&entity)?, account(&code)?, period(&terms.period)?);
    let from = terms.from;
    let _turn = rpc.turn().await?;
    let (record, proof) =
        proven::<AccountRecord>(&rpc, (entity, account, period)).await?.ok_or_else(|| {
            Problem::not_found(format!("account {account} of entity {entity} has no postings in {period}"))
        })?;
    let count = record.count;
    if from > count {
        return Err(Problem::not_found(format!(
            "account {account} of entity {entity} has {count} postings in {period}, asked was from {from}"
        )));
    }
    let answer = rpc.read(move |store| {
        // What was posted since the proof is left out.
        let wanted = usize::try_from(count - from).unwrap_or(usize::MAX).min(POSTINGS_MAX);
        let rows = store.postings(entity, account, period, from, wanted)?;
        // Numbers have no gaps, so the first tells whether those before it are held.
        if wanted > 0 && rows.first().is_none_or(|row| row.number != from) {
            return Err(not_held(store, &format!("posting {from} of account {account}")));
        }
        let mut leaves = Leaves::new(store);
        let mut postings = Vec::with_capacity(rows.len());
        for row in rows {
            postings.push(leaves.posting(&row)?);
            if leaves.bytes > PAGE_BYTES_MAX {
                break;
            }
        }
        let next = Some(from + postings.len() as u64).filter(|next| *next < count);
        Ok(ProvenPostings { account: (&record).into(), postings, next, proof })
    });
    Ok(Json(answer.await?))
}

/// Reads entries from leaves; those that follow each other in one leaf decode it once.
struct Leaves<'a> {
    log: LogReader<'a>,
    current: Option<(LeafIndex, Vec<JournalEntry>)>,
    // Bytes of the leaves read so far.
    bytes: usize,
}

impl<'a> Leaves<'a> {
    fn new(store: &'a Store) -> Self {
        Self { log: LogReader::new(store), current: None, bytes: 0 }
    }

    fn entry(&mut self, leaf: LeafIndex, entry: u16) -> Result<&JournalEntry, Problem> {
        let known = self.current.as_ref().is_some_and(|(known, _)| *known == leaf);
        if !known {
            let bytes = self.log.leaf(leaf)?;
            self.bytes += bytes.len();
            let Ok(Leaf::Transaction(booked)) = codec::decode(&bytes, LEAF_BYTES_MAX) else {
                return Err(not_there(leaf, entry));
            };
            self.current = Some((leaf, booked.entries));
        }
        let entries = self.current.as_ref().map_or(&[][..], |(_, entries)| entries);
        entries.get(usize::from(entry)).ok_or_else(|| not_there(leaf, entry))
    }

    fn posting(&mut self, row: &PostingRow) -> Result<NumberedPosting, Problem> {
        let entry = self.entry(row.leaf, row.entry)?;
        let posting =
            entry.postings.get(usize::from(row.line)).ok_or_else(|| not_there(row.leaf, row.entry))?;
        let chained = ChainedPosting {
            voucher: entry.voucher,
            date: entry.date,
            leaf: row.leaf,
            line: row.line,
            posting: posting.clone(),
        };
        Ok(NumberedPosting {
            number: row.number,
            voucher: entry.voucher.into(),
            date: entry.date.into(),
            leaf: row.leaf.0,
            line: row.line,
            posting: posting.into(),
            bytes: (&codec::encode(&chained)).into(),
        })
    }
}

fn not_there(leaf: LeafIndex, entry: u16) -> Problem {
    tracing::error!(%leaf, entry, "rpc: an index of the store leads nowhere");
    Problem::broken(
        "an index of the node's store leads nowhere; ask another node and tell this one's operator",
    )
}

/// Which part of a journal.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JournalPart {
    /// Accounting year.
    #[param(minimum = 1900, maximum = 9999, example = 2026)]
    year: u16,
    /// The first voucher number wanted.
    #[serde(default = "first_voucher")]
    #[param(minimum = 1, default = 1, example = 1)]
    from: u64,
    /// How many entries at most.
    #[serde(default = "entries_default")]
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    limit: usize,
}

fn first_voucher() -> u64 {
    1
}

fn entries_default() -> usize {
    ENTRIES_DEFAULT
}

/// A leaf of the log and its inclusion path.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenLeaf {
    /// Its index.
    index: u64,
    /// Its canonical bytes (`Leaf`).
    bytes: Base64,
    /// Inclusion path at the checkpoint, from the leaf's sibling up.
    path: Vec<Hex>,
}

/// A part of a journal, with proof.
#[derive(Serialize, ToSchema)]
pub(super) struct JournalPage {
    /// Whose books.
    entity: Organisation,
    /// Entries in order of voucher number, without gaps.
    entries: Vec<EntryView>,
    /// The leaves that hold them, each once, in order of first mention.
    leaves: Vec<ProvenLeaf>,
    /// The number that the next voucher of the year will get: the journal has all before it.
    next_number: u64,
    /// Where to go on, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<u64>,
    /// The checkpoint that leaves and numbers are proven under (C2SP signed note).
    checkpoint: String,
    /// Canonical bytes of the `StateProof` of the record of the year's voucher numbers.
    proof: Base64,
}

/// The journal of an entity and year, from a voucher number on.
///
/// Voucher numbers have no gaps, and the proven record of the year says how far they reach, so that
/// no entry can be left out.
#[utoipa::path(
    get, path = "/v1/entities/{entity}/journal", tag = "books", operation_id = "journal",
    params(("entity" = Organisation, Path, description = "Its organisation number"), JournalPart),
    responses((status = 200, description = "The entries", body = JournalPage), LookupProblems)
)]
pub(super) async fn journal(
    State(rpc): State<Rpc>,
    Params(entity): Params<String>,
    Terms(part): Terms<JournalPart>,
) -> Result<impl IntoResponse, Problem> {
    let entity = org_number(&entity)?;
    let JournalPart { year, from, limit } = part;
    if !(1..=ENTRIES_MAX).contains(&limit) || from == 0 {
        return Err(Problem::malformed(format!(
            "from {from}, limit {limit}: vouchers are numbered from 1, and 1 to {ENTRIES_MAX} are given at once"
        )));
    }
    let _turn = rpc.turn().await?;
    let key = (entity, year);
    let proven = at_checkpoint(&rpc, move |ledger| {
        Some((ledger.find::<SeriesRecord>(&key)?.next, ledger.prove::<SeriesRecord>(&key)?))
    });
    let mut proven = proven.await?;
    let Some((next_number, path)) = proven.answer.take() else {
        return Err(Problem::not_found(format!("entity {entity} has no entries in {year}")));
    };
    let answer = rpc.read(move |store| {
        let wanted = usize::try_from(next_number.saturating_sub(from)).unwrap_or(usize::MAX).min(limit);
        let rows = store.journal(entity, year, from, wanted)?;
        if wanted > 0 && rows.first().is_none_or(|row| row.voucher.number != from) {
            return Err(not_held(store, &format!("voucher {from} of {year}")));
        }
        let mut leaves = Leaves::new(store);
        let mut log = LogReader::new(store);
        let (mut entries, mut proofs): (Vec<EntryView>, Vec<ProvenLeaf>) = (Vec::new(), Vec::new());
        for row in rows {
            entries.push(EntryView::new(leaves.entry(row.leaf, row.entry)?, row.leaf, row.entry));
            if !proofs.iter().rev().any(|leaf| leaf.index == row.leaf.0) {
                let path = log.inclusion(row.leaf, proven.checkpoint.size)?;
                let bytes = (&log.leaf(row.leaf)?).into();
                proofs.push(ProvenLeaf { index: row.leaf.0, bytes, path: hexes(&path) });
            }
            if leaves.bytes > PAGE_BYTES_MAX {
                break;
            }
        }
        let next = Some(from.saturating_add(entries.len() as u64)).filter(|next| *next < next_number);
        Ok(JournalPage {
            entity: entity.into(),
            entries,
            leaves: proofs,
            next_number,
            next,
            checkpoint: proven.checkpoint.note.to_text(),
            proof: proven.state_proof(store, path)?,
        })
    });
    Ok(Json(answer.await?))
}

/// A document, with proof.
#[derive(Serialize, ToSchema)]
pub(super) struct ProvenDocument {
    /// Where it stands.
    document: DocumentView,
    /// Canonical bytes of the `StateProof` of its record.
    proof: Base64,
}

/// An invoice or credit note and where it stands.
#[utoipa::path(
    get, path = "/v1/documents/{seller}/{number}/{issued}", tag = "books", operation_id = "document",
    params(
        ("seller" = Organisation, Path, description = "Who issued it"),
        ("number" = String, Path, description = "The seller's number for it; a slash in it is written %2F", pattern = "^(?!.*[0-9]{11})[A-Za-z0-9/._-]{1,35}$", example = "8841"),
        ("issued" = Day, Path, description = "When it was issued")
    ),
    responses((status = 200, description = "The document", body = ProvenDocument), LookupProblems)
)]
pub(super) async fn document(
    State(rpc): State<Rpc>,
    Params((seller, number, issued)): Params<(String, String, String)>,
) -> Result<impl IntoResponse, Problem> {
    let number = InvoiceNumber::new(number).map_err(|error| Problem::malformed(error.to_string()))?;
    let id = DocumentId { seller: org_number(&seller)?, number, issued: date(&issued)? };
    let name = id.to_string();
    let (record, proof) = proven::<DocumentRecord>(&rpc, id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("document {name} is not registered")))?;
    Ok(Json(ProvenDocument { document: (&record).into(), proof }))
}
