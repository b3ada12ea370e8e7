//! KOSTRA accounts: what a municipality sends Statistics Norway of its appropriation accounts (0A)
//! and balance (0B), and the same for counties, undertakings and consolidated accounts, as records
//! of 48 characters in whole thousands.
//!
//! [`read`] streams a file record by record, [`Checker`] says what Statistics Norway's controls 003
//! to 015 will say of it, [`from_balances`] makes records of the books and [`write`] a file of them.
//! It leaves out the form around the file, the controls 020 and on (combinations are rule L3 of the
//! ledger, sums are the books'), and accounts outside the ledger's charts: health trusts and parishes
//! are read and checked, not written.
//!
//! Invariant: a [`Record`] has 48 ASCII characters, and each class's records add up to the class's
//! balances rounded once.

mod check;
mod form;

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _, Write};

use ledger::account::{Account, Class};
use ledger::amount::{Amount, Total};
use ledger::entity::OrgNumber;

pub use check::{Checker, Codes, Expected, FINDINGS_MAX, Finding, Report, Severity};
pub use form::{Form, Lists};

/// Characters of a record.
pub const RECORD_CHARS: usize = 48;
/// A municipality sends a few thousand records; more than this is no such file.
pub const RECORDS_MAX: u64 = 200_000;
/// What nine characters hold.
const THOUSANDS_MAX: i128 = 999_999_999;
/// The same with a sign in front.
const THOUSANDS_MIN: i128 = -99_999_999;
/// Øre in a thousand kroner.
const THOUSAND: i128 = 100_000;

/// Why a file is not read or not written. Rule F-KOSTRA.
#[derive(Debug, thiserror::Error)]
pub enum KostraError {
    /// The file could not be read or written.
    #[error("the file could not be read or written: {0}")]
    Io(#[from] io::Error),
    /// A line of another length.
    #[error("line {line} has {found} characters, a record has {RECORD_CHARS}; export the file again")]
    Length {
        /// Which, from 1.
        line: u64,
        /// How many; more than 64 are not counted.
        found: usize,
    },
    /// A character outside ASCII.
    #[error("line {line} holds a character that is no letter, digit, sign or space; export the file again")]
    Character {
        /// Which, from 1.
        line: u64,
    },
    /// Too many lines.
    #[error("the file has more than {RECORDS_MAX} records; send one entity's accounts at a time")]
    TooMany,
    /// A form that is not known.
    #[error("form {given:?} is none of 0A to 0Q, 0X, 0Y; name one that is")]
    Form {
        /// What was given, shortened.
        given: String,
    },
    /// A heading that no record has.
    #[error("{field} {given:?} does not fit a record; {remedy}")]
    Heading {
        /// Which field.
        field: &'static str,
        /// What was given, shortened.
        given: String,
        /// What to do.
        remedy: &'static str,
    },
    /// An account of another chart than the form's.
    #[error("account {account} has no place in form {form}; report it from the books it belongs to")]
    Account {
        /// Which.
        account: Account,
        /// The form.
        form: &'static str,
    },
    /// An amount that nine characters do not hold.
    #[error("account {account} stands at {thousands} thousand, more than a record states; check the books")]
    Amount {
        /// Which.
        account: Account,
        /// How much, in thousands of kroner.
        thousands: i128,
    },
}

/// What all records of a file have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Which accounts.
    pub form: &'static Form,
    /// The year reported (årgang).
    pub year: u16,
    /// The quarter, 1 to 4; `None` for the accounts of the year.
    pub quarter: Option<u8>,
    /// Six digits: the municipality's number and `00`, or that of a city district.
    pub region: String,
    /// Whose accounts, where they are not the municipality's own.
    pub entity: Option<OrgNumber>,
    /// The undertaking, in the forms that ask for one.
    pub undertaking: Option<OrgNumber>,
}

impl Heading {
    /// The first 31 characters of each record.
    fn text(&self) -> Result<String, KostraError> {
        let heading = |field, given: &str, remedy| KostraError::Heading {
            field,
            given: given.chars().take(20).collect(),
            remedy,
        };
        if !(1000..=9999).contains(&self.year) {
            return Err(heading("year", &self.year.to_string(), "write four digits"));
        }
        if self.quarter.is_some_and(|quarter| !(1..=4).contains(&quarter)) {
            let quarter = self.quarter.unwrap_or_default().to_string();
            return Err(heading("quarter", &quarter, "write 1 to 4, or none for the year"));
        }
        if self.region.len() != 6 || !self.region.bytes().all(|b| b.is_ascii_digit()) {
            return Err(heading(
                "region",
                &self.region,
                "write the municipality's four digits and 00, or six digits of a district",
            ));
        }
        let number = |number: Option<OrgNumber>| number.map(|n| n.to_string()).unwrap_or_default();
        let quarter = self.quarter.map_or(' ', |quarter| char::from(b'0' + quarter));
        let (entity, undertaking) = (number(self.entity), number(self.undertaking));
        let (form, year, region) = (self.form.code, self.year, &self.region);
        Ok(format!("{form}{year}{quarter}{region}{entity:9}{undertaking:9}"))
    }
}

