//! History: what an earlier system booked, made into entries that the ledger takes.
//!
//! It reads SAF-T and KOSTRA files part by part, finds each account's place in the ledger's charts, and
//! cuts what is longer than an entry may be. It leaves out signing and submitting (`cli`).
//!
//! Invariant: every entry sums to zero, and all of them together to what the file says.

use std::collections::BTreeMap;
use std::io::BufRead;

use formats::books::{Outcome, Stop};
use formats::csv::budget::Numbers;
use formats::kostra::{self, KostraError};
use formats::saft::{self, ReadError, Sink, Summary};
use ledger::account::Account;
use ledger::amount::{Amount, Total};
use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::refusal::AMOUNT_MAX;
use ledger::time::Date;
use ledger::transaction::{EntryKind, EntryLine, LINES_MAX, ManualEntry, OpeningLine, Operation};

/// Why a file's history is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The file is no SAF-T that is read.
    #[error(transparent)]
    Saft(#[from] ReadError),
    /// The file is no KOSTRA file.
    #[error(transparent)]
    Kostra(#[from] KostraError),
    /// Another entity's books.
    #[error("the file holds the books of {found}, not of {asked}; name the right one")]
    OtherEntity {
        /// Whose books the file holds.
        found: OrgNumber,
        /// Whose were asked for.
        asked: OrgNumber,
    },
    /// An account that has no place in the ledger's charts.
    #[error("account {id:?} is none of the ledger's; add a line `{id};ACCOUNT` to the file of --accounts")]
    Account {
        /// Its number in the file.
        id: String,
    },
    /// Something that does not add up.
    #[error("{what}: the lines sum to {sum}, not to zero; {remedy}")]
    Unbalanced {
        /// What.
        what: String,
        /// The sum, debit positive.
        sum: Total,
        /// What to do.
        remedy: &'static str,
    },
    /// An amount beyond the ledger's bounds.
    #[error("{what}: {amount} is more than an entry's line holds; split it in the earlier system")]
    TooLarge {
        /// What.
        what: String,
        /// The amount.
        amount: Total,
    },
    /// A record that is none of the ledger's charts.
    #[error("line {line}: the ledger has no such account, or the amount is none; correct it")]
    Record {
        /// Where it stands, from 1.
        line: u64,
    },
    /// Whoever takes the entries stopped.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

impl MigrateError {
    /// The id of the rule that refuses, where one does.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Saft(error) => error.rule(),
            Self::Kostra(_) | Self::Record { .. } => Some("F-KOSTRA"),
            Self::OtherEntity { .. } | Self::Account { .. } | Self::Unbalanced { .. } => Some("F-SAFT"),
            Self::TooLarge { .. } => Some("L21"),
            Self::Stopped(_) => None,
        }
    }
}

/// For whom history is made, and how.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whose books.
    pub entity: OrgNumber,
    /// Commitment to the file and what documents it.
    pub content: Digest,
    /// Where accounts stand that the ledger's charts do not have under their own numbers.
    pub accounts: BTreeMap<String, Account>,
    /// Where the difference of opening balances goes that do not net to zero.
    pub difference: Option<Account>,
}

impl Terms {
    fn entry(&self, date: Date, lines: Vec<EntryLine>) -> Operation {
        let (entity, content) = (self.entity, self.content);
        Operation::Enter(ManualEntry { entity, date, kind: EntryKind::History, lines, content })
    }
}

/// What a file's history came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Accounts with an opening balance.
    pub openings: u64,
    /// Vouchers of the earlier system that hold an amount.
    pub vouchers: u64,
    /// Vouchers that hold none.
    pub empty: u64,
    /// Entries made of them.
    pub entries: u64,
    /// Codes of cost centres and projects that are no numbers, and the numbers they got.
    pub numbers: Numbers,
}

/// Cuts lines that sum to zero into entries of at most [`LINES_MAX`] lines which each do: the largest
/// line is booked in shares, one for what is left over in each entry.
pub fn cut(mut lines: Vec<EntryLine>) -> Vec<Vec<EntryLine>> {
    if lines.len() <= LINES_MAX {
        return vec![lines];
    }
    let largest = (0..lines.len()).max_by_key(|place| lines[*place].amount.magnitude()).unwrap_or_default();
    let shared = lines.swap_remove(largest);
    let mut entries: Vec<Vec<EntryLine>> = Vec::new();
    for part in lines.chunks(LINES_MAX - 1) {
        let rest: i64 = part.iter().map(|line| line.amount.0).sum();
        let share = EntryLine { amount: Amount(-rest), ..shared };
        let share = Some(share).filter(|share| share.amount != Amount::ZERO);
        entries.push(part.iter().copied().chain(share).collect());
    }
    entries
}

