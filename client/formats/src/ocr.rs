//! Payments that the bank sends as a Nets OCR giro file: lines of 80 characters, each payment with
//! the reference (KID) that the payer gave.
//!
//! It leaves out who paid: the payer's account and the lines with names are passed over and never
//! returned. Agreements on direct debit (AvtaleGiro) are recognised and refused, they are no payments.
//!
//! Invariant: when [`read`] returns, every payment was told apart by a reference of its own, and the
//! counts, sums and dates of the file's end records were those of its payments. A caller that books
//! as it reads must not make it final before that.

use std::io::{self, BufRead, Read as _};

use ledger::amount::{Amount, Total};
use ledger::time::{Date, DateError};
use ledger::transaction::KidRule;

use crate::bank::{AccountNumber, AccountNumberError, Kid};

/// Characters of a line.
const LINE_CHARS: usize = 80;
/// A file of one day holds some hundred thousand lines at most.
pub const LINES_MAX: u64 = 5_000_000;

/// Why a file is not read. Rule F-OCR.
#[derive(Debug, thiserror::Error)]
pub enum OcrError {
    /// The file could not be read.
    #[error("the file could not be read: {0}")]
    Io(#[from] io::Error),
    /// Agreements, not payments.
    #[error(
        "line {line}: the file holds AvtaleGiro agreements, not payments; give it to the system that keeps them"
    )]
    Agreements {
        /// Where that was seen.
        line: u64,
    },
    /// A line that is none of this format.
    #[error("line {line}: {reason}; fetch the file again or ask the bank")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What about it.
        reason: String,
    },
    /// An end record that its payments do not bear out.
    #[error(
        "line {line}: the end record states {stated} {what}, the file holds {found}; fetch the file again, parts are missing or doubled"
    )]
    Total {
        /// Which, from 1.
        line: u64,
        /// Payments, records, or øre.
        what: &'static str,
        /// What is stated.
        stated: i128,
        /// What was read.
        found: i128,
    },
    /// What the caller answered to a payment.
    #[error("line {line}: {reason}")]
    Caller {
        /// The payment's line.
        line: u64,
        /// In the caller's words.
        reason: String,
    },
}

/// How the payment was made (transaksjonstype).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Giro debited an account.
    Giro = 10,
    /// Standing order.
    StandingOrder = 11,
    /// Direct remittance.
    DirectRemittance = 12,
    /// Business terminal.
    BusinessTerminal = 13,
    /// Over a counter.
    Counter = 14,
    /// Direct debit (AvtaleGiro).
    DirectDebit = 15,
    /// By telephone or net bank (telegiro).
    TeleGiro = 16,
    /// Giro paid in cash.
    CashGiro = 17,
    /// A purchase with KID taken back.
    ReversalWithKid = 18,
    /// A purchase with KID.
    PurchaseWithKid = 19,
    /// A purchase with a text taken back.
    ReversalWithText = 20,
    /// A purchase with a text.
    PurchaseWithText = 21,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Giro,
        Self::StandingOrder,
        Self::DirectRemittance,
        Self::BusinessTerminal,
        Self::Counter,
        Self::DirectDebit,
        Self::TeleGiro,
        Self::CashGiro,
        Self::ReversalWithKid,
        Self::PurchaseWithKid,
        Self::ReversalWithText,
        Self::PurchaseWithText,
    ];
}

/// A payment that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The line of its first record, from 1.
    pub line: u64,
    /// The account that it came in on.
    pub account: AccountNumber,
    /// The reference, when the payee's agreement takes it.
    pub kid: Option<Kid>,
    /// The reference as stated when the agreement does not take it: a case for a person to look at.
    pub refused_kid: Option<String>,
    /// In øre; negative for what was taken back.
    pub amount: Amount,
    /// When Nets settled it.
    pub date: Date,
    /// How it was made.
    pub kind: Kind,
    /// Nets' name for it: transmission, assignment and number, which no other payment has.
    pub reference: String,
    /// Archive reference at the payer's bank.
    pub archive: String,
}

/// What the file held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Nets' number of the file.
    pub transmission: String,
    /// Lines.
    pub records: u64,
    /// Payments.
    pub payments: u64,
    /// Their sum.
    pub sum: Total,
    /// Payments whose KID the agreement does not take.
    pub refused_kids: u64,
}

/// One line.
struct Line<'l> {
    number: u64,
    text: &'l str,
}

