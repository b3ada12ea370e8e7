//! What the rules of the trade let pass and these books do not: other currencies, parties without an
//! organisation number, VAT that is not booked yet or does not follow from the lines, accounts and
//! numbers that nobody can pay to or keep.

use std::collections::BTreeMap;

use ledger::amount::Amount;
use ledger::entity::OrgNumber;
use ledger::transaction::{InvoiceNumber, KidRule};

use super::Options;
use super::arithmetic::{Figures, product};
use super::check::{Check, amount, is_vat, kr, normal, quote};
use super::structure::unbooked;
use crate::bank::{AccountNumber, Kid};
use crate::decimal::Decimal;
use crate::xml::Element;

pub(super) fn check(check: &mut Check<'_>, figures: &Figures<'_>, options: &Options) {
    currency(check);
    parties(check);
    number(check);
    register(check, figures);
    vat(check, figures);
    rounding(check);
    payment(check, options);
}

fn currency(check: &mut Check<'_>) {
    if let Some(element) =
        check.root.first("cbc:DocumentCurrencyCode").filter(|e| !e.text().is_empty() && e.text() != "NOK")
    {
        let message = format!("the document is in {}, the books are kept in NOK", quote(element.text()));
        let remedy = "ask the seller to invoice in NOK, or book it outside with the bank's rate";
        check.refuse_with("F-CURRENCY", element, message, remedy);
    }
}

/// The organisation number of a party and the element it is taken from: the legal entity's, else the
/// VAT number's, else another that is marked as one.
pub(super) fn organisation(party: Element<'_>) -> Option<(OrgNumber, &'static str)> {
    let marked = |path: &str| party.all(path).into_iter().find(|id| id.attribute("schemeID") == Some("0192"));
    let legal = party.first("cac:PartyLegalEntity/cbc:CompanyID");
    if let Some(id) = legal.filter(|id| matches!(id.attribute("schemeID"), None | Some("0192")))
        && let Ok(number) = OrgNumber::parse(&normal(id.text()))
    {
        return Some((number, "cac:PartyLegalEntity/cbc:CompanyID"));
    }
    let vat = party.named("cac:PartyTaxScheme").filter(|scheme| is_vat(*scheme)).find_map(|scheme| {
        let digits = scheme.value("cbc:CompanyID")?.strip_prefix("NO")?.strip_suffix("MVA")?;
        OrgNumber::parse(digits).ok()
    });
    if let Some(number) = vat {
        return Some((number, "cac:PartyTaxScheme/cbc:CompanyID"));
    }
    for path in ["cac:PartyIdentification/cbc:ID", "cbc:EndpointID"] {
        if let Some(number) = marked(path).and_then(|id| OrgNumber::parse(&normal(id.text())).ok()) {
            return Some((number, path));
        }
    }
    None
}

fn parties(check: &mut Check<'_>) {
    let root = check.root;
    let mut numbers = Vec::new();
    for (path, who) in [("cac:AccountingSupplierParty", "seller"), ("cac:AccountingCustomerParty", "buyer")] {
        let Some(party) = root.first(path).and_then(|holder| holder.first("cac:Party")) else { continue };
        match organisation(party) {
            Some((number, _)) => numbers.push(number),
            None => {
                let stated = party.value("cac:PartyLegalEntity/cbc:CompanyID").unwrap_or("none");
                let message = format!(
                    "the {who} has no valid Norwegian organisation number (stated: {}); it stands in PartyLegalEntity/CompanyID with scheme 0192",
                    quote(stated)
                );
                check.refuse("F-PARTY", party, message);
            }
        }
    }
    if let [seller, buyer] = numbers[..]
        && seller == buyer
    {
        check.refuse("F-PARTY", root, format_args!("seller and buyer are the same organisation, {seller}"));
    }
}

fn number(check: &mut Check<'_>) {
    if let Some(element) = check.root.first("cbc:ID").filter(|element| !element.text().is_empty())
        && let Err(error) = InvoiceNumber::new(element.text())
    {
        check.refuse_with("F-NUMBER", element, error, "the ledger knows a document by this number");
    }
}

/// Norwegian VAT is charged by whoever is in the Norwegian VAT register, and says so on the document.
fn register(check: &mut Check<'_>, figures: &Figures<'_>) {
    let Some(party) = check.root.first("cac:AccountingSupplierParty/cac:Party") else { return };
    let number = party
        .named("cac:PartyTaxScheme")
        .filter(|scheme| is_vat(*scheme))
        .find_map(|scheme| scheme.first("cbc:CompanyID").filter(|number| !number.text().is_empty()));
    let charged = figures.groups.iter().any(|group| group.vat.is_some_and(|vat| vat != Amount::ZERO));
    match number {
        Some(number) if !number.text().starts_with("NO") => {
            let message =
                format!("the seller's VAT number {} is foreign, its VAT not Norwegian", quote(number.text()));
            check.refuse("F-VAT", number, message);
        }
        None if charged && check.root.first("cac:TaxRepresentativeParty").is_none() => {
            let message = "VAT is charged and no VAT number (NO…MVA) stated: see that the seller is in the VAT register";
            check.note("F-VAT", party, message);
        }
        _ => {}
    }
}

