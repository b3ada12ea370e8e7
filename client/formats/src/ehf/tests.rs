use ledger::account::Account;
use ledger::amount::Amount;
use ledger::digest::Digest;
use ledger::entry::{Rate, Regime};
use ledger::time::Date;
use ledger::transaction::{DocumentKind, KidRule};

use super::*;
use crate::bank::Reference;
use crate::coding::Coding;

const CLEANING: &str = include_str!("../../testdata/e2-renhold-stavanger.xml");
const FOOD: &str = include_str!("../../testdata/e3-mat-og-transport-stavanger.xml");
const BOOKS: &str = include_str!("../../testdata/laereboker-tonsberg.xml");
const COURSE: &str = include_str!("../../testdata/kurs-sandnes.xml");
const CREDIT: &str = include_str!("../../testdata/kreditnota-renhold-stavanger.xml");
const MIXED: &str = include_str!("../../testdata/alt-mulig-sandnes.xml");

fn accepted(text: &str) -> Accepted {
    match check(text.as_bytes(), &Options::default()) {
        Ok(accepted) => accepted,
        Err(refused) => panic!("{}", refused.findings().map(|f| f.to_string() + "\n").collect::<String>()),
    }
}

/// The fixture with every occurrence of each text replaced, which must be there.
fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_string(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in the fixture");
        text.replace(from, to)
    })
}

fn refusal(text: &str) -> Refused {
    match check(text.as_bytes(), &Options::default()) {
        Ok(_) => panic!("accepted"),
        Err(refused) => refused,
    }
}

/// The first rule that refuses the changed fixture.
fn rule(text: &str, from: &str, to: &str) -> &'static str {
    refusal(&changed(text, &[(from, to)])).first().rule
}

#[test]
fn the_worked_examples_are_accepted_with_nothing_to_add() {
    for text in [CLEANING, FOOD, BOOKS, COURSE, CREDIT] {
        assert_eq!(accepted(text).findings, []);
    }
    let invoice = accepted(FOOD).invoice;
    assert_eq!(invoice.id().to_string(), "123456785 10437 2026-05-11");
    assert_eq!((invoice.type_code, invoice.kind), (380, Kind::Invoice));
    assert_eq!(
        (invoice.seller.name.as_str(), invoice.buyer.number.number()),
        ("Jæren Drift og Forsyning AS", 964_965_226)
    );
    assert_eq!(invoice.seller.vat_number.as_deref(), Some("NO123456785MVA"));
    assert_eq!(invoice.buyer.endpoint, ("0192".to_string(), "964965226".to_string()));
    assert_eq!(invoice.due_date().to_string(), "2026-06-10");
    assert_eq!(invoice.account().map(ToString::to_string).as_deref(), Some("15062245678"));
    assert!(matches!(&invoice.reference, Some(Reference::Kid(kid)) if kid.as_str() == "7000104377"));
    let totals = invoice.totals;
    assert_eq!((totals.net, totals.vat, totals.gross), (Amount(956_789), Amount(139_815), Amount(1_096_604)));
    assert_eq!((totals.rounding, totals.payable, totals.prepaid), (Amount(-4), Amount(1_096_600), Amount(0)));
    let vat: Vec<_> = invoice.vat.iter().map(|g| (g.category, g.rate, g.base.0, g.vat.0)).collect();
    assert_eq!(
        vat,
        [
            (Category::Standard, Rate(1500), 833_333, 125_000),
            (Category::Standard, Rate(1200), 123_456, 14_815)
        ]
    );
    let postings: Vec<_> = invoice.lines.iter().map(|line| line.posting.as_deref().unwrap()).collect();
    assert_eq!(postings, ["1.253.115", "1.253.170"]);
}

#[test]
fn allowances_prepaid_amounts_returns_and_long_prices_add_up() {
    let Accepted { invoice, findings } = accepted(MIXED);
    assert_eq!(findings.iter().map(|f| f.rule).collect::<Vec<_>>(), ["F-KID"]);
    assert_eq!((invoice.totals.prepaid, invoice.totals.rounding), (Amount(200_000), Amount(34)));
    let allowances: Vec<_> = invoice.allowances.iter().map(|a| (a.charge, a.amount.0)).collect();
    assert_eq!(allowances, [(true, 35_000), (false, 100_000)]);
    assert_eq!(invoice.lines[2].net, Amount(-38_000));
    assert!(matches!(&invoice.reference, Some(Reference::Text(text)) if text == "Faktura JD-2026/17"));
}

