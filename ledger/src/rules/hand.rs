//! Entries made by hand, and corrections by full reversal. Rules L7, L12, L31, L37, L38.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Case, Decided, Effect, Signer, budget, document, payment, period, vat};
use crate::amount::{Amount, Total};
use crate::booking::{self, Parties, Planned};
use crate::codes;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::entry::{EntryError, Posting, Voucher};
use crate::records::{BankEntryRecord, DocumentRecord, EntryRecord, Status};
use crate::refusal::{HandRefusal, Refusal};
use crate::transaction::{
    BankReference, Coded, Correction, Document, DocumentId, EntryKind, Line, ManualEntry, NewEntity, Role,
};

/// Books an entry that no document makes. Needs a submitter and an approver, two holders; what the
/// bank moved needs whoever speaks for the bank in the submitter's place, and no approver where cash
/// came in, and history needs administrator and auditor.
pub(super) fn enter(case: &Case<'_>, entry: &ManualEntry) -> Decided {
    period::check_count(entry.lines.len())?;
    entry.lines.iter().try_for_each(|line| period::check_amount(line.amount))?;
    let owner = &case.entity(entry.entity)?.entity;
    owner.books_from().ok_or(Refusal::NoBooks { entity: owner.number })?;
    let cash = cash(case, owner, entry);
    match entry.kind {
        EntryKind::Bank(_) if cash.0 > 0 => drop(case.need(owner.number, Role::Bank)?),
        EntryKind::Bank(_) => two(case, owner.number, Role::Bank)?,
        EntryKind::Reclassification | EntryKind::Memorial => two(case, owner.number, Role::Submit)?,
        EntryKind::History => history(case, owner)?,
    }
    if let Some(bank) = entry.kind.bank() {
        unused(case, owner.number, bank)?;
    }
    period::check_date(case, owner, entry.date)?;
    for line in &entry.lines {
        codes::check_account(case.draft, owner, line.account, entry.date)?;
        if entry.kind != EntryKind::History {
            check_account(case, owner, entry, line.account)?;
        }
    }
    if entry.kind.bank().is_some() && cash.0 == 0 {
        return Err(HandRefusal::NoCash { entity: owner.number }.into());
    }
    let planned = planned(entry)?;
    let bank = entry.kind.bank().map(|bank| bank.entry);
    Ok((Effect::Entry { entity: owner.number, digest: entry.digest(), bank }, alloc::vec![planned]))
}

/// Rules L7 and L38 for what an earlier system booked: countersigned as the opening balance is, and only
/// until the books' first period is closed.
fn history(case: &Case<'_>, owner: &NewEntity) -> Result<(), Refusal> {
    let entity = owner.number;
    period::countersigned(case, entity)?;
    match owner.books_from().filter(|from| period::is_closed(case, entity, *from)) {
        Some(period) => Err(HandRefusal::HistoryOver { entity, period }.into()),
        None => Ok(()),
    }
}

/// What the entry moves in cash, debit positive.
fn cash(case: &Case<'_>, owner: &NewEntity, entry: &ManualEntry) -> Total {
    let lines = entry.lines.iter();
    lines.filter(|line| booking::is_cash(case.parameters(), owner.kind, line.account)).map(|l| l.amount).sum()
}

/// Rule L7: two holders, one in this role and one who approves.
pub(super) fn two(case: &Case<'_>, entity: OrgNumber, first: Role) -> Result<(), Refusal> {
    let second = Role::Approve;
    case.need(entity, first)?;
    case.need(entity, second)?;
    let mut pairs = case
        .holders(Some(entity), first)
        .flat_map(|one| case.holders(Some(entity), second).map(move |other| (one, other)));
    if pairs.any(|(one, other)| one.holder() != other.holder()) {
        Ok(())
    } else {
        Err(HandRefusal::OneHolder { entity, first, second }.into())
    }
}

/// Rule L12 for an entry without a document.
fn unused(case: &Case<'_>, entity: OrgNumber, bank: &BankReference) -> Result<(), Refusal> {
    if [bank.message, bank.entry].contains(&Digest::default()) {
        return Err(HandRefusal::NoReference { entity }.into());
    }
    match case.draft.find::<BankEntryRecord>(&(entity, bank.entry)) {
        Some(_) => Err(HandRefusal::EntryUsed { entity, entry: bank.entry }.into()),
        None => Ok(()),
    }
}

