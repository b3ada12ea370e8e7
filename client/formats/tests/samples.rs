//! Files that nobody here wrote, each taken or refused for the reason that its origin leads to expect,
//! and our own files before the official schemas. Without `../shared/data` or `xmllint` a test says
//! what it passed over.
#![allow(clippy::unwrap_used)]

mod judge;

use std::collections::BTreeSet;
use std::path::Path;

use formats::bank::{AccountNumber, Reference};
use formats::camt::{BankMessage, Side};
use formats::ehf::{Options, check};
use formats::pain001::{Batch, Order, Payment, Version, write};
use formats::pain002::StatusReport;
use formats::xml::Tree;
use judge::{complaint, complaint_about, files, name, row, shared, word};
use ledger::time::{Date, Timestamp};
use ledger::transaction::KidRule;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The verdict on a file: `accepted`, or the rules that refuse it, in order.
fn verdict(file: &Path) -> String {
    match check(&std::fs::read(file).unwrap(), &Options::default()) {
        Ok(_) => "accepted".to_string(),
        Err(refused) => {
            let rules: Vec<_> = refused.findings().map(|finding| finding.rule).collect();
            rules.join(" ")
        }
    }
}

#[test]
fn the_official_ehf_and_peppol_samples_are_judged_as_their_rules_judge_them() {
    let profile = "PEPPOL-EN16931-R004 PEPPOL-EN16931-R007";
    let no_process = "PEPPOL-EN16931-R004 PEPPOL-EN16931-R001 PEPPOL-EN16931-R007";
    // In the samples without Norwegian parties, everything but the currency, parties and account holds.
    let foreign = "F-CURRENCY F-PARTY F-PARTY F-VAT F-ACCOUNT";
    for (path, expected) in [
        ("openpeppol-bis-billing-3/samples/Norwegian-example-1.xml", "accepted"),
        ("openpeppol-bis-billing-3/samples/base-example.xml", foreign),
        ("openpeppol-bis-billing-3/samples/base-creditnote-correction.xml", foreign),
        ("openpeppol-bis-billing-3/samples/Vat-category-S.xml", foreign),
        ("openpeppol-bis-billing-3/samples/vat-category-Z.xml", foreign),
        ("anskaffelser-ehf-g3/billing/ehf-3-faktura-1.xml", "accepted"),
        (
            "anskaffelser-ehf-g3/billing/Invoice_EHF3.0_forward-billing-nettleie-corporate_v2.0.xml",
            "PEPPOL-EN16931-R007",
        ),
        (
            "anskaffelser-ehf-g3/billing/Creditnote_EHF3.0_forward-billing-nettleie-corporate_v2.0.xml",
            "PEPPOL-EN16931-R007",
        ),
        ("anskaffelser-ehf-g3/payment-request/PaymentRequest-example-1.xml", profile),
        ("anskaffelser-ehf-g3/payment-request/PaymentRequest-usecase1.xml", profile),
        ("anskaffelser-ehf-g3/reminder/Reminder-Example.xml", "PEPPOL-EN16931-R007"),
        ("anskaffelser-ehf-g3/response/ApplicationResponse_Example_Full.xml", "F-UBL"),
        ("anskaffelser-ehf-g3/self-billing/SB-base-example.xml", profile),
        ("cen-en16931/samples/guide-example1.xml", no_process),
        ("cen-en16931/samples/guide-example2.xml", profile),
        ("cen-en16931/samples/ubl-tc434-example1.xml", no_process),
        ("cen-en16931/samples/ubl-tc434-example2.xml", profile),
        ("cen-en16931/samples/ubl-tc434-example3.xml", no_process),
        ("cen-en16931/samples/ubl-tc434-example4.xml", no_process),
        ("cen-en16931/samples/ubl-tc434-example6.xml", no_process),
        ("cen-en16931/samples/ubl-tc434-example10.xml", no_process),
        ("cen-en16931/samples/ubl-tc434-creditnote1.xml", "PEPPOL-EN16931-R004"),
    ] {
        if let Some(file) = shared(path) {
            let found = verdict(&file);
            let kind = if text_of(&std::fs::read(&file).unwrap()).contains("<CreditNote") {
                "CreditNote"
            } else {
                "Invoice"
            };
            let schema = shared(&format!("oasis-ubl-2.1/xsd/maindoc/UBL-{kind}-2.1.xsd"));
            let said = schema.and_then(|schema| complaint(&schema, &file));
            row(
                name(&file),
                word(said.as_ref()),
                if found == "accepted" { "accepted" } else { "refused" },
                &found,
            );
            assert_eq!(found, expected, "{path}");
        }
    }
}

