//! Why claims are not netted.

use crate::amount::Amount;
use crate::transaction::DocumentId;

/// What the rules about netting refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NettingRefusal {
    /// Rule L41: not a claim each way.
    #[error(
        "documents {one} and {other}: not the same two parties, each owing the other by one; net a claim with a claim back"
    )]
    Parties {
        /// One.
        one: DocumentId,
        /// The other.
        other: DocumentId,
    },
    /// Rule L41: a credit note is no claim on its buyer.
    #[error("document {document}: a credit note is not netted; register it against the invoice it corrects")]
    CreditNote {
        /// The document.
        document: DocumentId,
    },
    /// Rule L41: not what is open on the smaller.
    #[error(
        "documents {one} and {other}: {stated} stated, {due} can be netted; net what the smaller has open"
    )]
    Amount {
        /// One.
        one: DocumentId,
        /// The other.
        other: DocumentId,
        /// The amount given.
        stated: Amount,
        /// What the smaller has open.
        due: Amount,
    },
    /// Rule L13: VAT is compensated or deducted only on what a bank paid.
    #[error("document {document}: it bears VAT, which wants payment through a bank; order its payment")]
    BearsVat {
        /// The document.
        document: DocumentId,
    },
}

impl NettingRefusal {
    /// Id of the rule that refuses (`specs/ledger.md`).
    pub fn rule(&self) -> &'static str {
        match self {
            Self::BearsVat { .. } => "L13",
            Self::Parties { .. } | Self::CreditNote { .. } | Self::Amount { .. } => "L41",
        }
    }
}
