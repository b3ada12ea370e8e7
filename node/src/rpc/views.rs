//! What the ledger holds, as JSON that people and finance systems read.
//!
//! Nothing here is proof of anything: whoever must be sure decodes the canonical bytes that stand
//! beside, and checks those. The views only repeat them.

use ledger::block::{Header, LeafIndex};
use ledger::digest::Digest;
use ledger::entity::EntityKind;
use ledger::entry::{JournalEntry, Posting, Regime, Voucher};
use ledger::records::{AccountRecord, DocumentRecord, EntityRecord, PaymentRecord, PeriodRecord, Status};
use ledger::transaction::{DocumentId, KidRule};
use serde::Serialize;
use utoipa::ToSchema;

use super::text::{AccountCode, Day, Hex, Moment, Money, Month, Number, Organisation};

/// An entity of the register.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EntityView {
    /// Organisation number.
    pub(super) number: Organisation,
    /// What it is.
    pub(super) kind: KindView,
    /// Registered name of the legal person.
    #[schema(examples("Stavanger kommune"))]
    pub(super) name: String,
    /// Sector code that others use in their balance accounts for it.
    pub(super) sector: u16,
    /// First period of its books; absent when it keeps none here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) books_from: Option<Month>,
    /// Whether its opening balance is booked.
    pub(super) opened: bool,
    /// Which check digit its bank demands of a payment reference (KID).
    pub(super) kid: KidView,
}

/// Kinds of entities.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KindView {
    /// Municipality (kommune).
    Municipality,
    /// County (fylkeskommune).
    County,
    /// State body.
    State,
    /// Private party.
    Private,
    /// Auditor; keeps no books here.
    Auditor,
}

/// Check digits of payment references.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KidView {
    /// Any reference, or none.
    None,
    /// MOD 10.
    Mod10,
    /// MOD 11.
    Mod11,
    /// Either.
    Either,
}

impl From<&EntityRecord> for EntityView {
    fn from(record: &EntityRecord) -> Self {
        let entity = &record.entity;
        Self {
            number: entity.number.into(),
            kind: match entity.kind {
                EntityKind::Municipality => KindView::Municipality,
                EntityKind::County => KindView::County,
                EntityKind::State => KindView::State,
                EntityKind::Private => KindView::Private,
                EntityKind::Auditor => KindView::Auditor,
            },
            name: entity.name.to_string(),
            sector: entity.sector,
            books_from: record.books_from().map(Month::from),
            opened: record.opened,
            kid: match entity.kid {
                KidRule::None => KidView::None,
                KidRule::Mod10 => KidView::Mod10,
                KidRule::Mod11 => KidView::Mod11,
                KidRule::Either => KidView::Either,
            },
        }
    }
}

/// One accounting period of an entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PeriodView {
    /// The period.
    pub(super) period: Month,
    /// Whether it is closed to postings.
    pub(super) closed: bool,
    /// How many accounts have postings in it; as many account records exist, and no more.
    pub(super) accounts: u64,
    /// How many postings.
    pub(super) postings: u64,
    /// Sum of debits.
    pub(super) debit: Money,
    /// Sum of credits, as a positive number; equals `debit`.
    pub(super) credit: Money,
}

impl From<&PeriodRecord> for PeriodView {
    fn from(record: &PeriodRecord) -> Self {
        Self {
            period: record.period.into(),
            closed: record.closed,
            accounts: record.accounts,
            postings: record.postings,
            debit: record.debit.into(),
            credit: record.credit.into(),
        }
    }
}

/// All of one account in one period.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct AccountView {
    /// The account.
    pub(super) account: AccountCode,
    /// The period.
    pub(super) period: Month,
    /// Balance before the period, debit positive.
    pub(super) opening: Money,
    /// Sum of debits.
    pub(super) debit: Money,
    /// Sum of credits, as a positive number.
    pub(super) credit: Money,
    /// Balance after the period, debit positive.
    pub(super) closing: Money,
    /// How many postings there are, and no more.
    pub(super) count: u64,
    /// Head of the hash chain over them.
    pub(super) chain: Hex,
}

impl From<&AccountRecord> for AccountView {
    fn from(record: &AccountRecord) -> Self {
        Self {
            account: record.account.into(),
            period: record.period.into(),
            opening: record.opening.into(),
            debit: record.debit.into(),
            credit: record.credit.into(),
            closing: record.closing().into(),
            count: record.count,
            chain: (&record.chain).into(),
        }
    }
}