impl<'l> Line<'l> {
    /// Characters by place, from 1, both ends included.
    fn part(&self, from: usize, to: usize) -> &'l str {
        self.text.get(from - 1..to).unwrap_or("")
    }

    fn wrong(&self, reason: impl Into<String>) -> OcrError {
        OcrError::Line { line: self.number, reason: reason.into() }
    }

    fn digits(&self, what: &str, from: usize, to: usize) -> Result<u64, OcrError> {
        let text = self.part(from, to);
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| plain)
            .ok_or_else(|| self.wrong(format!("{what} {text:?} is not a number")))
    }

    /// `DDMMYY`.
    fn date(&self, from: usize) -> Result<Date, OcrError> {
        let number = self.digits("date", from, from + 5)? as u32;
        let (day, month, year) = (number / 10_000, number / 100 % 100, number % 100);
        // The format came in the seventies.
        let year = if year < 70 { 2000 + year } else { 1900 + year };
        Date::new(year * 10_000 + month * 100 + day).map_err(|error: DateError| self.wrong(error.to_string()))
    }

    fn account(&self, from: usize) -> Result<AccountNumber, OcrError> {
        AccountNumber::parse(self.part(from, from + 10))
            .map_err(|error: AccountNumberError| self.wrong(error.to_string()))
    }

    fn total(&self, what: &'static str, stated: u64, found: i128) -> Result<(), OcrError> {
        let stated = i128::from(stated);
        if stated == found { Ok(()) } else { Err(OcrError::Total { line: self.number, what, stated, found }) }
    }
}

/// Counts of an assignment or a transmission.
#[derive(Default)]
struct Counts {
    payments: u64,
    records: u64,
    sum: i128,
    first: Option<Date>,
    last: Option<Date>,
}

impl Counts {
    fn add(&mut self, amount: i64, date: Date) {
        self.payments += 1;
        self.sum += i128::from(amount);
        self.first = Some(self.first.map_or(date, |first| first.min(date)));
        self.last = Some(self.last.map_or(date, |last| last.max(date)));
    }

    fn check(&self, line: &Line<'_>) -> Result<(), OcrError> {
        line.total("payments", line.digits("count", 9, 16)?, i128::from(self.payments))?;
        line.total("records", line.digits("count", 17, 24)?, i128::from(self.records))?;
        line.total("øre", line.digits("sum", 25, 41)?, self.sum)
    }
}

struct Assignment {
    number: String,
    account: AccountNumber,
    counts: Counts,
    /// The payment whose second record was read, until the next begins.
    pending: Option<(Payment, bool)>,
    last: u64,
}

/// Reads a file, a payment at a time. `kid` says which check digit the account's agreement demands.
///
/// # Errors
/// [`OcrError`], at the first line that is wrong, or what `each` answers.
pub fn read<R: BufRead>(
    mut input: R,
    kid: &dyn Fn(&AccountNumber) -> KidRule,
    each: &mut dyn FnMut(Payment) -> Result<(), String>,
) -> Result<Summary, OcrError> {
    let mut reader = Reader { kid, each, transmission: None, all: Counts::default(), refused: 0, open: None };
    let mut bytes = Vec::with_capacity(LINE_CHARS + 2);
    let mut number = 0;
    loop {
        bytes.clear();
        if input.by_ref().take(LINE_CHARS as u64 + 20).read_until(b'\n', &mut bytes)? == 0 {
            let line = number + 1;
            return Err(OcrError::Line { line, reason: "the file ends before its end record".to_string() });
        }
        number += 1;
        let wrong = |reason: String| OcrError::Line { line: number, reason };
        if number > LINES_MAX {
            return Err(wrong(format!("more than {LINES_MAX} lines")));
        }
        // Names are in ISO 8859-1 or code page 865; only lines with names hold more than ASCII.
        let text: String = bytes.iter().map(|b| if b.is_ascii() { char::from(*b) } else { '?' }).collect();
        let text = text.trim_end_matches(['\r', '\n']);
        if text.len() != LINE_CHARS {
            return Err(wrong(format!("it has {} characters, a record has {LINE_CHARS}", text.len())));
        }
        if let Some(summary) = reader.line(&Line { number, text })? {
            let mut rest = Vec::new();
            input.take(LINE_CHARS as u64).read_to_end(&mut rest)?;
            if rest.iter().all(u8::is_ascii_whitespace) {
                return Ok(summary);
            }
            let reason = "something follows the end record".to_string();
            return Err(OcrError::Line { line: number + 1, reason });
        }
    }
}

