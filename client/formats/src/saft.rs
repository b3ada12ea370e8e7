//! SAF-T Financial (Norwegian SAF-T, the Tax Administration's standard audit file): how one accounting
//! system hands its books to the next, and to whoever audits them.
//!
//! [`read`] streams versions 1.10, 1.20 and 1.30 to a [`Sink`], [`write()`] makes version 1.30 of any
//! [`Books`](crate::books::Books). Left out are SourceDocuments, goods and assets, contact persons,
//! addresses, bank accounts and free texts: the ledger keeps none of them, and they name persons.
//!
//! Sources: Norwegian SAF-T Financial data, documentation and technical description, version 1.30;
//! schemas and code lists of github.com/Skatteetaten/saf-t.
//!
//! Invariant: memory does not grow with the entries of a file, read or written; amounts are whole øre
//! on both sides.

mod balances;
pub mod grouping;
mod parts;
mod read;
mod write;

use std::fmt;

use ledger::amount::{Amount, Total};
use ledger::entity::OrgNumber;
use ledger::entry::Rate;
use ledger::time::{Date, Period};

use crate::books::{Outcome, Stop};
use crate::xml::events::EventsError;

pub use read::read;
pub use write::{Options, WriteError, Written, write};

/// The one namespace of all versions (the schema's targetNamespace).
pub const NAMESPACE: &str = "urn:StandardAuditFile-Taxation-Financial:NO";
/// A chart of accounts with every dimension written into it has fewer.
pub const ACCOUNTS_MAX: usize = 100_000;
/// Codes of a tax table; the standard list has thirty.
pub const TAX_CODES_MAX: usize = 10_000;
/// A month of salaries in one voucher has fewer.
pub const LINES_MAX: usize = 50_000;
/// Dimensions, or tax lines, of one line; balance accounts of one party.
pub const PARTS_MAX: usize = 100;
/// Findings that are kept; more are counted.
pub const FINDINGS_MAX: usize = 200;
/// The longest identification of any kind (SAFmiddle2textType).
pub const ID_CHARS_MAX: usize = 70;

/// Version of a file (Header/AuditFileVersion).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 1.10, also written 1.0 by its own example file.
    V1_10,
    /// 1.20, for periods to December 2024.
    V1_20,
    /// 1.30, for periods from January 2025.
    V1_30,
}

impl Version {
    /// Reads what stands in AuditFileVersion.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.0" | "1.00" | "1.1" | "1.10" => Some(Self::V1_10),
            "1.2" | "1.20" => Some(Self::V1_20),
            "1.3" | "1.30" => Some(Self::V1_30),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V1_10 => "1.10",
            Self::V1_20 => "1.20",
            Self::V1_30 => "1.30",
        })
    }
}

/// Whose books, from when to when (Header).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the file.
    pub version: Version,
    /// When it was made.
    pub created: Option<Date>,
    /// What made it: name and version.
    pub software: String,
    /// Whose books.
    pub entity: OrgNumber,
    /// Its name.
    pub name: String,
    /// First and last period, where the file names them. Periods past December are December.
    pub periods: Option<(Period, Period)>,
}

/// One account (MasterFiles/GeneralLedgerAccounts/Account).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number in the books that the file comes from.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Category and code that it is reported under: GroupingCategory and GroupingCode.
    pub grouping: Option<(String, String)>,
    /// Account of the standard chart, which versions before 1.30 allow instead (StandardAccountID).
    pub standard: Option<String>,
    /// Balance before the first period, debit positive.
    pub opening: Amount,
    /// Balance after the last period, debit positive.
    pub closing: Amount,
}

/// One code of the tax table (MasterFiles/TaxTable/TaxTableEntry/TaxCodeDetails).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaxCode {
    /// The code in the books that the file comes from.
    pub code: String,
    /// The standard tax code it stands for; none where the file says `NA` or nothing.
    pub standard: Option<u16>,
    /// Its rate.
    pub rate: Option<Rate>,
    /// Whether its VAT is compensated.
    pub compensation: bool,
}

/// One value of one dimension (MasterFiles/AnalysisTypeTable/AnalysisTypeTableEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimension {
    /// Which dimension: `A`, `P`.
    pub kind: String,
    /// What the dimension is called: `Avdeling`, `Prosjekt`.
    pub kind_name: String,
    /// The value.
    pub id: String,
    /// What the value is called; none where the dimension is one of persons.
    pub name: Option<String>,
}

/// Which list a party stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Customers.
    Customer,
    /// Suppliers.
    Supplier,
}

/// One party (MasterFiles/Customers/Customer, MasterFiles/Suppliers/Supplier).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Which list it stands in.
    pub role: Role,
    /// Its number in the books that the file comes from.
    pub id: String,
    /// Its organisation number, where it has a valid one.
    pub number: Option<OrgNumber>,
    /// Its name, where it has an organisation number: whoever has none may be a person.
    pub name: Option<String>,
    /// Account, opening and closing balance, debit positive.
    pub balances: Vec<(String, Amount, Amount)>,
}

