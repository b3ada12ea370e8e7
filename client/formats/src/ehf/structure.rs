//! First stages: is this a document of the right profile, and does it hold what such a document must
//! hold, in the form and from the code lists that are prescribed?

use ledger::time::Date;

use super::check::{Check, decimal, normal, quote, within};
use super::codes::{self, holds};
use super::{Category, Kind, values};
use crate::decimal::Decimal;
use crate::xml::{Element, Tree};

const INVOICE: &str = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2";
const CREDIT_NOTE: &str = "urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2";
const BILLING: &str = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";

/// Is it a UBL invoice or credit note, and does it follow Peppol BIS Billing 3?
pub(super) fn profile(check: &mut Check<'_>) {
    let root = check.root;
    let namespace = match root.local() {
        "Invoice" => INVOICE,
        "CreditNote" => CREDIT_NOTE,
        _ => "",
    };
    if namespace.is_empty() || root.namespace() != namespace {
        let found = quote(root.local());
        let message = format!("the outermost element is {found}, not a UBL 2.1 Invoice or CreditNote");
        return check.refuse_with("F-UBL", root, message, "send an EHF invoice or credit note");
    }
    let customization = root.value("cbc:CustomizationID").unwrap_or("");
    if customization.is_empty() {
        check.refuse("BR-01", root, "the specification identifier (CustomizationID) is missing");
    }
    if !normal(customization).starts_with(BILLING) {
        let message = format!("the specification is {}, read is {BILLING}", quote(customization));
        check.refuse_with("PEPPOL-EN16931-R004", root, message, "send it as EHF Billing 3");
    }
    match root.first("cbc:ProfileID") {
        None => check.refuse("PEPPOL-EN16931-R001", root, "the business process (ProfileID) is missing"),
        Some(element) if process(element.text()).is_some() => return,
        Some(element) => {
            let message = format!(
                "the business process is {}, expected is urn:fdc:peppol.eu:2017:poacc:billing:NN:1.0",
                quote(element.text())
            );
            return check.refuse_with("PEPPOL-EN16931-R007", element, message, "send it as EHF Billing 3");
        }
    }
    check.refuse("PEPPOL-EN16931-R007", root, "the business process (ProfileID) is missing");
}

