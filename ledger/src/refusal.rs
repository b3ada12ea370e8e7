//! Refusals: what the ledger says when it does not book a transaction.
//!
//! Each names its rule (`specs/ledger.md`), what was expected and found, and the way forward. A
//! refusal changes nothing, and the same transaction may be submitted again once its reason is gone.
//! The module leaves out when a refusal is due (`rules`) and bytes that are no transaction at all
//! (`transaction`).
//!
//! Invariant: a refusal holds only what the transaction and the public registers hold.

use alloc::string::String;

use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::block::LeafIndex;
use crate::digest::Digest;
use crate::entity::{EntityKind, OrgNumber};
use crate::entry::{EntryError, Rate, Regime};
use crate::records::{CodeList, Status};
use crate::signature::{KeyError, PublicKey};
use crate::time::{Date, Period};
use crate::transaction::{DocumentId, LINES_MAX, MANDATES_MAX, PaymentId, Role, TransactionId};

mod budget;
mod governance;
mod hand;
mod netting;

pub use budget::BudgetRefusal;
pub use governance::GovernanceRefusal;
pub use hand::HandRefusal;
pub use netting::NettingRefusal;

/// Largest amount of a line or a total, in øre: with it, every sum over a document fits an
/// [`Amount`]. It is 10 000 billion NOK, more than the country's yearly product.
pub const AMOUNT_MAX: Amount = Amount(1_000_000_000_000_000);

/// How far back a posting date may lie, in periods: bounds the later account records whose opening
/// balance a late posting moves. It is 20 years, twice the longest time books are kept.
pub const BACK_PERIODS_MAX: u32 = 240;

/// How often payment of one document may be ordered. What a bank refuses that often needs a person.
pub const ATTEMPTS_MAX: u32 = 999;

