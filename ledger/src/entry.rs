//! Journal entries and postings: what the ledger books, balanced by construction.
//!
//! Invariant: a [`JournalEntry`] has at least two postings, none of zero, and they sum to zero
//! (rule L1). Posted entries never change; a mistake is corrected by posting its reversal.

use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::entity::OrgNumber;
use crate::time::Date;

/// A VAT rate in hundredths of a per cent: 2500 is 25 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Rate(pub u16);

/// As a reader expects it: `25 %`, `11,11 %`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        if hundredths == 0 { write!(f, "{whole} %") } else { write!(f, "{whole},{hundredths:02} %") }
    }
}

/// How the buyer's VAT on a line is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Regime {
    /// Input VAT is deducted (fradrag).
    Deduct,
    /// VAT cost is compensated by the state (merverdiavgiftskompensasjon).
    Compensate,
    /// VAT stays a cost.
    Cost,
}

impl fmt::Display for Regime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Deduct => "deducted",
            Self::Compensate => "compensated",
            Self::Cost => "cost",
        })
    }
}

/// The VAT dimension of a posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Vat {
    /// Standard tax code (SAF-T), such as 1 for input VAT at the regular rate.
    pub code: u16,
    /// How the buyer treats it.
    pub regime: Regime,
    /// The amount that the VAT is computed from.
    pub base: Amount,
    /// The rate.
    pub rate: Rate,
}

/// One line: its effect on one account, with the dimensions reports are cut by.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Posting {
    /// The account.
    pub account: Account,
    /// Debit positive, credit negative; never zero.
    pub amount: Amount,
    /// Cost centre (ansvar).
    pub cost_centre: Option<u32>,
    /// Project (prosjekt).
    pub project: Option<u32>,
    /// VAT treatment.
    pub vat: Option<Vat>,
    /// The other party of the document.
    pub counterparty: Option<OrgNumber>,
}

impl Posting {
    /// A line without dimensions.
    pub const fn new(account: Account, amount: Amount) -> Self {
        Self { account, amount, cost_centre: None, project: None, vat: None, counterparty: None }
    }
}

/// A voucher (bilag): its number is assigned by the ledger, gapless per entity and year (rule L10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Voucher {
    /// Accounting year.
    pub year: u16,
    /// From 1, without gaps.
    pub number: u64,
}

impl fmt::Display for Voucher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.year, self.number)
    }
}

/// What one transaction books for one entity: one voucher, balanced.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct JournalEntry {
    /// Whose books.
    pub entity: OrgNumber,
    /// Its number in them.
    pub voucher: Voucher,
    /// Posting date; decides the period.
    pub date: Date,
    /// Index of the document in the register of documents, where the entry has one.
    pub document: Option<u64>,
    /// The voucher that it reverses in full, if it is a reversal (bokføringsloven § 9).
    pub reverses: Option<Voucher>,
    /// The lines, in the order of the booking rule.
    pub postings: Vec<Posting>,
}

/// An entry that cannot be posted. Rule L1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Debit and credit differ.
    #[error("entity {entity}: debit {debit}, credit {credit}; add a posting for the difference")]
    Unbalanced {
        /// Whose books.
        entity: OrgNumber,
        /// Sum of debits.
        debit: Total,
        /// Sum of credits, as a positive number.
        credit: Total,
    },
    /// Fewer than two lines, or a line of zero.
    #[error(
        "entity {entity}: an entry has at least two postings and none of zero; found {postings} postings"
    )]
    Empty {
        /// Whose books.
        entity: OrgNumber,
        /// How many lines there are.
        postings: usize,
    },
}

impl JournalEntry {
    /// Sum of debits and sum of credits, both as positive numbers.
    pub fn totals(postings: &[Posting]) -> (Total, Total) {
        let debit = postings.iter().map(|p| p.amount).filter(|a| a.0 > 0).sum();
        let credit: Total = postings.iter().map(|p| p.amount).filter(|a| a.0 < 0).sum();
        (debit, Total(-credit.0))
    }

    /// Debit equals credit from here on; later code need not ask.
    ///
    /// # Errors
    /// [`EntryError`] (rule L1).
    pub fn new(
        entity: OrgNumber,
        voucher: Voucher,
        date: Date,
        document: Option<u64>,
        postings: Vec<Posting>,
    ) -> Result<Self, EntryError> {
        if postings.len() < 2 || postings.iter().any(|p| p.amount == Amount::ZERO) {
            return Err(EntryError::Empty { entity, postings: postings.len() });
        }
        let (debit, credit) = Self::totals(&postings);
        if debit != credit {
            return Err(EntryError::Unbalanced { entity, debit, credit });
        }
        Ok(Self { entity, voucher, date, document, reverses: None, postings })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn l1_refuses_an_entry_one_ore_out_of_balance() {
        let entity = OrgNumber::new(964_965_226).unwrap();
        let refusal = JournalEntry::new(
            entity,
            Voucher { year: 2026, number: 412 },
            Date::new(20260304).unwrap(),
            None,
            vec![
                Posting::new(Account::private(6820), Amount(1_250_000)),
                Posting::new(Account::private(2400), Amount(-1_249_999)),
            ],
        );
        assert_eq!(
            refusal.unwrap_err().to_string(),
            "entity 964965226: debit 12 500,00, credit 12 499,99; add a posting for the difference"
        );
    }
}
