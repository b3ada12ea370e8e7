//! Who sells, who buys, who is paid and how: identifiers, addresses and payment means.

use ledger::entity::OrgNumber;

use super::check::{Check, is_vat, normal, quote};
use super::codes::{self, holds};
use crate::xml::Element;

pub(super) fn check(check: &mut Check<'_>) {
    seller(check);
    buyer(check);
    payee(check);
    tax_representative(check);
    tax_schemes(check);
    identifiers(check);
    norway(check);
    payment_means(check);
}

fn seller(check: &mut Check<'_>) {
    let root = check.root;
    let Some(holder) = root.first("cac:AccountingSupplierParty") else { return };
    let Some(party) = holder.first("cac:Party") else { return };
    let vat_number =
        party.named("cac:PartyTaxScheme").any(|s| is_vat(s) && s.first("cbc:CompanyID").is_some());
    if !vat_number
        && party.first("cac:PartyIdentification/cbc:ID").is_none()
        && party.first("cac:PartyLegalEntity/cbc:CompanyID").is_none()
    {
        let message =
            "the seller has neither a VAT number, nor a registration number, nor another identifier";
        check.refuse("BR-CO-26", holder, message);
    }
    if party.first("cbc:EndpointID").is_some_and(|id| id.attribute("schemeID").is_none()) {
        check.refuse("BR-62", party, "the seller's electronic address has no scheme");
    }
    if party
        .first("cac:PostalAddress")
        .is_some_and(|at| at.value("cac:Country/cbc:IdentificationCode").is_none())
    {
        check.refuse("BR-09", party, "the seller's address has no country");
    }
    let schemes = party.named("cac:PartyTaxScheme").count();
    if schemes > 2 {
        check.refuse("UBL-SR-42", party, format_args!("{schemes} tax registrations, two are allowed"));
    }
    one_registration(check, party, true, "UBL-SR-12");
    one_registration(check, party, false, "UBL-SR-13");
}

fn one_registration(check: &mut Check<'_>, party: Element<'_>, vat: bool, rule: &'static str) {
    let count = party
        .named("cac:PartyTaxScheme")
        .filter(|s| {
            s.value("cac:TaxScheme/cbc:ID").is_some()
                && is_vat(*s) == vat
                && s.first("cbc:CompanyID").is_some()
        })
        .count();
    if count > 1 {
        let what = if vat { "VAT numbers" } else { "tax registrations other than VAT" };
        check.refuse(rule, party, format_args!("{count} {what}, one is allowed"));
    }
}

fn buyer(check: &mut Check<'_>) {
    let root = check.root;
    let Some(party) = root.first("cac:AccountingCustomerParty/cac:Party") else { return };
    if party.first("cbc:EndpointID").is_some_and(|id| id.attribute("schemeID").is_none()) {
        check.refuse("BR-63", party, "the buyer's electronic address has no scheme");
    }
    if party
        .first("cac:PostalAddress")
        .is_some_and(|at| at.value("cac:Country/cbc:IdentificationCode").is_none())
    {
        check.refuse("BR-11", party, "the buyer's address has no country");
    }
    one_registration(check, party, true, "UBL-SR-18");
}

fn payee(check: &mut Check<'_>) {
    let root = check.root;
    let Some(payee) = root.first("cac:PayeeParty") else { return };
    let texts = |path: &str| root.all(path).into_iter().map(Element::raw_text).collect::<Vec<_>>();
    let names: Vec<_> = payee.all("cac:PartyName/cbc:Name").into_iter().map(Element::raw_text).collect();
    let ids: Vec<_> = payee.all("cac:PartyIdentification/cbc:ID");
    let seller_names = texts("cac:AccountingSupplierParty/cac:Party/cac:PartyName/cbc:Name");
    let seller_ids = texts("cac:AccountingSupplierParty/cac:Party/cac:PartyIdentification/cbc:ID");
    let same_name = names.iter().any(|name| seller_names.contains(name));
    let same_id = ids.iter().any(|id| seller_ids.contains(&id.raw_text()));
    if names.is_empty() || same_name || same_id {
        check.refuse(
            "BR-17",
            payee,
            "the payee has no name, or is the seller: name a payee only if it is another party",
        );
    }
    let registered = texts("cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName");
    let differs = names.iter().any(|name| registered.iter().any(|other| other != name));
    let not_sepa = ids
        .iter()
        .filter(|id| id.attribute("schemeID").is_some_and(|s| !s.eq_ignore_ascii_case("SEPA")))
        .count();
    let registrations = payee.all("cac:PartyLegalEntity/cbc:CompanyID").len();
    for (rule, count, what) in [
        ("UBL-SR-19", names.len(), "name"),
        ("UBL-SR-20", not_sepa, "identifier"),
        ("UBL-SR-21", registrations, "registration"),
    ] {
        if count > 1 || !differs {
            let message = format!("the payee has one {what} at most and a name other than the seller's");
            check.refuse(rule, payee, message);
        }
    }
}

