//! Orders, and what the bank says to them.

use super::*;

/// Stavanger with E2 registered, approved and ordered.
fn ordered() -> World {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    world.order(&cleaning());
    world
}

fn order(amount: &str) -> Operation {
    Operation::OrderPayment { document: cleaning().id, amount: nok(amount) }
}

const PAID: &str = "125000.00";

#[test]
fn l12_an_order_is_over_what_is_open_and_moves_nothing() {
    let mut world = World::new();
    refused(
        world.send(order(PAID), &[S_ORDER]),
        "L18",
        "document 123456785 8841 2026-05-04 is not registered; register it first",
    );
    world.register(&cleaning()).unwrap();
    refused(
        world.send(order(PAID), &[S_ORDER]),
        "L18",
        "document 123456785 8841 2026-05-04 is registered; approved is needed for this step",
    );
    world.approve(&cleaning());
    refused(
        world.send(order("125000.01"), &[S_ORDER]),
        "L12",
        "document 123456785 8841 2026-05-04: order over 125 000,01, open is 125 000,00; order what is open",
    );
    let before = world.all::<AccountRecord>();
    assert_eq!(world.send(order(PAID), &[S_ORDER]), Ok(vec![]));
    assert_eq!(world.all::<AccountRecord>(), before);
    refused(
        world.send(order(PAID), &[S_ORDER]),
        "L18",
        "document 123456785 8841 2026-05-04 is ordered; approved is needed for this step",
    );
    assert_eq!(world.document(&cleaning()).attempt, 1);
}

#[test]
fn a_document_that_was_paid_beforehand_is_approved_but_never_ordered() {
    let mut world = World::new();
    let mut prepaid = cleaning();
    (prepaid.prepaid, prepaid.payable) = (nok(PAID), Amount::ZERO);
    world.register(&prepaid).unwrap();
    world.approve(&prepaid);
    refused(
        world.send(order("0"), &[S_ORDER]),
        "L18",
        "document 123456785 8841 2026-05-04: nothing is open; no step is needed",
    );
}

#[test]
fn l12_cash_moves_once_by_the_amount_ordered_and_with_a_bank_entry_of_its_own() {
    let mut world = ordered();
    let pay = |amount: &str, entry| settle(&cleaning(), nok(amount), "2026-05-20", entry);
    refused(
        world.send(pay("124999.99", 1), &[S_BANK]),
        "L12",
        "document 123456785 8841 2026-05-04: the bank moved 124 999,99, due was 125 000,00; clear the difference with the bank",
    );
    assert!(world.send(pay(PAID, 1), &[S_BANK]).is_ok());
    let record = world.document(&cleaning());
    assert_eq!((record.status, record.open, record.settled), (Status::Settled, Amount::ZERO, nok(PAID)));
    assert_eq!(record.buyer_payment_voucher.map(|voucher| voucher.number), Some(2));
    refused(
        world.send(pay(PAID, 2), &[S_BANK]),
        "L18",
        "document 123456785 8841 2026-05-04 is settled; ordered is needed for this step",
    );
    let other = Document { id: DocumentId { issued: date("2026-05-05"), ..cleaning().id }, ..cleaning() };
    world.register(&other).unwrap();
    world.order(&other);
    let words = format!(
        "bank entry {} of 964965226 was used for document 123456785 8841 2026-05-04; report each bank entry once",
        Digest([1; 32])
    );
    refused(world.send(settle(&other, nok(PAID), "2026-05-20", 1), &[S_BANK]), "L12", &words);
    refused(world.send(reject(&other, 1), &[S_BANK]), "L12", &words);
    assert!(world.send(settle(&other, nok(PAID), "2026-05-20", 2), &[S_BANK]).is_ok());
    refused(world.send(give_back(&other, nok(PAID), "2026-05-20", 1), &[S_BANK]), "L12", &words);
    world.audit();
}

#[test]
fn l12_a_bank_reference_of_zeros_moves_no_cash_and_voids_no_order() {
    let mut world = ordered();
    let words = "document 123456785 8841 2026-05-04: a bank reference of nothing but zeros names no bank entry; send the hashes of the bank's message and entry";
    refused(world.send(settle(&cleaning(), nok(PAID), "2026-05-20", 0), &[S_BANK]), "L12", words);
    refused(world.send(reject(&cleaning(), 0), &[S_BANK]), "L12", words);
    assert_eq!(world.document(&cleaning()).status, Status::Ordered);
}

#[test]
fn a_rejected_order_is_void_and_may_be_given_again() {
    let mut world = ordered();
    let before = world.all::<AccountRecord>();
    assert_eq!(world.send(reject(&cleaning(), 1), &[S_BANK]), Ok(vec![]));
    assert_eq!(world.all::<AccountRecord>(), before);
    let record = world.document(&cleaning());
    assert_eq!((record.status, record.reason), (Status::Approved, Some(ReasonCode(*b"AC01"))));
    refused(
        world.send(settle(&cleaning(), nok(PAID), "2026-05-20", 2), &[S_BANK]),
        "L18",
        "document 123456785 8841 2026-05-04 is approved; ordered is needed for this step",
    );
    assert_eq!(world.send(order(PAID), &[S_ORDER]), Ok(vec![]));
    assert_eq!(world.document(&cleaning()).attempt, 2);
    assert!(world.send(settle(&cleaning(), nok(PAID), "2026-05-20", 2), &[S_BANK]).is_ok());
    assert_eq!(world.document(&cleaning()).reason, None);
}

