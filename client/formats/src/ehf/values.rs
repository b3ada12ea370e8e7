//! Single values: numbers, dates, currencies and codes, each in the form and from the list that is
//! prescribed.

use ledger::time::Date;

use super::check::{Check, decimal, is_charge, normal, quote, within};
use super::codes::{self, holds};
use crate::decimal::Decimal;
use crate::xml::Element;

/// Judges one element's text and attributes.
pub(super) fn check(check: &mut Check<'_>, element: Element<'_>) {
    if element.is_known() {
        number_or_date(check, element);
        code(check, element);
    }
}

const DATES: [&str; 6] =
    ["ActualDeliveryDate", "DueDate", "EndDate", "IssueDate", "StartDate", "TaxPointDate"];
const NUMBERS: [&str; 5] =
    ["BaseQuantity", "CreditedQuantity", "InvoicedQuantity", "MultiplierFactorNumeric", "Percent"];
/// Amounts whose currency must be the document's and on the list.
const AMOUNTS: [&str; 13] = [
    "AllowanceTotalAmount",
    "Amount",
    "BaseAmount",
    "ChargeTotalAmount",
    "LineExtensionAmount",
    "PayableAmount",
    "PayableRoundingAmount",
    "PrepaidAmount",
    "PriceAmount",
    "TaxAmount",
    "TaxExclusiveAmount",
    "TaxInclusiveAmount",
    "TaxableAmount",
];

fn number_or_date(check: &mut Check<'_>, element: Element<'_>) {
    let name = element.local();
    if !element.is_known() || element.text().is_empty() {
        return;
    }
    if DATES.contains(&name) || name == "PaymentDueDate" {
        if element.raw_text().len() != 10 || Date::parse(element.raw_text()).is_err() {
            let message =
                format!("{} is not a date of the calendar, written YYYY-MM-DD", quote(element.text()));
            check.refuse("PEPPOL-EN16931-F001", element, message);
        }
        return;
    }
    if !name.ends_with("Amount") && !NUMBERS.contains(&name) {
        return;
    }
    if Decimal::parse(element.text()).is_none() {
        let message = format!("{} is not a number, written 12500.50", quote(element.text()));
        return check.unreadable("F-UBL", element, message);
    }
    if name.ends_with("Amount") {
        let in_price =
            element.parent().is_some_and(|up| up.is("cac:AllowanceCharge") && within(up, "cac:Price"));
        let decimals = element.raw_text().split_once('.').map_or(0, |(_, decimals)| decimals.chars().count());
        if decimals > 2 && name != "PriceAmount" && !in_price {
            let message = format!("{} has more than two decimals", quote(element.text()));
            check.unreadable(decimals_rule(element), element, message);
        } else if name != "PriceAmount"
            && !in_price
            && decimal(Some(element)).and_then(|d| d.to_ore()).is_none()
        {
            check.unreadable("F-UBL", element, "the amount is larger than the books can hold");
        }
        currency(check, element);
    }
}

