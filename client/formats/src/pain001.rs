//! Payment orders to the bank: ISO 20022 pain.001, as Norwegian banks take it.
//!
//! Accounts are written as BBAN, a KID as a structured creditor reference (`SCOR`), anything else as
//! a message to the payee. It leaves out signatures, transport, and whether anybody may pay: an order
//! is written for what the ledger has approved.
//!
//! Invariant: what [`write`] returns is valid against the official schema of its version, counts and
//! sums its payments right, and orders whole øre of NOK.

use std::fmt::Write as _;

use ledger::amount::{Amount, Total};
use ledger::time::{Date, Timestamp};

use crate::bank::{AccountNumber, Reference};
use crate::xml::escape;

/// Banks split larger files anyway.
pub const PAYMENTS_MAX: usize = 10_000;
/// Identifiers in ISO 20022 (Max35Text).
pub const ID_CHARS_MAX: usize = 35;
/// A name (Max140Text in the schema; Norwegian banks carry 70).
pub const NAME_CHARS_MAX: usize = 70;
/// A message to the payee (Max140Text).
pub const MESSAGE_CHARS_MAX: usize = 140;
/// Sums have 18 digits in the schema, two of them decimals.
const SUM_MAX: i128 = 1_000_000_000_000_000_000;

/// Which message of the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// pain.001.001.03, which every Norwegian bank takes.
    V3,
    /// pain.001.001.09, which they move to.
    V9,
}

impl Version {
    fn name(self) -> &'static str {
        match self {
            Self::V3 => "pain.001.001.03",
            Self::V9 => "pain.001.001.09",
        }
    }
}

/// One file of payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The sender's name for the file; a bank takes each once.
    pub message_id: String,
    /// When it was made.
    pub created: Timestamp,
    /// Who sends it.
    pub sender: String,
    /// At least one.
    pub batches: Vec<Batch>,
}

/// Payments from one account on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The sender's name for the batch.
    pub id: String,
    /// When the bank shall pay.
    pub requested: Date,
    /// Who pays.
    pub debtor: String,
    /// From which account.
    pub account: AccountNumber,
    /// The BIC of the account's bank, where the sender knows it.
    pub bic: Option<String>,
    /// At least one.
    pub payments: Vec<Payment>,
}

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The payer's name for it, which returns on every answer of the bank.
    pub end_to_end_id: String,
    /// Above zero.
    pub amount: Amount,
    /// Who is paid.
    pub creditor: String,
    /// To which account.
    pub account: AccountNumber,
    /// What the payee looks for.
    pub reference: Option<Reference>,
}

/// An order that no bank takes. Rule F-ORDER.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A text that the schema refuses.
    #[error(
        "{field} {given:?} must have 1 to {max} characters, without control characters or space around; shorten or correct it"
    )]
    Text {
        /// Which field.
        field: &'static str,
        /// What was given, shortened.
        given: String,
        /// How many characters fit.
        max: usize,
    },
    /// A BIC of another form.
    #[error("BIC {given:?} is not 8 or 11 capital letters and digits; correct it or leave it out")]
    Bic {
        /// What was given, shortened.
        given: String,
    },
    /// Nothing is ordered, or a payment of nothing.
    #[error("payment {end_to_end_id} is over {amount}; order an amount above zero and below 10 000 billion")]
    Amount {
        /// Which.
        end_to_end_id: String,
        /// What was given.
        amount: Amount,
    },
    /// More than the schema's 18 digits.
    #[error("the payments add up to {sum}, more than a file can state; send several files")]
    Sum {
        /// All of them.
        sum: Total,
    },
    /// Two payments with one name: the bank's answer would fit both.
    #[error("end-to-end id {id} stands twice; give each payment its own")]
    Twice {
        /// The name.
        id: String,
    },
    /// No payment or too many.
    #[error(
        "the file holds {count} payments in {batches} batches; 1 to {PAYMENTS_MAX}, at least one in each, are sent"
    )]
    Count {
        /// How many payments.
        count: usize,
        /// How many batches.
        batches: usize,
    },
}

/// Writes the order as a file, UTF-8.
///
/// # Errors
/// [`OrderError`], when a bank would refuse it.
pub fn write(order: &Order, version: Version) -> Result<String, OrderError> {
    let count: usize = order.batches.iter().map(|batch| batch.payments.len()).sum();
    let empty = order.batches.is_empty() || order.batches.iter().any(|batch| batch.payments.is_empty());
    if empty || count > PAYMENTS_MAX {
        return Err(OrderError::Count { count, batches: order.batches.len() });
    }
    unique(order)?;
    let all = order.batches.iter().flat_map(|batch| &batch.payments);
    let sum: Total = all.map(|payment| payment.amount).sum();
    if sum.0 >= SUM_MAX {
        return Err(OrderError::Sum { sum });
    }
    let mut out = Writer::default();
    out.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.open(&format!("Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:{}\"", version.name()));
    out.open("CstmrCdtTrfInitn");
    out.open("GrpHdr");
    out.id("MsgId", "message id", &order.message_id)?;
    out.leaf("CreDtTm", &date_time(order.created));
    out.leaf("NbOfTxs", &count.to_string());
    out.leaf("CtrlSum", &decimal(sum));
    out.name("InitgPty", "sender", &order.sender)?;
    out.close("GrpHdr");
    for batch in &order.batches {
        write_batch(&mut out, batch, version)?;
    }
    out.close("CstmrCdtTrfInitn");
    out.close("Document");
    Ok(out.text)
}

