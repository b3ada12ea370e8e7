//! The answer to a file that was submitted: ISO 20022 pain.002.001.12, one status for each thing in
//! the file, as a bank would answer, so that a system which sends files needs no other reader.
//!
//! It leaves out who submitted and what was submitted: the caller names both as it received them.
//!
//! Invariant: what [`write`] returns is valid against the official schema, and every refusal carries
//! the rule's id and its words whole.

use std::io;

use ledger::time::Timestamp;

use crate::pain001::{ID_CHARS_MAX, date_time};
use crate::xml::writer::Writer;

/// Things in one file, as many as a payment order holds.
pub const RESULTS_MAX: usize = 10_000;
/// Characters of one part of a reason (Max105Text).
const PART_CHARS: usize = 105;
/// Characters of a reason; ours are shorter.
const REASON_CHARS_MAX: usize = 2_000;

/// What became of one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Understood and sent to the ledger, not yet final (`PDNG`).
    Pending,
    /// Final in the ledger (`ACCP`).
    Posted,
    /// Refused (`RJCT`).
    Refused {
        /// The rule's id, such as `L6` or `F-KID`.
        rule: String,
        /// The refusal in words.
        reason: String,
    },
}

impl Outcome {
    fn code(&self) -> &'static str {
        match self {
            Self::Pending => "PDNG",
            Self::Posted => "ACCP",
            Self::Refused { .. } => "RJCT",
        }
    }
}

/// One thing of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The sender's name for it.
    pub id: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// An answer to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Our name for the answer.
    pub message_id: String,
    /// When it was made.
    pub created: Timestamp,
    /// The sender's name for the file.
    pub original_id: String,
    /// What the file was: `pain.001.001.09`, `EHF`…
    pub original_kind: String,
    /// Why nothing of the file was read; then `results` says nothing.
    pub refused: Option<Outcome>,
    /// One for each thing, at most [`RESULTS_MAX`].
    pub results: Vec<Item>,
}

/// An answer that the schema does not take. Rule F-STATUS.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// A text that does not fit.
    #[error(
        "{field} {given:?} must have 1 to {max} characters, without control characters; shorten or correct it"
    )]
    Text {
        /// Which field.
        field: &'static str,
        /// What was given, shortened.
        given: String,
        /// How many characters fit.
        max: usize,
    },
    /// Too many things, or none.
    #[error(
        "{count} results; 1 to {RESULTS_MAX} are answered at a time, none when the whole file is refused"
    )]
    Count {
        /// How many.
        count: usize,
    },
    /// The file could not be written.
    #[error("the answer could not be written: {0}")]
    Io(#[from] io::Error),
}

/// Writes the answer.
///
/// # Errors
/// [`StatusError`].
pub fn write<W: io::Write>(answer: &Answer, out: W) -> Result<W, StatusError> {
    let count = answer.results.len();
    if count > RESULTS_MAX || (count == 0) != answer.refused.is_some() {
        return Err(StatusError::Count { count });
    }
    let mut out = Writer::new(out)?;
    out.open("Document", &[("xmlns", "urn:iso:std:iso:20022:tech:xsd:pain.002.001.12")])?;
    out.open("CstmrPmtStsRpt", &[])?;
    out.open("GrpHdr", &[])?;
    leaf(&mut out, "MsgId", "message id", &answer.message_id, ID_CHARS_MAX)?;
    out.leaf("CreDtTm", &date_time(answer.created))?;
    out.close()?;
    out.open("OrgnlGrpInfAndSts", &[])?;
    leaf(&mut out, "OrgnlMsgId", "name of the file", &answer.original_id, ID_CHARS_MAX)?;
    leaf(&mut out, "OrgnlMsgNmId", "kind of the file", &answer.original_kind, ID_CHARS_MAX)?;
    if count > 0 {
        out.leaf("OrgnlNbOfTxs", &count.to_string())?;
    }
    let whole = whole(answer);
    out.leaf("GrpSts", whole)?;
    if let Some(refused) = &answer.refused {
        reason(&mut out, refused)?;
    }
    out.close()?;
    if count > 0 {
        out.open("OrgnlPmtInfAndSts", &[])?;
        leaf(&mut out, "OrgnlPmtInfId", "name of the file", &answer.original_id, ID_CHARS_MAX)?;
        out.leaf("PmtInfSts", whole)?;
        for result in &answer.results {
            out.open("TxInfAndSts", &[])?;
            leaf(&mut out, "OrgnlEndToEndId", "id", &result.id, ID_CHARS_MAX)?;
            out.leaf("TxSts", result.outcome.code())?;
            reason(&mut out, &result.outcome)?;
            out.close()?;
        }
        out.close()?;
    }
    Ok(out.finish()?)
}

