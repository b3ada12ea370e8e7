//! Records: what each register holds, and the key each record is found by.
//!
//! Everything that decides the future stands here as chain data, also what other programs keep as
//! constants: booking accounts, code lists with their dates, VAT rates. The module leaves out how
//! registers keep and commit to records (`registers`), and who may change them (`rules`).
//!
//! Invariant: a record's key never changes, and keys begin with the entity where the record belongs
//! to one, so that everything of an entity lies together.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::block::{Epoch, LeafIndex, View};
use crate::digest::Digest;
use crate::entity::{EntityKind, OrgNumber};
use crate::entry::{Rate, Voucher};
use crate::offence::OffenceKind;
use crate::registers::Record;
use crate::signature::PublicKey;
use crate::time::{Date, Period};
use crate::transaction::{
    BankReference, Books, Cell, DocumentId, Mandate, NewEntity, NewKey, PaymentId, ReasonCode, TransactionId,
};

mod budget;
mod governance;

pub use budget::{AppropriationRecord, BudgetRecord};
pub use governance::{EpochRecord, OffenceRecord, RootRecord, SeatRecord};

/// The one record of parameters: by which accounts the ledger books what nobody coded by hand.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ParameterRecord {
    /// Version of the booking rules below, from 1.
    pub version: u32,
    /// Accounts that municipalities are booked on.
    pub municipality: KostraAccounts,
    /// Accounts that counties are booked on.
    pub county: KostraAccounts,
    /// Accounts that state bodies are booked on.
    pub state: ChartAccounts,
    /// Accounts that private parties are booked on.
    pub private: ChartAccounts,
    /// Which output VAT code a buyer's input VAT code stands for in the seller's books; in order of
    /// input code. A code without a row may not stand on a document between two entities.
    pub outputs: Vec<OutputCode>,
}

/// Booking accounts of an entity that keeps KOSTRA books.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KostraAccounts {
    /// Balance chapter of payables (leverandørgjeld); the sector is the seller's.
    pub payable_chapter: u16,
    /// Balance chapter of receivables (kundefordringer); the sector is the buyer's.
    pub receivable_chapter: u16,
    /// Balance chapter of what was paid to a seller beforehand; the sector is the seller's.
    pub prepaid_chapter: u16,
    /// Balance chapter of what a buyer paid beforehand; the sector is the buyer's.
    pub received_chapter: u16,
    /// Bank account.
    pub bank: Account,
    /// Claim on the state for VAT compensation.
    pub compensation: Account,
    /// Deductible input VAT.
    pub input_vat: Account,
    /// Output VAT owed.
    pub output_vat: Account,
    /// Art of VAT that gives a right to compensation.
    pub vat_cost_art: u16,
    /// Art of the compensation itself, as income.
    pub compensation_art: u16,
    /// The one function that the compensation art takes in class 0.
    pub investment_compensation_function: u16,
    /// Function that sales are booked on where the buyer's line names none that fits.
    pub sales_function: u16,
    /// Art of sales by output VAT code, in order of code.
    pub sales: Vec<SalesAccount>,
    /// Arts that answer to a public buyer's art, on the buyer's function; in order.
    pub mirrors: Vec<MirrorArt>,
}

/// Booking accounts of an entity that keeps a chart of bare account numbers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ChartAccounts {
    /// Payables.
    pub payable: Account,
    /// Receivables.
    pub receivable: Account,
    /// Paid to a seller beforehand.
    pub prepaid: Account,
    /// Received from a buyer beforehand.
    pub received: Account,
    /// Bank account.
    pub bank: Account,
    /// Deductible input VAT.
    pub input_vat: Account,
    /// Output VAT owed.
    pub output_vat: Account,
    /// What the rounding of a document to whole kroner is booked on.
    pub rounding: Account,
    /// Account of sales by output VAT code, in order of code.
    pub sales: Vec<SalesAccount>,
}