fn unique(order: &Order) -> Result<(), OrderError> {
    let mut ids: Vec<_> = order
        .batches
        .iter()
        .flat_map(|batch| &batch.payments)
        .map(|payment| &payment.end_to_end_id)
        .collect();
    ids.sort_unstable();
    match ids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(OrderError::Twice { id: pair[0].chars().take(40).collect() }),
        None => Ok(()),
    }
}

fn write_batch(out: &mut Writer, batch: &Batch, version: Version) -> Result<(), OrderError> {
    out.open("PmtInf");
    out.id("PmtInfId", "batch id", &batch.id)?;
    out.leaf("PmtMtd", "TRF");
    out.leaf("NbOfTxs", &batch.payments.len().to_string());
    out.leaf("CtrlSum", &decimal(batch.payments.iter().map(|payment| payment.amount).sum()));
    match version {
        Version::V3 => out.leaf("ReqdExctnDt", &batch.requested.to_string()),
        Version::V9 => {
            out.open("ReqdExctnDt");
            out.leaf("Dt", &batch.requested.to_string());
            out.close("ReqdExctnDt");
        }
    }
    out.name("Dbtr", "debtor", &batch.debtor)?;
    out.open("DbtrAcct");
    out.account(&batch.account);
    out.leaf("Ccy", "NOK");
    out.close("DbtrAcct");
    out.open("DbtrAgt");
    out.open("FinInstnId");
    match &batch.bic {
        Some(bic) => {
            let plain = bic.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            if !matches!(bic.len(), 8 | 11) || !plain || !bic.bytes().take(6).all(|b| b.is_ascii_uppercase())
            {
                return Err(OrderError::Bic { given: bic.chars().take(40).collect() });
            }
            out.leaf(if version == Version::V3 { "BIC" } else { "BICFI" }, bic);
        }
        None => {
            // The schema demands a bank; the account number names it well enough.
            out.open("Othr");
            out.leaf("Id", "NOTPROVIDED");
            out.close("Othr");
        }
    }
    out.close("FinInstnId");
    out.close("DbtrAgt");
    for payment in &batch.payments {
        write_payment(out, payment)?;
    }
    out.close("PmtInf");
    Ok(())
}

fn write_payment(out: &mut Writer, payment: &Payment) -> Result<(), OrderError> {
    if payment.amount <= Amount::ZERO || payment.amount.0 >= 1_000_000_000_000_000 {
        let end_to_end_id = payment.end_to_end_id.chars().take(40).collect();
        return Err(OrderError::Amount { end_to_end_id, amount: payment.amount });
    }
    out.open("CdtTrfTxInf");
    out.open("PmtId");
    out.id("EndToEndId", "end-to-end id", &payment.end_to_end_id)?;
    out.close("PmtId");
    out.open("Amt");
    out.line(&format!("<InstdAmt Ccy=\"NOK\">{}</InstdAmt>", payment.amount.to_decimal()));
    out.close("Amt");
    out.name("Cdtr", "creditor", &payment.creditor)?;
    out.open("CdtrAcct");
    out.account(&payment.account);
    out.close("CdtrAcct");
    match &payment.reference {
        None => {}
        Some(Reference::Kid(kid)) => {
            out.open("RmtInf");
            out.open("Strd");
            out.open("CdtrRefInf");
            out.open("Tp");
            out.open("CdOrPrtry");
            out.leaf("Cd", "SCOR");
            out.close("CdOrPrtry");
            out.close("Tp");
            out.leaf("Ref", kid.as_str());
            out.close("CdtrRefInf");
            out.close("Strd");
            out.close("RmtInf");
        }
        Some(Reference::Text(text)) => {
            out.open("RmtInf");
            out.checked("Ustrd", "message to the payee", text, MESSAGE_CHARS_MAX)?;
            out.close("RmtInf");
        }
    }
    out.close("CdtTrfTxInf");
    Ok(())
}

fn decimal(total: Total) -> String {
    let ore = total.0.unsigned_abs();
    format!("{}.{:02}", ore / 100, ore % 100)
}

