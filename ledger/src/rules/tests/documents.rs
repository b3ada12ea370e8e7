//! Documents: identity, codes, VAT, who is booked how, credit notes.

use super::*;
use crate::booking::shares;

fn one(text: &str, net: &str, code: u16, percent: u16, vat: &str) -> Document {
    let lines = vec![line(text, net, code)];
    invoice(L, "1", S, "2026-05-04", lines, vec![total(code, percent, net, vat)])
}

#[test]
fn l1_refuses_a_document_without_amounts() {
    refused(
        World::new().register(&one("1.222.260", "0", 0, 0, "0")),
        "L1",
        "entity 964965226: an entry has at least two postings and none of zero; found 0 postings",
    );
}

#[test]
fn l2_refuses_a_document_from_an_entity_to_itself() {
    let mut world = World::new();
    let itself = Document { id: DocumentId { seller: org(S), ..cleaning().id }, ..cleaning() };
    refused(
        world.register(&itself),
        "L2",
        "buyer and seller are both 964965226; an entity owes itself nothing, reclassify inside its books",
    );
}

#[test]
fn l17_refuses_parties_that_are_unknown_or_keep_no_books() {
    let mut world = World::new();
    let unknown = Document { id: DocumentId { seller: org(938_626_367), ..cleaning().id }, ..cleaning() };
    refused(world.register(&unknown), "L17", "entity 938626367 is not registered; register it first");
    let lines = vec![line("4000", "1.00", 0)];
    let elsewhere = invoice(A, "1", P, "2026-05-04", lines, vec![total(0, 0, "1.00", "0")]);
    refused(
        world.register(&elsewhere),
        "L17",
        "neither buyer 914778271 nor seller 999999999 keeps books in this ledger; book it elsewhere",
    );
}

#[test]
fn l3_refuses_codes_that_are_not_in_force_or_do_not_go_together() {
    let mut world = World::new();
    for (text, words) in [
        ("1.222.270", "art 270 is not in force on 2026-05-04; use a code of that day's list"),
        ("1.254.260", "function 254 is not in force on 2026-05-04; use a code of that day's list"),
        ("1.420.260", "function 420 is not for 964965226 (municipality); use a code of its own list"),
        (
            "0.222.240",
            "account 0.222.240: art 240 may not stand in this account class; move the line to the other",
        ),
        (
            "1.222.280",
            "account 1.222.280: art 280 may not stand in this account class; move the line to the other",
        ),
        (
            "1.841.260",
            "account 1.841.260: function 841 may not stand in this account class; move the line to the other",
        ),
        (
            "0.222.729",
            "account 0.222.729: art 729 goes only with 841 or its like in this account class; change one of them",
        ),
        (
            "1.222.520",
            "account 1.222.520: art 520 goes only with 281 or its like in this account class; change one of them",
        ),
        (
            "1.850.260",
            "account 1.850.260: function 850 goes only with 450 or its like in this account class; change one of them",
        ),
        (
            "2.13.200",
            "account 2.13.200: a line of a document is an expense or an investment; code it in class 0 or 1",
        ),
        ("2.13.201", "sector 201 is not in force on 2026-05-04; use a code of that day's list"),
        ("2.99.200", "chapter 99 is not in force on 2026-05-04; use a code of that day's list"),
        ("4300", "account 4300 is not of the chart of 964965226 (municipality); code the line by that chart"),
    ] {
        refused(world.register(&one(text, "100.00", 0, 0, "0")), "L3", words);
    }
    // What Statistics Norway accepts in these combinations is booked.
    for (number, text) in [("1", "1.850.450"), ("2", "1.325.520"), ("3", "0.315.280")] {
        let mut fine = one(text, "100.00", 0, 0, "0");
        fine.id.number = InvoiceNumber::new(number).unwrap();
        assert!(world.register(&fine).is_ok(), "{text}");
    }
    // An account built from bytes may carry what no text could.
    let mut odd = one("2.13.200", "1.00", 0, 0, "0");
    odd.id.number = InvoiceNumber::new("4").unwrap();
    odd.lines[0].account.function = 7;
    refused(
        world.register(&odd),
        "L3",
        "account 2.13.200 is not of the chart of 964965226 (municipality); code the line by that chart",
    );
}

