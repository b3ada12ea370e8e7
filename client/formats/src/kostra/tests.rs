use std::collections::BTreeMap;

use ledger::codes;
use ledger::records::CodeList;
use ledger::time::Date;
use proptest::prelude::*;

use super::*;

fn heading(form: &'static Form) -> Heading {
    Heading {
        form,
        year: 2025,
        quarter: Some(4),
        region: "110300".to_string(),
        entity: None,
        undertaking: None,
    }
}

fn account(text: &str) -> Account {
    Account::parse(text).unwrap()
}

fn file(records: &[Record]) -> String {
    let mut out = Vec::new();
    write(records, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn report(text: &str, expected: &Expected) -> Report {
    let list = codes::parse(include_str!("../../../../node/genesis/codes.txt")).unwrap();
    let day = Date::new(20251231).unwrap();
    let known = |wanted: CodeList, code: u16| {
        list.iter().any(|record| record.list == wanted && record.code == code && record.valid_on(day))
    };
    let mut checker = Checker::new(expected, &known);
    read(text.as_bytes(), &mut |line, record| {
        checker.take(line, &record);
        Ok(())
    })
    .unwrap();
    checker.finish()
}

fn says(text: &str) -> Vec<String> {
    let expected = Expected { heading: heading(Form::MUNICIPALITY), entities: Vec::new() };
    report(text, &expected).findings.iter().map(ToString::to_string).collect()
}

const LINE: &str = "0A20254110300                  1222 260      125";

#[test]
fn the_books_of_one_trial_balance_make_both_forms() {
    let balances = [
        ("1.222.260", 10_000_000),
        ("1.222.429", 2_500_000),
        ("1.222.729", -2_500_000),
        ("0.841.729", -250_000_000),
        ("2.35.200", -12_500_000),
        ("2.5990.000", 40_000),
        ("1.120.195", 4_000),
    ];
    let balances = balances.map(|(text, ore)| (account(text), Amount(ore)));
    assert_eq!(
        file(&from_balances(&heading(Form::MUNICIPALITY), balances).unwrap()),
        "0A20254110300                  0841 729    -2500\n\
         0A20254110300                  1222 260      100\n\
         0A20254110300                  1222 429       25\n\
         0A20254110300                  1222 729      -25"
    );
    assert_eq!(
        file(&from_balances(&heading(Form::MUNICIPALITY_BALANCE), balances).unwrap()),
        "0B20254110300                  235  200     -125"
    );
}

#[test]
fn rounding_gives_the_lost_thousand_to_the_account_that_lost_most() {
    let balances = [
        (account("1.120.010"), Amount(150_049_999)),
        (account("1.120.020"), Amount(50_050_000)),
        (account("1.120.700"), Amount(-200_099_999)),
    ];
    let records = from_balances(&heading(Form::MUNICIPALITY), balances).unwrap();
    let thousands: Vec<_> = records.iter().map(|record| record.thousands().unwrap()).collect();
    assert_eq!(thousands, [1500, 501, -2001]);
}

#[test]
fn f_kostra_refuses_what_no_record_can_state() {
    let form = Form::MUNICIPALITY;
    let refuse = |heading: Heading, account: Account, ore: i64| {
        from_balances(&heading, [(account, Amount(ore))]).unwrap_err().to_string()
    };
    let (art, thousand) = (account("1.222.260"), 100_000);
    let with = |change: &dyn Fn(&mut Heading)| {
        let mut changed = heading(form);
        change(&mut changed);
        refuse(changed, art, thousand)
    };
    for (text, says) in [
        (with(&|h| h.year = 25), "year \"25\" does not fit a record; write four digits"),
        (with(&|h| h.quarter = Some(5)), "quarter \"5\" does not fit"),
        (with(&|h| h.region = "1103".to_string()), "region \"1103\" does not fit"),
        (with(&|h| h.form = Form::parse("0M").unwrap()), "form \"0M\" does not fit a record; write 0A to 0D"),
        (refuse(heading(form), account("S870"), thousand), "account S870 has no place in form 0A"),
        (
            refuse(heading(form), art, i64::MAX),
            "stands at 92233720368548 thousand, more than a record states",
        ),
        (Form::parse("0Z").unwrap_err().to_string(), "form \"0Z\" is none of 0A to 0Q"),
    ] {
        assert!(text.contains(says), "{text}");
    }
    for (line, says) in [
        (&LINE[1..], "line 1 has 47 characters, a record has 48"),
        (&LINE.replace("222 ", "22æ"), "line 1 holds a character that is no letter"),
        (&LINE.repeat(3), "line 1 has 64 characters"),
        ("\n", "line 1 has 0 characters"),
    ] {
        let error = read(line.as_bytes(), &mut |_, _| Ok(())).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(read(format!("{LINE}\r\n{LINE}\r\n").as_bytes(), &mut |_, _| Ok(())).unwrap(), 2);
}

#[test]
fn kostra_003_to_015_find_what_they_are_for_and_nothing_in_a_right_record() {
    assert_eq!(says(LINE), Vec::<String>::new());
    for (from, to, finding) in [
        ("0A", "0B", "KOSTRA-003 line 1: form \"0B\" is reported, \"0A\" is expected; correct it"),
        ("2025", "2024", "KOSTRA-004 line 1: year \"2024\""),
        ("20254", "20253", "KOSTRA-005 line 1: quarter \"3\""),
        ("110300", "030100", "KOSTRA-006 line 1: region \"030100\""),
        ("110300         ", "110300964965226", "KOSTRA-007 line 1: organisation number \"964965226\""),
        ("         1222", "9649652261222", "KOSTRA-008 line 1: undertaking \"964965226\""),
        (
            " 1222",
            " 2222",
            "KOSTRA-009 line 1: account class \"2\" has no place in form 0A, which takes '0' and '1'",
        ),
        ("222 ", "999 ", "KOSTRA-010 line 1: function \"999 \" is not on the list of 2025"),
        ("222 ", " 222", "KOSTRA-010 line 1: function \" 222\""),
        (" 260", " 999", "KOSTRA-012 line 1: art \"999\""),
        ("      125", "     12,5", "KOSTRA-014 line 1: amount \"     12,5\" is not a whole number"),
        ("      125", "125      ", "KOSTRA-014 line 1"),
        ("      125", "\t     125", "KOSTRA-014 line 1"),
    ] {
        let text = LINE.replacen(from, to, 1);
        assert_ne!(text, LINE);
        let found = says(&text);
        assert!(found.len() == 1 && found[0].starts_with(finding), "{finding}: {found:?}");
    }
    let twice = format!("{LINE}\n{}", LINE.replace("      125", "       -1"));
    assert_eq!(
        says(&twice),
        [
            "KOSTRA-015 line 1: 1.222.260 stands 2 times, with the amounts 125, -1; Statistics Norway adds them up: if that is not meant, correct the records"
        ]
    );
}

#[test]
fn kostra_011_and_013_judge_the_balance_and_a_quarter_is_only_warned() {
    let mut of_form = heading(Form::MUNICIPALITY_BALANCE);
    let line = "0B20254110300                  235  999     -125";
    let expected = Expected { heading: of_form.clone(), entities: Vec::new() };
    let judged = report(line, &expected);
    assert_eq!((judged.findings[0].rule, judged.is_taken()), ("KOSTRA-013", false));
    of_form.quarter = Some(2);
    let expected = Expected { heading: of_form, entities: Vec::new() };
    let line = "0B20252110300                  2999 200     -125";
    let judged = report(line, &expected);
    assert_eq!((judged.findings[0].rule, judged.is_taken()), ("KOSTRA-011", true));
    assert_eq!(judged.sums, BTreeMap::from([("2".to_string(), -125)]));
}

#[test]
fn kostra_007_any_of_the_entitys_numbers_is_right_and_findings_are_bounded() {
    let number = OrgNumber::parse("964965226").unwrap();
    let expected = Expected { heading: heading(Form::MUNICIPALITY), entities: vec![number] };
    let text = LINE.replace("110300         ", "110300964965226");
    assert_eq!(report(&text, &expected).count, 0);
    let broken = vec![LINE.replace("222 ", "999 "); 300].join("\n");
    let judged = report(&broken, &expected);
    assert_eq!((judged.count, judged.errors, judged.findings.len()), (301, 300, check::FINDINGS_MAX));
}

proptest! {
    #[test]
    fn every_class_keeps_its_sum_and_no_account_moves_by_a_thousand(
        amounts in proptest::collection::vec((0_u16..2, 100_u16..140, 10_u16..60, -500_000_000_i64..500_000_000), 1..200)
    ) {
        let balances: Vec<_> = amounts
            .into_iter()
            .map(|(class, function, art, ore)| {
                let class = if class == 0 { Class::Investment } else { Class::Operating };
                (Account::kostra(class, function, art), Amount(ore))
            })
            .collect();
        let records = from_balances(&heading(Form::MUNICIPALITY), balances.iter().copied()).unwrap();
        for (digit, class) in [("0", Class::Investment), ("1", Class::Operating)] {
            let sum = class_sum(&balances, class).0;
            let of_class = records.iter().filter(|record| record.class() == digit);
            let reported: i128 = of_class.map(|record| i128::from(record.thousands().unwrap())).sum();
            prop_assert!((reported * THOUSAND - sum).abs() <= THOUSAND / 2);
        }
        let mut sums: BTreeMap<Account, i128> = BTreeMap::new();
        for (account, amount) in &balances {
            *sums.entry(*account).or_default() += i128::from(amount.0);
        }
        for record in &records {
            let exact = sums.remove(&record.account().unwrap()).unwrap();
            prop_assert!((i128::from(record.thousands().unwrap()) * THOUSAND - exact).abs() < THOUSAND);
        }
        prop_assert!(sums.values().all(|exact| exact.abs() < THOUSAND));
    }
}
