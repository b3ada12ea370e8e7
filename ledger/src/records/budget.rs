//! What councils appropriated, and what is booked against it.

use bincode::{Decode, Encode};

use crate::amount::Total;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::transaction::{Cell, Level};

/// The budget of one entity and year.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BudgetRecord {
    /// Whose.
    pub entity: OrgNumber,
    /// Accounting year.
    pub year: u16,
    /// By what it appropriates.
    pub level: Level,
    /// The version in force; 0 while the first is not complete.
    pub version: u32,
    /// Commitment to the decision of the version last begun.
    pub decision: Digest,
    /// Whether a later version than the one in force was begun.
    pub open: bool,
    /// How many appropriations it has, those included that only something booked made.
    pub cells: u64,
    /// Sum of the begun version's operating lines so far.
    pub operating: Total,
    /// Sum of the begun version's investment lines so far.
    pub investment: Total,
}

/// One appropriation: what was decided, and what is booked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AppropriationRecord {
    /// Whose.
    pub entity: OrgNumber,
    /// Accounting year.
    pub year: u16,
    /// Which.
    pub cell: Cell,
    /// Decided by versions before `proposed_version`, expense positive.
    pub adopted: Total,
    /// The last version that changes it.
    pub proposed_version: u32,
    /// By how much; counts once that version is in force.
    pub proposed: Total,
    /// Booked in the year, debit positive.
    pub actual: Total,
    /// How many approvals went beyond it by legal duty.
    pub overrides: u32,
}

impl AppropriationRecord {
    /// One that nothing was decided of or booked on.
    pub fn empty(entity: OrgNumber, year: u16, cell: Cell) -> Self {
        let zero = Total::default();
        Self {
            entity,
            year,
            cell,
            adopted: zero,
            proposed_version: 0,
            proposed: zero,
            actual: zero,
            overrides: 0,
        }
    }

    /// What is appropriated under the version in force, expense positive.
    pub fn in_force(&self, version: u32) -> Total {
        let proposed = if self.proposed_version <= version { self.proposed.0 } else { 0 };
        Total(self.adopted.0 + proposed)
    }
}
