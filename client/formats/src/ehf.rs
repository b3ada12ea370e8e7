//! EHF invoices and credit notes (Peppol BIS Billing 3): read, judged, and turned into what the
//! ledger books and the bank pays.
//!
//! [`check`] applies the rules of EN 16931, of Peppol and of Norway that decide whether a document
//! may be booked here, then a few of our own (`F-…`), in this order: XML, profile, structure,
//! parties, arithmetic, ours. It leaves out the order of elements (the UBL schema's business), the
//! rules of other countries and of VAT categories that are not booked yet, and everything that only
//! the ledger knows: codes, rates by date, accounts, who is registered.
//!
//! Invariant: an [`Invoice`] exists only because every rule held, so its sums add up to the øre.

mod arithmetic;
mod booking;
mod check;
mod codes;
mod invoice;
mod lines;
mod ours;
mod parties;
mod structure;
mod values;

use std::fmt;

use ledger::transaction::KidRule;

use crate::xml::{Prefix, Tree, XmlError};

pub use booking::{BookingError, Plan, document};
pub use invoice::{
    AllowanceOrCharge, Category, Invoice, Kind, Line, Party, Payee, PaymentMeans, Preceding, Totals, VatGroup,
};

/// Where UBL puts its names.
pub(crate) const PREFIXES: [Prefix; 2] = [
    ("cac", "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"),
    ("cbc", "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"),
];

/// More findings help nobody: the first say what is wrong.
pub const FINDINGS_MAX: usize = 100;

/// What the receiver demands beyond the rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The payee's agreement with its bank: with one, the payment reference must be a valid KID. In
    /// EHF itself the reference (BT-83) is free text.
    pub kid: Option<KidRule>,
}

/// Something a rule has to say about a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id, as the rule's owner writes it: `BR-CO-15`, `PEPPOL-EN16931-R120`, `F-KID`.
    pub rule: &'static str,
    /// The element it is about.
    pub place: String,
    /// What was found, what was expected, and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.rule, self.place, self.message)
    }
}

/// A document that every rule lets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub invoice: Invoice,
    /// What its reader should know; none of it stands against booking.
    pub findings: Vec<Finding>,
}

/// A document that is not booked, and every reason why, in the order of the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    first: Finding,
    rest: Vec<Finding>,
}

impl Refused {
    pub(crate) fn new(mut findings: Vec<Finding>) -> Option<Self> {
        if findings.is_empty() {
            return None;
        }
        let rest = findings.split_off(1);
        findings.pop().map(|first| Self { first, rest })
    }

    pub(crate) fn one(first: Finding) -> Self {
        Self { first, rest: Vec::new() }
    }

    /// The reason that decides: the first in the order of the rules.
    pub fn first(&self) -> &Finding {
        &self.first
    }

    /// Every reason, at most [`FINDINGS_MAX`].
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        match self.rest.len() {
            0 => Ok(()),
            1 => f.write_str(" (and one reason more)"),
            more => write!(f, " (and {more} reasons more)"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<XmlError> for Refused {
    fn from(error: XmlError) -> Self {
        let first = Finding { rule: error.rule(), place: "file".to_string(), message: error.to_string() };
        Self { first, rest: Vec::new() }
    }
}

/// Reads and judges an invoice or credit note.
///
/// # Errors
/// [`Refused`], when the file is not one or a rule stands against it.
pub fn check(bytes: &[u8], options: &Options) -> Result<Accepted, Refused> {
    let tree = Tree::read(bytes, &PREFIXES)?;
    let mut check = check::Check::new(&tree);
    structure::profile(&mut check);
    // Under another profile the same elements mean other things; what else is wrong would be noise.
    check.stop()?;
    structure::check(&mut check, &tree);
    parties::check(&mut check);
    check.stop_if_unreadable()?;
    let figures = arithmetic::Figures::read(&check);
    arithmetic::check(&mut check, &figures);
    ours::check(&mut check, &figures, options);
    check.stop()?;
    invoice::build(check, &figures, options)
}

#[cfg(test)]
#[path = "ehf/tests.rs"]
mod tests;
