use std::io::{BufReader, Read};

use proptest::prelude::*;

use super::budget::{Columns, Numbers};
use super::*;

fn rows(bytes: &[u8], separator: u8) -> Result<Vec<Vec<String>>, CsvError> {
    let mut rows = Rows::new(bytes, separator);
    let mut found = Vec::new();
    while let Some(row) = rows.next_row()? {
        found.push(row.fields().map(String::from).collect());
    }
    Ok(found)
}

fn refused(text: &str) -> String {
    rows(text.as_bytes(), b',').unwrap_err().to_string()
}

#[test]
fn rows_read_with_and_without_marks_returns_and_quotation() {
    for (text, expected) in [
        ("a,b\r\nc,d\r\n", vec![vec!["a", "b"], vec!["c", "d"]]),
        ("a,b\nc,d", vec![vec!["a", "b"], vec!["c", "d"]]),
        ("\u{FEFF}a,b\n", vec![vec!["a", "b"]]),
        ("\"a,\"\"b\"\"\r\nc\",\"\"\n", vec![vec!["a,\"b\"\r\nc", ""]]),
        ("\"a\"\r\n\r\n\nb,\n", vec![vec!["a"], vec!["b", ""]]),
        (",\n", vec![vec!["", ""]]),
        ("\"\"", vec![vec![""]]),
        ("", vec![]),
    ] {
        assert_eq!(rows(text.as_bytes(), b',').unwrap(), expected, "{text:?}");
    }
    let mut numbered = Rows::new(&b"a\n\n\"b\nc\"\nd\n"[..], b';');
    let lines: Vec<u64> = std::iter::from_fn(|| numbered.next_row().unwrap().map(|row| row.line)).collect();
    assert_eq!(lines, [1, 3, 5]);
}

#[test]
fn f_csv_a_row_that_could_be_read_in_two_ways_is_refused_with_its_line() {
    assert_eq!(
        refused("a,b\n\"c\"d,e\n"),
        "line 2: text follows a closing quotation mark; double the marks within a field"
    );
    assert!(refused("a\nb\"c\"\n").starts_with("line 2: a quotation mark stands within a field"));
    assert!(refused("a\n\"b\n").starts_with("line 2: a quotation mark is not closed"));
    assert!(refused("a\rb\n").starts_with("line 1: a carriage return stands alone"));
    assert!(refused("a\nb\u{0}\n").starts_with("line 2: character U+0000"));
    assert!(rows(b"a\n\xE6\n", b',').unwrap_err().to_string().contains("line 2: the row is not UTF-8"));
    assert!(rows(b"\xFF\xFEa\0", b',').unwrap_err().to_string().contains("UTF-16"));
    let mut table = Table::open(&b"a;b;a\n1;2;3\n1;2\n"[..], b';').unwrap();
    assert_eq!(table.column("b").unwrap(), 1);
    assert_eq!(
        table.column("c").unwrap_err().to_string(),
        "the file has no column \"c\", only a, b, a; name the columns as they are"
    );
    assert_eq!(table.column("a").unwrap_err().rule(), Some("F-CSV"));
    table.next_row().unwrap();
    assert!(
        table
            .next_row()
            .unwrap_err()
            .to_string()
            .starts_with("line 3: the row has 2 fields, the first row names 3")
    );
}

#[test]
fn f_size_a_row_without_an_end_is_refused_at_its_limit() {
    for again in [&b"x"[..], b"\"", b",", b"\"x", b"\"\"\"\""] {
        let endless = BufReader::new(std::io::repeat(0).take(0).chain(Again(again, 0)));
        let mut rows = Rows::new(endless, b',');
        let error = rows.next_row().unwrap_err();
        assert!(error.rule().is_some(), "{error}");
    }
    assert!(rows(&[b'x'; ROW_BYTES_MAX], b',').is_ok());
    assert_eq!(rows(&[b'x'; ROW_BYTES_MAX + 1], b',').unwrap_err().rule(), Some("F-SIZE"));
    assert_eq!(rows(&[b','; COLUMNS_MAX - 1], b',').unwrap()[0].len(), COLUMNS_MAX);
    assert_eq!(rows(&[b','; COLUMNS_MAX], b',').unwrap_err().rule(), Some("F-SIZE"));
}

struct Again(&'static [u8], usize);

impl Read for Again {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        for byte in into.iter_mut() {
            *byte = self.0[self.1 % self.0.len()];
            self.1 += 1;
        }
        Ok(into.len())
    }
}