#[test]
fn f_xml_and_f_size_come_before_every_other_rule() {
    assert_eq!(refusal("").first().rule, "F-XML");
    assert_eq!(refusal("<Invoice>").first().rule, "F-XML");
    assert_eq!(refusal(&CLEANING.replace("<Invoice", "<!DOCTYPE Invoice><Invoice")).first().rule, "F-XML");
    assert_eq!(refusal(&" ".repeat((10 << 20) + 1)).first().rule, "F-SIZE");
}

#[test]
fn another_profile_is_refused_before_its_content_is_judged() {
    assert_eq!(rule(CLEANING, "#compliant#", "#conformant#"), "PEPPOL-EN16931-R004");
    assert_eq!(rule(CLEANING, "billing:01:1.0", "billing:1:1.0"), "PEPPOL-EN16931-R007");
    assert_eq!(rule(CLEANING, "poacc:billing:01", "poacc:selfbilling:01"), "PEPPOL-EN16931-R007");
    assert_eq!(
        rule(CLEANING, "<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>", ""),
        "PEPPOL-EN16931-R001"
    );
    assert_eq!(rule(CLEANING, "Invoice-2", "Order-2"), "F-UBL");
    assert_eq!(refusal("<html/>").first().rule, "F-UBL");
}

#[test]
fn a_missing_element_is_refused_by_the_rule_that_asks_for_it() {
    for (line, expected) in [
        ("<cbc:ID>10412</cbc:ID>", "BR-02"),
        ("<cbc:IssueDate>2026-05-04</cbc:IssueDate>", "BR-03"),
        ("<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>", "BR-04"),
        ("<cbc:DocumentCurrencyCode>NOK</cbc:DocumentCurrencyCode>", "BR-05"),
        ("<cbc:RegistrationName>Jæren Drift og Forsyning AS</cbc:RegistrationName>", "BR-06"),
        ("<cbc:RegistrationName>Stavanger kommune</cbc:RegistrationName>", "BR-07"),
        ("<cbc:BuyerReference>INNKJØP-2026</cbc:BuyerReference>", "PEPPOL-EN16931-R003"),
        ("<cbc:EndpointID schemeID=\"0192\">964965226</cbc:EndpointID>", "PEPPOL-EN16931-R010"),
        ("<cbc:EndpointID schemeID=\"0192\">123456785</cbc:EndpointID>", "PEPPOL-EN16931-R020"),
        ("<cbc:TaxExclusiveAmount currencyID=\"NOK\">100000.00</cbc:TaxExclusiveAmount>", "BR-13"),
        ("<cbc:TaxInclusiveAmount currencyID=\"NOK\">125000.00</cbc:TaxInclusiveAmount>", "BR-14"),
        ("<cbc:PayableAmount currencyID=\"NOK\">125000.00</cbc:PayableAmount>", "BR-15"),
        ("<cbc:DueDate>2026-06-03</cbc:DueDate>", "BR-CO-25"),
        ("<cbc:InvoicedQuantity unitCode=\"EA\">1</cbc:InvoicedQuantity>", "BR-22"),
        ("<cbc:Name>Renhold av skoler, mai</cbc:Name>", "BR-25"),
        ("<cbc:PriceAmount currencyID=\"NOK\">100000.00</cbc:PriceAmount>", "PEPPOL-EN16931-R008"),
        ("<cbc:ID>15062245678</cbc:ID>", "PEPPOL-EN16931-R008"),
        ("<cbc:TaxableAmount currencyID=\"NOK\">100000.00</cbc:TaxableAmount>", "BR-45"),
    ] {
        assert_eq!(rule(CLEANING, line, ""), expected, "{line}");
    }
    assert_eq!(
        rule(
            COURSE,
            "<cbc:TaxExemptionReason>Undervisning, merverdiavgiftsloven § 3-5</cbc:TaxExemptionReason>",
            ""
        ),
        "BR-E-10"
    );
    assert_eq!(rule(CREDIT, "<cbc:ID>10412</cbc:ID>", ""), "BR-55");
}

