//! Books as plain text: the journal, the general ledger of an account, the trial balance, and the
//! journal in hledger's format.
//!
//! Reports are stable: the same entries and captions give the same bytes, so tests compare them as
//! they stand and two people may compare what they were shown. They leave out what proves them
//! (`receipt`, `state_proof`) and every export with a standard of its own (SAF-T, KOSTRA).
//!
//! Invariant: a report repeats figures and adds them up; it corrects none. Where debit and credit
//! differ in what it was given, its totals show it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use crate::account::Account;
use crate::amount::{Amount, Total};
use crate::entity::OrgNumber;
use crate::entry::{JournalEntry, Posting, Voucher};
use crate::postings::ChainedPosting;
use crate::records::AccountRecord;
use crate::time::{Date, Period};

/// What a reader is told beside the codes. The ledger keeps no texts, so the caller brings them.
#[derive(Clone, Copy)]
pub struct Captions<'a> {
    /// Name of an account in the books of an entity.
    pub account: &'a dyn Fn(OrgNumber, Account) -> Option<String>,
    /// What an entry is about, such as `Skolemat AS, invoice 8841`.
    pub entry: &'a dyn Fn(&JournalEntry) -> Option<String>,
}

impl Captions<'static> {
    /// Codes and numbers only.
    pub const NONE: Self = Self { account: &|_, _| None, entry: &|_| None };
}

impl Captions<'_> {
    fn label(&self, entity: OrgNumber, account: Account) -> String {
        match (self.account)(entity, account) {
            Some(name) => format!("{account} {}", one_line(&name)),
            None => account.to_string(),
        }
    }

    fn about(&self, entry: &JournalEntry) -> String {
        (self.entry)(entry).map(|text| one_line(&text)).unwrap_or_default()
    }
}

/// The journal: each entry under its date and voucher number, debits left, credits right, and the
/// totals of all of them last. A voucher shows its year where that is not the date's, and its
/// entity where the entries are of several.
pub fn journal<'a>(entries: impl IntoIterator<Item = &'a JournalEntry>, captions: &Captions<'_>) -> String {
    let mut rows = Vec::new();
    let (mut debit, mut credit) = (Total::default(), Total::default());
    let entries: Vec<&JournalEntry> = entries.into_iter().collect();
    let several = entries.windows(2).any(|pair| pair[0].entity != pair[1].entity);
    for entry in entries {
        let (entry_debit, entry_credit) = JournalEntry::totals(&entry.postings);
        debit.0 += entry_debit.0;
        credit.0 += entry_credit.0;
        let voucher = short(entry.voucher, entry.date);
        let of = if several { format!("{}  ", entry.entity) } else { String::new() };
        rows.push(Row::Text(format!("{}  {of}voucher {voucher}  {}", entry.date, captions.about(entry))));
        for posting in &entry.postings {
            let label = captions.label(entry.entity, posting.account);
            let amount = Total(i128::from(posting.amount.0).abs()).to_string();
            let amounts = if posting.amount.0 > 0 { vec![amount] } else { vec![String::new(), amount] };
            rows.push(Row::Amounts(label, amounts));
        }
        rows.push(Row::Text(String::new()));
    }
    rows.push(Row::Amounts("Total".to_string(), vec![debit.to_string(), credit.to_string()]));
    render(&rows)
}

