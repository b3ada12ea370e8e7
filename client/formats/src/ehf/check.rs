//! What every stage of the rules shares: the document, what was found in it so far, and the small
//! questions that the official rules ask again and again.

use ledger::amount::{Amount, Total};

use super::{FINDINGS_MAX, Finding, Kind, Refused};
use crate::decimal::Decimal;
use crate::xml::{Element, Tree};

/// A document under judgement.
pub(super) struct Check<'t> {
    pub(super) root: Element<'t>,
    pub(super) kind: Kind,
    refusals: Vec<Finding>,
    findings: Vec<Finding>,
    unreadable: bool,
}

/// The remedy for whatever the sender got wrong.
const REMEDY: &str = "ask the seller for a corrected document";

impl<'t> Check<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        let root = tree.root();
        let kind = if root.local() == "CreditNote" { Kind::CreditNote } else { Kind::Invoice };
        Self { root, kind, refusals: Vec::new(), findings: Vec::new(), unreadable: false }
    }

    /// The lines, whatever the kind of document calls them.
    pub(super) fn lines(&self) -> impl Iterator<Item = Element<'t>> + use<'t> {
        self.root.named(self.line_name())
    }

    pub(super) fn line_name(&self) -> &'static str {
        match self.kind {
            Kind::Invoice => "cac:InvoiceLine",
            Kind::CreditNote => "cac:CreditNoteLine",
        }
    }

    pub(super) fn quantity_name(&self) -> &'static str {
        match self.kind {
            Kind::Invoice => "cbc:InvoicedQuantity",
            Kind::CreditNote => "cbc:CreditedQuantity",
        }
    }

    /// Notes what stands against booking; the sender has to correct it.
    pub(super) fn refuse(&mut self, rule: &'static str, at: Element<'_>, message: impl std::fmt::Display) {
        self.refuse_with(rule, at, message, REMEDY);
    }

    /// Notes what stands against booking, with a remedy of its own.
    pub(super) fn refuse_with(
        &mut self,
        rule: &'static str,
        at: Element<'_>,
        message: impl std::fmt::Display,
        remedy: &str,
    ) {
        if self.refusals.len() < FINDINGS_MAX {
            let message = format!("{message}; {remedy}");
            self.refusals.push(Finding { rule, place: at.path(), message });
        }
    }

    /// Notes a value or a form that sums cannot be checked with.
    pub(super) fn unreadable(
        &mut self,
        rule: &'static str,
        at: Element<'_>,
        message: impl std::fmt::Display,
    ) {
        self.unreadable = true;
        self.refuse(rule, at, message);
    }

    /// Ends the judgement before sums are checked that would only repeat what is unreadable.
    pub(super) fn stop_if_unreadable(&mut self) -> Result<(), Refused> {
        if self.unreadable { self.stop() } else { Ok(()) }
    }

    /// Notes what a reader should know.
    pub(super) fn note(&mut self, rule: &'static str, at: Element<'_>, message: impl std::fmt::Display) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding { rule, place: at.path(), message: message.to_string() });
        }
    }

    /// Ends the judgement if anything stands against booking.
    pub(super) fn stop(&mut self) -> Result<(), Refused> {
        match Refused::new(std::mem::take(&mut self.refusals)) {
            Some(refused) => Err(refused),
            None => Ok(()),
        }
    }

    /// Ends the judgement with one more reason.
    pub(super) fn give_up(mut self, rule: &'static str, at: Element<'_>, message: &str) -> Refused {
        let message = format!("{message}; {REMEDY}");
        self.refusals.push(Finding { rule, place: at.path(), message });
        Refused { first: self.refusals.remove(0), rest: self.refusals }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}

/// What a finding quotes of a text that a stranger wrote.
pub(super) fn quote(text: &str) -> String {
    let short: String = text.chars().take(90).collect();
    if short.len() < text.len() { format!("\"{short}…\"") } else { format!("\"{short}\"") }
}

/// A sum as a reader expects it: `125 000,00`.
pub(super) fn kr(ore: i128) -> Total {
    Total(ore)
}

/// The amount in an element; `None` when there is none or it is not one to the øre.
pub(super) fn amount(element: Option<Element<'_>>) -> Option<Amount> {
    decimal(element)?.to_ore()
}

/// The number in an element.
pub(super) fn decimal(element: Option<Element<'_>>) -> Option<Decimal> {
    Decimal::parse(element?.text())
}

/// White space made single, as XPath's `normalize-space` does.
pub(super) fn normal(text: &str) -> String {
    text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a tax category or a party's tax scheme is about VAT.
pub(super) fn is_vat(element: Element<'_>) -> bool {
    element.value("cac:TaxScheme/cbc:ID").is_some_and(|id| id.eq_ignore_ascii_case("VAT"))
}

/// Whether an allowance or charge is a charge; `None` when it does not say.
pub(super) fn is_charge(element: Element<'_>) -> Option<bool> {
    match element.value("cbc:ChargeIndicator")? {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// Whether an element stands directly in one of this name.
pub(super) fn within(element: Element<'_>, name: &str) -> bool {
    element.parent().is_some_and(|parent| parent.is(name))
}