/// The two digits that tell the processes of billing apart.
fn process(id: &str) -> Option<&str> {
    let digits = id.strip_prefix("urn:fdc:peppol.eu:2017:poacc:billing:")?.strip_suffix(":1.0")?;
    (digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
}

/// What must stand in the document, by rule.
const REQUIRED: [(&str, &str, &str); 16] = [
    ("BR-02", "cbc:ID", "the invoice number"),
    ("BR-03", "cbc:IssueDate", "the issue date"),
    ("BR-05", "cbc:DocumentCurrencyCode", "the currency"),
    (
        "BR-06",
        "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        "the seller's name",
    ),
    (
        "BR-07",
        "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        "the buyer's name",
    ),
    ("BR-08", "cac:AccountingSupplierParty/cac:Party/cac:PostalAddress", "the seller's address"),
    ("BR-10", "cac:AccountingCustomerParty/cac:Party/cac:PostalAddress", "the buyer's address"),
    ("BR-12", "cac:LegalMonetaryTotal/cbc:LineExtensionAmount", "the sum of the lines"),
    ("BR-13", "cac:LegalMonetaryTotal/cbc:TaxExclusiveAmount", "the total without VAT"),
    ("BR-14", "cac:LegalMonetaryTotal/cbc:TaxInclusiveAmount", "the total with VAT"),
    ("BR-15", "cac:LegalMonetaryTotal/cbc:PayableAmount", "the amount due"),
    ("BR-CO-18", "cac:TaxTotal/cac:TaxSubtotal", "the VAT breakdown"),
    (
        "PEPPOL-EN16931-R010",
        "cac:AccountingCustomerParty/cac:Party/cbc:EndpointID",
        "the buyer's electronic address",
    ),
    (
        "PEPPOL-EN16931-R020",
        "cac:AccountingSupplierParty/cac:Party/cbc:EndpointID",
        "the seller's electronic address",
    ),
    ("F-UBL", "cac:AccountingSupplierParty/cac:Party", "the seller"),
    ("F-UBL", "cac:AccountingCustomerParty/cac:Party", "the buyer"),
];

/// Required paths whose element must also hold text.
const FILLED: [&str; 5] = ["BR-02", "BR-03", "BR-05", "BR-06", "BR-07"];

/// What may stand in the document once, by rule.
const AT_MOST_ONE: [(&str, &str, &str); 22] = [
    ("UBL-SR-01", "cac:ContractDocumentReference/cbc:ID", "contract reference"),
    ("UBL-SR-02", "cac:ReceiptDocumentReference/cbc:ID", "receiving advice reference"),
    ("UBL-SR-03", "cac:DespatchDocumentReference/cbc:ID", "despatch advice reference"),
    ("UBL-SR-05", "cac:PaymentTerms/cbc:Note", "payment terms"),
    ("UBL-SR-08", "cac:InvoicePeriod", "invoicing period"),
    (
        "UBL-SR-09",
        "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        "seller name",
    ),
    ("UBL-SR-10", "cac:AccountingSupplierParty/cac:Party/cac:PartyName/cbc:Name", "seller trading name"),
    (
        "UBL-SR-11",
        "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID",
        "seller registration",
    ),
    (
        "UBL-SR-14",
        "cac:AccountingSupplierParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyLegalForm",
        "seller legal form",
    ),
    (
        "UBL-SR-15",
        "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:RegistrationName",
        "buyer name",
    ),
    ("UBL-SR-16", "cac:AccountingCustomerParty/cac:Party/cac:PartyIdentification/cbc:ID", "buyer identifier"),
    (
        "UBL-SR-17",
        "cac:AccountingCustomerParty/cac:Party/cac:PartyLegalEntity/cbc:CompanyID",
        "buyer registration",
    ),
    ("UBL-SR-24", "cac:Delivery", "delivery"),
    ("UBL-SR-39", "cac:ProjectReference/cbc:ID", "project reference"),
    ("UBL-SR-40", "cac:AccountingCustomerParty/cac:Party/cac:PartyName/cbc:Name", "buyer trading name"),
    ("UBL-SR-45", "cac:PaymentMeans/cbc:PaymentDueDate", "due date"),
    ("UBL-SR-49", "cac:InvoicePeriod/cbc:DescriptionCode", "VAT point code"),
    ("UBL-SR-25", "cac:Delivery/cac:DeliveryParty/cac:PartyName/cbc:Name", "deliver-to name"),
    ("UBL-SR-22", "cac:TaxRepresentativeParty/cac:PartyName/cbc:Name", "tax representative's name"),
    ("BR-66", "cac:PaymentMeans/cac:CardAccount", "payment card"),
    ("BR-67", "cac:PaymentMeans/cac:PaymentMandate", "payment mandate"),
    ("PEPPOL-EN16931-R053", "cac:TaxTotal/cac:TaxSubtotal/..", "VAT total with a breakdown"),
];

/// Elements that UBL lets stand once in their parent and that are read here: a second one could be
/// read instead of the first.
const SINGLE: [&str; 51] = [
    "AccountingCost",
    "AccountingCustomerParty",
    "AccountingSupplierParty",
    "AllowanceTotalAmount",
    "Amount",
    "BaseAmount",
    "BaseQuantity",
    "BuyerReference",
    "ChargeIndicator",
    "ChargeTotalAmount",
    "CompanyID",
    "Country",
    "CreditNoteTypeCode",
    "CreditedQuantity",
    "CustomizationID",
    "DocumentCurrencyCode",
    "DueDate",
    "EndDate",
    "EndpointID",
    "ID",
    "IdentificationCode",
    "InvoiceTypeCode",
    "InvoicedQuantity",
    "IssueDate",
    "Item",
    "LegalMonetaryTotal",
    "LineExtensionAmount",
    "MultiplierFactorNumeric",
    "Name",
    "OrderReference",
    "Party",
    "PayableAmount",
    "PayableRoundingAmount",
    "PayeeFinancialAccount",
    "PayeeParty",
    "Percent",
    "PostalAddress",
    "PrepaidAmount",
    "Price",
    "PriceAmount",
    "ProfileID",
    "RegistrationName",
    "StartDate",
    "TaxAmount",
    "TaxCurrencyCode",
    "TaxExclusiveAmount",
    "TaxInclusiveAmount",
    "TaxPointDate",
    "TaxRepresentativeParty",
    "TaxScheme",
    "TaxableAmount",
];

/// Elements that stand directly in the document or nowhere.
const AT_ROOT: [&str; 7] = [
    "AccountingCustomerParty",
    "AccountingSupplierParty",
    "CreditNoteLine",
    "InvoiceLine",
    "LegalMonetaryTotal",
    "PayeeParty",
    "TaxRepresentativeParty",
];

fn other_line(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoice => "CreditNoteLine",
        Kind::CreditNote => "InvoiceLine",
    }
}

