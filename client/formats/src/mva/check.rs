//! The agency's rules that a sender can answer for, as its page on compensation states them.
//!
//! Those that every return meets: R018, R019, R079, R082 (which [`super::Kroner`] cannot break), R100.
//! Those of a compensation claim: R086 to R089, R091 to R093, R095, R096, R098, R099, R101, R134, R135.
//! One rule is ours: a number that no register can have (F-PARTY).
//! It leaves out R097 (the agency knows what it determined before) and R094, R125 to R130 (its registers).

use ledger::time::Date;
use ledger::transaction::KidRule;

use super::{Category, Kroner, Line, Return, Taxpayer};
use crate::bank::Kid;

/// What the agency does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It takes the return and asks (avvikende skattemelding).
    Deviating,
    /// It does not take the return (ugyldig skattemelding).
    Invalid,
}

/// Something a rule has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The agency's id of the rule.
    pub rule: &'static str,
    /// What follows from it.
    pub severity: Severity,
    /// The element.
    pub place: String,
    /// What was found, what was expected, what to do.
    pub message: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: {}", self.rule, self.place, self.message)
    }
}

/// What the rules ask that does not stand in the return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// The day it is sent.
    pub today: Date,
    /// Whether it is the first of its term.
    pub first_of_term: bool,
    /// Whether a claim of the same year was for 20 000 or more.
    pub claimed_this_year: bool,
    /// Whether the term after this one can be claimed for already: then what is below 20 000 is paid.
    pub next_term_open: bool,
    /// Whether the claimant is in the VAT register (R101).
    pub registered: bool,
}

/// Codes that a compensation claim may hold (R088).
const COMPENSATION_CODES: [u16; 10] = [1, 11, 13, 14, 15, 81, 83, 86, 88, 91];
/// Codes of a compensation claim that an adjustment of real estate may stand on (R087).
const ADJUSTMENT_CODES: [u16; 3] = [1, 14, 81];
/// Adjustment of compensation for real estate.
pub(super) const ADJUSTMENT_TEXT: &str = "justeringMerverdiavgiftskompensasjonFastEiendom";
/// What belongs in an ordinary return only (R091).
const ORDINARY_SPECIFICATIONS: [&str; 3] = ["tilbakeføringAvInngåendeMerverdiavgift", "tapPåKrav", "uttak"];
/// The least that the first claim of a year is for (R099, R134).
const FIRST_CLAIM: i64 = 20_000;
/// Lines are rounded one by one, and so is their VAT.
const TOLERANCE_KRONER: i128 = 1;

struct Check {
    findings: Vec<Finding>,
}

impl Check {
    fn found(&mut self, rule: &'static str, severity: Severity, place: &str, message: String) {
        self.findings.push(Finding { rule, severity, place: place.to_string(), message });
    }

    fn invalid(&mut self, rule: &'static str, place: &str, message: String) {
        self.found(rule, Severity::Invalid, place, message);
    }
}

/// Everything the rules have to say, in the order of the return; nothing when it will be taken.
pub fn check(given: &Return, circumstances: &Circumstances) -> Vec<Finding> {
    let mut check = Check { findings: Vec::new() };
    let figures = "mvaMeldingDto/skattegrunnlagOgBeregnetSkatt";
    let determined = format!("{figures}/fastsattMerverdiavgift");
    if given.category == Category::Compensation {
        claim(&mut check, given, circumstances, figures, &determined);
    }
    let sum: i128 = given.lines.iter().map(|line| i128::from(line.vat.0)).sum();
    if sum != i128::from(given.determined.0) {
        let message =
            format!("the lines add up to {sum}, {} is stated; state what they add up to", given.determined);
        check.found("R018", Severity::Deviating, &determined, message);
    }
    if given.lines.is_empty() && given.determined != Kroner(0) {
        let message = format!("{} is stated and no line says of what; add the lines", given.determined);
        check.invalid("R100", figures, message);
    }
    for (number, line) in given.lines.iter().enumerate() {
        let place = format!("{figures}/mvaSpesifikasjonslinje[{}]", number + 1);
        product(&mut check, line, &place);
        if given.category == Category::Compensation {
            claimed(&mut check, line, circumstances, &place);
        }
    }
    if let Taxpayer::Unregistered(number) = &given.taxpayer {
        let message =
            format!("{number} has no valid MOD 11 check digit; look the number up in Enhetsregisteret");
        check.invalid("F-PARTY", "mvaMeldingDto/skattepliktig/organisasjonsnummer", message);
    }
    if let Some(kid) = &given.kid
        && Kid::parse(kid, KidRule::Either).is_none()
    {
        let shown: String = kid.chars().take(30).collect();
        let message = format!(
            "KID {shown} has neither a MOD 10 nor a MOD 11 check digit; take the one the bank agreed to"
        );
        check.invalid("R079", "mvaMeldingDto/betalingsinformasjon/kundeIdentifikasjonsnummer", message);
    }
    check.findings
}