/// Makes operations of a SAF-T file, in its order: the opening balance, then every voucher. Memory is
/// that of the accounts and one voucher.
///
/// # Errors
/// [`MigrateError`]; what was given before the failure stays given.
pub fn saft<R: BufRead>(
    source: R,
    terms: &Terms,
    each: &mut dyn FnMut(Operation) -> Outcome,
) -> Result<(Summary, Taken), MigrateError> {
    let mut history =
        History { terms, each, first: None, openings: Vec::new(), taken: Taken::default(), failure: None };
    let read = saft::read(source, &mut history);
    if let Some(failure) = history.failure.take() {
        return Err(failure);
    }
    let summary = read?;
    history.open()?;
    Ok((summary, history.taken))
}

struct History<'a> {
    terms: &'a Terms,
    each: &'a mut dyn FnMut(Operation) -> Outcome,
    // First day of the file's first period.
    first: Option<Date>,
    openings: Vec<EntryLine>,
    taken: Taken,
    // What a sink says of itself must pass through `Stop`, which has no kinds.
    failure: Option<MigrateError>,
}

impl History<'_> {
    fn place(&self, id: &str) -> Result<Account, MigrateError> {
        let known = self.terms.accounts.get(id).copied().or_else(|| Account::parse(id));
        known.ok_or_else(|| MigrateError::Account { id: id.to_string() })
    }

    /// Gives the opening balance, once.
    fn open(&mut self) -> Result<(), MigrateError> {
        let mut lines = std::mem::take(&mut self.openings);
        let Some(date) = self.first.filter(|_| !lines.is_empty()) else { return Ok(()) };
        let sum: Total = lines.iter().map(|line| line.amount).sum();
        if sum.0 != 0 {
            let what = || "opening balances".to_string();
            let remedy = "name --difference ACCOUNT to book the difference there";
            let account = self.terms.difference.ok_or_else(|| MigrateError::Unbalanced {
                what: what(),
                sum,
                remedy,
            })?;
            let amount = i64::try_from(-sum.0).ok().map(Amount);
            let amount = amount.filter(|amount| amount.magnitude() <= AMOUNT_MAX.magnitude());
            let amount = amount.ok_or_else(|| MigrateError::TooLarge { what: what(), amount: sum })?;
            lines.push(EntryLine { account, amount, cost_centre: None, project: None });
        }
        if lines.len() <= LINES_MAX {
            let lines =
                lines.into_iter().map(|line| OpeningLine { account: line.account, amount: line.amount });
            let operation = Operation::OpenBooks { entity: self.terms.entity, date, lines: lines.collect() };
            return Ok((self.each)(operation)?);
        }
        for lines in cut(lines) {
            (self.each)(self.terms.entry(date, lines))?;
        }
        Ok(())
    }

    fn voucher(&mut self, entry: &saft::Entry) -> Result<(), MigrateError> {
        self.open()?;
        let what = || format!("voucher {}", entry.id);
        let mut lines = Vec::with_capacity(entry.lines.len());
        for line in entry.lines.iter().filter(|line| line.amount != Amount::ZERO) {
            let account = self.place(&line.account)?;
            if line.amount.magnitude() > AMOUNT_MAX.magnitude() {
                let amount = Total(line.amount.0.into());
                return Err(MigrateError::TooLarge { what: what(), amount });
            }
            let mut number = |kind: &str| {
                let code = line.dimensions.iter().find(|(dimension, _)| dimension == kind);
                code.map(|(_, code)| self.taken.numbers.number(code)).transpose().map_err(Stop::new)
            };
            let (cost_centre, project) = (number("A")?, number("P")?);
            lines.push(EntryLine { account, amount: line.amount, cost_centre, project });
        }
        if lines.is_empty() {
            self.taken.empty += 1;
            return Ok(());
        }
        let sum: Total = lines.iter().map(|line| line.amount).sum();
        if sum.0 != 0 {
            let remedy = "correct it in the earlier system and export again";
            return Err(MigrateError::Unbalanced { what: what(), sum, remedy });
        }
        self.taken.vouchers += 1;
        for lines in cut(lines) {
            self.taken.entries += 1;
            (self.each)(self.terms.entry(entry.date, lines))?;
        }
        Ok(())
    }

    fn pass(&mut self, result: Result<(), MigrateError>) -> Outcome {
        result.map_err(|error| {
            let stop = Stop::new(error.to_string());
            self.failure = Some(error);
            stop
        })
    }
}