/// Rules L3 and L38 for one account of an entry.
fn check_account(
    case: &Case<'_>,
    owner: &NewEntity,
    entry: &ManualEntry,
    account: crate::account::Account,
) -> Result<(), Refusal> {
    if booking::is_vat_cost(case.parameters(), owner.kind, account) {
        return Err(Refusal::ReservedAccount { account });
    }
    if entry.kind == EntryKind::Reclassification && account.carries_over() {
        return Err(HandRefusal::Reclassified { account }.into());
    }
    if entry.kind.bank().is_none() && booking::is_cash(case.parameters(), owner.kind, account) {
        return Err(HandRefusal::Cash { account }.into());
    }
    Ok(())
}

fn planned(entry: &ManualEntry) -> Result<Planned, Refusal> {
    let ManualEntry { entity, date, lines, .. } = entry;
    if lines.len() < 2 || lines.iter().any(|line| line.amount == Amount::ZERO) {
        return Err(EntryError::Empty { entity: *entity, postings: lines.len() }.into());
    }
    let postings = lines.iter().map(|line| Posting {
        cost_centre: line.cost_centre,
        project: line.project,
        ..Posting::new(line.account, line.amount)
    });
    Ok(Planned { entity: *entity, date: *date, postings: postings.collect(), reverses: None })
}

/// Reverses an entry made by hand, in full. Needs a submitter and an approver, two holders, and for
/// history whoever may enter it.
pub(super) fn reverse(
    case: &Case<'_>,
    voucher: Voucher,
    entry: &ManualEntry,
    correction: &Correction,
) -> Decided {
    period::check_count(entry.lines.len())?;
    let entity = entry.entity;
    let owner = &case.entity(entity)?.entity;
    match entry.kind {
        EntryKind::History => history(case, owner)?,
        _ => two(case, entity, Role::Submit)?,
    }
    let unknown = HandRefusal::UnknownEntry { entity, voucher };
    let found = case.draft.find::<EntryRecord>(&(entity, voucher)).ok_or(unknown)?;
    if found.digest != entry.digest() {
        return Err(HandRefusal::NotTheEntry { entity, voucher }.into());
    }
    if let Some(by) = found.reversed {
        return Err(HandRefusal::Reversed { entity, voucher, by }.into());
    }
    if entry.kind.bank().is_some() {
        return Err(HandRefusal::ReversesCash { entity, voucher }.into());
    }
    period::check_date(case, owner, correction.date)?;
    let reversal = booking::reversal(planned(entry)?, Some(voucher), correction.date);
    Ok((Effect::EntryReversal(found.clone()), alloc::vec![reversal]))
}

/// Books a document of the buyer's on other accounts: what stood is reversed in full, and the whole
/// is booked anew. The seller's books do not change. Under a budget, what was approved and not paid is to
/// be approved again (rule L8).
pub(super) fn recode(case: &Case<'_>, coded: &Coded, lines: &[Line], correction: &Correction) -> Decided {
    document::check_form(&coded.document)?;
    let instead = Document { date: correction.date, lines: lines.into(), ..coded.document.clone() };
    document::check_form(&instead)?;
    let found = case.document(&coded.document.id)?;
    buyers_word(case, found)?;
    payment::needs(found, &NOT_CANCELLED)?;
    let parties = case.parties(found)?;
    let buyer = parties.buyer;
    buyer.books_from().ok_or(Refusal::NoBooks { entity: buyer.number })?;
    let stands = stands(case, found, coded, parties)?;
    if coded.current().lines == lines {
        return Err(HandRefusal::SameCoding { document: found.id.clone() }.into());
    }
    period::check_date(case, buyer, correction.date)?;
    for line in lines {
        document::check_line(case, buyer, line.account, &instead)?;
    }
    vat::check(case, buyer, &instead)?;
    let booked = booking::bought_by(case.parameters(), parties, &instead);
    let posted: Vec<Planned> = booked.into_iter().collect();
    let seen: Vec<_> = lines.iter().map(|line| (buyer.number, line.account)).collect();
    case.check_accounts(parties, &posted, &seen)?;
    let buyer_booked = booking::digest(&posted, buyer.number);
    let before = stands.into_iter().filter(|planned| planned.entity == buyer.number);
    let reversed = before.map(|planned| booking::reversal(planned, found.buyer_voucher, correction.date));
    let entries = reversed.chain(posted).collect();
    let mut document = Box::new(DocumentRecord { buyer_booked, ..found.clone() });
    // What a budget bound was approved on other appropriations.
    let approved = matches!(found.status, Status::Approved | Status::Returned);
    if approved && budget::binding(case, found).is_some() {
        (document.status, document.approved_by) = (Status::Attested, None);
    }
    Ok((Effect::Correction { document }, entries))
}

