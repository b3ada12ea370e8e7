//! Budgets: what a council decided to spend, and payment beyond it.

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use super::EntryLine;
use crate::account::Class;
use crate::digest::Digest;
use crate::entity::OrgNumber;

/// By what a council appropriates (bevilgningsnivå): the coordinates of a line that tell one
/// appropriation from another, besides the account class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Level {
    /// Function (funksjon).
    pub function: bool,
    /// Group of arts: the first two digits of three (artsgruppe).
    pub art_group: bool,
    /// Cost centre (ansvar).
    pub cost_centre: bool,
    /// Project (prosjekt).
    pub project: bool,
}

/// One appropriation (bevilgning), as far as the level tells it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Cell {
    /// Operating or investment.
    pub class: Class,
    /// Whether the council's limit binds: expense, but for VAT that is compensated. Income, and that
    /// VAT with its compensation, are followed and not limited.
    pub limited: bool,
    /// Function.
    pub function: Option<u16>,
    /// First two digits of the art.
    pub art_group: Option<u16>,
    /// Cost centre.
    pub cost_centre: Option<u32>,
    /// Project.
    pub project: Option<u32>,
}

impl Cell {
    /// The least of all, in the order of the register.
    pub const FIRST: Self = Self {
        class: Class::Investment,
        limited: false,
        function: None,
        art_group: None,
        cost_centre: None,
        project: None,
    };
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.limited { "expense" } else { "income" };
        let class = if self.class == Class::Investment { "investment" } else { "operating" };
        write!(f, "{class} {side}")?;
        if let Some(function) = self.function {
            write!(f, ", function {function:03}")?;
        }
        if let Some(group) = self.art_group {
            write!(f, ", arts {group:02}0 to {group:02}9")?;
        }
        if let Some(centre) = self.cost_centre {
            write!(f, ", cost centre {centre}")?;
        }
        if let Some(project) = self.project {
            write!(f, ", project {project}")?;
        }
        Ok(())
    }
}

/// Part of a budget, or of an amendment of it: version 1 is the budget, each later one changes it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BudgetPart {
    /// Whose.
    pub entity: OrgNumber,
    /// Accounting year.
    pub year: u16,
    /// From 1, each once it is complete followed by the next.
    pub version: u32,
    /// The same in every part of the year.
    pub level: Level,
    /// Commitment to the council's decision; the same in every part of a version.
    pub decision: Digest,
    /// What is appropriated or, in an amendment, by how much that changes: expense positive, income
    /// negative, as it will be posted. At most [`LINES_MAX`](super::LINES_MAX).
    pub lines: Vec<EntryLine>,
    /// Whether the version is complete; it is in force from here on.
    pub last: bool,
}

/// Why an entity pays what its budget does not cover (kommuneloven § 14-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Duty {
    /// A statute or a regulation obliges it.
    Statute,
    /// An agreement made within an earlier budget obliges it.
    Contract,
    /// A court or another authority decided it.
    Judgment,
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Statute => "statute",
            Self::Contract => "contract",
            Self::Judgment => "judgment",
        })
    }
}

/// A signed statement that payment is a legal duty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Override {
    /// Which duty.
    pub duty: Duty,
    /// Commitment to what shows it.
    pub content: Digest,
}
