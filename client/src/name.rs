//! How people name things on a command line and in folders: documents, their steps, files.
//!
//! A document is `seller/number/issued`, split at the first and the last slash, because a number may
//! hold slashes itself. It leaves out whether the thing named exists.

use std::fmt;

use ledger::digest::Digest;
use ledger::entity::OrgNumber;
use ledger::time::Date;
use ledger::transaction::{DocumentId, InvoiceNumber, Operation};

/// A name that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No document.
    #[error(
        "{given:?} is no document ({reason}); write it as seller/number/issued, such as 923609016/8841/2026-03-04"
    )]
    Document {
        /// What was given, shortened.
        given: String,
        /// What about it.
        reason: String,
    },
    /// Neither a transaction nor a document's step.
    #[error(
        "{given:?} is neither a transaction id of 64 hex digits nor a document with a step, such as 923609016/8841/2026-03-04-attest ({}); write one of them",
        STEPS.map(|(name, _)| name).join(", ")
    )]
    Step {
        /// What was given, shortened.
        given: String,
    },
}

/// Reads `seller/number/issued`.
///
/// # Errors
/// [`NameError::Document`].
pub fn document(text: &str) -> Result<DocumentId, NameError> {
    let refuse = |reason: String| NameError::Document { given: text.chars().take(80).collect(), reason };
    let parts = text.split_once('/').and_then(|(seller, rest)| Some((seller, rest.rsplit_once('/')?)));
    let Some((seller, (number, issued))) = parts else { return Err(refuse("two slashes are needed".into())) };
    Ok(DocumentId {
        seller: OrgNumber::parse(seller).map_err(|error| refuse(error.to_string()))?,
        number: InvoiceNumber::new(number).map_err(|error| refuse(error.to_string()))?,
        issued: Date::parse(issued).map_err(|error| refuse(error.to_string()))?,
    })
}

/// The form that [`document`] reads.
pub fn of_document(id: &DocumentId) -> String {
    format!("{}/{}/{}", id.seller, id.number, id.issued)
}

/// What the number is called in a path of the RPC: a slash or a dot in it may not cut the path.
pub fn in_path(id: &DocumentId) -> String {
    let number = id.number.as_str().replace('/', "%2F").replace('.', "%2E");
    format!("{}/{number}/{}", id.seller, id.issued)
}

/// What a document's files are called. Two documents never share it: a number with characters that
/// a file name does not take carries a piece of its hash.
pub fn in_files(id: &DocumentId) -> String {
    let given = id.number.as_str();
    let plain = given.bytes().all(|b| b.is_ascii_alphanumeric());
    let number: String = given.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let mut name = format!("{}-{number}-{}", id.seller, id.issued);
    if !plain {
        name.push('-');
        name.push_str(&Digest::of(&[given.as_bytes()]).to_hex()[..8]);
    }
    name
}

/// A step in the life of a document: one kind of transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Registered and booked.
    Register,
    /// Attested.
    Attest,
    /// Approved.
    Approve,
    /// Its payment was ordered.
    Order,
    /// The bank paid.
    Settle,
    /// The bank refused the order.
    Reject,
    /// The bank took the payment back.
    Return,
    /// The buyer's side was booked on other accounts.
    Recode,
    /// Taken back on both sides.
    Cancel,
}

const STEPS: [(&str, Step); 9] = [
    ("register", Step::Register),
    ("attest", Step::Attest),
    ("approve", Step::Approve),
    ("order", Step::Order),
    ("settle", Step::Settle),
    ("reject", Step::Reject),
    ("return", Step::Return),
    ("recode", Step::Recode),
    ("cancel", Step::Cancel),
];