/// Form, presence, number and codes.
pub(super) fn check(check: &mut Check<'_>, tree: &Tree) {
    let root = check.root;
    for element in tree.elements() {
        if element.children().next().is_none() && element.text().is_empty() {
            let message = "the element is empty";
            match element.local().ends_with("Amount") {
                true => check.unreadable("PEPPOL-EN16931-R008", element, message),
                false => check.refuse("PEPPOL-EN16931-R008", element, message),
            }
        }
        stands_twice(check, element);
    }
    for (rule, path, what) in REQUIRED {
        let found =
            if FILLED.contains(&rule) { root.value(path).is_some() } else { root.first(path).is_some() };
        if !found {
            check.refuse(rule, root, format_args!("{what} ({path}) is missing"));
        }
    }
    // Some official rules look for these anywhere; here they are read in one place.
    let misplaced = |element: &Element<'_>| {
        let name = element.local();
        element.is_known()
            && AT_ROOT.contains(&name)
            && (!within_root(*element) || other_line(check.kind) == name)
    };
    if let Some(element) = tree.elements().find(misplaced) {
        check.unreadable("F-UBL", element, "the element has no place there");
    }
    if check.lines().next().is_none() {
        check.refuse("BR-16", root, "the document has no line");
    }
    if root.first("cbc:BuyerReference").or(root.first("cac:OrderReference/cbc:ID")).is_none() {
        check.refuse(
            "PEPPOL-EN16931-R003",
            root,
            "neither a buyer reference nor a purchase order reference is given",
        );
    }
    type_code(check);
    counts(check);
    currencies(check);
    periods(check);
    for element in tree.elements() {
        values::check(check, element);
        reference(check, element);
    }
}

fn stands_twice(check: &mut Check<'_>, parent: Element<'_>) {
    let mut seen = 0_u64;
    for child in parent.children().filter(|child| child.is_known()) {
        let Ok(place) = SINGLE.binary_search(&child.local()) else { continue };
        if seen & 1 << place != 0 {
            return check.unreadable("F-UBL", child, "the element may stand once and stands twice");
        }
        seen |= 1 << place;
    }
}

fn both_german(root: Element<'_>) -> bool {
    ["cac:AccountingSupplierParty", "cac:AccountingCustomerParty"].into_iter().all(|party| {
        root.value(&format!("{party}/cac:Party/cac:PostalAddress/cac:Country/cbc:IdentificationCode"))
            .is_some_and(|country| country.eq_ignore_ascii_case("DE"))
    })
}

