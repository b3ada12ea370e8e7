//! Budgets: adopted in parts, amended by versions, and binding when a document is approved. Rules L8
//! and L44.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::{Case, Decided, Effect, document, hand, payment, period};
use crate::account::Class;
use crate::amount::{Amount, Total};
use crate::booking;
use crate::codes;
use crate::entity::{EntityKind, OrgNumber};
use crate::records::{AppropriationRecord, BudgetRecord, DocumentRecord, EntityRecord, SeriesRecord, Status};
use crate::refusal::{BudgetRefusal, Refusal};
use crate::time::Date;
use crate::transaction::{BudgetPart, Cell, Coded, EntryLine, Override, Role};

/// Takes a part of a budget or an amendment. Needs whoever enters the council's decisions and an
/// approver, two holders.
pub(super) fn adopt(case: &Case<'_>, part: &BudgetPart) -> Decided {
    period::check_count(part.lines.len())?;
    part.lines.iter().try_for_each(|line| period::check_amount(line.amount))?;
    let &BudgetPart { entity, year, version, level, decision, ref lines, last } = part;
    let owner = case.entity(entity)?;
    let from = owner.books_from().ok_or(Refusal::NoBooks { entity })?;
    if !matches!(owner.entity.kind, EntityKind::Municipality | EntityKind::County) {
        return Err(BudgetRefusal::NotMunicipal { entity }.into());
    }
    hand::two(case, entity, Role::Budget)?;
    let first_day = Date::new(u32::from(year) * 10_000 + 101);
    let first_day = first_day.ok().filter(|_| year >= from.year());
    let first_day = first_day.ok_or(Refusal::BeforeBooks { entity, date: Date::MIN, from })?;
    let mut budget = match case.draft.find::<BudgetRecord>(&(entity, year)) {
        Some(found) => next(found, part)?,
        None => first(case, owner, part)?,
    };
    let december = first_day.period().last_of_year();
    if period::is_closed(case, entity, december) {
        return Err(Refusal::PeriodClosed { entity, date: first_day, period: december });
    }
    let mut cells = Vec::with_capacity(lines.len());
    for &EntryLine { account, amount, cost_centre, project } in lines {
        codes::check_account(case.draft, &owner.entity, account, first_day)?;
        let dimensions = (cost_centre, project);
        let cell = booking::cell(case.parameters(), owner.entity.kind, &level, account, dimensions);
        cells.push((cell.ok_or(BudgetRefusal::BudgetAccount { account })?, amount));
        match account.class {
            Class::Investment => budget.investment.add(amount),
            _ => budget.operating.add(amount),
        }
    }
    let (operating, investment) = (budget.operating, budget.investment);
    if last && (operating, investment) != (Total::default(), Total::default()) {
        return Err(BudgetRefusal::NotBalanced { entity, year, operating, investment }.into());
    }
    budget.decision = decision;
    budget.open = !last;
    if last {
        budget.version = version;
    }
    Ok((Effect::Budget { budget, version, cells }, Vec::new()))
}

/// Rule L44 for a year without a budget.
fn first(case: &Case<'_>, owner: &EntityRecord, part: &BudgetPart) -> Result<BudgetRecord, Refusal> {
    let &BudgetPart { entity, year, version, level, decision, .. } = part;
    if version != 1 {
        return Err(BudgetRefusal::Version { entity, year, version, expected: 1 }.into());
    }
    // The opening balance touches no appropriation.
    let opening = owner.opened && owner.books_from().is_some_and(|from| from.year() == year);
    let next = case.draft.find::<SeriesRecord>(&(entity, year)).map_or(1, |series| series.next);
    if next > 1 + u64::from(opening) {
        return Err(BudgetRefusal::TooLate { entity, year }.into());
    }
    let (operating, investment) = (Total::default(), Total::default());
    Ok(BudgetRecord {
        entity,
        year,
        level,
        version: 0,
        decision,
        open: false,
        cells: 0,
        operating,
        investment,
    })
}

/// Rule L44 for a later part, or a later version.
fn next(found: &BudgetRecord, part: &BudgetPart) -> Result<BudgetRecord, Refusal> {
    let &BudgetPart { entity, year, version, level, decision, .. } = part;
    if level != found.level {
        return Err(BudgetRefusal::OtherLevel { entity, year }.into());
    }
    let expected = found.version + 1;
    if version != expected || found.open && decision != found.decision {
        return Err(BudgetRefusal::Version { entity, year, version, expected }.into());
    }
    Ok(found.clone())
}

/// The budget that binds the approval of a document: that of the year it was posted in, once it is in
/// force. What the seller credits is not spent.
pub(super) fn binding<'d>(case: &Case<'d>, found: &DocumentRecord) -> Option<&'d BudgetRecord> {
    let budget = case.draft.find::<BudgetRecord>(&(found.buyer, found.date.year()));
    budget.filter(|budget| budget.version > 0 && !found.credit_note)
}

/// Approves an attested document under the budget of its year. Beyond an appropriation it needs a
/// signed legal duty, by another holder than the approver.
pub(super) fn approve(case: &Case<'_>, coded: &Coded, duty: Option<&Override>) -> Decided {
    document::check_form(&coded.document)?;
    let found = case.document(&coded.document.id)?;
    let signer = document::approver(case, found)?;
    payment::needs(found, &[Status::Attested])?;
    let (entity, year, document) = (found.buyer, found.date.year(), &found.id);
    let none = || BudgetRefusal::NoBudget { document: document.clone(), entity, year };
    let budget = binding(case, found).ok_or_else(none)?;
    hand::stands(case, found, coded, case.parties(found)?)?;
    let beyond = beyond(case, entity, budget, &coded.current().lines)?;
    match (beyond.first(), duty) {
        (Some(first), None) => {
            let (cell, adopted, actual) = (first.cell, first.in_force(budget.version), first.actual);
            return Err(BudgetRefusal::Beyond { entity, year, cell, adopted, actual }.into());
        }
        (None, Some(_)) => return Err(BudgetRefusal::Covered { document: document.clone() }.into()),
        (Some(_), Some(_)) => {
            case.need_apart(document, entity, Role::Override, &[(Role::Approve, signer.index)])?;
        }
        (None, None) => {}
    }
    let beyond = beyond
        .into_iter()
        .map(|record| AppropriationRecord { overrides: record.overrides.saturating_add(1), ..record });
    let document =
        DocumentRecord { status: Status::Approved, approved_by: Some(signer.index), ..found.clone() };
    Ok((Effect::Approval { document: Box::new(document), beyond: beyond.collect() }, Vec::new()))
}

/// The appropriations of these lines on which more is booked than was decided, in order.
fn beyond(
    case: &Case<'_>,
    entity: OrgNumber,
    budget: &BudgetRecord,
    lines: &[crate::transaction::Line],
) -> Result<Vec<AppropriationRecord>, Refusal> {
    let owner = case.entity(entity)?.entity.kind;
    let touched = lines.iter().filter(|line| line.net != Amount::ZERO);
    let cells: BTreeSet<Cell> = touched
        .filter_map(|line| {
            let dimensions = (line.cost_centre, line.project);
            booking::cell(case.parameters(), owner, &budget.level, line.account, dimensions)
        })
        .filter(|cell| cell.limited)
        .collect();
    let records =
        cells.into_iter().map(|cell| booking::appropriation(case.draft, entity, budget.year, cell).0);
    Ok(records.filter(|record| record.actual.0 > record.in_force(budget.version).0).collect())
}
