//! Posting dates, opening balances and the closing of periods: rules L9, L19 and L20.

use alloc::vec::Vec;

use super::{Case, Decided, Effect};
use crate::amount::{Amount, Total};
use crate::booking::Planned;
use crate::codes;
use crate::entity::OrgNumber;
use crate::entry::{EntryError, JournalEntry, Posting};
use crate::records::{EntityRecord, PeriodRecord};
use crate::refusal::{AMOUNT_MAX, BACK_PERIODS_MAX, Refusal};
use crate::time::{Date, Period};
use crate::transaction::{LINES_MAX, NewEntity, OpeningLine, Role};

/// Rule L9 for one entity's books; holds where it keeps none.
pub(super) fn check_date(case: &Case<'_>, entity: &NewEntity, date: Date) -> Result<(), Refusal> {
    let Some(from) = entity.books_from() else { return Ok(()) };
    let (entity, period, today) = (entity.number, date.period(), case.today);
    if date > today {
        return Err(Refusal::DateAhead { date, today });
    }
    if today.period().months_after(period) > BACK_PERIODS_MAX {
        return Err(Refusal::DateTooOld { date, today });
    }
    if period < from {
        return Err(Refusal::BeforeBooks { entity, date, from });
    }
    if is_closed(case, entity, period) {
        return Err(Refusal::PeriodClosed { entity, date, period });
    }
    Ok(())
}

pub(super) fn is_closed(case: &Case<'_>, entity: OrgNumber, period: Period) -> bool {
    case.draft.find::<PeriodRecord>(&(entity, period)).is_some_and(|record| record.closed)
}

/// Rule L21: an amount within bounds.
pub(super) fn check_amount(amount: Amount) -> Result<(), Refusal> {
    if amount.magnitude() > AMOUNT_MAX.magnitude() {
        return Err(Refusal::AmountTooLarge { amount: Total(amount.0.into()) });
    }
    Ok(())
}

/// Rule L21: lines within bounds.
pub(super) fn check_count(count: usize) -> Result<(), Refusal> {
    if (1..=LINES_MAX).contains(&count) { Ok(()) } else { Err(Refusal::Lines { count }) }
}

/// Books the opening balance. Needs the entity's administrator and its auditor, two holders.
pub(super) fn open(case: &Case<'_>, entity: OrgNumber, date: Date, lines: &[OpeningLine]) -> Decided {
    check_count(lines.len())?;
    lines.iter().try_for_each(|line| check_amount(line.amount))?;
    let record = case.entity(entity)?;
    let from = record.entity.books_from().ok_or(Refusal::NoBooks { entity })?;
    countersigned(case, entity)?;
    if record.opened {
        return Err(Refusal::OpenedBefore { entity });
    }
    if date.period() != from {
        return Err(Refusal::OpeningDate { date, from });
    }
    check_date(case, &record.entity, date)?;
    for OpeningLine { account, .. } in lines {
        codes::check_account(case.draft, &record.entity, *account, date)?;
        if !account.carries_over() {
            return Err(Refusal::OpeningAccount { account: *account });
        }
    }
    let posted = lines.iter().filter(|line| line.amount != Amount::ZERO);
    let postings: Vec<Posting> = posted.map(|line| Posting::new(line.account, line.amount)).collect();
    let (debit, credit) = JournalEntry::totals(&postings);
    if debit != credit {
        return Err(EntryError::Unbalanced { entity, debit, credit }.into());
    }
    if postings.is_empty() {
        return Err(EntryError::Empty { entity, postings: 0 }.into());
    }
    let opened = EntityRecord { opened: true, ..record.clone() };
    Ok((Effect::Entity(opened), alloc::vec![Planned { entity, date, postings, reverses: None }]))
}

/// Rule L7: the entity's administrator and its auditor, two holders.
pub(super) fn countersigned(case: &Case<'_>, entity: OrgNumber) -> Result<(), Refusal> {
    let administrators: Vec<_> = case.holders(Some(entity), Role::Administer).collect();
    case.need(entity, Role::Administer)?;
    case.need(entity, Role::Audit)?;
    let apart = case
        .holders(Some(entity), Role::Audit)
        .any(|auditor| administrators.iter().any(|other| other.holder() != auditor.holder()));
    if apart { Ok(()) } else { Err(Refusal::AuditsItself { entity }) }
}

/// Closes a period to postings, in order of time, once it is over.
pub(super) fn close(case: &Case<'_>, entity: OrgNumber, period: Period) -> Decided {
    let record = case.entity(entity)?;
    let from = record.entity.books_from().ok_or(Refusal::NoBooks { entity })?;
    case.need(entity, Role::Administer)?;
    let due = period >= from
        && !is_closed(case, entity, period)
        && (period == from || is_closed(case, entity, period.previous()));
    if !due {
        let mut next = from;
        while is_closed(case, entity, next) {
            next = next.next();
        }
        return Err(Refusal::PeriodOrder { entity, period, next });
    }
    if case.today.period() <= period {
        return Err(Refusal::PeriodNotOver { period, today: case.today });
    }
    let found = case.draft.find::<PeriodRecord>(&(entity, period)).cloned();
    let zero = Total::default();
    let empty =
        PeriodRecord { entity, period, closed: true, accounts: 0, postings: 0, debit: zero, credit: zero };
    Ok((Effect::Period(found.map_or(empty, |found| PeriodRecord { closed: true, ..found })), Vec::new()))
}