#[test]
fn money_reads_as_people_write_it_and_not_in_two_ways() {
    for (text, decimals, ore) in [
        ("1 234,50", Decimals::Comma, 123_450),
        ("-470000", Decimals::Comma, -47_000_000),
        ("-105 000 000 ", Decimals::Comma, -10_500_000_000),
        ("1.234,5", Decimals::Comma, 123_450),
        ("1\u{A0}234", Decimals::Comma, 123_400),
        ("12\u{202F}345\u{202F}678,90", Decimals::Comma, 1_234_567_890),
        ("kr -12,00", Decimals::Comma, -1200),
        ("\u{2212}0,04", Decimals::Comma, -4),
        ("£1,234.50", Decimals::Point, 123_450),
        ("-£12", Decimals::Point, -1200),
        ("£-12.5", Decimals::Point, -1250),
        ("(12.00)", Decimals::Point, -1200),
        ("10140.00", Decimals::Point, 1_014_000),
        ("1.500", Decimals::Point, 150),
    ] {
        assert_eq!(amount(text, decimals), Some(Amount(ore)), "{text}");
    }
    for (text, decimals) in [
        ("", Decimals::Comma),
        ("-", Decimals::Comma),
        (",5", Decimals::Comma),
        ("1,5,0", Decimals::Comma),
        ("1,234.50", Decimals::Comma),
        ("1.234", Decimals::Point),
        ("1234,50", Decimals::Point),
        ("12 34", Decimals::Comma),
        ("1 2345", Decimals::Comma),
        ("1234 567", Decimals::Comma),
        ("1 234.567", Decimals::Comma),
        ("1.234 567", Decimals::Comma),
        ("--1", Decimals::Comma),
        ("(-1)", Decimals::Comma),
        ("-£-1", Decimals::Point),
        ("1e3", Decimals::Point),
        ("0,005", Decimals::Comma),
        ("92233720368547758,08", Decimals::Comma),
        ("999999999999999999999999999", Decimals::Comma),
        ("$1", Decimals::Point),
        ("1-", Decimals::Point),
    ] {
        assert_eq!(amount(text, decimals), None, "{text}");
    }
}

#[test]
fn codes_with_letters_get_numbers_that_no_other_code_has() {
    let mut numbers = Numbers::default();
    numbers.give("Z", 900_000_005).unwrap();
    let found: Vec<u32> = ["316000", "30000S", "F310", "30000S", "010", "900000001", "12345678901", "Z"]
        .into_iter()
        .map(|code| numbers.number(code).unwrap())
        .collect();
    assert_eq!(
        found,
        [316_000, 900_000_006, 900_000_007, 900_000_006, 900_000_008, 900_000_009, 900_000_010, 900_000_005]
    );
    assert_eq!(numbers.given().count(), 6);
    assert_eq!(
        numbers.give("Y", 900_000_005).unwrap_err().to_string(),
        "number 900000005 is given to \"Z\" and to \"Y\"; give each code its own"
    );
    numbers.give("X", 42).unwrap();
    assert!(numbers.number("42").is_err());
    assert!(numbers.give("X", 43).is_err());
}

#[test]
fn f_csv_a_budget_row_that_is_no_account_or_amount_is_refused_with_its_line() {
    let head = "konto;konto_tekst;ansvar;tjeneste;budsjett_2013\n";
    let of = |row: &str| {
        let text = format!("{head}{row}\n");
        budget::read(text.as_bytes(), &Columns::SOGNDAL, &mut |_| Ok(())).map(|summary| summary.sum.0)
    };
    assert_eq!(of("10100;x;100;38500;-1 000").unwrap(), -100_000);
    for (row, says) in [
        ("1010;x;100;38500;1", "line 2: \"1010\" is no account of five digits"),
        ("20100;x;100;38500;1", "line 2: \"20100\" is no account"),
        ("10100;x;100;3850;1", "line 2: \"3850\" is no service of five digits; correct it"),
        ("10100;x;100;38500;1,234", "line 2: \"1,234\" is no amount; write it as 1 234,50 or -470000"),
        ("10100;x;100;38500", "line 2: the row has 4 fields"),
    ] {
        let error = of(row).unwrap_err();
        assert!(error.to_string().starts_with(says), "{error}");
        assert_eq!(error.rule(), Some("F-CSV"));
    }
}