#[test]
fn the_norwegian_samples_kid_is_no_kid_and_is_accepted_all_the_same() {
    let Some(file) = shared("openpeppol-bis-billing-3/samples/Norwegian-example-1.xml") else { return };
    let bytes = std::fs::read(file).unwrap();
    let accepted = check(&bytes, &Options::default()).unwrap();
    let rules: BTreeSet<_> = accepted.findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, BTreeSet::from(["F-KID", "F-PAYEE", "F-POSTING"]));
    let invoice = accepted.invoice;
    assert!(matches!(&invoice.reference, Some(Reference::Text(text)) if text == "0003434323213231"));
    assert_eq!(
        (invoice.totals.prepaid.0, invoice.totals.rounding.0, invoice.totals.payable.0),
        (100_000, 22, 80_200)
    );
    assert_eq!(invoice.account().map(ToString::to_string).as_deref(), Some("86011117947"));
    let with_agreement = check(&bytes, &Options { kid: Some(KidRule::Either) });
    assert_eq!(with_agreement.unwrap_err().first().rule, "F-KID");
}

/// The unit tests of the official rules hold fragments, not documents: only the rule under test is
/// asked for, and only where a fragment gets past the profile.
#[test]
fn the_official_rules_own_tests_find_the_same_rule_broken() {
    let Some(folder) = shared("openpeppol-bis-billing-3/unit") else { return };
    let mut asked = 0;
    for file in files(&folder) {
        let text = std::fs::read_to_string(&file).unwrap();
        for test in text.split("<test>").skip(1) {
            let broken = test.contains("<error>");
            let kind = if test.contains("<CreditNote") { "CreditNote" } else { "Invoice" };
            let Some(start) = test.find(&format!("<{kind}")) else { continue };
            let Some(end) = test.find(&format!("</{kind}>")) else { continue };
            let fragment = &test[start..end];
            let Some(open) = fragment.find('>') else { continue };
            let rule = name(&file).trim_end_matches(".xml");
            let mut profile = String::new();
            if !fragment.contains("CustomizationID") {
                profile.push_str("<cbc:CustomizationID>urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0</cbc:CustomizationID>");
            }
            if !fragment.contains("ProfileID") && rule != "PEPPOL-EN16931-R001" {
                profile
                    .push_str("<cbc:ProfileID>urn:fdc:peppol.eu:2017:poacc:billing:01:1.0</cbc:ProfileID>");
            }
            let document = format!("{}{profile}{}</{kind}>", &fragment[..=open], &fragment[open + 1..]);
            let refused = check(document.as_bytes(), &Options::default()).unwrap_err();
            let found = refused.findings().any(|finding| finding.rule == rule);
            assert_eq!(found, broken, "{}: {document}\n{refused:?}", name(&file));
            let (judge, ours) =
                (if broken { "broken" } else { "holds" }, if found { "broken" } else { "holds" });
            row(name(&file), judge, ours, &format!("fragment {}, {kind}", asked + 1));
            asked += 1;
        }
    }
    assert!(asked >= 25, "{asked}");
}

#[test]
fn our_own_invoices_pass_the_ubl_schema_and_are_accepted() {
    let demo = here().join("../../demo/invoices");
    let mut count = 0;
    for file in files(&here().join("testdata")).into_iter().chain(files(&demo)) {
        assert_eq!(verdict(&file), "accepted", "{}", file.display());
        let kind = if std::fs::read_to_string(&file).unwrap().contains("<CreditNote ") {
            "CreditNote"
        } else {
            "Invoice"
        };
        let Some(schema) = shared(&format!("oasis-ubl-2.1/xsd/maindoc/UBL-{kind}-2.1.xsd")) else { continue };
        let said = complaint(&schema, &file);
        row(name(&file), word(said.as_ref()), "accepted", kind);
        assert_ne!(word(said.as_ref()), "invalid", "{}: {said:?}", file.display());
        count += 1;
    }
    println!("{count} files");
}

fn order() -> Order {
    let invoice = |file: &str| {
        let bytes = std::fs::read(here().join("testdata").join(file)).unwrap();
        check(&bytes, &Options::default()).unwrap().invoice
    };
    let payments = ["e2-renhold-stavanger.xml", "e3-mat-og-transport-stavanger.xml", "alt-mulig-sandnes.xml"]
        .into_iter()
        .map(invoice)
        .map(|invoice| Payment {
            end_to_end_id: invoice.number.to_string(),
            amount: invoice.totals.payable,
            creditor: invoice.payee_name().to_string(),
            account: invoice.account().unwrap().clone(),
            reference: invoice.reference.clone(),
        })
        .collect();
    Order {
        message_id: "SVG-20260504-1".to_string(),
        created: Timestamp(1_777_878_000_000),
        sender: "Stavanger kommune".to_string(),
        batches: vec![
            Batch {
                id: "SVG-20260504-1-1".to_string(),
                requested: Date::parse("2026-05-04").unwrap(),
                debtor: "Stavanger kommune".to_string(),
                account: AccountNumber::parse("12345678903").unwrap(),
                bic: None,
                payments,
            },
            Batch {
                id: "SVG-20260504-1-2".to_string(),
                requested: Date::parse("2026-05-05").unwrap(),
                debtor: "Stavanger kommune".to_string(),
                account: AccountNumber::parse("SE45 5000 0000 0583 9825 7466").unwrap(),
                bic: Some("DNBANOKKXXX".to_string()),
                payments: vec![Payment {
                    end_to_end_id: "abroad".to_string(),
                    amount: ledger::amount::Amount(1),
                    creditor: "Åse & Sønner \"AB\"".to_string(),
                    account: AccountNumber::parse("SE45 5000 0000 0583 9825 7466").unwrap(),
                    reference: None,
                }],
            },
        ],
    }
}

