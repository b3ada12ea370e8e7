//! Budgets and payments that public bodies published, read in full: rows and sums as their READMEs
//! say. Without `../shared/data` a test says what it passed over.
#![allow(clippy::unwrap_used)]

mod judge;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufReader;

use formats::csv::budget::{self, Columns, Numbers};
use formats::csv::payments;
use judge::{row, shared};
use ledger::account::Class;
use ledger::amount::Total;

fn open(path: &str) -> Option<BufReader<File>> {
    shared(path).map(|path| BufReader::new(File::open(path).unwrap()))
}

#[test]
fn the_stavanger_2016_budget_loads_and_sums_to_zero() {
    let Some(file) = open("norwegian-open-finance/stavanger-budsjett-2016-drift.csv") else { return };
    let (mut cells, mut centres, mut numbers) = (BTreeSet::new(), BTreeSet::new(), Numbers::default());
    let mut pair = (Total::default(), Total::default());
    let summary = budget::read(file, &Columns::STAVANGER_OPERATING, &mut |line| {
        let centre = numbers.number(line.cost_centre).unwrap();
        let project = line.project.map(|project| numbers.number(project).unwrap());
        cells.insert((line.account, centre, project));
        centres.insert(line.cost_centre.to_string());
        assert_eq!(line.account.class, Class::Operating);
        match line.account.code {
            429 => pair.0.add(line.amount),
            729 => pair.1.add(line.amount),
            _ => {}
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((summary.lines, summary.sum, summary.gross), (11_130, Total(0), Total(1_203_665_000_000)));
    assert_eq!(summary.unnamed, 347);
    assert_eq!(pair.0.0, -pair.1.0);
    assert_eq!(cells.len(), 7_746);
    let given: Vec<_> = numbers.given().filter(|(code, _)| centres.contains(*code)).collect();
    let why = format!(
        "{} rows, sum 0, {} cells, {} ansvar, {} of them no numbers",
        summary.lines,
        cells.len(),
        centres.len(),
        given.len()
    );
    row("stavanger-budsjett-2016-drift.csv", "-", "taken", &why);
    assert!(given.iter().any(|(code, number)| *code == "30000S" && *number >= 900_000_001));
}

#[test]
fn the_investment_budget_and_sogndals_three_years_load_with_their_sums() {
    if let Some(file) = open("norwegian-open-finance/stavanger-budsjett-2016-investering.csv") {
        let summary = budget::read(file, &Columns::STAVANGER_INVESTMENT, &mut |line| {
            assert_eq!(line.account.class, Class::Investment);
            Ok(())
        })
        .unwrap();
        assert_eq!((summary.lines, summary.sum, summary.gross), (171, Total(0), Total(169_226_200_000)));
        row("stavanger-budsjett-2016-investering.csv", "-", "taken", "171 rows, sum 0");
    }
    for (amount, sum) in [("rekneskap_2011", 1_600), ("budsjett_2012", 0), ("budsjett_2013", 0)] {
        let Some(file) = open("norwegian-open-finance/sogndal-budsjett-2013-driftsbudsjett.csv") else {
            return;
        };
        let columns = Columns { amount, ..Columns::SOGNDAL };
        let summary = budget::read(file, &columns, &mut |_| Ok(())).unwrap();
        assert_eq!((summary.lines, summary.sum), (4_898, Total(sum)), "{amount}");
        row(
            "sogndal-budsjett-2013-driftsbudsjett.csv",
            "-",
            "taken",
            &format!("{amount}: 4898 rows, sum {}", summary.sum),
        );
    }
}

#[test]
fn support_of_parties_adds_up_branch_by_branch() {
    let Some(file) = open("norwegian-open-finance/kmd-partistotte-2014.csv") else { return };
    let summary = payments::read(file, &payments::Columns::PARTY_SUPPORT, &mut |_| Ok(())).unwrap();
    assert_eq!((summary.payments, summary.empty), (2_709, 0));
    assert_eq!(summary.parts, [Total(978_869_100), Total(10_802_354_460)]);
    assert_eq!(summary.total, Total(11_781_223_560));
    row("kmd-partistotte-2014.csv", "-", "taken", &format!("2709 rows, {}", summary.total));
}

#[test]
fn british_councils_payments_load_with_the_rows_and_sums_of_their_source() {
    use payments::Columns;
    let salford = (Columns::SALFORD, 0);
    for (file, (columns, empty), payments, negative, total) in [
        ("salford-2020-12.csv", salford, 3_179, 7, 2_273_046_480),
        ("salford-2021-01.csv", salford, 4_728, 13, 4_112_902_219),
        ("northtyneside-2022-07_i.csv", (Columns::NORTH_TYNESIDE, 1_599), 18_400, 460, 5_362_286_647),
        ("newcastle-2020-04.csv", (Columns::NEWCASTLE, 0), 9_222, 331, 8_935_363_714_i128),
    ] {
        let Some(source) = open(&format!("uk-council-spend/{file}")) else { continue };
        let mut centres = BTreeSet::new();
        let mut capital = 0_u64;
        let summary = payments::read(source, &columns, &mut |payment| {
            centres.extend(payment.cost_centre.map(String::from));
            capital += u64::from(payment.capital == Some(true));
            assert!(payment.date.is_some() && !payment.payee.is_empty(), "line {}", payment.line);
            Ok(())
        })
        .unwrap();
        let found = (summary.payments, summary.empty, summary.negative, summary.total);
        assert_eq!(found, (payments, empty, negative, Total(total)), "{file}");
        if file.starts_with("salford-2020") {
            assert_eq!(summary.parts, [Total(188_456_953), Total(2_084_589_527)]);
        }
        let why = format!(
            "{payments} payments of {}, {empty} empty rows, {} cost centres, {capital} capital",
            summary.total,
            centres.len()
        );
        row(file, "-", "taken", &why);
    }
}