#[test]
fn a_returned_payment_is_reversed_in_full_and_open_again() {
    let mut world = ordered();
    refused(
        world.send(give_back(&cleaning(), nok(PAID), "2026-05-25", 2), &[S_BANK]),
        "L18",
        "document 123456785 8841 2026-05-04 is ordered; settled is needed for this step",
    );
    world.send(settle(&cleaning(), nok(PAID), "2026-05-20", 1), &[S_BANK]).unwrap();
    refused(
        world.send(give_back(&cleaning(), nok("1.00"), "2026-05-25", 2), &[S_BANK]),
        "L12",
        "document 123456785 8841 2026-05-04: the bank moved 1,00, due was 125 000,00; clear the difference with the bank",
    );
    books(
        world.send(give_back(&cleaning(), nok(PAID), "2026-05-25", 2), &[S_BANK]),
        "964965226:2:35:200 -125000.00
         964965226:2:10:320 125000.00
         123456785:1920 -125000.00
         123456785:1500 125000.00",
    );
    let record = world.document(&cleaning());
    assert_eq!((record.status, record.open, record.settled), (Status::Returned, nok(PAID), Amount::ZERO));
    assert_eq!(world.send(order(PAID), &[S_ORDER]), Ok(vec![]));
    assert!(world.send(settle(&cleaning(), nok(PAID), "2026-05-28", 3), &[S_BANK]).is_ok());
    assert_eq!(world.balance(S, "2.10.320", "2026-05").closing(), Total(-12_500_000));
    assert_eq!(world.document(&cleaning()).attempt, 2);
    world.audit();
}

#[test]
fn a_credit_note_lowers_what_is_ordered_and_stands_alone_once_the_bank_has_the_order() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    world.approve(&cleaning());
    let part = |number| {
        let lines = vec![line("1.222.260", "20000.00", 1)];
        credit(number, &cleaning(), lines, vec![total(1, 25, "20000.00", "5000.00")])
    };
    world.register(&part("K1")).unwrap();
    assert_eq!(world.send(order("100000.00"), &[S_ORDER]), Ok(vec![]));
    world.register(&part("K2")).unwrap();
    let (alone, invoice) = (world.document(&part("K2")), world.document(&cleaning()));
    assert_eq!((alone.status, alone.open, alone.corrects), (Status::Registered, nok("25000.00"), None));
    assert_eq!((invoice.status, invoice.open), (Status::Ordered, nok("100000.00")));
    assert!(world.send(settle(&cleaning(), nok("100000.00"), "2026-05-20", 1), &[S_BANK]).is_ok());
    world.audit();
}

#[test]
fn l12_payment_is_ordered_999_times_at_most() {
    let mut world = ordered();
    let mut record = world.document(&cleaning());
    (record.attempt, record.status) = (999, Status::Approved);
    let mut draft = world.draft();
    draft.put(record);
    let layer = draft.seal();
    world.registers.fold(&layer);
    refused(
        world.send(order(PAID), &[S_ORDER]),
        "L12",
        "document 123456785 8841 2026-05-04: payment was ordered 999 times; settle it with the seller otherwise",
    );
}

#[test]
fn l14_the_banks_reason_is_a_code_and_no_text() {
    let mut world = ordered();
    let reason = ReasonCode(*b"Ola ");
    let told = Operation::RejectPayment { document: cleaning().id, reason, bank: bank(1) };
    refused(
        world.send(told, &[S_BANK]),
        "L14",
        "reason Ola  is not a code of four capital letters or digits; send the bank's ISO 20022 code",
    );
}

#[test]
fn l9_cash_is_booked_on_a_day_that_is_open_on_both_sides() {
    let mut world = ordered();
    refused(
        world.send(settle(&cleaning(), nok(PAID), "2026-07-02", 1), &[S_BANK]),
        "L9",
        "2026-07-02 is after the ledger's date 2026-07-01; submit it when the day has come",
    );
}

#[test]
fn the_reference_at_the_bank_follows_from_document_and_attempt() {
    let id = cleaning().id;
    let first = end_to_end_id(&id, 1);
    // Computed apart: SHA-256 of the domain, 01 00 00 00, and the document's canonical bytes.
    assert_eq!(first, "c035c7cb388b880ae9ec6ac0f0c8f300");
    assert_ne!(first, end_to_end_id(&id, 2));
    assert_ne!(first, end_to_end_id(&DocumentId { issued: date("2026-05-05"), ..id }, 1));
}
