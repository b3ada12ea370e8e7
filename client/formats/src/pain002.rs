//! What the bank says of a payment order: ISO 20022 pain.002, every version whose shape is known.
//!
//! It leaves out what a status means for the books: only a rejection changes them, and the ledger
//! decides that.
//!
//! Invariant: [`StatusReport::of`] answers for a payment by its own status, else its batch's, else
//! the file's, as the standard lets a bank report.

use crate::xml::{Element, Tree, XmlError};

/// More than one reason per payment is rare; ten bound what a report can make us keep.
const REASONS_MAX: usize = 10;

/// A bank's word on an order, a batch or a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// `RCVD`: received, nothing checked.
    Received,
    /// `ACTC`, `ACCP`, `ACWC`, `ACSP`, `PDNG`: on its way.
    Underway,
    /// `ACSC`, `ACCC`: the debtor's account was debited.
    Settled,
    /// `PART`: some accepted, some not; said of a file or batch.
    Partly,
    /// `RJCT`, `CANC`: will not be paid.
    Rejected,
    /// A code that is not known here; nothing follows from it.
    Other(String),
}

impl Status {
    fn parse(code: &str) -> Self {
        match code {
            "RCVD" => Self::Received,
            "ACTC" | "ACCP" | "ACWC" | "ACSP" | "PDNG" => Self::Underway,
            "ACSC" | "ACCC" => Self::Settled,
            "PART" => Self::Partly,
            "RJCT" | "CANC" => Self::Rejected,
            other => Self::Other(other.chars().take(8).collect()),
        }
    }
}

/// Why, in the bank's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// ISO 20022 external status reason (`AC04`, `AM04`, `DUPL`…), or the bank's own code.
    pub code: String,
    /// For people's eyes.
    pub text: String,
}

/// A status and its code and reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the code means.
    pub status: Status,
    /// The code.
    pub code: String,
    /// Reasons, most often one for a rejection.
    pub reasons: Vec<Reason>,
}

/// One payment of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentStatus {
    /// The payer's name for it.
    pub end_to_end_id: String,
    /// The payer's name for the instruction, where it gave one.
    pub instruction_id: Option<String>,
    /// The payment's own status, where the bank states one.
    pub verdict: Option<Verdict>,
    /// The batch it was in, by index into [`StatusReport::batches`].
    pub batch: usize,
}

/// One batch of the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchStatus {
    /// The payer's name for it.
    pub id: String,
    /// The batch's own status, where the bank states one.
    pub verdict: Option<Verdict>,
}

/// A status report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// Version of pain.002.001: 3, 10, 12…
    pub version: u8,
    /// The bank's name for the report.
    pub message_id: String,
    /// The payer's name for the file it is about.
    pub original_message_id: String,
    /// The file's own status, where the bank states one.
    pub group: Option<Verdict>,
    /// Batches that the report mentions.
    pub batches: Vec<BatchStatus>,
    /// Payments that the report mentions.
    pub payments: Vec<PaymentStatus>,
}

/// Bytes that are no status report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Not XML that is read here.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Another message. Rule F-BANK.
    #[error("the file is {found}, not {expected}; fetch the right message from the bank")]
    Kind {
        /// What it is.
        found: String,
        /// What was wanted.
        expected: &'static str,
    },
    /// A value is missing or unreadable. Rule F-BANK.
    #[error("{place}: {reason}; ask the bank for a corrected message")]
    Value {
        /// Where.
        place: String,
        /// What about it.
        reason: String,
    },
}

impl ReportError {
    /// The id of the rule that refuses.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Xml(error) => error.rule(),
            Self::Kind { .. } | Self::Value { .. } => "F-BANK",
        }
    }
}

/// The version in a namespace such as `urn:iso:std:iso:20022:tech:xsd:pain.002.001.03`.
pub(crate) fn version(
    root: Element<'_>,
    message: &'static str,
    expected: &'static str,
) -> Result<u8, ReportError> {
    let other = || {
        let found: String = root.namespace().rsplit(':').next().unwrap_or("").chars().take(40).collect();
        let found = if found.is_empty() { root.local().chars().take(40).collect() } else { found };
        ReportError::Kind { found, expected }
    };
    let version = root.namespace().strip_prefix("urn:iso:std:iso:20022:tech:xsd:").ok_or_else(other)?;
    let number = version.strip_prefix(message).ok_or_else(other)?;
    let digits = number.len() == 2 && number.bytes().all(|b| b.is_ascii_digit());
    match number.parse() {
        Ok(number @ 2..=15) if digits && root.is("Document") => Ok(number),
        _ => Err(other()),
    }
}

