//! Entries made by hand, and what is taken back in full.

use super::*;
use crate::codec;
use crate::entry::Voucher;
use crate::records::EntryRecord;
use crate::transaction::{Coded, Correction, EntryKind, EntryLine, ManualEntry, Reason};

pub(super) fn correction(day: &str, reason: Reason) -> Correction {
    Correction { date: date(day), reason, content: Digest([7; 32]) }
}

fn coded(document: &Document) -> Coded {
    Coded { document: document.clone(), recoded: None }
}

fn recode(coded: Coded, lines: Vec<Line>) -> Operation {
    Operation::Recode { coded, lines, correction: correction("2026-06-30", Reason::Account) }
}

fn cancel(document: &Document) -> Operation {
    Operation::Cancel { coded: coded(document), correction: correction("2026-06-30", Reason::Party) }
}

fn entry(kind: EntryKind, lines: &[(&str, &str)]) -> ManualEntry {
    let line = |(text, amount): &(&str, &str)| EntryLine {
        account: account(text),
        amount: nok(amount),
        cost_centre: None,
        project: None,
    };
    let lines = lines.iter().map(line).collect();
    ManualEntry { entity: org(S), date: date("2026-06-30"), kind, lines, content: Digest([8; 32]) }
}

fn depreciation() -> ManualEntry {
    let lines = [("1.222.590", "40000.00"), ("2.27.000", "-40000.00")];
    entry(EntryKind::Memorial, &lines)
}

fn taxes() -> ManualEntry {
    entry(EntryKind::Bank(bank(9)), &[("2.10.320", "900000.00"), ("1.800.870", "-900000.00")])
}

fn reverse(number: u64, entry: ManualEntry) -> Operation {
    let voucher = Voucher { year: 2026, number };
    Operation::ReverseEntry { voucher, entry, correction: correction("2026-07-01", Reason::Amount) }
}

/// E9: the function should have been 221.
#[test]
fn l37_e9_recoding_reverses_the_buyers_lines_in_full_and_leaves_the_seller_alone() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    let sellers = world.balance(L, "1500", "2026-05");
    let lines = vec![line("1.221.260", "100000.00", 1)];
    let booked = world.send(recode(coded(&cleaning()), lines.clone()), &[S_SUBMIT, S_APPROVE]).unwrap();
    let linked: Vec<_> =
        booked.iter().map(|entry| (entry.voucher.number, entry.reverses, entry.document)).collect();
    let first = Voucher { year: 2026, number: 1 };
    assert_eq!(linked, [(2, Some(first), Some(0)), (3, None, Some(0))]);
    books(
        Ok(booked),
        "964965226:1:222:260 -100000.00
        964965226:1:222:429 -25000.00
        964965226:2:35:200 125000.00
        964965226:2:16:610 -25000.00
        964965226:1:222:729 25000.00
        964965226:1:221:260 100000.00
        964965226:1:221:429 25000.00
        964965226:2:35:200 -125000.00
        964965226:2:16:610 25000.00
        964965226:1:221:729 -25000.00",
    );
    assert_eq!(world.balance(L, "1500", "2026-05"), sellers);
    assert_eq!(world.document(&cleaning()).buyer_voucher.map(|voucher| voucher.number), Some(3));
    // What stands now is given with its new lines; the document goes its way.
    let stale = recode(coded(&cleaning()), lines.clone());
    refused(
        world.send(stale, &[S_SUBMIT, S_APPROVE]),
        "L37",
        "document 123456785 8841 2026-05-04: what is given is not what was booked; give it as registered, and the lines of its last correction",
    );
    let now = Coded { document: cleaning(), recoded: Some(lines.clone()) };
    refused(
        world.send(recode(now.clone(), lines), &[S_SUBMIT, S_APPROVE]),
        "L37",
        "document 123456785 8841 2026-05-04: the lines stand in the books as given; change one, or leave it",
    );
    world.order(&cleaning());
    world.send(settle(&cleaning(), nok("125000.00"), "2026-06-30", 1), &[S_BANK]).unwrap();
    let back = world.send(recode(now, cleaning().lines), &[S_SUBMIT, S_APPROVE]);
    assert_eq!(back.unwrap().len(), 2, "a paid document is recoded, too");
    world.audit();
}

