//! Budgets as Norwegian municipalities publish them: a row for each art, ansvar, service and project.
//!
//! The account of five digits is account class, art and the municipality's own last digit; the first
//! three digits of the service (tjeneste) are the function. It leaves out the texts beside the codes.
//!
//! Invariant: each row is one account and one whole amount, or the file is refused with its line.

use std::collections::BTreeMap;
use std::io::BufRead;

use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};

use super::{CsvError, Decimals, Table, amount, malformed};
use crate::books::Outcome;

/// What the columns of a file are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Between fields.
    pub separator: u8,
    /// Class, art and own digit.
    pub account: &'static str,
    /// Cost centre (ansvar).
    pub cost_centre: &'static str,
    /// Service (tjeneste), five digits.
    pub service: &'static str,
    /// Project (prosjekt), where the file has it.
    pub project: Option<&'static str>,
    /// A dimension of the municipality's own, where the file has it.
    pub free: Option<&'static str>,
    /// What is budgeted, expense positive.
    pub amount: &'static str,
    /// Whether rows may hold fields that no column names; they are passed over and counted.
    pub unnamed: bool,
}

impl Columns {
    /// Stavanger's operating budget of 2016, in which 347 rows hold two fields more than the first.
    pub const STAVANGER_OPERATING: Self = Self {
        separator: b';',
        account: "art",
        cost_centre: "ansvar",
        service: "tjeneste_nr",
        project: Some("prosjekt"),
        free: Some("fri_dim"),
        amount: "beloep",
        unnamed: true,
    };
    /// Stavanger's investment budget of 2016.
    pub const STAVANGER_INVESTMENT: Self =
        Self { service: "tjeneste", free: None, unnamed: false, ..Self::STAVANGER_OPERATING };
    /// Sogndal's operating budget of 2013, which has the accounts of 2011 (`rekneskap_2011`) and the
    /// budget of 2012 (`budsjett_2012`) beside.
    pub const SOGNDAL: Self = Self {
        separator: b';',
        account: "konto",
        cost_centre: "ansvar",
        service: "tjeneste",
        project: None,
        free: None,
        amount: "budsjett_2013",
        unnamed: false,
    };

    /// The form among these that a file has whose first line this is.
    pub fn of(first: &str) -> Option<Self> {
        let known = [Self::STAVANGER_OPERATING, Self::STAVANGER_INVESTMENT, Self::SOGNDAL];
        known.into_iter().find(|columns| {
            let separator = char::from(columns.separator);
            let heads: Vec<&str> = first
                .trim_start_matches('\u{feff}')
                .split(separator)
                .map(|head| head.trim().trim_matches('"'))
                .collect();
            let needed = [columns.account, columns.cost_centre, columns.service, columns.amount];
            let needed = needed.into_iter().chain(columns.project).chain(columns.free);
            needed.into_iter().all(|name| heads.contains(&name))
        })
    }
}

/// One row of a budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'r> {
    /// Where it stands in the file, from 1.
    pub line: u64,
    /// Class, function and art.
    pub account: Account,
    /// The municipality's own last digit of the account.
    pub digit: u8,
    /// Cost centre as it is written; [`Numbers`] makes a number of it.
    pub cost_centre: &'r str,
    /// Service, five digits.
    pub service: u32,
    /// Project as it is written, where there is one.
    pub project: Option<&'r str>,
    /// The municipality's own dimension as it is written, where there is one.
    pub free: Option<&'r str>,
    /// Expense positive, income negative.
    pub amount: Amount,
}

/// What a budget adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows.
    pub lines: u64,
    /// Of all amounts; a budget in balance has zero.
    pub sum: Total,
    /// Of the expenses.
    pub gross: Total,
    /// Rows with fields that no column names.
    pub unnamed: u64,
}