#[test]
fn a_wrong_form_or_code_is_refused_by_its_rule() {
    for (from, to, expected) in [
        ("2026-05-04<", "2026-02-30<", "PEPPOL-EN16931-F001"),
        ("2026-05-04<", "04.05.2026<", "PEPPOL-EN16931-F001"),
        (">380<", ">999<", "BR-CL-01"),
        (">380<", ">381<", "BR-CL-01"),
        (">380<", ">325<", "PEPPOL-EN16931-P0100"),
        (">380<", ">384<", "PEPPOL-EN16931-P0112"),
        (">NOK<", ">ZZZ<", "BR-CL-04"),
        (">NO<", ">XX<", "BR-CL-14"),
        (">30<", ">9<x", "F-XML"),
        ("unitCode=\"EA\"", "unitCode=\"stk\"", "BR-CL-23"),
        (
            "schemeID=\"0192\">123456785</cbc:EndpointID",
            "schemeID=\"NO\">123456785</cbc:EndpointID",
            "BR-CL-25",
        ),
        (">Stavanger kommune<", "> <", "PEPPOL-EN16931-R008"),
        (">100000.00<", ">100000.001<", "BR-DEC-19"),
        (">100000.00<", ">1e5<", "F-UBL"),
        (">100000.00<", ">99999999999999999999<", "F-UBL"),
    ] {
        assert_eq!(rule(CLEANING, from, to), expected, "{from} {to}");
    }
}

#[test]
fn f_ubl_an_element_that_could_be_read_twice_is_refused() {
    for element in [
        "<cbc:PayableAmount currencyID=\"NOK\">125000.00</cbc:PayableAmount>",
        "<cbc:ID>10412</cbc:ID>",
        "<cbc:DueDate>2026-06-03</cbc:DueDate>",
        "<cbc:RegistrationName>Stavanger kommune</cbc:RegistrationName>",
    ] {
        assert_eq!(rule(CLEANING, element, &element.repeat(2)), "F-UBL", "{element}");
    }
    let start = CLEANING.find("<cac:InvoiceLine>").unwrap();
    let end = CLEANING.find("</cac:InvoiceLine>").unwrap() + "</cac:InvoiceLine>".len();
    let line = &CLEANING[start..end];
    let hidden = CLEANING.replace("<cac:PaymentMeans>", &format!("<cac:PaymentMeans>{line}"));
    assert_eq!(refusal(&hidden).first().rule, "F-UBL");
}

#[test]
fn peppol_common_r041_and_no_r_001_refuse_a_wrong_check_digit() {
    let rules = |from: &str, to: &str| -> Vec<_> {
        refusal(&changed(CLEANING, &[(from, to)])).findings().map(|finding| finding.rule).collect()
    };
    assert_eq!(rules("964965226", "964965225"), ["PEPPOL-COMMON-R041", "PEPPOL-COMMON-R041", "F-PARTY"]);
    assert_eq!(rules("NO123456785MVA", "NO123456786MVA"), ["NO-R-001"]);
    assert_eq!(rules("NO123456785MVA", "NO123456785"), ["NO-R-001"]);
    assert_eq!(rules("NO123456785MVA", "123456785MVA"), ["BR-CO-09", "F-VAT"]);
}

