//! What the bank's answers mean for documents: which of its entries are ours, and which step of which
//! document follows from each.
//!
//! An entry is ours when it carries the reference of an order that the archive notes. Names and texts
//! in the message decide nothing. It leaves out reading the message (`formats`) and whether the
//! ledger books the step.
//!
//! Invariant: every entry of a message comes out, as a step or with the reason why not.

use formats::bank::{AccountNumber, Kid, Reference};
use formats::camt::{BankMessage, Movement, Side, Status};
use formats::pain001::{self, Batch, MESSAGE_CHARS_MAX, NAME_CHARS_MAX, Payment};
use formats::pain002::StatusReport;
use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::records::DocumentRecord;
use ledger::time::{Date, Timestamp};
use ledger::transaction::{BankReference, DocumentId, KidRule, Operation, ReasonCode};

use crate::archive::{Archive, ArchiveError, Order, Private};
use crate::name;

/// An answer of the bank to one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The document that was ordered paid.
    pub document: DocumentId,
    /// The order's reference.
    pub end_to_end_id: String,
    /// The step that follows.
    pub operation: Operation,
}

/// What a message holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// Answers to orders of this archive, in the order of the message.
    pub ours: Vec<Answer>,
    /// Everything else, one sentence each: what it is and why nothing follows from it.
    pub others: Vec<String>,
}

/// Why an order cannot be written for the bank.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// What the archive holds is not what the ledger committed to. Rule F-PAYEE.
    #[error(
        "document {document}: payee account and reference in the archive are not those the ledger commits to; nothing is ordered, find out who changed them"
    )]
    OtherPayee {
        /// Which.
        document: DocumentId,
    },
    /// There is no account to pay to. Rule F-ACCOUNT.
    #[error("document {document} states no account to pay to; ask the seller for a corrected document")]
    NoAccount {
        /// Which.
        document: DocumentId,
    },
    /// No bank takes it. Rule F-ORDER.
    #[error(transparent)]
    Form(#[from] pain001::OrderError),
}

impl OrderError {
    /// The rule that refuses.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::OtherPayee { .. } => "F-PAYEE",
            Self::NoAccount { .. } => "F-ACCOUNT",
            Self::Form(_) => "F-ORDER",
        }
    }
}

/// What follows from a statement or notification (camt.053, camt.054).
///
/// # Errors
/// [`ArchiveError`].
pub fn entries(message: &BankMessage, bytes: &[u8], archive: &Archive) -> Result<Answers, ArchiveError> {
    let mut answers = Answers::default();
    for movement in message.movements() {
        let shown = format!(
            "{} {} {} {}, bank reference {}",
            match movement.side {
                Side::Credit => "in",
                Side::Debit => "out",
            },
            movement.amount,
            movement.currency,
            movement.booked.map(|date| format!("on {date}")).unwrap_or_else(|| "without a date".to_string()),
            movement.reference
        );
        let order = match &movement.end_to_end_id {
            Some(id) => archive.order(id)?,
            None => None,
        };
        let document = order.as_ref().and_then(|order| name::document(&order.document).ok());
        let (Some(order), Some(document)) = (order, document) else {
            answers.others.push(format!("{shown}: no order of this archive"));
            continue;
        };
        match step(&movement, &document, bytes) {
            Ok(operation) => {
                answers.ours.push(Answer { document, end_to_end_id: order.end_to_end_id, operation });
            }
            Err(reason) => answers.others.push(format!("{shown}: {}: {reason}", order.document)),
        }
    }
    Ok(answers)
}

fn step(movement: &Movement, document: &DocumentId, bytes: &[u8]) -> Result<Operation, &'static str> {
    let date = booked(movement)?;
    let bank = reference(bytes, &movement.reference);
    let (document, amount) = (document.clone(), movement.amount);
    match (movement.side, movement.returned) {
        (Side::Debit, None) => Ok(Operation::SettlePayment { document, amount, date, bank }),
        (Side::Credit, Some(reason)) => Ok(Operation::ReturnPayment { document, amount, date, reason, bank }),
        (Side::Credit, None) => Err("money in under our own reference and no reason why; ask the bank"),
        (Side::Debit, Some(_)) => Err("a return that takes money out; ask the bank"),
    }
}