#[test]
fn payment_orders_pass_the_official_schemas() {
    for (version, schema) in [(Version::V3, "pain.001.001.03.xsd"), (Version::V9, "pain.001.001.09.xsd")] {
        let text = write(&order(), version).unwrap();
        assert!(Tree::read(text.as_bytes(), &[]).is_ok());
        let Some(schema) = shared(&format!("iso20022/xsd/{schema}")) else { continue };
        let said = complaint_about(&schema, text.as_bytes());
        row(name(&schema), word(said.as_ref()), "written", "three payments and one abroad");
        assert_ne!(word(said.as_ref()), "invalid", "{said:?} {text}");
    }
}

#[test]
fn every_bank_sample_is_read_and_its_movements_add_up_to_its_entries() {
    let mut count = 0;
    for folder in ["samples-camt-genkgo", "samples-camt-viafintech", "samples-moov"] {
        let Some(folder) = shared(&format!("iso20022/{folder}")) else { continue };
        for file in files(&folder) {
            let message = BankMessage::read(&std::fs::read(&file).unwrap()).unwrap();
            let movements = message.movements();
            let signed = |side, ore: i64| if side == Side::Credit { ore } else { -ore };
            let moved: i64 = movements.iter().map(|m| signed(m.side, m.amount.0)).sum();
            let entries = message.accounts.iter().flat_map(|account| &account.entries);
            assert_eq!(moved, entries.map(|e| signed(e.side, e.amount.0)).sum::<i64>(), "{}", name(&file));
            let references: BTreeSet<_> = movements.iter().map(|movement| &movement.reference).collect();
            assert_eq!(references.len(), movements.len(), "{}", name(&file));
            assert!(!movements.is_empty(), "{}", name(&file));
            count += 1;
        }
    }
    println!("{count} files");
}

#[test]
fn a_finnish_statement_is_whole_and_its_batches_are_told_apart() {
    let Some(file) = shared("iso20022/samples-moov/FI_camt_053_sample.xml.xml") else { return };
    let message = BankMessage::read(&std::fs::read(file).unwrap()).unwrap();
    assert_eq!(message.accounts[0].gap().map(|gap| gap.0), Some(0));
    assert_eq!(message.movements().len(), 13);
}

fn text_of(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[test]
fn what_one_reader_takes_the_others_refuse() {
    let Some(folder) = shared("iso20022") else { return };
    for folder in [
        "samples-pain001-sweden",
        "samples-pain001-coverage/pain.001.001.03",
        "samples-pain001-coverage/pain.001.001.09",
    ]
    .map(|name| folder.join(name))
    {
        for file in files(&folder) {
            let bytes = std::fs::read(&file).unwrap();
            let error = BankMessage::read(&bytes).unwrap_err();
            let version = if text_of(&bytes).contains("pain.001.001.09") { "09" } else { "03" };
            let schema = shared(&format!("iso20022/xsd/pain.001.001.{version}.xsd"));
            let said = schema.and_then(|schema| complaint(&schema, &file));
            row(name(&file), word(said.as_ref()), "refused", &error.to_string());
            assert_eq!(error.rule(), "F-BANK", "{}", name(&file));
            assert_eq!(StatusReport::read(&bytes).unwrap_err().rule(), "F-BANK", "{}", name(&file));
            assert_eq!(
                check(&bytes, &Options::default()).unwrap_err().first().rule,
                "F-UBL",
                "{}",
                name(&file)
            );
        }
    }
}

#[test]
fn a_banks_answers_to_our_orders_are_understood() {
    let read = |file: &str| {
        StatusReport::read(&std::fs::read(here().join("testdata/bank").join(file)).unwrap()).unwrap()
    };
    let accepted = read("pain.002.001.10-accepted.xml");
    assert_eq!(accepted.of("SVG-20260504-3-1", "10412-0").unwrap().code, "ACCP");
    assert_eq!(accepted.rejected().count(), 0);
    let rejected = read("pain.002.001.10-rejected.xml");
    let reasons: Vec<_> = rejected
        .rejected()
        .map(|(payment, verdict)| (payment.end_to_end_id.as_str(), verdict.reason_code().to_string()))
        .collect();
    assert_eq!(reasons, [("10412-0", "AC02".to_string()), ("10437-1", "AC02".to_string())]);
    let duplicate = read("pain.002.001.10-duplicate.xml");
    assert_eq!(duplicate.of("any", "any").unwrap().reason_code().to_string(), "DUPL");
}