#[test]
fn a_sum_one_ore_off_is_refused_with_the_arithmetic() {
    let first = |text: &str, from: &str, to: &str| refusal(&changed(text, &[(from, to)])).first().to_string();
    assert_eq!(
        first(
            CLEANING,
            "<cbc:TaxInclusiveAmount currencyID=\"NOK\">125000.00",
            "<cbc:TaxInclusiveAmount currencyID=\"NOK\">125000.01"
        ),
        "BR-CO-15 at Invoice/cac:LegalMonetaryTotal: the total with VAT is stated as 125 000,01, but 100 000,00 without VAT + 25 000,00 VAT is 125 000,00; ask the seller for a corrected document"
    );
    for (text, from, to, expected) in [
        (
            CLEANING,
            "<cbc:PayableAmount currencyID=\"NOK\">125000.00",
            "<cbc:PayableAmount currencyID=\"NOK\">124999.99",
            "BR-CO-16",
        ),
        (
            CLEANING,
            "<cbc:TaxExclusiveAmount currencyID=\"NOK\">100000.00",
            "<cbc:TaxExclusiveAmount currencyID=\"NOK\">100000.01",
            "BR-CO-13",
        ),
        (
            FOOD,
            "<cbc:LineExtensionAmount currencyID=\"NOK\">9567.89",
            "<cbc:LineExtensionAmount currencyID=\"NOK\">9567.90",
            "BR-CO-10",
        ),
        (
            FOOD,
            "<cbc:TaxAmount currencyID=\"NOK\">1398.15",
            "<cbc:TaxAmount currencyID=\"NOK\">1398.16",
            "BR-CO-15",
        ),
        (
            FOOD,
            "<cbc:TaxAmount currencyID=\"NOK\">1250.00",
            "<cbc:TaxAmount currencyID=\"NOK\">1250.01",
            "BR-CO-14",
        ),
        (FOOD, ">-0.04<", ">-0.05<", "BR-CO-16"),
        (
            MIXED,
            "<cbc:AllowanceTotalAmount currencyID=\"NOK\">1000.00",
            "<cbc:AllowanceTotalAmount currencyID=\"NOK\">1000.01",
            "BR-CO-11",
        ),
        (
            MIXED,
            "<cbc:ChargeTotalAmount currencyID=\"NOK\">350.00",
            "<cbc:ChargeTotalAmount currencyID=\"NOK\">349.99",
            "BR-CO-12",
        ),
        (
            COURSE,
            "<cbc:TaxableAmount currencyID=\"NOK\">12600.00",
            "<cbc:TaxableAmount currencyID=\"NOK\">12600.01",
            "BR-E-08",
        ),
        (
            BOOKS,
            "<cbc:TaxableAmount currencyID=\"NOK\">29940.00",
            "<cbc:TaxableAmount currencyID=\"NOK\">29939.99",
            "BR-Z-08",
        ),
        (
            FOOD,
            "<cbc:TaxableAmount currencyID=\"NOK\">8333.33",
            "<cbc:TaxableAmount currencyID=\"NOK\">8334.33",
            "BR-S-08",
        ),
        (
            FOOD,
            "<cbc:TaxableAmount currencyID=\"NOK\">8333.33",
            "<cbc:TaxableAmount currencyID=\"NOK\">8333.34",
            "F-BREAKDOWN",
        ),
        (MIXED, ">412.33333333333333333333<", ">412.35333333333333333333<", "PEPPOL-EN16931-R120"),
        (CLEANING, "<cbc:Percent>25", "<cbc:Percent>24", "BR-CO-17"),
        (CLEANING, "<cbc:Percent>25", "<cbc:Percent>0", "BR-CO-17"),
        (CLEANING, "<cbc:ID>S", "<cbc:ID>Z", "BR-Z-05"),
    ] {
        let found = first(text, from, to);
        assert!(found.starts_with(expected), "{expected}: {found}");
    }
}

#[test]
fn peppol_r120_lets_a_line_be_two_ore_off_and_not_three() {
    let line = |net: &str, total: &str| {
        let changes = [
            (
                "<cbc:LineExtensionAmount currencyID=\"NOK\">1546.25",
                format!("<cbc:LineExtensionAmount currencyID=\"NOK\">{net}"),
            ),
            (">412.33333333333333333333<", ">412.3333<".to_string()),
            ("unused", total.to_string()),
        ];
        let changes: Vec<_> = changes[..2].iter().map(|(from, to)| (*from, to.as_str())).collect();
        check(changed(MIXED, &changes).as_bytes(), &Options::default())
    };
    // 3.75 × 412.3333 is 1546.249875.
    let off = |net: &str| match line(net, "") {
        Ok(_) => false,
        Err(refused) => refused.findings().any(|finding| finding.rule == "PEPPOL-EN16931-R120"),
    };
    for (net, expected) in
        [("1546.25", false), ("1546.26", false), ("1546.23", false), ("1546.27", true), ("1546.22", true)]
    {
        assert_eq!(off(net), expected, "{net}");
    }
}

