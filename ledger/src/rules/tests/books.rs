//! Worked examples, opening balances and periods.

use super::*;

fn opening() -> Vec<OpeningLine> {
    [
        ("2.10.320", "50000000.00"),
        ("2.13.200", "4000000.00"),
        ("2.27.000", "900000000.00"),
        ("2.35.200", "-9000000.00"),
        ("2.451.320", "-400000000.00"),
        ("2.51.000", "-2000000.00"),
        ("2.56.000", "-43000000.00"),
        ("2.5990.000", "-500000000.00"),
    ]
    .map(|(text, amount)| OpeningLine { account: account(text), amount: nok(amount) })
    .into()
}

fn open_books(day: &str, lines: Vec<OpeningLine>) -> Operation {
    Operation::OpenBooks { entity: org(S), date: date(day), lines }
}

fn close(entity: u32, period: &str) -> Operation {
    Operation::ClosePeriod { entity: org(entity), period: Period::parse(period).unwrap() }
}

#[test]
fn e1_to_e4_are_booked_to_the_ore() {
    let mut world = World::new();
    books(
        world.send(open_books("2026-01-01", opening()), &[S_ADMIN, AUDITOR]),
        "964965226:2:10:320      50000000.00 NOK
         964965226:2:13:200       4000000.00 NOK
         964965226:2:27:000     900000000.00 NOK
         964965226:2:35:200      -9000000.00 NOK
         964965226:2:451:320     -400000000.00 NOK
         964965226:2:51:000      -2000000.00 NOK
         964965226:2:56:000     -43000000.00 NOK
         964965226:2:5990:000  -500000000.00 NOK",
    );
    let cleaning = cleaning();
    books(
        world.register(&cleaning),
        "964965226:1:222:260       100000.00 NOK
         964965226:1:222:429        25000.00 NOK
         964965226:2:35:200       -125000.00 NOK
         964965226:2:16:610         25000.00 NOK
         964965226:1:222:729       -25000.00 NOK
         123456785:1500            125000.00 NOK
         123456785:3000           -100000.00 NOK
         123456785:2700            -25000.00 NOK",
    );
    let lines = vec![line("1.253.115", "8333.33", 11), line("1.253.170", "1234.56", 13)];
    let totals = vec![total(11, 15, "8333.33", "1250.00"), total(13, 12, "1234.56", "148.15")];
    let mut food = invoice(L, "8842", S, "2026-05-06", lines, totals);
    food.rounding = nok("-0.04");
    food.payable = nok("10966.00");
    books(
        world.register(&food),
        "964965226:1:253:115         8333.33 NOK
         964965226:1:253:170         1234.56 NOK
         964965226:1:253:429         1398.15 NOK
         964965226:1:253:115           -0.04 NOK
         964965226:2:35:200        -10966.00 NOK
         964965226:2:16:610          1398.15 NOK
         964965226:1:253:729        -1398.15 NOK
         123456785:1500             10966.00 NOK
         123456785:7770                 0.04 NOK
         123456785:3001             -8333.33 NOK
         123456785:3002             -1234.56 NOK
         123456785:2700             -1398.15 NOK",
    );
    world.order(&cleaning);
    books(
        world.send(settle(&cleaning, nok("125000.00"), "2026-05-20", 1), &[S_BANK]),
        "964965226:2:35:200        125000.00 NOK
         964965226:2:10:320       -125000.00 NOK
         123456785:1920            125000.00 NOK
         123456785:1500           -125000.00 NOK",
    );
    world.audit();
    let payables = world.balance(S, "2.35.200", "2026-05");
    assert_eq!(payables.opening, Total(-900_000_000));
    assert_eq!(payables.closing(), Total(-900_000_000 - 1_096_600));
    assert_eq!((payables.count, payables.debit, payables.credit), (3, Total(12_500_000), Total(13_596_600)));
}

#[test]
fn e5_two_municipalities_book_one_document_as_cost_and_as_answering_income() {
    let mut world = World::new();
    let pupils = |seller, number, buyer, day, net| {
        invoice(seller, number, buyer, day, vec![line("1.202.350", net, 0)], vec![total(0, 0, net, "0")])
    };
    books(
        world.register(&pupils(N, "77", S, "2026-05-21", "250000.00")),
        "964965226:1:202:350       250000.00 NOK
         964965226:2:35:650       -250000.00 NOK
         964965137:2:13:650        250000.00 NOK
         964965137:1:202:750      -250000.00 NOK",
    );
    books(
        world.register(&pupils(S, "12", N, "2026-05-22", "40000.00")),
        "964965137:1:202:350        40000.00 NOK
         964965137:2:35:650        -40000.00 NOK
         964965226:2:13:650         40000.00 NOK
         964965226:1:202:750       -40000.00 NOK",
    );
    world.audit();
}