#[test]
fn l3_l12_no_line_is_coded_to_cash_claims_debts_or_vat_that_the_ledger_books_itself() {
    let mut world = World::new();
    // A purchase on 1920 moved cash without the bank; one on 1500 a claim that nobody owes; one on
    // 729 income from compensation without a claim on the state.
    for (seller, buyer, text) in [
        (S, L, "1920"),
        (S, L, "1500"),
        (S, L, "2400"),
        (S, L, "1480"),
        (S, L, "2900"),
        (S, L, "2710"),
        (S, L, "2700"),
        (L, U, "S196"),
        (L, U, "S150"),
        (L, U, "S240"),
        (L, S, "1.222.429"),
        (L, S, "1.222.729"),
        (L, C, "0.841.729"),
    ] {
        let lines = vec![line(text, "100.00", 0)];
        let document = invoice(seller, "1", buyer, "2026-05-04", lines, vec![total(0, 0, "100.00", "0")]);
        let words = format!(
            "account {text}: the ledger books cash, claims, debts and VAT itself; code the line by what was bought"
        );
        refused(world.register(&document), "L3", &words);
    }
    // A machine is an asset, and nothing the ledger books by itself.
    let lines = vec![line("1200", "100.00", 0)];
    let machine = invoice(S, "1", L, "2026-05-04", lines, vec![total(0, 0, "100.00", "0")]);
    assert!(world.register(&machine).is_ok());
}

#[test]
fn l4_refuses_codes_and_regimes_the_buyer_may_not_use() {
    let mut world = World::new();
    refused(
        world.register(&one("1.222.260", "100.00", 44, 25, "25.00")),
        "L4",
        "VAT code 44 is not in force on 2026-05-04; use a code of that day's list",
    );
    refused(
        world.register(&one("1.222.260", "100.00", 12, 25, "25.00")),
        "L4",
        "VAT code 12 may not be treated as compensated by 964965226 (municipality); use another regime",
    );
    let mut nothing = one("1.222.260", "100.00", 0, 0, "0");
    nothing.lines[0].regime = Regime::Compensate;
    refused(
        world.register(&nothing),
        "L4",
        "VAT code 0 may not be treated as compensated by 964965226 (municipality); use another regime",
    );
    let mut state = one("S430", "100.00", 1, 25, "25.00");
    state.buyer = org(U);
    state.lines[0].regime = Regime::Deduct;
    refused(
        world.register(&state),
        "L4",
        "VAT code 1 may not be treated as deducted by 970018131 (state body); use another regime",
    );
    refused(
        world.register(&one("1.222.260", "100.00", 86, 25, "25.00")),
        "L4",
        "VAT code 86 has no counterpart in the seller's books; use a code for domestic purchases",
    );
}

