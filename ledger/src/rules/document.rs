//! Documents: registered and booked on both sides, attested, approved. Rules L2, L3, L6, L7, L18.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Case, Decided, Effect, Signer, budget, payment, period, vat};
use crate::account::{Account, Class};
use crate::amount::Amount;
use crate::booking::{self, Parties};
use crate::codes;
use crate::digest::Digest;
use crate::entity::{EntityKind, OrgNumber};
use crate::entry::EntryError;
use crate::records::{DocumentRecord, Status};
use crate::refusal::{BudgetRefusal, Refusal};
use crate::transaction::{Document, DocumentId, DocumentKind, NewEntity, Role};

/// Registers an invoice or a credit note. Needs the buyer's submitter.
pub(super) fn register(case: &Case<'_>, document: &Document) -> Decided {
    check_form(document)?;
    let id = &document.id;
    if document.buyer == id.seller {
        return Err(Refusal::SameParty { entity: document.buyer });
    }
    let (buyer, seller) = (&case.entity(document.buyer)?.entity, &case.entity(id.seller)?.entity);
    let parties = Parties { buyer, seller };
    if buyer.books_from().is_none() && seller.books_from().is_none() {
        return Err(Refusal::NobodysBooks { buyer: buyer.number, seller: seller.number });
    }
    let signer = case.need_apart(id, buyer.number, Role::Submit, &[])?;
    let before = case.draft.find::<DocumentRecord>(id);
    if let Some(found) = before.filter(|found| found.status != Status::Cancelled) {
        return Err(Refusal::DocumentExists { document: id.clone(), leaf: found.leaf });
    }
    let invoice = corrected(case, document)?;
    period::check_date(case, buyer, document.date)?;
    period::check_date(case, seller, document.date)?;
    for line in &document.lines {
        check_line(case, buyer, line.account, document)?;
    }
    vat::check(case, buyer, document)?;
    let set_off = invoice.filter(|invoice| may_set_off(invoice));
    if let Some(invoice) = set_off.filter(|invoice| document.payable > invoice.open) {
        let (credited, open) = (document.payable, invoice.open);
        return Err(Refusal::CreditTooLarge { invoice: invoice.id.clone(), credited, open });
    }
    let usable = |account| codes::check_account(case.draft, seller, account, document.date).is_ok();
    let entries = booking::document(case.parameters(), parties, document, usable)?;
    if entries.is_empty() {
        return Err(EntryError::Empty { entity: document.buyer, postings: 0 }.into());
    }
    let lines: Vec<(OrgNumber, Account)> =
        document.lines.iter().map(|line| (document.buyer, line.account)).collect();
    case.check_accounts(parties, &entries, &lines)?;
    let mut registered = Box::new(record(case, document, signer.index, set_off));
    registered.buyer_booked = booking::digest(&entries, document.buyer);
    registered.seller_booked = booking::digest(&entries, id.seller);
    // No reference at the bank is given out twice.
    registered.attempt = before.map_or(0, |cancelled| cancelled.attempt);
    let invoice = set_off.map(|invoice| Box::new(credited(invoice, document)));
    Ok((Effect::Registration { document: registered, invoice }, entries))
}

/// Rule L21.
pub(super) fn check_form(document: &Document) -> Result<(), Refusal> {
    period::check_count(document.lines.len())?;
    document.lines.iter().try_for_each(|line| period::check_amount(line.net))?;
    for total in &document.vat_totals {
        period::check_amount(total.base)?;
        period::check_amount(total.vat)?;
    }
    [document.prepaid, document.rounding, document.payable].into_iter().try_for_each(period::check_amount)
}

/// Rule L3 for one line, also where the buyer keeps its books elsewhere.
pub(super) fn check_line(
    case: &Case<'_>,
    buyer: &NewEntity,
    account: Account,
    document: &Document,
) -> Result<(), Refusal> {
    codes::check_account(case.draft, buyer, account, document.date)?;
    let kostra = matches!(buyer.kind, EntityKind::Municipality | EntityKind::County);
    if kostra && account.class == Class::Balance {
        return Err(Refusal::LineAccount { account });
    }
    // Coded by hand, cash would move without the bank, and claims without their mirror.
    if booking::books_itself(case.parameters(), buyer.kind, account) {
        return Err(Refusal::ReservedAccount { account });
    }
    Ok(())
}