#[test]
fn e10_compensation_of_an_investment_is_income_of_function_841() {
    let mut world = World::new();
    let lines = vec![line("0.222.230", "10000000.00", 1)];
    let totals = vec![total(1, 25, "10000000.00", "2500000.00")];
    books(
        world.register(&invoice(P, "1", S, "2026-06-01", lines, totals)),
        "964965226:0:222:230     10000000.00 NOK
         964965226:0:222:429      2500000.00 NOK
         964965226:2:35:200     -12500000.00 NOK
         964965226:2:16:610      2500000.00 NOK
         964965226:0:841:729     -2500000.00 NOK",
    );
}

#[test]
fn an_invoice_of_2013_is_judged_by_the_rates_and_codes_of_2013() {
    let mut world = World::beginning("2013-01");
    let lines = vec![line("1.190.290", "1000.00", 1), line("1.254.170", "1000.00", 13)];
    let totals = vec![total(1, 25, "1000.00", "250.00"), total(13, 8, "1000.00", "80.00")];
    let old = invoice(L, "13", S, "2013-03-01", lines, totals);
    assert!(world.register(&old).is_ok());
    let lines = vec![line("1.222.170", "1000.00", 13)];
    let wrong = invoice(L, "14", S, "2013-03-01", lines, vec![total(13, 12, "1000.00", "120.00")]);
    refused(
        world.register(&wrong),
        "L4",
        "VAT code 13: rate 12 %, in force on 2013-03-01 is 8 %; correct rate, code or tax point",
    );
    world.audit();
}

#[test]
fn l10_voucher_numbers_have_no_gap_and_begin_anew_each_year() {
    let mut world = World::beginning("2025-01");
    let mut numbers = Vec::new();
    for (number, day) in [("1", "2025-11-04"), ("2", "2026-01-04"), ("3", "2025-12-04"), ("4", "2026-02-01")]
    {
        let lines = vec![line("1.222.260", "100.00", 1)];
        let document = invoice(L, number, S, day, lines, vec![total(1, 25, "100.00", "25.00")]);
        let mut broken = document.clone();
        broken.payable = nok("1.00");
        assert!(world.register(&broken).is_err());
        let entries = world.register(&document).unwrap();
        numbers.push(entries.iter().map(|entry| entry.voucher.to_string()).collect::<Vec<_>>());
    }
    assert_eq!(numbers, [["2025/1"; 2], ["2026/1"; 2], ["2025/2"; 2], ["2026/2"; 2]]);
}

#[test]
fn a_late_posting_moves_the_opening_of_later_periods_but_not_of_the_next_years_costs() {
    let mut world = World::beginning("2025-01");
    for (number, day) in [("1", "2025-11-04"), ("2", "2026-03-04"), ("3", "2025-10-04"), ("4", "2026-02-01")]
    {
        let lines = vec![line("1.222.260", "100.00", 1)];
        world.register(&invoice(L, number, S, day, lines, vec![total(1, 25, "100.00", "25.00")])).unwrap();
        world.audit();
    }
    assert_eq!(world.balance(S, "2.35.200", "2026-03").opening, Total(-37_500));
    assert_eq!(world.balance(S, "1.222.260", "2026-03").opening, Total(10_000));
    assert_eq!(world.balance(L, "1500", "2026-03").opening, Total(37_500));
    assert_eq!(world.balance(L, "3000", "2025-11").opening, Total(-10_000));
}

#[test]
fn l9_refuses_dates_ahead_before_the_books_too_far_back_and_in_closed_periods() {
    let mut world = World::new().on("2026-05-04");
    let dated = |day: &str| Document { date: date(day), ..cleaning() };
    refused(
        world.register(&dated("2026-05-05")),
        "L9",
        "2026-05-05 is after the ledger's date 2026-05-04; submit it when the day has come",
    );
    refused(
        world.register(&dated("2025-12-31")),
        "L9",
        "2025-12-31: the books of 964965226 begin with 2026-01; bring earlier amounts in by the opening balance",
    );
    assert_eq!(world.send(close(S, "2026-01"), &[S_ADMIN]), Ok(vec![]));
    refused(
        world.register(&dated("2026-01-31")),
        "L9",
        "2026-01-31: period 2026-01 of 964965226 is closed; use a date in an open period",
    );
    let mut old = World::beginning("2000-01").on("2026-05-04");
    refused(
        old.register(&dated("2006-04-30")),
        "L9",
        "2006-04-30 is more than 240 periods before the ledger's date 2026-05-04; use a later date",
    );
    // The buyer's own books are open in January, the seller's are not.
    let pupils = vec![line("1.202.350", "1.00", 0)];
    let from_s = invoice(S, "1", N, "2026-01-31", pupils, vec![total(0, 0, "1.00", "0")]);
    refused(
        world.register(&from_s),
        "L9",
        "2026-01-31: period 2026-01 of 964965226 is closed; use a date in an open period",
    );
    world.audit();
}