/// Takes a document back on both sides, as if it had not been registered; it may be registered anew.
/// Needs a submitter and an approver of the buyer and, where the seller keeps books, its submitter.
pub(super) fn cancel(case: &Case<'_>, coded: &Coded, correction: &Correction) -> Decided {
    document::check_form(&coded.document)?;
    let found = case.document(&coded.document.id)?;
    buyers_word(case, found)?;
    let parties = case.parties(found)?;
    let (document, seller) = (&found.id, found.id.seller);
    if parties.seller.books_from().is_some() && case.need(seller, Role::Submit).is_err() {
        return Err(HandRefusal::SellersWord { document: document.clone(), seller }.into());
    }
    payment::needs(found, &[Status::Registered, Status::Attested, Status::Approved, Status::Returned])?;
    let (open, payable) = (found.open, found.payable);
    if open != payable {
        return Err(HandRefusal::PartlyCredited { document: document.clone(), open, payable }.into());
    }
    let stands = stands(case, found, coded, parties)?;
    period::check_date(case, parties.buyer, correction.date)?;
    period::check_date(case, parties.seller, correction.date)?;
    let voucher =
        |entity: OrgNumber| if entity == found.buyer { found.buyer_voucher } else { found.seller_voucher };
    let reversed = stands.into_iter().map(|planned| {
        let voucher = voucher(planned.entity);
        booking::reversal(planned, voucher, correction.date)
    });
    let entries = reversed.collect();
    let document =
        Box::new(DocumentRecord { status: Status::Cancelled, open: Amount::ZERO, ..found.clone() });
    Ok((Effect::Correction { document }, entries))
}

/// All that a document may be recoded in; the first is what a refusal asks for.
const NOT_CANCELLED: [Status; 8] = [
    Status::Registered,
    Status::Attested,
    Status::Approved,
    Status::Ordered,
    Status::Settled,
    Status::Returned,
    Status::Credited,
    Status::Netted,
];

/// Rule L7: a submitter and an approver of the buyer, two holders, neither of them the seller's.
fn buyers_word<'d>(case: &Case<'d>, found: &DocumentRecord) -> Result<(Signer<'d>, Signer<'d>), Refusal> {
    let id: &DocumentId = &found.id;
    let submitter = case.need_apart(id, found.buyer, Role::Submit, &[])?;
    let approver = case.need_apart(id, found.buyer, Role::Approve, &[(Role::Submit, submitter.index)])?;
    Ok((submitter, approver))
}

/// Rule L37: what a document booked and no correction has reversed, computed once more and held
/// against what the register keeps of it.
pub(super) fn stands(
    case: &Case<'_>,
    found: &DocumentRecord,
    coded: &Coded,
    parties: Parties<'_>,
) -> Result<Vec<Planned>, Refusal> {
    let Coded { document, recoded } = coded;
    let not = || Refusal::from(HandRefusal::NotTheDocument { document: found.id.clone() });
    let named = (document.buyer, document.date, document.payable, document.content, document.payee)
        == (found.buyer, found.date, found.payable, found.content, found.payee);
    if !named || recoded.as_ref().is_some_and(|lines| period::check_count(lines.len()).is_err()) {
        return Err(not());
    }
    let usable = |account| codes::check_account(case.draft, parties.seller, account, document.date).is_ok();
    let mut entries = booking::document(case.parameters(), parties, document, usable).map_err(|_| not())?;
    if recoded.is_some() {
        entries.retain(|planned| planned.entity != found.buyer);
        entries.extend(booking::bought_by(case.parameters(), parties, &coded.current()));
    }
    let digests = (booking::digest(&entries, found.buyer), booking::digest(&entries, found.id.seller));
    if digests == (found.buyer_booked, found.seller_booked) { Ok(entries) } else { Err(not()) }
}