pub(crate) fn required<'t>(element: Element<'t>, path: &str) -> Result<&'t str, ReportError> {
    element
        .value(path)
        .ok_or_else(|| ReportError::Value { place: element.path(), reason: format!("{path} is missing") })
}

impl StatusReport {
    /// Reads a report.
    ///
    /// # Errors
    /// [`ReportError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ReportError> {
        let tree = Tree::read(bytes, &[])?;
        let root = tree.root();
        let version = version(root, "pain.002.001.", "a payment status report (pain.002)")?;
        let wrong = || ReportError::Value {
            place: "Document".to_string(),
            reason: "no status report in it".to_string(),
        };
        let report = root.first("CstmrPmtStsRpt").ok_or_else(wrong)?;
        let group = report.first("OrgnlGrpInfAndSts").ok_or_else(wrong)?;
        let mut batches = Vec::new();
        let mut payments = Vec::new();
        for batch in report.named("OrgnlPmtInfAndSts") {
            let index = batches.len();
            batches.push(BatchStatus {
                id: required(batch, "OrgnlPmtInfId")?.to_string(),
                verdict: verdict(batch, "PmtInfSts"),
            });
            for payment in batch.named("TxInfAndSts") {
                payments.push(PaymentStatus {
                    // A bank may name a payment by its instruction alone.
                    end_to_end_id: payment.value("OrgnlEndToEndId").unwrap_or("").to_string(),
                    instruction_id: payment.value("OrgnlInstrId").map(str::to_string),
                    verdict: verdict(payment, "TxSts"),
                    batch: index,
                });
            }
        }
        Ok(Self {
            version,
            message_id: required(report, "GrpHdr/MsgId")?.to_string(),
            original_message_id: required(group, "OrgnlMsgId")?.to_string(),
            group: verdict(group, "GrpSts"),
            batches,
            payments,
        })
    }

    /// What the report says of a payment: its own status, else its batch's, else the file's. `None`
    /// when the report says nothing of it, which is also so while a file is accepted only in part.
    pub fn of(&self, batch: &str, end_to_end_id: &str) -> Option<&Verdict> {
        let payment = self.payments.iter().find(|payment| payment.end_to_end_id == end_to_end_id);
        let own = payment.and_then(|payment| payment.verdict.as_ref());
        let of_batch = || match payment {
            Some(payment) => self.batches.get(payment.batch)?.verdict.as_ref(),
            None => self.batches.iter().find(|known| known.id == batch)?.verdict.as_ref(),
        };
        let whole = |verdict: &&Verdict| verdict.status != Status::Partly;
        own.or_else(|| of_batch().filter(whole)).or_else(|| self.group.as_ref().filter(whole))
    }

    /// Every payment that the report names and that will not be paid.
    pub fn rejected(&self) -> impl Iterator<Item = (&PaymentStatus, &Verdict)> {
        self.payments.iter().filter_map(|payment| {
            let batch = self.batches.get(payment.batch).map_or("", |batch| &batch.id);
            let verdict = payment.verdict.as_ref().or_else(|| self.of(batch, &payment.end_to_end_id))?;
            (verdict.status == Status::Rejected).then_some((payment, verdict))
        })
    }
}

fn verdict(element: Element<'_>, name: &str) -> Option<Verdict> {
    let code = element.value(name)?;
    let reasons = element
        .named("StsRsnInf")
        .take(REASONS_MAX)
        .map(|reason| Reason {
            code: reason
                .value("Rsn/Cd")
                .or(reason.value("Rsn/Prtry"))
                .unwrap_or("")
                .chars()
                .take(35)
                .collect(),
            text: reason.all("AddtlInf").into_iter().map(Element::text).collect::<Vec<_>>().join(" "),
        })
        .collect();
    Some(Verdict { status: Status::parse(code), code: code.chars().take(35).collect(), reasons })
}