#[test]
fn f_csv_a_payment_whose_parts_do_not_make_up_its_total_is_refused() {
    let head = "partinamn;partitype;grunnstonad;stemmestonad;totalt\n";
    let text = format!("{head}A;k;1 000,50;0,50;1 001,00\n;;;;\nB;k;1;2;4\n");
    let mut payees = Vec::new();
    let error = payments::read(text.as_bytes(), &payments::Columns::PARTY_SUPPORT, &mut |payment| {
        payees.push(payment.payee.to_string());
        Ok(())
    })
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 4: grunnstonad and stemmestonad add up to 3,00, the row says 4,00; correct the one that is wrong"
    );
    assert_eq!(payees, ["A"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back_whatever_stands_in_it(
        table in prop::collection::vec(prop::collection::vec("[\\PC\r\n\"',;\t]{0,12}", 1..8), 0..8),
        norwegian: bool,
        window in 1..50_usize,
    ) {
        let style = if norwegian { Style::NORWEGIAN } else { Style::PLAIN };
        let mut writer = Writer::new(Vec::new(), style);
        for row in &table {
            writer.row(row).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let mut read = Rows::new(BufReader::with_capacity(window, &bytes[..]), style.separator);
        let mut found: Vec<Vec<String>> = Vec::new();
        while let Some(row) = read.next_row().unwrap() {
            found.push(row.fields().map(String::from).collect());
        }
        prop_assert_eq!(found, table);
    }

    #[test]
    fn random_bytes_are_rows_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = rows(&bytes, b',');
    }

    #[test]
    fn every_amount_reads_back_in_both_styles(ore in any::<i64>()) {
        for style in [Style::PLAIN, Style::NORWEGIAN] {
            let text = style.amount(Amount(ore));
            let read = amount(&text, style.decimals);
            prop_assert_eq!(read, Some(Amount(ore)).filter(|_| ore != i64::MIN), "{}", text);
        }
    }
}

#[test]
fn the_journal_is_a_row_a_posting_and_sums_to_zero() {
    use ledger::entry::{JournalEntry, Posting, Rate, Regime, Vat, Voucher};
    use ledger::time::{Date, Period, Timestamp};

    let entity = ledger::entity::OrgNumber::new(964_965_226).unwrap();
    let account = |text| ledger::account::Account::parse(text).unwrap();
    let mut net = Posting::new(account("1.222.260"), Amount(10_000_050));
    (net.cost_centre, net.project) = (Some(4102), Some(542));
    net.vat = Some(Vat { code: 11, regime: Regime::Compensate, base: Amount(10_000_050), rate: Rate(1111) });
    let mut owed = Posting::new(account("2.35.890"), Amount(-10_000_050));
    owed.counterparty = Some(ledger::entity::OrgNumber::new(964_965_137).unwrap());
    let (voucher, date) = (Voucher { year: 2026, number: 412 }, Date::new(20_260_304).unwrap());
    let mut books = crate::books::Listed {
        about: crate::books::About {
            entity,
            kind: ledger::entity::EntityKind::Municipality,
            name: "Stavanger kommune".to_string(),
            from: Period::new(202_603).unwrap(),
            to: Period::new(202_603).unwrap(),
            chain: "hovedbok.example/main".to_string(),
            checkpoint: 9,
        },
        openings: std::collections::BTreeMap::new(),
        entries: vec![crate::books::Entry {
            journal: JournalEntry::new(entity, voucher, date, None, vec![net, owed]).unwrap(),
            leaf: ledger::block::LeafIndex(7),
            time: Timestamp(0),
            transaction: ledger::transaction::TransactionId(ledger::digest::Digest([0xab; 32])),
            kind: "invoice; registered",
            document: None,
        }],
        parties: std::collections::BTreeMap::new(),
    };
    let mut bytes = Vec::new();
    journal::journal(&mut books, Style::NORWEGIAN, &mut bytes).unwrap();
    let hash = "ab".repeat(32);
    let expected = format!(
        "{}\r\n\
         964965226;2026/412;1;2026-03-04;2026-03;1.222.260;1;222;260;;100000,50;4102;542;11;compensated;100000,50;11,11;;;;;\"invoice; registered\";7;{hash}\r\n\
         964965226;2026/412;2;2026-03-04;2026-03;2.35.890;2;;35;890;-100000,50;;;;;;;964965137;;;;\"invoice; registered\";7;{hash}\r\n",
        journal::COLUMNS.join(";")
    );
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
    let mut table = Table::open(&bytes[..], b';').unwrap();
    let place = table.column("amount").unwrap();
    let mut sum = 0;
    while let Some(row) = table.next_row().unwrap() {
        sum += amount(row.get(place), Decimals::Comma).unwrap().0;
    }
    assert_eq!(sum, 0);
}