#[test]
fn l4_refuses_totals_that_do_not_follow_from_the_lines() {
    let mut world = World::new();
    let good = cleaning();
    let with = |change: &dyn Fn(&mut Document)| {
        let mut document = good.clone();
        change(&mut document);
        document
    };
    #[allow(clippy::type_complexity)] // A table of changes and what each is answered with.
    let cases: [(&dyn Fn(&mut Document), &str); 10] = [
        (
            &|d| d.vat_totals.clear(),
            "VAT totals: expected VAT code 1, found none; give one total per code of the lines, in order",
        ),
        (
            &|d| d.vat_totals.push(total(11, 15, "0", "0")),
            "VAT totals: expected none, found VAT code 11; give one total per code of the lines, in order",
        ),
        (
            &|d| d.vat_totals[0].base = nok("99999.99"),
            "VAT code 1: base 99 999,99, lines sum to 100 000,00; correct the base or the lines",
        ),
        (
            &|d| d.vat_totals[0].rate = Rate(1500),
            "VAT code 1: rate 15 %, in force on 2026-05-04 is 25 %; correct rate, code or tax point",
        ),
        (
            &|d| d.vat_totals[0].vat = nok("25001.00"),
            "VAT code 1: 100 000,00 at 25 % is 25 000,00, found 25 001,00; EN 16931 allows less than 1,00 apart and nothing at 0 %; have the seller correct it",
        ),
        (&|d| d.rounding = nok("-1.00"), "rounding -1,00: at least 1,00 is no rounding; state it as a line"),
        (&|d| d.prepaid = nok("-0.01"), "prepaid -0,01 is below zero; state it as a line"),
        (
            &|d| d.payable = nok("125000.01"),
            "payable 125 000,01: lines 100 000,00 + VAT 25 000,00 - prepaid 0,00 + rounding 0,00 = 125 000,00; correct the sum",
        ),
        (
            &|d| (d.prepaid, d.payable) = (nok("125000.01"), nok("-0.01")),
            "payable -0,01 is below zero; submit it as a document of the other kind with the signs turned",
        ),
        (
            &|d| d.tax_point = date("2004-12-31"),
            "VAT code 1 is not in force on 2004-12-31; use a code of that day's list",
        ),
    ];
    for (change, words) in cases {
        refused(world.register(&with(change)), "L4", words);
    }
    let mut zero = one("1.222.260", "100.00", 0, 0, "0.01");
    zero.payable = nok("100.01");
    refused(
        world.register(&zero),
        "L4",
        "VAT code 0: 100,00 at 0 % is 0,00, found 0,01; EN 16931 allows less than 1,00 apart and nothing at 0 %; have the seller correct it",
    );
}

#[test]
fn l4_books_the_vat_that_the_document_states_where_en_16931_allows_it() {
    let mut world = World::new();
    let mut by_line = one("1.222.260", "100.00", 1, 25, "25.99");
    books(
        world.register(&by_line),
        "964965226:1:222:260 100.00
         964965226:1:222:429 25.99
         964965226:2:35:200 -125.99
         964965226:2:16:610 25.99
         964965226:1:222:729 -25.99
         123456785:1500 125.99
         123456785:3000 -100.00
         123456785:2700 -25.99",
    );
    by_line.id.number = InvoiceNumber::new("2").unwrap();
    by_line.vat_totals[0].vat = nok("26.00");
    by_line.payable = nok("126.00");
    assert_eq!(world.register(&by_line).unwrap_err().rule(), "L4");
}

#[test]
fn vat_of_one_code_is_shared_exactly_between_functions() {
    // 0.333… each at 25 %: two øre are left over and go to the first and second.
    let thirds = [Amount(133), Amount(133), Amount(134)];
    assert_eq!(shares(Amount(100), Rate(2500), &thirds), [Amount(33), Amount(33), Amount(34)]);
    assert_eq!(shares(Amount(99), Rate(2500), &thirds), [Amount(33), Amount(33), Amount(33)]);
    assert_eq!(shares(Amount(1), Rate(2500), &[Amount(2), Amount(2)]), [Amount(1), Amount(0)]);
    // A reduction under another function cancels the base, not the shares.
    assert_eq!(shares(Amount(0), Rate(2500), &[Amount(400), Amount(-400)]), [Amount(100), Amount(-100)]);
    assert_eq!(shares(Amount(-25), Rate(2500), &[Amount(-99)]), [Amount(-25)]);
    assert_eq!(shares(Amount(0), Rate(0), &[]), []);

    let mut world = World::new();
    let mut lines =
        vec![line("1.222.260", "1.33", 1), line("1.221.260", "1.33", 1), line("1.201.260", "1.34", 1)];
    lines[1].cost_centre = Some(4711);
    let document = invoice(P, "1", S, "2026-05-04", lines, vec![total(1, 25, "4.00", "1.00")]);
    let entries = world.register(&document);
    assert_eq!(entries.clone().unwrap()[0].postings[4].cost_centre, Some(4711));
    books(
        entries,
        "964965226:1:222:260 1.33
         964965226:1:221:260 1.33
         964965226:1:201:260 1.34
         964965226:1:222:429 0.33
         964965226:1:221:429 0.33
         964965226:1:201:429 0.34
         964965226:2:35:200 -5.00
         964965226:2:16:610 1.00
         964965226:1:222:729 -0.33
         964965226:1:221:729 -0.33
         964965226:1:201:729 -0.34",
    );
}