/// One voucher (GeneralLedgerEntries/Journal/Transaction).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the books that the file comes from (TransactionID).
    pub id: String,
    /// The journal that it stands in (JournalID).
    pub journal: String,
    /// Accounting year (PeriodYear).
    pub year: u16,
    /// Accounting period of that year; past 12 where the system has closing periods (Period).
    pub period: u16,
    /// Posting date (GLPostingDate).
    pub date: Date,
    /// Date of the document (TransactionDate).
    pub document_date: Date,
    /// Sum of debits.
    pub debit: Total,
    /// Sum of credits, as a positive number.
    pub credit: Total,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Entry {
    /// Whether debit equals credit.
    pub fn is_balanced(&self) -> bool {
        self.debit == self.credit
    }
}

/// One line of a voucher (Transaction/Line).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its number in the voucher (RecordID).
    pub id: String,
    /// The account (AccountID).
    pub account: String,
    /// Debit positive, credit negative.
    pub amount: Amount,
    /// Dimension and value (Analysis).
    pub dimensions: Vec<(String, String)>,
    /// Number of the customer (CustomerID).
    pub customer: Option<String>,
    /// Number of the supplier (SupplierID).
    pub supplier: Option<String>,
    /// Number of the document (SourceDocumentID); none that could be a birth number.
    pub document: Option<String>,
    /// VAT (TaxInformation).
    pub tax: Vec<Tax>,
}

/// VAT of one line (Line/TaxInformation).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tax {
    /// A code of the tax table.
    pub code: String,
    /// The rate.
    pub rate: Option<Rate>,
    /// What the VAT is computed from.
    pub base: Option<Amount>,
    /// The VAT, debit positive.
    pub amount: Amount,
}

/// What a bookkeeper should know about a file that is taken all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the rule: `F-SAFT-OPENING`.
    pub rule: &'static str,
    /// What it is about: an account, a voucher, the file.
    pub place: String,
    /// What was found, what was expected, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.rule, self.place, self.message)
    }
}

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Accounts.
    pub accounts: u64,
    /// Parties.
    pub parties: u64,
    /// Vouchers.
    pub entries: u64,
    /// Lines of all vouchers.
    pub lines: u64,
    /// Sum of debits.
    pub debit: Total,
    /// Sum of credits, as a positive number.
    pub credit: Total,
    /// Sum of all opening balances, debit positive.
    pub opening: Total,
    /// Length of the file in bytes, as UTF-8.
    pub bytes: u64,
    /// What a bookkeeper should know, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
}

/// Why a file is not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no XML that is read. Rules F-XML and F-SIZE.
    #[error(transparent)]
    Xml(#[from] EventsError),
    /// It is no SAF-T that is read. Rules F-SAFT and F-SIZE.
    #[error("{place}, byte {offset}: {message}")]
    Refused {
        /// Id of the rule.
        rule: &'static str,
        /// Voucher, if one is open, and element.
        place: String,
        /// Where, in bytes of the decoded file.
        offset: u64,
        /// What was found, what was expected, and what to do.
        message: String,
    },
    /// Whoever takes the parts stopped.
    #[error(transparent)]
    Stopped(#[from] Stop),
}

impl ReadError {
    /// The id of the rule that refuses, where one does.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Xml(error) => error.rule(),
            Self::Refused { rule, .. } => Some(rule),
            Self::Stopped(_) => None,
        }
    }
}

/// Takes the parts of a file as they are read, in the order of the file. Each method may stop the
/// reading; those left out pass their part over.
pub trait Sink {
    /// Takes the header.
    ///
    /// # Errors
    /// [`Stop`] ends the reading.
    fn header(&mut self, header: &Header) -> Outcome {
        let _ = header;
        Ok(())
    }

    /// Takes an account.
    ///
    /// # Errors
    /// [`Stop`] ends the reading.
    fn account(&mut self, account: &Account) -> Outcome {
        let _ = account;
        Ok(())
    }

    /// Takes a party.
    ///
    /// # Errors
    /// [`Stop`] ends the reading.
    fn party(&mut self, party: &Party) -> Outcome {
        let _ = party;
        Ok(())
    }

    /// Takes a tax code.
    ///
    /// # Errors
    /// [`Stop`] ends the reading.
    fn tax_code(&mut self, code: &TaxCode) -> Outcome {
        let _ = code;
        Ok(())
    }

    /// Takes a value of a dimension.
    ///
    /// # Errors
    /// [`Stop`] ends the reading.
    fn dimension(&mut self, dimension: &Dimension) -> Outcome {
        let _ = dimension;
        Ok(())
    }

    /// Takes a voucher. It may be out of balance: then a finding F-SAFT-BALANCE says so.
    ///
    /// # Errors
    /// [`Stop`] ends the reading.
    fn entry(&mut self, entry: &Entry) -> Outcome {
        let _ = entry;
        Ok(())
    }
}

/// Takes nothing: for a file that is only judged.
impl Sink for () {}