#[test]
fn l4_l3_l7_l9_a_recoding_keeps_the_rules_of_a_registration() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    let lines = |text: &str, net: &str| vec![line(text, net, 1)];
    let good = || recode(coded(&cleaning()), lines("1.221.260", "100000.00"));
    for (operation, signers, rule) in [
        (recode(coded(&cleaning()), lines("1.221.260", "90000.00")), vec![S_SUBMIT, S_APPROVE], "L4"),
        (recode(coded(&cleaning()), lines("1.221.999", "100000.00")), vec![S_SUBMIT, S_APPROVE], "L3"),
        (recode(coded(&cleaning()), lines("1.221.429", "100000.00")), vec![S_SUBMIT, S_APPROVE], "L3"),
        (recode(coded(&cleaning()), vec![]), vec![S_SUBMIT, S_APPROVE], "L21"),
        (good(), vec![S_SUBMIT], "L7"),
        (good(), vec![S_EVERYTHING], "L7"),
        (good(), vec![L_FOR_S, S_APPROVE], "L7"),
    ] {
        assert_eq!(world.send(operation, &signers).unwrap_err().rule(), rule);
    }
    let mut other = cleaning();
    other.payable = nok("1.00");
    assert_eq!(
        world
            .send(recode(coded(&other), vec![line("1.221.260", "1.00", 0)]), &[S_SUBMIT, S_APPROVE])
            .unwrap_err()
            .rule(),
        "L37"
    );
    let close =
        |period: &str| Operation::ClosePeriod { entity: org(S), period: Period::parse(period).unwrap() };
    for month in 1..=6 {
        world.send(close(&format!("2026-{month:02}")), &[S_ADMIN]).unwrap();
    }
    refused(
        world.send(good(), &[S_SUBMIT, S_APPROVE]),
        "L9",
        "2026-06-30: period 2026-06 of 964965226 is closed; use a date in an open period",
    );
}

#[test]
fn l31_nobody_cancels_a_sellers_claim_without_the_seller() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    refused(
        world.send(cancel(&cleaning()), &[S_SUBMIT, S_APPROVE]),
        "L31",
        "document 123456785 8841 2026-05-04: 123456785 books it as a claim and has not signed; have the seller's submitter sign too, or register its credit note",
    );
    let booked = world.send(cancel(&cleaning()), &[S_SUBMIT, S_APPROVE, L_SUBMIT]).unwrap();
    assert!(booked.iter().all(|entry| entry.reverses == Some(Voucher { year: 2026, number: 1 })));
    books(
        Ok(booked),
        "964965226:1:222:260 -100000.00
        964965226:1:222:429 -25000.00
        964965226:2:35:200 125000.00
        964965226:2:16:610 -25000.00
        964965226:1:222:729 25000.00
        123456785:1500 -125000.00
        123456785:3000 100000.00
        123456785:2700 25000.00",
    );
    let record = world.document(&cleaning());
    assert_eq!((record.status, record.open), (Status::Cancelled, Amount::ZERO));
    refused(
        world.send(cancel(&cleaning()), &[S_SUBMIT, S_APPROVE, L_SUBMIT]),
        "L18",
        "document 123456785 8841 2026-05-04 is cancelled; registered is needed for this step",
    );
    let note = credit("K1", &cleaning(), cleaning().lines, cleaning().vat_totals);
    assert_eq!(world.register(&note).unwrap_err().rule(), "L18", "nothing is left to credit");
    world.audit();
}

#[test]
fn l37_l6_a_cancelled_document_is_registered_anew_and_no_reference_at_the_bank_is_given_twice() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    world.order(&cleaning());
    world.send(reject(&cleaning(), 1), &[S_BANK]).unwrap();
    world.send(cancel(&cleaning()), &[S_SUBMIT, S_APPROVE, L_SUBMIT]).unwrap();
    let lines = vec![line("1.222.260", "10000.00", 1)];
    let right = invoice(L, "8841", S, "2026-05-04", lines, vec![total(1, 25, "10000.00", "2500.00")]);
    world.register(&right).unwrap();
    let record = world.document(&right);
    assert_eq!((record.status, record.open, record.attempt), (Status::Registered, nok("12500.00"), 1));
    assert_eq!(world.register(&right).unwrap_err().rule(), "L6");
    world.order(&right);
    assert_eq!(world.document(&right).attempt, 2);
    assert_eq!(world.all::<DocumentRecord>().len(), 1);
    world.audit();
}

