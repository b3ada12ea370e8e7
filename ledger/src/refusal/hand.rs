//! Why an entry made by hand, or a correction, is not booked.

use crate::account::Account;
use crate::amount::Amount;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::entry::Voucher;
use crate::time::Period;
use crate::transaction::{DocumentId, Role};

/// What the rules about entries made by hand and corrections refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandRefusal {
    /// Rule L7: one person, or one machine, would sign in two roles.
    #[error("entity {entity}: one holder may not both {first} and {second} this; have another person sign")]
    OneHolder {
        /// Whose books.
        entity: OrgNumber,
        /// One role.
        first: Role,
        /// The other.
        second: Role,
    },
    /// Rule L12: the bank's references are missing.
    #[error("entity {entity}: a bank entry names the bank's message and its entry; fetch them from the bank")]
    NoReference {
        /// Whose books.
        entity: OrgNumber,
    },
    /// Rule L12: the bank's entry is booked.
    #[error(
        "bank entry {entry} of {entity} is already booked; find it among the vouchers, do not book it twice"
    )]
    EntryUsed {
        /// Whose bank.
        entity: OrgNumber,
        /// SHA-256 of the bank's reference.
        entry: Digest,
    },
    /// Rule L31: the seller's claim would fall without the seller's signature.
    #[error(
        "document {document}: {seller} books it as a claim and has not signed; have the seller's submitter sign too, or register its credit note"
    )]
    SellersWord {
        /// The document.
        document: DocumentId,
        /// Who must sign too.
        seller: OrgNumber,
    },
    /// Rule L37: what is given is not what stands in the books.
    #[error(
        "document {document}: what is given is not what was booked; give it as registered, and the lines of its last correction"
    )]
    NotTheDocument {
        /// The document.
        document: DocumentId,
    },
    /// Rule L37: the coding would stay as it is.
    #[error("document {document}: the lines stand in the books as given; change one, or leave it")]
    SameCoding {
        /// The document.
        document: DocumentId,
    },
    /// Rule L37: a part of it is settled by other documents.
    #[error(
        "document {document}: {open} of {payable} is open; cancel nothing that credit notes or netting have lowered, register a note for the rest"
    )]
    PartlyCredited {
        /// The document.
        document: DocumentId,
        /// What is open.
        open: Amount,
        /// What was to be paid.
        payable: Amount,
    },
    /// Rule L38: the books have begun here.
    #[error(
        "entity {entity}: history ends when its first period, {period}, is closed; enter what is missing as a memorial entry"
    )]
    HistoryOver {
        /// Whose books.
        entity: OrgNumber,
        /// The period.
        period: Period,
    },
    /// Rule L37: no entry made by hand has this number.
    #[error(
        "voucher {voucher} of {entity} is no entry made by hand; recode or cancel a document, return a payment"
    )]
    UnknownEntry {
        /// Whose books.
        entity: OrgNumber,
        /// The number named.
        voucher: Voucher,
    },
    /// Rule L37: another entry has this number.
    #[error("voucher {voucher} of {entity}: the entry given is not the one booked; give it as submitted")]
    NotTheEntry {
        /// Whose books.
        entity: OrgNumber,
        /// The number named.
        voucher: Voucher,
    },
    /// Rule L37: reversed before.
    #[error("voucher {voucher} of {entity} was reversed by {by}; enter it anew if it holds after all")]
    Reversed {
        /// Whose books.
        entity: OrgNumber,
        /// The number named.
        voucher: Voucher,
        /// What reversed it.
        by: Voucher,
    },
    /// Rule L37: the bank moved the money, and no entry moves it back.
    #[error(
        "voucher {voucher} of {entity} is what the bank did, which stands; move its other lines by a reclassification or a memorial entry"
    )]
    ReversesCash {
        /// Whose books.
        entity: OrgNumber,
        /// The number named.
        voucher: Voucher,
    },
    /// Rule L38: a reclassification moves income and expense alone.
    #[error("account {account} is a balance account; enter it in a memorial entry")]
    Reclassified {
        /// The account.
        account: Account,
    },
    /// Rule L38: cash without the bank.
    #[error("account {account} is cash, which moves with a bank entry alone; name the bank's references")]
    Cash {
        /// The account.
        account: Account,
    },
    /// Rule L38: a bank entry that moves no cash.
    #[error("entity {entity}: no cash moves in sum; enter it as a memorial entry")]
    NoCash {
        /// Whose books.
        entity: OrgNumber,
    },
}

impl HandRefusal {
    /// Id of the rule that refuses (`specs/ledger.md`).
    pub fn rule(&self) -> &'static str {
        match self {
            Self::OneHolder { .. } => "L7",
            Self::NoReference { .. } | Self::EntryUsed { .. } => "L12",
            Self::SellersWord { .. } => "L31",
            Self::NotTheDocument { .. }
            | Self::SameCoding { .. }
            | Self::PartlyCredited { .. }
            | Self::UnknownEntry { .. }
            | Self::NotTheEntry { .. }
            | Self::Reversed { .. }
            | Self::ReversesCash { .. } => "L37",
            Self::Reclassified { .. }
            | Self::Cash { .. }
            | Self::NoCash { .. }
            | Self::HistoryOver { .. } => "L38",
        }
    }
}