impl Verdict {
    /// The first reason's code as the ledger keeps it: four letters or digits, `NARR` where the bank
    /// gives none or one of its own making.
    pub fn reason_code(&self) -> ledger::transaction::ReasonCode {
        let code = self.reasons.first().map_or("", |reason| &reason.code);
        reason_code(code)
    }
}

pub(crate) fn reason_code(code: &str) -> ledger::transaction::ReasonCode {
    let plain = code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match <[u8; 4]>::try_from(code.as_bytes()) {
        Ok(bytes) if plain => ledger::transaction::ReasonCode(bytes),
        _ => ledger::transaction::ReasonCode(*b"NARR"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(version: &str, body: &str) -> Result<StatusReport, ReportError> {
        let text = format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.{version}\"><CstmrPmtStsRpt>\
             <GrpHdr><MsgId>BANK-1</MsgId><CreDtTm>2026-05-04T09:00:00</CreDtTm></GrpHdr>{body}</CstmrPmtStsRpt></Document>"
        );
        StatusReport::read(text.as_bytes())
    }

    const REJECTED: &str = "<OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>\
        <GrpSts>RJCT</GrpSts><StsRsnInf><Rsn><Cd>DUPL</Cd></Rsn><AddtlInf>seen</AddtlInf></StsRsnInf></OrgnlGrpInfAndSts>";

    const PARTLY: &str = "<OrgnlGrpInfAndSts><OrgnlMsgId>M</OrgnlMsgId><OrgnlMsgNmId>pain.001</OrgnlMsgNmId>\
        <GrpSts>PART</GrpSts></OrgnlGrpInfAndSts>\
        <OrgnlPmtInfAndSts><OrgnlPmtInfId>B1</OrgnlPmtInfId><PmtInfSts>PART</PmtInfSts>\
        <TxInfAndSts><OrgnlEndToEndId>E2</OrgnlEndToEndId><TxSts>ACCP</TxSts></TxInfAndSts>\
        <TxInfAndSts><OrgnlEndToEndId>E3</OrgnlEndToEndId><TxSts>RJCT</TxSts>\
        <StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts>\
        <OrgnlPmtInfAndSts><OrgnlPmtInfId>B2</OrgnlPmtInfId><PmtInfSts>ACSC</PmtInfSts></OrgnlPmtInfAndSts>";

    #[test]
    fn a_file_refused_as_a_whole_refuses_every_payment() {
        let report = report("03", REJECTED).unwrap();
        let verdict = report.of("B1", "E2").unwrap();
        assert_eq!((&verdict.status, verdict.code.as_str()), (&Status::Rejected, "RJCT"));
        assert_eq!(verdict.reason_code().to_string(), "DUPL");
        assert_eq!(report.rejected().count(), 0); // It names none.
    }

    #[test]
    fn a_file_accepted_in_part_says_which() {
        for version in ["03", "10", "12"] {
            let report = report(version, PARTLY).unwrap();
            let status = |batch, id| report.of(batch, id).map(|verdict| verdict.status.clone());
            assert_eq!(status("B1", "E2"), Some(Status::Underway));
            assert_eq!(status("B1", "E3"), Some(Status::Rejected));
            assert_eq!(status("B1", "unheard-of"), None);
            assert_eq!(status("B2", "E9"), Some(Status::Settled));
            let rejected: Vec<_> =
                report.rejected().map(|(p, v)| (&*p.end_to_end_id, v.reason_code().to_string())).collect();
            assert_eq!(rejected, [("E3", "AC04".to_string())]);
        }
    }

    #[test]
    fn f_bank_refuses_another_message() {
        for (bytes, says) in [
            (
                &b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:camt.054.001.02'/>"[..],
                "the file is camt.054.001.02, not",
            ),
            (b"<Document/>", "the file is Document, not"),
            (
                b"<Document xmlns='urn:iso:std:iso:20022:tech:xsd:pain.002.001.03'/>",
                "Document: no status report",
            ),
            (b"", "not well-formed"),
        ] {
            let error = StatusReport::read(bytes).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
        assert_eq!(reason_code("my own").to_string(), "NARR");
    }
}