#[test]
fn l37_what_credit_notes_lowered_or_the_bank_has_in_hand_is_not_cancelled() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    let lines = vec![line("1.222.260", "20000.00", 1)];
    world.register(&credit("K1", &cleaning(), lines, vec![total(1, 25, "20000.00", "5000.00")])).unwrap();
    refused(
        world.send(cancel(&cleaning()), &[S_SUBMIT, S_APPROVE, L_SUBMIT]),
        "L37",
        "document 123456785 8841 2026-05-04: 100 000,00 of 125 000,00 is open; cancel nothing that credit notes or netting have lowered, register a note for the rest",
    );
    let mut ordered = cleaning();
    ordered.id.number = InvoiceNumber::new("8842").unwrap();
    world.register(&ordered).unwrap();
    world.order(&ordered);
    assert_eq!(world.send(cancel(&ordered), &[S_SUBMIT, S_APPROVE, L_SUBMIT]).unwrap_err().rule(), "L18");
}

#[test]
fn l2_l37_cancelling_after_a_recoding_takes_back_what_stands_on_each_side() {
    let mut world = World::new();
    // Sandnes mirrors the art of Stavanger's line as income, which the recoding leaves alone.
    let places = invoice(
        N,
        "17",
        S,
        "2026-05-04",
        vec![line("1.202.350", "600000.00", 0)],
        vec![total(0, 0, "600000.00", "0")],
    );
    world.register(&places).unwrap();
    let lines = vec![line("1.222.350", "600000.00", 0)];
    world.send(recode(coded(&places), lines.clone()), &[S_SUBMIT, S_APPROVE]).unwrap();
    let correction = correction("2026-06-30", Reason::Twice);
    let coded = Coded { document: places.clone(), recoded: Some(lines) };
    let booked = world.send(Operation::Cancel { coded, correction }, &[S_SUBMIT, S_APPROVE, 31]);
    assert_eq!(booked.unwrap().len(), 2);
    for record in world.all::<AccountRecord>().iter().filter(|r| r.period == date("2026-06-30").period()) {
        assert_eq!(record.closing(), Total(0), "{:?}", record.key());
    }
    world.audit();
}

#[test]
fn l38_l7_an_entry_is_made_by_two_and_touches_what_its_kind_allows() {
    let mut world = World::new();
    let enter = Operation::Enter;
    books(
        world.send(enter(depreciation()), &[S_SUBMIT, S_APPROVE]),
        "964965226:1:222:590 40000.00
        964965226:2:27:000 -40000.00",
    );
    refused(
        world.send(enter(depreciation()), &[S_EVERYTHING]),
        "L7",
        "entity 964965226: one holder may not both submit and approve this; have another person sign",
    );
    assert_eq!(world.send(enter(depreciation()), &[S_SUBMIT]).unwrap_err().rule(), "L7");
    let moved = |lines: &[(&str, &str)]| entry(EntryKind::Reclassification, lines);
    refused(
        world.send(enter(moved(&[("1.222.590", "1.00"), ("2.27.000", "-1.00")])), &[S_SUBMIT, S_APPROVE]),
        "L38",
        "account 2.27.000 is a balance account; enter it in a memorial entry",
    );
    refused(
        world.send(
            enter(entry(EntryKind::Memorial, &[("2.10.320", "1.00"), ("1.800.870", "-1.00")])),
            &[S_SUBMIT, S_APPROVE],
        ),
        "L38",
        "account 2.10.320 is cash, which moves with a bank entry alone; name the bank's references",
    );
    refused(
        world.send(
            enter(entry(EntryKind::Bank(bank(8)), &[("1.222.590", "1.00"), ("2.27.000", "-1.00")])),
            &[S_BANK, S_APPROVE],
        ),
        "L38",
        "entity 964965226: no cash moves in sum; enter it as a memorial entry",
    );
    assert!(
        world
            .send(enter(moved(&[("1.221.260", "1.00"), ("1.222.260", "-1.00")])), &[S_SUBMIT, S_APPROVE])
            .is_ok()
    );
    for (kind, lines, rule) in [
        (EntryKind::Memorial, &[("1.222.429", "1.00"), ("1.222.729", "-1.00")][..], "L3"),
        (EntryKind::Memorial, &[("1.222.999", "1.00"), ("2.27.000", "-1.00")], "L3"),
        (EntryKind::Memorial, &[("1.222.260", "1.00"), ("2.27.000", "-1.01")], "L1"),
        (EntryKind::Memorial, &[("1.222.260", "1.00"), ("2.27.000", "-1.00"), ("2.27.000", "0.00")], "L1"),
        (EntryKind::Memorial, &[], "L21"),
    ] {
        let result = world.send(enter(entry(kind, lines)), &[S_SUBMIT, S_APPROVE]);
        assert_eq!(result.unwrap_err().rule(), rule, "{lines:?}");
    }
    let elsewhere = ManualEntry { entity: org(P), ..depreciation() };
    assert_eq!(world.send(enter(elsewhere), &[61, 63]).unwrap_err().rule(), "L17");
    world.audit();
}

