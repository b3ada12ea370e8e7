//! Claims between the same two parties that cancel out without a bank. Rules L7, L9, L13, L18, L41.

use alloc::boxed::Box;

use super::{Case, Decided, Effect, payment, period};
use crate::amount::Amount;
use crate::booking;
use crate::records::{DocumentRecord, Status};
use crate::refusal::NettingRefusal;
use crate::time::Date;
use crate::transaction::{DocumentId, Role};

/// Nets two approved documents by which two parties owe each other, as far as the smaller reaches; what is
/// left of the larger is paid as ever. Needs whoever orders payments of each party.
pub(super) fn net(
    case: &Case<'_>,
    one: &DocumentId,
    other: &DocumentId,
    amount: Amount,
    date: Date,
) -> Decided {
    let (first, second) = (case.document(one)?, case.document(other)?);
    if (first.buyer, first.id.seller) != (second.id.seller, second.buyer) {
        return Err(NettingRefusal::Parties { one: one.clone(), other: other.clone() }.into());
    }
    let both = [first, second];
    for found in both {
        case.need_apart(&found.id, found.buyer, Role::Order, &[])?;
    }
    for found in both {
        if found.credit_note {
            return Err(NettingRefusal::CreditNote { document: found.id.clone() }.into());
        }
        payment::needs(found, &[Status::Approved, Status::Returned])?;
        if found.bears_vat {
            return Err(NettingRefusal::BearsVat { document: found.id.clone() }.into());
        }
    }
    let due = Amount(first.open.0.min(second.open.0));
    if amount != due || due == Amount::ZERO {
        return Err(
            NettingRefusal::Amount { one: one.clone(), other: other.clone(), stated: amount, due }.into()
        );
    }
    let parties = case.parties(first)?;
    period::check_date(case, parties.buyer, date)?;
    period::check_date(case, parties.seller, date)?;
    let entries = booking::netting(case.parameters(), parties, amount, date);
    case.check_accounts(parties, &entries, &[])?;
    Ok((Effect::Netting { documents: both.map(|found| Box::new(netted(found, amount))) }, entries))
}

fn netted(found: &DocumentRecord, amount: Amount) -> DocumentRecord {
    let open = Amount(found.open.0 - amount.0);
    let status = if open == Amount::ZERO { Status::Netted } else { found.status };
    DocumentRecord { open, status, ..found.clone() }
}