fn product(check: &mut Check, line: &Line, place: &str) {
    let Some(base) = line.base else { return };
    let Some(rate) = line.rate else {
        // The rule multiplies by a rate that is not there.
        let message = format!("a base of {base} stands without a rate; state the rate");
        check.found("R019", Severity::Deviating, place, message);
        return;
    };
    let exact = i128::from(base.0) * i128::from(rate.0);
    if (exact - i128::from(line.vat.0) * 10_000).abs() > TOLERANCE_KRONER * 10_000 {
        let message = format!(
            "{rate} of {base} is {}, {} is stated; see that base and VAT are of the same documents",
            exact / 10_000,
            line.vat
        );
        check.found("R019", Severity::Deviating, place, message);
    }
}

fn claimed(check: &mut Check, line: &Line, circumstances: &Circumstances, place: &str) {
    let code = line.code;
    let adjusts = line.specification.as_deref() == Some(ADJUSTMENT_TEXT);
    if !COMPENSATION_CODES.contains(&code) {
        let message = format!(
            "code {code} is not compensated, only 1, 11, 13, 14, 15, 81, 83, 86, 88 and 91 are; move it to the VAT return"
        );
        check.invalid("R088", &format!("{place}/mvaKode"), message);
    }
    if line.base.is_none() || line.rate.is_none() {
        let missing = if line.base.is_none() { "base" } else { "rate" };
        check.invalid(
            "R093",
            place,
            format!("code {code} has no {missing}; state base and rate on each line"),
        );
    }
    if line.vat > Kroner(0) && line.remark.is_none() && !(adjusts && ADJUSTMENT_CODES.contains(&code)) {
        let message = format!("{} is to be paid back and no remark says why; add one", line.vat);
        check.invalid("R086", place, message);
    }
    if adjusts && !ADJUSTMENT_CODES.contains(&code) {
        let message = format!("an adjustment stands on code {code}; only 1, 14 and 81 take one");
        check.invalid("R087", place, message);
    }
    if let Some(other) = &line.specification
        && ORDINARY_SPECIFICATIONS.contains(&other.as_str())
    {
        check.invalid("R091", place, format!("{other} belongs in the VAT return; move it there"));
    }
    if !circumstances.registered && matches!(code, 81 | 83) {
        let message = format!("code {code} is for those in the VAT register; use 14 or 15");
        check.invalid("R101", &format!("{place}/mvaKode"), message);
    }
}

/// The rules on a claim as a whole.
fn claim(check: &mut Check, given: &Return, circumstances: &Circumstances, figures: &str, determined: &str) {
    let period = format!("{figures}/skattleggingsperiode");
    let Circumstances { today, first_of_term, claimed_this_year, next_term_open, .. } = *circumstances;
    // The amendment of 2026 replaces R089, R096 and R099.
    let amended = today.year() >= 2026;
    if given.year < 2023 {
        let message = format!(
            "terms of {} are not claimed this way, 2023 is the first year; send a paper claim",
            given.year
        );
        check.invalid("R092", &period, message);
    }
    match given.term.two_months_over(given.year) {
        None => {
            let name = given.term.name().unwrap_or_default();
            check.invalid(
                "R095",
                &period,
                format!("{name} is no term of two months; claim by terms of two months"),
            );
        }
        Some(over) if today < over => {
            let rule = if amended { "R135" } else { "R089" };
            let message = format!("the term is not over on {today}; send the claim from {over} on");
            check.invalid(rule, &period, message);
        }
        Some(_) => {}
    }
    let late = given.term.claim_by(given.year).is_some_and(|by| today > by);
    if !amended && first_of_term && late {
        let by = given.term.claim_by(given.year).unwrap_or(today);
        check.invalid(
            "R096",
            &period,
            format!("the claim had to be sent by {by}, today is {today}; it is not paid"),
        );
    }
    if first_of_term && given.determined == Kroner(0) {
        let message = "the first claim of a term is over nothing; do not send it".to_string();
        check.invalid("R098", determined, message);
    }
    if claimed_this_year || given.determined.0 <= -FIRST_CLAIM {
        return;
    }
    let message = format!(
        "the year's first claim is for {}, it must be {FIRST_CLAIM} or more; claim together with a later term",
        -given.determined.0
    );
    if amended && first_of_term && !next_term_open {
        check.invalid("R134", determined, message);
    } else if !amended && given.determined < Kroner(0) && !late {
        check.found("R099", Severity::Deviating, determined, message);
    }
}