#[test]
fn l19_closes_periods_in_order_and_when_they_are_over() {
    let mut world = World::new().on("2026-03-31");
    refused(
        world.send(close(S, "2026-02"), &[S_ADMIN]),
        "L19",
        "period 2026-02 of 964965226: the next to close is 2026-01; close periods in order",
    );
    assert_eq!(world.send(close(S, "2026-01"), &[S_ADMIN]), Ok(vec![]));
    assert_eq!(world.send(close(S, "2026-02"), &[S_ADMIN]), Ok(vec![]));
    for period in ["2026-01", "2025-12", "2026-04"] {
        refused(
            world.send(close(S, period), &[S_ADMIN]),
            "L19",
            &format!("period {period} of 964965226: the next to close is 2026-03; close periods in order"),
        );
    }
    refused(
        world.send(close(S, "2026-03"), &[S_ADMIN]),
        "L19",
        "period 2026-03 is not over on 2026-03-31; close it when it is",
    );
    refused(
        world.send(close(S, "2026-03"), &[S_SUBMIT]),
        "L7",
        "no signing key holds the administer mandate for 964965226 on 2026-03-31; sign with a key that does, or have it granted",
    );
    refused(
        world.send(close(A, "2026-03"), &[S_ADMIN]),
        "L17",
        "entity 999999999 keeps no books in this ledger; register it with books, or leave this to its own system",
    );
    assert_eq!(world.all::<PeriodRecord>().iter().map(|period| period.closed).collect::<Vec<_>>(), [true; 2]);
}

#[test]
fn l20_books_an_opening_balance_once_in_the_first_period_on_balance_accounts() {
    let mut world = World::new();
    let both = [S_ADMIN, AUDITOR];
    let mut costs = opening();
    costs[0].account = account("1.222.260");
    refused(
        world.send(open_books("2026-01-01", costs), &both),
        "L20",
        "opening balance: account 1.222.260 does not carry over; use balance accounts only",
    );
    refused(
        world.send(open_books("2026-02-01", opening()), &both),
        "L20",
        "opening balance on 2026-02-01: the books begin with 2026-01; use a date in that period",
    );
    let mut unbalanced = opening();
    unbalanced[0].amount.0 += 1;
    refused(
        world.send(open_books("2026-01-01", unbalanced), &both),
        "L1",
        "entity 964965226: debit 954 000 000,01, credit 954 000 000,00; add a posting for the difference",
    );
    let nothing = vec![OpeningLine { account: account("2.10.320"), amount: Amount::ZERO }];
    refused(
        world.send(open_books("2026-01-01", nothing), &both),
        "L1",
        "entity 964965226: an entry has at least two postings and none of zero; found 0 postings",
    );
    refused(
        world.send(open_books("2026-01-01", vec![]), &both),
        "L21",
        "0 lines; 1 to 120 are booked in one transaction; add up lines of one account",
    );
    assert!(world.send(open_books("2026-01-01", opening()), &both).is_ok());
    refused(
        world.send(open_books("2026-01-01", opening()), &both),
        "L20",
        "the opening balance of 964965226 is already booked; correct it by later entries",
    );
    world.audit();
}

#[test]
fn l7_an_opening_balance_needs_the_administrator_and_another_holder_as_auditor() {
    let mut world = World::new();
    refused(
        world.send(open_books("2026-01-01", opening()), &[S_ADMIN]),
        "L7",
        "no signing key holds the audit mandate for 964965226 on 2026-07-01; sign with a key that does, or have it granted",
    );
    let audit = granted(S_ADMIN, S, 1, &[(S, Role::Audit)]);
    assert_eq!(world.send(Operation::GrantKey(audit), &[REGISTRAR]), Ok(vec![]));
    refused(
        world.send(open_books("2026-01-01", opening()), &[S_ADMIN]),
        "L7",
        "opening balance of 964965226: administrator and auditor are one holder; have the auditor sign with a key of its own",
    );
    assert!(world.send(open_books("2026-01-01", opening()), &[S_ADMIN, AUDITOR]).is_ok());
}