/// Where sales under one output VAT code are booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SalesAccount {
    /// Output VAT code.
    pub code: u16,
    /// Art in KOSTRA books, account number in the other charts.
    pub account: u16,
}

/// The income art that answers to a public buyer's expense art.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct MirrorArt {
    /// What the buyer is.
    pub buyer: EntityKind,
    /// Art of the buyer's line.
    pub art: u16,
    /// Art of the seller's income.
    pub income: u16,
}

/// One pair of VAT codes: how the same supply is coded on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OutputCode {
    /// The buyer's.
    pub input: u16,
    /// The seller's.
    pub output: u16,
}

/// An entity and whether its opening balance is booked.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EntityRecord {
    /// As registered.
    pub entity: NewEntity,
    /// Whether the opening balance is booked (once, rule L20).
    pub opened: bool,
}

impl NewEntity {
    /// First period of its books, if it keeps any here; an auditor never does.
    pub fn books_from(&self) -> Option<Period> {
        match (self.kind, self.books) {
            (EntityKind::Auditor, _) | (_, Books::None) => None,
            (_, Books::From(period)) => Some(period),
        }
    }
}

impl EntityRecord {
    /// First period of its books, if it keeps any here.
    pub fn books_from(&self) -> Option<Period> {
        self.entity.books_from()
    }
}

/// A key with its holder and mandates.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct KeyRecord {
    /// As granted; later grants add mandates.
    pub granted: NewKey,
    /// Whether it was revoked; it then has no mandate, for ever.
    pub revoked: bool,
}

impl KeyRecord {
    /// The mandates, none once revoked.
    pub fn mandates(&self) -> &[Mandate] {
        if self.revoked { &[] } else { &self.granted.mandates }
    }
}

/// The lists that codes are looked up in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum CodeList {
    /// Art of classes 0 and 1 (kostraart).
    Art,
    /// Function of classes 0 and 1 (funksjon).
    Function,
    /// Chapter of class 2 (kapittel).
    Chapter,
    /// Counterparty sector of class 2 (sektor).
    Sector,
    /// Account of the state's standard chart.
    StateAccount,
    /// Standard tax code (SAF-T).
    Vat,
}

impl CodeList {
    /// The code as a reader of the list knows it: `art 070`, `VAT code 11`.
    pub fn name(self, code: u16) -> String {
        match self {
            Self::Art | Self::Function | Self::Sector => alloc::format!("{self} {code:03}"),
            Self::Chapter | Self::StateAccount | Self::Vat => alloc::format!("{self} {code}"),
        }
    }
}

impl fmt::Display for CodeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Art => "art",
            Self::Function => "function",
            Self::Chapter => "chapter",
            Self::Sector => "sector",
            Self::StateAccount => "state account",
            Self::Vat => "VAT code",
        })
    }
}

/// One code over one span of dates, with what it may be combined with. A code whose meaning, rate
/// or combinations changed has one record per span.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CodeRecord {
    /// Which list.
    pub list: CodeList,
    /// The code.
    pub code: u16,
    /// First day.
    pub from: Date,
    /// Last day; [`Date::MAX`] while no end is known.
    pub to: Date,
    /// Whether municipalities may use it.
    pub municipality: bool,
    /// Whether counties may use it.
    pub county: bool,
    /// Whether it may stand in class 0. Arts and functions.
    pub investment: bool,
    /// Whether it may stand in class 1. Arts and functions.
    pub operating: bool,
    /// In class 0, functions that an art goes with or arts that a function goes with; empty: any.
    pub only_with_investment: Vec<u16>,
    /// The same in class 1.
    pub only_with_operating: Vec<u16>,
    /// The rate of a VAT code that has one.
    pub rate: Option<Rate>,
    /// Whether VAT under a VAT code can be compensated.
    pub compensable: bool,
    /// Whether VAT under a VAT code can be deducted.
    pub deductible: bool,
}

impl CodeRecord {
    /// Whether it may be used on the day.
    pub fn valid_on(&self, day: Date) -> bool {
        (self.from..=self.to).contains(&day)
    }
}