/// What makes a document one of a kind.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct DocumentName {
    /// Who issued it.
    pub(super) seller: Organisation,
    /// The seller's number for it.
    #[schema(examples("8841"))]
    pub(super) number: String,
    /// When it was issued.
    pub(super) issued: Day,
}

impl From<&DocumentId> for DocumentName {
    fn from(id: &DocumentId) -> Self {
        Self { seller: id.seller.into(), number: id.number.to_string(), issued: id.issued.into() }
    }
}

/// A voucher (bilag): gapless per entity and year.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(super) struct VoucherView {
    /// Accounting year.
    #[schema(examples(2026))]
    pub(super) year: u16,
    /// From 1, without gaps.
    #[schema(minimum = 1, examples(412))]
    pub(super) number: u64,
}

impl From<Voucher> for VoucherView {
    fn from(voucher: Voucher) -> Self {
        Self { year: voucher.year, number: voucher.number }
    }
}

/// How far a document has come.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DocumentStatus {
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
    /// The bank returned the payment.
    Returned,
    /// Set off against a credit note or an invoice in full.
    Credited,
    /// Taken back on both sides; it may be registered anew.
    Cancelled,
    /// Netted in full with what its seller owes its buyer.
    Netted,
}

impl From<Status> for DocumentStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Registered => Self::Registered,
            Status::Attested => Self::Attested,
            Status::Approved => Self::Approved,
            Status::Ordered => Self::Ordered,
            Status::Settled => Self::Settled,
            Status::Returned => Self::Returned,
            Status::Credited => Self::Credited,
            Status::Cancelled => Self::Cancelled,
            Status::Netted => Self::Netted,
        }
    }
}

/// An invoice or credit note and where it stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct DocumentView {
    /// Its identity.
    pub(super) id: DocumentName,
    /// Whether it is a credit note.
    pub(super) credit_note: bool,
    /// Who owes, or is owed on a credit note.
    pub(super) buyer: Organisation,
    /// How far it has come.
    pub(super) status: DocumentStatus,
    /// Posting date of its registration.
    pub(super) date: Day,
    /// When payment is due.
    pub(super) due: Day,
    /// What was to be paid when it was registered.
    pub(super) payable: Money,
    /// What is still to be paid, or refunded on a credit note.
    pub(super) open: Money,
    /// What the bank settled and did not return.
    pub(super) settled: Money,
    /// How many payments were ordered.
    pub(super) attempt: u32,
    /// Why the bank last refused or returned a payment (ISO 20022 code).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("AC04"))]
    pub(super) reason: Option<String>,
    /// Voucher of its registration in the buyer's books.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) buyer_voucher: Option<VoucherView>,
    /// Voucher of its registration in the seller's books.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) seller_voucher: Option<VoucherView>,
    /// Voucher of the last settlement or return in the buyer's books.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) buyer_payment_voucher: Option<VoucherView>,
    /// Voucher of the last settlement or return in the seller's books.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) seller_payment_voucher: Option<VoucherView>,
    /// Commitment to the document's bytes.
    pub(super) content: Hex,
    /// Commitment to the payee's account and reference.
    pub(super) payee: Hex,
    /// Leaf of its registration.
    pub(super) leaf: u64,
}

impl From<&DocumentRecord> for DocumentView {
    fn from(record: &DocumentRecord) -> Self {
        Self {
            id: (&record.id).into(),
            credit_note: record.credit_note,
            buyer: record.buyer.into(),
            status: record.status.into(),
            date: record.date.into(),
            due: record.due.into(),
            payable: record.payable.into(),
            open: record.open.into(),
            settled: record.settled.into(),
            attempt: record.attempt,
            reason: record.reason.map(|reason| reason.to_string()),
            buyer_voucher: record.buyer_voucher.map(VoucherView::from),
            seller_voucher: record.seller_voucher.map(VoucherView::from),
            buyer_payment_voucher: record.buyer_payment_voucher.map(VoucherView::from),
            seller_payment_voucher: record.seller_payment_voucher.map(VoucherView::from),
            content: (&record.content).into(),
            payee: (&record.payee).into(),
            leaf: record.leaf.0,
        }
    }
}

/// A payment id that is used, and what by.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PaymentView {
    /// The entity that submitted.
    pub(super) submitter: Organisation,
    /// Its number for the transaction.
    pub(super) number: Number,
    /// Id of the transaction.
    pub(super) transaction: Hex,
    /// Its leaf in the log.
    pub(super) leaf: u64,
}