impl Sink for History<'_> {
    fn header(&mut self, header: &saft::Header) -> Outcome {
        let (found, asked) = (header.entity, self.terms.entity);
        self.first = header.periods.and_then(|(first, _)| Date::new(first.number() * 100 + 1).ok());
        let same = if found == asked { Ok(()) } else { Err(MigrateError::OtherEntity { found, asked }) };
        self.pass(same)
    }

    fn account(&mut self, account: &saft::Account) -> Outcome {
        if account.opening == Amount::ZERO {
            return Ok(());
        }
        let placed = self.place(&account.id).map(|place| {
            self.taken.openings += 1;
            let (cost_centre, project) = (None, None);
            self.openings.push(EntryLine { account: place, amount: account.opening, cost_centre, project });
        });
        self.pass(placed)
    }

    fn entry(&mut self, entry: &saft::Entry) -> Outcome {
        let taken = self.voucher(entry);
        self.pass(taken)
    }
}

/// Makes entries of a KOSTRA file's records on one day; what they sum to goes against one account.
///
/// # Errors
/// [`MigrateError`].
pub fn kostra<R: BufRead>(
    source: R,
    terms: &Terms,
    (date, against): (Date, Account),
) -> Result<(Vec<Operation>, Taken), MigrateError> {
    let mut taken = Taken::default();
    let mut lines = Vec::new();
    let mut odd = None;
    kostra::read(source, &mut |line, record| {
        let (account, thousands) = match (record.account(), record.thousands()) {
            (Some(account), Some(thousands)) => (account, thousands),
            _ => {
                odd.get_or_insert(line);
                return Ok(());
            }
        };
        // Nine characters of thousands.
        let ore = thousands.saturating_mul(100_000);
        if ore == 0 {
            taken.empty += 1;
        } else {
            taken.vouchers += 1;
            lines.push(EntryLine { account, amount: Amount(ore), cost_centre: None, project: None });
        }
        Ok(())
    })?;
    if let Some(line) = odd {
        return Err(MigrateError::Record { line });
    }
    let sum: Total = lines.iter().map(|line| line.amount).sum();
    let what = || "the file's records".to_string();
    let rest = i64::try_from(-sum.0).map_err(|_| MigrateError::TooLarge { what: what(), amount: sum })?;
    if rest != 0 {
        lines.push(EntryLine { account: against, amount: Amount(rest), cost_centre: None, project: None });
    }
    let operations: Vec<Operation> = cut(lines).into_iter().map(|lines| terms.entry(date, lines)).collect();
    taken.entries = operations.len() as u64;
    Ok((operations, taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l1_l21_what_is_longer_than_an_entry_is_cut_into_entries_that_sum_to_zero() {
        let line = |n: u16, ore| EntryLine {
            account: Account::balance(n, 0),
            amount: Amount(ore),
            cost_centre: None,
            project: None,
        };
        for count in [2, 120, 121, 239, 240, 1000_u16] {
            let mut lines: Vec<_> = (1..count).map(|n| line(n, i64::from(n) - 40)).collect();
            lines.retain(|line| line.amount != Amount::ZERO);
            let sum: i64 = lines.iter().map(|line| line.amount.0).sum();
            lines.push(line(count, -sum));
            let mut before: BTreeMap<Account, i64> = BTreeMap::new();
            lines.iter().for_each(|line| *before.entry(line.account).or_default() += line.amount.0);
            let mut after: BTreeMap<Account, i64> = BTreeMap::new();
            for entry in cut(lines) {
                assert!((2..=LINES_MAX).contains(&entry.len()), "{count}: {}", entry.len());
                assert_eq!(entry.iter().map(|line| line.amount.0).sum::<i64>(), 0);
                entry.iter().for_each(|line| *after.entry(line.account).or_default() += line.amount.0);
            }
            assert_eq!(after, before);
        }
    }
}