#[test]
fn f_breakdown_refuses_what_the_official_rules_let_pass() {
    let start = FOOD.find("    <cac:TaxSubtotal>").unwrap();
    let end = FOOD.find("</cac:TaxSubtotal>").unwrap() + "</cac:TaxSubtotal>".len();
    let group = &FOOD[start..end];
    // The 15 % group twice, with every official total adjusted: 1 250.00 of VAT too much.
    let twice = changed(
        FOOD,
        &[
            (group, &format!("{group}\n{group}")),
            (">1398.15<", ">2648.15<"),
            (">10966.04<", ">12216.04<"),
            (">10966.00<", ">12216.00<"),
        ],
    );
    assert_eq!(refusal(&twice).first().rule, "F-BREAKDOWN");
    // The 15 % group not at all: 1 250.00 too little.
    let missing = changed(
        FOOD,
        &[(group, ""), (">1398.15<", ">148.15<"), (">10966.04<", ">9716.04<"), (">10966.00<", ">9716.00<")],
    );
    assert_eq!(refusal(&missing).first().rule, "F-BREAKDOWN");
    // VAT of the other sign: the official rules compare without it.
    let turned = changed(CLEANING, &[(">25000.00<", ">-25000.00<"), (">125000.00<", ">75000.00<")]);
    assert_eq!(refusal(&turned).findings().map(|f| f.rule).collect::<Vec<_>>(), ["F-BREAKDOWN"]);
}

#[test]
fn f_rounding_is_noted_and_booked_as_stated() {
    let text = changed(CLEANING, &[(">25000.00<", ">25000.40<"), (">125000.00<", ">125000.40<")]);
    let Accepted { invoice, findings } = accepted(&text);
    assert_eq!((findings[0].rule, invoice.totals.vat), ("F-ROUNDING", Amount(2_500_040)));
}

#[test]
fn f_rounding_of_a_krone_is_no_rounding() {
    let text = changed(FOOD, &[(">-0.04<", ">-1.04<"), (">10966.00<", ">10965.00<")]);
    assert_eq!(refusal(&text).first().rule, "F-ROUNDING");
}

#[test]
fn f_currency_f_party_f_number_and_f_vat_refuse_what_is_not_booked_here() {
    let first = |changes: &[(&str, &str)]| refusal(&changed(CLEANING, changes)).first().to_string();
    let eur = first(&[("NOK", "EUR")]);
    assert!(
        eur.starts_with("F-CURRENCY at Invoice/cbc:DocumentCurrencyCode: the document is in \"EUR\""),
        "{eur}"
    );
    let foreign = changed(
        CLEANING,
        &[
            ("<cbc:CompanyID schemeID=\"0192\">964965226", "<cbc:CompanyID>5560360793"),
            ("schemeID=\"0192\">964965226", "schemeID=\"0088\">7300010000001"),
        ],
    );
    assert_eq!(refusal(&foreign).first().rule, "F-PARTY");
    assert_eq!(rule(CLEANING, "964965226", "123456785"), "F-PARTY");
    assert_eq!(rule(CLEANING, "<cbc:ID>10412<", "<cbc:ID>faktura 10412<"), "F-NUMBER");
    assert_eq!(rule(CLEANING, "<cbc:ID>10412<", "<cbc:ID>01017012345<"), "F-NUMBER");
    assert_eq!(rule(CLEANING, "NO123456785MVA", "SE556036079301"), "F-VAT");
    let start = CLEANING.find("      <cac:PartyTaxScheme>").unwrap();
    let end = CLEANING.find("</cac:PartyTaxScheme>").unwrap() + "</cac:PartyTaxScheme>".len();
    assert_eq!(accepted(&CLEANING.replace(&CLEANING[start..end], "")).findings[0].rule, "F-VAT");
    for (code, name) in [("AE", "reverse charge"), ("K", "intra-community"), ("G", "export")] {
        let refused = first(&[("<cbc:ID>S<", &format!("<cbc:ID>{code}<"))]);
        assert!(refused.starts_with("F-VAT") && refused.contains(name), "{refused}");
    }
}

#[test]
fn f_account_refuses_an_account_that_cannot_exist() {
    for account in ["112233445566", "15062245679", "NO6015062245679", "12345"] {
        let refused = refusal(&changed(CLEANING, &[(">15062245678<", &format!(">{account}<"))]));
        assert_eq!(refused.first().rule, "F-ACCOUNT", "{account}");
        assert!(refused.first().message.contains(account));
    }
    for account in ["1506 22 45678", "NO6015062245678"] {
        let invoice = accepted(&changed(CLEANING, &[(">15062245678<", &format!(">{account}<"))])).invoice;
        assert_eq!(invoice.account().map(ToString::to_string).as_deref(), Some("15062245678"));
    }
}