/// The trial balance (saldobalanse) of an entity for one period: per account what it opened with,
/// its debits and credits, and what it closed with, debit positive.
///
/// `accounts` holds for each account the record of the last period with postings, up to and
/// including this one (`Ledger::accounts_up_to`); an older balance is carried to this period where
/// the account carries over, and within its year otherwise. Other records are left out.
pub fn trial_balance<'a>(
    entity: OrgNumber,
    period: Period,
    accounts: impl IntoIterator<Item = &'a AccountRecord>,
    captions: &Captions<'_>,
) -> String {
    let columns = ["opening", "debit", "credit", "closing"].map(String::from);
    let mut rows = vec![
        Row::Text(format!("{entity}  {period}  trial balance")),
        Row::Amounts(String::new(), columns.to_vec()),
    ];
    let mut sums = [Total::default(); 4];
    for record in accounts {
        if record.entity != entity || record.period > period {
            continue;
        }
        let carried = record.account.carries_over() || record.period.year() == period.year();
        let figures = match (record.period == period, carried) {
            (true, _) => [record.opening, record.debit, record.credit, record.closing()],
            (false, true) => [record.closing(), Total(0), Total(0), record.closing()],
            (false, false) => continue,
        };
        if figures == [Total(0); 4] {
            continue;
        }
        for (sum, figure) in sums.iter_mut().zip(figures) {
            sum.0 += figure.0;
        }
        let label = captions.label(entity, record.account);
        rows.push(Row::Amounts(label, figures.map(|figure| figure.to_string()).to_vec()));
    }
    rows.push(Row::Amounts("Total".to_string(), sums.map(|sum| sum.to_string()).to_vec()));
    render(&rows)
}

/// The general ledger (hovedbok) of one account in one period: its postings in the order of booking,
/// each with its voucher, its counterparty and the balance after it, debit positive; totals last.
///
/// The postings are taken as given: that they are all there are is for `postings` to verify.
pub fn general_ledger<'a>(
    record: &AccountRecord,
    postings: impl IntoIterator<Item = &'a ChainedPosting>,
    captions: &Captions<'_>,
) -> String {
    let AccountRecord { entity, account, period, opening, .. } = *record;
    let columns = ["debit", "credit", "balance"].map(String::from);
    let mut rows = vec![
        Row::Text(format!("{entity}  {period}  {}", captions.label(entity, account))),
        Row::Amounts(String::new(), columns.to_vec()),
        Row::Amounts("Opening".to_string(), vec![String::new(), String::new(), opening.to_string()]),
    ];
    let (mut debit, mut credit, mut balance) = (Total::default(), Total::default(), opening);
    for ChainedPosting { voucher, date, posting, .. } in postings {
        let amount = posting.amount;
        balance.add(amount);
        let party = posting.counterparty.map(|party| format!("  {party}")).unwrap_or_default();
        let label = format!("{date}  voucher {}{party}", short(*voucher, *date));
        let amounts = if amount.0 > 0 {
            debit.add(amount);
            [amount.to_string(), String::new(), balance.to_string()]
        } else {
            credit.0 -= i128::from(amount.0);
            [String::new(), Total(-i128::from(amount.0)).to_string(), balance.to_string()]
        };
        rows.push(Row::Amounts(label, amounts.to_vec()));
    }
    let sums = [debit, credit, balance].map(|sum| sum.to_string());
    rows.push(Row::Amounts("Total".to_string(), sums.to_vec()));
    render(&rows)
}

/// The journal as hledger and ledger read it: accounts are
/// `entity:class:function:art`, `entity:2:chapter:sector` or `entity:number`, debit is positive,
/// the voucher stands as the transaction's code, dimensions as tags.
pub fn hledger<'a>(entries: impl IntoIterator<Item = &'a JournalEntry>, captions: &Captions<'_>) -> String {
    let mut text = String::new();
    for entry in entries {
        // A semicolon would begin a comment, a bar would split the description.
        let about = captions.about(entry).replace([';', '|'], ",");
        let heading = format!("{} ({}) {about}", entry.date, entry.voucher);
        text.push_str(heading.trim_end());
        text.push('\n');
        for posting in &entry.postings {
            let account = format!("{}:{}", entry.entity, posting.account).replace('.', ":");
            let line = format!("  {account:<24}{:>18} NOK", posting.amount.to_decimal());
            text.push_str(&line);
            let tags = tags(entry, posting);
            if !tags.is_empty() {
                text.push_str("  ; ");
                text.push_str(&tags.join(", "));
            }
            text.push('\n');
        }
        text.push('\n');
    }
    text
}

/// A voucher's number, with its year only where that is not the date's.
fn short(voucher: Voucher, date: Date) -> String {
    if voucher.year == date.year() { voucher.number.to_string() } else { voucher.to_string() }
}