/// Why a transaction is not booked. The first reason in the order of `specs/ledger.md` is given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Rule L6: this very transaction is booked; its first result stands.
    #[error("payment id {id}: this transaction is already booked at leaf {leaf}; fetch its receipt")]
    AlreadyPosted {
        /// The id.
        id: PaymentId,
        /// The transaction.
        transaction: TransactionId,
        /// Where it stands.
        leaf: LeafIndex,
    },
    /// Rule L6: the id was used for another transaction.
    #[error("payment id {id} was used at leaf {leaf} for transaction {transaction}; choose a new id")]
    IdConflict {
        /// The id.
        id: PaymentId,
        /// What it was used for.
        transaction: TransactionId,
        /// Where that stands.
        leaf: LeafIndex,
    },
    /// Rule L6: the document is registered.
    #[error(
        "document {document} is already registered at leaf {leaf}; do not submit it twice, or correct its number or issue date with the seller"
    )]
    DocumentExists {
        /// The document.
        document: DocumentId,
        /// Leaf of its registration.
        leaf: LeafIndex,
    },
    /// Rule L7: a signing key is not in the register.
    #[error("key {key} is not registered; have its entity's administrator grant it, or sign with another")]
    UnknownKey {
        /// The key.
        key: PublicKey,
    },
    /// Rule L7: a signing key was revoked.
    #[error("key {key} is revoked; sign with another key")]
    RevokedKey {
        /// The key.
        key: PublicKey,
    },
    /// Rule L7: the payment id is in the name of an entity that did not sign.
    #[error(
        "payment id is in the name of {submitter}, but no signing key belongs to it; sign with a key of {submitter} or submit in the signer's name"
    )]
    NotSubmitter {
        /// The entity named.
        submitter: OrgNumber,
    },
    /// Rule L7: no signing key holds the mandate.
    #[error(
        "no signing key holds the {role} mandate for {entity} on {date}; sign with a key that does, or have it granted"
    )]
    NoMandate {
        /// Whom the transaction acts for.
        entity: OrgNumber,
        /// The role it needs.
        role: Role,
        /// The ledger's date.
        date: Date,
    },
    /// Rule L7: one person, or one machine, would act in two roles.
    #[error("document {document}: one holder may not both {earlier} and {role} it; have another person sign")]
    SameHolder {
        /// The document.
        document: DocumentId,
        /// The role now.
        role: Role,
        /// The role before.
        earlier: Role,
    },
    /// Rule L7: the signer belongs to the seller, or acts for it and would judge its document.
    #[error(
        "document {document}: a key of the seller {seller} may not use the buyer's {role} mandate; have the buyer's own people sign"
    )]
    SellersHolder {
        /// The document.
        document: DocumentId,
        /// The role.
        role: Role,
        /// The seller.
        seller: OrgNumber,
    },
    /// Rule L7: the opening balance is signed by one holder in both roles.
    #[error(
        "opening balance of {entity}: administrator and auditor are one holder; have the auditor sign with a key of its own"
    )]
    AuditsItself {
        /// Whose books.
        entity: OrgNumber,
    },
    /// Rule L7: the key's form is refused.
    #[error("{0}")]
    KeyForm(#[from] KeyError),
    /// Rule L7: the key stands in the register with another holder, or is revoked.
    #[error(
        "key {key} is registered for holder {holder} of {entity}; grant to that holder, or generate a new key pair"
    )]
    KeyTaken {
        /// The key.
        key: PublicKey,
        /// Its entity.
        entity: OrgNumber,
        /// Its holder.
        holder: u32,
    },
    /// Rule L7: an administrator may not grant this.
    #[error(
        "{role} mandate for {entity}: an administrator grants only for its own entity, and neither register nor audit; have the chain's registrar sign"
    )]
    GrantTooWide {
        /// The mandate's entity.
        entity: OrgNumber,
        /// The mandate's role.
        role: Role,
    },
    /// Rule L17: the entity is not registered.
    #[error("entity {entity} is not registered; register it first")]
    UnknownEntity {
        /// The entity.
        entity: OrgNumber,
    },
    /// Rule L17: the entity is registered.
    #[error("entity {entity} is already registered; nothing is left to do")]
    EntityExists {
        /// The entity.
        entity: OrgNumber,
    },
    /// Rule L17: the entity keeps no books here.
    #[error(
        "entity {entity} keeps no books in this ledger; register it with books, or leave this to its own system"
    )]
    NoBooks {
        /// The entity.
        entity: OrgNumber,
    },
    /// Rule L17: neither party keeps books here.
    #[error("neither buyer {buyer} nor seller {seller} keeps books in this ledger; book it elsewhere")]
    NobodysBooks {
        /// The buyer.
        buyer: OrgNumber,
        /// The seller.
        seller: OrgNumber,
    },
    /// Rule L17: an auditor was registered with books.
    #[error("entity {entity} is an auditor and keeps no books here; register it without books")]
    AuditorsBooks {
        /// The entity.
        entity: OrgNumber,
    },
    /// Rule L2: buyer and seller are the same.
    #[error("buyer and seller are both {entity}; an entity owes itself nothing, reclassify inside its books")]
    SameParty {
        /// The entity.
        entity: OrgNumber,
    },
    /// Rule L3, or L4 for VAT codes: the list has no such code on the day.
    #[error("{} is not in force on {date}; use a code of that day's list", .list.name(*.code))]
    UnknownCode {
        /// The list.
        list: CodeList,
        /// The code.
        code: u16,
        /// The day.
        date: Date,
    },
    /// Rule L3: the code is in force, but not for this kind of entity.
    #[error("{} is not for {entity} ({kind}); use a code of its own list", .list.name(*.code))]
    CodeNotForKind {
        /// The list.
        list: CodeList,
        /// The code.
        code: u16,
        /// Whose books.
        entity: OrgNumber,
        /// Its kind.
        kind: EntityKind,
    },
    /// Rule L3: the code may not stand in this account class.
    #[error(
        "account {account}: {list} {code} may not stand in this account class; move the line to the other"
    )]
    CodeNotInClass {
        /// The account.
        account: Account,
        /// The list.
        list: CodeList,
        /// The code.
        code: u16,
    },
    /// Rule L3: art and function do not go together.
    #[error(
        "account {account}: {} goes only with {first} or its like in this account class; change one of them",
        .list.name(*.code)
    )]
    Combination {
        /// The account.
        account: Account,
        /// The list whose code is limited.
        list: CodeList,
        /// That code.
        code: u16,
        /// The first code of the other list that it goes with.
        first: u16,
    },
    /// Rule L3: a line is coded to a balance account.
    #[error(
        "account {account}: a line of a document is an expense or an investment; code it in class 0 or 1"
    )]
    LineAccount {
        /// The account.
        account: Account,
    },
    /// Rule L3: a line is coded to an account that the ledger alone books on.
    #[error(
        "account {account}: the ledger books cash, claims, debts and VAT itself; code the line by what was bought"
    )]
    ReservedAccount {
        /// The account.
        account: Account,
    },
    /// Rule L3: the account belongs to another chart.
    #[error("account {account} is not of the chart of {entity} ({kind}); code the line by that chart")]
    WrongChart {
        /// The account.
        account: Account,
        /// Whose books.
        entity: OrgNumber,
        /// Its kind.
        kind: EntityKind,
    },
    /// Rule L4: the code is not one for supplies between two entities of the register.
    #[error("VAT code {code} has no counterpart in the seller's books; use a code for domestic purchases")]
    VatCodeUse {
        /// The code.
        code: u16,
    },
    /// Rule L4: the buyer may not treat VAT of this code so.
    #[error("VAT code {code} may not be treated as {regime} by {entity} ({kind}); use another regime")]
    VatRegime {
        /// The code.
        code: u16,
        /// The regime.
        regime: Regime,
        /// Whose books.
        entity: OrgNumber,
        /// Its kind.
        kind: EntityKind,
    },
    /// Rule L4: VAT totals and lines name different codes, or the totals are out of order.
    #[error("VAT totals: expected {}, found {}; give one total per code of the lines, in order", code_or_none(.expected), code_or_none(.found))]
    VatTotals {
        /// The code due at this place, if any.
        expected: Option<u16>,
        /// The code that stands there, if any.
        found: Option<u16>,
    },
    /// Rule L4: a VAT total's base is not the sum of its lines.
    #[error("VAT code {code}: base {stated}, lines sum to {lines}; correct the base or the lines")]
    VatBase {
        /// The code.
        code: u16,
        /// The base stated.
        stated: Amount,
        /// Sum of the lines.
        lines: Amount,
    },
    /// Rule L4: not the rate of the day.
    #[error(
        "VAT code {code}: rate {stated}, in force on {date} is {expected}; correct rate, code or tax point"
    )]
    VatRate {
        /// The code.
        code: u16,
        /// The rate stated.
        stated: Rate,
        /// The rate in force.
        expected: Rate,
        /// The tax point.
        date: Date,
    },
    /// Rule L4: VAT is further from base × rate than EN 16931 allows (BR-CO-17).
    #[error(
        "VAT code {code}: {base} at {rate} is {expected}, found {stated}; EN 16931 allows less than 1,00 apart and nothing at 0 %; have the seller correct it"
    )]
    VatAmount {
        /// The code.
        code: u16,
        /// The base.
        base: Amount,
        /// The rate.
        rate: Rate,
        /// Base × rate.
        expected: Amount,
        /// The VAT stated.
        stated: Amount,
    },
    /// Rule L4: rounding of a krone or more.
    #[error("rounding {rounding}: at least 1,00 is no rounding; state it as a line")]
    Rounding {
        /// The rounding.
        rounding: Amount,
    },
    /// Rule L4: the sum is not what is to be paid (BR-CO-15, BR-CO-16).
    #[error(
        "payable {stated}: lines {lines} + VAT {vat} - prepaid {prepaid} + rounding {rounding} = {expected}; correct the sum"
    )]
    Payable {
        /// What the document states.
        stated: Amount,
        /// Sum of lines.
        lines: Total,
        /// Sum of VAT.
        vat: Total,
        /// Prepaid.
        prepaid: Amount,
        /// Rounding.
        rounding: Amount,
        /// What it comes to.
        expected: Total,
    },
    /// Rule L4: less than nothing was paid beforehand.
    #[error("prepaid {prepaid} is below zero; state it as a line")]
    NegativePrepaid {
        /// What the document states.
        prepaid: Amount,
    },
    /// Rule L4: less than nothing is to be paid.
    #[error(
        "payable {payable} is below zero; submit it as a document of the other kind with the signs turned"
    )]
    NegativePayable {
        /// What the document states.
        payable: Amount,
    },
    /// Rule L9: the date lies in a closed period.
    #[error("{date}: period {period} of {entity} is closed; use a date in an open period")]
    PeriodClosed {
        /// Whose books.
        entity: OrgNumber,
        /// The posting date.
        date: Date,
        /// Its period.
        period: Period,
    },
    /// Rule L9: the date lies before the books begin.
    #[error(
        "{date}: the books of {entity} begin with {from}; bring earlier amounts in by the opening balance"
    )]
    BeforeBooks {
        /// Whose books.
        entity: OrgNumber,
        /// The posting date.
        date: Date,
        /// First period.
        from: Period,
    },
    /// Rule L9: the date lies ahead.
    #[error("{date} is after the ledger's date {today}; submit it when the day has come")]
    DateAhead {
        /// The posting date.
        date: Date,
        /// The ledger's date.
        today: Date,
    },
    /// Rule L9: the date lies too far back.
    #[error(
        "{date} is more than {BACK_PERIODS_MAX} periods before the ledger's date {today}; use a later date"
    )]
    DateTooOld {
        /// The posting date.
        date: Date,
        /// The ledger's date.
        today: Date,
    },
    /// Rule L12: the order is not over what is open.
    #[error("document {document}: order over {stated}, open is {open}; order what is open")]
    OrderAmount {
        /// The document.
        document: DocumentId,
        /// The amount ordered.
        stated: Amount,
        /// What is open.
        open: Amount,
    },
    /// Rule L12: the bank moved another amount than the ledger waits for.
    #[error(
        "document {document}: the bank moved {stated}, due was {due}; clear the difference with the bank"
    )]
    BankAmount {
        /// The document.
        document: DocumentId,
        /// What the bank moved.
        stated: Amount,
        /// What was ordered, to be refunded, or settled.
        due: Amount,
    },
    /// Rule L12: the bank's word is left blank.
    #[error(
        "document {document}: a bank reference of nothing but zeros names no bank entry; send the hashes of the bank's message and entry"
    )]
    NoBankEntry {
        /// The document.
        document: DocumentId,
    },
    /// Rule L12: the bank entry was used.
    #[error("bank entry {entry} of {entity} was used for document {document}; report each bank entry once")]
    BankEntryUsed {
        /// Whose bank.
        entity: OrgNumber,
        /// The entry.
        entry: Digest,
        /// What it was used for.
        document: DocumentId,
    },
    /// Rule L12: ordered too often.
    #[error(
        "document {document}: payment was ordered {ATTEMPTS_MAX} times; settle it with the seller otherwise"
    )]
    AttemptsUsed {
        /// The document.
        document: DocumentId,
    },
    /// Rule L14: the bank's reason is no code.
    #[error(
        "reason {reason} is not a code of four capital letters or digits; send the bank's ISO 20022 code"
    )]
    ReasonForm {
        /// The four bytes, escaped.
        reason: String,
    },
    /// Rule L18: no such document.
    #[error("document {document} is not registered; register it first")]
    UnknownDocument {
        /// The document.
        document: DocumentId,
    },
    /// Rule L18: the document is not where this step begins.
    #[error("document {document} is {status}; {needs} is needed for this step")]
    WrongStatus {
        /// The document.
        document: DocumentId,
        /// Where it is.
        status: Status,
        /// Where it must be.
        needs: Status,
    },
    /// Rule L18: a credit note is refunded, not paid.
    #[error(
        "document {document} is a credit note; its refund is booked when the bank reports it, without an order"
    )]
    CreditNoteOrdered {
        /// The document.
        document: DocumentId,
    },
    /// Rule L18: nothing is to be paid.
    #[error("document {document}: nothing is open; no step is needed")]
    NothingOpen {
        /// The document.
        document: DocumentId,
    },
    /// Rule L18: the invoice named by a credit note is unknown, not between these parties, or no invoice.
    #[error(
        "credit note {document} corrects {invoice}, which is no registered invoice of its seller to its buyer; register that first, or name none"
    )]
    UnknownInvoice {
        /// The credit note.
        document: DocumentId,
        /// What it names.
        invoice: DocumentId,
    },
    /// Rule L18: more is credited than is open.
    #[error("credit note over {credited}, open on {invoice} is {open}; have the seller credit at most that")]
    CreditTooLarge {
        /// The invoice.
        invoice: DocumentId,
        /// The credit note's amount.
        credited: Amount,
        /// What is open.
        open: Amount,
    },
    /// Rule L19: not the next period to close.
    #[error("period {period} of {entity}: the next to close is {next}; close periods in order")]
    PeriodOrder {
        /// Whose.
        entity: OrgNumber,
        /// The period named.
        period: Period,
        /// The one due.
        next: Period,
    },
    /// Rule L19: the period is not over.
    #[error("period {period} is not over on {today}; close it when it is")]
    PeriodNotOver {
        /// The period.
        period: Period,
        /// The ledger's date.
        today: Date,
    },
    /// Rule L20: the opening balance is booked.
    #[error("the opening balance of {entity} is already booked; correct it by later entries")]
    OpenedBefore {
        /// Whose.
        entity: OrgNumber,
    },
    /// Rule L20: not a balance account.
    #[error("opening balance: account {account} does not carry over; use balance accounts only")]
    OpeningAccount {
        /// The account.
        account: Account,
    },
    /// Rule L20: not in the first period.
    #[error("opening balance on {date}: the books begin with {from}; use a date in that period")]
    OpeningDate {
        /// The posting date.
        date: Date,
        /// First period.
        from: Period,
    },
    /// Rule L1: debit and credit differ, or nothing is posted.
    #[error("{0}")]
    Entry(#[from] EntryError),
    /// Rule L21: an amount beyond the limit.
    #[error("amount {amount} is beyond {AMOUNT_MAX}; split it")]
    AmountTooLarge {
        /// The amount.
        amount: Total,
    },
    /// Rule L21: no line, or too many.
    #[error("{count} lines; 1 to {LINES_MAX} are booked in one transaction; add up lines of one account")]
    Lines {
        /// How many.
        count: usize,
    },
    /// Rule L21: no mandate, or too many.
    #[error(
        "key {key} would hold {count} mandates; 1 to {MANDATES_MAX} are kept; use another key for the rest"
    )]
    Mandates {
        /// The key.
        key: PublicKey,
        /// How many.
        count: usize,
    },
    /// Rule L21: dates in the wrong order.
    #[error("span {from} to {to} ends before it begins; turn the dates")]
    Span {
        /// First day.
        from: Date,
        /// Last day.
        to: Date,
    },
    /// Rules L22 to L29: about the validators themselves.
    #[error(transparent)]
    Governance(#[from] GovernanceRefusal),
    /// About entries made by hand and corrections.
    #[error(transparent)]
    Hand(#[from] HandRefusal),
    /// Rules L8 and L44: about budgets.
    #[error(transparent)]
    Budget(#[from] BudgetRefusal),
    /// Rules L13 and L41: about netting.
    #[error(transparent)]
    Netting(#[from] NettingRefusal),
}

impl Refusal {
    /// Id of the rule that refuses (`specs/ledger.md`).
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Entry(_) => "L1",
            Self::SameParty { .. } => "L2",
            Self::UnknownCode { list: CodeList::Vat, .. } => "L4",
            Self::UnknownCode { .. }
            | Self::CodeNotForKind { .. }
            | Self::CodeNotInClass { .. }
            | Self::Combination { .. }
            | Self::LineAccount { .. }
            | Self::ReservedAccount { .. }
            | Self::WrongChart { .. } => "L3",
            Self::VatCodeUse { .. }
            | Self::VatRegime { .. }
            | Self::VatTotals { .. }
            | Self::VatBase { .. }
            | Self::VatRate { .. }
            | Self::VatAmount { .. }
            | Self::Rounding { .. }
            | Self::Payable { .. }
            | Self::NegativePrepaid { .. }
            | Self::NegativePayable { .. } => "L4",
            Self::AlreadyPosted { .. } | Self::IdConflict { .. } | Self::DocumentExists { .. } => "L6",
            Self::UnknownKey { .. }
            | Self::RevokedKey { .. }
            | Self::NotSubmitter { .. }
            | Self::NoMandate { .. }
            | Self::SameHolder { .. }
            | Self::SellersHolder { .. }
            | Self::KeyForm(_)
            | Self::KeyTaken { .. }
            | Self::GrantTooWide { .. }
            | Self::AuditsItself { .. } => "L7",
            Self::PeriodClosed { .. }
            | Self::BeforeBooks { .. }
            | Self::DateAhead { .. }
            | Self::DateTooOld { .. } => "L9",
            Self::OrderAmount { .. }
            | Self::BankAmount { .. }
            | Self::NoBankEntry { .. }
            | Self::BankEntryUsed { .. }
            | Self::AttemptsUsed { .. } => "L12",
            Self::ReasonForm { .. } => "L14",
            Self::UnknownEntity { .. }
            | Self::EntityExists { .. }
            | Self::NoBooks { .. }
            | Self::NobodysBooks { .. }
            | Self::AuditorsBooks { .. } => "L17",
            Self::UnknownDocument { .. }
            | Self::WrongStatus { .. }
            | Self::CreditNoteOrdered { .. }
            | Self::NothingOpen { .. }
            | Self::UnknownInvoice { .. }
            | Self::CreditTooLarge { .. } => "L18",
            Self::PeriodOrder { .. } | Self::PeriodNotOver { .. } => "L19",
            Self::OpenedBefore { .. } | Self::OpeningAccount { .. } | Self::OpeningDate { .. } => "L20",
            Self::AmountTooLarge { .. } | Self::Lines { .. } | Self::Mandates { .. } | Self::Span { .. } => {
                "L21"
            }
            Self::Governance(refusal) => refusal.rule(),
            Self::Hand(refusal) => refusal.rule(),
            Self::Budget(refusal) => refusal.rule(),
            Self::Netting(refusal) => refusal.rule(),
        }
    }
}

fn code_or_none(code: &Option<u16>) -> String {
    code.map_or_else(|| "none".into(), |code| CodeList::Vat.name(code))
}