struct Reader<'a> {
    kid: &'a dyn Fn(&AccountNumber) -> KidRule,
    each: &'a mut dyn FnMut(Payment) -> Result<(), String>,
    transmission: Option<String>,
    all: Counts,
    refused: u64,
    open: Option<Assignment>,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line<'_>) -> Result<Option<Summary>, OcrError> {
        self.all.records += 1;
        let (service, kind, record) = (line.part(3, 4), line.part(5, 6), line.part(7, 8));
        if line.part(1, 2) != "NY" {
            return Err(line.wrong("it does not begin with NY, as Nets' records do"));
        }
        if service == "21" {
            return Err(OcrError::Agreements { line: line.number });
        }
        match (service, kind, record) {
            ("00", "00", "10") if self.transmission.is_none() => {
                line.digits("transmission number", 17, 23)?;
                self.transmission = Some(line.part(17, 23).to_string());
                Ok(None)
            }
            ("09", "00", "20") if self.transmission.is_some() && self.open.is_none() => {
                line.digits("assignment number", 18, 24)?;
                let counts = Counts { records: 1, ..Counts::default() };
                let (number, account) = (line.part(18, 24).to_string(), line.account(25)?);
                self.open = Some(Assignment { number, account, counts, pending: None, last: 0 });
                Ok(None)
            }
            ("09", kind, "30" | "31" | "32") if self.open.is_some() => {
                self.item(line, kind, record).map(|()| None)
            }
            ("09", "00", "88") if self.open.is_some() => self.end(line).map(|()| None),
            ("00", "00", "89") if self.transmission.is_some() && self.open.is_none() => {
                self.all.check(line)?;
                Ok(Some(Summary {
                    transmission: self.transmission.clone().unwrap_or_default(),
                    records: self.all.records,
                    payments: self.all.payments,
                    sum: Total(self.all.sum),
                    refused_kids: self.refused,
                }))
            }
            _ => Err(line.wrong(format!(
                "a record of service {service}, kind {kind}, type {record} is unknown or out of its place"
            ))),
        }
    }

    fn item(&mut self, line: &Line<'_>, kind: &str, record: &str) -> Result<(), OcrError> {
        let Some(open) = self.open.as_mut() else { return Err(line.wrong("no assignment is open")) };
        let kind = Kind::ALL
            .into_iter()
            .find(|known| kind.parse() == Ok(*known as u8))
            .ok_or_else(|| line.wrong(format!("transaction kind {kind:?} is unknown")))?;
        let number = line.digits("payment number", 9, 15)?;
        if record == "30" {
            if number <= open.last {
                let last = open.last;
                return Err(
                    line.wrong(format!("payment {number} follows payment {last}, which is not before it"))
                );
            }
            self.give(line)?;
            return self.first(line, kind, number);
        }
        open.counts.records += 1;
        match open.pending.as_mut() {
            Some((payment, complete)) if number == open.last && payment.kind == kind => match record {
                "31" if !*complete => {
                    payment.archive = line.part(26, 34).to_string();
                    *complete = true;
                    Ok(())
                }
                // A name or message: none of it is kept.
                "32" if *complete => Ok(()),
                _ => Err(line.wrong(format!("record {record} of payment {number} is out of its place"))),
            },
            _ => Err(line.wrong(format!("record {record} belongs to no payment before it"))),
        }
    }

    fn first(&mut self, line: &Line<'_>, kind: Kind, number: u64) -> Result<(), OcrError> {
        let transmission = self.transmission.clone().unwrap_or_default();
        let Some(open) = self.open.as_mut() else { return Err(line.wrong("no assignment is open")) };
        let date = line.date(16)?;
        let unsigned = line.digits("amount", 33, 49)?;
        let amount = i64::try_from(unsigned).map_err(|_| line.wrong("the amount is too large"))?;
        let amount = match line.part(32, 32) {
            "0" | " " => amount,
            "-" => -amount,
            other => return Err(line.wrong(format!("the sign is {other:?}, neither 0 nor -"))),
        };
        let stated = line.part(50, 74).trim();
        let accepted = Kid::parse(stated, (self.kid)(&open.account));
        let refused_kid = (accepted.is_none() && !stated.is_empty()).then(|| stated.to_string());
        open.counts.records += 1;
        open.counts.add(amount, date);
        open.last = number;
        let payment = Payment {
            line: line.number,
            account: open.account.clone(),
            kid: accepted,
            refused_kid,
            amount: Amount(amount),
            date,
            kind,
            reference: format!("{transmission}/{}/{}", open.number, line.part(9, 15)),
            archive: String::new(),
        };
        open.pending = Some((payment, false));
        Ok(())
    }

    /// Gives the caller the payment that is complete, if one is.
    fn give(&mut self, line: &Line<'_>) -> Result<(), OcrError> {
        let pending = self.open.as_mut().and_then(|open| open.pending.take());
        match pending {
            None => Ok(()),
            Some((payment, true)) => {
                self.refused += u64::from(payment.refused_kid.is_some());
                let line = payment.line;
                (self.each)(payment).map_err(|reason| OcrError::Caller { line, reason })
            }
            Some((payment, false)) => {
                Err(line.wrong(format!("payment {} has no second record", payment.reference)))
            }
        }
    }

    fn end(&mut self, line: &Line<'_>) -> Result<(), OcrError> {
        self.give(line)?;
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.counts.records += 1;
        open.counts.check(line)?;
        for (what, from, found) in
            [("first date", 48, open.counts.first), ("last date", 54, open.counts.last)]
        {
            if let Some(found) = found {
                let stated = line.date(from)?;
                if stated != found {
                    return Err(
                        line.wrong(format!("the {what} stated is {stated}, the payments' is {found}"))
                    );
                }
            }
        }
        self.all.payments += open.counts.payments;
        self.all.sum += open.counts.sum;
        Ok(())
    }
}

#[cfg(test)]
#[path = "ocr_tests.rs"]
mod tests;