fn tax_representative(check: &mut Check<'_>) {
    let Some(party) = check.root.first("cac:TaxRepresentativeParty") else { return };
    if party.value("cac:PartyName/cbc:Name").is_none() {
        check.refuse("BR-18", party, "the seller's tax representative has no name");
    }
    match party.first("cac:PostalAddress") {
        None => check.refuse("BR-19", party, "the seller's tax representative has no address"),
        Some(address) if address.value("cac:Country/cbc:IdentificationCode").is_none() => {
            check.refuse("BR-20", address, "the tax representative's address has no country");
        }
        Some(_) => {}
    }
    if !party.named("cac:PartyTaxScheme").any(|s| is_vat(s) && s.first("cbc:CompanyID").is_some()) {
        check.refuse("BR-56", party, "the seller's tax representative has no VAT number");
    }
}

fn tax_schemes(check: &mut Check<'_>) {
    let schemes: Vec<_> =
        check.root.descendants().filter(|element| element.is("cac:PartyTaxScheme")).collect();
    for scheme in schemes {
        if scheme.first("cac:TaxScheme/cbc:ID").is_none() || scheme.first("cbc:CompanyID").is_none() {
            check.refuse("UBL-SR-53", scheme, "a tax registration without its number or its scheme");
        }
        if is_vat(scheme) {
            let number = scheme.first("cbc:CompanyID").map_or("", Element::raw_text);
            let country: String = number.chars().take(2).collect();
            if !country.is_empty() && !holds(codes::COUNTRIES, &country) && country != "EL" {
                let message = format!("VAT number {} does not begin with a country", quote(number));
                check.refuse("BR-CO-09", scheme, message);
            }
        }
    }
}

/// Identifiers whose scheme prescribes a check digit.
fn identifiers(check: &mut Check<'_>) {
    let found: Vec<_> = check
        .root
        .descendants()
        .filter(|element| {
            element.is("cbc:EndpointID")
                || element.is("cbc:CompanyID")
                || element.is("cbc:ID") && element.parent().is_some_and(|up| up.is("cac:PartyIdentification"))
        })
        .filter_map(|element| Some((element, element.attribute("schemeID")?)))
        .collect();
    for (element, scheme) in found {
        let id = normal(element.text());
        let (rule, what, valid) = match scheme {
            "0192" => ("PEPPOL-COMMON-R041", "an organisation number", OrgNumber::parse(&id).is_ok()),
            "0088" => ("PEPPOL-COMMON-R040", "a GLN", is_gln(&id)),
            "0184" => ("PEPPOL-COMMON-R042", "a Danish CVR number", is_cvr(element.raw_text())),
            "0208" => ("PEPPOL-COMMON-R043", "a Belgian enterprise number", is_belgian(&id)),
            "0007" => ("PEPPOL-COMMON-R049", "a Swedish organisation number", is_swedish(&id)),
            "0151" => ("PEPPOL-COMMON-R050", "an Australian business number", is_abn(&id)),
            _ => continue,
        };
        if !valid {
            let message = format!("{} is not {what}: form or check digit is wrong", quote(&id));
            check.refuse(rule, element, message);
        }
    }
}

fn digits(text: &str) -> Option<Vec<u32>> {
    (!text.is_empty()).then(|| text.chars().map(|c| c.to_digit(10)).collect())?
}

fn is_gln(text: &str) -> bool {
    let Some((last, body)) =
        digits(text).as_deref().and_then(|d| d.split_last().map(|(l, b)| (*l, b.to_vec())))
    else {
        return false;
    };
    let sum: u32 =
        body.iter().rev().zip([3, 1].into_iter().cycle()).map(|(digit, weight)| digit * weight).sum();
    (10 - sum % 10) % 10 == last
}

fn is_cvr(text: &str) -> bool {
    let eight = |text: &str| text.len() == 8 && digits(text).is_some();
    eight(text) || text.strip_prefix("DK").is_some_and(eight)
}