/// All of one account in one period, so that nothing of it can be withheld: `count` postings and no
/// more, chained to `chain`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AccountRecord {
    /// Whose books.
    pub entity: OrgNumber,
    /// The account.
    pub account: Account,
    /// The period.
    pub period: Period,
    /// Balance before the period, debit positive: the account's balance since the entity's books
    /// began, or since 1 January for accounts that do not carry over.
    pub opening: Total,
    /// How many postings.
    pub count: u64,
    /// Head of the hash chain over the postings, in order of booking (`state_proof`).
    pub chain: Digest,
    /// Sum of debits.
    pub debit: Total,
    /// Sum of credits, as a positive number.
    pub credit: Total,
}

impl AccountRecord {
    /// Balance after the period, debit positive.
    pub fn closing(&self) -> Total {
        Total(self.opening.0 + self.debit.0 - self.credit.0)
    }
}

/// One accounting period of one entity.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PeriodRecord {
    /// Whose.
    pub entity: OrgNumber,
    /// Which.
    pub period: Period,
    /// Whether it is closed to postings (rule L9).
    pub closed: bool,
    /// How many accounts have postings in it: as many account records exist.
    pub accounts: u64,
    /// How many postings.
    pub postings: u64,
    /// Sum of debits.
    pub debit: Total,
    /// Sum of credits, as a positive number; equals `debit` (rule L16).
    pub credit: Total,
}

/// The voucher numbers of one entity and year (rule L10).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SeriesRecord {
    /// Whose.
    pub entity: OrgNumber,
    /// Accounting year.
    pub year: u16,
    /// The number that the next voucher gets, from 1.
    pub next: u64,
}

/// How far a document has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum Status {
    /// Booked on both sides, nothing else.
    Registered,
    /// Attested (attestert).
    Attested,
    /// Approved for payment (anvist).
    Approved,
    /// A payment order waits for the bank's answer.
    Ordered,
    /// The bank paid; nothing is open.
    Settled,
    /// The bank returned the payment; what was settled is open again and may be ordered again.
    Returned,
    /// Nothing is open, because invoice and credit note were set off against each other in full.
    Credited,
    /// Taken back on both sides; it may be registered anew.
    Cancelled,
    /// Nothing is open, because what its seller owes its buyer was netted with it.
    Netted,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Registered => "registered",
            Self::Attested => "attested",
            Self::Approved => "approved",
            Self::Ordered => "ordered",
            Self::Settled => "settled",
            Self::Returned => "returned",
            Self::Credited => "credited",
            Self::Cancelled => "cancelled",
            Self::Netted => "netted",
        })
    }
}

/// A document's life in the ledger. The vouchers are those of registration and of the last
/// settlement; earlier attempts stand in the log.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct DocumentRecord {
    /// Its identity.
    pub id: DocumentId,
    /// Whether it is a credit note.
    pub credit_note: bool,
    /// Whether any of its lines bears VAT.
    pub bears_vat: bool,
    /// Index in the register of documents of the invoice that a credit note was set off against.
    pub corrects: Option<u64>,
    /// Who owes, or is owed on a credit note.
    pub buyer: OrgNumber,
    /// How far it has come.
    pub status: Status,
    /// Posting date of its registration.
    pub date: Date,
    /// When payment is due.
    pub due: Date,
    /// What was to be paid when it was registered.
    pub payable: Amount,
    /// What is still to be paid, or to be refunded on a credit note.
    pub open: Amount,
    /// What was settled by the bank and not returned.
    pub settled: Amount,
    /// How many payments were ordered; part of each order's reference at the bank.
    pub attempt: u32,
    /// Index in the register of keys of the key that registered it.
    pub registered_by: u64,
    /// The key that attested it.
    pub attested_by: Option<u64>,
    /// The key that approved it.
    pub approved_by: Option<u64>,
    /// The key that last ordered its payment.
    pub ordered_by: Option<u64>,
    /// Voucher of registration, or of the last correction, in the buyer's books.
    pub buyer_voucher: Option<Voucher>,
    /// Voucher of registration, or of the cancellation, in the seller's books.
    pub seller_voucher: Option<Voucher>,
    /// Voucher of the last settlement, netting or return in the buyer's books.
    pub buyer_payment_voucher: Option<Voucher>,
    /// Voucher of the last settlement, netting or return in the seller's books.
    pub seller_payment_voucher: Option<Voucher>,
    /// Digest of the lines that stand in the buyer's books; zero where it keeps none.
    pub buyer_booked: Digest,
    /// Digest of the lines that stand in the seller's books; zero where it keeps none.
    pub seller_booked: Digest,
    /// What the bank last said.
    pub bank: Option<BankReference>,
    /// Why the bank last refused or returned a payment.
    pub reason: Option<ReasonCode>,
    /// Commitment to the document's bytes.
    pub content: Digest,
    /// Commitment to the payee's account and reference.
    pub payee: Digest,
    /// Leaf of its registration.
    pub leaf: LeafIndex,
}