impl Step {
    /// The document and the step that an operation takes, if it takes one.
    pub fn of(operation: &Operation) -> Option<(&DocumentId, Self)> {
        Some(match operation {
            Operation::RegisterDocument(document) => (&document.id, Self::Register),
            Operation::Attest { document } => (document, Self::Attest),
            Operation::Approve { document } => (document, Self::Approve),
            Operation::OrderPayment { document, .. } => (document, Self::Order),
            Operation::SettlePayment { document, .. } => (document, Self::Settle),
            Operation::RejectPayment { document, .. } => (document, Self::Reject),
            Operation::ReturnPayment { document, .. } => (document, Self::Return),
            Operation::ApproveCovered { coded, .. } => (&coded.document.id, Self::Approve),
            Operation::Recode { coded, .. } => (&coded.document.id, Self::Recode),
            Operation::Cancel { coded, .. } => (&coded.document.id, Self::Cancel),
            Operation::RegisterEntity(_)
            | Operation::GrantKey(_)
            | Operation::RevokeKey { .. }
            | Operation::OpenBooks { .. }
            | Operation::ClosePeriod { .. }
            | Operation::ChangeValidators(_)
            | Operation::Recover(_)
            | Operation::ReportOffence(_)
            | Operation::Enter(_)
            | Operation::ReverseEntry { .. }
            | Operation::AdoptBudget(_)
            | Operation::NetClaims { .. } => return None,
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = STEPS.iter().find(|(_, step)| step == self).map_or("", |(name, _)| name);
        f.pad(name)
    }
}

/// What a receipt is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The id of a transaction.
    Transaction(Digest),
    /// A step of a document: the last of its kind.
    Step(DocumentId, Step),
}

/// Reads a transaction id, or a document and a step with a hyphen between.
///
/// # Errors
/// [`NameError`].
pub fn wanted(text: &str) -> Result<Wanted, NameError> {
    if let Some(id) = Digest::from_hex(text) {
        return Ok(Wanted::Transaction(id));
    }
    for (name, step) in STEPS {
        if let Some(rest) = text.strip_suffix(name).and_then(|rest| rest.strip_suffix('-')) {
            return Ok(Wanted::Step(document(rest)?, step));
        }
    }
    Err(NameError::Step { given: text.chars().take(80).collect() })
}

/// What the receipt of an operation is called, without its ending.
pub fn of_receipt(operation: &Operation, transaction: &Digest) -> String {
    let short = |digest: &Digest| digest.to_hex()[..8].to_string();
    match operation {
        Operation::RegisterEntity(entity) => format!("entity-{}", entity.number),
        // A key may be granted mandates more than once.
        Operation::GrantKey(granted) => {
            format!("key-{}-{}", short(&Digest(granted.key.0)), short(transaction))
        }
        Operation::RevokeKey { key } => format!("revoke-{}", short(&Digest(key.0))),
        Operation::OpenBooks { entity, .. } => format!("opening-{entity}"),
        Operation::ClosePeriod { entity, period } => format!("close-{entity}-{period}"),
        Operation::ChangeValidators(change) => format!("validators-{}", change.epoch.0.saturating_add(1)),
        Operation::Recover(recovery) => format!("recovery-{}", recovery.epoch.0.saturating_add(1)),
        Operation::ReportOffence(_) => format!("offence-{}", short(transaction)),
        Operation::AdoptBudget(part) => {
            format!("budget-{}-{}-{}-{}", part.entity, part.year, part.version, short(transaction))
        }
        Operation::NetClaims { .. } => format!("netting-{}", short(transaction)),
        Operation::Enter(entry) => format!("entry-{}-{}", entry.entity, short(transaction)),
        Operation::ReverseEntry { voucher, entry, .. } => {
            format!("reversal-{}-{}-{}", entry.entity, voucher.year, voucher.number)
        }
        _ => match Step::of(operation) {
            // These may happen again: after a bank said no, or after a correction.
            Some((id, step)) if !matches!(step, Step::Register | Step::Attest | Step::Approve) => {
                format!("{}-{step}-{}", in_files(id), short(transaction))
            }
            Some((id, step)) => format!("{}-{step}", in_files(id)),
            None => short(transaction),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_split_at_its_first_and_last_slash() {
        for text in ["123456785/8841/2026-03-04", "123456785/F/2026/17/2026-03-04", "123456785/../2026-03-04"]
        {
            assert_eq!(of_document(&document(text).unwrap()), text);
        }
        for wrong in [
            "",
            "8841",
            "123456785/2026-03-04",
            "123456785//2026-03-04",
            "123456786/1/2026-03-04",
            "123456785/1/2026-3-4",
        ] {
            let error = document(wrong).unwrap_err().to_string();
            assert!(error.contains("write it as seller/number/issued"), "{error}");
        }
    }

    #[test]
    fn a_number_chooses_neither_a_folder_nor_a_path() {
        let names = ["123456785/../2026-03-04", "123456785/A/1/2026-03-04", "123456785/A_1/2026-03-04"];
        let files: Vec<String> = names.iter().map(|name| in_files(&document(name).unwrap())).collect();
        assert!(files.iter().all(|file| !file.contains(['/', '.'])), "{files:?}");
        assert!(files[1] != files[2]);
        assert_eq!(in_path(&document(names[0]).unwrap()), "123456785/%2E%2E/2026-03-04");
        assert_eq!(in_path(&document(names[1]).unwrap()), "123456785/A%2F1/2026-03-04");
        assert_eq!(in_files(&document("123456785/8841/2026-03-04").unwrap()), "123456785-8841-2026-03-04");
    }

    #[test]
    fn a_receipt_is_asked_for_by_transaction_or_by_step() {
        let id = document("123456785/8841-order/2026-03-04").unwrap();
        assert_eq!(wanted("123456785/8841-order/2026-03-04-attest").unwrap(), Wanted::Step(id, Step::Attest));
        assert_eq!(wanted(&"0f".repeat(32)).unwrap(), Wanted::Transaction(Digest([15; 32])));
        for wrong in ["", "0f", "123456785/8841/2026-03-04", "123456785/8841/2026-03-04-pay"] {
            assert!(wanted(wrong).is_err(), "{wrong}");
        }
    }
}