/// An entry of the bank's that no order of ours made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which way.
    pub side: Side,
    /// Above zero.
    pub amount: Amount,
    /// The bank's booking date.
    pub date: Date,
    /// The bank's word for it.
    pub bank: BankReference,
}

/// The one entry of a message that has this reference.
///
/// # Errors
/// One sentence: there is none or more than one, or it is not booked, not in NOK, or without a date.
pub fn movement(message: &BankMessage, bytes: &[u8], wanted: &str) -> Result<Moved, String> {
    let mut found = message.movements().into_iter().filter(|movement| movement.reference == wanted);
    let (Some(movement), None) = (found.next(), found.next()) else {
        let all: Vec<String> = message.movements().into_iter().map(|movement| movement.reference).collect();
        return Err(format!("not one entry with reference {wanted:?}; it has {}", all.join(", ")));
    };
    let date = booked(&movement).map_err(|reason| format!("entry {wanted}: {reason}"))?;
    let (side, amount) = (movement.side, movement.amount);
    Ok(Moved { side, amount, date, bank: reference(bytes, wanted) })
}

/// The day that the bank booked an amount in NOK on.
fn booked(movement: &Movement) -> Result<Date, &'static str> {
    if movement.status != Status::Booked {
        return Err("not booked yet");
    }
    if movement.currency != "NOK" {
        return Err("the books are kept in NOK");
    }
    movement.booked.ok_or("the bank gives no booking date; ask it for a corrected message")
}

/// What follows from a status report (pain.002): only a rejection changes the books.
///
/// # Errors
/// [`ArchiveError`].
pub fn rejections(report: &StatusReport, bytes: &[u8], archive: &Archive) -> Result<Answers, ArchiveError> {
    let mut answers = Answers::default();
    let orders = archive.orders_in(&report.original_message_id)?;
    if orders.is_empty() {
        let shown =
            format!("report on file {}: no order of this archive was in it", report.original_message_id);
        answers.others.push(shown);
    }
    for order in orders {
        let Ok(document) = name::document(&order.document) else { continue };
        let verdict = report.of(&order.batch_id, &order.end_to_end_id);
        match verdict {
            Some(verdict) if verdict.status == formats::pain002::Status::Rejected => {
                let reason: ReasonCode = verdict.reason_code();
                // A report has no reference per payment; report and payment together are one.
                let entry = format!("{}/{}", report.message_id, order.end_to_end_id);
                let bank = reference(bytes, &entry);
                let operation = Operation::RejectPayment { document: document.clone(), reason, bank };
                answers.ours.push(Answer { document, end_to_end_id: order.end_to_end_id, operation });
            }
            Some(verdict) => {
                answers.others.push(format!("{}: the bank says {}", order.document, verdict.code))
            }
            None => answers.others.push(format!("{}: the bank says nothing of it yet", order.document)),
        }
    }
    Ok(answers)
}

fn reference(message: &[u8], entry: &str) -> BankReference {
    BankReference { message: Digest::of(&[message]), entry: Digest::of(&[entry.as_bytes()]) }
}

/// The payment that an order of this document asks the bank for. The payee is the archive's, and
/// must be the one that the ledger commits to.
///
/// # Errors
/// [`OrderError`].
pub fn payment(
    record: &DocumentRecord,
    private: &Private,
    amount: Amount,
    end_to_end_id: String,
) -> Result<Payment, OrderError> {
    let document = || record.id.clone();
    if private.payee() != Some(record.payee) {
        return Err(OrderError::OtherPayee { document: document() });
    }
    let account = AccountNumber::parse(&private.payee_account)
        .map_err(|_| OrderError::NoAccount { document: document() })?;
    let kid =
        Some(&private.reference).filter(|_| private.kid).and_then(|text| Kid::parse(text, KidRule::Either));
    let message = || one_line(&private.reference, MESSAGE_CHARS_MAX).map(Reference::Text);
    let reference = kid.map(Reference::Kid).or_else(message);
    let creditor =
        one_line(&private.payee_name, NAME_CHARS_MAX).unwrap_or_else(|| record.id.seller.to_string());
    Ok(Payment { end_to_end_id, amount, creditor, account, reference })
}