fn type_code(check: &mut Check<'_>) {
    let root = check.root;
    let (name, known, of_profile, profile_rule) = match check.kind {
        Kind::Invoice => {
            let lists = (codes::INVOICE_TYPES, codes::INVOICE_TYPES_OF_PROFILE_01);
            ("cbc:InvoiceTypeCode", lists.0, lists.1, "PEPPOL-EN16931-P0100")
        }
        Kind::CreditNote => {
            let lists = (codes::CREDIT_NOTE_TYPES, codes::CREDIT_NOTE_TYPES_OF_PROFILE_01);
            ("cbc:CreditNoteTypeCode", lists.0, lists.1, "PEPPOL-EN16931-P0101")
        }
    };
    let Some((element, code)) =
        root.first(name).map(|e| (e, normal(e.text()))).filter(|(_, code)| !code.is_empty())
    else {
        return check.refuse("BR-04", root, format_args!("the type code ({name}) is missing"));
    };
    if !holds(known, &code) {
        check.refuse(
            "BR-CL-01",
            element,
            format_args!("{} is no type code of this kind of document", quote(&code)),
        );
    }
    let first_process = root.value("cbc:ProfileID").and_then(process) == Some("01");
    if first_process && !holds(of_profile, &code) {
        check.refuse(
            profile_rule,
            element,
            format_args!("type code {} is not used in Peppol billing", quote(&code)),
        );
    }
    if matches!(&*code, "326" | "384") && check.kind == Kind::Invoice && !both_german(root) {
        let message = format!("type code {code} is used between German parties only");
        check.refuse("PEPPOL-EN16931-P0112", element, message);
    }
}

fn counts(check: &mut Check<'_>) {
    let root = check.root;
    for (rule, path, what) in AT_MOST_ONE {
        let (count, at) = match path.strip_suffix("/..") {
            // How many have such a child, not how many children there are.
            Some(path) => {
                let (name, child) = path.split_once('/').unwrap_or((path, ""));
                let holders: Vec<_> =
                    root.named(name).filter(|holder| holder.first(child).is_some()).collect();
                (holders.len(), holders.last().copied())
            }
            None => {
                let found = root.all(path);
                (found.len(), found.last().copied())
            }
        };
        if count > 1 {
            check.refuse(rule, at.unwrap_or(root), format_args!("{count} × {what}, one is allowed"));
        }
    }
    if root.named("cbc:Note").count() > 1 && !both_german(root) {
        check.refuse("PEPPOL-EN16931-R002", root, "more than one note");
    }
    let projects = |element: &Element<'_>| element.value("cbc:DocumentTypeCode") == Some("50");
    if check.kind == Kind::CreditNote
        && root.named("cac:AdditionalDocumentReference").filter(projects).count() > 1
    {
        check.refuse("PEPPOL-EN16931-R080", root, "more than one project reference");
    }
    let objects = |element: &Element<'_>| element.value("cbc:DocumentTypeCode") == Some("130");
    if root.named("cac:AdditionalDocumentReference").filter(objects).count() > 1 {
        check.refuse("UBL-SR-04", root, "more than one invoiced object");
    }
    let vat_point_twice = root.first("cbc:TaxPointDate").is_some()
        && root.first("cac:InvoicePeriod/cbc:DescriptionCode").is_some();
    if vat_point_twice {
        check.refuse("BR-CO-03", root, "both a VAT point date and a VAT point code are given");
    }
    let named = |element: &&Element<'_>| element.attribute("name").is_some();
    if root.all("cac:PaymentMeans/cbc:PaymentMeansCode").iter().filter(named).count() > 1 {
        check.refuse("UBL-SR-46", root, "more than one name of the payment means");
    }
    for (rule, path, what) in [
        ("UBL-SR-44", "cbc:PaymentID", "payment references"),
        ("UBL-SR-47", "cbc:PaymentMeansCode", "kinds of payment means"),
    ] {
        let mut texts: Vec<_> =
            root.all(&format!("cac:PaymentMeans/{path}")).into_iter().map(Element::raw_text).collect();
        texts.sort_unstable();
        texts.dedup();
        if texts.len() > 1 {
            let shown: Vec<_> = texts.iter().take(3).map(|text| quote(text)).collect();
            check.refuse(rule, root, format_args!("different {what}: {}", shown.join(", ")));
        }
    }
}

