//! Do the sums add up? Amounts are compared as the official rules compare them, with their
//! tolerances; what they let pass and the books do not is in `ours`.

use std::collections::BTreeMap;

use ledger::amount::Amount;
use ledger::entry::Rate;

use super::Kind;
use super::check::{Check, amount, decimal, is_charge, is_vat, kr, quote};
use super::lines::{self, two_ore};
use crate::decimal::Decimal;
use crate::xml::Element;

/// An amount with its VAT category: a line, an allowance or charge on the document, or a VAT total.
pub(super) struct Part<'t> {
    pub(super) element: Element<'t>,
    /// The element that says category and rate.
    pub(super) tax: Option<Element<'t>>,
    pub(super) charge: bool,
    /// Net amount, or the base of a VAT total.
    pub(super) amount: Option<Amount>,
    /// Of a VAT total.
    pub(super) vat: Option<Amount>,
    pub(super) category: &'t str,
    pub(super) percent: Option<Decimal>,
}

impl Part<'_> {
    /// The rate as the ledger keeps it; zero where none is stated.
    pub(super) fn rate(&self) -> Option<Rate> {
        match &self.percent {
            None => Some(Rate(0)),
            Some(percent) => {
                percent.to_ore().and_then(|hundredths| u16::try_from(hundredths.0).ok()).map(Rate)
            }
        }
    }

    /// What it adds to the net total.
    pub(super) fn signed(&self) -> i128 {
        let amount = i128::from(self.amount.unwrap_or_default().0);
        if self.charge { amount } else { -amount }
    }
}

/// The amounts of a document, read once.
pub(super) struct Figures<'t> {
    pub(super) lines: Vec<Part<'t>>,
    pub(super) allowances: Vec<Part<'t>>,
    /// VAT totals by category and rate.
    pub(super) groups: Vec<Part<'t>>,
    /// The VAT total that has them.
    pub(super) tax_total: Option<Element<'t>>,
}

impl<'t> Figures<'t> {
    pub(super) fn read(check: &Check<'t>) -> Self {
        let root = check.root;
        let tax_total = root.named("cac:TaxTotal").find(|total| total.first("cac:TaxSubtotal").is_some());
        let line = |element: Element<'t>| {
            part(
                element,
                element.first("cac:Item/cac:ClassifiedTaxCategory"),
                "cbc:LineExtensionAmount",
                true,
            )
        };
        let allowance = |element: Element<'t>| {
            let charge = is_charge(element).unwrap_or(false);
            part(element, element.first("cac:TaxCategory"), "cbc:Amount", charge)
        };
        let group = |element: Element<'t>| {
            let part = part(element, element.first("cac:TaxCategory"), "cbc:TaxableAmount", true);
            Part { vat: amount(element.first("cbc:TaxAmount")), ..part }
        };
        Self {
            lines: check.lines().map(line).collect(),
            allowances: root.named("cac:AllowanceCharge").map(allowance).collect(),
            groups: tax_total
                .into_iter()
                .flat_map(|total| total.named("cac:TaxSubtotal"))
                .map(group)
                .collect(),
            tax_total,
        }
    }

    /// Lines, allowances and charges: what the net total is made of.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part<'t>> {
        self.lines.iter().chain(&self.allowances)
    }
}

fn part<'t>(element: Element<'t>, tax: Option<Element<'t>>, name: &str, charge: bool) -> Part<'t> {
    let percent = decimal(tax.and_then(|tax| tax.first("cbc:Percent")));
    let category = tax.and_then(|tax| tax.value("cbc:ID")).unwrap_or("");
    Part { element, tax, charge, amount: amount(element.first(name)), vat: None, category, percent }
}

pub(super) fn check(check: &mut Check<'_>, figures: &Figures<'_>) {
    lines::check(check);
    allowances(check);
    totals(check, figures);
    breakdown(check, figures);
    categories(check, figures);
}