/// A file of payments from one account on one day. Its id follows from what it orders, so that the
/// same file written again is refused by the bank as the duplicate it is.
pub fn file(
    sender: &str,
    account: AccountNumber,
    requested: Date,
    created: Timestamp,
    payments: Vec<Payment>,
) -> pain001::Order {
    let ids: Vec<&[u8]> = payments.iter().map(|payment| payment.end_to_end_id.as_bytes()).collect();
    let message_id = Digest::of(&ids).to_hex()[..32].to_string();
    let debtor = one_line(sender, NAME_CHARS_MAX).unwrap_or_else(|| "payer".to_string());
    let batch =
        Batch { id: "1".to_string(), requested, debtor: debtor.clone(), account, bic: None, payments };
    pain001::Order { message_id, created, sender: debtor, batches: vec![batch] }
}

/// What the archive notes of each payment in a file.
pub fn notes<'a>(
    file: &'a pain001::Order,
    ordered: &'a [(DocumentId, u32)],
) -> impl Iterator<Item = Order> + 'a {
    let payments =
        file.batches.iter().flat_map(|batch| batch.payments.iter().map(move |payment| (batch, payment)));
    payments.zip(ordered).map(|((batch, payment), (document, attempt))| Order {
        end_to_end_id: payment.end_to_end_id.clone(),
        document: name::of_document(document),
        attempt: *attempt,
        message_id: file.message_id.clone(),
        batch_id: batch.id.clone(),
    })
}

