//! Code lists: which arts, functions, chapters, sectors, state accounts and VAT codes are in force
//! on a day, and what they may be combined with (rule L3).
//!
//! The lists are chain data. They enter with genesis from a plain text file that [`parse`] reads
//! (`node/genesis/codes.txt`); nothing here knows a single code. The module leaves out VAT totals
//! of a document (`rules`) and the accounts that are booked by rule (`accounts`).
//!
//! Invariant: what a lookup answers depends on the register and the day alone.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::account::{Account, Class};
use crate::entity::EntityKind;
use crate::entry::Rate;
use crate::records::{CodeList, CodeRecord};
use crate::refusal::Refusal;
use crate::registers::Draft;
use crate::time::Date;
use crate::transaction::NewEntity;

/// The code as it is in force on the day.
///
/// # Errors
/// [`Refusal::UnknownCode`] (rule L3, L4 for VAT codes) when the list has none.
pub fn in_force<'d>(
    draft: &'d Draft<'_>,
    list: CodeList,
    code: u16,
    date: Date,
) -> Result<&'d CodeRecord, Refusal> {
    draft
        .last_up_to::<CodeRecord>(&(list, code, date))
        .filter(|record| record.list == list && record.code == code && record.valid_on(date))
        .ok_or(Refusal::UnknownCode { list, code, date })
}

/// Rule L3: the account is of the entity's chart, its codes are in force on the day, meant for the
/// entity's kind, and may stand together.
///
/// # Errors
/// The refusals of rule L3, chart first, then function or sector, then art or chapter, then both.
pub fn check_account(
    draft: &Draft<'_>,
    entity: &NewEntity,
    account: Account,
    date: Date,
) -> Result<(), Refusal> {
    let wrong_chart = || Refusal::WrongChart { account, entity: entity.number, kind: entity.kind };
    let usable = |list, code| {
        let record = in_force(draft, list, code, date)?;
        let meant = match entity.kind {
            EntityKind::Municipality => record.municipality,
            EntityKind::County => record.county,
            EntityKind::State | EntityKind::Private | EntityKind::Auditor => true,
        };
        if meant {
            Ok(record)
        } else {
            Err(Refusal::CodeNotForKind { list, code, entity: entity.number, kind: entity.kind })
        }
    };
    let kostra = matches!(entity.kind, EntityKind::Municipality | EntityKind::County);
    match account.class {
        Class::Investment | Class::Operating if kostra => {
            let function = usable(CodeList::Function, account.function)?;
            let art = usable(CodeList::Art, account.code)?;
            for record in [function, art] {
                let allowed = match account.class {
                    Class::Investment => record.investment,
                    _ => record.operating,
                };
                if !allowed {
                    return Err(Refusal::CodeNotInClass { account, list: record.list, code: record.code });
                }
            }
            goes_with(account, art, account.function)?;
            goes_with(account, function, account.code)
        }
        Class::Balance if kostra && account.function == 0 => {
            usable(CodeList::Sector, account.sector)?;
            usable(CodeList::Chapter, account.code)?;
            Ok(())
        }
        Class::State if entity.kind == EntityKind::State => {
            usable(CodeList::StateAccount, account.code)?;
            plain(account).then_some(()).ok_or_else(wrong_chart)
        }
        // A private party's chart is its own: NS 4102 numbers have four digits, classes 1 to 8.
        Class::Private if entity.kind == EntityKind::Private => {
            let numbered = (1000..=8999).contains(&account.code);
            (numbered && plain(account)).then_some(()).ok_or_else(wrong_chart)
        }
        _ => Err(wrong_chart()),
    }
}

fn plain(account: Account) -> bool {
    account.function == 0 && account.sector == 0
}

/// Whether `record` may stand in `account` beside the code `other` of the other list.
fn goes_with(account: Account, record: &CodeRecord, other: u16) -> Result<(), Refusal> {
    let only = match account.class {
        Class::Investment => &record.only_with_investment,
        _ => &record.only_with_operating,
    };
    match only.first() {
        Some(&first) if !only.contains(&other) => {
            Err(Refusal::Combination { account, list: record.list, code: record.code, first })
        }
        _ => Ok(()),
    }
}