fn allowances(check: &mut Check<'_>) {
    let on_document: Vec<_> =
        check.root.named("cac:AllowanceCharge").map(|element| (element, false)).collect();
    let on_lines =
        check.lines().flat_map(|line| line.named("cac:AllowanceCharge")).map(|element| (element, true));
    let all: Vec<_> = on_document.into_iter().chain(on_lines).collect();
    for (element, of_line) in all {
        let indicator = element.value("cbc:ChargeIndicator").unwrap_or("");
        if !matches!(indicator, "true" | "false") {
            let message = format!("ChargeIndicator is {}, true or false is read", quote(indicator));
            check.refuse("PEPPOL-EN16931-R043", element, message);
        }
        let charge = is_charge(element);
        let what = if charge == Some(true) { "charge" } else { "allowance" };
        percentage(check, element, what);
        let Some(charge) = charge else { continue };
        let [no_amount, no_category, no_reason, no_reason_either] = match (of_line, charge) {
            (false, false) => ["BR-31", "BR-32", "BR-33", "BR-CO-21"],
            (false, true) => ["BR-36", "BR-37", "BR-38", "BR-CO-22"],
            (true, false) => ["BR-41", "", "BR-42", "BR-CO-23"],
            (true, true) => ["BR-43", "", "BR-44", "BR-CO-24"],
        };
        if element.first("cbc:Amount").is_none() {
            check.refuse(no_amount, element, format_args!("the {what} has no amount"));
        }
        let categories: Vec<_> = element.named("cac:TaxCategory").collect();
        if !of_line && !categories.iter().any(|tax| is_vat(*tax) && tax.first("cbc:ID").is_some()) {
            check.refuse(no_category, element, format_args!("the {what} has no VAT category"));
        }
        if categories.len() > 1 {
            check.refuse("F-UBL", element, format_args!("the {what} has more than one VAT category"));
        }
        let reasons = element.named("cbc:AllowanceChargeReason").count();
        if reasons == 0 && element.first("cbc:AllowanceChargeReasonCode").is_none() {
            check.refuse(no_reason, element, format_args!("the {what} has no reason"));
            check.refuse(no_reason_either, element, format_args!("the {what} has no reason"));
        }
        if reasons > 1 {
            let rule = if charge { "UBL-SR-31" } else { "UBL-SR-30" };
            check.refuse(rule, element, format_args!("the {what} has more than one reason"));
        }
    }
}

fn percentage(check: &mut Check<'_>, element: Element<'_>, what: &str) {
    let (factor, base) = (element.first("cbc:MultiplierFactorNumeric"), element.first("cbc:BaseAmount"));
    match (factor, base) {
        (None, None) => {}
        (Some(_), None) => {
            check.refuse(
                "PEPPOL-EN16931-R041",
                element,
                format_args!("the {what} has a percentage and no base amount"),
            );
        }
        (None, Some(_)) => {
            check.refuse(
                "PEPPOL-EN16931-R042",
                element,
                format_args!("the {what} has a base amount and no percentage"),
            );
        }
        (Some(_), Some(_)) => {
            let (Some(factor), Some(base)) = (decimal(factor), decimal(base)) else { return };
            let stated = decimal(element.first("cbc:Amount")).unwrap_or_else(|| Decimal::from_ore(0));
            let computed = base.mul(&factor).per_cent();
            if stated.sub(&computed).abs() > two_ore() {
                let message = format!("the {what} is {stated}, but {factor} % of {base} is {computed}");
                check.refuse("PEPPOL-EN16931-R040", element, message);
            }
        }
    }
}

fn totals(check: &mut Check<'_>, figures: &Figures<'_>) {
    let root = check.root;
    let Some(totals) = root.first("cac:LegalMonetaryTotal") else { return };
    let ore = |name: &str| amount(totals.first(name)).map(|amount| i128::from(amount.0));
    let lines = ore("cbc:LineExtensionAmount");
    let sum: i128 = figures.lines.iter().map(Part::signed).sum();
    if let Some(lines) = lines
        && lines != sum
    {
        let message =
            format!("the sum of the lines is stated as {}, the lines add up to {}", kr(lines), kr(sum));
        check.refuse("BR-CO-10", totals, message);
    }
    for (charge, name, rule, what) in [
        (false, "cbc:AllowanceTotalAmount", "BR-CO-11", "allowances"),
        (true, "cbc:ChargeTotalAmount", "BR-CO-12", "charges"),
    ] {
        let of_kind: Vec<_> =
            figures.allowances.iter().filter(|part| is_charge(part.element) == Some(charge)).collect();
        let sum: i128 = of_kind.iter().map(|part| part.signed()).sum::<i128>() * if charge { 1 } else { -1 };
        let stated = ore(name);
        if stated.is_none() && of_kind.is_empty() && totals.first(name).is_none() {
            continue;
        }
        if stated != Some(sum) {
            let stated = stated.map_or("nothing".to_string(), |stated| kr(stated).to_string());
            let message = format!("the sum of {what} is stated as {stated}, they add up to {}", kr(sum));
            check.refuse(rule, totals, message);
        }
    }
    let (allowances, charges) =
        (ore("cbc:AllowanceTotalAmount").unwrap_or(0), ore("cbc:ChargeTotalAmount").unwrap_or(0));
    let net = ore("cbc:TaxExclusiveAmount");
    if let (Some(net), Some(lines)) = (net, lines)
        && net != lines - allowances + charges
    {
        let message = format!(
            "the total without VAT is stated as {}, but lines {} − allowances {} + charges {} is {}",
            kr(net),
            kr(lines),
            kr(allowances),
            kr(charges),
            kr(lines - allowances + charges)
        );
        check.refuse("BR-CO-13", totals, message);
    }
    let gross = ore("cbc:TaxInclusiveAmount");
    with_vat(check, totals, net, gross);
    let payable = ore("cbc:PayableAmount");
    let (prepaid, rounding) =
        (ore("cbc:PrepaidAmount").unwrap_or(0), ore("cbc:PayableRoundingAmount").unwrap_or(0));
    if let (Some(gross), Some(payable)) = (gross, payable)
        && payable != gross - prepaid + rounding
    {
        let message = format!(
            "the amount due is stated as {}, but {} with VAT − {} paid + {} rounding is {}",
            kr(payable),
            kr(gross),
            kr(prepaid),
            kr(rounding),
            kr(gross - prepaid + rounding)
        );
        check.refuse("BR-CO-16", totals, message);
    }
    let dated = root.descendants().any(|e| e.is("cbc:DueDate"))
        || root.descendants().any(|e| e.is("cac:PaymentTerms") && e.first("cbc:Note").is_some());
    if check.kind == Kind::Invoice && payable.is_some_and(|payable| payable > 0) && !dated {
        check.refuse(
            "BR-CO-25",
            totals,
            "an amount is due, but neither a due date nor payment terms are given",
        );
    }
}