/// A text as a bank's field takes it; nothing when nothing is left of it.
fn one_line(text: &str, max: usize) -> Option<String> {
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").chars().take(max).collect();
    let line = line.trim().to_string();
    if line.is_empty() { None } else { Some(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    const CAMT: &str = r#"<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"><BkToCstmrDbtCdtNtfctn>
      <GrpHdr><MsgId>N-1</MsgId><CreDtTm>2026-05-04T10:00:00</CreDtTm></GrpHdr>
      <Ntfctn><Id>1</Id><Acct><Id><Othr><Id>86011117947</Id></Othr></Id></Acct>ENTRIES</Ntfctn>
      </BkToCstmrDbtCdtNtfctn></Document>"#;

    fn entry(reference: &str, side: &str, status: &str, id: &str, more: &str) -> String {
        format!(
            "<Ntry><Amt Ccy=\"NOK\">125000.00</Amt><CdtDbtInd>{side}</CdtDbtInd><Sts><Cd>{status}</Cd></Sts>\
             <BookgDt><Dt>2026-05-04</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls><TxDtls>\
             <Refs><EndToEndId>{id}</EndToEndId></Refs>{more}</TxDtls></NtryDtls></Ntry>"
        )
    }

    fn archive(name: &str) -> (Archive, PathBuf) {
        let folder = std::env::temp_dir().join(format!("hovedbok-bank-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let archive = Archive::new(&folder);
        for (id, number) in [("e1", 1), ("e2", 2)] {
            let order = Order {
                end_to_end_id: id.into(),
                document: format!("123456785/{number}/2026-03-04"),
                attempt: 1,
                message_id: "m1".into(),
                batch_id: "1".into(),
            };
            archive.note(&order).unwrap();
        }
        (archive, folder)
    }

    #[test]
    fn l12_only_booked_entries_under_our_own_references_move_a_document() {
        let (archive, folder) = archive("entries");
        let returned = "<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>";
        let entries_text = [
            entry("B1", "DBIT", "BOOK", "e1", ""),
            entry("B2", "CRDT", "BOOK", "e2", returned),
            entry("B3", "DBIT", "PDNG", "e1", ""),
            entry("B4", "DBIT", "BOOK", "another", ""),
            entry("B5", "CRDT", "BOOK", "e1", ""),
        ];
        let bytes = CAMT.replace("ENTRIES", &entries_text.concat()).into_bytes();
        let answers = entries(&BankMessage::read(&bytes).unwrap(), &bytes, &archive).unwrap();
        let steps: Vec<_> =
            answers.ours.iter().map(|answer| name::Step::of(&answer.operation).unwrap().1).collect();
        assert_eq!(steps, [name::Step::Settle, name::Step::Return]);
        let Operation::ReturnPayment { amount, reason, bank, date, .. } = &answers.ours[1].operation else {
            panic!("a return")
        };
        assert_eq!(
            (amount.0, reason.to_string(), date.to_string()),
            (12_500_000, "AC04".into(), "2026-05-04".into())
        );
        assert_eq!(bank.entry, Digest::of(&[b"B2"]));
        assert_eq!(bank.message, Digest::of(&[&bytes]));
        let reasons: Vec<_> = answers.others.iter().map(|other| other.rsplit(": ").next().unwrap()).collect();
        assert_eq!(
            reasons,
            [
                "not booked yet",
                "no order of this archive",
                "money in under our own reference and no reason why; ask the bank"
            ]
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn l12_a_file_refused_as_a_whole_refuses_every_order_in_it() {
        let (archive, folder) = archive("reject");
        let text = |original: &str, body: &str| {
            format!(
                "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><GrpHdr>\
                 <MsgId>R-1</MsgId><CreDtTm>2026-05-04T10:00:00</CreDtTm></GrpHdr><OrgnlGrpInfAndSts>\
                 <OrgnlMsgId>{original}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.03</OrgnlMsgNmId>{body}"
            ) + "</OrgnlGrpInfAndSts></CstmrPmtStsRpt></Document>"
        };
        let refused = "<GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>DUPL</Cd></Rsn></StsRsnInf>";
        for (original, body, ours, others) in
            [("m1", refused, 2, 0), ("m1", "<GrpSts>ACCP</GrpSts>", 0, 2), ("m9", refused, 0, 1)]
        {
            let bytes = text(original, body).into_bytes();
            let answers = rejections(&StatusReport::read(&bytes).unwrap(), &bytes, &archive).unwrap();
            assert_eq!((answers.ours.len(), answers.others.len()), (ours, others), "{original} {body}");
            if let [Answer { operation: Operation::RejectPayment { reason, bank, .. }, .. }, second] =
                &answers.ours[..]
            {
                assert_eq!(reason.to_string(), "DUPL");
                assert_eq!(bank.entry, Digest::of(&[b"R-1/e1"]));
                assert_eq!(second.end_to_end_id, "e2");
            }
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_same_payments_make_the_same_file_id_and_a_text_never_breaks_a_field() {
        let payment = |id: &str| Payment {
            end_to_end_id: id.into(),
            amount: Amount(100),
            creditor: "Skolemat AS".into(),
            account: AccountNumber::parse("86011117947").unwrap(),
            reference: None,
        };
        let file = |ids: &[&str]| {
            let payments = ids.iter().map(|id| payment(id)).collect();
            let account = AccountNumber::parse("86011117947").unwrap();
            file("Stavanger\nkommune", account, Date::new(20_260_504).unwrap(), Timestamp(0), payments)
        };
        assert_eq!(file(&["e1", "e2"]).message_id, file(&["e1", "e2"]).message_id);
        assert_ne!(file(&["e1", "e2"]).message_id, file(&["e1"]).message_id);
        assert_eq!(file(&["e1"]).sender, "Stavanger kommune");
        assert!(pain001::write(&file(&["e1"]), pain001::Version::V3).is_ok());
        assert_eq!(one_line(" \n\t", 10), None);
        assert_eq!(one_line("one  two", 5).unwrap(), "one t");
    }
}
