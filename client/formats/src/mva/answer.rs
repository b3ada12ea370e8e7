//! What the tax agency answers: whether it took a return, and how it is paid.

use ledger::amount::Amount;
use ledger::entity::OrgNumber;
use ledger::time::Date;
use ledger::transaction::KidRule;

use super::read::{MvaError, Sequence, form, kroner, organisation, root, span, text};
use super::{Kroner, Term};
use crate::bank::{AccountNumber, Kid, Reference};
use crate::pain001::Payment;
use crate::xml::{Element, Tree};

const PAYMENT: &str =
    "no:skatteetaten:fastsetting:avgift:mva:skattemeldingformerverdiavgift:betalingsinformasjon:v1.0";
const RESULT: &str = "no:skatteetaten:fastsetting:avgift:mva:valideringsresultat:v1";
/// More deviations help nobody.
const DEVIATIONS_MAX: usize = 10_000;
/// In order of weight.
const WEIGHTS: [&str; 4] =
    ["ingen avvik", "avvikende skattemelding", "mangelfull skattemelding", "ugyldig skattemelding"];

/// How a return is paid (betalingsinformasjon).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentInformation {
    /// The agency's name for what was sent.
    pub reference: String,
    /// Whose return.
    pub taxpayer: OrgNumber,
    /// Its term.
    pub term: Term,
    /// Its year.
    pub year: u16,
    /// The reference that the payment must carry, as stated.
    pub kid: String,
    /// What is to be paid; negative is paid out.
    pub amount: Kroner,
    /// To whom.
    pub payee: String,
    /// The last day.
    pub due: Date,
    /// To which account.
    pub account: AccountNumber,
}

impl PaymentInformation {
    /// Reads the agency's file.
    ///
    /// # Errors
    /// [`MvaError`].
    pub fn read(bytes: &[u8]) -> Result<Self, MvaError> {
        let tree = Tree::read(bytes, &[])?;
        let mut parts = Sequence::of(root(&tree, "betalingsinformasjon", PAYMENT)?)?;
        let reference = text(parts.required("innsendingsreferanse")?)?;
        let mut who = Sequence::of(parts.required("skattepliktig")?)?;
        let taxpayer = organisation(who.required("organisasjonsnummer")?)?;
        who.end()?;
        let (term, year) = span(parts.required("skattleggingsperiode")?)?;
        let kid = text(parts.required("kundeidentifikasjonsnummer")?)?;
        let amount = kroner(parts.required("beloep")?)?;
        let payee = text(parts.required("betaleTil")?)?;
        let due = parts.required("betalingsfrist")?;
        let due = Date::parse(text(due)?.trim()).map_err(|error| form("R001", due, error.to_string()))?;
        let mut to = Sequence::of(parts.required("betalesTilKonto")?)?;
        let number = to.required("norskKontonummer")?;
        let account =
            AccountNumber::parse(&text(number)?).map_err(|error| form("R001", number, error.to_string()))?;
        to.optional("swiftBIC").map(text).transpose()?;
        to.optional("IBAN").map(text).transpose()?;
        to.end()?;
        parts.optional("informasjon").map(text).transpose()?;
        parts.end()?;
        Ok(Self { reference, taxpayer, term, year, kid, amount, payee, due, account })
    }

    /// The payment that settles it; `None` when nothing is to be paid. The agency finds it by its KID,
    /// so one that fails its check digit is refused (R079).
    ///
    /// # Errors
    /// [`MvaError::Form`].
    pub fn payment(&self, end_to_end_id: &str) -> Result<Option<Payment>, MvaError> {
        if self.amount <= Kroner(0) {
            return Ok(None);
        }
        let kid = Kid::parse(&self.kid, KidRule::Either).ok_or_else(|| MvaError::Form {
            rule: "R079",
            place: "betalingsinformasjon/kundeidentifikasjonsnummer".to_string(),
            reason: "the KID fails its check digit; ask the agency".to_string(),
        })?;
        Ok(Some(Payment {
            end_to_end_id: end_to_end_id.to_string(),
            amount: Amount(self.amount.0 * 100),
            creditor: self.payee.clone(),
            account: self.account.clone(),
            reference: Some(Reference::Kid(kid)),
        }))
    }
}

/// One thing that the agency holds against a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// The element, as the agency names it.
    pub place: String,
    /// Why: reason and code of the rule, one per line.
    pub reasons: Vec<String>,
}

/// Whether the agency takes a return (valideringsresultat).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationResult {
    /// The agency's word: `ingen avvik` when it has nothing against it.
    pub word: String,
    /// Everything it holds against it.
    pub deviations: Vec<Deviation>,
}

impl ValidationResult {
    /// Whether the return counts as delivered: it may still deviate.
    pub fn is_taken(&self) -> bool {
        WEIGHTS[..2].contains(&self.word.as_str())
    }

    /// Reads the agency's file.
    ///
    /// # Errors
    /// [`MvaError`].
    pub fn read(bytes: &[u8]) -> Result<Self, MvaError> {
        let tree = Tree::read(bytes, &[])?;
        let mut parts = Sequence::of(root(&tree, "valideringsresultat", RESULT)?)?;
        let word = weight(parts.required("avvikVedMeldingslevering")?)?;
        let mut deviations = Vec::new();
        while let Some(element) = parts.optional("avvik") {
            if deviations.len() >= DEVIATIONS_MAX {
                return Err(form("R001", element, format!("more than {DEVIATIONS_MAX} deviations")));
            }
            deviations.push(deviation(element)?);
        }
        parts.end()?;
        Ok(Self { word, deviations })
    }
}

fn weight(element: Element<'_>) -> Result<String, MvaError> {
    let word = text(element)?;
    if WEIGHTS.contains(&word.as_str()) {
        return Ok(word);
    }
    let shown: String = word.chars().take(60).collect();
    Err(form("R001", element, format!("{shown:?} is none of {}", WEIGHTS.join(", "))))
}

fn deviation(element: Element<'_>) -> Result<Deviation, MvaError> {
    let mut parts = Sequence::of(element)?;
    let place = text(parts.required("stiTilAvvik")?)?;
    for name in ["mvaKode", "xmlLinjenummer", "xmlPosisjonPaaLinje"] {
        parts.optional(name).map(text).transpose()?;
    }
    let mut reasons = Vec::new();
    let mut next = Some(parts.required("avviksinformasjon")?);
    while let Some(element) = next {
        let mut why = Sequence::of(element)?;
        let reason = text(why.required("begrunnelse")?)?;
        weight(why.required("avvikstype")?)?;
        let code = text(why.required("avvikKode")?)?;
        text(why.required("regelDefinisjon")?)?;
        why.optional("detaljer").map(text).transpose()?;
        why.end()?;
        reasons.push(format!("{reason} ({code})"));
        next = parts.optional("avviksinformasjon");
    }
    parts.end()?;
    Ok(Deviation { place, reasons })
}
