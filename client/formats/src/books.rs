//! What every export is written from: the books of one entity over one span of periods, a pass at a
//! time and never all at once in memory.
//!
//! The client answers from proven records, a test from a list. What is told before any pass (how many
//! entries, which sums) lets a format write its totals first and lets whoever writes compare them
//! with what came. It leaves out where the books come from and what proves them.
//!
//! Invariant: an export that finished carried exactly what [`Books::counts`] told; whoever writes
//! ends with [`Tally::check`].

use std::collections::BTreeMap;

use ledger::account::Account;
use ledger::amount::Total;
use ledger::block::LeafIndex;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::entry::JournalEntry;
use ledger::time::{Period, Timestamp};
use ledger::transaction::{DocumentId, TransactionId};

/// Whose books, over which periods, and what they were read under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Whose.
    pub entity: OrgNumber,
    /// Decides the chart of accounts.
    pub kind: EntityKind,
    /// Its name.
    pub name: String,
    /// First period.
    pub from: Period,
    /// Last period, included.
    pub to: Period,
    /// Name of the log that the entries stand in.
    pub chain: String,
    /// Size of the log at the checkpoint that everything was read under.
    pub checkpoint: u64,
}

/// One account over the whole span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountLine {
    /// The account.
    pub account: Account,
    /// Its name, where the caller knows one.
    pub name: Option<String>,
    /// Balance before the first period, debit positive.
    pub opening: Total,
    /// Sum of debits.
    pub debit: Total,
    /// Sum of credits, as a positive number.
    pub credit: Total,
}

impl AccountLine {
    /// Balance after the last period, debit positive.
    pub fn closing(&self) -> Total {
        Total(self.opening.0 + self.debit.0 - self.credit.0)
    }
}

/// One voucher, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was booked.
    pub journal: JournalEntry,
    /// Leaf of the log that holds it.
    pub leaf: LeafIndex,
    /// When the block that holds it was made.
    pub time: Timestamp,
    /// The transaction that it was booked from.
    pub transaction: TransactionId,
    /// What that transaction does, in a few words.
    pub kind: &'static str,
    /// The document that it is about, where it has one.
    pub document: Option<DocumentId>,
}

/// How much there is, known before any pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries.
    pub entries: u64,
    /// Postings of all entries.
    pub postings: u64,
    /// Sum of debits.
    pub debit: Total,
    /// Sum of credits, as a positive number.
    pub credit: Total,
}

/// Why a pass ended early: the source failed, or whoever takes the items did.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Stop(Box<dyn std::error::Error + Send + Sync>);

impl Stop {
    /// Ends a pass for a reason.
    pub fn new(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(reason.into())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::new(error)
    }
}

/// How a pass, or the taking of one item, ends.
pub type Outcome = Result<(), Stop>;

/// The books of one entity over one span of periods. Each pass may be made again and gives the same.
pub trait Books {
    /// Whose books these are.
    fn about(&self) -> &About;

    /// How much the passes will give.
    fn counts(&self) -> Counts;

    /// Every account with a balance or a posting, in order.
    ///
    /// # Errors
    /// [`Stop`], from the source or from `each`.
    fn accounts(&mut self, each: &mut dyn FnMut(&AccountLine) -> Outcome) -> Outcome;

    /// Every entry, in the order of its voucher.
    ///
    /// # Errors
    /// [`Stop`], from the source or from `each`.
    fn entries(&mut self, each: &mut dyn FnMut(&Entry) -> Outcome) -> Outcome;

    /// The name of another party, where the caller knows it.
    fn party(&self, number: OrgNumber) -> Option<String>;
}

/// Rule F-BOOKS: the entries that came are not those that were told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the books tell of {} entries with {} postings, debit {}, credit {}, but gave {} entries with {} postings, debit {}, credit {}; read them again under one checkpoint",
    told.entries, told.postings, told.debit, told.credit, came.entries, came.postings, came.debit, came.credit
)]
pub struct Incomplete {
    /// What was told before the pass.
    pub told: Counts,
    /// What the pass gave.
    pub came: Counts,
}

/// Counts what a pass gives.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally(Counts);

impl Tally {
    /// Counts one entry.
    pub fn add(&mut self, entry: &JournalEntry) {
        let (debit, credit) = JournalEntry::totals(&entry.postings);
        self.0.entries += 1;
        self.0.postings += entry.postings.len() as u64;
        self.0.debit.0 += debit.0;
        self.0.credit.0 += credit.0;
    }

    /// What was counted.
    pub fn counts(self) -> Counts {
        self.0
    }

    /// Compares with what the books told.
    ///
    /// # Errors
    /// [`Incomplete`] (rule F-BOOKS) when anything differs.
    pub fn check(self, told: Counts) -> Result<(), Incomplete> {
        if self.0 == told { Ok(()) } else { Err(Incomplete { told, came: self.0 }) }
    }
}

/// Small books, held in memory: their accounts and counts follow from opening balances and entries.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Whose books.
    pub about: About,
    /// Balances before the first period, debit positive, and names of accounts.
    pub openings: BTreeMap<Account, (Total, Option<String>)>,
    /// The entries, in the order of their vouchers.
    pub entries: Vec<Entry>,
    /// Names of other parties.
    pub parties: BTreeMap<OrgNumber, String>,
}

impl Books for Listed {
    fn about(&self) -> &About {
        &self.about
    }

    fn counts(&self) -> Counts {
        let mut tally = Tally::default();
        self.entries.iter().for_each(|entry| tally.add(&entry.journal));
        tally.counts()
    }

    fn accounts(&mut self, each: &mut dyn FnMut(&AccountLine) -> Outcome) -> Outcome {
        let empty = |account, opening, name| AccountLine {
            account,
            name,
            opening,
            debit: Total::default(),
            credit: Total::default(),
        };
        let opened = self
            .openings
            .iter()
            .map(|(account, (opening, name))| (*account, empty(*account, *opening, name.clone())));
        let mut lines: BTreeMap<Account, AccountLine> = opened.collect();
        for posting in self.entries.iter().flat_map(|entry| &entry.journal.postings) {
            let line = lines
                .entry(posting.account)
                .or_insert_with(|| empty(posting.account, Total::default(), None));
            if posting.amount.0 > 0 {
                line.debit.add(posting.amount);
            } else {
                line.credit.0 -= i128::from(posting.amount.0);
            }
        }
        lines.values().try_for_each(each)
    }

    fn entries(&mut self, each: &mut dyn FnMut(&Entry) -> Outcome) -> Outcome {
        self.entries.iter().try_for_each(each)
    }

    fn party(&self, number: OrgNumber) -> Option<String> {
        self.parties.get(&number).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_books_an_entry_that_was_told_of_and_did_not_come_is_named_in_figures() {
        let told = Counts { entries: 2, postings: 4, debit: Total(100), credit: Total(100) };
        let error = Tally::default().check(told).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the books tell of 2 entries with 4 postings, debit 1,00, credit 1,00, but gave 0 entries with 0 \
             postings, debit 0,00, credit 0,00; read them again under one checkpoint"
        );
        assert!(Tally::default().check(Counts::default()).is_ok());
    }
}
