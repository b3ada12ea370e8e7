//! Strangers' bytes: no input makes a reader panic, hang or take much memory, and what is accepted
//! keeps its promises whatever was changed in it.
#![allow(clippy::unwrap_used)]

use formats::camt::BankMessage;
use formats::coding::Coding;
use formats::ehf::{Kind, Options, check};
use formats::mva::{Circumstances, PaymentInformation, Return, ValidationResult};
use formats::pain002::StatusReport;
use formats::xml::Tree;
use formats::{bank::AccountNumber, bank::Kid};
use formats::{kostra, mva, ocr, payment_request};
use ledger::amount::Total;
use ledger::time::Date;
use ledger::transaction::KidRule;
use proptest::prelude::*;

const SEEDS: [&str; 11] = [
    include_str!("../testdata/e3-mat-og-transport-stavanger.xml"),
    include_str!("../testdata/alt-mulig-sandnes.xml"),
    include_str!("../testdata/kreditnota-renhold-stavanger.xml"),
    include_str!("../testdata/kurs-sandnes.xml"),
    include_str!("../testdata/bank/camt.053.001.08.xml"),
    include_str!("../testdata/bank/camt.054.001.08-returned.xml"),
    include_str!("../testdata/bank/pain.002.001.10-rejected.xml"),
    "<?xml version='1.0' encoding='ISO-8859-1'?><a k='v'><b>&amp;&#65;<![CDATA[x]]></b><!-- c --></a>",
    include_str!("../testdata/mva/e8-kompensasjon.xml"),
    include_str!("../testdata/payment-request/stavanger.xml"),
    include_str!("../testdata/ocr/giro.txt"),
];

/// What an attacker, a broken sender or an unlucky disk puts into a file.
const PIECES: [&str; 34] = [
    "<",
    ">",
    "&",
    "&amp;",
    "&#0;",
    "&#x1F600;",
    "&lol;",
    "\"",
    "'",
    "=",
    "/",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<?",
    "?>",
    "<!DOCTYPE a [<!ENTITY b 'c'>]>",
    "\u{0}",
    "\u{FFFE}",
    "é",
    "xmlns=''",
    " xmlns:cbc='urn:x'",
    "-",
    "1e9",
    "99999999999999999999999999999999",
    "-0.005",
    "NaN",
    "0.00000000000000000000000000001",
    "2026-02-30",
    "</",
    "/>",
    "EUR",
    "9223372036854775807",
];

fn read_reports(bytes: &[u8]) {
    if let Ok(given) = Return::read(bytes) {
        let today = Date::new(20_260_710).unwrap();
        let sent = Circumstances {
            today,
            first_of_term: true,
            claimed_this_year: false,
            next_term_open: false,
            registered: true,
        };
        if let Ok(written) = mva::write(&given, &sent) {
            assert_eq!(Return::read(&written.file).as_ref(), Ok(&given));
        }
    }
    let _ = (PaymentInformation::read(bytes), ValidationResult::read(bytes));
    let mut sum = Total(0);
    let giro = ocr::read(bytes, &|_| KidRule::Either, &mut |payment| {
        sum.add(payment.amount);
        Ok(())
    });
    assert!(giro.is_err() || giro.is_ok_and(|summary| summary.sum == sum));
    let _ = kostra::read(bytes, &mut |_, record| {
        assert_eq!(record.as_str().len(), kostra::RECORD_CHARS);
        let _ = (record.account(), record.thousands());
        Ok(())
    });
    if let Ok(accepted) = payment_request::check(bytes, &Options::default()) {
        let request = accepted.request;
        let lines: i128 = request.lines.iter().map(|line| i128::from(line.amount.0)).sum();
        assert_eq!(lines, i128::from(request.payable.0) + i128::from(request.prepaid.0));
        assert!(request.payable.0 > 0);
    }
}