fn is_belgian(text: &str) -> bool {
    text.len() == 10
        && digits(text).is_some()
        && text[..8].parse().is_ok_and(|body: u32| text[8..].parse() == Ok(97 - body % 97))
}

fn is_swedish(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 10) else { return false };
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let sum: u32 = digits[..9]
        .iter()
        .rev()
        .zip(0..)
        .map(|(d, place)| if place % 2 == 0 { doubled(*d) } else { *d })
        .sum();
    (10 - sum % 10) % 10 == digits[9]
}

fn is_abn(text: &str) -> bool {
    let Some(digits) = digits(text).filter(|digits| digits.len() == 11) else { return false };
    let weights = [10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19];
    let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
    // The first digit counts one less; a leading zero would make the sum negative, and is none.
    digits[0] > 0 && (sum - 10).is_multiple_of(89)
}

/// The country that national rules go by: the VAT number's, else the representative's, else the address's.
fn seller_country(root: Element<'_>) -> String {
    let vat = |party: Element<'_>| {
        party
            .named("cac:PartyTaxScheme")
            .find(|scheme| scheme.first("cac:TaxScheme/cbc:ID").is_some_and(|id| id.raw_text() == "VAT"))
            .map(|scheme| {
                scheme
                    .first("cbc:CompanyID")
                    .map_or("", Element::raw_text)
                    .chars()
                    .take(2)
                    .collect::<String>()
            })
    };
    let party = root.first("cac:AccountingSupplierParty/cac:Party");
    let country = party
        .and_then(vat)
        .or_else(|| root.first("cac:TaxRepresentativeParty").and_then(vat))
        .or_else(|| party?.value("cac:PostalAddress/cac:Country/cbc:IdentificationCode").map(str::to_string));
    normal(&country.unwrap_or_default()).to_uppercase()
}

fn norway(check: &mut Check<'_>) {
    let root = check.root;
    let Some(party) =
        root.first("cac:AccountingSupplierParty/cac:Party").filter(|_| seller_country(root) == "NO")
    else {
        return;
    };
    let scheme = |id: &str| {
        party
            .named("cac:PartyTaxScheme")
            .find(|scheme| {
                scheme.first("cac:TaxScheme/cbc:ID").is_some_and(|found| normal(found.text()) == id)
            })
            .and_then(|scheme| scheme.first("cbc:CompanyID"))
    };
    if let Some(element) = scheme("VAT")
        && let Some(number) = element.raw_text().strip_prefix("NO")
        && number.strip_suffix("MVA").is_none_or(|number| OrgNumber::parse(number).is_err())
    {
        let message = format!(
            "VAT number {} is not NO, a valid organisation number and MVA, as in NO123456785MVA",
            quote(element.raw_text())
        );
        check.refuse("NO-R-001", element, message);
    }
    if scheme("TAX").is_none_or(|element| normal(element.text()) != "Foretaksregisteret") {
        let message =
            "the word Foretaksregisteret is missing; limited companies must write it on their invoices";
        check.note("NO-R-002", party, message);
    }
}

fn payment_means(check: &mut Check<'_>) {
    let means: Vec<_> = check.root.named("cac:PaymentMeans").collect();
    for means in means {
        let codes = means.named("cbc:PaymentMeansCode").count();
        let code = means.value("cbc:PaymentMeansCode").unwrap_or("");
        let account = means.first("cac:PayeeFinancialAccount");
        let by_transfer = matches!(code, "30" | "58");
        if codes == 0 {
            check.refuse("BR-49", means, "payment means without their code");
        }
        if codes > 1 {
            check.refuse("UBL-SR-27", means, "more than one code for one way to pay");
        }
        if means.named("cbc:PaymentID").count() > 1 {
            check.refuse("UBL-SR-26", means, "more than one payment reference for one way to pay");
        }
        if by_transfer && account.is_none_or(|account| account.first("cbc:ID").is_none()) {
            let message = format!("payment by credit transfer ({code}) without the payee's account");
            check.refuse("BR-61", means, message);
        }
        if by_transfer && account.is_some_and(|account| account.value("cbc:ID").is_none()) {
            check.refuse("BR-50", means, "the payee's account has no number");
        }
        if matches!(code, "49" | "59") && means.first("cac:PaymentMandate/cbc:ID").is_none() {
            check.refuse("PEPPOL-EN16931-R061", means, "direct debit without the mandate's reference");
        }
        if means.all("cac:PaymentMandate/cbc:ID").len() > 1 {
            check.refuse("UBL-SR-28", means, "more than one mandate");
        }
    }
}
