//! Budgets: what is appropriated and what is booked against it, complete or not at all; and a budget
//! cut into the parts that it is adopted in.
//!
//! Completeness rests on the budget's record, which counts its appropriations.
//!
//! Invariant: a [`Budget`] exists only with every appropriation of its year.

use std::collections::BTreeMap;

use ledger::block::Seal;
use ledger::checkpoint::TrustedCheckpoint;
use ledger::entity::OrgNumber;
use ledger::records::{AppropriationRecord, BudgetRecord};
use ledger::transaction::{BudgetPart, Cell, EntryLine, LINES_MAX};

use crate::books::incomplete;
use crate::client::{Client, ClientError, read, same_key};

/// The budget of an entity and year.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Which, and how far it has come.
    pub record: BudgetRecord,
    /// All appropriations, in their order.
    pub appropriations: Vec<AppropriationRecord>,
    /// The seal that everything is proven under.
    pub seal: Seal,
    /// Its checkpoint.
    pub checkpoint: TrustedCheckpoint,
}

impl Client {
    /// The budget of an entity and year, proven to be whole.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn budget(&self, entity: OrgNumber, year: u16) -> Result<Budget, ClientError> {
        let path = format!("/v1/entities/{entity}/budget?year={year}");
        let (records, seal, checkpoint) = self.records(&path)?;
        let mut records = records.into_iter();
        let first = records.next().ok_or_else(|| self.line().malformed(&path, "no record of the budget"))?;
        let record: BudgetRecord = read(&first)?;
        let asked = format!("budget of {entity} for {year}");
        same_key(&record, &(entity, year), &asked)?;
        let mut appropriations: BTreeMap<Cell, AppropriationRecord> = BTreeMap::new();
        for proven in records {
            let found: AppropriationRecord = read(&proven)?;
            if (found.entity, found.year) != (entity, year) {
                let proven = format!("an appropriation of {} for {}", found.entity, found.year);
                return Err(ClientError::OtherRecord { asked, proven });
            }
            appropriations.insert(found.cell, found);
        }
        let shown = appropriations.len() as u64;
        if shown != record.cells {
            return Err(incomplete(format!("appropriations in the {asked}"), shown, record.cells));
        }
        Ok(Budget { record, appropriations: appropriations.into_values().collect(), seal, checkpoint })
    }
}

/// The parts that a budget is adopted in, the last of which puts it in force.
pub fn parts(whole: &BudgetPart, lines: &[EntryLine]) -> Vec<BudgetPart> {
    let count = lines.len().div_ceil(LINES_MAX);
    let part = |(place, lines): (usize, &[EntryLine])| BudgetPart {
        lines: lines.to_vec(),
        last: place + 1 == count,
        ..whole.clone()
    };
    lines.chunks(LINES_MAX).enumerate().map(part).collect()
}
