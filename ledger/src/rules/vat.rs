//! VAT and totals of a document: rule L4, by EN 16931 (BR-CO-13 to BR-CO-17).

use super::Case;
use crate::amount::{Amount, Total};
use crate::codes;
use crate::entity::EntityKind;
use crate::entry::{Rate, Regime};
use crate::records::{CodeList, CodeRecord};
use crate::refusal::Refusal;
use crate::transaction::{Document, NewEntity, VatTotal};

/// The VAT that EN 16931 lets a document state lies less than this from base × rate. The official
/// test of BR-CO-17 compares with one unit of the currency, because invoices are computed by line.
const TOLERANCE: i128 = 100;

/// Checks codes, regimes, bases, rates, amounts and the sum to be paid, in this order.
pub(super) fn check(case: &Case<'_>, buyer: &NewEntity, document: &Document) -> Result<(), Refusal> {
    for line in &document.lines {
        let (code, regime) = (line.vat_code, line.regime);
        let record = codes::in_force(case.draft, CodeList::Vat, code, document.tax_point)?;
        if !may_treat(buyer.kind, record, regime) {
            return Err(Refusal::VatRegime { code, regime, entity: buyer.number, kind: buyer.kind });
        }
    }
    check_codes(document)?;
    for total in &document.vat_totals {
        check_total(case, document, total)?;
    }
    check_payable(document)
}

/// Whether an entity of this kind may treat VAT of this code so. Only KOSTRA entities are
/// compensated; a state body's VAT is a cost; a code that carries no VAT right is a cost for all.
fn may_treat(kind: EntityKind, code: &CodeRecord, regime: Regime) -> bool {
    match regime {
        Regime::Cost => true,
        Regime::Compensate => {
            code.compensable && matches!(kind, EntityKind::Municipality | EntityKind::County)
        }
        Regime::Deduct => code.deductible && kind != EntityKind::State,
    }
}

/// One total per code of the lines, in order of code, and no other.
fn check_codes(document: &Document) -> Result<(), Refusal> {
    let mut after = None;
    let mut totals = document.vat_totals.iter().map(|total| total.code);
    loop {
        let later = document.lines.iter().map(|line| line.vat_code).filter(|code| Some(*code) > after);
        let (expected, found) = (later.min(), totals.next());
        if expected != found {
            return Err(Refusal::VatTotals { expected, found });
        }
        if expected.is_none() {
            return Ok(());
        }
        after = expected;
    }
}

fn check_total(case: &Case<'_>, document: &Document, total: &VatTotal) -> Result<(), Refusal> {
    let VatTotal { code, rate, base, vat } = *total;
    let own = document.lines.iter().filter(|line| line.vat_code == code);
    // At most 120 amounts of at most AMOUNT_MAX: far below i64.
    let lines = Amount(own.map(|line| line.net.0).sum());
    if base != lines {
        return Err(Refusal::VatBase { code, stated: base, lines });
    }
    let date = document.tax_point;
    let expected = codes::in_force(case.draft, CodeList::Vat, code, date)?.rate.unwrap_or(Rate(0));
    if rate != expected {
        return Err(Refusal::VatRate { code, stated: rate, expected, date });
    }
    let expected = of(base, rate);
    let distance = i128::from(vat.0) - i128::from(expected.0);
    let holds = if rate == Rate(0) { vat == Amount::ZERO } else { distance.abs() < TOLERANCE };
    if holds { Ok(()) } else { Err(Refusal::VatAmount { code, base, rate, expected, stated: vat }) }
}

/// Base × rate to the øre, half an øre away from zero, as BR-CO-17 rounds the absolute values.
fn of(base: Amount, rate: Rate) -> Amount {
    let product = i128::from(base.magnitude()) * i128::from(rate.0);
    let rounded = i64::try_from((product + 5_000) / 10_000).unwrap_or(i64::MAX);
    Amount(if base.0 < 0 { -rounded } else { rounded })
}

/// BR-CO-15 and BR-CO-16: payable = lines + VAT − prepaid + rounding.
fn check_payable(document: &Document) -> Result<(), Refusal> {
    let Document { rounding, prepaid, payable, .. } = *document;
    if rounding.magnitude() >= 100 {
        return Err(Refusal::Rounding { rounding });
    }
    if prepaid < Amount::ZERO {
        return Err(Refusal::NegativePrepaid { prepaid });
    }
    let lines: Total = document.lines.iter().map(|line| line.net).sum();
    let vat: Total = document.vat_totals.iter().map(|total| total.vat).sum();
    let expected = Total(lines.0 + vat.0 - i128::from(prepaid.0) + i128::from(rounding.0));
    if expected != Total(payable.0.into()) {
        return Err(Refusal::Payable { stated: payable, lines, vat, prepaid, rounding, expected });
    }
    if payable < Amount::ZERO {
        return Err(Refusal::NegativePayable { payable });
    }
    Ok(())
}