#[test]
fn f_kid_is_demanded_only_where_the_payees_bank_demands_it() {
    let wrong = changed(CLEANING, &[(">7000104120<", ">7000104121<")]);
    assert_eq!(accepted(&wrong).findings[0].rule, "F-KID");
    let judge = |text: &str, kid| check(text.as_bytes(), &Options { kid: Some(kid) });
    for kid in [KidRule::Mod10, KidRule::Mod11, KidRule::Either] {
        assert_eq!(judge(&wrong, kid).unwrap_err().first().rule, "F-KID");
    }
    assert!(judge(&wrong, KidRule::None).is_ok());
    assert!(judge(CLEANING, KidRule::Mod10).is_ok());
    assert_eq!(judge(CLEANING, KidRule::Mod11).unwrap_err().first().rule, "F-KID");
    let none = changed(CLEANING, &[("<cbc:PaymentID>7000104120</cbc:PaymentID>", "")]);
    assert_eq!(judge(&none, KidRule::Either).unwrap_err().first().rule, "F-KID");
    assert!(judge(CREDIT, KidRule::Either).is_ok()); // Nothing is paid on it.
}

#[test]
fn a_document_whose_account_or_payee_needs_a_look_says_so() {
    let start = CLEANING.find("  <cac:PaymentMeans>").unwrap();
    let end = CLEANING.find("</cac:PaymentMeans>").unwrap() + "</cac:PaymentMeans>".len();
    let unpayable = CLEANING.replace(&CLEANING[start..end], "");
    let rules = |text: &str| accepted(text).findings.iter().map(|finding| finding.rule).collect::<Vec<_>>();
    assert_eq!(rules(&unpayable), ["F-ACCOUNT"]);
    let factored = CLEANING.replace(
        "  <cac:PaymentMeans>",
        "<cac:PayeeParty><cac:PartyName><cbc:Name>Fordring Finans AS</cbc:Name></cac:PartyName></cac:PayeeParty>\n  <cac:PaymentMeans>",
    );
    assert_eq!(rules(&factored), ["F-PAYEE"]);
    assert_eq!(accepted(&factored).invoice.payee_name(), "Fordring Finans AS");
    let unmarked = changed(CLEANING, &[("<cbc:CompanyID schemeID=\"0192\">964965226</cbc:CompanyID>", "")]);
    assert_eq!(rules(&unmarked), ["F-PARTY"]);
    assert_eq!(rules(&changed(CLEANING, &[("Foretaksregisteret", "Mva-registeret")])), ["NO-R-002"]);
    assert_eq!(rules(&changed(CLEANING, &[("1.222.260", "Prosjekt vår")])), ["F-POSTING"]);
}

#[test]
fn findings_are_bounded_however_much_is_wrong() {
    let line = "<cac:InvoiceLine/>".repeat(5000);
    let refused = refusal(&CLEANING.replace("<cac:InvoiceLine>", &format!("{line}<cac:InvoiceLine>")));
    assert_eq!(refused.findings().count(), FINDINGS_MAX);
    assert!(refused.to_string().ends_with("(and 99 reasons more)"));
}

fn plan(vat: &dyn Fn(Category, Rate) -> Option<(u16, Regime)>) -> Plan<'_> {
    let date = Date::new(20260525).unwrap();
    Plan { date, default: None, vat, content: Digest([1; 32]), payee: Digest([2; 32]) }
}

fn codes(category: Category, rate: Rate) -> Option<(u16, Regime)> {
    match (category, rate.0) {
        (Category::Standard, 2500) => Some((1, Regime::Compensate)),
        (Category::Standard, 1500) => Some((11, Regime::Compensate)),
        (Category::Standard, 1200) => Some((13, Regime::Compensate)),
        (Category::ZeroRated | Category::Exempt | Category::OutOfScope, 0) => Some((0, Regime::Cost)),
        _ => None,
    }
}