#[test]
fn vat_that_is_a_cost_stays_on_the_line_and_deducted_vat_on_its_account() {
    let mut world = World::new();
    let mut state = one("S430", "100.00", 1, 25, "25.00");
    state.buyer = org(U);
    state.lines[0].regime = Regime::Cost;
    books(
        world.register(&state),
        "970018131:S430 125.00
         970018131:S240 -125.00
         123456785:1500 125.00
         123456785:3000 -100.00
         123456785:2700 -25.00",
    );
    let mut private = invoice(U, "9", L, "2026-05-04", vec![line("4300", "200.00", 1)], vec![]);
    private.lines[0].regime = Regime::Deduct;
    private.vat_totals = vec![total(1, 25, "200.00", "50.00")];
    private.prepaid = nok("100.00");
    private.payable = nok("150.00");
    books(
        world.register(&private),
        "123456785:4300 200.00
         123456785:2710 50.00
         123456785:1480 -100.00
         123456785:2400 -150.00
         970018131:S150 150.00
         970018131:S290 100.00
         970018131:S303 -200.00
         970018131:S270 -50.00",
    );
    let mut mixed = one("1.320.260", "100.00", 1, 25, "25.00");
    mixed.id.number = InvoiceNumber::new("2").unwrap();
    mixed.lines[0].regime = Regime::Deduct;
    mixed.lines.push(Line { regime: Regime::Cost, ..line("1.320.120", "10.00", 1) });
    mixed.vat_totals = vec![total(1, 25, "110.00", "27.50")];
    mixed.payable = nok("137.50");
    books(
        world.register(&mixed),
        "964965226:1:320:260 100.00
         964965226:1:320:120 12.50
         964965226:2:16:610 25.00
         964965226:2:35:200 -137.50
         123456785:1500 137.50
         123456785:3000 -110.00
         123456785:2700 -27.50",
    );
}

#[test]
fn a_municipality_sells_with_vat_and_a_county_answers_on_its_own_function() {
    let mut world = World::new();
    let sold = invoice(
        N,
        "5",
        S,
        "2026-05-04",
        vec![line("1.222.260", "100.00", 1), line("1.222.120", "50.00", 0)],
        vec![total(0, 0, "50.00", "0"), total(1, 25, "100.00", "25.00")],
    );
    books(
        world.register(&sold),
        "964965226:1:222:260 100.00
         964965226:1:222:120 50.00
         964965226:1:222:429 25.00
         964965226:2:35:650 -175.00
         964965226:2:16:610 25.00
         964965226:1:222:729 -25.00
         964965137:2:13:650 175.00
         964965137:1:120:620 -50.00
         964965137:1:120:650 -100.00
         964965137:2:32:610 -25.00",
    );
    let lines = vec![line("1.202.330", "80.00", 0)];
    books(
        world.register(&invoice(C, "5", S, "2026-05-04", lines, vec![total(0, 0, "80.00", "0")])),
        "964965226:1:202:330 80.00
         964965226:2:35:640 -80.00
         888888888:2:13:650 80.00
         888888888:1:420:750 -80.00",
    );
}

#[test]
fn prepaid_amounts_lower_the_claim_on_both_sides() {
    let mut prepaid = cleaning();
    prepaid.prepaid = nok("25000.00");
    prepaid.payable = nok("100000.00");
    books(
        World::new().register(&prepaid),
        "964965226:1:222:260 100000.00
         964965226:1:222:429 25000.00
         964965226:2:13:200 -25000.00
         964965226:2:35:200 -100000.00
         964965226:2:16:610 25000.00
         964965226:1:222:729 -25000.00
         123456785:1500 100000.00
         123456785:2900 25000.00
         123456785:3000 -100000.00
         123456785:2700 -25000.00",
    );
}