fn read_all(bytes: &[u8]) {
    read_reports(bytes);
    let _ = Tree::read(bytes, &[]);
    let _ = StatusReport::read(bytes).map(|report| report.rejected().count());
    if let Ok(message) = BankMessage::read(bytes) {
        let movements = message.movements();
        let mut references: Vec<_> = movements.iter().map(|movement| &movement.reference).collect();
        references.sort();
        references.dedup();
        assert_eq!(references.len(), movements.len());
        let _ = message.accounts.iter().map(|account| account.gap()).collect::<Vec<_>>();
    }
    match check(bytes, &Options { kid: Some(KidRule::Either) }).or(check(bytes, &Options::default())) {
        Err(refused) => {
            assert!(
                refused.findings().all(|finding| !finding.rule.is_empty() && !finding.message.is_empty())
            );
        }
        Ok(accepted) => {
            let invoice = accepted.invoice;
            let totals = invoice.totals;
            let lines: i128 = invoice.lines.iter().map(|line| i128::from(line.net.0)).sum();
            let vat: i128 = invoice.vat.iter().map(|group| i128::from(group.vat.0)).sum();
            let base: i128 = invoice.vat.iter().map(|group| i128::from(group.base.0)).sum();
            assert_eq!(lines, i128::from(totals.lines.0));
            assert_eq!((base, vat), (i128::from(totals.net.0), i128::from(totals.vat.0)));
            let payable = base + vat - i128::from(totals.prepaid.0) + i128::from(totals.rounding.0);
            assert_eq!(payable, i128::from(totals.payable.0));
            assert_ne!(invoice.seller.number, invoice.buyer.number);
            assert!(!invoice.lines.is_empty());
            assert!(matches!(invoice.kind, Kind::Invoice | Kind::CreditNote));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_are_refused_in_peace(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(&bytes);
    }

    #[test]
    fn a_damaged_file_is_refused_or_still_adds_up(
        seed in 0..SEEDS.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, 0..PIECES.len(), 1..40_usize, any::<u8>()), 1..4),
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (place, how, piece, length, byte) in damage {
            let at = place.index(bytes.len().max(1)).min(bytes.len());
            let end = (at + length).min(bytes.len());
            match how {
                0 => { bytes.splice(at..at, PIECES[piece].bytes()); }
                1 => { bytes.drain(at..end); }
                2 => { let copy = bytes[at..end].to_vec(); bytes.splice(at..at, copy); }
                _ => if let Some(old) = bytes.get_mut(at) { *old = byte },
            }
        }
        read_all(&bytes);
    }

    #[test]
    fn a_file_with_other_values_is_refused_or_still_adds_up(
        seed in 0..4_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..14_usize, any::<i32>()), 1..4),
    ) {
        let mut text = SEEDS[seed].to_string();
        for (place, how, number) in changes {
            // The text between two tags.
            let starts: Vec<_> = text.match_indices('>').map(|(at, _)| at + 1).collect();
            let start = starts[place.index(starts.len())];
            let end = text[start..].find('<').map_or(text.len(), |length| start + length);
            if text[start..end].trim().is_empty() {
                continue;
            }
            let value = match how {
                0 => "S".to_string(),
                1 => "Z".to_string(),
                2 => "25".to_string(),
                3 => "0".to_string(),
                4 => "true".to_string(),
                5 => "381".to_string(),
                6 => String::new(),
                7 => format!("-{}", &text[start..end]),
                8 => format!("{}0", &text[start..end]),
                _ => format!("{}.{:02}", number / 100, (number % 100).abs()),
            };
            text.replace_range(start..end, &value);
        }
        read_all(text.as_bytes());
    }

    #[test]
    fn any_text_is_an_account_a_kid_a_posting_string_or_none(text in "\\PC{0,60}") {
        if let Ok(account) = AccountNumber::parse(&text) {
            prop_assert_eq!(AccountNumber::parse(&account.to_iban()), Ok(account));
        }
        let _ = Kid::parse(&text, KidRule::Either);
        if let Ok(coding) = Coding::parse(&text) {
            prop_assert_eq!(Coding::parse(&coding.account.to_string()).map(|c| c.account), Ok(coding.account));
        }
    }

    #[test]
    fn every_account_number_with_its_check_digit_has_an_iban(body in 0..10_000_000_000_u64) {
        let valid: Vec<_> = (0..10).filter_map(|digit| AccountNumber::parse(&format!("{body:010}{digit}")).ok()).collect();
        prop_assert!(valid.len() <= 1);
        for account in valid {
            prop_assert_eq!(AccountNumber::parse(&account.to_iban()), Ok(account));
        }
    }
}

#[test]
fn the_largest_file_of_the_smallest_parts_is_answered_at_once() {
    let began = std::time::Instant::now();
    let invoice = SEEDS[0];
    let start = invoice.find("  <cac:InvoiceLine>").unwrap();
    let end = invoice.find("</cac:InvoiceLine>").unwrap() + "</cac:InvoiceLine>".len();
    let line = &invoice[start..end];
    let many = line.repeat((9 << 20) / line.len());
    let full = format!("{}{many}</Invoice>", &invoice[..start]);
    assert!(full.len() < 10 << 20);
    let refused = check(full.as_bytes(), &Options::default()).unwrap_err();
    assert!(refused.findings().any(|finding| finding.rule == "BR-CO-10"), "{refused}");
    for bomb in [
        "<a>".repeat(3 << 20),
        format!("<a>{}</a>", "<b/>".repeat(2 << 20)),
        format!("<a {}/>", "b='' ".repeat(2 << 20)),
    ] {
        read_all(bomb.as_bytes());
    }
    // Far from any limit on a small machine, and a quadratic walk would need hours.
    assert!(began.elapsed().as_secs() < 60, "{:?}", began.elapsed());
}