fn with_vat(check: &mut Check<'_>, totals: Element<'_>, net: Option<i128>, gross: Option<i128>) {
    let root = check.root;
    let Some(currency) = root.first("cbc:DocumentCurrencyCode").map(Element::raw_text) else { return };
    let amounts: Vec<_> = root
        .all("cac:TaxTotal/cbc:TaxAmount")
        .into_iter()
        .filter(|element| element.attribute("currencyID") == Some(currency))
        .collect();
    let [vat] = amounts[..] else {
        let message = format!("{} VAT totals in {}, there must be one", amounts.len(), quote(currency));
        return check.refuse("BR-CO-15", totals, message);
    };
    let (Some(net), Some(gross), Some(vat)) = (net, gross, amount(Some(vat)).map(|vat| i128::from(vat.0)))
    else {
        return;
    };
    if gross != net + vat {
        let message = format!(
            "the total with VAT is stated as {}, but {} without VAT + {} VAT is {}",
            kr(gross),
            kr(net),
            kr(vat),
            kr(net + vat)
        );
        check.refuse("BR-CO-15", totals, message);
    }
}

fn breakdown(check: &mut Check<'_>, figures: &Figures<'_>) {
    let Some(total) = figures.tax_total else { return };
    let stated = amount(total.first("cbc:TaxAmount")).map(|vat| i128::from(vat.0));
    let sum: i128 = figures.groups.iter().map(|group| i128::from(group.vat.unwrap_or_default().0)).sum();
    if let Some(stated) = stated
        && stated != sum
    {
        let message = format!("total VAT is stated as {}, the groups add up to {}", kr(stated), kr(sum));
        check.refuse("BR-CO-14", total, message);
    }
    for group in &figures.groups {
        let element = group.element;
        for (rule, name, what) in [("BR-45", "cbc:TaxableAmount", "base"), ("BR-46", "cbc:TaxAmount", "VAT")]
        {
            if element.first(name).is_none() {
                check.refuse(rule, element, format_args!("the VAT group has no {what} amount"));
            }
        }
        let vat_category = group.tax.filter(|tax| is_vat(*tax));
        if vat_category.is_none_or(|tax| tax.first("cbc:ID").is_none()) {
            check.refuse("BR-47", element, "the VAT group has no category");
        }
        if vat_category.is_none_or(|tax| tax.first("cbc:Percent").is_none()) && group.category != "O" {
            check.refuse("BR-48", element, "the VAT group has no rate");
        }
        let (Some(base), Some(vat), Some(_)) = (group.amount, group.vat, vat_category) else { continue };
        let none = Decimal::from_ore(0);
        let percent = group.percent.as_ref().unwrap_or(&none);
        if !near(base, vat, percent) {
            let message =
                format!("VAT is stated as {vat}, but {percent} % of {base} is {}", product(base, percent));
            check.refuse("BR-CO-17", element, message);
        }
    }
}