#[test]
fn l12_a_bank_entry_is_booked_once_whether_a_document_or_an_entry_by_hand_uses_it() {
    let mut world = World::new();
    let enter = Operation::Enter;
    books(
        world.send(enter(taxes()), &[S_BANK]),
        "964965226:2:10:320 900000.00
        964965226:1:800:870 -900000.00",
    );
    let again = "is already booked; find it among the vouchers, do not book it twice";
    let refusal = world.send(enter(taxes()), &[S_BANK]).unwrap_err();
    assert!(refusal.rule() == "L12" && refusal.to_string().ends_with(again), "{refusal}");
    world.register(&cleaning()).unwrap();
    world.order(&cleaning());
    let refusal = world.send(settle(&cleaning(), nok("125000.00"), "2026-06-30", 9), &[S_BANK]).unwrap_err();
    assert!(refusal.rule() == "L12" && refusal.to_string().ends_with(again), "{refusal}");
    world.send(settle(&cleaning(), nok("125000.00"), "2026-06-30", 10), &[S_BANK]).unwrap();
    let used = ManualEntry { kind: EntryKind::Bank(bank(10)), ..taxes() };
    assert_eq!(world.send(enter(used), &[S_BANK]).unwrap_err().rule(), "L12");
    let nameless = BankReference { message: Digest([3; 32]), entry: Digest::default() };
    refused(
        world.send(enter(ManualEntry { kind: EntryKind::Bank(nameless), ..taxes() }), &[S_BANK]),
        "L12",
        "entity 964965226: a bank entry names the bank's message and its entry; fetch them from the bank",
    );
    // What goes out is approved by another than whoever speaks for the bank.
    let wages = entry(EntryKind::Bank(bank(11)), &[("2.32.900", "5000.00"), ("2.10.320", "-5000.00")]);
    assert_eq!(world.send(enter(wages.clone()), &[S_BANK]).unwrap_err().rule(), "L7");
    assert_eq!(world.send(enter(wages.clone()), &[S_EVERYTHING]).unwrap_err().rule(), "L7");
    assert!(world.send(enter(wages), &[S_BANK, S_APPROVE]).is_ok());
    world.audit();
}

#[test]
fn l37_an_entry_by_hand_is_reversed_in_full_and_once() {
    let mut world = World::new();
    world.send(Operation::Enter(depreciation()), &[S_SUBMIT, S_APPROVE]).unwrap();
    world.send(Operation::Enter(taxes()), &[S_BANK]).unwrap();
    let both = [S_SUBMIT, S_APPROVE];
    let mut other = depreciation();
    other.lines[0].cost_centre = Some(1);
    refused(
        world.send(reverse(1, other), &both),
        "L37",
        "voucher 2026/1 of 964965226: the entry given is not the one booked; give it as submitted",
    );
    refused(
        world.send(reverse(9, depreciation()), &both),
        "L37",
        "voucher 2026/9 of 964965226 is no entry made by hand; recode or cancel a document, return a payment",
    );
    refused(
        world.send(reverse(2, taxes()), &both),
        "L37",
        "voucher 2026/2 of 964965226 is what the bank did, which stands; move its other lines by a reclassification or a memorial entry",
    );
    assert_eq!(world.send(reverse(1, depreciation()), &[S_EVERYTHING]).unwrap_err().rule(), "L7");
    let booked = world.send(reverse(1, depreciation()), &both).unwrap();
    assert_eq!(booked[0].reverses, Some(Voucher { year: 2026, number: 1 }));
    books(
        Ok(booked),
        "964965226:1:222:590 -40000.00
        964965226:2:27:000 40000.00",
    );
    assert_eq!(world.all::<EntryRecord>()[0].reversed, Some(Voucher { year: 2026, number: 3 }));
    refused(
        world.send(reverse(1, depreciation()), &both),
        "L37",
        "voucher 2026/1 of 964965226 was reversed by 2026/3; enter it anew if it holds after all",
    );
    assert_eq!(world.balance(S, "2.27.000", "2026-07").closing(), Total(0));
    world.audit();
}