fn vat(check: &mut Check<'_>, figures: &Figures<'_>) {
    for part in figures.parts().chain(&figures.groups) {
        let at = part.tax.unwrap_or(part.element);
        if let Some(name) = unbooked(part.category).filter(|_| !part.category.is_empty()) {
            let message = format!("VAT category {} ({name}) is not booked yet", quote(part.category));
            check.refuse_with("F-VAT", at, message, "book the document by hand");
        }
        if part.rate().is_none() {
            let percent = part.percent.as_ref().map(Decimal::to_string).unwrap_or_default();
            check.refuse("F-VAT", at, format_args!("a rate of {percent} % cannot be kept"));
        }
    }
    // The official rules ask neither for a group per rate nor for its sign, and allow a krone.
    let mut sums: BTreeMap<(&str, u16), (i128, u32)> = BTreeMap::new();
    for part in figures.parts() {
        let Some(rate) = part.rate() else { return };
        sums.entry((part.category, rate.0)).or_default().0 += part.signed();
    }
    for group in &figures.groups {
        let (Some(rate), Some(base), Some(vat)) = (group.rate(), group.amount, group.vat) else { return };
        let at = group.element;
        let (sum, seen) = sums.entry((group.category, rate.0)).or_default();
        *seen += 1;
        let name = format!("VAT category {} at {} %", group.category, Decimal::from_ore(i128::from(rate.0)));
        if *seen > 1 {
            check.refuse("F-BREAKDOWN", at, format_args!("{name} stands twice in the VAT breakdown"));
        } else if i128::from(base.0) != *sum {
            let message = format!("{name}: the base is stated as {base}, the amounts add up to {}", kr(*sum));
            check.refuse("F-BREAKDOWN", at, message);
        }
        let percent = Decimal::from_ore(i128::from(rate.0));
        let expected = exact(base, &percent);
        let difference = (i128::from(vat.0) - expected).abs();
        if difference >= 100 {
            let message =
                format!("{name}: VAT is stated as {vat}, the base makes {}", product(base, &percent));
            check.refuse("F-BREAKDOWN", at, message);
        } else if difference > 0 {
            let message = format!(
                "{name}: VAT {vat} differs from base × rate, {}, by rounding; it is booked as stated",
                kr(expected)
            );
            check.note("F-ROUNDING", at, message);
        }
    }
    let missing: Vec<_> =
        sums.iter().filter(|(_, (sum, seen))| *seen == 0 && *sum != 0).map(|(key, _)| *key).collect();
    for (category, rate) in missing {
        let at = figures.tax_total.unwrap_or(check.root);
        let rate = Decimal::from_ore(i128::from(rate));
        let message =
            format!("VAT category {} at {rate} % is used and missing in the VAT breakdown", quote(category));
        check.refuse("F-BREAKDOWN", at, message);
    }
}

/// Base × rate to the øre, a half away from zero on either side.
fn exact(base: Amount, percent: &Decimal) -> i128 {
    let magnitude =
        Decimal::from_ore(i128::from(base.magnitude())).mul(percent).per_cent().round_to_ore().unwrap_or(0);
    if base.0 < 0 { -magnitude } else { magnitude }
}

fn rounding(check: &mut Check<'_>) {
    let Some(element) = check.root.first("cac:LegalMonetaryTotal/cbc:PayableRoundingAmount") else { return };
    if let Some(rounding) = amount(Some(element))
        && rounding.magnitude() >= 100
    {
        check.refuse("F-ROUNDING", element, format_args!("a rounding of {rounding} is a krone or more"));
    }
}

fn payment(check: &mut Check<'_>, options: &Options) {
    let means: Vec<_> = check.root.named("cac:PaymentMeans").collect();
    for means in means {
        if let Some(account) =
            means.first("cac:PayeeFinancialAccount/cbc:ID").filter(|id| !id.text().is_empty())
            && let Err(error) = AccountNumber::parse(account.text())
        {
            check.refuse_with("F-ACCOUNT", account, error, "never correct it by guessing");
        }
    }
    let rule = options.kid.unwrap_or(KidRule::None);
    if rule == KidRule::None || check.kind == super::Kind::CreditNote {
        return;
    }
    let digit = match rule {
        KidRule::Mod10 => "MOD 10",
        KidRule::Mod11 => "MOD 11",
        KidRule::Either | KidRule::None => "MOD 10 or MOD 11",
    };
    match check.root.first("cac:PaymentMeans/cbc:PaymentID").filter(|id| !id.text().is_empty()) {
        None => {
            let at = check.root;
            check.refuse(
                "F-KID",
                at,
                "the payee's bank demands a KID, the document states no payment reference",
            );
        }
        Some(id) if Kid::parse(id.text(), rule).is_none() => {
            let message = format!(
                "the payee's bank demands a KID, {} is not 2 to 25 digits with a valid {digit} check digit",
                quote(id.text())
            );
            check.refuse("F-KID", id, message);
        }
        Some(_) => {}
    }
}