fn currencies(check: &mut Check<'_>) {
    let root = check.root;
    let totals: Vec<_> = root.named("cac:TaxTotal").collect();
    let broken_down = totals.iter().filter(|total| total.first("cac:TaxSubtotal").is_some()).count();
    if broken_down == 0 {
        check.refuse("PEPPOL-EN16931-R053", root, "no VAT total with a breakdown is given");
    }
    let tax_currency = root.first("cbc:TaxCurrencyCode");
    if totals.len() - broken_down != usize::from(tax_currency.is_some()) {
        check.refuse(
            "PEPPOL-EN16931-R054",
            root,
            "a VAT total without a breakdown stands there exactly when a VAT accounting currency is given",
        );
    }
    let Some(tax_currency) = tax_currency else { return };
    let document = root.value("cbc:DocumentCurrencyCode").unwrap_or("");
    if normal(tax_currency.text()) == normal(document) {
        check.refuse(
            "PEPPOL-EN16931-R005",
            tax_currency,
            "the VAT accounting currency is the invoice currency",
        );
    }
    let amounts = |currency: &str| -> Vec<Element<'_>> {
        root.all("cac:TaxTotal/cbc:TaxAmount")
            .into_iter()
            .filter(|a| a.attribute("currencyID") == Some(currency))
            .collect()
    };
    let (own, accounting) = (amounts(document), amounts(tax_currency.text()));
    if accounting.is_empty() {
        let message = format!("no VAT total in the VAT accounting currency {}", quote(tax_currency.text()));
        check.refuse("BR-53", root, message);
    }
    let any = |list: &[Element<'_>], holds: fn(&Decimal) -> bool| {
        list.iter().filter_map(|element| decimal(Some(*element))).any(|number| holds(&number))
    };
    let not_above = |number: &Decimal| number.is_zero() || number.is_negative();
    let not_below = |number: &Decimal| !number.is_negative();
    let alike = any(&own, not_above) && any(&accounting, not_above)
        || any(&own, not_below) && any(&accounting, not_below);
    if !alike {
        check.refuse("PEPPOL-EN16931-R055", root, "the two VAT totals have different signs");
    }
}

fn periods(check: &mut Check<'_>) {
    let root = check.root;
    let date = |element: Option<Element<'_>>| element.and_then(|element| Date::parse(element.text()).ok());
    let document = root.first("cac:InvoicePeriod");
    let (from, to) = (
        document.and_then(|period| date(period.first("cbc:StartDate"))),
        document.and_then(|period| date(period.first("cbc:EndDate"))),
    );
    let of_lines =
        check.lines().filter_map(|line| line.first("cac:InvoicePeriod").map(|period| (period, true)));
    let all: Vec<_> = document.map(|period| (period, false)).into_iter().chain(of_lines).collect();
    for (period, of_line) in all {
        let (start, end) = (period.first("cbc:StartDate"), period.first("cbc:EndDate"));
        let coded = period.first("cbc:DescriptionCode").is_some() && !of_line;
        if start.is_none() && end.is_none() && !coded {
            let rule = if of_line { "BR-CO-20" } else { "BR-CO-19" };
            check.refuse(rule, period, "a period without start and end");
        }
        let (start, end) = (date(start), date(end));
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let rule = if of_line { "BR-30" } else { "BR-29" };
            check.refuse(rule, period, format_args!("the period ends {end}, before it starts {start}"));
        }
        if let (Some(start), Some(from), true) = (start, from, of_line)
            && start < from
        {
            let message = format!("the line's period starts {start}, before the document's, {from}");
            check.refuse("PEPPOL-EN16931-R110", period, message);
        }
        if let (Some(end), Some(to), true) = (end, to, of_line)
            && end > to
        {
            let message = format!("the line's period ends {end}, after the document's, {to}");
            check.refuse("PEPPOL-EN16931-R111", period, message);
        }
    }
}

