//! Why a budget is not adopted, or a payment not approved under it.

use crate::account::Account;
use crate::amount::Total;
use crate::entity::OrgNumber;
use crate::transaction::{Cell, DocumentId};

/// What the rules about budgets refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetRefusal {
    /// Rule L8: more would be spent than was appropriated.
    #[error(
        "{entity} in {year}, {cell}: {adopted} is appropriated, {actual} is booked; have the council amend the budget, or have a legal duty signed"
    )]
    Beyond {
        /// Whose budget.
        entity: OrgNumber,
        /// Which year's.
        year: u16,
        /// Which appropriation.
        cell: Cell,
        /// Its size.
        adopted: Total,
        /// What is booked on it, this document included.
        actual: Total,
    },
    /// Rule L8: whether the budget covers it shows only with the lines.
    #[error("document {document}: the budget of {year} binds its approval; approve it with its lines")]
    LinesNeeded {
        /// The document.
        document: DocumentId,
        /// The year.
        year: u16,
    },
    /// Rule L8: an override where none is needed.
    #[error("document {document}: the budget covers it; approve it without a legal duty")]
    Covered {
        /// The document.
        document: DocumentId,
    },
    /// Rule L8: there is no budget that would bind.
    #[error("document {document}: {entity} has no budget of {year} in force; approve it without its lines")]
    NoBudget {
        /// The document.
        document: DocumentId,
        /// Whose.
        entity: OrgNumber,
        /// The year.
        year: u16,
    },
    /// Rule L44: only who keeps KOSTRA books has a budget here.
    #[error("{entity} keeps no municipal books; a budget is a municipality's or a county's")]
    NotMunicipal {
        /// Who.
        entity: OrgNumber,
    },
    /// Rule L44: a line on the balance.
    #[error("account {account} is a balance account; a budget has lines in classes 0 and 1")]
    BudgetAccount {
        /// The account.
        account: Account,
    },
    /// Rule L44: the year has begun in the books.
    #[error(
        "{entity} has vouchers of {year} already; a year's first budget comes before its vouchers, amend the next year's"
    )]
    TooLate {
        /// Whose.
        entity: OrgNumber,
        /// The year.
        year: u16,
    },
    /// Rule L44: another level than the year's.
    #[error("{entity} appropriates {year} by another level; keep the level that the year began with")]
    OtherLevel {
        /// Whose.
        entity: OrgNumber,
        /// The year.
        year: u16,
    },
    /// Rule L44: not the version that is next, or another decision than its earlier parts name.
    #[error(
        "{entity} in {year}: version {version} under this decision, expected version {expected}; complete what was begun, with the same decision in all parts"
    )]
    Version {
        /// Whose.
        entity: OrgNumber,
        /// The year.
        year: u16,
        /// The version given.
        version: u32,
        /// The version that is next.
        expected: u32,
    },
    /// Rule L44: the budget is not in balance.
    #[error(
        "{entity} in {year}: operating lines sum to {operating}, investment lines to {investment}; both must be zero when the version is complete"
    )]
    NotBalanced {
        /// Whose.
        entity: OrgNumber,
        /// The year.
        year: u16,
        /// Sum of the operating lines.
        operating: Total,
        /// Sum of the investment lines.
        investment: Total,
    },
}

impl BudgetRefusal {
    /// Id of the rule that refuses (`specs/ledger.md`).
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Beyond { .. } | Self::LinesNeeded { .. } | Self::Covered { .. } | Self::NoBudget { .. } => {
                "L8"
            }
            Self::NotMunicipal { .. }
            | Self::BudgetAccount { .. }
            | Self::TooLate { .. }
            | Self::OtherLevel { .. }
            | Self::Version { .. }
            | Self::NotBalanced { .. } => "L44",
        }
    }
}