#[test]
fn l6_answers_a_document_or_a_payment_id_that_is_used_with_what_used_it() {
    let mut world = World::new();
    let registration = world.signed(Operation::RegisterDocument(cleaning()), &[S_SUBMIT]);
    assert!(world.submit(&registration).is_ok());
    refused(
        world.submit(&registration),
        "L6",
        "payment id 964965226:01010101010101010101010101010101: this transaction is already booked at leaf 2; fetch its receipt",
    );
    let id = registration.transaction().id;
    let other =
        sign(Transaction { id, operation: Operation::Attest { document: cleaning().id } }, &[S_SUBMIT]);
    let words = format!(
        "payment id 964965226:01010101010101010101010101010101 was used at leaf 2 for transaction {}; choose a new id",
        registration.id()
    );
    refused(world.submit(&other), "L6", &words);
    refused(
        world.register(&cleaning()),
        "L6",
        "document 123456785 8841 2026-05-04 is already registered at leaf 2; do not submit it twice, or correct its number or issue date with the seller",
    );
    let again = Document { id: DocumentId { issued: date("2026-05-05"), ..cleaning().id }, ..cleaning() };
    assert!(world.register(&again).is_ok());
}

#[test]
fn l21_refuses_too_many_lines_and_amounts_beyond_the_limit() {
    let mut world = World::new();
    let mut long = cleaning();
    long.lines = vec![line("1.222.260", "1.00", 1); 121];
    refused(
        world.register(&long),
        "L21",
        "121 lines; 1 to 120 are booked in one transaction; add up lines of one account",
    );
    for amount in [i64::MIN, i64::MAX, 1_000_000_000_000_001] {
        let mut large = cleaning();
        large.lines[0].net = Amount(amount);
        assert_eq!(world.register(&large).unwrap_err().rule(), "L21");
    }
    let mut large = cleaning();
    large.payable = nok("10000000000000.01");
    refused(
        world.register(&large),
        "L21",
        "amount 10 000 000 000 000,01 is beyond 10 000 000 000 000,00; split it",
    );
    large.payable = nok("12500000000000.00");
    large.lines[0].net = nok("10000000000000.00");
    assert_eq!(world.register(&large).unwrap_err().rule(), "L21");
    let vast = one("1.222.260", "8000000000000.00", 1, 25, "2000000000000.00");
    assert!(world.register(&vast).is_ok());
}

#[test]
fn a_credit_note_turns_the_sides_and_is_set_off_against_what_is_open() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    let lines = || vec![line("1.222.260", "40000.00", 1)];
    let part = credit("K1", &cleaning(), lines(), vec![total(1, 25, "40000.00", "10000.00")]);
    books(
        world.register(&part),
        "964965226:1:222:260 -40000.00
         964965226:1:222:429 -10000.00
         964965226:2:35:200 50000.00
         964965226:2:16:610 -10000.00
         964965226:1:222:729 10000.00
         123456785:1500 -50000.00
         123456785:3000 40000.00
         123456785:2700 10000.00",
    );
    let (note, open) = (world.document(&part), world.document(&cleaning()));
    assert_eq!((note.status, note.open, note.corrects), (Status::Credited, Amount::ZERO, Some(0)));
    assert_eq!((open.status, open.open), (Status::Registered, nok("75000.00")));
    let much = credit("K2", &cleaning(), lines(), vec![total(1, 25, "40000.00", "10000.00")]);
    assert!(world.register(&much).is_ok());
    let more = credit("K3", &cleaning(), lines(), vec![total(1, 25, "40000.00", "10000.00")]);
    refused(
        world.register(&more),
        "L18",
        "credit note over 50 000,00, open on 123456785 8841 2026-05-04 is 25 000,00; have the seller credit at most that",
    );
    let rest = vec![line("1.222.260", "20000.00", 1)];
    let rest = credit("K4", &cleaning(), rest, vec![total(1, 25, "20000.00", "5000.00")]);
    assert!(world.register(&rest).is_ok());
    let invoice = world.document(&cleaning());
    assert_eq!((invoice.status, invoice.open), (Status::Credited, Amount::ZERO));
    assert_eq!(world.balance(S, "2.35.200", "2026-06").closing(), Total(0));
    assert_eq!(world.balance(L, "1500", "2026-06").closing(), Total(0));
    refused(
        world.send(Operation::Attest { document: cleaning().id }, &[S_ATTEST]),
        "L18",
        "document 123456785 8841 2026-05-04 is credited; registered is needed for this step",
    );
    world.audit();
}