/// EN 16931 has a rule of its own for most amounts; the rest fall under the general one.
fn decimals_rule(element: Element<'_>) -> &'static str {
    let Some(parent) = element.parent() else { return "UBL-DT-01" };
    let charge = is_charge(parent) == Some(true);
    let of_line = parent.parent().is_some_and(|up| up.parent().is_some());
    match (parent.local(), element.local()) {
        ("LegalMonetaryTotal", "LineExtensionAmount") => "BR-DEC-09",
        ("LegalMonetaryTotal", "AllowanceTotalAmount") => "BR-DEC-10",
        ("LegalMonetaryTotal", "ChargeTotalAmount") => "BR-DEC-11",
        ("LegalMonetaryTotal", "TaxExclusiveAmount") => "BR-DEC-12",
        ("LegalMonetaryTotal", "TaxInclusiveAmount") => "BR-DEC-14",
        ("LegalMonetaryTotal", "PrepaidAmount") => "BR-DEC-16",
        ("LegalMonetaryTotal", "PayableRoundingAmount") => "BR-DEC-17",
        ("LegalMonetaryTotal", "PayableAmount") => "BR-DEC-18",
        ("TaxSubtotal", "TaxableAmount") => "BR-DEC-19",
        ("TaxSubtotal", "TaxAmount") => "BR-DEC-20",
        ("InvoiceLine" | "CreditNoteLine", "LineExtensionAmount") => "BR-DEC-23",
        ("AllowanceCharge", "Amount") => match (of_line, charge) {
            (false, false) => "BR-DEC-01",
            (false, true) => "BR-DEC-05",
            (true, false) => "BR-DEC-24",
            (true, true) => "BR-DEC-27",
        },
        ("AllowanceCharge", "BaseAmount") => match (of_line, charge) {
            (false, false) => "BR-DEC-02",
            (false, true) => "BR-DEC-06",
            (true, false) => "BR-DEC-25",
            (true, true) => "BR-DEC-28",
        },
        _ => "UBL-DT-01",
    }
}

fn currency(check: &mut Check<'_>, element: Element<'_>) {
    if !AMOUNTS.contains(&element.local()) {
        return;
    }
    let currency = element.attribute("currencyID").unwrap_or("");
    let document = check.root.first("cbc:DocumentCurrencyCode").map_or("", Element::raw_text);
    let total = element.local() == "TaxAmount" && within(element, "cac:TaxTotal");
    let checked = !total || element.parent().is_some_and(|total| total.first("cac:TaxSubtotal").is_some());
    if checked && currency != document {
        let message = format!("the amount is in {}, the document in {}", quote(currency), quote(document));
        check.refuse("PEPPOL-EN16931-R051", element, message);
    }
    listed(
        check,
        element,
        currency,
        &[("BR-CL-03", codes::CURRENCIES), ("PEPPOL-EN16931-CL007", codes::PEPPOL_CURRENCIES)],
    );
}

/// Refuses under every rule whose list does not hold the code.
fn listed(check: &mut Check<'_>, element: Element<'_>, code: &str, lists: &[(&'static str, &str)]) {
    for (rule, list) in lists {
        if !holds(list, code) {
            check.refuse(rule, element, format_args!("{} is not on the code list", quote(code)));
        }
    }
}

fn code(check: &mut Check<'_>, element: Element<'_>) {
    let text = || normal(element.text());
    let attribute = |name: &str| element.attribute(name).map(normal);
    let in_any = |names: &[&str]| names.iter().any(|name| within(element, name));
    match element.local() {
        _ if !element.is_known() => {}
        "DocumentCurrencyCode" => listed(check, element, &text(), &[("BR-CL-04", codes::CURRENCIES)]),
        "TaxCurrencyCode" => listed(check, element, &text(), &[("BR-CL-05", codes::CURRENCIES)]),
        "DescriptionCode" if in_any(&["cac:InvoicePeriod"]) => {
            listed(
                check,
                element,
                &text(),
                &[("BR-CL-06", "3 35 432"), ("PEPPOL-EN16931-CL006", "3 35 432")],
            );
        }
        "IdentificationCode" if in_any(&["cac:Country"]) => {
            listed(check, element, &text(), &[("BR-CL-14", codes::COUNTRIES)]);
        }
        "IdentificationCode" if in_any(&["cac:OriginCountry"]) => {
            listed(check, element, &text(), &[("BR-CL-15", codes::COUNTRIES)]);
        }
        "PaymentMeansCode" => listed(check, element, &text(), &[("BR-CL-16", codes::PAYMENT_MEANS)]),
        "ID" if in_any(&["cac:TaxCategory"]) => {
            listed(check, element, &text(), &[("BR-CL-17", "AE L M E S Z G O K B")])
        }
        "ID" if in_any(&["cac:ClassifiedTaxCategory"]) => {
            listed(check, element, &text(), &[("BR-CL-18", "AE L M E S Z G O K B")]);
        }
        "AllowanceChargeReasonCode" => match element.parent().and_then(is_charge) {
            Some(false) => {
                let lists = [
                    ("BR-CL-19", codes::ALLOWANCE_REASONS),
                    ("PEPPOL-EN16931-CL002", codes::ALLOWANCE_REASONS),
                ];
                listed(check, element, &text(), &lists);
            }
            Some(true) => {
                let lists =
                    [("BR-CL-20", codes::CHARGE_REASONS), ("PEPPOL-EN16931-CL003", codes::CHARGE_REASONS)];
                listed(check, element, &text(), &lists);
            }
            None => {}
        },
        "TaxExemptionReasonCode" => {
            let code = text().to_uppercase();
            listed(check, element, &code, &[("BR-CL-22", codes::EXEMPTIONS)]);
            exemption(check, element, &code);
        }
        "InvoicedQuantity" | "CreditedQuantity" | "BaseQuantity" => {
            if let Some(unit) = attribute("unitCode")
                && !codes::is_unit(&unit)
            {
                check.refuse(
                    "BR-CL-23",
                    element,
                    format_args!("{} is no unit on the code list", quote(&unit)),
                );
            }
        }
        "EndpointID" => {
            if let Some(scheme) = attribute("schemeID") {
                let lists = [
                    ("BR-CL-25", codes::ENDPOINT_SCHEMES),
                    ("PEPPOL-EN16931-CL008", codes::PEPPOL_ENDPOINT_SCHEMES),
                ];
                listed(check, element, &scheme, &lists);
            }
        }
        "ID" => {
            let Some(scheme) = attribute("schemeID") else { return };
            if in_any(&["cac:PartyIdentification"]) && scheme != "SEPA" {
                listed(check, element, &scheme, &[("BR-CL-10", codes::ICD)]);
            } else if in_any(&["cac:StandardItemIdentification"]) {
                listed(check, element, &scheme, &[("BR-CL-21", codes::ICD)]);
            } else if in_any(&["cac:DeliveryLocation"]) {
                listed(check, element, &scheme, &[("BR-CL-26", codes::ICD)]);
            } else if in_any(&["cac:AdditionalDocumentReference", "cac:DocumentReference"])
                && element.parent().and_then(|up| up.value("cbc:DocumentTypeCode")) == Some("130")
            {
                listed(check, element, &scheme, &[("BR-CL-07", codes::OBJECT_SCHEMES)]);
            }
        }
        "CompanyID" if in_any(&["cac:PartyLegalEntity"]) => {
            if let Some(scheme) = attribute("schemeID") {
                listed(check, element, &scheme, &[("BR-CL-11", codes::ICD)]);
            }
        }
        "ItemClassificationCode" => match attribute("listID") {
            Some(list) => listed(check, element, &list, &[("BR-CL-13", codes::ITEM_SCHEMES)]),
            None => check.refuse("BR-65", element, "an item classification without its scheme"),
        },
        "Note" if element.parent().is_some_and(|up| up.parent().is_none()) => subject(check, element),
        _ => {}
    }
}

/// A note may begin with its subject, `#AAI#`.
fn subject(check: &mut Check<'_>, element: Element<'_>) {
    let code =
        element.raw_text().split_once('#').and_then(|(_, rest)| rest.split_once('#')).map(|(code, _)| code);
    if let Some(code) = code.filter(|code| code.chars().count() == 3)
        && !holds(codes::SUBJECTS, code)
    {
        check.refuse("BR-CL-08", element, format_args!("{} is no subject of a note", quote(code)));
    }
}

/// Some reasons go with one category only.
fn exemption(check: &mut Check<'_>, element: Element<'_>, code: &str) {
    let (rule, category) = match code {
        "VATEX-EU-G" => ("PEPPOL-EN16931-P0104", "G"),
        "VATEX-EU-O" => ("PEPPOL-EN16931-P0105", "O"),
        "VATEX-EU-IC" => ("PEPPOL-EN16931-P0106", "K"),
        "VATEX-EU-AE" => ("PEPPOL-EN16931-P0107", "AE"),
        "VATEX-EU-D" => ("PEPPOL-EN16931-P0108", "E"),
        "VATEX-EU-F" => ("PEPPOL-EN16931-P0109", "E"),
        "VATEX-EU-I" => ("PEPPOL-EN16931-P0110", "E"),
        "VATEX-EU-J" => ("PEPPOL-EN16931-P0111", "E"),
        _ => return,
    };
    let Some(parent) = element.parent().filter(|parent| parent.is("cac:TaxCategory")) else { return };
    let stated = parent.value("cbc:ID").unwrap_or("");
    if stated != category {
        let message = format!("exemption {code} goes with VAT category {category}, not {}", quote(stated));
        check.refuse(rule, element, message);
    }
}