#[test]
fn l21_the_largest_recoding_fits_into_a_transaction_and_a_leaf() {
    let mut world = World::new();
    let lines = |project: u32| -> Vec<Line> {
        let line = |centre: u32| Line {
            cost_centre: Some(centre),
            project: Some(project),
            ..line("1.222.260", "100.00", [1, 11, 13][centre as usize % 3])
        };
        (0..120).map(line).collect()
    };
    let totals = [(1, 25, "1000.00"), (11, 15, "600.00"), (13, 12, "480.00")];
    let totals = totals.map(|(code, percent, vat)| total(code, percent, "4000.00", vat));
    let document = invoice(L, "8841", S, "2026-05-04", lines(1), totals.into());
    world.register(&document).unwrap();
    world.send(recode(coded(&document), lines(2)), &[S_SUBMIT, S_APPROVE]).unwrap();
    let now = Coded { document, recoded: Some(lines(2)) };
    let operation = recode(now, lines(3));
    let signatures = 4 * 96 + 64;
    let transaction = codec::encode(&operation).len() + signatures;
    assert!(transaction < crate::transaction::TRANSACTION_BYTES_MAX, "{transaction}");
    let booked = world.send(operation, &[S_SUBMIT, S_APPROVE]).unwrap();
    let leaf = transaction + codec::encode(&booked).len();
    assert!(leaf < 65_535, "{leaf}");
    world.audit();
}

#[test]
fn l38_history_is_countersigned_and_ends_when_the_first_period_closes() {
    let mut world = World::new();
    let taken = |day: &str, lines: &[(&str, &str)]| ManualEntry {
        date: date(day),
        ..entry(EntryKind::History, lines)
    };
    // Cash, claims and the compensated VAT, which no other entry by hand may touch.
    let lines = [
        ("1.222.260", "100.00"),
        ("1.222.429", "25.00"),
        ("2.10.320", "-125.00"),
        ("2.16.610", "25.00"),
        ("1.222.729", "-25.00"),
    ];
    let history = taken("2026-01-15", &lines);
    let both = [S_ADMIN, AUDITOR];
    for signers in [&[S_SUBMIT, S_APPROVE][..], &[S_ADMIN], &[AUDITOR]] {
        assert_eq!(world.send(Operation::Enter(history.clone()), signers).unwrap_err().rule(), "L7");
    }
    let booked = world.send(Operation::Enter(history.clone()), &both).unwrap();
    assert_eq!(booked[0].postings.len(), 5);
    let unknown = taken("2026-01-15", &[("1.222.999", "1.00"), ("2.10.320", "-1.00")]);
    assert_eq!(world.send(Operation::Enter(unknown), &both).unwrap_err().rule(), "L3");
    assert_eq!(world.send(reverse(1, history.clone()), &[S_SUBMIT, S_APPROVE]).unwrap_err().rule(), "L7");
    assert!(world.send(reverse(1, history.clone()), &both).is_ok());
    let january = Period::parse("2026-01").unwrap();
    world.send(Operation::ClosePeriod { entity: org(S), period: january }, &[S_ADMIN]).unwrap();
    let late = taken("2026-02-15", &lines);
    refused(
        world.send(Operation::Enter(late), &both),
        "L38",
        "entity 964965226: history ends when its first period, 2026-01, is closed; enter what is missing as a memorial entry",
    );
    world.audit();
}