/// Rule L18: the invoice that a credit note names, which must be between the same parties.
fn corrected<'d>(case: &Case<'d>, document: &Document) -> Result<Option<&'d DocumentRecord>, Refusal> {
    let DocumentKind::CreditNote { corrects: Some(named) } = &document.kind else { return Ok(None) };
    let found = case.draft.find::<DocumentRecord>(named).filter(|found| {
        !found.credit_note
            && found.status != Status::Cancelled
            && found.buyer == document.buyer
            && found.id.seller == document.id.seller
    });
    let unknown = || Refusal::UnknownInvoice { document: document.id.clone(), invoice: named.clone() };
    found.map(Some).ok_or_else(unknown)
}

/// Whether a credit note lowers what is to be paid. What the bank has, or had, in hand is refunded
/// instead, and the credit note stands alone.
fn may_set_off(invoice: &DocumentRecord) -> bool {
    match invoice.status {
        Status::Registered | Status::Attested | Status::Approved | Status::Returned | Status::Credited => {
            true
        }
        Status::Ordered | Status::Settled | Status::Netted | Status::Cancelled => false,
    }
}

fn record(
    case: &Case<'_>,
    document: &Document,
    registered_by: u64,
    set_off: Option<&DocumentRecord>,
) -> DocumentRecord {
    let (status, open) = match set_off {
        Some(_) => (Status::Credited, Default::default()),
        None => (Status::Registered, document.payable),
    };
    DocumentRecord {
        id: document.id.clone(),
        credit_note: matches!(document.kind, DocumentKind::CreditNote { .. }),
        bears_vat: document.vat_totals.iter().any(|total| total.vat != Amount::ZERO),
        corrects: set_off.and_then(|invoice| case.draft.index_of::<DocumentRecord>(&invoice.id)),
        buyer: document.buyer,
        status,
        date: document.date,
        due: document.due,
        payable: document.payable,
        open,
        settled: Default::default(),
        attempt: 0,
        registered_by,
        attested_by: None,
        approved_by: None,
        ordered_by: None,
        buyer_voucher: None,
        seller_voucher: None,
        buyer_payment_voucher: None,
        seller_payment_voucher: None,
        bank: None,
        reason: None,
        buyer_booked: Digest::default(),
        seller_booked: Digest::default(),
        content: document.content,
        payee: document.payee,
        leaf: case.draft.leaf(),
    }
}

/// The invoice after a credit note is set off against it; not larger than what is open.
fn credited(invoice: &DocumentRecord, note: &Document) -> DocumentRecord {
    let mut invoice = invoice.clone();
    invoice.open.0 -= note.payable.0;
    if invoice.open.0 == 0 {
        invoice.status = Status::Credited;
    }
    invoice
}

/// Attests a registered document. Needs an attester of the buyer who did not register it.
pub(super) fn attest(case: &Case<'_>, id: &DocumentId) -> Decided {
    let found = case.document(id)?;
    let earlier = [(Role::Submit, found.registered_by)];
    let signer = case.need_apart(id, found.buyer, Role::Attest, &earlier)?;
    payment::needs(found, &[Status::Registered])?;
    let document =
        DocumentRecord { status: Status::Attested, attested_by: Some(signer.index), ..found.clone() };
    Ok((Effect::step(document, None), Vec::new()))
}

/// Approves an attested document. Needs an approver of the buyer who neither registered nor
/// attested it.
pub(super) fn approve(case: &Case<'_>, id: &DocumentId) -> Decided {
    let found = case.document(id)?;
    let signer = approver(case, found)?;
    payment::needs(found, &[Status::Attested])?;
    if let Some(budget) = budget::binding(case, found) {
        return Err(BudgetRefusal::LinesNeeded { document: id.clone(), year: budget.year }.into());
    }
    let document =
        DocumentRecord { status: Status::Approved, approved_by: Some(signer.index), ..found.clone() };
    Ok((Effect::step(document, None), Vec::new()))
}

/// Rule L7: an approver of the buyer who neither registered nor attested the document.
pub(super) fn approver<'d>(case: &Case<'d>, found: &DocumentRecord) -> Result<Signer<'d>, Refusal> {
    let attested = found.attested_by.map(|index| (Role::Attest, index));
    let earlier: Vec<(Role, u64)> =
        attested.into_iter().chain([(Role::Submit, found.registered_by)]).collect();
    case.need_apart(&found.id, found.buyer, Role::Approve, &earlier)
}