/// A payment id that is used, and what by (rule L6).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PaymentRecord {
    /// The submitter's name for the transaction.
    pub id: PaymentId,
    /// The transaction.
    pub transaction: TransactionId,
    /// Where it stands in the log.
    pub leaf: LeafIndex,
}

/// A bank entry that was used (rule L12).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct BankEntryRecord {
    /// Whose bank reported it.
    pub entity: OrgNumber,
    /// SHA-256 of the bank's own reference of the entry.
    pub entry: Digest,
    /// Index in the register of documents of the document it was about, if it was about one.
    pub document: Option<u64>,
}

/// An entry made by hand, so that it can be reversed once.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EntryRecord {
    /// Whose books.
    pub entity: OrgNumber,
    /// Its number in them.
    pub voucher: Voucher,
    /// Digest of the entry as submitted.
    pub digest: Digest,
    /// The voucher that reversed it.
    pub reversed: Option<Voucher>,
}

/// Ties a record to its register's name and its key.
macro_rules! kept_in {
    ($($record:ty: $register:literal by $key:ty = |$this:ident| $get:expr;)*) => {
        $(impl Record for $record {
            type Key = $key;
            const REGISTER: &'static str = $register;
            fn key(&self) -> $key {
                let $this = self;
                $get
            }
        })*
    };
}

kept_in! {
    ParameterRecord: "parameters" by () = |_this| ();
    EntityRecord: "entities" by OrgNumber = |this| this.entity.number;
    KeyRecord: "keys" by PublicKey = |this| this.granted.key;
    CodeRecord: "codes" by (CodeList, u16, Date) = |this| (this.list, this.code, this.from);
    AccountRecord: "accounts" by (OrgNumber, Account, Period) = |this| (this.entity, this.account, this.period);
    PeriodRecord: "periods" by (OrgNumber, Period) = |this| (this.entity, this.period);
    SeriesRecord: "series" by (OrgNumber, u16) = |this| (this.entity, this.year);
    DocumentRecord: "documents" by DocumentId = |this| this.id.clone();
    PaymentRecord: "payments" by PaymentId = |this| this.id;
    BankEntryRecord: "bank-entries" by (OrgNumber, Digest) = |this| (this.entity, this.entry);
    EpochRecord: "epochs" by Epoch = |this| this.epoch;
    SeatRecord: "seats" by (Epoch, u16) = |this| (this.epoch, this.index);
    RootRecord: "roots" by u32 = |this| this.slot;
    EntryRecord: "entries" by (OrgNumber, Voucher) = |this| (this.entity, this.voucher);
    BudgetRecord: "budgets" by (OrgNumber, u16) = |this| (this.entity, this.year);
    AppropriationRecord: "appropriations" by (OrgNumber, u16, Cell) = |this| (this.entity, this.year, this.cell);
    OffenceRecord: "offences" by (Epoch, u16, View, OffenceKind) =
        |this| (this.epoch, this.signer, this.view, this.kind);
}