/// Why a text is not a list of codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodesError {
    /// A line does not follow the form.
    #[error("line {line}: {problem}; write LIST CODE FROM TO [WORD...] as the file's head explains")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Two spans of one code overlap.
    #[error(
        "{list} {code}: the span from {from} begins before an earlier one ends; make them follow each other"
    )]
    Overlap {
        /// The list.
        list: CodeList,
        /// The code.
        code: u16,
        /// First day of the later span.
        from: Date,
    },
}

/// Reads code lists from text and returns them in order of key.
///
/// One code and span per line, `LIST CODE FROM TO [WORD...]`, `#` begins a comment, `-` as TO means
/// no end. LIST is `art`, `function`, `chapter`, `sector`, `state` or `vat`. Words: `municipality`
/// and `county` limit a code to that kind; `operating` and `investment` to that account class;
/// `investment=841` and `operating=281,325` to go in that class only with these functions (of an
/// art) or arts (of a function); `rate=25` or `rate=11,11` in per cent, `compensable`, `deductible`.
///
/// # Errors
/// [`CodesError`], naming the first line or code that is wrong.
pub fn parse(text: &str) -> Result<Vec<CodeRecord>, CodesError> {
    let mut records = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default();
        let mut words = content.split_whitespace();
        if let Some(list) = words.next() {
            let record = parse_line(list, words);
            records.push(record.map_err(|problem| CodesError::Line { line: number + 1, problem })?);
        }
    }
    records.sort_by_key(|record: &CodeRecord| (record.list, record.code, record.from));
    for pair in records.windows(2) {
        if (pair[0].list, pair[0].code) == (pair[1].list, pair[1].code) && pair[1].from <= pair[0].to {
            let CodeRecord { list, code, from, .. } = pair[1];
            return Err(CodesError::Overlap { list, code, from });
        }
    }
    Ok(records)
}

fn parse_line<'t>(list: &str, mut words: impl Iterator<Item = &'t str>) -> Result<CodeRecord, String> {
    let list = match list {
        "art" => CodeList::Art,
        "function" => CodeList::Function,
        "chapter" => CodeList::Chapter,
        "sector" => CodeList::Sector,
        "state" => CodeList::StateAccount,
        "vat" => CodeList::Vat,
        _ => return Err(alloc::format!("{list} is no list")),
    };
    let code = number(words.next().unwrap_or_default())?;
    let from = Date::parse(words.next().unwrap_or_default()).map_err(|error| error.to_string())?;
    let to = match words.next() {
        Some("-") => Date::MAX,
        text => Date::parse(text.unwrap_or_default()).map_err(|error| error.to_string())?,
    };
    if to < from {
        return Err(alloc::format!("{from} to {to} ends before it begins"));
    }
    let mut record = CodeRecord {
        list,
        code,
        from,
        to,
        municipality: true,
        county: true,
        investment: true,
        operating: true,
        only_with_investment: Vec::new(),
        only_with_operating: Vec::new(),
        rate: None,
        compensable: false,
        deductible: false,
    };
    for word in words {
        match word.split_once('=') {
            None => match word {
                "municipality" => record.county = false,
                "county" => record.municipality = false,
                "operating" => record.investment = false,
                "investment" => record.operating = false,
                "compensable" => record.compensable = true,
                "deductible" => record.deductible = true,
                _ => return Err(alloc::format!("{word} is no word")),
            },
            Some(("investment", codes)) => record.only_with_investment = numbers(codes)?,
            Some(("operating", codes)) => record.only_with_operating = numbers(codes)?,
            Some(("rate", rate)) => record.rate = Some(percent(rate)?),
            Some(_) => return Err(alloc::format!("{word} is no word")),
        }
    }
    Ok(record)
}

/// One to four digits.
pub(crate) fn number(text: &str) -> Result<u16, String> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ => Err(alloc::format!("{text:?} is not a code of one to four digits")),
    }
}

fn numbers(text: &str) -> Result<Vec<u16>, String> {
    let numbers = text.split(',').map(number).collect::<Result<Vec<_>, _>>()?;
    if numbers.windows(2).all(|pair| pair[0] < pair[1]) {
        Ok(numbers)
    } else {
        Err(alloc::format!("{text} is not in order"))
    }
}