#[test]
fn l4_what_is_submitted_adds_up_to_what_the_seller_states() {
    for text in [CLEANING, FOOD, BOOKS, COURSE, CREDIT, MIXED] {
        let invoice = accepted(text).invoice;
        let default = Some(Coding::from(Account::parse("1.120.120").unwrap()));
        let document = document(&invoice, &Plan { default, ..plan(&codes) }).unwrap();
        let net: i64 = document.lines.iter().map(|line| line.net.0).sum();
        let vat: i64 = document.vat_totals.iter().map(|total| total.vat.0).sum();
        assert_eq!(net + vat - document.prepaid.0 + document.rounding.0, document.payable.0);
        for total in &document.vat_totals {
            let of_code = document.lines.iter().filter(|line| line.vat_code == total.code);
            assert_eq!(of_code.map(|line| line.net.0).sum::<i64>(), total.base.0);
        }
        assert!(document.vat_totals.windows(2).all(|pair| pair[0].code < pair[1].code));
    }
}

#[test]
fn the_worked_examples_are_coded_as_the_buyer_asked() {
    let coded = |text: &str| {
        let document = document(&accepted(text).invoice, &plan(&codes)).unwrap();
        let lines: Vec<_> = document
            .lines
            .iter()
            .map(|line| format!("{} {} [{}]", line.account, line.net, line.vat_code))
            .collect();
        (lines.join("; "), document)
    };
    let (lines, cleaning) = coded(CLEANING);
    assert_eq!(lines, "1.222.260 100 000,00 [1]");
    assert_eq!((cleaning.due.to_string(), cleaning.kind), ("2026-06-03".to_string(), DocumentKind::Invoice));
    assert_eq!(coded(FOOD).0, "1.253.115 8 333,33 [11]; 1.253.170 1 234,56 [13]");
    let (lines, books) = coded(BOOKS);
    assert_eq!(lines, "1.202.105 29 940,00 [0]");
    assert_eq!((books.lines[0].cost_centre, books.lines[0].project), (Some(2210), Some(1042)));
    let (lines, credit) = coded(CREDIT);
    assert_eq!(lines, "1.222.260 4 000,00 [1]");
    let corrects = Some(cleaning.id);
    assert_eq!(credit.kind, DocumentKind::CreditNote { corrects });
    // Freight less discount follows the first line at 25 %: 10 625.00 + 350.00 − 1 000.00.
    assert_eq!(
        coded(MIXED).0,
        "1.332.115 713,40 [11]; 1.332.130 1 800,00 [0]; 1.332.250 1 166,25 [1]; 1.332.260 9 975,00 [1]"
    );
}

#[test]
fn a_line_that_nobody_codes_is_not_guessed() {
    let text = changed(CLEANING, &[("<cbc:AccountingCost>1.222.260</cbc:AccountingCost>", "")]);
    let invoice = accepted(&text).invoice;
    assert_eq!(
        document(&invoice, &plan(&codes)).unwrap_err().to_string(),
        "line 1 over 100 000,00 has no posting string that is understood; code it, or name a default account"
    );
    let none = |_: Category, _: Rate| None;
    assert_eq!(
        document(&accepted(CLEANING).invoice, &plan(&none)).unwrap_err().to_string(),
        "VAT category S at 25 % has no VAT code on 2026-05-04; have the code list updated"
    );
}

#[test]
fn an_invoice_over_less_than_nothing_becomes_a_credit_note() {
    let text = changed(
        CLEANING,
        &[
            (">100000.00</cbc:LineExtensionAmount>", ">-100000.00</cbc:LineExtensionAmount>"),
            (">100000.00</cbc:Tax", ">-100000.00</cbc:Tax"),
            (">25000.00<", ">-25000.00<"),
            (">125000.00<", ">-125000.00<"),
            ("unitCode=\"EA\">1<", "unitCode=\"EA\">-1<"),
        ],
    );
    let Accepted { invoice, findings } = accepted(&text);
    assert_eq!(findings.iter().map(|f| f.rule).collect::<Vec<_>>(), ["F-SIGN"]);
    let document = document(&invoice, &plan(&codes)).unwrap();
    assert_eq!(document.kind, DocumentKind::CreditNote { corrects: None });
    assert_eq!((document.payable, document.lines[0].net), (Amount(12_500_000), Amount(10_000_000)));
}

#[test]
fn the_payee_commitment_covers_account_and_reference() {
    assert_eq!(accepted(CLEANING).invoice.payee_text(), "15062245678\n7000104120");
}
