//! The VAT return and the claim for VAT compensation (skattemelding for merverdiavgift, krav om
//! merverdiavgiftskompensasjon): one message of the tax agency's, read, judged and written.
//!
//! [`Return::read`] takes what the official schema takes and nothing else, [`check`] applies the
//! agency's rules that a sender can answer for (`R018`…), [`write`] refuses what the agency would,
//! [`claim`] makes a compensation claim in whole kroner of the sums that the books hold in øre, and
//! [`envelope`] the cover it is sent in.
//! It leaves out the agency's registers (who exists, who is registered for what), which codes and
//! rates are in force on a day (chain data, rule L4 of the ledger), the largest base (R085, which is
//! not published) and the choice of remarks (R070 to R076).
//!
//! Invariant: amounts are whole kroner, and what [`write`] returns is valid against the schema and
//! adds up (R018).

mod answer;
mod check;
mod claim;
mod envelope;
mod read;
mod term;
mod write;

use ledger::entity::OrgNumber;
use ledger::entry::Rate;

pub use answer::{Deviation, PaymentInformation, ValidationResult};
pub use check::{Circumstances, Finding, Severity, check};
pub use claim::{Claim, ClaimError, Sum, claim};
pub use envelope::{EnvelopeError, envelope};
pub use read::MvaError;
pub use term::Term;
pub use write::{Refused, Written, write};

/// The namespace of the message.
pub const NAMESPACE: &str = "no:skatteetaten:fastsetting:avgift:mva:skattemeldingformerverdiavgift:v1.0";
/// Characters of any text in the schema (Tekst).
pub const TEXT_CHARS_MAX: usize = 4000;
/// Lines of one return: a code stands at most a few times.
pub const LINES_MAX: usize = 1000;
/// Kroner that are read and written: more than Norway turns over.
pub const KRONER_MAX: i64 = 1_000_000_000_000_000;

/// Whole kroner; what is owed to the state is positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kroner(pub i64);

impl std::fmt::Display for Kroner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// What the message is (meldingskategori).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// The ordinary return (alminnelig).
    Ordinary,
    /// Farming, forestry and fishing (primærnæring), once a year.
    Primary,
    /// A claim for compensation (kompensasjon).
    Compensation,
    /// Reverse charge of those who are not registered (omvendt avgiftsplikt).
    ReverseCharge,
    /// Electronic trade (eHandel).
    ECommerce,
}

impl Category {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Ordinary, "alminnelig"),
        (Self::Primary, "primaernaering"),
        (Self::Compensation, "kompensasjon"),
        (Self::ReverseCharge, "omvendtAvgiftsplikt"),
        (Self::ECommerce, "eHandel"),
    ];

    /// The name in the message.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(category, _)| *category == self).map_or("", |(_, name)| name)
    }
}

/// An explanation (merknad).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// In the sender's words (beskrivelse).
    Text(String),
    /// One of the agency's list (utvalgtMerknad).
    Chosen(String),
}

/// Whose return it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taxpayer {
    /// A Norwegian organisation.
    Organisation(OrgNumber),
    /// Nine digits whose check digit fails: the schema takes them, no register has them.
    Unregistered(String),
    /// A foreign seller in the simplified scheme: seven digits (VOEC).
    Foreign(String),
    /// The schema lets both numbers be left out.
    Unstated,
}

/// One line (mvaSpesifikasjonslinje).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Standard tax code (SAF-T).
    pub code: u16,
    /// Further specification: adjustment, loss, withdrawal (mvaSpesifikasjon).
    pub specification: Option<String>,
    /// The sender's own code.
    pub own_code: Option<String>,
    /// What the VAT is computed from; negative in a claim.
    pub base: Option<Kroner>,
    /// The rate.
    pub rate: Option<Rate>,
    /// The VAT; negative for what is deducted or claimed.
    pub vat: Kroner,
    /// An explanation.
    pub remark: Option<Remark>,
}

/// A return or claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// The sender's own reference.
    pub reference: String,
    /// The system that made it, and its version.
    pub system: Option<(String, Option<String>)>,
    /// The term.
    pub term: Term,
    /// Its year.
    pub year: u16,
    /// What the lines add up to (fastsattMerverdiavgift): positive is owed, negative is claimed.
    pub determined: Kroner,
    /// At most [`LINES_MAX`].
    pub lines: Vec<Line>,
    /// The reference that the agency shall put on a payment out.
    pub kid: Option<String>,
    /// Whose it is.
    pub taxpayer: Taxpayer,
    /// What it is.
    pub category: Category,
    /// An explanation of the whole.
    pub remark: Option<Remark>,
}

/// A rate as the message writes it: `25`, `11,11`.
fn rate_text(rate: Rate) -> String {
    let text = rate.to_string();
    text.strip_suffix(" %").unwrap_or(&text).to_string()
}

#[cfg(test)]
#[path = "mva/tests.rs"]
mod tests;