/// Reads a budget row by row.
///
/// # Errors
/// [`CsvError`], with the line.
pub fn read<R: BufRead>(
    source: R,
    columns: &Columns,
    each: &mut dyn FnMut(&Line<'_>) -> Outcome,
) -> Result<Summary, CsvError> {
    let mut table = Table::open(source, columns.separator)?;
    let place = |name: Option<&str>| name.map(|name| table.column(name)).transpose();
    let account = table.column(columns.account)?;
    let cost_centre = table.column(columns.cost_centre)?;
    let service = table.column(columns.service)?;
    let value = table.column(columns.amount)?;
    let (project, free) = (place(columns.project)?, place(columns.free)?);
    let mut summary = Summary::default();
    let named = table.columns();
    loop {
        let row = if columns.unnamed { table.next_row_or_longer()? } else { table.next_row()? };
        let Some(row) = row else { return Ok(summary) };
        summary.unnamed += u64::from(row.len() > named);
        let optional =
            |place: Option<usize>| place.map(|place| row.get(place).trim()).filter(|text| !text.is_empty());
        let digits = row.get(service).trim();
        let service = number(digits, 5).ok_or_else(|| {
            malformed(row.line, format!("{:?} is no service of five digits; correct it", short(digits)))
        })?;
        let code = row.get(account).trim();
        let (account, digit) = account_of(code, service).ok_or_else(|| {
            let reason = format!(
                "{:?} is no account of five digits that begins with class 0, 1 or 3; correct it",
                short(code)
            );
            malformed(row.line, reason)
        })?;
        let text = row.get(value);
        let amount = amount(text, Decimals::Comma).ok_or_else(|| {
            let reason = format!("{:?} is no amount; write it as 1 234,50 or -470000", short(text));
            malformed(row.line, reason)
        })?;
        let line = Line {
            line: row.line,
            account,
            digit,
            cost_centre: row.get(cost_centre).trim(),
            service,
            project: optional(project),
            free: optional(free),
            amount,
        };
        summary.lines += 1;
        summary.sum.add(amount);
        summary.gross.add(Amount(amount.0.max(0)));
        each(&line)?;
    }
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

fn number(text: &str, length: usize) -> Option<u32> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn account_of(code: &str, service: u32) -> Option<(Account, u8)> {
    let number = number(code, 5)?;
    let class = match number / 10_000 {
        1 => Class::Operating,
        // Stavanger numbers its investment accounts by 3, others by KOSTRA's own 0.
        0 | 3 => Class::Investment,
        _ => return None,
    };
    let account = Account::kostra(class, (service / 100) as u16, (number / 10 % 1000) as u16);
    Some((account, (number % 10) as u8))
}

/// The first number that is given to a code which is none itself.
const GIVEN_FROM: u32 = 900_000_001;
/// As many codes as a large city has cost centres, many times over.
const CODES_MAX: usize = 100_000;

/// Makes numbers of codes that are not all numbers (`30000S`, `F310`): the ledger's cost centres and
/// projects are numbers. A number below 900,000,000 without leading zeros stands for itself; any other
/// code gets the number that a table gives it, else the next from 900,000,001. Whoever uses it shows
/// [`Numbers::given`], so that the same codes get the same numbers the next time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    given: BTreeMap<String, u32>,
    used: BTreeMap<u32, String>,
}

/// Rule F-CSV: a table of numbers that is not one number for one code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumbersError {
    /// One number twice.
    #[error("number {number} is given to {first:?} and to {second:?}; give each code its own")]
    Twice {
        /// The number.
        number: u32,
        /// The code that had it.
        first: String,
        /// The code that would get it too.
        second: String,
    },
    /// More codes than there are numbers for.
    #[error("there are more than {CODES_MAX} codes that are no numbers; split the file")]
    TooMany,
}

impl Numbers {
    /// Gives a code its number.
    ///
    /// # Errors
    /// [`NumbersError`] when another code has the number.
    pub fn give(&mut self, code: &str, number: u32) -> Result<(), NumbersError> {
        match self.used.get(&number) {
            Some(first) if first != code => {
                Err(NumbersError::Twice { number, first: first.clone(), second: short(code) })
            }
            _ if self.given.get(code).is_some_and(|known| *known != number) => {
                let first = code.to_string();
                Err(NumbersError::Twice { number, second: first.clone(), first })
            }
            _ if self.given.len() >= CODES_MAX => Err(NumbersError::TooMany),
            _ => {
                self.given.insert(code.to_string(), number);
                self.used.insert(number, code.to_string());
                Ok(())
            }
        }
    }

    /// The number of a code; gives it one if it has none.
    ///
    /// # Errors
    /// [`NumbersError`] when there are too many codes, or a table gave a plain number to another.
    pub fn number(&mut self, code: &str) -> Result<u32, NumbersError> {
        if let Some(number) = self.given.get(code) {
            return Ok(*number);
        }
        let digits = !code.starts_with('0') && code.len() <= 9 && code.bytes().all(|b| b.is_ascii_digit());
        if let Some(number) = code.parse::<u32>().ok().filter(|number| digits && *number < GIVEN_FROM - 1) {
            return match self.used.get(&number) {
                Some(first) => {
                    Err(NumbersError::Twice { number, first: first.clone(), second: code.to_string() })
                }
                None => Ok(number),
            };
        }
        let last = self.used.range(GIVEN_FROM..).next_back().map(|(number, _)| *number);
        let number =
            last.map_or(Some(GIVEN_FROM), |last| last.checked_add(1)).ok_or(NumbersError::TooMany)?;
        self.give(code, number)?;
        Ok(number)
    }

    /// Every code that is not its own number, with its number, in order of code.
    pub fn given(&self) -> impl Iterator<Item = (&str, u32)> {
        self.given.iter().map(|(code, number)| (code.as_str(), *number))
    }
}