fn reference(check: &mut Check<'_>, element: Element<'_>) {
    match element.local() {
        _ if !element.is_known() => {}
        "AdditionalDocumentReference" if within_root(element) => {
            if element.value("cbc:ID").is_none() {
                check.refuse("BR-52", element, "a supporting document without its reference");
            }
            if element.named("cbc:DocumentDescription").count() > 1 {
                check.refuse("UBL-SR-33", element, "more than one description");
            }
            let kind = element.value("cbc:DocumentTypeCode");
            let project = kind == Some("50") && check.kind == Kind::CreditNote;
            let scheme = element.first("cbc:ID").and_then(|id| id.attribute("schemeID"));
            if kind != Some("130") && !project && (scheme.is_some() || kind.is_some()) {
                check.refuse(
                    "UBL-SR-43",
                    element,
                    "a scheme or type goes with an invoiced object (130) only",
                );
            }
            if kind == Some("130") && element.first("cac:Attachment").is_some() {
                check.refuse("UBL-CR-666", element, "an invoiced object has no attachment");
            }
            if kind == Some("130") && element.first("cbc:DocumentDescription").is_some() {
                check.refuse("UBL-CR-673", element, "an invoiced object has no description");
            }
        }
        "EmbeddedDocumentBinaryObject" => {
            match element.attribute("mimeCode") {
                None => check.refuse("UBL-DT-06", element, "an attachment without its type"),
                Some(kind) if !codes::MIME_TYPES.contains(&kind) => {
                    let message = format!("an attachment of type {} is not allowed", quote(kind));
                    check.refuse("BR-CL-24", element, &message);
                    check.refuse("PEPPOL-EN16931-CL001", element, &message);
                }
                Some(_) => {}
            }
            if element.attribute("filename").is_none() {
                check.refuse("UBL-DT-07", element, "an attachment without its file name");
            }
        }
        "BillingReference" if within_root(element) => {
            if element.named("cac:InvoiceDocumentReference").count() > 1 {
                check.refuse("UBL-SR-06", element, "more than one preceding invoice in one reference");
            }
            if element.first("cac:InvoiceDocumentReference/cbc:ID").is_none() {
                check.refuse("BR-55", element, "a preceding invoice without its number");
                check.refuse("UBL-SR-07", element, "a preceding invoice without its number");
            }
        }
        "AdditionalItemProperty"
            if element.first("cbc:Name").is_none() || element.first("cbc:Value").is_none() =>
        {
            check.refuse("BR-54", element, "an item attribute without name or value");
        }
        "PostalAddress" | "Address" if element.named("cac:AddressLine").count() > 1 => {
            check.refuse("UBL-SR-51", element, "more than one additional address line");
        }
        "Address"
            if element
                .parent()
                .is_some_and(|up| up.is("cac:DeliveryLocation") && within(up, "cac:Delivery"))
                && element.first("cac:Country/cbc:IdentificationCode").is_none() =>
        {
            check.refuse("BR-57", element, "a deliver-to address without country");
        }
        "StandardItemIdentification"
            if element.first("cbc:ID").is_some_and(|id| id.attribute("schemeID").is_none()) =>
        {
            check.refuse("BR-64", element, "a standard item identifier without its scheme");
        }
        "TaxSubtotal" if element.all("cac:TaxCategory/cbc:TaxExemptionReason").len() > 1 => {
            check.refuse("UBL-SR-32", element, "more than one exemption reason");
        }
        "TaxSubtotal" if element.named("cac:TaxCategory").count() > 1 => {
            check.refuse("F-UBL", element, "more than one VAT category in one group");
        }
        _ => {}
    }
}

fn within_root(element: Element<'_>) -> bool {
    element.parent().is_some_and(|parent| parent.parent().is_none())
}

/// Which category codes are known to the rules but not booked yet, in words.
pub(super) fn unbooked(code: &str) -> Option<&'static str> {
    if Category::parse(code).is_some() {
        return None;
    }
    Some(match code {
        "AE" => "reverse charge (omvendt avgiftsplikt)",
        "K" => "intra-community supply",
        "G" => "export",
        "L" => "Canary Islands tax",
        "M" => "Ceuta and Melilla tax",
        "B" => "split payment",
        _ => "unknown",
    })
}

#[cfg(test)]
mod tests {
    use super::SINGLE;

    #[test]
    fn the_list_of_single_elements_is_sorted_and_fits_the_mask() {
        assert!(SINGLE.is_sorted() && SINGLE.len() <= 64);
    }
}
