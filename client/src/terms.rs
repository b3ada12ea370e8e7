//! Reports by part of a year: VAT compensation by term of two months, and budget against what is booked
//! by tertial of four.
//!
//! Both rest on proven books: a journal that is whole, trial balances that are whole, a budget that is.
//! It leaves out how a report is printed.
//!
//! Invariant: a report exists only if every figure in it was proven.

use std::collections::BTreeMap;

use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::block::Seal;
use ledger::checkpoint::TrustedCheckpoint;
use ledger::entity::{EntityKind, OrgNumber};
use ledger::entry::{Rate, Regime};
use ledger::time::Period;

use crate::budget::Budget;
use crate::client::{Client, ClientError, Meaning};

/// What may be claimed under one VAT code in one term.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TermLine {
    /// What the VAT was computed from.
    pub base: Total,
    /// The VAT.
    pub vat: Total,
    /// Postings.
    pub postings: u64,
}

/// VAT compensation of an entity and year, by term (kompensasjonsloven § 7).
#[derive(Clone, Debug)]
pub struct Compensation {
    /// Whose.
    pub entity: OrgNumber,
    /// Accounting year.
    pub year: u16,
    /// By term, from 1 for January and February, VAT code and rate.
    pub lines: BTreeMap<(u8, u16, Rate), TermLine>,
    /// What else moved on the account of the claim: payouts, openings, what was entered by hand.
    pub others: Total,
    /// The account of the claim.
    pub account: Account,
    /// The seal that the year's vouchers are counted under.
    pub seal: Seal,
    /// Its checkpoint.
    pub checkpoint: TrustedCheckpoint,
}

impl Compensation {
    /// The VAT of one term.
    pub fn of_term(&self, term: u8) -> Total {
        let own = self.lines.iter().filter(|((of, ..), _)| *of == term);
        Total(own.map(|(_, line)| line.vat.0).sum())
    }
}

/// One row of a tertial report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TertialLine {
    /// Decided for the year, expense positive.
    pub adopted: Total,
    /// Booked from January on to the end of the tertial, debit positive.
    pub booked: Total,
}

/// Budget against what is booked at the end of a tertial (kommuneloven § 14-5).
#[derive(Clone, Debug)]
pub struct Tertial {
    /// 1, 2 or 3.
    pub number: u8,
    /// The year's budget.
    pub budget: Budget,
    /// By class, function where the budget appropriates by it, and whether it is limited expense.
    pub lines: BTreeMap<(Class, Option<u16>, bool), TertialLine>,
    /// Months of which the node shows no posting. That there is none is the node's word alone.
    pub silent: Vec<Period>,
}

/// The term that a period lies in, from 1.
pub fn term_of(period: Period) -> u8 {
    (period.number() % 100).div_ceil(2) as u8
}

impl Client {
    /// What an entity may claim as VAT compensation in a year, by term and VAT code.
    ///
    /// # Errors
    /// [`ClientError`]; also if the entity keeps no municipal books.
    pub fn compensation(&self, entity: OrgNumber, year: u16) -> Result<Compensation, ClientError> {
        let kind = self.entity(entity)?.record().entity.kind;
        let parameters = &self.genesis().parameters;
        let account = match kind {
            EntityKind::Municipality => parameters.municipality.compensation,
            EntityKind::County => parameters.county.compensation,
            EntityKind::State | EntityKind::Private | EntityKind::Auditor => {
                let what = format!("VAT compensation of {entity}, which is no municipality or county,");
                return Err(ClientError::NotFound { what });
            }
        };
        let mut lines: BTreeMap<(u8, u16, Rate), TermLine> = BTreeMap::new();
        let mut others = Total::default();
        let series = self.journal_each(entity, year, &mut |line| {
            let term = term_of(line.entry.date.period());
            for posting in line.entry.postings.iter().filter(|posting| posting.account == account) {
                match posting.vat.filter(|vat| vat.regime == Regime::Compensate) {
                    Some(vat) => {
                        let line = lines.entry((term, vat.code, vat.rate)).or_default();
                        // A credit note turns the amount, not the base.
                        let base = if posting.amount.0 < 0 { -vat.base.0.abs() } else { vat.base.0.abs() };
                        line.base.add(Amount(base));
                        line.vat.add(posting.amount);
                        line.postings += 1;
                    }
                    None => others.add(posting.amount),
                }
            }
            Ok::<(), ClientError>(())
        })?;
        let (seal, checkpoint) = (series.seal().clone(), series.checkpoint().clone());
        Ok(Compensation { entity, year, lines, others, account, seal, checkpoint })
    }

    /// Budget against what is booked when a tertial ends.
    ///
    /// # Errors
    /// [`ClientError`]; also if the year has no budget.
    pub fn tertial(&self, entity: OrgNumber, year: u16, number: u8) -> Result<Tertial, ClientError> {
        let budget = self.budget(entity, year)?;
        let by_function = budget.record.level.function;
        let mut lines: BTreeMap<(Class, Option<u16>, bool), TertialLine> = BTreeMap::new();
        let row = |class, function: u16, limited| (class, Some(function).filter(|_| by_function), limited);
        for record in &budget.appropriations {
            let cell = record.cell;
            let line = lines.entry((cell.class, cell.function, cell.limited)).or_default();
            line.adopted.0 += record.in_force(budget.record.version).0;
        }
        let parameters = &self.genesis().parameters;
        let kind = self.entity(entity)?.record().entity.kind;
        let kostra = if kind == EntityKind::County { &parameters.county } else { &parameters.municipality };
        let mut silent = Vec::new();
        for month in 1..=u32::from(number) * 4 {
            let Ok(period) = Period::new(u32::from(year) * 100 + month) else { continue };
            let accounts = match self.accounts(entity, period) {
                Ok(balance) => balance.accounts,
                Err(error) if error.meaning() == Meaning::Refused => {
                    silent.push(period);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for record in accounts {
                let Account { class, function, code, .. } = record.account;
                if !matches!(class, Class::Investment | Class::Operating) {
                    continue;
                }
                let limited = code < 600 && ![kostra.vat_cost_art, kostra.compensation_art].contains(&code);
                let line = lines.entry(row(class, function, limited)).or_default();
                line.booked.0 += record.debit.0 - record.credit.0;
            }
        }
        Ok(Tertial { number, budget, lines, silent })
    }
}
