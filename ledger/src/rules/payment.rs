//! Payments: ordered once, resolved once, booked when the bank says so. Rules L7, L9, L12, L18.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Case, Decided, Effect, period};
use crate::amount::Amount;
use crate::booking::{self, Planned};
use crate::codec;
use crate::digest::Digest;
use crate::records::{BankEntryRecord, DocumentRecord, Status};
use crate::refusal::{ATTEMPTS_MAX, HandRefusal, Refusal};
use crate::time::Date;
use crate::transaction::{BankReference, DocumentId, ReasonCode, Role};

/// The reference that a payment order carries at the bank (ISO 20022 EndToEndId): 32 hex digits that
/// follow from the document and how often its payment was ordered, so that a bank entry finds its
/// order and no order's reference is used twice on a chain.
///
/// `attempt` is that of the document's record after the order, from 1.
pub fn end_to_end_id(document: &DocumentId, attempt: u32) -> String {
    let document = codec::encode(document);
    let digest = Digest::of(&[b"hovedbok/v1/end-to-end", &attempt.to_le_bytes(), &document]);
    digest.to_hex().chars().take(32).collect()
}

/// Orders payment of all that is open. Books nothing: the claim stands until the bank has paid.
pub(super) fn order(case: &Case<'_>, id: &DocumentId, amount: Amount) -> Decided {
    let found = case.document(id)?;
    let signer = case.need_apart(id, found.buyer, Role::Order, &[])?;
    if found.credit_note {
        return Err(Refusal::CreditNoteOrdered { document: id.clone() });
    }
    needs(found, &[Status::Approved, Status::Returned])?;
    let open = open(found)?;
    if amount != open {
        return Err(Refusal::OrderAmount { document: id.clone(), stated: amount, open });
    }
    if found.attempt >= ATTEMPTS_MAX {
        return Err(Refusal::AttemptsUsed { document: id.clone() });
    }
    let document = DocumentRecord {
        status: Status::Ordered,
        attempt: found.attempt + 1,
        ordered_by: Some(signer.index),
        ..found.clone()
    };
    Ok((Effect::step(document, None), Vec::new()))
}

/// The bank paid what was ordered, or the seller refunded a credit note: cash moves on both sides.
pub(super) fn settle(
    case: &Case<'_>,
    id: &DocumentId,
    amount: Amount,
    date: Date,
    bank: &BankReference,
) -> Decided {
    let found = case.document(id)?;
    case.need_apart(id, found.buyer, Role::Bank, &[])?;
    let from: &[Status] =
        if found.credit_note { &[Status::Approved, Status::Returned] } else { &[Status::Ordered] };
    needs(found, from)?;
    moved(found, amount, open(found)?)?;
    unused(case, found, bank)?;
    let entries = cash(case, found, amount, date, found.credit_note)?;
    let document = DocumentRecord {
        status: Status::Settled,
        open: Amount::ZERO,
        settled: amount,
        bank: Some(*bank),
        reason: None,
        ..found.clone()
    };
    Ok((Effect::step(document, Some(bank.entry)), entries))
}

/// The bank refused the order: it is void and may be given again.
pub(super) fn reject(case: &Case<'_>, id: &DocumentId, reason: ReasonCode, bank: &BankReference) -> Decided {
    let found = case.document(id)?;
    case.need_apart(id, found.buyer, Role::Bank, &[])?;
    coded(reason)?;
    needs(found, &[Status::Ordered])?;
    unused(case, found, bank)?;
    let document =
        DocumentRecord { status: Status::Approved, bank: Some(*bank), reason: Some(reason), ..found.clone() };
    Ok((Effect::step(document, Some(bank.entry)), Vec::new()))
}

/// The bank returned what it had paid: the cash entries are reversed in full.
pub(super) fn give_back(
    case: &Case<'_>,
    id: &DocumentId,
    amount: Amount,
    date: Date,
    reason: ReasonCode,
    bank: &BankReference,
) -> Decided {
    let found = case.document(id)?;
    case.need_apart(id, found.buyer, Role::Bank, &[])?;
    coded(reason)?;
    needs(found, &[Status::Settled])?;
    moved(found, amount, found.settled)?;
    unused(case, found, bank)?;
    let entries = cash(case, found, amount, date, !found.credit_note)?;
    let document = DocumentRecord {
        status: Status::Returned,
        open: amount,
        settled: Amount::ZERO,
        bank: Some(*bank),
        reason: Some(reason),
        ..found.clone()
    };
    Ok((Effect::step(document, Some(bank.entry)), entries))
}

/// Rule L18: the document is where this step begins; the first of `from` is named otherwise.
pub(super) fn needs(document: &DocumentRecord, from: &[Status]) -> Result<(), Refusal> {
    match from.first() {
        Some(first) if !from.contains(&document.status) => Err(Refusal::WrongStatus {
            document: document.id.clone(),
            status: document.status,
            needs: *first,
        }),
        _ => Ok(()),
    }
}

/// Rule L18: something is to be paid.
fn open(document: &DocumentRecord) -> Result<Amount, Refusal> {
    match document.open {
        Amount::ZERO => Err(Refusal::NothingOpen { document: document.id.clone() }),
        open => Ok(open),
    }
}

/// Rule L12: the bank moved what was due.
fn moved(document: &DocumentRecord, stated: Amount, due: Amount) -> Result<(), Refusal> {
    if stated == due {
        Ok(())
    } else {
        Err(Refusal::BankAmount { document: document.id.clone(), stated, due })
    }
}

/// Rule L12: the bank said something, and each entry of the buyer's bank is used once.
fn unused(case: &Case<'_>, document: &DocumentRecord, bank: &BankReference) -> Result<(), Refusal> {
    if [bank.message, bank.entry].contains(&Digest::default()) {
        return Err(Refusal::NoBankEntry { document: document.id.clone() });
    }
    let (entity, entry) = (document.buyer, bank.entry);
    let Some(used) = case.draft.find::<BankEntryRecord>(&(entity, entry)) else { return Ok(()) };
    let other = used.document.and_then(|index| case.draft.get::<DocumentRecord>(index));
    Err(match other {
        Some(other) => Refusal::BankEntryUsed { entity, entry, document: other.id.clone() },
        None => HandRefusal::EntryUsed { entity, entry }.into(),
    })
}

/// Rule L14: a reason is a code, never text.
fn coded(reason: ReasonCode) -> Result<(), Refusal> {
    if reason.0.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
        Ok(())
    } else {
        Err(Refusal::ReasonForm { reason: reason.0.escape_ascii().to_string() })
    }
}

fn cash(
    case: &Case<'_>,
    document: &DocumentRecord,
    amount: Amount,
    date: Date,
    turn: bool,
) -> Result<Vec<Planned>, Refusal> {
    let parties = case.parties(document)?;
    period::check_date(case, parties.buyer, date)?;
    period::check_date(case, parties.seller, date)?;
    let entries = booking::settlement(case.parameters(), parties, amount, date, turn);
    case.check_accounts(parties, &entries, &[])?;
    Ok(entries)
}