#[test]
fn l18_refuses_a_credit_note_to_an_invoice_that_is_unknown_or_another_partys() {
    let mut world = World::new();
    let note = credit("K1", &cleaning(), cleaning().lines, cleaning().vat_totals);
    let words = "credit note 123456785 K1 2026-05-04 corrects 123456785 8841 2026-05-04, which is no registered invoice of its seller to its buyer; register that first, or name none";
    let words = words.replace("K1 2026-05-04", "K1 2026-06-01");
    refused(world.register(&note), "L18", &words);
    let mut to_n = cleaning();
    to_n.buyer = org(N);
    world.register(&to_n).unwrap();
    refused(world.register(&note), "L18", &words);
}

#[test]
fn a_credit_note_to_a_paid_invoice_stands_alone_and_is_refunded() {
    let mut world = World::new();
    world.register(&cleaning()).unwrap();
    world.order(&cleaning());
    world.send(settle(&cleaning(), nok("125000.00"), "2026-05-20", 1), &[S_BANK]).unwrap();
    let note = credit("K1", &cleaning(), cleaning().lines, cleaning().vat_totals);
    world.register(&note).unwrap();
    assert_eq!(world.document(&note).open, nok("125000.00"));
    let refund = settle(&note, nok("125000.00"), "2026-06-20", 2);
    refused(
        world.send(refund.clone(), &[S_BANK]),
        "L18",
        "document 123456785 K1 2026-06-01 is registered; approved is needed for this step",
    );
    world.approve(&note);
    refused(
        world.send(Operation::OrderPayment { document: note.id.clone(), amount: note.payable }, &[S_ORDER]),
        "L18",
        "document 123456785 K1 2026-06-01 is a credit note; its refund is booked when the bank reports it, without an order",
    );
    books(
        world.send(refund, &[S_BANK]),
        "964965226:2:35:200 -125000.00
         964965226:2:10:320 125000.00
         123456785:1920 -125000.00
         123456785:1500 125000.00",
    );
    assert_eq!(world.balance(S, "2.10.320", "2026-06").closing(), Total(0));
    assert_eq!(world.balance(L, "1500", "2026-06").closing(), Total(0));
    world.audit();
}

#[test]
fn the_largest_document_fits_its_leaf() {
    let mut world = World::new();
    let functions = [201, 202, 211, 213, 215, 221, 222, 223, 231, 232];
    let mut lines = Vec::new();
    for place in 0..120 {
        let function = functions[place % 10];
        let text = format!("1.{function}.{}", if place % 3 == 0 { 350 } else { 120 });
        let code = [1, 11, 13][place / 10 % 3];
        lines.push(Line {
            cost_centre: Some(u32::MAX),
            project: Some(u32::try_from(place).unwrap()),
            ..line(&text, "100000000.00", code)
        });
    }
    let totals = vec![
        total(1, 25, "4000000000.00", "1000000000.00"),
        total(11, 15, "4000000000.00", "600000000.00"),
        total(13, 12, "4000000000.00", "480000000.00"),
    ];
    let number = "N".repeat(35);
    let mut document = invoice(N, &number, S, "2026-05-04", lines, totals);
    document.rounding = nok("0.50");
    document.prepaid = nok("1.00");
    document.payable.0 -= 50;
    let transaction = world.signed(Operation::RegisterDocument(document), &[S_SUBMIT]);
    let entries = world.submit(&transaction).unwrap();
    let mut signed = transaction.signed().clone();
    let more = signed.signatures[0];
    signed.signatures.extend([more; 3]);
    let bytes = crate::codec::encode(&signed);
    assert!(bytes.len() < crate::transaction::TRANSACTION_BYTES_MAX, "{}", bytes.len());
    let leaf =
        crate::codec::encode(&crate::block::Leaf::Transaction(crate::block::Booked { signed, entries }));
    assert!(leaf.len() < crate::block::LEAF_BYTES_MAX, "{}", leaf.len());
}
