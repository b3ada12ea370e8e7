//! Appropriations: the cell that a line falls into, and what booking it adds there.

use super::is_vat_cost;
use crate::account::{Account, Class};
use crate::entity::{EntityKind, OrgNumber};
use crate::entry::JournalEntry;
use crate::records::{AppropriationRecord, BudgetRecord, EntityRecord, ParameterRecord};
use crate::registers::Draft;
use crate::transaction::{Cell, Level};

/// The first art of income.
const INCOME: u16 = 600;

/// The appropriation that a line of classes 0 and 1 falls into; none for the balance.
pub(crate) fn cell(
    parameters: &ParameterRecord,
    owner: EntityKind,
    level: &Level,
    account: Account,
    (cost_centre, project): (Option<u32>, Option<u32>),
) -> Option<Cell> {
    if !matches!(account.class, Class::Investment | Class::Operating) {
        return None;
    }
    let limited = account.code < INCOME && !is_vat_cost(parameters, owner, account);
    Some(Cell {
        class: account.class,
        limited,
        function: level.function.then_some(account.function),
        art_group: level.art_group.then_some(account.code / 10),
        cost_centre: cost_centre.filter(|_| level.cost_centre),
        project: project.filter(|_| level.project),
    })
}

/// Adds an entry to what is booked on its year's appropriations, if the year has a budget.
pub(super) fn carry(draft: &mut Draft<'_>, entry: &JournalEntry) {
    let (entity, year) = (entry.entity, entry.date.year());
    let Some(level) = draft.find::<BudgetRecord>(&(entity, year)).map(|budget| budget.level) else { return };
    let Some(owner) = draft.find::<EntityRecord>(&entity).map(|record| record.entity.kind) else { return };
    let mut new = 0;
    for posting in &entry.postings {
        let dimensions = (posting.cost_centre, posting.project);
        let found = draft.get::<ParameterRecord>(0);
        let cell = found.and_then(|p| cell(p, owner, &level, posting.account, dimensions));
        let Some(cell) = cell else { continue };
        let (mut record, is_new) = appropriation(draft, entity, year, cell);
        record.actual.add(posting.amount);
        draft.put(record);
        new += u64::from(is_new);
    }
    if new > 0
        && let Some(budget) = draft.find::<BudgetRecord>(&(entity, year)).cloned()
    {
        draft.put(BudgetRecord { cells: budget.cells + new, ..budget });
    }
}

/// The record of an appropriation, or a new one, and whether it is new.
pub(crate) fn appropriation(
    draft: &Draft<'_>,
    entity: OrgNumber,
    year: u16,
    cell: Cell,
) -> (AppropriationRecord, bool) {
    match draft.find::<AppropriationRecord>(&(entity, year, cell)) {
        Some(found) => (found.clone(), false),
        None => (AppropriationRecord::empty(entity, year, cell), true),
    }
}