/// The status of the file: that of its parts where they agree.
fn whole(answer: &Answer) -> &'static str {
    let mut codes = answer.refused.iter().chain(answer.results.iter().map(|result| &result.outcome));
    let first = codes.next().map_or("RJCT", Outcome::code);
    if codes.all(|outcome| outcome.code() == first) { first } else { "PART" }
}

fn leaf<W: io::Write>(
    out: &mut Writer<W>,
    name: &'static str,
    field: &'static str,
    text: &str,
    max: usize,
) -> Result<(), StatusError> {
    if !(1..=max).contains(&text.chars().count()) || text.chars().any(char::is_control) {
        return Err(StatusError::Text { field, given: text.chars().take(40).collect(), max });
    }
    Ok(out.leaf(name, text)?)
}

fn reason<W: io::Write>(out: &mut Writer<W>, outcome: &Outcome) -> Result<(), StatusError> {
    let Outcome::Refused { rule, reason } = outcome else { return Ok(()) };
    out.open("StsRsnInf", &[])?;
    out.open("Rsn", &[])?;
    leaf(out, "Prtry", "rule", rule, ID_CHARS_MAX)?;
    out.close()?;
    let words: Vec<char> =
        reason.chars().take(REASON_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    for part in words.chunks(PART_CHARS) {
        out.leaf("AddtlInf", &part.iter().collect::<String>())?;
    }
    out.close()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pain002::{Status, StatusReport};

    fn refused(reason: &str) -> Outcome {
        Outcome::Refused { rule: "L6".to_string(), reason: reason.to_string() }
    }

    fn answer(outcomes: &[Outcome]) -> Answer {
        let name = |(number, outcome): (usize, &Outcome)| Item {
            id: format!("D-{number}"),
            outcome: outcome.clone(),
        };
        Answer {
            message_id: "HB-1".to_string(),
            created: Timestamp(1_777_878_000_000),
            original_id: "INVOICES-7".to_string(),
            original_kind: "EHF".to_string(),
            refused: None,
            results: outcomes.iter().enumerate().map(name).collect(),
        }
    }

    fn read(answer: &Answer) -> StatusReport {
        StatusReport::read(&write(answer, Vec::new()).unwrap()).unwrap()
    }

    #[test]
    fn each_thing_of_a_file_has_its_own_answer_and_a_refusal_its_rule_and_words() {
        let words = "invoice 8841 of 123456785 is booked already as leaf 12; ".repeat(4);
        let report = read(&answer(&[Outcome::Posted, refused(&words), Outcome::Pending]));
        assert_eq!((report.version, &*report.original_message_id), (12, "INVOICES-7"));
        let statuses: Vec<_> =
            ["D-0", "D-1", "D-2"].map(|id| report.of("INVOICES-7", id).unwrap().code.clone()).into();
        assert_eq!(statuses, ["ACCP", "RJCT", "PDNG"]);
        let verdict = report.of("INVOICES-7", "D-1").unwrap();
        assert_eq!(verdict.reasons[0].code, "L6");
        let without_space = |text: &str| text.replace(' ', "");
        assert_eq!(without_space(&verdict.reasons[0].text), without_space(&words));
        assert_eq!(report.group.unwrap().status, Status::Partly);
    }

    #[test]
    fn a_file_that_is_refused_whole_says_so_once() {
        let mut whole = answer(&[]);
        whole.refused = Some(refused("not well-formed"));
        let report = read(&whole);
        assert_eq!(report.of("any", "any").unwrap().status, Status::Rejected);
        assert_eq!(read(&answer(&[Outcome::Posted])).group.unwrap().code, "ACCP");
    }

    #[test]
    fn f_status_refuses_what_the_schema_does_not_take() {
        let with = |change: &dyn Fn(&mut Answer)| {
            let mut changed = answer(&[refused("no")]);
            change(&mut changed);
            write(&changed, Vec::new()).unwrap_err().to_string()
        };
        for (error, says) in [
            (with(&|a| a.message_id.clear()), "message id \"\" must have 1 to 35 characters"),
            (with(&|a| a.results[0].id = "x".repeat(36)), "id \"xxx"),
            (with(&|a| a.results.clear()), "0 results; 1 to 10000"),
            (with(&|a| a.refused = Some(refused("no"))), "1 results"),
            (with(&|a| a.original_kind = "a\nb".to_string()), "kind of the file \"a\\nb\" must have"),
        ] {
            assert!(error.starts_with(says), "{error}");
        }
    }
}