fn percent(text: &str) -> Result<Rate, String> {
    let (whole, hundredths) = text.split_once(',').unwrap_or((text, "00"));
    let refuse = || alloc::format!("{text} is not a rate such as 25 or 11,11");
    if hundredths.len() != 2 || whole.len() > 2 {
        return Err(refuse());
    }
    let (whole, hundredths) =
        (number(whole).map_err(|_| refuse())?, number(hundredths).map_err(|_| refuse())?);
    Ok(Rate(whole * 100 + hundredths))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::format;
    use std::{fs, println};

    const CODES: &str = include_str!("../../node/genesis/codes.txt");

    /// A file that nobody here wrote, or `None` with a line that says so.
    fn shared(path: &str) -> Option<String> {
        let path = format!("{}/../../shared/data/{path}", env!("CARGO_MANIFEST_DIR"));
        match fs::read(&path) {
            Ok(bytes) => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
            Err(_) => {
                println!("passed over: {path} is not here");
                None
            }
        }
    }

    /// The codes of a list that are in force on a day, as the list writes them.
    fn on(list: CodeList, day: &str) -> BTreeSet<u16> {
        let day = Date::parse(day).unwrap();
        let records = parse(CODES).unwrap();
        records.iter().filter(|r| r.list == list && r.valid_on(day)).map(|r| r.code).collect()
    }

    /// The numbers in a column of a semicolon list, where another column tells that they count.
    fn column(text: &str, place: usize, counts: impl Fn(&[&str]) -> bool) -> BTreeSet<u16> {
        let rows = text.lines().map(|line| line.split(';').collect::<Vec<_>>());
        let own = rows.filter(|row| row.len() > place && counts(row));
        own.filter_map(|row| row[place].parse().ok()).collect()
    }

    #[test]
    fn a_line_that_is_no_code_is_named_with_its_number() {
        for (text, words) in [
            ("\n art 7x 2020-01-01 -", "line 2: \"7x\" is not a code of one to four digits"),
            ("arts 70 2020-01-01 -", "line 1: arts is no list"),
            (
                "art 70 2020-02-30 -",
                "line 1: 2020-02-30 is not a date between 1900-01-01 and 9999-12-31; write it as YYYY-MM-DD",
            ),
            ("art 70 2020-01-02 2020-01-01", "line 1: 2020-01-02 to 2020-01-01 ends before it begins"),
            ("art 70 2020-01-01 - fond", "line 1: fond is no word"),
            ("art 70 2020-01-01 - operating=2,1", "line 1: 2,1 is not in order"),
            ("vat 1 2020-01-01 - rate=2500", "line 1: 2500 is not a rate such as 25 or 11,11"),
        ] {
            let words = format!("{words}; write LIST CODE FROM TO [WORD...] as the file's head explains");
            assert_eq!(parse(text).unwrap_err().to_string(), words);
        }
        assert_eq!(
            parse("art 70 2020-01-01 -\nart 70 2019-01-01 2020-01-01").unwrap_err().to_string(),
            "art 70: the span from 2020-01-01 begins before an earlier one ends; make them follow each other"
        );
        let [code] = &parse("# fish\nvat 12 2020-01-01 - rate=11,11 deductible # raw").unwrap()[..] else {
            panic!("one code");
        };
        assert_eq!((code.rate, code.deductible, code.compensable), (Some(Rate(1111)), true, false));
    }

    #[test]
    fn the_rate_of_each_day_is_the_one_that_was_in_force() {
        let records = parse(CODES).unwrap();
        for (code, day, rate) in [
            (1, "2005-01-01", 2500),
            (11, "2011-12-31", 1400),
            (11, "2012-01-01", 1500),
            (13, "2013-06-01", 800),
            (13, "2016-01-01", 1000),
            (13, "2020-03-31", 1200),
            (13, "2020-04-01", 600),
            (33, "2021-09-30", 600),
            (33, "2021-10-01", 1200),
        ] {
            let day = Date::parse(day).unwrap();
            let mut found =
                records.iter().filter(|r| r.list == CodeList::Vat && r.code == code && r.valid_on(day));
            assert_eq!(found.next().unwrap().rate, Some(Rate(rate)), "{code} on {day}");
            assert!(found.next().is_none());
        }
    }

    #[test]
    fn l3_the_lists_of_2024_are_those_the_tax_administration_published() {
        let Some(text) = shared("skatteetaten-saf-t/codes/KOSTRA_Arts_2024_kommuner.csv") else { return };
        let published = column(&text, 2, |_| true);
        // Arts are written with three digits and come first; chapters follow from 10 on.
        let arts: BTreeSet<u16> = text
            .lines()
            .map(|line| line.split(';').nth(2).unwrap_or_default())
            .skip(1)
            .take_while(|code| *code != "10")
            .map(|code| code.parse().unwrap())
            .collect();
        let ours = on(CodeList::Art, "2024-12-31");
        assert_eq!(ours, arts);
        let chapters: BTreeSet<u16> = text
            .lines()
            .map(|line| line.split(';').nth(2).unwrap_or_default())
            .skip_while(|code| *code != "10")
            .map(|code| code.parse().unwrap())
            .collect();
        assert!(published.is_superset(&arts));
        // Statistics Norway accepts chapter 28, which this list leaves out.
        let mut ours = on(CodeList::Chapter, "2024-12-31");
        assert!(ours.remove(&28));
        assert_eq!(ours, chapters);
    }

    #[test]
    fn l3_the_states_chart_is_the_one_the_tax_administration_published() {
        let Some(text) = shared("skatteetaten-saf-t/codes/STAT_Grouping_Category_Code.csv") else { return };
        let published = column(&text, 2, |row| row[0] == "KS" && !row[3].starts_with("Reservert"));
        assert_eq!(on(CodeList::StateAccount, "2026-01-01"), published);
    }

    #[test]
    fn l4_the_vat_codes_are_those_the_tax_administration_published() {
        let Some(text) = shared("skatteetaten-saf-t/codes/Standard_Tax_Codes.csv") else { return };
        assert_eq!(on(CodeList::Vat, "2026-01-01"), column(&text, 0, |_| true));
        let Some(text) = shared("skatteetaten-mva-melding/codes/mvaKodeSAFT.xml") else { return };
        let Some(rates) = shared("skatteetaten-mva-melding/codes/sats.xml") else { return };
        let inner = |text: &str, tag: &str| {
            let (_, rest) = text.split_once(&format!("<{tag}>"))?;
            rest.split_once(&format!("</{tag}>")).map(|(inner, _)| String::from(inner))
        };
        let records = parse(CODES).unwrap();
        let mut compared = 0;
        for code in text.split("<kode>").skip(1) {
            let number: u16 = inner(code, "tekniskNavn").unwrap().parse().unwrap();
            let own: Vec<&CodeRecord> =
                records.iter().filter(|r| r.list == CodeList::Vat && r.code == number).collect();
            let compensable = inner(code, "kompensasjon").is_some_and(|word| word == "SANN");
            assert!(own.iter().all(|r| r.compensable == compensable), "compensation of {number}");
            let Some(kind) = inner(code, "satstype") else { continue };
            for rate in rates.split("<kode>").skip(1) {
                let (Some(from), Some(of)) = (inner(rate, "fradato"), inner(rate, "satstype")) else {
                    continue;
                };
                let from = Date::parse(&from).unwrap();
                if of == kind && own.first().is_some_and(|first| first.from <= from) {
                    let expected = percent(&inner(rate, "tekniskNavn").unwrap()).unwrap();
                    let found = own.iter().find(|r| r.valid_on(from)).unwrap();
                    assert_eq!(found.rate, Some(expected), "{number} on {from}");
                    let to = inner(rate, "tildato").map_or(Date::MAX, |to| Date::parse(&to).unwrap());
                    assert!(found.to >= to, "{number} until {to}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 20, "{compared} rates compared");
    }

    #[test]
    fn l3_every_combination_a_municipality_reported_for_2019_is_in_force_then() {
        let Some(text) = shared("ssb-kostra/samples/0A_V2019_K4_R040200_OK.dat") else { return };
        let records = parse(CODES).unwrap();
        let day = Date::parse("2019-12-31").unwrap();
        let find = |list, code: &str| {
            let code = code.trim().parse::<u16>().unwrap();
            records.iter().find(|r| r.list == list && r.code == code && r.valid_on(day) && r.municipality)
        };
        let mut rows = 0;
        for row in text.lines() {
            let class = if &row[31..32] == "0" { Class::Investment } else { Class::Operating };
            let function = find(CodeList::Function, &row[32..36]).unwrap_or_else(|| panic!("{row}"));
            let art = find(CodeList::Art, &row[36..39]).unwrap_or_else(|| panic!("{row}"));
            let account = Account::kostra(class, function.code, art.code);
            assert!(if class == Class::Investment { art.investment } else { art.operating }, "{row}");
            assert_eq!(goes_with(account, art, function.code), Ok(()));
            rows += 1;
        }
        assert_eq!(rows, 1644);
    }
}