impl From<&PaymentRecord> for PaymentView {
    fn from(record: &PaymentRecord) -> Self {
        Self {
            submitter: record.id.submitter.into(),
            number: record.id.number.into(),
            transaction: (&record.transaction.0).into(),
            leaf: record.leaf.0,
        }
    }
}

/// How the buyer's VAT is treated.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RegimeView {
    /// Deducted (fradrag).
    Deduct,
    /// Compensated by the state (merverdiavgiftskompensasjon).
    Compensate,
    /// A cost.
    Cost,
}

/// The VAT dimension of a posting.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct VatView {
    /// Standard tax code (SAF-T).
    #[schema(examples(1))]
    pub(super) code: u16,
    /// How the buyer treats it.
    pub(super) regime: RegimeView,
    /// What it is computed from.
    pub(super) base: Money,
    /// The rate in hundredths of a per cent: 2500 is 25 %.
    #[schema(examples(2500))]
    pub(super) rate: u16,
}

/// One line of an entry.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct PostingView {
    /// The account.
    pub(super) account: AccountCode,
    /// Debit positive, credit negative.
    pub(super) amount: Money,
    /// Cost centre (ansvar).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) cost_centre: Option<u32>,
    /// Project (prosjekt).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) project: Option<u32>,
    /// VAT treatment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) vat: Option<VatView>,
    /// The other party of the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(super) counterparty: Option<Organisation>,
}

impl From<&Posting> for PostingView {
    fn from(posting: &Posting) -> Self {
        Self {
            account: posting.account.into(),
            amount: posting.amount.into(),
            cost_centre: posting.cost_centre,
            project: posting.project,
            vat: posting.vat.map(|vat| VatView {
                code: vat.code,
                regime: match vat.regime {
                    Regime::Deduct => RegimeView::Deduct,
                    Regime::Compensate => RegimeView::Compensate,
                    Regime::Cost => RegimeView::Cost,
                },
                base: vat.base.into(),
                rate: vat.rate.0,
            }),
            counterparty: posting.counterparty.map(Organisation::from),
        }
    }
}

/// What one transaction booked for one entity.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct EntryView {
    /// Its number in the entity's books.
    pub(super) voucher: VoucherView,
    /// Posting date.
    pub(super) date: Day,
    /// Leaf of the log that holds it.
    pub(super) leaf: u64,
    /// Its number among the entries of that leaf, from 0.
    pub(super) entry: u16,
    /// The voucher that it reverses in full.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reverses: Option<VoucherView>,
    /// The lines.
    pub(super) postings: Vec<PostingView>,
}

impl EntryView {
    /// The entry with this number in this leaf.
    pub(super) fn new(entry: &JournalEntry, leaf: LeafIndex, number: u16) -> Self {
        Self {
            voucher: entry.voucher.into(),
            date: entry.date.into(),
            leaf: leaf.0,
            entry: number,
            reverses: entry.reverses.map(VoucherView::from),
            postings: entry.postings.iter().map(PostingView::from).collect(),
        }
    }
}

/// The header of a block: what validators vote on.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct HeaderView {
    /// Rules that the block was executed by.
    pub(super) version: u16,
    /// Genesis hash of the chain.
    pub(super) chain: Hex,
    /// Epoch of the validator set.
    pub(super) epoch: u64,
    /// View it was proposed in.
    pub(super) view: u64,
    /// Its height.
    pub(super) height: u64,
    /// View of the parent.
    pub(super) parent_view: u64,
    /// The parent.
    pub(super) parent: Hex,
    /// Index of the leader in the validator set.
    pub(super) proposer: u16,
    /// The leader's time.
    pub(super) time: Moment,
    /// Commits to the transactions.
    pub(super) payload: Hex,
    /// Leaves in the log after the block.
    pub(super) log_size: u64,
    /// Root of the log after the block.
    pub(super) log_root: Hex,
    /// Root of the registers after the block.
    pub(super) state_root: Hex,
}

impl From<&Header> for HeaderView {
    fn from(header: &Header) -> Self {
        Self {
            version: header.version,
            chain: (&header.chain).into(),
            epoch: header.epoch.0,
            view: header.view.0,
            height: header.height.0,
            parent_view: header.parent_view.0,
            parent: (&header.parent.0).into(),
            proposer: header.proposer,
            time: header.time.into(),
            payload: (&header.payload).into(),
            log_size: header.log_size,
            log_root: (&header.log_root).into(),
            state_root: (&header.state_root).into(),
        }
    }
}

/// Digests as hex.
pub(super) fn hexes(digests: &[Digest]) -> Vec<Hex> {
    digests.iter().map(Hex::from).collect()
}
