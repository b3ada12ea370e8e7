//! What no document books by itself: entries made by hand, and corrections of what is booked.

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use super::{BankReference, Document, Line};
use crate::account::Account;
use crate::amount::Amount;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::time::Date;

/// One line of an entry made by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EntryLine {
    /// The account.
    pub account: Account,
    /// Debit positive, credit negative; never zero.
    pub amount: Amount,
    /// Cost centre (ansvar).
    pub cost_centre: Option<u32>,
    /// Project (prosjekt).
    pub project: Option<u32>,
}

/// What an entry made by hand is, which decides the accounts it may touch (rule L38) and who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum EntryKind {
    /// Moves income and expense between accounts, cost centres and projects (omplassering).
    Reclassification,
    /// Anything but cash: accruals, depreciation, funds, wages owed (memorialbilag).
    Memorial,
    /// What the bank moved without a document here: taxes received, wages paid, loans (bankbilag).
    Bank(BankReference),
    /// What an earlier system booked before the entity came here (historikk): any account.
    History,
}

impl EntryKind {
    /// The bank's word for it, if cash moves.
    pub fn bank(&self) -> Option<&BankReference> {
        match self {
            Self::Bank(bank) => Some(bank),
            Self::Reclassification | Self::Memorial | Self::History => None,
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reclassification => "reclassification",
            Self::Memorial => "memorial",
            Self::Bank(_) => "bank",
            Self::History => "history",
        })
    }
}

/// An entry in one entity's own books. It has no other side: lines carry no counterparty.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ManualEntry {
    /// Whose books.
    pub entity: OrgNumber,
    /// Posting date.
    pub date: Date,
    /// What it is.
    pub kind: EntryKind,
    /// At least two, at most [`LINES_MAX`](super::LINES_MAX); they sum to zero.
    pub lines: Vec<EntryLine>,
    /// Commitment to what documents it (bokføringsloven § 10).
    pub content: Digest,
}

impl ManualEntry {
    /// What the register of entries keeps of it.
    pub fn digest(&self) -> Digest {
        Digest::of(&[b"hovedbok/v1/entry", &crate::codec::encode(self)])
    }
}

/// Why something booked is corrected; a code, because text could name a person (rule L14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reason {
    /// It stands on the wrong account, cost centre or project.
    Account,
    /// An amount is wrong.
    Amount,
    /// It belongs to another period.
    Period,
    /// It is another entity's.
    Party,
    /// It was booked twice.
    Twice,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Account => "account",
            Self::Amount => "amount",
            Self::Period => "period",
            Self::Party => "party",
            Self::Twice => "twice",
        })
    }
}

/// When and why something booked is corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Correction {
    /// Posting date of the reversal, and of what is booked instead.
    pub date: Date,
    /// Why.
    pub reason: Reason,
    /// Commitment to what documents the correction (bokføringsloven § 9).
    pub content: Digest,
}

/// A document as it stands in the books, so that they need not keep its lines.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Coded {
    /// As registered.
    pub document: Document,
    /// The buyer's lines since its last correction, if it was corrected.
    pub recoded: Option<Vec<Line>>,
}

impl Coded {
    /// The document with the lines that stand in the buyer's books.
    pub fn current(&self) -> Document {
        let lines = self.recoded.as_ref().unwrap_or(&self.document.lines).clone();
        Document { lines, ..self.document.clone() }
    }
}