/// A moment as ISO 20022 writes it, in UTC and whole seconds.
pub(crate) fn date_time(at: Timestamp) -> String {
    let seconds = at.0 / 1000;
    // The ledger's date runs two hours ahead of UTC.
    let date = Timestamp((seconds.saturating_sub(7200)) * 1000).date();
    let of_day = seconds % 86_400;
    format!("{date}T{:02}:{:02}:{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

#[derive(Default)]
struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "{:indent$}{line}", "", indent = self.depth * 2);
    }

    fn open(&mut self, tag: &str) {
        self.line(&format!("<{tag}>"));
        self.depth += 1;
    }

    fn close(&mut self, tag: &str) {
        self.depth = self.depth.saturating_sub(1);
        self.line(&format!("</{tag}>"));
    }

    fn leaf(&mut self, tag: &str, text: &str) {
        self.line(&format!("<{tag}>{}</{tag}>", escape(text)));
    }

    fn checked(&mut self, tag: &str, field: &'static str, text: &str, max: usize) -> Result<(), OrderError> {
        let length = text.chars().count();
        if !(1..=max).contains(&length) || text.trim() != text || text.chars().any(char::is_control) {
            return Err(OrderError::Text { field, given: text.chars().take(40).collect(), max });
        }
        self.leaf(tag, text);
        Ok(())
    }

    fn id(&mut self, tag: &str, field: &'static str, id: &str) -> Result<(), OrderError> {
        // Some banks send an identifier on in a character set without more.
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-?:().,'+ ".contains(&b));
        if !plain {
            return Err(OrderError::Text { field, given: id.chars().take(40).collect(), max: ID_CHARS_MAX });
        }
        self.checked(tag, field, id, ID_CHARS_MAX)
    }

    fn name(&mut self, tag: &str, field: &'static str, name: &str) -> Result<(), OrderError> {
        self.open(tag);
        self.checked("Nm", field, name, NAME_CHARS_MAX)?;
        self.close(tag);
        Ok(())
    }

    fn account(&mut self, account: &AccountNumber) {
        self.open("Id");
        match account {
            AccountNumber::Iban(iban) => self.leaf("IBAN", iban),
            AccountNumber::Bban(number) => {
                self.open("Othr");
                self.leaf("Id", number);
                self.open("SchmeNm");
                self.leaf("Cd", "BBAN");
                self.close("SchmeNm");
                self.close("Othr");
            }
        }
        self.close("Id");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::Kid;
    use ledger::transaction::KidRule;

    fn order() -> Order {
        let payment = |id: &str, ore, reference| Payment {
            end_to_end_id: id.to_string(),
            amount: Amount(ore),
            creditor: "Fjordrens & Sønner AS".to_string(),
            account: AccountNumber::parse("8601 11 17947").unwrap(),
            reference,
        };
        let kid = Kid::parse("2345676", KidRule::Mod10).map(Reference::Kid);
        Order {
            message_id: "SVG-20260504-1".to_string(),
            created: Timestamp(1_777_878_000_000),
            sender: "Stavanger kommune".to_string(),
            batches: vec![Batch {
                id: "SVG-20260504-1-1".to_string(),
                requested: Date::new(20260504).unwrap(),
                debtor: "Stavanger kommune".to_string(),
                account: AccountNumber::parse("12345678903").unwrap(),
                bic: None,
                payments: vec![
                    payment("E2", 12_500_000, kid),
                    payment("E3", 1_096_600, Some(Reference::Text("Faktura 8842 <mai>".to_string()))),
                    payment("E4", 1, None),
                ],
            }],
        }
    }

    #[test]
    fn an_order_names_accounts_kid_and_sum() {
        let text = write(&order(), Version::V3).unwrap();
        for part in [
            "<CreDtTm>2026-05-04T07:00:00Z</CreDtTm>",
            "<NbOfTxs>3</NbOfTxs>",
            "<CtrlSum>135966.01</CtrlSum>",
            "<ReqdExctnDt>2026-05-04</ReqdExctnDt>",
            "<Id>12345678903</Id>",
            "<Cd>BBAN</Cd>",
            "<InstdAmt Ccy=\"NOK\">125000.00</InstdAmt>",
            "<Nm>Fjordrens &amp; Sønner AS</Nm>",
            "<Cd>SCOR</Cd>",
            "<Ref>2345676</Ref>",
            "<Ustrd>Faktura 8842 &lt;mai&gt;</Ustrd>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(write(&order(), Version::V9).unwrap().contains("<Dt>2026-05-04</Dt>"));
    }

    #[test]
    fn f_order_refuses_what_a_bank_would() {
        let refused = |change: &dyn Fn(&mut Order)| {
            let mut order = order();
            change(&mut order);
            write(&order, Version::V3).unwrap_err().to_string()
        };
        assert_eq!(
            refused(&|o| o.batches[0].payments[0].amount = Amount::ZERO),
            "payment E2 is over 0,00; order an amount above zero and below 10 000 billion"
        );
        assert_eq!(
            refused(&|o| o.batches[0].payments[1].end_to_end_id = "E2".to_string()),
            "end-to-end id E2 stands twice; give each payment its own"
        );
        assert!(refused(&|o| o.message_id = "x".repeat(36)).starts_with("message id"));
        assert!(refused(&|o| o.batches[0].id = "å".to_string()).starts_with("batch id"));
        assert!(refused(&|o| o.batches[0].debtor = String::new()).starts_with("debtor"));
        assert!(refused(&|o| o.batches[0].payments[0].creditor = "a\nb".to_string()).starts_with("creditor"));
        assert!(refused(&|o| o.batches[0].bic = Some("dnba".to_string())).starts_with("BIC"));
        assert!(refused(&|o| o.batches[0].payments.clear()).starts_with("the file holds 0 payments"));
    }
}