/// VAT may differ by less than a krone from base × rate; signs are not compared (see F-BREAKDOWN).
fn near(base: Amount, vat: Amount, percent: &Decimal) -> bool {
    let rounded = |hundredths: i128| (hundredths + 50).div_euclid(100);
    if percent.round_to_ore().map(rounded) == Some(0) {
        return rounded(i128::from(vat.0)) == 0;
    }
    close(base, vat, percent)
}

fn close(base: Amount, vat: Amount, percent: &Decimal) -> bool {
    let base = Decimal::from_ore(i128::from(base.magnitude()));
    let Some(expected) = base.mul(percent).per_cent().round_to_ore() else { return false };
    (i128::from(vat.magnitude()) - expected).abs() < 100
}

/// Base × rate, to show.
pub(super) fn product(base: Amount, percent: &Decimal) -> impl std::fmt::Display {
    kr(Decimal::from_ore(i128::from(base.0)).mul(percent).per_cent().round_to_ore().unwrap_or(0))
}

/// Rule ids of the categories that are booked here, by what they are about.
struct Ids {
    code: &'static str,
    listed: &'static str,
    seller_known: [&'static str; 3],
    rate: [&'static str; 3],
    base: &'static str,
    vat: &'static str,
    reason: &'static str,
}

const CATEGORIES: [Ids; 4] = [
    Ids {
        code: "S",
        listed: "BR-S-01",
        seller_known: ["BR-S-02", "BR-S-03", "BR-S-04"],
        rate: ["BR-S-05", "BR-S-06", "BR-S-07"],
        base: "BR-S-08",
        vat: "BR-S-09",
        reason: "BR-S-10",
    },
    Ids {
        code: "Z",
        listed: "BR-Z-01",
        seller_known: ["BR-Z-02", "BR-Z-03", "BR-Z-04"],
        rate: ["BR-Z-05", "BR-Z-06", "BR-Z-07"],
        base: "BR-Z-08",
        vat: "BR-Z-09",
        reason: "BR-Z-10",
    },
    Ids {
        code: "E",
        listed: "BR-E-01",
        seller_known: ["BR-E-02", "BR-E-03", "BR-E-04"],
        rate: ["BR-E-05", "BR-E-06", "BR-E-07"],
        base: "BR-E-08",
        vat: "BR-E-09",
        reason: "BR-E-10",
    },
    Ids {
        code: "O",
        listed: "BR-O-01",
        seller_known: ["BR-O-02", "BR-O-03", "BR-O-04"],
        rate: ["BR-O-05", "BR-O-06", "BR-O-07"],
        base: "BR-O-08",
        vat: "BR-O-09",
        reason: "BR-O-10",
    },
];

fn categories(check: &mut Check<'_>, figures: &Figures<'_>) {
    let root = check.root;
    let mut by_category: BTreeMap<&str, i128> = BTreeMap::new();
    let mut by_rate: BTreeMap<(&str, Option<Decimal>), i128> = BTreeMap::new();
    for part in figures.parts() {
        *by_category.entry(part.category).or_default() += part.signed();
        *by_rate.entry((part.category, part.percent.clone())).or_default() += part.signed();
    }
    let party_vat = |path: &str| {
        root.all(path).into_iter().any(|scheme| is_vat(scheme) && scheme.first("cbc:CompanyID").is_some())
    };
    let representative = party_vat("cac:TaxRepresentativeParty/cac:PartyTaxScheme");
    let seller_registered =
        root.first("cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme/cbc:CompanyID").is_some();
    let any_vat_number = representative
        || party_vat("cac:AccountingSupplierParty/cac:Party/cac:PartyTaxScheme")
        || party_vat("cac:AccountingCustomerParty/cac:Party/cac:PartyTaxScheme");
    for ids in &CATEGORIES {
        let of_category = |part: &&Part<'_>| part.category == ids.code && part.tax.is_some_and(is_vat);
        let groups: Vec<_> = figures.groups.iter().filter(of_category).collect();
        let kinds = [
            figures.lines.iter().filter(of_category).collect::<Vec<_>>(),
            figures
                .allowances
                .iter()
                .filter(|part| is_charge(part.element) == Some(false))
                .filter(of_category)
                .collect(),
            figures
                .allowances
                .iter()
                .filter(|part| is_charge(part.element) == Some(true))
                .filter(of_category)
                .collect(),
        ];
        let used = kinds.iter().any(|kind| !kind.is_empty());
        let listed = if ids.code == "S" {
            // This rule alone does not ask for the scheme.
            let any = |part: &Part<'_>| part.category == "S";
            figures.parts().any(any) == figures.groups.iter().any(any)
        } else {
            groups.len() == 1 || !used && groups.is_empty()
        };
        if !listed {
            let message = format!(
                "VAT category {} is {} and has {} groups in the VAT breakdown",
                ids.code,
                if used { "used" } else { "not used" },
                groups.len()
            );
            check.refuse(ids.listed, figures.tax_total.unwrap_or(root), message);
        }
        for (kind, rule) in kinds.iter().zip(ids.seller_known) {
            let Some(part) = kind.first() else { continue };
            if ids.code == "O" {
                if any_vat_number {
                    let message = "outside the scope of VAT (O), and yet a party states its VAT number";
                    check.refuse(rule, part.element, message);
                }
            } else if !seller_registered && !representative {
                let message =
                    format!("VAT category {} without the seller's VAT or tax registration", ids.code);
                check.refuse(rule, part.element, message);
            }
        }
        for (kind, rule) in kinds.iter().zip(ids.rate) {
            for part in kind {
                rate(check, ids.code, rule, part);
            }
        }
        for group in groups {
            let tax = group.tax.unwrap_or(group.element);
            let stated = i128::from(group.amount.unwrap_or_default().0);
            let (sum, near) = if ids.code == "S" {
                let sum = by_rate.get(&("S", group.percent.clone())).copied();
                (sum, sum.is_some_and(|sum| (stated - sum).abs() < 100))
            } else {
                let sum = by_category.get(ids.code).copied().unwrap_or(0);
                (Some(sum), stated == sum)
            };
            let asked = group.amount.is_some() && (ids.code != "S" || group.percent.is_some());
            if asked && !near {
                let message = match sum {
                    Some(sum) => {
                        format!("the VAT base is stated as {}, the amounts add up to {}", kr(stated), kr(sum))
                    }
                    None => "no line, allowance or charge has this category and rate".to_string(),
                };
                check.refuse(ids.base, tax, message);
            }
            group_vat(check, ids, group, tax);
        }
    }
    outside_scope_alone(check, figures);
}

fn rate(check: &mut Check<'_>, code: &str, rule: &'static str, part: &Part<'_>) {
    let at = part.tax.unwrap_or(part.element);
    let (fits, expected) = match code {
        "S" => (part.percent.as_ref().is_some_and(|p| !p.is_zero() && !p.is_negative()), "above zero"),
        "O" => (at.first("cbc:Percent").is_none(), "not stated"),
        _ => (part.percent.as_ref().is_some_and(Decimal::is_zero), "0"),
    };
    if !fits {
        let stated = part.percent.as_ref().map_or("not stated".to_string(), |percent| format!("{percent} %"));
        check.refuse(
            rule,
            at,
            format_args!("the rate of VAT category {code} must be {expected}, it is {stated}"),
        );
    }
}

fn group_vat(check: &mut Check<'_>, ids: &Ids, group: &Part<'_>, tax: Element<'_>) {
    let reason = tax.first("cbc:TaxExemptionReason").or(tax.first("cbc:TaxExemptionReasonCode")).is_some();
    let wants_reason = matches!(ids.code, "E" | "O");
    if reason != wants_reason {
        let message =
            if wants_reason { "an exemption reason is missing" } else { "an exemption reason has no place" };
        check.refuse(ids.reason, tax, format_args!("VAT category {}: {message}", ids.code));
    }
    let (Some(base), Some(vat)) = (group.amount, group.vat) else { return };
    let fits = match (ids.code, &group.percent) {
        ("S", Some(percent)) => close(base, vat, percent),
        ("S", None) => false,
        _ => vat == Amount::ZERO,
    };
    if !fits {
        let message = format!("VAT of category {} on {base} is stated as {vat}", ids.code);
        check.refuse(ids.vat, tax, message);
    }
}

/// Whoever is outside the scope of VAT has no other category.
fn outside_scope_alone(check: &mut Check<'_>, figures: &Figures<'_>) {
    let vat = |part: &&Part<'_>| part.tax.is_some_and(is_vat);
    if !figures.groups.iter().filter(vat).any(|group| group.category == "O") {
        return;
    }
    let other = |part: &&Part<'_>| vat(part) && part.category != "O";
    let of_kind = |charge: bool| move |part: &&Part<'_>| is_charge(part.element) == Some(charge);
    for (rule, found) in [
        ("BR-O-11", figures.groups.iter().find(other)),
        ("BR-O-12", figures.lines.iter().find(other)),
        ("BR-O-13", figures.allowances.iter().filter(of_kind(false)).find(other)),
        ("BR-O-14", figures.allowances.iter().filter(of_kind(true)).find(other)),
    ] {
        if let Some(part) = found {
            let message =
                format!("outside the scope of VAT (O) together with category {}", quote(part.category));
            check.refuse(rule, part.element, message);
        }
    }
}