/// One record: an amount on one account, as its 48 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record {
    text: [u8; RECORD_CHARS],
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Record {
    /// A record of the heading's file.
    ///
    /// # Errors
    /// [`KostraError::Heading`], [`KostraError::Account`], [`KostraError::Amount`].
    pub fn new(heading: &Heading, account: Account, thousands: i128) -> Result<Self, KostraError> {
        let head = heading.text()?;
        let form = heading.form;
        let class = match account.class {
            Class::Investment => '0',
            Class::Operating => '1',
            Class::Balance => '2',
            Class::State | Class::Private => return Err(KostraError::Account { account, form: form.code }),
        };
        if !form.classes.contains(class) {
            return Err(KostraError::Account { account, form: form.code });
        }
        if !(THOUSANDS_MIN..=THOUSANDS_MAX).contains(&thousands) {
            return Err(KostraError::Amount { account, thousands });
        }
        let (place, kind) = match account.class {
            Class::Balance => (account.code.to_string(), account.sector),
            _ => (format!("{:03}", account.function), account.code),
        };
        let line = format!("{head}{class}{place:4}{kind:03}{thousands:9}");
        Self::parse(line.as_bytes(), 0).map_err(|_| KostraError::Account { account, form: form.code })
    }

    fn parse(bytes: &[u8], line: u64) -> Result<Self, KostraError> {
        let text = <[u8; RECORD_CHARS]>::try_from(bytes)
            .map_err(|_| KostraError::Length { line, found: bytes.len() })?;
        if text.iter().all(|b| matches!(b, b' '..=b'~' | b'\t')) {
            Ok(Self { text })
        } else {
            Err(KostraError::Character { line })
        }
    }

    /// The 48 characters.
    pub fn as_str(&self) -> &str {
        self.part(1, RECORD_CHARS)
    }

    /// Characters by their place in the specification, from 1.
    fn part(&self, from: usize, size: usize) -> &str {
        let bytes = self.text.get(from - 1..from - 1 + size).unwrap_or_default();
        // ASCII by the invariant.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Form (skjema), such as `0A`.
    pub fn form(&self) -> &str {
        self.part(1, 2)
    }

    /// Year (årgang).
    pub fn year(&self) -> &str {
        self.part(3, 4)
    }

    /// Quarter, or a space for the year.
    pub fn quarter(&self) -> &str {
        self.part(7, 1)
    }

    /// Region.
    pub fn region(&self) -> &str {
        self.part(8, 6)
    }

    /// Organisation number, or nine spaces.
    pub fn entity(&self) -> &str {
        self.part(14, 9)
    }

    /// The undertaking's number, or nine spaces.
    pub fn undertaking(&self) -> &str {
        self.part(23, 9)
    }

    /// Account class (kontoklasse).
    pub fn class(&self) -> &str {
        self.part(32, 1)
    }

    /// Function, or chapter of the balance.
    pub fn place(&self) -> &str {
        self.part(33, 4)
    }

    /// Art, or sector of the balance.
    pub fn kind(&self) -> &str {
        self.part(37, 3)
    }

    /// The amount as written.
    pub fn amount(&self) -> &str {
        self.part(40, 9)
    }

    /// The amount in thousands of kroner; `None` when it is written otherwise than control 014 asks.
    pub fn thousands(&self) -> Option<i64> {
        let text = self.amount().trim_start_matches(' ');
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten()
    }

    /// The account of the ledger that the record stands for; `None` in classes 3 to 5 and for codes
    /// that are no numbers.
    pub fn account(&self) -> Option<Account> {
        let (place, kind) = (code(self.place())?, code(self.kind())?);
        match self.class() {
            "0" => Some(Account::kostra(Class::Investment, place, kind)),
            "1" => Some(Account::kostra(Class::Operating, place, kind)),
            "2" => Some(Account::balance(place, kind)),
            _ => None,
        }
    }
}

/// A code as a number: digits from the left, then spaces.
fn code(text: &str) -> Option<u16> {
    let digits = text.trim_end_matches(' ');
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Reads a file record by record; lines end with a line feed, with or without a carriage return.
/// Nothing but the current line is kept.
///
/// # Errors
/// [`KostraError`], at the first line that is no record, or what `each` answers.
pub fn read<R: BufRead>(
    mut input: R,
    each: &mut dyn FnMut(u64, Record) -> Result<(), KostraError>,
) -> Result<u64, KostraError> {
    let mut line = Vec::with_capacity(64);
    let mut number = 0;
    loop {
        line.clear();
        if input.by_ref().take(64).read_until(b'\n', &mut line)? == 0 {
            return Ok(number);
        }
        number += 1;
        if number > RECORDS_MAX {
            return Err(KostraError::TooMany);
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        each(number, Record::parse(text, number)?)?;
    }
}

/// Writes records as a file: a line feed between two records and none after the last.
///
/// # Errors
/// Those of the writer.
pub fn write<'r, W: Write>(records: impl IntoIterator<Item = &'r Record>, mut out: W) -> io::Result<()> {
    for (number, record) in records.into_iter().enumerate() {
        if number > 0 {
            out.write_all(b"\n")?;
        }
        out.write_all(&record.text)?;
    }
    out.flush()
}

/// Records of the heading's form from balances of accounts in øre, in the order of the accounts.
/// Accounts of other classes than the form's are passed over: one trial balance gives 0A and 0B.
///
/// Every amount becomes whole thousands such that the records of each class add up to the class's
/// sum, rounded once: all are rounded down, and the thousands still missing go to the accounts that
/// lost most, in case of equal loss to the first. An account that ends at zero has no record.
///
/// # Errors
/// [`KostraError::Heading`], [`KostraError::Account`] for an account of a state or private chart,
/// [`KostraError::Amount`].
pub fn from_balances(
    heading: &Heading,
    balances: impl IntoIterator<Item = (Account, Amount)>,
) -> Result<Vec<Record>, KostraError> {
    let form = heading.form;
    if !form.classes.contains(['0', '1', '2']) {
        let remedy = "write 0A to 0D; undertakings and parishes have other charts than the ledger's";
        return Err(KostraError::Heading { field: "form", given: form.code.to_string(), remedy });
    }
    let mut classes: BTreeMap<Class, BTreeMap<Account, i128>> = BTreeMap::new();
    for (account, amount) in balances {
        if matches!(account.class, Class::State | Class::Private) {
            return Err(KostraError::Account { account, form: form.code });
        }
        let accounts = classes.entry(account.class).or_default();
        *accounts.entry(account).or_default() += i128::from(amount.0);
    }
    let mut records = Vec::new();
    for (class, accounts) in classes {
        let digit = match class {
            Class::Investment => '0',
            Class::Operating => '1',
            Class::Balance => '2',
            Class::State | Class::Private => continue,
        };
        if form.classes.contains(digit) {
            for (account, thousands) in rounded(&accounts) {
                if thousands != 0 {
                    records.push(Record::new(heading, account, thousands)?);
                }
            }
        }
    }
    Ok(records)
}

/// Largest remainder: see [`from_balances`].
fn rounded(accounts: &BTreeMap<Account, i128>) -> Vec<(Account, i128)> {
    let sum: i128 = accounts.values().sum();
    // The nearest thousand, a half away from zero.
    let target = (sum.abs() + THOUSAND / 2) / THOUSAND * sum.signum();
    let mut parts: Vec<_> =
        accounts.iter().map(|(account, ore)| (*account, ore.div_euclid(THOUSAND))).collect();
    let missing = target - parts.iter().map(|(_, thousands)| thousands).sum::<i128>();
    let mut by_loss: Vec<_> = accounts.values().map(|ore| ore.rem_euclid(THOUSAND)).enumerate().collect();
    by_loss.sort_by_key(|(place, loss)| (-loss, *place));
    let missing = usize::try_from(missing).unwrap_or(0);
    for (place, _) in by_loss.into_iter().take(missing) {
        parts[place].1 += 1;
    }
    parts
}

/// The sum of balances of one class, which its records keep to the nearest thousand.
pub fn class_sum(balances: &[(Account, Amount)], class: Class) -> Total {
    balances.iter().filter(|(account, _)| account.class == class).map(|(_, amount)| *amount).sum()
}

#[cfg(test)]
#[path = "kostra/tests.rs"]
mod tests;