fn tags(entry: &JournalEntry, posting: &Posting) -> Vec<String> {
    let mut tags = Vec::new();
    tags.extend(entry.document.map(|document| format!("document:{document}")));
    tags.extend(posting.counterparty.map(|party| format!("counterparty:{party}")));
    tags.extend(posting.cost_centre.map(|centre| format!("cost_centre:{centre}")));
    tags.extend(posting.project.map(|project| format!("project:{project}")));
    tags.extend(posting.vat.map(|vat| {
        let (rate, base) = (Amount(i64::from(vat.rate.0)).to_decimal(), vat.base.to_decimal());
        format!("vat_code:{}, vat:{}, vat_rate:{rate}, vat_base:{base}", vat.code, vat.regime)
    }));
    tags
}

enum Row {
    Text(String),
    Amounts(String, Vec<String>),
}

/// Narrow reports look alike; a wide one widens its columns.
const LABEL_WIDTH_MIN: usize = 22;
const AMOUNT_WIDTH_MIN: usize = 12;

fn render(rows: &[Row]) -> String {
    let (mut label_width, mut amount_width) = (LABEL_WIDTH_MIN, AMOUNT_WIDTH_MIN);
    for row in rows {
        if let Row::Amounts(label, amounts) = row {
            label_width = label_width.max(label.chars().count());
            let widest = amounts.iter().map(|amount| amount.chars().count()).max().unwrap_or(0);
            amount_width = amount_width.max(widest + 2);
        }
    }
    let mut text = String::new();
    for row in rows {
        let line = match row {
            Row::Text(line) => line.clone(),
            Row::Amounts(label, amounts) => {
                let mut line = format!("    {label:<label_width$}");
                for amount in amounts {
                    line.push_str(&format!("{amount:>amount_width$}"));
                }
                line
            }
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Texts come from outside the ledger; a line break in one would forge a line of the report.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::LeafIndex;
    use crate::digest::Digest;
    use crate::entry::{Rate, Regime, Vat};

    fn stavanger() -> OrgNumber {
        OrgNumber::new(964_965_226).unwrap()
    }

    fn entry(date: &str, number: u64, lines: &[(&str, i64)]) -> JournalEntry {
        let postings = lines
            .iter()
            .map(|(account, ore)| Posting::new(Account::parse(account).unwrap(), Amount(*ore)))
            .collect();
        let voucher = Voucher { year: 2026, number };
        JournalEntry::new(stavanger(), voucher, Date::parse(date).unwrap(), Some(7), postings).unwrap()
    }

    fn captions() -> Captions<'static> {
        Captions {
            account: &|_, account| match account.code {
                6820 => Some("Printing".to_string()),
                2400 => Some("Accounts payable".to_string()),
                _ => None,
            },
            entry: &|entry| (entry.voucher.number == 412).then(|| "Skolemat AS,\n invoice 8841".to_string()),
        }
    }

    #[test]
    fn a_journal_reads_as_a_colleague_would_show_it() {
        let printing = entry("2026-03-04", 412, &[("6820", 1_250_000), ("2400", -1_250_000)]);
        let late = entry("2027-01-02", 413, &[("2.27.000", 90_000_000_000), ("2.5990.000", -90_000_000_000)]);
        assert_eq!(
            journal([&printing], &captions()),
            "\
2026-03-04  voucher 412  Skolemat AS, invoice 8841
    6820 Printing            12 500,00
    2400 Accounts payable                12 500,00

    Total                    12 500,00   12 500,00
"
        );
        assert_eq!(
            journal([&late], &captions()),
            "\
2027-01-02  voucher 2026/413
    2.27.000                900 000 000,00
    2.5990.000                              900 000 000,00

    Total                   900 000 000,00  900 000 000,00
"
        );
    }

    fn account(text: &str, period: &str, figures: [i128; 3]) -> AccountRecord {
        AccountRecord {
            entity: stavanger(),
            account: Account::parse(text).unwrap(),
            period: Period::parse(period).unwrap(),
            opening: Total(figures[0]),
            count: 1,
            chain: Digest::default(),
            debit: Total(figures[1]),
            credit: Total(figures[2]),
        }
    }

    #[test]
    fn a_trial_balance_carries_what_was_not_posted_to_in_the_period() {
        let accounts = [
            account("1.222.260", "2026-05", [0, 10_000_000, 0]),
            account("1.222.429", "2026-02", [0, 2_500_000, 0]),
            account("1.253.115", "2025-11", [0, 700, 0]),
            account("2.10.320", "2025-12", [0, 5_000_000, 0]),
            account("2.13.650", "2026-04", [100, 0, 100]),
            account("2.35.200", "2026-05", [-7_500_000, 0, 10_000_000]),
            account("2.35.200", "2026-06", [-17_500_000, 1, 0]),
        ];
        assert_eq!(
            trial_balance(stavanger(), Period::parse("2026-05").unwrap(), &accounts, &Captions::NONE),
            "\
964965226  2026-05  trial balance
                                opening        debit       credit      closing
    1.222.260                      0,00   100 000,00         0,00   100 000,00
    1.222.429                 25 000,00         0,00         0,00    25 000,00
    2.10.320                  50 000,00         0,00         0,00    50 000,00
    2.35.200                 -75 000,00         0,00   100 000,00  -175 000,00
    Total                          0,00   100 000,00   100 000,00         0,00
"
        );
    }

    #[test]
    fn an_account_reads_from_its_opening_to_its_closing_balance() {
        let posting = |date: &str, number, ore, counterparty: Option<u32>| ChainedPosting {
            voucher: Voucher { year: 2026, number },
            date: Date::parse(date).unwrap(),
            leaf: LeafIndex(2),
            line: 0,
            posting: Posting {
                counterparty: counterparty.map(|number| OrgNumber::new(number).unwrap()),
                ..Posting::new(Account::parse("2.35.200").unwrap(), Amount(ore))
            },
        };
        let postings = [
            posting("2026-05-04", 412, -12_500_000, Some(123_456_785)),
            posting("2026-05-20", 1413, 12_500_000, None),
        ];
        let record = account("2.35.200", "2026-05", [-900_000_000, 12_500_000, 12_500_000]);
        assert_eq!(
            general_ledger(&record, &postings, &Captions::NONE),
            "\
964965226  2026-05  2.35.200
                                                debit         credit        balance
    Opening                                                           -9 000 000,00
    2026-05-04  voucher 412  123456785                    125 000,00  -9 125 000,00
    2026-05-20  voucher 1413               125 000,00                 -9 000 000,00
    Total                                  125 000,00     125 000,00  -9 000 000,00
"
        );
    }

    #[test]
    fn an_entry_exports_as_hledger_reads_it() {
        let mut cleaning = entry(
            "2026-05-04",
            1,
            &[("1.222.260", 10_000_000), ("1.222.429", 2_500_000), ("2.35.200", -12_500_000)],
        );
        let [net, vat, payable] = &mut cleaning.postings[..] else { panic!("three lines") };
        net.cost_centre = Some(4410);
        vat.vat =
            Some(Vat { code: 1, regime: Regime::Compensate, base: Amount(10_000_000), rate: Rate(2500) });
        payable.counterparty = Some(OrgNumber::new(123_456_785).unwrap());
        let captions = Captions { entry: &|_| Some("cleaning; May | school".to_string()), ..Captions::NONE };
        assert_eq!(
            hledger([&cleaning], &captions),
            "\
2026-05-04 (2026/1) cleaning, May , school
  964965226:1:222:260              100000.00 NOK  ; document:7, cost_centre:4410
  964965226:1:222:429               25000.00 NOK  ; document:7, vat_code:1, vat:compensated, vat_rate:25.00, vat_base:100000.00
  964965226:2:35:200              -125000.00 NOK  ; document:7, counterparty:123456785

"
        );
    }
}
